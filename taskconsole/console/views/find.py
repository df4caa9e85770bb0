"""A search through the tasks of every queue: results as they come, how far it is, and a key to end it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from taskconsole.console import actions
from taskconsole.console.aim import Aim
from taskconsole.console.columns.tasks import FOUND
from taskconsole.console.feed.queries import Found, Seek
from taskconsole.console.place import Place
from taskconsole.console.text.format import count
from taskconsole.console.text.lines import Line, facts
from taskconsole.console.text.safe import safe
from taskconsole.console.views.inbrief import task_lines
from taskconsole.console.views.paged import renewed_keys
from taskconsole.console.views.tableview import TableView
from taskconsole.model.search import Search
from taskconsole.model.stats import TaskRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.binding import BindingType

    from taskconsole.console.look import Look

__all__ = ["FindView"]


class FindView(TableView[TaskRow]):
    """Opened with a `Search` as its subject."""

    NAME = "find"
    COLUMNS = FOUND
    EMPTY = "nothing found"
    ACTIONS = (*actions.TABLE, *actions.TASK)
    GROUPS = ("a task", "tables", "marks", "columns", "moving")
    BINDINGS: ClassVar[list[BindingType]] = [*actions.bindings(actions.TASK)]

    def __init__(self, look: Look) -> None:
        super().__init__(look)
        self._stopped = False
        self._keys: dict[int, str] = {}

    def open(self, place: Place) -> None:
        """Another search begins; one comes back to its results, as far as they had come."""
        if place != self.place:
            self._stopped = False
        super().open(place)

    @property
    def aim(self) -> Aim:
        """What is marked or selected."""
        return Aim(
            rows=tuple(self.chosen()),
            hidden=self.marked_out_of_sight,
            everything="a marks all that were found, then d deletes them",
        )

    @property
    def question(self) -> Seek | None:
        """The search, until it is ended."""
        search = self.place.subject
        over = self._stopped or (self.found is not None and self.found.done)
        return Seek(search=search) if isinstance(search, Search) and not over else None

    @property
    def found(self) -> Found | None:
        """What was found so far."""
        value = None if self.answer is None else self.answer.value
        return value if isinstance(value, Found) else None

    @property
    def crumbs(self) -> tuple[str, ...]:
        """What is searched for."""
        return ("find", self.place.key)

    def loaded(self) -> Sequence[TaskRow]:
        """In the order they were found."""
        return () if self.found is None else self.found.rows

    def key(self, row: TaskRow) -> str:
        """The place it was found at."""
        return f"{row.queue}\0{row.state}\0{self._keys.get(id(row), row.id or '')}"

    def paint(self) -> None:
        """Two tasks may have the same bytes: they are told apart by their order."""
        self._keys = renewed_keys(self._keys, self.grid.rows, self.loaded())
        super().paint()

    def name_of(self, row: TaskRow) -> str:
        """Its id, or its text when it has none."""
        return row.id or row.name

    def title(self) -> str:
        """How far it has come."""
        found = self.found
        text = f"find {self.place.key[:60]}"
        if found is None:
            return f"{text}   looking …   esc ends it"
        looked = f"looked at {count(found.looked)} of {count(found.total)}, {count(len(found.rows))} found"
        if found.done:
            return f"{text}   {looked}   done"
        share = found.looked / found.total if found.total else 0.0
        return f"{text}   {looked}   " + ("ended" if self._stopped else f"{share:.0%}   esc ends it")

    @property
    def about_height(self) -> int:
        """A third of it all."""
        return max(self.ABOUT, self.size.height // 3)

    def about(self, row: TaskRow, width: int) -> Sequence[Line]:
        """Where it is, and the task in brief."""
        where = facts([("where", f"{safe(row.queue, 200)}, {row.state}")], width, self.look.glyphs)
        return [*where, *task_lines(row, self.now, width, self.about_height - 2, self.look)]

    def inside(self, row: TaskRow) -> Place:
        """The task in full."""
        return Place(view="task", queue=row.queue, state=row.state, key=self.key(row), subject=row)

    def clear(self) -> bool:
        """End the search first."""
        if self.question is not None:
            self._stopped = True
            self.ask()
            self.paint()
            return True
        return super().clear()
