"""What every rule has in common: how bad, what is said, and the text that documents it. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Level", "Rule", "Verdict"]


class Level(StrEnum):
    """How bad it is."""

    CRITICAL = "critical"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One thing an operator should know; every text is printable."""

    level: Level
    rule: str
    """The rule's name, for programs: it stays the same."""
    queue: str = ""
    """The queue's real name, as it is; empty for the server."""
    text: str
    """`mail: NO WORKERS, 3 pending` for a queue, `MEMORY: …` for the server: the word in capitals says which rule."""
    evidence: str = ""
    since: float | None = None
    """Seconds since the epoch; None when nobody knows."""
    fix: str = ""
    """A command to paste into a shell; empty when no command mends it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One thing that can be wrong."""

    name: str
    levels: tuple[Level, ...]
    """The worst first."""
    when: str
    """The condition, with its thresholds."""
    means: str
    """What it does to tasks."""
    fix: str
    """What mends it, in words or as a command with QUEUE in the place of the name."""

    def found(
        self,
        level: Level,
        text: str,
        *,
        queue: str = "",
        evidence: str = "",
        since: float | None = None,
        fix: str = "",
    ) -> Verdict:
        """A verdict by this rule; a `since` that is no moment is left out."""
        assert level in self.levels, f"{self.name} has no level {level}"
        if since is not None and not math.isfinite(since):
            since = None
        return Verdict(level=level, rule=self.name, queue=queue, text=text, evidence=evidence, since=since, fix=fix)
