"""Settings, built once at the edge (flags, then environment, then defaults) and passed down."""

from __future__ import annotations

import os
from dataclasses import dataclass

from taskconsole.errors import ConfigError
from taskconsole.redis_url import Kind, RedisUrl

__all__ = ["DEFAULT_URL", "Settings", "check_url", "public_address", "url_from_environment"]

DEFAULT_URL = "redis://localhost:6379/0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How to reach Redis and how patient to be with it."""

    url: str = DEFAULT_URL
    """As in `redis_url`; may hold a password, so never print it: see `address`."""
    prefix: str = ""
    """Put in front of every key and channel."""
    timeout: float = 5.0
    """Seconds to wait for one answer, and for a connection, unless the URL says `socket_timeout`: see `patience`."""
    retry_for: float = 3.0
    """Seconds a producer goes on trying when an answer does not come."""
    max_payload: int = 1_048_576
    """Bytes; a larger task is refused by `enqueue`."""
    client_name: str = "taskconsole"
    """As CLIENT LIST shows the connections."""

    @property
    def address(self) -> str:
        """The server's place, without user and password."""
        return public_address(self.url)

    @property
    def patience(self) -> float:
        """Seconds to wait for one answer."""
        said = RedisUrl.parse(self.url).patience
        return self.timeout if said is None else said

    @property
    def spread(self) -> bool:
        """True when keys lie on several nodes, so that one script can touch those of one hash tag only."""
        return RedisUrl.parse(self.url).kind is Kind.CLUSTER


def url_from_environment(given: str | None = None) -> str:
    """The first of: `given`, TASKCONSOLE_URL, REDIS_URL, localhost."""
    return given or os.environ.get("TASKCONSOLE_URL") or os.environ.get("REDIS_URL") or DEFAULT_URL


def check_url(url: str) -> str:
    """Return `url` if it names a Redis in a way we understand.

    Raises:
        ConfigError: It does not; the message holds no password.
    """
    RedisUrl.parse(url)
    return url


def public_address(url: str) -> str:
    """What may be shown of a URL: `host:port/db`, the path of the socket, the names of Sentinels or nodes."""
    try:
        return RedisUrl.parse(url).address
    except ConfigError:
        return "?"
