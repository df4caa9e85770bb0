"""Schedulers are stopped, killed and told wrong times; each instant of a schedule still gets its one task.

Nobody works the queue: afterwards every payload in it is read, and compared with what was due. With
TASKCONSOLE_TEST_FULL=1 the sizes are those of a release.
"""

from __future__ import annotations

import math
import random
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import redis

from taskconsole.model.firing import CAP, ON_TIME, encode_position, replace_position
from tests.faults.schedulers import (
    KEYS,
    QUEUE,
    Fire,
    Lateness,
    MovedClock,
    Pace,
    SchedulerProcess,
    beat,
    each_second,
    fires,
    missed_records,
    now,
    positions,
    processor_time,
    seconds_between,
    server_with_clock,
    spread,
    tally,
    wait_for_moment,
    within,
    write,
)
from tests.servers import FULL, PrivateServer, WorkerProcess, wait_until

HOURS = 3600.0

Start = Callable[..., SchedulerProcess]


@pytest.fixture
def start(store_url: str, tmp_path: Path) -> Iterator[Start]:
    """Start schedulers: `start(url=…, environment=…, wait=True)`; their logs are shown when the test fails."""
    made: list[SchedulerProcess] = []

    def begin(url: str = store_url, *, wait: bool = True, **options: Any) -> SchedulerProcess:
        made.append(SchedulerProcess(url, log=tmp_path / f"scheduler-{len(made)}.log", **options))
        return made[-1].start() if wait else made[-1].launch()  # type: ignore[return-value]  # launch returns itself

    yield begin
    for scheduler in made:
        if scheduler.running:
            scheduler.signal(signal.SIGTERM)
    for scheduler in made:
        scheduler.stop()
        print(f"--- scheduler {scheduler.pid}, {scheduler.log.name}\n{scheduler.output()}")


def all_placed(client: redis.Redis, number: int) -> None:
    wait_until(lambda: client.zcard(KEYS.next) == number, 60, f"{number} schedules have a next time")


def all_decided(client: redis.Redis, moment: float, timeout: float = 20) -> None:
    """Until no schedule has anything to do at or before `moment` any more."""
    wait_until(lambda: client.zcount(KEYS.next, "-inf", moment) == 0, timeout, "everything due is decided")


def who_sweeps(client: redis.Redis, schedulers: list[SchedulerProcess]) -> SchedulerProcess:
    """The one that looks after the definitions and what is late: the one whose loss others must notice."""
    name = wait_until(lambda: client.get(KEYS.sweeper), 20, "somebody looks after the definitions").decode()
    return next((s for s in schedulers if f"-{s.pid}-" in name), schedulers[0])


@pytest.mark.timeout(480)
def test_f28_five_schedulers_fire_each_instant_once_though_one_is_stopped_and_one_killed(raw, start):
    number, length = 200, 300 if FULL else 60
    stops = 5 if FULL else 1
    definitions = each_second(number, catch_up="none")
    write(raw, definitions)
    schedulers = [start() for _ in range(5)]
    all_placed(raw, number)
    first = math.ceil(now(raw)) + 1.0
    last = first + length
    before = [scheduler.usage()[0] for scheduler in schedulers]
    redis_before = processor_time(raw)
    lateness = Lateness()
    for n in range(stops):
        wait_for_moment(raw, first + 8 + n * (length - 30) / stops)
        victim = who_sweeps(raw, schedulers)
        victim.signal(signal.SIGSTOP)
        wait_for_moment(raw, now(raw) + 20)
        lateness.look(raw, list(definitions))
        victim.signal(signal.SIGCONT)
    wait_for_moment(raw, last - 20)
    killed = who_sweeps(raw, schedulers)
    # At the full second, when all are in the middle of firing.
    wait_for_moment(raw, math.ceil(now(raw)) + 0.01)
    used = [s.usage()[0] - b for s, b in zip(schedulers, before, strict=True) if s is not killed]
    killed.kill()
    wait_for_moment(raw, last)
    all_decided(raw, last)
    lateness.look(raw, list(definitions))
    found = within(fires(raw), first, last)
    made = tally(
        f"F-28 5 schedulers, {number} schedules a second for {length} s, {stops} x SIGSTOP 20 s, 1 x SIGKILL",
        found,
        seconds_between(definitions, first, last),
    )
    print(
        f"F-28 late by Redis {spread(lateness.of(found))}; processor {max(used) / (length - 20):.0%} of a core "
        f"for the busiest scheduler, Redis {(processor_time(raw) - redis_before) / length:.0%}"
    )
    assert (made.missing, made.double, made.strangers) == (0, 0, 0)
    assert all(scheduler.running for scheduler in schedulers if scheduler is not killed)


# -- three hours away


def three_policies(number: int) -> dict[str, bytes]:
    """Every minute: a third each of the policies, half of each by cron in a zone, half by interval."""
    made = {}
    for n in range(number):
        policy = ("none", "one", "all")[n % 3]
        when = {"every": 60} if n // 3 % 2 else {"cron": "* * * * *", "tz": "Europe/Berlin"}
        made[f"{policy}-{n:05}"] = beat(**when, catch_up=policy)
    return made


def shift_back(client: redis.Redis, seconds: float) -> None:
    """Make every schedule stand as if nobody had been there for so long."""
    moved = {
        name: replace_position(
            position,
            instant=position.instant - seconds,
            time=position.time - seconds,
            last=None if position.last is None else position.last - seconds,
        )
        for name, position in positions(client).items()
    }
    pipeline = client.pipeline(transaction=False)
    for name, position in moved.items():
        pipeline.hset(KEYS.positions, name, encode_position(position))
        pipeline.zadd(KEYS.next, {name: f"{position.time:.6f}"})
    pipeline.execute()


def place_and_leave(client: redis.Redis, start: Start, url: str, definitions: dict[str, bytes]) -> dict[str, float]:
    """Let a scheduler place the definitions and stop it; returns the first instant of each that is then to come."""
    empty = client.info("memory")["used_memory"]
    write(client, definitions)
    began = time.monotonic()
    scheduler = start(url)
    all_placed(client, len(definitions))
    took = time.monotonic() - began
    memory = (client.info("memory")["used_memory"] - empty) / len(definitions)
    assert scheduler.stop() == 0
    client.delete(QUEUE, KEYS.running, KEYS.stats)
    print(f"F-27 {len(definitions)} schedules placed in {took:.1f} s, {memory:.0f} bytes of Redis each")
    return {name: position.instant for name, position in positions(client).items()}


def catch_up(client: redis.Redis, start: Start, url: str, due: dict[str, float], schedulers: int) -> None:
    """Start schedulers after the gap, watch them catch up, and compare what they made with the policies."""
    steady = each_second(20, prefix="steady-", catch_up="none")
    write(client, steady)
    pace, lateness, began = Pace(), Lateness(), now(client)
    redis_before = processor_time(client)
    pace.look(client)
    running = [start(url, wait=False) for _ in range(schedulers)]
    looks = count()

    def is_over() -> bool:
        pace.look(client)
        if next(looks) % 200 == 0:
            lateness.look(client, list(steady))
        return client.zcount(KEYS.next, "-inf", now(client) - ON_TIME) == 0 and client.zcard(KEYS.next) == len(
            due
        ) + len(steady)

    wait_until(is_over, 400 if FULL else 90, "the past is caught up with")
    took = now(client) - began
    usage = [scheduler.usage() for scheduler in running]
    redis_used = processor_time(client) - redis_before
    # A moment of ordinary life behind it.
    wait_for_moment(client, now(client) + 2)
    lateness.look(client, list(steady))
    for scheduler in running:
        assert scheduler.stop() == 0
    found = fires(client)
    by_name = defaultdict(list)
    for fire in found:
        by_name[fire.name].append(fire.instant)
    check_steady(by_name, steady)
    made, missed = check_policies(client, found, due)
    assert int(client.hget(KEYS.stats, "fired")) == len(found)
    # What is fired in time is no part of the burst: thousands of schedules of every minute are due at its beginning.
    burst = most_in(0.1, [fire.at for fire in found if fire.at - fire.instant > ON_TIME])
    punctual = lateness.of(fire for fire in found if fire.name in steady)
    print(
        f"F-27 {len(due)} schedules 3 h behind, {schedulers} schedulers: {made} made, {missed} missed, 0 double, "
        f"caught up in {took:.1f} s; at most {burst} late ones in 100 ms, {pace.by_second()} in a second; "
        f"schedules of every second meanwhile late {spread(punctual)}; "
        f"schedulers {', '.join(f'{cpu:.1f} s of processor, {rss:.0f} MB' for cpu, rss in usage)}; "
        f"Redis {redis_used:.1f} s of processor"
    )
    assert burst <= 600
    assert punctual[-1] < ON_TIME


def check_steady(by_name: dict[str, list[float]], steady: dict[str, bytes]) -> None:
    for name in steady:
        instants = by_name[name]
        assert instants == [instants[0] + n for n in range(len(instants))], f"{name} has holes or doubles"


def check_policies(client: redis.Redis, found: list[Fire], due: dict[str, float]) -> tuple[int, int]:
    """Returns how many tasks were made for the gap, and how many instants got none."""
    made = missed = 0
    by_name = defaultdict(list)
    for fire in found:
        by_name[fire.name].append(fire)
    records, after = missed_records(client, due), positions(client)
    for name, first in due.items():
        ours = by_name[name]
        policy = name.partition("-")[0]
        # The tasks of one decision bear the same time.
        decided = ours[0].at if ours and policy != "none" else records[name][-1].at
        newest = decided // 60 * 60
        in_gap = [fire.instant for fire in ours if fire.instant <= newest]
        total = round((newest - first) / 60) + 1
        noted = sum(record.n for record in records[name])
        match policy:
            case "all":
                assert in_gap == [newest - 60 * n for n in reversed(range(CAP))], name
                assert noted == total - CAP, name
            case "one":
                assert in_gap == [newest], name
                assert noted <= total - 1, name
            case _:
                assert in_gap == ([newest] if decided - newest <= ON_TIME else []), name
                assert noted <= total - len(in_gap), name
        # From there on it goes on as always.
        rest = round((after[name].last - newest) / 60)
        assert [f.instant for f in ours if f.instant > newest] == [newest + 60 * (n + 1) for n in range(rest)], name
        made, missed = made + len(in_gap), missed + total - len(in_gap)
    assert int(client.hget(KEYS.stats, "missed")) == sum(r.n for ours in records.values() for r in ours)
    return made, missed


SCHEDULES_AWAY = 10_000 if FULL else 600


def most_in(stretch: float, moments: list[float]) -> int:
    """The most of these moments that lie within so many seconds."""
    most, left, ordered = 0, 0, sorted(moments)
    for right, at in enumerate(ordered):
        while at - ordered[left] > stretch:
            left += 1
        most = max(most, right - left + 1)
    return most


@pytest.mark.timeout(600)
@pytest.mark.parametrize("schedulers", [1, 2] if FULL else [2])
def test_f27_three_hours_without_a_scheduler(raw, store_url, start, schedulers):
    """The clock is not moved here: the schedules are written back by three hours, which comes to the same."""
    place_and_leave(raw, start, store_url, three_policies(SCHEDULES_AWAY))
    shift_back(raw, 3 * HOURS)
    due = {name: position.instant for name, position in positions(raw).items()}
    catch_up(raw, start, store_url, due, schedulers)


@pytest.mark.timeout(600)
def test_f27_three_hours_without_a_scheduler_by_a_clock_that_is_moved(make_server, start, tmp_path, monkeypatch):
    """Fewer schedules than above: every look at the clock costs this Redis the reading of a file."""
    clock = MovedClock(tmp_path)
    server = server_with_clock(make_server, clock, monkeypatch)
    with server.client() as client:
        due = place_and_leave(client, start, server.url, three_policies(min(SCHEDULES_AWAY, 2000)))
        clock.move(3 * HOURS)
        catch_up(client, start, server.url, due, 1)


# -- wrong clocks


def test_f25_a_jumping_clock_of_redis_makes_nothing_twice(make_server, start, tmp_path, monkeypatch):
    """An hour forward, then two back: there is nothing to fire until the clock has come to the last instant again."""
    clock = MovedClock(tmp_path)
    server = server_with_clock(make_server, clock, monkeypatch)
    clock.move(0)
    with server.client() as client:
        definitions = each_second(15, prefix="all-", catch_up="all") | each_second(15, prefix="one-", catch_up="one")
        write(client, definitions)
        schedulers = [start(server.url) for _ in range(2)]
        all_placed(client, len(definitions))
        began = now(client)
        wait_for_moment(client, began + 3)

        clock.move(HOURS)
        jumped = now(client)
        assert jumped > began + HOURS
        all_decided(client, jumped)
        recovery = now(client) - jumped
        wait_for_moment(client, math.ceil(now(client)) + 3)

        all_decided(client, now(client) - 1)
        clock.move(-HOURS)
        back = now(client)
        assert back < began
        made = client.llen(QUEUE)
        before = [scheduler.usage()[0] for scheduler in schedulers]
        wait_for_moment(client, back + 14)  # long enough for every look at the clock
        busy = max(s.usage()[0] - b for s, b in zip(schedulers, before, strict=True)) / 14
        assert client.llen(QUEUE) == made, "something was fired before its time"

        clock.move(HOURS)
        again = math.ceil(now(client))
        wait_until(lambda: client.llen(QUEUE) > made, 20, "they go on")
        resumed = now(client) - again
        last = math.ceil(now(client)) + 2.0
        wait_for_moment(client, last)
        all_decided(client, last)
        found = within(fires(client), 0, last)

        instants = defaultdict(list)
        for fire in found:
            instants[fire.name].append(fire.instant)
        for name, ours in instants.items():
            assert ours == sorted(set(ours)), f"{name}: something was made twice"
            assert ours[-1] == last
            # The jump is a gap of an hour for everybody: a hundred of it, or one.
            assert len([i for i in ours if began + 60 < i <= jumped]) in ({CAP, CAP - 1} if "all" in name else {0, 1})
        assert len(instants) == len(definitions)
        made_in_all = tally("F-25 clock of Redis +1 h, -2 h, +2 h", found, instants)
        print(
            f"F-25 fired again {recovery:.1f} s after the jump, {resumed:.1f} s after it had caught up; "
            f"{busy:.0%} of a core while there was nothing to do"
        )
        assert made_in_all.double == 0
        assert min(fire.at - fire.instant for fire in found) > -0.01
        assert busy < 0.5
        assert all(scheduler.running for scheduler in schedulers)


WRONG_CLOCK = """\
import time
_real, _real_ns = time.time, time.time_ns
time.time = lambda: _real() + {offset}
time.time_ns = lambda: _real_ns() + {offset} * 10**9
"""


@pytest.mark.parametrize("how", ["patched", "libfaketime"])
def test_f25_a_scheduler_with_a_wrong_clock_fires_by_the_time_of_redis(raw, start, tmp_path, how):
    """One is an hour ahead, one three hours behind: what counts is what Redis says."""
    definitions = each_second(20, catch_up="none")
    write(raw, definitions)
    for offset in (3600, -3 * 3600):
        place = tmp_path / f"clock{offset}"
        place.mkdir()
        if how == "patched":
            (place / "sitecustomize.py").write_text(WRONG_CLOCK.format(offset=offset))
            environment = {"PYTHONPATH": str(place)}
        else:
            clock = MovedClock(place)
            clock.move(offset)
            environment = clock.environment()
        start(environment=environment)
    all_placed(raw, len(definitions))
    first = math.ceil(now(raw)) + 1.0
    wait_for_moment(raw, first + 6)
    all_decided(raw, first + 6)
    found = fires(raw)
    assert all(abs(fire.at - now(raw)) < 60 for fire in found)
    lateness = Lateness()
    lateness.look(raw, list(definitions))
    found = within(found, first, first + 6)
    made = tally(f"F-25 schedulers +1 h and -3 h ({how})", found, seconds_between(definitions, first, first + 6))
    assert (made.missing, made.double, made.strangers) == (0, 0, 0)
    assert lateness.of(found)[0] >= 0, "something was fired before its time"


# -- data that is gone, servers and schedulers that die

HASTY_APP = """\
from taskconsole.worker import registrar
from tests.faults.app import app, work

registrar.CONFIRM = 1.0  # seconds; a minute otherwise

for n in range(20):
    app.every(1, name=f"code-{n}", args=[f"beat-{n}", 0])(work)
"""


def test_f34_schedules_of_the_code_come_back_after_flushall(raw, start_worker, ledger, tmp_path):
    """Apps confirm their schedules every minute; here every second."""
    (tmp_path / "hasty.py").write_text(HASTY_APP)
    workers: list[WorkerProcess] = [
        start_worker(
            app="hasty:app",
            arguments=("--lease", "2", "--loop", "asyncio"),
            environment=ledger.environment() | {"PYTHONPATH": str(tmp_path)},
        )
        for _ in range(2)
    ]
    wait_until(lambda: len(ledger.count("end")) == 20, 20, "all have fired")
    for n in range(2):
        raw.flushall()
        gone, lines = time.monotonic(), ledger.length()
        wait_until(lambda: raw.hlen(KEYS.schedules) == 20 == raw.zcard(KEYS.next), 20, "they are registered again")
        registered = time.monotonic() - gone
        wait_until(lambda lines=lines: ledger.length() >= lines + 2 * 20 * 2, 20, "they fire again")
        print(
            f"F-34 FLUSHALL {n + 1}: registered after {registered:.1f} s, firing after {time.monotonic() - gone:.1f} s"
        )
    assert all(worker.running for worker in workers)
    for worker in workers:
        assert worker.stop() == 0
        assert "Traceback" not in worker.output()


@pytest.mark.timeout(180)
def test_f10_a_redis_that_is_killed_under_five_schedulers(make_server, start):
    """Shorter than five seconds away is nothing but late; from there on each policy decides about the outage."""
    server: PrivateServer = make_server(append_only=True, settings={"appendfsync": "always"})
    definitions = {
        name: text
        for policy in ("none", "one", "all")
        for name, text in each_second(10, prefix=f"{policy}-", catch_up=policy).items()
    }
    with server.client() as client:
        write(client, definitions)
    schedulers = [start(server.url) for _ in range(5)]
    with server.client() as client:
        all_placed(client, len(definitions))
        first = math.ceil(now(client)) + 1.0
        wait_for_moment(client, first + 3.01)
    outages = []
    for length in (0.0, 1.5, 8.0):
        server.kill()
        killed = time.time()
        wait_until(lambda killed=killed, length=length: time.time() >= killed + length, 20, "it was away so long")
        server.restart()
        with server.client() as client:
            back = now(client)
            all_decided(client, back, 30)
            outages.append((killed, back, now(client) - back))
            wait_for_moment(client, math.ceil(now(client)) + 2.01)
    with server.client() as client:
        last = math.floor(now(client)) + 1.0
        wait_for_moment(client, last)
        all_decided(client, last)
        found = within(fires(client), first, last)
        records = missed_records(client, definitions)
    due = seconds_between(definitions, first, last)
    for policy in ("none", "one", "all"):
        ours = {name: instants for name, instants in due.items() if name.startswith(policy)}
        made = tally(f"F-10 3 x SIGKILL of Redis, catch_up {policy}", [f for f in found if f.name in ours], ours)
        assert (made.double, made.strangers) == (0, 0)
        missing = {(n, i) for n, instants in ours.items() for i in instants} - {(f.name, f.instant) for f in found}
        assert len(missing) >= sum(record.n for name in ours for record in records[name])
        assert all(outages[-1][0] - 1 <= instant <= sum(outages[-1][1:]) for _, instant in missing)
        assert policy != "all" or not missing
    print(f"F-10 fired again {', '.join(f'{recovery:.1f}' for _, _, recovery in outages)} s after Redis was back")
    assert all(scheduler.running for scheduler in schedulers)


@pytest.mark.timeout(240)
def test_f28_schedulers_that_are_killed_all_the_time_make_every_task_once(raw, start):
    """Often in the first hundredths of a second, between reading what is due and making its tasks."""
    number, length, rate = 50, 60.0 if FULL else 20.0, 0.25
    definitions = each_second(number, catch_up="all")
    write(raw, definitions)
    chance = random.Random(28)
    schedulers = [start(wait=False) for _ in range(4)]
    all_placed(raw, number)
    first = math.ceil(now(raw)) + 1.0
    kills = in_time = 0
    moment = first
    while moment < first + length:
        wait_for_moment(raw, moment + chance.random() * 0.06)
        up = [scheduler for scheduler in schedulers if scheduler.up]
        if up:
            victim = up[0]
            victim.kill()
            schedulers.remove(victim)
            schedulers.append(start(wait=False))
            kills += 1
            in_time += moment == math.floor(moment)
        moment += rate
    last = math.floor(now(raw)) + 1.0
    wait_for_moment(raw, last)
    ended = time.monotonic()
    all_decided(raw, last, 40)
    recovery = time.monotonic() - ended
    found = within(fires(raw), first, last)
    made = tally(
        f"F-28 {kills} x SIGKILL of schedulers in {length:.0f} s, {in_time} at a full second",
        found,
        seconds_between(definitions, first, last),
    )
    print(f"F-28 all made {recovery:.1f} s after the last kill")
    assert kills >= length / 2
    assert (made.missing, made.double, made.strangers) == (0, 0, 0)
