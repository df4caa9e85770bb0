"""What operators do to queues, tasks, schedules and workers."""

from __future__ import annotations

from taskconsole.backends.base import Can
from taskconsole.console.actions.action import Action, Danger

__all__ = ["MATCHING", "QUEUE", "QUEUES", "SCHEDULE", "TASK", "TASKS", "WORKER"]

QUEUES = (
    Action(
        id="queues.open",
        key="enter",
        name="enter",
        label="open",
        tooltip="The tasks of the selected queue.",
    ),
    Action(
        id="queues.pane",
        key="tab",
        name="next_pane",
        label="events",
        tooltip="From the table to the events and back.",
    ),
)
"""What works on the queues."""

QUEUE = (
    Action(
        id="queues.enqueue",
        key="e",
        name="screen.act('enqueue')",
        label="enqueue",
        tooltip="Enqueue a task; the form checks its JSON while you type.",
        danger=Danger.REVERSIBLE,
        needs=Can.ENQUEUE,
    ),
    Action(
        id="queues.pause",
        key="p",
        name="screen.act('pause')",
        label="pause/resume",
        tooltip="Pause the selected queue, or resume it.",
        danger=Danger.REVERSIBLE,
        needs=Can.PAUSE,
    ),
    Action(
        id="queues.worker",
        key="W",
        name="screen.act('hire')",
        label="worker",
        tooltip="Start a worker for the queue here, or show its log.",
        danger=Danger.REVERSIBLE,
        footer=False,
    ),
    Action(
        id="queues.purge",
        key="P",
        name="screen.act('purge')",
        label="purge",
        tooltip="Take all its tasks of one state away; its name is typed.",
        danger=Danger.SWEEPING,
        needs=Can.PURGE,
    ),
)
"""What is done to a queue."""

TASK = (
    Action(
        id="task.retry",
        key="r",
        name="screen.act('retry')",
        label="retry",
        tooltip="Put dead or delayed tasks back into their queue.",
        danger=Danger.REVERSIBLE,
        needs=Can.REQUEUE,
    ),
    Action(
        id="task.run",
        key="x",
        name="screen.act('run')",
        label="run now",
        tooltip="Make pending, delayed or dead tasks the next to run.",
        danger=Danger.REVERSIBLE,
        needs=Can.REQUEUE,
    ),
    Action(
        id="task.reschedule",
        key="s",
        name="screen.act('reschedule')",
        label="reschedule",
        tooltip="Give delayed tasks another time: +10m, 14:30, ISO, now.",
        danger=Danger.REVERSIBLE,
        needs=Can.RESCHEDULE,
    ),
    Action(
        id="task.delete",
        key="d",
        name="screen.act('delete')",
        label="delete",
        tooltip="Delete what is marked, else what is selected.",
        danger=Danger.DELETING,
        needs=Can.DELETE,
    ),
    Action(
        id="task.delete_all",
        key="D",
        name="screen.act('delete_all')",
        label="delete all",
        tooltip="Delete all that match the filter; their number is typed.",
        danger=Danger.SWEEPING,
        needs=Can.DELETE,
        footer=False,
    ),
    Action(
        id="task.move",
        key="M",
        name="screen.act('move')",
        label="move",
        tooltip="Put tasks into another queue, in the same state.",
        danger=Danger.REVERSIBLE,
        needs=Can.MOVE,
        footer=False,
    ),
    Action(
        id="task.clone",
        key="c",
        name="screen.act('clone')",
        label="clone",
        tooltip="Enqueue one like it, after changing what you like.",
        danger=Danger.REVERSIBLE,
        needs=Can.ENQUEUE,
        footer=False,
    ),
    Action(
        id="task.abort",
        key="K",
        name="screen.act('abort')",
        label="abort",
        tooltip="Have its worker end a running task.",
        danger=Danger.DELETING,
        needs=Can.SIGNAL,
        footer=False,
    ),
)
"""What is done to tasks."""

MATCHING = (
    Action(
        id="matching.all",
        key="A",
        name="everything",
        label="all that match",
        tooltip="Aim at all that match, loaded or not; again: no more.",
        footer=False,
    ),
)
"""What aims at more than can be marked."""

SCHEDULE = (
    Action(
        id="schedules.trigger",
        key="t",
        name="screen.act('trigger')",
        label="trigger",
        tooltip="Make one task of it now; its regular times stay.",
        danger=Danger.REVERSIBLE,
        needs=Can.SCHEDULES,
    ),
    Action(
        id="schedules.pause",
        key="p",
        name="screen.act('pause_schedule')",
        label="pause/resume",
        tooltip="Pause the schedule, or resume it.",
        danger=Danger.REVERSIBLE,
        needs=Can.SCHEDULES,
    ),
    Action(
        id="schedules.edit",
        key="e",
        name="screen.act('edit_schedule')",
        label="edit",
        tooltip="Change when it fires, and what.",
        danger=Danger.REVERSIBLE,
        needs=Can.SCHEDULES,
    ),
    Action(
        id="schedules.add",
        key="c",
        name="screen.act('add_schedule')",
        label="add",
        tooltip="Add a schedule, beginning with a copy of the selected one.",
        danger=Danger.REVERSIBLE,
        needs=Can.SCHEDULES,
    ),
    Action(
        id="schedules.remove",
        key="d",
        name="screen.act('remove_schedule')",
        label="remove",
        tooltip="Remove the schedule; tasks it has made stay.",
        danger=Danger.DELETING,
        needs=Can.SCHEDULES,
    ),
    Action(
        id="schedules.restore",
        key="u",
        name="screen.act('restore_schedule')",
        label="restore",
        tooltip="Make it what the app's code declares.",
        danger=Danger.DELETING,
        needs=Can.SCHEDULES,
        footer=False,
    ),
)
"""What is done to a schedule."""

WORKER = (
    Action(
        id="workers.quiet",
        key="Q",
        name="screen.act('quiet')",
        label="quiet",
        tooltip="Have the worker claim no more tasks.",
        danger=Danger.DELETING,
        needs=Can.SIGNAL,
    ),
    Action(
        id="workers.stop",
        key="K",
        name="screen.act('stop')",
        label="stop",
        tooltip="Have the worker end in order; its queue is typed.",
        danger=Danger.SWEEPING,
        needs=Can.SIGNAL,
    ),
)
"""What is done to a worker."""

TASKS = (
    Action(
        id="tasks.next_state",
        key="right_square_bracket",
        shown="]",
        name="state(1)",
        label="next state",
        tooltip="The tasks in the next state.",
    ),
    Action(
        id="tasks.last_state",
        key="left_square_bracket",
        shown="[",
        name="state(-1)",
        label="state before",
        tooltip="The tasks in the state before.",
        footer=False,
    ),
    Action(
        id="tasks.next_queue",
        key="right_curly_bracket",
        shown="}",
        name="queue(1)",
        label="next queue",
        tooltip="The same of the next queue.",
        footer=False,
    ),
    Action(
        id="tasks.last_queue",
        key="left_curly_bracket",
        shown="{",
        name="queue(-1)",
        label="queue before",
        tooltip="The same of the queue before.",
        footer=False,
    ),
)
"""What works on the tasks of a queue."""
