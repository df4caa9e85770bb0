"""What becomes of an attempt that failed: another try or the dead set, with what went wrong written down."""

from __future__ import annotations

import logging
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from taskconsole.model.definition import MAX_NAME
from taskconsole.model.event import EventKind, encode_event
from taskconsole.model.firing import RunRecord, encode_record
from taskconsole.model.outcome import Bury, RetryAfter, describe, judge, writable
from taskconsole.model.task import Envelope, Unreadable, buried, retried
from taskconsole.store.tasks import EndedRun, Settlement

if TYPE_CHECKING:
    from taskconsole.registry import Registry
    from taskconsole.worker.lane import Lane
    from taskconsole.worker.options import WorkerOptions
    from taskconsole.worker.server_clock import ServerClock

__all__ = ["Attempt", "Decided", "Judge"]

log = logging.getLogger(__name__)

MAX_TRACEBACK = 8_000
"""Characters of a traceback that are kept: its end, where the error is."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One run of a task."""

    name: str
    id: str | None
    number: int
    seconds: float


class Judge:
    """Decides about failed attempts.

    Args:
        registry: Each task's own rules.
        options: How long to put up with unknown tasks.
        clock: For the time of death.
    """

    def __init__(self, registry: Registry, *, options: WorkerOptions, clock: ServerClock) -> None:
        self._registry, self._options, self._clock = registry, options, clock
        self._ids = 0

    def unknown(self, envelope: Envelope) -> RetryAfter | Bury:
        """What becomes of a task that nobody here knows."""
        if envelope.attempt >= self._options.unknown_attempts:
            return Bury("unknown task")
        # 1, 2, 4 … s: a deploy that brings the task may be under way.
        return RetryAfter(min(2.0 ** (envelope.attempt - 1), 60.0), envelope.attempt + 1, "unknown task")

    def settlement(
        self, lane: Lane, payload: bytes, envelope: Envelope | Unreadable, attempt: Attempt, error: BaseException
    ) -> Settlement:
        """What to tell Redis about an attempt that ended in `error`; says it in the log, too."""
        try:
            verdict = self._verdict(envelope, error)
        except Exception as flaw:  # noqa: BLE001 - an exception class or back-off of the user's that itself fails
            verdict = Bury(f"its error could not be judged: {describe(flaw)}")
        now = self._clock.now()
        self._ids += 1
        new_id = f"{lane.worker_id}-{self._ids:x}"
        record: dict[str, Any] | None = None
        if not isinstance(error, Decided):
            record = {
                "error": describe(error),
                "traceback": _trace(error),
                "at": round(now, 3),
                "attempt": attempt.number,
                "worker": lane.worker_id,
                "ms": round(attempt.seconds * 1000, 3),
            }
        fields: dict[str, Any] = {
            "task": attempt.name[:200],
            "id": attempt.id,
            "worker": lane.worker_id,
            "ms": round(attempt.seconds * 1000, 3),
            "attempt": attempt.number,
            "text": verdict.reason,
        }
        extra = {"queue": lane.queue, "task": attempt.name[:200], "id": attempt.id, "attempt": attempt.number}
        if isinstance(verdict, RetryAfter):
            kept = retried(payload, attempt=verdict.attempt, error=record, new_id=new_id)
            event = encode_event(EventKind.RETRIED, lane.queue, now, [fields], 1)
            log.warning("retried", extra={**extra, "in_s": round(verdict.delay, 3), "reason": verdict.reason})
            return Settlement("retry", payload, kept, verdict.delay, event)
        kept = buried(
            payload, reason=verdict.reason, error=record, worker=lane.worker_id, at=round(now, 3), new_id=new_id
        )
        event = encode_event(EventKind.DIED, lane.queue, now, [fields], 1)
        log.error("died", extra={**extra, "reason": verdict.reason})
        ended = self._ended(lane, envelope, attempt.seconds, "dead", verdict.reason)
        return Settlement("bury", payload, kept, 0.0, event, ended)

    def done(self, lane: Lane, payload: bytes, envelope: Envelope, seconds: float) -> Settlement:
        """What to tell Redis about a schedule's task that has finished well."""
        return Settlement("done", payload, b"", 0.0, b"", self._ended(lane, envelope, seconds, "done"))

    def _ended(
        self, lane: Lane, envelope: Envelope | Unreadable, seconds: float, outcome: str, text: str = ""
    ) -> EndedRun | None:
        """The end of a schedule's task, for its list of runs; None for other tasks."""
        if isinstance(envelope, Unreadable) or envelope.schedule is None or envelope.id is None:
            return None
        if not 0 < len(envelope.schedule) <= MAX_NAME:
            return None
        record = RunRecord(
            outcome=outcome,
            at=round(self._clock.now(), 3),
            id=envelope.id,
            instant=envelope.scheduled_at,
            ms=round(seconds * 1000, 3),
            attempt=envelope.attempt,
            worker=lane.worker_id,
            text=text[:500],
        )
        return EndedRun(envelope.schedule, envelope.id, encode_record(record))

    def _verdict(self, envelope: Envelope | Unreadable, error: BaseException) -> RetryAfter | Bury:
        if isinstance(error, Decided):
            return error.verdict
        handler = None
        if isinstance(envelope, Envelope):
            handler = self._registry.handlers.get(envelope.task) or (self._registry.fallback if envelope.bare else None)
        if handler is None or isinstance(envelope, Unreadable):
            return Bury(describe(error))
        if isinstance(error, TypeError) and not envelope.bare:
            misfit = handler.misfit(envelope.args, envelope.kwargs)
            if misfit is not None:
                return Bury(misfit)
        limit = handler.max_attempts if envelope.max_attempts is None else envelope.max_attempts
        return judge(error, attempt=envelope.attempt, max_attempts=limit, backoff=handler.backoff)


class Decided(Exception):
    """The fate of a task was decided without a handler's error."""

    def __init__(self, verdict: RetryAfter | Bury) -> None:
        self.verdict = verdict
        super().__init__(verdict.reason)


_OURS = ("taskconsole.worker", "concurrent.futures")
"""Modules between the loop and a handler; their frames say nothing about the error."""


def _trace(error: BaseException) -> str:
    """The end of the traceback, from the handler on."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_globals.get("__name__", "").startswith(_OURS):
        trace = trace.tb_next
    try:
        remote = getattr(error, "remote_traceback", None)
        if isinstance(remote, str):
            return writable(remote)[-MAX_TRACEBACK:]
        lines = traceback.format_exception(type(error), error, trace, limit=-20)
    except Exception as flaw:  # noqa: BLE001 - the text and the attributes of a user's exception may themselves raise
        return f"(no traceback: {type(flaw).__name__})"
    return writable("".join(lines))[-MAX_TRACEBACK:]
