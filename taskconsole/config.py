"""Settings, built once at the edge (flags, then environment, then defaults) and passed down."""

from __future__ import annotations

import os
from dataclasses import dataclass
from urllib.parse import urlsplit

from taskconsole.errors import ConfigError

__all__ = ["DEFAULT_URL", "Settings", "check_url", "public_address", "url_from_environment"]

DEFAULT_URL = "redis://localhost:6379/0"

_SCHEMES = ("redis", "rediss", "unix")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How to reach Redis and how patient to be with it."""

    url: str = DEFAULT_URL
    """`redis://`, `rediss://` (TLS) or `unix://`; may hold a password, so never print it: see `address`."""
    prefix: str = ""
    """Put in front of every key and channel."""
    timeout: float = 5.0
    """Seconds to wait for one answer, and for a connection."""
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


def url_from_environment(given: str | None = None) -> str:
    """The first of: `given`, TASKCONSOLE_URL, REDIS_URL, localhost."""
    return given or os.environ.get("TASKCONSOLE_URL") or os.environ.get("REDIS_URL") or DEFAULT_URL


def check_url(url: str) -> str:
    """Return `url` if it names a Redis in a way we understand.

    Raises:
        ConfigError: It does not; the message holds no password.
    """
    try:
        parts = urlsplit(url)
        port = parts.port  # reading it is what validates it
    except ValueError as error:
        raise ConfigError(f"bad Redis URL: {_first_words(error)}") from None
    if parts.scheme not in _SCHEMES:
        scheme = f"{parts.scheme}://" if parts.scheme and len(parts.scheme) < 20 else "no scheme"
        raise ConfigError(
            f"bad Redis URL ({scheme}): it starts with redis://, rediss:// or unix://, e.g. {DEFAULT_URL}"
        )
    if parts.scheme == "unix":
        if not parts.path:
            raise ConfigError("bad Redis URL: unix:// needs the path of a socket, e.g. unix:///run/redis.sock?db=0")
        return url
    if port == 0:
        raise ConfigError("bad Redis URL: port 0")
    database = parts.path.strip("/")
    if database and not database.isdigit():
        # Not quoted: with a slash too few, or one inside a password, this is where the password ends up.
        raise ConfigError("bad Redis URL: the database is a number, as in redis://host:6379/0")
    return url


def public_address(url: str) -> str:
    """`host:port/db` or the path of the socket: what may be shown of a URL."""
    try:
        parts = urlsplit(url)
        port = parts.port or 6379
    except ValueError:
        return "?"
    if parts.scheme == "unix":
        return parts.path
    host = parts.hostname or "localhost"
    shown = f"[{host}]" if ":" in host else host
    return f"{shown}:{port}/{parts.path.strip('/') or '0'}"


def _first_words(error: Exception) -> str:
    # urlsplit quotes the part it could not read; a port is harmless, anything longer may hold a secret.
    text = str(error).splitlines()[0] if str(error) else "unreadable"
    return text.split(" as ")[0][:60]
