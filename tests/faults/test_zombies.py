"""Workers that stop without dying, tasks that kill their workers, and who gets how much."""

from __future__ import annotations

import json
import signal
from collections import Counter

import pytest

from taskconsole.store.keys import Namespace
from tests.faults import app as tasks
from tests.faults.conftest import LEASE, sized
from tests.servers import wait_until, workers_of

QUEUE = "task_queue"
KEYS = Namespace().of(QUEUE)


@pytest.mark.timeout(300)
def test_f02_a_worker_that_wakes_up_after_its_lease_changes_nothing(raw, spawn, producer, ledger):
    stops, concurrency = sized(3, 20), 4
    zombie = spawn(concurrency=concurrency)
    other = spawn(concurrency=concurrency)
    in_hand = 0
    for _ in range(stops):
        producer.work(300, 0.01)
        own = next(w for w in workers_of(raw, QUEUE) if f"-{zombie.pid}-" in w)
        wait_until(lambda own=own: raw.llen(KEYS.processing(own)), 5, "it has work")
        zombie.signal(signal.SIGSTOP)
        in_hand += raw.llen(KEYS.processing(own))
        wait_until(lambda own=own: own not in workers_of(raw, QUEUE), 4 * LEASE, "its tasks are taken back")
        ledger.wait_for(producer.accepted)
        before = {key: raw.zcard(key) for key in (KEYS.delayed, KEYS.dead)}
        zombie.signal(signal.SIGCONT)
        healed = ledger.now()
        wait_until(lambda: len(workers_of(raw, QUEUE)) == 2, 10, "it goes on under a new name")
        # Its late acks found nothing to change: nothing is pending, held, delayed or dead that was not before.
        assert before == {key: raw.zcard(key) for key in (KEYS.delayed, KEYS.dead)} == {KEYS.delayed: 0, KEYS.dead: 0}
        wait_until(lambda own=own: raw.llen(KEYS.processing(own)) == 0 == raw.llen(QUEUE), 5)
    producer.work(50, 0.01)
    ledger.wait_for(producer.accepted)
    report = ledger.report(
        f"F-02 {stops} x SIGSTOP past the lease, {in_hand} tasks in stopped hands", producer.accepted, healed=healed
    )
    assert (report.lost, report.strangers) == (0, 0)
    assert report.repeated <= in_hand
    assert zombie.running
    assert other.running
    assert zombie.output().count("lease lost") == stops
    wait_until(lambda: not list(raw.scan_iter(match="*processing*")), 5, "no list is left behind")


def test_f29_a_task_that_kills_its_workers_is_buried_and_its_neighbours_run(raw, spawn, producer, ledger):
    pills = [producer.one(tasks.kill_the_worker)]
    producer.work(60, 0.005)
    pills.append(producer.one(tasks.kill_the_worker))
    producer.work(60, 0.005)
    # The shorter the lease, the sooner a death is noticed.
    hasty = ("--lease", "1")
    workers = [spawn(concurrency=4, arguments=hasty, wait=False) for _ in range(2)]
    started = len(workers)
    neighbours = [name for name in producer.accepted if name not in pills]

    def look_after() -> bool:
        nonlocal started
        for i, worker in enumerate(workers):
            if not worker.running:
                workers[i] = spawn(concurrency=4, arguments=hasty, wait=False)
                started += 1
        return raw.zcard(KEYS.dead) >= 2 and set(neighbours) <= set(ledger.count("end"))

    wait_until(look_after, 45, "the pills are buried and all others done")
    report = ledger.report(f"F-29 2 pills, {started - 2} workers killed", producer.accepted)
    dead = [json.loads(member) for member in raw.zrange(KEYS.dead, 0, -1)]
    assert sorted(body["args"][0] for body in dead) == sorted(pills)
    assert {body["died"]["reason"] for body in dead} == {"its worker died 3 times"}
    starts = ledger.count("start")
    assert [starts[pill] for pill in pills] == [3, 3]
    assert report.lost == 2  # the pills, which lie in the dead set
    assert max(starts[name] for name in neighbours) <= 1 + 6


def test_two_workers_share_a_backlog(raw, spawn, producer, ledger):
    workers = [spawn(concurrency=1) for _ in range(2)]
    producer.work(40, 0.1)
    ledger.wait_for(producer.accepted)
    shares = Counter(line.pid for line in ledger.lines() if line.kind == "end")
    print(f"sharing: {[shares[worker.pid] for worker in workers]} of 40")
    report = ledger.report("sharing 40 tasks of 0.1 s between two workers of one slot", producer.accepted)
    assert (report.lost, report.repeated) == (0, 0)
    assert min(shares[worker.pid] for worker in workers) >= 16


def test_a_worker_with_many_slots_fills_them_all_with_long_tasks(raw, spawn, producer, ledger):
    spawn(concurrency=50, grace=0.1)
    producer.work(60, 30)
    wait_until(lambda: ledger.length() == 50, 5, "50 tasks run")
    wait_until(lambda: raw.llen(QUEUE) == 10, 5, "the others are left for others")
    print(f"slots: {ledger.length()} of 50 in use, {raw.llen(QUEUE)} left to others")


def test_a_handler_that_holds_the_loop_for_longer_than_the_lease_runs_once(raw, spawn, producer, ledger):
    spawn(concurrency=2)
    spawn(concurrency=2)
    producer.one(tasks.hold_the_loop, 1.7 * LEASE)
    ledger.wait_for(producer.accepted)
    report = ledger.report("loop held for 1.7 leases", producer.accepted)
    assert (report.lost, report.repeated) == (0, 0)
    assert raw.zcard(KEYS.workers) == 2
