"""The line on which one types a filter or a command."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input

from taskconsole.console.text.lines import Tone
from taskconsole.console.widgets.form import Field
from taskconsole.console.widgets.lines import Lines

if TYPE_CHECKING:
    from textual.app import ComposeResult

__all__ = ["Prompt"]


class Prompt(Horizontal):
    """Hidden until it is opened; says what is typed, and what was accepted."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "cancel", show=False),
        Binding("tab", "complete", "complete", show=False),
        Binding("up", "history(-1)", "before", show=False),
        Binding("down", "history(1)", "after", show=False),
    ]
    DEFAULT_CSS = """
    Prompt {
        height: 1; display: none;
        & > Lines { width: 1; height: 1; }
        & > Field { width: 1fr; }
        &.-open { display: block; }
    }
    """

    @dataclass
    class Typed(Message):
        """The text is another one."""

        sign: str
        text: str

    @dataclass
    class Accepted(Message):
        """Enter was pressed."""

        sign: str
        text: str

    @dataclass
    class Cancelled(Message):
        """Escape was pressed."""

        sign: str

    @dataclass
    class Completing(Message):
        """Tab was pressed: `complete` takes what it should become."""

        text: str

    @dataclass
    class Recalling(Message):
        """An earlier (-1) or later (1) text is wanted."""

        text: str
        step: int

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 (Textual's name for it)
        super().__init__(id=id)
        self.sign = ""
        """`/` for a filter, `:` for a command."""
        self._label = Lines()
        self.field = Field()

    def compose(self) -> ComposeResult:
        """The sign and the text."""
        yield self._label
        yield self.field

    def begin(self, sign: str, text: str = "") -> None:
        """Take the keys, with this text to start from."""
        self.sign = sign
        self._label.show(((sign, Tone.TITLE),))
        self.replace(text)
        self.add_class("-open")
        self.field.focus()

    def end(self) -> None:
        """Give the keys back to whoever asks for them next."""
        self.remove_class("-open")

    @property
    def is_open(self) -> bool:
        """It takes the keys."""
        return self.has_class("-open")

    def replace(self, text: str) -> None:
        """Another text, the cursor at its end."""
        self.field.value = text
        self.field.cursor_position = len(text)

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        if self.is_open:
            self.post_message(self.Typed(self.sign, event.value))

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.post_message(self.Accepted(self.sign, event.value))

    def action_cancel(self) -> None:
        """Nothing of it."""
        self.post_message(self.Cancelled(self.sign))

    def action_complete(self) -> None:
        """Ask for what the text may become."""
        self.post_message(self.Completing(self.field.value))

    def action_history(self, step: int) -> None:
        """Ask for an earlier or a later text."""
        self.post_message(self.Recalling(self.field.value, step))
