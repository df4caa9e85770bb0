"""A question that one key answers: y for yes, Enter and everything else that ends it for no."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from taskconsole.console.text.format import UNICODE, Glyphs
from taskconsole.console.text.lines import Line, Tone, at_most
from taskconsole.console.widgets.lines import Lines

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from taskconsole.console.acting.questions import Question

__all__ = ["Confirm"]

KEYS = "y/N"


class Confirm(ModalScreen[bool]):
    """In the last lines of the screen; True for yes.

    Args:
        asked: What is asked.
        seen: Seconds it must have been there: a key that was on its way already answers nothing.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "yes", show=False),
        Binding("n,N,enter,escape,q", "answer(False)", "no", show=False),
    ]
    DEFAULT_CSS = """
    Confirm {
        align: left bottom;
        background: transparent;
        & > Lines { background: $background; }
    }
    """

    def __init__(self, asked: Question, *, seen: float = 0.0, glyphs: Glyphs = UNICODE) -> None:
        super().__init__()
        self._asked, self._seen, self._glyphs = asked, seen, glyphs
        self._appeared = 0.0
        self.lines = Lines()

    def compose(self) -> ComposeResult:
        """The question, and above it what is to be known."""
        self.lines.styles.height = 1 + len(self._asked.notes)
        yield self.lines

    def on_mount(self) -> None:
        """From now on it can be read."""
        self._appeared = time.monotonic()

    def on_resize(self) -> None:
        """Draw it for the width."""
        width, glyphs = self.size.width, self._glyphs
        notes: list[Line] = [((at_most(f" {note}", width, glyphs), Tone.PLAIN),) for note in self._asked.notes]
        text = at_most(f" {self._asked.text}", max(0, width - len(KEYS) - 2), glyphs)
        self.lines.show(*notes, ((text, Tone.WARN), (f" {KEYS}", Tone.TITLE)))

    def action_answer(self, yes: bool) -> None:
        """Yes or no; a yes that nobody can have meant is none."""
        if yes and time.monotonic() - self._appeared < self._seen:
            return
        self.dismiss(yes)
