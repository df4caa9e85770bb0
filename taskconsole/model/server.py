"""The Redis server in detail: what an operator checks when it is the server that is in trouble. Pure values."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["KeyUse", "ServerClient", "ServerDetail", "SlowCommand"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowCommand:
    """One entry of the slow log."""

    at: float
    """Seconds since the epoch."""
    ms: float
    command: str
    """Its name and first arguments, shortened; never a password (Redis leaves those out)."""
    client: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerClient:
    """One connection to the server."""

    address: str
    name: str = ""
    age: int = 0
    """Seconds."""
    idle: int = 0
    """Seconds since its last command."""
    command: str = ""
    """Its last command."""
    memory: int = 0
    """Bytes, buffers included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyUse:
    """What the keys of one class take."""

    what: str
    """The class in words: `pending`, `delayed`, `dead`, `done`, `log` …"""
    queue: str
    elements: int
    bytes: int | None
    """As MEMORY USAGE estimates with its default samples; None when it cannot be asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerDetail:
    """One look at the server, each part bounded."""

    at: float
    info: dict[str, str] = field(default_factory=dict)
    """The fields of INFO, by their names."""
    slow: tuple[SlowCommand, ...] | None = None
    """The newest of the slow log; None when it may not be read."""
    clients: tuple[ServerClient, ...] | None = None
    """Our own connections, at most 200; None when they may not be listed."""
    connected: int = 0
    """All connections there are."""
    keys: tuple[KeyUse, ...] = ()
    refused: tuple[str, ...] = ()
    """Commands that were refused, with the reason, e.g. because of an ACL."""
