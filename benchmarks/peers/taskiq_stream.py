"""taskiq with taskiq-redis' stream broker: at least once, acknowledged when executed."""

# mypy: disable-error-code="import-not-found, untyped-decorator"

from __future__ import annotations

import asyncio
import datetime as dt
import os
import time

from taskiq import TaskiqScheduler
from taskiq.schedule_sources import LabelScheduleSource
from taskiq_redis import ListRedisScheduleSource, RedisStreamBroker

from benchmarks import recorder
from benchmarks.wanted import wanted

# consumer_id 0: what was enqueued before the first worker came counts too.
broker = RedisStreamBroker(os.environ["BENCH_URL"], queue_name="bench", consumer_id="0")

source = ListRedisScheduleSource(os.environ["BENCH_URL"])

scheduler = TaskiqScheduler(broker, [source])

crons = TaskiqScheduler(broker, [LabelScheduleSource(broker)])


@broker.task(task_name="noop")
async def noop(_n: int) -> None:
    recorder.ran()


@broker.task(task_name="nap")
async def nap(_n: int) -> None:
    await asyncio.sleep(0.001)
    recorder.ran()


@broker.task(task_name="stamp")
async def stamp(since: float) -> None:
    recorder.sample(time.time() - since)


@broker.task(task_name="minute", schedule=[{"cron": "* * * * *", "args": [n]} for n in range(wanted().count)])
async def minute(_n: int) -> None:
    recorder.sample(time.time())


TASKS = {"noop": noop, "nap": nap, "stamp": stamp}


async def one(count: int) -> None:
    """Enqueue no-ops, each call after the answer to the one before."""
    await broker.startup()
    for n in range(count):
        await noop.kiq(n)
    await broker.shutdown()


async def concurrent(count: int, task: str = "noop") -> None:
    """Enqueue from 100 coroutines at once."""
    await broker.startup()

    async def enqueue(numbers: range) -> None:
        for n in numbers:
            await TASKS[task].kiq(n)

    await asyncio.gather(*(enqueue(range(first, count, 100)) for first in range(100)))
    await broker.shutdown()


fill = concurrent


async def send(task: str, argument: float, at: float | None = None) -> None:
    """Enqueue one task, now or for a time."""
    if at is None:
        await TASKS[task].kiq(argument)
    else:
        when = dt.datetime.fromtimestamp(at, dt.UTC)
        await TASKS[task].schedule_by_time(source, when, argument)
