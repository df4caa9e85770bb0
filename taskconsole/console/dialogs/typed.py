"""A question that takes the typing of a name or a number: no slip of a finger does that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from taskconsole.console.dialogs.line import LineDialog
from taskconsole.console.text.format import UNICODE, Glyphs
from taskconsole.console.text.lines import Line, Tone
from taskconsole.console.text.safe import safe
from taskconsole.console.widgets.form import Field

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events

    from taskconsole.console.acting.questions import Question

__all__ = ["Typed"]


class ByHand(Field):
    """A field that takes keys alone."""

    def on_paste(self, event: events.Paste) -> None:
        """What is pasted was not typed."""
        event.prevent_default()
        event.stop()


class Typed(LineDialog):
    """Returns what was typed when it is what was asked for.

    Args:
        asked: What is asked; `typed` is what has to be typed, exactly.
    """

    def __init__(self, asked: Question, *, glyphs: Glyphs = UNICODE) -> None:
        super().__init__(asked.text, f"type {safe(asked.typed, 60)}", glyphs=glyphs)
        self._asked = asked

    def make_field(self, value: str, hint: str) -> Field:
        """No paste."""
        return ByHand(value, placeholder=hint)

    def notes(self) -> Sequence[Line]:
        """What it costs, and what cannot be taken back."""
        return [((f" {note}", Tone.PLAIN),) for note in self._asked.notes]

    def meaning(self, text: str) -> tuple[str, bool]:
        """Whether it is that."""
        if text == self._asked.typed:
            return "enter does it   esc leaves it", True
        return f"esc leaves it; only {safe(self._asked.typed, 60)} and enter does it", False
