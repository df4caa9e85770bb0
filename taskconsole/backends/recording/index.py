"""Where in a recording what stands, so that any moment of it is found without reading it all again."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, NamedTuple

__all__ = ["Entry", "Kind", "Run", "Times", "Track", "Where"]


class Where(NamedTuple):
    """A line of the file."""

    offset: int
    length: int


class Kind(Enum):
    """What a line of a stream says."""

    FULL = auto()
    CHANGE = auto()
    SAME = auto()
    ERROR = auto()
    END = auto()
    """Nothing: another server was looked at from then on."""


class Entry(NamedTuple):
    """One answer to a question."""

    t: float
    kind: Kind
    where: Where


@dataclass(slots=True)
class Track:
    """All answers to one question, oldest first."""

    of: tuple[Any, ...]
    entries: list[Entry] = field(default_factory=list)
    moments: list[float] = field(default_factory=list)
    plain: tuple[int, Any] = (-1, None)
    """The last value that was put together, and of which entry it is."""
    value: tuple[int, Any] = (-1, None)
    """The same as a value of ours."""

    def add(self, entry: Entry) -> None:
        """The newest answer."""
        self.entries.append(entry)
        self.moments.append(entry.t)

    def at(self, position: float) -> int:
        """The newest entry by then; -1 when there is none."""
        return bisect_right(self.moments, position) - 1

    def basis(self, index: int) -> int | None:
        """From which entry on those up to `index` have to be read; None when its beginning is missing."""
        known, _ = self.plain
        for i in range(index, -1, -1):
            if self.entries[i].kind is Kind.FULL or i == known:
                return i
        return None

    def nearest(self, position: float) -> float | None:
        """When an answer was recorded, nearest to a position."""
        found = [entry.t for i in (self.at(position), self.at(position) + 1) if (entry := self._answer(i))]
        return min(found, key=lambda t: abs(t - position), default=None)

    def _answer(self, index: int) -> Entry | None:
        while 0 <= index < len(self.entries) and self.entries[index].kind is Kind.END:
            index -= 1
        return self.entries[index] if 0 <= index < len(self.entries) else None


@dataclass(slots=True)
class Run:
    """One search: what was looked for, and the lines with what was found."""

    key: str
    t: float
    n: int = 0
    pieces: list[tuple[float, Where]] = field(default_factory=list)


@dataclass(slots=True)
class Times:
    """What time it was by the clock of Redis, at each position that is known."""

    began: float
    """By the clock of whoever recorded, for as long as nothing else is known."""
    positions: list[float] = field(default_factory=list)
    clocks: list[float] = field(default_factory=list)

    def add(self, position: float, at: float) -> None:
        """A reading says what time it is."""
        if math.isfinite(at):
            self.positions.append(position)
            self.clocks.append(at)

    def clock(self, position: float) -> float:
        """The time at a position, carried on from the reading before it, or back from the first."""
        i = max(0, bisect_right(self.positions, position) - 1)
        if not self.positions:
            return self.began + position
        return self.clocks[i] + position - self.positions[i]

    def position(self, at: float) -> float:
        """The first position at which it was `at`."""
        # A clock may have been set back; the first reading that late is what is looked for.
        i = next((i for i, clock in enumerate(self.clocks) if clock >= at), len(self.clocks))
        if not self.clocks:
            return at - self.began
        if i == 0:
            return self.positions[0] - (self.clocks[0] - at)
        reached = self.positions[i - 1] + at - self.clocks[i - 1]
        return min(reached, self.positions[i]) if i < len(self.positions) else reached
