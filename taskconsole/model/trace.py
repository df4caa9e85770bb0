"""What was sent to Redis, as values: names, keys and sizes, never what was carried."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Issued"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """One command that was sent."""

    number: int
    """Counted from the first; unique."""
    at: float
    """Seconds since the epoch, by our own clock."""
    name: str
    """`LRANGE`, `CONFIG GET`, or the name of a transition of ours: `take.lua`."""
    keys: tuple[str, ...]
    """The keys it was about, as far as it names them."""
    size: int
    """Bytes of its arguments."""
    took: float
    """Seconds until it was answered, together with those that were sent with it."""
    together: int = 1
    """How many were sent in that round trip."""
    acting: bool = False
    """It was sent because the operator wanted something done."""
    answer: str = ""
    """Empty when all is well, else the kind of refusal, or that there was none."""
