"""The pen: pieces of a picture, drawn with as few bytes as can be had.

The same picture can be drawn in many orders. Row by row every word in another colour costs two changes of colour; one
colour after the other costs none, but more movements. `drawn` tries which colours are better drawn by themselves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from taskconsole.console.terminal.style import of_blank, restyle

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Cell", "Piece", "drawn", "fits"]

Cell = tuple[str, str]
"""A character (empty for the right half of a wide one) and its style; a blank has the style of a blank."""

SMALL = 300
"""Bytes of a frame for which no other order is tried."""

OFTEN = 3
"""Pieces of one style for which drawing it by itself may pay."""


_DOWN = "\x1bD"
"""The cursor goes down a row in its column; never from the last row, where everything would scroll."""

_BACK = "\b"

_APART = 3
"""Least cells between the ends of figures in two columns."""

_OVER = 5
"""Cells that are not shorter to step over than to write again."""


class Piece(NamedTuple):
    """Cells of one row and one style that lie side by side."""

    y: int
    start: int
    end: int
    style: str
    blank: bool
    """There are only blanks in it."""
    text: str
    """What is written; or the sequence that erases the cells and leaves the cursor where it is."""
    lands: int
    """The column the cursor is in afterwards; -1 when that is not sure."""


def fits(cell: Cell, style: str) -> bool:
    """True if the cell may be written with the terminal in `style`."""
    return cell[1] == (of_blank(style) if cell[0] == " " else style)


def drawn(pieces: Sequence[Piece], cells: Mapping[int, Mapping[int, Cell]], style: str | None) -> tuple[str, str]:
    """What draws the pieces, and the style it leaves the terminal in.

    Args:
        pieces: From left to right and from top to bottom, erasures before what is written at the same place.
        cells: The whole picture.
        style: The terminal's; None when it is not known.
    """
    plan: dict[str, _Order] = {}
    best = _drawn(pieces, cells, style, plan)
    if len(best[0]) > SMALL:
        counts = Counter(piece.style for piece in pieces if not piece.blank)
        for apart, count in counts.most_common():
            if count < OFTEN:
                break
            for order in (_by_rows, _by_columns):
                other_plan = {**plan, apart: order}
                other = _drawn(pieces, cells, style, other_plan)
                if len(other[0]) < len(best[0]):
                    best, plan = other, other_plan
    return best


_Order = Callable[[list[Piece]], list[Piece]]


def _by_rows(pieces: list[Piece]) -> list[Piece]:
    return pieces


def _by_columns(pieces: list[Piece]) -> list[Piece]:
    """Figures stand below each other, digit below digit or nearly so."""
    band, last, bands = 0, 0, {}
    for end in sorted({piece.end for piece in pieces}):
        band += end - last > _APART
        bands[end], last = band, end
    return sorted(pieces, key=lambda piece: (bands[piece.end], piece.y, piece.start))


def _drawn(
    pieces: Sequence[Piece],
    cells: Mapping[int, Mapping[int, Cell]],
    style: str | None,
    plan: Mapping[str, _Order],
) -> tuple[str, str]:
    """Draw row by row, but the styles in `plan` by themselves at the end, each in its order."""
    pen = _Pen(cells, style)
    later: dict[str, list[Piece]] = {apart: [] for apart in plan}
    for piece in pieces:
        if not piece.blank and piece.style in later:
            later[piece.style].append(piece)
        else:
            pen.draw(piece)
    for apart, layer in later.items():
        for piece in plan[apart](layer):
            pen.draw(piece)
    return pen.drawn, pen.style


class _Pen:
    """Knows where the terminal's cursor is and what style it is in."""

    def __init__(self, cells: Mapping[int, Mapping[int, Cell]], style: str | None) -> None:
        self._cells = cells
        self._out: list[str] = []
        self.style = style or ""
        """What the terminal is in."""
        if style is None:
            self._out.append("\x1b[m")
        self._y = -1
        """The row; -1 when it is not known."""
        self._x = -1
        """The column; -1 when it is not sure."""

    def draw(self, piece: Piece) -> None:
        self._go(piece.y, piece.start)
        if self.style != piece.style and not (piece.blank and of_blank(self.style) == piece.style):
            self._out.append(restyle(self.style, piece.style))
            self.style = piece.style
        self._out.append(piece.text)
        self._x = piece.lands

    @property
    def drawn(self) -> str:
        """All that was drawn."""
        return "".join(self._out)

    def _go(self, y: int, x: int) -> None:
        """Go to a cell by the shortest way."""
        if y == self._y and 0 <= self._x <= x:
            if x > self._x:
                step = _steps(x - self._x, "C")
                self._out.append((x - self._x <= len(step) and self._over(y, self._x, x)) or step)
        else:
            self._out.append(min(self._ways(y, x), key=len))
        self._y = y

    def _ways(self, y: int, x: int) -> list[str]:
        """From row to row."""
        ways = [f"\x1b[{y + 1};{x + 1}H" if x else f"\x1b[{y + 1}H" if y else "\x1b[H"]
        down = y - self._y
        if self._y < 0 or down <= 0:
            return ways
        if down <= 2:
            # Not by a line feed: what it does depends on who looks after the line.
            ways.append("\r" + _DOWN * down + ((x <= _OVER and self._over(y, 0, x)) or _steps(x, "C")))
        if self._x >= 0:
            right = x - self._x
            if down <= 2 and -3 <= right <= 0:
                ways.append(_DOWN * down + _BACK * -right)
            ways.append((_DOWN if down == 1 else _steps(down, "B")) + _steps(abs(right), "C" if right > 0 else "D"))
        return ways

    def _over(self, y: int, start: int, end: int) -> str:
        """What stands from `start` to `end`, to be written once more; empty when it cannot be."""
        row = self._cells[y]
        between = [row.get(at, ("", "")) for at in range(start, end)]
        if not all(cell[0] and cell[0].isascii() and fits(cell, self.style) for cell in between):
            return ""
        return "".join(char for char, _ in between)


def _steps(n: int, direction: str) -> str:
    """The cursor goes `n` cells on."""
    return "" if n == 0 else f"\x1b[{direction}" if n == 1 else f"\x1b[{n}{direction}"
