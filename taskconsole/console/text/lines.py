"""Lines of toned text: what every widget draws, before it knows any colour.

A tone says what a piece of text means; the style sheet of the widgets says how that looks.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Literal

from rich.cells import cell_len, get_character_cell_size, set_cell_size

from taskconsole.console.text.format import UNICODE, Glyphs

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "Justify",
    "Line",
    "Piece",
    "Tone",
    "at_end",
    "at_most",
    "beside",
    "cell",
    "changed",
    "crop",
    "facts",
    "join",
    "plain",
    "rule",
    "spread",
    "wrapped",
]

Justify = Literal["left", "right"]


class Tone(StrEnum):
    """What a piece of text means."""

    PLAIN = "plain"
    QUIET = "quiet"
    TITLE = "title"
    GOOD = "good"
    WARN = "warn"
    BAD = "bad"
    SELECTED = "selected"


Piece = tuple[str, Tone]
Line = tuple[Piece, ...]


def plain(line: Line) -> str:
    """The text of a line without its tones."""
    return "".join(text for text, _ in line)


def cell(text: str, width: int, justify: Justify = "left", glyphs: Glyphs = UNICODE) -> str:
    """`text` in exactly `width` cells; an ellipsis shows that it was cut."""
    length = cell_len(text)
    if length == width:
        return text
    if length > width:
        return set_cell_size(text, width - 1) + glyphs.ellipsis if width > 0 else ""
    pad = " " * (width - length)
    return pad + text if justify == "right" else text + pad


def at_most(text: str, width: int, glyphs: Glyphs = UNICODE) -> str:
    """`text`, cut with an ellipsis when it takes more than `width` cells."""
    return text if cell_len(text) <= width else cell(text, width, glyphs=glyphs)


def at_end(text: str, width: int, glyphs: Glyphs = UNICODE) -> str:
    """The same, cut at its beginning: of a path or an address the end tells more."""
    length = cell_len(text)
    if length <= width:
        return text
    # The first half of a wide character may be cut off: its place stays a blank.
    kept = set_cell_size(text[::-1], max(0, width - 1))[::-1]
    return glyphs.ellipsis + kept if width > 0 else ""


def join(pieces: list[Piece], width: int, gap: str = "   ") -> Line:
    """The pieces that fit into `width` cells, `gap` between them; the first always, cut if it must be."""
    shown: list[Piece] = []
    used = 0
    for text, tone in pieces:
        need = cell_len(text) + (len(gap) if shown else 0)
        if shown and used + need > width:
            break
        if shown:
            shown.append((gap, Tone.PLAIN))
        shown.append((text if used + need <= width else cell(text, width), tone))
        used += need
    return tuple(shown)


def spread(left: Line, right: Line, width: int) -> Line:
    """`left` and, if there is room for both, `right` at the right edge."""
    room = width - cell_len(plain(left)) - cell_len(plain(right))
    return (*left, (" " * room, Tone.PLAIN), *right) if room > 0 else left


def rule(title: str, width: int, glyphs: Glyphs = UNICODE, tone: Tone = Tone.TITLE) -> Line:
    """A horizontal rule that carries `title` near its left end."""
    head = cell(title, min(cell_len(title), max(0, width - 6)), glyphs=glyphs)
    tail = max(0, width - 4 - cell_len(head))
    return ((glyphs.rule * 2 + " ", Tone.QUIET), (head, tone), (" " + glyphs.rule * tail, Tone.QUIET))


def crop(line: Line, left: int, width: int, *, fixed: int = 2) -> Line:
    """`width` cells of a line: its first `fixed`, then those from `left` cells further on."""
    cells = _cells(line, max(fixed + left + width, 0))
    shown = [*cells[:fixed], *cells[fixed + left : left + width]]
    pieces: list[Piece] = []
    for i, (char, tone) in enumerate(shown):
        # Half of a wide character that was cut in two is a blank.
        halved = not char and i in {0, fixed}
        text = " " if halved else char
        if pieces and pieces[-1][1] is tone:
            pieces[-1] = (pieces[-1][0] + text, tone)
        else:
            pieces.append((text, tone))
    return tuple(pieces)


def facts(pairs: Sequence[tuple[str, str]], width: int, glyphs: Glyphs = UNICODE) -> list[Line]:
    """One line for each (name, safe text)."""
    label = max((len(name) for name, _ in pairs), default=0) + 1
    room = max(0, width - label - 2)
    return [((f" {name:<{label}} ", Tone.QUIET), (cell(text, room, glyphs=glyphs), Tone.PLAIN)) for name, text in pairs]


def wrapped(text: str, width: int, most: int, glyphs: Glyphs = UNICODE) -> list[str]:
    """`text` broken between words into lines of `width` cells, at most `most`; the last one may be cut."""
    lines: list[str] = []
    for word in text.split():
        if lines and (len(lines) == most or cell_len(lines[-1]) + 1 + cell_len(word) <= width):
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return [at_most(line, width, glyphs) for line in lines]


def beside(blocks: Sequence[tuple[Sequence[Line], int]], height: int, gap: str = " ") -> list[Line]:
    """Blocks of lines beside each other, each with the cells it gets; `height` lines."""
    shown: list[Line] = []
    for y in range(height):
        pieces: list[Piece] = []
        for lines, width in blocks:
            if pieces:
                pieces.append((gap, Tone.PLAIN))
            pieces += crop(lines[y] if y < len(lines) else (), 0, width, fixed=0)
        shown.append(tuple(pieces))
    return shown


def changed(old: Line, new: Line, width: int) -> list[tuple[int, int]]:
    """Where two lines differ, as (first cell, number of cells); wide characters are never halved."""
    if old == new:
        return []
    before, after = _cells(old, width), _cells(new, width)
    runs: list[tuple[int, int]] = []
    x = 0
    while x < width:
        if before[x] == after[x]:
            x += 1
            continue
        start = x
        while x < width and before[x] != after[x]:
            x += 1
        while start > 0 and not (before[start][0] and after[start][0]):
            start -= 1
        while x < width and not (before[x][0] and after[x][0]):
            x += 1
        runs.append((start, x - start))
    return runs


def _cells(line: Line, width: int) -> list[Piece]:
    """One piece per cell; the right half of a wide character is an empty text."""
    cells: list[Piece] = []
    for text, tone in line:
        for char in text:
            size = get_character_cell_size(char)
            if size == 0 and cells:
                cells[-1] = (cells[-1][0] + char, cells[-1][1])
            elif size:
                cells.append((char, tone))
                cells.extend([("", tone)] * (size - 1))
    blank = (" ", Tone.PLAIN)
    return (cells + [blank] * (width - len(cells)))[:width]
