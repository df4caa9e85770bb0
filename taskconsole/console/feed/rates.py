"""Rates and trends from consecutive readings. Pure but for what they remember."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from taskconsole.model.stats import Overview, QueueStats

__all__ = ["Rates", "Trails"]

WINDOW = 5.0
"""Seconds a rate is averaged over: short enough to be true, long enough to be read."""

SPACING = 3.0
"""Least seconds between two points of a trail."""

POINTS = 100
"""Points of a trail: five minutes."""


@dataclass(frozen=True, slots=True)
class _Sample:
    at: float
    done: int
    dead: int
    waiting: int


class Rates:
    """Fills in the rates that a backend left out."""

    def __init__(self) -> None:
        self._run_id = ""
        self._samples: dict[str, deque[_Sample]] = {}

    def apply(self, overview: Overview) -> Overview:
        """The same reading with `in_rate` and `out_rate`, where two readings of one server allow them."""
        if overview.server.run_id != self._run_id:
            # Another server, or the same one restarted: its counters say nothing about ours.
            self._run_id = overview.server.run_id
            self._samples.clear()
        names = {queue.name for queue in overview.queues}
        for gone in self._samples.keys() - names:
            del self._samples[gone]
        return replace(overview, queues=tuple(self._with_rates(q, overview.at) for q in overview.queues))

    def _with_rates(self, queue: QueueStats, at: float) -> QueueStats:
        sample = _Sample(at, queue.done_total, queue.dead, queue.total)
        samples = self._samples.setdefault(queue.name, deque())
        if samples and (at <= samples[-1].at or sample.done < samples[-1].done):
            samples.clear()
        samples.append(sample)
        while len(samples) > 2 and at - samples[1].at >= WINDOW:
            samples.popleft()
        first = samples[0]
        seconds = at - first.at
        if queue.trouble or seconds <= 0 or (queue.in_rate is not None and queue.out_rate is not None):
            return queue
        done = sample.done - first.done
        died = max(0, sample.dead - first.dead)
        # What is there now and was not, and what has gone in between, must have arrived.
        arrived = max(0, sample.waiting - first.waiting + done)
        return replace(
            queue,
            in_rate=arrived / seconds if queue.in_rate is None else queue.in_rate,
            out_rate=(done + died) / seconds if queue.out_rate is None else queue.out_rate,
        )


class Trails:
    """How many tasks each queue held over the last minutes, as this console saw it."""

    def __init__(self) -> None:
        self._run_id = ""
        self._trails: dict[str, deque[tuple[float, int]]] = {}

    def record(self, overview: Overview) -> None:
        """Remember the pending counts of a reading; those of another server are forgotten."""
        if overview.server.run_id != self._run_id:
            self._run_id = overview.server.run_id
            self._trails.clear()
        for gone in self._trails.keys() - {queue.name for queue in overview.queues}:
            del self._trails[gone]
        for queue in overview.queues:
            trail = self._trails.setdefault(queue.name, deque(maxlen=POINTS))
            if not trail or overview.at - trail[-1][0] >= SPACING:
                trail.append((overview.at, queue.pending))

    def points(self, name: str) -> tuple[int, ...]:
        """Pending counts, oldest first."""
        return tuple(pending for _, pending in self._trails.get(name, ()))

    def trend(self, name: str, now: float, *, points: int = 20, over: float = 300.0) -> tuple[int, ...]:
        """The most it held in each of the last `points` parts of `over` seconds, as far as they were seen."""
        part = over / points
        parts: dict[int, int] = {}
        for at, pending in self._trails.get(name, ()):
            # Parts begin at multiples of their length: bars move to the left, they do not change.
            parts[int(at // part)] = max(pending, parts.get(int(at // part), 0))
        last = int(now // part)
        return tuple(parts[n] for n in range(last - points + 1, last + 1) if n in parts)

    def growth(self, name: str, now: float, pending: int, *, over: float = 60.0) -> float | None:
        """Tasks per second by which it grew during the last `over` seconds; None before that can be said."""
        recent = [(at, n) for at, n in self._trails.get(name, ()) if now - at <= over]
        if not recent or now - recent[0][0] < 2:
            return None
        return (pending - recent[0][1]) / (now - recent[0][0])
