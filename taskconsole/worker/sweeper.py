"""Definitions that nobody announced: written, changed or taken out by hand, with redis-cli or anything else."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from taskconsole.errors import ScheduleError
from taskconsole.model.definition import Overlap, is_schedule_name
from taskconsole.model.event import EventKind, encode_event
from taskconsole.model.firing import decode_position, encode_position, go_on, place
from taskconsole.model.removal import Removal, encode_removal, past_of, unfinished_of
from taskconsole.worker.logs import RateLimit
from taskconsole.worker.turns import Turns
from taskconsole.worker.whereabouts import NOW_AND_THEN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from taskconsole.store.call import Call
    from taskconsole.store.schedules import ScheduleStore
    from taskconsole.store.wire import AsyncWire
    from taskconsole.worker.definitions import Definitions
    from taskconsole.worker.server_clock import ServerClock
    from taskconsole.worker.whereabouts import Whereabouts

__all__ = ["Sweeper"]

log = logging.getLogger(__name__)

EVERY = 9.0
"""Seconds between two looks at all definitions of a queue."""


class Sweeper:
    """Finds definitions whose next time is not what they say, and puts that right."""

    def __init__(
        self,
        *,
        store: ScheduleStore,
        wire: AsyncWire,
        clock: ServerClock,
        definitions: Definitions,
        whereabouts: Whereabouts,
    ) -> None:
        self._whereabouts = whereabouts
        self._store, self._wire, self._clock, self._definitions = store, wire, clock, definitions
        self._swept: dict[str, float] = {}
        self._wanted = asyncio.Event()
        self._complain = RateLimit(600)

    def is_time(self, queue: str) -> bool:
        """True when the last look is a while ago."""
        return time.monotonic() - self._swept.get(queue, -EVERY) >= EVERY

    def nudge(self) -> None:
        """There is something to do."""
        self._wanted.set()

    async def wait(self) -> None:
        """Until there is something to do."""
        await self._wanted.wait()
        self._wanted.clear()

    async def run_once(self, queue: str) -> int:
        """Look at all definitions of a queue, page by page; returns how many were put right."""
        self._swept[queue] = time.monotonic()
        cursor, changed, count = 0, 0, 0
        while True:
            cursor, page = await self._wire.run(self._store.page(queue, cursor))
            if page:
                count += len(page)
                changed += await self._page(queue, page)
            if cursor == 0:
                break
        await self._suspect(queue)
        return changed + await self._orphaned(queue, count)

    async def _suspect(self, queue: str) -> None:
        """Have those unfinished tasks looked for that would keep their schedules from making others."""
        cursor = 0
        while True:
            cursor, page = await self._wire.run(self._store.running_page(queue, cursor))
            names = [name for name, _ in page if is_schedule_name(name)]
            if names:
                found = await self._wire.run(self._store.definitions(queue, names))
                there = [(name, raw) for name, raw in zip(names, found, strict=True) if raw]
                for name, raw in await self._readable(queue, there):
                    self._suspect_one(queue, name, raw)
            if cursor == 0:
                return

    def _suspect_one(self, queue: str, name: str, raw: bytes) -> None:
        if self._definitions.read(name, raw).overlap is not Overlap.ALLOW:
            self._whereabouts.suspect(queue, name, NOW_AND_THEN)

    async def _page(self, queue: str, page: Sequence[tuple[str, bytes]]) -> int:
        readable = await self._readable(queue, page)
        if not readable:
            return 0
        names = [name for name, _ in readable]
        positions, times = await self._wire.run_all(
            [self._store.positions(queue, names), self._store.times(queue, names)]
        )
        for answer in (positions, times):
            if isinstance(answer, Exception):
                raise answer
        notes = await self._notes(queue, [name for name, found in zip(names, positions, strict=True) if not found])
        calls: list[Call[int]] = []
        turns = Turns()
        for (name, raw), position, at in zip(readable, positions, times, strict=True):
            call = self._mended(queue, name, raw, position, at, notes.get(name, b""))
            if call is not None:
                calls.append(call)
            await turns.pass_on()
        answers = await self._wire.run_all(calls)
        refusal = next((answer for answer in answers if isinstance(answer, Exception)), None)
        if refusal is not None and self._complain(queue):
            refused = sum(isinstance(answer, Exception) for answer in answers)
            log.warning("schedules not put right", extra={"queue": queue, "n": refused, "reason": str(refusal)})
        done = answers.count(1)
        if done:
            log.info("schedules written by hand", extra={"queue": queue, "n": done})
        return done

    async def _readable(self, queue: str, page: Sequence[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
        """Those that are definitions; to read many for the first time takes a while."""
        found: list[tuple[str, bytes]] = []
        turns = Turns()
        for name, raw in page:
            if self._is_readable(queue, name, raw):
                found.append((name, raw))
            await turns.pass_on()
        return found

    def _is_readable(self, queue: str, name: str, raw: bytes) -> bool:
        try:
            self._definitions.read(name, raw)
        except ScheduleError as error:
            if self._complain(f"{queue}\0{name}"):
                log.error("no schedule", extra={"queue": queue, "schedule": name, "reason": str(error)})  # noqa: TRY400
            return False
        return True

    async def _notes(self, queue: str, names: Sequence[str]) -> dict[str, bytes]:
        """What is kept of these schedules, without a position, from before they were removed."""
        answers = await self._wire.run_all([self._store.removed(queue, name) for name in names])
        # A key of another type is no note.
        return {name: raw for name, raw in zip(names, answers, strict=True) if isinstance(raw, bytes)}

    def _mended(
        self, queue: str, name: str, raw: bytes, position: bytes, at: float | None, note: bytes
    ) -> Call[int] | None:
        """The call that makes position and time what the definition says; None when they are."""
        definition = self._definitions.read(name, raw)
        before = decode_position(position)
        now = self._clock.now()
        # Of what is written again after it was removed, no instant comes twice.
        start = past_of(note) if before is None else before
        if before is not None and at is None and before.trigger == definition.trigger:
            # Not on the agenda: it was paused, is over, or somebody took it off. What passed has passed.
            start = go_on(definition, before, now)
        after, then = place(name, definition, start, now)
        if before is not None and before.trigger == definition.trigger and (at is None) == (then is None):
            return None
        # Who wrote the definition and a time by hand means that time.
        by_hand = at is not None and (before is None or before.time is None or abs(at - before.time) > 1e-4)
        return self._store.put(
            queue,
            name,
            seen=(raw, position),
            definition=raw,
            position=encode_position(after),
            time="=" if by_hand and definition.paused is None else then,
            unfinished=b"" if definition.overlap is Overlap.ALLOW else unfinished_of(note),
        )

    async def _orphaned(self, queue: str, definitions: int) -> int:
        """Forget what is left of schedules whose definition was taken out by hand."""
        if await self._wire.run(self._store.positions_count(queue)) <= definitions:
            return 0
        cursor, forgotten = 0, 0
        while True:
            cursor, page = await self._wire.run(self._store.positions_page(queue, cursor))
            names = [name for name, _ in page if is_schedule_name(name)]
            if names:
                found = await self._wire.run(self._store.definitions(queue, names))
                for name, raw in zip(names, found, strict=True):
                    if not raw:
                        forgotten += await self.forget(queue, name)
            if cursor == 0:
                return forgotten

    async def forget(self, queue: str, name: str) -> int:
        """Take away what is left of a schedule that has no definition any more; 1 when that was done."""
        now = self._clock.now()
        (code,) = await self._wire.run(self._store.code(queue, [name]))
        was = code.decode("utf-8", "replace")
        removal = Removal(by="?", at=round(now, 3), reason="taken out of the hash", definition=was, code=was)
        text = [{"text": f"schedule {name}: taken out by hand"}]
        event = encode_event(EventKind.SCHEDULE_REMOVED, queue, now, text, 1)
        call = self._store.remove(queue, name, seen=b"", note=encode_removal(removal), event=event)
        return 1 if await self._wire.run(call) else 0
