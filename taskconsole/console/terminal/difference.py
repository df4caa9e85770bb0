"""What a row of the terminal lacks: the pieces to write, and what is shorter erased than written over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import get_character_cell_size

from taskconsole.console.terminal.pen import Piece
from taskconsole.console.terminal.style import of_blank

if TYPE_CHECKING:
    from collections.abc import Mapping

    from taskconsole.console.terminal.pen import Cell

__all__ = ["row_pieces"]

TO_THE_END = "\x1b[K"

STEP = 4
"""Bytes of a movement within a row, most often."""


def row_pieces(
    y: int, cells: Mapping[int, Cell], shown: Mapping[int, Cell], width: int, colours_erase: bool
) -> list[Piece]:
    """What makes row `y` of the terminal, which shows `shown`, look like `cells`.

    Args:
        y: The row.
        cells: Each cell that has ever been painted.
        shown: Those that the terminal is known to show.
        width: Of the terminal; 0 when it is not known.
        colours_erase: What the terminal erases has the background that is set, and not always its own.
    """
    differ = {x for x, cell in cells.items() if shown.get(x) != cell}
    pieces = []
    end = _end_to_erase(cells, differ, width, colours_erase) if differ and width else width
    if end < width:
        blank = cells[width - 1]
        pieces.append(Piece(y, end, width, blank[1], True, TO_THE_END, end))
        differ = {x for x in differ if x < end} | {x for x in range(end, width) if cells[x] != blank}
    for x in sorted(differ) if any(not cells[x][0] or not cells[x][0].isascii() for x in differ) else ():
        # Wide characters are written whole.
        if not cells[x][0] and x - 1 in cells:
            differ.add(x - 1)
        if cells.get(x + 1, (" ", ""))[0] == "":
            differ.add(x + 1)
    for start, stop, style in _runs(sorted(differ), cells):
        pieces += _piece(y, start, stop, style, cells, differ, width, colours_erase)
    # What is erased at a place comes before what is written there.
    return sorted(pieces, key=lambda piece: (piece.start, not _erases(piece)))


def _erases(piece: Piece) -> bool:
    return piece.text.startswith("\x1b")


def _erasable(cell: Cell, colours_erase: bool) -> bool:
    """The cell looks as if it had been erased."""
    char, style = cell
    return char == " " and (not style or (colours_erase and of_blank(style) == style and style.startswith("4")))


def _end_to_erase(cells: Mapping[int, Cell], differ: set[int], width: int, colours_erase: bool) -> int:
    """The column from which on it is shortest to erase the row and write it again; `width` when that does not pay."""
    blank = cells.get(width - 1, ("", ""))
    if len(differ) <= len(TO_THE_END) or not _erasable(blank, colours_erase):
        return width
    if sum(cells[x] == blank for x in differ) <= len(TO_THE_END):
        return width
    best, best_gain, gain = width, 0, -len(TO_THE_END)
    stretch, price, followed = 0, 0, False
    for x in range(width - 1, -1, -1):
        cell = cells.get(x)
        if cell is None:
            break
        if cell == blank:
            stretch += 1
            if x in differ:
                price += 1 if x + 1 in differ and cells.get(x + 1) == blank else STEP + 1
                here = gain + _gain(stretch, price, followed)
                if here > 0 and here >= best_gain:
                    best, best_gain = x, here
            continue
        gain += _gain(stretch, price, followed)
        stretch, price, followed = 0, 0, True
        if x not in differ:
            gain -= len(cell[0].encode()) + (STEP if cells.get(x + 1, ("", ""))[1] != cell[1] else 0)
    # Blanks that are there already are erased once more: what is before them is drawn, or the way to them is shorter.
    while 0 < best < width and cells.get(best - 1) == blank:
        best -= 1
    return best


def _gain(stretch: int, price: int, followed: bool) -> int:
    """Bytes that are saved where blanks are erased that would cost `price`; to be stepped over if more follows."""
    return min(stretch, price) - min(stretch, price, STEP) if followed else min(stretch, price)


def _runs(differ: list[int], cells: Mapping[int, Cell]) -> list[tuple[int, int, str]]:
    """Columns side by side as (start, end, style); blanks go with what they can be written with."""
    runs: list[tuple[int, int, str]] = []
    blank = True
    """Only blanks so far."""
    for x in differ:
        char, style = cells[x]
        if runs and runs[-1][1] == x:
            start, _, before = runs[-1]
            if style == before or (char == " " and of_blank(before) == style):
                runs[-1] = (start, x + 1, before)
                blank = blank and char == " "
                continue
            if blank and char != " " and of_blank(style) == before:
                runs[-1] = (start, x + 1, style)
                blank = False
                continue
        runs.append((x, x + 1, style))
        blank = char == " "
    return runs


def _piece(
    y: int,
    start: int,
    end: int,
    style: str,
    cells: Mapping[int, Cell],
    differ: set[int],
    width: int,
    colours_erase: bool,
) -> list[Piece]:
    """A run as pieces: blanks at its ends are erased where that is shorter."""
    left, right = start, end
    while left < end and cells[left][0] == " ":
        left += 1
    while right > left and cells[right - 1][0] == " ":
        right -= 1
    pieces = []
    if _erased(cells, start, left, followed=left < end or end in differ, colours_erase=colours_erase):
        pieces.append(_erasure(y, start, left, cells))
        start = left
    if left < right < end and _erased(cells, right, end, followed=end in differ, colours_erase=colours_erase):
        pieces.append(_erasure(y, right, end, cells))
        end = right
    if start < end:
        pieces.append(_written(y, start, end, style, cells, width))
    return pieces


def _erased(cells: Mapping[int, Cell], start: int, end: int, *, followed: bool, colours_erase: bool) -> bool:
    """It is shorter to erase these blanks than to write them."""
    n = end - start
    return n > STEP and _erasable(cells[start], colours_erase) and n > len(f"\x1b[{n}X") + (STEP if followed else 0)


def _erasure(y: int, start: int, end: int, cells: Mapping[int, Cell]) -> Piece:
    return Piece(y, start, end, cells[start][1], True, f"\x1b[{end - start}X", start)


def _written(y: int, start: int, end: int, style: str, cells: Mapping[int, Cell], width: int) -> Piece:
    chars = [cells[x][0] for x in range(start, end)]
    text = "".join(chars)
    # Terminals that draw other characters wider are told where to go on; and so they are at the edge, where the cursor
    # stays on the last column or behind it.
    lands = end if text.isascii() and end != width else -1
    if lands < 0 and not text.isascii():
        text = "".join(_with_way_on(y, x, char) for x, char in enumerate(chars, start) if char)
    return Piece(y, start, end, style, not text.strip(" "), text, lands)


def _with_way_on(y: int, x: int, char: str) -> str:
    """A character; if terminals disagree about its width, then with where what follows belongs in any case."""
    if char.isascii():
        return char
    width = get_character_cell_size(char[0])
    return char if len(char) == 1 and width == 1 else f"{char}\x1b[{y + 1};{x + 1 + max(1, width)}H"
