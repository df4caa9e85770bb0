"""A moment of a recording, as the console's views see it: all times are those of then."""

from __future__ import annotations

from dataclasses import dataclass

from taskconsole.console.feed.link import Link
from taskconsole.console.text.format import day_and_time

__all__ = ["ReplayLink"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayLink(Link):
    """`read_at` and `since` are positions, seconds since the recording began; this machine's clock has no say."""

    position: float = 0.0
    end: float = 0.0
    now: float = 0.0
    """Seconds since the epoch by the clock of the server that was looked at."""
    playing: bool = False
    speed: float = 1.0

    def server_now(self, monotonic: float) -> float:  # noqa: ARG002 (it is another clock)
        """What time it was."""
        return self.now

    def stale_for(self, monotonic: float) -> float | None:  # noqa: ARG002 (it is another clock)
        """How old the last reading was, if that was too long."""
        return Link.stale_for(self, self.position)

    def clock_text(self) -> str:
        """Its words tell the time."""
        return ""

    def words(self, monotonic: float) -> str:  # noqa: ARG002 (it is another clock)
        """In place of LIVE."""
        return f"REPLAY {day_and_time(self.now)} {self.pace}"

    @property
    def pace(self) -> str:
        """How time passes."""
        return f"x{self.speed:g}" if self.playing else "ended" if self.position >= self.end else "paused"
