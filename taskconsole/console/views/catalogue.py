"""Which class shows which view. Its module has the view's name, and is not imported here (see `later`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from taskconsole.console.look import Look
    from taskconsole.console.views.view import View

__all__ = ["VIEWS", "make_view"]


class _Views(Mapping[str, "type[View]"]):
    """The classes by their names in a `Place`.

    Args:
        classes: What each is called in its module.
    """

    def __init__(self, **classes: str) -> None:
        self._classes = classes

    def __getitem__(self, name: str) -> type[View]:
        found: type[View] = getattr(import_module(f"{__package__}.{name}"), self._classes[name])
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._classes)

    def __len__(self) -> int:
        return len(self._classes)


VIEWS = _Views(
    queues="QueuesView",
    tasks="TasksView",
    task="TaskView",
    delayed="DelayedView",
    doctor="DoctorView",
    find="FindView",
    workers="WorkersView",
    worker="WorkerView",
    schedules="SchedulesView",
    schedule="ScheduleView",
    redis="RedisView",
    failures="FailuresView",
    events="EventsView",
    trace="TraceView",
    crew="CrewView",
)


def make_view(name: str, look: Look) -> View:
    """A new view of that name."""
    view = VIEWS[name]
    return view(look)
