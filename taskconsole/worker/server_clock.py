"""The time by Redis, as near as this process knows it: its own clock is not to be trusted."""

from __future__ import annotations

import time

__all__ = ["EARLY", "ServerClock"]

EARLY = 0.0008
"""Seconds to wake before the time: timers are late, Redis itself decides what is due."""

DRIFT = 2e-4
"""By how much two clocks may go apart: seconds a second, more than any that are cared for."""


class ServerClock:
    """Monotonic time plus the difference to Redis's clock, learned from every answer that tells the time."""

    def __init__(self) -> None:
        self.offset = time.time() - time.monotonic()
        """Add it to `time.monotonic()` to get seconds since the epoch."""
        self.resets = 0
        """How often Redis's clock was set, as far as we know."""
        self._doubt = float("inf")
        """Seconds by which it may have been wrong when it was learned."""
        self._learned = 0.0
        """Monotonic time of that."""

    def set(self, server_now: float, sent: float, received: float, *, grain: float = 0.0) -> None:
        """Learn from an answer: it said `server_now`, between the monotonic times `sent` and `received`.

        `grain`: to how many seconds it was rounded down.

        A slow answer says little: what a quick one has told stays, until clocks may have gone apart by more than
        that. But when the two cannot both be right, Redis's clock was set, and is followed at once.
        """
        offset, doubt = server_now + grain / 2 - (sent + received) / 2, (received - sent + grain) / 2
        known = self._doubt + (received - self._learned) * DRIFT
        was_set = abs(offset - self.offset) > doubt + known
        self.resets += was_set
        if was_set or doubt <= known:
            self.offset, self._doubt, self._learned = offset, doubt, received

    def now(self) -> float:
        """Seconds since the epoch, by Redis."""
        return time.monotonic() + self.offset

    @property
    def skew(self) -> float:
        """Seconds this machine's clock is ahead of Redis's."""
        return time.time() - self.now()
