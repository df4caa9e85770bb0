"""Tables as columns: what is shown is a pure function of a value and the moment.

`fit` decides which columns a terminal of a given width shows. Columns are dropped in the order they
declare, never wrapped; a wider terminal shows those that ask for room.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from taskconsole.console.text.format import UNICODE, Glyphs
from taskconsole.console.text.lines import Justify, Line, Tone, cell

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Column", "Placed", "fit", "heading", "row_line", "widest"]

T = TypeVar("T")
MARKER = 2
"""Cells before the first column, for the cursor's mark."""


def _plain(_value: object) -> Tone:
    return Tone.PLAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Column(Generic[T]):
    """One column of a table of `T`."""

    heading: str
    width: int
    """Cells at least."""
    text: Callable[[T, float, int], str]
    """The text for (value, now, cells there are); safe for a terminal."""
    justify: Justify = "left"
    drop: int = 0
    """The highest is dropped first when there is no room; 0 is never dropped."""
    since: int = 0
    """Shown only on terminals at least this wide."""
    most: int = 0
    """May grow to this many cells when there is room."""
    grows: int = 0
    """Those with the lowest number get spare cells first."""
    tone: Callable[[T], Tone] = _plain
    tone_at: Callable[[T, float], Tone] | None = None
    """In place of `tone` where the tone depends on the moment, too."""
    order: Callable[[T], Any] | None = None
    """What rows are sorted by; None for a column by which nobody sorts."""


@dataclass(frozen=True, slots=True)
class Placed(Generic[T]):
    """A column and the cells it got."""

    column: Column[T]
    width: int


def fit(columns: Sequence[Column[T]], width: int, *, gap: int = 1, margin: int = MARKER) -> list[Placed[T]]:
    """The columns for a terminal `width` cells wide; spare cells go to those that may grow."""
    shown = [column for column in columns if column.since <= width]

    def spare() -> int:
        return width - margin - sum(column.width + gap for column in shown)

    while spare() < 0:
        victim = max(shown, key=lambda column: column.drop)
        if victim.drop == 0:
            break
        shown.remove(victim)
    left = max(0, spare())
    widths = {id(column): column.width for column in shown}
    for column in sorted(shown, key=lambda column: column.grows):
        extra = min(left, max(0, column.most - column.width))
        left -= extra
        widths[id(column)] += extra
    return [Placed(column, widths[id(column)]) for column in shown]


def widest(columns: Sequence[Column[T]]) -> list[Placed[T]]:
    """Every column as wide as it may become, for a table that is moved sideways."""
    return [Placed(column, max(column.width, column.most)) for column in columns]


def heading(placed: Sequence[Placed[T]], gap: str = " ", *, sorted_by: tuple[str, str] | None = None) -> Line:
    """The line above a table; `sorted_by` is a heading and the mark that it carries."""

    def text(column: Column[T]) -> str:
        if sorted_by is None or column.heading != sorted_by[0]:
            return column.heading
        return column.heading + sorted_by[1]

    cells = (cell(text(p.column), p.width, p.column.justify) for p in placed)
    return ((" " * MARKER + gap.join(cells), Tone.TITLE),)


def row_line(
    placed: Sequence[Placed[T]], value: T, now: float, marker: str, glyphs: Glyphs = UNICODE, gap: str = " "
) -> Line:
    """One row of a table, neighbours of one tone joined so that they cost one change of colour."""
    pieces = [(marker, Tone.PLAIN)]
    for place in placed:
        text = cell(place.column.text(value, now, place.width), place.width, place.column.justify, glyphs) + gap
        column = place.column
        tone = column.tone(value) if column.tone_at is None else column.tone_at(value, now)
        if pieces[-1][1] is tone or not text.strip():
            pieces[-1] = (pieces[-1][0] + text, pieces[-1][1])
        else:
            pieces.append((text, tone))
    return tuple(pieces)
