"""The base of all views that are a table: filter, order, marks, copying and exporting are the same in each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from taskconsole.console import actions
from taskconsole.console.text.filtering import Filter
from taskconsole.console.text.format import count, duration
from taskconsole.console.text.lines import Line, Tone, at_most, cell, rule
from taskconsole.console.text.safe import safe
from taskconsole.console.views.view import Exported, View
from taskconsole.console.widgets.grid import Grid
from taskconsole.console.widgets.lines import Lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult
    from textual.binding import BindingType

    from taskconsole.console.look import Look
    from taskconsole.console.place import Place
    from taskconsole.console.text.table import Column

__all__ = ["TableView"]

T = TypeVar("T")

EXPORT_WIDTH = 1_000
"""Cells that a column of an exported row may use."""


class TableView(View, Generic[T]):
    """A title, a table, and some lines about the selected row.

    A subclass says which rows there are (`loaded`), what a row is known by (`key`), what is said about it
    (`about`), and where Enter leads (`inside`).
    """

    COLUMNS: ClassVar[Sequence[Column[Any]]]
    EMPTY: ClassVar[str] = ""
    """What `empty` is at first."""
    ABOUT: ClassVar[int] = 4
    """What `about_height` is where there is not much room."""
    TITLED: ClassVar[bool] = True
    """There is always a title, not only when there is something to say in it."""
    PAGED: ClassVar[bool] = False
    """The rows are a window of a longer list, in the order of Redis."""
    ACTIONS: ClassVar[tuple[actions.Action, ...]] = actions.TABLE
    GROUPS: ClassVar[tuple[str, ...]] = ("tables", "marks", "columns", "moving")
    BINDINGS: ClassVar[list[BindingType]] = [*actions.bindings(actions.TABLE)]
    DEFAULT_CSS = """
    TableView {
        & > .title { height: 1; }
        & > .grid { height: 1fr; }
        & > .about { height: auto; }
        &.-short > .about { display: none; }
    }
    """

    def __init__(self, look: Look) -> None:
        super().__init__(look)
        self._filter = Filter.parse("")
        self._last_filter = self._filter
        self._order: tuple[int, bool] | None = None
        self.empty = self.EMPTY
        """The sentence in place of rows when there are none."""
        self.title_line = Lines(classes="title")
        self.grid: Grid[T] = Grid(self.COLUMNS, self.key, empty="", glyphs=look.glyphs, classes="grid")
        self.about_lines = Lines(classes="about")

    def compose(self) -> ComposeResult:
        """Top to bottom."""
        yield self.title_line
        yield self.grid
        yield self.about_lines

    # -- what a subclass says

    def loaded(self) -> Sequence[T]:
        """The rows that are known."""
        raise NotImplementedError

    def key(self, row: T) -> str:
        """What a row is known by."""
        raise NotImplementedError

    def words(self, row: T) -> Sequence[str]:
        """What a filter looks at; by default all that the columns show."""
        return [column.text(row, self.now, 200).strip() for column in self.grid.columns]

    def title(self) -> str:
        """What the table shows; not yet made safe. Empty for the plain name of the view."""
        return ""

    def brief(self) -> str:
        """The same in few words, for when there is more to say."""
        return self.NAME

    def about(self, row: T, width: int) -> Sequence[Line]:  # noqa: ARG002 (for those that say something)
        """What is said about the selected row, below the rule."""
        return ()

    @property
    def about_height(self) -> int:
        """Lines for what is said about the selected row here and now, the rule above them included."""
        return self.ABOUT

    def inside(self, row: T) -> Place | None:  # noqa: ARG002 (for those that lead somewhere)
        """Where Enter leads."""
        return None

    def spoken(self) -> list[str]:
        """What else the title says; safe."""
        return []

    @property
    def start(self) -> int:
        """How many rows of the list come before those that are loaded."""
        return 0

    @property
    def total(self) -> int:
        """How many rows there are, loaded or not."""
        return len(self.loaded())

    # -- what it does with that

    @property
    def filter_text(self) -> str:
        """The filter that is in force."""
        return self._filter.text

    @property
    def filter_words(self) -> tuple[str, ...]:
        """The words of it, as typed."""
        return self._filter.words

    def open(self, place: Place) -> None:
        """Another list than before begins at its first row."""
        other = place != self.place
        super().open(place)
        if other:
            self.grid.home()

    def shown(self) -> list[T]:
        """The rows that pass the filter, in the order that was chosen."""
        rows = [row for row in self.loaded() if not self._filter or self._filter.accepts(*self.words(row))]
        if self._order is not None and not self.PAGED:
            index, downwards = self._order
            order = self.COLUMNS[index].order
            assert order is not None
            known = [row for row in rows if order(row) is not None]
            known.sort(key=order, reverse=downwards)
            # What is not known comes last, whichever way round.
            rows = known + [row for row in rows if order(row) is None]
        return rows

    def paint(self) -> None:
        """Show the rows, what is said about the selected one, and the title."""
        room = self.about_lines.styles.height
        if room is None or room.value != self.about_height:
            self.about_lines.styles.height = self.about_height
        rows = self.shown()
        if self._filter:
            self.grid.empty = "nothing matches the filter"
            self.grid.show(rows, self.now)
        else:
            self.grid.empty = self.empty if self.knows else self.unknown
            self.grid.show(rows, self.now, start=self.start, total=self.total)
        self.paint_title(len(rows))
        self.paint_about()

    @property
    def knows(self) -> bool:
        """Whether rows that are not there are known not to be there."""
        return self.question is None or (self.answer is not None and self.answer.value is not None)

    def paint_title(self, shown: int) -> None:
        """One line: what is shown, how much of it, and what keeps the rest from being shown."""
        width = self.size.width
        spoken = self.spoken()
        if self._filter:
            of = f"{count(len(self.loaded()))} loaded of {count(self.total)}" if self.PAGED else count(self.total)
            spoken.append(f"filter {safe(self._filter.text, 60)}: {count(shown)} of {of}")
        if self.grid.marks and self.TITLED:
            spoken.append(self.marked)
        tone = Tone.TITLE
        if self.answer is not None and self.answer.error:
            spoken.append(safe(self.answer.error, 200))
            tone = Tone.WARN
        elif self.answer is not None and self.answer.took > 1 and self.answer.final:
            spoken.append(f"took {duration(self.answer.took)}")
        self.title_line.display = self.TITLED or bool(spoken)
        head = safe((self.brief() if spoken else self.title()) or self.NAME, 200)
        text = " " + "   ".join([head, *spoken])
        self.title_line.show(((cell(text, width, glyphs=self.look.glyphs), tone),))

    @property
    def marked(self) -> str:
        """How many rows are marked, in words."""
        hidden = self.marked_out_of_sight
        out_of_sight = f" ({count(hidden)} not in sight)" if hidden else ""
        return f"{count(len(self.grid.marks))} marked{out_of_sight}"

    @property
    def whereabouts(self) -> str:
        """Which of the rows is selected; how many are marked, where a title that comes would move the table."""
        place = f"{count(self.grid.cursor + 1)} of {count(self.grid.total)}"
        return f"{place}   {self.marked}" if self.grid.marks and not self.TITLED else place

    def paint_about(self) -> None:
        """The lines about the selected row."""
        row = self.grid.selected
        if row is None:
            self.about_lines.show()
            return
        width = self.size.width
        name = at_most(safe(self.name_of(row), 200), max(8, width - len(self.whereabouts) - 12), self.look.glyphs)
        head = rule(f"{name}   {self.whereabouts}", width, self.look.glyphs)
        self.about_lines.show(head, *list(self.about(row, width))[: self.about_height - 1])

    def name_of(self, row: T) -> str:
        """What a person calls a row; not yet made safe."""
        return self.key(row)

    def set_filter(self, text: str) -> None:
        """Show only rows that pass; what was marked stays marked."""
        self._filter = Filter.parse(text)
        if self._filter:
            self._last_filter = self._filter
        self.grid.go(0)
        self.paint()

    def seek(self, direction: int) -> None:
        """To the next match of the last filter among the rows that are shown."""
        if not self._last_filter:
            self.say("no filter yet: / sets one", ok=False)
        elif not self.grid.seek(lambda row: self._last_filter.accepts(*self.words(row)), direction):
            self.say(f"nothing matches {self._last_filter.text}", ok=False)

    def clear(self) -> bool:
        """Take the filter away, else the marks."""
        if self._filter:
            self.set_filter("")
            return True
        if self.grid.marks:
            self.grid.action_unmark()
            return True
        return False

    def chosen(self) -> list[T]:
        """The marked rows, in sight or not, else the selected one."""
        if self.grid.marks:
            return list(self.grid.marks.values())
        return [] if self.grid.selected is None else [self.grid.selected]

    @property
    def marked_out_of_sight(self) -> int:
        """How many of the marked rows a filter hides, or are not loaded."""
        return len(self.grid.marks.keys() - {self.key(row) for row in self.grid.rows})

    def acted(self) -> None:
        """What was marked is done."""
        if self.grid.marks:
            self.grid.action_unmark()

    def copied(self) -> tuple[str, str]:
        """The names of what is chosen, one in a line."""
        rows = self.chosen()
        return "\n".join(self.name_of(row) for row in rows), "name" if len(rows) == 1 else f"{len(rows)} names"

    def exported(self) -> Exported:
        """Every column of every row that is loaded and passes the filter."""
        columns = self.grid.columns
        rows: list[list[object]] = [
            [column.text(row, self.now, EXPORT_WIDTH).strip() for column in columns] for row in self.shown()
        ]
        return [column.heading.strip() for column in columns], rows

    def on_grid_moved(self) -> None:
        """Another row is selected."""
        self.paint_about()

    def on_grid_opened(self) -> None:
        """As Enter does."""
        self.action_enter()

    def on_grid_marked(self) -> None:
        """Other rows are marked."""
        self.paint_title(len(self.grid.rows))
        self.paint_about()

    def on_resize(self) -> None:
        """Lay out for the size."""
        self.set_class(self.size.height < 15, "-short")
        self.paint()

    def action_enter(self) -> None:
        """Open what is selected."""
        row = self.grid.selected
        place = None if row is None else self.inside(row)
        if place is not None:
            self.go(place)

    def action_sort(self, step: int) -> None:
        """Sort by the next column that has an order; after the last one as it came."""
        if self.PAGED:
            self.say("a list of this length has one order: that of Redis", ok=False)
            return
        able = [i for i, column in enumerate(self.COLUMNS) if column.order is not None]
        if not able:
            return
        at = able.index(self._order[0]) + step if self._order is not None else 0
        self._order = (able[at], False) if 0 <= at < len(able) else None
        self.grid.sorted_by = self._order
        self.paint()

    def action_turn(self) -> None:
        """The other way round."""
        if self._order is None:
            self.action_sort(1)
        if self._order is not None:
            self._order = self._order[0], not self._order[1]
            self.grid.sorted_by = self._order
            self.paint()
