"""Whether anything may be written, as a value: whoever changes it makes another. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

__all__ = ["UNLOCKED_FOR", "Lock", "Writes"]

UNLOCKED_FOR = 15 * 60.0
"""Seconds after which what was unlocked locks itself."""

NEVER, ALWAYS = float("-inf"), float("inf")


class Writes(StrEnum):
    """The word in the header."""

    READ_ONLY = "READ-ONLY"
    LOCKED = "LOCKED"
    OPEN = "RW"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """Of one server; locked until it is known to be on this machine, or somebody unlocks it."""

    read_only: bool = False
    """Nothing is written, whatever anybody presses."""
    name: str = ""
    """What has to be typed to unlock it: the name of a protected context; empty for none."""
    until: float = NEVER
    """By the monotonic clock: until then it is open."""
    located: bool = False
    """It is known where the server is."""

    def state(self, monotonic: float) -> Writes:
        """The word for it."""
        if self.read_only:
            return Writes.READ_ONLY
        return Writes.OPEN if monotonic < self.until else Writes.LOCKED

    def refusal(self, monotonic: float) -> str:
        """Why nothing may be written now; empty when it may."""
        match self.state(monotonic):
            case Writes.READ_ONLY:
                return "this console is read-only: nothing was sent"
            case Writes.LOCKED:
                return "locked: U unlocks for 15 minutes; nothing was sent"
            case _:
                return ""

    def words(self, monotonic: float) -> str:
        """The word in the header, with the minutes that are left."""
        state = self.state(monotonic)
        if state is not Writes.OPEN or self.until == ALWAYS:
            return f"[{state}]"
        return f"[{state} {max(1, round((self.until - monotonic) / 60))}m]"

    def found(self, *, loopback: bool) -> Lock:
        """The server has answered for the first time: one on this machine that is not protected is open."""
        if self.located:
            return self
        return replace(self, located=True, until=ALWAYS if loopback and not self.name else self.until)

    def opened(self, monotonic: float) -> Lock:
        """Unlocked for a while."""
        return replace(self, located=True, until=monotonic + UNLOCKED_FOR)

    def shut(self) -> Lock:
        """Locked."""
        return replace(self, located=True, until=NEVER)
