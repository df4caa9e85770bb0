"""taskiq with taskiq-redis' stream broker: at least once, acknowledged when executed."""

# mypy: disable-error-code="import-not-found"

from __future__ import annotations

from taskiq import TaskiqScheduler
from taskiq.schedule_sources import LabelScheduleSource
from taskiq_redis import RedisStreamBroker

from benchmarks.peers.taskiq_tasks import URL, Tasks, source

# consumer_id 0: what was enqueued before the first worker came counts too.
# The lock under which a worker looks for abandoned tasks would else outlive it.
broker = RedisStreamBroker(
    URL, queue_name="bench", consumer_id="0", idle_timeout=10_000, unacknowledged_lock_timeout=10
)

send = Tasks(broker).send

opened, closed = broker.startup, broker.shutdown

scheduler = TaskiqScheduler(broker, [source])

crons = TaskiqScheduler(broker, [LabelScheduleSource(broker)])
