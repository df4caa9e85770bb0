"""Redis dies, loads, and runs out of memory."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
import redis

from taskconsole.errors import StoreFull, TaskconsoleError
from taskconsole.store.keys import Namespace
from tests.faults import app as tasks
from tests.servers import wait_until

QUEUE = "task_queue"
KEYS = Namespace().of(QUEUE)


@pytest.mark.parametrize("fsync", ["everysec", "always"])
def test_f10_a_redis_that_is_killed_and_comes_back_has_lost_nothing(make_server, make_producer, spawn, ledger, fsync):
    server = make_server(append_only=True, settings={"appendfsync": fsync})
    workers = [spawn(url=server.url, concurrency=4) for _ in range(2)]
    producer = make_producer(server.url, retry_for=20)
    producer.work(400, 0.004)
    stop = threading.Event()

    def produce() -> None:
        while not stop.wait(0.005):
            producer.one(tasks.work, 0.002)

    with ThreadPoolExecutor(1) as pool:
        producing = pool.submit(produce)
        for _ in range(3):
            before = ledger.length()
            wait_until(lambda before=before: ledger.length() > before + 60, 10, "it goes on")
            server.kill()
            server.restart()
        stop.set()
        producing.result(30)
    ledger.wait_for(producer.accepted)
    report = ledger.report(f"F-10 3 x SIGKILL of Redis, appendfsync {fsync}", producer.accepted)
    assert (report.lost, report.strangers, report.repeated) == (0, 0, 0)
    assert all(worker.running for worker in workers)


def test_f15_a_worker_waits_for_a_redis_that_is_loading(make_server, make_producer, spawn, ledger):
    server = make_server(append_only=True)
    producer = make_producer(server.url, retry_for=20)
    producer.work(20, 0.001)
    with server.client() as client:
        pipeline = client.pipeline(transaction=False)
        for n in range(50_000):
            pipeline.set(f"ballast:{n}", "x")
        pipeline.execute()
    server.kill()
    with (server.directory / "redis.conf").open("a") as settings:
        settings.write("key-load-delay 100\n")  # microseconds: ten seconds in all, time for a worker to start
    with ThreadPoolExecutor(1) as pool:
        restarting = pool.submit(server.restart)
        wait_until(lambda: is_loading(server), 5, "it is loading")
        began = time.monotonic()
        worker = spawn(url=server.url, wait=False)
        wait_until(lambda: "loading" in worker.output().lower(), 20, "the worker says that it waits")
        # Redis 6.2 does not let itself be told to hurry.
        with server.client() as client, suppress(redis.ResponseError):
            client.config_set("key-load-delay", 0)
        restarting.result(30)
        healed = ledger.now()
        ledger.wait_for(producer.accepted)
    report = ledger.report(f"F-15 LOADING, {time.monotonic() - began:.1f} s", producer.accepted, healed=healed)
    assert (report.lost, report.repeated) == (0, 0)
    assert worker.running


def is_loading(server) -> bool:
    try:
        with server.client() as client:
            client.get("x")
    except redis.BusyLoadingError:
        return True
    except redis.ConnectionError:
        return False
    return False


def test_f17_workers_drain_a_redis_that_is_full(make_server, make_producer, spawn, ledger):
    server = make_server(settings={"maxmemory-policy": "noeviction"})
    producer = make_producer(server.url)
    with server.client() as client:
        producer.work(400, 0.002)
        for _ in range(10):
            producer.one(tasks.fail_once)
        client.config_set("maxmemory", "1kb")
        with pytest.raises(StoreFull):
            producer.task(tasks.work).enqueue("refused", 0)
        stored = client.llen(QUEUE)
        worker = spawn(url=server.url, concurrency=4)
        ledger.wait_for(producer.accepted)
        report = ledger.report(f"F-17 maxmemory reached, {stored} tasks stored", producer.accepted)
        assert stored == 410
        assert (report.lost, report.strangers, report.repeated) == (0, 0, 10)
        wait_until(lambda: client.llen(KEYS.processing(worker.ids[QUEUE])) == 0, 5, "all is acknowledged")
        with pytest.raises(StoreFull):
            producer.task(tasks.work).enqueue("refused", 0)
        assert worker.running
        assert worker.stop() == 0


def test_f34_a_flushed_redis_is_worked_on(raw, spawn, producer, ledger):
    worker = spawn(concurrency=4)
    producer.work(200, 0.005)
    wait_until(lambda: ledger.length() > 40)
    raw.flushall()
    gone = set(producer.accepted)
    producer.accepted.clear()
    names = [f"after-{n}" for n in range(50)]
    task = producer.task(tasks.work)
    for name in names:
        task.enqueue(name, 0.001)
    wait_until(lambda: set(names) <= set(ledger.count("end")), 15, "new tasks run")
    report = ledger.report(f"F-34 FLUSHALL, {len(gone)} tasks wiped or done", [*gone, *names])
    assert report.strangers == 0
    assert max(ledger.count("start").values()) == 1
    assert worker.running


def test_a_producer_is_told_when_redis_is_gone(make_server, make_producer):
    server = make_server()
    producer = make_producer(server.url, retry_for=0.2)
    producer.work(1, 0)
    server.kill()
    with pytest.raises(TaskconsoleError):
        producer.one(tasks.work, 0)
