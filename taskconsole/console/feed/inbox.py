"""Where events wait for the next frame: bounded, so that a flood costs counts and not memory."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from taskconsole.model.event import Event

__all__ = ["Inbox"]

CAPACITY = 10_000


class Inbox:
    """Written by the listening thread, emptied by the loop."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._lock = threading.Lock()
        self._events: deque[Event] = deque(maxlen=capacity)
        self._lost = 0
        self.arrived = 0
        """Events ever put in."""

    def put(self, events: list[Event]) -> bool:
        """Add events, the oldest make room; True when it was empty, so that its reader must be told."""
        if not events:
            return False
        with self._lock:
            was_empty = not self._events
            self._lost += max(0, len(self._events) + len(events) - (self._events.maxlen or 0))
            self._events.extend(events)
            self.arrived += len(events)
            return was_empty

    def drain(self) -> tuple[list[Event], int]:
        """Take everything: the events, and how many made room for them unseen."""
        with self._lock:
            events, lost = list(self._events), self._lost
            self._events.clear()
            self._lost = 0
            return events, lost
