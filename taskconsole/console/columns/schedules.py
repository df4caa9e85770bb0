"""The columns of the table of schedules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from taskconsole.console.text.format import age, duration
from taskconsole.console.text.lines import Tone
from taskconsole.console.text.safe import safe
from taskconsole.console.text.table import Column
from taskconsole.model.schedule_info import ScheduleState

if TYPE_CHECKING:
    from taskconsole.model.definition import Definition
    from taskconsole.model.schedule_info import ScheduleInfo

__all__ = ["SCHEDULES", "when_text"]

_TONES = {
    ScheduleState.ON: Tone.GOOD,
    ScheduleState.PAUSED: Tone.WARN,
    ScheduleState.LATE: Tone.BAD,
    ScheduleState.ORPHAN: Tone.WARN,
    ScheduleState.OVER: Tone.QUIET,
    ScheduleState.BROKEN: Tone.BAD,
}


def when_text(definition: Definition | None) -> str:
    """The trigger as it is written, with its zone; safe."""
    return "?" if definition is None else safe(definition.schedule.written, 300)


def _next(info: ScheduleInfo, now: float, _width: int) -> str:
    if info.next_at is None:
        return "-"
    return f"+{duration(info.next_at - now)}" if info.next_at > now else f"-{duration(now - info.next_at)}"


def _last(info: ScheduleInfo, now: float, _width: int) -> str:
    return f"{safe(info.runs[0].outcome, 20)} {age(info.runs[0].at, now)}" if info.runs else "-"


def _last_tone(info: ScheduleInfo) -> Tone:
    return Tone.BAD if info.runs and info.runs[0].outcome in {"dead", "gone", "missed"} else Tone.QUIET


def _english(info: ScheduleInfo, _now: float, width: int) -> str:
    if info.definition is None:
        return safe(info.trouble, 2 * width)
    return safe(info.definition.schedule.describe(), 2 * width)


SCHEDULES: tuple[Column[ScheduleInfo], ...] = (
    Column(
        heading="SCHEDULE",
        width=14,
        most=28,
        text=lambda info, _now, width: safe(info.name or "?", 2 * width),
        order=lambda info: info.name,
    ),
    Column(
        heading="STATE",
        width=7,
        text=lambda info, now, _width: info.state(now),
        tone_at=lambda info, now: _TONES[info.state(now)],
        order=lambda info: info.state(0.0),
    ),
    Column(heading="NEXT", width=7, justify="right", text=_next, order=lambda info: info.next_at),
    Column(heading="WHEN", width=20, most=30, text=lambda info, _now, _width: when_text(info.definition)),
    Column(heading="LAST", width=12, drop=3, text=_last, tone=_last_tone),
    Column(
        heading="QUEUE",
        width=10,
        most=20,
        drop=4,
        text=lambda info, _now, width: safe(info.queue, 2 * width),
        order=lambda info: info.queue,
    ),
    Column(
        heading="TASK",
        width=12,
        most=24,
        drop=5,
        since=110,
        text=lambda info, _now, width: "?" if info.definition is None else safe(info.definition.task, 2 * width),
    ),
    Column(heading="IN WORDS", width=20, most=60, drop=6, since=130, text=_english, tone=lambda _info: Tone.QUIET),
)
