"""The columns of each table. Pure; every text is safe for a terminal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from taskconsole.console.explain import drain_eta
from taskconsole.console.format import UNICODE, Glyphs, age, clock, count, duration, rate, sparkline
from taskconsole.console.lines import Line, Tone, cell
from taskconsole.console.safe import safe
from taskconsole.console.table import Column, Placed, row_line
from taskconsole.model.event import Event, EventKind
from taskconsole.model.state import QueueState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from taskconsole.model.stats import QueueStats

__all__ = ["EVENTS", "EVENTS_WIDE", "QUEUES", "QueueRow", "event_line", "event_tone"]


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


def _known(figure: Callable[[QueueStats], float | None]) -> Callable[[QueueRow, float, int], str]:
    """A count, or `?` for a queue that cannot be read."""

    def text(row: QueueRow, _now: float, _width: int) -> str:
        value = None if row.stats.trouble else figure(row.stats)
        return "?" if value is None else count(int(value))

    return text


def _mark(row: QueueRow, _now: float, _width: int) -> str:
    """`^` grows, `v` shrinks, `=` stays: the trend for those who see no bars."""
    if row.stale or row.growth is None or row.stats.trouble:
        return " "
    step = max(1.0, row.stats.pending * 0.01) / 60
    return "^" if row.growth >= step else "v" if row.growth <= -step else "="


def _in(row: QueueRow, _now: float, _width: int) -> str:
    return rate(None if row.stale or row.stats.trouble else row.stats.in_rate)


def _out(row: QueueRow, _now: float, _width: int) -> str:
    return rate(None if row.stale or row.stats.trouble else row.stats.out_rate)


def _state(row: QueueRow, _now: float, _width: int) -> str:
    return "?" if row.stale else row.stats.state


def _slots(row: QueueRow, _now: float, _width: int) -> str:
    """Those at work of those there are."""
    return "?" if row.stats.trouble else f"{row.stats.active}/{row.stats.capacity}"


def _empty_in(row: QueueRow, _now: float, _width: int) -> str:
    return "?" if row.stale or row.stats.trouble else drain_eta(row.stats, row.growth)


def _oldest(row: QueueRow, now: float, _width: int) -> str:
    if row.stats.oldest is None and row.stats.pending:
        return "?"
    return age(row.stats.oldest, now) if row.stats.pending else "-"


def _figure(
    heading: str,
    figure: Callable[[QueueStats], float | None],
    *,
    drop: int = 0,
    since: int = 0,
    width: int = 7,
    text: Callable[[QueueRow, float, int], str] | None = None,
    tone: Callable[[QueueRow], Tone] | None = None,
) -> Column[QueueRow]:
    """A column of numbers, those that are zero or unknown in a quiet tone."""
    return Column(
        heading=heading,
        width=width,
        justify="right",
        drop=drop,
        since=since,
        text=text or _known(figure),
        tone=tone or _dimmed(figure),
    )


QUEUES: tuple[Column[QueueRow], ...] = (
    Column(
        heading="QUEUE",
        width=14,
        most=32,
        text=lambda row, _now, width: safe(row.stats.name, 4 * width),
        tone=_stale_tone,
    ),
    Column(heading="STATE", width=10, text=_state, tone=_state_tone),
    _figure("PENDING", lambda q: q.pending),
    _figure("ACTIVE", lambda q: q.active, width=6, drop=4),
    _figure("DELAYED", lambda q: q.delayed, drop=5),
    _figure("DEAD", lambda q: q.dead, width=6, drop=3, tone=_dead_tone),
    _figure("OLDEST", lambda q: q.pending, width=6, drop=2, text=_oldest),
    _figure("IN/s", lambda q: q.in_rate, width=5, drop=7, text=_in),
    _figure(
        "OUT/s",
        lambda q: q.out_rate,
        width=5,
        drop=6,
        text=_out,
    ),
    Column(heading=" ", width=1, drop=8, text=_mark, tone=_stale_tone),
    _figure("SLOTS", lambda q: q.capacity, width=8, drop=10, since=100, text=_slots),
    _figure("OVERDUE", lambda q: q.overdue, drop=11, since=100, tone=_overdue_tone),
    _figure("WORKERS", lambda q: q.workers, drop=12, since=110),
    _figure("EMPTY IN", lambda q: q.pending, width=8, drop=13, since=120, text=_empty_in),
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
    EventKind.MISSED: Tone.WARN,
    EventKind.SCHEDULE_PAUSED: Tone.WARN,
    EventKind.PAUSED: Tone.WARN,
    EventKind.GAP: Tone.WARN,
    EventKind.WORKER_DOWN: Tone.WARN,
    EventKind.WORKER_UP: Tone.GOOD,
    EventKind.RESUMED: Tone.GOOD,
}


_TROUBLE = frozenset({Tone.WARN, Tone.BAD})


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


def _events(*, wide: bool) -> tuple[Column[Event], ...]:
    """On a narrow terminal milliseconds cost more than they tell, and names make room for what happened."""
    return (
        Column(
            heading="TIME",
            width=12 if wide else 8,
            text=lambda e, _now, _width: clock(e.at, ms=wide),
            tone=lambda _e: Tone.QUIET,
        ),
        Column(
            heading="QUEUE",
            width=16 if wide else 10,
            drop=3,
            text=lambda e, _now, width: safe(e.queue, 2 * width) or "-",
            tone=_routine,
        ),
        Column(
            heading="EVENT",
            width=11,
            text=lambda e, _now, _width: e.kind.upper() if event_tone(e) in _TROUBLE else e.kind,
            tone=event_tone,
        ),
        Column(heading="TASK", width=24 if wide else 16, drop=2, text=_task, tone=_routine),
        Column(
            heading="ID",
            width=8,
            drop=4,
            # Ids of one producer begin alike: their end is what tells them apart.
            text=lambda e, _now, _width: safe(e.id, 64)[-8:],
            tone=lambda _e: Tone.QUIET,
        ),
        Column(heading="", width=10, most=400, drop=1, text=_rest, tone=_routine),
    )


EVENTS = _events(wide=False)
EVENTS_WIDE = _events(wide=True)


def event_line(placed: Sequence[Placed[Event]], event: Event, width: int, glyphs: Glyphs) -> Line:
    """One line of the event log; what is not about a task says what it says across all columns of one."""
    if event.task or event.id or event.n > 1:
        return row_line(placed, event, 0.0, " ", glyphs)
    named = [place for place in placed if place.column.heading in {"TIME", "QUEUE", "EVENT"}]
    head = row_line(named, event, 0.0, " ", glyphs)
    room = width - sum(place.width + 1 for place in named) - 1
    return (*head, (cell(_rest(event, 0.0, max(0, room)), max(0, room), glyphs=glyphs), _routine(event)))
