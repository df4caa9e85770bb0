"""Workers are killed, stopped and told to end, under load."""

from __future__ import annotations

import itertools
import signal
import time

from taskconsole.store.keys import Namespace
from tests.faults import app as tasks
from tests.faults.conftest import LEASE
from tests.servers import wait_until, workers_of

QUEUE = "task_queue"
KEYS = Namespace().of(QUEUE)


def held(raw, worker) -> int:
    return raw.llen(KEYS.processing(worker.ids[QUEUE]))


def drained(raw) -> bool:
    """Nothing anywhere, but for the dead."""
    lists = [key for key in raw.scan_iter(match="*processing*")]
    return raw.llen(QUEUE) == 0 and not lists and raw.zcard(KEYS.delayed) == 0


def test_f01_killed_workers_lose_no_task(raw, spawn, producer, ledger):
    kills, concurrency = 8, 4
    workers = [spawn(concurrency=concurrency, wait=False) for _ in range(4)]
    for worker in workers:
        wait_until(lambda: len(workers_of(raw, QUEUE)) >= 4, 20, "all workers are up")
    producer.work(2000, 0.012)
    in_hand = 0
    for n in range(kills):
        victim = workers[n % len(workers)]
        own = next(iter({w for w in workers_of(raw, QUEUE) if f"-{victim.pid}-" in w}), None)
        victim.ids[QUEUE] = own or wait_until(
            lambda victim=victim: next((w for w in workers_of(raw, QUEUE) if f"-{victim.pid}-" in w), None)
        )
        if raw.llen(QUEUE):
            wait_until(lambda victim=victim: held(raw, victim) or not raw.llen(QUEUE), 10, "it has work")
        victim.kill()
        in_hand += held(raw, victim)
        workers[n % len(workers)] = spawn(concurrency=concurrency, wait=False)
    ledger.wait_for(producer.accepted)
    report = ledger.report(f"F-01 {kills} x SIGKILL, {in_hand} tasks in dead hands", producer.accepted)
    assert (report.lost, report.strangers) == (0, 0)
    assert report.repeated <= in_hand
    wait_until(lambda: drained(raw), 10, "nothing is left behind")
    assert raw.zcard(KEYS.dead) == 0


def test_f03_a_worker_that_is_told_to_end_under_load_loses_and_repeats_nothing(raw, spawn, producer, ledger):
    grace = 3.0
    workers = [spawn(concurrency=4, grace=grace) for _ in range(2)]
    producer.work(1500, 0.004)
    longest = 0.0
    for n in range(6):
        wait_until(lambda: held(raw, workers[0]), 5, "it has work")
        before = time.monotonic()
        old = workers.pop(0)
        own = old.ids[QUEUE]
        assert old.stop(grace + 5) == 0
        longest = max(longest, time.monotonic() - before)
        assert own not in workers_of(raw, QUEUE)
        assert raw.llen(KEYS.processing(own)) == 0
        workers.append(spawn(concurrency=4, grace=grace))
        if n < 5 and raw.llen(QUEUE) < 300:
            producer.work(500, 0.004)
    ledger.wait_for(producer.accepted)
    report = ledger.report(f"F-03 6 x SIGTERM, longest end {longest:.2f} s", producer.accepted)
    assert (report.lost, report.strangers, report.repeated) == (0, 0, 0)
    assert longest <= grace + 1
