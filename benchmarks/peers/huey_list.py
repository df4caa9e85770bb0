"""huey on a Redis list: at most once (a task in a killed worker's hands is gone), threads."""

# mypy: disable-error-code="import-not-found, untyped-decorator"

from __future__ import annotations

import datetime as dt
import os
import time

from huey import RedisHuey

from benchmarks import recorder

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
