"""The server in detail: what it says of itself, what it refuses, and what is never shown."""

from __future__ import annotations

import pytest
import redis

from taskconsole.backends import server as server_module
from taskconsole.backends.native import NativeBackend
from taskconsole.backends.server import shortened
from taskconsole.config import Settings
from taskconsole.errors import StoreUnavailable
from taskconsole.store import server as server_store
from tests.faultproxy import FaultProxy

SECRET = "S3cr3t-marker"


@pytest.fixture
def backend(store_url):
    backend = NativeBackend(Settings(url=store_url))
    yield backend
    backend.close()


def as_user(server, rules):
    """A backend whose user may do what the rules say."""
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "ops", "on", f">{SECRET}", "~*", "&*", "-@all", *rules)
    return NativeBackend(Settings(url=server.url.replace("unix://", f"unix://ops:{SECRET}@")))


def test_it_says_what_the_server_says(backend, raw):
    seen = backend.server()
    assert seen.info["redis_version"] == raw.info("server")["redis_version"]
    assert abs(seen.at - raw.time()[0]) < 5
    assert seen.connected >= 1
    assert seen.refused == ()


def test_keys_are_counted_and_measured_by_queue_and_class(backend, raw):
    raw.sadd("taskconsole:queues", "mail", "empty", "a{b}", b"\xff")
    raw.lpush("mail", *["x" * 1_000] * 500)
    raw.zadd("{mail}:delayed", {"a": 1, "b": 2})
    raw.zadd("{mail}:dead", {"d": 1})
    raw.lpush("{mail}:done", "e")
    raw.xadd("{mail}:log", {"e": "x"})
    raw.hset("{mail}:schedules", "s", "{}")
    raw.zadd("delayed_tasks", {"p": 1})

    keys = {(key.queue, key.what): key for key in backend.server().keys}

    assert {name: key.elements for name, key in keys.items()} == {
        ("mail", "pending"): 500,
        ("mail", "delayed"): 2,
        ("mail", "dead"): 1,
        ("mail", "done"): 1,
        ("mail", "log"): 1,
        ("mail", "schedules"): 1,
        ("task_queue", "delayed, public"): 1,
    }
    assert 450_000 < keys["mail", "pending"].bytes < 1_000_000
    assert all(key.bytes for key in keys.values())


def test_at_most_fifty_queues_are_measured_and_that_is_said(backend, raw):
    raw.sadd("taskconsole:queues", *[f"q{n:03}" for n in range(80)])
    for n in range(80):
        raw.lpush(f"q{n:03}", "x")
    seen = backend.server()
    assert len(seen.keys) == 50
    assert seen.refused == ("MEMORY USAGE: asked for 50 of 81 queues only",)


def test_the_slow_log_is_there_newest_first_and_at_most_ten(make_server):
    server = make_server(settings={"slowlog-log-slower-than": "0"})
    backend = NativeBackend(Settings(url=server.url))
    with server.client() as client:
        for n in range(30):
            client.lrange(f"key-{n}", 0, n)
        client.lpush("q", f"{SECRET} payload")
        client.set("otp", "123456")
        seen = backend.server()
    backend.close()
    assert seen.slow is not None
    assert len(seen.slow) == 10
    assert [entry.at for entry in seen.slow] == sorted((entry.at for entry in seen.slow), reverse=True)
    commands = [entry.command for entry in seen.slow]
    assert "LRANGE key-29 0 29" in commands
    assert "LPUSH q …" in commands
    assert "SET otp …" in commands
    assert all(entry.ms >= 0 for entry in seen.slow)


def test_connections_of_ours_are_listed_and_those_of_others_only_counted(backend, store_url):
    backend.overview()
    with redis.Redis.from_url(store_url, client_name="else") as other:
        other.ping()
        seen = backend.server()
    assert seen.clients is not None
    assert {client.name for client in seen.clients} == {"taskconsole"}
    assert all(client.memory > 0 and client.address for client in seen.clients)
    assert seen.connected > len(seen.clients)


def test_of_many_connections_two_hundred_are_read_and_thousands_not_asked_for(backend, raw, monkeypatch):
    reply = b"".join(b"id=%d addr=h:%d name=taskconsole age=1 idle=x cmd=get\n" % (n, n) for n in range(500))
    found = server_store.client_list("taskconsole").parse(reply + b"id=9 addr=h:1 name=taskconsole2 age=1\n\xff\n")
    assert len(found) == 200
    assert found[0]["addr"] == "h:499"

    monkeypatch.setattr(server_module, "MANY_CLIENTS", 1)
    raw.config_resetstat()
    seen = backend.server()
    assert seen.clients is None
    assert "too many to list" in " ".join(seen.refused)


def test_a_key_of_another_type_is_named(backend, raw):
    raw.sadd("taskconsole:queues", "mail")
    raw.set("mail", "oops")
    raw.zadd("{mail}:dead", {"d": 1})
    seen = backend.server()
    assert [(key.queue, key.what) for key in seen.keys] == [("mail", "dead")]
    assert "the pending tasks of mail are in a key of another type" in " ".join(seen.refused)


def test_a_user_who_may_only_ping_still_gets_an_answer(make_server):
    backend = as_user(make_server(), ["+ping", "+auth"])
    seen = backend.server()
    backend.close()
    assert (seen.info, seen.slow, seen.clients, seen.keys, seen.connected) == ({}, None, None, (), 0)
    assert seen.at > 1_500_000_000
    named = {text.partition(":")[0] for text in seen.refused}
    assert {"TIME", "INFO", "SLOWLOG", "SMEMBERS", "CLIENT LIST", "LLEN", "ZCARD", "MEMORY USAGE"} <= named
    assert len(seen.refused) == len(named) < 15
    assert SECRET not in repr(seen)


def test_what_is_allowed_is_shown_though_the_rest_is_refused(make_server):
    server = make_server()
    with server.client() as client:
        client.lpush("task_queue", "x")
    backend = as_user(server, ["+ping", "+info", "+time", "+llen", "+zcard", "+smembers", "+xlen", "+hlen"])
    seen = backend.server()
    backend.close()
    assert seen.info["redis_version"]
    assert [(key.what, key.elements, key.bytes) for key in seen.keys] == [("pending", 1, None)]
    assert [text.partition(":")[0] for text in seen.refused] == ["SLOWLOG", "CLIENT LIST", "MEMORY USAGE"]


def test_a_command_that_was_renamed_away_is_refused_too(make_server):
    backend = NativeBackend(Settings(url=make_server(settings={"rename-command": 'SLOWLOG ""'}).url))
    seen = backend.server()
    backend.close()
    assert seen.slow is None
    assert seen.refused[0].startswith("SLOWLOG: ")


def test_no_password_is_in_it(make_server):
    server = make_server(password=SECRET, tcp=True, settings={"slowlog-log-slower-than": "0"})
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "u", "on", f">{SECRET}")
        client.execute_command("CONFIG", "SET", "masterauth", SECRET)
        client.execute_command("HELLO", "3", "AUTH", "default", SECRET)
        client.execute_command("HELLO", "2")
    backend = NativeBackend(Settings(url=server.tcp_url))
    seen = backend.server()
    backend.close()
    assert seen.slow
    assert SECRET not in repr(seen)


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("GET key", "GET key"),
        ("lpush q payload", "LPUSH q …"),
        ("LRANGE q 0 -1", "LRANGE q 0 -1"),
        ("ZREVRANGE q 0 10 WITHSCORES", "ZREVRANGE q 0 10 …"),
        ("ZADD d 1790000000 pay", "ZADD d …"),
        ("SET otp 123456", "SET otp …"),
        ("AUTH default pw", "AUTH …"),
        ("HELLO 3 AUTH u pw", "HELLO …"),
        ("CONFIG SET requirepass 123", "CONFIG SET …"),
        ("ACL SETUSER u >pw", "ACL SETUSER …"),
        ("MIGRATE h 6379 k 0 5 AUTH pw", "MIGRATE h …"),
        ("EVALSHA abc 2 k1 k2 pay", "EVALSHA abc 2 k1 …"),
        ("EVAL return(1) 1 k pay", "EVAL … 1 k …"),
        ("EVAL return(1) 0 pay", "EVAL … …"),
        ("EVALSHA abc", "EVALSHA abc"),
        ("KEYS *", "KEYS *"),
        ("PING", "PING"),
    ],
)
def test_a_command_is_shown_without_what_it_carries(command, shown):
    assert shortened(tuple(command.encode().split(b" "))) == shown


@pytest.mark.parametrize("args", [(), (b"",), (b"\xff" * 500,), (b"GET", b"k" * 500), (b"GET", b"\x1b[2J\n")])
def test_any_command_is_short_and_raises_nothing(args):
    assert len(shortened(args)) <= 120


def test_a_lost_connection_is_unavailable(store_url):
    with FaultProxy(store_url) as proxy:
        backend = NativeBackend(Settings(url=proxy.url, timeout=1.0))
        assert backend.server().info
        proxy.drop_replies(1)
        with pytest.raises(StoreUnavailable):
            backend.server()
        assert backend.server().info
        backend.close()


def test_it_uses_no_command_that_walks(backend, raw):
    raw.sadd("taskconsole:queues", "q")
    raw.lpush("q", *[f"t{n}" for n in range(20_000)])
    raw.config_resetstat()
    backend.server()
    used = {name.removeprefix("cmdstat_") for name in raw.info("commandstats")}
    assert not used & {"keys", "scan", "lrange", "zrange", "hgetall", "dbsize", "debug"}
