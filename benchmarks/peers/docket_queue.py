"""docket: at least once; a task whose worker was not heard of for 10 s runs elsewhere."""

# mypy: disable-error-code="import-not-found"

from __future__ import annotations

import asyncio
import datetime as dt
import os
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack

import uvloop
from docket import Cron, Docket, Worker

from benchmarks.bodies import AWAITED, minute
from benchmarks.wanted import wanted

# Each of 100 tasks has a connection of its own at times, and redis-py stops at 100.
URL = f"{os.environ['BENCH_URL']}?max_connections=500"

docket = Docket(name="bench", url=URL, execution_ttl=dt.timedelta(0))
for body in AWAITED.values():
    docket.register(body)


def minutely(n: int) -> Callable[..., Awaitable[None]]:
    """A task of every minute; docket knows them by the names of their functions."""

    async def task(cron: Cron = Cron("* * * * *")) -> None:  # noqa: B008 - so it is declared
        await minute(cron)

    task.__name__ = f"minute-{n}"
    return task


for _n in range(wanted().count):
    docket.register(minutely(_n))

SOON = dt.timedelta(milliseconds=5)

_open = AsyncExitStack()

closed = _open.aclose


async def opened() -> None:
    """Connect."""
    await _open.enter_async_context(docket)


async def send(task: str, argument: float, at: float | None = None) -> None:
    """Enqueue one task, now or for a time."""
    await docket.add(task, when=None if at is None else dt.datetime.fromtimestamp(at, dt.UTC))(argument)


async def put_many(task: str, arguments: Iterable[int]) -> None:
    """Enqueue with the call for many."""
    await docket.add_many(docket.call(task)(argument) for argument in arguments)


async def main() -> None:
    """Work until killed."""
    async with (
        docket,
        Worker(
            docket,
            concurrency=int(os.environ.get("BENCH_CONCURRENCY", "100")),
            redelivery_timeout=dt.timedelta(seconds=10),
            minimum_check_interval=SOON,
            scheduling_resolution=SOON,
        ) as worker,
    ):
        await worker.run_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
