"""Putting tasks into Redis: what an application calls, blocking and in asyncio."""

from __future__ import annotations

import asyncio
import itertools
import os
import secrets
import threading
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any, TypeVar

from taskconsole.errors import PayloadError, StoreUnavailable
from taskconsole.model.event import EventKind, encode_event
from taskconsole.store.call import command
from taskconsole.store.keys import Namespace, check_queue_name
from taskconsole.store.tasks import MAX_BATCH, TaskStore
from taskconsole.store.wire import AsyncWire, Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from taskconsole.config import Settings
    from taskconsole.store.call import Call

__all__ = ["Client", "Parcel"]

T = TypeVar("T")

FIRST_PAUSE = 0.02
"""Seconds before the first repetition of a call that got no answer; doubles up to half a second."""

Parcel = tuple[str, "str | None", bool, bytes]
"""Queue, due (`"1790000000.5"`, `"+30"`, None for now), next to run, payload."""


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
        self._pid = os.getpid()
        self._blocking: _Blocking | None = None
        self._lock = threading.Lock()
        self._loops: dict[asyncio.AbstractEventLoop, _Merger] = {}
        self.offset = 0.0
        """What to add to this machine's clock to get the time of Redis, seconds; known after the first call."""

    def new_id(self) -> str:
        """An id nobody else makes."""
        if self._pid != os.getpid():
            self._pid, self._id_prefix = os.getpid(), secrets.token_hex(6) + "-"
        return f"{self._id_prefix}{next(self._ids):x}"

    def now(self) -> float:
        """Seconds since the epoch by Redis, as far as known; to the millisecond."""
        return round(time.time() + self.offset, 3)

    def check_size(self, payload: bytes, task: str) -> bytes:
        """Return `payload`.

        Raises:
            PayloadError: It is larger than the settings allow.
        """
        if len(payload) > self.settings.max_payload:
            raise PayloadError(
                f"task {task!r}: its payload has {len(payload):,} bytes, the limit is "
                f"{self.settings.max_payload:,}: put the data elsewhere and pass a reference"
            )
        return payload

    def send(self, parcels: Iterable[Parcel]) -> int:
        """Enqueue, in order, by the thousand; returns how many. Blocks.

        Raises:
            StoreUnavailable: No answer within `settings.retry_for`; the last batch may or may not have arrived.
            StoreError: Redis refused the batch; earlier ones have arrived.
        """
        with self._lock:
            if self._blocking is None or self._blocking.pid != os.getpid():
                self._blocking = _Blocking(self)
            blocking = self._blocking
        return blocking.send(parcels)

    async def asend(self, parcels: Sequence[Parcel]) -> int:
        """Enqueue from asyncio; concurrent calls share round trips. Raises as `send`."""
        loop = asyncio.get_running_loop()
        merger = self._loops.get(loop)
        if merger is None:
            # Loops come and go in tests and scripts; a closed one will not ask again.
            for closed in [other for other in self._loops if other.is_closed()]:
                del self._loops[closed]
            merger = self._loops[loop] = _Merger(self, loop)
        return await merger.send(parcels)

    def close(self) -> None:
        """Drop the blocking connection."""
        if self._blocking is not None:
            self._blocking.wire.close()

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

    def build(self, group: _Group, payloads: Sequence[tuple[str | None, bytes]], who: _Sequence) -> Call[int]:
        """The call for one batch of one group."""
        queue, delayed, next_to_run = group
        kind = EventKind.DELAYED if delayed else EventKind.ENQUEUED
        event = encode_event(kind, queue, self.now(), [], len(payloads))
        seq = who.next()
        if delayed:
            dues = [(due or "+0", payload) for due, payload in payloads]
            return self.store.delay(queue, dues, client_id=who.id, seq=seq, event=event)
        plain = [payload for _, payload in payloads]
        return self.store.enqueue(
            queue, plain, client_id=who.id, seq=seq, next_to_run=next_to_run, event=event
        )


_Group = tuple[str, bool, bool]
"""Queue, delayed, next to run: what can share a call."""


def _time(reply: Any) -> float:
    return int(reply[0]) + int(reply[1]) / 1e6


class _Blocking:
    """The blocking side: one connection, one call at a time."""

    def __init__(self, client: Client) -> None:
        self.client, self.pid = client, os.getpid()
        self.wire = Wire(client.settings)
        self._sequence = _Sequence()
        self._known: set[str] = set()
        self._lock = threading.Lock()

    def send(self, parcels: Iterable[Parcel]) -> int:
        sent = 0
        # The lock covers numbering, sending and repeating: numbers must reach Redis in order.
        with self._lock:
            for group, batch in _batches(parcels):
                if group[0] not in self._known:
                    self._meet(group[0])
                self._until_answered(self.client.build(group, batch, self._sequence))
                sent += len(batch)
        return sent

    def _meet(self, queue: str) -> None:
        greeting = self.client.greeting(queue)
        announced, now = self._repeat(lambda: self.wire.run_all(greeting))
        for answer in (announced, now):
            if isinstance(answer, Exception):
                raise answer
        self.client.offset = now - time.time()
        self._known.add(queue)

    def _until_answered(self, call: Call[int]) -> int:
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


class _Merger:
    """The asyncio side of one loop: whatever is asked for while a call is under way goes into the next one."""

    def __init__(self, client: Client, loop: asyncio.AbstractEventLoop) -> None:
        self.client, self.loop = client, loop
        self.wire = AsyncWire(client.settings)
        self._sequence = _Sequence()
        self._known: set[str] = set()
        self._waiting: list[tuple[Sequence[Parcel], asyncio.Future[int]]] = []
        self._task: asyncio.Task[None] | None = None

    async def send(self, parcels: Sequence[Parcel]) -> int:
        future: asyncio.Future[int] = self.loop.create_future()
        self._waiting.append((parcels, future))
        if self._task is None:
            self._task = self.loop.create_task(self._flush(), name="taskconsole enqueue")
        return await future

    async def _flush(self) -> None:
        try:
            while self._waiting:
                # One turn of the loop lets everybody who is ready now join this call.
                await asyncio.sleep(0)
                waiting, self._waiting = self._waiting, []
                await self._flush_some(waiting)
        finally:
            self._task = None

    async def _flush_some(self, waiting: list[tuple[Sequence[Parcel], asyncio.Future[int]]]) -> None:
        # Callers are grouped whole, so that each learns the fate of just its own parcels.
        groups: defaultdict[_Group, list[tuple[str | None, bytes]]] = defaultdict(list)
        askers: defaultdict[_Group, list[int]] = defaultdict(list)
        errors: dict[int, Exception] = {}
        for i, (parcels, _) in enumerate(waiting):
            for queue, due, next_to_run, payload in parcels:
                group = (queue, due is not None, next_to_run)
                groups[group].append((due, payload))
                askers[group].append(i)
        for group, items in groups.items():
            for start in range(0, len(items), MAX_BATCH):
                batch = items[start : start + MAX_BATCH]
                try:
                    await self._deliver(group, batch)
                except Exception as error:  # noqa: BLE001 - handed to the callers it concerns
                    for i in askers[group][start : start + MAX_BATCH]:
                        errors[i] = error
        for i, (parcels, future) in enumerate(waiting):
            if future.done():
                continue
            if i in errors:
                future.set_exception(errors[i])
            else:
                future.set_result(len(parcels))

    async def _deliver(self, group: _Group, batch: list[tuple[str | None, bytes]]) -> None:
        if group[0] not in self._known:
            announced, now = await self._repeat(self.client.greeting(group[0]))
            for answer in (announced, now):
                if isinstance(answer, Exception):
                    raise answer
            self.client.offset = now - time.time()
            self._known.add(group[0])
        answer = (await self._repeat([self.client.build(group, batch, self._sequence)]))[0]
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


def _batches(parcels: Iterable[Parcel]) -> Iterable[tuple[_Group, list[tuple[str | None, bytes]]]]:
    """Runs of parcels that can share a call, at most 1,000 each, in order."""
    group: _Group | None = None
    batch: list[tuple[str | None, bytes]] = []
    for queue, due, next_to_run, payload in parcels:
        this = (queue, due is not None, next_to_run)
        if this != group or len(batch) >= MAX_BATCH:
            if batch and group is not None:
                yield group, batch
            group, batch = this, []
        batch.append((due, payload))
    if batch and group is not None:
        yield group, batch
