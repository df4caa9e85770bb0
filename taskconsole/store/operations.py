"""What operators do to tasks and queues. Each carries a token: repeated with it, it is done once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from taskconsole.store.call import Call
from taskconsole.store.keys import TOMBSTONE
from taskconsole.store.tasks import LOG_CAP

if TYPE_CHECKING:
    from taskconsole.store.keys import Namespace

__all__ = ["DelayedShelf", "OperationStore", "Rescheduled", "Undone"]

KEEP_TRASH = 600
"""Seconds in which an action can be undone."""

WINDOW = 200
"""How far from where a pending task was seen it is looked for."""

NEAR = 1_000
"""How near an end of the list LREM may be used; deeper, a tombstone takes the task's place."""

UNDO_BATCH = 1_000

DelayedShelf = Literal["delayed", "public"]
"""A set of delayed tasks: the queue's own, or the public one."""

Shelf = DelayedShelf | Literal["dead"]


@dataclass(frozen=True, slots=True)
class Rescheduled:
    """The answer to a reschedule; times in seconds since the epoch."""

    before: float
    due: float


@dataclass(frozen=True, slots=True)
class Undone:
    """The answer to an undo."""

    what: str
    """The operation taken back; `undone` if it was before, `changed` if the task has moved on, empty for nothing."""
    left: int
    """Tasks still to bring back: call again while it is above 0."""


class OperationStore:
    """Builds the calls of operators.

    Args:
        names: The key names to use.
    """

    def __init__(self, names: Namespace) -> None:
        self.names = names

    def pause(self, queue: str, note: bytes, *, token: str, event: bytes) -> Call[tuple[bool, bytes]]:
        """Pause; `note` says who, when and why (JSON). Returns (paused now, what the key holds)."""
        k = self.names.of(queue)
        return Call.of(
            "pause",
            (k.paused, k.log, k.trash_note(token)),
            (note, LOG_CAP, k.channel, event, token, KEEP_TRASH),
            lambda reply: (bool(reply[0]), bytes(reply[1])),
        )

    def resume(self, queue: str, *, token: str, event: bytes) -> Call[tuple[bool, bytes]]:
        """Resume; returns (resumed now, what the pause said)."""
        k = self.names.of(queue)
        return Call.of(
            "resume",
            (k.paused, k.log, k.trash_note(token)),
            (LOG_CAP, k.channel, event, token, KEEP_TRASH),
            lambda reply: (bool(reply[0]), bytes(reply[1])),
        )

    def reschedule(
        self, queue: str, payload: bytes, due: str, *, token: str, event: bytes, shelf: DelayedShelf = "delayed"
    ) -> Call[Rescheduled | None]:
        """Give a delayed task another time; None when it is gone.

        `due` is `"1790000000.5"`, or `"+30"` for 30 s from now by the clock of Redis.
        """
        k = self.names.of(queue)
        wake = self.names.public_wake if shelf == "public" else k.wake
        return Call.of(
            "reschedule",
            (self._shelf(queue, shelf), k.trash_note(token), k.log),
            (payload, due, shelf, KEEP_TRASH, LOG_CAP, k.channel, event, wake),
            lambda reply: Rescheduled(float(reply[0]), float(reply[1])) if reply else None,
        )

    def delete(self, queue: str, state: Shelf, payload: bytes, *, token: str, event: bytes) -> Call[bool]:
        """Delete a delayed or dead task; False when it is gone."""
        k = self.names.of(queue)
        return Call.of(
            "delete",
            (self._shelf(queue, state), k.trash_note(token), k.log),
            (payload, state, KEEP_TRASH, LOG_CAP, k.channel, event),
            bool,
        )

    def delete_pending(self, queue: str, payload: bytes, from_right: int, *, token: str, event: bytes) -> Call[bool]:
        """Delete a pending task that was seen `from_right` places from the next to run; False when it is not there.

        Looks only 200 places around; Redis's LPOS can say where else it is, at a cost of O(length).
        """
        k = self.names.of(queue)
        return Call.of(
            "delete_pending",
            (k.queue, k.trash_note(token), k.log, k.stats),
            (payload, from_right, WINDOW, NEAR, TOMBSTONE, KEEP_TRASH, LOG_CAP, k.channel, event),
            lambda reply: bool(reply[0]),
        )

    def requeue(
        self,
        queue: str,
        state: Shelf,
        payload: bytes,
        to_run: bytes,
        *,
        token: str,
        event: bytes,
        next_to_run: bool = True,
    ) -> Call[bool]:
        """Put a dead or delayed task back into its queue as `to_run`; False when it is gone."""
        k = self.names.of(queue)
        return Call.of(
            "requeue",
            (self._shelf(queue, state), k.queue, k.trash_note(token), k.log, k.running, k.schedules),
            (payload, to_run, "R" if next_to_run else "L", KEEP_TRASH, LOG_CAP, k.channel, event),
            bool,
        )

    def purge(
        self,
        queue: str,
        state: Literal["pending", "delayed", "dead"],
        *,
        token: str,
        event: bytes,
        at_most: int | None = None,
    ) -> Call[tuple[bool, int]]:
        """Empty one state of a queue; returns (done, how many). Not done when there are more than `at_most`."""
        k = self.names.of(queue)
        source = k.queue if state == "pending" else self._shelf(queue, state)
        return Call.of(
            "purge",
            (source, k.trash(token), k.trash_note(token), k.log),
            (state, "" if at_most is None else at_most, KEEP_TRASH, LOG_CAP, k.channel, event),
            lambda reply: (bool(reply[0]), int(reply[1])),
        )

    def undo(self, queue: str, token: str, *, event: bytes) -> Call[Undone]:
        """Take back the action that carried `token`; call again while `left` is above 0."""
        k = self.names.of(queue)

        def parse(reply: Any) -> Undone:
            return Undone(reply[0].decode(), int(reply[1]))

        return Call.of(
            "undo",
            (
                k.trash_note(token),
                k.trash(token),
                k.queue,
                k.delayed,
                k.dead,
                k.paused,
                k.log,
                self.names.public_delayed,
            ),
            (UNDO_BATCH, LOG_CAP, k.channel, event, k.wake, self.names.public_wake),
            parse,
        )

    def _shelf(self, queue: str, state: Shelf) -> str:
        k = self.names.of(queue)
        return {"delayed": k.delayed, "public": self.names.public_delayed, "dead": k.dead}[state]
