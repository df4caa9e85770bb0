"""What an action would be done to: all that is selected in a view, as one value. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from taskconsole.backends.commands import Matching
    from taskconsole.model.schedule_info import ScheduleInfo
    from taskconsole.model.state import State
    from taskconsole.model.stats import TaskRow, WorkerInfo

__all__ = ["Aim"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """What is empty is not selected, or not shown in that view."""

    queue: str = ""
    """The queue that is selected, or whose tasks are shown."""
    paused: bool = False
    """That queue is paused."""
    state: State | None = None
    """The state whose tasks are shown."""
    count: int = 0
    """Tasks in that state, as far as is known."""
    rows: tuple[TaskRow, ...] = ()
    """The marked tasks, else the selected one."""
    hidden: int = 0
    """How many of those are not in sight."""
    matching: Matching | None = None
    """All that match, loaded or not, in place of `rows`."""
    everything: Matching | str = ""
    """What "all that match" would be here; or why there is no such thing."""
    schedule: ScheduleInfo | None = None
    worker: tuple[WorkerInfo, ...] = ()
    """One worker process, as each of its queues sees it."""
