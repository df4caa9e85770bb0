"""APScheduler 3 with its jobs in Redis: fires in its own process, with no queue and no worker behind it."""

# mypy: disable-error-code="import-not-found, untyped-decorator"

from __future__ import annotations

import asyncio
import os
import time
from urllib.parse import urlparse

from apscheduler.events import EVENT_JOB_EXECUTED, JobExecutionEvent
from apscheduler.jobstores.redis import RedisJobStore
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.cron import CronTrigger

from benchmarks import recorder
from benchmarks.wanted import wanted

FIELDS = {"second": {"second": "*"}, "minute": {"minute": "*", "second": "0"}}


async def job(_n: int) -> float:
    """What is due: returns the time of its first line."""
    return time.time()


def note(event: JobExecutionEvent) -> None:
    """Record it when it is over, which is where APScheduler says for which moment it was."""
    each_second = wanted().each == "second"
    recorder.sample(event.retval - event.scheduled_run_time.timestamp() if each_second else event.retval)


async def main() -> None:
    """Until killed."""
    url = urlparse(os.environ["BENCH_URL"])
    scheduler = AsyncIOScheduler(jobstores={"default": RedisJobStore(host=url.hostname, port=url.port)}, timezone="UTC")
    trigger = CronTrigger(**FIELDS[wanted().each], timezone="UTC")
    for n in range(wanted().count):
        scheduler.add_job(job, trigger, args=[n], id=f"{wanted().each} {n}")
    scheduler.add_listener(note, EVENT_JOB_EXECUTED)
    scheduler.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
