"""The pen: pieces of a picture, drawn with as few bytes as can be had.

The same picture can be drawn in many orders. Row by row every word in another colour costs two changes of colour; one
colour after the other costs none, but more movements. `drawn` tries which colours are better drawn by themselves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from rich.cells import get_character_cell_size

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
    erase: str = ""
    """The sequence that makes blanks of the cells and leaves the cursor where it is; empty when they are written."""


def fits(cell: Cell, style: str) -> bool:
    """True if the cell may be written with the terminal in `style`."""
    return cell[1] == (of_blank(style) if cell[0] == " " else style)


def drawn(
    pieces: Sequence[Piece], cells: Mapping[int, Mapping[int, Cell]], width: int, style: str | None
) -> tuple[str, str]:
    """What draws the pieces, and the style it leaves the terminal in.

    Args:
        pieces: From left to right and from top to bottom, erasures before what is written at the same place.
        cells: The whole picture.
        width: Of the terminal; 0 when it is not known.
        style: The terminal's; None when it is not known.
    """
    plan: dict[str, _Order] = {}
    best = _drawn(pieces, cells, width, style, plan)
    if len(best[0]) > SMALL:
        counts = Counter(piece.style for piece in pieces if not piece.blank)
        for apart, count in counts.most_common():
            if count < OFTEN:
                break
            for order in (_by_rows, _by_columns):
                other_plan = {**plan, apart: order}
                other = _drawn(pieces, cells, width, style, other_plan)
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
    width: int,
    style: str | None,
    plan: Mapping[str, _Order],
) -> tuple[str, str]:
    """Draw row by row, but the styles in `plan` by themselves at the end, each in its order."""
    pen = _Pen(cells, width, style)
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

    def __init__(self, cells: Mapping[int, Mapping[int, Cell]], width: int, style: str | None) -> None:
        self._cells = cells
        self._width = width
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
        if piece.erase:
            self._out.append(piece.erase)
        else:
            self._write(piece)

    @property
    def drawn(self) -> str:
        """All that was drawn."""
        return "".join(self._out)

    def _write(self, piece: Piece) -> None:
        row, sure = self._cells[piece.y], True
        for x in range(piece.start, piece.end):
            char = row[x][0]
            if not char:
                continue
            self._out.append(char)
            if char.isascii():
                continue
            sure = False
            width = get_character_cell_size(char[0])
            if len(char) > 1 or width != 1:
                # Terminals disagree about such widths; what follows goes where it belongs in any case.
                self._out.append(f"\x1b[{piece.y + 1};{x + 1 + max(1, width)}H")
        # Terminals that draw other characters wider are told where to go on; and so they are at the edge, where the
        # cursor stays on the last column or behind it.
        self._x = piece.end if sure and piece.end != self._width else -1

    def _go(self, y: int, x: int) -> None:
        """Go to a cell by the shortest way."""
        if (y, x) != (self._y, self._x):
            self._out.append(min(self._ways(y, x), key=len))
            self._y, self._x = y, x

    def _ways(self, y: int, x: int) -> list[str]:
        ways = [f"\x1b[{y + 1};{x + 1}H" if x else f"\x1b[{y + 1}H" if y else "\x1b[H"]
        if self._y < 0:
            return ways
        down, right = y - self._y, x - self._x
        if down == 0 and self._x >= 0 and right > 0:
            ways += [self._over(y, self._x, x), _steps(right, "C")]
        elif down in {1, 2}:
            # Not by a line feed: what it does depends on who looks after the line.
            ways += ["\r" + _DOWN * down + way for way in (self._over(y, 0, x), _steps(x, "C")) if way or not x]
        if down > 0 and self._x >= 0:
            ways += [_DOWN * down + _BACK * -right] if down <= 2 and -3 <= right <= 0 else []
            ways.append((_DOWN if down == 1 else _steps(down, "B")) + _steps(abs(right), "C" if right > 0 else "D"))
        return [way for way in ways if way]

    def _over(self, y: int, start: int, end: int) -> str:
        """What stands from `start` to `end`, to be written once more; empty when it cannot be."""
        if end - start > _OVER:
            return ""
        row = self._cells[y]
        between = [row.get(at, ("", "")) for at in range(start, end)]
        if not all(cell[0] and cell[0].isascii() and fits(cell, self.style) for cell in between):
            return ""
        return "".join(char for char, _ in between)


def _steps(n: int, direction: str) -> str:
    """The cursor goes `n` cells on."""
    return "" if n == 0 else f"\x1b[{direction}" if n == 1 else f"\x1b[{n}{direction}"
