"""One task in a few lines, below the list it is selected in: what happened when, what it carries, why it failed.

Made of what the list has brought along; Enter reads the whole of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from taskconsole.console.pretty import pretty
from taskconsole.console.text.format import clock, day_and_time, in_or_ago, size
from taskconsole.console.text.lines import Line, Tone, cell, wrapped
from taskconsole.console.text.safe import safe
from taskconsole.model.detail import detail_of
from taskconsole.model.state import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from taskconsole.console.look import Look
    from taskconsole.model.detail import Attempt, TaskDetail
    from taskconsole.model.stats import TaskRow

__all__ = ["task_lines"]

LABEL = 9
"""Cells for the name of a line."""

TODAY = 43_200.0
"""Seconds: of a moment that near the time of day says enough."""


def task_lines(row: TaskRow, now: float, width: int, room: int, look: Look) -> list[Line]:
    """At most `room` lines: times first, then arguments, then each attempt with as much of its traceback as fits."""
    detail = detail_of(row, row.payload, now=now)
    lines = _labelled("when", wrapped(_times(detail, now), max(8, width - LABEL - 1), 2, look.glyphs), width, look)
    known = f"{safe(row.args, 400) or 'none'}   {size(row.size)}"
    lines += _labelled("args", [f"{known}   on {safe(row.worker, 80)}" if row.worker else known], width, look)
    left = room - len(lines)
    if detail.attempts:
        lines += _attempts(detail.attempts, left, width, look)
    elif row.error:
        lines += _labelled("error", [safe(row.error, 400)], width, look, _tone(row))
    elif row.size <= len(row.payload):
        laid_out = pretty(row.payload, look.masked)
        payload = laid_out if len(laid_out) <= left else [" ".join(map(str.strip, laid_out))]
        lines += _labelled("payload", payload, width, look)
    return lines[:room]


def _times(detail: TaskDetail, now: float) -> str:
    """All moments in one sentence, the last one with its distance from now."""
    told = []
    for moment in detail.timeline:
        near = abs(moment.at - now) < TODAY
        told.append(f"{safe(moment.what, 20)} {clock(moment.at) + 'Z' if near else day_and_time(moment.at)}")
    if not told:
        return "not known: the payload carries no times"
    return f"{', '.join(told)} ({in_or_ago(detail.timeline[-1].at, now)})"


def _attempts(attempts: Sequence[Attempt], room: int, width: int, look: Look) -> list[Line]:
    """A line for each, newest first; what is left of the room shows the ends of their tracebacks."""
    lines: list[Line] = []
    spare = room - len(attempts)
    for attempt in attempts[: max(0, room)]:
        label = f"try {attempt.number}" if attempt.number else "try ?"
        ran = "" if attempt.seconds is None else f"   after {attempt.seconds:.3g}s"
        worker = f"   on {safe(attempt.worker, 60)}" if attempt.worker else ""
        lines += _labelled(label, [f"{safe(attempt.error, 300)}{ran}{worker}"], width, look, Tone.BAD)
        # Where it broke is at the end of a traceback; its last line repeats the error.
        frames = attempt.traceback.splitlines()[1:-1]
        shown = frames[-spare:] if spare > 0 else []
        lines += [((cell(f"   {safe(frame, 400)}", width, glyphs=look.glyphs), Tone.QUIET),) for frame in shown]
        spare -= len(shown)
    return lines


def _tone(row: TaskRow) -> Tone:
    return Tone.BAD if row.state is State.DEAD else Tone.WARN


def _labelled(label: str, texts: Sequence[str], width: int, look: Look, tone: Tone = Tone.PLAIN) -> list[Line]:
    """Safe texts below each other, the first with its name."""
    room = max(0, width - LABEL)
    return [
        ((f" {(label if i == 0 else ''):<{LABEL - 1}}", Tone.QUIET), (cell(text, room, glyphs=look.glyphs), tone))
        for i, text in enumerate(texts)
    ]
