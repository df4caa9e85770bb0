"""Parts of a worker, wired together as the worker does it, for tests to hold."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import redis

from taskconsole import App
from taskconsole.config import Settings
from taskconsole.registry import Registry
from taskconsole.store.keys import Namespace
from taskconsole.store.tasks import TaskStore
from taskconsole.store.wire import AsyncWire
from taskconsole.store.workers import WorkerStore
from taskconsole.worker.fetcher import Fetcher
from taskconsole.worker.lane import Lane
from taskconsole.worker.options import QueuePlan, WorkerOptions
from taskconsole.worker.pool import Pool
from taskconsole.worker.runtime import Worker
from taskconsole.worker.server_clock import ServerClock
from taskconsole.worker.sums import Sums
from tests.servers import connect, eventually

QUEUE = "task_queue"


def envelope(task: str, **fields: Any) -> bytes:
    """A payload."""
    return json.dumps({"task": task, **fields}).encode()


class Rig:
    """Lanes, a pool and a fetcher over one Redis; nothing runs until a test says so.

    Args:
        url: The Redis; no connection is made before it is needed.
        queues: One lane each.
        options: For `WorkerOptions`.
    """

    def __init__(self, url: str, *queues: str, id: str = "w", **options: Any) -> None:  # noqa: A002 - as in Lane
        self.url, self.settings = url, Settings(url=url, timeout=2.0)
        self.app = App(url)
        self.registry: Registry = self.app.registry
        plan = QueuePlan(queues or (QUEUE,))
        self.options = WorkerOptions(**({"queues": plan, "concurrency": 4, "lease": 10.0} | options))
        self.names = Namespace()
        self.store, self.workers = TaskStore(self.names), WorkerStore(self.names)
        self.clock, self.wire = ServerClock(), AsyncWire(self.settings)
        self.pool = Pool(self.registry, options=self.options, clock=self.clock, on_room=self._on_room)
        self.lanes = [self._lane(queue, id) for queue in self.options.queues.names]
        self.lane = self.lanes[0]
        self.fetcher = Fetcher(self.lanes, self.pool, self.options)
        self.raw: redis.Redis = connect(url)

    def _on_room(self) -> None:
        self.fetcher.nudge()

    def _lane(self, queue: str, id: str) -> Lane:  # noqa: A002 - as in Lane
        lane = Lane(
            queue,
            id,
            settings=self.settings,
            options=self.options,
            store=self.store,
            workers=self.workers,
            wire=self.wire,
            sums=Sums(),
            clock=self.clock,
            in_hand=self.pool.in_hand,
        )
        lane.on_fenced = self.pool.drop
        return lane

    async def register(self) -> None:
        """Enter all lanes."""
        for lane in self.lanes:
            await lane.register({"host": "here"})

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Claim, run and acknowledge until the end of the block; what runs then is given back."""
        await self.register()
        services = [
            asyncio.create_task(self.fetcher.run(), name="fetcher"),
            asyncio.create_task(self.fetcher.run_acks(), name="acks"),
            asyncio.create_task(self.pool.watch(self._give_back), name="watch"),
        ]
        try:
            yield
            for service in services:
                if service.done():
                    service.result()
        finally:
            self.fetcher.stop()
            await asyncio.wait(services[:1], timeout=5)
            for service in services:
                service.cancel()
            await asyncio.wait(services)

    def _give_back(self, returned: dict[Lane, list[bytes]]) -> None:
        for lane, payloads in returned.items():
            self._returning = asyncio.gather(lane.give_back(payloads))

    async def close(self) -> None:
        """Let go of everything."""
        await self.pool.close()
        for lane in self.lanes:
            await lane.drop_waiter()
        await self.wire.close()
        self.raw.close()

    # -- for tests of the pool alone

    async def run_all(self, *payloads: bytes, lane: Lane | None = None) -> None:
        """Feed the pool and wait until all is done."""
        self.pool.feed(lane or self.lane, payloads)
        await asyncio.wait_for(self.pool.wait_empty(), 10)

    def outcomes(self, lane: Lane | None = None) -> list[tuple[str, str]]:
        """What is to be told to Redis: (kind, reason or task)."""
        lane = lane or self.lane
        told = [("ack", payload.decode(errors="replace")) for payload in lane.acks]
        return told + [(item.kind, json.loads(item.event)["tasks"][0]["text"]) for item in lane.settlements]

    # -- looks

    def pending(self, queue: str = QUEUE) -> list[bytes]:
        """Next to run first."""
        return [bytes(p) for p in reversed(self.raw.lrange(queue, 0, -1))]  # type: ignore[arg-type]  # the blocking client

    def held(self, lane: Lane | None = None) -> list[bytes]:
        """The processing list."""
        lane = lane or self.lane
        return list(self.raw.lrange(lane.keys.processing(lane.worker_id), 0, -1))  # type: ignore[arg-type]  # the blocking client

    async def blocked(self, count: int = 1) -> None:
        """Wait until so many clients of this Redis are in a blocking call."""
        await eventually(
            lambda: self.raw.info("clients")["blocked_clients"] >= count,  # type: ignore[index]  # the blocking client
            what=f"{count} blocked clients",
        )

    def fence(self, lane: Lane | None = None) -> None:
        """Take the lease away, as a reclaimer does."""
        lane = lane or self.lane
        self.raw.zrem(lane.keys.workers, lane.worker_id)


MakeRig = Callable[..., Rig]


@asynccontextmanager
async def running(app: App, **options: Any) -> AsyncIterator[Worker]:
    """A whole worker in this process."""
    worker = Worker(
        app.registry,
        settings=app.settings,
        options=WorkerOptions(**({"concurrency": 4, "lease": 3.0, "grace": 2.0} | options)),
    )
    task = asyncio.create_task(worker.run(), name="worker")
    try:
        await eventually(lambda: hasattr(worker, "lanes") and all(lane.registered for lane in worker.lanes))
        yield worker
    finally:
        worker.stop()
        await asyncio.wait_for(task, 10)
