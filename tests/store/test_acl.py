"""The least rights that `doctor --acl` prints: they are enough for everything we do, and for nothing else."""

from __future__ import annotations

import json
import re
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest
import redis

import taskconsole
from taskconsole import Every
from taskconsole.backends.commands import (
    AbortTask,
    AddSchedule,
    Delete,
    DeleteTasks,
    Enqueue,
    Matching,
    MoveTasks,
    PauseQueue,
    PauseSchedule,
    Purge,
    RemoveSchedule,
    Reschedule,
    RescheduleTasks,
    ResumeQueue,
    ResumeSchedule,
    RetryTasks,
    RunTasks,
    SignalWorker,
    TriggerSchedule,
    Undo,
)
from taskconsole.backends.native import NativeBackend
from taskconsole.cli.root import call
from taskconsole.config import Settings
from taskconsole.errors import AccessDenied, ConfigError
from taskconsole.model.search import Search
from taskconsole.model.state import State
from taskconsole.model.stats import TaskRow
from taskconsole.schedules import build_definition
from taskconsole.store.acl import _READING, PASSWORD, acl_users, called_by
from taskconsole.store.keys import Namespace
from tests.servers import connect, wait_until

PREFIX = "tc:"
KEYS = Namespace(PREFIX).of("task_queue")
MAIL = Namespace(PREFIX).of("mail")
EVENT = b'{"event":"x"}'


class Guarded:
    """A server with our users in it, and what it has refused them."""

    def __init__(self, server) -> None:
        self.server = server
        with self.raw() as client:
            for user in acl_users("redis://h", PREFIX):
                client.execute_command("ACL", "SETUSER", user.name, *user.rules)

    def raw(self):
        return self.server.client()

    def url(self, name: str) -> str:
        return self.server.url.replace("unix://", f"unix://taskconsole-{name}:{quote(PASSWORD)}@")

    def backend(self, name: str) -> NativeBackend:
        return NativeBackend(Settings(url=self.url(name), prefix=PREFIX))

    def refused(self) -> set[str]:
        with self.raw() as client:
            return {f"{entry['username']}: {entry['object']}, {entry['context']}" for entry in client.acl_log(100)}


def _text(value) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


@pytest.fixture
def guarded(make_server):
    return Guarded(make_server())


def test_a_worker_and_a_scheduler_do_everything_with_the_workers_rights(guarded, start_worker):
    options = {
        "url": guarded.url("worker"),
        "app": "tests.acl_app:app",
        "queues": ("task_queue", "mail"),
        "arguments": ("--prefix", PREFIX, "--lease", "0.6"),
        "wait": False,
    }
    with guarded.raw() as client:
        # As strangers bring tasks: at once, later, for another queue.
        client.lpush("tc:task_queue", "outer")
        client.zadd("tc:delayed_tasks", {"outer": 0, '{"task":"fail","queue":"mail"}': 0})
        client.hset(KEYS.schedules, "by hand", json.dumps({"every": 1, "task": "outer"}))
        start_worker(**options)
        wait_until(lambda: client.zcard(MAIL.dead) == 1, 20, "a task dies after its retries")
        wait_until(lambda: int(client.hget(MAIL.stats, "done") or 0) >= 4, 20, "tasks from within are done")
        wait_until(lambda: int(client.hget(KEYS.stats, "fired") or 0) >= 3, 20, "schedules fire")
        client.lpush("tc:task_queue", "die")
        for _ in range(2):
            worker = start_worker(**options)
            wait_until(
                lambda: client.hget(KEYS.stats, "reclaimed") or client.zcard(KEYS.dead), 30, "a dead one is found"
            )
        wait_until(lambda: client.zcard(KEYS.dead) == 1, 30, "a task that kills its workers is buried")
        wait_until(lambda: client.exists(KEYS.log), 5)
    scheduler = start_worker(**options)
    scheduler.stop()
    worker.stop()
    assert guarded.refused() == set()


def test_operators_do_everything_with_the_consoles_rights(guarded):
    with guarded.raw() as client, closing(guarded.backend("console")) as backend:
        _fill(client)
        _look(backend)
        _act(backend)
        _operate(backend, client)
        refused = backend.server().refused
    assert refused == ("CLIENT LIST: an ACL forbids it",)
    assert {entry for entry in guarded.refused() if "client" not in entry.partition(":")[2]} == set()


def _fill(client) -> None:
    """Something in every place."""
    client.sadd("tc:taskconsole:queues", "task_queue", "mail")
    client.lpush(KEYS.queue, "a", '{"task":"b","id":"i"}')
    client.zadd(KEYS.delayed, {"later": 1, '{"task":"c","id":"late"}': time.time() + 500})
    client.zadd("tc:delayed_tasks", {"public": time.time() + 500, "stuck": 1})
    client.zadd(KEYS.dead, {'{"task":"d","id":"dead","errors":[{"error":"ValueError: x","at":1}]}': time.time()})
    client.zadd(KEYS.workers, {"w": time.time() * 1000 + 9e6})
    client.hset(KEYS.worker("w"), mapping={"host": "h", "blocked": "3", "suspects": "x"})
    client.lpush(KEYS.processing("w"), '{"task":"e","id":"held","redelivered":2}')
    client.lpush(KEYS.done, '{"task":"f","id":"done"}')
    client.xadd(KEYS.log, {"e": EVENT})
    client.zadd(KEYS.next, {"gone": 1})


def _look(backend: NativeBackend) -> None:
    """Everything that only reads."""
    assert backend.overview().queues
    for state in State:
        rows, _ = backend.tasks("task_queue", state)
        assert rows
        assert backend.task(rows[0]) is not None
    assert backend.delayed()[1] == 4
    assert backend.failures().groups
    assert backend.workers()
    backend.schedules()
    assert backend.schedule("nothing", "task_queue") is None
    assert backend.history()
    found = []
    backend.search(Search(text="late"), lambda progress: found.extend(progress.found) or True)
    assert found
    assert backend.server().keys
    rounds = iter((False, True))
    backend.listen(lambda _events: None, lambda: next(rounds))


def _act(backend: NativeBackend) -> None:
    """Every command of the backend."""
    definition = build_definition(Every(3600), "a", {}, owner="operator")
    named = {"name": "s", "queue": "mail", "by": "me"}
    for command in (
        Enqueue(queue="mail", task="a"),
        Enqueue(queue="mail", task="a", delay=600, bare=True),
        Reschedule(queue="mail", task=b"a", due="+700", by="me"),
        Delete(queue="mail", task=b"a", by="me"),
        Reschedule(queue="task_queue", task="late", due="+700", by="me"),
        Reschedule(queue="task_queue", task=b"public", due="+700", by="me"),
        Delete(queue="task_queue", task=b"public", by="me"),
        PauseQueue(queue="mail", by="me"),
        ResumeQueue(queue="mail", by="me"),
        AddSchedule(definition=definition, **named),
        PauseSchedule(**named),
        ResumeSchedule(**named),
        TriggerSchedule(**named),
        RemoveSchedule(**named),
    ):
        assert backend.apply(command).changed, command
    backend.schedules()
    backend.schedule("s", "mail")


def _operate(backend: NativeBackend, client) -> None:
    """What is done to tasks and workers as they are seen, and its undoing."""
    client.rpush(KEYS.queue, *(f"p{i}" for i in range(3_000)))
    client.zadd(KEYS.dead, {f"x{i}": i for i in range(3)})

    def seen(state: State, offset: int = 0) -> tuple[TaskRow, ...]:
        return tuple(backend.tasks("task_queue", state, offset=offset, limit=1)[0])

    for make in (
        lambda: DeleteTasks(which=seen(State.PENDING), by="me"),
        lambda: DeleteTasks(which=seen(State.PENDING, 1_500), by="me"),
        lambda: RunTasks(which=seen(State.PENDING, 1_500), by="me"),
        lambda: RetryTasks(which=seen(State.DEAD), by="me"),
        lambda: RescheduleTasks(which=seen(State.DELAYED), due="+900", by="me"),
        lambda: MoveTasks(which=seen(State.PENDING, 1_500), to="mail", by="me"),
        lambda: MoveTasks(which=seen(State.DEAD), to="mail", by="me"),
        lambda: RetryTasks(which=Matching(queue="task_queue", state=State.DEAD, text="x", agreed=9), by="me"),
        lambda: Purge(queue="task_queue", state=State.PENDING, agreed=None, by="me"),
        lambda: Purge(queue="task_queue", state=State.DELAYED, agreed=None, by="me"),
        lambda: PauseQueue(queue="task_queue", by="me"),
    ):
        command = make()
        assert backend.foresee(command).text
        applied = backend.apply(command)
        assert applied.changed, command
        if applied.undo is not None:
            assert backend.foresee(Undo(done=applied.undo, by="me")).text
            client.lpush(KEYS.queue, "new")
            client.zadd(KEYS.delayed, {"new": 9e9})
            assert backend.apply(Undo(done=applied.undo, by="me")).changed, command
    assert backend.apply(AbortTask(row=seen(State.ACTIVE)[0], by="me")).changed
    assert backend.apply(SignalWorker(worker="w", wanted="quiet", by="me")).changed
    gone = replace(seen(State.PENDING)[0], payload=b"gone", size=4)
    assert not backend.apply(DeleteTasks(which=(gone,), by="me", deep=True)).changed


def test_whoever_looks_only_sees_everything_and_changes_nothing(guarded):
    with guarded.raw() as client, closing(guarded.backend("reader")) as backend:
        _fill(client)
        before = _everything(client)
        _look(backend)
        assert backend.server().refused == ("CLIENT LIST: an ACL forbids it",)
        definition = build_definition(Every(3600), "a", {}, owner="operator")
        named = {"name": "s", "queue": "mail", "by": "me"}
        for command in (
            Enqueue(queue="task_queue", task="a"),
            Enqueue(queue="task_queue", task="a", delay=60),
            Reschedule(queue="task_queue", task="late", due="+7", by="me"),
            Delete(queue="task_queue", task="late", by="me"),
            PauseQueue(queue="task_queue", by="me"),
            AddSchedule(definition=definition, **named),
        ):
            with pytest.raises(AccessDenied):
                backend.apply(command)
        assert _everything(client) == before


def _everything(client) -> dict[bytes, bytes]:
    return {key: client.dump(key) for key in client.keys()}  # noqa: SIM118 - no dict


NOBODYS = ("auth", "hello", "quit", "reset")
"""Commands that Redis lets everybody give."""


@pytest.mark.parametrize("name", ["worker", "console", "reader"])
def test_every_other_command_is_denied(guarded, name):
    user = next(user for user in acl_users("redis://h", PREFIX) if user.name.endswith(name))
    allowed_of = {command.partition("|")[0] for command in user.commands if "|" in command}
    with guarded.raw() as root:
        every = _every_command(root)
    denied = 0
    with closing(connect(guarded.url(name))) as client:
        for command, words in every.items():
            if command in user.commands or command in NOBODYS or (command in allowed_of and len(words) == 0):
                continue
            assert _is_denied(client, *command.split("|"), *(f"{PREFIX}x" for _ in words)), command
            denied += 1
    assert denied > 100


def _is_denied(client, *words: str) -> bool:
    try:
        client.execute_command(*words)
    except redis.exceptions.ResponseError as error:
        # EXEC says it inside another error; DEBUG and MODULE nobody may use unless the server was started for it.
        return "permission" in str(error) or "command not allowed" in str(error)
    return False


def _every_command(root) -> dict[str, list[None]]:
    """All commands (`client|list` too, where the server lists those), with as many arguments as they need."""
    found = {}
    for entry in root.execute_command("COMMAND").values():
        subcommands = entry.get("subcommands") or []
        for name, arity in [(entry["name"], entry["arity"]), *((_text(s[0]), int(s[1])) for s in subcommands)]:
            spoken = len(_text(name).split("|"))
            found[_text(name).lower()] = [None] * max(0, abs(arity) - spoken)
        if subcommands:
            del found[entry["name"].lower()]
    return found


@pytest.mark.parametrize("name", ["worker", "console", "reader"])
def test_nobody_comes_near_the_keys_and_channels_of_others(guarded, name):
    with closing(connect(guarded.url(name))) as client:
        for refused in (
            lambda: client.llen("theirs"),
            lambda: client.llen("{theirs}:tc:"),
            lambda: client.eval("return redis.call('LLEN', KEYS[1])", 1, "theirs"),
            lambda: client.eval("return redis.call('LLEN', 'theirs')", 0),
            lambda: client.eval("return redis.call('FLUSHALL')", 0),
            lambda: client.publish("theirs", "x"),
        ):
            with pytest.raises(redis.exceptions.ResponseError, match=r"permission|can't (run|access)"):
                refused()
        with closing(client.pubsub()) as listener:
            listener.subscribe("theirs")
            with pytest.raises(redis.exceptions.NoPermissionError):
                listener.get_message(timeout=5)
        assert client.llen(KEYS.queue) == client.llen(KEYS.done) == 0


def test_whoever_looks_only_has_no_command_that_writes(raw):
    reader = next(user for user in acl_users("redis://h", "") if user.name.endswith("reader"))
    flags = {_text(entry["name"]): entry["flags"] for entry in raw.execute_command("COMMAND").values()}
    writing = {command for command in reader.commands if "write" in flags.get(command.partition("|")[0], ())}
    assert writing == set()
    assert called_by(_READING) <= reader.commands


def test_nobody_has_a_command_that_nothing_of_ours_sends():
    sources = "\n".join(file.read_text() for file in Path(taskconsole.__file__).parent.rglob("*.py"))
    scripts = "\n".join(file.read_text() for file in Path(taskconsole.__file__).parent.rglob("*.lua"))
    # redis-py sends these two when it connects.
    granted = set().union(*(user.commands for user in acl_users("redis+cluster://h", ""))) - {
        "client|setname",
        "select",
    }
    for command in granted:
        words = command.upper().split("|")
        by_us = re.search(r",\s*".join(f'"{word}"' for word in words), sources)
        assert by_us or re.search(", *".join(f"'{word}'" for word in words), scripts), f"{command} is used nowhere"


def test_nobody_has_a_dangerous_command_but_two_that_only_read(raw):
    dangerous = {_text(name) for name in raw.execute_command("ACL", "CAT", "dangerous")}
    for user in acl_users("redis://h", ""):
        whole = {command.partition("|")[0] for command in user.commands if command != "client|setname"}
        assert (whole | user.commands) & dangerous <= {"info", "slowlog", "slowlog|get"}


def test_a_prefix_is_taken_literally_and_must_fit_into_a_rule():
    assert acl_users("redis://h", "a*[b]")[0].keys == (r"a\*\[b\]*", r"{a\*\[b\]*")
    assert acl_users("redis://h", "")[0].keys == acl_users("redis://h", "")[0].channels == ("*",)
    with pytest.raises(ConfigError, match="white space"):
        acl_users("redis://h", "a b")


def test_the_rights_to_find_a_server_are_given_where_they_are_needed():
    extra = {
        url: acl_users(url, "")[2].commands - acl_users("redis://h", "")[2].commands
        for url in ("redis+cluster://h", "redis+sentinel://h/m")
    }
    assert extra == {"redis+cluster://h": {"asking", "cluster|slots"}, "redis+sentinel://h/m": {"role"}}
    assert acl_users("redis+sentinel://h/m", "")[-1].line.endswith("-@all +sentinel|get-master-addr-by-name")


def test_doctor_prints_the_users_for_the_prefix_and_asks_no_redis(capsys):
    assert call(["-u", "redis://127.0.0.1:1", "--prefix", PREFIX, "doctor", "--acl"]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines() == [user.line for user in acl_users("redis://h", PREFIX)]
    assert call(["-u", "redis://127.0.0.1:1", "--prefix", PREFIX, "doctor", "--acl", "--json"]) == 0
    users = json.loads(capsys.readouterr().out)["users"]
    assert [user["rules"] for user in users] == [user.rules for user in acl_users("redis://h", PREFIX)]
