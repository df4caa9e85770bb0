"""The columns of each table: what is shown is a pure function of a value and the moment.

`fit` decides which columns a terminal of a given width shows. Columns are dropped in the order they
declare, never wrapped; a wider terminal shows those that ask for room.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from taskconsole.console.format import UNICODE, Glyphs, age, clock, count, duration, rate, sparkline
from taskconsole.console.lines import Justify, Line, Tone, cell
from taskconsole.console.safe import safe
from taskconsole.console.verdict import drain_eta
from taskconsole.model.event import Event, EventKind
from taskconsole.model.state import QueueState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from taskconsole.model.stats import QueueStats

__all__ = [
    "EVENTS",
    "EVENTS_WIDE",
    "QUEUES",
    "Column",
    "Placed",
    "QueueRow",
    "event_tone",
    "fit",
    "heading",
    "row_line",
]

T = TypeVar("T")
MARKER = 2
"""Cells before the first column, for the cursor's mark."""


def _plain(_value: object) -> Tone:
    return Tone.PLAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Column(Generic[T]):
    """One column of a table of `T`."""

    heading: str
    width: int
    """Cells at least."""
    text: Callable[[T, float, int], str]
    """The text for (value, now, cells there are); safe for a terminal."""
    justify: Justify = "left"
    drop: int = 0
    """The highest is dropped first when there is no room; 0 is never dropped."""
    since: int = 0
    """Shown only on terminals at least this wide."""
    most: int = 0
    """May grow to this many cells when there is room."""
    tone: Callable[[T], Tone] = _plain


@dataclass(frozen=True, slots=True)
class Placed(Generic[T]):
    """A column and the cells it got."""

    column: Column[T]
    width: int


def fit(columns: Sequence[Column[T]], width: int, *, gap: int = 1, margin: int = MARKER) -> list[Placed[T]]:
    """The columns for a terminal `width` cells wide; spare cells go to those that may grow, in order."""
    shown = [column for column in columns if column.since <= width]

    def spare() -> int:
        return width - margin - sum(column.width + gap for column in shown)

    while spare() < 0:
        victim = max(shown, key=lambda column: column.drop)
        if victim.drop == 0:
            break
        shown.remove(victim)
    left = max(0, spare())
    placed = []
    for column in shown:
        extra = min(left, max(0, column.most - column.width))
        left -= extra
        placed.append(Placed(column, column.width + extra))
    return placed


def heading(placed: Sequence[Placed[T]], gap: str = " ") -> Line:
    """The line above a table."""
    cells = (cell(p.column.heading, p.width, p.column.justify) for p in placed)
    return ((" " * MARKER + gap.join(cells), Tone.TITLE),)


def row_line(  # noqa: PLR0917 (one call per row: keywords would cost more than they tell)
    placed: Sequence[Placed[T]], value: T, now: float, marker: str, glyphs: Glyphs = UNICODE, gap: str = " "
) -> Line:
    """One row of a table, neighbours of one tone joined so that they cost one change of colour."""
    pieces = [(marker, Tone.PLAIN)]
    for place in placed:
        text = (
            cell(place.column.text(value, now, place.width), place.width, place.column.justify, glyphs) + gap
        )
        tone = place.column.tone(value)
        if pieces[-1][1] is tone or not text.strip():
            pieces[-1] = (pieces[-1][0] + text, pieces[-1][1])
        else:
            pieces.append((text, tone))
    return tuple(pieces)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRow:
    """A queue as the table shows it: the reading and what this console adds to it."""

    stats: QueueStats
    growth: float | None = None
    """Tasks per second by which it grows."""
    stale: bool = False
    """The reading is old: counts still stand, states and rates do not."""
    glyphs: Glyphs = UNICODE


_STATE_TONES = {
    QueueState.BROKEN: Tone.BAD,
    QueueState.NO_WORKERS: Tone.BAD,
    QueueState.SATURATED: Tone.WARN,
    QueueState.PAUSED: Tone.WARN,
    QueueState.BUSY: Tone.GOOD,
    QueueState.OK: Tone.QUIET,
}


def _dimmed(figure: Callable[[QueueStats], float | None]) -> Callable[[QueueRow], Tone]:
    """Zeros and unknowns step back, so that the eye finds what is there."""

    def tone(row: QueueRow) -> Tone:
        return Tone.QUIET if row.stale or not figure(row.stats) else Tone.PLAIN

    return tone


def _stale_tone(row: QueueRow) -> Tone:
    return Tone.QUIET if row.stale else Tone.PLAIN


def _state_tone(row: QueueRow) -> Tone:
    return Tone.QUIET if row.stale else _STATE_TONES[row.stats.state]


def _dead_tone(row: QueueRow) -> Tone:
    return Tone.QUIET if row.stale or not row.stats.dead else Tone.BAD


def _overdue_tone(row: QueueRow) -> Tone:
    return Tone.QUIET if row.stale or not row.stats.overdue else Tone.WARN


def _known(figure: Callable[[QueueStats], int]) -> Callable[[QueueRow, float, int], str]:
    """A count, or `?` for a queue that cannot be read."""

    def text(row: QueueRow, _now: float, _width: int) -> str:
        return "?" if row.stats.trouble else count(figure(row.stats))

    return text


def _mark(row: QueueRow, _now: float, _width: int) -> str:
    """`^` grows, `v` shrinks, `=` stays: the trend for those who see no bars."""
    if row.stale or row.growth is None or row.stats.trouble:
        return " "
    step = max(1.0, row.stats.pending * 0.01) / 60
    return "^" if row.growth >= step else "v" if row.growth <= -step else "="


def _rate(row: QueueRow, per_second: float | None) -> str:
    return rate(None if row.stale or row.stats.trouble else per_second)


def _state(row: QueueRow, _now: float, _width: int) -> str:
    return "?" if row.stale else row.stats.state


def _oldest(row: QueueRow, now: float, _width: int) -> str:
    if row.stats.oldest is None and row.stats.pending:
        return "?"
    return age(row.stats.oldest, now) if row.stats.pending else "-"


QUEUES: tuple[Column[QueueRow], ...] = (
    Column(
        heading="QUEUE",
        width=14,
        most=32,
        text=lambda row, _now, width: safe(row.stats.name, 4 * width),
        tone=_stale_tone,
    ),
    Column(heading="STATE", width=10, text=_state, tone=_state_tone),
    Column(
        heading="PENDING",
        width=7,
        justify="right",
        text=_known(lambda q: q.pending),
        tone=_dimmed(lambda q: q.pending),
    ),
    Column(
        heading="ACTIVE",
        width=6,
        justify="right",
        drop=4,
        text=_known(lambda q: q.active),
        tone=_dimmed(lambda q: q.active),
    ),
    Column(
        heading="DELAYED",
        width=7,
        justify="right",
        drop=5,
        text=_known(lambda q: q.delayed),
        tone=_dimmed(lambda q: q.delayed),
    ),
    Column(heading="DEAD", width=6, justify="right", drop=3, text=_known(lambda q: q.dead), tone=_dead_tone),
    Column(
        heading="OLDEST",
        width=6,
        justify="right",
        drop=2,
        text=_oldest,
        tone=_dimmed(lambda q: q.pending),
    ),
    Column(
        heading="IN/s",
        width=5,
        justify="right",
        drop=7,
        text=lambda row, _now, _width: _rate(row, row.stats.in_rate),
        tone=_dimmed(lambda q: q.in_rate),
    ),
    Column(
        heading="OUT/s",
        width=5,
        justify="right",
        drop=6,
        text=lambda row, _now, _width: _rate(row, row.stats.out_rate),
        tone=_dimmed(lambda q: q.out_rate),
    ),
    Column(heading=" ", width=1, drop=8, text=_mark, tone=_stale_tone),
    Column(
        heading="SLOTS",
        width=8,
        justify="right",
        drop=10,
        since=100,
        text=lambda row, _now, _width: f"{row.stats.active}/{row.stats.capacity}",
        tone=_dimmed(lambda q: q.capacity),
    ),
    Column(
        heading="OVERDUE",
        width=7,
        justify="right",
        drop=11,
        since=100,
        text=_known(lambda q: q.overdue),
        tone=_overdue_tone,
    ),
    Column(
        heading="WORKERS",
        width=7,
        justify="right",
        drop=12,
        since=110,
        text=_known(lambda q: q.workers),
        tone=_dimmed(lambda q: q.workers),
    ),
    Column(
        heading="EMPTY IN",
        width=8,
        justify="right",
        drop=13,
        since=120,
        text=lambda row, _now, _width: "?" if row.stale else drain_eta(row.stats, row.growth),
        tone=_dimmed(lambda q: q.pending),
    ),
    Column(
        heading=" DONE/MIN",
        width=12,
        most=31,
        drop=14,
        since=135,
        text=lambda row, _now, width: " " + sparkline(row.stats.history, width - 1, row.glyphs),
        tone=lambda _row: Tone.QUIET,
    ),
)


_EVENT_TONES = {
    EventKind.DONE: Tone.QUIET,
    EventKind.DIED: Tone.BAD,
    EventKind.RETRIED: Tone.WARN,
    EventKind.RECLAIMED: Tone.WARN,
    EventKind.FENCED: Tone.WARN,
    EventKind.PAUSED: Tone.WARN,
    EventKind.GAP: Tone.WARN,
    EventKind.WORKER_DOWN: Tone.WARN,
    EventKind.WORKER_UP: Tone.GOOD,
    EventKind.RESUMED: Tone.GOOD,
}


def event_tone(event: Event) -> Tone:
    """What an event means for somebody who looks after the queue."""
    return _EVENT_TONES.get(event.kind, Tone.PLAIN)


def _routine(event: Event) -> Tone:
    """What goes well steps back as a whole: the eye, and the link, are for what does not."""
    return Tone.QUIET if event.kind is EventKind.DONE else Tone.PLAIN


def _task(event: Event, _now: float, width: int) -> str:
    if event.n > 1:
        return f"{count(event.n)} tasks {safe(event.task, width)}".strip()
    return safe(event.task, 2 * width)


def _rest(event: Event, _now: float, width: int) -> str:
    """Everything else an event says, most telling first."""
    parts = [
        f"by {safe(event.by, 60)}" if event.by else "",
        f"try {event.attempt}" if event.attempt > 1 else "",
        _ran(event.ms),
        safe(event.text, 2 * width) if event.text else "",
        safe(event.worker, 40) if event.worker else "",
    ]
    return "  ".join(part for part in parts if part)


def _ran(ms: float | None) -> str:
    if ms is None:
        return ""
    return f"{ms:.0f}ms" if ms < 1000 else f"{ms / 1000:.1f}s" if ms < 60_000 else duration(ms / 1000)


EVENTS: tuple[Column[Event], ...] = (
    Column(heading="TIME", width=8, text=lambda e, _now, _width: clock(e.at), tone=lambda _e: Tone.QUIET),
    Column(
        heading="QUEUE",
        width=10,
        most=16,
        drop=3,
        text=lambda e, _now, width: safe(e.queue, 2 * width) or "-",
    ),
    Column(
        heading="EVENT",
        width=11,
        text=lambda e, _now, _width: e.kind.upper() if event_tone(e) in (Tone.BAD, Tone.WARN) else e.kind,
        tone=event_tone,
    ),
    Column(heading="TASK", width=16, most=24, drop=2, text=_task, tone=_routine),
    Column(
        heading="ID",
        width=8,
        drop=4,
        text=lambda e, _now, _width: safe(e.id, 16)[:8],
        tone=lambda _e: Tone.QUIET,
    ),
    Column(heading="", width=10, most=400, drop=1, text=_rest, tone=_routine),
)

EVENTS_WIDE: tuple[Column[Event], ...] = (
    Column(
        heading="TIME",
        width=12,
        text=lambda e, _now, _width: clock(e.at, ms=True),
        tone=lambda _e: Tone.QUIET,
    ),
    *EVENTS[1:],
)
"""With milliseconds: on a narrow terminal they cost more than they tell."""
