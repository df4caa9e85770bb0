"""One key after another: the next when all that the last one set off has been done.

Textual hands keys to the widget that has the focus as fast as they come. Over a slow line they come in bursts: of
`:delayed` all but the colon would still go to the table, where `d` and `e` are keys that do something.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from textual import events

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from textual.app import App
    from textual.dom import DOMNode

__all__ = ["Turnstile"]

PATIENCE = 1.0
"""Seconds after which a key is thought to be done: a widget on its way may have been taken away."""

ROUNDS = 2
"""A key climbs from the focused widget to the app, and so does a message that its action has sent."""


class Turnstile:
    """Keys and pastes wait here for their turn.

    Args:
        app: The one that takes them.
        take: What it does with one.
    """

    def __init__(self, app: App[int], take: Callable[[events.Event], Awaitable[None]]) -> None:
        self._app = app
        self._take = take
        self._waiting: deque[events.Event] = deque()
        self._turn = 0
        """Counts the keys that were let in."""
        self._under_way = False

    @staticmethod
    def is_for(event: events.Event) -> bool:
        """True for what is typed; but for what ends the console, which never waits."""
        typed = isinstance(event, events.Key | events.Paste) and not event.is_forwarded
        return typed and getattr(event, "key", "") != "ctrl+c"

    async def enter(self, event: events.Event) -> None:
        """Take it when it is its turn; at once when nothing is under way."""
        self._waiting.append(event)
        if not self._under_way:
            await self._next()

    async def _next(self) -> None:
        self._under_way = bool(self._waiting)
        if not self._waiting:
            return
        self._turn += 1
        turn = self._turn
        # Whoever takes it away does so after this.
        way = self._way()
        await self._take(self._waiting.popleft())
        self._app.set_timer(PATIENCE, lambda: self._done(turn))
        self._climb(turn, way, ROUNDS)

    def _way(self) -> Iterator[DOMNode]:
        """From where keys go to, up to the app."""
        return iter((self._app.focused or self._app.screen).ancestors_with_self)

    def _climb(self, turn: int, way: Iterator[DOMNode], rounds: int) -> None:
        """Wait for each node to come to the end of what it had to do by now, one after the other."""
        for node in way:
            if node.call_later(self._climb, turn, way, rounds):
                return
        if rounds > 1:
            self._climb(turn, self._way(), rounds - 1)
        else:
            self._app.call_later(self._done, turn)

    async def _done(self, turn: int) -> None:
        if turn == self._turn and self._under_way:
            await self._next()
