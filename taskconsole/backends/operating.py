"""Whatever operators can do, foreseen and carried out: each command by the desk for its kind."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Any, assert_never

import msgspec

from taskconsole.backends.acting import TaskDesk
from taskconsole.backends.base import Applied
from taskconsole.backends.commands import (
    AbortTask,
    AddSchedule,
    Delete,
    DeleteTasks,
    EditSchedule,
    Enqueue,
    Matching,
    MoveTasks,
    PauseQueue,
    PauseSchedule,
    Purge,
    RemoveSchedule,
    Reschedule,
    RescheduleTasks,
    RestoreSchedule,
    ResumeQueue,
    ResumeSchedule,
    RetryTasks,
    RunTasks,
    SignalWorker,
    TriggerSchedule,
    Undo,
)
from taskconsole.backends.delayed import DelayedTasks
from taskconsole.backends.foreseeing import Foreseeing
from taskconsole.backends.rows import operator_event, pause_note
from taskconsole.backends.schedule_undoing import ScheduleUndoing
from taskconsole.backends.undoing import Undoing, undoable
from taskconsole.backends.workers import WorkerDesk
from taskconsole.errors import ConfigError, StoreNotReady, StoreUnavailable, WrongType
from taskconsole.model.event import EventKind, encode_event
from taskconsole.model.task import Envelope, bare_payload, check_size, encode
from taskconsole.store.keys import check_queue_name
from taskconsole.store.operations import OperationStore
from taskconsole.store.reading import ReadingStore
from taskconsole.store.tasks import TaskStore
from taskconsole.store.wire import all_or_raise

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from taskconsole.backends.base import Foreseen
    from taskconsole.backends.commands import Command, ScheduleCommand, TaskCommand, Undoable
    from taskconsole.backends.schedules import Ask, ScheduleDesk
    from taskconsole.config import Settings
    from taskconsole.model.event import Event
    from taskconsole.store.call import Call
    from taskconsole.store.keys import Namespace

__all__ = ["OperatorDesk"]

_json = msgspec.json.Encoder()


class OperatorDesk:
    """Its calls are repeated when their replies are lost; what they do is done once.

    Args:
        names: The key names to use.
        settings: How large a payload may be, and whether the public delayed set lies on another node than its queue.
        answers: Carries out calls in one round trip, repeats them if the replies are lost; a refused one yields its
            `StoreError` in its place.
        schedules: Carries out the commands about schedules.
        wrong_type: Names the key of a queue that is of another type.
        clock: Seconds since the epoch, by Redis as far as it is known.
    """

    def __init__(
        self,
        names: Namespace,
        settings: Settings,
        answers: Ask,
        *,
        schedules: ScheduleDesk,
        wrong_type: Callable[[str], WrongType | None],
        clock: Callable[[], float],
    ) -> None:
        self._settings, self._answers, self._schedules = settings, answers, schedules
        self._wrong_type, self._clock = wrong_type, clock
        self._reading, self._tasks = ReadingStore(names), TaskStore(names)
        self._operations = OperationStore(names)
        self._delayed = DelayedTasks(names, self._repeat_all, spread=settings.spread)
        self._tasks_desk = TaskDesk(names, self._repeat_all, spread=settings.spread)
        self._undoing = Undoing(names, self._repeat_all, spread=settings.spread)
        self._schedule_undoing = ScheduleUndoing(names, self._repeat_all, schedules)
        self._workers_desk = WorkerDesk(names, self._repeat_all)
        self._foreseeing = Foreseeing(names, self._repeat_all)

    def foresee(self, command: Command) -> Foreseen:
        """What a command would do now, in words; reads only."""
        return self._foreseeing.foresee(command)

    def undoables(self, log: Sequence[Event], queues: Sequence[str]) -> list[Undoable]:
        """Actions of the last ten minutes that can be taken back, the newest first, as far as the log tells of them."""
        return self._undoing.listed(log, queues, now=self.now())

    def undoable(self, token: str, queues: Sequence[str]) -> Undoable | None:
        """What takes back the action of that name; None when it is too late."""
        return self._undoing.find(token, queues, now=self.now())

    def now(self) -> float:
        """Seconds since the epoch, by Redis."""
        now: float = self._repeat(self._reading.time())
        return now

    def apply(  # noqa: C901, PLR0911 - one case per command
        self, command: Command, report: Callable[[int], bool] | None = None
    ) -> Applied:
        """Carry out a command."""
        token = f"{int(time.time() * 1000):x}-{secrets.token_hex(5)}"
        match command:
            case DeleteTasks() | RetryTasks() | RunTasks() | RescheduleTasks() | MoveTasks():
                return self._named(_queue_of(command), lambda: self._tasks_desk.apply(command, token, report))
            case Purge():
                return self._named(command.queue, lambda: self._tasks_desk.purge(command, token))
            case Undo():
                return self._undo(command, token, report)
            case SignalWorker():
                return self._workers_desk.signal(command)
            case AbortTask():
                return self._workers_desk.abort(command, token)
            case Enqueue():
                return self._enqueue(command, token)
            case PauseQueue():
                return self._pause(command, f"{token}.0")
            case ResumeQueue():
                return self._resume(command, f"{token}.0")
            case Reschedule() | Delete():
                return self._on_delayed(command, token)
            case (
                AddSchedule()
                | EditSchedule()
                | PauseSchedule()
                | ResumeSchedule()
                | TriggerSchedule()
                | RemoveSchedule()
                | RestoreSchedule()
            ):
                return self._on_schedule(command, token)
            case _:
                assert_never(command)

    def _undo(self, command: Undo, token: str, report: Callable[[int], bool] | None) -> Applied:
        of_schedule = self._schedule_undoing.apply(command)
        return of_schedule or self._undoing.apply(command, token, report, now=self.now())

    def _enqueue(self, command: Enqueue, token: str) -> Applied:
        queue = check_queue_name(command.queue)
        if not command.task:
            raise ConfigError("the task has no name")
        if not command.delay >= 0 or command.delay == float("inf"):
            raise ConfigError(f"delay of {command.delay} s: seconds from now, 0 or more")
        now = self._clock()
        if command.bare:
            payload, shown = bare_payload(command.task), command.task
        else:
            shown = token
            payload = encode(
                Envelope(command.task, token, list(command.args), command.kwargs or {}, enqueued_at=round(now, 3))
            )
        check_size(payload, command.task, self._settings.max_payload)
        kind = EventKind.DELAYED if command.delay else EventKind.ENQUEUED
        event = encode_event(kind, queue, now, [{"task": command.task[:200], "id": token}], 1)
        if command.delay:
            call = self._tasks.delay(queue, [(f"+{command.delay:.6f}", payload)], client_id=token, seq=1, event=event)
        else:
            call = self._tasks.enqueue(queue, [payload], client_id=token, seq=1, event=event)
        self._repeat(call)
        self._announce(queue)
        when = f" in {command.delay:g} s" if command.delay else ""
        return Applied(text=f"enqueued {command.task} ({shown}) on {queue}{when}")

    def _pause(self, command: PauseQueue, token: str) -> Applied:
        queue = check_queue_name(command.queue)
        now = round(self.now(), 3)
        note = _json.encode({"by": command.by, "at": now, "reason": command.reason})
        event = operator_event(EventKind.PAUSED, queue, now, command.by, command.reason, undo=token)
        changed, held = self._repeat(self._operations.pause(queue, note, token=token, event=event))
        self._announce(queue)
        if changed:
            undo = undoable(f"paused {queue}", queue, token, now)
            return Applied(text=f"paused {queue}: workers finish what they have and claim no more", undo=undo)
        by = pause_note(held)
        return Applied(text=f"{queue} was paused already by {by.by if by else '?'}", changed=False)

    def _resume(self, command: ResumeQueue, token: str) -> Applied:
        queue = check_queue_name(command.queue)
        now = round(self.now(), 3)
        event = operator_event(EventKind.RESUMED, queue, now, command.by, "", undo=token)
        changed, _ = self._repeat(self._operations.resume(queue, token=token, event=event))
        if changed:
            return Applied(text=f"resumed {queue}", undo=undoable(f"resumed {queue}", queue, token, now))
        return Applied(text=f"{queue} was not paused", changed=False)

    def _on_delayed(self, command: Reschedule | Delete, token: str) -> Applied:
        return self._named(command.queue, lambda: self._delayed.apply(command, f"{token}.0"))

    def _named(self, queue: str, act: Callable[[], Applied]) -> Applied:
        """Do it; a key of another type that is in the way is named."""
        try:
            return act()
        except WrongType as error:
            raise (self._wrong_type(queue) or error) from None

    def _on_schedule(self, command: ScheduleCommand, token: str) -> Applied:
        applied = self._schedules.apply(command, token)
        if command.queue is not None:
            self._announce(command.queue)
        return applied

    def _announce(self, queue: str) -> None:
        """Make the queue known, after something was done to it."""
        try:
            self._repeat(self._tasks.announce(queue))
        except StoreNotReady as error:
            # A server that refuses just now has refused this alone.
            raise StoreUnavailable(str(error)) from None

    def _repeat(self, call: Call[Any]) -> Any:
        return self._repeat_all([call])[0]

    def _repeat_all(self, calls: list[Call[Any]]) -> list[Any]:
        """The answers; the first refusal is raised."""
        return all_or_raise(self._answers(calls))


def _queue_of(command: TaskCommand) -> str:
    """The queue whose keys a refusal is most likely about."""
    return command.which.queue if isinstance(command.which, Matching) else command.which[0].queue
