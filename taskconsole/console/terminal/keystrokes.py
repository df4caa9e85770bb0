"""Telling a key that somebody has pressed from those that a paste or a held key sends. Pure.

Terminals mark a paste (bracketed paste) and then no key arrives at all; not all of them do, and tmux can be asked
to send text as keys. Such keys come together, faster than anybody types; a held key comes again after a delay and
then many times a second.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import pairwise

__all__ = ["Keystrokes"]

BURST = 0.02
"""Seconds between keys that no person leaves so short, and what is waited for the key after one."""

HELD = 0.7
"""Seconds after which the same key was pressed again; keyboards begin to repeat after 0.2 to 0.6."""

SEEN = 0.3
"""Seconds before anybody has read a question that has just appeared."""

PASTED = "keys came in a burst, as when pasting: nothing was done"
REPEATED = "the key was held: done once"


@dataclass(frozen=True, slots=True)
class _Key:
    name: str
    at: float


class Keystrokes:
    """Is told every key; says whether the last one was meant.

    Args:
        burst: Seconds between two keys below which both were pasted.
        held: Seconds between two equal keys below which one key was held.
        seen: Seconds a question must have been there to be answered.
    """

    def __init__(self, *, burst: float = BURST, held: float = HELD, seen: float = SEEN) -> None:
        self.burst, self.held, self.seen = burst, held, seen
        self._last: deque[_Key] = deque(maxlen=16)
        self.count = 0
        """Keys so far."""

    def note(self, name: str, at: float) -> None:
        """A key has arrived; `at` by any clock that does not go back."""
        self._last.append(_Key(name, at))
        self.count += 1

    def doubt(self, pressed: int, *, repeats: bool = True) -> str:
        """Why the key that was the `pressed`-th was not meant; empty when it was. To be asked `burst` later.

        Args:
            pressed: `count` when it arrived.
            repeats: A key that is held does not mean it many times.
        """
        behind = self.count - pressed
        keys = list(self._last)
        at = len(keys) - 1 - behind
        if at < 0:
            return PASTED if pressed else ""
        around = keys[max(0, at - 1) : at + 2]
        if any(after.at - before.at < self.burst for before, after in pairwise(around)):
            return PASTED
        before = keys[at - 1] if at else None
        held = before is not None and before.name == keys[at].name and keys[at].at - before.at < self.held
        return REPEATED if repeats and held else ""
