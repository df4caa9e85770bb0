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

    from taskconsole.backends.commands import Command, Undoable
    from taskconsole.model.detail import TaskDetail
    from taskconsole.model.event import Event
    from taskconsole.model.failure import Failures
    from taskconsole.model.schedule_info import ScheduleInfo
    from taskconsole.model.search import Progress, Search
    from taskconsole.model.server import ServerDetail
    from taskconsole.model.signature import Signature
    from taskconsole.model.state import State
    from taskconsole.model.stats import Overview, TaskRow, WorkerInfo
    from taskconsole.model.trace import Issued

__all__ = ["Applied", "Backend", "Can", "Foreseen"]


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
    MOVE = auto()
    SIGNAL = auto()
    """Workers can be told to be quiet, to stop, to abort a task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What became of a command, in one line for the operator."""

    text: str
    changed: bool = True
    """False when it was so already, or there was nothing to do it to."""
    done: int = 1
    """How many tasks it was done to."""
    missed: int = 0
    """How many of those that were named had gone or changed meanwhile; `text` says so."""
    now: int | None = None
    """Nothing was done: there are that many now, more than the operator agreed to. Ask again."""
    undo: Undoable | None = None
    """What takes it back; None when nothing can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """What a command would do, read without doing it."""

    text: str
    """One line: what, to how many, of which queue."""
    count: int = 1
    """How many tasks it would be done to, as far as is known: what the operator agrees to."""
    cost: str = ""
    """What it would cost Redis, when that is worth saying; empty when it is next to nothing."""
    warning: str = ""
    """What cannot be undone about it, or could surprise."""
    undoable: bool = True


class Backend(Protocol):
    """One task system in one Redis."""

    name: str
    can: Can
    address: str
    """Where it is, for the header; never a password."""

    @property
    def commands(self) -> int:
        """Commands sent so far, for whatever reason."""

    def issued(self) -> tuple[Issued, ...]:
        """The newest commands sent, those of the operator's actions first; reads nothing from Redis."""

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

    def signatures(self) -> list[Signature]:
        """The tasks that live workers have handlers for, and their parameters, as far as they tell.

        A task of several workers comes once for each way in which they have it.
        """

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

    def foresee(self, command: Command) -> Foreseen:
        """What a command would do now; reads only."""

    def apply(self, command: Command, report: Callable[[int], bool] | None = None) -> Applied:
        """Carry out an operator's command, at most once even if its reply is lost.

        One that goes on for long tells `report` how many tasks it has done so far, after each piece, and ends
        early, with what it has done kept, when that says False.
        """

    def close(self) -> None:
        """Let go of every connection."""
