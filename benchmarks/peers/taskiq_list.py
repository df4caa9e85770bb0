"""taskiq with taskiq-redis' list broker: at most once (BRPOP)."""

# mypy: disable-error-code="import-not-found"

from __future__ import annotations

from taskiq import TaskiqScheduler
from taskiq.schedule_sources import LabelScheduleSource
from taskiq_redis import ListQueueBroker

from benchmarks.peers.taskiq_tasks import URL, Tasks, source

# redis-py gives up reading after 5 s unless it is told not to, and BRPOP waits for longer.
broker = ListQueueBroker(URL, queue_name="bench", socket_timeout=None)

send = Tasks(broker).send

opened, closed = broker.startup, broker.shutdown

scheduler = TaskiqScheduler(broker, [source])

crons = TaskiqScheduler(broker, [LabelScheduleSource(broker)])
