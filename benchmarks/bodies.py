"""What the tasks of every system do, for those that await and for those with threads or processes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from benchmarks import recorder

NAP = 0.001

STEP = 1.0  # long enough to be killed in


async def noop(_n: int) -> None:
    recorder.ran()


async def nap(_n: int) -> None:
    await asyncio.sleep(NAP)
    recorder.ran()


async def stamp(since: float) -> None:
    recorder.sample(time.time() - since)


async def step(n: int) -> None:
    recorder.note(began=n)
    await asyncio.sleep(STEP)
    recorder.note(ended=n)


AWAITED: dict[str, Callable[[Any], Awaitable[None]]] = {"noop": noop, "nap": nap, "stamp": stamp, "step": step}


async def minute(*_: Any) -> None:
    recorder.sample(time.time())


def blocking_noop(_n: int) -> None:
    recorder.ran()


def blocking_nap(_n: int) -> None:
    time.sleep(NAP)
    recorder.ran()


def blocking_stamp(since: float) -> None:
    recorder.sample(time.time() - since)


def blocking_step(n: int) -> None:
    recorder.note(began=n)
    time.sleep(STEP)
    recorder.note(ended=n)


def blocking_minute(*_: Any) -> None:
    recorder.sample(time.time())


BLOCKING: dict[str, Callable[[Any], None]] = {
    "noop": blocking_noop,
    "nap": blocking_nap,
    "stamp": blocking_stamp,
    "step": blocking_step,
}


def told(body: Callable[[Any], Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """The same for a system that hands its context over first."""

    async def task(_context: Any, n: float) -> None:
        await body(n)

    return task
