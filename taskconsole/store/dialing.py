"""Making connections: to the one server of a URL, or to the master that its Sentinels name at the moment.

redis-py makes them (TLS, AUTH, database, name). A demoted master is recognized by its answers (`is_demoted`); whoever
gets one hangs up and dials anew.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

from taskconsole.errors import ConfigError
from taskconsole.redis_url import Kind, RedisUrl

if TYPE_CHECKING:
    from taskconsole.config import Settings

__all__ = ["AsyncDialer", "Dialer", "connection_options", "hang_up", "is_demoted"]

SENTINEL_PATIENCE = 2.0
"""Seconds for the answer of one Sentinel: there are others."""


def connection_options(settings: Settings, timeout: float | None) -> dict[str, Any]:
    """What every connection of ours has in common; `timeout` in seconds for one answer, None for none.

    Raises:
        ConfigError: The URL cannot be used.
    """
    url = RedisUrl.parse(settings.url)
    for plain in (url.text,) if url.kind in {Kind.SERVER, Kind.SOCKET} else (url.at("h", 1), url.sentinel_at("h", 1)):
        _check_url_options(plain)
    options: dict[str, Any] = {
        "socket_timeout": timeout,
        "socket_connect_timeout": settings.timeout,
        "socket_keepalive": True,
        "health_check_interval": 0,
        "client_name": settings.client_name,
        "protocol": 2,
        "driver_info": None,
    }
    if url.kind is Kind.SOCKET:
        del options["socket_keepalive"]
    return options


def _check_url_options(url: str) -> None:
    """Refuse what redis-py would refuse later, when it looks as if there was no Redis: `?socket_timeout=soon`."""
    parse: Any = redis.connection.parse_url
    try:
        options = dict(parse(url))
        options.pop("connection_class", redis.Connection)(**options)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"bad Redis URL: {str(error).partition('__init__() ')[2] or error}") from None


def is_demoted(answer: Exception) -> bool:
    """True for an answer that only a server gives that is not the master (any more)."""
    if isinstance(answer, redis.ReadOnlyError | redis.exceptions.MasterDownError):
        return True
    text = str(answer)
    return text.startswith("UNBLOCKED") or "-READONLY" in text


class _Place:
    """Where to dial, and what the Sentinels have said."""

    def __init__(self, settings: Settings, timeout: float | None) -> None:
        self.url = RedisUrl.parse(settings.url)
        self.options = connection_options(settings, timeout)
        self.sentinels = list(self.url.places) if self.url.kind is Kind.SENTINEL else []
        self.sentinel_options = {
            **self.options,
            "socket_timeout": min(settings.timeout, SENTINEL_PATIENCE),
            "socket_connect_timeout": min(settings.timeout, SENTINEL_PATIENCE),
            "client_name": None,
        }

    def answered(self, sentinel: tuple[str, int], reply: Any) -> tuple[str, int]:
        """The master's place as a Sentinel has named it; that Sentinel is asked first from now on.

        Raises:
            redis.ConnectionError: It knows none of this name.
        """
        if not reply:
            raise redis.ConnectionError(f"Sentinel {sentinel[0]}:{sentinel[1]} knows no master of that name")
        self.sentinels.remove(sentinel)
        self.sentinels.insert(0, sentinel)
        return reply[0].decode(), int(reply[1])

    def check_role(self, reply: Any) -> None:
        """Let through only a master: Sentinels learn of a failover one after the other.

        Raises:
            redis.ConnectionError: It is none, or not yet.
        """
        if bytes(reply[0]) != b"master":
            raise redis.ConnectionError(f"the master that Sentinel names is a {reply[0].decode()} still")

    def nobody(self, last: Exception | None) -> redis.ConnectionError:
        """What to raise when no Sentinel has named a master."""
        return redis.ConnectionError(f"no Sentinel names the master {self.url.service!r}: {last}")


class Dialer:
    """Makes blocking connections.

    Args:
        settings: Where to.
        timeout: Seconds to wait for an answer on them.
    """

    def __init__(self, settings: Settings, timeout: float) -> None:
        self._place = _Place(settings, timeout)

    def dial(self) -> Any:
        """A connection that is up; redis-py's errors pass."""
        place = self._place
        if not place.sentinels:
            return self._up(place.url.text, place.options)
        connection = self._up(place.url.at(*self._master()), place.options)
        try:
            place.check_role(_ask(connection, "ROLE"))
        except BaseException:
            connection.disconnect()
            raise
        return connection

    def _master(self) -> tuple[str, int]:
        place, last = self._place, None
        for sentinel in list(place.sentinels):
            try:
                connection = self._up(place.url.sentinel_at(*sentinel), place.sentinel_options)
                try:
                    reply = _ask(connection, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", place.url.service)
                finally:
                    connection.disconnect()
                return place.answered(sentinel, reply)
            except redis.AuthenticationError:
                raise
            except (redis.ConnectionError, redis.TimeoutError, OSError) as error:
                last = error
        raise place.nobody(last)

    @staticmethod
    def _up(url: str, options: dict[str, Any]) -> Any:
        pool: Any = redis.ConnectionPool.from_url(url, retry=Retry(NoBackoff(), 0), **options)
        # How long to wait is decided by whoever dials; a lease does not wait as long as a console.
        pool.connection_kwargs["socket_timeout"] = options["socket_timeout"]
        try:
            return _connected(pool.connection_class(**pool.connection_kwargs))
        except redis.exceptions.NoPermissionError:
            # An ACL may forbid even CLIENT SETNAME; a connection without a name is better than none.
            return _connected(pool.connection_class(**{**pool.connection_kwargs, "client_name": None}))


def _connected(connection: Any) -> Any:
    try:
        connection.connect()
    except BaseException as error:
        # redis-py does so after its own errors only, and TLS has others.
        connection.disconnect()
        if isinstance(error, redis.ConnectionError):
            raise _at_the_door(error) from None
        raise
    return connection


def _ask(connection: Any, *command: str) -> Any:
    connection.send_command(*command, check_health=False)
    return connection.read_response(disable_decoding=True)


class AsyncDialer:
    """Makes connections for asyncio.

    Args:
        settings: Where to.
    """

    def __init__(self, settings: Settings) -> None:
        self._place = _Place(settings, None)

    async def dial(self) -> Any:
        """A connection that is up; redis-py's errors pass. Cancelled, it leaves none open."""
        place = self._place
        if not place.sentinels:
            return await self._up(place.url.text, place.options)
        connection = await self._up(place.url.at(*await self._master()), place.options)
        try:
            place.check_role(await _ask_async(connection, "ROLE"))
        except BaseException:
            await hang_up(connection)
            raise
        return connection

    async def _master(self) -> tuple[str, int]:
        place, last = self._place, None
        for sentinel in list(place.sentinels):
            try:
                async with asyncio.timeout(SENTINEL_PATIENCE):
                    connection = await self._up(place.url.sentinel_at(*sentinel), place.sentinel_options)
                    try:
                        reply = await _ask_async(connection, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", place.url.service)
                    finally:
                        await hang_up(connection)
                return place.answered(sentinel, reply)
            except redis.AuthenticationError:
                raise
            except (redis.ConnectionError, redis.TimeoutError, OSError) as error:
                last = error
        raise place.nobody(last)

    @staticmethod
    async def _up(url: str, options: dict[str, Any]) -> Any:
        pool: Any = redis.asyncio.ConnectionPool.from_url(url, retry=AsyncRetry(NoBackoff(), 0), **options)
        pool.connection_kwargs["socket_timeout"] = options["socket_timeout"]
        connection = pool.connection_class(**pool.connection_kwargs)
        try:
            await connection.connect()
        except BaseException as error:
            await hang_up(connection)
            if isinstance(error, redis.ConnectionError):
                raise _at_the_door(error) from None
            raise
        return connection


async def _ask_async(connection: Any, *command: str) -> Any:
    await connection.send_command(*command, check_health=False)
    return await connection.read_response(disable_decoding=True, timeout=math.inf)


def _at_the_door(error: redis.ConnectionError) -> redis.ConnectionError:
    """The same, with what is most likely when a server accepts a connection and ends it before a word was said.

    Redis does so when `maxclients` are there already. It says so, but what it said is lost when we write first.
    """
    if isinstance(error.__cause__, redis.AuthenticationError):
        # redis-py's asyncio half wraps what was said to a login into an error of the connection.
        return error.__cause__
    text = str(error)
    if type(error) is not redis.ConnectionError or not ("while writing" in text or "closed by server" in text):
        return error
    return redis.ConnectionError(f"it ends new connections at once, as when maxclients is reached: {text}")


async def hang_up(connection: Any) -> None:
    """Drop a connection for asyncio at once, whatever is still on its way."""
    writer = getattr(connection, "_writer", None)
    if writer is not None:
        # An orderly close would wait for the other side to read what is still to be sent; it may be dead.
        writer.transport.abort()
    await connection.disconnect(nowait=True)
    # The transport lets go of its socket in the loop's next turn; the loop may be about to end.
    await asyncio.sleep(0)
