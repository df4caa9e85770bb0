"""Putting tasks into Redis: what an application calls, blocking and in asyncio."""

from __future__ import annotations

import asyncio
import itertools
import os
import secrets
import threading
import time
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from taskconsole.errors import StoreUnavailable
from taskconsole.model.event import EventKind, encode_event
from taskconsole.store.call import command
from taskconsole.store.keys import Namespace, check_queue_name
from taskconsole.store.opening import open_async_wire, open_wire
from taskconsole.store.tasks import MAX_BATCH, TaskStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from taskconsole.config import Settings
    from taskconsole.store.call import Call

__all__ = ["Client", "Parcel"]

T = TypeVar("T")

FIRST_PAUSE = 0.02
"""Seconds before the first repetition of a call that got no answer; doubles up to half a second."""


class Parcel(msgspec.Struct, gc=False):
    """A task on its way: ready to be enqueued, for `App.enqueue_many`."""

    queue: str
    due: str | None
    """`"1790000000.5"`, `"+30"` for 30 s from now, None for now."""
    next_to_run: bool
    payload: bytes
    id: str = ""
    task: str = ""


class _Forks:
    """Counts how often this process's ancestors have forked: a child must not share connections, ids and numbers.

    Asking the system for the process id instead would cost more than building a task does.
    """

    count = 0

    @classmethod
    def happened(cls) -> None:
        cls.count += 1


os.register_at_fork(after_in_child=_Forks.happened)


class _Sequence:
    """An id and a counter for one connection: what makes a repeated enqueue harmless.

    Calls with one id reach Redis in the order of their numbers, because the connection carries one at a time;
    a number that is not above the last one is a repetition.
    """

    def __init__(self) -> None:
        self.id = secrets.token_hex(6)
        self.last = 0

    def next(self) -> int:
        self.last += 1
        return self.last


class Client:
    """Enqueues payloads. Safe to share between threads, event loops and forked children.

    Args:
        settings: Where Redis is, and how long to go on trying.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.store = TaskStore(Namespace(settings.prefix))
        self._ids = itertools.count(1)
        self._id_prefix = secrets.token_hex(6) + "-"
        self._forks = _Forks.count
        self._blocking: dict[int, _Blocking] = {}
        """By the count of forks. No lock guards it: a child of fork could inherit one that nobody lets go."""
        self._loops: dict[asyncio.AbstractEventLoop, _Merger] = {}
        self.offset = 0.0
        """What to add to this machine's clock to get the time of Redis, seconds; known after the first call."""

    def new_id(self) -> str:
        """An id nobody else makes."""
        if self._forks != _Forks.count:
            self._forks, self._id_prefix = _Forks.count, secrets.token_hex(6) + "-"
        return f"{self._id_prefix}{next(self._ids):x}"

    def now(self) -> float:
        """Seconds since the epoch by Redis, as far as known; to the millisecond."""
        return int((time.time() + self.offset) * 1000) / 1000

    def send(self, parcels: Iterable[Parcel]) -> int:
        """Enqueue, in order, by the thousand; returns how many. Blocks.

        Raises:
            StoreUnavailable: No answer within `settings.retry_for`; the last batch may or may not have arrived.
            StoreError: Redis refused the batch; earlier ones have arrived.
        """
        blocking = self._blocking.get(_Forks.count)
        if blocking is None:
            # Of several threads at once the first one's is kept.
            blocking = self._blocking.setdefault(_Forks.count, _Blocking(self))
        return blocking.send(parcels)

    def post(self, parcel: Parcel) -> asyncio.Future[None]:
        """Enqueue from asyncio; the future is done when Redis has the task. Concurrent posts share round trips."""
        return self._merger().post(parcel)

    async def asend(self, parcels: Iterable[Parcel]) -> int:
        """As `send`, for asyncio."""
        return await self._merger().send(parcels)

    def _merger(self) -> _Merger:
        loop = asyncio.get_running_loop()
        merger = self._loops.get(loop)
        if merger is None or merger.forks != _Forks.count:
            # Loops come and go in tests and scripts; a closed one will not ask again.
            for closed in [other for other in self._loops if other.is_closed()]:
                del self._loops[closed]
            merger = self._loops[loop] = _Merger(self, loop)
        return merger

    def close(self) -> None:
        """Drop the blocking connection."""
        for blocking in self._blocking.values():
            blocking.wire.close()

    async def aclose(self) -> None:
        """Drop the connections of this event loop, and the blocking one."""
        merger = self._loops.pop(asyncio.get_running_loop(), None)
        if merger is not None:
            await merger.close()
        self.close()

    def greeting(self, queue: str) -> list[Call[Any]]:
        """What to send before the first task for `queue`: make it known, and ask for the time."""
        check_queue_name(queue)
        return [self.store.announce(queue), command("TIME", parse=_time)]

    def build(self, batch: list[Parcel], who: _Sequence) -> Call[int]:
        """The call for parcels that can share one."""
        first = batch[0]
        kind = EventKind.ENQUEUED if first.due is None else EventKind.DELAYED
        named = [{"task": first.task, "id": first.id}] if len(batch) == 1 else []
        event = encode_event(kind, first.queue, self.now(), named, len(batch))
        seq = who.next()
        if first.due is not None:
            dues = [(parcel.due or "+0", parcel.payload) for parcel in batch]
            return self.store.delay(first.queue, dues, client_id=who.id, seq=seq, event=event)
        return self.store.enqueue(
            first.queue,
            [parcel.payload for parcel in batch],
            client_id=who.id,
            seq=seq,
            next_to_run=first.next_to_run,
            event=event,
        )


def _time(reply: Any) -> float:
    return int(reply[0]) + int(reply[1]) / 1e6


class _Blocking:
    """The blocking side: one connection, one call at a time."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.wire = open_wire(client.settings)
        self._sequence = _Sequence()
        self._known: set[str] = set()
        self._lock = threading.Lock()

    def send(self, parcels: Iterable[Parcel]) -> int:
        sent = 0
        # Outside of the lock: whatever makes the parcels may itself enqueue.
        for batch in _batches(parcels):
            # The lock covers numbering, sending and repeating: numbers must reach Redis in order.
            with self._lock:
                if batch[0].queue not in self._known:
                    self._meet(batch[0].queue)
                self._run(self.client.build(batch, self._sequence))
            sent += len(batch)
        return sent

    def _meet(self, queue: str) -> None:
        greeting = self.client.greeting(queue)
        _, now = self._repeat(lambda: _all_or_raise(self.wire.run_all(greeting)))
        self.client.offset = now - time.time()
        self._known.add(queue)

    def _run(self, call: Call[int]) -> int:
        return self._repeat(lambda: self.wire.run(call))

    def _repeat(self, action: Callable[[], T]) -> T:
        deadline = time.monotonic() + self.client.settings.retry_for
        pause = FIRST_PAUSE
        while True:
            try:
                return action()
            except StoreUnavailable:
                if time.monotonic() + pause > deadline:
                    raise
            time.sleep(pause)
            pause = min(2 * pause, 0.5)


def _all_or_raise(answers: list[Any]) -> list[Any]:
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
    return answers


class _Merger:
    """The asyncio side of one loop: whatever is asked for while a call is under way goes into the next one."""

    def __init__(self, client: Client, loop: asyncio.AbstractEventLoop) -> None:
        self.client, self.loop, self.forks = client, loop, _Forks.count
        self.wire = open_async_wire(client.settings)
        self._sequence = _Sequence()
        self._known: set[str] = set()
        self._waiting: list[tuple[Parcel, asyncio.Future[None]]] = []
        self._task: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()

    def post(self, parcel: Parcel) -> asyncio.Future[None]:
        future: asyncio.Future[None] = self.loop.create_future()
        self._waiting.append((parcel, future))
        if self._task is None:
            self._task = self.loop.create_task(self._flush(), name="taskconsole enqueue")
        return future

    async def send(self, parcels: Iterable[Parcel]) -> int:
        sent = 0
        for batch in _batches(parcels):
            await self._deliver(batch)
            sent += len(batch)
        return sent

    async def _flush(self) -> None:
        try:
            while self._waiting:
                # One turn of the loop lets everybody who is ready now join this call.
                await asyncio.sleep(0)
                waiting, self._waiting = self._waiting, []
                start = 0
                for batch in _batches(parcel for parcel, _ in waiting):
                    futures = [future for _, future in waiting[start : start + len(batch)]]
                    start += len(batch)
                    await self._deliver_for(batch, futures)
        finally:
            self._task = None

    async def _deliver_for(self, batch: list[Parcel], futures: list[asyncio.Future[None]]) -> None:
        try:
            await self._deliver(batch)
        except Exception as error:  # noqa: BLE001 - handed to the callers it concerns
            for future in futures:
                if not future.done():
                    future.set_exception(error)
        else:
            for future in futures:
                if not future.done():
                    future.set_result(None)

    async def _deliver(self, batch: list[Parcel]) -> None:
        queue = batch[0].queue
        # Numbering, sending and repeating are one turn: numbers must reach Redis in order.
        async with self._turn:
            if queue not in self._known:
                announced, now = await self._repeat(self.client.greeting(queue))
                for answer in (announced, now):
                    if isinstance(answer, Exception):
                        raise answer
                self.client.offset = now - time.time()
                self._known.add(queue)
            answer = (await self._repeat([self.client.build(batch, self._sequence)]))[0]
        if isinstance(answer, Exception):
            raise answer

    async def _repeat(self, calls: list[Call[Any]]) -> list[Any]:
        deadline = self.loop.time() + self.client.settings.retry_for
        pause = FIRST_PAUSE
        while True:
            try:
                answers = await self.wire.run_all(calls)
            except StoreUnavailable as error:
                answers = [error]
            if not any(isinstance(answer, StoreUnavailable) for answer in answers):
                return answers
            if self.loop.time() + pause > deadline:
                raise answers[0]
            await asyncio.sleep(pause)
            pause = min(2 * pause, 0.5)

    async def close(self) -> None:
        while self._task is not None:
            await asyncio.wait([self._task])
        await self.wire.close()


def _batches(parcels: Iterable[Parcel]) -> Iterator[list[Parcel]]:
    """Runs of parcels that can share a call, at most 1,000 each, in order."""
    if isinstance(parcels, Parcel):
        raise TypeError("enqueue_many takes several: write enqueue_many([task.call(…), …]), or task.enqueue(…) for one")
    batch: list[Parcel] = []
    queue, delayed, next_to_run = "", False, False
    for parcel in parcels:
        if not isinstance(parcel, Parcel):
            raise TypeError(f"enqueue_many takes what task.call(…) gives, not a {type(parcel).__qualname__}")
        if (
            len(batch) >= MAX_BATCH
            or parcel.queue != queue
            or (parcel.due is not None) is not delayed
            or parcel.next_to_run is not next_to_run
        ):
            if batch:
                yield batch
            batch = []
            queue, delayed, next_to_run = parcel.queue, parcel.due is not None, parcel.next_to_run
        batch.append(parcel)
    if batch:
        yield batch
