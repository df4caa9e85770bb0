"""Nobody fires for hours, or Redis is away: what becomes of the instants between is as each schedule says.

Nobody works the queue: afterwards every payload in it is read, and compared with what was due. With
TASKCONSOLE_TEST_FULL=1 the sizes are those of a release.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable
from itertools import count

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
    all_decided,
    all_placed,
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
from tests.servers import FULL, PrivateServer, wait_until

Start = Callable[..., SchedulerProcess]

SCHEDULES_AWAY = 10_000 if FULL else 600

HOURS = 3600.0


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
