"""What there is to say about a recording and about a moment of it. Pure values.

A position is seconds since the recording began; all other times are seconds since the epoch by the clock of Redis.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from taskconsole.errors import TaskconsoleError

__all__ = ["About", "Connection", "Mark", "MarkKind", "Spell"]


class MarkKind(StrEnum):
    """What one may want to jump to."""

    FAILURE = "failure"
    """Attempts that failed, tasks and workers that died."""
    VERDICT = "verdict"
    """Something is wrong that was not, or is no longer."""
    LINK = "link"
    """The connection was lost, or came back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A moment at which something changed."""

    position: float
    kind: MarkKind
    text: str
    """What, in a line; not yet made safe."""
    bad: bool = True
    """It became worse, not better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """How it stood with the connection."""

    since: float = 0.0
    """The position since which it has been lost."""
    failures: int = 0
    """Attempts in a row that have failed; 0 while it was there."""
    error: TaskconsoleError | None = None
    """Why the last of them failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spell:
    """How long one thing was wrong."""

    rule: str
    queue: str
    level: str
    text: str
    """As it was said when it came."""
    came: float
    went: float | None = None
    """None: it was so to the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """A recording as a whole."""

    began: float
    ended: float
    seconds: float
    program: str = ""
    """The version that wrote it."""
    addresses: tuple[str, ...] = ()
    """The servers that were looked at, in that order."""
    queues: tuple[str, ...] = ()
    """Every queue that was ever seen, by name."""
    readings: int = 0
    answers: int = 0
    """To what was looked at besides."""
    events: int = 0
    unkept: int = 0
    """Events that were too many to be recorded."""
    outages: int = 0
    """Times the connection was lost."""
    spells: tuple[Spell, ...] = ()
    """What was wrong, in the order it came."""
    size: int = 0
    """Bytes."""
    unreadable: int = 0
    """Lines that cannot be read."""
    where: tuple[int, ...] = field(default=())
    """The numbers of the first of them; the first line of a file is 1."""
    unknown: int = 0
    """Lines of a kind that this version does not know."""
    incomplete: bool = False
    """The last line was not written to its end."""

    def flaws(self) -> str:
        """What could not be read, in one line; empty when all could."""
        parts = []
        if self.unreadable:
            lines = ", ".join(map(str, self.where)) + (" …" if len(self.where) < self.unreadable else "")
            parts.append(f"{self.unreadable:,} lines cannot be read and are left out: {lines}")
        if self.unknown:
            parts.append(f"{self.unknown:,} lines are of a kind that this version does not know")
        if self.incomplete:
            parts.append("the last line was not written to its end")
        return "; ".join(parts)
