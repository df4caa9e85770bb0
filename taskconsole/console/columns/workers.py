"""The columns of the table of workers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from taskconsole.console.text.format import age, count, duration, size
from taskconsole.console.text.lines import Tone
from taskconsole.console.text.safe import safe
from taskconsole.console.text.table import Column

if TYPE_CHECKING:
    from collections.abc import Iterable

    from taskconsole.model.stats import WorkerInfo

__all__ = ["WORKERS", "WORKER_TONES", "WorkerRow", "by_process"]

BLOCKED = 2.0
"""Seconds that a loop may stand still."""


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """One process, with what each of its queues says of it."""

    parts: tuple[WorkerInfo, ...]
    now: float

    @property
    def one(self) -> WorkerInfo:
        """What is the same for all queues."""
        return self.parts[0]

    @property
    def active(self) -> int:
        """Tasks in its hands."""
        return sum(part.active for part in self.parts)

    @property
    def running(self) -> list[tuple[str, str, float]]:
        """What it runs, the longest first, as of its last heartbeat; nothing when it has put it all down since."""
        if not self.active:
            return []
        named = {(task, name): seconds for part in self.parts for task, name, seconds in part.running}
        return sorted(((task, name, s) for (task, name), s in named.items()), key=lambda run: -run[2])

    @property
    def state(self) -> str:
        """The word for it."""
        if not any(part.alive(self.now) for part in self.parts):
            return "GONE"
        if self.one.blocked > BLOCKED:
            return "BLOCKED"
        if any(part.quiet for part in self.parts):
            return "QUIET"
        return "BUSY" if self.active else "OK"


def by_process(workers: Iterable[WorkerInfo], now: float) -> list[WorkerRow]:
    """One row for each worker, whatever number of queues it serves."""
    found: dict[str, list[WorkerInfo]] = {}
    for worker in workers:
        found.setdefault(worker.id, []).append(worker)
    return [WorkerRow(tuple(parts), now) for parts in found.values()]


WORKER_TONES = {"GONE": Tone.BAD, "BLOCKED": Tone.BAD, "QUIET": Tone.WARN, "BUSY": Tone.GOOD, "OK": Tone.QUIET}
"""By the words for their states."""


def _running(row: WorkerRow, _now: float, width: int) -> str:
    running = row.running
    if not running:
        return "-"
    # For how long comes first: a name may be cut, and still be known.
    return f"{duration(running[0][2]):>6} {safe(running[0][1], width)}"


WORKERS: tuple[Column[WorkerRow], ...] = (
    Column(
        heading="WORKER",
        width=16,
        most=36,
        text=lambda row, _now, width: safe(row.one.id, 2 * width),
        order=lambda row: row.one.id,
    ),
    Column(
        heading="STATE",
        width=7,
        text=lambda row, _now, _width: row.state,
        tone=lambda row: WORKER_TONES[row.state],
        order=lambda row: row.state,
    ),
    Column(
        heading="BUSY",
        width=8,
        justify="right",
        text=lambda row, _now, _width: f"{row.active}/{row.one.concurrency}",
        order=lambda row: row.active,
    ),
    Column(
        heading="BEAT",
        width=6,
        justify="right",
        text=lambda row, now, _width: "?" if row.one.seen is None else age(row.one.seen, now),
        order=lambda row: row.one.seen,
    ),
    Column(
        heading="QUEUES",
        width=12,
        most=40,
        drop=3,
        text=lambda row, _now, width: safe(",".join(part.queue for part in row.parts), 2 * width),
    ),
    Column(heading="RUNS", width=14, most=40, drop=2, text=_running),
    Column(
        heading="RSS",
        width=7,
        drop=4,
        justify="right",
        text=lambda row, _now, _width: size(row.one.rss) if row.one.rss else "?",
        order=lambda row: row.one.rss,
    ),
    Column(
        heading="DONE",
        width=7,
        drop=6,
        since=100,
        justify="right",
        text=lambda row, _now, _width: count(row.one.done),
        order=lambda row: row.one.done,
    ),
    Column(
        heading="FAILED",
        width=7,
        drop=7,
        since=100,
        justify="right",
        text=lambda row, _now, _width: count(row.one.failed),
        order=lambda row: row.one.failed,
    ),
    Column(heading="VERSION", width=9, drop=8, since=120, text=lambda row, _now, width: safe(row.one.version, width)),
)
