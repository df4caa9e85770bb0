"""Any backend, with everything it says written down on the way to whoever asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from taskconsole.backends.recording.lines import Page, Question, task_question, tasks_question

if TYPE_CHECKING:
    from collections.abc import Callable

    from taskconsole.backends.base import Applied, Backend, Can, Foreseen
    from taskconsole.backends.commands import Command
    from taskconsole.backends.recording.recorder import Recorder
    from taskconsole.model.detail import TaskDetail
    from taskconsole.model.event import Event
    from taskconsole.model.failure import Failures
    from taskconsole.model.schedule_info import ScheduleInfo
    from taskconsole.model.search import Progress, Search
    from taskconsole.model.server import ServerDetail
    from taskconsole.model.signature import Signature
    from taskconsole.model.state import State
    from taskconsole.model.stats import Overview, TaskRow, WorkerInfo
    from taskconsole.model.trace import Issued

__all__ = ["RecordingBackend", "recorded"]

T = TypeVar("T")


def recorded(connect: Callable[[], Backend], recorder: Recorder) -> Callable[[], Backend]:
    """The same way to connect, with what becomes of it recorded."""

    def connect_and_record() -> Backend:
        try:
            backend = connect()
        except Exception as error:
            recorder.lost(error)
            raise
        recorder.connected(backend.name, backend.address)
        return RecordingBackend(backend, recorder)

    return connect_and_record


class RecordingBackend:
    """Passes everything on to another backend, and all it answers to a recorder.

    Events are recorded by whoever listens, who adds what could not be heard; commands show in the events they make.
    """

    def __init__(self, backend: Backend, recorder: Recorder) -> None:
        self._backend = backend
        self._recorder = recorder
        self.name: str = backend.name
        self.address: str = backend.address

    @property
    def can(self) -> Can:
        """What the other one can do."""
        return self._backend.can

    @can.setter
    def can(self, can: Can) -> None:
        self._backend.can = can

    @property
    def commands(self) -> int:
        """Commands that the other one has sent."""
        return self._backend.commands

    def issued(self) -> tuple[Issued, ...]:
        """The newest commands that the other one has sent; not recorded."""
        return self._backend.issued()

    def overview(self) -> Overview:
        """Read every queue."""
        try:
            overview = self._backend.overview()
        except Exception as error:
            self._recorder.lost(error)
            raise
        self._recorder.overview(overview)
        return overview

    def tasks(self, queue: str, state: State, *, offset: int = 0, limit: int = 50) -> tuple[list[TaskRow], int]:
        """A window of a queue's tasks."""
        return self._page(
            tasks_question(queue, state, offset, limit),
            lambda: self._backend.tasks(queue, state, offset=offset, limit=limit),
        )

    def delayed(self, *, offset: int = 0, limit: int = 50) -> tuple[list[TaskRow], int]:
        """A window of the delayed tasks of all queues."""
        return self._page(
            ("delayed", offset, limit),
            lambda: self._backend.delayed(offset=offset, limit=limit),
        )

    def task(self, row: TaskRow) -> TaskDetail | None:
        """One task in full."""
        return self._asked(task_question(row), lambda: self._backend.task(row))

    def search(self, search: Search, report: Callable[[Progress], bool]) -> None:
        """Look through tasks piece by piece."""
        number = self._recorder.searching(search)

        def report_and_record(progress: Progress) -> bool:
            self._recorder.found(number, progress)
            return report(progress)

        self._backend.search(search, report_and_record)

    def schedules(self, queue: str | None = None) -> list[ScheduleInfo]:
        """Every schedule."""
        return self._asked(("schedules", queue), lambda: self._backend.schedules(queue))

    def schedule(self, name: str, queue: str) -> ScheduleInfo | None:
        """One schedule with its last runs."""
        return self._asked(("schedule", name, queue), lambda: self._backend.schedule(name, queue))

    def workers(self) -> list[WorkerInfo]:
        """Every worker."""
        return self._asked(("workers",), self._backend.workers)

    def signatures(self) -> list[Signature]:
        """Not written down: only forms that write ask for them."""
        return self._backend.signatures()

    def failures(self) -> Failures:
        """Failed tasks in groups."""
        return self._asked(("failures",), self._backend.failures)

    def history(self, queue: str | None = None, count: int = 100) -> list[Event]:
        """The newest events worth keeping."""
        return self._asked(("history", queue, count), lambda: self._backend.history(queue, count))

    def server(self) -> ServerDetail:
        """The server in detail."""
        return self._asked(("server",), self._backend.server)

    def listen(self, on_events: Callable[[list[Event]], None], stopped: Callable[[], bool]) -> None:
        """Hand over events as they arrive."""
        self._backend.listen(on_events, stopped)

    def foresee(self, command: Command) -> Foreseen:
        """What a command would do."""
        return self._backend.foresee(command)

    def apply(self, command: Command, report: Callable[[int], bool] | None = None) -> Applied:
        """Carry out an operator's command."""
        return self._backend.apply(command, report)

    def close(self) -> None:
        """Let go of every connection."""
        self._backend.close()

    def _asked(self, question: Question, ask: Callable[[], T]) -> T:
        try:
            answer = ask()
        except Exception as error:
            self._recorder.refused(question, error)
            raise
        self._recorder.answer(question, answer)
        return answer

    def _page(self, question: Question, ask: Callable[[], tuple[list[TaskRow], int]]) -> tuple[list[TaskRow], int]:
        try:
            rows, total = ask()
        except Exception as error:
            self._recorder.refused(question, error)
            raise
        self._recorder.answer(question, Page(rows=tuple(rows), total=total))
        return rows, total
