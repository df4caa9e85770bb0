"""Schedules from an application's side: declared beside the tasks, and changed while everything runs."""

from __future__ import annotations

import datetime as dt
import os
import socket
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from taskconsole.backends.commands import (
    AddSchedule,
    EditSchedule,
    PauseSchedule,
    RemoveSchedule,
    RestoreSchedule,
    ResumeSchedule,
    TriggerSchedule,
)
from taskconsole.errors import ScheduleError
from taskconsole.model.definition import (
    CatchUp,
    Definition,
    Overlap,
    Owner,
    choice_of,
    encode_definition,
    moment_of,
)
from taskconsole.model.schedule import parse_interval

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from taskconsole.backends.commands import ScheduleCommand
    from taskconsole.backends.native import NativeBackend
    from taskconsole.model.schedule import Schedule
    from taskconsole.model.schedule_info import ScheduleInfo

__all__ = ["ScheduleOptions", "Schedules", "build_definition", "process_name"]


class ScheduleOptions(TypedDict, total=False):
    """How a schedule behaves; durations are seconds, a timedelta, or text like `5m`."""

    args: Sequence[Any]
    """What the task is called with."""
    kwargs: Mapping[str, Any]
    start: dt.datetime | None
    """No instant before this one (aware)."""
    end: dt.datetime | None
    """No instant after this one (aware)."""
    max_runs: int | None
    """Over after so many tasks."""
    jitter: float | str | dt.timedelta
    """Each instant is put off by up to so long, the same for everybody who computes it."""
    catch_up: Literal["none", "one", "all"] | CatchUp
    """What becomes of instants that passed while nobody was there: `one` (the newest, once) by default."""
    window: float | str | dt.timedelta
    """Later than this, an instant is missed whatever `catch_up` says; a day by default."""
    overlap: Literal["allow", "skip", "buffer_one"] | Overlap
    """What becomes of an instant that comes while an earlier one's task is not finished: `allow` by default."""


def build_definition(schedule: Schedule, task: str, options: ScheduleOptions, *, owner: Owner) -> Definition:
    """Check the options and build the definition.

    Raises:
        ScheduleError: One of them cannot be, or they are too much for a definition.
    """
    unknown = set(options) - ScheduleOptions.__annotations__.keys()
    if unknown:
        raise ScheduleError(f"a schedule has no option {min(unknown)!r}")
    known: dict[str, Any] = dict(options)
    for name in ("jitter", "window"):
        if name in known:
            known[name] = _seconds(known[name])
    for name, kind in (("catch_up", CatchUp), ("overlap", Overlap)):
        if name in known:
            known[name] = choice_of(name, kind, known[name])
    for name in ("start", "end"):
        if known.get(name) is not None:
            known[name] = moment_of(known[name], name)
    try:
        known["args"] = tuple(known.get("args", ()))
        known["kwargs"] = dict(known.get("kwargs") or {})
    except (TypeError, ValueError):
        raise ScheduleError("args is a sequence, kwargs a mapping") from None
    definition = Definition(schedule=schedule, task=task, owner=owner, **known)
    # What cannot be written, or is too long, is said here and not by a worker that starts later.
    encode_definition(definition)
    return definition


def _seconds(value: object) -> float:
    return 0.0 if value in {0, "0"} else parse_interval(value)


class Schedules:
    """The schedules in Redis, while workers and schedulers run. Every method blocks until Redis has answered.

    In asyncio, call them by `asyncio.to_thread`. All raise `StoreUnavailable` when there is no answer and
    `ScheduleError` when there is no such schedule or what is asked for cannot be.

    Args:
        backend: Gives the way to Redis.
    """

    def __init__(self, backend: Callable[[], NativeBackend]) -> None:
        self._backend = backend

    def add(
        self,
        name: str,
        schedule: Schedule,
        task: str,
        *,
        queue_name: str,
        replace: bool = False,
        options: ScheduleOptions | None = None,
    ) -> str:
        """Bring a schedule into being; returns what was done, in words.

        Args:
            name: Its name, unique in its queue.
            schedule: A Cron, Every or At.
            task: The name of the task it makes.
            queue_name: Where it lives and its tasks go.
            replace: Put it in the place of one of that name.
            options: How it behaves.
        """
        definition = build_definition(schedule, task, options or {}, owner=Owner.OPERATOR)
        return self._apply(
            AddSchedule(name=name, queue=queue_name, definition=definition, by=process_name(), replace=replace)
        )[0]

    def edit(self, name: str, *, queue_name: str | None = None, **changes: Any) -> bool:
        """Change fields of a definition by their names in the JSON (`cron="0 4 * * *"`, `args=[1]`, `end=None`).

        None takes a field out. Returns False when it was so already.
        """
        shown = {field: _plain(value) for field, value in changes.items()}
        return self._apply(EditSchedule(name=name, queue=queue_name, changes=shown, by=process_name()))[1]

    def pause(self, name: str, reason: str = "", *, queue_name: str | None = None) -> bool:
        """Let it make no tasks; its place is kept. False when it was paused already."""
        return self._apply(PauseSchedule(name=name, queue=queue_name, by=process_name(), reason=reason))[1]

    def resume(self, name: str, *, catch_up: bool = False, queue_name: str | None = None) -> bool:
        """Let it make tasks again; False when it was not paused.

        What passed during the pause has passed, unless `catch_up` says to treat it as missed.
        """
        return self._apply(ResumeSchedule(name=name, queue=queue_name, by=process_name(), catch_up=catch_up))[1]

    def trigger(self, name: str, *, queue_name: str | None = None) -> str:
        """Make one task of it now, whatever its overlap rule says; returns what was done, in words."""
        return self._apply(TriggerSchedule(name=name, queue=queue_name, by=process_name()))[0]

    def remove(self, name: str, *, queue_name: str | None = None) -> str:
        """Take it away; tasks that it has made stay. Returns what was done, in words."""
        return self._apply(RemoveSchedule(name=name, queue=queue_name, by=process_name()))[0]

    def restore(self, name: str, *, queue_name: str | None = None) -> bool:
        """Make it what the app's code declares, or bring back what was removed; False when it is so already."""
        return self._apply(RestoreSchedule(name=name, queue=queue_name, by=process_name()))[1]

    def list(self, *, queue_name: str | None = None) -> list[ScheduleInfo]:
        """Every schedule of a queue or of all queues, the next to fire first; at most 20,000."""
        return self._backend().schedules(queue_name)

    def get(self, name: str, *, queue_name: str | None = None) -> ScheduleInfo:
        """One schedule, with how its last twenty tasks ended."""
        return self._backend().desk.get(name, queue_name)

    def _apply(self, command: ScheduleCommand) -> tuple[str, bool]:
        applied = self._backend().apply(command)
        return applied.text, applied.changed


def _plain(value: Any) -> Any:
    """A value as JSON has it: moments as text, durations as seconds."""
    if isinstance(value, dt.datetime):
        return moment_of(value, "a moment").isoformat()
    if isinstance(value, dt.timedelta):
        return value.total_seconds()
    return list(value) if isinstance(value, tuple) else value


def process_name() -> str:
    """Who acts, as others will read it."""
    return f"process {os.getpid()}@{socket.gethostname()}"
