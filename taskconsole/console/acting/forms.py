"""What an action needs to be told before it can be ordered, asked by the form for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from taskconsole.console.acting.orders import NoOrder, how_many, tasks
from taskconsole.console.dialogs.enqueue import EnqueueForm
from taskconsole.console.dialogs.move import MoveForm
from taskconsole.console.dialogs.reschedule import RescheduleForm
from taskconsole.console.dialogs.schedule import ScheduleForm
from taskconsole.console.text.safe import safe
from taskconsole.console.typed.entry import Entry, EntryError, entry_of
from taskconsole.console.typed.moments import due
from taskconsole.console.typed.schedule_entry import entry_of_schedule

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from taskconsole.backends.commands import Command, Enqueue
    from taskconsole.console.acting.flow import Stage
    from taskconsole.console.aim import Aim

__all__ = ["DETAILS", "WHOLE"]

DEFAULT = "task_queue"
"""The queue of whoever names none."""


async def _another_time(stage: Stage, aim: Aim) -> str | None:
    """When tasks are to run instead, for the command."""
    typed = await stage.ask(RescheduleForm(_what(aim), lambda: stage.now, glyphs=stage.look.glyphs))
    return None if typed is None else due(typed, stage.now).command


async def _another_queue(stage: Stage, aim: Aim) -> str | None:
    """The queue that tasks are to be put into."""
    queues = {row.queue for row in aim.rows} or {aim.queue}
    queue = queues.pop() if len(queues) == 1 else ""
    return await stage.ask(MoveForm(_what(aim), queue, stage.queues, glyphs=stage.look.glyphs))


async def _enqueue(stage: Stage, aim: Aim) -> Enqueue | None:
    """A new task."""
    entry = Entry(queue=aim.queue or DEFAULT, task="")
    return await _form(stage, entry)


async def _clone(stage: Stage, aim: Aim) -> Enqueue | None:
    """A new task like the selected one."""
    if not aim.rows:
        raise NoOrder("no task is selected")
    try:
        entry = entry_of(aim.rows[0], stage.look.masked)
    except EntryError as error:
        raise NoOrder(str(error)) from None
    return await _form(stage, entry)


async def _form(stage: Stage, entry: Entry) -> Enqueue | None:
    look = stage.look
    return await stage.ask(EnqueueForm(entry, await stage.signatures(), secrets=look.masked, glyphs=look.glyphs))


async def _edit_schedule(stage: Stage, aim: Aim) -> Command | None:
    """Other fields of the selected schedule."""
    if aim.schedule is None or aim.schedule.definition is None:
        raise NoOrder("no schedule is selected that can be read")
    return await _schedule(stage, aim, edited=True)


async def _add_schedule(stage: Stage, aim: Aim) -> Command | None:
    """A new schedule, beginning with the selected one."""
    return await _schedule(stage, aim, edited=False)


async def _schedule(stage: Stage, aim: Aim, *, edited: bool) -> Command | None:
    try:
        entry = entry_of_schedule(aim.schedule, aim.queue or DEFAULT, stage.look.masked)
    except EntryError as error:
        raise NoOrder(str(error)) from None
    look = stage.look
    form = ScheduleForm(entry, look.operator, lambda: stage.now, edited=edited, secrets=look.masked, glyphs=look.glyphs)
    return await stage.ask(form)


def _what(aim: Aim) -> str:
    """What a form is about, safe."""
    if aim.matching is not None:
        return f"all {tasks(how_many(aim.matching))} that match"
    if len(aim.rows) == 1:
        return safe(aim.rows[0].id or aim.rows[0].name, 60)
    return tasks(len(aim.rows))


DETAILS: dict[str, Callable[[Stage, Aim], Coroutine[object, object, str | None]]] = {
    "reschedule": _another_time,
    "move": _another_queue,
}
"""One thing that an order needs to know, by the action's verb."""

WHOLE: dict[str, Callable[[Stage, Aim], Coroutine[object, object, Command | None]]] = {
    "enqueue": _enqueue,
    "clone": _clone,
    "edit_schedule": _edit_schedule,
    "add_schedule": _add_schedule,
}
"""Forms that make the whole command: nothing is asked after them. Each raises NoOrder when there is nothing for it."""
