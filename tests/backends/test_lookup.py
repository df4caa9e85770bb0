"""One task in full: found again although its queue has moved, and told from its bytes."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from taskconsole.backends import lookup
from taskconsole.backends.native import NativeBackend
from taskconsole.config import Settings
from taskconsole.errors import ConfigError, StoreError, StoreUnavailable, WrongType
from taskconsole.model.state import State
from taskconsole.model.stats import TaskRow
from taskconsole.store import searching
from taskconsole.store.keys import TOMBSTONE
from tests.faultproxy import FaultProxy

FAR = 4_000_000_000.0


@pytest.fixture
def backend(store_url):
    backend = NativeBackend(Settings(url=store_url))
    yield backend
    backend.close()


def envelope(task_id, **fields):
    return json.dumps({"task": "send", "id": task_id, **fields}).encode()


def listed(payload, state=State.PENDING, place=0, queue="q", **more):
    """The row of a task, as a list showed it."""
    row = TaskRow(queue=queue, state=state, name="send", size=len(payload), payload=payload[:4096], place=place)
    return replace(row, **more)


def fill(raw, key, count, start=0):
    """Pending tasks, `start` next to run."""
    raw.lpush(key, *[envelope(f"id-{n}") for n in range(start, start + count)])


@pytest.mark.parametrize("place", [0, 1, 7, 150, 499])
@pytest.mark.parametrize("moved", [0, 3, 150])
def test_a_pending_task_is_found_where_the_queue_has_moved_it(backend, raw, place, moved):
    fill(raw, "q", 500)
    if moved > place:
        raw.rpush("q", *[envelope(f"new-{n}") for n in range(moved)])  # tasks of a higher priority
        now_at = place + moved
    else:
        raw.rpop("q", moved or 0) if moved else None
        now_at = place - moved

    found = backend.task(listed(envelope(f"id-{place}"), place=place))

    assert found is not None
    assert (found.row.id, found.row.place, found.payload) == (f"id-{place}", now_at, envelope(f"id-{place}"))


def test_a_queue_that_drains_fast_is_followed_towards_its_front(backend, raw):
    fill(raw, "q", 6_000)
    raw.rpop("q", 4_000)
    found = backend.task(listed(envelope("id-5500"), place=5_500))
    assert found is not None
    assert found.row.place == 1_500


def test_of_equal_payloads_the_nearest_is_taken(backend, raw):
    raw.rpush("q", *[b"same" if n % 10 == 0 else b"other" for n in reversed(range(100))])
    found = backend.task(listed(b"same", place=32))
    assert found is not None
    assert found.row.place == 30


@pytest.mark.parametrize("state", State)
def test_what_is_not_there_any_more_is_none(backend, raw, state):
    fill(raw, "q", 300)
    raw.zadd("{q}:delayed", {b"x": 1})
    assert backend.task(listed(envelope("id-gone"), state, worker="w", at=5.0)) is None
    assert backend.task(listed(envelope("id-gone"), state, queue="empty")) is None


def test_a_task_that_only_begins_alike_is_another(backend, raw):
    raw.lpush("q", b"a" * 4096 + b"1", b"a" * 4096 + b"22", b"a" * 4095)
    assert backend.task(listed(b"a" * 4096, place=0)) is None
    found = backend.task(listed(b"a" * 4096 + b"22", place=0))
    assert found is not None
    assert found.payload.endswith(b"22")


def test_a_giant_is_cut_in_redis_and_its_row_as_in_any_list(backend, raw):
    raw.lpush("q", b'{"task":"t"', b"x" * 5_000_000, b"{" + b"y" * 70_000)
    found = backend.task(listed(b"x" * 5_000_000, place=1))
    assert found is not None
    assert (len(found.payload), len(found.row.payload), found.row.size) == (65_536, 4_096, 5_000_000)


def test_of_a_payload_below_64_kb_everything_is_told(backend, raw):
    payload = envelope("big", args=["x" * 60_000], enqueued_at=7)
    raw.lpush("q", payload)
    row = backend.tasks("q", State.PENDING)[0][0]
    assert len(row.payload) < row.size, "a list brings only its beginning"

    found = backend.task(row)
    assert found is not None
    assert (found.row.id, found.payload) == ("big", payload)
    assert [(7.0, "enqueued")] == [(m.at, m.what) for m in found.timeline]


@pytest.mark.parametrize("key", ["{task_queue}:delayed", "delayed_tasks"])
@pytest.mark.parametrize("size", [10, 10_000])
def test_a_delayed_task_is_found_in_both_sets_by_its_bytes_or_its_score(backend, raw, key, size):
    payload = envelope("d", args=["x" * size])
    raw.zadd(key, {envelope(f"e{n}"): FAR + n for n in range(3_000)})
    raw.zadd(key, {payload: FAR + 2_500.25})

    # It was seen at the front, before thousands were put there.
    found = backend.task(listed(payload, State.DELAYED, 0, "task_queue", at=FAR + 2_500.25))

    assert found is not None
    assert (found.row.id, found.row.at, found.row.place) == ("d", FAR + 2_500.25, 2_501)
    assert [(m.at, m.what) for m in found.timeline] == [(FAR + 2_500.25, "due")]


def test_many_of_one_score_are_told_apart_by_their_place(backend, raw):
    payloads = sorted(envelope(f"e{n:05}", args=["y" * 5_000]) for n in range(900))
    raw.zadd("{q}:delayed", dict.fromkeys(payloads, FAR))
    found = backend.task(listed(payloads[700], State.DELAYED, 710, at=FAR))
    assert found is not None
    assert (found.row.id, found.row.place) == ("e00700", 700)


@pytest.mark.parametrize("big", [0, 9_000])
def test_a_dead_task_tells_its_attempts(backend, raw, big):
    errors = [{"error": f"E{n}", "traceback": "T" * big, "at": n, "attempt": n, "ms": 5, "worker": "w"} for n in (1, 2)]
    died = envelope("x", errors=errors, died={"reason": "E2", "worker": "w", "at": 2}, attempt=2)
    raw.zadd("{q}:dead", {died: 2, envelope("newer"): 3, envelope("older"): 1})

    row = backend.tasks("q", State.DEAD, offset=1, limit=1)[0][0]
    found = backend.task(row)

    assert found is not None
    assert found.row.place == 1
    assert [(a.number, a.error, len(a.traceback)) for a in found.attempts] == [(2, "E2", big), (1, "E1", big)]
    assert [m.what for m in found.timeline] == ["retried", "died"]


def test_an_active_task_says_how_long_it_has_been_running(backend, raw):
    now = raw.time()[0]
    raw.zadd("{q}:workers", {"w1": (now + 60) * 1000, "w2": (now + 60) * 1000})
    raw.rpush("{q}:processing:w1", envelope("other"))
    raw.rpush("{q}:processing:w2", envelope("a"), envelope("b"), b"bare", b"twin", b"twin")
    running = [["b", "send", now - 30], ["", "bare", now - 20], ["", "twin", now - 5], ["", "twin", now - 4]]
    raw.hset("{q}:worker:w2", "running", json.dumps(running))

    def of(payload, **more):
        found = backend.task(listed(payload, State.ACTIVE, 9, **more))
        assert found is not None
        return found

    with_worker, without = of(envelope("b"), worker="w2"), of(envelope("b"))
    for found in (with_worker, without):
        assert found.running == pytest.approx(30, abs=5)
        assert (found.row.worker, found.row.place) == ("w2", 1)
        assert [(m.what, m.text) for m in found.timeline] == [("started", "on w2")]
    assert of(b"bare").running == pytest.approx(20, abs=5)
    assert of(envelope("a")).running is None
    assert of(b"twin").running is None, "which of the two is not known"


@pytest.mark.parametrize("running", [b"", b"[", b"\xff", b"[[1,2]]", b'[["b","send","x"]]', b"[" * 5000])
def test_what_a_worker_says_of_itself_may_be_garbage(backend, raw, running):
    raw.rpush("{q}:processing:w", envelope("b"))
    raw.hset("{q}:worker:w", "running", running)
    found = backend.task(listed(envelope("b"), State.ACTIVE, worker="w"))
    assert found is not None
    assert found.running is None


def test_a_done_task_is_found_though_others_have_come_before_it(backend, raw):
    entry = b'{"task":"t","id":"7","ms":1500,"worker":"w","at":9}'
    raw.lpush("{q}:done", b"older", entry, *[f"n{n}" for n in range(700)])
    found = backend.task(listed(entry, State.DONE, 0))
    assert found is not None
    assert found.row.place == 700
    assert [(m.at, m.what) for m in found.timeline] == [(7.5, "started"), (9.0, "done")]


def test_every_row_of_every_list_can_be_opened(backend, raw):
    now = raw.time()[0]
    raw.zadd("{q}:workers", {"w": (now + 60) * 1000})
    for payload in (b"", b"\xff\x00", b"[" * 9_000, b"a\nb", envelope("i"), envelope("j", args=["x" * 6_000]), b"*"):
        raw.lpush("q", payload)
        raw.lpush("{q}:done", payload)
        raw.rpush("{q}:processing:w", payload)
        raw.zadd("{q}:delayed", {payload: FAR})
        raw.zadd("{q}:dead", {payload: -5})
    for state in State:
        rows, total = backend.tasks("q", state)
        assert total == 7
        for row in rows:
            found = backend.task(row)
            assert found is not None, (state, row)
            assert found.row.size == row.size


def test_among_huge_payloads_the_look_is_given_up_and_not_called_absent(backend, raw, monkeypatch):
    monkeypatch.setattr(searching, "MAX_BYTES", 10_000)
    raw.lpush("q", *[bytes([n]) * 2_000 for n in range(200)])
    gone = listed(b"Z" * 2_001, place=100)
    assert backend.task(gone) is None
    monkeypatch.setattr(lookup, "BUDGET", 20)
    with pytest.raises(StoreError, match="may be there all the same"):
        backend.task(gone)


def test_a_key_of_another_type_and_a_name_that_cannot_be_are_said(backend, raw):
    raw.set("q", "oops")
    with pytest.raises(WrongType, match="'q' holds a string, not a list"):
        backend.task(listed(b"x"))
    with pytest.raises(ConfigError):
        backend.task(listed(b"x", queue="a{b}"))


def test_a_tombstone_is_no_task_and_shifts_no_place(backend, raw):
    raw.lpush("q", b"a", TOMBSTONE, b"b")
    found = backend.task(listed(b"b", place=2))
    assert found is not None
    assert found.row.place == 2


def test_opening_reads_little_and_nothing_that_grows(backend, raw):
    fill(raw, "q", 5_000)
    raw.config_resetstat()
    assert backend.task(listed(envelope("id-2500"), place=2_510)) is not None
    used = {name.removeprefix("cmdstat_") for name in raw.info("commandstats")}
    assert used <= {
        "llen",
        "eval",
        "evalsha",
        "lrange",
        "time",
        "info",
        "config|resetstat",
        "config",
        "client",
        "client|setname",
    }


def test_a_lost_connection_is_unavailable_and_the_next_look_heals(store_url, raw):
    raw.lpush("q", b"x")
    with FaultProxy(store_url) as proxy:
        backend = NativeBackend(Settings(url=proxy.url, timeout=1.0))
        assert backend.task(listed(b"x")) is not None
        proxy.drop_replies(1)
        with pytest.raises(StoreUnavailable):
            backend.task(listed(b"x"))
        assert backend.task(listed(b"x")) is not None
        backend.close()


def test_a_schedule_is_read_with_its_runs_or_is_none(backend, raw):
    raw.hset("{q}:schedules", "nightly", '{"cron":"0 3 * * *","task":"bill"}')
    raw.lpush("{q}:runs:nightly", '{"outcome":"done","at":5,"id":"i"}')
    found = backend.schedule("nightly", "q")
    assert found is not None
    assert (found.name, found.queue, len(found.runs)) == ("nightly", "q", 1)
    assert backend.schedule("weekly", "q") is None
    assert backend.schedule("\x00", "q") is None
