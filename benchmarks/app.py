"""Taskconsole under test: its tasks, and its ways to enqueue them.

Each system under test is such a module, run by its own worker and by `produce.py`, which says what it may have.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import os
from collections.abc import Iterable
from typing import Any

from benchmarks import recorder
from benchmarks.bodies import AWAITED
from taskconsole import App, RegisteredTask

app = App(os.environ["BENCH_URL"])


async def second(_n: int) -> None:
    recorder.note(task="second")
    await asyncio.sleep(1)


TASKS: dict[str, RegisteredTask[..., Any]] = {
    name: app.task(name=name, queue="bench", timeout=60)(body) for name, body in {**AWAITED, "second": second}.items()
}


def put(task: str, argument: float) -> None:
    """Enqueue one task and wait for the answer."""
    TASKS[task].enqueue(argument)


async def send(task: str, argument: float, at: float | None = None) -> None:
    """Enqueue one task, now or for a time."""
    if at is None:
        await TASKS[task].aenqueue(argument)
    else:
        await TASKS[task].using(run_after=dt.datetime.fromtimestamp(at, dt.UTC)).aenqueue(argument)


def put_many(task: str, arguments: Iterable[int]) -> None:
    """Enqueue with the call for many."""
    app.enqueue_many(TASKS[task].call(argument) for argument in arguments)


async def closed() -> None:
    """Give the connections back."""
    app.close()
    await app.aclose()
