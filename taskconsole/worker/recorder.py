"""What happened, summed up: statistics about once a second, events when somebody listens."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import msgspec

from taskconsole.errors import TaskconsoleError
from taskconsole.model.event import EventKind, encode_event

if TYPE_CHECKING:
    from collections.abc import Sequence

    from taskconsole.store.tasks import TaskStore
    from taskconsole.store.wire import AsyncWire
    from taskconsole.worker.lane import Lane
    from taskconsole.worker.server_clock import ServerClock

__all__ = ["Recorder"]

log = logging.getLogger(__name__)

KEEP_MINUTE = 7_200
"""Seconds a minute's statistics are kept."""

DONE_CAP = 1_000
TICK = 0.1
"""Seconds between events; statistics go every tenth time."""

_json = msgspec.json.Encoder()


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
                    event = encode_event(EventKind.DONE, lane.queue, now, sums.take_named(), fresh)
                    calls.append(self._store.publish(lane.keys, event))
                if sums.started:
                    event = encode_event(EventKind.STARTED, lane.queue, now, sums.started, len(sums.started))
                    calls.append(self._store.publish(lane.keys, event))
            sums.seen = sums.done
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
                done = [_json.encode(task) for task in lane.sums.take_sample()]
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
