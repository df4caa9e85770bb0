"""What a lane adds up between two flushes. The pool writes here on every task, so it is kept flat."""

from __future__ import annotations

from typing import Any

from taskconsole.model.event import MAX_NAMED
from taskconsole.model.histogram import BUCKETS

__all__ = ["SAMPLE", "Sums"]

SAMPLE = 20
"""Finished tasks named in a second, in the done list and in events."""


class Sums:
    """What one lane adds up between two flushes; written by the pool on every task, so it is kept flat."""

    __slots__ = (
        "done",
        "failed",
        "listening",
        "named",
        "naming",
        "run",
        "sample",
        "seen",
        "skipped",
        "started",
        "total_done",
        "total_failed",
        "wait",
    )

    def __init__(self) -> None:
        self.done = 0
        """Attempts that ended well, as far as Redis has been told; so the next two."""
        self.failed = 0
        self.skipped = 0
        """Tombstones of deleted tasks that were passed over."""
        self.run = [0] * BUCKETS
        self.wait = [0] * BUCKETS
        self.naming = True
        """There is room for the name of a finished task."""
        self.sample: list[dict[str, Any]] = []
        """Finished tasks of this second, for the done list."""
        self.seen = 0
        """How many of `done` have been published."""
        self.named: list[dict[str, Any]] = []
        """Finished tasks to name in the next event."""
        self.started: list[dict[str, Any]] = []
        """Tasks that have been running long enough to be worth a line."""
        self.total_done = 0
        """Since this worker came up, as of the last flush."""
        self.total_failed = 0
        self.listening = False
        """Somebody subscribes to the queue's channel."""

    def listen(self, listening: bool) -> None:
        """Learn whether anybody subscribes. From any thread."""
        self.listening = listening
        self._look_for_room()

    def take(self) -> dict[str, int]:
        """The fields to add, and start from zero."""
        sums = {"done": self.done, "failed": self.failed, "tombstones": -self.skipped}
        sums |= {f"run:{i}": n for i, n in enumerate(self.run) if n}
        sums |= {f"wait:{i}": n for i, n in enumerate(self.wait) if n}
        self.total_done += self.done
        self.total_failed += self.failed
        self.done = self.failed = self.skipped = self.seen = 0
        self.run, self.wait = [0] * BUCKETS, [0] * BUCKETS
        return {name: n for name, n in sums.items() if n}

    def name(self, task: dict[str, Any]) -> None:
        """Remember a finished task if there is still room for its name."""
        if len(self.sample) < SAMPLE:
            self.sample.append(task)
        if self.listening and len(self.named) < MAX_NAMED:
            self.named.append(task)
        self._look_for_room()

    def take_sample(self) -> list[dict[str, Any]]:
        """The finished tasks for the done list, and start anew."""
        sample, self.sample = self.sample, []
        self._look_for_room()
        return sample

    def take_named(self) -> list[dict[str, Any]]:
        """The finished tasks for the next event, and start anew."""
        named, self.named = self.named, []
        self._look_for_room()
        return named

    def _look_for_room(self) -> None:
        self.naming = len(self.sample) < SAMPLE or (self.listening and len(self.named) < MAX_NAMED)
