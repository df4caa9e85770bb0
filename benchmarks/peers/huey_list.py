"""huey on a Redis list: at most once (a task in a killed worker's hands is gone), threads."""

# mypy: disable-error-code="import-not-found, untyped-decorator"

from __future__ import annotations

import datetime as dt
import os
import time

from huey import RedisHuey, crontab

from benchmarks import recorder
from benchmarks.wanted import wanted

huey = RedisHuey("bench", url=os.environ["BENCH_URL"], results=False)


@huey.task(name="noop")
def noop(_n: int) -> None:
    recorder.ran()


@huey.task(name="nap")
def nap(_n: int) -> None:
    time.sleep(0.001)
    recorder.ran()


@huey.task(name="stamp")
def stamp(since: float) -> None:
    recorder.sample(time.time() - since)


def minute() -> None:
    recorder.sample(time.time())


# A periodic task has one schedule and no arguments, so each is a task of its own.
for _n in range(wanted().count):
    huey.periodic_task(crontab(minute="*"), name=f"minute {_n}")(minute)

TASKS = {"noop": noop, "nap": nap, "stamp": stamp}


def one(count: int, task: str = "noop") -> None:
    """Enqueue, each call after the answer to the one before."""
    for n in range(count):
        TASKS[task](n)


fill = one


async def send(task: str, argument: float, at: float | None = None) -> None:
    """Enqueue one task, now or for a time."""
    if at is None:
        TASKS[task](argument)
    else:
        when = dt.datetime.fromtimestamp(at, dt.UTC)
        TASKS[task].schedule((argument,), eta=when)
