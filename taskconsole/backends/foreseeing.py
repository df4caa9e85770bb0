"""What a command would do, before it is done: read, and said in a line or three. Nothing here writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from taskconsole.backends.acting import TaskDesk, fits
from taskconsole.backends.base import Foreseen
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
from taskconsole.backends.delayed import check_due
from taskconsole.backends.lookup import Lookup
from taskconsole.backends.pieces import MOST
from taskconsole.backends.rows import moment_text, name_of
from taskconsole.backends.shelves import shelves
from taskconsole.model.state import State
from taskconsole.store.keys import check_queue_name
from taskconsole.store.operations import OperationStore
from taskconsole.store.reading import ReadingStore

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from taskconsole.backends.commands import Command, TaskCommand
    from taskconsole.model.stats import TaskRow
    from taskconsole.store.call import Call
    from taskconsole.store.keys import Namespace

__all__ = ["Foreseeing"]

LOOKED_FOR = 50
"""Pending rows that are looked for; of more, the count is what was marked."""

SECONDS_A_PLACE = 1e-6
"""Of Redis, for looking at one place of a queue with payloads of some hundred bytes."""

SECONDS_A_MEMBER = 1.5e-6
"""Of Redis, for freeing one member of a sorted set."""

WORTH_SAYING = 0.1
"""Seconds of Redis."""

WHILE_IT_WAITS = "can be undone only for tasks that no worker has claimed since"


class Foreseeing:
    """Foresees.

    Args:
        names: The key names to use.
        ask: Carries out calls in one round trip; the first refusal is raised.
    """

    def __init__(self, names: Namespace, ask: Callable[[list[Call[Any]]], list[Any]]) -> None:
        self._names, self._ask = names, ask
        self._reading, self._operations = ReadingStore(names), OperationStore(names)
        self._lookup, self._desk = Lookup(names, ask), TaskDesk(names, ask)

    def foresee(self, command: Command) -> Foreseen:  # noqa: PLR0911 - one case per command
        """What it would do now.

        Raises:
            ConfigError: It could not be carried out at all: a queue or a time that cannot be.
        """
        match command:
            case DeleteTasks() | RetryTasks() | RunTasks() | RescheduleTasks() | MoveTasks():
                if isinstance(command.which, Matching):
                    return self._matching(command, command.which)
                return self._rows(command, command.which)
            case Purge(queue=queue, state=state):
                n = self._count(queue, state)
                return Foreseen(text=f"purge {_tasks(n, state)} of {queue}", count=n, cost=_cost_of_purging(n, state))
            case SignalWorker(worker=worker, wanted="quiet"):
                warning = "only stopping it, and starting another, makes it claim again"
                return Foreseen(text=f"have {worker} claim no more", warning=warning, undoable=False)
            case SignalWorker(worker=worker):
                warning = "it finishes what it runs, gives back the rest and ends; nobody here starts it again"
                return Foreseen(text=f"stop {worker}", warning=warning, undoable=False)
            case AbortTask(row=row):
                warning = (
                    "it is buried, and may have done half its work; in a thread it ends with its next step of "
                    "Python, not while a call blocks"
                )
                return Foreseen(text=f"abort {name_of(row)} on {row.worker or '?'}", warning=warning, undoable=False)
            case Undo():
                return self._undo(command)
            case _:
                return _plain(command)

    def _matching(self, command: TaskCommand, which: Matching) -> Foreseen:
        misfit = fits(command, which.state)
        if misfit:
            return Foreseen(text=misfit, count=0, undoable=False)
        if which.text or which.group:
            n = self._desk.matches(command, which).count()
            like = f" with {which.text[:60]!r}" if which.text else f" of the group {which.group}"
        else:
            n, like = self._count(which.queue, which.state), ""
        if _goes_in_steps(command, which):
            steps = -(-n // MOST)
            cost = f"in {steps:,} steps of a few milliseconds each" if steps > 1 else ""
        else:
            cost = _cost_of_purging(n, which.state)
        what = f"{_verb(command)} {_tasks(n, which.state)} of {which.queue}{like}{_to(command)}"
        return Foreseen(text=what, count=n, cost=cost, **_undo_of(command, {which.state}))

    def _rows(self, command: TaskCommand, rows: Sequence[TaskRow]) -> Foreseen:
        fitting = [row for row in rows if not fits(command, row.state)]
        there, far = self._there(fitting)
        gone = len(fitting) - there
        misfits = sorted({f"{name_of(row)} is {fits(command, row.state)}" for row in rows if fits(command, row.state)})
        warnings = misfits[:2] + ([f"{gone:,} of {len(rows):,} have gone since"] if gone else [])
        what = (
            name_of(fitting[0]) if len(fitting) == 1 else _tasks(there, fitting[0].state if fitting else State.ACTIVE)
        )
        queues = " and ".join(sorted({row.queue for row in rows})[:3])
        more = _undo_of(command, {row.state for row in fitting})
        warnings += [more.pop("warning")] if more.get("warning") else []
        return Foreseen(
            text=f"{_verb(command)} {what} of {queues}{_to(command)}",
            count=there,
            cost="" if not far else (
                f"not near where they were seen: looking deep goes through {far:,} tasks, "
                f"about {max(0.1, far * SECONDS_A_PLACE):.1f} s of Redis in steps of a millisecond"
            ),
            warning="; ".join(warnings),
            **more,
        )  # fmt: skip

    def _there(self, rows: Sequence[TaskRow]) -> tuple[int, int]:
        """How many are still where they were seen, and how long the queues of pending ones are that are not."""
        pending = [row for row in rows if row.state is State.PENDING]
        others = [row for row in rows if row.state is not State.PENDING]
        looked = pending[:LOOKED_FOR]
        missing = [row for row in looked if self._lookup.find(row, 0) is None]
        far = {row.queue: self._count(row.queue, State.PENDING) for row in missing}
        calls = [
            self._reading.score(shelf.key, row.payload)
            for row in others
            for shelf in shelves(self._names, check_queue_name(row.queue), row.state)
            if shelf.public == row.public and row.size <= len(row.payload)
        ]
        scores = self._ask(calls) if calls else []
        there = len(others) - len(calls) + sum(score is not None for score in scores)
        return there + len(pending) - len(missing), sum(far.values())

    def _count(self, queue: str, state: State) -> int:
        found = shelves(self._names, check_queue_name(queue), state)
        counters = self._reading.counters(self._names.of(queue))
        *sizes, counted = self._ask([*(shelf.size() for shelf in found), counters])
        tombstones = max(0, counted["tombstones"]) if state is State.PENDING else 0
        total: int = sum(sizes)
        return max(0, total - tombstones)

    def _undo(self, command: Undo) -> Foreseen:
        calls = [
            call(check_queue_name(queue), token)
            for queue, token in command.done.tokens
            for call in (self._operations.note, self._operations.note_left)
        ]
        answers = self._ask(calls) if calls else []
        notes = [note for note in answers[::2] if note is not None and note.op != "undone"]
        if not notes:
            return Foreseen(text=f"too late, or undone before: {command.done.what}", count=0, undoable=False)
        left = min((seconds for seconds in answers[1::2] if seconds >= 0), default=0)
        waits = WHILE_IT_WAITS if any(note.op == "requeue" for note in notes) else ""
        return Foreseen(
            text=f"undo: {command.done.what}" + (f" (for {left} s more)" if left else ""),
            count=sum(note.count for note in notes) or len(notes),
            warning=waits,
            undoable=False,
        )


def _goes_in_steps(command: TaskCommand, which: Matching) -> bool:
    return not isinstance(command, DeleteTasks) or bool(which.text or which.group)


def _cost_of_purging(n: int, state: State) -> str:
    seconds = n * SECONDS_A_MEMBER
    # A list is freed by the page.
    if state is State.PENDING or seconds < WORTH_SAYING:
        return ""
    return (
        f"nothing now; when it is too late for undo a worker has them freed in the background. Without any, Redis "
        f"frees them at once, about {seconds:.1f} s, unless its lazyfree-lazy-expire is on"
    )


def _undo_of(command: TaskCommand, states: set[State]) -> dict[str, Any]:
    """Whether and how far it can be taken back."""
    match command:
        case RunTasks() if states == {State.PENDING}:
            return {"undoable": False, "warning": "their places in the queue are not kept"}
        case RetryTasks() | RunTasks():
            return {"undoable": True, "warning": WHILE_IT_WAITS}
    return {"undoable": True}


def _verb(command: TaskCommand) -> str:
    return {
        DeleteTasks: "delete",
        RetryTasks: "retry",
        RunTasks: "run next",
        RescheduleTasks: "reschedule",
        MoveTasks: "move",
    }[type(command)]


def _to(command: TaskCommand) -> str:
    match command:
        case MoveTasks(to=to):
            return f" to {check_queue_name(to)}"
        case RescheduleTasks(due=due):
            return f" to {_when(due)}"
    return ""


def _when(due: str) -> str:
    checked = check_due(due)
    return f"{float(checked):g} s from now" if checked.startswith("+") else moment_text(float(checked))


def _tasks(n: int, state: State) -> str:
    return f"{n:,} {state} task{'' if n == 1 else 's'}"


def _plain(command: Command) -> Foreseen:  # noqa: PLR0911 - one case per command
    """Commands of which everything is in the command itself."""
    match command:
        case Enqueue(queue=queue, task=task, delay=delay):
            when = f" in {delay:g} s" if delay else ""
            return Foreseen(text=f"enqueue {task} on {queue}{when}", undoable=False)
        case PauseQueue(queue=queue):
            return Foreseen(text=f"pause {queue}: workers finish what they have and claim no more")
        case ResumeQueue(queue=queue):
            return Foreseen(text=f"resume {queue}")
        case Reschedule(queue=queue, due=due):
            return Foreseen(text=f"reschedule a delayed task of {queue} to {_when(due)}")
        case Delete(queue=queue):
            return Foreseen(text=f"delete a delayed task of {queue}")
        case RemoveSchedule(name=name):
            return Foreseen(text=f"remove the schedule {name}", warning="its past runs are not kept")
        case RestoreSchedule(name=name):
            return Foreseen(text=f"restore the schedule {name}")
        case AddSchedule(name=name) | EditSchedule(name=name) | PauseSchedule(name=name) | ResumeSchedule(name=name):
            verb = type(command).__name__.removesuffix("Schedule").lower()
            return Foreseen(text=f"{verb} the schedule {name}")
        case TriggerSchedule(name=name):
            return Foreseen(text=f"make one task of the schedule {name} now", undoable=False)
        case _:
            words = "".join(f" {c.lower()}" if c.isupper() else c for c in type(command).__name__).strip()
            return Foreseen(text=f"{words} {getattr(command, 'name', '')}".strip(), undoable=False)
