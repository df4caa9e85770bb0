"""The edge: everything read from Redis passes `safe()` before it may reach a terminal.

Control characters, escape sequences, invisible and direction-changing characters become something
that can be seen and that no terminal acts upon. Text made safe stays as it is when made safe again.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from rich.segment import Segment
from textual.strip import Strip

__all__ = ["guard", "safe"]

LIMIT = 4096
"""Characters kept unless a caller says otherwise."""

MAX_MARKS = 2
"""Combining marks kept in a row; one cell holds no more that can be read."""

_ESCAPED = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Letters and marks that draw nothing, and variation selectors, whose width terminals disagree about.
_INVISIBLE = frozenset(
    [
        *range(0xFE00, 0xFE10),
        *range(0xE0100, 0xE01F0),
        *range(0x180B, 0x1810),
        *(0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0),
    ]
)
_MARKS = frozenset({"Mn", "Me"})


def safe(value: bytes | str, limit: int = LIMIT) -> str:
    r"""`value` as at most `limit` characters that a terminal only draws.

    C0 and DEL become their pictures (`␛`), a newline `⏎`, a tab one space; C1, direction marks,
    zero-width and tag characters, lone surrogates and undecodable bytes become escapes like `\u202e`.
    Never empty space where something was; an ellipsis where something was cut.
    """
    if isinstance(value, bytes):
        # Four bytes make the longest character, so the cut leaves a character too many, never too few.
        value = value[: 4 * limit + 4].decode("utf-8", "backslashreplace")
    cut = len(value) > limit
    text = value[:limit]
    if not (text.isascii() and text.isprintable()):
        text = _bounded_marks("".join(map(_visible, text)))
    if cut or len(text) > limit:
        text = text[: max(0, limit - 1)] + "…" if limit else ""
    return text


@lru_cache(maxsize=4096)
def _visible(char: str) -> str:
    """What stands for one character."""
    code = ord(char)
    if char == "\n":
        return "⏎"
    if char == "\t":
        return " "
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "␡"
    category = unicodedata.category(char)
    if category in _ESCAPED or code in _INVISIBLE:
        return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
    return " " if category == "Zs" else char


def _bounded_marks(text: str) -> str:
    """Drop combining marks beyond `MAX_MARKS` in a row; give one at the very start a circle to sit on."""
    kept: list[str] = []
    marks = 0
    for char in text:
        if ord(char) >= 0x300 and unicodedata.category(char) in _MARKS:
            if not kept:
                kept.append("◌")
            marks += 1
            if marks > MAX_MARKS:
                continue
        else:
            marks = 0
        kept.append(char)
    return "".join(kept)


def guard(strip: Strip) -> Strip:
    """The same strip, or one without what `safe` was not asked about: the second line of defence.

    Widgets call it on all they hand to the compositor: a forgotten `safe()` costs looks, not safety.
    """
    if all(segment.text.isprintable() for segment in strip):
        return strip
    width = strip.cell_length
    return Strip([Segment(safe(text), style) for text, style, control in strip if not control]).adjust_cell_length(
        width
    )
