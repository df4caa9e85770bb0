"""The seam between the console and a task system.

A backend reads and acts; it keeps no screen state. Its calls block, so they belong in a thread, and four threads
may be in one backend at a time: one that reads what is shown (`overview`, `tasks`, `workers` …), one that looks
something up (`task`, `search`), one in `listen`, one in `apply`.
Each raises `StoreUnavailable` when there is no answer and another `StoreError` when the answer is no;
neither message holds a password.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Flag, auto
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from taskconsole.model.definition import Definition
    from taskconsole.model.detail import TaskDetail
    from taskconsole.model.event import Event
    from taskconsole.model.failure import Failures
    from taskconsole.model.schedule_info import ScheduleInfo
    from taskconsole.model.search import Progress, Search
    from taskconsole.model.server import ServerDetail
    from taskconsole.model.state import State
    from taskconsole.model.stats import Overview, TaskRow, WorkerInfo

__all__ = [
    "AddSchedule",
    "Applied",
    "Backend",
    "Can",
    "Command",
    "Delete",
    "EditSchedule",
    "Enqueue",
    "PauseQueue",
    "PauseSchedule",
    "RemoveSchedule",
    "Reschedule",
    "RestoreSchedule",
    "ResumeQueue",
    "ResumeSchedule",
    "ScheduleCommand",
    "TriggerSchedule",
]


class Can(Flag):
    """What a backend is able to do; the console offers nothing else."""

    READ = 0
    ENQUEUE = auto()
    PAUSE = auto()
    DELETE = auto()
    RESCHEDULE = auto()
    REQUEUE = auto()
    PURGE = auto()
    UNDO = auto()
    EVENTS = auto()
    SCHEDULES = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Enqueue:
    """Put one task at the producers' end of a queue."""

    queue: str
    task: str
    args: tuple[object, ...] = ()
    kwargs: dict[str, object] | None = None
    delay: float = 0.0
    """Seconds from now; 0 means pending at once."""
    bare: bool = False
    """Push `task` as it is, as redis-cli would, instead of an envelope."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseQueue:
    """Stop workers from claiming; tasks already in their hands go on."""

    queue: str
    by: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeQueue:
    """Let workers claim again."""

    queue: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reschedule:
    """Give a delayed task another time; one that has passed means at once."""

    queue: str
    task: str | bytes
    """Its id, or the exact bytes of its payload."""
    due: str
    """`"1790000000.5"`, seconds since the epoch, or `"+30"` for 30 s from now."""
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete:
    """Delete a delayed task."""

    queue: str
    task: str | bytes
    """Its id, or the exact bytes of its payload."""
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AddSchedule:
    """Bring a schedule into being."""

    name: str
    queue: str
    definition: Definition
    by: str
    replace: bool = False
    """Put it in the place of one that is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EditSchedule:
    """Change some fields of a schedule's definition."""

    name: str
    queue: str | None
    """None: whichever queue has a schedule of that name."""
    changes: dict[str, object]
    """By their names in the JSON; None takes one out."""
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseSchedule:
    """Let it make no tasks; its place is kept."""

    name: str
    queue: str | None
    by: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeSchedule:
    """Let it make tasks again."""

    name: str
    queue: str | None
    by: str
    catch_up: bool = False
    """Treat what passed during the pause as missed, by the schedule's own rule; else it has passed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerSchedule:
    """Make one task of it now, whatever its overlap rule says; its regular instants are not touched."""

    name: str
    queue: str | None
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveSchedule:
    """Take it away; tasks that it has made stay."""

    name: str
    queue: str | None
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreSchedule:
    """Make it what the app's code declares, or bring back what was removed."""

    name: str
    queue: str | None
    by: str


ScheduleCommand = (
    AddSchedule | EditSchedule | PauseSchedule | ResumeSchedule | TriggerSchedule | RemoveSchedule | RestoreSchedule
)

Command = Enqueue | PauseQueue | ResumeQueue | Reschedule | Delete | ScheduleCommand


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What became of a command, in one line for the operator."""

    text: str
    changed: bool = True
    """False when it was so already, or there was nothing to do it to."""


class Backend(Protocol):
    """One task system in one Redis."""

    name: str
    can: Can
    address: str
    """Where it is, for the header; never a password."""

    @property
    def commands(self) -> int:
        """Commands sent so far, for whatever reason."""

    def overview(self) -> Overview:
        """Read every queue in one bounded pipeline."""

    def tasks(self, queue: str, state: State, *, offset: int = 0, limit: int = 50) -> tuple[list[TaskRow], int]:
        """A window of a queue's tasks, next to run (soonest, newest dead) first, and how many there are."""

    def delayed(self, *, offset: int = 0, limit: int = 50) -> tuple[list[TaskRow], int]:
        """A window of the delayed tasks of all queues, the most overdue first, and how many there are."""

    def task(self, row: TaskRow) -> TaskDetail | None:
        """One task in full, as it was seen in a list; None when it is not there any more."""

    def search(self, search: Search, report: Callable[[Progress], bool]) -> None:
        """Look through tasks piece by piece, within a budget; `report` says False to end it.

        Reports at least every second, the last time with `done`.
        """

    def schedules(self, queue: str | None = None) -> list[ScheduleInfo]:
        """Every schedule of one queue or of all, the next to fire first."""

    def schedule(self, name: str, queue: str) -> ScheduleInfo | None:
        """One schedule with its last twenty runs; None when there is none of that name."""

    def workers(self) -> list[WorkerInfo]:
        """Every worker that has registered and not yet been forgotten."""

    def failures(self) -> Failures:
        """The newest failed tasks of every queue, dead or waiting for another attempt, in groups."""

    def history(self, queue: str | None = None, count: int = 100) -> list[Event]:
        """The newest events worth keeping of one queue or of all, oldest first."""

    def server(self) -> ServerDetail:
        """The server in detail; what may not be asked is named in it."""

    def listen(self, on_events: Callable[[list[Event]], None], stopped: Callable[[], bool]) -> None:
        """Hand over events as they arrive until `stopped()`; a lost connection raises StoreUnavailable.

        Looks at `stopped` at least every half second.
        """

    def apply(self, command: Command) -> Applied:
        """Carry out an operator's command, at most once even if its reply is lost."""

    def close(self) -> None:
        """Let go of every connection."""
