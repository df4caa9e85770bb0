"""The line that shows where in a recording one is, and where something went wrong. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from taskconsole.console.text.format import UNICODE, Glyphs, clock, duration
from taskconsole.console.text.lines import Line, Tone, cell
from taskconsole.model.recording import MarkKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from taskconsole.console.replay.link import ReplayLink
    from taskconsole.console.text.lines import Piece
    from taskconsole.model.recording import Mark

__all__ = ["timeline"]

WORDS = 24
"""Cells for how far one is: always as many, so that the bar stands still."""


def timeline(
    link: ReplayLink, began: float, ended: float, marks: Sequence[Mark], width: int, glyphs: Glyphs = UNICODE
) -> Line:
    """From when to when, `!` where it became worse, `>` where one is."""
    room = max(1, width - 2 * 10 - WORDS - 2)
    cells = [(glyphs.rule, Tone.QUIET)] * room
    for mark in marks:
        if mark.kind is not MarkKind.FAILURE and mark.bad:
            cells[_place(mark.position, link.end, room)] = ("!", Tone.WARN)
    cells[_place(link.position, link.end, room)] = (">" if link.playing else "|", Tone.TITLE)
    far = f"{duration(link.position)} of {duration(link.end)}  {link.pace}"
    return (
        (f" {clock(began)} ", Tone.QUIET),
        *_joined(cells),
        (f" {clock(ended)} ", Tone.QUIET),
        (cell(f" {far}", WORDS, glyphs=glyphs), Tone.PLAIN),
    )


def _place(position: float, end: float, room: int) -> int:
    return min(room - 1, int(position / end * room)) if end > 0 else 0


def _joined(cells: Sequence[Piece]) -> list[Piece]:
    """Neighbours of one tone as one piece."""
    found: list[Piece] = []
    for text, tone in cells:
        if found and found[-1][1] is tone:
            found[-1] = (found[-1][0] + text, tone)
        else:
            found.append((text, tone))
    return found
