"""Which class shows which view."""

from __future__ import annotations

from typing import TYPE_CHECKING

from taskconsole.console.views.crew import CrewView
from taskconsole.console.views.delayed import DelayedView
from taskconsole.console.views.doctor import DoctorView
from taskconsole.console.views.events import EventsView
from taskconsole.console.views.failures import FailuresView
from taskconsole.console.views.find import FindView
from taskconsole.console.views.queues import QueuesView
from taskconsole.console.views.redis import RedisView
from taskconsole.console.views.schedule import ScheduleView
from taskconsole.console.views.schedules import SchedulesView
from taskconsole.console.views.task import TaskView
from taskconsole.console.views.tasks import TasksView
from taskconsole.console.views.trace import TraceView
from taskconsole.console.views.worker import WorkerView
from taskconsole.console.views.workers import WorkersView

if TYPE_CHECKING:
    from collections.abc import Callable

    from taskconsole.console.look import Look
    from taskconsole.console.views.view import View

__all__ = ["VIEWS", "make_view"]

VIEWS: dict[str, Callable[[Look], View]] = {
    view.NAME: view
    for view in (
        QueuesView,
        TasksView,
        TaskView,
        DelayedView,
        DoctorView,
        FindView,
        WorkersView,
        WorkerView,
        SchedulesView,
        ScheduleView,
        RedisView,
        FailuresView,
        EventsView,
        TraceView,
        CrewView,
    )
}
"""By their names in a `Place`."""


def make_view(name: str, look: Look) -> View:
    """A new view of that name."""
    return VIEWS[name](look)
