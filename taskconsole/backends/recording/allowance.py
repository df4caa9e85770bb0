"""How much may be written: so many bytes a second in the long run, whatever happens."""

from __future__ import annotations

__all__ = ["Allowance"]


class Allowance:
    """Saves up to `most` bytes while little is written; what goes beyond it is paid back before more is written.

    Args:
        rate: Bytes a second.
        most: Bytes that may be saved up; all of them are there at the beginning.
    """

    def __init__(self, rate: float, most: float) -> None:
        self._rate = rate
        self._most = most
        self._left = most
        self._at = 0.0

    def allows(self, now: float) -> bool:
        """True when something may be written at `now` (seconds by a clock that never goes back)."""
        self._left = min(self._most, self._left + self._rate * (now - self._at))
        self._at = now
        return self._left > 0

    def spend(self, size: float) -> None:
        """So many bytes were written."""
        self._left -= size
