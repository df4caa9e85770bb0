"""Reading: what the console and the command line ask. Every call is bounded; none writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from taskconsole.model.histogram import BUCKETS
from taskconsole.store.call import Call, command
from taskconsole.store.keys import is_queue_name

if TYPE_CHECKING:
    from taskconsole.store.call import Place
    from taskconsole.store.keys import Keys, Namespace

__all__ = ["Facts", "ReadingStore", "Seen", "integer", "parse_info"]

PREVIEW = 4_096
"""Bytes of a payload that a window brings."""

LARGEST = 2**63
"""No counter of Redis reaches it."""

OPENING, REASON = 1_024, 2_500
"""Bytes of a payload, and of why it failed, where only that is of interest."""

STEP = 1_000
"""Members that one script looks at, one by one: about 1 ms of Redis."""

MAX_QUEUES = 1_000
MAX_WORKERS = 200
"""Per queue."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One payload in a window."""

    payload: bytes
    """Its first 4,096 bytes."""
    size: int
    score: float | None
    """Due, or time of death, seconds since the epoch; None in a list."""
    place: int = 0
    """Its index; only `ReadingStore.scored` tells it."""
    why: bytes = b""
    """Of a payload that was cut: `"died":{"reason":"…"` or `{"error":"…"`, where it says why it failed; else empty."""
    when: float | None = None
    """Of a payload that was cut: when it failed."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What Redis says of one worker."""

    active: int
    fields: dict[str, bytes]


def integer(value: str | bytes | None) -> int:
    """A whole number of 64 bits, as Redis counts; 0 for whatever else anybody may have written in its place."""
    try:
        found = int(value or 0)
    except ValueError:
        return 0
    return found if abs(found) < LARGEST else 0


def parse_info(raw: Any) -> dict[str, str]:
    """The fields of INFO."""
    text = bytes(raw).decode("utf-8", "replace")
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line and not line.startswith("#"))


class ReadingStore:
    """Builds the calls that read.

    Args:
        names: The key names to use.
    """

    def __init__(self, names: Namespace) -> None:
        self.names = names

    @staticmethod
    def time() -> Call[float]:
        """Seconds since the epoch, by Redis."""
        return command("TIME", parse=lambda r: int(r[0]) + int(r[1]) / 1e6)

    @staticmethod
    def info(node: Place | None = None) -> Call[dict[str, str]]:
        """What the server says of itself; of a cluster this node, or any."""
        return command("INFO", parse=parse_info, near=node or "")

    def queues(self) -> Call[list[str]]:
        """Known queue names, sorted."""
        return command(
            "SMEMBERS",
            self.names.queues,
            parse=lambda r: sorted(name.decode("utf-8", "backslashreplace") for name in r)[:MAX_QUEUES],
        )

    def usable_queues(self) -> Call[list[str]]:
        """As `queues`, without the names that no queue can have: anybody may write into the set."""

        def parse(reply: Any) -> list[str]:
            names = (name.decode("utf-8", "surrogateescape") for name in reply)
            return sorted(filter(is_queue_name, names))[:MAX_QUEUES]

        return command("SMEMBERS", self.names.queues, parse=parse)

    @staticmethod
    def kind(key: str) -> Call[str]:
        """The type of a key: `list`, `string`, … or `none`."""
        return command("TYPE", key, parse=lambda r: str(bytes(r), "ascii", "replace"))

    @staticmethod
    def length(key: str) -> Call[int]:
        """Elements of a list."""
        return command("LLEN", key, parse=int)

    @staticmethod
    def size(key: str) -> Call[int]:
        """Members of a sorted set."""
        return command("ZCARD", key, parse=int)

    @staticmethod
    def overdue(key: str, before: float) -> Call[int]:
        """Members of a sorted set due before a moment."""
        return command("ZCOUNT", key, "-inf", f"({before:.6f}", parse=int)

    @staticmethod
    def score(key: str, member: bytes) -> Call[float | None]:
        """The score of a member of a sorted set; None when it is not there."""
        return command("ZSCORE", key, member, parse=lambda r: None if r is None else float(r))

    @staticmethod
    def walk(key: str, cursor: int, pattern: str, count: int) -> Call[tuple[int, list[tuple[bytes, float]]]]:
        """About `count` steps through a sorted set from `cursor`, 0 to begin.

        Returns the cursor to go on from, 0 at the end, and the members that fit the glob pattern, with their scores.
        A member that is there all the time is seen at least once, others perhaps.
        """
        return command(
            "ZSCAN",
            key,
            cursor,
            "MATCH",
            pattern,
            "COUNT",
            count,
            parse=lambda r: (int(r[0]), [(bytes(r[1][i]), float(r[1][i + 1])) for i in range(0, len(r[1]), 2)]),
        )

    @staticmethod
    def paused(keys: Keys) -> Call[bytes | None]:
        """What the pause says; None when the queue is not paused."""
        return command("GET", keys.paused, parse=lambda r: None if r is None else bytes(r))

    @staticmethod
    def next_to_run(keys: Keys) -> Call[Seen | None]:
        """The pending task that runs next, cut."""
        return Call.of("window", (keys.queue,), (-1, -1, "list", PREVIEW), lambda r: _seen(r)[0] if r else None)

    @staticmethod
    def counters(keys: Keys) -> Call[dict[str, int]]:
        """Sums since the queue was first seen; `poisoned_at`: when a task was last buried for its workers' deaths."""
        names = (
            *("done", "failed", "retried", "died", "promoted", "reclaimed", "dead_dropped", "tombstones"),
            *("poisoned", "poisoned_at"),
        )
        return command(
            "HMGET",
            keys.stats,
            *names,
            parse=lambda r: {n: integer(v) for n, v in zip(names, r, strict=True)},
        )

    @staticmethod
    def done_in_minute(keys: Keys, minute: int) -> Call[int]:
        """Tasks finished in one minute."""
        return command("HGET", keys.minute(minute), "done", parse=integer)

    @staticmethod
    def times_in_minute(keys: Keys, minute: int) -> Call[tuple[list[int], list[int]]]:
        """How long tasks waited, and how long they ran: counts of one minute, bucket by bucket."""
        names = [f"{what}:{i}" for what in ("wait", "run") for i in range(BUCKETS)]

        def parse(reply: Any) -> tuple[list[int], list[int]]:
            counts = [integer(value) for value in reply]
            return counts[:BUCKETS], counts[BUCKETS:]

        return command("HMGET", keys.minute(minute), *names, parse=parse)

    @staticmethod
    def leases(keys: Keys) -> Call[dict[str, float]]:
        """Worker ids and the ends of their leases, seconds since the epoch."""
        return command(
            "ZREVRANGE",
            keys.workers,
            0,
            MAX_WORKERS - 1,
            "WITHSCORES",
            parse=lambda r: {
                r[i].decode("utf-8", "backslashreplace"): float(r[i + 1]) / 1000 for i in range(0, len(r), 2)
            },
        )

    @staticmethod
    def worker_fields(keys: Keys, worker_id: str, *names: str) -> Call[dict[str, bytes]]:
        """Some fields of a worker's hash; missing ones are left out."""
        return command(
            "HMGET",
            keys.worker(worker_id),
            *names,
            parse=lambda r: {n: bytes(v) for n, v in zip(names, r, strict=True) if v is not None},
        )

    @staticmethod
    def window(key: str, first: int, last: int, how: str) -> Call[list[Seen]]:
        """Payloads `first` to `last` of a key; `how` is `list`, `zset` or `zset reversed`."""
        return Call.of("window", (key,), (first, last, how, PREVIEW), _seen)

    @staticmethod
    def heads(key: str, first: int, count: int) -> list[Call[list[float]]]:
        """The scores of `count` members of a sorted set from `first` on, in pieces."""
        return [
            Call.of("heads", (key,), (i, min(i + STEP, first + count) - 1), lambda r: [float(score) for score in r])
            for i in range(first, first + count, STEP)
        ]

    @staticmethod
    def count_from(key: str, low: float, *, beyond: bool = False) -> Call[int]:
        """Members of a sorted set with the score `low` or more; `beyond`: with more."""
        return command("ZCOUNT", key, f"{'(' if beyond else ''}{low!r}", "+inf", parse=int)

    @staticmethod
    def scored(
        key: str, first: int, count: int, *, newest: bool = False, failed: bool = False, preview: int = PREVIEW
    ) -> list[Call[list[Seen]]]:
        """`count` tasks of a sorted set from `first` on with why they failed, in pieces.

        Args:
            key: The sorted set.
            first: Index of the first.
            count: How many.
            newest: The highest score first, else the lowest.
            failed: Only those of the window that carry errors.
            preview: Bytes of a payload.
        """
        how, which = "zset reversed" if newest else "zset", "with errors" if failed else "all"
        return [
            Call.of("scored", (key,), (i, min(i + STEP, first + count) - 1, how, preview, REASON, which), _scored)
            for i in range(first, first + count, STEP)
        ]

    @staticmethod
    def log(keys: Keys, count: int, before: str = "") -> Call[list[tuple[str, bytes]]]:
        """The newest events of the log with their ids, newest first; those older than the id `before`."""
        return command(
            "XREVRANGE",
            keys.log,
            f"({before}" if before else "+",
            "-",
            "COUNT",
            count,
            parse=lambda r: [(str(bytes(entry[0]), "ascii"), bytes(entry[1][1])) for entry in r],
        )


def _seen(reply: Any) -> list[Seen]:
    return [
        Seen(bytes(reply[i]), int(reply[i + 1]), float(reply[i + 2]) if reply[i + 2] else None)
        for i in range(0, len(reply), 3)
    ]


def _scored(reply: Any) -> list[Seen]:
    return [
        Seen(
            bytes(reply[i]),
            int(reply[i + 1]),
            float(reply[i + 2]),
            place=int(reply[i + 3]),
            why=bytes(reply[i + 4]),
            when=float(reply[i + 5]) if reply[i + 5] else None,
        )
        for i in range(0, len(reply), 6)
    ]
