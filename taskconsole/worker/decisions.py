"""What a due schedule comes to: the call that carries it out, made ahead of the time to send it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from taskconsole.errors import ScheduleError
from taskconsole.model.definition import Overlap, check_schedule_name
from taskconsole.model.event import EventKind, encode_event
from taskconsole.model.firing import RunRecord, decode_position, encode_position, encode_record, plan, run_id
from taskconsole.model.task import Envelope, encode
from taskconsole.store.schedules import Made
from taskconsole.worker.logs import RateLimit

if TYPE_CHECKING:
    from taskconsole.model.definition import Definition
    from taskconsole.model.firing import Firing
    from taskconsole.store.call import Call
    from taskconsole.store.schedules import Due, Fired, ScheduleStore
    from taskconsole.store.wire import AsyncWire
    from taskconsole.worker.definitions import Definitions
    from taskconsole.worker.sweeper import Sweeper

__all__ = ["Decider", "Decision"]

log = logging.getLogger(__name__)

LOGGED = 60.0
"""Seconds between two instants from which on a fire is worth a place in the log, which is capped."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What one due schedule comes to; good as long as it is as it was read."""

    due: Due
    time: float
    """When it is due, seconds since the epoch by Redis."""
    firing: Firing
    call: Call[Fired]


class Decider:
    """Decides about the schedules that are due, one at a time, and puts aside what is none."""

    def __init__(self, *, store: ScheduleStore, wire: AsyncWire, definitions: Definitions, sweeper: Sweeper) -> None:
        self._store, self._wire = store, wire
        self._definitions, self._sweeper = definitions, sweeper
        self._complain = RateLimit(60)

    async def decide(self, queue: str, due: Due, now: float) -> Decision | None:
        """What to do with it at `now` (seconds since the epoch, by Redis); None when it was put aside.

        Raises:
            StoreUnavailable: It was to be put aside, and Redis does not answer.
            StoreError: The same, and Redis refused.
        """
        try:
            if not due.definition:
                check_schedule_name(due.name)
                await self._sweeper.forget(queue, due.name)
                return None
            definition = self._definitions.read(due.name, due.definition)
        except ScheduleError as error:
            if self._complain(f"{queue}\0{due.name}"):
                log.error("no schedule", extra={"queue": queue, "schedule": due.name, "reason": str(error)})  # noqa: TRY400
            # The sweeper puts it back when somebody has mended it.
            await self._wire.run(self._store.unset(queue, due.name))
            return None
        time = float(due.score)
        firing = plan(due.name, definition, decode_position(due.position), time, now)
        return Decision(due, time, firing, self._call(queue, due, definition, firing, now))

    def _call(self, queue: str, due: Due, definition: Definition, firing: Firing, now: float) -> Call[Fired]:
        tasks = [_make(due.name, definition, instant, now) for instant in firing.instants]
        named = [{"task": definition.task[:200], "id": task.id, "text": f"schedule {due.name}"} for task in tasks]
        missed = None
        if firing.missed:
            record = RunRecord(outcome="missed", at=now, instant=firing.position.last, n=firing.missed, text=firing.why)
            more = "more than " if firing.at_least else ""
            text = f"schedule {due.name}: {more}{firing.missed:,} missed: {firing.why}"
            event = encode_event(
                EventKind.MISSED, queue, now, [{"task": definition.task[:200], "text": text}], firing.missed
            )
            missed = (encode_record(record), event, firing.missed)
        rare = firing.time is None or firing.by_hand or firing.time - now >= LOGGED
        return self._store.fire(
            queue,
            due,
            tasks=tasks,
            overlap=Overlap.ALLOW if firing.by_hand else definition.overlap,
            time=firing.time,
            position=encode_position(firing.position),
            event=encode_event(EventKind.FIRED, queue, now, named, max(len(tasks), 1)),
            keep_event=rare or missed is not None,
            missed=missed,
            spare=firing.spare,
        )


def _make(name: str, definition: Definition, instant: float, now: float) -> Made:
    task_id = run_id(name, instant)
    envelope = Envelope(
        definition.task,
        task_id,
        list(definition.args),
        definition.kwargs,
        enqueued_at=round(now, 3),
        schedule=name,
        scheduled_at=round(instant, 6),
    )
    skipped = RunRecord(outcome="skipped", at=round(now, 3), id=task_id, instant=instant, text="an earlier one runs")
    return Made(task_id, encode(envelope), encode_record(skipped))
