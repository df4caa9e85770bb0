"""One task in full: what it carries, what has happened to it, and how its attempts ended. Pure values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from taskconsole.model.state import State
from taskconsole.model.task import original

if TYPE_CHECKING:
    from taskconsole.model.stats import TaskRow

__all__ = ["Attempt", "Moment", "TaskDetail", "as_seconds", "detail_of"]

MAX_ERRORS = 100
"""Errors of one payload that are read; workers keep three, others may write any number."""

MAX_NUMBER = 1_000_000_000
"""No task is tried as often; longer numbers are somebody's joke, and slow to write."""

MAX_TEXT = 300
"""Characters of a moment's text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt that failed."""

    number: int
    """The first is 1; 0 when nobody noted it."""
    at: float | None = None
    """When it ended, seconds since the epoch."""
    seconds: float | None = None
    """How long it ran."""
    worker: str = ""
    error: str = ""
    """One line: the exception and its message, or the reason."""
    traceback: str = ""
    """Several lines; empty when none was kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Something that happened to a task, or will."""

    at: float
    """Seconds since the epoch."""
    what: str
    """A word of ours: `enqueued`, `due`, `started`, `retried`, `died` …"""
    text: str = ""
    """What else is known of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskDetail:
    """One task, read as a whole."""

    row: TaskRow
    payload: bytes
    """Its first 65,536 bytes; `row.size` tells whether that is all."""
    timeline: tuple[Moment, ...] = ()
    """Oldest first; only what is known."""
    attempts: tuple[Attempt, ...] = ()
    """Newest first; the payload keeps the last three."""
    running: float | None = None
    """Seconds it has been running, as its worker says; None when it does not run or is not among those named."""


def as_seconds(value: object) -> float | None:
    """A time or a duration as JSON may carry it; None when it is no finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        seconds = float(value)
    except OverflowError:
        return None
    return seconds if math.isfinite(seconds) else None


def detail_of(row: TaskRow, payload: bytes, *, now: float, running: float | None = None) -> TaskDetail:
    """A task in full, from what its payload says; never raises, whatever the bytes are.

    Args:
        row: The task as it is now; `row.at` is its due time, or its end when it is dead or done.
        payload: Its first 65,536 bytes.
        now: Seconds since the epoch, by Redis.
        running: Seconds it has been running; None when that is not known.
    """
    # The beginning of an envelope is no envelope: then only what the key says is known.
    fields = original(payload) if row.size <= len(payload) else {}
    if row.state is State.DONE:
        return TaskDetail(row=row, payload=payload, timeline=_done(row, fields))
    attempts = _attempts(fields)
    timeline = (*_planned(row, fields), *_failed(row, fields, attempts))
    if running is not None:
        timeline = (*timeline, Moment(at=now - running, what="started", text=_on(row.worker)))
    return TaskDetail(
        row=row,
        payload=payload,
        timeline=tuple(sorted(timeline, key=lambda moment: moment.at)),
        attempts=attempts,
        running=running,
    )


def _moment(at: object, what: str, text: str = "") -> tuple[Moment, ...]:
    seconds = as_seconds(at)
    return () if seconds is None else (Moment(at=seconds, what=what, text=text[:MAX_TEXT]),)


def _planned(row: TaskRow, fields: dict[str, Any]) -> tuple[Moment, ...]:
    """What was known before any attempt."""
    schedule = _text(fields.get("schedule"))
    return (
        *_moment(fields.get("scheduled_at"), "scheduled", f"instant of {schedule}" if schedule else ""),
        *_moment(fields.get("enqueued_at"), "enqueued"),
        *(_moment(row.at, "due") if row.state is State.DELAYED else ()),
        *_moment(fields.get("expires_at"), "expires", "not started after this"),
    )


def _failed(row: TaskRow, fields: dict[str, Any], attempts: tuple[Attempt, ...]) -> tuple[Moment, ...]:
    died = fields.get("died")
    at = as_seconds(died.get("at")) if isinstance(died, dict) else None
    if row.state is State.DEAD and at is None:
        at = as_seconds(row.at)  # its score
    moments: tuple[Moment, ...] = ()
    for attempt in attempts:
        if attempt.at is not None and not (isinstance(died, dict) and attempt.at == at):
            moments += _moment(attempt.at, "retried", _told(attempt))
    if at is None:
        return moments
    reason = _text(died.get("reason")) if isinstance(died, dict) else ""
    worker = _text(died.get("worker")) if isinstance(died, dict) else ""
    return (*moments, *_moment(at, "died", f"{reason} {_on(worker)}".strip()))


def _told(attempt: Attempt) -> str:
    """`attempt 2 on w1 after 0.35 s: ValueError: no such user`."""
    words = [f"attempt {attempt.number}"] if attempt.number else []
    words += [_on(attempt.worker)] if attempt.worker else []
    words += [f"after {attempt.seconds:.3g} s"] if attempt.seconds is not None else []
    return ": ".join(part for part in (" ".join(words), attempt.error) if part)


def _done(row: TaskRow, fields: dict[str, Any]) -> tuple[Moment, ...]:
    """The done list keeps the end and how long it took, not the payload."""
    at, ms = as_seconds(row.at), as_seconds(fields.get("ms"))
    if at is None or ms is None:
        return _moment(at, "done", _on(row.worker))
    return (
        *_moment(at - ms / 1000, "started", _on(row.worker)),
        *_moment(at, "done", f"after {ms / 1000:.3g} s"),
    )


def _attempts(fields: dict[str, Any]) -> tuple[Attempt, ...]:
    errors, died = fields.get("errors"), fields.get("died")
    found = [_attempt(error) for error in errors[-MAX_ERRORS:]] if isinstance(errors, list) else []
    if isinstance(died, dict):
        at, reason = as_seconds(died.get("at")), _text(died.get("reason"))
        # A death by an error is that error's attempt; others (expired, unknown, killed its worker) have none.
        if not found or found[-1].at is None or found[-1].at != at:
            number = _number(fields.get("attempt"), 1)
            found.append(Attempt(number=number, at=at, worker=_text(died.get("worker")), error=reason))
    return tuple(reversed(found))


def _attempt(error: object) -> Attempt:
    if not isinstance(error, dict):
        return Attempt(number=0, error=_text(error) or "(unreadable)")
    ms = as_seconds(error.get("ms"))
    return Attempt(
        number=_number(error.get("attempt"), 0),
        at=as_seconds(error.get("at")),
        seconds=None if ms is None else ms / 1000,
        worker=_text(error.get("worker")),
        error=_text(error.get("error")),
        traceback=_text(error.get("traceback")),
    )


def _on(worker: str) -> str:
    return f"on {worker}" if worker else ""


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _number(value: object, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MAX_NUMBER else default
