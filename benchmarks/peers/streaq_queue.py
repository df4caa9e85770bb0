"""streaQ: at least once; a task whose worker was not heard of for 10 s runs elsewhere; results not kept."""

# mypy: disable-error-code="import-not-found, untyped-decorator"

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterable
from contextlib import AsyncExitStack

from streaq import Worker

from benchmarks.bodies import AWAITED, minute
from benchmarks.wanted import wanted

worker: Worker[None] = Worker(
    redis_url=os.environ["BENCH_URL"],
    queue_name="bench",
    concurrency=int(os.environ.get("BENCH_CONCURRENCY", "100")),
    idle_timeout=10,
    anyio_kwargs={"use_uvloop": True},
)

TASKS = {name: worker.task(name=name, ttl=0, silent=True)(body) for name, body in AWAITED.items()}

for _n in range(wanted().count):
    worker.cron("* * * * *", name=f"minute {_n}", ttl=0, silent=True)(minute)

_open = AsyncExitStack()

closed = _open.aclose


async def opened() -> None:
    """Connect."""
    await _open.enter_async_context(worker)


async def send(task: str, argument: float, at: float | None = None) -> None:
    """Enqueue one task, now or for a time."""
    call = TASKS[task].enqueue(argument)
    await (call if at is None else call.start(schedule=dt.datetime.fromtimestamp(at, dt.UTC)))


async def put_many(task: str, arguments: Iterable[int]) -> None:
    """Enqueue with the call for many."""
    await worker.enqueue_many([TASKS[task].enqueue(argument) for argument in arguments])
