"""The seam between the console and a task system.

A backend reads and acts; it keeps no screen state. Its calls block, so they belong in a thread, and three threads
may be in one backend at a time: one in `overview`, `tasks` or `workers`, one in `listen`, one in `apply`.
Each raises `StoreUnavailable` when there is no answer and another `StoreError` when the answer is no;
neither message holds a password.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Flag, auto
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from taskconsole.model.event import Event
    from taskconsole.model.state import State
    from taskconsole.model.stats import Overview, TaskRow, WorkerInfo

__all__ = ["Applied", "Backend", "Can", "Command", "Enqueue", "PauseQueue", "ResumeQueue"]


class Can(Flag):
    """What a backend is able to do; the console offers nothing else."""

    READ = 0
    ENQUEUE = auto()
    PAUSE = auto()
    DELETE = auto()
    RESCHEDULE = auto()
    REQUEUE = auto()
    PURGE = auto()
    UNDO = auto()
    EVENTS = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Enqueue:
    """Put one task at the producers' end of a queue."""

    queue: str
    task: str
    args: tuple[object, ...] = ()
    kwargs: dict[str, object] | None = None
    delay: float = 0.0
    """Seconds from now; 0 means pending at once."""
    bare: bool = False
    """Push `task` as it is, as redis-cli would, instead of an envelope."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseQueue:
    """Stop workers from claiming; tasks already in their hands go on."""

    queue: str
    by: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeQueue:
    """Let workers claim again."""

    queue: str
    by: str


Command = Enqueue | PauseQueue | ResumeQueue


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What became of a command, in one line for the operator."""

    text: str
    changed: bool = True
    """False when it was so already."""


class Backend(Protocol):
    """One task system in one Redis."""

    name: str
    can: Can
    address: str
    """Where it is, for the header; never a password."""

    def overview(self) -> Overview:
        """Read every queue in one bounded pipeline."""

    def tasks(self, queue: str, state: State, *, offset: int = 0, limit: int = 50) -> tuple[list[TaskRow], int]:
        """A window of a queue's tasks, next to run (soonest, newest dead) first, and how many there are."""

    def workers(self) -> list[WorkerInfo]:
        """Every worker that has registered and not yet been forgotten."""

    def listen(self, on_events: Callable[[list[Event]], None], stopped: Callable[[], bool]) -> None:
        """Hand over events as they arrive until `stopped()`; a lost connection raises StoreUnavailable.

        Looks at `stopped` at least every half second.
        """

    def apply(self, command: Command) -> Applied:
        """Carry out an operator's command, at most once even if its reply is lost."""

    def close(self) -> None:
        """Let go of every connection."""
