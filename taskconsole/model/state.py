"""The five places a task can be in, and what a queue as a whole is doing."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["QueueState", "State"]


class State(StrEnum):
    """Where a task is; exactly one at a time."""

    PENDING = "pending"
    DELAYED = "delayed"
    ACTIVE = "active"
    DONE = "done"
    DEAD = "dead"


class QueueState(StrEnum):
    """The word for a queue: what keeps it from being empty, if anything does."""

    PAUSED = "PAUSED"
    NO_WORKERS = "NO WORKERS"
    QUIET = "QUIET"
    SATURATED = "SATURATED"
    BUSY = "BUSY"
    OK = "OK"
    BROKEN = "BROKEN"
