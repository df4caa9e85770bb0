"""A few lines of text that are told what to show: header, verdict, details, footer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from taskconsole.console.widgets.painted import Painted

if TYPE_CHECKING:
    from taskconsole.console.text.lines import Line

__all__ = ["Lines"]


class Lines(Painted, can_focus=False):
    """Shows the lines it was last given."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002 (Textual's name)
        super().__init__(id=id, classes=classes)
        self.lines: tuple[Line, ...] = ()

    def draw(self, y: int) -> Line:
        """The line as given."""
        return self.lines[y] if y < len(self.lines) else ()

    def show(self, *lines: Line) -> None:
        """Show these lines from now on."""
        self.lines = lines
        self.repaint()
