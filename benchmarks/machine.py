"""What the figures were measured on, and keeping processes to their cores."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

LIBRARIES = ("taskconsole", "redis", "hiredis", "msgspec", "uvloop")


@dataclass(frozen=True, slots=True)
class Cores:
    """Who runs where: Redis and this harness on one core, the worker or producer measured on another.

    A producer that only keeps the beat for a worker gets a third core, or Redis' own. None: not pinned.
    """

    redis: int | None
    measured: int | None
    beat: int | None

    def __str__(self) -> str:
        if self.redis is None:
            return "not pinned (needs Linux and two cores)"
        return f"Redis on core {self.redis}, worker or producer on {self.measured}, beat on {self.beat}"


def cores() -> Cores:
    """Share out the cores this process may use."""
    free = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(free) < 2:
        return Cores(None, None, None)
    return Cores(free[0], free[1], free[2] if len(free) > 2 else free[0])


@contextmanager
def on_core(core: int | None) -> Iterator[None]:
    """Keep this thread, and the processes and threads it starts meanwhile, to one core."""
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def description() -> dict[str, str]:
    """The machine, the Python and the libraries."""
    cpu = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        cpu = names[0].partition(":")[2].strip() if names else cpu
    return {
        "cpu": f"{cpu}, {psutil.cpu_count()} cores",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "libraries": ", ".join(f"{name} {_version(name)}" for name in LIBRARIES),
        "load before": " ".join(f"{load:.2f}" for load in os.getloadavg()),
        "priority": _priority(),
    }


def _priority() -> str:
    """How this process, and with it everything that it starts, takes its turns beside other work."""
    if not hasattr(os, "sched_getscheduler") or os.sched_getscheduler(0) == os.SCHED_OTHER:
        return "ordinary"
    return f"real time, {os.sched_getparam(0).sched_priority}"


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "absent"
