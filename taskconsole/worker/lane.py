"""One queue as this worker serves it.

Everything that changes this worker's hands goes through one sequence of numbered calls: a call that got no answer
is repeated with its number until it gets one, and Redis carries each number out once. So after any fault the
processing list in Redis and what is in hand here can be compared, and the difference started (`reconcile`).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from taskconsole.errors import HandsDiffer, LeaseLost, StoreError, StoreFull, StoreUnavailable
from taskconsole.model.event import EventKind, encode_event
from taskconsole.store.keys import TOMBSTONE
from taskconsole.store.opening import open_async_wire
from taskconsole.worker.hands import Hands
from taskconsole.worker.logs import RateLimit

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from taskconsole.config import Settings
    from taskconsole.store.call import Call
    from taskconsole.store.tasks import Claimed, Settlement, TaskStore
    from taskconsole.store.wire import AsyncWire
    from taskconsole.store.workers import WorkerStore
    from taskconsole.worker.options import WorkerOptions
    from taskconsole.worker.server_clock import ServerClock
    from taskconsole.worker.sums import Sums

__all__ = ["Lane"]

log = logging.getLogger(__name__)

FIRST_PAUSE, USUAL_PAUSE, LONGEST_PAUSE = 0.05, 0.5, 2.0
"""Seconds between repetitions of a call that got no answer; the last when that has been so for `FAILOVER` seconds."""

FAILOVER = 10.0
"""Seconds within which another server takes over where one can: work is to go on soon after it has."""

MAX_ACKS = 512
"""Acks in one call: Lua's stack and Redis's patience are both bounded."""

MANY = 32
"""Acks in one call that make it worth knowing the list in Redis exactly."""


class Lane:
    """The claims, acks and settlements of one queue.

    Args:
        queue: Its name.
        worker_id: This process's id; a lane that was fenced goes on under a new one.
        wire: The connection for numbered calls, shared by the lanes.
        in_hand: Gives every payload of this lane that is waiting to run or running.
    """

    def __init__(
        self,
        queue: str,
        worker_id: str,
        *,
        settings: Settings,
        options: WorkerOptions,
        store: TaskStore,
        workers: WorkerStore,
        wire: AsyncWire,
        sums: Sums,
        clock: ServerClock,
        in_hand: Callable[[Lane], Iterable[bytes]],
    ) -> None:
        self.queue, self.base_id = queue, worker_id
        self.generation = 0
        self.worker_id = worker_id
        self.keys = store.names.of(queue)
        self.sums = sums
        self.acks: list[bytes] = []
        self.settlements: list[Settlement] = []
        self.paused = False
        self.trouble = ""
        self.suspect = False
        """An answer was lost: what Redis thinks is in our hands must be looked at."""
        self.registered: dict[str, str | int | float] = {}
        self._store, self._workers, self._options = store, workers, options
        self._wire, self._in_hand, self._clock = wire, in_hand, clock
        self._waiter_wire = open_async_wire(settings)
        self.stepped = 0.0
        """Monotonic time of the last answered step."""
        self.trip = 0.0
        """Seconds until a step is answered: those of the quickest of late."""
        self._suspects: list[str] | None = None
        self._hands = Hands()
        self._returning: Counter[bytes] = Counter()
        """What is on its way back to the queue."""
        self._open: tuple[Call[Any], Callable[[], None]] | None = None
        """A numbered call that was cancelled before its answer, and what to do if it turns out to be refused."""
        self.grow = 1
        """Tasks to claim at once just now, whatever the other workers get; the fetcher's."""
        self.wait_again = 0.0
        """Monotonic time before which nobody waits at this queue: it is only polled. The fetcher's."""
        self._seq = 0
        self._lock = asyncio.Lock()
        self._complain = RateLimit(10)
        self.on_fenced: Callable[[Lane], None] = lambda _lane: None

    @property
    def unsettled(self) -> int:
        """Finished tasks that Redis has not been told of."""
        return len(self.acks) + len(self.settlements)

    async def idle(self) -> bool:
        """True when no numbered call is under way; else wait for that one."""
        if not self._lock.locked():
            return True
        async with self._lock:
            return False

    # -- presence

    async def register(self, fields: dict[str, str | int | float] | None = None) -> float:
        """Enter this worker for the queue; returns the time by Redis, seconds since the epoch."""
        if fields is not None:
            self.registered = fields
        call = self._workers.register(
            self.queue,
            self.worker_id,
            lease_ms=self._options.lease_ms,
            fields=self.registered,
            event=self._event(EventKind.WORKER_UP),
        )
        return await self._wire.run(call)

    async def leave(self) -> int:
        """Sign off; returns how many tasks went back."""
        await self._waiter_wire.close()
        async with self._lock:
            # Results first: a finished task must not go back with the others.
            await self._finish_open()
            call = self._workers.leave(self.queue, self.worker_id, event=self._event(EventKind.WORKER_DOWN))
            return await self._wire.run(call)

    # -- the numbered calls

    async def step(self, claim: int, sure: int | None = None) -> Claimed | None:
        """Tell Redis what is finished and claim up to `claim` more; None when this worker had been fenced.

        Of these, `sure` (all by default) are claimed whatever the other workers get; see `TaskStore.step`.

        Repeats until Redis answers, so it may take as long as an outage.
        """
        async with self._lock:
            await self._finish_open()
            await self._settle()
            if self._suspects is not None:
                names, self._suspects = self._suspects, None
                await self.name_suspects(names)
            acks, self.acks = self.acks[:MAX_ACKS], self.acks[MAX_ACKS:]
            self._seq += 1
            call = partial(
                self._store.step,
                self.queue,
                self.worker_id,
                seq=self._seq,
                claim=claim,
                sure=sure,
                lease_ms=self._options.lease_ms,
            )
            leading = 0 if self.suspect else self._hands.leading(acks)
            sent = time.monotonic()
            short = call(acks=acks[leading:], oldest=leading, length=len(self._hands)) if leading else None
            claimed: Claimed | None = await self._numbered(call(acks=acks), partial(self._ack_again, acks), short)
            if claimed is None:
                return None
            self._count(acks)
            self._hands.released(acks)
            self._hands.claimed(claimed.payloads)
            self.paused, self.stepped = claimed.paused, time.monotonic()
            took = self.stepped - sent
            self.trip = min(took, 1.1 * self.trip or took)
            if claimed.trouble != self.trouble:
                self.trouble = claimed.trouble
                if claimed.trouble:
                    log.error("queue cannot be claimed from", extra={"queue": self.queue, "reason": claimed.trouble})
            if claimed.replayed:
                # What it claimed the first time is in our list, and `reconcile` finds it there.
                self.suspect = True
            elif len(acks) >= MANY and not self._hands.known:
                self._hands.read(await self._until_answered(self._store.held(self.queue, self.worker_id)))
            return claimed

    def give_back(self, payloads: list[bytes]) -> Coroutine[Any, Any, None]:
        """Return payloads that were not started, given newest claim first, to be next to run."""
        # Known from this moment on, not from the coroutine's first turn: `reconcile` may come before that.
        self._returning.update(payloads)
        return self._give_back(payloads)

    async def _give_back(self, payloads: list[bytes]) -> None:
        async with self._lock:
            self._hands.forget()
            try:
                await self._finish_open()
                for start in range(0, len(payloads), MAX_ACKS):
                    some = payloads[start : start + MAX_ACKS]
                    self._seq += 1
                    event = encode_event(EventKind.RETURNED, self.queue, self._clock.now(), [], len(some))
                    call = self._store.give_back(self.queue, self.worker_id, seq=self._seq, payloads=some, event=event)
                    if await self._numbered(call) is None:
                        return
            except StoreError:
                # They stay in our list; as nobody here has them any more, `reconcile` finds and feeds them again.
                self.suspect = True
                raise
            finally:
                self._returning.subtract(payloads)
                self._returning = +self._returning  # without the zeros, which would pile up

    async def flush(self) -> None:
        """Tell Redis everything that is finished, what another step is just telling included."""
        while await self.step(0) is not None and self.unsettled:
            continue

    async def _settle(self) -> None:
        while self.settlements:
            items, self.settlements = self.settlements[:50], self.settlements[50:]
            self._seq += 1
            call = self._store.settle(self.queue, self.worker_id, seq=self._seq, items=items)
            lost = await self._numbered(call, partial(self._settle_again, items))
            if lost is None:
                return
            self._hands.released([item.held for item in items])
            well = sum(item.kind == "done" for item in items)
            self.sums.done += well
            self.sums.failed += len(items) - well
            if lost:
                log.warning("results refused: no longer ours", extra={"queue": self.queue, "n": lost})

    def _count(self, acks: list[bytes]) -> None:
        """Redis has been told of these."""
        deleted = acks.count(TOMBSTONE)
        self.sums.done += len(acks) - deleted
        self.sums.skipped += deleted

    def _ack_again(self, acks: list[bytes]) -> None:
        self.acks[:0] = acks

    def _settle_again(self, items: list[Settlement]) -> None:
        self.settlements[:0] = items

    async def _numbered(
        self, call: Call[Any], refused: Callable[[], None] = lambda: None, short: Call[Any] | None = None
    ) -> Any:
        """Carry out a numbered call; the lock is held. None when the lease was lost.

        `short` says the same to a Redis that is as we think, and is tried first.

        When this is cancelled, Redis may have carried it out or not: it stays open, and is repeated before any other.
        """
        self._open, generation = (call, refused), self.generation
        try:
            answer = await self._until_answered(call, short)
        except StoreError:
            # Refused is not done: what it was to tell is told again.
            self._open = None
            # Under a new id it would be told of tasks that are others' by now.
            if generation == self.generation:
                refused()
            raise
        self._open = None
        return answer

    async def _finish_open(self) -> None:
        if self._open is not None:
            # What it claimed has not been heard of.
            self.suspect = True
            self._hands.forget()
            await self._numbered(*self._open)

    async def _until_answered(self, call: Call[Any], short: Call[Any] | None = None) -> Any:
        """The answer, however long it takes; None when the lease was lost (this lane has started anew)."""
        pause, began = FIRST_PAUSE, time.monotonic()
        while True:
            asked, short = short or call, None
            try:
                return await self._wire.run(asked)
            except HandsDiffer:
                self._hands.forget()
                continue
            except StoreUnavailable as error:
                self.suspect = True
                self._hands.forget()
                if self._complain("unavailable"):
                    log.warning("waiting for Redis", extra={"queue": self.queue, "reason": str(error)})
            except LeaseLost:
                await self._start_anew()
                return None
            await asyncio.sleep(pause)
            pause = _longer(pause, began)

    async def _start_anew(self) -> None:
        """Go on under a new id: whatever was in hand belongs to others now."""
        dropped = self.unsettled
        self.acks.clear()
        self.settlements.clear()
        old = self.worker_id
        self.generation += 1
        self.worker_id = self._id_of(self.generation)
        self._hands = Hands()
        self._seq = 0
        self._open = None
        self.on_fenced(self)
        log.warning(
            "lease lost: late results are dropped",
            extra={"queue": self.queue, "worker": old, "results": dropped, "now": self.worker_id},
        )
        event = self._event(EventKind.FENCED)
        # A blocking move that is under way still goes to the old list, and may have filled it after it was taken back.
        await self._waiter_wire.close()
        await self._persist(
            lambda: self._workers.register(
                self.queue,
                self.worker_id,
                lease_ms=self._options.lease_ms,
                fields=self.registered,
                event=self._event(EventKind.WORKER_UP),
            )
        )
        try:
            await self._persist(lambda: self._workers.leave(self.queue, old, event=event))
        except StoreError as error:
            # The sweep for lists without a lease comes back to it.
            log.warning("the former list was not emptied", extra={"queue": self.queue, "reason": str(error)})

    def _id_of(self, generation: int) -> str:
        return f"{self.base_id}.{generation}" if generation else self.base_id

    async def empty_former(self, generation: int) -> None:
        """Return what a blocking move that was sent late has put into the list of a former lease."""
        event = self._event(EventKind.FENCED)
        await self._persist(lambda: self._workers.leave(self.queue, self._id_of(generation), event=event))

    async def _persist(self, make: Callable[[], Call[Any]]) -> None:
        pause, began = FIRST_PAUSE, time.monotonic()
        while True:
            try:
                await self._wire.run(make())
            except StoreUnavailable:
                await asyncio.sleep(pause)
                pause = _longer(pause, began)
            else:
                return

    # -- suspects

    async def name_suspects(self, names: list[str]) -> None:
        """Say in Redis which tasks are running that an earlier worker died with."""
        worker_id = self.worker_id
        # A full Redis refuses it: then nobody is named, and the tasks run all the same.
        with suppress(StoreFull):
            await self._persist(lambda: self._workers.name_suspects(self.queue, worker_id, names))

    def name_suspects_soon(self, names: list[str]) -> None:
        """The same with the next acks."""
        self._suspects = list(names)

    # -- waiting and putting right

    async def wait_for_one(self) -> bytes | None:
        """Block until a task comes; None after a while without one. Sets `paused` as it was when the task came.

        Raises:
            StoreUnavailable: The answer may have been lost with a task in it: reconcile.
            StoreError: Redis refused.
        """
        seconds, hands, since = self._options.block, self._hands, self._hands.version
        # The blocking move does not look at the pause. Redis answers the second call right after the first, so
        # the look costs no round trip of its own.
        task, paused = await self._waiter_wire.run_all(
            [self._store.wait_for_one(self.queue, self.worker_id, seconds), self._store.is_paused(self.queue)],
            timeout=seconds + 2.0,
        )
        for answer in (task, paused):
            if isinstance(answer, Exception):
                raise answer
        self.paused = paused
        if task is not None:
            hands.came(task, since)
        return task  # type: ignore[no-any-return]

    async def drop_waiter(self) -> None:
        """Close the connection of the blocking wait."""
        await self._waiter_wire.close()

    async def reconcile(self) -> list[bytes]:
        """Payloads that Redis has in our list and we do not know of; to be called while nobody waits."""
        async with self._lock:
            await self._finish_open()
            held = await self._until_answered(self._store.held(self.queue, self.worker_id))
            if held is None:
                return []
            self.suspect = False
            self._hands.read(held)
            known = Counter(self._in_hand(self))
            known.update(self.acks)
            known.update(item.held for item in self.settlements)
            known.update(self._returning)
            unknown: list[bytes] = []
            for payload in held:
                if known[payload] > 0:
                    known[payload] -= 1
                else:
                    unknown.append(payload)
            return unknown

    async def is_empty(self) -> bool:
        """True when nothing is pending."""
        return await self._wire.run(self._store.length(self.queue)) == 0

    def _event(self, kind: EventKind) -> bytes:
        body = [{"worker": self.worker_id, "text": str(self.registered.get("host", ""))}]
        return encode_event(kind, self.queue, self._clock.now(), body, 1)


def _longer(pause: float, began: float) -> float:
    """The pause after this one, in an outage that began at `began` (monotonic seconds)."""
    return min(2 * pause, USUAL_PAUSE if time.monotonic() - began < FAILOVER else LONGEST_PAUSE)
