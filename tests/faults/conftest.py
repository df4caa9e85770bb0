"""Workers that are quick to notice a death, an App that enqueues for them, and the ledger."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from taskconsole import App
from taskconsole.app import RegisteredTask
from taskconsole.config import Settings
from tests.faults import app as tasks
from tests.faults.ledger import Ledger, Report
from tests.faults.schedulers import SchedulerProcess
from tests.servers import FULL, WorkerProcess

LEASE = 2.0

ROW = "fault row"
"""The name under which a line of the table is kept with a test's result."""


only_full = pytest.mark.skipif(not FULL, reason="takes its time: with TASKCONSOLE_TEST_FULL=1")
"""For what would make every commit wait too long."""


def sized(quick: int, full: int) -> int:
    """A number for every commit, or for a release (TASKCONSOLE_TEST_FULL=1)."""
    return full if FULL else quick


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here is a fault test."""
    for item in items:
        if "faults" in item.path.parts:
            item.add_marker(pytest.mark.faults)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The figures of all fault tests as one table, as it stands in RESULTS.md."""
    reports = [report for word in ("passed", "failed") for report in terminalreporter.stats.get(word, [])]
    rows = [row for report in reports for name, row in report.user_properties if name == ROW]
    if rows:
        terminalreporter.section("faults")
        terminalreporter.write_line("| fault | accepted | finished | lost | repeated | longest gap | going on after |")
        terminalreporter.write_line("|---|---|---|---|---|---|---|")
        for row in sorted(rows):
            terminalreporter.write_line(row)


@pytest.fixture
def ledger(make_server: Callable[..., Any], request: pytest.FixtureRequest) -> Iterator[Ledger]:
    """The ledger, in a server of its own."""

    def record(fault: str, report: Report) -> None:
        request.node.user_properties.append((ROW, report.row(fault)))

    made = Ledger(make_server().url, record)
    yield made
    made.close()


@pytest.fixture
def spawn(start_worker: Callable[..., WorkerProcess], ledger: Ledger) -> Callable[..., WorkerProcess]:
    """Start a worker with a short lease; options as for `start_worker`, `grace` in seconds."""

    def start(*, grace: float = 5.0, arguments: Sequence[str] = (), **options: Any) -> WorkerProcess:
        basics = ("--lease", str(LEASE), "--grace", str(grace), "--loop", "asyncio")
        return start_worker(
            arguments=(*basics, *arguments),
            environment=ledger.environment() | options.pop("environment", {}),
            **options,
        )

    return start


class Producer:
    """Enqueues tasks of `tests.faults.app` and remembers which were accepted."""

    def __init__(self, url: str, **settings: Any) -> None:
        self.app = App(settings=Settings(url=url, **settings))
        self.accepted: list[str] = []
        self.prefix = "t"
        """Of the names of its tasks."""

    def task(self, task: RegisteredTask[..., Any], **options: Any) -> RegisteredTask[..., Any]:
        """One of the tasks, going to this producer's Redis."""
        own = self.app.registry.handlers.get(task.name)
        if own is None:
            self.app.registry.add(task.handler)
        bound = RegisteredTask(self.app, task.handler, task._options)
        return bound.using(**options) if options else bound

    def work(self, count: int, seconds: float, **options: Any) -> list[str]:
        """Enqueue `count` tasks that take so long each."""
        names = [f"{self.prefix}{len(self.accepted) + i}" for i in range(count)]
        task = self.task(tasks.work, **options)
        self.app.enqueue_many([task.call(name, seconds) for name in names])
        self.accepted += names
        return names

    def one(self, task: RegisteredTask[..., Any], *args: Any, **options: Any) -> str:
        """Enqueue one task under a name of its own."""
        name = f"{self.prefix}{len(self.accepted)}"
        self.task(task, **options).enqueue(name, *args)
        self.accepted.append(name)
        return name

    def close(self) -> None:
        """Hang up."""
        self.app.close()


@pytest.fixture
def make_producer() -> Iterator[Callable[..., Producer]]:
    """Make producers for a URL."""
    made: list[Producer] = []

    def make(url: str, **settings: Any) -> Producer:
        made.append(Producer(url, **settings))
        return made[-1]

    yield make
    for producer in made:
        producer.close()


@pytest.fixture
def producer(make_producer: Callable[..., Producer], store_url: str) -> Producer:
    """A producer for the Redis under test."""
    return make_producer(store_url)


@pytest.fixture
def start(store_url: str, tmp_path: Path) -> Iterator[Callable[..., SchedulerProcess]]:
    """Start schedulers: `start(url=…, environment=…, wait=True)`; their logs are shown when the test fails."""
    made: list[SchedulerProcess] = []

    def begin(url: str = store_url, *, wait: bool = True, **options: Any) -> SchedulerProcess:
        made.append(SchedulerProcess(url, log=tmp_path / f"scheduler-{len(made)}.log", **options))
        return made[-1].start() if wait else made[-1].launch()  # type: ignore[return-value]  # launch returns itself

    yield begin
    for scheduler in made:
        if scheduler.running:
            scheduler.signal(signal.SIGTERM)
    for scheduler in made:
        scheduler.stop()
        print(f"--- scheduler {scheduler.pid}, {scheduler.log.name}\n{scheduler.output()}")
