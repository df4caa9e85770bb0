"""One task in full: what it carries, what has happened to it, and how its attempts ended. Pure values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from taskconsole.model.stats import TaskRow

__all__ = ["Attempt", "Moment", "TaskDetail"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt that failed."""

    number: int
    """The first is 1; 0 when nobody noted it."""
    at: float | None = None
    """When it ended, seconds since the epoch."""
    seconds: float | None = None
    """How long it ran."""
    worker: str = ""
    error: str = ""
    """One line: the exception and its message, or the reason."""
    traceback: str = ""
    """Several lines; empty when none was kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Something that happened to a task, or will."""

    at: float
    """Seconds since the epoch."""
    what: str
    """A word of ours: `enqueued`, `due`, `started`, `retried`, `died` …"""
    text: str = ""
    """What else is known of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskDetail:
    """One task, read as a whole."""

    row: TaskRow
    payload: bytes
    """Its first 65,536 bytes; `row.size` tells whether that is all."""
    timeline: tuple[Moment, ...] = ()
    """Oldest first; only what is known."""
    attempts: tuple[Attempt, ...] = ()
    """Newest first; the payload keeps the last three."""
    running: float | None = None
    """Seconds it has been running, as its worker says; None when it does not run or is not among those named."""
