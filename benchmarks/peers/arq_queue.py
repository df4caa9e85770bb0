"""arq: at least once; a worker that asks Redis every 10 ms, for it is never told; a task may take 10 s."""

# mypy: disable-error-code="import-not-found, untyped-decorator"

from __future__ import annotations

import datetime as dt
import os
import time
from typing import Any

from arq import create_pool, cron, func
from arq.connections import ArqRedis, RedisSettings

from benchmarks import recorder
from benchmarks.bodies import AWAITED, told
from benchmarks.wanted import wanted

SETTINGS = RedisSettings.from_dsn(os.environ["BENCH_URL"])

EVERY_SECOND = frozenset(range(60))

_pool: ArqRedis


async def opened() -> None:
    """Connect."""
    global _pool  # noqa: PLW0603 - the producer's one connection
    _pool = await create_pool(SETTINGS)


async def send(task: str, argument: float, at: float | None = None) -> None:
    """Enqueue one task, now or for a time."""
    await _pool.enqueue_job(task, argument, _defer_until=None if at is None else dt.datetime.fromtimestamp(at, dt.UTC))


async def fired(context: dict[str, Any]) -> None:
    now = time.time()
    recorder.sample(now - context["score"] / 1000 if wanted().each == "second" else now)


class WorkerSettings:
    """What `arq` reads."""

    functions = [func(told(body), name=name) for name, body in AWAITED.items()]  # noqa: RUF012 - arq wants a list
    cron_jobs = [  # noqa: RUF012 - the same
        cron(
            fired,
            name=f"{wanted().each} {n}",
            second=set(EVERY_SECOND) if wanted().each == "second" else 0,
            microsecond=0,
            keep_result=0,
        )
        for n in range(wanted().count)
    ]
    redis_settings = SETTINGS
    poll_delay = 0.01
    max_jobs = 1000 if wanted().count else int(os.environ.get("BENCH_CONCURRENCY", "100"))
    job_timeout = 10
    keep_result = 0
