"""Workers as Redis knows them: presence, leases, commands for them, and taking over from the dead."""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from taskconsole.errors import LeaseLost
from taskconsole.store.call import Call, command
from taskconsole.store.keys import COMMAND
from taskconsole.store.tasks import LOG_CAP

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from taskconsole.store.keys import Namespace

__all__ = ["Abort", "Pulse", "TakenBack", "WorkerStore", "digest_of"]

KEEP_ABORT = 120
"""Seconds in which a worker may hear that a task is to end."""

KEEP_WORKER = 86_400
"""Seconds a worker's hash outlives its last heartbeat."""


class Abort(msgspec.Struct, frozen=True):
    """A running task that an operator wants to end."""

    token: str
    """Of the operator's action: a worker hears of it again and again, and acts on it once."""
    digest: str
    """Of the payload in its hands."""
    by: str


_abort = msgspec.json.Decoder(Abort)
_encoder = msgspec.json.Encoder()


def encode_abort(abort: Abort) -> bytes:
    """As it lies in Redis."""
    return _encoder.encode(abort)


def decode_aborts(raw: Iterable[bytes]) -> tuple[Abort, ...]:
    """Those of the entries that can be read: anybody may write there."""
    found: list[Abort] = []
    for entry in raw:
        with contextlib.suppress(msgspec.MsgspecError, UnicodeError, RecursionError):
            found.append(_abort.decode(entry))
    return tuple(found)


def digest_of(payload: bytes) -> str:
    """What names a payload in a worker's hands."""
    return hashlib.sha1(payload, usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True)
class Pulse:
    """The answer to a heartbeat."""

    now: float
    """Seconds since the epoch, by Redis."""
    listeners: int
    """Subscribers of the queue's channel."""
    command: str
    """What an operator wants of this worker: `quiet`, `stop`, or nothing."""
    aborts: tuple[Abort, ...] = ()
    """Running tasks that operators want to end."""


@dataclass(frozen=True, slots=True)
class TakenBack:
    """One payload of a dead worker and where it goes."""

    kind: Literal["queue", "bury"]
    held: bytes
    kept: bytes


class WorkerStore:
    """Builds the calls about workers.

    Args:
        names: The key names to use.
    """

    def __init__(self, names: Namespace) -> None:
        self.names = names

    def register(
        self,
        queue: str,
        worker_id: str,
        *,
        lease_ms: int,
        fields: Mapping[str, str | int | float],
        event: bytes,
    ) -> Call[float]:
        """Enter a worker; returns the time by Redis, seconds since the epoch."""
        k = self.names.of(queue)
        flat = [part for pair in fields.items() for part in pair]
        return Call.of(
            "register",
            (k.workers, k.worker(worker_id), k.log),
            (worker_id, lease_ms, KEEP_WORKER, LOG_CAP, k.channel, event, *flat),
            lambda reply: int(reply) / 1000,
        )

    def heartbeat(
        self, queue: str, worker_id: str, *, lease_ms: int, fields: Mapping[str, str | int | float]
    ) -> Call[Pulse]:
        """Renew the lease; `fields` may be empty when nothing changed.

        Raises:
            LeaseLost: The lease was reclaimed.
        """
        k = self.names.of(queue)
        flat = [part for pair in fields.items() for part in pair]

        def parse(reply: Any) -> Pulse:
            if reply[0] == b"F":
                raise LeaseLost(worker_id)
            wanted = reply[3].decode("utf-8", "replace")
            return Pulse(int(reply[1]) / 1000, int(reply[2]), wanted, decode_aborts(reply[4]))

        return Call.of(
            "heartbeat",
            (k.workers, k.worker(worker_id), k.aborts(worker_id)),
            (worker_id, lease_ms, KEEP_WORKER, k.channel, *flat),
            parse,
        )

    def leave(self, queue: str, worker_id: str, *, event: bytes) -> Call[int]:
        """Sign off; what the worker still held goes back to the queue. Returns how many tasks that were."""
        k = self.names.of(queue)
        return Call.of(
            "leave",
            (k.queue, k.processing(worker_id), k.workers, k.worker(worker_id), k.log),
            (worker_id, LOG_CAP, k.channel, event),
            int,
        )

    def expired(self, queue: str, now: float, *, limit: int = 20) -> Call[list[str]]:
        """Workers whose lease ended before `now` (seconds since the epoch, by Redis)."""
        k = self.names.of(queue)
        return command(
            "ZRANGEBYSCORE",
            k.workers,
            "-inf",
            f"{now * 1000:.0f}",
            "LIMIT",
            0,
            limit,
            parse=lambda reply: [wid.decode("utf-8", "replace") for wid in reply],
        )

    def reclaim(
        self, queue: str, worker_id: str, items: Sequence[TakenBack], *, event: bytes
    ) -> Call[tuple[int, int] | None]:
        """Take back a dead worker's tasks, given newest claim first; returns (requeued, buried).

        None when its lease is valid after all: nothing was done.
        """
        k = self.names.of(queue)
        flat: list[bytes | str] = []
        for item in items:
            flat += (item.kind, item.held, item.kept)
        return Call.of(
            "reclaim",
            (k.queue, k.processing(worker_id), k.workers, k.worker(worker_id), k.dead, k.stats, k.log),
            (worker_id, k.channel, LOG_CAP, event, *flat),
            lambda reply: None if int(reply[0]) < 0 else (int(reply[0]), int(reply[1])),
        )

    def registered(self, queue: str) -> Call[list[str]]:
        """Every worker id that has a lease, valid or not (at most 1,000)."""
        k = self.names.of(queue)
        return command("ZRANGE", k.workers, 0, 999, parse=lambda r: [wid.decode("utf-8", "replace") for wid in r])

    def signal(self, queue: str, worker_id: str, wanted: Literal["quiet", "stop"], *, event: bytes = b"") -> Call[bool]:
        """Leave a command for a worker; False when there is no such worker."""
        k = self.names.of(queue)
        return Call.of(
            "signal",
            (k.workers, k.worker(worker_id), k.log),
            (worker_id, wanted, LOG_CAP, k.channel, event, k.wake, COMMAND),
            bool,
        )

    def abort(self, queue: str, worker_id: str, payload: bytes, *, token: str, by: str, event: bytes) -> Call[int]:
        """Have a worker end a running task; 0 when it is not in its hands, -1 when there is no such worker."""
        k = self.names.of(queue)
        entry = encode_abort(Abort(token=token, digest=digest_of(payload), by=by))
        return Call.of(
            "abort",
            (k.workers, k.processing(worker_id), k.aborts(worker_id), k.log),
            (worker_id, payload, entry, KEEP_ABORT, LOG_CAP, k.channel, event, k.wake, COMMAND),
            int,
        )

    def name_suspects(self, queue: str, worker_id: str, names: Sequence[str]) -> Call[int]:
        """Note which tasks this worker runs that an earlier worker died with."""
        return command("HSET", self.names.of(queue).worker(worker_id), "suspects", ",".join(names), parse=int)

    def suspects(self, queue: str, worker_id: str) -> Call[frozenset[str] | None]:
        """The names a worker noted; None when it has left nothing at all."""

        def parse(reply: Any) -> frozenset[str] | None:
            noted, started = reply
            if started is None and noted is None:
                return None
            return frozenset((noted or b"").decode("ascii", "replace").split(",")) - {""}

        return command("HMGET", self.names.of(queue).worker(worker_id), "suspects", "started", parse=parse)

    def scan_processing(self, queue: str, cursor: int) -> Call[tuple[int, list[str]]]:
        """One bounded step of looking for processing lists; returns the next cursor (0 = end) and worker ids."""
        k = self.names.of(queue)
        start = k.processing("")

        def parse(reply: Any) -> tuple[int, list[str]]:
            names = [key.decode("utf-8", "replace") for key in reply[1]]
            return int(reply[0]), [name[len(start) :] for name in names if name.startswith(start)]

        return command("SCAN", cursor, "MATCH", _literal(start) + "*", "COUNT", 1000, parse=parse, near=k.queue)


def _literal(text: str) -> str:
    """`text` for a MATCH pattern, its own special characters taken literally."""
    return "".join("\\" + c if c in "*?[]\\^" else c for c in text)
