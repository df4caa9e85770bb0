"""What an operator types after `/`, and which rows it leaves. Pure.

No regular expression of the operator's is ever run: matching takes time that grows with the text
times the filter's length at most, and the filter is short.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["MAX_LENGTH", "Filter"]

MAX_LENGTH = 200
"""Characters of a filter; what is longer is cut."""


@dataclass(frozen=True, slots=True)
class _Word:
    """One word: a text to be found, or a glob that the whole text must be."""

    test: Callable[[str], bool]
    exact: bool
    """It has capitals: capitals count."""
    inverse: bool


@dataclass(frozen=True, slots=True)
class Filter:
    """Words separated by spaces, all of which a row must satisfy.

    `mail` is found anywhere, `!mail` nowhere; with `*` (any characters) or `?` (one character) a word is a glob
    for a whole cell: `mail*` begins with it, `*mail*` has it somewhere. A word without capitals finds capitals too.
    """

    words: tuple[str, ...] = ()
    """As typed, for the title; made of an operator's keys or paste, so not yet safe for a terminal."""
    _tests: tuple[_Word, ...] = field(default=(), repr=False, compare=False)

    @classmethod
    def parse(cls, text: str) -> Filter:
        """The filter for what was typed; nothing typed is wrong, and what does nothing (yet) is left out."""
        words = tuple(word for word in text[:MAX_LENGTH].split() if word != "!")
        return cls(words, tuple(_word(word) for word in words))

    def __bool__(self) -> bool:
        """False when it accepts everything."""
        return bool(self.words)

    def accepts(self, *cells: str) -> bool:
        """True when each word is found in some cell, and each inverse one in none."""
        if not self._tests:
            return True
        folded = [text.lower() for text in cells]
        return all(any(map(word.test, cells if word.exact else folded)) != word.inverse for word in self._tests)

    @property
    def text(self) -> str:
        """As typed, for the title; not yet made safe."""
        return " ".join(self.words)


def _word(typed: str) -> _Word:
    inverse = typed.startswith("!")
    body = typed[1:] if inverse else typed
    exact = body != body.lower()
    return _Word(_glob(body) if "*" in body or "?" in body else _contains(body), exact, inverse)


def _contains(part: str) -> Callable[[str], bool]:
    return lambda text: part in text


def _glob(pattern: str) -> Callable[[str], bool]:
    """Parts between the stars, each found at the first place it fits: it never has to go back."""
    # A part has a fixed length, so these expressions cannot backtrack.
    first, *rest = [
        (re.compile("".join("." if c == "?" else re.escape(c) for c in part), re.DOTALL), len(part))
        for part in pattern.split("*")
    ]

    def matches(text: str) -> bool:
        if not rest:
            return first[0].fullmatch(text) is not None
        if first[0].match(text) is None:
            return False
        at = first[1]
        *middle, (last, length) = rest
        for part, _ in middle:
            found = part.search(text, at)
            if found is None:
                return False
            at = found.end()
        return len(text) - length >= at and last.match(text, len(text) - length) is not None

    return matches
