"""Asking what the view on the screen wants to know: one query at a time, again and again while it is shown."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from taskconsole.console.feed.queries import Answer
from taskconsole.errors import TaskconsoleError

if TYPE_CHECKING:
    from collections.abc import Callable

    from taskconsole.backends.base import Backend
    from taskconsole.console.feed.queries import Query

__all__ = ["Looker"]

UNSEEN = 5.0
"""How many times less often to ask while nobody looks."""

SHARE = 5.0
"""Times as long as an answer takes to wait before asking again: a slow server is not kept busy by its doctor."""


class Looker:
    """Carries out the newest query; `run` belongs into a thread of its own.

    Args:
        live: The backend while it can be asked, else None.
        publish: Gets an `Answer` after every attempt, unless another query has come in between.
    """

    def __init__(self, live: Callable[[], Backend | None], publish: Callable[[Answer], None]) -> None:
        self._live = live
        self._publish = publish
        self._changed = threading.Condition()
        self._query: Query | None = None
        self._due = 0.0
        self._stopped = False
        self.focused = True

    def watch(self, query: Query | None) -> None:
        """Ask this from now on, at once when it is another than before; None for nothing."""
        with self._changed:
            if query != self._query:
                self._query, self._due = query, 0.0
                self._changed.notify_all()

    def nudge(self) -> None:
        """Ask now."""
        with self._changed:
            self._due = 0.0
            self._changed.notify_all()

    def stop(self) -> None:
        """End `run`, after the question that is under way."""
        with self._changed:
            self._stopped, self._query = True, None
            self._changed.notify_all()

    def run(self) -> None:
        """Until stopped."""
        while (query := self._next()) is not None:
            backend = self._live()
            if backend is None:
                # Whoever finds the server again nudges.
                self._plan(query, float("inf"))
                continue
            answer = self._ask(query, backend)
            if self._still(query):
                self._publish(answer)
            wished = query.every if self.focused else query.every * UNSEEN
            self._plan(query, time.monotonic() + max(wished, SHARE * answer.took))

    def _next(self) -> Query | None:
        """The query whose time has come; None when it is over."""
        with self._changed:
            while not self._stopped:
                if self._query is not None and self._due <= time.monotonic():
                    self._due = float("inf")
                    return self._query
                left = None if self._query is None or self._due == float("inf") else self._due - time.monotonic()
                self._changed.wait(left)
        return None

    def _plan(self, query: Query, due: float) -> None:
        with self._changed:
            # A nudge in the meantime stands.
            if self._query == query and self._due == float("inf"):
                self._due = due

    def _still(self, query: Query) -> bool:
        with self._changed:
            return self._query == query

    def _ask(self, query: Query, backend: Backend) -> Answer:
        began = time.monotonic()

        def tell(part: object) -> bool:
            wanted = self._still(query)
            if wanted:
                now = time.monotonic()
                self._publish(Answer(query=query, value=part, at=now, took=now - began, final=False))
            return wanted

        value, error = None, ""
        try:
            value = query.read(backend, tell)
        except TaskconsoleError as refusal:
            error = str(refusal)
        except Exception as unforeseen:  # noqa: BLE001 (a thread's traceback would land on the screen)
            error = f"unexpected {type(unforeseen).__name__} in the backend"
        now = time.monotonic()
        return Answer(query=query, value=value, error=error, at=now, took=now - began)
