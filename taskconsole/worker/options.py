"""How a worker is to work."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from taskconsole.errors import ConfigError
from taskconsole.store.keys import DEFAULT_QUEUE, check_queue_name

__all__ = ["QueuePlan", "WorkerOptions", "parse_queues"]


@dataclass(frozen=True, slots=True)
class QueuePlan:
    """Which queues, and in which order they are asked."""

    names: tuple[str, ...] = (DEFAULT_QUEUE,)
    weights: tuple[int, ...] | None = None
    """None: strict order, an earlier queue first as long as it has tasks. Else the share of first places."""

    def order(self) -> list[int]:
        """Indices of the queues in the order to ask them this time."""
        indices = list(range(len(self.names)))
        if self.weights is None or len(indices) == 1:
            return indices
        # A queue of weight w comes first in w of sum(weights) rounds; each later place is drawn the same way.
        keys = [random.random() ** (1.0 / weight) for weight in self.weights]
        return sorted(indices, key=keys.__getitem__, reverse=True)


def parse_queues(text: str) -> QueuePlan:
    """Read `mail,default` (strict order) or `critical:6,default:3,low:1` (weighted).

    A name may itself hold a colon: only a colon followed by digits at the end is a weight.

    Raises:
        ConfigError: A name that cannot be a queue, a weight below 1, or weights for some queues only.
    """
    names: list[str] = []
    weights: list[int | None] = []
    for part in (p.strip() for p in text.split(",")):
        name, colon, weight = part.rpartition(":")
        if colon and weight.isdecimal() and name:
            if not 1 <= int(weight) <= 1000:
                raise ConfigError(f"queue {part!r}: a weight is a number from 1 to 1000")
            names.append(check_queue_name(name))
            weights.append(int(weight))
        else:
            names.append(check_queue_name(part))
            weights.append(None)
    if len(set(names)) != len(names):
        raise ConfigError(f"queues {text!r}: one is named twice")
    given = [w for w in weights if w is not None]
    if given and len(given) != len(names):
        raise ConfigError(f"queues {text!r}: give every queue a weight, or none")
    return QueuePlan(tuple(names), tuple(given) if given else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """Everything a worker process is told. Durations are seconds."""

    queues: QueuePlan = field(default_factory=QueuePlan)
    concurrency: int = 100
    """Tasks at the same time, whatever kind of handler."""
    lease: float = 15.0
    """A worker silent for so long is taken for dead."""
    grace: float = 25.0
    """How long a stop waits for running tasks."""
    burst: bool = False
    """End when the queues are empty and nothing is running."""
    execute: bool = True
    """False: only the services that move tasks (the scheduler)."""
    follow: bool = False
    """A scheduler's: end (`Worker.outgrown`) when Redis knows a queue that is not among `queues`."""
    unknown_attempts: int = 6
    """Attempts for a task nobody here knows, before it is buried: a deploy may be under way."""
    max_claim: int = 256
    """Most tasks claimed in one call: half a millisecond of the shortest ones."""
    max_bytes: int = 8_388_608
    """Most bytes claimed in one call, by the average of the last ones."""

    @property
    def block(self) -> float:
        """Longest blocking wait for a task, seconds.

        It ends before a lease can be reclaimed: what it may move into the list of a worker that has died meanwhile
        is there when that list is taken back.
        """
        return min(5.0, self.lease / 3)

    @property
    def max_held(self) -> int:
        """Most tasks in hand, running, waiting and unacknowledged: taking one out of the list costs its length."""
        return 2 * self.max_claim + self.concurrency

    @property
    def lease_ms(self) -> int:
        """The lease in milliseconds."""
        return int(self.lease * 1000)
