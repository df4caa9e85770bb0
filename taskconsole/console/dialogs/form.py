"""The base of all forms: labelled fields one below the other, one line for what is wrong, Enter submits."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Input

from taskconsole.console.text.format import UNICODE, Glyphs
from taskconsole.console.text.lines import Tone, cell, rule
from taskconsole.console.text.safe import safe
from taskconsole.console.typed.entry import EntryError
from taskconsole.console.widgets.form import Field, Switch
from taskconsole.console.widgets.lines import Lines

if TYPE_CHECKING:
    from collections.abc import Mapping

    from textual.app import ComposeResult

__all__ = ["Form"]

T = TypeVar("T")


class Form(ModalScreen[T | None], Generic[T]):
    """Returns what the fields mean, or None when it was left.

    A subclass says what they mean (`result`), and in words (`meaning`).

    Args:
        title: What it is for, safe.
        fields: By their labels, top to bottom.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "cancel", show=False),
        Binding("down", "app.focus_next", "next field", show=False),
        Binding("up", "app.focus_previous", "previous field", show=False),
    ]
    DEFAULT_CSS = """
    Form {
        align: left bottom;
        background: transparent;
        & > Vertical { height: auto; background: $background; }
        Horizontal { height: 1; }
        Lines { height: 1; }
        .label { width: 10; }
        Field, Switch { width: 1fr; height: 1; }
    }
    """

    def __init__(self, title: str, fields: Mapping[str, Field | Switch], *, glyphs: Glyphs = UNICODE) -> None:
        super().__init__()
        self._title, self._fields, self._glyphs = title, fields, glyphs
        self.title_line = Lines(id="title")
        self.message = Lines(id="message")
        self._labels = {name: Lines(id=f"label-{name}", classes="label") for name in fields}

    def compose(self) -> ComposeResult:
        """A title, the fields, one line for what is wrong."""
        with Vertical():
            yield self.title_line
            for name, field in self._fields.items():
                with Horizontal():
                    yield self._labels[name]
                    yield field
            yield self.message

    def result(self) -> T:
        """What the fields mean.

        Raises:
            EntryError: One of them does not say what it should.
        """
        raise NotImplementedError

    def heading(self) -> str:
        """What stands above the fields, safe."""
        return self._title

    def meaning(self, result: T) -> str:
        """In words, safe; while nothing is wrong."""
        raise NotImplementedError

    def on_resize(self) -> None:
        """Draw the fixed texts for the width."""
        self._paint()

    @on(Input.Changed)
    @on(Switch.Changed)
    def _check(self) -> None:
        self._paint()

    @on(Input.Submitted)
    @on(Switch.Accepted)
    def _submit(self) -> None:
        try:
            result = self.result()
        except EntryError:
            self._paint()
        else:
            self.dismiss(result)

    def action_cancel(self) -> None:
        """Nothing of it."""
        self.dismiss(None)

    def _paint(self) -> None:
        width = self.size.width
        self.title_line.show(rule(self.heading(), width, self._glyphs))
        for name, label in self._labels.items():
            label.show(((f" {name}", Tone.QUIET),))
        try:
            text, tone = self.meaning(self.result()), Tone.QUIET
        except EntryError as error:
            text, tone = safe(str(error), 300), Tone.WARN
        self.message.show(((cell(f" {text}", width, glyphs=self._glyphs), tone),))
