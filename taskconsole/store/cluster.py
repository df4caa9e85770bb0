"""A Redis Cluster: each call goes to the node that has its key.

A queue lies in one slot with all that is its own, so a call concerns one node; several calls are sent to all nodes they
concern before the first answer is waited for. Each node is reached by a wire of its own (`store.wire`), so that a claim
is as fast here as on a single server.

When a node does not answer or says that it is not the one to ask, the map of slots is read again before the next call;
whoever holds a repeatable transition repeats it, as everywhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import redis
from redis.crc import key_slot

from taskconsole.errors import StoreNotReady, TaskconsoleError
from taskconsole.redis_url import RedisUrl
from taskconsole.store.call import Call, Place, command
from taskconsole.store.dialing import AsyncDialer
from taskconsole.store.wire import AsyncWire, Wire, translate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from taskconsole.config import Settings
    from taskconsole.store.trace import Trace

__all__ = ["AnyNodeDialer", "AsyncClusterWire", "ClusterWire", "SlotMap", "home_of", "read_map"]

SLOTS = 16_384

REDIRECTIONS = 5
"""How often a call follows a node's word that another one has its key."""

_KEYLESS = frozenset({"CLIENT", "CLUSTER", "ECHO", "INFO", "PING", "SLOWLOG", "TIME"})

_ASKING: Call[Any] = command("ASKING", parse=bool)


@lru_cache(maxsize=10_000)
def _slot(key: str | bytes) -> int:
    return key_slot(key.encode("utf-8", "surrogateescape") if isinstance(key, str) else key)


def home_of(call: Call[Any]) -> int | None:
    """The slot on whose node a call is to be carried out; None when it does not matter."""
    args = call.args
    name = args[0]
    key: object = None
    if isinstance(call.near, str) and call.near:
        key = call.near
    elif name in {"EVALSHA", "EVAL"}:
        key = args[3] if args[2] else None
    elif name == "MEMORY":
        key = args[2]
    elif name == "PUBLISH":
        # A message reaches every node. Those who listen to a queue do so where the queue is, and are counted there.
        key = str(args[1]).removesuffix("_channel")
    elif name not in _KEYLESS and len(args) > 1:
        key = args[1]
    return _slot(key) if isinstance(key, str | bytes) else None


class SlotMap:
    """Which node has which slot, as far as is known.

    Args:
        settings: With the URL of the cluster.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.url = RedisUrl.parse(settings.url)
        self.stale = True
        """Something has contradicted it: to be read again."""
        self.masters: tuple[Place, ...] = ()
        self._slots: list[Place | None] = [None] * SLOTS
        self._known: list[Place] = list(self.url.places)
        self._doubted: Place | None = None

    def call(self, asked: Place) -> Call[None]:
        """Read the map from a node."""
        return command("CLUSTER", "SLOTS", parse=lambda reply: self._learn(reply, asked))

    def _learn(self, reply: Any, asked: Place) -> None:
        slots: list[Place | None] = [None] * SLOTS
        masters, replicas = set(), set()
        for first, last, *nodes in reply:
            # A node that does not know its own address leaves it to whoever asks.
            places = [(node[0].decode() if node[0] else asked[0], int(node[1])) for node in nodes]
            masters.add(places[0])
            replicas.update(places[1:])
            slots[first : last + 1] = [places[0]] * (last + 1 - first)
        self._slots, self.masters, self.stale = slots, tuple(sorted(masters)), False
        self._known = list(dict.fromkeys([asked, *self.masters, *sorted(replicas), *self.url.places]))

    def moved(self, slot: int, place: Place) -> None:
        """A node has said where a slot is; there may be more that has moved."""
        self._slots[slot] = place
        self.stale = True

    def doubt(self, place: Place | None) -> None:
        """A node has not answered: read the map again, from another one if possible."""
        self.stale, self._doubted = True, place

    def to_ask(self) -> list[Place]:
        """The nodes to read the map from, one after the other."""
        return sorted(self._known, key=lambda place: place == self._doubted)

    def place_of(self, slot: int | None) -> Place:
        """The node to send a call for `slot` to.

        Raises:
            StoreNotReady: No node has it.
        """
        place = self.masters[0] if slot is None and self.masters else self._slots[slot or 0]
        if place is None:
            self.stale = True
            raise StoreNotReady(f"Redis at {self.url.address} is not ready: no node has slot {slot}")
        return place

    def settings_of(self, place: Place) -> Settings:
        """How to reach one node."""
        return replace(self.settings, url=self.url.at(*place))


@dataclass(frozen=True, slots=True)
class _Part:
    """What one node is asked at a time."""

    place: Place
    indices: list[int]
    """Of the calls among all."""
    calls: list[Call[Any]]
    asking: bool = False
    """Each call comes after an ASKING: its key is just being moved to that node."""


class _Round:
    """Calls on their way to their nodes, and the replies so far."""

    def __init__(self, slots: SlotMap, calls: Sequence[Call[Any]]) -> None:
        self._map, self._calls = slots, calls
        self._replies: list[Any] = [None] * len(calls)
        self._left: dict[tuple[Place, bool], list[int]] = {}
        for i, call in enumerate(calls):
            place = call.near if isinstance(call.near, tuple) else slots.place_of(home_of(call))
            self._left.setdefault((place, False), []).append(i)

    def parts(self) -> list[_Part]:
        """What is to be asked now; nothing when every call has its reply."""
        found = []
        for (place, asking), indices in self._left.items():
            calls = [self._calls[i] for i in indices]
            if asking:
                # ASKING is good for one call only, so a script that the node has never heard of comes with its text.
                calls = [part for call in calls for part in (_ASKING, _in_full(call))]
            found.append(_Part(place, indices, calls, asking))
        self._left = {}
        return found

    def take(self, part: _Part, replies: list[Any]) -> None:
        """The replies to a part; a call that has been sent to another node comes up again."""
        for i, reply in zip(part.indices, replies[1::2] if part.asking else replies, strict=True):
            self._replies[i] = reply
            if isinstance(reply, redis.exceptions.AskError):
                place = (reply.host or part.place[0], reply.port)
                moved = isinstance(reply, redis.exceptions.MovedError)
                if moved:
                    self._map.moved(reply.slot_id, place)
                self._left.setdefault((place, not moved), []).append(i)
            elif isinstance(reply, Exception) and isinstance(translate(reply, ""), StoreNotReady):
                self._map.stale = True

    def replies(self) -> list[Any]:
        """All of them, in the order of the calls."""
        for indices in self._left.values():
            for i in indices:
                self._replies[i] = StoreNotReady(f"Redis at {self._map.url.address} is not ready: its slots are moving")
        return self._replies


def _in_full(call: Call[Any]) -> Call[Any]:
    return call if call.body is None else replace(call, args=call.with_body(), body=None)


def read_map(slots: SlotMap) -> None:
    """Bring a map up to date, from the first node that answers.

    Raises:
        StoreUnavailable: None does.
        StoreError: It refuses.
    """
    last: TaskconsoleError | None = None
    for place in slots.to_ask():
        with contextlib.closing(Wire(slots.settings_of(place))) as wire:
            try:
                wire.run(slots.call(place))
            except TaskconsoleError as error:
                last = error
            else:
                return
    assert last is not None, "a URL names a node"
    raise last


class ClusterWire(Wire):
    """As `Wire`, to a cluster.

    Args:
        settings: With the URL of the cluster.
        timeout: As for `Wire`.
        trace: As for `Wire`.
        acting: As for `Wire`.
    """

    def __init__(
        self, settings: Settings, *, timeout: float | None = None, trace: Trace | None = None, acting: bool = False
    ) -> None:
        self.address = settings.address
        self.sent = 0
        self._lock = threading.Lock()
        self._send = self._exchange if trace is None else trace.around(self._exchange, acting=acting)
        self._map, self._patience = SlotMap(settings), timeout
        self._nodes: dict[Place, Wire] = {}

    def nodes(self) -> tuple[Place, ...]:
        """The masters: for calls that are to go to each of them (`Call.near`)."""
        with self._lock:
            self._look_at_map()
        return self._map.masters

    def _look_at_map(self) -> None:
        if self._map.stale:
            read_map(self._map)
            for gone in self._nodes.keys() - set(self._map.masters):
                self._nodes.pop(gone).close()

    def _exchange(self, calls: Sequence[Call[Any]]) -> list[Any]:
        self.sent += len(calls)
        self._look_at_map()
        asked = _Round(self._map, calls)
        for _ in range(REDIRECTIONS):
            parts = asked.parts()
            if not parts:
                break
            self._carry(asked, parts)
        return asked.replies()

    def _carry(self, asked: _Round, parts: list[_Part]) -> None:
        """Send to every node before the first reply is waited for."""
        failed: list[TaskconsoleError] = []
        begun: list[tuple[_Part, Wire, Any]] = []
        try:
            for part in parts:
                node = self._node(part.place)
                with self._noting(failed, part.place):
                    begun.append((part, node, node.begin(part.calls)))
            while begun:
                part, node, connection = begun[0]
                with self._noting(failed, part.place):
                    asked.take(part, node.finish(connection, part.calls))
                del begun[0]
        finally:
            # Whose replies have not been read must not be asked again on that connection.
            for _, node, _ in begun:
                node.close()
        if failed:
            raise failed[0]

    @contextlib.contextmanager
    def _noting(self, failed: list[TaskconsoleError], place: Place) -> Iterator[None]:
        try:
            yield
        except TaskconsoleError as error:
            self._map.doubt(place)
            failed.append(error)

    def _node(self, place: Place) -> Wire:
        node = self._nodes.get(place)
        if node is None:
            node = self._nodes[place] = Wire(self._map.settings_of(place), timeout=self._patience)
        return node

    def close(self) -> None:
        """Drop the connections; the next call makes new ones."""
        for node in self._nodes.values():
            node.close()


class AsyncClusterWire(AsyncWire):
    """As `AsyncWire`, to a cluster. Calls to one node take turns; no node waits for another.

    Args:
        settings: With the URL of the cluster.
        timeout: As for `AsyncWire`.
    """

    def __init__(self, settings: Settings, *, timeout: float | None = None) -> None:
        self.address = settings.address
        self._timeout = settings.patience if timeout is None else timeout
        self._lock = contextlib.nullcontext()
        self._map = SlotMap(settings)
        self._reading = asyncio.Lock()
        self._nodes: dict[Place, AsyncWire] = {}

    async def _exchange(self, calls: Sequence[Call[Any]], seconds: float) -> list[Any]:
        if self._map.stale:
            await self._read_map()
        asked = _Round(self._map, calls)
        for _ in range(REDIRECTIONS):
            parts = asked.parts()
            if not parts:
                break
            if len(parts) == 1:
                failed = [await self._carry(asked, parts[0], seconds)]
            else:
                async with asyncio.TaskGroup() as group:
                    tasks = [group.create_task(self._carry(asked, part, seconds)) for part in parts]
                failed = [task.result() for task in tasks]
            for error in failed:
                if error is not None:
                    raise error
        return asked.replies()

    async def _carry(self, asked: _Round, part: _Part, seconds: float) -> TaskconsoleError | None:
        """Ask one node; returns why it has not answered."""
        node = self._nodes.get(part.place)
        if node is None:
            node = self._nodes[part.place] = AsyncWire(self._map.settings_of(part.place))
        try:
            replies = await node.ask(part.calls, seconds)
        except TaskconsoleError as error:
            self._map.doubt(part.place)
            return error
        asked.take(part, replies)
        return None

    async def _read_map(self) -> None:
        async with self._reading:
            if not self._map.stale:
                return  # another task has just done it
            await read_map_async(self._map)
        for gone in self._nodes.keys() - set(self._map.masters):
            await self._nodes.pop(gone).close()

    async def close(self) -> None:
        """Drop the connections; the next call makes new ones."""
        for node in list(self._nodes.values()):
            await node.close()


async def read_map_async(slots: SlotMap) -> None:
    """As `read_map`, for asyncio."""
    last: TaskconsoleError | None = None
    for place in slots.to_ask():
        wire = AsyncWire(slots.settings_of(place))
        try:
            await wire.run(slots.call(place))
        except TaskconsoleError as error:
            last = error
        else:
            return
        finally:
            await wire.close()
    assert last is not None, "a URL names a node"
    raise last


class AnyNodeDialer:
    """Makes connections for asyncio to whichever node answers: every node passes on what is published anywhere.

    Args:
        settings: With the URL of the cluster.
    """

    def __init__(self, settings: Settings) -> None:
        self._map = SlotMap(settings)

    async def dial(self) -> Any:
        """A connection that is up; redis-py's errors pass. Cancelled, it leaves none open.

        Raises:
            redis.ConnectionError: No node answers.
        """
        try:
            await read_map_async(self._map)
            return await AsyncDialer(self._map.settings_of(self._map.to_ask()[0])).dial()
        except TaskconsoleError as error:
            raise redis.ConnectionError(str(error)) from None
