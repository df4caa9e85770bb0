"""Answers are lost, caches are flushed, doors are closed."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from taskconsole.config import Settings
from taskconsole.errors import StoreUnavailable
from taskconsole.store.keys import Namespace
from taskconsole.store.operations import OperationStore, Rescheduled
from taskconsole.store.wire import Wire
from tests.faultproxy import FaultProxy
from tests.faults import app as tasks
from tests.faults.conftest import LEASE
from tests.servers import connect, wait_until, workers_of

QUEUE = "task_queue"
KEYS = Namespace().of(QUEUE)
EVENT = b"{}"


@pytest.fixture
def proxy(store_url):
    with FaultProxy(store_url) as made:
        yield made


def test_f05_every_first_answer_is_lost_and_every_task_is_stored_once(raw, proxy, make_producer):
    producer = make_producer(proxy.url, retry_for=10)
    producer.work(1, 0)  # the connection is made, the script is known
    for n in range(100):
        proxy.drop_replies(1)
        producer.one(tasks.work, 0, run_after=1000 if n % 2 else None)
    stored = raw.llen(QUEUE), raw.zcard(KEYS.delayed)
    print(
        f"F-05 enqueue: accepted {len(producer.accepted)}, stored {sum(stored)}, answers lost {proxy.dropped_replies}"
    )
    assert proxy.dropped_replies == 100
    assert stored == (51, 50)


async def test_f05_every_first_answer_to_asyncio_producers_is_lost(raw, proxy, make_producer):
    producer = make_producer(proxy.url, retry_for=10)
    task = producer.task(tasks.work)
    await task.aenqueue("first", 0)
    for _ in range(20):
        proxy.drop_replies(1)
        await asyncio.gather(*(task.aenqueue("x", 0) for _ in range(10)))
    await producer.app.aclose()
    print(f"F-05 aenqueue: accepted 201, stored {raw.llen(QUEUE)}, answers lost {proxy.dropped_replies}")
    assert proxy.dropped_replies == 20
    assert raw.llen(QUEUE) == 201


def test_f05_a_producer_without_an_answer_says_so(proxy, make_producer):
    producer = make_producer(proxy.url, retry_for=0.2, timeout=0.2)
    producer.work(1, 0)
    proxy.down.blackhole = True
    with pytest.raises(StoreUnavailable):
        producer.work(1, 0)


def test_f05_every_first_answer_to_operators_is_lost_and_every_action_is_done_once(raw, proxy):
    operations = OperationStore(Namespace())
    wire = Wire(Settings(url=proxy.url))

    def act(call):
        for attempt in range(3):
            if attempt == 0:
                raw.script_load(call.body)
                wire.run(OperationStore(Namespace()).undo(QUEUE, "nothing", event=EVENT))
                proxy.drop_replies(1)
            try:
                return wire.run(call)
            except StoreUnavailable:
                assert attempt == 0
        raise AssertionError

    raw.lpush(QUEUE, b"same", b"same", b"same")
    raw.zadd(KEYS.delayed, {b"d1": 4e9, b"d2": 4e9})
    raw.zadd(KEYS.dead, {b"x1": 5, b"x2": 6})
    assert act(operations.pause(QUEUE, b"n", token="1", event=EVENT)) == (True, b"n")
    assert act(operations.resume(QUEUE, token="2", event=EVENT)) == (True, b"n")
    assert act(operations.take_pending(QUEUE, (0, 9), [b"same"], token="3", event=EVENT)).count == 1
    moved = act(operations.reschedule(QUEUE, [b"d1"], "3e9", token="4", event=EVENT))
    assert moved == Rescheduled((True,), 3e9, 4e9)
    assert act(operations.take(QUEUE, "delayed", [b"d2"], token="5", event=EVENT)).count == 1
    assert act(operations.requeue(QUEUE, "dead", [(b"x1", b"x1")], token="6", event=EVENT)).count == 1
    assert act(operations.purge(QUEUE, "dead", token="7", event=EVENT)) == (True, 1)
    assert act(operations.undo(QUEUE, "7", event=EVENT)).what == "undone"
    assert raw.lrange(QUEUE, 0, -1) == [b"same", b"same", b"x1"]
    assert (raw.zrange(KEYS.delayed, 0, -1), raw.zrange(KEYS.dead, 0, -1)) == ([b"d1"], [b"x2"])
    assert raw.get(KEYS.paused) is None
    wire.close()


def test_f05_workers_whose_answers_get_lost_lose_and_repeat_nothing(raw, proxy, spawn, producer, ledger):
    workers = [spawn(url=proxy.url, concurrency=4) for _ in range(2)]
    assert all(worker.running for worker in workers)
    producer.work(800, 0.004)
    for _ in range(12):
        done, dropped = ledger.length(), proxy.dropped_replies
        proxy.drop_replies(1)
        wait_until(
            lambda done=done, dropped=dropped: (
                (proxy.dropped_replies > dropped and ledger.length() > done) or ledger.finished() == 800
            ),
            10,
            "it goes on",
        )
    proxy.heal()
    ledger.wait_for(producer.accepted)
    report = ledger.report(f"F-05 workers, {proxy.dropped_replies} answers lost", producer.accepted)
    assert (report.lost, report.strangers, report.repeated) == (0, 0, 0)


def test_f06_reset_connections_lose_and_repeat_nothing(raw, proxy, spawn, producer, ledger):
    spawn(url=proxy.url, concurrency=4)
    producer.work(600, 0.004)
    resets = 0
    while ledger.length() < 900:
        proxy.reset_all()
        resets += 1
        done = ledger.length()
        wait_until(lambda done=done: ledger.length() > done + 40 or ledger.length() >= 1200, 10, "it goes on")
    ledger.wait_for(producer.accepted)
    report = ledger.report(f"F-06 {resets} x RST of every connection", producer.accepted)
    assert (report.lost, report.strangers, report.repeated) == (0, 0, 0)


def test_f07_a_silent_redis_stops_a_worker_for_as_long_as_it_is_silent(raw, proxy, spawn, producer, ledger):
    worker = spawn(url=proxy.url, concurrency=4)
    producer.work(300, 0.01)
    wait_until(lambda: ledger.length() > 50)
    proxy.down.blackhole = True
    wait_until(lambda: not raw.zcount(KEYS.workers, time.time() * 1000, "+inf"), 10, "its lease is over")
    silent = ledger.length()
    proxy.heal()
    proxy.reset_all()
    ledger.wait_for(producer.accepted)
    report = ledger.report(f"F-07 black hole for a lease, after {silent} lines", producer.accepted)
    assert worker.running
    assert (report.lost, report.strangers) == (0, 0)
    assert report.repeated <= 2 * 128 + 4


def test_f22_a_flushed_script_cache_is_seen_by_nobody(raw, spawn, producer, ledger):
    workers = [spawn(concurrency=4) for _ in range(2)]
    stop = threading.Event()
    flushes = 0

    def flush(client) -> None:
        nonlocal flushes
        while not stop.wait(0.1):
            client.script_flush()
            flushes += 1

    with ThreadPoolExecutor(1) as pool:
        flushing = pool.submit(flush, connect(producer.app.settings.url))
        for _ in range(10):
            producer.work(60, 0.01)
            producer.one(tasks.fail_once)
        ledger.wait_for(producer.accepted)
        stop.set()
        flushing.result(5)
    report = ledger.report(f"F-22 {flushes} x SCRIPT FLUSH", producer.accepted)
    assert (report.lost, report.strangers) == (0, 0)
    assert report.repeated == 10  # the tasks that fail once
    for worker in workers:
        said = worker.output()
        assert "NOSCRIPT" not in said
        assert " error " not in said


# -- closed doors


def test_f24_a_wrong_password_ends_a_worker_after_one_attempt_with_one_line(make_server, make_producer, spawn):
    server = make_server(tcp=True, password="right")
    worker = spawn(url=server.tcp_url.replace("right", "guess"), wait=False)
    assert worker.wait(15) == 3
    # That `ps` shows the URL of a command line is said besides.
    said = [line for line in worker.output().strip().splitlines() if "`ps`" not in line]
    print(f"F-24 wrong password: {said}")
    assert len(said) == 1
    assert "refused access" in said[0]
    assert "guess" not in worker.output()
    with server.client() as client:
        refused = [entry for entry in client.acl_log() if entry["reason"] == "auth"]
        assert [entry["count"] for entry in refused] == [1]


def test_f24_a_user_who_may_not_ends_a_worker_with_one_line(make_server, spawn):
    server = make_server(tcp=True)
    with server.client() as client:
        client.acl_setuser(
            "weak",
            enabled=True,
            passwords=["+secret"],
            keys=["*"],
            channels=["*"],
            commands=["+@all", "-eval", "-evalsha"],
        )
    worker = spawn(url=f"redis://weak:secret@127.0.0.1:{server.port}/0", wait=False)
    assert worker.wait(15) == 3
    said = worker.output().strip().splitlines()
    print(f"F-24 NOPERM: {said}")
    assert "refused access" in said[-1]
    assert not [line for line in said if "Traceback" in line]


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
def test_f24_a_worker_whose_rights_are_taken_away_ends(make_server, make_producer, spawn, busy):
    server = make_server(tcp=True)
    with server.client() as client:
        client.acl_setuser("user", enabled=True, passwords=["+secret"], keys=["*"], channels=["*"], commands=["+@all"])
        worker = spawn(url=f"redis://user:secret@127.0.0.1:{server.port}/0", concurrency=2)
        if busy:
            make_producer(server.url).work(500, 0.02)
            wait_until(lambda: client.llen(KEYS.processing(worker.ids[QUEUE])))
        client.acl_setuser("user", commands=["-@all"])
        before = time.monotonic()
        status = worker.wait(15)
        said = worker.output()
        print(f"F-24 rights taken away: ended with {status} after {time.monotonic() - before:.1f} s")
        assert status == 3
        assert "Traceback" not in said


def test_f24_lost_rights_lose_no_task(make_server, make_producer, spawn, ledger):
    server = make_server(tcp=True)
    with server.client() as client:
        client.acl_setuser("user", enabled=True, passwords=["+secret"], keys=["*"], channels=["*"], commands=["+@all"])
        worker = spawn(url=f"redis://user:secret@127.0.0.1:{server.port}/0", concurrency=2)
        producer = make_producer(server.url)
        producer.work(200, 0.01)
        wait_until(lambda: ledger.length() > 20)
        client.acl_setuser("user", commands=["-@all"])
        worker.wait(15)
        spawn(url=server.url, concurrency=4)
        ledger.wait_for(producer.accepted)
        report = ledger.report("F-24 rights taken away under load", producer.accepted)
        assert (report.lost, report.strangers) == (0, 0)
        wait_until(lambda: len(workers_of(client, QUEUE)) == 1, 3 * LEASE)
