"""The connections: lost, late and crossed answers, refusals, script caches."""

from __future__ import annotations

import asyncio
import os
import threading

import pytest
import redis

from taskconsole.config import Settings
from taskconsole.errors import (
    AccessDenied,
    ConfigError,
    ServerTooOld,
    StoreError,
    StoreFull,
    StoreNotReady,
    StoreUnavailable,
    WrongType,
)
from taskconsole.store.call import Call, command
from taskconsole.store.dialing import connection_options
from taskconsole.store.wire import AsyncWire, Wire, check_version, translate
from tests.faultproxy import FaultProxy
from tests.servers import eventually
from tests.store.rig import QUEUE


def echo(text: str) -> Call[str]:
    return command("ECHO", text, parse=lambda reply: reply.decode())


@pytest.fixture
def proxy(store_url):
    with FaultProxy(store_url) as made:
        yield made


@pytest.fixture
async def wire(proxy):
    made = AsyncWire(Settings(url=proxy.url, timeout=0.3))
    yield made
    await made.close()


async def test_an_answer_that_does_not_come_is_said_to_be_missing(wire, proxy):
    assert await wire.run(echo("a")) == "a"
    proxy.down.blackhole = True
    with pytest.raises(StoreUnavailable):
        await wire.run(echo("b"))


async def test_a_url_may_say_how_long_an_answer_is_waited_for(proxy):
    settings = Settings(url=f"{proxy.url}{'&' if '?' in proxy.url else '?'}socket_timeout=0.3", timeout=30)
    awaited, blocking, patient = AsyncWire(settings), Wire(settings), Wire(settings, timeout=5)
    for wire in (blocking, patient):
        wire.run(echo("a"))
    await awaited.run(echo("a"))
    proxy.down.latency = 0.6
    with pytest.raises(StoreUnavailable):
        await awaited.run(echo("b"))
    with pytest.raises(StoreUnavailable):
        blocking.run(echo("b"))
    assert patient.run(echo("b")) == "b"
    for wire in (blocking, patient):
        wire.close()
    await awaited.close()


async def test_a_late_answer_is_never_taken_for_the_next_one(wire, proxy):
    await wire.run(echo("first"))
    proxy.down.latency = 0.6
    with pytest.raises(StoreUnavailable):
        await wire.run(echo("late"))
    proxy.heal()
    for i in range(20):
        assert await wire.run(echo(str(i))) == str(i)


async def test_a_cancelled_call_takes_its_answer_with_it(wire, proxy):
    await wire.run(echo("first"))
    proxy.down.latency = 0.05
    for i in range(20):
        call = asyncio.create_task(wire.run(echo(f"cancelled {i}")))
        await asyncio.sleep(0.0)
        call.cancel()
        await asyncio.wait([call])
    proxy.heal()
    assert await wire.run(echo("mine")) == "mine"


async def test_a_wait_of_its_own_length_outlasts_the_wires_timeout(wire, proxy):
    blocked = asyncio.create_task(wire.run(command("BLPOP", "nothing", 0.6, parse=lambda r: r), timeout=5.0))
    assert await blocked is None


async def test_calls_from_many_tasks_get_their_own_answers(wire):
    texts = [str(i) for i in range(100)]
    assert await asyncio.gather(*(wire.run(echo(text)) for text in texts)) == texts


async def test_a_refused_call_of_several_stands_in_its_place(wire, rig):
    rig.raw.set("text", "x", ex=100)
    answers = await wire.run_all([echo("a"), command("LLEN", "text", parse=int), echo("c")])
    assert answers[0] == "a"
    assert isinstance(answers[1], WrongType)
    assert answers[2] == "c"
    assert await wire.run_all([]) == []


async def test_an_async_wire_sends_a_script_that_the_server_has_forgotten(wire, rig):
    await wire.run(rig.enqueue([b"a"], seq=1))
    rig.raw.script_flush()
    answers = await wire.run_all([echo("x"), rig.enqueue([b"b"], seq=2)])
    assert answers == ["x", 2]


async def test_a_reset_connection_is_made_anew(wire, proxy):
    await wire.run(echo("a"))
    proxy.drop_replies(1)
    with pytest.raises(StoreUnavailable):
        await wire.run(echo("b"))
    assert await wire.run(echo("c")) == "c"


async def test_flipped_bytes_end_in_a_missing_answer_or_a_refusal_and_nothing_else(wire, proxy):
    proxy.down.flip = 0.5
    outcomes = set()
    for i in range(60):
        try:
            await wire.run(echo(str(i)))
            outcomes.add("answer")
        except StoreUnavailable:
            outcomes.add("missing")
        except StoreError:
            outcomes.add("refused")
    assert outcomes & {"missing", "refused"}


async def test_a_connection_to_a_master_that_has_been_demoted_is_given_up(make_server):
    server, elsewhere = make_server(), make_server(tcp=True)
    settings = Settings(url=server.url)
    blocking, awaited, waiting = Wire(settings), AsyncWire(settings), AsyncWire(settings)
    number, write = command("CLIENT", "ID", parse=int), command("SET", "mark", "x", parse=bytes)
    before = [blocking.run(number), await awaited.run(number), await waiting.run(number)]
    blocked = asyncio.create_task(waiting.run(command("BLPOP", "nothing", 30, parse=list), timeout=40))
    with server.client() as client:
        await eventually(lambda: client.info("clients")["blocked_clients"] == 1)
        client.replicaof("127.0.0.1", elsewhere.port)
        with pytest.raises(StoreNotReady):
            blocking.run(write)
        with pytest.raises(StoreNotReady):
            await awaited.run(write)
        with pytest.raises(StoreNotReady):
            await blocked
        client.replicaof("NO", "ONE")
    after = [blocking.run(number), await awaited.run(number), await waiting.run(number)]
    assert not set(before) & set(after)
    blocking.close()
    await awaited.close()
    await waiting.close()


# -- the blocking wire


def test_a_blocking_call_without_an_answer_is_said_to_be_missing(proxy):
    wire = Wire(Settings(url=proxy.url, timeout=0.3))
    wire.run(echo("a"))
    proxy.down.latency = 0.6
    with pytest.raises(StoreUnavailable):
        wire.run(echo("late"))
    proxy.heal()
    assert [wire.run(echo(str(i))) for i in range(10)] == [str(i) for i in range(10)]
    wire.close()


def test_a_blocking_wire_sends_a_script_that_the_server_has_forgotten(rig):
    rig.run(rig.enqueue([b"a"], seq=1))
    rig.raw.script_flush()
    assert rig.run(rig.enqueue([b"b"], seq=2)) == 2
    rig.raw.script_flush()
    assert rig.wire.run_all([echo("x"), rig.enqueue([b"c"], seq=3)]) == ["x", 3]


def test_threads_that_share_a_wire_get_their_own_answers(rig):
    wrong = []

    def ask(name: int) -> None:
        for i in range(100):
            text = f"{name}-{i}"
            if rig.run(echo(text)) != text:
                wrong.append(text)

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_does_not_talk_on_its_parents_connection(rig):
    rig.run(echo("parent"))
    ours = rig.run(command("CLIENT", "ID", parse=int))
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, str(rig.run(command("CLIENT", "ID", parse=int))).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert int(os.read(reader, 100)) != ours
    assert rig.run(command("CLIENT", "ID", parse=int)) == ours
    os.close(reader)
    os.close(writer)


# -- what goes wrong, in our words


def test_a_wrong_type_is_told_as_such_from_scripts_and_commands(rig):
    rig.raw.set(QUEUE, "x", ex=100)
    for call in (rig.enqueue([b"a"]), command("LPUSH", QUEUE, "a", parse=int)):
        with pytest.raises(WrongType):
            rig.run(call)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("NOPERM this user has no permissions", AccessDenied),
        ("WRONGPASS invalid username-password pair", AccessDenied),
        ("Error running script (call to f_x): @user_script:1: -NOPERM no", AccessDenied),
        ("Error running script: The user executing the script can't run this command or subcommand", AccessDenied),
        ("LOADING Redis is loading the dataset in memory", StoreNotReady),
        ("MISCONF Redis is configured to save RDB snapshots", StoreNotReady),
        ("Error running script (call to f_x): @user_script: 3: -MISCONF Errors writing", StoreNotReady),
        ("Error running script (call to f_x): @user_script: 3: -READONLY You can't", StoreNotReady),
        ("READONLY You can't write against a read only replica.", StoreNotReady),
        ("BUSY Redis is busy running a script.", StoreNotReady),
        ("UNBLOCKED force unblock from blocking operation", StoreNotReady),
        ("NOREPLICAS Not enough good replicas to write.", StoreNotReady),
        ("OOM command not allowed when used memory > 'maxmemory'.", StoreFull),
        ("Error running script (call to f_x): @user_script: 3: -OOM command not allowed", StoreFull),
        ("invalid DB index", AccessDenied),
        ("ERR something else", StoreError),
    ],
)
def test_refusals_by_the_server_have_a_kind(text, kind):
    import redis  # noqa: PLC0415 - only to raise what it raises

    assert type(translate(redis.ResponseError(text), "here")) is kind


def test_the_password_is_in_no_message(store_url):
    settings = Settings(url="redis://user:S3cr3t@127.0.0.1:1/0", timeout=0.2)
    with pytest.raises(StoreUnavailable) as raised:
        Wire(settings).run(echo("a"))
    assert "S3cr3t" not in str(raised.value)
    assert "127.0.0.1:1/0" in str(raised.value)


def test_a_url_that_cannot_be_used_is_refused_before_anything_is_sent():
    with pytest.raises(ConfigError):
        connection_options(Settings(url="http://localhost"), 1.0)


@pytest.mark.parametrize("version", ["6.2.0", "7.4.1", "10.0.0", ""])
def test_servers_from_6_2_on_are_good_enough(version):
    assert check_version(f"# Server\r\nredis_version:{version}\r\n", "here") == version


@pytest.mark.parametrize("version", ["6.0.16", "5.0.3", "2.8.1"])
def test_older_servers_are_refused(version):
    with pytest.raises(ServerTooOld):
        check_version(f"redis_version:{version}\r\n", "here")


def test_a_user_who_may_not_name_connections_gets_one_without_a_name(make_server):
    server = make_server()
    with server.client() as client:
        client.acl_setuser("shy", enabled=True, passwords=["+pw"], commands=["+ping"], keys=["*"])
        wire = Wire(Settings(url=server.url.replace("unix://", "unix://shy:pw@")))
        assert wire.run(command("PING", parse=bytes)) == b"PONG"
        assert [each["name"] for each in client.client_list() if each["user"] == "shy"] == [""]
        with pytest.raises(AccessDenied):
            wire.run(command("TIME", parse=list))
        wire.close()


def test_what_a_script_met_is_told_without_the_script():
    met = redis.ResponseError(
        "Error running script (call to f_0cd10d68367e84): @user_script:37: @user_script: 37: "
        "-READONLY You can't write against a read only replica."
    )
    told = translate(met, "h:1")

    assert isinstance(told, StoreNotReady)
    assert str(told) == "Redis at h:1 is not ready: READONLY You can't write against a read only replica."


def test_a_connection_that_fails_in_the_middle_of_coming_up_is_closed(store_url, monkeypatch):
    seen = []

    def fail(connection, **_):
        seen.append(connection)
        raise OSError("bad record mac")

    monkeypatch.setattr(redis.connection.AbstractConnection, "on_connect_check_health", fail)
    with pytest.raises(StoreUnavailable, match="bad record mac"):
        Wire(Settings(url=store_url)).run(echo("a"))
    assert [connection._sock for connection in seen] == [None]
