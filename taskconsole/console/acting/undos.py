"""What can still be taken back: the last actions with what undoes them, as long as Redis keeps it. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from taskconsole.backends.commands import Undo

if TYPE_CHECKING:
    from taskconsole.backends.base import Applied
    from taskconsole.backends.commands import Command

__all__ = ["Taken", "Undos"]

KEPT = 50
"""Actions that are remembered; each holds a few tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """An action that can be taken back."""

    what: str
    """What was done; not yet made safe."""
    at: float
    """When, by the clock of Redis."""
    until: float
    """The last moment."""
    undo: Undo


class Undos:
    """The newest first."""

    def __init__(self) -> None:
        self._taken: deque[Taken] = deque(maxlen=KEPT)

    def note(self, command: Command, applied: Applied, by: str, now: float) -> Taken | None:
        """Remember an action that was carried out; returns what takes it back, None when nothing does."""
        if isinstance(command, Undo) or applied.undo is None or not applied.changed:
            return None
        taken = Taken(what=applied.text, at=now, until=applied.undo.until, undo=Undo(done=applied.undo, by=by))
        self._taken.appendleft(taken)
        return taken

    def possible(self, now: float) -> list[Taken]:
        """Those for which it is not too late."""
        return [taken for taken in self._taken if taken.until > now]

    def forget(self, taken: Taken) -> None:
        """It was taken back, or cannot be any more."""
        if taken in self._taken:
            self._taken.remove(taken)

    def clear(self) -> None:
        """Another server: nothing of it applies there."""
        self._taken.clear()
