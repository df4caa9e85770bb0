"""The queue that tasks are to be put into."""

from __future__ import annotations

from typing import TYPE_CHECKING

from taskconsole.console.dialogs.line import LineDialog
from taskconsole.console.text.format import UNICODE, Glyphs
from taskconsole.console.text.safe import safe
from taskconsole.model.nearest import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["MoveForm"]


class MoveForm(LineDialog):
    """Returns the name of the other queue.

    Args:
        what: Which tasks, safe.
        queue: The queue they are in; empty when they are in several.
        queues: The queues there are.
    """

    def __init__(self, what: str, queue: str, queues: Sequence[str], *, glyphs: Glyphs = UNICODE) -> None:
        self._queue = queue
        self._queues = [name for name in queues if name != queue]
        super().__init__(f"move {what}", "to queue", hint="tab completes", glyphs=glyphs)

    def meaning(self, text: str) -> tuple[str, bool]:
        """Whether there is such a queue."""
        if not text:
            return "the name of the other queue: " + safe("  ".join(self._queues[:20]), 200), False
        if text == self._queue:
            return "they are in that queue already", False
        if text in self._queues:
            return "enter moves them   esc leaves them", True
        return f"a new queue{safe(did_you_mean(text, self._queues), 100)}   enter moves them", True

    def completed(self, text: str) -> str:
        """The next queue whose name begins with it."""
        if text in self._queues:
            return self._queues[(self._queues.index(text) + 1) % len(self._queues)]
        return next((name for name in self._queues if name.startswith(text)), text)
