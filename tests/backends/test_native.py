"""Our own queues as the console sees them, filled through the public door and by the real client."""

from __future__ import annotations

import json
import threading

import pytest

from taskconsole.backends.commands import Enqueue, PauseQueue, ResumeQueue
from taskconsole.backends.native import NativeBackend
from taskconsole.config import Settings
from taskconsole.errors import AccessDenied, ConfigError, PayloadError, StoreUnavailable, WrongType
from taskconsole.model.event import Event, EventKind
from taskconsole.model.state import QueueState, State
from taskconsole.store.keys import TOMBSTONE
from tests.faultproxy import FaultProxy
from tests.servers import wait_until


@pytest.fixture
def backend(store_url):
    backend = NativeBackend(Settings(url=store_url))
    yield backend
    backend.close()


def queue(backend: NativeBackend, name: str):
    return next(q for q in backend.overview().queues if q.name == name)


def test_a_bare_push_makes_the_default_queue_visible_without_anybody_registering_it(backend, raw):
    assert [] == [q.name for q in backend.overview().queues if q.total]
    raw.lpush("task_queue", "task1", "task2")
    raw.zadd("delayed_tasks", {"task3": 1, "task4": 4102444800})

    seen = queue(backend, "task_queue")
    assert (2, 2, 1) == (seen.pending, seen.delayed, seen.overdue)
    assert seen.state is QueueState.NO_WORKERS
    assert seen.oldest is None, "a bare payload does not say when it came"


def test_counts_ages_and_workers_are_what_redis_holds(backend, raw):
    backend.apply(Enqueue(queue="mail", task="send", args=("ada",)))
    backend.apply(Enqueue(queue="mail", task="send", delay=60))
    raw.zadd("{mail}:dead", {'{"task":"x"}': 5})
    now_ms = raw.time()[0] * 1000
    raw.zadd("{mail}:workers", {"w1": now_ms + 60_000, "gone": now_ms - 1})
    raw.hset("{mail}:worker:w1", mapping={"concurrency": 4, "host": "h", "pid": 7})
    raw.rpush("{mail}:processing:w1", "a", "b")
    raw.hset("{mail}:stats", mapping={"done": 10, "failed": 3})

    seen = queue(backend, "mail")
    assert (1, 2, 1, 1) == (seen.pending, seen.active, seen.delayed, seen.dead)
    assert (1, 4) == (seen.workers, seen.capacity), "a worker whose lease is over does not count"
    assert (10, 3) == (seen.done_total, seen.failed_total)
    assert seen.oldest is not None
    assert abs(seen.oldest - raw.time()[0]) < 5


def test_a_tombstone_is_neither_counted_nor_listed(backend, raw):
    raw.sadd("taskconsole:queues", "q")
    raw.lpush("q", "a", TOMBSTONE, "b")
    raw.hset("{q}:stats", "tombstones", 1)

    assert queue(backend, "q").pending == 2
    rows, _ = backend.tasks("q", State.PENDING)
    assert ["a", "b"] == [row.name for row in rows]


def test_a_key_of_another_type_is_a_state_of_that_queue_only(backend, raw):
    raw.set("task_queue", "oops")
    raw.sadd("taskconsole:queues", "fine", "task_queue")
    raw.lpush("fine", "x")

    broken = queue(backend, "task_queue")
    assert broken.state is QueueState.BROKEN
    assert "'task_queue' holds a string, not a list" in broken.trouble
    assert queue(backend, "fine").pending == 1


@pytest.mark.parametrize("note", [b'{"by":"ana","at":5,"reason":"deploy"}', b"because", b"\xff", b"[1]", b"{" * 2000])
def test_whatever_the_pause_key_holds_means_paused(backend, raw, note):
    raw.sadd("taskconsole:queues", "q")
    raw.set("{q}:paused", note)

    seen = queue(backend, "q")
    assert seen.state is QueueState.PAUSED
    assert seen.paused is not None
    if note.startswith(b'{"by"'):
        assert ("ana", 5.0, "deploy") == (seen.paused.by, seen.paused.at, seen.paused.reason)


def test_windows_show_the_next_to_run_first_and_cut_giants(backend, raw):
    raw.sadd("taskconsole:queues", "q")
    for n in range(5):
        raw.lpush("q", json.dumps({"task": "t", "id": str(n), "args": [n]}))
    raw.lpush("q", "x" * 1_000_000)

    rows, total = backend.tasks("q", State.PENDING, offset=1, limit=2)
    assert (6, ["1", "2"]) == (total, [row.id for row in rows])
    giant = backend.tasks("q", State.PENDING, offset=5, limit=1)[0][0]
    assert (1_000_000, 4096) == (giant.size, len(giant.payload))


def test_every_state_has_its_window(backend, raw):
    now = raw.time()[0]
    raw.sadd("taskconsole:queues", "task_queue")
    raw.zadd("{task_queue}:delayed", {'{"task":"later"}': now + 50})
    raw.zadd("delayed_tasks", {"soon": now + 5})
    raw.zadd("{task_queue}:workers", {"w": (now + 60) * 1000})
    raw.rpush("{task_queue}:processing:w", '{"task":"running"}')
    died = {"task": "dead", "died": {"reason": "boom", "worker": "w9", "at": 3}, "attempt": 4}
    raw.zadd("{task_queue}:dead", {json.dumps(died): 3, '{"task":"older"}': 1})
    raw.lpush("{task_queue}:done", '{"task":"fine","id":"7","ms":1.5,"worker":"w","at":9}')

    shown = {state: [(r.name, r.at, r.worker) for r in backend.tasks("task_queue", state)[0]] for state in State}
    assert [("soon", now + 5, ""), ("later", now + 50, "")] == shown[State.DELAYED]
    assert [("running", None, "w")] == shown[State.ACTIVE]
    assert [("dead", 3.0, "w9"), ("older", 1.0, "")] == shown[State.DEAD]
    assert [("fine", 9.0, "w")] == shown[State.DONE]


def test_a_pause_is_done_once_and_says_who_was_first(backend, raw):
    first = backend.apply(PauseQueue(queue="q", by="ana@ops", reason="deploy"))
    second = backend.apply(PauseQueue(queue="q", by="bob@ops"))

    assert (True, False) == (first.changed, second.changed)
    assert "ana@ops" in second.text
    assert "ana@ops" == json.loads(raw.get("{q}:paused"))["by"]
    assert backend.apply(ResumeQueue(queue="q", by="bob@ops")).changed
    assert not backend.apply(ResumeQueue(queue="q", by="bob@ops")).changed
    kinds = [event.kind for event in backend.history("q")]
    assert [EventKind.PAUSED, EventKind.RESUMED] == kinds


def test_an_operators_command_whose_reply_is_lost_is_done_once(store_url, raw):
    with FaultProxy(store_url) as proxy:
        backend = NativeBackend(Settings(url=proxy.url))
        backend.apply(Enqueue(queue="q", task="warm-up"))
        for n in range(10):
            proxy.drop_replies(1)
            backend.apply(Enqueue(queue="q", task=f"t{n}"))
        proxy.drop_replies(1)
        paused = backend.apply(PauseQueue(queue="q", by="ana"))
        backend.close()

    assert raw.llen("q") == 11
    assert paused.changed, "the repetition must not say that somebody else had paused it"


@pytest.mark.parametrize("delay", [-1.0, float("nan"), float("inf")])
def test_a_delay_that_cannot_be_is_refused(backend, raw, delay):
    with pytest.raises(ConfigError):
        backend.apply(Enqueue(queue="q", task="t", delay=delay))
    assert raw.dbsize() == 0


def test_a_bare_enqueue_is_the_same_as_a_push_by_hand(backend, raw):
    backend.apply(Enqueue(queue="q", task="task1", bare=True))
    assert [b"task1"] == raw.lrange("q", 0, -1)


def test_events_arrive_also_from_strangers_and_from_queues_that_come_later(backend, raw):
    raw.sadd("taskconsole:queues", "old")
    backend.overview()
    heard: list[Event] = []
    stop = threading.Event()
    thread = threading.Thread(target=backend.listen, args=(heard.extend, stop.is_set))
    thread.start()
    try:
        wait_until(lambda: raw.publish("old_channel", b"hi \xff \x1b]0;x"))
        wait_until(lambda: heard)
        backend.apply(Enqueue(queue="new", task="t"))
        backend.overview()
        wait_until(lambda: raw.pubsub_numsub("new_channel")[0][1])
        backend.apply(Enqueue(queue="new", task="t2"))
        wait_until(lambda: any(event.queue == "new" for event in heard))
    finally:
        stop.set()
        thread.join()
    assert (EventKind.MESSAGE, "old") == (heard[0].kind, heard[0].queue)
    assert EventKind.ENQUEUED in {event.kind for event in heard if event.queue == "new"}


def test_a_lost_connection_is_unavailable_and_the_next_reading_heals(store_url):
    with FaultProxy(store_url) as proxy:
        backend = NativeBackend(Settings(url=proxy.url, timeout=1.0))
        backend.overview()
        proxy.drop_replies(1)
        with pytest.raises(StoreUnavailable):
            backend.overview()
        assert backend.overview().server.version
        backend.close()


def test_a_wrong_password_is_access_denied_after_one_attempt(make_server):
    server = make_server(password="right", tcp=True)
    backend = NativeBackend(Settings(url=server.tcp_url.replace("right", "wr0ng")))
    with pytest.raises(AccessDenied) as raised:
        backend.overview()
    assert "wr0ng" not in str(raised.value)
    with server.client() as client:
        failures = client.acl_log()
        assert sum(entry["count"] for entry in failures) == 1


def test_a_reading_uses_no_command_that_grows_with_the_queue(backend, raw):
    raw.sadd("taskconsole:queues", "q")
    raw.lpush("q", *[f"t{n}" for n in range(2000)])
    raw.config_resetstat()
    for _ in range(3):
        backend.overview()
    for state in State:
        backend.tasks("q", state)
    used = {name.removeprefix("cmdstat_") for name in raw.info("commandstats")}
    assert not used & {"keys", "hgetall", "lrem", "lpos", "scan", "zscan", "hscan"}
    assert raw.info("commandstats")["cmdstat_lrange"]["usec_per_call"] < 1000


def test_a_giant_or_unwritable_payload_is_refused(store_url, raw):
    backend = NativeBackend(Settings(url=store_url, max_payload=1000))
    for command in (
        Enqueue(queue="q", task="t", args=("x" * 1000,)),
        Enqueue(queue="q", task="x" * 1001, bare=True),
        Enqueue(queue="q", task="\ud800", bare=True),
        Enqueue(queue="q", task="t", args=("\ud800",)),
    ):
        with pytest.raises(PayloadError):
            backend.apply(command)
    backend.close()
    assert raw.dbsize() == 0


def test_a_window_of_a_key_of_another_type_names_the_key(backend, raw):
    raw.set("q", "oops")
    with pytest.raises(WrongType, match="'q' holds a string, not a list"):
        backend.tasks("q", State.PENDING)
