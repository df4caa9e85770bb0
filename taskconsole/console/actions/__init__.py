"""Every action once. The bindings, the footer, help, palette and the README's key table come from here."""

from __future__ import annotations

from taskconsole.console.actions.action import Action, Danger, bindings
from taskconsole.console.actions.everywhere import EVERYWHERE, UNSEEN, VIEWS
from taskconsole.console.actions.looking import DETAIL, LOG, MARKS, MOTIONS, SIDEWAYS, TABLE
from taskconsole.console.actions.operating import MATCHING, QUEUE, QUEUES, SCHEDULE, TASK, TASKS, WORKER
from taskconsole.console.actions.replaying import REPLAY

__all__ = [
    "DETAIL",
    "EVERYWHERE",
    "GROUPS",
    "LOG",
    "MARKS",
    "MATCHING",
    "MOTIONS",
    "QUEUE",
    "QUEUES",
    "REPLAY",
    "SCHEDULE",
    "SIDEWAYS",
    "TABLE",
    "TASK",
    "TASKS",
    "UNSEEN",
    "VIEWS",
    "WORKER",
    "Action",
    "Danger",
    "bindings",
    "key_table",
]

GROUPS: dict[str, tuple[Action, ...]] = {
    "views": VIEWS,
    "everywhere": EVERYWHERE,
    "queues": QUEUES,
    "a queue": QUEUE,
    "tasks": TASKS,
    "a task": TASK,
    "all of them": MATCHING,
    "a schedule": SCHEDULE,
    "a worker": WORKER,
    "tables": TABLE,
    "marks": MARKS,
    "columns": SIDEWAYS,
    "events": LOG,
    "texts": DETAIL,
    "moving": MOTIONS,
    "replay": REPLAY,
}
"""Every action there is, in the order of the README."""


def key_table() -> str:
    """All keys as a Markdown table, for the README."""
    rows = []
    for where, group in GROUPS.items():
        for action in group:
            key = action.key_text.replace("|", "\\|")
            rows.append(f"| {where} | `{key}` | {action.tooltip} |")
    return "\n".join(["| where | key | what it does |", "|---|---|---|", *rows])
