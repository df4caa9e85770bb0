"""Redis fails in every way while somebody looks: the console stays, says in words what it is, and recovers by itself."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
import redis

from tests.console.test_terminal import restored
from tests.proofs.live import LiveConsole
from tests.servers import allowing_debug, connect, given_url, wait_until

pytestmark = [
    pytest.mark.pty,
    pytest.mark.timeout(300),
    pytest.mark.skipif(given_url() is not None, reason="needs servers of its own"),
]

PATIENCE = 60
"""Seconds in which it has to be live again: it tries every 10 s at the latest."""


@pytest.fixture
def server(make_server):
    return make_server(tcp=True, append_only=True, settings=allowing_debug())


@pytest.fixture
def raw(server):
    with closing(server.client()) as client:
        client.lpush("mail", *[b'{"task":"send_mail","id":"%d"}' % n for n in range(50)])
        client.sadd("taskconsole:queues", "mail")
        yield client


@pytest.fixture
def console(server, raw, tmp_path):
    with LiveConsole(server.tcp_url, size=(100, 30), home=tmp_path) as session:
        live(session)
        session.until("mail ")
        yield session
        session.press("\x03")
        assert session.end() == 0
        restored(session)
        assert session.stray == ""


def live(session):
    """The header says so, and nothing is old."""
    session.until(lambda: " LIVE " in session.text and "STALE" not in session.text, PATIENCE)


def says(session, *words):
    """One of the words is on the screen."""
    session.until(lambda: any(word in session.text for word in words), PATIENCE)


def test_killed_and_started_again(server, console):
    server.kill()
    says(console, "DISCONNECTED")
    assert "STALE" in console.text
    assert "mail" in console.text, "what was known is gone"
    server.start()
    live(console)
    console.press("7")
    console.until("another server answers: restart or failover", PATIENCE)


def test_stopped_for_a_while(server, console):
    with suspended(server):
        says(console, "STALE", "DISCONNECTED")
        console.press("2")
        console.until("PENDING")
    live(console)


@contextlib.contextmanager
def suspended(server):
    """The server answers nothing, and its connections stay."""
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


def test_failed_over_to_a_replica(server, raw, console, make_server):
    other = make_server(tcp=True)
    with closing(other.client()) as second:
        second.replicaof("127.0.0.1", server.port)
        wait_until(lambda: second.info("replication")["master_link_status"] == "up", 30)
        # The roles change places, as Sentinel has it; the console is still at the old address.
        second.replicaof("NO", "ONE")
        raw.replicaof("127.0.0.1", other.port)
        console.press("!")
        says(console, "REPLICA", "READ-ONLY REPLICA", "read-only")
        console.press("1")
        console.settle()
        console.press("e")
        console.until("enqueue a task")
        console.press("send_mail")
        console.settle()
        console.press("\r")
        says(console, "not done: ")
        says(console, "READONLY", "can't write against")
        raw.replicaof("NO", "ONE")
    live(console)
    console.until(lambda: "REPLICA" not in console.text, PATIENCE)


def test_loading(server, raw, console):
    # Redis looks at its clients every 2 MB while it loads; the delay is in microseconds for each key.
    for n in range(30):
        raw.set(f"filler{n}", os.urandom(1_048_576))
    raw.config_set("key-load-delay", 100_000)
    with ThreadPoolExecutor() as aside, closing(server.client(socket_timeout=60)) as loader:
        loading = aside.submit(loader.execute_command, "DEBUG", "RELOAD")
        says(console, "Redis is loading the dataset")
        loading.result(60)
    live(console)


def test_an_acl_changed_while_looking(server, raw, tmp_path):
    raw.execute_command("ACL", "SETUSER", "ana", "on", ">pw", "~*", "&*", "+@all")
    url = server.tcp_url.replace("redis://", "redis://ana:pw@")
    with LiveConsole(url, size=(100, 30), home=tmp_path) as console:
        live(console)
        raw.execute_command("ACL", "SETUSER", "ana", "-smembers")
        says(console, "ACCESS DENIED")
        assert "smembers" in console.text.lower()
        raw.execute_command("ACL", "SETUSER", "ana", "+smembers")
        # It waits for a key: the same question would get the same answer, and a locked account for it.
        console.for_seconds(1.5)
        assert "ACCESS DENIED" in console.text
        console.press("\x12")
        live(console)
        raw.execute_command("ACL", "SETUSER", "ana", ">other", "<pw")
        raw.execute_command("CLIENT", "KILL", "USER", "ana")
        says(console, "ACCESS DENIED")
        attempts = rejected(raw)
        console.for_seconds(2.5)
        assert rejected(raw) <= attempts + 1, "it goes on trying"
        assert "pw" not in console.text
        raw.execute_command("ACL", "SETUSER", "ana", ">pw")
        console.press("\x12")
        live(console)
        console.press("q")
        assert console.end() == 0


def rejected(raw):
    """Refused logins so far, as Redis logs them."""
    return sum(int(entry["count"]) for entry in raw.acl_log() if entry["reason"] == "auth")


def test_one_command_that_is_forbidden_is_named_where_it_is_missed(server, raw, console):
    raw.execute_command("ACL", "SETUSER", "default", "-slowlog", "-client")
    console.press("8")
    console.until("redis_version")
    console.press("G")
    says(console, "SLOWLOG", "CLIENT LIST")
    live(console)
    raw.execute_command("ACL", "SETUSER", "default", "+@all")


def test_out_of_memory(raw, console):
    raw.config_set("maxmemory", 1)
    live(console)
    console.press("e")
    console.until("enqueue a task")
    console.press("send_mail")
    console.settle()
    console.press("\r")
    says(console, "out of memory")
    live(console)
    raw.config_set("maxmemory", 0)
    console.press("e")
    console.until("enqueue a task")
    console.press("send_mail")
    console.settle()
    console.press("\r")
    says(console, "enqueued send_mail")


def test_no_connection_is_left_for_it(server, raw, console):
    before = int(raw.config_get("maxclients")["maxclients"])
    raw.config_set("maxclients", 1)
    raw.client_kill_filter(skipme=True, _type="normal")
    says(console, "max number of clients")
    raw.config_set("maxclients", before)
    live(console)


def test_a_script_that_keeps_the_server_busy(server, raw, console):
    raw.config_set("lua-time-limit", 50)
    endless = threading.Thread(target=run_an_endless_script, args=(server,), daemon=True)
    endless.start()
    says(console, "BUSY")
    raw.script_kill()
    endless.join(10)
    live(console)


def run_an_endless_script(server):
    with closing(server.client(socket_timeout=60)) as client, contextlib.suppress(redis.RedisError):
        client.eval("while true do end", 0)


@pytest.mark.parametrize(
    ("opened", "number", "code"),
    [("e", signal.SIGTERM, 143), ("\x10", signal.SIGHUP, 129), ("P", signal.SIGTERM, 143), (":", signal.SIGHUP, 129)],
    ids=["form", "palette", "confirmation", "command"],
)
def test_a_signal_restores_the_terminal_whatever_is_open(store_url, number, code, opened, tmp_path):
    with closing(connect(store_url)) as client:
        client.lpush("task_queue", "task1")
    with LiveConsole(store_url, home=tmp_path) as session:
        session.until("LIVE")
        session.press(opened)
        session.settle()
        session.signal(number)
        assert session.end() == code
        restored(session)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_it_while_redis_does_not_answer(server, number, code, tmp_path):
    with LiveConsole(server.tcp_url, home=tmp_path) as session:
        session.until("LIVE")
        with suspended(server):
            session.press("e\x1b")
            session.for_seconds(1)
            began = time.monotonic()
            session.signal(number)
            assert session.end() == code
            # A thread that waits for Redis must not be waited for.
            assert time.monotonic() - began < 10
        restored(session)


@pytest.mark.parametrize("reads_again", [True, False], ids=["reads again", "never reads again"])
def test_a_signal_ends_it_while_nobody_reads(store_url, reads_again, tmp_path):
    with LiveConsole(store_url, home=tmp_path, size=(200, 60)) as session:
        session.until("LIVE")
        session.press("?\x1b[27u8\x1b[27u" * 300)
        wait_until(session.is_full, 30, "its buffers are full")
        session.signal(signal.SIGTERM)
        if reads_again:
            assert session.end() in {143, -signal.SIGTERM}
            restored(session)
        else:
            wait_until(session.has_ended, 15, "it has ended")
