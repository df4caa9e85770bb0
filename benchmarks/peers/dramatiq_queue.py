"""dramatiq: at least once; what a worker that was not heard of for 10 s held is put back."""

# mypy: disable-error-code="import-not-found"

from __future__ import annotations

import math
import os
import time

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from benchmarks.bodies import BLOCKING

broker = RedisBroker(url=os.environ["BENCH_URL"], heartbeat_timeout=10_000, maintenance_chance=100_000)

dramatiq.set_broker(broker)

TASKS = {name: dramatiq.actor(body, actor_name=name, queue_name="bench") for name, body in BLOCKING.items()}


def put(task: str, argument: float, at: float | None = None) -> None:
    """Enqueue one task, now or for a time."""
    delay = None if at is None else math.ceil((at - time.time()) * 1000)
    TASKS[task].send_with_options(args=(argument,), delay=delay)
