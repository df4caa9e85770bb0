"""Hearing what is published. Pub/sub is a hint: it loses silently, so nothing here is ever needed for progress."""

from __future__ import annotations

import asyncio
import math
import random
import select
import time
from typing import TYPE_CHECKING, Any

import redis

from taskconsole.store.call import command
from taskconsole.store.cluster import AnyNodeDialer, read_map
from taskconsole.store.dialing import AsyncDialer, Dialer, hang_up
from taskconsole.store.slots import SlotMap, home_of
from taskconsole.store.wire import translate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from taskconsole.config import Settings
    from taskconsole.store.call import Place

__all__ = ["ClusterListener", "Listener", "subscribe"]


async def subscribe(settings: Settings, channels: list[str]) -> AsyncIterator[tuple[str, str]]:
    """Channel and text of each message on `channels`, for ever; reconnects by itself."""
    dialer = AnyNodeDialer(settings) if settings.spread else AsyncDialer(settings)
    pause = 0.1
    while True:
        connection: Any = None
        try:
            connection = await dialer.dial()
            await connection.send_command("SUBSCRIBE", *channels, check_health=False)
            while True:
                reply = await connection.read_response(disable_decoding=True, timeout=math.inf)
                pause = 0.1
                if reply and reply[0] == b"message":
                    yield reply[1].decode("utf-8", "replace"), reply[2].decode("utf-8", "replace")
        except (redis.RedisError, OSError, ValueError, TypeError, LookupError, AttributeError):
            # The latter four: an answer of another shape, the stream of replies is damaged.
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(2 * pause, 5.0)
        finally:
            if connection is not None:
                await hang_up(connection)


class Listener:
    """A blocking subscriber: messages of a changing set of channels."""

    def __init__(self, settings: Settings) -> None:
        self._address = settings.address
        self._dialer = Dialer(settings, settings.patience)
        self._connection: Any = None
        self._channels: set[str] = set()

    def join(self, channels: Iterable[str]) -> set[str]:
        """Also hear these channels; returns the ones that are new.

        Raises:
            StoreUnavailable: No connection.
            AccessDenied: Not allowed.
        """
        new = set(channels) - self._channels
        if not new:
            return new
        try:
            if self._connection is None:
                self._connection = self._dialer.dial()
            self._connection.send_command("SUBSCRIBE", *sorted(new), check_health=False)
        except (redis.RedisError, OSError, ValueError) as error:  # ValueError: bytes that are not the protocol
            raise translate(error, self._address) from None
        self._channels |= new
        return new

    def read(self, seconds: float) -> tuple[str, bytes] | None:
        """The next message as channel and bytes; None when none came within `seconds`.

        Raises:
            StoreUnavailable: The connection is lost; messages may have been missed.
        """
        try:
            if not self._connection.can_read(timeout=seconds):
                return None
            reply = self._connection.read_response(disable_decoding=True)
        except (redis.RedisError, OSError, ValueError) as error:  # ValueError: bytes that are not the protocol
            raise translate(error, self._address) from None
        if isinstance(reply, list) and reply and reply[0] == b"message":
            return reply[1].decode("utf-8", "backslashreplace"), bytes(reply[2])
        return None

    def fileno(self) -> int:
        """What `select` can wait for."""
        return int(self._connection._sock.fileno())  # noqa: SLF001 - redis-py hides it

    def drain(
        self, take: Callable[[str, bytes], None], seconds: float, *, gather: float = 0.0, at_most: int = 10_000
    ) -> int:
        """Hand over what arrives within `seconds` and is there `gather` seconds after the first; returns how many."""
        taken = 0
        message = self.read(seconds)
        if message is not None and gather:
            time.sleep(gather)
        while message is not None:
            take(*message)
            taken += 1
            if taken >= at_most:
                break
            message = self.read(0)
        return taken

    def close(self) -> None:
        """Hang up."""
        if self._connection is not None:
            self._connection.disconnect()


class ClusterListener(Listener):
    """As `Listener`, to a cluster.

    A message reaches every node, but whether anybody listens is asked where the queue is (PUBSUB NUMSUB counts the
    subscribers of one node): each channel is joined at the node of its queue.
    """

    def __init__(self, settings: Settings) -> None:
        self._map = SlotMap(settings)
        self._nodes: dict[Place, Listener] = {}
        self._channels: set[str] = set()

    def join(self, channels: Iterable[str]) -> set[str]:
        """As `Listener.join`."""
        new = set(channels) - self._channels
        if new and self._map.stale:
            read_map(self._map)
        for channel in sorted(new):
            place = self._map.place_of(home_of(command("PUBLISH", channel, parse=int)))
            if place not in self._nodes:
                self._nodes[place] = Listener(self._map.settings_of(place))
            self._nodes[place].join([channel])
        self._channels |= new
        return new

    def read(self, seconds: float) -> tuple[str, bytes] | None:
        """As `Listener.read`."""
        deadline = time.monotonic() + seconds
        while True:
            for node in self._nodes.values():
                message = node.read(0)
                if message is not None:
                    return message
            left = deadline - time.monotonic()
            if left <= 0 or not select.select(list(self._nodes.values()), [], [], left)[0]:
                return None

    def close(self) -> None:
        """Hang up."""
        for node in self._nodes.values():
            node.close()
