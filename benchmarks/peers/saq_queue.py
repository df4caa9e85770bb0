"""SAQ: a task in a killed worker's hands is found by a sweep every 5 s when its 10 s are over."""

# mypy: disable-error-code="import-not-found"

from __future__ import annotations

import math
import os
from typing import Any

from saq import CronJob, Queue

from benchmarks.bodies import AWAITED, minute, told
from benchmarks.wanted import wanted


def minutely(n: int) -> CronJob[Any]:
    """A cron job of every minute; SAQ knows them by the names of their functions."""

    async def task(_context: Any) -> None:
        await minute()

    task.__qualname__ = f"minute {n}"
    return CronJob(task, "* * * * *", ttl=-1)


queue = Queue.from_url(os.environ["BENCH_URL"], name="bench")

settings = {
    "queue": queue,
    "functions": [(name, told(body)) for name, body in AWAITED.items()],
    "cron_jobs": [minutely(n) for n in range(wanted().count)],
    "concurrency": int(os.environ.get("BENCH_CONCURRENCY", "100")),
    "timers": {"sweep": 5, "schedule": 1},
}

opened, closed = queue.connect, queue.disconnect


async def send(task: str, argument: float, at: float | None = None) -> None:
    """Enqueue one task, now or for a time, which SAQ has in whole seconds."""
    due = 0 if at is None else math.ceil(at)
    await queue.enqueue(task, n=argument, scheduled=due, timeout=10, retries=3, ttl=-1)
