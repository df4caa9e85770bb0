"""The base of every live widget: lines by the Line API, repainted cell by cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from taskconsole.console.text.format import in_ascii
from taskconsole.console.text.lines import Line, Tone, changed
from taskconsole.console.text.safe import guard

if TYPE_CHECKING:
    from rich.style import Style
    from textual import events

__all__ = ["Painted"]

WHEEL = 3
"""Lines by which a turn of the mouse's wheel moves."""


class Painted(ScrollView):
    """A widget that says what its lines look like; `repaint` refreshes the cells in which they differ."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"painted--{tone}" for tone in Tone}
    DEFAULT_CSS = """
    Painted {
        scrollbar-size: 0 0;
        overflow-x: hidden;
        background: $background;
        & > .painted--plain { color: $foreground; }
        & > .painted--quiet { color: $text-muted; }
        & > .painted--title { color: $foreground; text-style: bold; }
        & > .painted--good { color: $text-success; }
        & > .painted--warn { color: $text-warning; text-style: bold; }
        & > .painted--bad { color: $text-error; text-style: bold; }
        & > .painted--selected { color: $foreground; text-style: reverse; }
        &:nocolor > .painted--good, &:nocolor > .painted--warn, &:nocolor > .painted--bad { color: $foreground; }
        &:ansi > .painted--quiet { color: ansi_bright_black; }
        &:ansi > .painted--good { color: ansi_green; }
        &:ansi > .painted--warn { color: ansi_yellow; }
        &:ansi > .painted--bad { color: ansi_red; }
    }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002 (Textual's name)
        super().__init__(id=id, classes=classes)
        self._shown: dict[int, Line] = {}
        self._styles: dict[Tone, Style] = {}

    def draw(self, y: int) -> Line:
        """The line at row `y` of the visible part, at most as wide as the widget."""
        raise NotImplementedError

    def repaint(self) -> None:
        """Compare every visible line with what is shown and refresh the cells that changed."""
        width = self.size.width
        for y in range(self.size.height):
            line = self.draw(y)
            shown = self._shown.get(y)
            if shown is None:
                self.refresh(Region(0, y, width, 1))
            elif shown != line:
                for x, cells in changed(shown, line, width):
                    self.refresh(Region(x, y, cells, 1))
            self._shown[y] = line

    def render_line(self, y: int) -> Strip:
        """The strip for row `y`, once more made harmless."""
        line = self._shown.get(y)
        if line is None:
            line = self._shown[y] = self.draw(y)
        plain = self._style(Tone.PLAIN)
        if getattr(self.app, "ascii_only", False):
            line = tuple((in_ascii(text), tone) for text, tone in line)
        strip = Strip([Segment(text, self._style(tone)) for text, tone in line])
        return guard(strip.adjust_cell_length(self.size.width, plain))

    def _style(self, tone: Tone) -> Style:
        style = self._styles.get(tone)
        if style is None:
            style = self._styles[tone] = self.get_component_rich_style(f"painted--{tone}")
        return style

    def notify_style_update(self) -> None:
        """Colours may have changed: look them up again."""
        self._styles.clear()
        super().notify_style_update()

    def on_resize(self) -> None:
        """Nothing that was drawn for another size is of use."""
        self._shown.clear()
        self.resized()
        self.refresh()

    def resized(self) -> None:
        """What a widget does when its size has changed, before it is drawn."""

    def action_move(self, by: int) -> None:
        """Move by lines, for those that can."""

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """The wheel does what keys do: a cursor must not be left out of sight."""
        self._turn(event, WHEEL)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """The same upwards."""
        self._turn(event, -WHEEL)

    def _turn(self, event: events.MouseEvent, by: int) -> None:
        event.stop()
        event.prevent_default()
        self.action_move(by)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Scrolling repaints differences, not the whole widget."""
        if round(old_value) != round(new_value):
            self.repaint()

    def set_extent(self, lines: int) -> None:
        """How many lines there are to scroll through."""
        if self.virtual_size.height != lines:
            self.virtual_size = Size(self.size.width, lines)
