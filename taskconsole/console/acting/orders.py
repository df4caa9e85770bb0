"""From an action and what is selected to the command that does it. Pure.

The words of an order are the operator's; what it would do exactly, and to how many, the backend foresees.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from taskconsole.backends.commands import (
    AbortTask,
    Command,
    DeleteTasks,
    Matching,
    MoveTasks,
    PauseQueue,
    PauseSchedule,
    Purge,
    RemoveSchedule,
    RescheduleTasks,
    RestoreSchedule,
    ResumeQueue,
    ResumeSchedule,
    RetryTasks,
    RunTasks,
    SignalWorker,
    TaskCommand,
    TriggerSchedule,
)
from taskconsole.console.actions import Danger
from taskconsole.console.text.format import count
from taskconsole.model.state import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from taskconsole.backends.commands import Which
    from taskconsole.console.aim import Aim
    from taskconsole.model.stats import TaskRow

__all__ = ["NoOrder", "Order", "agreed", "at_any_cost", "how_many", "order"]


class NoOrder(ValueError):
    """There is nothing to do it to; one line that says what to do instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One command of the operator's, and what is asked before it."""

    command: Command
    doing: str
    """What is under way while it is carried out: `deleting 3 tasks`; not yet made safe."""
    danger: Danger = Danger.REVERSIBLE
    hidden: int = 0
    """How many of the tasks are not in sight."""
    typed: str = ""
    """What has to be typed when that is asked for; empty for the number of tasks."""
    note: str = ""
    """What else is to be known before: `2 active ones stay`."""


REACH: dict[str, frozenset[State]] = {
    "retry": frozenset({State.DEAD, State.DELAYED}),
    "run": frozenset({State.PENDING, State.DELAYED, State.DEAD}),
    "reschedule": frozenset({State.DELAYED}),
    "delete": frozenset({State.PENDING, State.DELAYED, State.DEAD}),
    "move": frozenset({State.PENDING, State.DELAYED, State.DEAD}),
}
"""The states whose tasks each action on tasks can be done to."""

DOING = {
    "retry": "retrying",
    "run": "running now",
    "reschedule": "rescheduling",
    "delete": "deleting",
    "move": "moving",
}

INSTEAD = {
    State.ACTIVE: "K aborts it",
    State.DONE: "c enqueues one like it",
    State.PENDING: "x runs it next",
    State.DEAD: "r retries it",
}
"""What can be done to a task in this state when something else cannot."""


def order(verb: str, aim: Aim, by: str, given: str = "") -> Order:
    """The order for an action.

    Args:
        verb: As in `actions`: `retry`, `delete_all` …
        aim: What is selected.
        by: Who wants it.
        given: What was asked for before: the time, or the other queue.

    Raises:
        NoOrder: It cannot be done to what is selected.
    """
    if verb in REACH:
        return _on_tasks(verb, aim, by, given)
    return _OTHERS[verb](aim, by)


def how_many(which: Which) -> int:
    """Tasks it is about, as far as is known."""
    return which.agreed if isinstance(which, Matching) else len(which)


def agreed(command: Command, number: int) -> Command:
    """The same command, with that many tasks agreed to."""
    if isinstance(command, Purge):
        return replace(command, agreed=number)
    if isinstance(command, TaskCommand) and isinstance(command.which, Matching):
        return replace(command, which=replace(command.which, agreed=number))
    return command


def at_any_cost(command: Command) -> Command:
    """The same command, its cost agreed to: tasks that are not where they were seen are looked for everywhere."""
    if isinstance(command, DeleteTasks | RunTasks | MoveTasks) and not isinstance(command.which, Matching):
        return replace(command, deep=True)
    return command


def _on_tasks(verb: str, aim: Aim, by: str, given: str) -> Order:
    which, note = _which(verb, aim)
    number = how_many(which)
    command: TaskCommand
    match verb:
        case "retry":
            command = RetryTasks(which=which, by=by)
        case "run":
            command = RunTasks(which=which, by=by)
        case "reschedule":
            command = RescheduleTasks(which=which, due=given, by=by)
        case "delete":
            command = DeleteTasks(which=which, by=by)
        case _:
            command = MoveTasks(which=which, to=given, by=by)
    deletes = verb == "delete"
    # Whoever takes all that match away types how many that is, however few.
    danger = (Danger.SWEEPING if isinstance(which, Matching) else Danger.DELETING) if deletes else Danger.REVERSIBLE
    return Order(command=command, doing=f"{DOING[verb]} {tasks(number)}", danger=danger, hidden=aim.hidden, note=note)


def _which(verb: str, aim: Aim) -> tuple[Which, str]:
    """What it is done to, and what stays as it is."""
    reach = REACH[verb]
    if aim.matching is not None:
        if aim.matching.state not in reach:
            raise NoOrder(_not_in(verb, aim.matching.state))
        return aim.matching, ""
    if not aim.rows:
        raise NoOrder("no task is selected")
    rows = tuple(row for row in aim.rows if row.state in reach)
    if not rows:
        raise NoOrder(_not_in(verb, aim.rows[0].state))
    left = len(aim.rows) - len(rows)
    return rows, f"{tasks(left)} in other states stay" if left else ""


def _not_in(verb: str, state: State) -> str:
    words = {"run": "run now", "reschedule": "rescheduled", "retry": "retried", "delete": "deleted", "move": "moved"}
    return f"no {state} task can be {words[verb]}: {INSTEAD.get(state, 'its state must be another')}"


def tasks(number: int) -> str:
    """`1 task`, `3 tasks`."""
    return "1 task" if number == 1 else f"{count(number)} tasks"


def _delete_all(aim: Aim, by: str) -> Order:
    if not isinstance(aim.everything, Matching):
        raise NoOrder(aim.everything or "no tasks are shown here")
    if not aim.everything.text and not aim.everything.group:
        # All there is: in one step, however many.
        return _purge(aim, by)
    which = aim.everything
    if which.state not in REACH["delete"]:
        raise NoOrder(_not_in("delete", which.state))
    command = DeleteTasks(which=which, by=by)
    return Order(command=command, doing="deleting all that match", danger=Danger.SWEEPING)


def _purge(aim: Aim, by: str) -> Order:
    state = aim.state or State.PENDING
    if not aim.queue:
        raise NoOrder("no queue is selected")
    if state not in REACH["delete"]:
        raise NoOrder(f"{state} tasks cannot be purged: only pending, delayed and dead ones")
    command = Purge(queue=aim.queue, state=state, agreed=aim.count, by=by)
    return Order(command=command, doing=f"purging {aim.queue}", danger=Danger.SWEEPING, typed=aim.queue)


def _pause(aim: Aim, by: str) -> Order:
    if not aim.queue:
        raise NoOrder("no queue is selected")
    if aim.paused:
        return Order(command=ResumeQueue(queue=aim.queue, by=by), doing=f"resuming {aim.queue}")
    return Order(command=PauseQueue(queue=aim.queue, by=by), doing=f"pausing {aim.queue}")


def _abort(aim: Aim, by: str) -> Order:
    row = _active(aim.rows)
    return Order(command=AbortTask(row=row, by=by), doing=f"aborting {row.id or row.name}", danger=Danger.DELETING)


def _active(rows: tuple[TaskRow, ...]) -> TaskRow:
    found = [row for row in rows if row.state is State.ACTIVE]
    if not found:
        raise NoOrder("no active task is selected: only what runs can be aborted")
    if len(found) > 1:
        raise NoOrder("one at a time: abort runs on one task only")
    return found[0]


def _signal(wanted: str) -> Callable[[Aim, str], Order]:
    def make(aim: Aim, by: str) -> Order:
        if not aim.worker:
            raise NoOrder("no worker is selected")
        one = aim.worker[0]
        if wanted == "quiet":
            return Order(
                command=SignalWorker(worker=one.id, wanted="quiet", by=by),
                doing=f"quieting {one.id}",
                danger=Danger.DELETING,
            )
        return Order(
            command=SignalWorker(worker=one.id, wanted="stop", by=by),
            doing=f"stopping {one.id}",
            danger=Danger.SWEEPING,
            typed=one.queue,
        )

    return make


def _schedule(make: Callable[[str, str, str], Command], doing: str, danger: Danger) -> Callable[[Aim, str], Order]:
    def build(aim: Aim, by: str) -> Order:
        if aim.schedule is None or not aim.schedule.name:
            raise NoOrder("no schedule is selected")
        name = aim.schedule.name
        return Order(command=make(name, aim.schedule.queue, by), doing=f"{doing} {name}", danger=danger)

    return build


def _pause_schedule(aim: Aim, by: str) -> Order:
    info = aim.schedule
    paused = info is not None and info.definition is not None and info.definition.paused is not None
    kind = ResumeSchedule if paused else PauseSchedule
    doing = "resuming" if paused else "pausing"
    return _schedule(lambda name, queue, who: kind(name=name, queue=queue, by=who), doing, Danger.REVERSIBLE)(aim, by)


_OTHERS: dict[str, Callable[[Aim, str], Order]] = {
    "delete_all": _delete_all,
    "purge": _purge,
    "pause": _pause,
    "abort": _abort,
    "quiet": _signal("quiet"),
    "stop": _signal("stop"),
    "pause_schedule": _pause_schedule,
    "trigger": _schedule(
        lambda name, queue, by: TriggerSchedule(name=name, queue=queue, by=by), "triggering", Danger.REVERSIBLE
    ),
    "remove_schedule": _schedule(
        lambda name, queue, by: RemoveSchedule(name=name, queue=queue, by=by), "removing", Danger.DELETING
    ),
    "restore_schedule": _schedule(
        lambda name, queue, by: RestoreSchedule(name=name, queue=queue, by=by), "restoring", Danger.DELETING
    ),
}
