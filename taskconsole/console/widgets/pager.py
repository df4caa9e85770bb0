"""A text of any length to be read: moved through line by line, searched, and handed to $PAGER."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from taskconsole.console.actions import MOTIONS, SIDEWAYS, bindings
from taskconsole.console.text.lines import Line, Tone, crop, plain
from taskconsole.console.widgets.painted import Painted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual.binding import BindingType

__all__ = ["Pager"]

STEP = 16
"""Cells to the right or left at once."""


class Pager(Painted, can_focus=True):
    """Lines, of which those in sight are drawn; the one that was found last is marked."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(MOTIONS), *bindings(SIDEWAYS)]

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002 (Textual's name)
        super().__init__(id=id, classes=classes)
        self.lines: Sequence[Line] = ()
        self._found = -1
        self._left = 0

    def show(self, lines: Sequence[Line]) -> None:
        """Show these lines; what is in sight stays in sight."""
        self.lines = lines
        self._found = min(self._found, len(lines) - 1)
        self.set_extent(len(lines))
        self._scroll(self.top)
        self.repaint()

    def home(self) -> None:
        """The first line; nothing is found yet."""
        self._found, self._left = -1, 0
        self._scroll(0)

    def draw(self, y: int) -> Line:
        """The line at that place."""
        index = self.top + y
        if index >= len(self.lines):
            return ()
        line = crop(self.lines[index], self._left, self.size.width, fixed=0) if self._left else self.lines[index]
        if index == self._found:
            return ((plain(line).ljust(self.size.width), Tone.SELECTED),)
        return line

    def seek(self, accepts: Callable[[str], bool], direction: int) -> bool:
        """Go to the next line that is accepted, round the end; False when there is none."""
        n = len(self.lines)
        # Nothing found yet: the line at the top of what is in sight counts, too.
        start = self._found if self._found >= 0 else self.top - direction
        for step in range(1, n + 1):
            index = (start + direction * step) % n
            if accepts(plain(self.lines[index])):
                self._found = index
                if not self.top <= index < self.top + self.size.height:
                    self._scroll(index - self.size.height // 3)
                self.repaint()
                return True
        return False

    def forget(self) -> None:
        """No line is marked as found."""
        self._found = -1
        self.repaint()

    @property
    def text(self) -> str:
        """All of it, line by line."""
        return "\n".join(plain(line).rstrip() for line in self.lines)

    @property
    def top(self) -> int:
        """The index of the first line in sight."""
        return round(self.scroll_offset.y)

    @property
    def place(self) -> str:
        """How much of it is above the lower edge, in words."""
        seen = self.top + self.size.height
        return "all" if len(self.lines) <= self.size.height else f"{min(seen, len(self.lines))} of {len(self.lines)}"

    def resized(self) -> None:
        """No room is wasted."""
        self._scroll(self.top)

    def action_move(self, by: int) -> None:
        """Scroll by lines."""
        self._scroll(self.top + by)

    def action_half_page(self, direction: int) -> None:
        """Scroll by half of what is seen."""
        self._scroll(self.top + direction * max(1, self.size.height // 2))

    def action_page(self, direction: int) -> None:
        """Scroll by what is seen."""
        self._scroll(self.top + direction * max(1, self.size.height))

    def action_end(self, direction: int) -> None:
        """To the first or the last line."""
        self._scroll(0 if direction < 0 else len(self.lines))

    def action_sideways(self, direction: int) -> None:
        """Further to the right, or back."""
        self._left = max(0, self._left + direction * STEP)
        self.repaint()

    def action_widen(self) -> None:
        """Back to the left edge."""
        self._left = 0
        self.repaint()

    def _scroll(self, wanted: int) -> None:
        top = max(0, min(wanted, len(self.lines) - self.size.height))
        if top != self.top:
            self.scroll_to(y=top, animate=False, force=True, immediate=True)
