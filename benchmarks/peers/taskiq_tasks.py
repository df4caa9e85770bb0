"""taskiq's tasks, the same on each of its brokers."""

# mypy: disable-error-code="import-not-found, untyped-decorator"

from __future__ import annotations

import datetime as dt
import os

from taskiq import AsyncBroker
from taskiq_redis import ListRedisScheduleSource

from benchmarks.bodies import AWAITED, minute
from benchmarks.wanted import wanted

URL = os.environ["BENCH_URL"]

source = ListRedisScheduleSource(URL)


class Tasks:
    """The tasks on a broker, and how to enqueue them."""

    def __init__(self, broker: AsyncBroker) -> None:
        self._tasks = {name: broker.task(task_name=name)(body) for name, body in AWAITED.items()}
        crons = [{"cron": "* * * * *", "args": [n]} for n in range(wanted().count)]
        broker.task(task_name="minute", schedule=crons)(minute)

    async def send(self, task: str, argument: float, at: float | None = None) -> None:
        """Enqueue one task, now or for a time."""
        if at is None:
            await self._tasks[task].kiq(argument)
        else:
            when = dt.datetime.fromtimestamp(at, dt.UTC)
            await self._tasks[task].schedule_by_time(source, when, argument)
