"""taskiq with taskiq-redis' list broker: at most once (BRPOP)."""

# mypy: disable-error-code="import-not-found"

from __future__ import annotations

from taskiq import TaskiqScheduler
from taskiq_redis import ListQueueBroker

from benchmarks.peers.taskiq_tasks import URL, Tasks, source

broker = ListQueueBroker(URL, queue_name="bench")

send = Tasks(broker).send

opened, closed = broker.startup, broker.shutdown

scheduler = TaskiqScheduler(broker, [source])
