"""The columns of the event log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from taskconsole.console.text.format import Glyphs, clock, count, duration
from taskconsole.console.text.lines import Line, Tone, cell
from taskconsole.console.text.safe import safe
from taskconsole.console.text.table import Column, Placed, row_line
from taskconsole.model.event import Event, EventKind

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["EVENTS", "EVENTS_WIDE", "event_line", "event_tone"]

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
