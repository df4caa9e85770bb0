"""Taskconsole under test with schedules: those that the harness wants, declared as an app's code does it."""

from __future__ import annotations

import datetime as dt
import os
import time
from typing import Any

from benchmarks import recorder
from benchmarks.wanted import Wanted, wanted
from taskconsole import App, Context, RegisteredTask
from taskconsole.schedules import ScheduleOptions

ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Tokyo",
    "Australia/Sydney",
    "America/Sao_Paulo",
    "Asia/Kolkata",
    "Europe/Lisbon",
)

app = App(os.environ["BENCH_URL"])


@app.task(name="tick", queue="bench", timeout=60)
async def tick(context: Context, _n: int) -> None:
    now = time.time()
    assert context.scheduled_at is not None
    recorder.sample(now - context.scheduled_at)


@app.task(name="minute", queue="bench", timeout=60)
async def minute(_n: int) -> None:
    recorder.sample(time.time())


def declare(schedules: Wanted) -> None:
    """Put them above their tasks."""
    start = None if schedules.start is None else dt.datetime.fromtimestamp(schedules.start, dt.UTC)
    for n in range(schedules.count):
        match schedules.each:
            case "second":
                app.cron("* * * * * *", name=f"second {n}", args=[n])(tick)
            case "minute":
                app.cron("* * * * *", name=f"minute {n}", args=[n])(minute)
            case "varied":
                declare_varied(n, tick, {"args": [n], "start": start})
            case other:
                raise ValueError(other)
    if schedules.beat:
        app.every(schedules.beat, name="beat", args=[0])(tick)


def declare_varied(n: int, task: RegisteredTask[[int], Any], options: ScheduleOptions) -> None:
    """The n-th of many: an interval of 1 to 60 minutes every fifth time, else one of eight kinds of cron."""
    name = f"varied {n}"
    if n % 5 == 4:
        app.every(60 + n * 7 % 3541, name=name, **options)(task)
        return
    at, hour, day, zone = n * 7 % 60, n * 11 % 24, n * 13 % 28 + 1, n // 8 % len(ZONES)
    kinds = (
        f"{at} {hour} * * *",
        f"{at} {hour} * * 1-5",
        f"{at} {hour} {day} * *",
        f"{at} * * * *",
        f"{at % 15}-59/15 8-18 * * MON-FRI",
        f"{at} {hour} L * *",
        f"{n * 17 % 60} {at} {hour} * * SAT,SUN",
        f"{at} {hour} {day} 1-12/3 *",
    )
    app.cron(kinds[n % len(kinds)], tz=ZONES[zone], name=name, **options)(task)


declare(wanted())
