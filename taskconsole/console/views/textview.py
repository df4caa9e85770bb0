"""The base of all views that are one text: scrolling, searching, $PAGER and copying are the same in each."""

from __future__ import annotations

import os
import shlex
import subprocess
from typing import TYPE_CHECKING, ClassVar

from textual.app import SuspendNotSupported

from taskconsole.console import actions
from taskconsole.console.text.filtering import Filter
from taskconsole.console.text.lines import Line, Tone, cell
from taskconsole.console.text.safe import safe
from taskconsole.console.views.view import View
from taskconsole.console.widgets.lines import Lines
from taskconsole.console.widgets.pager import Pager

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult
    from textual.binding import BindingType

    from taskconsole.console.look import Look
    from taskconsole.console.place import Place

__all__ = ["TextView", "entry", "headline"]

LABEL = 12
"""Cells for the name of a fact."""


class TextView(View):
    """A title and a text. A subclass says what the text is (`text_lines`), and what its title (`title`)."""

    ACTIONS: ClassVar[tuple[actions.Action, ...]] = actions.DETAIL
    GROUPS: ClassVar[tuple[str, ...]] = ("texts", "columns", "moving")
    BINDINGS: ClassVar[list[BindingType]] = [*actions.bindings(actions.DETAIL)]
    DEFAULT_CSS = """
    TextView {
        & > .title { height: 1; }
        & > .pager { height: 1fr; }
    }
    """

    def __init__(self, look: Look) -> None:
        super().__init__(look)
        self._filter = Filter.parse("")
        self.title_line = Lines(classes="title")
        self.pager = Pager(classes="pager")

    def compose(self) -> ComposeResult:
        """Top to bottom."""
        yield self.title_line
        yield self.pager

    def text_lines(self, width: int) -> Sequence[Line]:
        """The text, every piece of it safe."""
        raise NotImplementedError

    def title(self) -> str:
        """What it is about; not yet made safe."""
        return ""

    @property
    def filter_text(self) -> str:
        """What is searched for."""
        return self._filter.text

    def open(self, place: Place) -> None:
        """Another text begins at its first line."""
        other = place != self.place
        super().open(place)
        if other:
            self.pager.home()

    def paint(self) -> None:
        """The text and its title."""
        width = self.size.width
        self.pager.show(self.text_lines(width))
        pieces = [safe(self.title(), 200), self.pager.place]
        if self._filter:
            pieces.append(f"searching {safe(self.filter_text, 60)}")
        tone = Tone.TITLE
        if self.answer is not None and self.answer.error:
            pieces.append(safe(self.answer.error, 200))
            tone = Tone.WARN
        self.title_line.show(((cell(" " + "   ".join(pieces), width, glyphs=self.look.glyphs), tone),))

    def set_filter(self, text: str) -> None:
        """Search inside: the first match from here on, while it is typed."""
        self._filter = Filter.parse(text)
        self.pager.forget()
        if self._filter:
            self.pager.seek(self._filter.accepts, 1)
        self.paint()

    def seek(self, direction: int) -> None:
        """To the next match."""
        if not self._filter:
            self.say("nothing is searched for yet: / begins", ok=False)
        elif not self.pager.seek(self._filter.accepts, direction):
            self.say(f"{self.filter_text} is not in this text", ok=False)

    def clear(self) -> bool:
        """Stop searching."""
        if not self._filter:
            return False
        self.set_filter("")
        return True

    def copies(self) -> list[tuple[str, str]]:
        """The text as it is shown."""
        return [("this text", self.pager.text)]

    def on_resize(self) -> None:
        """Lay out for the size."""
        self.paint()

    def action_pager(self) -> None:
        """Hand the text, made safe, to $PAGER."""
        command = shlex.split(os.environ.get("PAGER", "")) or ["less", "-S"]
        try:
            with self.app.suspend():
                subprocess.run(command, input=self.pager.text, text=True, check=False)  # noqa: S603 (the operator's own)
        except SuspendNotSupported:
            self.say("no pager here: this terminal cannot be lent", ok=False)
        except OSError as error:
            self.say(f"{command[0]}: {error.strerror}", ok=False)


def headline(text: str) -> Line:
    """A line above some others."""
    return ((f" {text}", Tone.TITLE),)


def entry(label: str, text: str, width: int, tone: Tone = Tone.PLAIN) -> list[Line]:
    """A fact with its name; `text` must be safe, and is broken into as many lines as it takes."""
    room = max(8, width - LABEL - 2)
    parts = [text[i : i + room] for i in range(0, len(text), room)] or [""]
    return [((f" {(label if i == 0 else ''):<{LABEL}} ", Tone.QUIET), (part, tone)) for i, part in enumerate(parts)]
