"""huey on a Redis list: at most once (a task in a killed worker's hands is gone), threads."""

# mypy: disable-error-code="import-not-found, untyped-decorator"

from __future__ import annotations

import datetime as dt
import os

from huey import RedisHuey, crontab

from benchmarks.bodies import BLOCKING, blocking_minute
from benchmarks.wanted import wanted

huey = RedisHuey("bench", url=os.environ["BENCH_URL"], results=False)

TASKS = {name: huey.task(name=name)(body) for name, body in BLOCKING.items()}


# A periodic task has one schedule and no arguments, so each is a task of its own.
for _n in range(wanted().count):
    huey.periodic_task(crontab(minute="*"), name=f"minute {_n}")(blocking_minute)


def put(task: str, argument: float, at: float | None = None) -> None:
    """Enqueue one task, now or for a time."""
    if at is None:
        TASKS[task](argument)
    else:
        TASKS[task].schedule((argument,), eta=dt.datetime.fromtimestamp(at, dt.UTC))
