"""TLS: who is let in, who is not trusted, and that everything runs over it. On a server that speaks it."""

from __future__ import annotations

import asyncio
from contextlib import closing

import pytest

from taskconsole.backends.native import NativeBackend
from taskconsole.cli.root import call
from taskconsole.config import Settings
from taskconsole.errors import StoreUnavailable
from taskconsole.model.verdict import judge
from taskconsole.store.call import command
from taskconsole.store.events import Listener, subscribe
from taskconsole.store.opening import open_async_wire, open_wire
from taskconsole.store.wire import AsyncWire, Wire
from tests.servers import VARIABLE, PrivateServer, eventually, free_port, given_url, wait_until
from tests.topologies import Certificates, SentinelServer, tls_binary

PING = command("PING", parse=bytes)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def binary():
    if given_url():
        pytest.skip(f"needs servers of its own, and {VARIABLE} is a URL")
    return tls_binary() or pytest.skip("no server here speaks TLS: install redis-server")


@pytest.fixture
def start(certificates, binary):
    """Start servers that speak TLS on `port`."""
    started = []

    def make(kind=PrivateServer, *, ask=False, settings=None):
        port = free_port(beside=10_000)  # where the nodes of a cluster talk to each other
        tls = certificates.settings(port, ask=ask) | (settings or {})
        server = kind(settings=tls, binary=binary)
        server.start()
        server.port = port
        started.append(server)
        return server

    yield make
    for server in started:
        server.stop()


def over(url: str) -> Wire:
    return Wire(Settings(url=url, timeout=5))


def refusal(url: str) -> str:
    with pytest.raises(StoreUnavailable) as raised:
        over(url).run(PING)
    return str(raised.value)


async def test_both_kinds_of_connections_and_of_listeners_speak_tls(start, certificates):
    server = start(settings={"requirepass": "S3cr3t"})
    settings = Settings(url=f"rediss://:S3cr3t@127.0.0.1:{server.port}/0?ssl_ca_certs={certificates.ca}")
    wire, awaited = Wire(settings), AsyncWire(settings)
    assert wire.run(PING) == await awaited.run(PING) == b"PONG"
    listener, messages, heard = Listener(settings), subscribe(settings, ["channel"]), []
    listener.join(["channel"])
    hearing = asyncio.create_task(anext(messages))
    await eventually(lambda: wire.run(command("PUBLISH", "channel", "x", parse=int)) == 2)
    assert await hearing == ("channel", "x")
    wait_until(lambda: listener.drain(lambda *message: heard.append(message), 1) and heard)
    assert heard[-1] == ("channel", b"x")
    await messages.aclose()
    listener.close()
    await awaited.close()
    wire.close()


def test_a_worker_and_the_command_line_speak_tls(start, certificates, start_worker, capsys):
    server = start(ask=True)
    client = f"ssl_certfile={certificates.client}&ssl_keyfile={certificates.client}"
    url = f"rediss://localhost:{server.port}/0?ssl_ca_certs={certificates.ca}&{client}"
    with server.client() as raw:
        raw.lpush("tc:task_queue", "outer")
        options = {"app": "tests.acl_app:app", "queues": ("task_queue", "mail"), "arguments": ("--prefix", "tc:")}
        start_worker(url=url, wait=False, **options)
        wait_until(lambda: int(raw.hget("{tc:mail}:stats", "done") or 0) >= 2, 20, "tasks are done")
    assert call(["-u", url, "--prefix", "tc:", "status"]) == 0
    assert f"localhost:{server.port}/0" in capsys.readouterr().out


def test_who_cannot_prove_to_be_the_server_is_not_trusted(start, certificates):
    server = start()
    trusted = f"ssl_ca_certs={certificates.ca}"
    assert "certificate verify failed" in refusal(f"rediss://127.0.0.1:{server.port}")
    assert "certificate verify failed" in refusal(f"rediss://127.0.0.2:{server.port}?{trusted}")
    assert over(f"rediss://127.0.0.1:{server.port}?{trusted}").run(PING) == b"PONG"
    # Somebody who does not know that it is TLS gets no answer, and is not kept waiting.
    refusal(f"redis://127.0.0.1:{server.port}")


def test_a_server_that_asks_for_a_certificate_lets_nobody_in_without_one(start, certificates):
    server = start(ask=True)
    assert "S3cr3t" not in refusal(f"rediss://:S3cr3t@127.0.0.1:{server.port}?ssl_ca_certs={certificates.ca}")


def test_a_certificate_that_is_not_looked_at_is_a_warning(start):
    server = start(settings={"appendonly": "yes"})
    with closing(NativeBackend(Settings(url=f"rediss://127.0.0.1:{server.port}?ssl_cert_reqs=none"))) as backend:
        overview = backend.overview()
    assert overview.server.unverified
    assert "TLS" in {word for verdict in judge(overview) for word in verdict.text.split()}


def test_sentinels_and_the_master_they_name_are_both_asked_over_tls(start, certificates):
    master = start()
    trust = {"tls-replication": "yes"}
    watched = f"monitor mymaster 127.0.0.1 {master.port} 1"
    sentinel = start(SentinelServer, settings={**trust, "port": "0", "sentinel": watched})
    url = f"rediss+sentinel://127.0.0.1:{sentinel.port}/mymaster?ssl_ca_certs={certificates.ca}"
    assert over(url).run(command("ROLE", parse=lambda reply: reply[0])) == b"master"
    assert "certificate verify failed" in refusal(url.partition("?")[0])


async def test_the_nodes_of_a_cluster_are_reached_over_tls(start, certificates):
    node = start(settings={"cluster-enabled": "yes", "tls-cluster": "yes", "port": "0"})
    with node.client() as client:
        client.execute_command("CLUSTER", "ADDSLOTS", *range(16_384))
        wait_until(lambda: _is_up(client), 20, "the cluster is up")
    settings = Settings(url=f"rediss+cluster://127.0.0.1:{node.port}?ssl_ca_certs={certificates.ca}")
    wire, awaited = open_wire(settings), open_async_wire(settings)
    push = command("LPUSH", "task_queue", "x", parse=int)
    assert [wire.run(push), await awaited.run(push)] == [1, 2]
    with pytest.raises(StoreUnavailable, match="certificate verify failed"):
        open_wire(Settings(url=settings.url.partition("?")[0])).run(push)
    await awaited.close()
    wire.close()


def _is_up(client) -> bool:
    return b"cluster_state:ok" in client.execute_command("CLUSTER", "INFO")
