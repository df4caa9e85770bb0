"""What happened, summed up: statistics about once a second, events when somebody listens."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import msgspec

from taskconsole.errors import TaskconsoleError
from taskconsole.model.event import MAX_NAMED, EventKind, encode_event

if TYPE_CHECKING:
    from collections.abc import Sequence

    from taskconsole.store.tasks import TaskStore
    from taskconsole.store.wire import AsyncWire
    from taskconsole.worker.lane import Lane
    from taskconsole.worker.server_clock import ServerClock

__all__ = ["Recorder", "Sums"]

log = logging.getLogger(__name__)

KEEP_MINUTE = 7_200
"""Seconds a minute's statistics are kept."""

DONE_CAP = 1_000
SAMPLE = 20
"""Finished tasks named in a second, in the done list and in events."""

TICK = 0.1
"""Seconds between events; statistics go every tenth time."""

BUCKETS = 44
"""Histogram buckets: bucket i counts durations below 2**i microseconds and not below half of that."""

_json = msgspec.json.Encoder()


class Sums:
    """What one lane adds up between two flushes; written by the pool on every task, so it is kept flat."""

    __slots__ = (
        "done",
        "failed",
        "listening",
        "named",
        "run",
        "sample",
        "seen",
        "skipped",
        "started",
        "total_done",
        "total_failed",
        "wait",
    )

    def __init__(self) -> None:
        self.done = 0
        self.failed = 0
        self.skipped = 0
        """Tombstones of deleted tasks that were passed over."""
        self.run = [0] * BUCKETS
        self.wait = [0] * BUCKETS
        self.sample: list[dict[str, Any]] = []
        """Finished tasks of this second, for the done list."""
        self.seen = 0
        """How many of `done` have been published."""
        self.named: list[dict[str, Any]] = []
        """Finished tasks to name in the next event."""
        self.started: list[dict[str, Any]] = []
        """Tasks that have been running long enough to be worth a line."""
        self.total_done = 0
        """Since this worker came up, as of the last flush."""
        self.total_failed = 0
        self.listening = False
        """Somebody subscribes to the queue's channel."""

    def take(self) -> dict[str, int]:
        """The fields to add, and start from zero."""
        sums = {"done": self.done, "failed": self.failed, "tombstones": -self.skipped}
        sums |= {f"run:{i}": n for i, n in enumerate(self.run) if n}
        sums |= {f"wait:{i}": n for i, n in enumerate(self.wait) if n}
        self.total_done += self.done
        self.total_failed += self.failed
        self.done = self.failed = self.skipped = self.seen = 0
        self.run, self.wait = [0] * BUCKETS, [0] * BUCKETS
        return {name: n for name, n in sums.items() if n}


class Recorder:
    """Writes the sums of all lanes."""

    def __init__(self, lanes: Sequence[Lane], *, store: TaskStore, wire: AsyncWire, clock: ServerClock) -> None:
        self._lanes, self._store, self._wire, self._clock = lanes, store, wire, clock

    async def run(self) -> None:
        """Until cancelled."""
        tick = 0
        while True:
            await asyncio.sleep(TICK)
            tick += 1
            await self.publish()
            if tick % round(1 / TICK) == 0:
                await self.run_once()

    async def publish(self) -> int:
        """Publish what has happened since the last time, to those who listen; returns how many messages."""
        calls = []
        now = self._clock.now()
        for lane in self._lanes:
            sums = lane.sums
            fresh = sums.done - sums.seen
            if sums.listening:
                if fresh > 0:
                    event = encode_event(EventKind.DONE, lane.queue, now, sums.named, fresh)
                    calls.append(self._store.publish(lane.keys, event))
                if sums.started:
                    event = encode_event(EventKind.STARTED, lane.queue, now, sums.started, len(sums.started))
                    calls.append(self._store.publish(lane.keys, event))
            sums.seen = sums.done
            sums.named.clear()
            sums.started.clear()
        await self._send(calls)
        return len(calls)

    async def run_once(self) -> int:
        """Write the statistics of all lanes; returns how many lanes had any."""
        minute = int(self._clock.now() // 60)
        calls = []
        for lane in self._lanes:
            sums = lane.sums.take()
            if sums:
                done = [_json.encode(task) for task in lane.sums.sample]
                lane.sums.sample.clear()
                calls.append(self._store.record(lane.queue, minute, sums, done, keep=KEEP_MINUTE, cap=DONE_CAP))
        await self._send(calls)
        return len(calls)

    async def _send(self, calls: list[Any]) -> None:
        # Statistics are not worth waiting for: what does not get through is not counted, never counted twice.
        try:
            answers = await self._wire.run_all(calls)
        except TaskconsoleError as error:
            log.debug("statistics not written", extra={"reason": str(error)})
            return
        for answer in answers:
            if isinstance(answer, Exception):
                log.debug("statistics not written", extra={"reason": str(answer)})


def name_finished(sums: Sums, task: dict[str, Any]) -> None:
    """Remember a finished task if there is still room for its name."""
    if len(sums.sample) < SAMPLE:
        sums.sample.append(task)
    if sums.listening and len(sums.named) < MAX_NAMED:
        sums.named.append(task)
