"""Frames, cut down to the cells that differ from what the terminal already shows.

Textual repaints whole regions, every segment with its own colours. On a slow link that is what one waits
for. `FrameDiff` reads the output meant for the terminal and passes on only what changes the picture there.
The result looks the same cell by cell (the tests compare with an emulator).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rich.cells import get_character_cell_size

from taskconsole.console.terminal.difference import row_pieces
from taskconsole.console.terminal.pen import drawn
from taskconsole.console.terminal.style import of_blank, spelled

if TYPE_CHECKING:
    from taskconsole.console.terminal.pen import Cell, Piece

__all__ = ["FrameDiff"]

_TOKEN = re.compile(
    r"\x1b\[(?P<move>\d+;\d+)H|\x1b\[(?P<style>[\d;]*)m|(?P<newline>\r?\n)|(?P<text>[^\x1b\x00-\x1f\x7f]+)"
)
# The bell, the pointer's shape, modes but for the alternate screen, the keyboard protocol.
_DRAWS_NOTHING = re.compile(r"(?:\x07|\x1b\]22;\w*(?:\x07|\x1b\\)|\x1b\[\?(?!1049)\d+(?:[hl]|\$p)|\x1b\[[<>=]\d*u)+")
_SYNC_START, _SYNC_END = "\x1b[?2026h", "\x1b[?2026l"


class FrameDiff:
    """Two pictures, of what the terminal shows and of what it shall show, and the shortest way between them.

    `take` paints what was to be written into the second; `changes` returns what must be written to make the
    first like it. In between any number of frames may be taken: a terminal that does not keep up gets the
    last one.
    """

    def __init__(self, *, colours_erase: bool = False) -> None:
        self._erasable = colours_erase
        self._shown: dict[int, dict[int, Cell]] = {}
        self._wanted: dict[int, dict[int, Cell]] = {}
        self._dirty: set[int] = set()
        self._x = self._y = 0
        self._style = ""
        self._left_in: str | None = None
        """The terminal's own style, as the last changes have left it; None when it is not known."""
        self._width = self._height = 0
        self._sync = False

    def resize(self, width: int, height: int) -> None:
        """The terminal has this size: its picture is unknown; beyond its edge nothing is drawn."""
        if (width, height) != (self._width, self._height):
            self._width, self._height = width, height
            self._wanted.clear()
            self._dirty.clear()
        # Told the same size again, as after a suspension, Textual paints nothing anew.
        self.forget()

    def forget(self) -> None:
        """Whatever the terminal shows now, everything is to be drawn anew."""
        self._shown.clear()
        self._left_in = None
        self._dirty.update(self._wanted)

    def take(self, data: str) -> bool:
        """Paint `data` into the picture; False if it is not a frame and must be written as it is.

        Unless it is known to draw nothing it may have changed anything: the terminal's picture is forgotten.
        """
        if data in {_SYNC_START, _SYNC_END}:
            # The terminal can show a frame at once; `changes` are one frame.
            self._sync = True
            return True
        position = 0
        while position < len(data):
            token = _TOKEN.match(data, position)
            if token is None:
                if not _DRAWS_NOTHING.fullmatch(data):
                    self.forget()
                return False
            self._paint(token)
            position = token.end()
        return True

    def changes(self) -> str:
        """What makes the terminal show the picture; empty when it does."""
        pieces: list[Piece] = []
        for y in sorted(self._dirty):
            pieces += row_pieces(y, self._wanted[y], self._shown.get(y, {}), self._width, self._erasable)
            self._shown[y] = dict(self._wanted[y])
        self._dirty.clear()
        if not pieces:
            return ""
        out, self._left_in = drawn(pieces, self._wanted, self._left_in)
        return f"{_SYNC_START}{out}{_SYNC_END}" if self._sync else out

    def _paint(self, token: re.Match[str]) -> None:
        if token["text"] is not None:
            self._write(token["text"])
        elif token["style"] is not None:
            self._style = spelled(token["style"])
        elif token["move"] is not None:
            row, column = token["move"].split(";")
            self._y, self._x = int(row) - 1, int(column) - 1
        else:
            self._x, self._y = 0, self._y + 1

    def _write(self, text: str) -> None:
        if self._height and self._y >= self._height:
            return
        row = self._wanted.setdefault(self._y, {})
        x, style, blank, narrow = self._x, self._style, of_blank(self._style), text.isascii()
        _break_wide(row, x)
        for char in text:
            width = 1 if narrow else get_character_cell_size(char)
            if self._width and x + width > self._width:
                break
            if width == 0:
                _combine(row, x, char)
                continue
            row[x] = (char, style if char != " " else blank)
            if width == 2:
                row[x + 1] = ("", style)
            x += width
        if x in row and not row[x][0]:
            del row[x]
        self._x = x
        self._dirty.add(self._y)


def _combine(row: dict[int, Cell], x: int, mark: str) -> None:
    """Put a character without a width onto the one before column `x`."""
    left = next((at for at in (x - 1, x - 2) if row.get(at, ("", ""))[0]), None)
    if left is not None:
        char, style = row[left]
        row[left] = (char + mark, style)


def _break_wide(row: dict[int, Cell], x: int) -> None:
    """A line of text begins or ends between the halves of a wide character: both are unknown then."""
    if x in row and not row[x][0]:
        del row[x]
        row.pop(x - 1, None)
