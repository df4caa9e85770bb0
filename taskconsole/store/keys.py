"""Every key name of ours, in one place.

A queue's own keys carry its list key as hash tag, so that one script touches one Cluster slot:
the slot of `task_queue` is the slot of `{task_queue}:…`.
"""

from __future__ import annotations

from taskconsole.errors import ConfigError

__all__ = ["DEFAULT_QUEUE", "LISTEN", "PUBLIC_DELAYED", "TOMBSTONE", "Keys", "Namespace", "check_queue_name"]

DEFAULT_QUEUE = "task_queue"
PUBLIC_DELAYED = "delayed_tasks"

TOMBSTONE = b"\x00taskconsole:deleted\x00"
"""What stands in a long list for a deleted task: taking it out would cost O(length). Workers skip it."""

LISTEN = "listen"
"""On the wake channel: somebody subscribes to the events from now on."""

MAX_QUEUE_NAME = 200

_RESERVED_SUFFIXES = (
    "_channel",
    ":delayed",
    ":workers",
    ":dead",
    ":schedules",
    ":next",
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


class Keys:
    """The keys of one queue.

    Args:
        queue: The queue's name.
        prefix: Put in front of every key; empty for none.
    """

    __slots__ = (
        "channel",
        "dead",
        "delayed",
        "done",
        "log",
        "name",
        "paused",
        "queue",
        "stats",
        "tag",
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
        self.wake = tag + ":wake"  # pub/sub  a time: "an earlier delayed task has come"; or LISTEN

    def processing(self, worker_id: str) -> str:
        """LIST: payloads in this worker's hands, oldest claim first."""
        return f"{self.tag}:processing:{worker_id}"

    def worker(self, worker_id: str) -> str:
        """HASH with a TTL: presence, sequence number, commands for it."""
        return f"{self.tag}:worker:{worker_id}"

    def producer(self, client_id: str) -> str:
        """STRING with a TTL: last sequence number this client's enqueue was carried out for."""
        return f"{self.tag}:producer:{client_id}"

    def minute(self, minute: int) -> str:
        """HASH with a TTL: counters and histograms of the minute that began `minute * 60` s after the epoch."""
        return f"{self.tag}:stats:{minute}"

    def trash(self, token: str) -> str:
        """Any type, with a TTL: what an operator's action took away."""
        return f"{self.tag}:trash:{token}"

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
        self._keys: dict[str, Keys] = {}

    def of(self, queue: str) -> Keys:
        """The keys of `queue`."""
        keys = self._keys.get(queue)
        if keys is None:
            keys = self._keys[queue] = Keys(queue, self.prefix)
        return keys
