"""What a measure is, and how much of everything it does."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sized
from dataclasses import dataclass
from typing import TypeVar

from benchmarks.bench import Bench
from benchmarks.peer_systems import PEERS
from benchmarks.systems import System

Figures = dict[str, float]

T = TypeVar("T", bound=Sized)

QUEUES = frozenset(PEERS) - {"apscheduler"}
"""The peers with queues and workers."""

SCHEDULERS = frozenset({"apscheduler", "arq"})
"""Those that are measured for schedules of every second, which the others do not have."""

EACH_MINUTE = frozenset(PEERS) - {"dramatiq"}
"""Those with crons of every minute."""

NOBODY = frozenset[str]()


@dataclass(frozen=True, slots=True)
class Figure:
    """What a number is and what it should be for Taskconsole.

    Attributes:
        unit: What it counts.
        better: `more` or `less`.
        aim: The value to reach; None where none was set.
        aim_on_asyncio: The aim without uvloop, where it differs.
    """

    unit: str
    better: str
    aim: float | None = None
    aim_on_asyncio: float | None = None


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything: the whole, or a look that ends sooner."""

    quick: bool = False

    def of(self, whole: int, quick: int, scale: int = 1) -> int:
        """A number of tasks, so many times fewer for systems that would take minutes."""
        return max(200, (quick if self.quick else whole) // scale)


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure and whom it is for: ours, and those of these peers that were asked for."""

    run: Callable[[Bench, System, Size], Figures]
    peers: frozenset[str] = QUEUES
    every_loop: bool = False
    repeats: int | None = None

    @property
    def summary(self) -> str:
        """The first line of its docstring."""
        return (self.run.__doc__ or "").partition("\n")[0]


def all_of(seen: T, count: int) -> T | None:
    """What was seen, once it is complete."""
    return seen if len(seen) == count else None


def spread(name: str, samples: list[float]) -> Figures:
    """Percentiles and greatest of samples in seconds, in milliseconds."""
    percent = statistics.quantiles(samples, n=100, method="inclusive")
    return {
        f"{name} p50": percent[49] * 1000,
        f"{name} p99": percent[98] * 1000,
        f"{name} max": max(samples) * 1000,
    }
