"""The parts of a form: labelled fields that are drawn safely, and a switch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Input

from taskconsole.console.text.lines import Line, Tone
from taskconsole.console.text.safe import guard
from taskconsole.console.widgets.painted import Painted

if TYPE_CHECKING:
    from textual.strip import Strip

__all__ = ["Field", "Switch"]


class Field(Input):
    """A one-line input without frame or blinking; its value may be anything, what is drawn is safe."""

    DEFAULT_CSS = """
    Field, Field:focus {
        border: none; height: 1; padding: 0; background: $background; color: $foreground;
        & > .input--cursor { text-style: reverse; background: $background; color: $foreground; }
        & > .input--placeholder { color: $text-muted; }
    }
    """

    def __init__(self, value: str = "", *, placeholder: str = "", id: str | None = None) -> None:  # noqa: A002
        super().__init__(value, placeholder=placeholder, compact=True, select_on_focus=False, id=id)
        self.cursor_blink = False

    def render_line(self, y: int) -> Strip:
        """The name of a queue comes from Redis; so this is drawn like everything else from there."""
        return guard(super().render_line(y))


class Switch(Painted, can_focus=True):
    """A choice of two, in words."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "flip", "flip", show=False),
        Binding("enter", "accept", "accept", show=False),
    ]

    @dataclass
    class Changed(Message):
        """It was toggled."""

        on: bool

    class Accepted(Message):
        """Enter was pressed on it, as on any field of the form."""

    def __init__(self, text: str, *, on: bool = False, id: str | None = None) -> None:  # noqa: A002 (Textual's name)
        super().__init__(id=id)
        self._text = text
        self.on = on

    def draw(self, y: int) -> Line:
        """A box, its text, and how to change it when the keys go here."""
        hint = "  (space)" if self.has_focus else ""
        tone = Tone.SELECTED if self.has_focus else Tone.PLAIN
        return (("[x]" if self.on else "[ ]", tone), (f" {self._text}{hint}", Tone.PLAIN)) if y == 0 else ()

    def watch_has_focus(self, has_focus: bool) -> None:
        """Show where the keys go."""
        super().watch_has_focus(has_focus)
        self.repaint()

    def action_flip(self) -> None:
        """The other one."""
        self.on = not self.on
        self.repaint()
        self.post_message(self.Changed(self.on))

    def action_accept(self) -> None:
        """Submit the form."""
        self.post_message(self.Accepted())
