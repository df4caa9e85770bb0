"""Delayed tasks that an operator names: found by id or by payload, given another time, deleted."""

from __future__ import annotations

import json
import re
import threading
import time

import pytest

from taskconsole.backends import delayed
from taskconsole.backends.commands import Delete, Reschedule
from taskconsole.backends.delayed import DelayedTasks, patterns
from taskconsole.backends.native import NativeBackend
from taskconsole.config import Settings
from taskconsole.errors import ConfigError, PayloadError, StoreError, StoreUnavailable, WrongType
from taskconsole.model.event import EventKind
from taskconsole.store.keys import DEFAULT_QUEUE, PUBLIC_DELAYED, Namespace
from taskconsole.store.tasks import TaskStore
from taskconsole.store.wire import Wire
from tests.faultproxy import FaultProxy

OWN = "{task_queue}:delayed"
MAIL = "{mail}:delayed"
FAR = 4_000_000_000.0
SOON = "+0"

HOSTILE = [
    "*",
    "?",
    "[a-z]",
    "]\\[^",
    "a*b",
    'say "hi"',
    "it's",
    "\\",
    "\\\\n",
    "line\nline",
    "\x00\x1b[2J",
    "задача-№7",
    "задача",
    "\N{SNOWMAN}\N{PILE OF POO}",
    "a/b",
    "<&>",
    " ",
    "-1",
    "x" * 10_000,
    "é" * 5_000,
    '"' * 5_000,
]


def envelope(task_id, *args, **fields):
    return json.dumps({"task": "send", "id": task_id, "args": args, **fields}).encode()


def reschedule(task, due=SOON, queue="task_queue"):
    return Reschedule(queue=queue, task=task, due=due, by="ana@ops")


def delete(task, queue="task_queue"):
    return Delete(queue=queue, task=task, by="ana@ops")


@pytest.fixture
def backend(store_url):
    backend = NativeBackend(Settings(url=store_url))
    yield backend
    backend.close()


def only(raw, key):
    ((payload, due),) = raw.zrange(key, 0, -1, withscores=True)
    return payload, due


# -- what happens, and what is said of it


@pytest.mark.parametrize(("queue", "key"), [("task_queue", OWN), ("task_queue", PUBLIC_DELAYED), ("mail", MAIL)])
@pytest.mark.parametrize("by_payload", [True, False])
def test_a_task_is_rescheduled_wherever_it_waits(backend, raw, queue, key, by_payload):
    payload = envelope("id-1")
    raw.zadd(key, {payload: FAR, envelope("id-10"): FAR, b"bare": FAR})

    done = backend.apply(reschedule(payload if by_payload else "id-1", "1893456000", queue))

    assert done.changed
    assert done.text == f"rescheduled send (id-1) on {queue}: due 2030-01-01 00:00:00Z instead of 2096-10-02 07:06:40Z"
    assert dict(raw.zrange(key, 0, -1, withscores=True)) == {
        payload: 1893456000.0,
        envelope("id-10"): FAR,
        b"bare": FAR,
    }
    (event,) = backend.history(queue)
    assert (event.kind, event.by, event.task, event.id) == (EventKind.RESCHEDULED, "ana@ops", "send", "id-1")
    assert event.text == "due 2030-01-01 00:00:00Z"
    assert abs(event.at - raw.time()[0]) < 5


@pytest.mark.parametrize(("queue", "key"), [("task_queue", OWN), ("task_queue", PUBLIC_DELAYED), ("mail", MAIL)])
@pytest.mark.parametrize("by_payload", [True, False])
def test_a_task_is_deleted_wherever_it_waits(backend, raw, queue, key, by_payload):
    payload = envelope("id-1")
    raw.zadd(key, {payload: FAR, b"bare": FAR})

    done = backend.apply(delete(payload if by_payload else "id-1", queue))

    assert (done.changed, done.text) == (True, f"deleted send (id-1) from {queue}: it was due 2096-10-02 07:06:40Z")
    assert only(raw, key) == (b"bare", FAR)
    (event,) = backend.history(queue)
    assert (event.kind, event.by, event.task, event.id) == (EventKind.DELETED, "ana@ops", "send", "id-1")
    assert event.text == "it was due 2096-10-02 07:06:40Z"


def test_a_time_from_now_counts_by_the_clock_of_redis(backend, raw):
    raw.zadd(OWN, {envelope("a"): FAR})
    backend.apply(reschedule("a", "+90"))
    seconds, micros = raw.time()
    assert 85 < only(raw, OWN)[1] - seconds - micros / 1e6 <= 90
    assert "due in 90 s" in backend.history("task_queue")[0].text


def test_of_equal_payloads_in_both_sets_the_queues_own_is_taken(backend, raw):
    raw.zadd(OWN, {b"same": FAR})
    raw.zadd(PUBLIC_DELAYED, {b"same": FAR})
    assert backend.apply(delete(b"same")).changed
    assert not raw.exists(OWN)
    assert backend.apply(delete(b"same")).changed
    assert not raw.exists(PUBLIC_DELAYED)
    assert not backend.apply(delete(b"same")).changed


def test_other_queues_do_not_look_into_the_public_set(backend, raw):
    raw.zadd(PUBLIC_DELAYED, {envelope("a", queue="mail"): FAR})
    for task in ("a", envelope("a", queue="mail")):
        assert not backend.apply(delete(task, "mail")).changed
        assert not backend.apply(reschedule(task, SOON, "mail")).changed
    assert raw.zcard(PUBLIC_DELAYED) == 1


@pytest.mark.parametrize("command", [reschedule, delete])
@pytest.mark.parametrize("task", ["gone", b"gone", b"gone \xff" * 1000, "x" * 10_000])
def test_a_task_that_is_not_delayed_is_said_to_be_so_and_nothing_is_written(backend, raw, command, task):
    raw.lpush("task_queue", envelope("gone"))
    done = backend.apply(command(task))
    assert not done.changed
    assert "is not delayed on task_queue" in done.text
    assert len(done.text) < 300
    assert raw.keys() == [b"task_queue"]


@pytest.mark.parametrize("payload", [b"\xff\xfe\x00 binary", b"", b"task1", b'{"task":', b"[1]", b"x" * 100_000])
def test_any_bytes_can_be_named_as_they_are(backend, raw, payload):
    raw.zadd(PUBLIC_DELAYED, {payload: FAR})
    assert backend.apply(reschedule(payload, "5")).changed
    assert only(raw, PUBLIC_DELAYED) == (payload, 5.0)
    assert backend.apply(delete(payload)).changed
    assert not raw.exists(PUBLIC_DELAYED)


@pytest.mark.parametrize("score", ["inf", "-inf", "1e300", "-1e300", "-5"])
def test_scores_that_are_no_times_are_borne(backend, raw, score):
    raw.zadd(OWN, {b"a": score})
    assert backend.apply(reschedule(b"a", "1893456000")).changed
    raw.zadd(OWN, {b"a": score})
    assert backend.apply(delete(b"a")).changed


@pytest.mark.parametrize("due", ["", "soon", "nan", "inf", "-inf", "+inf", "+-5", "+nan", "0x10", "1;2"])
def test_a_time_that_cannot_be_is_refused(backend, raw, due):
    raw.zadd(OWN, {b"a": FAR})
    with pytest.raises(ConfigError):
        backend.apply(reschedule(b"a", due))
    assert only(raw, OWN) == (b"a", FAR)


@pytest.mark.parametrize("due", ["-5", "0", "1e9", " 5 ", "1_000", "+0", "+1e-9"])
def test_a_time_that_has_passed_means_at_once(backend, raw, store_url, due):
    raw.zadd(OWN, {b"a": FAR})
    assert backend.apply(reschedule(b"a", due)).changed
    wire = Wire(Settings(url=store_url))
    assert wire.run(TaskStore(Namespace()).promote(OWN, DEFAULT_QUEUE)).moved == 1
    wire.close()


@pytest.mark.parametrize("command", [reschedule, delete])
@pytest.mark.parametrize("task", ["", "\ud800", "a\udcff"])
def test_an_id_that_cannot_be_is_refused(backend, raw, command, task):
    with pytest.raises(PayloadError):
        backend.apply(command(task))
    assert raw.dbsize() == 0


@pytest.mark.parametrize("command", [reschedule, delete])
@pytest.mark.parametrize("task", ["a", b"a"])
@pytest.mark.parametrize("key", [OWN, PUBLIC_DELAYED])
def test_a_key_of_another_type_is_named(backend, raw, command, task, key):
    raw.set(key, "text")
    with pytest.raises(WrongType, match=re.escape(f"'{key}' holds a string, not a zset")):
        backend.apply(command(task))


def test_a_queue_that_cannot_be_is_refused(backend):
    for command in (reschedule("a", SOON, "delayed_tasks"), delete("a", "{x}")):
        with pytest.raises(ConfigError):
            backend.apply(command)


# -- finding by id


@pytest.mark.parametrize("task_id", HOSTILE, ids=lambda i: ascii(i)[:20])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_an_id_is_found_whatever_it_is_made_of(backend, raw, task_id, ascii_only):
    payload = json.dumps({"id": task_id, "task": "t"}, ensure_ascii=ascii_only).encode()
    others = [json.dumps({"id": f"{task_id}{x}", "task": "t"}).encode() for x in ("x", " ", "*")]
    raw.zadd(OWN, {payload: FAR, b"*": FAR, **dict.fromkeys(others, FAR)})
    assert backend.apply(reschedule(task_id, "5")).changed
    assert raw.zscore(OWN, payload) == 5.0
    assert raw.zcount(OWN, FAR, FAR) == 4
    assert backend.apply(delete(task_id)).changed
    assert sorted(raw.zrange(OWN, 0, -1)) == sorted([b"*", *others])


@pytest.mark.parametrize(
    "written",
    [rb'{"id":"a\/b<\u003c\u0026>","task":"t"}', rb'{ "task" : "t", "id" : "a\/b\u003c<&\u003E" }'],
)
def test_an_id_is_found_however_another_json_writer_spelled_it(backend, raw, written):
    raw.zadd(PUBLIC_DELAYED, {written: FAR})
    assert backend.apply(delete("a/b<<&>")).changed


def test_an_id_that_occurs_in_another_tasks_arguments_is_not_taken_for_its_own(backend, raw):
    hostage = envelope("other", "id-1", {"id": "id-1"}, meta={"id": "id-1"})
    raw.zadd(OWN, {hostage: FAR, b'"id-1"': FAR, b'{"id":"id-1"}': FAR, envelope("x id-1"): FAR})
    assert not backend.apply(delete("id-1")).changed
    assert raw.zcard(OWN) == 4
    raw.zadd(PUBLIC_DELAYED, {envelope("id-1"): FAR})
    assert backend.apply(delete("id-1")).changed
    assert (raw.zcard(OWN), raw.zcard(PUBLIC_DELAYED)) == (4, 0)


def test_a_plain_id_is_a_pattern_of_its_own_with_nothing_to_explode():
    assert patterns("abc-1") == ['*"abc-1"*']
    assert patterns("a*b?[c]") == ['*"a\\*b\\?\\[c\\]"*']
    assert patterns("x" * 65) == ["*" + "x" * 64 + "*"]
    assert patterns('ab"cde') == ["*cde*"]
    assert patterns("é") == ['*"é*', '*"\\\\u00e9*']
    for task_id in HOSTILE:
        for pattern in patterns(task_id):
            assert len(re.findall(r"(?<!\\)(?:\\\\)*\*", pattern)) == 2, "two stars: no pattern takes exponential time"


def fill(raw, count, key=OWN):
    for start in range(0, count, 5000):
        raw.zadd(key, {envelope(f"id-{i}", "x" * 50): FAR + i for i in range(start, min(count, start + 5000))})


def test_one_of_twenty_thousand_is_found_by_its_id_in_short_steps(backend, raw):
    fill(raw, 20_000)
    fill(raw, 1, PUBLIC_DELAYED)
    raw.config_resetstat()
    began = time.monotonic()
    assert backend.apply(reschedule("id-12345", "5")).changed
    assert not backend.apply(delete("id-20000")).changed
    assert time.monotonic() - began < 3.0
    assert backend.apply(delete("id-12345")).changed
    assert raw.zcard(OWN) == 19_999
    used = raw.info("commandstats")
    assert {n for n in used if n.startswith("cmdstat_z")} <= {
        f"cmdstat_z{n}" for n in ("scan", "score", "mscore", "add", "rem", "card")
    }
    assert "cmdstat_keys" not in used
    assert used["cmdstat_zscan"]["usec_per_call"] < 20_000


def test_a_search_that_ends_before_the_set_says_that_it_does_not_know(backend, raw, monkeypatch):
    fill(raw, 20_000)
    monkeypatch.setattr(delayed, "BUDGET", 5_000)
    with pytest.raises(StoreError, match="may be there all the same") as raised:
        backend.apply(delete("nowhere"))
    assert "exact payload" in str(raised.value)
    monkeypatch.setattr(delayed, "BUDGET", 20_000_000)
    assert not backend.apply(delete("nowhere")).changed


def test_steps_become_longer_while_redis_is_quick_and_shorter_while_it_is_not(store_url, raw, monkeypatch):
    fill(raw, 20_000)
    counts = []
    wire = Wire(Settings(url=store_url))

    def ask(calls):
        counts.extend(call.args[-1] for call in calls if call.args[0] == "ZSCAN")
        return wire.run_all(calls)

    monkeypatch.setattr(delayed, "BUSY", 10.0)
    DelayedTasks(Namespace(), ask).apply(delete("nowhere", "task_queue"), "t")
    assert counts[:4] == [50, 100, 200, 400]
    assert max(counts) <= 10_000
    counts.clear()
    monkeypatch.setattr(delayed, "BUSY", 0.0)
    DelayedTasks(Namespace(), ask).apply(delete("nowhere", "task_queue"), "t")
    assert set(counts[1:]) <= {10, 12}
    assert counts[:3] == [50, 12, 10]
    wire.close()


# -- once, and races


@pytest.mark.parametrize("task", ["a", envelope("a")])
def test_a_command_whose_reply_is_lost_is_done_once(store_url, raw, task):
    raw.zadd(OWN, {envelope("a"): FAR})
    with FaultProxy(store_url) as proxy:
        backend = NativeBackend(Settings(url=proxy.url, timeout=2.0))
        backend.apply(delete("warm-up"))

        def lose(calls, ask=backend._operator._delayed._ask):
            if calls[0].args[0] == "EVALSHA":
                raw.script_load(calls[0].body)
                proxy.drop_replies(1)
            return ask(calls)

        backend._operator._delayed._ask = lose
        moved = backend.apply(reschedule(task, "1893456000"))
        assert moved.changed
        assert "instead of 2096" in moved.text, "the repetition answers as the first"
        assert backend.apply(delete(task)).changed, "the repetition must not say that it is gone"
        backend.close()
    assert not raw.exists(OWN)
    assert raw.xlen("{task_queue}:log") == 2


def test_a_lost_reply_while_searching_is_asked_for_again(store_url, raw):
    raw.zadd(OWN, {envelope("a"): FAR})
    with FaultProxy(store_url) as proxy:
        backend = NativeBackend(Settings(url=proxy.url, timeout=1.0))
        backend.apply(delete("warm-up"))
        proxy.drop_replies(1)
        assert backend.apply(delete("a")).changed
        backend.close()


def test_without_redis_it_is_unavailable():
    backend = NativeBackend(Settings(url="unix:///nowhere/redis.sock"))
    for command in (reschedule("a"), delete(b"a")):
        with pytest.raises(StoreUnavailable):
            backend.apply(command)


@pytest.mark.parametrize("command", [reschedule, delete])
@pytest.mark.parametrize("key", [OWN, PUBLIC_DELAYED])
def test_a_task_promoted_between_finding_and_acting_is_left_to_run_once(store_url, raw, command, key):
    raw.zadd(key, {envelope("a"): 5})
    wire, store = Wire(Settings(url=store_url)), TaskStore(Namespace())

    def ask(calls):
        if calls[0].args[0] == "EVALSHA":
            assert wire.run(store.transfer(key, DEFAULT_QUEUE, [envelope("a")])) == 1
        return wire.run_all(calls)

    done = DelayedTasks(Namespace(), ask).apply(command("a"), "t")
    assert not done.changed
    assert "is not delayed" in done.text
    assert raw.lrange("task_queue", 0, -1) == [envelope("a")]
    assert sorted(raw.keys()) == [b"task_queue"], "no note, no event"
    wire.close()


def test_tasks_that_are_promoted_and_deleted_at_the_same_time_are_one_or_the_other(store_url, raw):
    payloads = [envelope(f"id-{i}") for i in range(300)]
    raw.zadd(PUBLIC_DELAYED, dict.fromkeys(payloads, 5))
    stop = threading.Event()

    def promote():
        wire, store = Wire(Settings(url=store_url)), TaskStore(Namespace())
        while not stop.is_set():
            for start in range(299, -1, -10):
                wire.run(store.transfer(PUBLIC_DELAYED, DEFAULT_QUEUE, payloads[start : start + 1]))
        wire.close()

    thread = threading.Thread(target=promote)
    thread.start()
    backend = NativeBackend(Settings(url=store_url))
    try:
        deleted = {i for i in range(300) if backend.apply(delete(f"id-{i}")).changed}
    finally:
        stop.set()
        thread.join()
        backend.close()
    ran = raw.lrange("task_queue", 0, -1)
    assert len(ran) == len(set(ran))
    assert {payloads[i] for i in deleted} | set(ran) == set(payloads)
    assert len(deleted) + len(ran) == 300


def test_tokens_of_threads_and_backends_never_meet(store_url, raw):
    raw.zadd(OWN, {envelope(f"{n}-{i}"): FAR for n in range(4) for i in range(50)})
    backend = NativeBackend(Settings(url=store_url))
    threads = [
        threading.Thread(target=lambda n=n: [backend.apply(delete(envelope(f"{n}-{i}"))) for i in range(50)])
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    backend.close()
    assert not raw.exists(OWN)
    assert len(raw.keys("{task_queue}:trash:*:note")) == 200
