"""arq's cron jobs: at least once; a worker that asks Redis every 10 ms, for it is never told."""

# mypy: disable-error-code="import-not-found, untyped-decorator"

from __future__ import annotations

import os
import time
from typing import Any

from arq import cron
from arq.connections import RedisSettings

from benchmarks import recorder
from benchmarks.wanted import wanted

EVERY_SECOND = frozenset(range(60))


async def job(context: dict[str, Any]) -> None:
    now = time.time()
    recorder.sample(now - context["score"] / 1000 if wanted().each == "second" else now)


class WorkerSettings:
    """What `arq` reads."""

    cron_jobs = [  # noqa: RUF012 - arq wants a list
        cron(
            job,
            name=f"{wanted().each} {n}",
            second=set(EVERY_SECOND) if wanted().each == "second" else 0,
            microsecond=0,
            keep_result=0,
        )
        for n in range(wanted().count)
    ]
    redis_settings = RedisSettings.from_dsn(os.environ["BENCH_URL"])
    poll_delay = 0.01
    max_jobs = 1000
