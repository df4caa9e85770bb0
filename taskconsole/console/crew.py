"""Workers that this console runs beside itself: each a process of its own, so that nothing here can hold it up.

How a process is started is the caller's business; here is only what the console has to know of it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Crew", "CrewLog", "Hire", "Starter"]


class Hire(Protocol):
    """One worker process, kept running until it is told to drain."""

    app: str
    queue: str

    @property
    def state(self) -> str:
        """In words, for the operator: `running, pid 812`."""

    @property
    def alive(self) -> bool:
        """It runs, or will be started again."""

    def drain(self) -> None:
        """Claim no more, finish what runs, end; the second time give back what runs and end at once."""

    def close(self, wait: float) -> None:
        """Drain, wait so many seconds, end it by force if it must be."""

    def log(self) -> list[str]:
        """The last lines that it has written; not yet made safe."""


class Starter(Protocol):
    """How a worker is started."""

    def __call__(self, app: str, queue: str, tell: Callable[[str], object], /) -> Hire:
        """One of an app's workers for a queue; `tell` is called, from any thread, when it ends unasked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrewLog:
    """One of them, as it is now."""

    app: str
    queue: str
    state: str
    lines: tuple[str, ...]


class Crew:
    """All of them.

    Args:
        start: Starts one; None when this console may not.
        app: The app that is offered first, e.g. the one of `-A`.
    """

    def __init__(self, start: Starter | None, app: str = "") -> None:
        self.start = start
        self.app = app
        self._hires: list[Hire] = []
        self._drained = 0

    def hire(self, app: str, queue: str, tell: Callable[[str], object]) -> Hire:
        """Start one more; its app is offered first from now on."""
        assert self.start is not None
        self.app = app
        hired = self.start(app, queue, tell)
        self._hires.append(hired)
        return hired

    def of(self, queue: str) -> Hire | None:
        """The one that serves a queue, if one does."""
        return next((hire for hire in self._hires if hire.queue == queue and hire.alive), None)

    @property
    def alive(self) -> int:
        """How many run."""
        return sum(hire.alive for hire in self._hires)

    def logs(self) -> tuple[CrewLog, ...]:
        """The newest first."""
        return tuple(
            CrewLog(app=hire.app, queue=hire.queue, state=hire.state, lines=tuple(hire.log()))
            for hire in reversed(self._hires)
        )

    def drain(self) -> str:
        """Have all of them drain; the second time have them end at once. In words; empty when none runs."""
        waiting = [hire for hire in self._hires if hire.alive]
        if not waiting:
            return ""
        for hire in waiting:
            hire.drain()
        self._drained += 1
        if self._drained == 1:
            return f"{len(waiting)} started here: what runs is finished first; once more ends it"
        return f"ending {len(waiting)} at once: what runs goes back to its queue"

    def close(self, wait: float) -> None:
        """End all of them, for at most so many seconds."""
        deadline = time.monotonic() + wait
        for hire in self._hires:
            if hire.alive:
                hire.drain()
        for hire in self._hires:
            hire.close(max(0.1, deadline - time.monotonic()))
