"""What operators do to tasks and queues. Each carries a token: repeated with it, it is done once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from taskconsole.store.call import Call, command
from taskconsole.store.keys import TOMBSTONE
from taskconsole.store.tasks import LOG_CAP, MAX_BATCH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from taskconsole.store.keys import Namespace

__all__ = ["DelayedShelf", "Former", "Note", "OperationStore", "Rescheduled", "Shelf", "Taken", "Undone"]

KEEP_TRASH = 600
"""Seconds in which an action can be undone."""

FREE_TRASH = 300
"""Seconds after that in which workers free what a purge took away; what they have not freed expires then."""

NEAR = 1_000
"""How near an end of the list LREM may be used; deeper, a tombstone takes the task's place."""

COUNTED = 100_000
"""Longest pending list in which a purge counts the tombstones one by one."""

KEEP_ARRIVAL = 86_400
"""Seconds in which it is known that moved tasks have arrived, should whoever moved them not have come to say so."""

UNDO_BATCH = 250
"""Tasks that one call brings back: some 2 ms of Redis."""

DelayedShelf = Literal["delayed", "public"]
"""A set of delayed tasks: the queue's own, or the public one."""

Shelf = DelayedShelf | Literal["dead"]


@dataclass(frozen=True, slots=True)
class Rescheduled:
    """The answer to a reschedule; times in seconds since the epoch."""

    done: tuple[bool, ...] = ()
    """For each task in the order in which they were named: False when it was no longer delayed."""
    due: float = 0.0
    before: float | None = None
    """When the first of them was due; None when there was none."""
    more: int | None = None
    """Nothing was done: there are so many, more than was agreed to."""

    @property
    def count(self) -> int:
        """How many it was done to."""
        return sum(self.done)


@dataclass(frozen=True, slots=True)
class Undone:
    """The answer to an undo."""

    what: str
    """The operation taken back; `undone` if it was before, `changed` if the task has moved on, empty for nothing."""
    left: int
    """Tasks still to bring back: call again while it is above 0."""
    back: int = 0
    """Tasks that this call has brought back."""
    missed: int = 0
    """Tasks that have moved on since and were left alone by this call."""


@dataclass(frozen=True, slots=True)
class Taken:
    """The answer to an action on several tasks."""

    done: tuple[bool, ...] = ()
    """For each task in the order in which they were named: False when it was no longer there."""
    more: int | None = None
    """Nothing was done: there are so many, more than was agreed to."""
    looked: int = 0
    """Places of a queue that were looked at."""

    @property
    def count(self) -> int:
        """How many it was done to."""
        return sum(self.done)


@dataclass(frozen=True, slots=True)
class Note:
    """What an action has left behind, so that it can be taken back."""

    op: str
    """`delete`, `purge`, `move`, `moved`, `requeue`, `reschedule`, `run`, `pause`, `resume`, `undone` …"""
    state: str
    count: int
    next_to_run: bool
    to: str
    """The other queue of a move."""


@dataclass(frozen=True, slots=True)
class Former:
    """A task that was put into its queue, and what it was before."""

    to_run: bytes
    """As it lies in the queue."""
    payload: bytes
    """As it lay in the dead or delayed set."""
    score: float


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
        self,
        queue: str,
        payloads: Sequence[bytes],
        due: str,
        *,
        token: str,
        event: bytes,
        shelf: DelayedShelf = "delayed",
        at_most: int | None = None,
    ) -> Call[Rescheduled]:
        """Give at most 1,000 delayed tasks another time.

        `due` is `"1790000000.5"`, or `"+30"` for 30 s from now by the clock of Redis.
        """
        k = self.names.of(queue)
        wake = self.names.public_wake if shelf == "public" else k.wake
        return Call.of(
            "reschedule",
            (self._shelf(queue, shelf), k.trash_note(token), k.log, k.former(token)),
            (shelf, due, _limit(at_most), KEEP_TRASH, LOG_CAP, k.channel, event, wake, *payloads),
            _rescheduled,
        )

    def take(
        self,
        queue: str,
        state: Shelf,
        payloads: Sequence[bytes],
        *,
        token: str,
        event: bytes,
        at_most: int | None = None,
        to: str | None = None,
    ) -> Call[Taken]:
        """Take at most 1,000 delayed or dead tasks into the trash: deleted, or to be moved `to` another queue."""
        k = self.names.of(queue)
        return Call.of(
            "take",
            (self._shelf(queue, state), k.trash(token), k.trash_note(token), k.log),
            ("delete" if to is None else "move", state, _limit(at_most), KEEP_TRASH if to is None else 0, LOG_CAP,
             k.channel, event, to or "", *payloads),
            _taken,
        )  # fmt: skip

    def take_pending(
        self,
        queue: str,
        piece: tuple[int, int],
        payloads: Sequence[bytes],
        *,
        token: str,
        event: bytes,
        at_most: int | None = None,
        to: str | None = None,
        run: bool = False,
    ) -> Call[Taken]:
        """Take at most 1,000 pending tasks out of a piece of their queue, without walking a long list.

        `piece` is its nearest and its farthest place, counted from the next to run; at most 2,000 places.
        They go into the trash: deleted, or to be moved `to` another queue; with `run` to the right end instead,
        the last of them in the queue's own order.
        """
        what = "run" if run else "delete" if to is None else "move"
        flat = [part for payload in payloads for part in (payload, "", "")]
        return self._take_pending(queue, piece, what, flat, token, event, at_most, to)

    def put_back(
        self, queue: str, piece: tuple[int, int], state: Shelf, items: Sequence[Former], *, token: str, event: bytes
    ) -> Call[Taken]:
        """Take pending tasks out of a piece of their queue as `take_pending`, and put them back where they were."""
        flat = [part for item in items for part in (item.to_run, item.payload, repr(item.score))]
        wake = {"delayed": self.names.of(queue).wake, "public": self.names.public_wake, "dead": ""}[state]
        into = (self._shelf(queue, state), wake)
        return self._take_pending(queue, piece, "back", flat, token, event, None, None, into)

    def _take_pending(
        self,
        queue: str,
        piece: tuple[int, int],
        what: str,
        flat: Sequence[bytes | str],
        token: str,
        event: bytes,
        at_most: int | None,
        to: str | None,
        into: tuple[str, str] | None = None,
    ) -> Call[Taken]:
        k = self.names.of(queue)
        shelf, wake = into or (k.dead, "")
        return Call.of(
            "take_pending",
            (k.queue, k.trash(token), k.trash_note(token), k.log, k.stats, shelf),
            (what, *piece, _limit(at_most), NEAR, TOMBSTONE, KEEP_TRASH if to is None else 0, LOG_CAP, k.channel,
             event, to or "", wake, *flat),
            _taken,
        )  # fmt: skip

    def requeue(
        self,
        queue: str,
        state: Shelf,
        pairs: Sequence[tuple[bytes, bytes]],
        *,
        token: str,
        event: bytes,
        next_to_run: bool = True,
        at_most: int | None = None,
    ) -> Call[Taken]:
        """Put at most 1,000 dead or delayed tasks back into their queue.

        `pairs` are payloads as they stand and as they are to run; the first is to run first.
        """
        k = self.names.of(queue)
        return Call.of(
            "requeue",
            (self._shelf(queue, state), k.queue, k.trash_note(token), k.log, k.running, k.schedules, k.former(token)),
            (state, "R" if next_to_run else "L", _limit(at_most), KEEP_TRASH, LOG_CAP, k.channel, event,
             *(part for pair in pairs for part in pair)),
            _taken,
        )  # fmt: skip

    def arrive(
        self,
        queue: str,
        state: Shelf | Literal["pending"],
        tasks: Sequence[tuple[bytes, float | None]],
        *,
        token: str,
        event: bytes,
        next_to_run: bool = False,
    ) -> Call[int]:
        """Let at most 1,000 tasks arrive that were taken out of another queue; returns how many."""
        k = self.names.of(queue)
        target = k.queue if state == "pending" else self._shelf(queue, state)
        wake = self.names.public_wake if state == "public" else k.wake
        flat = [part for payload, score in tasks for part in (payload, "" if score is None else repr(score))]
        return Call.of(
            "arrive",
            (target, k.trash_note(token), k.log),
            (state, "R" if next_to_run else "L", KEEP_ARRIVAL, LOG_CAP, k.channel, event, wake, *flat),
            int,
        )

    def call_off(self, queue: str, token: str) -> Call[int]:
        """See that nothing arrives any more with this token; returns how many tasks have."""
        k = self.names.of(queue)
        arguments = ("pending", "L", KEEP_ARRIVAL, LOG_CAP, k.channel, "", k.wake)
        return Call.of("arrive", (k.queue, k.trash_note(token), k.log), arguments, int)

    def moved(self, queue: str, token: str) -> Call[bool]:
        """Say that what was taken with `token` has arrived elsewhere; False when that was said, or it was undone."""
        k = self.names.of(queue)
        return Call.of("moved", (k.trash(token), k.former(token), k.trash_note(token)), (KEEP_TRASH,), bool)

    def note(self, queue: str, token: str) -> Call[Note | None]:
        """What an action has left behind; None when it is too late, or nothing was done."""
        fields = ("op", "state", "n", "side", "to")
        return command("HMGET", self.names.of(queue).trash_note(token), *fields, parse=_note)

    def note_left(self, queue: str, token: str) -> Call[int]:
        """Seconds for which an action can be taken back; -1 for as long as one likes, -2 when it is too late."""
        return command("TTL", self.names.of(queue).trash_note(token), parse=int)

    def former(self, queue: str, token: str) -> Call[list[tuple[bytes, float]]]:
        """Tasks of a set (≤ 1,000) that an action has changed, as they were, with their scores."""
        return command(
            "ZRANGE", self.names.of(queue).former(token), 0, MAX_BATCH - 1, "WITHSCORES",
            parse=lambda r: [(bytes(r[i]), float(r[i + 1])) for i in range(0, len(r), 2)],
        )  # fmt: skip

    def former_pending(self, queue: str, token: str) -> Call[list[bytes]]:
        """Pending tasks (≤ 1,000) that were moved elsewhere, the next to run first."""
        return command(
            "LRANGE", self.names.of(queue).former(token), 0, MAX_BATCH - 1, parse=lambda r: [bytes(p) for p in r[::-1]]
        )

    def purge(
        self,
        queue: str,
        state: Shelf | Literal["pending"],
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
            (source, k.trash(token), k.trash_note(token), k.log, k.stats, k.discards),
            (state, _limit(at_most), KEEP_TRASH, LOG_CAP, k.channel, event, TOMBSTONE, COUNTED, token, FREE_TRASH),
            lambda reply: (bool(reply[0]), int(reply[1])),
        )

    def discards(self, queue: str, now: float) -> Call[list[str]]:
        """Tokens of purges whose trash is to be freed, at most 20."""
        return command(
            "ZRANGEBYSCORE", self.names.of(queue).discards, "-inf", f"{now:.6f}", "LIMIT", 0, 20,
            parse=lambda r: [token.decode("utf-8", "replace") for token in r],
        )  # fmt: skip

    def discard(self, queue: str, tokens: Sequence[str]) -> Call[int]:
        """Free the trash of these purges in the background, unless it can still be taken back; returns how many."""
        k = self.names.of(queue)
        keys = [key for token in tokens for key in (k.trash(token), k.trash_note(token))]
        return Call.of("discard", (k.discards, *keys), tuple(tokens), int)

    def undo(
        self,
        queue: str,
        token: str,
        *,
        own_token: str = "",
        event: bytes = b"",
        looked: bool = False,
        spread: bool = False,
    ) -> Call[Undone]:
        """Take back the action that carried `token`; call again while `left` is above 0.

        A repeat with the same `own_token` answers the same, so each further call needs another one.

        Of what went into a queue only a note is made that it has been `looked` for there. With `spread` the public
        delayed set lies on another node: nothing is taken out of it by an action that this could take back.
        """
        k = self.names.of(queue)

        def parse(reply: Any) -> Undone:
            counts = [int(n) for n in reply[2:]] or [0, 0]
            return Undone(reply[0].decode(), int(reply[1]), *counts)

        return Call.of(
            "undo",
            (
                k.trash_note(token),
                k.trash(token),
                k.former(token),
                k.queue,
                k.delayed,
                k.dead,
                k.paused,
                k.log,
                k.delayed if spread else self.names.public_delayed,
                k.running,
                k.schedules,
                k.stats,
            ),
            (UNDO_BATCH, LOG_CAP, k.channel, event, k.wake, self.names.public_wake, int(looked), KEEP_TRASH, own_token),
            parse,
        )

    def _shelf(self, queue: str, state: Shelf) -> str:
        k = self.names.of(queue)
        return {"delayed": k.delayed, "public": self.names.public_delayed, "dead": k.dead}[state]


def _limit(at_most: int | None) -> int | str:
    return "" if at_most is None else at_most


def _flags(reply: Any) -> tuple[bool, ...]:
    return tuple(flag == ord("1") for flag in bytes(reply))


def _taken(reply: Any) -> Taken:
    if not reply[0]:
        return Taken(more=int(reply[1]))
    return Taken(_flags(reply[0]), looked=int(reply[1]) if len(reply) > 1 else 0)


def _rescheduled(reply: Any) -> Rescheduled:
    if not reply[0]:
        return Rescheduled(more=int(reply[1]))
    return Rescheduled(_flags(reply[0]), float(reply[1]), float(reply[2]) if reply[2] else None)


def _note(reply: Any) -> Note | None:
    op, state, n, side, to = (b"" if field is None else bytes(field) for field in reply)
    if not op:
        return None
    return Note(op.decode(), state.decode(), int(n or 0), side == b"R", to.decode())
