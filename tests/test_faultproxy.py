"""The fault proxy does to a connection what it says, so that the fault tests mean something."""

from __future__ import annotations

import asyncio
import gc
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from typing import NoReturn

import pytest
import redis

from tests.faultproxy import FaultProxy
from tests.servers import PrivateServer, connect


@pytest.fixture
def server(make_server: Callable[..., PrivateServer]) -> PrivateServer:
    return make_server(tcp=True)


@pytest.fixture(params=["unix", "tcp"])
def proxy(server: PrivateServer, request: pytest.FixtureRequest) -> Iterator[FaultProxy]:
    with FaultProxy(server.url if request.param == "unix" else server.tcp_url) as proxy:
        yield proxy


def test_without_faults_it_carries_everything_both_ways(proxy: FaultProxy) -> None:
    with closing(connect(proxy.url)) as client:
        big = b"x" * 1_000_000
        client.set("k", big)
        assert client.get("k") == big


def test_a_dropped_reply_is_of_a_command_that_was_carried_out(server: PrivateServer, proxy: FaultProxy) -> None:
    with closing(connect(proxy.url)) as client, closing(server.client()) as witness:
        client.ping()
        proxy.drop_replies(1)
        with pytest.raises(redis.ConnectionError):
            client.lpush("q", "once")
        assert witness.lrange("q", 0, -1) == [b"once"]
        assert proxy.dropped_replies == 1
        assert client.llen("q") == 1, "the next connection is good again"


def test_a_black_hole_keeps_the_connection_open_and_says_nothing(proxy: FaultProxy) -> None:
    with closing(connect(proxy.url, socket_timeout=0.2)) as client:
        client.ping()
        proxy.down.blackhole = True
        with pytest.raises(redis.TimeoutError):
            client.ping()
        proxy.heal()
        assert client.ping()


def test_latency_is_added_each_way(proxy: FaultProxy) -> None:
    with closing(connect(proxy.url)) as client:
        client.ping()
        proxy.up.latency = proxy.down.latency = 0.05
        before = time.monotonic()
        client.ping()
        assert time.monotonic() - before >= 0.1


def test_slices_arrive_whole(proxy: FaultProxy) -> None:
    with closing(connect(proxy.url)) as client:
        proxy.down.slice = 7
        assert client.echo("y" * 1000) == b"y" * 1000


def test_reset_all_ends_open_connections_with_rst(proxy: FaultProxy) -> None:
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as raw:
        raw.sendall(b"PING\r\n")
        assert raw.recv(64) == b"+PONG\r\n"
        proxy.reset_all()
        with pytest.raises(ConnectionResetError):
            raw.recv(64)


def test_refused_connections_end_at_once(proxy: FaultProxy) -> None:
    proxy.accept = False
    with closing(connect(proxy.url)) as client, pytest.raises(redis.ConnectionError):
        client.ping()


def test_a_url_keeps_password_and_database() -> None:
    assert FaultProxy("unix://:pw@/tmp/r.sock?db=3").url == "redis://:pw@127.0.0.1:0/0?db=3"
    assert FaultProxy("redis://u:pw@host:1/2").url == "redis://u:pw@127.0.0.1:0/2"


@pytest.mark.parametrize("answering", [True, False])
def test_stopping_it_closes_what_was_only_just_accepted(
    server: PrivateServer, monkeypatch: pytest.MonkeyPatch, answering: bool
) -> None:
    async def unanswered(_: FaultProxy) -> NoReturn:
        await asyncio.Event().wait()
        raise AssertionError

    if not answering:
        monkeypatch.setattr(FaultProxy, "_connect", unanswered)
    for _ in range(20):
        with ExitStack() as stack:
            with FaultProxy(server.tcp_url) as proxy:
                clients = [
                    stack.enter_context(socket.create_connection(("127.0.0.1", proxy.port), 5)) for _ in range(10)
                ]
            for client in clients:
                client.settimeout(5)
                with suppress(ConnectionResetError):
                    assert client.recv(1) == b""
    # What was left open is a warning here, and so an error.
    gc.collect()
