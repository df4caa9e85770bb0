"""Schedules whose time has come. Any number of tickers may run: making the tasks of an instant is compare-and-set.

Nobody leads. What is due is fired by whoever comes first; the others find that it has moved on. One of them, and
another within seconds when it is gone, also looks after the definitions (Sweeper) and after what is late: that
nobody fired it in time means that nobody was there, and a burst of it is spread.

What will be due is read and decided a moment ahead, so that at its time only the calls have to be sent. They are
good only as long as nothing has changed, so what is decided cannot be too old, and Redis lets none through early.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from taskconsole.errors import StoreError, StoreUnavailable
from taskconsole.model.definition import is_schedule_name
from taskconsole.model.firing import ON_TIME, forget_instants
from taskconsole.store.schedules import Agenda, Attendance
from taskconsole.worker.decisions import Decider
from taskconsole.worker.logs import RateLimit
from taskconsole.worker.turns import SLICE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from taskconsole.store.call import Call
    from taskconsole.store.schedules import Due, Fired, ScheduleStore
    from taskconsole.store.wire import AsyncWire
    from taskconsole.worker.decisions import Decision
    from taskconsole.worker.definitions import Definitions
    from taskconsole.worker.server_clock import ServerClock
    from taskconsole.worker.sweeper import Sweeper
    from taskconsole.worker.whereabouts import Whereabouts

__all__ = ["Ticker"]

log = logging.getLogger(__name__)

POLL = 10.0
"""Seconds between looks at a queue's schedules when nothing is due and nobody calls."""


LEAD = 0.05
"""Seconds before its time that a schedule is decided about."""

AHEAD = 500
"""Most schedules of a queue that are decided about and wait for their time."""

SURE = 0.0001
"""Seconds after the time to send: our idea of Redis's clock is not quite right, and what comes early is refused."""

STALE = 1.0
"""Seconds after which what was decided is forgotten: this process was stopped, and the rules for late ones apply."""

BATCH = 100
"""Schedules read or fired in one round trip."""

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
"""Most seconds to stand back when another was faster with everything, time after time."""

KEPT = 60.0
"""Seconds for which computed instants are kept at least; longer while anything is late."""

SWEPT = 1.0
"""Seconds from one look at definitions to the next when somebody calls for it again and again."""

_Told = TypeVar("_Told", Agenda, Attendance)


@dataclass(slots=True)
class _Watch:
    """One queue and when to look at its schedules next (monotonic seconds)."""

    queue: str
    look: float = 0.0
    """When to see what will be due."""
    plans: dict[str, Decision] = field(default_factory=dict)
    """What is decided and waits for its time, by the schedule's name."""
    first: float = float("inf")
    """The time of the first of these, seconds since the epoch by Redis."""
    fire: float = float("inf")
    """When to send that."""
    skip: int = 0
    """How many of those that will be due need not be read: they are planned, or another's."""
    count: int = 0
    """How many there were when we last looked."""
    beaten: int = 0
    """How often in a row another was faster with most of what we sent."""
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

    @property
    def next(self) -> float:
        """When there is anything to do."""
        return min(self.look, self.fire, self.attend, self.late)

    def forget(self) -> None:
        """Decide anew about all that waits."""
        self.plans.clear()
        self.first = self.fire = float("inf")
        self.skip = 0

    def look_again(self, when: float) -> None:
        """Look at all that will be due no later than `when`."""
        self.look, self.skip = min(self.look, when), 0


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
        self._sweeper, self._whereabouts = sweeper, whereabouts
        self._watches = {queue: _Watch(queue) for queue in queues}
        self._called = asyncio.Event()
        self._complain = RateLimit(60)
        self._resets = clock.resets
        self._forgot = time.monotonic()
        self._decider = Decider(store=store, wire=wire, definitions=definitions, sweeper=sweeper)

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
        # Of all queues: whoever is stopped while it asks does not hear that it was to look after them.
        await self._wire.run_all([self._store.give_up_sweeping(queue, self._who) for queue in self._watches])

    async def _loop(self) -> None:
        while True:
            self._called.clear()
            await self.run_once()
            pause = min(watch.next for watch in self._watches.values()) - time.monotonic()
            if pause > 0:
                try:
                    async with asyncio.timeout(pause):
                        await self._called.wait()
                except TimeoutError:
                    continue

    async def run_once(self) -> int:
        """Look at every queue whose time has come; returns how many tasks were made."""
        self._follow_clock()
        made = 0
        for watch in self._watches.values():
            if watch.next > time.monotonic():
                continue
            try:
                made += await self._tick(watch)
                watch.failed = 0
            except (StoreUnavailable, StoreError) as error:
                watch.failed += 1
                if self._complain(watch.queue):
                    log.warning("schedules wait", extra={"queue": watch.queue, "reason": str(error)})
                pause = min(0.1 * 2**watch.failed, 2.0)
                watch.forget()
                watch.attend = watch.look = time.monotonic() + pause
                watch.late = watch.look if watch.sweeps else float("inf")
        self._forget_instants()
        return made

    def _forget_instants(self) -> None:
        """What was computed for instants that have passed is of no more use, unless many are caught up with."""
        now = time.monotonic()
        if now - self._forgot >= KEPT and all(watch.late == float("inf") for watch in self._watches.values()):
            forget_instants()
            self._forgot = now

    async def _tick(self, watch: _Watch) -> int:
        if watch.attend <= time.monotonic():
            await self._attend(watch)
        made = 0
        if watch.look <= time.monotonic() < watch.fire:
            await self._prepare(watch)
        if watch.fire <= time.monotonic():
            made += await self._fire_due(watch)
        if watch.late <= time.monotonic():
            made += await self._catch_up(watch)
        return made

    async def _attend(self, watch: _Watch) -> None:
        watch.called = False
        answer = await self._ask(self._store.attend(watch.queue, self._who))
        now = time.monotonic()
        if not watch.plans:
            watch.look = float("inf")
        self._learn_next(watch, answer.next_due)
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
        self._clock.set(answer.now, sent, time.monotonic())
        self._follow_clock()
        return answer

    def _follow_clock(self) -> None:
        """Decide and look anew once Redis's clock was set: what waits for its time would wait for another."""
        if self._resets == self._clock.resets:
            return
        self._resets = self._clock.resets
        for watch in self._watches.values():
            watch.forget()
            watch.look_again(0.0)

    def _when(self, at: float | None) -> float:
        """The monotonic time of something due at `at`, by Redis; what is late is another matter."""
        if at is None:
            return float("inf")
        return time.monotonic() + max(0.0, at - self._clock.now())

    def _learn_next(self, watch: _Watch, next_due: float | None) -> None:
        """Hear what is the first time there is: up to what is planned, all that is due is known; before it, nothing."""
        if next_due is not None and next_due < watch.first:
            watch.look_again(self._when(next_due) - LEAD)

    async def _prepare(self, watch: _Watch) -> None:
        """Decide about what is due or will be soon, a portion at a time; notes when to fire and when to look next."""
        if not watch.plans:
            # Whoever was faster is about to take the first again, and there is more than one can carry.
            spread = watch.count - BATCH if watch.beaten else 0
            watch.skip = random.randrange(spread) if spread > 0 else 0
        now = self._clock.now()
        agenda = await self._ask(
            self._store.due(watch.queue, now - ON_TIME - 1.0, now + LEAD, limit=BATCH, skip=watch.skip)
        )
        watch.count, watch.skip = agenda.count, watch.skip + len(agenda.due)
        watch.look = self._when(agenda.next_due) - LEAD
        read = turn = time.monotonic()
        for one in agenda.due:
            planned = watch.plans.get(one.name)
            if planned is not None and planned.due == one:
                continue
            # Counted from what Redis said: our own clock may be ahead of it, and nothing is made before its time.
            moment = max(float(one.score), agenda.now + time.monotonic() - read)
            decision = await self._decider.decide(watch.queue, one, moment)
            if decision is None:
                watch.plans.pop(one.name, None)
            else:
                watch.plans[one.name] = decision
            if time.monotonic() - turn > SLICE:
                await asyncio.sleep(0)
                turn = time.monotonic()
        if len(agenda.due) == BATCH:
            # The rest after the other queues have had their turn, or when these are gone.
            watch.look = time.monotonic() if len(watch.plans) < AHEAD else float("inf")
        elif agenda.count and not watch.plans:
            watch.look = time.monotonic()
        self._set_fire(watch)

    def _set_fire(self, watch: _Watch) -> None:
        watch.first = min((decision.time for decision in watch.plans.values()), default=float("inf"))
        watch.fire = self._when(watch.first + SURE)

    async def _fire_due(self, watch: _Watch) -> int:
        """Fire what is planned and due, as much as fits into one round trip; returns how many tasks were made."""
        if time.monotonic() - watch.fire > STALE:
            watch.forget()
            watch.look = 0.0
            return 0
        now = self._clock.now()
        decisions = [decision for decision in watch.plans.values() if decision.time <= now][:BATCH]
        for decision in decisions:
            del watch.plans[decision.due.name]
        self._set_fire(watch)
        fired, made = await self._send(watch, decisions)
        watch.beaten = watch.beaten + 1 if fired < len(decisions) / 2 else 0
        if watch.beaten and not fired:
            # Not at once for ever, should something keep us from ever being the first.
            watch.look = max(watch.look, time.monotonic() + min(BEATEN, 0.001 * 2 ** min(watch.beaten, 10)))
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
        decisions: list[Decision] = []
        planned = looked = fired = made = 0
        read = turn = time.monotonic()
        for one in due:
            if planned >= most:
                break
            looked += 1
            # Counted from what Redis said: our own clock may be ahead of it, and nothing is made before its time.
            decision = await self._decider.decide(watch.queue, one, now + time.monotonic() - read)
            if decision is not None:
                decisions.append(decision)
                planned += len(decision.firing.instants)
            if time.monotonic() - turn > SLICE:
                # What is planned is made before more is planned; that gives the loop a turn, too.
                some = await self._send(watch, decisions)
                fired, made = fired + some[0], made + some[1]
                decisions = []
                turn = time.monotonic()
        some = await self._send(watch, decisions)
        return fired + some[0], made + some[1], len(due) - looked

    async def _send(self, watch: _Watch, decisions: Sequence[Decision]) -> tuple[int, int]:
        """Carry out decisions; returns how many schedules have moved on, and how many tasks were made."""
        fired = made = 0
        last: Fired | None = None
        await asyncio.sleep(0)
        answers = await self._wire.run_all([decision.call for decision in decisions])
        for decision, answer in zip(decisions, answers, strict=True):
            if isinstance(answer, Exception):
                # The others were fired; this one is still due, and is looked at again after a moment.
                watch.look_again(time.monotonic() + 0.5)
                if self._complain(watch.queue):
                    extra = {"queue": watch.queue, "schedule": decision.due.name, "reason": str(answer)}
                    log.error("a schedule cannot be fired", extra=extra)
            else:
                last = answer
                fired += answer.done
                made += self._note(watch, decision, answer)
        if last is not None and last.early:
            # The look tells the time as well. Who came early before the last is the first that the last has seen.
            watch.look_again(0.0)
        elif last is not None:
            self._learn_next(watch, last.next_due)
        return fired, made

    def _note(self, watch: _Watch, decision: Decision, fired: Fired) -> int:
        """Say what is worth saying; returns how many tasks were made."""
        name, firing = decision.due.name, decision.firing
        if not fired.done:
            return 0
        extra = {"queue": watch.queue, "schedule": name}
        if firing.missed:
            log.warning("missed", extra={**extra, "n": firing.missed, "made": fired.made, "reason": firing.why})
        if fired.skipped or fired.buffered:
            log.info("overlap", extra={**extra, "skipped": fired.skipped, "buffered": fired.buffered})
            self._whereabouts.suspect(watch.queue, name)
        return fired.made

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
