"""One schedule as a list shows it. Pure; times are seconds since the epoch by the clock of Redis."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from taskconsole.model.definition import Definition
    from taskconsole.model.firing import RunRecord

__all__ = ["ScheduleInfo", "ScheduleState"]

LATE = 10.0
"""Seconds behind its time from which on nobody seems to fire it."""


class ScheduleState(StrEnum):
    """The word for a schedule."""

    ON = "ON"
    PAUSED = "PAUSED"
    LATE = "LATE"
    """Its time has passed, and nobody has fired it."""
    ORPHAN = "ORPHAN"
    """No live app declares it any more; it is fired all the same."""
    OVER = "OVER"
    """It has no further instant, or has made all its tasks."""
    BROKEN = "BROKEN"
    """What stands in Redis is no schedule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleInfo:
    """One schedule at one moment."""

    name: str
    """Empty when nothing of the queue could be read; `trouble` says why."""
    queue: str
    definition: Definition | None
    """None when it cannot be read; `trouble` says why."""
    raw: bytes
    """The definition as it stands in Redis; of one that is too long the beginning."""
    trouble: str = ""
    next_at: float | None = None
    """When its next task is made; None for never, or not while it is paused."""
    instant: float | None = None
    """The instant that task is for; differs by the jitter."""
    last: float | None = None
    """The newest instant that was decided: fired, skipped or missed."""
    fires: int = 0
    """Regular tasks made so far."""
    running: tuple[tuple[str, float], ...] = ()
    """(id, since when) of its tasks that are not finished; the newest twenty at most."""
    buffered: bool = False
    """One more waits for the end of another."""
    runs: tuple[RunRecord, ...] = ()
    """How the last ones ended, newest first; five in a list, twenty for a single schedule."""
    orphan: bool = False
    changed: bool = False
    """The code declares it otherwise than it stands: an operator has changed it."""

    def state(self, now: float) -> ScheduleState:
        """The word for it at `now`."""
        if self.definition is None:
            return ScheduleState.BROKEN
        if self.definition.paused is not None:
            return ScheduleState.PAUSED
        if self.next_at is None:
            return ScheduleState.OVER
        if self.next_at < now - LATE:
            return ScheduleState.LATE
        return ScheduleState.ORPHAN if self.orphan else ScheduleState.ON
