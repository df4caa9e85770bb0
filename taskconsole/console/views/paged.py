"""The base of views of lists that may be of any length: a window of rows around the cursor is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from taskconsole.console.aim import Aim
from taskconsole.console.feed.queries import Window
from taskconsole.console.place import Place
from taskconsole.console.views.inbrief import task_lines
from taskconsole.console.views.tableview import TableView
from taskconsole.model.stats import TaskRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from taskconsole.console.look import Look
    from taskconsole.console.text.lines import Line
    from taskconsole.console.widgets.grid import Grid

__all__ = ["PagedView", "renewed_keys", "row_keys"]

PAGE = 100
"""Rows that are loaded at once."""

FILTERED = 500
"""The same while a filter is set: it looks at what is loaded."""

STEP = 25
"""Windows begin at multiples of it, so that moving by a row does not ask another question."""


class PagedView(TableView[TaskRow]):
    """Tasks, a window at a time. A subclass asks by `window`."""

    PAGED: ClassVar[bool] = True

    def __init__(self, look: Look) -> None:
        super().__init__(look)
        self._first = 0
        self._keys: dict[int, str] = {}

    def open(self, place: Place) -> None:
        """Another list begins at its first row."""
        if place != self.place:
            self._first = 0
        super().open(place)

    @property
    def limit(self) -> int:
        """How many rows to load."""
        return FILTERED if self._filter else PAGE

    @property
    def first(self) -> int:
        """From which on."""
        return 0 if self._filter else self._first

    @property
    def window(self) -> Window:
        """What is loaded."""
        value = None if self.answer is None else self.answer.value
        return value if isinstance(value, Window) else Window((), 0, 0)

    @property
    def aim(self) -> Aim:
        """What is marked, else what is selected."""
        return Aim(rows=tuple(self.chosen()), hidden=self.marked_out_of_sight)

    def loaded(self) -> Sequence[TaskRow]:
        """The rows of the window."""
        return self.window.rows

    @property
    def start(self) -> int:
        """How many come before."""
        return self.window.offset

    @property
    def total(self) -> int:
        """How many there are."""
        return self.window.total

    def paint(self) -> None:
        """Two tasks may have the same bytes: they are told apart by their order."""
        self._keys = renewed_keys(self._keys, self.grid.rows, self.window.rows)
        super().paint()

    def key(self, row: TaskRow) -> str:
        """Its id, or its payload and which of those that are alike it is."""
        return self._keys.get(id(row)) or row_keys((row,))[id(row)]

    def name_of(self, row: TaskRow) -> str:
        """Its id, or its text when it has none."""
        return row.id or row.name

    def about(self, row: TaskRow, width: int) -> Sequence[Line]:
        """The task in brief."""
        return task_lines(row, self.now, width, self.about_height - 1, self.look)

    def inside(self, row: TaskRow) -> Place:
        """The task in full."""
        return Place(view="task", queue=row.queue, state=row.state, key=self.key(row), subject=row)

    def set_filter(self, text: str) -> None:
        """A filter looks at more rows than are shown without."""
        was = bool(self._filter)
        super().set_filter(text)
        if was != bool(self._filter):
            self.ask()

    def on_grid_wanted(self, message: Grid.Wanted) -> None:
        """Load the rows around the cursor."""
        first = max(0, (message.index - PAGE // 2) // STEP * STEP)
        if first != self._first:
            self._first = first
            self.ask()


def row_keys(rows: Sequence[TaskRow]) -> dict[int, str]:
    """A key for each row object (by `id()`), the same from reading to reading."""
    seen: dict[str, int] = {}
    keys: dict[int, str] = {}
    for row in rows:
        own = row.id or row.payload.decode("utf-8", "backslashreplace")
        seen[own] = seen.get(own, 0) + 1
        keys[id(row)] = own if seen[own] == 1 else f"{own}\0{seen[own]}"
    return keys


def renewed_keys(known: dict[int, str], before: Sequence[TaskRow], rows: Sequence[TaskRow]) -> dict[int, str]:
    """The keys of `rows`, and still those of the rows shown `before`: the cursor is about to be carried over."""
    return {id(row): known[id(row)] for row in before if id(row) in known} | row_keys(rows)
