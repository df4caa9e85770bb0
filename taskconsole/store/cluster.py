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
from typing import TYPE_CHECKING, Any

import redis

from taskconsole.errors import TaskconsoleError
from taskconsole.store.dialing import AsyncDialer
from taskconsole.store.slots import Part, Round, SlotMap
from taskconsole.store.wire import AsyncWire, Wire

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from taskconsole.config import Settings
    from taskconsole.store.call import Call, Place
    from taskconsole.store.trace import Trace

__all__ = ["AnyNodeDialer", "AsyncClusterWire", "ClusterWire", "read_map"]

REDIRECTIONS = 5
"""How often a call follows a node's word that another one has its key."""


def read_map(slots: SlotMap, timeout: float | None = None) -> None:
    """Bring a map up to date, from the first node that answers; `timeout` as for `Wire`.

    Raises:
        StoreUnavailable: None does.
        StoreError: It refuses.
    """
    last: TaskconsoleError | None = None
    for place in slots.to_ask():
        with contextlib.closing(Wire(slots.settings_of(place), timeout=timeout)) as wire:
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
            read_map(self._map, self._patience)
            for gone in self._nodes.keys() - set(self._map.masters):
                self._nodes.pop(gone).close()

    def _exchange(self, calls: Sequence[Call[Any]]) -> list[Any]:
        self.sent += len(calls)
        self._look_at_map()
        asked = Round(self._map, calls)
        for _ in range(REDIRECTIONS):
            parts = asked.parts()
            if not parts:
                break
            self._carry(asked, parts)
        return asked.replies()

    def _carry(self, asked: Round, parts: list[Part]) -> None:
        """Send to every node before the first reply is waited for."""
        failed: list[TaskconsoleError] = []
        begun: list[tuple[Part, Wire, Any]] = []
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
        asked = Round(self._map, calls)
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

    async def _carry(self, asked: Round, part: Part, seconds: float) -> TaskconsoleError | None:
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
