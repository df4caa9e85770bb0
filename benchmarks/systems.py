"""The systems under test: how each one's worker is run, and in which Python."""

from __future__ import annotations

import hashlib
import importlib.util
import subprocess
import sys
import venv
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import redis

DISTRIBUTIONS = {
    "taskiq-stream": ("taskiq==0.13.0", "taskiq-redis==1.2.4", "redis==8.1.0", "hiredis>=3", "uvloop"),
    "huey": ("huey==3.5.4", "redis==8.1.0", "hiredis>=3"),
    "apscheduler": ("apscheduler==3.11.3", "redis==8.1.0", "hiredis>=3"),
    "arq": ("arq==0.28.0", "hiredis>=3"),
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
        scheduled: The same, run so that it fires schedules of its code (benchmarks/wanted.py).
        alone: The same with a process in the worker's place that fires schedules and runs no tasks.
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
    scheduled: System | None = None
    alone: System | None = None


class NotInstalledError(Exception):
    """A peer that cannot be installed here, with the reason in one line."""


def taskconsole(loop: str) -> System:
    """Ours, on `uvloop` or plain `asyncio`."""

    def service(name: str, module: str) -> list[str]:
        return [
            *("-m", "taskconsole", "-u", "{url}", "--headless", name),
            *("-A", f"{module}:app", "-q", "bench", "--loop", loop),
        ]

    def worker(module: str) -> Callable[[int], list[str]]:
        return lambda concurrency: [*service("worker", module), "-c", str(concurrency)]

    plain, scheduled = "benchmarks.app", "benchmarks.scheduled_app"
    system = System(
        name=f"taskconsole {loop}",
        module=plain,
        python=Path(sys.executable),
        worker=worker(plain),
        left=_left_of_ours,
        ours=True,
    )
    return replace(
        system,
        scheduled=replace(system, module=scheduled, worker=worker(scheduled)),
        alone=replace(system, module=scheduled, worker=lambda _: service("scheduler", scheduled)),
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
    system = System(
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
    crons = ("-m", "taskiq", "scheduler", f"{module}:crons", "--skip-first-run", "--log-level", "WARNING")
    return replace(system, scheduled=replace(system, scheduler=crons))


def _left_of_stream(client: redis.Redis) -> int:
    groups = client.xinfo_groups("bench")
    return sum(group["pending"] for group in groups) if groups else client.xlen("bench")


def huey(cache: Path) -> System:
    """huey with 8 threads, results off, a scheduler that looks every second (the least it takes)."""
    python = environment("huey", cache)

    def worker(*more: str) -> Callable[[int], list[str]]:
        return lambda concurrency: [
            *("-m", "huey.bin.huey_consumer", "benchmarks.peers.huey_list.huey"),
            *("-w", str(concurrency), "-k", "thread", "-q", "-s", "1", *more),
        ]

    system = System(
        name="huey",
        module="benchmarks.peers.huey_list",
        python=python,
        worker=worker("--no-periodic"),
        can=frozenset({"one"}),
        left=lambda client: client.llen("huey.redis.bench") + client.zcard("huey.schedule.bench"),
        concurrency=8,
        scale=20,
    )
    return replace(system, scheduled=replace(system, worker=worker()))


def apscheduler(cache: Path) -> System:
    """APScheduler 3 with its jobs in Redis: a scheduler that runs what is due by itself."""
    module = "benchmarks.peers.apscheduler_redis"
    return _scheduler(
        System(
            name="apscheduler",
            module=module,
            python=environment("apscheduler", cache),
            worker=lambda _: ["-m", module],
            left=lambda _: 0,
        )
    )


def arq(cache: Path) -> System:
    """arq, asking for what is due a hundred times a second instead of twice."""
    module = "benchmarks.peers.arq_crons"
    return _scheduler(
        System(
            name="arq",
            module=module,
            python=environment("arq", cache),
            worker=lambda _: ["-m", "arq", f"{module}.WorkerSettings"],
            left=lambda client: client.zcard("arq:queue"),
        )
    )


def _scheduler(system: System) -> System:
    """One that is here for its schedules only."""
    return replace(system, can=frozenset(), scheduled=system)


PEERS: dict[str, Callable[[Path], System]] = {
    "taskiq-stream": taskiq_stream,
    "huey": huey,
    "apscheduler": apscheduler,
    "arq": arq,
}


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
