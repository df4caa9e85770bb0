"""A table of any length of which only what is seen is ever computed, and only what changed is painted.

The rows may be a window of a longer list: the others are drawn as not loaded, and `Wanted` asks for them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from textual.message import Message

from taskconsole.console.actions import MARKS, MOTIONS, SIDEWAYS, bindings
from taskconsole.console.text.format import UNICODE, Glyphs
from taskconsole.console.text.lines import Line, Tone, crop, plain
from taskconsole.console.text.table import Column, Placed, fit, heading, row_line, widest
from taskconsole.console.widgets.painted import Painted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from textual import events
    from textual.binding import BindingType

__all__ = ["Grid"]

T = TypeVar("T")

STEP = 16
"""Cells by which a wide table moves sideways."""


class Grid(Painted, Generic[T], can_focus=True):
    """Rows known by a key. The cursor stays on its row while rows come, go and move.

    Args:
        columns: What is shown of a row.
        key: What a row is known by; unique.
        empty: The sentence in place of rows when there are none.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(MOTIONS), *bindings(SIDEWAYS), *bindings(MARKS)]

    @dataclass
    class Moved(Message):
        """The cursor is on another row; it is known by `key`."""

        key: str | None

    @dataclass
    class Opened(Message):
        """The selected row was clicked."""

    @dataclass
    class Wanted(Message):
        """Rows that are in sight, or nearly so, are not loaded: those around `index` are wanted."""

        index: int

        def can_replace(self, message: Message) -> bool:
            """The last place one has come to counts."""
            return isinstance(message, Grid.Wanted)

    @dataclass
    class Marked(Message):
        """Other rows are marked than before."""

    def __init__(
        self,
        columns: Sequence[Column[T]],
        key: Callable[[T], str],
        *,
        empty: str = "",
        glyphs: Glyphs = UNICODE,
        id: str | None = None,  # noqa: A002 (Textual's name for it)
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self._columns = columns
        self._key = key
        self._glyphs = glyphs
        self._placed: list[Placed[T]] = []
        self._now = 0.0
        self._left = 0
        self._anchor: str | None = None
        self._asked = -1
        self.empty = empty
        self.rows: Sequence[T] = ()
        """Those that are loaded."""
        self.start = 0
        """How many rows of the list come before them."""
        self.total = 0
        """How many there are, loaded or not."""
        self.cursor = 0
        """The index of the selected row, in the whole list."""
        self.marks: dict[str, T] = {}
        """The marked rows by their keys, as they were seen last; those that are not shown included."""
        self.wide = False
        self.sorted_by: tuple[int, bool] | None = None
        """The column by which the rows are sorted, and whether downwards; for the heading only."""

    @property
    def selected(self) -> T | None:
        """The row under the cursor; None when there is none, or it is not loaded."""
        return self._row(self.cursor)

    @property
    def columns(self) -> Sequence[Column[T]]:
        """What is shown of a row."""
        return self._columns

    def set_columns(self, columns: Sequence[Column[T]]) -> None:
        """Show something else of each row."""
        if columns is not self._columns:
            self._columns, self.sorted_by = columns, None
            self._place()

    def show(self, rows: Sequence[T], now: float, *, start: int = 0, total: int | None = None) -> None:
        """Show these rows as of `now`; the cursor keeps its row, or its place if that row is gone."""
        before = self._name_at(self.cursor)
        was_at = self.cursor
        self.rows, self._now, self.start = rows, now, start
        if self.marks:
            self.marks.update({key: row for row in rows if (key := self._key(row)) in self.marks})
        self.total = start + len(rows) if total is None else max(total, start + len(rows))
        self._asked = -1
        self.cursor = max(0, min(self._index_of(before, was_at), self.total - 1))
        self.set_extent(self.total + 1)
        # Rows inserted above push the selected one down the list, not down the screen.
        self._scroll(round(self.scroll_offset.y) + self.cursor - was_at)
        self.repaint()
        self._tell(before)
        self._want()

    def select(self, key: str) -> None:
        """Put the cursor on a row, if there is such a row."""
        self.go(self._index_of(key, self.cursor))

    def seek(self, accepts: Callable[[T], bool], direction: int) -> bool:
        """Put the cursor on the next loaded row that is accepted, round the end; False when there is none."""
        n = len(self.rows)
        at = self.cursor - self.start
        for step in range(1, n + 1):
            index = (at + direction * step) % n
            if accepts(self.rows[index]):
                self.go(self.start + index)
                return True
        return False

    def home(self) -> None:
        """The first row, nothing marked: for another list than before."""
        self.cursor, self._left, self._anchor, self._asked = 0, 0, None, -1
        self.marks.clear()
        self._scroll(0)

    def draw(self, y: int) -> Line:
        """The heading, then rows from the scroll position on."""
        if y == 0:
            return self._across(heading(self._placed, sorted_by=self._heading_mark()))
        index = y - 1 + self.scroll_offset.y
        if index >= self.total:
            return (("  " + self.empty, Tone.QUIET),) if y == 1 and self.empty and not self.total else ()
        row = self._row(index)
        mark = "*" if row is not None and self.marks and self._key(row) in self.marks else " "
        if row is None:
            line: Line = ((f" {mark}", Tone.PLAIN), (self._glyphs.ellipsis, Tone.QUIET))
        else:
            line = row_line(self._placed, row, self._now, f" {mark}", self._glyphs)
        line = self._across(line)
        if index != self.cursor:
            return line
        return ((">" + plain(line)[1:].ljust(self.size.width - 1), Tone.SELECTED),)

    def resized(self) -> None:
        """Choose the columns for the new width and keep the cursor in sight."""
        self._place()
        self._scroll(self.scroll_offset.y)
        self._want()

    def action_move(self, by: int) -> None:
        """Move the cursor by rows."""
        self.go(self.cursor + by)

    def action_half_page(self, direction: int) -> None:
        """Move the cursor by half of what is seen."""
        self.go(self.cursor + direction * max(1, self._window // 2))

    def action_page(self, direction: int) -> None:
        """Move the cursor by what is seen."""
        self.go(self.cursor + direction * max(1, self._window))

    def action_end(self, direction: int) -> None:
        """Move the cursor to the first or the last row."""
        self.go(0 if direction < 0 else self.total - 1)

    def action_widen(self) -> None:
        """Show every column in full, to be moved sideways, or only those that fit."""
        self.wide, self._left = not self.wide, 0
        self._place()
        self.repaint()

    def action_sideways(self, direction: int) -> None:
        """Move a wide table to the left or right."""
        if not self.wide and direction > 0:
            self.action_widen()
        room = max(0, 2 + sum(p.width + 1 for p in self._placed) - self.size.width)
        self._left = max(0, min(self._left + direction * STEP, room))
        self.repaint()

    def action_mark(self) -> None:
        """Mark the selected row, or take its mark away, and go on to the next."""
        row = self.selected
        if row is not None:
            self._anchor = key = self._key(row)
            if self.marks.pop(key, None) is None:
                self.marks[key] = row
            self.post_message(self.Marked())
        self.go(self.cursor + 1)

    def action_mark_range(self) -> None:
        """Mark every row from the one that was marked last to the selected one."""
        if not self.rows:
            return
        start = self._index_of(self._anchor, self.cursor)
        first, last = sorted((start, self.cursor))
        self._mark(self.rows[max(0, first - self.start) : last - self.start + 1])

    def action_mark_all(self) -> None:
        """Mark every row that is loaded and shown."""
        self._mark(self.rows)

    def action_unmark(self) -> None:
        """Take all marks away."""
        self.marks.clear()
        self.post_message(self.Marked())
        self.repaint()

    def on_click(self, event: events.Click) -> None:
        """Put the cursor on the row that was clicked; open it when it is there already."""
        index = event.y - 1 + round(self.scroll_offset.y)
        if event.y > 0 and index == self.cursor:
            self.post_message(self.Opened())
        elif event.y > 0 and index < self.total:
            self.go(index)

    def go(self, index: int) -> None:
        """Put the cursor on a row by its index in the whole list."""
        before = self._name_at(self.cursor)
        self.cursor = max(0, min(index, self.total - 1))
        self._scroll(self.scroll_offset.y)
        self.repaint()
        self._tell(before)
        self._want()

    def _mark(self, rows: Iterable[T]) -> None:
        self.marks.update({self._key(row): row for row in rows})
        self.post_message(self.Marked())
        self.repaint()

    def _place(self) -> None:
        self._placed = widest(self._columns) if self.wide else fit(self._columns, self.size.width)

    def _across(self, line: Line) -> Line:
        """The part of a line that is in sight: its first two cells always, of a wide table then what comes after."""
        return crop(line, self._left, self.size.width) if self.wide else line

    def _heading_mark(self) -> tuple[str, str] | None:
        if self.sorted_by is None:
            return None
        index, downwards = self.sorted_by
        return self._columns[index].heading, "v" if downwards else "^"

    @property
    def _window(self) -> int:
        """Rows in sight."""
        return max(0, self.size.height - 1)

    def _row(self, index: int) -> T | None:
        at = index - self.start
        return self.rows[at] if 0 <= at < len(self.rows) else None

    def _name_at(self, index: int) -> str | None:
        row = self._row(index)
        return None if row is None else self._key(row)

    def _index_of(self, key: str | None, default: int) -> int:
        if key is None:
            return default
        return next((self.start + i for i, row in enumerate(self.rows) if self._key(row) == key), default)

    def _tell(self, before: str | None) -> None:
        after = self._name_at(self.cursor)
        if after != before:
            self.post_message(self.Moved(after))

    def _want(self) -> None:
        """Ask for rows that are in sight and not loaded."""
        top = round(self.scroll_offset.y)
        last = min(top + self._window, self.total) - 1
        missing = top < self.start or last >= self.start + len(self.rows)
        if missing and self._window and self._asked != self.cursor:
            self._asked = self.cursor
            self.post_message(self.Wanted(self.cursor))

    def _scroll(self, wanted: int) -> None:
        """Scroll to `wanted`, or as near as keeps the cursor in sight and no room wasted."""
        top = max(self.cursor - self._window + 1, min(wanted, self.cursor))
        top = max(0, min(top, self.total - self._window))
        if top != self.scroll_offset.y:
            self.scroll_to(y=top, animate=False, force=True, immediate=True)
