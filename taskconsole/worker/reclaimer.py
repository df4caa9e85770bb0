"""Tasks of workers that died: back to their queue, or to the dead set when they have killed too many workers."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from typing import TYPE_CHECKING

from taskconsole.errors import StoreError, StoreUnavailable
from taskconsole.model.event import EventKind, encode_event
from taskconsole.model.firing import RunRecord, encode_record
from taskconsole.model.task import Envelope, buried, decode, redelivered
from taskconsole.registry import DEFAULT_MAX_REDELIVERIES
from taskconsole.store.keys import TOMBSTONE
from taskconsole.store.schedules import ScheduleStore
from taskconsole.store.workers import TakenBack
from taskconsole.worker.logs import RateLimit
from taskconsole.worker.suspects import fingerprint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from taskconsole.registry import Registry
    from taskconsole.store.tasks import TaskStore
    from taskconsole.store.wire import AsyncWire
    from taskconsole.store.workers import WorkerStore
    from taskconsole.worker.lane import Lane
    from taskconsole.worker.options import WorkerOptions
    from taskconsole.worker.server_clock import ServerClock

__all__ = ["Reclaimer"]

log = logging.getLogger(__name__)

SWEEP = 600.0
"""Seconds between searches for processing lists that have no lease at all (somebody deleted it by hand)."""


class Reclaimer:
    """Looks for leases that have run out. Any number may run: taking over is atomic."""

    def __init__(
        self,
        lanes: Sequence[Lane],
        registry: Registry,
        *,
        options: WorkerOptions,
        store: TaskStore,
        workers: WorkerStore,
        wire: AsyncWire,
        clock: ServerClock,
    ) -> None:
        self._lanes, self._registry, self._options = lanes, registry, options
        self._store, self._workers, self._wire, self._clock = store, workers, wire, clock
        self._schedules = ScheduleStore(store.names)
        self._swept = -SWEEP
        self._patience = 0.0
        """Monotonic time before which nobody is taken for dead."""
        self._complain = RateLimit(60)
        self._suspects: set[tuple[str, str]] = set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                if time.monotonic() >= self._patience:
                    await self.run_once()
                if time.monotonic() - self._swept > SWEEP:
                    self._swept = time.monotonic()
                    await self.sweep()
            except StoreUnavailable as error:
                # After an outage every lease has run out: the others get as long as a lease to renew theirs.
                self._patience = time.monotonic() + self._options.lease
                log.debug("no look at dead workers", extra={"reason": str(error)})
            except StoreError as error:
                log.warning("no look at dead workers", extra={"reason": str(error)})
            # Half a lease, so that a dead worker's tasks run again after at most one and a half.
            await asyncio.sleep(self._options.lease / 2 * random.uniform(0.8, 1.0))

    async def run_once(self) -> int:
        """Take back what expired workers hold; returns how many tasks."""
        taken = 0
        for lane in self._lanes:
            seen = {lane.worker_id}
            # All of them now, a portion at a time: a host that died may have run a hundred workers.
            while fresh := await self._expired(lane.queue, seen):
                seen.update(fresh)
                for worker_id in fresh:
                    taken += await self._reclaim(lane.queue, worker_id)
        return taken

    async def _expired(self, queue: str, seen: set[str]) -> list[str]:
        expired = await self._wire.run(self._workers.expired(queue, self._clock.now()))
        return [worker_id for worker_id in expired if worker_id not in seen]

    async def sweep(self) -> int:
        """Take back lists without a lease that were there the last time too; returns how many tasks."""
        found: set[tuple[str, str]] = set()
        for lane in self._lanes:
            registered = await self._wire.run(self._workers.registered(lane.queue))
            live = set(registered)
            cursor = 0
            while True:
                cursor, ids = await self._wire.run(self._workers.scan_processing(lane.queue, cursor))
                found |= {(lane.queue, worker_id) for worker_id in ids if worker_id not in live}
                if cursor == 0:
                    break
        # A worker that is just signing on or off may look like that for a moment; two sweeps apart it does not.
        orphans, self._suspects = found & self._suspects, found
        if found - orphans:
            self._swept = time.monotonic() - SWEEP + self._options.lease
        return sum([await self._reclaim(queue, worker_id) for queue, worker_id in orphans])

    async def _reclaim(self, queue: str, worker_id: str) -> int:
        """As `reclaim`; a queue that refuses does not keep the others from being looked at."""
        try:
            return await self.reclaim(queue, worker_id)
        except StoreError as error:
            if self._complain(queue):
                extra = {"queue": queue, "worker": worker_id, "reason": str(error)}
                log.warning("tasks of a dead worker cannot be taken back", extra=extra)
            return 0

    async def reclaim(self, queue: str, worker_id: str) -> int:
        """Take back what one worker holds, if its lease is over; returns how many tasks."""
        held = await self._wire.run(self._store.held(queue, worker_id))
        suspects = await self._wire.run(self._workers.suspects(queue, worker_id))
        items = [self._judge(queue, worker_id, payload, suspects) for payload in reversed(held)]
        now = self._clock.now()
        named = [{"worker": worker_id, "text": "worker died"}]
        event = encode_event(EventKind.RECLAIMED, queue, now, named, max(len(held), 1))
        answer = await self._wire.run(self._workers.reclaim(queue, worker_id, items, event=event))
        if answer is None:
            return 0
        requeued, died = answer
        if died:
            await self._end_runs(queue, worker_id, [item.held for item in items if item.kind == "bury"])
        log.warning(
            "worker died, tasks taken back",
            extra={"queue": queue, "worker": worker_id, "requeued": requeued, "buried": died},
        )
        return requeued + died

    async def _end_runs(self, queue: str, worker_id: str, buried: Sequence[bytes]) -> None:
        """Let the next task of a schedule go when the one before has just been buried; else Whereabouts finds out."""
        now = round(self._clock.now(), 3)
        for payload in buried:
            envelope = decode(payload)
            if isinstance(envelope, Envelope) and envelope.schedule and envelope.id:
                text = "its worker died too often"
                record = RunRecord(outcome="dead", at=now, id=envelope.id, worker=worker_id, text=text)
                await self._wire.run(
                    self._schedules.end_run(queue, envelope.schedule, envelope.id, encode_record(record))
                )

    def _judge(self, queue: str, worker_id: str, payload: bytes, suspects: frozenset[str] | None) -> TakenBack:
        if payload == TOMBSTONE:
            return TakenBack("queue", payload, payload)
        envelope = decode(payload)
        before = envelope.redelivered if isinstance(envelope, Envelope) else 0
        if before and suspects is not None and fingerprint(payload) not in suspects:
            # It was waiting for its turn: whatever killed the worker, it was not this one.
            return TakenBack("queue", payload, payload)
        kept, deaths = redelivered(payload)
        name = envelope.task if isinstance(envelope, Envelope) else ""
        handler = self._registry.handlers.get(name)
        limit = handler.max_redeliveries if handler is not None else DEFAULT_MAX_REDELIVERIES
        if deaths < limit:
            return TakenBack("queue", payload, kept)
        dead = buried(
            kept,
            reason=f"its worker died {deaths} times",
            error=None,
            worker=worker_id,
            at=round(self._clock.now(), 3),
            new_id=f"{worker_id}-{random.getrandbits(48):x}",
        )
        log.error("died", extra={"queue": queue, "task": name, "reason": f"its worker died {deaths} times"})
        return TakenBack("bury", payload, dead)
