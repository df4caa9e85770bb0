"""What a view wants to know, as values: the feed carries them out, so that no view ever talks to Redis.

Each is read again every so many seconds while its view is on the screen. Two that are equal are one question.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from taskconsole.backends.base import Backend
    from taskconsole.console.crew import Crew, CrewLog
    from taskconsole.model.detail import TaskDetail
    from taskconsole.model.event import Event
    from taskconsole.model.failure import Failures
    from taskconsole.model.schedule_info import ScheduleInfo
    from taskconsole.model.search import Progress, Search
    from taskconsole.model.server import ServerDetail
    from taskconsole.model.state import State
    from taskconsole.model.stats import TaskRow, WorkerInfo
    from taskconsole.model.trace import Issued

__all__ = [
    "Answer",
    "Around",
    "AskAround",
    "AskCrew",
    "AskDelayed",
    "AskFailures",
    "AskHistory",
    "AskSchedule",
    "AskSchedules",
    "AskServer",
    "AskTask",
    "AskTasks",
    "AskTrace",
    "AskWorkers",
    "Found",
    "Query",
    "Seek",
    "Window",
]


class Query(Protocol):
    """One question to a backend."""

    @property
    def every(self) -> float:
        """Seconds after which to ask again; infinite for once."""

    def read(self, backend: Backend, tell: Callable[[object], bool]) -> object:
        """The answer; in between `tell` may be given parts of it, and says False when the view is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of a query."""

    query: Any
    value: Any = None
    """None when there was an error."""
    error: str = ""
    """Why there is no value; not yet made safe."""
    at: float = 0.0
    """When it arrived, by the monotonic clock."""
    took: float = 0.0
    """Seconds it took."""
    final: bool = True
    """False while more of it is on its way."""
    void: bool = False
    """With an error: what was known before does not stand either."""


@dataclass(frozen=True, slots=True)
class Window:
    """Some rows of a longer list."""

    rows: tuple[TaskRow, ...]
    offset: int
    """How many rows of the list come before them."""
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AskTasks:
    """A window of the tasks of one queue in one state."""

    queue: str
    state: State
    offset: int = 0
    limit: int = 100
    every: ClassVar[float] = 1.0

    def read(self, backend: Backend, _tell: Callable[[object], bool]) -> Window:
        """The window, which may be empty when the list has become shorter."""
        rows, total = backend.tasks(self.queue, self.state, offset=self.offset, limit=self.limit)
        return Window(tuple(rows), self.offset, total)


@dataclass(frozen=True, slots=True, kw_only=True)
class AskDelayed:
    """A window of the delayed tasks of all queues."""

    offset: int = 0
    limit: int = 100
    every: ClassVar[float] = 1.0

    def read(self, backend: Backend, _tell: Callable[[object], bool]) -> Window:
        """The window."""
        rows, total = backend.delayed(offset=self.offset, limit=self.limit)
        return Window(tuple(rows), self.offset, total)


@dataclass(frozen=True, slots=True, kw_only=True)
class AskTask:
    """One task in full."""

    row: TaskRow
    every: ClassVar[float] = 2.0

    def read(self, backend: Backend, _tell: Callable[[object], bool]) -> TaskDetail | None:
        """The task; None when it is not there any more."""
        return backend.task(self.row)


@dataclass(frozen=True, slots=True, kw_only=True)
class AskSchedules:
    """Every schedule, of one queue or of all."""

    queue: str = ""
    every: ClassVar[float] = 2.0

    def read(self, backend: Backend, _tell: Callable[[object], bool]) -> tuple[ScheduleInfo, ...]:
        """The next to fire first."""
        return tuple(backend.schedules(self.queue or None))


@dataclass(frozen=True, slots=True, kw_only=True)
class AskSchedule:
    """One schedule with its last runs."""

    name: str
    queue: str
    every: ClassVar[float] = 2.0

    def read(self, backend: Backend, _tell: Callable[[object], bool]) -> ScheduleInfo | None:
        """The schedule; None when it is not there any more."""
        return backend.schedule(self.name, self.queue)


@dataclass(frozen=True, slots=True, kw_only=True)
class AskWorkers:
    """Every worker of every queue."""

    every: ClassVar[float] = 2.0

    def read(self, backend: Backend, _tell: Callable[[object], bool]) -> tuple[WorkerInfo, ...]:
        """Queue by queue."""
        return tuple(backend.workers())


@dataclass(frozen=True, slots=True)
class Around:
    """What a wide first screen shows besides the queues."""

    due: tuple[TaskRow, ...]
    """The delayed tasks whose time comes first."""
    schedules: tuple[ScheduleInfo, ...]
    workers: tuple[WorkerInfo, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AskAround:
    """What is due next, and who works."""

    limit: int = 12
    every: ClassVar[float] = 3.0

    def read(self, backend: Backend, _tell: Callable[[object], bool]) -> Around:
        """A few delayed tasks, every schedule, every worker."""
        due, _ = backend.delayed(limit=self.limit)
        return Around(tuple(due), tuple(backend.schedules()), tuple(backend.workers()))


@dataclass(frozen=True, slots=True, kw_only=True)
class AskFailures:
    """The failed tasks in groups."""

    every: ClassVar[float] = 3.0

    def read(self, backend: Backend, _tell: Callable[[object], bool]) -> Failures:
        """The largest group first."""
        return backend.failures()


@dataclass(frozen=True, slots=True, kw_only=True)
class AskHistory:
    """What the capped logs have kept from before we listened."""

    queue: str = ""
    count: int = 500
    every: ClassVar[float] = float("inf")

    def read(self, backend: Backend, _tell: Callable[[object], bool]) -> tuple[Event, ...]:
        """Oldest first."""
        return tuple(backend.history(self.queue or None, self.count))


@dataclass(frozen=True, slots=True, kw_only=True)
class AskCrew:
    """What the workers say that this console runs; Redis is not asked for it."""

    crew: Crew
    every: ClassVar[float] = 1.0

    def read(self, _backend: Backend, _tell: Callable[[object], bool]) -> tuple[CrewLog, ...]:
        """The newest worker first."""
        return self.crew.logs()


@dataclass(frozen=True, slots=True, kw_only=True)
class AskTrace:
    """The commands that were sent lately; Redis is not asked for it."""

    every: ClassVar[float] = 1.0

    def read(self, backend: Backend, _tell: Callable[[object], bool]) -> tuple[Issued, ...]:
        """Those of the operator's actions first."""
        return backend.issued()


@dataclass(frozen=True, slots=True, kw_only=True)
class AskServer:
    """The server in detail."""

    every: ClassVar[float] = 3.0

    def read(self, backend: Backend, _tell: Callable[[object], bool]) -> ServerDetail:
        """One look at it."""
        return backend.server()


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a search has found so far."""

    rows: tuple[TaskRow, ...]
    looked: int
    total: int
    done: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Seek:
    """A search through tasks; answers come piece by piece."""

    search: Search
    every: ClassVar[float] = float("inf")

    def read(self, backend: Backend, tell: Callable[[object], bool]) -> Found:
        """All that was found."""
        rows: list[TaskRow] = []
        last = Found(rows=(), looked=0, total=0, done=False)

        def report(progress: Progress) -> bool:
            nonlocal last
            rows.extend(progress.found)
            last = Found(rows=tuple(rows), looked=progress.looked, total=progress.total, done=progress.done)
            return tell(last)

        backend.search(self.search, report)
        return last
