"""A proxy that makes a connection bad on purpose: slow, cut, silent, reset, with lost replies or flipped bytes.

```python
with FaultProxy(server.url) as proxy:
    client = redis.Redis.from_url(proxy.url)
    proxy.down.blackhole = True      # what the server says vanishes, the connection stays open
    proxy.up.latency = 0.2           # seconds on the way to the server
    proxy.drop_replies(1)            # the next reply is lost and the connection reset: the command WAS done
    proxy.reset_all()                # every open connection ends with RST
    proxy.accept = False             # new connections are refused
    proxy.heal()
```

It listens on a loopback port and forwards to a TCP or unix-socket Redis, on a thread and an event loop of its
own. The fields of `Faults` may be set from any thread while connections are open; they count for what comes
next.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, Self
from urllib.parse import unquote, urlsplit

_CHUNK = 65_536

_RST_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER on, for no time at all


@dataclass(slots=True)
class Faults:
    """What is wrong with one direction; nothing by default."""

    latency: float = 0.0
    """Seconds each chunk is late."""
    jitter: float = 0.0
    """Up to so many seconds more, at random."""
    rate: int = 0
    """Bytes per second; 0 is unlimited."""
    slice: int = 0
    """Pass on at most so many bytes at a time; 0 is all at once."""
    blackhole: bool = False
    """Read and throw away."""
    stall: bool = False
    """Stop reading, so that the sender's buffers fill up."""
    flip: float = 0.0
    """Probability that one bit of a chunk is turned over."""


class FaultProxy:
    """A loopback port in front of a Redis, with faults to order; a context manager.

    Args:
        upstream: URL of the Redis: `redis://host:port/db` or `unix:///path?db=0`.
        seed: For the random faults.

    Attributes:
        up: Faults on the way to the server.
        down: Faults on the way back.
        accept: Whether new connections are let in.
        connections: How many have come.
        dropped_replies: How many replies `drop_replies` has cost.
    """

    def __init__(self, upstream: str, *, seed: int = 0) -> None:
        self.up, self.down = Faults(), Faults()
        self.accept = True
        self.connections = 0
        self.dropped_replies = 0
        self.port = 0
        self._upstream = urlsplit(upstream)
        self._random = random.Random(seed)
        self._to_drop = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fault-proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10), "the proxy did not come up"
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    @property
    def url(self) -> str:
        """The upstream's URL, with the proxy in the place of the server."""
        login, at, _ = self._upstream.netloc.rpartition("@")
        database = self._upstream.path if self._upstream.scheme != "unix" else "/0"
        query = f"?{self._upstream.query}" if self._upstream.query else ""
        return f"redis://{login}{at}127.0.0.1:{self.port}{database}{query}"

    def drop_replies(self, count: int = 1) -> None:
        """Lose the next `count` replies, and reset the connection each was on."""
        self._to_drop += count

    def reset_all(self) -> None:
        """End every open connection with RST."""
        self._loop.call_soon_threadsafe(self._reset_all)

    def heal(self) -> None:
        """Have no faults from here on. A connection that lost bytes stays broken."""
        self.up, self.down, self.accept, self._to_drop = Faults(), Faults(), True, 0

    def _run(self) -> None:
        asyncio.run(self._main())

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        # asyncio leaves the socket open of one that is being accepted when the server closes or the task is cancelled:
        # only what we serve is cancelled, and the server closed when nobody is on the way in.
        while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
            self._reset_all()
            for serving in self._serving:
                serving.cancel()
            await asyncio.wait(tasks)
        server.close()
        self._reset_all()

    def _reset_all(self) -> None:
        for writer in tuple(self._writers):
            _reset(writer)

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        serving = asyncio.create_task(self._serve(reader, writer), name="serve")
        self._serving.add(serving)
        serving.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends = {writer}
        try:
            if not self.accept:
                raise ConnectionRefusedError
            server_reader, server_writer = await self._connect()
            ends.add(server_writer)
            self._writers |= ends
            async with asyncio.TaskGroup() as both_ways:
                both_ways.create_task(self._pump("up", reader, server_writer, ends), name="up")
                both_ways.create_task(self._pump("down", server_reader, writer, ends), name="down")
        except OSError:
            _reset(writer)
        finally:
            for end in ends:
                end.close()
            # Whoever does not read keeps his end open: that one is reset when the proxy stops.
            self._writers -= {end for end in ends if not end.transport.get_write_buffer_size()}

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._upstream.scheme == "unix":
            return await asyncio.open_unix_connection(unquote(self._upstream.path))
        return await asyncio.open_connection(self._upstream.hostname, self._upstream.port or 6379)

    async def _pump(
        self,
        way: Literal["up", "down"],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        ends: set[asyncio.StreamWriter],
    ) -> None:
        """Carry bytes one way until that way ends."""
        # A reset is the end of this way; the other one notices by itself.
        with suppress(ConnectionError):
            while True:
                while self._faults(way).stall:  # noqa: ASYNC110 - set from other threads, without an event
                    await asyncio.sleep(0.01)
                chunk = await reader.read(_CHUNK)
                if not chunk:
                    break
                if way == "down" and self._to_drop > 0:
                    self._to_drop -= 1
                    self.dropped_replies += 1
                    for end in ends:
                        _reset(end)
                    return
                if not self._faults(way).blackhole:
                    await self._pass_on(chunk, writer, self._faults(way))
        if not self._faults(way).blackhole:  # behind a black hole, not even the end of the connection shows
            writer.close()

    def _faults(self, way: Literal["up", "down"]) -> Faults:
        return self.up if way == "up" else self.down

    async def _pass_on(self, chunk: bytes, writer: asyncio.StreamWriter, faults: Faults) -> None:
        if faults.latency or faults.jitter:
            await asyncio.sleep(faults.latency + self._random.random() * faults.jitter)
        if faults.flip and self._random.random() < faults.flip:
            place = self._random.randrange(len(chunk))
            chunk = chunk[:place] + bytes([chunk[place] ^ 0x20]) + chunk[place + 1 :]
        size = faults.slice or len(chunk)
        for start in range(0, len(chunk), size):
            piece = chunk[start : start + size]
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(len(piece) / faults.rate if faults.rate else 0)


def _reset(writer: asyncio.StreamWriter) -> None:
    """End a connection with RST instead of FIN."""
    peer: socket.socket | None = writer.get_extra_info("socket")
    if peer is not None and peer.fileno() >= 0 and peer.family != socket.AF_UNIX:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST_ON_CLOSE)
    writer.transport.abort()
