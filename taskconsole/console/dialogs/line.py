"""The base of all questions that are answered with one line of text: explained and checked while it is typed."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Input

from taskconsole.console.text.format import UNICODE, Glyphs
from taskconsole.console.text.lines import Line, Tone, cell, rule
from taskconsole.console.widgets.form import Field
from taskconsole.console.widgets.lines import Lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult

__all__ = ["LineDialog"]


class LineDialog(ModalScreen[str | None]):
    """Returns what was typed, or None when it was left.

    A subclass says what is asked (`notes`), and what the text means or why it will not do (`meaning`).

    Args:
        title: What it is about, safe.
        label: What is typed.
        value: What to begin with.
    """

    AUTO_FOCUS = "Field"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "cancel", show=False),
        Binding("tab", "complete", "complete", show=False),
    ]
    DEFAULT_CSS = """
    LineDialog {
        align: left bottom;
        background: transparent;
        & > Vertical { height: auto; background: $background; }
        Horizontal { height: 1; }
        Lines { height: 1; }
        .notes { height: auto; }
        Field { width: 1fr; height: 1; }
    }
    """

    def __init__(self, title: str, label: str, value: str = "", *, hint: str = "", glyphs: Glyphs = UNICODE) -> None:
        super().__init__()
        self._title, self._label, self._glyphs = title, label, glyphs
        self.title_line = Lines()
        self.notes_lines = Lines(classes="notes")
        self.label_line = Lines()
        self.field = self.make_field(value, hint)
        self.message = Lines()

    def make_field(self, value: str, hint: str) -> Field:
        """What one types into."""
        return Field(value, placeholder=hint)

    def compose(self) -> ComposeResult:
        """A title, what is asked, the field, what the text means."""
        with Vertical():
            yield self.title_line
            notes = self.notes()
            self.notes_lines.styles.height = len(notes)
            self.notes_lines.display = bool(notes)
            yield self.notes_lines
            with Horizontal():
                self.label_line.styles.width = len(self._label) + 2
                yield self.label_line
                yield self.field
            yield self.message

    def notes(self) -> Sequence[Line]:
        """Lines above the field; safe."""
        return ()

    def meaning(self, text: str) -> tuple[str, bool]:
        """What the text means, and whether it will do; safe."""
        raise NotImplementedError

    def completed(self, text: str) -> str:
        """What Tab makes of it."""
        return text

    def on_resize(self) -> None:
        """Draw the texts for the width."""
        self._paint()

    @on(Input.Changed)
    def _check(self) -> None:
        self._paint()

    @on(Input.Submitted)
    def _submit(self) -> None:
        if self.meaning(self.field.value)[1]:
            self.dismiss(self.field.value)
        else:
            self._paint()

    def action_cancel(self) -> None:
        """Nothing of it."""
        self.dismiss(None)

    def action_complete(self) -> None:
        """What the text may become."""
        text = self.completed(self.field.value)
        self.field.value, self.field.cursor_position = text, len(text)

    def _paint(self) -> None:
        width = self.size.width
        self.title_line.show(rule(self._title, width, self._glyphs))
        self.notes_lines.show(*((*line,) for line in self.notes()))
        self.label_line.show(((f" {self._label}", Tone.QUIET),))
        text, good = self.meaning(self.field.value)
        self.message.show(((cell(f" {text}", width, glyphs=self._glyphs), Tone.QUIET if good else Tone.WARN),))
