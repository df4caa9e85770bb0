"""Taskconsole under test: its tasks, and its ways to enqueue them.

Each system under test is a module with these names, run by `produce.py` and by the system's own worker: the
tasks `noop`, `nap` and `stamp`, and the functions `one`, `concurrent`, `bulk` or `fill`, and `send`.
BENCH_URL is the Redis.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import time
from typing import Any

from benchmarks import recorder
from taskconsole import App, RegisteredTask

app = App(os.environ["BENCH_URL"])


@app.task(name="noop", queue="bench", timeout=60)
async def noop(_n: int) -> None:
    recorder.ran()


@app.task(name="nap", queue="bench", timeout=60)
async def nap(_n: int) -> None:
    await asyncio.sleep(0.001)
    recorder.ran()


@app.task(name="stamp", queue="bench", timeout=60)
async def stamp(since: float) -> None:
    recorder.sample(time.time() - since)


@app.task(name="second", queue="bench", timeout=60)
async def second(_n: int) -> None:
    recorder.note(task="second")
    await asyncio.sleep(1)


@app.task(name="hold", queue="bench", timeout=600)
async def hold(_n: int) -> None:
    recorder.note(task="hold")
    await asyncio.sleep(300)


TASKS: dict[str, RegisteredTask[..., Any]] = {
    "noop": noop,
    "nap": nap,
    "stamp": stamp,
    "second": second,
    "hold": hold,
}


def one(count: int) -> None:
    """Enqueue no-ops, each call after the answer to the one before."""
    for n in range(count):
        noop.enqueue(n)
    app.close()


async def concurrent(count: int) -> None:
    """Enqueue no-ops from 100 coroutines at once."""

    async def enqueue(numbers: range) -> None:
        for n in numbers:
            await noop.aenqueue(n)

    await asyncio.gather(*(enqueue(range(first, count, 100)) for first in range(100)))
    await app.aclose()


def bulk(count: int, task: str = "noop") -> None:
    """Enqueue with the call for many."""
    app.enqueue_many(TASKS[task].call(n) for n in range(count))
    app.close()


async def send(task: str, argument: float, at: float | None = None) -> None:
    """Enqueue one task, now or for a time."""
    due = None if at is None else dt.datetime.fromtimestamp(at, dt.UTC)
    await TASKS[task].using(run_after=due).aenqueue(argument)
