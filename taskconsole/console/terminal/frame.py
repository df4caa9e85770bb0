"""Frames, cut down to the cells that differ from what the terminal already shows.

Textual repaints whole regions, every segment with its own colours. On a slow link that is what one waits
for. `FrameDiff` reads the output meant for the terminal and passes on only what changes the picture there.
The result looks the same cell by cell (the tests compare with an emulator).
"""

from __future__ import annotations

import re
from functools import lru_cache

from rich.cells import get_character_cell_size

__all__ = ["FrameDiff"]

_TOKEN = re.compile(
    r"\x1b\[(?P<move>\d+;\d+)H|\x1b\[(?P<style>[\d;]*)m|(?P<newline>\r?\n)|(?P<text>[^\x1b\x00-\x1f\x7f]+)"
)
_PARAMETER = re.compile(r"[34]8;2;\d+;\d+;\d+|[34]8;5;\d+|\d+")
# The bell, the pointer's shape, modes but for the alternate screen, the keyboard protocol.
_DRAWS_NOTHING = re.compile(r"(?:\x07|\x1b\]22;\w*(?:\x07|\x1b\\)|\x1b\[\?(?!1049)\d+(?:[hl]|\$p)|\x1b\[[<>=]\d*u)+")
_SYNC_START, _SYNC_END = "\x1b[?2026h", "\x1b[?2026l"

BRIDGE = 4
"""Unchanged cells that are cheaper to write again than to step over with a cursor movement."""

Cell = tuple[str, str]
"""A character (empty for the right half of a wide one) and its style as terminal parameters."""


class FrameDiff:
    """Two pictures, of what the terminal shows and of what it shall show, and the shortest way between them.

    `take` paints what was to be written into the second; `changes` returns what must be written to make the
    first like it. In between any number of frames may be taken: a terminal that does not keep up gets the
    last one.
    """

    def __init__(self) -> None:
        self._shown: dict[int, dict[int, Cell]] = {}
        self._wanted: dict[int, dict[int, Cell]] = {}
        self._dirty: set[int] = set()
        self._x = self._y = 0
        self._style = ""
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
        out: list[str] = []
        style = ""
        for y in sorted(self._dirty):
            style = self._row_changes(out, y, style)
        self._dirty.clear()
        if not out:
            return ""
        if style:
            out.append("\x1b[0m")
        return f"{_SYNC_START}{''.join(out)}{_SYNC_END}" if self._sync else "".join(out)

    def _paint(self, token: re.Match[str]) -> None:
        if token["text"] is not None:
            self._write(token["text"])
        elif token["style"] is not None:
            self._style = "" if token["style"] == "0" else token["style"]
        elif token["move"] is not None:
            row, column = token["move"].split(";")
            self._y, self._x = int(row) - 1, int(column) - 1
        else:
            self._x, self._y = 0, self._y + 1

    def _write(self, text: str) -> None:
        if self._height and self._y >= self._height:
            return
        row = self._wanted.setdefault(self._y, {})
        x, style, narrow = self._x, self._style, text.isascii()
        _break_wide(row, x)
        for char in text:
            width = 1 if narrow else get_character_cell_size(char)
            if self._width and x + width > self._width:
                break
            if width == 0:
                _combine(row, x, char)
                continue
            row[x] = (char, style)
            if width == 2:
                row[x + 1] = ("", style)
            x += width
        if x in row and not row[x][0]:
            del row[x]
        self._x = x
        self._dirty.add(self._y)

    def _row_changes(self, out: list[str], y: int, style: str) -> str:
        cells, shown = self._wanted[y], self._shown.setdefault(y, {})
        differ = sorted(x for x, cell in cells.items() if shown.get(x) != cell)
        at: int | None = None
        """Where the cursor is in this row, if that is sure."""
        for start, end in _runs(differ, cells):
            out.append(f"\x1b[{y + 1};{start + 1}H" if at is None else f"\x1b[{start - at}C")
            run = [cells[x] for x in range(start, end)]
            last = run[-1]
            blanks = _blanks_at_the_end(run)
            # Blanks that are there already are erased once more, which costs nothing.
            alike = bool(self._width) and all(cells.get(x) == last for x in range(end, self._width))
            erase = "\x1b[K" if alike else f"\x1b[{blanks}X"
            if blanks <= len(erase):
                blanks = 0
            style = _write_run(out, y, start, run[: len(run) - blanks], style)
            if blanks:
                out.append(_restyle(style, last[1]) + erase if style != last[1] else erase)
                style = last[1]
            # Terminals that draw other characters wider are told where to go on.
            at = end - blanks if all(char.isascii() for char, _ in run) else None
            shown.update((x, cells[x]) for x in range(start, end))
            if blanks and alike:
                shown.update((x, cells[x]) for x in range(end, self._width))
                break
        return style


def _blanks_at_the_end(run: list[Cell]) -> int:
    """How many cells at the end of a run look as if they had been erased.

    Only with the terminal's own background: not every terminal erases with another.
    """
    style = run[-1][1]
    _, background, rest = _parts(style)
    if background not in {"", "49"} or rest & {"4", "7", "9"}:
        return 0
    blanks = 0
    for cell in reversed(run):
        if cell != (" ", style):
            break
        blanks += 1
    return blanks


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


def _write_run(out: list[str], y: int, start: int, cells: list[Cell], style: str) -> str:
    """Append what draws `cells` from column `start` on; returns the style the terminal is left in."""
    for x, (char, wanted) in enumerate(cells, start):
        if not char:
            continue
        if wanted != style:
            out.append(_restyle(style, wanted))
            style = wanted
        out.append(char)
        if not char.isascii() and (len(char) > 1 or get_character_cell_size(char) != 1):
            # Terminals disagree about such widths; what follows goes where it belongs in any case.
            out.append(f"\x1b[{y + 1};{x + 1 + max(1, get_character_cell_size(char[0]))}H")
    return style


@lru_cache(maxsize=1024)
def _restyle(old: str, new: str) -> str:
    """The shortest sequence from one style to another; a style is what stands between `ESC [` and `m`."""
    (old_fg, old_bg, old_rest), (new_fg, new_bg, new_rest) = _parts(old), _parts(new)
    if not old or not new or not old_rest <= new_rest:
        # What is reset has the terminal's own colours.
        colours = (part for part in (new_fg, new_bg) if part not in {"", "39", "49"})
        return f"\x1b[{';'.join(('0', *sorted(new_rest), *colours)) if old else new or '0'}m"
    parts = [*sorted(new_rest - old_rest)]
    if new_fg != old_fg:
        parts.append(new_fg or "39")
    if new_bg != old_bg:
        parts.append(new_bg or "49")
    return f"\x1b[{';'.join(parts)}m"


def _parts(style: str) -> tuple[str, str, frozenset[str]]:
    """Foreground, background and everything else of a style."""
    front = back = ""
    rest: set[str] = set()
    for match in _PARAMETER.finditer(style):
        part = match[0]
        code = int(part.partition(";")[0])
        if 30 <= code <= 39 or 90 <= code <= 97:
            front = part
        elif 40 <= code <= 49 or 100 <= code <= 107:
            back = part
        else:
            rest.add(part)
    return front, back, frozenset(rest)


def _runs(changed: list[int], cells: dict[int, Cell]) -> list[tuple[int, int]]:
    """Changed columns as (start, end), small gaps of one style bridged, wide characters whole."""
    runs: list[tuple[int, int]] = []
    for x in changed:
        start = x - 1 if not cells[x][0] and x - 1 in cells else x
        end = x + 1
        while end in cells and not cells[end][0]:
            end += 1
        if runs:
            last_start, last_end = runs[-1]
            gap = range(last_end, start)
            if len(gap) <= BRIDGE and all(g in cells and cells[g][1] == cells[last_end - 1][1] for g in gap):
                runs[-1] = (last_start, max(end, last_end))
                continue
        runs.append((start, end))
    return runs
