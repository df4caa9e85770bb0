"""An App whose worker makes use of everything: retries, deaths, schedules, the public door, tasks from within tasks."""

from __future__ import annotations

import os
from datetime import timedelta

from taskconsole import App
from taskconsole.config import Settings

app = App(settings=Settings(url=os.environ.get("TASKCONSOLE_URL", "redis://localhost"), prefix="tc:"))


@app.every("1s", name="tick", overlap="buffer_one")
@app.task
def tick() -> None:
    """Come again every second."""


@app.task(queue="mail", retries=1, backoff=0.05)
async def fail() -> None:
    """Fail until it is dead."""
    raise ValueError("no")


@app.task
def outer() -> None:
    """Enqueue from within."""
    inner.enqueue()
    inner.using(run_after=timedelta(milliseconds=50)).enqueue()


@app.task(queue="mail")
async def inner() -> None:
    """Do nothing."""


@app.task(max_redeliveries=2)
def die() -> None:
    """End the process without a word."""
    os._exit(9)
