"""Schedules whose time has come. Any number of tickers may run: making the tasks of an instant is compare-and-set.

Nobody leads. What is due is fired by whoever comes first; the others find that it has moved on. One of them, and
another within seconds when it is gone, also looks after the definitions (Sweeper) and after what is late: that
nobody fired it in time means that nobody was there, and a burst of it is spread.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from taskconsole.errors import ScheduleError, StoreError, StoreUnavailable
from taskconsole.model.definition import Overlap, check_schedule_name, is_schedule_name
from taskconsole.model.event import EventKind, encode_event
from taskconsole.model.firing import (
    ON_TIME,
    RunRecord,
    decode_position,
    encode_position,
    encode_record,
    foresee,
    plan,
    run_id,
)
from taskconsole.model.task import Envelope, encode
from taskconsole.store.schedules import Agenda, Attendance, Due, Fired, Made
from taskconsole.worker.logs import RateLimit
from taskconsole.worker.server_clock import EARLY
from taskconsole.worker.turns import SLICE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from taskconsole.model.definition import Definition
    from taskconsole.model.firing import Firing
    from taskconsole.store.call import Call
    from taskconsole.store.schedules import ScheduleStore
    from taskconsole.store.wire import AsyncWire
    from taskconsole.worker.definitions import Definitions
    from taskconsole.worker.server_clock import ServerClock
    from taskconsole.worker.sweeper import Sweeper
    from taskconsole.worker.whereabouts import Whereabouts

__all__ = ["Ticker"]

log = logging.getLogger(__name__)

POLL = 10.0
"""Seconds between looks at a queue's schedules when nothing is due and nobody calls."""

BATCH = 100
"""Schedules fired in one round trip."""

LATE_BATCH, LATE_PAUSE = 50, 0.05
"""Late schedules handled at once, and the seconds between two such portions."""

LATE_REST, LATE_LONGEST = 1.0, 5.0
"""The pause doubles while nothing of what is late can be fired, up to the second; so many seconds at least lie between
two looks at what could not be."""

LATE_TASKS = 100
"""Tasks from which on a portion is full: one schedule may come to so many."""

LATE_RATE = 2_000.0
"""Tasks a second that are made for what is late: a queue should not be buried by its past."""

BEATEN = 0.2
"""Seconds after which to look again when another was faster with as much as fits into one round trip."""

SWEPT = 1.0
"""Seconds from one look at definitions to the next when somebody calls for it again and again."""

JUMPED = 0.1
"""Seconds by which our idea of Redis's clock must be wrong, beyond what a slow answer explains, to be put right."""

LOGGED = 60.0
"""Seconds between two instants from which on a fire is worth a place in the log, which is capped."""


_Told = TypeVar("_Told", Agenda, Attendance)


@dataclass(slots=True)
class _Watch:
    """One queue and when to look at its schedules next (monotonic seconds)."""

    queue: str
    look: float = 0.0
    """When something is due."""
    attend: float = 0.0
    """When to say that we are here, and to ask for the first time."""
    late: float = float("inf")
    """When to look for what is late; never, while that is another's."""
    pause: float = LATE_PAUSE
    """Seconds until the next portion of what is late."""
    stuck: int = 0
    """How many at the head of what is late could not be fired in this round: the others come all the same."""
    called: bool = False
    """Somebody has called since we last asked."""
    sweep: bool = False
    """The definitions are to be looked at."""
    sweeps: bool = False
    """That is our business."""
    failed: int = 0


@dataclass(frozen=True, slots=True)
class _Decision:
    """What one due schedule comes to."""

    due: Due
    definition: Definition
    firing: Firing
    call: Call[Fired]


class Ticker:
    """Fires the schedules of some queues.

    Args:
        queues: Whose schedules.
        who: This process, as others will read it.
        sweeper: Looks after definitions.
        whereabouts: Finds out about tasks that seem never to end.
    """

    def __init__(
        self,
        queues: Sequence[str],
        *,
        who: str,
        store: ScheduleStore,
        wire: AsyncWire,
        clock: ServerClock,
        definitions: Definitions,
        sweeper: Sweeper,
        whereabouts: Whereabouts,
    ) -> None:
        self._who, self._store, self._wire, self._clock = who, store, wire, clock
        self._definitions, self._sweeper, self._whereabouts = definitions, sweeper, whereabouts
        self._watches = {queue: _Watch(queue) for queue in queues}
        self._called = asyncio.Event()
        self._complain = RateLimit(60)

    def call(self, queue: str, by_hand: bool) -> None:
        """Look now: the first time of a queue may have come forward, or definitions were written by hand."""
        watch = self._watches.get(queue)
        if watch is not None:
            watch.attend, watch.called = 0.0, True
            watch.sweep = watch.sweep or by_hand
            self._called.set()

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._loop(), name="ticker loop")
            group.create_task(self._sweep(), name="ticker sweep")
            group.create_task(self._whereabouts.run(), name="whereabouts")

    async def leave(self) -> None:
        """Let another look after the definitions at once; for a stop in order."""
        for watch in self._watches.values():
            if watch.sweeps:
                await self._wire.run(self._store.give_up_sweeping(watch.queue))

    async def _loop(self) -> None:
        while True:
            self._called.clear()
            await self.run_once()
            pause = min(min(w.look, w.attend, w.late) for w in self._watches.values()) - time.monotonic()
            if pause > 0:
                try:
                    async with asyncio.timeout(pause):
                        await self._called.wait()
                except TimeoutError:
                    continue

    async def run_once(self) -> int:
        """Look at every queue whose time has come; returns how many tasks were made."""
        made = 0
        for watch in self._watches.values():
            if min(watch.look, watch.attend, watch.late) > time.monotonic():
                continue
            try:
                made += await self._tick(watch)
                watch.failed = 0
            except (StoreUnavailable, StoreError) as error:
                watch.failed += 1
                if self._complain(watch.queue):
                    log.warning("schedules wait", extra={"queue": watch.queue, "reason": str(error)})
                pause = min(0.1 * 2**watch.failed, 2.0)
                watch.attend = watch.look = time.monotonic() + pause
                watch.late = watch.look if watch.sweeps else float("inf")
        return made

    async def _tick(self, watch: _Watch) -> int:
        if watch.attend <= time.monotonic():
            await self._attend(watch)
        made = 0
        if watch.look <= time.monotonic():
            made += await self._fire_due(watch)
        if watch.late <= time.monotonic():
            made += await self._catch_up(watch)
        return made

    async def _attend(self, watch: _Watch) -> None:
        watch.called = False
        answer = await self._ask(self._store.attend(watch.queue, self._who))
        now = time.monotonic()
        watch.look = self._when(answer.next_due)
        watch.attend = now + POLL
        became = answer.wait == 0 and not watch.sweeps
        watch.sweeps = answer.wait == 0
        if watch.sweeps:
            watch.sweep = watch.sweep or became or self._sweeper.is_time(watch.queue)
            late = answer.next_due is not None and answer.next_due < answer.now - ON_TIME
            if not late:
                watch.late = float("inf")
            elif watch.late == float("inf"):
                watch.late = now  # else it goes on at its pace
        else:
            watch.late = float("inf")
            watch.attend = now + min(POLL, answer.wait + 0.1)
        if watch.called:
            watch.attend = now
        if watch.sweep:
            self._sweeper.nudge()

    async def _ask(self, call: Call[_Told]) -> _Told:
        """Run a call whose answer tells the time by Redis; when its clock was set, ours follows at once.

        With the old time we would ask for what is not due again and again, or sleep past what is.
        """
        sent = time.monotonic()
        answer = await self._wire.run(call)
        received = time.monotonic()
        if abs(answer.now - self._clock.offset - received) > JUMPED + received - sent:
            self._clock.set(answer.now, sent, received)
        return answer

    def _when(self, at: float | None) -> float:
        """The monotonic time to wake for something due at `at`, by Redis; what is late is another matter."""
        if at is None:
            return float("inf")
        return time.monotonic() + max(0.0, at - self._clock.now() - EARLY)

    async def _fire_due(self, watch: _Watch) -> int:
        """Fire what is due, in time or nearly so, as much as fits into one round trip; notes when to look next."""
        now = self._clock.now()
        agenda = await self._ask(self._store.due(watch.queue, now - ON_TIME - 1.0, now + 2 * EARLY, limit=BATCH))
        watch.look = self._when(agenda.next_due)
        fired, made, _ = await self._fire(watch, agenda.due, agenda.now)
        if len(agenda.due) == BATCH:
            # The rest after the other queues have had their turn. When another was faster with all of these, it
            # may be gone before it comes to the rest.
            watch.look = min(watch.look, time.monotonic() + (0.0 if fired else BEATEN))
        return made

    async def _catch_up(self, watch: _Watch) -> int:
        """Handle a portion of what is late."""
        began = time.monotonic()
        until = self._clock.now() - ON_TIME
        agenda = await self._ask(self._store.due(watch.queue, None, until, limit=LATE_BATCH, skip=watch.stuck))
        fired, made, left = await self._fire(watch, agenda.due, agenda.now, most=LATE_TASKS)
        looked = agenda.due[: len(agenda.due) - left]
        stayed = await self._stayed(watch.queue, looked) if fired < len(looked) else 0
        watch.stuck += stayed
        if stayed < len(looked):
            watch.pause = LATE_PAUSE
        else:
            # Redis is full, or something else is wrong with all of them: it will be for a while.
            watch.pause = min(2 * watch.pause, LATE_LONGEST)
        if left or len(agenda.due) == LATE_BATCH:
            watch.late = began + max(watch.pause, made / LATE_RATE)
        elif watch.stuck:
            watch.stuck, watch.pause = 0, max(watch.pause, LATE_REST)
            watch.late = began + watch.pause
        else:
            watch.late, watch.pause = float("inf"), LATE_PAUSE
        return made

    async def _stayed(self, queue: str, due: Sequence[Due]) -> int:
        """How many of these still stand at the time that they had: neither fired nor put aside, by anybody."""
        named = [one for one in due if is_schedule_name(one.name)]
        if not named:
            return 0
        times = await self._wire.run(self._store.times(queue, [one.name for one in named]))
        return sum(at == float(one.score) for one, at in zip(named, times, strict=True))

    async def _fire(
        self, watch: _Watch, due: Sequence[Due], now: float, *, most: float = float("inf")
    ) -> tuple[int, int, int]:
        """Decide and fire until there are `most` tasks.

        Returns how many schedules have moved on, how many tasks were made, and how many schedules were not looked at.
        """
        decisions: list[_Decision] = []
        after: list[tuple[Definition, float | None]] = []
        planned = looked = fired = made = 0
        read = turn = time.monotonic()
        for one in due:
            if planned >= most:
                break
            looked += 1
            # Counted from what Redis said: our own clock may be ahead of it, and nothing is made before its time.
            decision = await self._decide(watch.queue, one, now + time.monotonic() - read)
            if decision is not None:
                decisions.append(decision)
                after.append((decision.definition, decision.firing.position.instant))
                planned += len(decision.firing.instants)
            if time.monotonic() - turn > SLICE:
                # What is planned is made before more is planned; that gives the loop a turn, too.
                some = await self._send(watch, decisions)
                fired, made = fired + some[0], made + some[1]
                decisions = []
                turn = time.monotonic()
        some = await self._send(watch, decisions)
        for definition, instant in after:
            foresee(definition, instant)
        return fired + some[0], made + some[1], len(due) - looked

    async def _send(self, watch: _Watch, decisions: Sequence[_Decision]) -> tuple[int, int]:
        """Carry out decisions; returns how many schedules have moved on, and how many tasks were made."""
        fired = made = 0
        await asyncio.sleep(0)
        answers = await self._wire.run_all([decision.call for decision in decisions])
        for decision, answer in zip(decisions, answers, strict=True):
            if isinstance(answer, Exception):
                # The others were fired; this one is still due, and is looked at again after a moment.
                watch.look = min(watch.look, time.monotonic() + 0.5)
                if self._complain(watch.queue):
                    extra = {"queue": watch.queue, "schedule": decision.due.name, "reason": str(answer)}
                    log.error("a schedule cannot be fired", extra=extra)
            else:
                fired += answer.done
                made += self._note(watch, decision, answer)
        return fired, made

    def _note(self, watch: _Watch, decision: _Decision, fired: Fired) -> int:
        """Plan the next look, and say what is worth saying."""
        name, firing = decision.due.name, decision.firing
        if fired.early:
            watch.look = min(watch.look, self._when(float(decision.due.score)))
            return 0
        # When another was faster, it has come to the same next time.
        following = firing.time if firing.time is not None or not fired.skipped else firing.spare
        watch.look = min(watch.look, self._when(following))
        if not fired.done:
            return 0
        extra = {"queue": watch.queue, "schedule": name}
        if firing.missed:
            log.warning("missed", extra={**extra, "n": firing.missed, "made": fired.made, "reason": firing.why})
        if fired.skipped or fired.buffered:
            log.info("overlap", extra={**extra, "skipped": fired.skipped, "buffered": fired.buffered})
            self._whereabouts.suspect(watch.queue, name)
        return fired.made

    async def _decide(self, queue: str, due: Due, now: float) -> _Decision | None:
        """What to do with one due schedule; None when it was put aside."""
        try:
            if not due.definition:
                check_schedule_name(due.name)
                await self._sweeper.forget(queue, due.name, due.position)
                return None
            definition = self._definitions.read(due.name, due.definition)
        except ScheduleError as error:
            if self._complain(f"{queue}\0{due.name}"):
                log.error("no schedule", extra={"queue": queue, "schedule": due.name, "reason": str(error)})  # noqa: TRY400
            # The sweeper puts it back when somebody has mended it.
            await self._wire.run(self._store.unset(queue, due.name))
            return None
        firing = plan(due.name, definition, decode_position(due.position), float(due.score), now)
        return _Decision(due, definition, firing, self._call(queue, due, definition, firing, now))

    def _call(self, queue: str, due: Due, definition: Definition, firing: Firing, now: float) -> Call[Fired]:
        tasks = [_make(due.name, definition, instant, now) for instant in firing.instants]
        named = [{"task": definition.task[:200], "id": task.id, "text": f"schedule {due.name}"} for task in tasks]
        missed = None
        if firing.missed:
            record = RunRecord(outcome="missed", at=now, instant=firing.position.last, n=firing.missed, text=firing.why)
            more = "more than " if firing.at_least else ""
            text = f"schedule {due.name}: {more}{firing.missed:,} missed: {firing.why}"
            event = encode_event(
                EventKind.MISSED, queue, now, [{"task": definition.task[:200], "text": text}], firing.missed
            )
            missed = (encode_record(record), event, firing.missed)
        rare = firing.time is None or firing.by_hand or firing.time - now >= LOGGED
        return self._store.fire(
            queue,
            due,
            tasks=tasks,
            overlap=Overlap.ALLOW if firing.by_hand else definition.overlap,
            time=firing.time,
            position=encode_position(firing.position),
            event=encode_event(EventKind.FIRED, queue, now, named, max(len(tasks), 1)),
            keep_event=rare or missed is not None,
            missed=missed,
            spare=firing.spare,
        )

    async def _sweep(self) -> None:
        """Look after the definitions of those queues for which it is our turn."""
        swept = float("-inf")
        while True:
            await self._sweeper.wait()
            for watch in self._watches.values():
                if not watch.sweep:
                    continue
                watch.sweep = False
                try:
                    if await self._sweeper.run_once(watch.queue):
                        self.call(watch.queue, by_hand=False)
                except (StoreUnavailable, StoreError) as error:
                    if self._complain(f"sweep {watch.queue}"):
                        log.warning("definitions not read", extra={"queue": watch.queue, "reason": str(error)})
            if time.monotonic() - swept < SWEPT:
                # Who calls meanwhile is heard afterwards; who calls once is heard at once.
                await asyncio.sleep(SWEPT)
            swept = time.monotonic()


def _make(name: str, definition: Definition, instant: float, now: float) -> Made:
    task_id = run_id(name, instant)
    envelope = Envelope(
        definition.task,
        task_id,
        list(definition.args),
        definition.kwargs,
        enqueued_at=round(now, 3),
        schedule=name,
        scheduled_at=round(instant, 6),
    )
    skipped = RunRecord(outcome="skipped", at=round(now, 3), id=task_id, instant=instant, text="an earlier one runs")
    return Made(task_id, encode(envelope), encode_record(skipped))
