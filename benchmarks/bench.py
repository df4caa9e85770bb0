"""The bench: one Redis, the processes of the system under test, and what its tasks record."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self, TypeVar

import psutil
import redis

from benchmarks.machine import Cores, cores, on_core
from benchmarks.systems import System
from benchmarks.wanted import Wanted
from taskconsole.embedded import EmbeddedRedis, find_server, server_version, tied

T = TypeVar("T")

Process = subprocess.Popen[bytes]

ROOT = Path(__file__).resolve().parent.parent

# Looking for the end of a run costs the core that Redis is on, so not too often.
POLL = 0.02

PATIENCE = 60.0  # seconds until a run that does not end is given up


class RunError(Exception):
    """A run that did not give its figure, with the reason."""


class Bench:
    """A Redis without persistence on a loopback port, pinned to its core; a context manager."""

    def __init__(self, *, server: Path | None = None) -> None:
        self.cores: Cores = cores()
        self.binary = server or find_server()
        self._port = _free_port()
        self._server = EmbeddedRedis(binary=self.binary, settings={"port": str(self._port), "bind": "127.0.0.1"})
        self._exit = ExitStack()
        self.url = f"redis://127.0.0.1:{self._port}/0"
        self.client = redis.Redis.from_url(self.url)

    def __enter__(self) -> Self:
        with on_core(self.cores.redis):
            self._exit.enter_context(self._server)
        self._exit.callback(self.client.close)
        self._exit.enter_context(on_core(self.cores.redis))
        self._directory = Path(tempfile.mkdtemp(prefix="taskconsole-bench-"))
        self._exit.callback(shutil.rmtree, self._directory)
        return self

    def __exit__(self, *_: object) -> None:
        self._exit.close()

    def settings(self) -> dict[str, str]:
        """The server and how it is run."""
        version = ".".join(map(str, server_version(self.binary)))
        return {"redis": f"{version}, no persistence, TCP over loopback", "pinning": str(self.cores)}

    def empty(self) -> None:
        """Start a run with an empty Redis and an empty record."""
        self.client.flushall()
        self.record_path.unlink(missing_ok=True)
        (self._directory / "log").unlink(missing_ok=True)

    @property
    def record_path(self) -> Path:
        """Where the tasks write."""
        return self._directory / "record"

    def record(self) -> list[dict[str, Any]]:
        """What the tasks have written, in the order of writing."""
        if not self.record_path.exists():
            return []
        complete, _, _ = self.record_path.read_text().rpartition("\n")
        return [json.loads(line) for line in complete.splitlines()]

    def marks(self) -> list[dict[str, Any]]:
        """The lines written when the counts of BENCH_MARKS were reached."""
        return [line for line in self.record() if "mark" in line]

    def samples(self) -> list[float]:
        """The samples, once they are complete."""
        return next((line["samples"] for line in self.record() if "samples" in line), [])

    def notes(self, field: str = "task") -> list[dict[str, Any]]:
        """The lines with this field."""
        return [line for line in self.record() if field in line]

    @contextmanager
    def worker(
        self,
        system: System,
        *,
        concurrency: int | None = None,
        core: int | None = None,
        marks: Sequence[int] = (),
        samples: int = 0,
        since: float = 0.0,
        scheduler: bool = False,
        tie: bool = True,
        environment: Mapping[str, str] | None = None,
    ) -> Iterator[Process]:
        """Run the system's worker on its core, with a scheduler process beside it when it needs one.

        Samples taken before `since` (seconds since the epoch) are dropped. `tie=False` leaves out the few
        milliseconds that making it die with us takes. `core` is another than the measured one.
        """
        with ExitStack() as running:
            more = {**system.environment, **(environment or {})}
            slots = concurrency or system.concurrency
            extra = {
                "BENCH_MARKS": json.dumps(list(marks)),
                "BENCH_SAMPLES": str(samples),
                "BENCH_SINCE": str(since),
                "BENCH_CONCURRENCY": str(slots),
                **more,
            }
            command: list[str | Path] = [
                system.python,
                *self._filled(system.worker(slots)),
            ]
            if scheduler and system.scheduler:
                running.enter_context(self._process([system.python, *system.scheduler], more, self.cores.beat))
            yield running.enter_context(
                self._process(command, extra, self.cores.measured if core is None else core, tie=tie)
            )

    def _filled(self, command: list[str]) -> list[str]:
        return [word.replace("{url}", self.url) for word in command]

    @contextmanager
    def _process(
        self, command: Sequence[str | Path], extra: dict[str, str], core: int | None, *, tie: bool = True
    ) -> Iterator[Process]:
        words = [str(word) for word in command]
        log = self._directory / "log"
        with on_core(core), log.open("ab") as output:
            process = subprocess.Popen(
                tied(words) if tie else words,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=ROOT,
                env=self._environment(extra),
            )
        try:
            yield process
        finally:
            _end(process)

    def _environment(self, extra: dict[str, str]) -> dict[str, str]:
        ours = {"BENCH_URL": self.url, "BENCH_RECORD": str(self.record_path), "PYTHONPATH": str(ROOT)}
        # What is installed comes compiled; a setting of this machine is not to have ours compiled at every start.
        mine = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        return {**mine, **ours, **extra}

    def produce(
        self, system: System, action: str, count: int = 1, task: str = "noop", *, beat: bool = False
    ) -> dict[str, float]:
        """Run a producer to its end, on the measured core unless it only keeps the beat."""
        words = [*system.producer, action, str(count), task]
        return self.figures(system, words, self.cores.beat if beat else self.cores.measured)

    def register(self, system: System, schedules: Wanted) -> dict[str, float]:
        """Have an app of ours put its schedules into Redis; returns what that took."""
        return self.figures(system, ["-m", "benchmarks.register"], self.cores.measured, schedules.environment())

    def figures(
        self, system: System, words: Sequence[str], core: int | None, environment: Mapping[str, str] | None = None
    ) -> dict[str, float]:
        """Run a program in the system's Python to its end; the last line it prints is the answer, in JSON."""
        with on_core(core):
            done = subprocess.run(
                [system.python, *words],
                capture_output=True,
                text=True,
                cwd=ROOT,
                env=self._environment(dict(environment or {})),
                check=False,
            )
        if done.returncode:
            raise RunError(f"{words[1]} failed: {' | '.join(done.stderr.splitlines()[-3:])}")
        figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        return figures

    def wait(self, predicate: Callable[[], T | None], process: Process, what: str, patience: float = PATIENCE) -> T:
        """Look until `predicate` is true, while `process` lives."""
        deadline = time.monotonic() + patience
        while True:
            if said := predicate():
                return said
            if process.poll() is not None:
                raise RunError(f"the worker ended with {process.returncode}: {_tail(self._directory / 'log')}")
            if time.monotonic() > deadline:
                raise RunError(f"{what}: not within {patience:g} s: {_tail(self._directory / 'log')}")
            time.sleep(POLL)

    def calls(self) -> int:
        """Commands that the server has run, those of scripts too."""
        return sum(command["calls"] for command in self.client.info("commandstats").values())

    def redis_cpu(self) -> float:
        """CPU seconds the server has used."""
        used = self.client.info("cpu")
        return float(used["used_cpu_user"]) + float(used["used_cpu_sys"])

    def scripts(self) -> tuple[int, float]:
        """How many scripts clients have run so far, and the seconds that the server has spent in them."""
        stats = self.client.info("commandstats").get("cmdstat_evalsha", {})
        return int(stats.get("calls", 0)), float(stats.get("usec", 0)) / 1e6

    @contextmanager
    def listener(self, channel: str) -> Iterator[None]:
        """Subscribe to `channel` and throw away what comes."""
        with socket.create_connection(("127.0.0.1", self._port)) as connection:
            connection.sendall(f"SUBSCRIBE {channel}\r\n".encode())
            connection.recv(4096)
            reader = threading.Thread(target=_swallow, args=(connection,), name="listener", daemon=True)
            reader.start()
            yield
            connection.shutdown(socket.SHUT_RDWR)
            reader.join()

    def commands_sent(self, seconds: float) -> int:
        """Count the commands that clients send in the next `seconds`, those inside scripts left out."""
        with socket.create_connection(("127.0.0.1", self._port)) as monitor:
            monitor.sendall(b"MONITOR\r\n")
            monitor.recv(64)
            seen = bytearray()
            deadline = time.monotonic() + seconds
            while (left := deadline - time.monotonic()) > 0:
                monitor.settimeout(left)
                try:
                    seen += monitor.recv(65_536)
                except TimeoutError:
                    break
        return sum(line.startswith(b"+") and b" lua] " not in line for line in bytes(seen).splitlines())


def _swallow(connection: socket.socket) -> None:
    while connection.recv(1 << 20):
        pass


def family(process: Process) -> list[psutil.Process]:
    """The process and all its children."""
    parent = psutil.Process(process.pid)
    return [parent, *parent.children(recursive=True)]


def pids(process: Process) -> set[int]:
    """Theirs."""
    return {member.pid for member in family(process)}


def kill(process: Process) -> None:
    """SIGKILL for the process and all its children."""
    for member in family(process):
        member.kill()
    process.wait()


def _end(process: Process) -> None:
    """End a process and its children; they are ours, and found by parentage."""
    children = family(process)[1:] if process.poll() is None else []
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for child in psutil.wait_procs(children, timeout=1)[1]:
        child.kill()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _tail(log: Path) -> str:
    return " | ".join(log.read_text(errors="replace").splitlines()[-4:])
