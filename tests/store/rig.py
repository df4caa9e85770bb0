"""A queue in a real Redis and the transitions to try on it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any, TypeVar

import redis

from taskconsole.config import Settings
from taskconsole.model.event import EventKind, encode_event
from taskconsole.store.call import Call
from taskconsole.store.keys import PUBLIC_DELAYED, TOMBSTONE, Namespace
from taskconsole.store.operations import OperationStore
from taskconsole.store.schedules import ScheduleStore
from taskconsole.store.tasks import Claimed, Settlement, TaskStore
from taskconsole.store.wire import Wire
from taskconsole.store.workers import TakenBack, WorkerStore
from tests.servers import connect

T = TypeVar("T")

QUEUE = "task_queue"
LEASE_MS = 30_000
EVENT = encode_event(EventKind.MESSAGE, QUEUE, 0.0, [], 1)
FAR = 4_000_000_000.0
"""A due time that does not come while tests run, seconds since the epoch."""

Dump = dict[bytes, tuple[bytes, Any]]


class Rig:
    """One queue, one connection, and short names for the calls.

    Args:
        url: An empty Redis.
        queue: The queue's name.
    """

    def __init__(self, url: str, queue: str = QUEUE) -> None:
        names = Namespace()
        self.queue, self.names, self.keys = queue, names, names.of(queue)
        self.tasks, self.workers, self.operations = TaskStore(names), WorkerStore(names), OperationStore(names)
        self.schedules = ScheduleStore(names)
        self.wire = Wire(Settings(url=url))
        self.raw: redis.Redis = connect(url)

    def close(self) -> None:
        self.wire.close()
        self.raw.close()

    def run(self, call: Call[T]) -> T:
        return self.wire.run(call)

    # -- calls, with what does not matter to most tests left out

    def enqueue(
        self, payloads: Iterable[bytes], *, seq: int = 1, client: str = "c", next_to_run: bool = False
    ) -> Call[int]:
        return self.tasks.enqueue(
            self.queue, list(payloads), client_id=client, seq=seq, next_to_run=next_to_run, event=EVENT
        )

    def delay(self, dues: Iterable[tuple[str, bytes]], *, seq: int = 1, client: str = "c") -> Call[int]:
        return self.tasks.delay(self.queue, list(dues), client_id=client, seq=seq, event=EVENT)

    def register(self, wid: str, **fields: str) -> Call[float]:
        return self.workers.register(self.queue, wid, lease_ms=LEASE_MS, fields={"host": "h"} | fields, event=EVENT)

    def step(
        self, wid: str, seq: int, claim: int, acks: Iterable[bytes] = (), *, oldest: int = 0, length: int = 0
    ) -> Call[Claimed]:
        return self.tasks.step(
            self.queue,
            wid,
            seq=seq,
            claim=claim,
            lease_ms=LEASE_MS,
            acks=list(acks),
            oldest=oldest,
            length=length,
        )

    def settle(self, wid: str, seq: int, items: Iterable[Settlement]) -> Call[int]:
        return self.tasks.settle(self.queue, wid, seq=seq, items=list(items))

    def give_back(self, wid: str, seq: int, payloads: Iterable[bytes]) -> Call[Any]:
        return self.tasks.give_back(self.queue, wid, seq=seq, payloads=list(payloads), event=EVENT)

    def reclaim(self, wid: str, items: Iterable[TakenBack] = ()) -> Call[tuple[int, int] | None]:
        return self.workers.reclaim(self.queue, wid, list(items), event=EVENT)

    # -- scenes

    def arrive(self, *payloads: bytes) -> None:
        """Producers push these, the first one to run first."""
        self.raw.lpush(self.keys.queue, *payloads)

    def worker(self, wid: str, *held: bytes) -> None:
        """A registered worker with these in its hands, oldest claim first."""
        self.run(self.register(wid))
        if held:
            self.raw.rpush(self.keys.processing(wid), *held)

    def expire_lease(self, wid: str) -> None:
        self.raw.zadd(self.keys.workers, {wid: 1})

    def now(self) -> float:
        seconds, micro = self.raw.time()  # type: ignore[misc]  # not awaitable: the blocking client
        return float(seconds + micro / 1e6)

    # -- looks

    def pending(self) -> list[bytes]:
        """Next to run first."""
        return [bytes(p) for p in reversed(self.raw.lrange(self.keys.queue, 0, -1))]  # type: ignore[arg-type]  # the blocking client

    def held(self, wid: str) -> list[bytes]:
        return list(self.raw.lrange(self.keys.processing(wid), 0, -1))  # type: ignore[arg-type]  # the blocking client

    def shelf(self, key: str) -> dict[bytes, float]:
        """A sorted set."""
        return dict(self.raw.zrange(key, 0, -1, withscores=True))  # type: ignore[arg-type]  # the blocking client

    def stat(self, name: str) -> int:
        return int(self.raw.hget(self.keys.stats, name) or 0)  # type: ignore[arg-type]  # the blocking client

    def logged(self) -> int:
        return int(self.raw.xlen(self.keys.log))  # type: ignore[arg-type]  # the blocking client

    def dump(self) -> Dump:
        """Everything in this Redis."""
        return {key: dump_key(self.raw, key) for key in sorted(self.raw.scan_iter(count=1000))}

    def census(self) -> Counter[str]:
        """How often each task is anywhere: queues, hands, shelves, buffered, trash."""
        return census(self.raw)


def dump_key(raw: redis.Redis, key: bytes) -> tuple[bytes, Any]:
    kind = bytes(raw.type(key))  # type: ignore[arg-type]  # the blocking client
    read = {
        b"list": lambda: raw.lrange(key, 0, -1),
        b"zset": lambda: raw.zrange(key, 0, -1, withscores=True),
        b"hash": lambda: sorted(raw.hgetall(key).items()),  # type: ignore[union-attr]  # the blocking client
        b"set": lambda: sorted(raw.smembers(key)),  # type: ignore[arg-type]  # the blocking client
        b"stream": lambda: raw.xlen(key),
        b"string": lambda: raw.get(key),
        b"none": lambda: None,
    }
    return kind, read[kind]()


def census(raw: redis.Redis) -> Counter[str]:
    found: Counter[str] = Counter()
    for key in raw.scan_iter(count=1000):
        kind, content = dump_key(raw, key)
        name = key.decode()
        if name.endswith(":buffered") and kind == b"hash":
            found.update(identity(p) for _, p in content)
        elif name in {QUEUE, PUBLIC_DELAYED} or any(
            part in name for part in (":processing:", ":delayed", ":dead", ":trash:")
        ):
            if kind == b"list":
                found.update(identity(p) for p in content if p != TOMBSTONE)
            elif kind == b"zset":
                found.update(identity(p) for p, _ in content)
    return found


def identity(payload: bytes) -> str:
    """Which task a payload is: its id, or the first word of a bare one."""
    if payload[:1] == b"{":
        return str(json.loads(payload)["id"])
    return payload.decode().split(" ", 1)[0]


def listener(url: str, channel: str) -> Any:
    """Subscribe; read the texts of messages with `heard`."""
    pubsub = connect(url).pubsub()
    pubsub.subscribe(channel)
    assert pubsub.get_message(timeout=5)["type"] == "subscribe"
    return pubsub


def heard(pubsub: Any) -> list[bytes]:
    """What has been published since: one look is enough, as the server writes before it answers the publisher."""
    texts = []
    while (message := pubsub.get_message(timeout=0.05)) is not None:
        texts.append(message["data"])
    return texts
