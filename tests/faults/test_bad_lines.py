"""Connections that are slow, silent one way, or turn bits over; calls that are cancelled in the middle."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import pytest

from taskconsole.config import Settings
from taskconsole.store.call import command
from taskconsole.store.wire import AsyncWire
from tests.faultproxy import FaultProxy
from tests.faults import app as tasks
from tests.faults.conftest import only_full, sized
from tests.servers import wait_until

QUEUE = "task_queue"


@pytest.fixture
def proxy(store_url):
    with FaultProxy(store_url) as made:
        yield made


async def test_f04_no_cancelled_call_leaves_its_answer_to_another(proxy):
    proxy.down.latency, proxy.down.jitter = 0.002, 0.004
    wire = AsyncWire(Settings(url=proxy.url))
    chance = random.Random(4)
    counts = Counter[str]()

    async def ask(n: int) -> None:
        mine = f"{n}"
        try:
            # Every fifth has all the time it needs, on a busy machine too.
            async with asyncio.timeout(chance.uniform(0.0, 0.03) if n % 5 else 10):
                answer = await wire.run(command("ECHO", mine, parse=bytes))
        except TimeoutError:
            counts["cancelled"] += 1
        else:
            counts["right" if answer == mine.encode() else "wrong"] += 1

    for n in range(0, sized(600, 3000), 3):
        await asyncio.gather(ask(n), ask(n + 1), ask(n + 2))
    await wire.close()
    print(f"F-04 {dict(counts)}")
    assert counts["wrong"] == 0
    assert min(counts["cancelled"], counts["right"]) > 50


async def test_f04_a_cancelled_enqueue_puts_its_task_there_once_or_not_at_all(raw, proxy, make_producer):
    proxy.down.latency, proxy.down.jitter = 0.002, 0.004
    producer = make_producer(proxy.url, retry_for=10)
    task = producer.task(tasks.work)
    chance = random.Random(4)
    heard: list[str] = []

    async def enqueue(name: str) -> None:
        try:
            async with asyncio.timeout(chance.uniform(0.0, 0.02)):
                await task.aenqueue(name, 0)
        except TimeoutError:
            return
        heard.append(name)

    for n in range(0, sized(200, 1000), 4):
        await asyncio.gather(*(enqueue(f"t{n + k}") for k in range(4)))
    await producer.app.aclose()
    stored = Counter(str(payload) for payload in raw.lrange(QUEUE, 0, -1))
    names = Counter(
        next(name for name in payload.split('"') if name.startswith("t") and name[1:].isdigit()) for payload in stored
    )
    print(f"F-04 aenqueue: {len(heard)} of {sized(200, 1000)} heard of, {raw.llen(QUEUE)} stored")
    assert max(names.values()) == 1 == max(stored.values())
    assert set(heard) <= set(names)
    assert 20 < len(heard) < sized(200, 1000) - 20


def test_f07_a_redis_that_hears_nothing_is_waited_for(raw, proxy, spawn, producer, ledger):
    worker = spawn(url=proxy.url, concurrency=4)
    producer.work(300, 0.01)
    wait_until(lambda: ledger.length() > 50)
    proxy.up.blackhole = True
    began = ledger.now()
    wait_until(lambda: "heartbeat failed" in worker.output(), 10, "the worker notices")
    wait_until(lambda: ledger.now() - began > sized(4, 30), 40, "it lasts a while")
    proxy.heal()
    proxy.reset_all()
    healed = ledger.now()
    ledger.wait_for(producer.accepted)
    report = ledger.report("F-07 nothing reaches Redis for two leases", producer.accepted, healed=healed)
    assert worker.running
    assert (report.lost, report.strangers) == (0, 0)
    assert report.repeated <= 2 * 128 + 4


@pytest.mark.parametrize(
    "way", ["latency", pytest.param("rate", marks=only_full), pytest.param("slice", marks=only_full)]
)
def test_f08_a_bad_line_costs_time_and_nothing_else(raw, proxy, spawn, producer, ledger, way):
    for faults in (proxy.up, proxy.down):
        if way == "latency":
            faults.latency, faults.jitter = 0.05, 0.1
        elif way == "rate":
            faults.rate = 8_000
        else:
            faults.slice = 1
    # A quarter of a lease is how long a renewal may take.
    worker = spawn(url=proxy.url, concurrency=4, arguments=("--lease", "6"))
    producer.work(sized(150, 300), 0.02)
    ledger.wait_for(producer.accepted, 110)
    words = {"latency": "100 to 300 ms there and back", "rate": "8 kB/s", "slice": "one byte at a time"}
    report = ledger.report(f"F-08 {words[way]}", producer.accepted)
    assert (report.lost, report.strangers, report.repeated) == (0, 0, 0)
    assert "lease lost" not in worker.output()
    assert "heartbeat failed" not in worker.output()


@only_full
def test_f09_flipped_bits_end_connections_and_no_worker(raw, proxy, spawn, producer, ledger):
    worker = spawn(url=proxy.url, concurrency=4)
    producer.work(sized(200, 1000), 0.01)
    wait_until(lambda: ledger.length() > 20)
    proxy.down.flip = 0.05
    before = proxy.connections
    began = ledger.now()
    wait_until(lambda: ledger.now() - began > sized(4, 20), 30, "it lasts a while")
    proxy.heal()
    healed = ledger.now()
    # A payload whose bits are turned over on the way to the worker is another task to it, which it cannot
    # acknowledge; what is in its list all the same is found by the look that it takes every half minute.
    ledger.wait_for(producer.accepted, 75)
    report = ledger.report(
        f"F-09 bits flipped, {proxy.connections - before} new connections", producer.accepted, healed=healed
    )
    assert worker.running
    assert report.lost == 0
    assert "Traceback" not in worker.output()
    wait_until(lambda: not list(raw.scan_iter(match="*processing*")), 10, "nothing is left in its hands")
