"""The least rights that each of our users needs in Redis, as lines for its ACL file.

What a script calls is read from the script itself, so that a new call in it is a new right here. Redis 6.2 knows no
keys that may only be read: whoever looks only is kept from writing by having no command that writes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from taskconsole.errors import ConfigError
from taskconsole.redis_url import Kind, RedisUrl
from taskconsole.store.call import script, script_names

__all__ = ["AclUser", "acl_users", "called_by"]

PASSWORD = "CHANGE-ME"  # noqa: S105 - to be changed


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_WORKERS_OWN = _words("""
    attend discard due fire forget_running give_back heartbeat leave manifest promote reclaim record register settle
    step transfer
""")
"""Scripts that only workers and schedulers run."""

_WORKERS_TOO = _words("delay depart end_run enqueue page put_schedule remove_schedule window")
"""Scripts that workers run besides."""

_READING = _words("heads page scored search window")
"""Scripts that write nothing."""

_ALWAYS = _words("client|setname eval evalsha info select time")
"""Connecting, and running scripts."""

_WORKER = _words("""
    blmove del exists get hlen hmget hscan hset llen lrange publish sadd scan smembers smismember subscribe zmscore
    zrange zrangebyscore zrem zrevrange
""")

_READER = _words("""
    exists get hget hlen hmget hscan llen lpos lrange memory|usage slowlog|get smembers smismember subscribe ttl type
    xlen xrevrange zcard zcount zmscore zrange zrangebyscore zrank zrevrange zscan zscore
""")

_OPERATOR = _words("publish sadd")

_ROUTING = {Kind.CLUSTER: _words("asking cluster|slots"), Kind.SENTINEL: _words("role")}
"""What it takes to find the way to a server that is not named in the URL."""


@dataclass(frozen=True, slots=True)
class AclUser:
    """One user."""

    name: str
    about: str
    """Who is to use it, in words."""
    commands: frozenset[str]
    """`get`, `memory|usage`."""
    keys: tuple[str, ...]
    """Patterns; none for a Sentinel, which has no keys."""
    channels: tuple[str, ...]

    @property
    def rules(self) -> list[str]:
        """What follows the name in `user …` of an ACL file and in ACL SETUSER."""
        allowed = sorted(f"+{command}" for command in self.commands)
        patterns = [*(f"~{key}" for key in self.keys), *(f"&{channel}" for channel in self.channels)]
        return ["reset", "resetchannels", "on", f">{PASSWORD}", *patterns, "-@all", *allowed]

    @property
    def line(self) -> str:
        """One line of an ACL file."""
        return " ".join(["user", self.name, *self.rules])


def acl_users(url: str, prefix: str) -> list[AclUser]:
    """The users for a Redis reached by `url`, with our keys under `prefix`.

    Raises:
        ConfigError: The prefix cannot stand in an ACL rule.
    """
    if any(c.isspace() for c in prefix):
        raise ConfigError(f"key prefix {prefix!r} has white space, which no ACL rule can hold")
    kind = RedisUrl.parse(url).kind
    start = re.sub(r"([*?\[\]\\])", r"\\\1", prefix)
    # A queue's own keys and its wake channel begin with its hash tag.
    patterns = (f"{start}*", f"{{{start}*") if prefix else ("*",)
    always = _ALWAYS | _ROUTING.get(kind, frozenset())
    users = [
        ("worker", "workers, schedulers, and whatever enqueues", _WORKER, _WORKERS_OWN | _WORKERS_TOO),
        ("console", "operators: the console and every command", _READER | _OPERATOR, script_names() - _WORKERS_OWN),
        ("reader", "whoever looks only", _READER, _READING),
    ]
    found = [
        AclUser(f"taskconsole-{name}", about, always | commands | called_by(scripts), patterns, patterns)
        for name, about, commands, scripts in users
    ]
    if kind is Kind.SENTINEL:
        asked = frozenset({"sentinel|get-master-addr-by-name"})
        found.append(AclUser("taskconsole-sentinel", "everybody, at the Sentinels themselves", asked, (), ()))
    return found


def called_by(scripts: frozenset[str]) -> frozenset[str]:
    """The commands that these scripts call."""
    found: set[str] = set()
    for name in scripts:
        body = script(name).body.decode()
        for first, second in re.findall(r"redis\.p?call\(([^,)]+)(?:, *'([A-Z]+)')?", body):
            choice = first if "'" in first else _meaning(first, body)
            commands = [word.lower() for word in re.findall(r"'([A-Z]{3,})'", choice)]
            assert commands, f"{name}.lua calls {first}, of which nothing is known"
            found.update(f"pubsub|{second.lower()}" if command == "pubsub" else command for command in commands)
    return frozenset(found)


def _meaning(variable: str, body: str) -> str:
    """What a script's variable may hold, as it is written there."""
    return " ".join(re.findall(rf"\b{variable.strip()}\b[^=\n]*= *(.*)", body))
