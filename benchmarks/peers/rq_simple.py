"""RQ with SimpleWorker, which does not fork for each task: three attempts, results not kept."""

# mypy: disable-error-code="import-not-found"

from __future__ import annotations

import datetime as dt
import itertools
import os
from collections.abc import Iterable

from redis import Redis
from rq import Queue, Retry
from rq.cron import CronScheduler
from rq.scheduler import RQScheduler

from benchmarks.bodies import BLOCKING, blocking_minute
from benchmarks.wanted import wanted

connection = Redis.from_url(os.environ["BENCH_URL"])

queue = Queue("bench", connection=connection)

RETRY = Retry(max=3)

# A SimpleWorker's task counts as abandoned a minute after its time-out, which is 180 s unless it is said.
TIMEOUT = 10


def put(task: str, argument: float, at: float | None = None) -> None:
    """Enqueue one task, now or for a time."""
    body = BLOCKING[task]
    if at is None:
        queue.enqueue(body, argument, result_ttl=0, retry=RETRY, job_timeout=TIMEOUT)
    else:
        when = dt.datetime.fromtimestamp(at, dt.UTC)
        queue.enqueue_at(when, body, argument, result_ttl=0, retry=RETRY, job_timeout=TIMEOUT)


def put_many(task: str, arguments: Iterable[int]) -> None:
    """Enqueue by the thousand."""
    body = BLOCKING[task]
    calls = (Queue.prepare_data(body, [argument], timeout=TIMEOUT, result_ttl=0, retry=RETRY) for argument in arguments)
    while some := list(itertools.islice(calls, 1000)):
        queue.enqueue_many(some)


def schedule() -> None:
    """What fires: crons if some are wanted, else what was enqueued for a time."""
    if not wanted().count:
        RQScheduler(["bench"], connection, interval=1).work()
        return
    crons = CronScheduler(connection)
    for n in range(wanted().count):
        crons.register(blocking_minute, "bench", args=(n,), cron="* * * * *", job_timeout=TIMEOUT, result_ttl=0)
    crons.start()


if __name__ == "__main__":
    schedule()
