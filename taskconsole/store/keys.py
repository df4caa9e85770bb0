"""Every key name of ours, in one place.

A queue's own keys carry its list key as hash tag, so that one script touches one Cluster slot:
the slot of `task_queue` is the slot of `{task_queue}:…`.
"""

from __future__ import annotations

from taskconsole.errors import ConfigError

__all__ = [
    "COMMAND",
    "DEFAULT_QUEUE",
    "LISTEN",
    "NEXT",
    "PUBLIC_DELAYED",
    "SCHEDULES",
    "TOMBSTONE",
    "Keys",
    "Namespace",
    "check_queue_name",
    "is_queue_name",
]

DEFAULT_QUEUE = "task_queue"
PUBLIC_DELAYED = "delayed_tasks"

TOMBSTONE = b"\x00taskconsole:deleted\x00"
"""What stands in a long list for a deleted task: taking it out would cost O(length). Workers skip it."""

LISTEN = "listen"
"""On the wake channel: somebody subscribes to the events from now on."""

NEXT = "next"
"""On the wake channel: a schedule is due earlier than the others."""

COMMAND = "command"
"""On the wake channel: an operator wants something of a worker; its next heartbeat tells what."""

SCHEDULES = "schedules"
"""On the wake channel: definitions were written by hand, look at them now."""

MAX_QUEUE_NAME = 200

_RESERVED_SUFFIXES = (
    "_channel",
    ":delayed",
    ":workers",
    ":dead",
    ":schedules",
    ":next",
    ":positions",
    ":code",
    ":running",
    ":buffered",
    ":manifests",
    ":ticker",
    ":sweeper",
    ":paused",
    ":stats",
    ":log",
    ":done",
    ":wake",
    ":queues",
)


def check_queue_name(name: str) -> str:
    """Return `name` if a queue may be called that.

    Raises:
        ConfigError: It is empty, too long, holds braces or control characters, or would collide with our keys.
    """
    if not isinstance(name, str):
        raise ConfigError(f"a queue name is a text, not {name!r}")
    if not name:
        raise ConfigError("a queue name is empty")
    if len(name) > MAX_QUEUE_NAME:
        raise ConfigError(f"queue name of {len(name)} characters: at most {MAX_QUEUE_NAME}")
    if any(c in "{}" for c in name):
        raise ConfigError(f"queue name {name!r} has a brace: braces are Redis hash tags and kept for our own keys")
    if any(ord(c) < 32 or ord(c) == 127 or 0xD800 <= ord(c) <= 0xDFFF for c in name):
        raise ConfigError(f"queue name {name!r} has a control character")
    if name == PUBLIC_DELAYED or name.endswith(_RESERVED_SUFFIXES):
        raise ConfigError(f"queue name {name!r} would collide with a key of Taskconsole")
    return name


def is_queue_name(name: str) -> bool:
    """True when a queue may be called that."""
    try:
        check_queue_name(name)
    except ConfigError:
        return False
    return True


class Keys:
    """The keys of one queue.

    Args:
        queue: The queue's name.
        prefix: Put in front of every key; empty for none.
    """

    __slots__ = (
        "buffered",
        "channel",
        "code",
        "dead",
        "delayed",
        "discards",
        "done",
        "log",
        "manifests",
        "name",
        "next",
        "paused",
        "positions",
        "queue",
        "running",
        "schedules",
        "stats",
        "sweeper",
        "tag",
        "ticker",
        "wake",
        "workers",
    )

    def __init__(self, queue: str, prefix: str = "") -> None:
        self.name = queue
        self.queue = prefix + queue  # LIST   pending payloads; producers LEFT, next to run RIGHT
        self.tag = tag = "{" + self.queue + "}"
        self.channel = self.queue + "_channel"  # pub/sub  events and whatever others publish
        self.delayed = tag + ":delayed"  # ZSET   payload -> due, seconds since the epoch
        self.workers = tag + ":workers"  # ZSET   worker id -> end of its lease, milliseconds since the epoch
        self.dead = tag + ":dead"  # ZSET   envelope with its error -> time of death; capped
        self.paused = tag + ":paused"  # STRING JSON who, when, why; existence = paused
        self.stats = tag + ":stats"  # HASH   counters
        self.log = tag + ":log"  # STREAM the events worth keeping; capped
        self.done = tag + ":done"  # LIST   finished tasks, a capped sample
        self.wake = tag + ":wake"  # pub/sub  a time: "an earlier delayed task has come"; or LISTEN, NEXT, SCHEDULES
        self.discards = tag + ":discards"  # ZSET with a TTL: token of a purge -> when its trash is to be freed
        # Schedules; a field or member is a schedule's name.
        self.schedules = tag + ":schedules"  # HASH   definition (JSON); to be edited by anybody
        self.next = tag + ":next"  # ZSET   when its next task is made; to be edited by anybody
        self.positions = tag + ":positions"  # HASH   how far it has come (JSON)
        self.code = tag + ":code"  # HASH   the definition as code last registered it (JSON)
        self.running = tag + ":running"  # HASH   ids of its tasks that are not finished -> since when (JSON); capped
        self.buffered = tag + ":buffered"  # HASH   the payload that waits for the end of another
        self.manifests = tag + ":manifests"  # ZSET   digest of what an app registers -> until when that holds
        self.ticker = tag + ":ticker"  # STRING with a TTL: who watches the schedules, the last one that looked
        self.sweeper = tag + ":sweeper"  # STRING with a TTL: who looks after definitions written by hand

    def processing(self, worker_id: str) -> str:
        """LIST: payloads in this worker's hands, oldest claim first."""
        return f"{self.tag}:processing:{worker_id}"

    def worker(self, worker_id: str) -> str:
        """HASH with a TTL: presence, tasks and their parameters (JSON), sequence number, commands for it."""
        return f"{self.tag}:worker:{worker_id}"

    def aborts(self, worker_id: str) -> str:
        """LIST with a TTL: tasks that operators want this worker to end (JSON), newest first; capped."""
        return f"{self.tag}:aborts:{worker_id}"

    def producer(self, client_id: str) -> str:
        """STRING with a TTL: last sequence number this client's enqueue was carried out for."""
        return f"{self.tag}:producer:{client_id}"

    def minute(self, minute: int) -> str:
        """HASH with a TTL: counters and histograms of the minute that began `minute * 60` s after the epoch."""
        return f"{self.tag}:stats:{minute}"

    def runs(self, schedule: str) -> str:
        """LIST: how the last tasks of a schedule ended (JSON), newest first; capped."""
        return f"{self.tag}:runs:{schedule}"

    def removed(self, schedule: str) -> str:
        """STRING with a TTL: who removed a schedule, when, and what it was (JSON)."""
        return f"{self.tag}:removed:{schedule}"

    def manifest(self, digest: str) -> str:
        """SET with a TTL: the schedules that one version of an app registers."""
        return f"{self.tag}:manifest:{digest}"

    def trash(self, token: str) -> str:
        """Any type, with a TTL: what an operator's action took away."""
        return f"{self.tag}:trash:{token}"

    def former(self, token: str) -> str:
        """ZSET with a TTL: tasks that an operator's action has changed, as they were, with their scores."""
        return f"{self.tag}:former:{token}"

    def trash_note(self, token: str) -> str:
        """HASH with a TTL: what the action was, so that it can be undone and is not done twice."""
        return f"{self.tag}:trash:{token}:note"


class Namespace:
    """Key names under one prefix; `Keys` objects are made once a queue."""

    def __init__(self, prefix: str = "") -> None:
        if any(c in "{}" for c in prefix):
            raise ConfigError(f"key prefix {prefix!r} has a brace")
        self.prefix = prefix
        self.queues = prefix + "taskconsole:queues"  # SET    names of known queues
        self.public_delayed = prefix + PUBLIC_DELAYED  # ZSET   payload -> due; the public door of the default queue
        self.public_wake = "{" + self.public_delayed + "}:wake"  # pub/sub  a time, as in `Keys.wake`, for that set
        # In a cluster the public set lies on another node than most queues; see `store.carrying`.
        self.leaving = "{" + self.public_delayed + "}:leaving"  # ZSET   move -> when it departed
        self._keys: dict[str, Keys] = {}

    def carried(self, move: str) -> str:
        """ZSET: the tasks of a move under way, payload -> due."""
        return f"{self.leaving}:{move}"

    def of(self, queue: str) -> Keys:
        """The keys of `queue`."""
        keys = self._keys.get(queue)
        if keys is None:
            keys = self._keys[queue] = Keys(queue, self.prefix)
        return keys
