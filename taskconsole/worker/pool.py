"""Running handlers, many at a time.

A pool has as many runners as tasks may run at once. A runner is an asyncio task that takes one payload after the
other; a handler that never has to wait costs no asyncio task of its own and no turn of the loop, so a run of short
tasks is one tight loop. What a handler may notice is as if it had a task of its own: timeouts and cancellation hit
only it, and context variables it sets are not seen by the next one (the runner is replaced when it set any).
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from taskconsole.model.context import Context
from taskconsole.model.histogram import bucket
from taskconsole.model.outcome import Bury, RetryAfter
from taskconsole.model.task import Envelope, Unreadable, decode
from taskconsole.registry import Handler, Kind
from taskconsole.store.keys import TOMBSTONE
from taskconsole.store.workers import digest_of
from taskconsole.worker.judge import Attempt, Decided, Judge
from taskconsole.worker.perform import Elsewhere, TimedOut
from taskconsole.worker.suspects import ALONE, ALONE_FROM, Suspects

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from taskconsole.registry import Registry
    from taskconsole.worker.lane import Lane
    from taskconsole.worker.options import WorkerOptions
    from taskconsole.worker.server_clock import ServerClock

__all__ = ["Pool", "Slot"]

log = logging.getLogger(__name__)

SLICE = 0.005
"""Seconds a runner goes on without giving the loop a turn."""

WATCH = 0.05
"""Seconds between two looks at timeouts and at payloads that wait too long for a runner."""

HOARD = 0.1
"""Seconds longer than meant that claimed payloads may wait for a runner before they go back to the queue for others."""

NOTABLE = 0.5
"""Seconds a task runs before an event says that it has started."""

UNREADABLE = "(unreadable)"
"""The name of a task whose payload has none."""

Item = tuple["Lane", int, bytes]
"""A claimed payload: its lane, the lane's generation at the time, the bytes."""


class Slot:
    """One runner and what it is doing; read by the heartbeat's thread too."""

    __slots__ = ("aborted", "announced", "envelope", "item", "started", "stopped", "task", "timed_out", "timeout")

    def __init__(self) -> None:
        self.task: asyncio.Task[None] | None = None
        self.item: Item | None = None
        self.envelope: Envelope | None = None
        """What `item` says."""
        self.started = 0.0
        """Monotonic seconds."""
        self.timeout: float | None = None
        self.timed_out = False
        self.stopped = False
        """It was cancelled because the worker stops: the task goes back."""
        self.aborted = ""
        """The operator who had it cancelled."""
        self.announced = 0.0
        """The start of the last run that an event has told of."""


class Pool:
    """Runs what it is fed.

    Args:
        on_room: Called when the pool has become ready for more, or has finished something to tell Redis.
    """

    def __init__(
        self,
        registry: Registry,
        *,
        options: WorkerOptions,
        clock: ServerClock,
        on_room: Callable[[], None],
    ) -> None:
        self.ready: deque[Item] = deque()
        self.slots: set[Slot] = set()
        self.ahead = 0.0
        """Seconds of work it is given beyond the free slots; the fetcher's."""
        self._fed = 0
        """Payloads taken on, without those that were given back or dropped."""
        self.good_until = float("inf")
        """Monotonic time after which the leases may have run out: nothing is started then."""
        self.running = 0
        """Runners that have a task in hand."""
        self._registry, self._handlers = registry, registry.handlers
        self._options, self._clock, self._on_room = options, clock, on_room
        self._idle: list[asyncio.Future[None]] = []
        self._runners = 0
        self._fed_at = self._busy_since = self._busy_for = 0.0
        self._closed = False
        self._elsewhere = Elsewhere(options.concurrency, min(options.concurrency, 64))
        self._base = contextvars.copy_context()
        """What every handler starts with: what the app's lifespan has set."""
        self._loop = asyncio.get_running_loop()
        self._empty = asyncio.Event()
        self._empty.set()
        self._busy = asyncio.Event()
        self._judge = Judge(registry, options=options, clock=clock)
        self._suspects = Suspects()

    # -- feeding

    @property
    def free(self) -> int:
        """How many more could start at once."""
        return self._options.concurrency - self.running - len(self.ready)

    @property
    def finished(self) -> int:
        """Attempts that have ended, well or not."""
        return self._fed - len(self.ready) - self.running

    @property
    def busy(self) -> float:
        """Seconds in which there was something to run."""
        return self._busy_for + (0.0 if self._empty.is_set() else time.monotonic() - self._busy_since)

    def feed(self, lane: Lane, payloads: Sequence[bytes]) -> None:
        """Run these, in order."""
        deleted = payloads.count(TOMBSTONE)
        if deleted:
            lane.acks += [TOMBSTONE] * deleted
            payloads = [payload for payload in payloads if payload != TOMBSTONE]
        generation = lane.generation
        self.ready.extend([(lane, generation, payload) for payload in payloads])
        self._fed += len(payloads)
        self._fed_at = time.monotonic()
        if lane.acks:
            self._on_room()
        if self.ready:
            if self._empty.is_set():
                self._busy_since = self._fed_at
                self._empty.clear()
            self._busy.set()
            self._wake()

    def _wake(self) -> None:
        while self._idle:
            future = self._idle.pop()
            if not future.done():
                future.set_result(None)
                return
        if self._runners < self._options.concurrency and not self._closed:
            self._runners += 1
            slot = Slot()
            self.slots.add(slot)
            slot.task = self._loop.create_task(self._run(slot), name="taskconsole runner", context=self._base.copy())
            slot.task.add_done_callback(_say_if_it_died)

    def renewed(self, until: float) -> None:
        """The leases are good until `until` (monotonic): go on if that had stopped us. Safe to call from a thread."""
        stale = time.monotonic() >= self.good_until
        self.good_until = until
        if stale:
            self._loop.call_soon_threadsafe(self._go_on)

    def _go_on(self) -> None:
        self._wake()
        self._on_room()

    def drop(self, lane: Lane) -> None:
        """Forget what waits for `lane`: it was fenced, others have it."""
        kept = [item for item in self.ready if item[0] is not lane]
        self._fed -= len(self.ready) - len(kept)
        self.ready.clear()
        self.ready.extend(kept)
        self._rest_if_idle()

    def take_back(self, keep: int = 0) -> dict[Lane, list[bytes]]:
        """Take out what waits beyond the first `keep`, newest first, by lane."""
        returned: dict[Lane, list[bytes]] = {}
        while len(self.ready) > keep:
            lane, generation, payload = self.ready.pop()
            self._fed -= 1
            if generation == lane.generation:
                returned.setdefault(lane, []).append(payload)
        self._rest_if_idle()
        return returned

    def in_hand(self, lane: Lane) -> list[bytes]:
        """Payloads of `lane` that wait or run."""
        found = [payload for other, _, payload in self.ready if other is lane]
        for slot in self.slots:
            item = slot.item
            if item is not None and item[0] is lane and item[1] == lane.generation:
                found.append(item[2])
        return found

    def abort(self, lane: Lane, digest: str, by: str) -> bool:
        """End one running task of `lane`, named by its payload's digest; it is buried. False when it does not run.

        One that waits for its turn is buried without being run.
        """
        for item in self.ready:
            if item[0] is lane and digest_of(item[2]) == digest:
                self.ready.remove(item)
                self._rest_if_idle()
                if item[1] == lane.generation:
                    error = Decided(Bury(f"aborted by {by}"))
                    self._judged(item, decode(item[2]), error, 0.0)
                    self._on_room()
                return True
        for slot in list(self.slots):
            held = slot.item
            if held is None or slot.task is None or held[0] is not lane or slot.aborted:
                continue
            if digest_of(held[2]) == digest:
                slot.aborted = by
                slot.task.cancel()
                return True
        return False

    # -- running

    async def _run(self, slot: Slot) -> None:
        """One runner: takes payloads until it is cancelled, or a handler has changed its context."""
        try:
            while not self._closed:
                if not self.ready or time.monotonic() >= self.good_until:
                    if not await self._wait(slot):
                        return
                    continue
                if len(self.ready) > 1:
                    # If the first one has to wait for something, somebody must be there for the rest.
                    self._wake()
                self.running += 1
                try:
                    as_new = await self._run_some(slot)
                finally:
                    self.running -= 1
                    slot.item = slot.envelope = None
                if not as_new:
                    return
                self._on_room()
                if self.ready:
                    await asyncio.sleep(0)
        finally:
            self._runners -= 1
            self.slots.discard(slot)
            if not self._closed:
                # A free slot and perhaps a result, whatever way this runner ends.
                self._on_room()
            if self.ready and not self._closed:
                self._wake()
            elif self.running == 0:
                self._rest()

    def _rest_if_idle(self) -> None:
        if self.running == 0 and not self.ready:
            self._rest()

    def _rest(self) -> None:
        self._busy_for = self.busy
        self._empty.set()

    async def _wait(self, slot: Slot) -> bool:
        future: asyncio.Future[None] = self._loop.create_future()
        self._idle.append(future)
        self._rest_if_idle()
        try:
            await future
        except asyncio.CancelledError:
            if future in self._idle:
                self._idle.remove(future)
            # A timeout that fired while its task was ending: not ours to die of.
            if slot.stopped or self._closed:
                raise
            if slot.task is not None:
                slot.task.uncancel()
        return True

    async def _run_some(self, slot: Slot) -> bool:  # noqa: C901, PLR0912 - the hot loop, unrolled
        """The hot loop: run what is ready for one slice of time; False when this runner must be replaced."""
        assert slot.task is not None
        ready, handlers, base, cancelling = self.ready, self._handlers, self._base, slot.task.cancelling
        monotonic, copy_context = time.monotonic, contextvars.copy_context
        ran_at, ran_least, ran_most = waited_at, waited_least, waited_most = bucket(0.0)
        offset = self._clock.offset
        now = monotonic()
        end = min(now + SLICE, self.good_until)
        while ready and now < end:
            slot.item = item = ready.popleft()
            lane, generation, payload = item
            envelope = decode(payload)
            if type(envelope) is Unreadable:
                self._judged(item, envelope, Decided(Bury(envelope.reason)), 0.0)
                now = monotonic()
                continue
            slot.envelope, slot.started, slot.timed_out, slot.aborted = envelope, now, False, ""
            try:
                handler = handlers.get(envelope.task)
                if (
                    handler is not None
                    and handler.awaitable
                    and envelope.expires_at is None
                    and not envelope.redelivered
                ):
                    slot.timeout = handler.timeout if envelope.timeout is None else envelope.timeout
                    await handler.function(*envelope.args, **envelope.kwargs)
                else:
                    await self._perform(slot, lane, envelope)
            except BaseException as error:
                ended = monotonic()
                if not self._caught(slot, item, envelope, error, ended - now):
                    raise
            else:
                ended = monotonic()
                ran, sums = ended - now, lane.sums
                if not ran_least <= ran < ran_most:
                    ran_at, ran_least, ran_most = bucket(ran)
                sums.run[ran_at] += 1
                if envelope.enqueued_at is not None:
                    waited = now + offset - envelope.enqueued_at
                    if not waited_least <= waited < waited_most:
                        waited_at, waited_least, waited_most = bucket(waited)
                    sums.wait[waited_at] += 1
                if sums.naming:
                    self._name(envelope, lane, ran)
                if generation != lane.generation:
                    pass  # another worker has it, and tells what becomes of it
                elif envelope.schedule is None:
                    lane.acks.append(payload)
                else:
                    lane.settlements.append(self._judge.done(lane, payload, envelope, ran))
            now = ended
            # A handler may survive its cancellation, or leave one behind: nobody else is to be hit by it.
            if copy_context() != base or cancelling():
                return False
        return True

    def _name(self, envelope: Envelope, lane: Lane, seconds: float) -> None:
        task = {
            "task": envelope.task,
            "id": envelope.id,
            "ms": round(seconds * 1000, 3),
            "worker": lane.worker_id,
            "at": round(self._clock.now(), 3),
        }
        lane.sums.name(task)

    async def _perform(self, slot: Slot, lane: Lane, envelope: Envelope) -> None:
        """Run a task that is not the plainest case; raises what the handler raises, or Decided."""
        slot.timeout = None
        handler = self._handlers.get(envelope.task)
        args, kwargs = envelope.args, envelope.kwargs
        if handler is None and envelope.bare and self._registry.fallback is not None:
            handler, args = self._registry.fallback, [envelope.task]
        if handler is None:
            raise Decided(self._judge.unknown(envelope))
        if envelope.expires_at is not None and self._clock.now() > envelope.expires_at:
            raise Decided(Bury("expired before it was started"))
        limit = handler.timeout if envelope.timeout is None else envelope.timeout
        if handler.context_parameter is not None:
            context = Context(
                id=envelope.id,
                task=envelope.task,
                queue=lane.queue,
                attempt=envelope.attempt,
                redelivered=envelope.redelivered,
                enqueued_at=envelope.enqueued_at,
                schedule=envelope.schedule,
                scheduled_at=envelope.scheduled_at,
            )
            args, kwargs = handler.arguments(args, kwargs, context)
        if envelope.redelivered and slot.item is not None:
            alone = envelope.redelivered >= ALONE_FROM
            if alone and self._suspects.busy:
                raise Decided(RetryAfter(ALONE, envelope.attempt, "waits for its turn: workers died with it"))
            async with self._suspects.named(lane, slot.item[2], alone=alone):
                slot.started, slot.timeout = time.monotonic(), limit
                await self._call(handler, args, kwargs)
        else:
            slot.timeout = limit
            await self._call(handler, args, kwargs)

    async def _call(self, handler: Handler, args: list[Any], kwargs: dict[str, Any]) -> None:
        if handler.kind is Kind.ASYNC:
            await handler.function(*args, **kwargs)
        elif handler.kind is Kind.THREAD:
            result = await self._elsewhere.in_thread(handler, args, kwargs)
            if inspect.isawaitable(result):
                # An async function behind a plain decorator: only calling it tells.
                await result
        else:
            await self._elsewhere.in_process(handler, args, kwargs)

    # -- failures

    def _caught(self, slot: Slot, item: Item, envelope: Envelope, error: BaseException, seconds: float) -> bool:
        """Decide what becomes of an attempt that raised; False when the error is not the handler's but ours to obey."""
        if isinstance(error, GeneratorExit) and not _goes_on(slot):
            return False
        if isinstance(error, asyncio.CancelledError):
            if slot.stopped:
                return False
            if slot.task is not None and slot.task.cancelling():
                slot.task.uncancel()
            if slot.timed_out:
                error = TimedOut(slot.timeout or 0.0)
        if slot.aborted and isinstance(error, asyncio.CancelledError | TimedOut):
            error = Decided(Bury(f"aborted by {slot.aborted}"))
        self._judged(item, envelope, error, seconds)
        return True

    def _judged(self, item: Item, envelope: Envelope | Unreadable, error: BaseException, seconds: float) -> None:
        lane, generation, payload = item
        known = envelope if isinstance(envelope, Envelope) else Envelope(UNREADABLE)
        if generation != lane.generation:
            log.warning("late result dropped", extra={"queue": lane.queue, "task": known.task, "id": known.id})
            return
        attempt = Attempt(known.task, known.id, known.attempt, seconds)
        lane.settlements.append(self._judge.settlement(lane, payload, envelope, attempt, error))

    # -- watching and stopping

    async def watch(self, give_back: Callable[[dict[Lane, list[bytes]]], None]) -> None:
        """Enforce timeouts, announce long runs, and hand what waits too long to `give_back`; until cancelled."""
        while True:
            if not self.running and not self.ready:
                self._busy.clear()
            await self._busy.wait()
            await asyncio.sleep(WATCH)
            self.check_timeouts(time.monotonic())
            if self.ready and time.monotonic() - self._fed_at > HOARD + self.ahead:
                returned = self.take_back(keep=max(0, self._options.concurrency - self.running))
                if returned:
                    give_back(returned)

    def check_timeouts(self, now: float) -> int:
        """Cancel what has run too long; returns how many."""
        cancelled = 0
        for slot in list(self.slots):
            item, envelope = slot.item, slot.envelope
            if item is None or envelope is None or slot.task is None:
                continue
            seconds = now - slot.started
            if slot.timeout is not None and seconds > slot.timeout and not slot.timed_out:
                slot.timed_out = True
                slot.task.cancel()
                cancelled += 1
            if seconds > NOTABLE and slot.announced != slot.started:
                slot.announced = slot.started
                if item[0].sums.listening:
                    fields = {"task": envelope.task, "id": envelope.id, "worker": item[0].worker_id}
                    item[0].sums.started.append(fields)
        return cancelled

    async def wait_empty(self) -> None:
        """Until nothing waits and nothing runs."""
        await self._empty.wait()

    async def close(self) -> int:
        """Cancel what runs; returns how many tasks were cut off (their payloads stay in the processing list)."""
        self._closed = True
        cut = self.running
        tasks = []
        for slot in self.slots:
            slot.stopped = True
            if slot.task is not None:
                slot.task.cancel()
                tasks.append(slot.task)
        if tasks:
            await asyncio.wait(tasks, timeout=2.0)
        self._elsewhere.close()
        return cut


def _goes_on(slot: Slot) -> bool:
    """False when this runner is being closed from outside, without a turn of its own."""
    try:
        return asyncio.current_task() is slot.task
    except RuntimeError:
        return False


def _say_if_it_died(runner: asyncio.Task[None]) -> None:
    """Runners do not end by an error; when one does all the same, it must not be in silence."""
    if not runner.cancelled() and runner.exception() is not None:
        log.error("a runner died", exc_info=runner.exception())
