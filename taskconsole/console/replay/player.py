"""Where in a recording one is, and how fast one moves. Pure: time passes when it is told to."""

from __future__ import annotations

__all__ = ["SPEEDS", "Player"]

SPEEDS = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)


class Player:
    """Positions are seconds since the recording began.

    Args:
        end: The last one.
    """

    def __init__(self, end: float) -> None:
        self.end = end
        self.position = 0.0
        self.playing = True
        self.speed = 1.0
        self.leapt = True
        """The position is not where playing alone has led; for others to put back."""

    def advance(self, seconds: float) -> None:
        """So much time has passed here."""
        if self.playing:
            self.position = min(self.end, self.position + seconds * self.speed)
            self.playing = self.position < self.end

    def play(self) -> None:
        """Play, or hold still; at the end it begins again."""
        if not self.playing and self.position >= self.end:
            self.go(0.0)
        self.playing = not self.playing

    def go(self, position: float) -> None:
        """To a position, or the nearest there is."""
        self.position = max(0.0, min(self.end, position))
        self.leapt = True

    def change_speed(self, direction: int) -> None:
        """The next higher speed, or the next lower."""
        at = SPEEDS.index(self.speed) + direction
        self.speed = SPEEDS[max(0, min(len(SPEEDS) - 1, at))]
