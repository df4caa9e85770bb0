"""Much work on the event loop, and letting others have their turn."""

from __future__ import annotations

import asyncio
import time

__all__ = ["SLICE", "Turns"]

SLICE = 0.004
"""Seconds of work without a turn of the loop."""


class Turns:
    """Gives the loop a turn whenever a slice of work has been done; counts from when it is made."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    async def pass_on(self) -> None:
        """Call it after each piece of work."""
        if time.monotonic() - self._began > SLICE:
            await asyncio.sleep(0)
            self._began = time.monotonic()
