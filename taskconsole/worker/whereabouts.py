"""Tasks of schedules that seem never to end: are they still anywhere?

While one is unfinished, `overlap: skip` makes no other. Its end is written with its last attempt, in one transition;
but a task can also be deleted, or purged with its queue, and then nobody writes anything. So when a schedule has to
skip, its unfinished tasks are looked for; one that is in no place, in two searches, is over.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from typing import TYPE_CHECKING

from taskconsole.errors import StoreError, StoreUnavailable
from taskconsole.model.firing import RunRecord, decode_running, encode_record
from taskconsole.store.reading import MAX_WORKERS

if TYPE_CHECKING:
    from taskconsole.store.reading import ReadingStore
    from taskconsole.store.schedules import ScheduleStore
    from taskconsole.store.wire import AsyncWire
    from taskconsole.worker.server_clock import ServerClock

__all__ = ["Whereabouts"]

log = logging.getLogger(__name__)

YOUNG = 5.0
"""Seconds a task may be unfinished without being looked for."""

AGAIN = 30.0
"""Seconds between two searches for the tasks of one schedule that has to skip."""

NOW_AND_THEN = 120.0
"""The same for one that has not had to yet: a task deleted today must not cost tomorrow's."""

REST = 0.5
"""Seconds between any two searches: they read much."""

WINDOW = 1_000
"""Payloads read at once."""

BUDGET = 20_000
"""Payloads looked at in one place; in a longer queue nobody can say that a task is gone."""


class Whereabouts:
    """Searches for unfinished tasks of schedules, one schedule at a time."""

    def __init__(self, *, store: ScheduleStore, reading: ReadingStore, wire: AsyncWire, clock: ServerClock) -> None:
        self._store, self._reading, self._wire, self._clock = store, reading, wire, clock
        self._suspects: dict[tuple[str, str], None] = {}
        self._searched: dict[tuple[str, str], float] = {}
        self._wanted = asyncio.Event()

    def suspect(self, queue: str, schedule: str, every: float = AGAIN) -> None:
        """A task of this schedule stands in the way of the next, or will; not more often than `every` seconds."""
        if time.monotonic() - self._searched.get((queue, schedule), -every) >= every:
            self._suspects[queue, schedule] = None
            self._wanted.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._wanted.wait()
            while self._suspects:
                queue, schedule = next(iter(self._suspects))
                del self._suspects[queue, schedule]
                if len(self._searched) > 10_000:
                    self._searched.clear()
                try:
                    if await self.run_once(queue, schedule) is not None:
                        self._searched[queue, schedule] = time.monotonic()
                except (StoreError, StoreUnavailable) as error:
                    log.debug("no search", extra={"queue": queue, "schedule": schedule, "reason": str(error)})
                await asyncio.sleep(REST)
            self._wanted.clear()

    async def run_once(self, queue: str, schedule: str) -> int | None:
        """Search for the unfinished tasks of a schedule; returns how many are gone, None when all are too young.

        What stands there and cannot be read counts as one, and is taken away.
        """
        (raw,) = await self._wire.run(self._store.running(queue, [schedule]))
        now = self._clock.now()
        unfinished = decode_running(raw)
        if raw and not unfinished:
            # Nobody of ours wrote it, and the tasks in it have no end that could be noted.
            log.warning("unreadable unfinished tasks", extra={"queue": queue, "schedule": schedule})
            return await self._wire.run(self._store.forget_running(queue, schedule, raw))
        # One from the future was not written by us, or the clock was set back: it is looked for all the same.
        old = [task_id for task_id, since in unfinished.items() if abs(now - since) >= YOUNG]
        gone = 0
        for task_id in old:
            # Twice: it may have moved from a place not yet looked at to one that was.
            if await self._is_somewhere(queue, task_id) or await self._is_somewhere(queue, task_id):
                continue
            text = "not in the queue, not delayed, in nobody's hands: deleted, or over while its schedule was removed"
            record = RunRecord(outcome="gone", at=round(now, 3), id=task_id, text=text)
            gone += await self._wire.run(self._store.end_run(queue, schedule, task_id, encode_record(record)))
            log.warning("a task is gone", extra={"queue": queue, "schedule": schedule, "id": task_id})
        return gone if old else None

    async def _is_somewhere(self, queue: str, task_id: str) -> bool:
        """True also when it cannot be known. The places come in the order in which a task goes through them."""
        k = self._store.names.of(queue)
        needle = b'"id":' + json.dumps(task_id, ensure_ascii=False).encode()
        if await self._is_in(k.queue, "list", needle):
            return True
        leases = await self._wire.run(self._reading.leases(k))
        if len(leases) >= MAX_WORKERS:
            return True
        for worker_id in leases:
            if await self._is_in(k.processing(worker_id), "list", needle):
                return True
        return await self._is_in(k.delayed, "zset", needle)

    async def _is_in(self, key: str, kind: str, needle: bytes) -> bool:
        """Look through a list (from the next to run) or a sorted set."""
        for start in range(0, BUDGET, WINDOW):
            first, last = (-start - WINDOW, -start - 1) if kind == "list" else (start, start + WINDOW - 1)
            seen = await self._wire.run(self._reading.window(key, first, last, kind))
            # Of a long payload only the beginning is read: it may be the one.
            if any(needle in one.payload or one.size > len(one.payload) for one in seen):
                return True
            if len(seen) < WINDOW:
                return False
        return True
