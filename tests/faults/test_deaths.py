"""Workers are killed, stopped and told to end, under load."""

from __future__ import annotations

import json
import random
import signal
import time
from contextlib import closing

import pytest

from taskconsole.store.keys import Namespace
from taskconsole.store.wire import Wire
from taskconsole.store.workers import WorkerStore
from tests.faults.conftest import sized
from tests.servers import wait_until, workers_of

QUEUE = "task_queue"
KEYS = Namespace().of(QUEUE)


def held(raw, worker) -> int:
    return raw.llen(KEYS.processing(worker.ids[QUEUE]))


def drained(raw) -> bool:
    """Nothing anywhere, but for the dead."""
    lists = list(raw.scan_iter(match="*processing*"))
    return raw.llen(QUEUE) == 0 and not lists and raw.zcard(KEYS.delayed) == 0


@pytest.mark.timeout(400)
def test_f01_killed_workers_lose_no_task(raw, spawn, producer, ledger):
    kills, concurrency = sized(8, 50), 4
    workers = [spawn(concurrency=concurrency, wait=False) for _ in range(4)]
    wait_until(lambda: len(workers_of(raw, QUEUE)) >= 4, 20, "all workers are up")
    producer.work(sized(2000, 20_000), 0.012)
    in_hand, chance = 0, random.Random(1)
    for n in range(kills):
        victim = workers[n % len(workers)]
        victim.ids[QUEUE] = wait_until(
            lambda victim=victim: next((w for w in workers_of(raw, QUEUE) if f"-{victim.pid}-" in w), ""),
            20,
            "it shows up",
        )
        if raw.llen(QUEUE):
            wait_until(lambda victim=victim: held(raw, victim) or not raw.llen(QUEUE), 10, "it has work")
        # At any moment, not always at the first sign of work.
        time.sleep(chance.random() * 0.2)
        victim.kill()
        killed = ledger.now()
        in_hand += held(raw, victim)
        workers[n % len(workers)] = spawn(concurrency=concurrency, wait=False)
    ledger.wait_for(producer.accepted, sized(30, 150))
    report = ledger.report(f"F-01 {kills} x SIGKILL, {in_hand} tasks in dead hands", producer.accepted, healed=killed)
    assert (report.lost, report.strangers) == (0, 0)
    assert report.repeated <= in_hand
    wait_until(lambda: drained(raw), 10, "nothing is left behind")
    # Where workers live for a second, a new one takes what others died with first, and dies with it: three deaths bury.
    # The first counts for all that was in hand, the others only for what had started.
    starts = ledger.count("start")
    buried = {json.loads(member)["args"][0] for member in raw.zrange(KEYS.dead, 0, -1)}
    assert [name for name in buried if starts[name] < 2] == []
    assert len(buried) <= sized(0, 3)


@pytest.mark.timeout(300)
def test_f03_a_worker_that_is_told_to_end_under_load_loses_and_repeats_nothing(raw, spawn, producer, ledger):
    grace = 3.0
    workers = [spawn(concurrency=4, grace=grace) for _ in range(2)]
    producer.work(1500, 0.004)
    longest = 0.0
    stops = sized(6, 40)
    for n in range(stops):
        wait_until(lambda: held(raw, workers[0]), 10, "it has work")
        before = time.monotonic()
        old = workers.pop(0)
        own = old.ids[QUEUE]
        assert old.stop(grace + 5) == 0
        longest = max(longest, time.monotonic() - before)
        assert own not in workers_of(raw, QUEUE)
        assert raw.llen(KEYS.processing(own)) == 0
        workers.append(spawn(concurrency=4, grace=grace))
        if n < stops - 1 and raw.llen(QUEUE) < 300:
            producer.work(500, 0.004)
    ledger.wait_for(producer.accepted)
    report = ledger.report(f"F-03 {stops} x SIGTERM, longest end {longest:.2f} s", producer.accepted)
    assert (report.lost, report.strangers, report.repeated) == (0, 0, 0)
    assert longest <= grace + 3


def test_f03_tasks_that_outlast_the_grace_period_go_back_at_once(raw, spawn, producer, ledger):
    grace = 0.5
    worker = spawn(concurrency=4, grace=grace)
    producer.work(6, 3)
    wait_until(lambda: ledger.length() == 4, 5, "four run")
    before = time.monotonic()
    assert worker.stop(grace + 5) == 0
    took = time.monotonic() - before
    # Ending Python itself takes a while where others have the processor.
    assert grace <= took <= grace + 3
    assert raw.llen(QUEUE) == 6
    assert workers_of(raw, QUEUE) == set()
    spawn(concurrency=6)
    ledger.wait_for(producer.accepted)
    report = ledger.report(
        f"F-03 SIGTERM and tasks longer than the grace period, ended in {took:.2f} s", producer.accepted
    )
    assert (report.lost, report.repeated) == (0, 4)


def test_f36_a_worker_whose_terminal_is_gone_loses_and_repeats_nothing(raw, spawn, producer, ledger):
    worker = spawn(concurrency=4)
    producer.work(400, 0.005)
    wait_until(lambda: ledger.length() > 100, 10, "it is in the middle of it")
    worker.signal(signal.SIGHUP)
    gone = ledger.now()
    assert worker.wait(10) == 0
    assert workers_of(raw, QUEUE) == set()
    spawn(concurrency=4)
    ledger.wait_for(producer.accepted)
    report = ledger.report("F-36 SIGHUP under load", producer.accepted, healed=gone)
    assert (report.lost, report.strangers, report.repeated) == (0, 0, 0)


def test_f36_a_worker_that_is_to_outlive_its_terminal_does(raw, spawn, producer, ledger):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # what nohup does; a child inherits it
    try:
        worker = spawn(concurrency=4)
    finally:
        signal.signal(signal.SIGHUP, before)
    worker.signal(signal.SIGHUP)
    producer.work(50, 0.001)
    ledger.wait_for(producer.accepted)
    assert worker.running


def test_f03_a_second_signal_ends_a_worker_at_once_and_loses_nothing(raw, spawn, producer, ledger):
    worker = spawn(concurrency=2, grace=60)
    producer.work(2, 1.5)
    wait_until(lambda: ledger.length() == 2, 5, "both run")
    worker.signal(signal.SIGTERM)
    wait_until(lambda: "stopping" in worker.output(), 5, "it has heard the first one")
    before = time.monotonic()
    worker.signal(signal.SIGTERM)
    assert worker.wait(5) == 128 + signal.SIGTERM
    assert time.monotonic() - before < 1
    spawn(concurrency=2)
    ledger.wait_for(producer.accepted)
    report = ledger.report("F-03 two signals", producer.accepted)
    assert (report.lost, report.repeated) == (0, 2)


def test_a_worker_is_quieted_and_stopped_from_afar(raw, spawn, producer, ledger):
    worker = spawn(concurrency=2)
    own = worker.ids[QUEUE]
    store = WorkerStore(Namespace())
    producer.work(2, 0.5)
    wait_until(lambda: ledger.length() == 2, 5, "both run")
    with closing(Wire(producer.app.settings)) as wire:
        assert wire.run(store.signal(QUEUE, own, "quiet"))
        wait_until(lambda: raw.hget(KEYS.worker(own), "quiet") == b"1", 5, "it is quiet")
        late = producer.work(1, 0)
        ledger.wait_for(set(producer.accepted) - set(late))
        assert raw.llen(QUEUE) == 1
        assert wire.run(store.signal(QUEUE, own, "stop"))
        assert worker.wait(10) == 0
    assert raw.llen(QUEUE) == 1
    assert workers_of(raw, QUEUE) == set()
