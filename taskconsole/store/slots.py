"""Which node of a cluster a call goes to, and what comes of its answer: no connection in here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import redis
from redis.crc import key_slot

from taskconsole.errors import StoreNotReady
from taskconsole.redis_url import RedisUrl
from taskconsole.store.call import Call, Place, command
from taskconsole.store.wire import translate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from taskconsole.config import Settings

__all__ = ["Part", "Round", "SlotMap", "home_of"]

SLOTS = 16_384

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
class Part:
    """What one node is asked at a time."""

    place: Place
    indices: list[int]
    """Of the calls among all."""
    calls: list[Call[Any]]
    asking: bool = False
    """Each call comes after an ASKING: its key is just being moved to that node."""


class Round:
    """Calls on their way to their nodes, and the replies so far."""

    def __init__(self, slots: SlotMap, calls: Sequence[Call[Any]]) -> None:
        self._map, self._calls = slots, calls
        self._replies: list[Any] = [None] * len(calls)
        self._left: dict[tuple[Place, bool], list[int]] = {}
        for i, call in enumerate(calls):
            place = call.near if isinstance(call.near, tuple) else slots.place_of(home_of(call))
            self._left.setdefault((place, False), []).append(i)

    def parts(self) -> list[Part]:
        """What is to be asked now; nothing when every call has its reply."""
        found = []
        for (place, asking), indices in self._left.items():
            calls = [self._calls[i] for i in indices]
            if asking:
                # ASKING is good for one call only, so a script that the node has never heard of comes with its text.
                calls = [part for call in calls for part in (_ASKING, _in_full(call))]
            found.append(Part(place, indices, calls, asking))
        self._left = {}
        return found

    def take(self, part: Part, replies: list[Any]) -> None:
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
