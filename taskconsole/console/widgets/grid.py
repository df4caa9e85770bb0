"""A table of any length of which only what is seen is ever computed, and only what changed is painted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from textual.message import Message

from taskconsole.console.actions import MOTIONS, bindings
from taskconsole.console.format import UNICODE, Glyphs
from taskconsole.console.lines import Line, Tone, plain
from taskconsole.console.table import Column, Placed, fit, heading, row_line
from taskconsole.console.widgets.painted import Painted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual import events
    from textual.binding import BindingType

__all__ = ["Grid"]

T = TypeVar("T")


class Grid(Painted, Generic[T], can_focus=True):
    """Rows known by a key. The cursor stays on its row while rows come, go and move.

    Args:
        columns: What is shown of a row.
        key: What a row is known by; unique.
        empty: The sentence in place of rows when there are none.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(MOTIONS)]

    @dataclass
    class Moved(Message):
        """The cursor is on another row; it is known by `key`."""

        key: str | None

    def __init__(
        self,
        columns: Sequence[Column[T]],
        key: Callable[[T], str],
        *,
        empty: str = "",
        glyphs: Glyphs = UNICODE,
        id: str | None = None,  # noqa: A002 (Textual's name for it)
    ) -> None:
        super().__init__(id=id)
        self._columns = columns
        self._key = key
        self._empty = empty
        self._glyphs = glyphs
        self._placed: list[Placed[T]] = []
        self._now = 0.0
        self.rows: Sequence[T] = ()
        self.cursor = 0
        """The index of the selected row."""

    @property
    def selected(self) -> T | None:
        """The row under the cursor; None when there are no rows."""
        return self.rows[self.cursor] if self.rows else None

    def show(self, rows: Sequence[T], now: float) -> None:
        """Show these rows as of `now`; the cursor keeps its row, or its place if that row is gone."""
        before = None if self.selected is None else self._key(self.selected)
        was_at = self.cursor
        self.rows, self._now = rows, now
        self.cursor = max(0, min(self._index_of(before, was_at), len(rows) - 1))
        self.set_extent(len(rows) + 1)
        # Rows inserted above push the selected one down the list, not down the screen.
        self._scroll(round(self.scroll_offset.y) + self.cursor - was_at)
        self.repaint()
        self._tell(before)

    def select(self, key: str) -> None:
        """Put the cursor on a row, if there is such a row."""
        self._go(self._index_of(key, self.cursor))

    def draw(self, y: int) -> Line:
        """The heading, then rows from the scroll position on."""
        if y == 0:
            return heading(self._placed)
        index = y - 1 + self.scroll_offset.y
        if index >= len(self.rows):
            return (("  " + self._empty, Tone.QUIET),) if y == 1 and self._empty and not self.rows else ()
        if index != self.cursor:
            return row_line(self._placed, self.rows[index], self._now, "  ", self._glyphs)
        line = row_line(self._placed, self.rows[index], self._now, "> ", self._glyphs)
        return ((plain(line).ljust(self.size.width), Tone.SELECTED),)

    def resized(self) -> None:
        """Choose the columns for the new width and keep the cursor in sight."""
        self._placed = fit(self._columns, self.size.width)
        self._scroll(self.scroll_offset.y)

    def action_move(self, by: int) -> None:
        """Move the cursor by rows."""
        self._go(self.cursor + by)

    def action_half_page(self, direction: int) -> None:
        """Move the cursor by half of what is seen."""
        self._go(self.cursor + direction * max(1, self._window // 2))

    def action_page(self, direction: int) -> None:
        """Move the cursor by what is seen."""
        self._go(self.cursor + direction * max(1, self._window))

    def action_end(self, direction: int) -> None:
        """Move the cursor to the first or the last row."""
        self._go(0 if direction < 0 else len(self.rows) - 1)

    def on_click(self, event: events.Click) -> None:
        """Put the cursor on the row that was clicked."""
        index = event.y - 1 + self.scroll_offset.y
        if event.y > 0 and index < len(self.rows):
            self._go(index)

    @property
    def _window(self) -> int:
        """Rows in sight."""
        return max(0, self.size.height - 1)

    def _index_of(self, key: str | None, default: int) -> int:
        if key is None:
            return default
        return next((i for i, row in enumerate(self.rows) if self._key(row) == key), default)

    def _go(self, index: int) -> None:
        before = None if self.selected is None else self._key(self.selected)
        self.cursor = max(0, min(index, len(self.rows) - 1))
        self._scroll(self.scroll_offset.y)
        self.repaint()
        self._tell(before)

    def _tell(self, before: str | None) -> None:
        after = None if self.selected is None else self._key(self.selected)
        if after != before:
            self.post_message(self.Moved(after))

    def _scroll(self, wanted: int) -> None:
        """Scroll to `wanted`, or as near as keeps the cursor in sight and no room wasted."""
        top = max(self.cursor - self._window + 1, min(wanted, self.cursor))
        top = max(0, min(top, len(self.rows) - self._window))
        if top != self.scroll_offset.y:
            self.scroll_to(y=top, animate=False, force=True, immediate=True)
