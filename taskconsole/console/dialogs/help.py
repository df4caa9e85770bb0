"""The keys of the screen one came from."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.screen import Screen

from taskconsole.console.actions import MOTIONS
from taskconsole.console.text.format import UNICODE, Glyphs, key_name
from taskconsole.console.text.lines import Line, Tone, cell
from taskconsole.console.widgets.lines import Lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult
    from textual.geometry import Size

    from taskconsole.console.actions import Action

__all__ = ["HelpScreen"]

LEGEND = (
    ("NO WORKERS", "tasks wait and no live worker serves the queue"),
    ("QUIET", "every worker was told to claim no more"),
    ("SATURATED", "every slot is taken and tasks wait"),
    ("PAUSED", "workers claim nothing until it is resumed"),
    ("BROKEN", "a key of the queue holds something else"),
    ("^ = v", "pending grows, stays, shrinks"),
    ("?", "not known; never zero"),
)


class HelpScreen(Screen[None]):
    """A table of keys and of the words used; any of the closing keys goes back.

    Args:
        groups: A title and its actions, in the order shown.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,enter", "close", "back", show=False),
        Binding("j,down", "scroll(1)", "down", show=False),
        Binding("k,up", "scroll(-1)", "up", show=False),
    ]
    DEFAULT_CSS = "HelpScreen { background: $background; overflow: hidden; #help { height: 1fr; } }"

    def __init__(self, groups: Sequence[tuple[str, Sequence[Action]]], *, glyphs: Glyphs = UNICODE) -> None:
        super().__init__()
        self._groups = groups
        self._glyphs = glyphs
        self._top = 0
        self.body = Lines(id="help")

    def compose(self) -> ComposeResult:
        """One text; laid out for the terminal at once, or the screen would first be painted without it."""
        self._paint(self.app.size)
        yield self.body

    def on_resize(self) -> None:
        """Lay the text out for the width."""
        self._paint(self.size)

    def action_close(self) -> None:
        """Back to the screen it was called from."""
        self.dismiss()

    def action_scroll(self, by: int) -> None:
        """Scroll, when the terminal is too low for all of it."""
        self._top = max(0, min(self._top + by, len(self._lines(self.size.width)) - self.size.height))
        self._paint(self.size)

    def _paint(self, size: Size) -> None:
        self.body.show(*self._lines(size.width)[self._top : self._top + size.height])

    def _lines(self, width: int) -> list[Line]:
        lines: list[Line] = []
        for title, group in self._groups:
            lines.append(((f" {title}", Tone.QUIET),))
            lines += [_entry(key_name(key, self._glyphs), text, width) for key, text in _rows(group)]
        lines.append(((" words", Tone.QUIET),))
        lines += [_entry(word, meaning, width) for word, meaning in LEGEND]
        lines.append(((" esc goes back", Tone.QUIET),))
        return lines


def _rows(group: Sequence[Action]) -> list[tuple[str, str]]:
    """Keys and texts; motions, which come in pairs, two in a row."""
    if group is not MOTIONS:
        return [(action.key_text, action.tooltip) for action in group]
    pairs = zip(MOTIONS[::2], MOTIONS[1::2], strict=True)
    return [(f"{a.key_text}  {b.key_text}", f"{a.tooltip}  {b.tooltip}") for a, b in pairs]


def _entry(key: str, text: str, width: int) -> Line:
    return ((f"  {cell(key, 16)} ", Tone.TITLE), (cell(text, max(0, width - 19)), Tone.PLAIN))
