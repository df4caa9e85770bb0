"""Schedulers are stopped and killed, and data is gone; each instant of a schedule still gets its one task.

Nobody works the queue: afterwards every payload in it is read, and compared with what was due. With
TASKCONSOLE_TEST_FULL=1 the sizes are those of a release.
"""

from __future__ import annotations

import math
import random
import signal
import time

import pytest

from tests.faults.conftest import sized
from tests.faults.schedulers import (
    KEYS,
    Lateness,
    all_decided,
    all_placed,
    each_second,
    fires,
    now,
    processor_time,
    seconds_between,
    spread,
    tally,
    wait_for_moment,
    who_sweeps,
    within,
    write,
)
from tests.servers import WorkerProcess, wait_until


@pytest.mark.timeout(480)
def test_f28_five_schedulers_fire_each_instant_once_though_one_is_stopped_and_one_killed(raw, start):
    number, length, stops = 200, sized(60, 300), sized(1, 5)
    definitions = each_second(number, catch_up="none")
    write(raw, definitions)
    schedulers = [start(wait=False) for _ in range(5)]
    wait_until(lambda: all(scheduler.up for scheduler in schedulers), 30, "all are up")
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


@pytest.mark.timeout(240)
def test_f28_schedulers_that_are_killed_all_the_time_make_every_task_once(raw, start):
    """Often in the first hundredths of a second, between reading what is due and making its tasks."""
    number, length, rate = 50, sized(20, 60), 0.25
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
        f"F-28 {kills} x SIGKILL of schedulers in {length} s, {in_time} at a full second",
        found,
        seconds_between(definitions, first, last),
    )
    print(f"F-28 all made {recovery:.1f} s after the last kill")
    assert kills >= length / 2
    assert (made.missing, made.double, made.strangers) == (0, 0, 0)


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
