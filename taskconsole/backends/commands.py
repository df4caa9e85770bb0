"""What an operator can have done, as values: a backend carries them out, the console and the command line make them.

Each says who wants it (`by`, user@host), so that the event log can tell.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from taskconsole.model.stats import TaskRow

if TYPE_CHECKING:
    from taskconsole.model.definition import Definition
    from taskconsole.model.state import State

__all__ = [
    "AbortTask",
    "AddSchedule",
    "Command",
    "Delete",
    "DeleteTasks",
    "EditSchedule",
    "Enqueue",
    "Matching",
    "MoveTasks",
    "PauseQueue",
    "PauseSchedule",
    "Purge",
    "RemoveSchedule",
    "Reschedule",
    "RescheduleTasks",
    "RestoreSchedule",
    "ResumeQueue",
    "ResumeSchedule",
    "RetryTasks",
    "RunTasks",
    "ScheduleCommand",
    "SignalWorker",
    "TaskCommand",
    "TriggerSchedule",
    "Undo",
    "Undoable",
    "Which",
]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Matching:
    """All tasks of one queue in one state, or those of them that match; found and done piece by piece.

    What comes after the command has begun is left alone as far as that can be told.
    """

    queue: str
    state: State
    text: str = ""
    """Somewhere in the payload's bytes, as `Search.text`; empty for all."""
    group: str = ""
    """Only failures of this group (`FailureGroup.key`); empty for all."""
    agreed: int
    """How many there were when the operator agreed: more than that is `Applied.now`, and nothing is done."""


Which = tuple[TaskRow, ...] | Matching
"""Tasks as they were seen in lists, or all that match."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteTasks:
    """Take pending, delayed or dead tasks away; they can be brought back for ten minutes."""

    which: Which
    by: str
    deep: bool = False
    """Look through the whole queue for pending rows that are no longer near where they were seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryTasks:
    """Put dead or delayed tasks back into their queue, behind those that wait there."""

    which: Which
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTasks:
    """Make pending, delayed or dead tasks the next to run."""

    which: Which
    by: str
    deep: bool = False
    """Look through the whole queue for pending rows that are no longer near where they were seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RescheduleTasks:
    """Give delayed tasks another time."""

    which: Which
    due: str
    """`"1790000000.5"`, seconds since the epoch, or `"+30"` for 30 s from now."""
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveTasks:
    """Put pending, delayed or dead tasks into another queue, in the same state and order."""

    which: Which
    to: str
    """The other queue."""
    by: str
    deep: bool = False
    """Look through the whole queue for pending rows that are no longer near where they were seen."""


TaskCommand = DeleteTasks | RetryTasks | RunTasks | RescheduleTasks | MoveTasks


@dataclass(frozen=True, slots=True, kw_only=True)
class Purge:
    """Take all tasks of one state away in one step, however many; they can be brought back for ten minutes."""

    queue: str
    state: State
    """Pending, delayed or dead."""
    agreed: int | None
    """How many there were when the operator agreed: with more nothing is done. None: whatever there is."""
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalWorker:
    """Have a worker claim no more (`quiet`) or end (`stop`); it hears it with its next heartbeat."""

    worker: str
    wanted: Literal["quiet", "stop"]
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AbortTask:
    """Have the worker end one running task; it is buried with that reason, or retried as its attempts allow."""

    row: TaskRow
    """An active one."""
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Undoable:
    """What takes an action back."""

    what: str
    """What was done, in a few words."""
    tokens: tuple[tuple[str, str], ...]
    """(queue, token) of each piece, in the order in which they were done."""
    until: float
    """Seconds since the epoch by the clock of Redis; after that it is too late."""

    @property
    def token(self) -> str:
        """What names the whole action on a command line."""
        return self.tokens[0][1].rpartition(".")[0] or self.tokens[0][1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Undo:
    """Take an action back as far as the tasks have not moved on."""

    done: Undoable
    by: str


Command = (
    Enqueue
    | PauseQueue
    | ResumeQueue
    | Reschedule
    | Delete
    | TaskCommand
    | Purge
    | SignalWorker
    | AbortTask
    | Undo
    | ScheduleCommand
)
"""All that an operator can have done."""
