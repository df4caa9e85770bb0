"""What a payload tells of its task: when what happened, and how its attempts ended."""

from __future__ import annotations

import json

import pytest

from taskconsole.model.detail import as_seconds, detail_of
from taskconsole.model.state import State
from taskconsole.model.stats import TaskRow
from taskconsole.model.task import buried, retried
from tests.console.hostile_texts import HOSTILE

NOW = 1_000.0


def detail(fields, state=State.PENDING, *, at=None, running=None, worker=""):
    payload = fields if isinstance(fields, bytes) else json.dumps(fields).encode()
    row = TaskRow(queue="q", state=state, name="t", at=at, size=len(payload), payload=payload[:4096], worker=worker)
    return detail_of(row, payload, now=NOW, running=running)


def told(found):
    return [(moment.at, moment.what, moment.text) for moment in found.timeline]


def error(number, at, **more):
    return {"attempt": number, "at": at, "ms": 350.0, "worker": "w1", "error": f"E{number}", "traceback": "T", **more}


def test_a_plain_task_was_enqueued():
    assert told(detail({"task": "t", "enqueued_at": 5})) == [(5.0, "enqueued", "")]
    assert detail({"task": "t"}).timeline == ()
    assert detail(b"bare").timeline == ()


def test_a_delayed_one_is_due_and_a_schedules_one_says_for_which_instant():
    fields = {"task": "t", "enqueued_at": 7, "schedule": "nightly", "scheduled_at": 6, "expires_at": 90}
    assert told(detail(fields, State.DELAYED, at=50.0)) == [
        (6.0, "scheduled", "instant of nightly"),
        (7.0, "enqueued", ""),
        (50.0, "due", ""),
        (90.0, "expires", "not started after this"),
    ]


def test_attempts_are_told_newest_first_and_in_the_timeline():
    fields = {"task": "t", "enqueued_at": 1, "attempt": 3, "errors": [error(1, 10), error(2, 20)]}
    found = detail(fields, State.DELAYED, at=30.0)

    assert [(a.number, a.at, a.seconds, a.worker, a.error, a.traceback) for a in found.attempts] == [
        (2, 20.0, 0.35, "w1", "E2", "T"),
        (1, 10.0, 0.35, "w1", "E1", "T"),
    ]
    assert told(found)[1:] == [
        (10.0, "retried", "attempt 1 on w1 after 0.35 s: E1"),
        (20.0, "retried", "attempt 2 on w1 after 0.35 s: E2"),
        (30.0, "due", ""),
    ]


def test_a_death_by_an_error_is_the_end_of_that_attempt_and_told_once():
    payload = retried(b'{"task":"t"}', attempt=2, error=error(1, 10), new_id="i")
    payload = buried(payload, reason="no attempt left: E2", error=error(2, 20), worker="w1", at=20, new_id="i")
    found = detail(payload, State.DEAD, at=20.0)

    assert [a.number for a in found.attempts] == [2, 1]
    assert told(found) == [
        (10.0, "retried", "attempt 1 on w1 after 0.35 s: E1"),
        (20.0, "died", "no attempt left: E2 on w1"),
    ]


def test_a_death_without_an_error_is_an_attempt_of_its_own():
    payload = buried(b'{"task":"t","attempt":4}', reason="unknown task", error=None, worker="w", at=9, new_id="i")
    found = detail(payload, State.DEAD, at=9.0)

    assert [(a.number, a.at, a.error, a.worker) for a in found.attempts] == [(4, 9.0, "unknown task", "w")]
    assert told(found) == [(9.0, "died", "unknown task on w")]


def test_a_stranger_in_the_dead_set_died_by_its_score():
    assert told(detail(b"x", State.DEAD, at=5.0)) == [(5.0, "died", "")]


def test_a_running_task_says_since_when():
    found = detail({"task": "t", "enqueued_at": 5}, State.ACTIVE, running=12.5, worker="w7")

    assert found.running == 12.5
    assert told(found) == [(5.0, "enqueued", ""), (987.5, "started", "on w7")]


def test_a_done_one_says_how_long_it_took():
    entry = {"task": "t", "ms": 1500, "worker": "w", "at": 9}
    assert told(detail(entry, State.DONE, at=9.0, worker="w")) == [
        (7.5, "started", "on w"),
        (9.0, "done", "after 1.5 s"),
    ]
    assert told(detail({}, State.DONE, at=9.0, worker="w")) == [(9.0, "done", "on w")]
    assert told(detail({}, State.DONE)) == []


def test_of_a_payload_that_was_cut_only_what_the_key_says_is_told():
    payload = b'{"task":"t","enqueued_at":5}'
    row = TaskRow(queue="q", state=State.DELAYED, name="t", at=50.0, size=100_000, payload=payload)
    found = detail_of(row, payload, now=NOW)

    assert (told(found), found.attempts) == ([(50.0, "due", "")], ())


GARBAGE = [None, True, "x", -1, 1e308, 10**400, [], {}, [[]], [None], {"at": {}}, "\x1b[2J", ["a", {"at": "b"}]]
FIELDS = ("enqueued_at", "scheduled_at", "expires_at", "schedule", "attempt", "errors", "died", "id", "ms")


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("field", FIELDS)
def test_any_field_may_be_garbage(field, state):
    for value in GARBAGE:
        for inner in (value, [value], {"at": value, "reason": value, "worker": value, "attempt": value}):
            found = detail({"task": "t", field: inner, "worker": "w"}, state, at=1.0)
            assert all(isinstance(moment.at, float) and isinstance(moment.text, str) for moment in found.timeline)
            assert all(0 <= attempt.number < 10**9 for attempt in found.attempts)
    entry = {name: value for name in ("at", "ms", "worker", "error", "traceback", "attempt") for value in GARBAGE[-3:]}
    assert len(detail({"task": "t", "errors": [entry], "died": entry}, state).attempts) in {0, 1, 2}


@pytest.mark.parametrize(
    "raw", [b"[" * 100_000, b'{"task":' * 3000, b'{"a":' + b"9" * 5000 + b"}", b'{"x":1e999999}', b"\xff\xfe", b""]
)
def test_hostile_json_is_a_task_without_a_past(raw):
    assert detail(raw).timeline == ()


@pytest.mark.parametrize("text", [text for text in HOSTILE if "\ud800" not in text])
def test_hostile_texts_stay_as_they_are(text):
    found = detail({"task": "t", "errors": [{"error": text, "worker": text, "at": 1}]})
    assert (found.attempts[0].error, found.attempts[0].worker) == (text, text)


def test_thousands_of_errors_are_not_all_told():
    found = detail({"task": "t", "errors": [error(n, n) for n in range(5000)]})
    assert [found.attempts[0].number, len(found.attempts)] == [4999, 100]


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(1, 1.0), (1.5, 1.5), (True, None), ("1", None), (None, None), (10**400, None), (float("inf"), None)],
)
def test_seconds_are_finite_numbers(value, seconds):
    assert as_seconds(value) == seconds
