"""Fixtures that all tests share: a Redis of their own, worker processes, the look for keys left behind."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import redis

from tests.lasting_keys import undeclared_keys
from tests.servers import (
    FULL,
    VARIABLE,
    PrivateServer,
    WorkerProcess,
    connect,
    describe_server,
    flush,
    given_url,
    server_under_test,
)

# The same examples for each run of one version of a test, so that a red run is red again; others at the size of a release.
hypothesis.settings.register_profile("the same", derandomize=not FULL)
hypothesis.settings.load_profile("the same")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the markers of this file; keep the settings of whoever runs the tests out of them."""
    # Under nohup, behind `&` and with some runners these are ignored, and every program that a test starts would inherit
    # that.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # Programs in a pseudo-terminal are to see its size, not that of the terminal the tests run in.
    os.environ.pop("COLUMNS", None)
    os.environ.pop("LINES", None)
    os.environ["TASKCONSOLE_CONFIG"] = os.devnull
    # Programs that tests start are compiled once, as on a user's machine, not at every start.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    config.addinivalue_line("markers", "key_leak: after the test, only keys of the declared set may lack a TTL")
    config.addinivalue_line("markers", "no_key_leak: leave that check out, e.g. for keys planted by the test")


def pytest_report_header() -> str:
    """Name the Redis under test."""
    return f"redis: {describe_server()}"


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """The Redis of this test process, as it is."""
    with server_under_test() as url:
        yield url


@pytest.fixture
def store_url(redis_url: str) -> str:
    """The Redis of this test process, empty."""
    flush(redis_url)
    return redis_url


@pytest.fixture
def raw(store_url: str) -> Iterator[redis.Redis]:
    """A plain client of `store_url`: bytes in, bytes out, one try."""
    with closing(connect(store_url)) as client:
        yield client


@pytest.fixture
def make_server() -> Iterator[Callable[..., PrivateServer]]:
    """Start more servers, with the arguments of `PrivateServer`; the test may stop, kill and restart them."""
    if given_url():
        pytest.skip(f"needs servers of its own, and {VARIABLE} is a URL")
    with ExitStack() as servers:
        yield lambda **options: servers.enter_context(PrivateServer(**options))


@pytest.fixture
def start_worker(store_url: str, tmp_path: Path) -> Iterator[Callable[..., WorkerProcess]]:
    """Start worker processes and wait until Redis shows them; their log is shown when the test fails.

    `start_worker(app=…, queues=…, concurrency=…, arguments=…, environment=…, url=…, wait=True)`
    """
    workers: list[WorkerProcess] = []

    def start(*, wait: bool = True, **options: Any) -> WorkerProcess:
        log = tmp_path / f"worker-{len(workers)}.log"
        defaults: dict[str, Any] = {
            "url": store_url,
            "app": "tests.faults.app:app",
            "queues": ("task_queue",),
            "concurrency": 8,
            "log": log,
        }
        worker = WorkerProcess(**(defaults | options))
        workers.append(worker)
        return worker.start() if wait else worker.launch()

    yield start
    for worker in workers:
        worker.stop()
        print(f"--- worker {worker.pid}, {worker.log.name}\n{worker.output()}")


@pytest.fixture(autouse=True)
def _no_key_is_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Check, under tests/store and where marked `key_leak`, that what is left has a TTL or is declared."""
    yield
    if not _is_checked(request.node) or not {"store_url", "raw"} & set(request.fixturenames):
        return
    with closing(connect(request.getfixturevalue("redis_url"))) as client:
        undeclared = undeclared_keys(client)
    assert not undeclared, f"without a TTL, and not in the declared set: {', '.join(undeclared)}"


def _is_checked(node: pytest.Item) -> bool:
    if node.get_closest_marker("no_key_leak"):
        return False
    return bool(node.get_closest_marker("key_leak")) or f"tests{os.sep}store{os.sep}" in str(node.path)
