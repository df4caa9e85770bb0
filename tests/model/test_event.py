"""Events: whatever is published can be shown."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskconsole.model import event as event_module
from taskconsole.model.event import MAX_EVENT_BYTES, MAX_NAMED, EventKind, decode_event, encode_event
from tests.model.test_task import HOSTILE, plain

FIELDS = ["event", "queue", "n", "at", "tasks", "task", "id", "worker", "by", "text", "ms", "attempt"]


def decoded(raw: bytes):
    return decode_event(raw, channel="mail_channel", now=5.0)


@given(st.binary(max_size=200))
def test_no_bytes_make_decoding_raise(raw):
    assert len(decoded(raw)) >= 1


@pytest.mark.parametrize("raw", HOSTILE, ids=lambda raw: repr(raw[:24]))
def test_no_hostile_message_makes_decoding_raise(raw):
    (event,) = decoded(raw)
    assert (event.kind, event.at, event.queue) == (EventKind.MESSAGE, 5.0, "mail")
    assert len(event.text) <= 4 * 4096


@given(
    st.dictionaries(
        st.sampled_from(FIELDS), plain | st.lists(st.dictionaries(st.sampled_from(FIELDS), plain), max_size=30)
    ),
    st.sampled_from(list(EventKind)),
)
def test_no_json_under_our_own_names_makes_decoding_raise(body, kind):
    events = decoded(json.dumps({**body, "event": kind}).encode())
    assert 1 <= len(events) <= MAX_NAMED + 1
    for event in events:
        for text in (event.task, event.id, event.worker, event.by, event.text, event.queue):
            assert isinstance(text, str)
        assert isinstance(event.n, int)
        assert isinstance(event.attempt, int)


@pytest.mark.parametrize("number", ["1e999", "-1e999", "1e308", str(10**400)])
@pytest.mark.parametrize("field", ["n", "at", "attempt", "ms"])
def test_numbers_beyond_measure_do_no_harm(field, number):
    raw = f'{{"event":"done","{field}":{number},"tasks":[{{"{field}":{number}}}]}}'.encode()
    assert len(decoded(raw)) >= 1


@given(st.sampled_from(list(EventKind)), st.integers(1, 10**9), st.integers(0, 30))
def test_an_event_is_read_as_it_was_written(kind, n, named):
    tasks = [{"id": f"i{i}", "task": "t", "ms": 1.5, "worker": "w", "attempt": 2} for i in range(named)]
    n = max(n, named)
    events = decode_event(encode_event(kind, "q", 7.5, tasks, n), channel="other_channel", now=0.0)
    assert {(event.kind, event.queue, event.at) for event in events} == {(kind, "q", 7.5)}
    shown = min(named, MAX_NAMED)
    assert [event.id for event in events[:shown]] == [f"i{i}" for i in range(shown)]
    assert sum(event.n for event in events) == n
    if shown:
        assert (events[0].task, events[0].ms, events[0].worker, events[0].attempt) == ("t", 1.5, "w", 2)


def test_what_others_publish_is_a_message_with_its_text():
    (event,) = decoded(b"a new task has come")
    assert (event.kind, event.text) == (EventKind.MESSAGE, "a new task has come")


def test_bytes_that_are_no_text_are_escaped():
    (event,) = decoded(b"\xff\x00a")
    assert event.text == "\\xff\x00a"


def test_json_of_somebody_else_is_a_message():
    for raw in (b'{"a":1}', b'{"event":"nonsense"}', b'{"event":5}', b'{"event":["done"]}', b"[1]"):
        (event,) = decoded(raw)
        assert (event.kind, event.text) == (EventKind.MESSAGE, raw.decode())


def test_a_message_that_is_too_long_is_not_parsed():
    raw = json.dumps({"event": "done", "text": "x" * MAX_EVENT_BYTES}).encode()
    (event,) = decoded(raw)
    assert event.kind is EventKind.MESSAGE
    assert len(event.text) == 4096


_ODD = st.sampled_from([None, 1, 2.5, "x", "", True, [], {}, -1, 1e300])
_PLAIN = {
    "task": st.sampled_from(["mail", ""]),
    "id": st.text(max_size=3),
    "ms": st.floats(0, 9) | st.integers(0, 9),
    "attempt": st.integers(0, 5),
    "worker": st.sampled_from(["w", ""]),
}


def _objects(fields, **required):
    """Objects with some of these fields; now and then a value is of another type, or a field is of nobody's."""
    return st.one_of(
        st.fixed_dictionaries(required, optional=fields),
        st.fixed_dictionaries(required, optional=dict.fromkeys((*fields, "by", "undo", "text", "zz"), _ODD)),
    )


@given(
    _objects(
        {"queue": st.sampled_from(["mail", ""]), "worker": st.just("w"), "by": st.just("ana@ops1")},
        event=st.sampled_from(["done", "died", "message", "zz"]),
        at=st.floats(0, 2e9) | st.integers(0, 9),
        tasks=st.lists(_objects(_PLAIN), max_size=3),
        n=st.integers(0, 3),
    )
)
def test_what_is_read_quickly_is_read_as_everything_else_is(message):
    raw = json.dumps(message).encode()
    quickly = event_module._quickly(raw, "mail_channel")
    assert quickly in ([], event_module._thoroughly(raw, "mail_channel", 9.0))


def test_what_workers_publish_is_read_quickly():
    raw = encode_event(EventKind.DONE, "mail", 5.0, [{"task": "send", "id": "a", "ms": 1.5, "worker": "w"}], 1)
    assert event_module._quickly(raw, "mail_channel") == decode_event(raw, channel="mail_channel", now=9.0) != []


def test_a_task_without_a_worker_is_the_worker_of_its_message():
    message = {
        "event": "done",
        "at": 5.0,
        "n": 2,
        "worker": "w",
        "tasks": [{"task": "a"}, {"task": "b", "worker": "v"}],
    }
    raw = json.dumps(message).encode()
    assert [event.worker for event in event_module._quickly(raw, "mail_channel")] == ["w", "v"]
    assert event_module._quickly(raw, "mail_channel") == event_module._thoroughly(raw, "mail_channel", 9.0)
