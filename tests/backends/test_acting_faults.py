"""What goes wrong while operators act: nothing is done by half, what was done is told, and it can be taken back."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import closing
from dataclasses import replace

import pytest

from taskconsole.backends.acting import TaskDesk
from taskconsole.backends.commands import (
    AbortTask,
    DeleteTasks,
    Enqueue,
    Matching,
    MoveTasks,
    Purge,
    RescheduleTasks,
    RetryTasks,
    RunTasks,
    Undo,
)
from taskconsole.backends.native import NativeBackend
from taskconsole.backends.undoing import Undoing
from taskconsole.config import Settings
from taskconsole.errors import (
    AccessDenied,
    StoreError,
    StoreFull,
    StoreNotReady,
    StoreUnavailable,
    TaskconsoleError,
    WrongType,
)
from taskconsole.model.state import State
from taskconsole.model.task import restored
from taskconsole.store.keys import TOMBSTONE, Namespace
from tests.faultproxy import FaultProxy
from tests.store.rig import dump_key

BY = "ada@box"
DELAYED, DEAD, STATS = "{mail}:delayed", "{mail}:dead", "{mail}:stats"
KEYS = {State.PENDING: "mail", State.DELAYED: DELAYED, State.DEAD: DEAD}
TASKS = (*KEYS.values(), "other", "{other}:delayed", "{other}:dead")

ACTS = {
    "delete": lambda which: DeleteTasks(which=which, by=BY),
    "retry": lambda which: RetryTasks(which=which, by=BY),
    "run": lambda which: RunTasks(which=which, by=BY),
    "reschedule": lambda which: RescheduleTasks(which=which, due="+60", by=BY),
    "move": lambda which: MoveTasks(which=which, to="other", by=BY),
}
FITTING = [
    *((act, State.PENDING) for act in ("delete", "run", "move")),
    *((act, State.DELAYED) for act in ACTS),
    *((act, State.DEAD) for act in ("delete", "retry", "run", "move")),
]
UNDOABLE = [pair for pair in FITTING if pair != ("run", State.PENDING)]


def envelope(task_id, **fields):
    return json.dumps({"task": "send", "id": task_id, **fields}).encode()


def dead(task_id, **fields):
    return envelope(task_id, died={"reason": "ValueError: no", "worker": "w", "at": 5}, **fields)


def put(raw, state, payloads):
    """Put tasks into the queue `mail`, the first one to run first."""
    raw.sadd("taskconsole:queues", "mail")
    for first in range(0, len(payloads), 1_000):
        some = payloads[first : first + 1_000]
        if state is State.PENDING:
            raw.lpush("mail", *some)
        else:
            start = 4e9 if state is State.DELAYED else 1e9
            raw.zadd(KEYS[state], {payload: start + first + n for n, payload in enumerate(some)})


def many(raw, state, count):
    put(raw, state, [(dead if state is State.DEAD else envelope)(f"t{n}") for n in range(count)])


def everything(raw):
    """All tasks, key by key; without the order in a queue, to whose front what is undone goes."""
    dumps = {key: dump_key(raw, key.encode())[1] for key in TASKS if raw.exists(key)}
    return {key: sorted(content) for key, content in dumps.items() if content}


def census(raw):
    """How often each task is anywhere, with the trash."""
    found: Counter[str] = Counter()
    for key in raw.scan_iter(count=1000):
        kind, content = dump_key(raw, key)
        if (key.decode() in TASKS and kind in {b"list", b"zset"}) or (b":trash:" in key and kind in {b"list", b"zset"}):
            payloads = content if kind == b"list" else [payload for payload, _ in content]
            found.update(json.loads(payload)["id"] for payload in payloads if payload != TOMBSTONE)
    return found


def rows(backend, state, count, offset=0):
    return tuple(backend.tasks("mail", state, offset=offset, limit=count)[0])


def logged(raw):
    return json.loads(raw.xrevrange("{mail}:log", count=1)[0][1][b"e"])


@pytest.fixture
def backend(store_url):
    with closing(NativeBackend(Settings(url=store_url))) as made:
        yield made


# -- cut off, stopped, refused in the middle


@pytest.mark.parametrize(("lost", "error"), [(False, StoreNotReady), (True, StoreUnavailable)])
def test_a_refusal_by_a_replica_means_not_done_unless_a_reply_was_lost_before(make_server, lost, error):
    server = make_server()
    with (
        closing(server.client()) as raw,
        FaultProxy(server.url) as proxy,
        closing(NativeBackend(Settings(url=proxy.url, timeout=1.0))) as through,
    ):
        # Redis knows the script then.
        through.apply(Enqueue(queue="warm-up", task="send"))

        def demote(calls, send=through._act.run_all):
            through._act.run_all = send
            if not lost:
                raw.replicaof("127.0.0.1", 1)
                return send(calls)
            try:
                proxy.drop_replies(1)
                return send(calls)
            finally:
                raw.replicaof("127.0.0.1", 1)

        through._act.run_all = demote
        with pytest.raises(StoreUnavailable) as refused:
            through.apply(Enqueue(queue="mail", task="send"))
        assert type(refused.value) is error
        assert raw.llen("mail") == lost


@pytest.mark.parametrize(
    ("act", "state"), [("retry", State.DEAD), ("move", State.PENDING), ("reschedule", State.DELAYED)]
)
def test_a_connection_that_is_lost_in_the_middle_of_many_leaves_what_was_done_told_and_undoable(
    raw, store_url, backend, act, state
):
    many(raw, state, 2_000)
    before = everything(raw)
    with FaultProxy(store_url) as proxy, closing(NativeBackend(Settings(url=proxy.url, timeout=1.0))) as through:

        def cut(done):
            if done:
                proxy.accept = False
                proxy.reset_all()
            return True

        applied = through.apply(ACTS[act](Matching(queue="mail", state=state, agreed=2_000)), cut)
        assert applied.changed
        assert 0 < applied.done < 2_000
        assert "what was done before is kept" in applied.text
    assert everything(raw) != before
    assert backend.apply(Undo(done=applied.undo, by=BY)).done == applied.done
    assert everything(raw) == before


def test_a_connection_that_is_lost_in_the_middle_of_rows_leaves_the_rest_as_it_was(raw, store_url, backend):
    many(raw, State.DEAD, 1_000)
    seen = rows(backend, State.DEAD, 500) + rows(backend, State.DEAD, 500, 500)
    with FaultProxy(store_url) as proxy, closing(NativeBackend(Settings(url=proxy.url, timeout=1.0))) as through:

        def cut(_done):
            proxy.accept = False
            proxy.reset_all()
            return True

        applied = through.apply(DeleteTasks(which=seen, by=BY), cut)
    assert 0 < applied.done < 1_000
    assert applied.missed == 1_000 - applied.done
    assert f"{1_000 - applied.done:,} left as they were" in applied.text
    assert "gone" not in applied.text
    assert raw.zcard(DEAD) == 1_000 - applied.done
    assert backend.apply(Undo(done=applied.undo, by=BY)).done == applied.done
    assert raw.zcard(DEAD) == 1_000


def test_rows_that_are_stopped_in_the_middle_are_left_as_they_were(raw, backend):
    many(raw, State.PENDING, 1_000)
    seen = rows(backend, State.PENDING, 500) + rows(backend, State.PENDING, 500, 500)
    applied = backend.apply(DeleteTasks(which=seen, by=BY, deep=True), lambda _done: False)
    assert 0 < applied.done < 1_000
    assert (raw.llen("mail"), applied.missed) == (1_000 - applied.done, 1_000 - applied.done)
    assert "it was stopped" in applied.text


def test_rights_that_are_taken_away_in_the_middle_leave_what_was_done_told_and_undoable(make_server):
    server = make_server()
    with server.client() as raw:
        raw.acl_setuser("ada", enabled=True, nopass=True, keys=["*"], channels=["*"], categories=["+@all"])
        many(raw, State.DEAD, 2_000)
        url = server.url.replace("unix://", "unix://ada:x@")
        with closing(NativeBackend(Settings(url=url))) as backend:

            def forbid(done):
                if done:
                    raw.acl_setuser("ada", commands=["-zrem"])
                return True

            applied = backend.apply(
                RetryTasks(which=Matching(queue="mail", state=State.DEAD, agreed=2_000), by=BY), forbid
            )
            assert 0 < applied.done < 2_000
            assert "what was done before is kept" in applied.text
            assert (raw.llen("mail"), raw.zcard(DEAD)) == (applied.done, 2_000 - applied.done)
            raw.acl_setuser("ada", commands=["+zrem"])
            assert backend.apply(Undo(done=applied.undo, by=BY)).done == applied.done
            assert raw.zcard(DEAD) == 2_000


def test_a_purge_of_which_a_part_has_outgrown_what_was_agreed_says_what_it_did(raw, backend):
    raw.zadd("{task_queue}:delayed", {"a": 4e9})
    raw.zadd("delayed_tasks", {"b": 4e9})
    asked = []

    def grow(calls):
        asked.append(calls)
        if len(asked) == 3:  # the sizes, the first purge, the second
            raw.zadd("delayed_tasks", {"c": 4e9, "d": 4e9})
        return backend._operator._repeat_all(calls)

    desk = TaskDesk(Namespace(), grow)
    applied = desk.purge(Purge(queue="task_queue", state=State.DELAYED, agreed=2, by=BY), "t")
    assert (applied.done, applied.now, raw.zcard("delayed_tasks"), raw.zcard("{task_queue}:delayed")) == (1, None, 3, 0)
    assert "3 in delayed_tasks are left" in applied.text
    assert backend.apply(Undo(done=applied.undo, by=BY)).done == 1
    assert raw.zrange("{task_queue}:delayed", 0, -1) == [b"a"]


# -- every reply lost


@pytest.mark.parametrize(("act", "state"), FITTING)
@pytest.mark.parametrize("matching", [False, True])
def test_what_loses_every_reply_is_done_once_and_undone_once(raw, backend, act, state, matching):
    many(raw, state, 30)
    before = everything(raw)
    which = Matching(queue="mail", state=state, text="t1", agreed=30) if matching else rows(backend, state, 11)

    def twice(calls):
        backend._operator._repeat_all(calls)
        return backend._operator._repeat_all(calls)

    applied = TaskDesk(Namespace(), twice).apply(ACTS[act](which), "token", None)
    assert (applied.done, applied.missed) == (11, 0), applied.text
    assert max(census(raw).values()) == 1
    assert sum(census(raw).values()) == 30
    assert raw.xlen("{mail}:log") == 1
    if applied.undo is not None:
        undone = Undoing(Namespace(), twice).apply(Undo(done=applied.undo, by=BY), "undo", None, now=backend.now())
        assert undone.changed
        assert everything(raw) == before


# -- a Redis that refuses


@pytest.mark.parametrize(("act", "state"), UNDOABLE)
def test_out_of_memory_an_action_and_its_undo_work_or_are_refused_and_nothing_is_done_by_half(make_server, act, state):
    server = make_server()
    with server.client() as raw, closing(NativeBackend(Settings(url=server.url))) as backend:
        many(raw, state, 30)
        before = everything(raw)
        command = ACTS[act](rows(backend, state, 10))
        raw.config_set("maxmemory", "1kb")
        try:
            applied = backend.apply(command)
        except StoreFull:
            assert everything(raw) == before
            raw.config_set("maxmemory", 0)
            applied = backend.apply(command)
            raw.config_set("maxmemory", "1kb")
        assert applied.done == 10
        assert census(raw) == Counter({f"t{n}": 1 for n in range(30)})
        try:
            undone = backend.apply(Undo(done=applied.undo, by=BY))
        except StoreError:  # of a move told in the words of both queues
            assert census(raw) == Counter({f"t{n}": 1 for n in range(30)})
            raw.config_set("maxmemory", 0)
            undone = backend.apply(Undo(done=applied.undo, by=BY))
        assert undone.done == 10
        assert everything(raw) == before


@pytest.mark.parametrize("state", KEYS)
@pytest.mark.parametrize("arrived", [False, True])
def test_out_of_memory_a_purge_works_and_comes_back_or_its_undo_is_refused(make_server, state, arrived):
    server = make_server()
    with server.client() as raw, closing(NativeBackend(Settings(url=server.url))) as backend:
        many(raw, state, 30)
        before = everything(raw)
        raw.config_set("maxmemory", "1kb")
        applied = backend.apply(Purge(queue="mail", state=state, agreed=30, by=BY))
        assert (applied.done, everything(raw)) == (30, {})
        if arrived:
            raw.config_set("maxmemory", 0)
            put(raw, state, [envelope("new")])
            raw.config_set("maxmemory", "1kb")
        try:
            undone = backend.apply(Undo(done=applied.undo, by=BY))
        except StoreFull:
            assert census(raw).total() == 30 + arrived
            raw.config_set("maxmemory", 0)
            undone = backend.apply(Undo(done=applied.undo, by=BY))
        assert undone.done == 30
        after = everything(raw)
        assert len(after.pop(KEYS[state])) == 30 + arrived
        assert after == {}
        assert arrived or everything(raw) == before


@pytest.mark.parametrize(("act", "state"), FITTING)
def test_a_replica_and_a_user_without_rights_refuse_and_nothing_is_done(raw, make_server, act, state):
    server = make_server()
    with server.client() as raw, closing(NativeBackend(Settings(url=server.url))) as backend:
        many(raw, state, 10)
        before = everything(raw)
        command = ACTS[act](rows(backend, state, 3))
        raw.replicaof("127.0.0.1", "1")
        raw.config_set("replica-serve-stale-data", "yes")
        for which in (command, Purge(queue="mail", state=state, agreed=10, by=BY)):
            with pytest.raises((StoreError, StoreUnavailable), match=r"(?i)replica|read.?only"):
                backend.apply(which)
        raw.replicaof("NO", "ONE")
        assert everything(raw) == before
        raw.acl_setuser(
            "eve", enabled=True, nopass=True, keys=["*"], channels=["*"], commands=["+@all", "-evalsha", "-eval"]
        )
        with closing(NativeBackend(Settings(url=server.url.replace("unix://", "unix://eve:x@")))) as eve:
            for which in (command, Purge(queue="mail", state=state, agreed=10, by=BY)):
                with pytest.raises(AccessDenied):
                    eve.apply(which)
        assert everything(raw) == before
        assert backend.apply(command).done == 3


@pytest.mark.parametrize(("act", "state"), [pair for pair in FITTING if pair[1] is not State.PENDING])
def test_a_key_of_another_type_is_named_and_nothing_is_done(raw, backend, act, state):
    many(raw, state, 3)
    command = ACTS[act](rows(backend, state, 2))
    raw.delete(KEYS[state])
    raw.set(KEYS[state], "something else")
    with pytest.raises(WrongType, match=r"mail"):
        backend.apply(command)
    assert raw.get(KEYS[state]) == b"something else"
    raw.delete(KEYS[state])
    many(raw, state, 3)
    before = everything(raw)
    if act in {"retry", "run", "move"}:
        way = {"move": KEYS[state].replace("mail", "other")}.get(act, "mail")
        raw.set(way, "in the way")
        with pytest.raises(TaskconsoleError, match="string"):
            backend.apply(command)
        raw.delete(way)
        assert everything(raw) == before
    assert not list(raw.scan_iter("*:trash:*"))


# -- payloads of all kinds


KINDS = {
    "bare": [b"resize", b"again", b"third"],
    "bare with words": ["größe é 1".encode(), b"a b c", b"[1, 2"],
    "not UTF-8": [b"\xff\xfe\x00", b'{"task":"\xff","id":"u"}', b"\x80"],
    "large": [envelope(f"l{n}", args=["x" * 10_000]) for n in range(3)],
    "large and alike": [b'{"task":"send","args":["' + b"x" * 5_000 + b'%d"]}' % n for n in range(3)],
    "odd": [b"", b"0", b'{"task": 7}'],
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("act", "state"), FITTING)
def test_payloads_of_every_kind_are_acted_on_byte_for_byte(raw, backend, kind, act, state):
    put(raw, state, KINDS[kind])
    before = everything(raw)
    seen = rows(backend, state, 3)
    mine = next(row for row in seen if row.payload == KINDS[kind][1][: len(row.payload)] and row.place == 1)
    command = ACTS[act]((mine,))
    assert backend.foresee(command).count == 1
    applied = backend.apply(command)
    assert (applied.done, applied.missed) == (1, 0), applied.text
    there = everything(raw)
    run = restored(KINDS[kind][1]) if state is State.DEAD else KINDS[kind][1]
    if act in {"retry", "run"}:
        assert run in there["mail"]
    elif act == "move":
        assert KINDS[kind][1] in [
            task[0] if isinstance(task, tuple) else task
            for task in next(content for key, content in there.items() if "other" in key)
        ]
    elif act == "delete":
        assert len(there[KEYS[state]]) == 2
    told = logged(raw)
    assert (told["by"], told["n"]) == (BY, 1)
    if applied.undo is not None:
        assert backend.apply(Undo(done=applied.undo, by=BY)).done == 1
        assert everything(raw) == before


@pytest.mark.parametrize("act", ["delete", "run", "move"])
def test_of_two_tasks_with_the_same_bytes_one_is_meant(raw, backend, act):
    put(raw, State.PENDING, [b"same", b"between", b"same"])
    first, _, second = rows(backend, State.PENDING, 3)
    applied = backend.apply(ACTS[act]((second,)))
    assert applied.done == 1
    places = raw.lrange("mail", 0, -1) + raw.lrange("other", 0, -1)
    assert places.count(b"same") == (1 if act == "delete" else 2)
    many_of_them = backend.apply(ACTS[act]((first, second)))
    assert many_of_them.done == (2 if act == "run" else 1)
    assert raw.lrange("mail", 0, -1).count(b"same") == (2 if act == "run" else 0)


def test_a_task_that_waits_again_meanwhile_is_not_swallowed_by_an_undone_retry(raw, backend):
    put(raw, State.DELAYED, [b"same"])
    applied = backend.apply(RetryTasks(which=rows(backend, State.DELAYED, 1), by=BY))
    raw.zadd(DELAYED, {"same": 4.5e9})
    undone = backend.apply(Undo(done=applied.undo, by=BY))
    assert (undone.done, undone.missed) == (0, 1)
    assert everything(raw) == {"mail": [b"same"], DELAYED: [(b"same", 4.5e9)]}


def test_promoters_hear_of_a_delayed_task_that_an_undone_retry_brings_back(raw, backend):
    put(raw, State.DELAYED, [b"later"])
    applied = backend.apply(RetryTasks(which=rows(backend, State.DELAYED, 1), by=BY))
    with closing(raw.pubsub()) as heard:
        heard.subscribe("{mail}:wake")
        assert heard.get_message(timeout=5)["type"] == "subscribe"
        backend.apply(Undo(done=applied.undo, by=BY))
        assert float(heard.get_message(timeout=5)["data"]) == 4e9


# -- changed meanwhile


@pytest.mark.parametrize(("act", "state"), FITTING)
def test_a_task_that_failed_again_meanwhile_is_another_one_and_left_alone(raw, backend, act, state):
    put(raw, state, [envelope("a", attempt=1), envelope("b")])
    seen = next(row for row in rows(backend, state, 2) if row.id == "a")
    for key in (DELAYED, DEAD):
        raw.zrem(key, seen.payload)
    raw.lrem("mail", 1, seen.payload)
    put(raw, state, [envelope("a", attempt=2)])
    before = everything(raw)
    applied = backend.apply(ACTS[act]((seen,)))
    assert (applied.changed, applied.done, applied.missed) == (False, 0, 1)
    assert "has gone or changed meanwhile" in applied.text
    assert everything(raw) == before
    assert raw.xlen("{mail}:log") == 0


@pytest.mark.parametrize("act", ["delete", "retry", "run", "reschedule", "move"])
def test_a_task_that_was_rescheduled_meanwhile_is_the_same_one_and_its_new_time_comes_back(raw, backend, act):
    put(raw, State.DELAYED, [b"a", b"b"])
    seen = rows(backend, State.DELAYED, 1)
    raw.zadd(DELAYED, {"a": 4.2e9})
    applied = backend.apply(ACTS[act](seen))
    assert applied.done == 1
    assert backend.apply(Undo(done=applied.undo, by=BY)).done == 1
    assert raw.zscore(DELAYED, "a") == 4.2e9


def test_an_undone_reschedule_leaves_alone_what_has_another_time_since(raw, backend):
    put(raw, State.DELAYED, [b"a", b"b"])
    applied = backend.apply(RescheduleTasks(which=rows(backend, State.DELAYED, 2), due="+60", by=BY))
    raw.zadd(DELAYED, {"a": 4.2e9})
    undone = backend.apply(Undo(done=applied.undo, by=BY))
    assert (undone.done, undone.missed) == (1, 1)
    assert raw.zrange(DELAYED, 0, -1, withscores=True) == [(b"b", 4e9 + 1), (b"a", 4.2e9)]


@pytest.mark.parametrize("act", ["delete", "run", "move"])
@pytest.mark.parametrize("place", [3, 1_500])
def test_tombstones_near_by_are_no_tasks_and_the_counts_stay_right(raw, backend, act, place):
    many(raw, State.PENDING, 3_000)
    for index in (place - 1, place + 1, place + 2):
        raw.lset("mail", -1 - index, TOMBSTONE)
    raw.hset(STATS, "tombstones", 3)
    (seen,) = [row for row in rows(backend, State.PENDING, 3, place - 1) if row.id == f"t{place}"]
    applied = backend.apply(ACTS[act]((seen,)))
    assert applied.done == 1, applied.text
    tombstones = raw.lrange("mail", 0, -1).count(TOMBSTONE)
    assert int(raw.hget(STATS, "tombstones")) == tombstones
    if applied.undo is not None:
        assert backend.apply(Undo(done=applied.undo, by=BY)).done == 1
    purged = backend.apply(Purge(queue="mail", state=State.PENDING, agreed=2_997, by=BY))
    assert purged.done == 2_997
    assert backend.apply(Undo(done=purged.undo, by=BY)).done == 2_997
    assert int(raw.hget(STATS, "tombstones")) == raw.lrange("mail", 0, -1).count(TOMBSTONE) == tombstones


# -- in hands


def test_what_a_dead_worker_holds_is_said_to_be_in_its_hands_and_an_abort_that_it_does_not_renew(raw, backend):
    put(raw, State.PENDING, [envelope("a")])
    (seen,) = rows(backend, State.PENDING, 1)
    raw.zadd("{mail}:workers", {"w1": 1})
    raw.lmove("mail", "{mail}:processing:w1", "RIGHT", "RIGHT")
    applied = backend.apply(DeleteTasks(which=(seen,), by=BY))
    assert (applied.done, applied.missed) == (0, 1)
    assert "in the hands of w1" in applied.text
    (active,) = rows(backend, State.ACTIVE, 1)
    assert "does not renew its lease" in backend.apply(AbortTask(row=active, by=BY)).text
    raw.zrem("{mail}:workers", "w1")
    gone = backend.apply(AbortTask(row=active, by=BY))
    assert (gone.changed, gone.done) == (False, 0)
    raw.delete("{mail}:processing:w1")
    assert not backend.apply(AbortTask(row=replace(active, worker=""), by=BY)).changed


@pytest.mark.parametrize(
    ("act", "state", "said"),
    [
        ("reschedule", State.DELAYED, "2096-10-02"),
        ("delete", State.DELAYED, "2096-10-02"),
        ("retry", State.DEAD, "ValueError: no"),
        ("delete", State.DEAD, "ValueError: no"),
    ],
)
def test_the_log_keeps_who_did_it_to_which_task_and_what_was_before(raw, backend, act, state, said):
    many(raw, state, 1)
    backend.apply(ACTS[act](rows(backend, state, 1)))
    told = logged(raw)
    assert (told["by"], told["n"], told["id"]) == (BY, 1, "t0")
    assert said in told["text"]


@pytest.mark.parametrize("state", KEYS)
@pytest.mark.parametrize(
    "act", [ACTS["delete"], lambda which: Purge(queue="mail", state=which[0].state, agreed=9, by=BY)]
)
def test_what_cannot_come_back_because_something_else_is_in_its_place_stays_in_the_trash(raw, backend, act, state):
    many(raw, state, 3)
    applied = backend.apply(act(rows(backend, state, 2)))
    left = 3 - applied.done
    raw.delete(KEYS[state])
    raw.set(KEYS[state], "something else")
    with pytest.raises(StoreError, match=r"string|WRONGTYPE|type"):
        backend.apply(Undo(done=applied.undo, by=BY))
    assert sum(census(raw).values()) == applied.done
    raw.delete(KEYS[state])
    assert backend.apply(Undo(done=applied.undo, by=BY)).done == applied.done == 3 - left
    assert len(everything(raw)[KEYS[state]]) == applied.done
