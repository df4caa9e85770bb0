"""Delayed tasks whose time has come. Any number of promoters may run: moving is atomic."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from taskconsole.errors import ConfigError, StoreError, StoreUnavailable
from taskconsole.model.task import Envelope, decode
from taskconsole.store.keys import DEFAULT_QUEUE, check_queue_name
from taskconsole.worker.logs import RateLimit
from taskconsole.worker.server_clock import EARLY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from taskconsole.store.tasks import TaskStore
    from taskconsole.store.wire import AsyncWire
    from taskconsole.worker.carrier import Carrier
    from taskconsole.worker.server_clock import ServerClock

__all__ = ["Promoter"]

log = logging.getLogger(__name__)

PUBLIC_POLL = 1.0
"""Seconds between looks at the public delayed set: strangers add to it without telling anybody."""

QUIET_POLL = 2.0
"""The same when it has been empty for `QUIET_AFTER` seconds."""

QUIET_AFTER = 30.0

OWN_POLL = 10.0
"""Seconds between looks at our own sets: our clients tell us when an earlier task comes."""

BATCH = 500
"""Tasks in one move: a few milliseconds of Redis at most."""


@dataclass(slots=True)
class _Source:
    """One delayed set and when to look at it next (monotonic seconds)."""

    key: str
    queue: str
    public: bool
    look: float = 0.0


class Promoter:
    """Moves due tasks of some queues, and of the public delayed set.

    Args:
        queues: Whose delayed sets to watch.
        carrier: Takes what is due in the public set to its queue, where one script cannot.
    """

    def __init__(
        self,
        queues: Sequence[str],
        *,
        store: TaskStore,
        wire: AsyncWire,
        clock: ServerClock,
        carrier: Carrier | None = None,
    ) -> None:
        self._store, self._wire, self._clock, self._carrier = store, wire, clock, carrier
        names = store.names
        self._sources = [_Source(names.of(queue).delayed, queue, public=False) for queue in queues]
        self._sources.append(_Source(names.public_delayed, DEFAULT_QUEUE, public=True))
        self.channels = {names.public_wake if s.public else names.of(s.queue).wake: s for s in self._sources}
        """Where to hear of earlier tasks."""
        self._earlier = asyncio.Event()
        self._complain = RateLimit(10)
        self._public_used = time.monotonic()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.run_once()
            except StoreUnavailable as error:
                if self._complain("unavailable"):
                    log.warning("delayed tasks wait for Redis", extra={"reason": str(error)})
                await asyncio.sleep(0.5)
                continue
            pause = min(source.look for source in self._sources) - time.monotonic()
            if pause > 0:
                await self._sleep(pause)

    async def _sleep(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._earlier.wait()
        except TimeoutError:
            return
        self._earlier.clear()

    async def run_once(self) -> int:
        """Look at every source whose time has come; returns how many tasks were moved."""
        moved = 0
        for source in self._sources:
            if source.look > time.monotonic():
                continue
            # Whoever calls from now on may have changed what we are about to read.
            source.look = float("inf")
            try:
                moved += await (self._public(source) if source.public else self._own(source))
            except StoreError as error:
                if self._complain(source.key):
                    log.error("delayed tasks cannot be moved", extra={"queue": source.queue, "reason": str(error)})  # noqa: TRY400
                source.look = time.monotonic() + 1.0
            except StoreUnavailable:
                source.look = 0.0
                raise
        return moved

    async def _own(self, source: _Source) -> int:
        head = await self._wire.run(self._store.head(source.key))
        return await self._move(source, head, OWN_POLL)

    async def _move(self, source: _Source, head: float | None, poll: float) -> int:
        """Move all that is due, now that the first is due at `head`, and note when to look again."""
        moved = 0
        now = self._clock.now()
        if head is not None and head - now <= 2 * EARLY:
            answer = await self._wire.run(self._store.promote(source.key, source.queue, limit=BATCH))
            moved, head, now = answer.moved, answer.next_due, answer.now
        self._plan(source, head, now, poll)
        return moved

    @staticmethod
    def _plan(source: _Source, head: float | None, now: float, poll: float) -> None:
        wait = poll if head is None else max(0.0, min(poll, head - now - EARLY))
        source.look = min(source.look, time.monotonic() + wait)

    async def _public(self, source: _Source) -> int:
        """The public set: an envelope may ask for another queue than the default one."""
        moved = await self._carrier.take_up() if self._carrier is not None else 0
        head = await self._wire.run(self._store.head(source.key))
        now = self._clock.now()
        if head is not None:
            self._public_used = time.monotonic()
        if head is None or head - now > 2 * EARLY:
            quiet = time.monotonic() - self._public_used > QUIET_AFTER
            self._plan(source, head, now, QUIET_POLL if quiet else PUBLIC_POLL)
            return moved
        groups: dict[str, list[bytes]] = {}
        for payload in await self._wire.run(self._store.due(source.key, now + 2 * EARLY)):
            groups.setdefault(_target(payload), []).append(payload)
        for queue, payloads in groups.items():
            if self._carrier is not None:
                moved += await self._carrier.carry(queue, payloads)
            else:
                moved += await self._transfer(source, queue, payloads)
        head = await self._wire.run(self._store.head(source.key))
        self._plan(source, head, self._clock.now(), PUBLIC_POLL)
        return moved

    async def _transfer(self, source: _Source, queue: str, payloads: list[bytes]) -> int:
        """Move due payloads of the public set to the queue they ask for; to the default one if that cannot be."""
        try:
            moved = await self._wire.run(self._store.transfer(source.key, queue, payloads))
        except StoreError as error:
            if queue == source.queue:
                raise
            # They must not lie in front of everybody else's for ever.
            if self._complain(f"public {queue}"):
                log.error("moved to the default queue instead", extra={"queue": queue, "reason": str(error)})  # noqa: TRY400
            return await self._wire.run(self._store.transfer(source.key, source.queue, payloads))
        if queue != source.queue:
            await self._wire.run(self._store.announce(queue))
        return moved

    def hear(self, channel: str, due: float) -> None:
        """A task has come that is due at `due` (seconds since the epoch): perhaps earlier than what we sleep for."""
        source = self.channels.get(channel)
        if source is None:
            return
        look = time.monotonic() + max(0.0, due - self._clock.now() - EARLY)
        if look < source.look:
            source.look = look
            self._earlier.set()


def _target(payload: bytes) -> str:
    """The queue a payload in the public set is for."""
    envelope = decode(payload)
    if isinstance(envelope, Envelope) and envelope.queue:
        try:
            return check_queue_name(envelope.queue)
        except ConfigError:
            # A name that cannot be a queue must not keep the task from running.
            return DEFAULT_QUEUE
    return DEFAULT_QUEUE
