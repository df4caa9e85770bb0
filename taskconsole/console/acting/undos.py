"""What can still be taken back: the last actions with what undoes them, as long as Redis keeps it. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from taskconsole.backends.commands import (
    PauseQueue,
    PauseSchedule,
    RemoveSchedule,
    RestoreSchedule,
    ResumeQueue,
    ResumeSchedule,
    Undo,
)

if TYPE_CHECKING:
    from taskconsole.backends.base import Applied
    from taskconsole.backends.commands import Command

__all__ = ["Taken", "Undos"]

KEPT = 50
"""Actions that are remembered; each holds a few tokens."""

ANY_TIME = float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """An action that can be taken back."""

    what: str
    """What was done; not yet made safe."""
    at: float
    """When, by the clock of Redis."""
    until: float
    """The last moment; infinite when there is none."""
    undo: Command


class Undos:
    """The newest first."""

    def __init__(self) -> None:
        self._taken: deque[Taken] = deque(maxlen=KEPT)

    def note(self, command: Command, applied: Applied, by: str, now: float) -> Taken | None:
        """Remember an action that was carried out; returns what takes it back, None when nothing does."""
        undo, until = _inverse(command, applied, by)
        if undo is None or not applied.changed:
            return None
        taken = Taken(what=applied.text, at=now, until=until, undo=undo)
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


def _inverse(command: Command, applied: Applied, by: str) -> tuple[Command | None, float]:
    """What takes a command back, and until when."""
    if isinstance(command, Undo):
        return None, 0.0
    if applied.undo is not None:
        return Undo(done=applied.undo, by=by), applied.undo.until
    return _opposite(command, by), ANY_TIME


def _opposite(command: Command, by: str) -> Command | None:
    """The command that brings back what was, where one says it all."""
    reason = "resuming it was undone"
    match command:
        case PauseQueue(queue=queue):
            return ResumeQueue(queue=queue, by=by)
        case ResumeQueue(queue=queue):
            return PauseQueue(queue=queue, by=by, reason=reason)
        case PauseSchedule(name=name, queue=where):
            return ResumeSchedule(name=name, queue=where, by=by)
        case ResumeSchedule(name=name, queue=where):
            return PauseSchedule(name=name, queue=where, by=by, reason=reason)
        case RemoveSchedule(name=name, queue=where):
            return RestoreSchedule(name=name, queue=where, by=by)
    return None
