"""What the console knows of the server at one moment, and the words for it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from taskconsole.backends.base import Can
from taskconsole.console.text.format import clock, duration

if TYPE_CHECKING:
    from taskconsole.model.stats import Overview

__all__ = ["Link", "Phase"]

GRACE = 2.5
"""Seconds a reading may be late before it is called stale: a socket's timeout and a little."""


class Phase(StrEnum):
    """How it stands with the connection."""

    CONNECTING = "CONNECTING"
    LIVE = "LIVE"
    DISCONNECTED = "DISCONNECTED"
    DENIED = "DENIED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A snapshot by the feed; `read_at`, `since` and `retry_at` are of the monotonic clock."""

    phase: Phase = Phase.CONNECTING
    overview: Overview | None = None
    """The last good reading, however old."""
    read_at: float = 0.0
    """When it arrived."""
    interval: float = 1.0
    """Seconds between two readings, as adapted to the link."""
    slow: bool = False
    """The interval is longer than wished, because readings take long."""
    rtt: float = 0.0
    """Smoothed seconds of a round trip."""
    cost: float = 0.0
    """Commands that this console sends a second."""
    since: float = 0.0
    """When the connection was lost."""
    failures: int = 0
    retry_at: float = 0.0
    """When it will be tried again."""
    error: str = ""
    """Why it is not live; not yet made safe."""
    can: Can = Can.READ

    def server_now(self, monotonic: float) -> float:
        """Seconds since the epoch by the server's clock, carried on from the last reading; else 0."""
        return 0.0 if self.overview is None else self.overview.at + monotonic - self.read_at

    def clock_text(self) -> str:
        """The time of the reading, for the right end of the header; empty when its words tell the time."""
        return "" if self.overview is None else f"{clock(self.overview.at)}Z "

    def stale_for(self, monotonic: float) -> float | None:
        """Seconds since the last reading if that is too long; None for fresh figures or none."""
        if self.overview is None:
            return None
        old = monotonic - self.read_at
        late = self.phase is not Phase.LIVE or old > 2 * self.interval + GRACE
        return old if late else None

    def words(self, monotonic: float) -> str:
        """The state of the connection, fit for the header."""
        if self.phase is Phase.CONNECTING:
            return "CONNECTING"
        if self.phase is Phase.DENIED:
            return "ACCESS DENIED   ctrl+r tries again"
        if self.phase is Phase.DISCONNECTED:
            left = max(0, round(self.retry_at - monotonic))
            when = f"in {left}s (ctrl+r now)" if left else "now"
            return f"DISCONNECTED {duration(monotonic - self.since)}  retry {self.failures} {when}"
        stale = self.stale_for(monotonic)
        if stale is not None:
            return f"STALE {duration(stale)}"
        return f"LIVE {self.interval:.0f}s" + (" slow link" if self.slow else "")
