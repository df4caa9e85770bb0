"""What stands in a recording: its questions, the types of their answers, and the numbers both sides agree on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from taskconsole.model.detail import TaskDetail
from taskconsole.model.event import Event
from taskconsole.model.failure import Failures
from taskconsole.model.schedule_info import ScheduleInfo
from taskconsole.model.server import ServerDetail
from taskconsole.model.stats import Overview, TaskRow, WorkerInfo

if TYPE_CHECKING:
    from taskconsole.model.state import State

__all__ = ["ANSWERS", "HOLDS", "MAX_LINE", "STILL", "VERSION", "Page", "Question", "task_question", "tasks_question"]

VERSION = 1
"""Of the format; a reader refuses a higher one."""

STILL = 5.0
"""Seconds after which an answer that has not changed is said to be the same, again."""

HOLDS = 20.0
"""Seconds that an answer stands for, unless there is a newer one: a console that nobody looks at asks every 15 s."""

MAX_LINE = 16 * 1024 * 1024
"""Bytes; a longer line is none of ours."""

Question = tuple[Any, ...]
"""What was asked, as a JSON array has it: `("tasks", "mail", "dead", 0, 100)`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A window of a list of tasks."""

    rows: tuple[TaskRow, ...]
    total: int


ANSWERS: dict[str, Any] = {
    "overview": Overview,
    "tasks": Page,
    "delayed": Page,
    "task": TaskDetail | None,
    "schedules": tuple[ScheduleInfo, ...],
    "schedule": ScheduleInfo | None,
    "workers": tuple[WorkerInfo, ...],
    "failures": Failures,
    "history": tuple[Event, ...],
    "server": ServerDetail,
}
"""The type of the answer to a question, by its first word."""


def tasks_question(queue: str, state: State, offset: int, limit: int) -> Question:
    """A window of a queue's tasks."""
    return ("tasks", queue, str(state), offset, limit)


def task_question(row: TaskRow) -> Question:
    """One task: by its id, else by its bytes."""
    return ("task", row.queue, str(row.state), row.id or "", "" if row.id else row.payload.decode("utf-8", "replace"))
