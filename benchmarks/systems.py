"""The systems under test: how each one's worker is run, and in which Python."""

from __future__ import annotations

import hashlib
import importlib.util
import subprocess
import sys
import venv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import redis

DISTRIBUTIONS = {
    "taskiq-stream": ("taskiq==0.13.0", "taskiq-redis==1.2.4", "redis==8.1.0", "hiredis>=3", "uvloop"),
    "huey": ("huey==3.5.4", "redis==8.1.0", "hiredis>=3"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """One system, with one setting.

    Attributes:
        name: As the table shows it.
        module: The module with its tasks.
        python: The interpreter that has it installed.
        worker: The worker's command line for so many tasks at once, without interpreter; `{url}` is Redis.
        scheduler: A second process it needs for delayed tasks.
        can: The ways to enqueue that it has.
        left: How many tasks Redis still holds.
        concurrency: Tasks at once, where it is best.
        scale: How many times fewer tasks than ours it gets, so that a run takes a few seconds.
        ours: Whether it is Taskconsole.
    """

    name: str
    module: str
    python: Path
    worker: Callable[[int], list[str]]
    scheduler: tuple[str, ...] = ()
    can: frozenset[str] = frozenset({"one", "concurrent", "bulk"})
    left: Callable[[redis.Redis], int]
    concurrency: int = 100
    scale: int = 1
    ours: bool = False


class NotInstalledError(Exception):
    """A peer that cannot be installed here, with the reason in one line."""


def taskconsole(loop: str) -> System:
    """Ours, on `uvloop` or plain `asyncio`."""

    def worker(concurrency: int) -> list[str]:
        return [
            *("-m", "taskconsole", "-u", "{url}", "--headless", "worker"),
            *("-A", "benchmarks.app:app", "-q", "bench", "-c", str(concurrency), "--loop", loop),
        ]

    return System(
        name=f"taskconsole {loop}",
        module="benchmarks.app",
        python=Path(sys.executable),
        worker=worker,
        left=_left_of_ours,
        ours=True,
    )


def _left_of_ours(client: redis.Redis) -> int:
    in_hand = sum(client.llen(key) for key in client.scan_iter("{bench}:processing:*", count=1000))
    return client.llen("bench") + client.zcard("{bench}:delayed") + in_hand


def our_loops() -> list[str]:
    """The event loops a worker of ours can have here, the quicker one first."""
    return [*(["uvloop"] if importlib.util.find_spec("uvloop") else []), "asyncio"]


def taskiq_stream(cache: Path) -> System:
    """taskiq with streams, 100 at once, on uvloop, as its users run it."""
    python = environment("taskiq-stream", cache)
    module = "benchmarks.peers.taskiq_stream"
    return System(
        name="taskiq-stream",
        module=module,
        python=python,
        worker=lambda concurrency: [
            *("-m", "taskiq", "worker", f"{module}:broker", "--workers", "1"),
            *("--max-async-tasks", str(concurrency), "--log-level", "WARNING"),
        ],
        scheduler=(
            *("-m", "taskiq", "scheduler", f"{module}:scheduler"),
            *("--update-interval", "1", "--log-level", "WARNING"),
        ),
        can=frozenset({"one", "concurrent"}),
        left=_left_of_stream,
        scale=20,
    )


def _left_of_stream(client: redis.Redis) -> int:
    groups = client.xinfo_groups("bench")
    return sum(group["pending"] for group in groups) if groups else client.xlen("bench")


def huey(cache: Path) -> System:
    """huey with 8 threads, results off, a scheduler that looks every second (the least it takes)."""
    python = environment("huey", cache)
    return System(
        name="huey",
        module="benchmarks.peers.huey_list",
        python=python,
        worker=lambda concurrency: [
            *("-m", "huey.bin.huey_consumer", "benchmarks.peers.huey_list.huey"),
            *("-w", str(concurrency), "-k", "thread", "-q", "-n", "-s", "1"),
        ],
        can=frozenset({"one"}),
        left=lambda client: client.llen("huey.redis.bench") + client.zcard("huey.schedule.bench"),
        concurrency=8,
        scale=20,
    )


PEERS: dict[str, Callable[[Path], System]] = {"taskiq-stream": taskiq_stream, "huey": huey}


def environment(peer: str, cache: Path) -> Path:
    """Make the peer's virtual environment under `cache` unless it is there, and return its interpreter.

    Raises NotInstalledError, e.g. without a network.
    """
    wanted = DISTRIBUTIONS[peer]
    mark = hashlib.sha256("\n".join((sys.version, *wanted)).encode()).hexdigest()[:8]
    place = cache / f"{peer}-{mark}"
    python = place / "bin" / "python"
    complete = place / "complete"
    if complete.exists():
        return python
    print(f"making an environment for {peer} in {place} …", flush=True)
    venv.create(place, with_pip=True, clear=True)
    installed = subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted],
        capture_output=True,
        text=True,
        check=False,
    )
    if installed.returncode:
        reason = (installed.stderr.strip().splitlines() or ["pip failed"])[-1]
        raise NotInstalledError(f"{peer} skipped: {reason}")
    complete.touch()
    return python
