"""The columns of tables of tasks: one for each state, and one for the delayed tasks of all queues."""

from __future__ import annotations

from typing import TYPE_CHECKING

from taskconsole.console.text.format import age, day_and_time, duration, size
from taskconsole.console.text.lines import Tone
from taskconsole.console.text.safe import safe
from taskconsole.console.text.table import Column
from taskconsole.model.state import State

if TYPE_CHECKING:
    from taskconsole.model.stats import TaskRow

__all__ = ["ALL_DELAYED", "FOUND", "TASKS"]


def _id(row: TaskRow, _now: float, _width: int) -> str:
    # Ids of one producer begin alike: their end is what tells them apart.
    return safe(row.id or "-", 200)[-12:]


_ID: Column[TaskRow] = Column(heading="ID", width=12, drop=2, text=_id, tone=lambda _row: Tone.QUIET)
_NAME: Column[TaskRow] = Column(
    heading="TASK", width=14, most=28, grows=1, text=lambda row, _now, width: safe(row.name, 2 * width)
)
_ARGS: Column[TaskRow] = Column(
    heading="ARGS", width=12, most=200, grows=2, drop=3, text=lambda row, _now, width: safe(row.args, 2 * width)
)
_SIZE: Column[TaskRow] = Column(
    heading="SIZE", width=6, drop=6, since=100, justify="right", text=lambda row, _n, _w: size(row.size)
)
_TRY: Column[TaskRow] = Column(
    heading="TRY",
    width=3,
    drop=5,
    justify="right",
    text=lambda row, _now, _width: str(row.attempt),
    tone=lambda row: Tone.WARN if row.attempt > 1 else Tone.QUIET,
)


def _why(row: TaskRow, _now: float, width: int) -> str:
    # How often is told by the column beside it.
    return safe(row.error.removeprefix(f"failed {row.attempt} times, last: "), 2 * width)


def _error(width: int) -> Column[TaskRow]:
    return Column(
        heading="ERROR",
        width=width,
        most=60,
        drop=1,
        text=_why,
        tone=lambda row: Tone.BAD if row.state is State.DEAD else Tone.WARN,
    )


_ERROR = _error(24)
_WORKER: Column[TaskRow] = Column(
    heading="WORKER", width=14, most=30, grows=1, drop=4, text=lambda row, _now, width: safe(row.worker, width)
)


def _since(heading: str) -> Column[TaskRow]:
    width = max(6, len(heading))
    return Column(heading=heading, width=width, justify="right", text=lambda row, now, _width: age(row.at, now))


TASKS: dict[State, tuple[Column[TaskRow], ...]] = {
    State.PENDING: (_ID, _NAME, _since("WAITED"), _TRY, _ARGS, _SIZE),
    State.ACTIVE: (_ID, _NAME, _since("ENQUEUED"), _TRY, _WORKER, _ARGS, _SIZE),
    State.DELAYED: (_ID, _NAME, _since("DUE"), _TRY, _ERROR, _ARGS, _SIZE),
    State.DEAD: (_ID, _NAME, _since("DIED"), _TRY, _ERROR, _ARGS, _SIZE),
    State.DONE: (_ID, _NAME, _since("DONE"), _WORKER, _ARGS),
}
"""For each state."""


_QUEUE: Column[TaskRow] = Column(
    heading="QUEUE", width=12, most=30, grows=1, text=lambda row, _now, width: safe(row.queue, 2 * width)
)


def _due(row: TaskRow, now: float, _width: int) -> str:
    if row.at is None:
        return "?"
    return f"+{duration(row.at - now)}" if row.at > now else f"-{duration(now - row.at)}"


def _overdue(row: TaskRow, now: float, _width: int) -> str:
    return "OVERDUE" if row.at is not None and row.at < now - 1 else ""


def _due_tone(row: TaskRow, now: float) -> Tone:
    return Tone.WARN if _overdue(row, now, 0) else Tone.PLAIN


ALL_DELAYED: tuple[Column[TaskRow], ...] = (
    Column(heading="DUE IN", width=8, justify="right", text=_due, tone_at=_due_tone),
    Column(heading="", width=7, text=_overdue, tone=lambda _row: Tone.WARN),
    _NAME,
    _QUEUE,
    _ID,
    _TRY,
    _error(16),
    _ARGS,
    Column(
        heading="DUE AT", width=20, since=130, text=lambda row, _n, _w: "?" if row.at is None else day_and_time(row.at)
    ),
)
"""Of all queues."""

FOUND: tuple[Column[TaskRow], ...] = (
    _QUEUE,
    Column(heading="STATE", width=8, text=lambda row, _now, _width: row.state),
    _ID,
    _NAME,
    _since("AGE"),
    _error(16),
    _ARGS,
)
"""What a search has found."""
