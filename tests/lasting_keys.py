"""Which keys may stay in Redis without a time to live: each has an owner or a cap."""

from __future__ import annotations

import re

import redis

# The name after the hash tag, with the type. A plain name is a queue itself (LIST) or the public door for delayed tasks.
LASTING = {
    "delayed": "zset",
    "workers": "zset",
    "dead": "zset",
    "schedules": "hash",
    "next": "zset",
    "positions": "hash",
    "code": "hash",
    "running": "hash",
    "buffered": "hash",
    "manifests": "zset",
    "paused": "string",
    "stats": "hash",
    "log": "stream",
    "done": "list",
    "leaving": "zset",
}
LASTING_WITH_AN_OWNER = re.compile(r"processing:[^:]+$|runs:")


def undeclared_keys(client: redis.Redis) -> list[str]:
    """Every key that has no TTL and is not of the declared set, with its type."""
    left = ((key, _kind(client, key)) for key in client.scan_iter(count=1000) if client.ttl(key) == -1)
    # One that has gone between two looks is of no kind.
    return [f"{key!r} ({kind})" for key, kind in left if kind != "none" and not _is_declared(key, kind)]


def _kind(client: redis.Redis, key: bytes) -> str:
    return str(client.type(key), "ascii")  # type: ignore[arg-type]  # bytes: nothing is decoded


def _is_declared(key: bytes, kind: str) -> bool:
    name = key.decode(errors="replace")
    if match := re.fullmatch(r"\{[^{}]+\}:(.+)", name):
        own = match[1]
        return LASTING.get(own) == kind or (kind == "list" and bool(LASTING_WITH_AN_OWNER.match(own)))
    if name.endswith("taskconsole:queues"):
        return kind == "set"
    return kind == "list" or (kind == "zset" and name.endswith("delayed_tasks"))
