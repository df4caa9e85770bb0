"""Celery, acknowledging late: what a killed worker held is seen again after the visibility time-out, here 10 s."""

# mypy: disable-error-code="import-not-found"

from __future__ import annotations

import datetime as dt
import os

from celery import Celery
from celery.schedules import crontab

from benchmarks.bodies import BLOCKING, blocking_minute
from benchmarks.wanted import wanted

celery = Celery("bench", broker=os.environ["BENCH_URL"])
celery.conf.update(
    task_acks_late=True,
    task_default_queue="bench",
    task_ignore_result=True,
    worker_prefetch_multiplier=4,
    broker_transport_options={"visibility_timeout": 10},
    beat_schedule={
        f"minute {n}": {"task": "minute", "schedule": crontab(), "args": (n,)} for n in range(wanted().count)
    },
)

TASKS = {name: celery.task(name=name)(body) for name, body in {**BLOCKING, "minute": blocking_minute}.items()}


def put(task: str, argument: float, at: float | None = None) -> None:
    """Enqueue one task, now or for a time."""
    eta = None if at is None else dt.datetime.fromtimestamp(at, dt.UTC)
    TASKS[task].apply_async((argument,), eta=eta)
