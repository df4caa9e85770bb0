"""The time by Redis, as near as this process knows it: its own clock is not to be trusted."""

from __future__ import annotations

import time

__all__ = ["EARLY", "ServerClock"]

EARLY = 0.0008
"""Seconds to wake before the time: timers are late, Redis itself decides what is due."""


class ServerClock:
    """Monotonic time plus the difference to Redis's clock, set again with every heartbeat."""

    def __init__(self) -> None:
        self.offset = time.time() - time.monotonic()
        """Add it to `time.monotonic()` to get seconds since the epoch."""

    def set(self, server_now: float, sent: float, received: float) -> None:
        """Learn from an answer: it said `server_now`, between the monotonic times `sent` and `received`."""
        self.offset = server_now - (sent + received) / 2

    def now(self) -> float:
        """Seconds since the epoch, by Redis."""
        return time.monotonic() + self.offset

    @property
    def skew(self) -> float:
        """Seconds this machine's clock is ahead of Redis's."""
        return time.time() - self.now()
