"""The command line that does the same as a command. Pure: nothing is asked of Redis."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

from taskconsole.backends.commands import (
    AbortTask,
    Delete,
    DeleteTasks,
    Matching,
    MoveTasks,
    PauseQueue,
    Purge,
    Reschedule,
    RescheduleTasks,
    ResumeQueue,
    RetryTasks,
    RunTasks,
    SignalWorker,
    Undo,
)
from taskconsole.backends.delayed import check_due

if TYPE_CHECKING:
    from collections.abc import Sequence

    from taskconsole.backends.commands import Command, TaskCommand, Which
    from taskconsole.model.stats import TaskRow

__all__ = ["spelled", "spelled_line"]


def spelled_line(command: Command) -> str:
    """What to type, for any POSIX shell; empty when no one line does the same."""
    words = spelled(command)
    return shlex.join(["taskconsole", *words]) if words else ""


def spelled(command: Command) -> list[str]:  # noqa: C901, PLR0911 - one case per command
    """The arguments of `taskconsole`; none when no one line does the same."""
    match command:
        case DeleteTasks() | RetryTasks() | RunTasks() | RescheduleTasks() | MoveTasks():
            return _on_tasks(command)
        case Purge(queue=queue, state=state):
            return ["purge", "--state", state.value, "--yes", "--", queue]
        case SignalWorker(worker=worker, wanted="quiet"):
            return ["quiet", "--", worker]
        case SignalWorker(worker=worker):
            return ["stop-worker", "--yes", "--", worker]
        case AbortTask(row=row):
            return ["abort", "-q", row.queue, "--yes", "--", _name(row)]
        case Undo(done=done):
            return ["undo", "--", done.token]
        case PauseQueue(queue=queue, reason=reason):
            return ["pause", *(["--reason", reason] if reason else []), "--", queue]
        case ResumeQueue(queue=queue):
            return ["resume", "--", queue]
        case Reschedule(queue=queue, task=task, due=due):
            return ["reschedule", "-q", queue, *_due(due), *_task(task)]
        case Delete(queue=queue, task=task):
            return ["delete", "-q", queue, *_task(task)]
    return []


def _on_tasks(command: TaskCommand) -> list[str]:
    which = command.which
    named = _which(which)
    if not named:
        return []
    words = {
        DeleteTasks: "delete",
        RetryTasks: "retry",
        RunTasks: "run-now",
        RescheduleTasks: "reschedule",
        MoveTasks: "move",
    }
    extra: list[str] = []
    if isinstance(command, MoveTasks):
        extra = ["--to", command.to]
    elif isinstance(command, RescheduleTasks):
        extra = _due(command.due)
    if isinstance(command, DeleteTasks | RunTasks | MoveTasks) and command.deep:
        extra.append("--deep")
    return [words[type(command)], *extra, *named]


def _which(which: Which) -> list[str]:
    """Options and names; none when the tasks are of several queues or states."""
    if isinstance(which, Matching):
        narrowed = [
            *(["--match", which.text] if which.text else []),
            *(["--group", which.group] if which.group else []),
        ]
        return ["-q", which.queue, "--state", which.state.value, *(narrowed or ["--all"]), "--yes"]
    if len({(row.queue, row.state) for row in which}) != 1:
        return []
    return ["-q", which[0].queue, "--state", which[0].state.value, "--", *_names(which)]


def _names(rows: Sequence[TaskRow]) -> list[str]:
    return [_name(row) for row in rows]


def _name(row: TaskRow) -> str:
    """Its id; of one without, its payload."""
    return row.id or os.fsdecode(row.payload)


def _task(task: str | bytes) -> list[str]:
    return ["--", task] if isinstance(task, str) else ["--payload", "--", os.fsdecode(task)]


def _due(due: str) -> list[str]:
    checked = check_due(due)
    if checked.startswith("+"):
        seconds = float(checked)
        return ["--delay", f"{seconds:g}"] if seconds else ["--now"]
    import datetime as dt  # noqa: PLC0415 - seldom

    return ["--at", dt.datetime.fromtimestamp(float(checked), dt.UTC).isoformat()]
