"""Connections that carry out `Call`s: one blocking, one for asyncio.

redis-py makes the connection (URL, TLS, AUTH, database, name); a call then goes straight over it, because
redis-py's client layers cost more than Redis does. Nothing is retried here: redis-py 8 would replay every
command up to ten times, which doubles a lost LPUSH. Whoever holds a repeatable transition repeats it.
"""

from __future__ import annotations

import asyncio
import math
import os
import re
import threading
from typing import TYPE_CHECKING, Any, TypeVar

import hiredis
import redis

from taskconsole.errors import (
    AccessDenied,
    ServerTooOld,
    StoreError,
    StoreFull,
    StoreNotReady,
    StoreUnavailable,
    TaskconsoleError,
    WrongType,
)
from taskconsole.store.dialing import AsyncDialer, Dialer, hang_up, is_demoted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractAsyncContextManager

    from taskconsole.config import Settings
    from taskconsole.store.call import Call, Place
    from taskconsole.store.trace import Trace

__all__ = ["AsyncWire", "Wire", "all_or_raise", "check_version", "parsed", "translate"]

T = TypeVar("T")

_pack: Any = hiredis.pack_command  # its stub leaves out what it takes

_IN_A_SCRIPT = re.compile(r"^(?:ERR )?Error running script \(call to f_\w+\): (?:@user_script: ?\d+: )+-?")
"""What Redis 6.2 puts in front of an error that a script met: no news to anybody who reads it."""

_NOT_YET = (
    "LOADING",
    "MASTERDOWN",
    "READONLY",
    "MISCONF",
    "BUSY",
    "CLUSTERDOWN",
    "TRYAGAIN",
    "NOREPLICAS",
    "UNBLOCKED",
)
"""Answers that mean "not now": the same call may succeed later."""

_NOT_YET_ERRORS = (
    redis.BusyLoadingError,
    redis.ReadOnlyError,
    redis.exceptions.ClusterDownError,
    redis.exceptions.MasterDownError,
    redis.exceptions.TryAgainError,
)
"""The same, where redis-py has taken the code away."""


_DENIALS = redis.AuthenticationError, redis.exceptions.NoPermissionError, redis.exceptions.AuthorizationError


def translate(error: Exception, address: str) -> TaskconsoleError:
    """Our error for one of redis-py's or the socket's; one line, no password."""
    if isinstance(error, TaskconsoleError):
        return error
    text = _IN_A_SCRIPT.sub("", " ".join(str(error).split())) or type(error).__name__
    if isinstance(error, _DENIALS):
        return AccessDenied(f"Redis at {address} refused access: {_without_password(text)}")
    if isinstance(error, redis.OutOfMemoryError) or "OOM command not allowed" in text:
        return StoreFull(f"Redis at {address} is out of memory (maxmemory reached): nothing was written")
    if isinstance(error, _NOT_YET_ERRORS):
        return StoreNotReady(f"Redis at {address} is not ready: {text[:300]}")
    if isinstance(error, redis.ResponseError):
        return _refusal(error, text, address)
    return StoreUnavailable(f"no answer from Redis at {address}: {text[:300]}")


def _without_password(text: str) -> str:
    """What to write where a password is missing; anything else as Redis said it."""
    if text.startswith(("Authentication required", "NOAUTH", "HELLO must be called")):
        return "the URL has no password, as in redis://user:password@host"
    return text[:300]


def _refusal(error: redis.ResponseError, text: str, address: str) -> TaskconsoleError:
    if isinstance(error, redis.exceptions.AskError):
        return StoreError(f"Redis at {address} is a node of a cluster: the URL must begin with redis+cluster://")
    code = text.split(" ", 1)[0].lstrip("-")
    # The last is how Redis 6.2 says NOPERM inside a script.
    if code in {"NOAUTH", "WRONGPASS", "NOPERM"} or "NOPERM" in text or "user executing the script can't" in text:
        return AccessDenied(f"Redis at {address} refused access: {_without_password(text)}")
    if code == "WRONGTYPE" or "WRONGTYPE" in text:
        return WrongType()
    if code in _NOT_YET or any(word in text for word in ("-READONLY", "-MISCONF", "-NOREPLICAS", "LOADING Redis")):
        return StoreNotReady(f"Redis at {address} is not ready: {text[:300]}")
    if "invalid DB index" in text or "DB index is out of range" in text:
        return AccessDenied(f"Redis at {address} has no such database: {text[:100]}")
    return StoreError(f"Redis at {address} answered: {text[:300]}")


def parsed(call: Call[T], reply: Any, address: str) -> T:
    """The reply as our type.

    Raises:
        StoreUnavailable: It is not what this call can be answered with: the stream of replies is damaged.
    """
    try:
        return call.parse(reply)
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise StoreUnavailable(f"unreadable answer from Redis at {address}: {type(error).__name__}") from error


def all_or_raise(answers: list[Any], what: type[TaskconsoleError] = TaskconsoleError) -> list[Any]:
    """The answers, when there is no error of the kind `what` among them.

    Raises:
        TaskconsoleError: The first of them.
    """
    for answer in answers:
        if isinstance(answer, what):
            raise answer
    return answers


def _read_reply(call: Call[Any], reply: Any, address: str) -> Any:
    """The answer to one call of several; a refusal is an answer too."""
    if isinstance(reply, Exception):
        return translate(reply, address)
    try:
        return parsed(call, reply, address)
    except (StoreError, StoreUnavailable) as refusal:
        return refusal


def check_version(info: str, address: str) -> str:
    """The version in the text of INFO server.

    Raises:
        ServerTooOld: It is older than Redis 6.2.
    """
    fields = dict(line.split(":", 1) for line in info.splitlines() if ":" in line)
    version = fields.get("redis_version", "")
    numbers = [int(n) for n in version.split(".")[:2] if n.isdigit()]
    if numbers and numbers < [6, 2]:
        raise ServerTooOld(f"Redis at {address} is version {version}: Taskconsole needs 6.2 or newer (Valkey 7.2)")
    return version


class Wire:
    """A blocking connection; calls from several threads take turns.

    Args:
        settings: Where to connect.
        timeout: Seconds to wait for an answer; `settings.patience` by default.
        trace: Remembers what is sent; nothing does by default, which costs nothing.
        acting: Whether what is sent here is what an operator wants done, for the trace.
    """

    def __init__(
        self, settings: Settings, *, timeout: float | None = None, trace: Trace | None = None, acting: bool = False
    ) -> None:
        self.address = settings.address
        self._timeout = settings.patience if timeout is None else timeout
        self._dialer = Dialer(settings, self._timeout)
        self._connection: Any = None
        self._owner = 0
        self._lock = threading.Lock()
        self._send = self._exchange if trace is None else trace.around(self._exchange, acting=acting)
        self.sent = 0
        """Commands sent so far."""

    def run(self, call: Call[T]) -> T:
        """Carry out one call.

        Raises:
            StoreUnavailable: No answer; whether it was carried out is unknown.
            StoreError: Redis refused; nothing was done unless the transition says otherwise.
        """
        with self._lock:
            reply = self._send([call])[0]
        if isinstance(reply, Exception):
            raise translate(reply, self.address)
        return parsed(call, reply, self.address)

    def nodes(self) -> tuple[Place, ...]:
        """The nodes of a cluster; none here."""
        return ()

    def run_all(self, calls: Sequence[Call[Any]]) -> list[Any]:
        """Carry out several calls in one round trip; a refused one yields its `StoreError` in its place."""
        if not calls:
            return []
        with self._lock:
            replies = self._send(calls)
        return [_read_reply(call, reply, self.address) for call, reply in zip(calls, replies, strict=True)]

    def _exchange(self, calls: Sequence[Call[Any]]) -> list[Any]:
        return self.finish(self.begin(calls), calls)

    def begin(self, calls: Sequence[Call[Any]]) -> Any:
        """Send calls; `finish` is to be called with what this returns, and nothing else in between."""
        try:
            connection = self._connected()
            self.sent += len(calls)
            connection.send_packed_command([_pack(call.args) for call in calls], check_health=False)
        except BaseException as error:
            # Whatever happened, the next reply on this connection may belong to this call: never reuse it.
            self.close()
            if isinstance(error, Exception):
                raise translate(error, self.address) from None
            raise
        return connection

    def finish(self, connection: Any, calls: Sequence[Call[Any]]) -> list[Any]:
        """The replies to what `begin` has sent, as they came; a refusal is one."""
        try:
            replies = [self._read(connection) for _ in calls]
            demoted = False
            for i, reply in enumerate(replies):
                if not isinstance(reply, Exception):
                    continue
                if isinstance(reply, redis.exceptions.NoScriptError) and calls[i].body is not None:
                    connection.send_packed_command([_pack(calls[i].with_body())], check_health=False)
                    reply = replies[i] = self._read(connection)  # noqa: PLW2901 - the answer that counts
                demoted = demoted or (isinstance(reply, Exception) and is_demoted(reply))
            if demoted:
                # Where the master is now is found out by the next call.
                self.close()
        except BaseException as error:
            # Whatever happened, the next reply on this connection may belong to this call: never reuse it.
            self.close()
            if isinstance(error, Exception):
                raise translate(error, self.address) from None
            raise
        return replies

    @staticmethod
    def _read(connection: Any) -> Any:
        try:
            return connection.read_response(disable_decoding=True)
        except redis.ConnectionError:
            raise
        except redis.ResponseError as error:
            return error

    def _connected(self) -> Any:
        if self._connection is None or self._owner != os.getpid():
            # A child of fork must not talk on its parent's socket.
            self._connection = None
            self._connection, self._owner = self._dialer.dial(), os.getpid()
        return self._connection

    def close(self) -> None:
        """Drop the connection; the next call makes a new one."""
        connection, self._connection = self._connection, None
        if connection is not None and self._owner == os.getpid():
            connection.disconnect()


class AsyncWire:
    """A connection for asyncio; calls take turns.

    A cancelled call drops the connection, so that its reply can never be taken for another's.

    Args:
        settings: Where to connect.
        timeout: Seconds to wait for an answer; `settings.patience` by default, `math.inf` for ever.
    """

    def __init__(self, settings: Settings, *, timeout: float | None = None) -> None:
        self.address = settings.address
        self._timeout = settings.patience if timeout is None else timeout
        self._dialer = AsyncDialer(settings)
        self._connection: Any = None
        self._lock: AbstractAsyncContextManager[None] = asyncio.Lock()

    async def run(self, call: Call[T], *, timeout: float | None = None) -> T:  # noqa: ASYNC109 - passed to the read
        """Carry out one call, waiting `timeout` seconds for its answer (the wire's own by default).

        Raises:
            StoreUnavailable: No answer; whether it was carried out is unknown.
            StoreError: Redis refused; nothing was done unless the transition says otherwise.
        """
        async with self._lock:
            reply = (await self._exchange([call], self._timeout if timeout is None else timeout))[0]
        if isinstance(reply, Exception):
            raise translate(reply, self.address)
        return parsed(call, reply, self.address)

    async def run_all(self, calls: Sequence[Call[Any]], *, timeout: float | None = None) -> list[Any]:  # noqa: ASYNC109
        """Carry out several calls in one round trip; a refused one yields its `StoreError` in its place."""
        if not calls:
            return []
        async with self._lock:
            replies = await self._exchange(calls, self._timeout if timeout is None else timeout)
        return [_read_reply(call, reply, self.address) for call, reply in zip(calls, replies, strict=True)]

    async def ask(self, calls: Sequence[Call[Any]], seconds: float) -> list[Any]:
        """The replies as they came; a refusal is one."""
        async with self._lock:
            return await self._exchange(calls, seconds)

    async def _exchange(self, calls: Sequence[Call[Any]], seconds: float) -> list[Any]:
        try:
            connection = self._connection
            if connection is None:
                async with asyncio.timeout(None if seconds == math.inf else max(seconds, 1.0)):
                    self._connection = connection = await self._dialer.dial()
            # Sending waits too, when the other side does not read and there is much to tell.
            async with asyncio.timeout(None if seconds == math.inf else seconds):
                await connection.send_packed_command([_pack(call.args) for call in calls], check_health=False)
            replies = [await self._read(connection, seconds) for _ in calls]
            demoted = False
            for i, reply in enumerate(replies):
                if not isinstance(reply, Exception):
                    continue
                if isinstance(reply, redis.exceptions.NoScriptError) and calls[i].body is not None:
                    await connection.send_packed_command([_pack(calls[i].with_body())], check_health=False)
                    reply = replies[i] = await self._read(connection, seconds)  # noqa: PLW2901 - the answer that counts
                demoted = demoted or (isinstance(reply, Exception) and is_demoted(reply))
            if demoted:
                # Where the master is now is found out by the next call.
                await self.close()
        except BaseException as error:
            # Whatever happened, the next reply on this connection may belong to this call: never reuse it.
            await self.close()
            if isinstance(error, Exception):
                raise translate(error, self.address) from None
            raise
        return replies

    @staticmethod
    async def _read(connection: Any, seconds: float) -> Any:
        try:
            # A timeout given to redis-py itself would come back as an answer, None, on a connection that stays open.
            async with asyncio.timeout(None if seconds == math.inf else seconds):
                return await connection.read_response(disable_decoding=True, timeout=math.inf)
        except redis.ConnectionError:
            raise
        except redis.ResponseError as error:
            return error

    async def close(self) -> None:
        """Drop the connection; the next call makes a new one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await hang_up(connection)
