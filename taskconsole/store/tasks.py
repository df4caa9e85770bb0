"""What becomes of tasks: the transitions that producers, workers and promoters make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from taskconsole.errors import HandsDiffer, LeaseLost, StoreError
from taskconsole.store.call import Call, command
from taskconsole.store.keys import LISTEN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from taskconsole.store.keys import Keys, Namespace

__all__ = ["Claimed", "EndedRun", "Promoted", "Settlement", "TaskStore"]

REMEMBER_PRODUCER = 120
"""Seconds a producer's sequence number is remembered: longer than anybody goes on repeating a call."""

LOG_CAP = 10_000
DEAD_CAP = 10_000
DEAD_SECONDS = 30 * 86_400

RUNS_CAP = 20
"""Ended runs that a schedule remembers."""

MAX_BATCH = 1_000
"""Payloads in one script call; Lua's stack holds about 8,000 values."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """The answer to a step."""

    payloads: list[bytes]
    """Newly claimed, in the order they are to run; none after a replay, whatever it claimed the first time."""
    paused: bool = False
    replayed: bool = False
    """The call had been carried out before: nothing was done now."""
    trouble: str = ""
    """Acked, but the queue cannot be claimed from."""


@dataclass(frozen=True, slots=True)
class EndedRun:
    """The task of a schedule that is over."""

    schedule: str
    """The schedule's name."""
    id: str
    """The task's."""
    record: bytes
    """What became of it (JSON), for the schedule's list of runs."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """One attempt that needs more than an ack, and where its task goes."""

    kind: Literal["retry", "bury", "done"]
    held: bytes
    """The payload as it lies in the processing list."""
    kept: bytes
    """The payload to keep instead; empty for done."""
    delay: float
    """Seconds until the next attempt; 0 for bury and done."""
    event: bytes
    """To log and publish; empty for none."""
    ended: EndedRun | None = None
    """Set when the task of a schedule is over with this."""


@dataclass(frozen=True, slots=True)
class Promoted:
    """The answer to a promotion; times in seconds since the epoch, by Redis."""

    moved: int
    next_due: float | None
    now: float


class TaskStore:
    """Builds the calls that move tasks.

    Args:
        names: The key names to use.
    """

    def __init__(self, names: Namespace) -> None:
        self.names = names

    def announce(self, queue: str) -> Call[int]:
        """Make `queue` known to the console; needed once."""
        return command("SADD", self.names.queues, queue, parse=int)

    def enqueue(
        self,
        queue: str,
        payloads: Sequence[bytes],
        *,
        client_id: str,
        seq: int,
        next_to_run: bool = False,
        event: bytes = b"",
    ) -> Call[int]:
        """Add at most 1,000 payloads; returns the length of the queue. Safe to repeat with the same `seq`."""
        k = self.names.of(queue)
        side = "R" if next_to_run else "L"
        return Call.of(
            "enqueue",
            (k.queue, k.producer(client_id)),
            (seq, REMEMBER_PRODUCER, side, k.channel, event, *payloads),
            _second,
        )

    def delay(
        self,
        queue: str,
        dues: Sequence[tuple[str, bytes]],
        *,
        client_id: str,
        seq: int,
        event: bytes = b"",
        remember: int = REMEMBER_PRODUCER,
    ) -> Call[int]:
        """Set at most 1,000 tasks aside; returns how many wait. Safe to repeat with the same `seq` for `remember` s.

        `dues` pairs a time with a payload: `"1790000000.5"`, or `"+30"` for 30 s from now by the clock of Redis.
        """
        k = self.names.of(queue)
        flat = [part for pair in dues for part in pair]
        return Call.of(
            "delay",
            (k.delayed, k.producer(client_id)),
            (seq, remember, k.wake, k.channel, event, *flat),
            _second,
        )

    def step(
        self,
        queue: str,
        worker_id: str,
        *,
        seq: int,
        claim: int,
        lease_ms: int,
        acks: Sequence[bytes],
        oldest: int = 0,
        length: int = 0,
        sure: int | None = None,
    ) -> Call[Claimed]:
        """Ack what is finished and claim up to `claim` (≤ 256) more. Safe to repeat with the same `seq`.

        Finished are the `oldest` in this worker's list, which must be known exactly, to its `length`, and after these
        the payloads `acks`.

        Of these, `sure` (all by default) are claimed whatever other workers the queue has; beyond that it is a share
        of what is pending, or all of it when there is no other.

        Raises:
            LeaseLost: This worker was reclaimed; nothing was done.
            HandsDiffer: The list is another; nothing was done. It may be repeated with payloads and the same `seq`.
        """
        k = self.names.of(queue)
        return Call.of(
            "step",
            (k.queue, k.processing(worker_id), k.workers, k.worker(worker_id), k.paused),
            (worker_id, seq, claim, lease_ms, claim if sure is None else sure, oldest, length, *acks),
            lambda reply: _claimed(reply, worker_id),
        )

    def settle(self, queue: str, worker_id: str, *, seq: int, items: Sequence[Settlement]) -> Call[int]:
        """Record what became of attempts; returns how many payloads were no longer ours. Safe to repeat with `seq`.

        Raises:
            LeaseLost: This worker was reclaimed; nothing was done.
        """
        k = self.names.of(queue)
        flat: list[bytes | str | float] = []
        runs: list[str] = []
        for item in items:
            flat += (item.kind, item.held, item.kept, f"{item.delay:.6f}", item.event)
            if item.ended is None:
                flat += ("", "", "")
            else:
                flat += (item.ended.schedule, item.ended.id, item.ended.record)
                runs.append(k.runs(item.ended.schedule))
        hands = (k.processing(worker_id), k.workers, k.worker(worker_id))
        return Call.of(
            "settle",
            (*hands, k.delayed, k.dead, k.stats, k.log, k.queue, k.running, k.buffered, k.schedules, *runs),
            (worker_id, seq, DEAD_CAP, DEAD_SECONDS, LOG_CAP, k.channel, k.wake, RUNS_CAP, *flat),
            lambda reply: _settled(reply, worker_id),
        )

    def give_back(
        self, queue: str, worker_id: str, *, seq: int, payloads: Sequence[bytes], event: bytes = b""
    ) -> Call[int]:
        """Return unstarted payloads, given newest claim first, to be next to run. Safe to repeat with the same `seq`.

        Raises:
            LeaseLost: This worker was reclaimed; nothing was done.
        """
        k = self.names.of(queue)
        return Call.of(
            "give_back",
            (k.queue, k.processing(worker_id), k.workers, k.worker(worker_id)),
            (worker_id, seq, k.channel, event, *payloads),
            lambda reply: _settled(reply, worker_id),
        )

    def held(self, queue: str, worker_id: str) -> Call[list[bytes]]:
        """What lies in a worker's processing list, oldest claim first (bounded by what a worker may claim)."""
        return command("LRANGE", self.names.of(queue).processing(worker_id), 0, -1, parse=list)

    def length(self, queue: str) -> Call[int]:
        """How many tasks are pending."""
        return command("LLEN", self.names.of(queue).queue, parse=int)

    def is_paused(self, queue: str) -> Call[bool]:
        """True when the queue is paused."""
        return command("EXISTS", self.names.of(queue).paused, parse=bool)

    def wait_for_one(self, queue: str, worker_id: str, seconds: float) -> Call[bytes | None]:
        """Block until a task comes and move it into this worker's hands.

        The reply can be lost with the connection, and it does not look at the pause: a step must follow.
        """
        k = self.names.of(queue)
        return command("BLMOVE", k.queue, k.processing(worker_id), "RIGHT", "RIGHT", seconds, parse=_maybe_bytes)

    def promote(self, delayed: str, queue: str, *, limit: int = 500) -> Call[Promoted]:
        """Move what is due in the sorted set `delayed` (a key) to `queue`."""
        k = self.names.of(queue)
        return Call.of("promote", (delayed, k.queue, k.stats), (limit, k.channel, k.name), _promoted)

    def transfer(self, delayed: str, queue: str, payloads: Sequence[bytes]) -> Call[int]:
        """Move these members of the sorted set `delayed` (a key) to `queue`, if still due; returns how many."""
        k = self.names.of(queue)
        return Call.of("transfer", (delayed, k.queue), (k.channel, k.name, *payloads), int)

    @staticmethod
    def head(delayed: str) -> Call[float | None]:
        """When the first member of the sorted set `delayed` (a key) is due."""
        return command("ZRANGE", delayed, 0, 0, "WITHSCORES", parse=lambda r: float(r[1]) if r else None)

    @staticmethod
    def due(delayed: str, until: float, *, limit: int = 100) -> Call[list[bytes]]:
        """The first members of the sorted set `delayed` (a key) that are due at `until`."""
        return command("ZRANGEBYSCORE", delayed, "-inf", f"{until:.6f}", "LIMIT", 0, limit, parse=list)

    def record(
        self, queue: str, minute: int, sums: dict[str, int], done: Sequence[bytes], *, keep: int, cap: int
    ) -> Call[int]:
        """Add sums to the statistics; never repeat it."""
        k = self.names.of(queue)
        flat = [part for pair in sums.items() for part in pair]
        return Call.of("record", (k.stats, k.minute(minute), k.done), (keep, cap, len(sums), *flat, *done), int)

    @staticmethod
    def announce_listener(keys: Keys) -> Call[int]:
        """Tell workers that somebody has begun to listen, so that they need not find out by themselves."""
        return command("PUBLISH", keys.wake, LISTEN, parse=int)

    @staticmethod
    def publish(keys: Keys, event: bytes) -> Call[int]:
        """Publish an event; returns how many heard it."""
        return command("PUBLISH", keys.channel, event, parse=int)


def _second(reply: Any) -> int:
    return int(reply[1])


def _maybe_bytes(reply: Any) -> bytes | None:
    return bytes(reply) if reply is not None else None


def _claimed(reply: Any, worker_id: str) -> Claimed:
    status = reply[0]
    if status == b"K":
        return Claimed(reply[2:], bool(reply[1]))
    if status == b"R":
        return Claimed(reply[2:], bool(reply[1]), replayed=True)
    if status == b"F":
        raise LeaseLost(worker_id)
    if status == b"U":
        raise HandsDiffer(worker_id)
    return Claimed([], trouble=reply[1].decode("utf-8", "replace"))


def _settled(reply: Any, worker_id: str) -> int:
    if reply[0] == b"F":
        raise LeaseLost(worker_id)
    return int(reply[2]) if reply[0] == b"K" and len(reply) > 2 else 0


def _promoted(reply: Any) -> Promoted:
    if not isinstance(reply, list):
        raise StoreError(f"promotion answered {reply!r}")
    return Promoted(int(reply[0]), float(reply[1]) if reply[1] else None, float(reply[2]))
