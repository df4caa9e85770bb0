"""Our own queues, as the console and the command line see them. The keys are those of `store.keys`.

What the first figures do not need is imported when it is first asked for: most of what this package holds serves
operators who act, and the others wait for nothing.
"""

from __future__ import annotations

import time
from functools import cached_property
from typing import TYPE_CHECKING, Any

from taskconsole.backends.base import Can
from taskconsole.backends.history import EventLogs
from taskconsole.backends.overview import OverviewReader
from taskconsole.backends.rows import WORKER_FIELDS, worker_info
from taskconsole.backends.windows import Windows
from taskconsole.errors import AccessDenied, ScheduleError, StoreNotReady, StoreUnavailable, WrongType
from taskconsole.model.event import Event, decode_event
from taskconsole.store.keys import DEFAULT_QUEUE, Namespace, check_queue_name
from taskconsole.store.opening import open_listener, open_wire
from taskconsole.store.reading import ReadingStore
from taskconsole.store.tasks import TaskStore
from taskconsole.store.trace import Trace
from taskconsole.store.wire import all_or_raise

if TYPE_CHECKING:
    from collections.abc import Callable

    from taskconsole.backends.base import Applied, Foreseen
    from taskconsole.backends.commands import Command, Undoable
    from taskconsole.backends.failures import FailedTasks
    from taskconsole.backends.operating import OperatorDesk
    from taskconsole.backends.schedules import ScheduleDesk
    from taskconsole.config import Settings
    from taskconsole.model.detail import TaskDetail
    from taskconsole.model.failure import Failures
    from taskconsole.model.reach import Reach
    from taskconsole.model.schedule_info import ScheduleInfo
    from taskconsole.model.search import Progress, Search
    from taskconsole.model.server import ServerDetail
    from taskconsole.model.signature import Signature
    from taskconsole.model.state import State
    from taskconsole.model.stats import Overview, TaskRow, WorkerInfo
    from taskconsole.model.trace import Issued
    from taskconsole.store.call import Call
    from taskconsole.store.events import Listener

__all__ = ["NativeBackend"]

LISTEN = 0.25
"""Seconds to wait for a message before looking at whether to stop."""

GATHER = 0.05
"""Seconds after the first event in which others may come with it: a flood wakes us twenty times a second at most."""

NEW_CHANNELS = 2.0
"""Seconds between two looks for queues that have come since."""


class NativeBackend:
    """Taskconsole's queues in one Redis.

    Four connections, so that none waits behind another: reading the overview, looking at whatever is on the screen,
    acting, and listening.

    Args:
        settings: Where Redis is.
        queues: Queues to show even when nobody has registered them.
        read_only: Refuse every command, and send nothing that writes or publishes.
        reach: What a command that is suggested has to be told to meet this Redis.
    """

    name = "taskconsole"

    def __init__(
        self,
        settings: Settings,
        queues: tuple[str, ...] = (),
        *,
        read_only: bool = False,
        reach: Reach | None = None,
    ) -> None:
        self.settings, self.address = settings, settings.address
        self.read_only = read_only
        self.can = Can.EVENTS | Can.SCHEDULES if read_only else ~Can.READ
        self._names = Namespace(settings.prefix)
        self._trace = Trace()
        self._read = open_wire(settings, trace=self._trace)
        self._act = open_wire(settings, trace=self._trace, acting=True)
        self._look = open_wire(settings, trace=self._trace)
        self._reading, self._tasks = ReadingStore(self._names), TaskStore(self._names)
        self._windows, self._logs = Windows(self._names, self._all), EventLogs(self._names, self._all)
        self._extra = {check_queue_name(name) for name in queues}
        self._overviews = OverviewReader(
            self._names, settings, self._read.run_all, self._extra, self._read.nodes, reach
        )
        self._known: list[str] = []
        self._offset = 0.0

    @property
    def commands(self) -> int:
        """Commands sent so far; what the listening connection sends is not worth counting."""
        return self._read.sent + self._look.sent + self._act.sent

    def issued(self) -> tuple[Issued, ...]:
        """The newest commands sent, those of the operator's actions first; the listening connection's are left out."""
        return self._trace.newest()

    # -- reading

    def overview(self) -> Overview:
        """Read every queue and its workers, in three round trips or four."""
        overview = self._overviews.read()
        self._offset = overview.at - time.time()
        self._known = [queue.name for queue in overview.queues]
        return overview

    def server_alone(self) -> Overview:
        """The server without its queues, for when `overview` says that it is not ready."""
        return self._overviews.server_alone()

    def tasks(self, queue: str, state: State, *, offset: int = 0, limit: int = 50) -> tuple[list[TaskRow], int]:
        """A window of a queue's tasks and how many there are; `limit` is at most 500."""
        try:
            return self._windows.tasks(queue, state, offset, limit)
        except WrongType as error:
            raise (self._overviews.wrong_type(queue) or error) from None

    def delayed(self, *, offset: int = 0, limit: int = 50) -> tuple[list[TaskRow], int]:
        """A window of the delayed tasks of all queues, the most overdue first, and how many there are.

        `limit` is at most 500. The cost is told at `Windows.delayed`.

        Raises:
            ConfigError: The window reaches deeper than 10,000, and more than one sorted set has tasks.
        """
        return self._windows.delayed(self._every_queue(), offset, limit)

    def failures(self) -> Failures:
        """The newest failed tasks of every queue in groups; at most 5,000 are looked at, see `FailedTasks.look`."""
        return self._failed.look(self._every_queue())

    @cached_property
    def _failed(self) -> FailedTasks:
        from taskconsole.backends.failures import FailedTasks

        return FailedTasks(self._names, self._all)

    def _every_queue(self) -> list[str]:
        """All queues that may have tasks; the default queue is always one of them.

        Raises:
            ServerTooOld: Redis is older than 6.2.
        """
        self._overviews.greet()
        return sorted({*self._one([self._reading.queues()])[0], *self._extra, DEFAULT_QUEUE})

    def workers(self) -> list[WorkerInfo]:
        """Every worker, queue by queue, the ones with the freshest lease first."""
        self._overviews.greet()
        now, known = self._one([self._reading.time(), self._reading.queues()])
        names = sorted(set(known) | self._extra)
        leases = self._all([self._reading.leases(self._names.of(name)) for name in names])
        found = [
            (name, wid, until)
            for name, ends in zip(names, leases, strict=True)
            if isinstance(ends, dict)
            for wid, until in ends.items()
        ]
        calls: list[Call[Any]] = []
        for name, wid, _ in found:
            k = self._names.of(name)
            calls += [
                self._reading.worker_fields(k, wid, *WORKER_FIELDS),
                self._reading.length(k.processing(wid)),
            ]
        answers = self._all(calls)
        return [
            worker_info(name, wid, until, answers[2 * i], answers[2 * i + 1], now=now)
            for i, (name, wid, until) in enumerate(found)
        ]

    def signatures(self) -> list[Signature]:
        """The tasks that live workers have handlers for, and their parameters, as far as they tell."""
        from taskconsole.backends.signatures import signatures

        return signatures(self._names, self._every_queue(), self._one)

    @cached_property
    def desk(self) -> ScheduleDesk:
        """Schedules, one by one."""
        from taskconsole.backends.schedules import ScheduleDesk

        return ScheduleDesk(
            self._names,
            self._answers,
            queues=self._reading.queues(),
            time=self._reading.time(),
            max_payload=self.settings.max_payload,
        )

    def schedules(self, queue: str | None = None) -> list[ScheduleInfo]:
        """Every schedule of a queue or of all queues, the next to fire first; at most 20,000."""
        return self.desk.every(queue)

    def schedule(self, name: str, queue: str) -> ScheduleInfo | None:
        """One schedule with its last twenty runs; None when there is none of that name."""
        try:
            return self.desk.get(name, queue)
        except ScheduleError:
            return None

    def task(self, row: TaskRow) -> TaskDetail | None:
        """A task in full, found again as it was seen in a list; None when it is not there any more."""
        from taskconsole.backends.lookup import Lookup

        try:
            return Lookup(self._names, self._one).task(row)
        except WrongType as error:
            raise (self._overviews.wrong_type(row.queue) or error) from None

    def search(self, search: Search, report: Callable[[Progress], bool]) -> None:
        """Look through tasks, a thousand at a time and ten times a second, until `report` says False."""
        from taskconsole.backends.searching import TaskSearch

        TaskSearch(self._names, self._all, self._extra).run(search, report)

    def server(self) -> ServerDetail:
        """The server in detail; what may not be asked is named in it."""
        from taskconsole.backends.server import ServerLook

        look = ServerLook(self._names, self._all, self.settings.client_name, self._extra, self._look.nodes)
        return look.read()

    def history(self, queue: str | None = None, count: int = 100) -> list[Event]:
        """The newest events worth keeping (failures, deaths, operators, workers) of a queue or of all, oldest first.

        `count` is at most 1,000.
        """
        return self._logs.newest(self._every_queue() if queue is None else [check_queue_name(queue)], count)

    def listen(self, on_events: Callable[[list[Event]], None], stopped: Callable[[], bool]) -> None:
        """Hand over events until `stopped()`."""
        listener = open_listener(self.settings)
        look = 0.0
        try:
            while not stopped():
                if time.monotonic() >= look:
                    self._join(listener)
                    look = time.monotonic() + NEW_CHANNELS
                events: list[Event] = []
                now = time.time() + self._offset

                def take(channel: str, raw: bytes, events: list[Event] = events, now: float = now) -> None:
                    events.extend(decode_event(raw, channel=channel.removeprefix(self._names.prefix), now=now))

                listener.drain(take, LISTEN, gather=GATHER)
                if events:
                    on_events(events)
        finally:
            listener.close()

    def _join(self, listener: Listener) -> None:
        """Hear the channels of queues that have come since, and let their workers know."""
        names = {self._names.of(name).channel: name for name in self._known or [DEFAULT_QUEUE]}
        new = listener.join(names)
        if self.read_only:
            return
        self._act.run_all([self._tasks.announce_listener(self._names.of(names[channel])) for channel in new])

    # -- acting

    @cached_property
    def _operator(self) -> OperatorDesk:
        from taskconsole.backends.operating import OperatorDesk

        return OperatorDesk(
            self._names,
            self.settings,
            self._answers,
            schedules=self.desk,
            wrong_type=self._overviews.wrong_type,
            clock=lambda: time.time() + self._offset,
        )

    def foresee(self, command: Command) -> Foreseen:
        """What a command would do now, in words; reads only."""
        return self._operator.foresee(command)

    def undoables(self) -> list[Undoable]:
        """Actions of the last ten minutes that can be taken back, the newest first, as far as the log tells of them."""
        return self._operator.undoables(self.history(None, 1000), self._every_queue())

    def undoable(self, token: str) -> Undoable | None:
        """What takes back the action of that name; None when it is too late."""
        return self._operator.undoable(token, self._every_queue())

    def now(self) -> float:
        """Seconds since the epoch, by Redis."""
        return self._operator.now()

    def apply(self, command: Command, report: Callable[[int], bool] | None = None) -> Applied:
        """Carry out a command; repeated by itself when its reply is lost, done once.

        Raises:
            AccessDenied: The backend is read-only.
        """
        if self.read_only:
            raise AccessDenied("read-only: nothing was sent")
        return self._operator.apply(command, report)

    def _answers(self, calls: list[Call[Any]]) -> list[Any]:
        """Carry out calls that may be repeated, once more when their replies were lost; a refusal is an answer.

        Raises:
            StoreNotReady: Redis refuses them for now.
            StoreUnavailable: No answer.
        """
        try:
            return all_or_raise(self._act.run_all(calls), StoreUnavailable)
        except StoreUnavailable as error:
            lost = error
        try:
            return all_or_raise(self._act.run_all(calls), StoreUnavailable)
        except StoreNotReady:
            if isinstance(lost, StoreNotReady):
                raise
            # This time it was not done; the first time, nobody knows.
            raise lost from None

    # -- plumbing

    def _all(self, calls: list[Call[Any]]) -> list[Any]:
        return self._look.run_all(calls)

    def _one(self, calls: list[Call[Any]]) -> list[Any]:
        """As `_all`, but a refusal is raised."""
        return all_or_raise(self._all(calls))

    def close(self) -> None:
        """Let go of every connection."""
        self._read.close()
        self._act.close()
        self._look.close()
