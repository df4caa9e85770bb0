"""Failures that are alike, as one group: the exception, the message without what differs, and the task. Pure values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from taskconsole.model.stats import TaskRow

__all__ = ["FailureGroup", "Failures"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureGroup:
    """Tasks of one queue that failed for one reason."""

    queue: str
    task: str
    exception: str
    """The class of the exception, or the reason in words."""
    message: str
    """Normalised: numbers, ids, addresses and quoted values are placeholders."""
    dead: int = 0
    """Of those looked at, tasks that are dead."""
    retrying: int = 0
    """Of those looked at, tasks that wait for another attempt."""
    first: float | None = None
    """The oldest of them, seconds since the epoch."""
    last: float | None = None
    sample: TaskRow | None = None
    """The newest of them."""

    @property
    def count(self) -> int:
        """All of them."""
        return self.dead + self.retrying


@dataclass(frozen=True, slots=True, kw_only=True)
class Failures:
    """What a bounded look at the failed tasks of every queue has found."""

    groups: tuple[FailureGroup, ...]
    """The largest first."""
    looked: int
    """Tasks that were looked at, the newest of each queue."""
    total: int
    """Dead tasks there are; with more than were looked at, the counts of groups are lower bounds."""
