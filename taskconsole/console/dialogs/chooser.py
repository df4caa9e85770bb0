"""A list to choose from by typing: the palette of actions, what to copy, which server to look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input

from taskconsole.console.text.filtering import Filter
from taskconsole.console.text.format import UNICODE, Glyphs
from taskconsole.console.text.lines import Tone, rule
from taskconsole.console.text.safe import safe
from taskconsole.console.text.table import Column
from taskconsole.console.widgets.form import Field
from taskconsole.console.widgets.grid import Grid
from taskconsole.console.widgets.lines import Lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult

__all__ = ["Chooser", "Option"]


@dataclass(frozen=True, slots=True)
class Option:
    """One line; nothing of it is yet made safe."""

    name: str
    about: str = ""
    key: str = ""
    """What does the same outside."""


COLUMNS: tuple[Column[Option], ...] = (
    Column(heading="", width=16, most=28, text=lambda option, _now, _width: safe(option.name, 100)),
    Column(
        heading="", width=8, text=lambda option, _now, _width: safe(option.key, 20), tone=lambda _option: Tone.TITLE
    ),
    Column(
        heading="",
        width=20,
        most=400,
        text=lambda option, _now, width: safe(option.about, 2 * width),
        tone=lambda _option: Tone.QUIET,
    ),
)


class Chooser(ModalScreen[int | None]):
    """Returns the index of the chosen option, or None.

    Args:
        title: What is to be chosen.
        options: In their order.
    """

    AUTO_FOCUS = "Field"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,ctrl+p", "cancel", "cancel", show=False),
        Binding("down,ctrl+n,tab", "step(1)", "next", show=False),
        Binding("up,shift+tab", "step(-1)", "before", show=False),
        Binding("pagedown", "step(8)", "page down", show=False),
        Binding("pageup", "step(-8)", "page up", show=False),
    ]
    DEFAULT_CSS = """
    Chooser {
        align: left bottom;
        background: transparent;
        & > Vertical { height: 60%; min-height: 10; background: $background; }
        Lines { height: 1; }
        Field { height: 1; }
        Grid { height: 1fr; }
    }
    """

    def __init__(self, title: str, options: Sequence[Option], *, glyphs: Glyphs = UNICODE) -> None:
        super().__init__()
        self._title = title
        self._options = options
        self._glyphs = glyphs
        self.title_line = Lines()
        self.field = Field(placeholder="type to narrow down; enter chooses, esc leaves")
        self.grid: Grid[tuple[int, Option]] = Grid(_NUMBERED, lambda row: str(row[0]), glyphs=glyphs)
        self.grid.can_focus = False

    def compose(self) -> ComposeResult:
        """A title, what is typed, the options that are left."""
        with Vertical():
            yield self.title_line
            yield self.field
            yield self.grid

    def on_resize(self) -> None:
        """Lay out for the width."""
        self.title_line.show(rule(safe(self._title, 100), self.size.width, self._glyphs))
        self._narrow()

    @on(Input.Changed)
    def _narrow(self) -> None:
        chosen = Filter.parse(self.field.value)
        rows = [
            (index, option)
            for index, option in enumerate(self._options)
            if chosen.accepts(option.name, option.about, option.key)
        ]
        self.grid.empty = "nothing matches"
        self.grid.show(rows, 0.0)

    @on(Input.Submitted)
    def _choose(self) -> None:
        row = self.grid.selected
        self.dismiss(None if row is None else row[0])

    def on_click(self) -> None:
        """A click on a row selects it; Enter chooses."""
        self.field.focus()

    def action_cancel(self) -> None:
        """Nothing is chosen."""
        self.dismiss(None)

    def action_step(self, by: int) -> None:
        """Another option."""
        self.grid.go(self.grid.cursor + by)


def _of_option(column: Column[Option]) -> Column[tuple[int, Option]]:
    return Column(
        heading=column.heading,
        width=column.width,
        most=column.most,
        text=lambda row, now, width: column.text(row[1], now, width),
        tone=lambda row: column.tone(row[1]),
    )


_NUMBERED = tuple(_of_option(column) for column in COLUMNS)
