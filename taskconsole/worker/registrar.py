"""The schedules that the app's code declares: put into Redis at the start, and confirmed while this process lives."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from typing import TYPE_CHECKING, Any

from taskconsole.errors import ScheduleError, StoreError, StoreUnavailable
from taskconsole.model.definition import decode_definition, encode_definition, merged
from taskconsole.model.event import EventKind, encode_event
from taskconsole.model.firing import decode_position, encode_position, place
from taskconsole.worker.logs import RateLimit
from taskconsole.worker.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from taskconsole.registry import DeclaredSchedule
    from taskconsole.store.call import Call
    from taskconsole.store.schedules import ScheduleStore
    from taskconsole.store.wire import AsyncWire
    from taskconsole.worker.server_clock import ServerClock

__all__ = ["Registrar"]

log = logging.getLogger(__name__)

CONFIRM = 60.0
"""Seconds between two confirmations that these schedules are still declared."""

AGAIN = 1.0
"""Seconds after which to try once more what Redis has refused."""

CHUNK = 500
"""Schedules looked at in one go."""

BATCH = 100
"""Schedules written in one round trip."""

ATTEMPTS = 5
"""How often to try when others write the same schedules at the same moment."""


class Registrar:
    """Registers what code declares, without undoing what operators have done to it."""

    def __init__(
        self, declared: Sequence[DeclaredSchedule], *, store: ScheduleStore, wire: AsyncWire, clock: ServerClock
    ) -> None:
        self._store, self._wire, self._clock = store, wire, clock
        self._by_queue: dict[str, list[DeclaredSchedule]] = {}
        for schedule in declared:
            self._by_queue.setdefault(schedule.queue, []).append(schedule)
        self._complain = RateLimit(60)
        self._digests: dict[str, str] = {}
        self._unmerged: set[str] = set()
        """Queues with a schedule that cannot follow the code until somebody has mended what stands there."""
        self._alive: dict[str, frozenset[str]] = {}
        """The manifests of live apps, as of the last look."""

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            # Each on its own: what is wrong with one queue's keys does not keep another's from being registered.
            for queue in self._by_queue:
                group.create_task(self._keep(queue), name=f"register {queue}")
        await asyncio.Event().wait()

    async def _keep(self, queue: str) -> None:
        schedules, fresh = self._by_queue[queue], True
        while True:
            try:
                # Redis may have lost everything since, or another version of the app may have gone.
                stale = fresh or queue in self._unmerged
                if stale or not await self._confirm(queue, schedules) or await self._others_went(queue):
                    await self.run_once(queue)
                fresh = False
            except (StoreError, StoreUnavailable) as error:
                if self._complain(queue):
                    log.warning("schedules not registered", extra={"queue": queue, "reason": str(error)})
                await asyncio.sleep(AGAIN)
            else:
                await asyncio.sleep(CONFIRM)

    async def run_once(self, queue: str) -> int:
        """Register all that code declares for a queue; returns how many were written."""
        schedules = self._by_queue.get(queue, [])
        written = await self._register_all(queue, schedules)
        if await self._tell(queue, schedules):
            # Redis may have lost everything between the two: whoever confirms only asks whether they have been told.
            written += await self._register_all(queue, schedules)
        if written:
            log.info("schedules registered", extra={"queue": queue, "n": written, "of": len(schedules)})
        return written

    async def _register_all(self, queue: str, schedules: Sequence[DeclaredSchedule]) -> int:
        written = 0
        self._unmerged.discard(queue)
        for start in range(0, len(schedules), CHUNK):
            open_ones = list(schedules[start : start + CHUNK])
            for _ in range(ATTEMPTS):
                done, open_ones = await self._register(queue, open_ones)
                written += done
                if not open_ones:
                    break
            else:
                log.warning("schedules change faster than they can be registered", extra={"queue": queue})
        return written

    async def _register(self, queue: str, schedules: list[DeclaredSchedule]) -> tuple[int, list[DeclaredSchedule]]:
        """Write what is new or changed; returns how many, and those that others changed meanwhile."""
        names = [schedule.name for schedule in schedules]
        s = self._store
        found: list[Any] = await self._wire.run_all(
            [s.definitions(queue, names), s.positions(queue, names), s.code(queue, names)]
        )
        for answer in found:
            if isinstance(answer, Exception):
                raise answer
        calls: list[Call[int]] = []
        asked: list[DeclaredSchedule] = []
        turns = Turns()
        for schedule, current, position, code in zip(schedules, *found, strict=True):
            call = self._call(queue, schedule, current, position, code)
            if call is not None:
                calls.append(call)
                asked.append(schedule)
            await turns.pass_on()
        answers: list[Any] = []
        for start in range(0, len(calls), BATCH):
            answers += await self._wire.run_all(calls[start : start + BATCH])
        return self._judge(queue, asked, answers)

    @staticmethod
    def _judge(
        queue: str, asked: Sequence[DeclaredSchedule], answers: Sequence[Any]
    ) -> tuple[int, list[DeclaredSchedule]]:
        again: list[DeclaredSchedule] = []
        for schedule, answer in zip(asked, answers, strict=True):
            if isinstance(answer, Exception):
                raise answer
            if answer == 0:
                again.append(schedule)
            elif answer == -1:
                extra = {"queue": queue, "schedule": schedule.name}
                log.warning("removed by an operator, so not registered (schedules restore)", extra=extra)
        return answers.count(1), again

    def _call(
        self, queue: str, schedule: DeclaredSchedule, current: bytes, position: bytes, code: bytes
    ) -> Call[int] | None:
        """The call that brings one schedule up to date; None when it is."""
        wanted = encode_definition(schedule.definition)
        if current and code == wanted:
            return None
        if code and not current:
            extra = {"queue": queue, "schedule": schedule.name}
            log.warning("taken out by hand, so not registered (schedules restore)", extra=extra)
            return None
        definition, event = schedule.definition, b""
        if current:
            try:
                before = decode_definition(current)
                definition = decode_definition(merged(code or current, current, wanted))
            except ScheduleError as error:
                extra = {"queue": queue, "schedule": schedule.name, "reason": str(error)}
                if self._complain(f"{queue}\0{schedule.name}"):
                    log.warning("schedule does not follow the code: what stands in Redis was changed", extra=extra)
                self._unmerged.add(queue)
                return None
            if not code and before.owner != "code":
                extra = {"queue": queue, "schedule": schedule.name}
                log.warning("an operator has a schedule of that name: not registered", extra=extra)
                return None
            if encode_definition(definition) != current:
                event = self._event(EventKind.SCHEDULE_EDITED, queue, schedule.name)
        else:
            event = self._event(EventKind.SCHEDULE_ADDED, queue, schedule.name)
        seen = decode_position(position)
        same = seen is not None and seen.trigger == definition.trigger
        after, then = place(schedule.name, definition, seen, self._clock.now())
        return self._store.put(
            queue,
            schedule.name,
            seen=(current, position),
            definition=encode_definition(definition),
            position=position if same else encode_position(after),
            time="=" if current and same else then,
            code=wanted,
            revive=False,
            event=event,
        )

    def _event(self, kind: EventKind, queue: str, name: str) -> bytes:
        return encode_event(kind, queue, self._clock.now(), [{"text": f"schedule {name}, by the app's code"}], 1)

    async def _confirm(self, queue: str, schedules: Sequence[DeclaredSchedule]) -> bool:
        # Less than all when somebody went while telling it: who was not named would be an orphan.
        known = await self._wire.run(self._store.manifest(queue, self._digest(queue, schedules)))
        return known >= len(schedules)

    def _digest(self, queue: str, schedules: Sequence[DeclaredSchedule]) -> str:
        if queue not in self._digests:
            self._digests[queue] = _digest_of(schedules)
        return self._digests[queue]

    async def _others_went(self, queue: str) -> bool:
        """True when an app that declares something else is no longer there: what it wrote is not said by anybody."""
        digests = await self._wire.run(self._store.manifests(queue, self._clock.now()))
        before, self._alive[queue] = self._alive.get(queue, frozenset()), frozenset(digests)
        return bool(before - self._alive[queue])

    async def _tell(self, queue: str, schedules: Sequence[DeclaredSchedule]) -> bool:
        """Say what is declared; False when that had been said already."""
        if not schedules or await self._confirm(queue, schedules):
            return False
        digest = self._digest(queue, schedules)
        names = [schedule.name for schedule in schedules]
        for start in range(0, len(names), 1000):
            await self._wire.run(self._store.manifest(queue, digest, names[start : start + 1000]))
        return True


def _digest_of(schedules: Sequence[DeclaredSchedule]) -> str:
    parts = sorted(schedule.name.encode() + b"\0" + encode_definition(schedule.definition) for schedule in schedules)
    return hashlib.sha1(b"\0".join(parts), usedforsecurity=False).hexdigest()[:16]
