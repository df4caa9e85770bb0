"""What the server says of itself: its slow log, its connections, what a key takes. Every call is bounded or O(1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from taskconsole.store.call import Call, command

if TYPE_CHECKING:
    from taskconsole.store.call import Place

__all__ = ["SlowEntry", "client_list", "entries", "fields", "memory_use", "slow_log"]

MAX_CLIENTS = 200
"""Connections that are read of all that the server lists."""

MAX_LINE = 2_000
"""Bytes of one line of that list: anybody may give a connection a long name."""


@dataclass(frozen=True, slots=True)
class SlowEntry:
    """One call that was slow, as Redis keeps it: at most 32 arguments of 128 bytes."""

    at: int
    """Seconds since the epoch."""
    micros: int
    args: tuple[bytes, ...]
    client: str


def slow_log(count: int, node: Place | None = None) -> Call[list[SlowEntry]]:
    """The newest entries of the slow log of a server, or of one node of a cluster, newest first."""
    return command("SLOWLOG", "GET", count, parse=lambda r: [_entry(entry) for entry in r[:count]], near=node or "")


def _entry(entry: Any) -> SlowEntry:
    client = bytes(entry[4]).decode("utf-8", "backslashreplace") if len(entry) > 4 else ""
    return SlowEntry(int(entry[1]), int(entry[2]), tuple(bytes(arg) for arg in entry[3]), client)


def client_list(name: str, node: Place | None = None) -> Call[list[dict[str, str]]]:
    """The fields of the connections to a server, or to one node, that are called `name`; at most 200, newest first."""

    def parse(reply: Any) -> list[dict[str, str]]:
        wanted = f" name={name} ".encode()
        lines = [line[:MAX_LINE] for line in bytes(reply).splitlines() if wanted in line]
        return [_fields(line) for line in reversed(lines[-MAX_CLIENTS:])]

    return command("CLIENT", "LIST", parse=parse, near=node or "")


def _fields(line: bytes) -> dict[str, str]:
    pairs = (word.partition("=") for word in line.decode("utf-8", "backslashreplace").split(" "))
    return {name: value for name, equals, value in pairs if equals}


def memory_use(key: str) -> Call[int | None]:
    """Bytes of a key and its elements, from five samples; None when there is no such key."""
    return command("MEMORY", "USAGE", key, parse=lambda r: None if r is None else int(r))


def entries(key: str) -> Call[int]:
    """Entries of a stream."""
    return command("XLEN", key, parse=int)


def fields(key: str) -> Call[int]:
    """Fields of a hash."""
    return command("HLEN", key, parse=int)
