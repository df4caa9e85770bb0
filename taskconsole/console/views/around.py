"""What a wide first screen shows beside each other below the queues: why, what is due next, and who works. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from taskconsole.console import header
from taskconsole.console.columns.doctor import LEVEL_TONES, LEVEL_WORDS
from taskconsole.console.columns.schedules import when_text
from taskconsole.console.columns.workers import WORKER_TONES, by_process
from taskconsole.console.text.format import Glyphs, age, count, duration
from taskconsole.console.text.lines import Line, Piece, Tone, cell, wrapped
from taskconsole.console.text.safe import safe
from taskconsole.model.verdict import Level

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from taskconsole.console.columns.queues import QueueRow
    from taskconsole.console.feed.queries import Around
    from taskconsole.console.look import Look
    from taskconsole.model.reach import Reach
    from taskconsole.model.schedule_info import ScheduleInfo
    from taskconsole.model.stats import TaskRow, WorkerInfo
    from taskconsole.model.verdict import Verdict

__all__ = ["due_lines", "why_lines", "worker_lines"]

LATE = 1.0
"""Seconds after its time something counts as overdue."""


@dataclass(frozen=True, slots=True)
class _Due:
    """A task or a schedule whose time comes."""

    at: float
    what: str
    queue: str
    which: str


def why_lines(
    row: QueueRow,
    trail: Sequence[int],
    verdicts: Iterable[Verdict],
    now: float,
    width: int,
    look: Look,
    reach: Reach,
) -> list[Line]:
    """What is wrong with the queue, on what evidence; then its figures, and what to do next."""
    told = header.details(row, trail, now, width, look, reach)
    if row.stale:
        return list(told)
    figures, why, then = told
    lines: list[Line] = []
    for verdict in verdicts:
        if verdict.level is Level.NOTE:
            continue
        tone = LEVEL_TONES[verdict.level]
        evidence = safe(verdict.evidence or verdict.text, 400)
        text = f"{LEVEL_WORDS[verdict.level]} {safe(verdict.rule, 40).upper()}: {evidence}"
        lines += [((f" {part}", tone),) for part in wrapped(text, width - 2, 2, row.glyphs)]
    return [figures, *(lines or [why]), then]


def due_lines(around: Around, now: float, width: int, room: int, glyphs: Glyphs) -> list[Line]:
    """The delayed tasks and the schedules whose time comes first; what is overdue says so."""
    due = sorted((*_tasks(around.due), *_schedules(around.schedules)), key=lambda one: one.at)
    lines: list[Line] = []
    for one in due[:room]:
        late = one.at < now - LATE
        distance = f"-{duration(now - one.at)}" if one.at < now else f"+{duration(one.at - now)}"
        pieces: list[Piece] = [(f" {distance:>7} ", Tone.WARN if late else Tone.PLAIN)]
        if late:
            pieces.append(("OVERDUE ", Tone.WARN))
        rest = width - sum(len(text) for text, _ in pieces)
        queue = max(8, rest // 4)
        which = max(8, rest // 3)
        pieces.append((cell(one.what, max(4, rest - queue - which - 2), glyphs=glyphs) + " ", Tone.PLAIN))
        pieces.append((f"{cell(one.queue, queue, glyphs=glyphs)} {cell(one.which, which, glyphs=glyphs)}", Tone.QUIET))
        lines.append(tuple(pieces))
    return lines or [((" nothing is delayed, and no schedule fires", Tone.QUIET),)]


def worker_lines(
    workers: Iterable[WorkerInfo], queue: str, now: float, width: int, room: int, glyphs: Glyphs
) -> list[Line]:
    """Each worker in a line, those that serve `queue` first; the last line says how many more there are."""
    rows = by_process(workers, now)
    rows.sort(key=lambda row: all(part.queue != queue for part in row.parts))
    shown = rows if len(rows) <= room else rows[: room - 1]
    lines: list[Line] = []
    for row in shown:
        beat = "?" if row.one.seen is None else age(row.one.seen, now)
        runs = ""
        if row.running and row.state != "GONE":
            runs = f"{duration(row.running[0][2])} {safe(row.running[0][1], 60)}"
        name = max(8, min(16, width // 3))
        figures = f"{row.active}/{row.one.concurrency}".rjust(6) + f"{beat:>7} "
        rest = max(0, width - len(figures) - name - 10)
        lines.append(
            (
                (f" {cell(safe(row.one.id, 200), name, glyphs=glyphs)} ", Tone.PLAIN),
                (f"{row.state:<7} ", WORKER_TONES[row.state]),
                (figures + cell(runs, rest, glyphs=glyphs), Tone.PLAIN),
            )
        )
    if len(shown) < len(rows):
        lines.append(((f" {count(len(rows) - len(shown))} more: 5 shows all", Tone.QUIET),))
    return lines or [((" no worker has registered", Tone.QUIET),)]


def _tasks(rows: Iterable[TaskRow]) -> list[_Due]:
    return [
        _Due(row.at, safe(row.name, 200), safe(row.queue, 200), safe(row.id or "-", 200)[-12:])
        for row in rows
        if row.at is not None
    ]


def _schedules(infos: Iterable[ScheduleInfo]) -> list[_Due]:
    return [
        _Due(info.next_at, safe(info.name, 200), safe(info.queue, 200), when_text(info.definition))
        for info in infos
        if info.next_at is not None
    ]
