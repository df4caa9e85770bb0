"""A system under test: how its worker is run, and in which Python; and ours. The peers are in `peer_systems.py`."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import redis


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """One system, with one setting.

    Attributes:
        name: As the table shows it.
        setting: What the table says of how it is run.
        python: The interpreter that has it installed.
        producer: The producer's command line, without interpreter.
        worker: The worker's command line for so many tasks at once, without interpreter; `{url}` is Redis. An app whose
            worker takes no such option finds the number in BENCH_CONCURRENCY.
        scheduler: A second process it needs for delayed tasks.
        can: The ways to enqueue that it has.
        left: How many tasks Redis still holds, those in a worker's hands too where that can be known.
        concurrency: Tasks at once, where it is best.
        recovers: Seconds in which a survivor has the tasks of a killed worker; None when it never does.
        scale: How many times fewer tasks than ours it gets, so that a run takes a few seconds.
        ours: Whether it is Taskconsole.
        scheduled: The same, run so that it fires schedules of its code (benchmarks/wanted.py).
        environment: Variables that its worker's process needs.
        alone: The same with a process in the worker's place that fires schedules and runs no tasks.
    """

    name: str
    setting: str
    python: Path
    producer: tuple[str, ...]
    worker: Callable[[int], list[str]]
    scheduler: tuple[str, ...] = ()
    can: frozenset[str] = frozenset({"one", "concurrent", "bulk"})
    left: Callable[[redis.Redis], int]
    concurrency: int = 100
    recovers: float | None = None
    scale: int = 1
    ours: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    scheduled: System | None = None
    alone: System | None = None


def producer(module: str) -> tuple[str, ...]:
    """The producer of a module in Python."""
    return ("-m", "benchmarks.produce", module)


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
        setting="at least once, 100 at once, lease 15 s, time-outs, events and statistics on",
        python=Path(sys.executable),
        producer=producer(plain),
        worker=worker(plain),
        left=_left_of_ours,
        recovers=25,
        ours=True,
    )
    return replace(
        system,
        scheduled=replace(system, worker=worker(scheduled)),
        alone=replace(system, worker=lambda _: service("scheduler", scheduled)),
    )


def _left_of_ours(client: redis.Redis) -> int:
    in_hand = sum(client.llen(key) for key in client.scan_iter("{bench}:processing:*", count=1000))
    return client.llen("bench") + client.zcard("{bench}:delayed") + in_hand


def our_loops() -> list[str]:
    """The event loops a worker of ours can have here, the quicker one first."""
    return [*(["uvloop"] if importlib.util.find_spec("uvloop") else []), "asyncio"]
