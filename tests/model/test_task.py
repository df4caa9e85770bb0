"""Payloads: read without ever raising, written without losing anything."""

from __future__ import annotations

import json
import math
import pickle
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from taskconsole.errors import PayloadError
from taskconsole.model.task import (
    MAX_BARE,
    Envelope,
    Unreadable,
    buried,
    check_arguments,
    decode,
    encode,
    opening,
    original,
    redelivered,
    restored,
    retried,
)

HOSTILE = [
    b"",
    b"{",
    b"{}",
    b"[" * 100_000,
    b'{"task":"x","args":' + b"[" * 100_000,
    b'{"a":' * 100_000,
    b'{"task":"x","args":[' + b"[" * 900 + b"]" * 900 + b"]}",
    b'{"task":"x","attempt":' + b"9" * 5000 + b"}",
    b'{"task":"x","args":[' + b"9" * 5000 + b"]}",
    b'{"task":"x","redelivered":' + b"9" * 4300 + b"}",
    b'{"task":"x","timeout":1e999999}',
    b'{"task":"x","args":[1e999999]}',
    b'{"task":"x","args":[NaN]}',
    b'{"task":"x","args":[Infinity]}',
    b'{"task":"x","task":"y"}',
    b'{"task":"x","__proto__":{"a":1},"constructor":1}',
    b'{"task":"\\ud800"}',
    b'{"task":"x","args":["\\ud800"]}',
    b'{"task":"x","\\udfff":1}',
    b'{"task":5}',
    b'{"task":null}',
    b'{"task":null,"payload_base64":"not base64!"}',
    b'{"task":null,"payload_base64":"abc"}',
    b'{"task":"x","payload_base64":"QQ=="}',
    b'{"task":"x","payload":{"a":1}}',
    b'{"task":"x","id":5}',
    b'{"task":"x","id":{"a":1}}',
    b'{"task":"x","args":{"a":1}}',
    b'{"task":"x","kwargs":[1]}',
    b'{"task":"x","errors":5}',
    b'{"task":"x","errors":[1,2,3,4,5]}',
    b'{"task":"x","redelivered":"many"}',
    b'{"task":"x","redelivered":-5}',
    b'{"task":"x","redelivered":1e300}',
    b'{"task":"x","redelivered":99999999999999999999999}',
    b'{"task":"x","attempt":-99999999999999999999999}',
    b'{"task":"x","bare":true}',
    b'{"task":"x","died":5,"attempt":"no"}',
    b'\xef\xbb\xbf{"task":"x"}',
    b' {"task":"x"}',
    b'{"task":"x"} trailing',
    b"\xff\xfe",
    b"\x00" * 100,
    b"\x00taskconsole:deleted\x00",
    b"x" * (MAX_BARE + 1),
    "ü".encode() * MAX_BARE,
    b"{" + b"x" * MAX_BARE,
    pickle.dumps({"a": [1, 2, 3]}),
    b'{"task":"' + b"x" * 2_000_000 + b'"}',
    b"os.system",
    b'{"task":"builtins.eval","args":["1"]}',
]

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), inner, max_size=4)
    ),
    max_leaves=10,
)
text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
times = st.floats(0, 4e9)

envelopes = st.builds(
    Envelope,
    task=text,
    id=st.none() | text,
    args=st.lists(plain, max_size=4),
    kwargs=st.dictionaries(text, plain, max_size=4),
    queue=st.none() | text,
    enqueued_at=st.none() | times,
    attempt=st.integers(1, 1000),
    max_attempts=st.none() | st.integers(1, 1000),
    timeout=st.none() | times,
    expires_at=st.none() | times,
    redelivered=st.integers(0, 1000),
)
OWN = {"task", "id", "attempt", "redelivered", "bare", "died", "errors", "payload_base64", "max_attempts"}
OWN |= {"args", "kwargs", "queue", "enqueued_at", "timeout", "expires_at"}
strange = st.dictionaries(text.filter(lambda name: name not in OWN), plain, max_size=3)
"""Fields that are not ours."""


def every_function(raw: bytes) -> list[Any]:
    error = {"error": "E", "at": 1.0}
    dead = buried(raw, reason="r", error=error, worker="w", at=1.5, new_id="new")
    return [
        decode(raw),
        original(raw),
        retried(raw, attempt=2, error=error, new_id="new"),
        redelivered(raw),
        dead,
        restored(dead),
        restored(raw),
        decode(dead),
    ]


@given(st.binary(max_size=300))
@example(b"{")
def test_no_bytes_make_reading_or_keeping_raise(raw):
    every_function(raw)


@pytest.mark.parametrize("raw", HOSTILE, ids=lambda raw: repr(raw[:24]))
def test_no_hostile_payload_makes_reading_or_keeping_raise(raw):
    every_function(raw)


@given(st.recursive(plain, lambda inner: st.dictionaries(st.sampled_from(sorted(OWN)), inner), max_leaves=8))
def test_no_json_under_our_own_names_makes_reading_or_keeping_raise(value):
    every_function(json.dumps(value).encode())


@pytest.mark.parametrize("raw", HOSTILE, ids=lambda raw: repr(raw[:24]))
def test_what_is_kept_after_a_failure_counts_its_attempts(raw):
    if isinstance(decode(raw), Unreadable):
        return
    again = decode(retried(raw, attempt=7, error=None, new_id="new"))
    assert isinstance(again, Envelope)
    assert (again.attempt, again.task) == (7, decode(raw).task)


@given(st.binary(max_size=60) | plain.map(lambda value: json.dumps(value).encode()))
def test_whatever_can_be_read_counts_attempts_and_deaths_under_its_own_name(raw):
    read = decode(raw)
    if isinstance(read, Unreadable):
        return
    again = decode(retried(raw, attempt=5, error=None, new_id="new"))
    kept, deaths = redelivered(raw)
    assert deaths == read.redelivered + 1
    after_death = decode(kept)
    for envelope in (again, after_death):
        assert isinstance(envelope, Envelope)
        assert (envelope.task, envelope.args, envelope.bare) == (read.task, read.args, read.bare)
    assert (again.attempt, after_death.redelivered) == (5, deaths)
    assert redelivered(kept)[1] == deaths + 1


@given(envelopes)
def test_an_envelope_is_read_as_it_was_written(envelope):
    assert decode(encode(envelope)) == envelope


@given(envelopes)
def test_any_reader_of_json_can_read_an_envelope(envelope):
    fields = json.loads(encode(envelope))
    assert fields["task"] == envelope.task
    assert fields.get("args", []) == envelope.args


def test_a_lone_surrogate_is_refused_when_written():
    with pytest.raises(PayloadError):
        encode(Envelope("t", args=["\ud800"]))


def test_fields_at_their_defaults_are_left_out():
    assert json.loads(encode(Envelope("t"))) == {"task": "t"}


# -- keeping


@given(envelopes, strange)
def test_fields_that_are_not_ours_are_kept_through_everything(envelope, others):
    fields = {**json.loads(encode(envelope)), **others}
    raw = json.dumps(fields).encode()
    steps = [
        retried(raw, attempt=3, error={"error": "E"}, new_id="new"),
        redelivered(raw)[0],
        buried(raw, reason="r", error=None, worker="w", at=1.0, new_id="new"),
    ]
    steps.append(restored(steps[2]))
    for step in steps:
        kept = json.loads(step)
        assert {name: kept[name] for name in others} == others
        assert decode(step).args == envelope.args
        assert decode(step).kwargs == envelope.kwargs


@given(envelopes, strange)
def test_a_dead_envelope_comes_back_as_it_was_enqueued(envelope, others):
    fields = {**json.loads(encode(envelope)), **others}
    raw = json.dumps(fields).encode()
    dead = buried(raw, reason="r", error=None, worker="w", at=1.0, new_id="new")
    expected = {k: v for k, v in fields.items() if k not in {"attempt", "redelivered"}}
    if not fields.get("id"):
        expected["id"] = "new"
    assert json.loads(restored(dead)) == expected


@given(st.binary(max_size=60).filter(lambda raw: not raw.startswith(b"{")) | st.just(b'{"a":1}'))
def test_a_dead_payload_that_is_no_envelope_comes_back_byte_for_byte(raw):
    dead = buried(raw, reason="r", error={"error": "E"}, worker="w", at=1.0, new_id="new")
    assert restored(dead) == raw


@given(st.text(max_size=40))
def test_a_bare_payload_comes_back_after_retries_and_deaths(name):
    raw = name.encode(errors="replace")
    if raw.startswith(b"{"):
        return
    tried = retried(redelivered(raw)[0], attempt=4, error={"error": "E"}, new_id="one")
    dead = buried(tried, reason="r", error=None, worker="w", at=1.0, new_id="two")
    assert json.loads(dead)["id"] == "one"
    assert restored(dead) == raw


def test_a_dead_payload_says_why_when_and_where():
    dead = json.loads(buried(b"task1", reason="r", error={"error": "E"}, worker="w", at=1.5, new_id="new"))
    assert dead == {
        "task": "task1",
        "bare": True,
        "id": "new",
        "died": {"reason": "r", "worker": "w", "at": 1.5},
        "errors": [{"error": "E"}],
    }


def test_the_last_three_errors_are_kept():
    raw = b"task1"
    for n in range(5):
        raw = retried(raw, attempt=n + 2, error={"n": n}, new_id="new")
    assert [error["n"] for error in json.loads(raw)["errors"]] == [2, 3, 4]


def test_an_id_that_is_there_is_kept_and_one_that_is_missing_is_given():
    assert json.loads(retried(b'{"task":"t","id":"a"}', attempt=2, error=None, new_id="b"))["id"] == "a"
    assert json.loads(retried(b'{"task":"t"}', attempt=2, error=None, new_id="b"))["id"] == "b"
    assert json.loads(retried(b"t", attempt=2, error=None, new_id="b"))["id"] == "b"


def test_deaths_are_counted():
    raw, counts = b"task1", []
    for _ in range(3):
        raw, count = redelivered(raw)
        counts.append(count)
    assert counts == [1, 2, 3]


def test_bytes_that_can_carry_no_count_come_back_as_they_are():
    assert redelivered(b"\xff\xfe") == (b"\xff\xfe", 0)


# -- kinds of payloads


@pytest.mark.parametrize(
    ("raw", "task"),
    [
        (b"task1", "task1"),
        ("größe".encode(), "größe"),
        (b'{"some":"json"}', '{"some":"json"}'),
        (b"[1,2]", "[1,2]"),
        (b"{not json", "{not json"),
        (b"x" * MAX_BARE, "x" * MAX_BARE),
    ],
)
def test_short_text_is_a_bare_payload(raw, task):
    assert decode(raw) == Envelope(task, bare=True)


@pytest.mark.parametrize(
    "raw", [b"\xff", b"x" * (MAX_BARE + 1), b'{"task":5}', b'{"task":"t","args":5}', b"{" + b"x" * MAX_BARE]
)
def test_everything_else_is_unreadable_and_says_why(raw):
    read = decode(raw)
    assert isinstance(read, Unreadable)
    assert read.reason
    assert len(read.reason) < 300


# -- arguments


@given(st.lists(plain, max_size=4), st.dictionaries(text, plain, max_size=4))
def test_what_passes_the_check_comes_back_equal(args, kwargs):
    check_arguments("t", tuple(args), kwargs)
    read = decode(encode(Envelope("t", args=args, kwargs=kwargs)))
    assert (read.args, read.kwargs) == (args, kwargs)


class Text(str):
    __slots__ = ()


@pytest.mark.parametrize(
    "value",
    [
        b"bytes",
        {1, 2},
        object(),
        1j,
        math.nan,
        math.inf,
        -math.inf,
        {1: "a"},
        {"a": {None: 1}},
        [[[b"x"]]],
        ("a", {"b": math.nan}),
        Text("sub"),
        range(3),
        ValueError(),
    ],
)
@pytest.mark.parametrize("keyword", [False, True])
def test_what_json_cannot_carry_is_refused_by_name(value, keyword):
    args, kwargs = ((), {"subject": value}) if keyword else ((1, value), {})
    with pytest.raises(TypeError, match=r"task 'mail': argument ('subject'|2)"):
        check_arguments("mail", args, kwargs)


def test_arguments_nested_without_end_are_refused():
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(TypeError, match="nested"):
        check_arguments("mail", (endless,), {})


def test_a_tuple_is_carried_as_a_list():
    check_arguments("mail", ((1, (2, "three")),), {})
    assert decode(encode(Envelope("mail", args=[(1, (2, "three"))]))).args == [[1, [2, "three"]]]


@given(
    st.dictionaries(st.text(max_size=5), st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=4)),
    st.integers(0, 400),
    st.booleans(),
)
def test_the_opening_of_a_cut_envelope_has_the_fields_that_are_whole(fields, at, spaced):
    def written(some):
        return json.dumps(some, separators=None if spaced else (",", ":")).encode()

    names = list(fields)
    found = opening(written(fields)[:at])

    assert found == {name: fields[name] for name in names[: len(found)]}
    assert opening(written(fields)) == fields
    # The first n fields are whole as soon as the comma behind them is there.
    beginnings = [written({name: fields[name] for name in names[:n]}) for n in range(len(names))]
    assert len(found) >= sum(len(beginning) <= at for beginning in beginnings[1:])


@given(st.binary(max_size=300))
def test_no_bytes_break_the_opening(raw):
    assert isinstance(opening(raw), dict)
    assert isinstance(opening(b"{" + raw), dict)


def test_a_number_without_its_end_is_not_a_number():
    assert opening(b'{"a":1,"attempt":12') == {"a": 1}
    assert opening(b'{"a":' + b"[" * 100_000) == {}
