"""Where the threads put what the console takes: the newest snapshot, the newest answer, an inbox of events.

Each place is bounded. A message says that there is something to take; nobody waits for the console.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from taskconsole.console.feed.inbox import Inbox
from taskconsole.console.feed.link import Link, Phase
from taskconsole.console.messages import AnswerChanged, EventsWaiting, LinkChanged

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.message import Message

    from taskconsole.console.feed.errands import Errands
    from taskconsole.console.feed.queries import Answer, Query
    from taskconsole.model.event import Event

__all__ = ["Handover"]


class Handover:
    """Everything the console is given, and what it may ask for; `Feed` gives it from a server.

    Args:
        tell: Hands a message to the console from any thread, without waiting (`App.post_message`).
        heard: Given every event on its way.
    """

    def __init__(
        self, tell: Callable[[Message], object], heard: Callable[[list[Event]], object] = lambda _events: None
    ) -> None:
        self._tell = tell
        self._heard = heard
        self._inbox = Inbox()
        self._lock = threading.Lock()
        self._link = Link()
        self._answer: Answer | None = None
        self._told = False
        self._told_answer = False

    errands: Errands
    """What is foreseen and carried out, and whether anything may be."""

    @property
    def speed(self) -> float:
        """How many seconds pass in what is shown while one passes here."""
        return 1.0

    # -- what the console does

    def start(self) -> None:
        """Begin; the first snapshot is under way when this returns."""
        raise NotImplementedError

    def stop(self, wait: float = 0.0) -> None:
        """End all threads and wait up to `wait` seconds for them."""
        raise NotImplementedError

    def wake(self) -> None:
        """Look now."""
        raise NotImplementedError

    def watch(self, query: Query | None) -> None:
        """Ask this from now on, for the view that is on the screen."""
        raise NotImplementedError

    def set_focused(self, focused: bool) -> None:
        """Somebody looks, or nobody."""

    @property
    def interval(self) -> float:
        """The wished seconds between two snapshots."""
        raise NotImplementedError

    def set_interval(self, seconds: float) -> None:
        """So many from now on."""

    def take_link(self) -> Link:
        """The newest snapshot; the next one will be told of again."""
        with self._lock:
            self._told = False
            return self._link

    def take_answer(self) -> Answer | None:
        """The newest answer to the query that is watched; the next one will be told of again."""
        with self._lock:
            self._told_answer = False
            return self._answer

    def take_events(self) -> tuple[list[Event], int]:
        """The events that have arrived, oldest first, and how many more the inbox could not hold."""
        return self._inbox.drain()

    # -- what the threads do

    def publish(self, link: Link) -> bool:
        """A newer snapshot; True when it is live and the one before was not."""
        with self._lock:
            came_back = link.phase is Phase.LIVE and self._link.phase is not Phase.LIVE
            self._link = link
            told, self._told = self._told, True
        if not told:
            self._tell(LinkChanged())
        return came_back

    def publish_answer(self, answer: Answer) -> None:
        """A newer answer."""
        with self._lock:
            self._answer = answer
            told, self._told_answer = self._told_answer, True
        if not told:
            self._tell(AnswerChanged())

    def drop_answer(self, query: Query | None) -> None:
        """An answer to any other question is of no use any more."""
        with self._lock:
            if self._answer is not None and self._answer.query != query:
                self._answer = None

    def put(self, events: list[Event]) -> None:
        """Events have arrived."""
        self._heard(events)
        if self._inbox.put(events):
            self._tell(EventsWaiting())
