"""Definitions of schedules: the JSON that people and programs write, and what an edit or a new release makes of it."""

from __future__ import annotations

import json
import math
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskconsole.errors import ScheduleError
from taskconsole.model.definition import (
    MAX_DEFINITION,
    MAX_NAME,
    CatchUp,
    Definition,
    Overlap,
    Owner,
    check_schedule_name,
    decode_definition,
    encode_definition,
    merged,
    moment_of,
    with_changes,
)
from taskconsole.model.schedule import At, Cron, Every
from taskconsole.model.stats import Pause

BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
OURS = frozenset(
    [
        "cron",
        "every",
        "at",
        "anchor",
        "tz",
        "task",
        "args",
        "kwargs",
        "start",
        "end",
        "max_runs",
        "jitter",
        "catch_up",
        "window",
        "overlap",
        "paused",
        "owner",
    ]
)

# -- generated definitions

zones = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"])
moments = st.one_of(
    st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - bounds
    st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=zones.map(ZoneInfo)),  # noqa: DTZ001 - bounds
    st.datetimes(
        datetime(1990, 1, 1),  # noqa: DTZ001 - bounds
        datetime(2100, 1, 1),  # noqa: DTZ001 - bounds
        timezones=st.integers(-1439, 1439).map(lambda m: timezone(timedelta(minutes=m))),
    ),
)
schedules = st.one_of(
    st.builds(
        Cron, st.sampled_from(["* * * * *", "15 3 * * *", "@daily", "*/10 0 3 * * mon-fri", "0 0 L * *"]), tz=zones
    ),
    st.builds(Every, st.floats(0.01, 1e6) | st.integers(1, 10**8), st.none() | moments),
    st.builds(At, moments),
)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(texts, values, max_size=3)


@st.composite
def definitions(draw):
    start, end = draw(st.none() | moments), draw(st.none() | moments)
    if start is not None and end is not None and end.astimezone(UTC) < start.astimezone(UTC):
        start, end = end, start
    return Definition(
        schedule=draw(schedules),
        task=draw(texts.filter(str.strip)),
        args=tuple(draw(st.lists(values, max_size=3))),
        kwargs=draw(objects),
        start=start,
        end=end,
        max_runs=draw(st.none() | st.integers(1, 10**9)),
        jitter=draw(st.floats(0, 86_400)),
        catch_up=draw(st.sampled_from(CatchUp)),
        window=draw(st.floats(0, 3660 * 86_400)),
        overlap=draw(st.sampled_from(Overlap)),
        paused=draw(st.none() | st.builds(Pause, by=texts, at=st.none() | st.floats(0, 2e9), reason=texts)),
        owner=draw(st.sampled_from(Owner)),
        extra={name: value for name, value in draw(objects).items() if name not in OURS},
    )


def plain(definition):
    """With its moments as seconds: readings that a clock change repeats or skips are equal to nothing in other zones."""
    seconds = [None if m is None else m.timestamp() for m in (definition.start, definition.end)]
    return replace(definition, start=None, end=None), seconds


@given(definition=definitions())
@settings(max_examples=200, deadline=None)
def test_what_is_written_is_what_is_read(definition):
    raw = encode_definition(definition)
    read = decode_definition(raw)
    assert definition.extra == read.extra
    assert plain(definition) == plain(read)
    assert raw == encode_definition(read)
    assert definition.trigger == read.trigger


def test_unknown_fields_are_kept_wherever_a_definition_goes_through():
    raw = b'{"every":"5m","task":"t","team":"billing","note":{"a":[1,null]},"since":null}'
    extra = {"team": "billing", "note": {"a": [1, None]}, "since": None}
    assert extra == decode_definition(raw).extra
    assert extra == decode_definition(encode_definition(decode_definition(raw))).extra
    assert extra == decode_definition(with_changes(raw, {"task": "u"})).extra


def test_defaults_are_left_out_but_for_those_an_operator_will_look_for():
    raw = encode_definition(Definition(schedule=Every("5m"), task="t"))
    assert {
        "every": "5m",
        "task": "t",
        "catch_up": "one",
        "window": 86400.0,
        "overlap": "allow",
        "owner": "operator",
    } == json.loads(raw)


# -- written by hand


def hand(**fields):
    return decode_definition(json.dumps({"every": "5m", "task": "t"} | fields).encode())


def test_a_task_and_a_time_are_enough():
    assert Definition(schedule=Every(300), task="t") == hand()
    assert Definition(schedule=Every(300), task="t") == hand(args=None, kwargs=None, start=None, end=None)
    assert Definition(schedule=Every(300), task="t") == hand(
        tz=None, max_runs=None, jitter=None, catch_up=None, window=None, overlap=None, paused=None, owner=None
    )


@pytest.mark.parametrize(
    ("text", "schedule"),
    [
        ('{"cron": "15 3 * * *", "tz": "Europe/Berlin"', Cron("15 3 * * *", "Europe/Berlin")),
        ('{"cron": "15 3 * * *", "tz": null', Cron("15 3 * * *")),
        ('{"cron": " @daily "', Cron("@daily")),
        ('{"cron": "@daily", "every": null, "at": null', Cron("@daily")),
        ('{"every": 300', Every(300)),
        ('{"every": 0.1', Every(0.1)),
        ('{"every": "1h30m"', Every(5400)),
        ('{"every": "90", "anchor": 1782907200', Every(90, NOON)),
        ('{"every": "1d", "anchor": "2026-07-01T14:00", "tz": "Europe/Berlin"', Every(86_400, NOON)),
        ('{"at": 1782907200', At(NOON)),
        ('{"at": 1782907200.0', At(NOON)),
        ('{"at": "2026-07-01T12:00:00Z"', At(NOON)),
        ('{"at": "2026-07-01 14:00", "tz": "Europe/Berlin"', At(NOON)),
        ('{"at": "2026-07-01T14:00:00+02:00", "tz": "Asia/Kolkata"', At(NOON)),
        ('{"at": " 20260701T12 "', At(NOON)),
    ],
)
def test_a_time_is_read_as_people_write_it(text, schedule):
    assert schedule == decode_definition(f'{text}, "task": "t"}}'.encode()).schedule


@pytest.mark.parametrize("value", [1782907200, 1782907200.0, "2026-07-01T12:00Z", "2026-07-01T12:00:00.000+00:00"])
def test_start_and_end_are_read_as_people_write_them(value):
    assert (NOON, NOON) == (hand(start=value).start, hand(end=value).end)


def test_a_moment_without_an_offset_is_in_the_zone_of_the_schedule():
    read = hand(start="2026-07-01T14:00", end="2026-12-01", tz="Europe/Berlin")
    assert (NOON, datetime(2026, 12, 1, tzinfo=BERLIN)) == (read.start, read.end)
    # Once written again it has an offset, and means the same.
    again = decode_definition(encode_definition(read))
    assert (read.start, read.end) == (again.start, again.end)
    assert hand(start="2026-07-01T12:00").start == NOON


@pytest.mark.parametrize(
    ("value", "pause"),
    [
        (True, Pause(by="?", at=None)),
        ("audit", Pause(by="?", at=None, reason="audit")),
        (1, Pause(by="?", at=None, reason="1")),
        ({"by": "ada"}, Pause(by="ada", at=None)),
        ({"by": "ada", "at": 17, "reason": "audit"}, Pause(by="ada", at=17.0, reason="audit")),
        ({"by": 5, "at": "soon", "reason": None}, Pause(by="5", at=None)),
        ({"reason": "audit", "at": True}, Pause(by="?", at=None, reason="audit")),
        (False, None),
        (None, None),
        ("", None),
        (0, None),
        ({}, None),
    ],
)
def test_paused_is_read_as_people_write_it(value, pause):
    assert pause == hand(paused=value).paused


@pytest.mark.parametrize(
    ("field", "value", "read"),
    [
        ("max_runs", 3, 3),
        ("max_runs", 3.0, 3),
        ("jitter", "5m", 300.0),
        ("jitter", 5, 5.0),
        ("jitter", "0", 0.0),
        ("jitter", 0, 0.0),
        ("window", "2d", 172_800.0),
        ("window", 0, 0.0),
        ("catch_up", "all", CatchUp.ALL),
        ("overlap", "buffer_one", Overlap.BUFFER_ONE),
        ("owner", "code", Owner.CODE),
        ("args", [1, "a"], (1, "a")),
        ("kwargs", {"a": 1}, {"a": 1}),
    ],
)
def test_a_field_is_read_as_people_write_it(field, value, read):
    assert read == getattr(hand(**{field: value}), field)


REFUSED = [
    ("cron", "* * * * *", 'needs one of "cron", "every" and "at"'),
    ("every", None, 'needs one of "cron", "every" and "at"'),
    ("every", True, "interval"),
    ("every", [5], "interval"),
    ("every", 0, "interval"),
    ("every", "soon", "interval"),
    ("anchor", "soon", "anchor 'soon': expected a moment like 2030-01-31T12:00:00+01:00"),
    ("anchor", True, "anchor 'True': expected a moment"),
    ("anchor", 1e300, "expected a moment"),
    ("tz", 5, '"tz" is \'5\': expected the name of a zone, like "Europe/Berlin"'),
    ("tz", ["UTC"], '"tz" is'),
    ("task", None, 'a schedule needs "task"'),
    ("task", "", 'a schedule needs "task"'),
    ("task", " ", 'a schedule needs "task"'),
    ("task", 5, 'a schedule needs "task"'),
    ("task", "x" * 4097, 'a schedule needs "task"'),
    ("args", {"a": 1}, '"args" is a dict: expected a JSON array'),
    ("args", "abc", '"args" is a str: expected a JSON array'),
    ("kwargs", [1], '"kwargs" is a list: expected a JSON object'),
    ("start", "soon", "start 'soon': expected a moment"),
    ("start", "", "start '': expected a moment"),
    ("end", True, "end 'True': expected a moment"),
    ("end", {"y": 1}, "expected a moment"),
    ("end", 10**400, "expected a moment"),
    ("max_runs", 0, "max_runs=0: a whole number, 1 or more"),
    ("max_runs", -1, "max_runs=-1: a whole number"),
    ("max_runs", 1.5, "max_runs=1.5: a whole number"),
    ("max_runs", True, "max_runs=True: a whole number"),
    ("max_runs", "3", "max_runs='3': a whole number"),
    ("jitter", -1, "jitter=-1.0: seconds from 0 to 86,400"),
    ("jitter", 86_401, "jitter=86401.0: seconds from 0 to 86,400"),
    ("jitter", True, "\"jitter\" is 'True': expected seconds"),
    ("jitter", [1], "\"jitter\" is '[1]': expected seconds"),
    ("jitter", "long", "interval 'long'"),
    ("jitter", 10**400, "jitter"),
    ("window", -0.1, "window=-0.1: seconds from 0 to"),
    ("window", 4000 * 86_400, "window=345600000.0: seconds from 0 to 316,224,000"),
    ("window", 10**400, "window"),
    ("catch_up", "some", "\"catch_up\" is 'some': expected one of none, one, all"),
    ("catch_up", ["one"], '"catch_up" is'),
    ("overlap", "queue", "\"overlap\" is 'queue': expected one of allow, skip, buffer_one"),
    ("overlap", 1, '"overlap" is'),
    ("owner", "me", "\"owner\" is 'me': expected one of code, operator"),
]


@pytest.mark.parametrize(("field", "value", "advice"), REFUSED, ids=lambda v: str(v)[:40])
def test_a_field_that_cannot_be_is_refused_with_words(field, value, advice):
    with pytest.raises(ScheduleError) as caught:
        hand(**{field: value})
    assert advice in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_number_that_no_float_holds_is_refused_or_left_alone():
    assert hand(paused={"by": "ada", "at": 10**400}).paused == Pause(by="ada", at=None)
    assert hand(args=[10**400]).args == (10**400,)


def test_an_end_before_the_start_is_refused():
    with pytest.raises(ScheduleError, match="end is before start"):
        hand(start="2026-07-02", end="2026-07-01")
    assert hand(start="2026-07-01", end="2026-07-01").start is not None
    # By the clock the end is later, in truth it is earlier.
    with pytest.raises(ScheduleError, match="end is before start"):
        hand(start="2026-07-01T12:00Z", end="2026-07-01T13:00+02:00")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"5",
        b'"text"',
        b"\xff\xfe",
        b'{"every":"\xff","task":"t"}',
        b'{"every":5,"task":"\\ud800"}',
        b'{"every":5,"task":"t","x":' + b"[" * 20_000 + b"]" * 20_000 + b"}",
        b'{"every":5,"task":"t","args":[' + b"[" * 200 + b"]" * 200 + b"]}",
        b'{"every":5,"task":"t","x":"' + b"x" * MAX_DEFINITION + b'"}',
        b'{"every":NaN,"task":"t"}',
        b'{"every":1e999,"task":"t"}',
        b'{"cron":5,"task":"t"}',
        b'{"cron":"' + b"*," * 5000 + b'","task":"t"}',
        b'{"cron":"0 0 31 2 *","task":"t"}',
        b'{"cron":"* * * * *","tz":"../../etc/passwd","task":"t"}',
        b'{"cron":"* * * * *","tz":"Europe","task":"t"}',
        b'{"cron":"* * * * *","tz":"a\\u0000b","task":"t"}',
        b'{"at":"2026-01-01","tz":"Nowhere/Land","task":"t"}',
        b'{"at":"0001-01-01T00:00:00+14:00","task":"t"}',
        b'{"at":-1e18,"task":"t"}',
    ],
    ids=lambda raw: repr(raw[:40]),
)
def test_what_is_no_schedule_is_refused_with_words(raw):
    with pytest.raises(ScheduleError) as caught:
        decode_definition(raw)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


def only_a_schedule_error(raw):
    try:
        read = decode_definition(raw)
    except ScheduleError:
        return False
    encode_definition(read)
    assert len(read.trigger) == 12
    return True


@given(raw=st.binary(max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_read_or_refused(raw):
    only_a_schedule_error(raw)


@given(fields=st.dictionaries(st.sampled_from(sorted(OURS)) | texts, values, max_size=8))
@settings(max_examples=300, deadline=None)
def test_any_json_is_read_or_refused(fields):
    only_a_schedule_error(json.dumps(fields).encode())


NASTY = [
    *(None, True, False, 0, -1, 1, 0.5, -0.0, 3.0, 10**400, -(10**40), 2**63, 1e308, -1e308, 5e-324, 1e18, -1e18),
    *(253402300799, -62135596800, 253402300800, "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "0001-01-01"),
    *(
        "",
        " ",
        "5m",
        "0",
        "-5",
        "1e3",
        "@daily",
        "@reboot",
        "* * * * *",
        "0 0 31 2 *",
        "H * * * *",
        "UTC",
        "Asia/Tokyo",
    ),
    *("../UTC", "Europe", "a\0b", "2026-07-01", "24:00", "none", "code", "\ud800", "\N{PILE OF POO}", "x" * 5000),
    *([], {}, [[]], [1, "a"], {"": None}, {"by": [], "at": "x", "reason": {}}, {"at": 10**400}, [[[{"a": [1.5]}]]]),
]


def test_ten_thousand_nasty_definitions_are_read_or_refused():
    choose = random.Random(7)
    names = sorted(OURS)
    readable = 0
    for _ in range(10_000):
        fields = {name: choose.choice(NASTY) for name in choose.sample(names, choose.randint(0, 4))}
        if choose.random() < 0.8:
            fields |= {"every": 5, "cron": None, "at": None, "task": "t"}
        raw = bytearray(json.dumps(fields).encode())
        if choose.random() < 0.3:
            raw[choose.randrange(len(raw))] = choose.randrange(256)
        readable += only_a_schedule_error(bytes(raw))
    assert 500 < readable < 9_500


# -- built in Python


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("task", None),
        ("start", datetime(2026, 1, 1)),  # noqa: DTZ001 - as a caller may write it
        ("end", "2026-01-01"),
        ("max_runs", 1.0),
        ("jitter", math.nan),
        ("jitter", math.inf),
        ("window", math.nan),
        ("window", True),
        ("args", ({1, 2},)),
        ("args", (math.inf,)),
        ("kwargs", {"a": {1: 2}}),
    ],
    ids=repr,
)
def test_a_definition_that_cannot_be_is_not_built(field, value):
    with pytest.raises(ScheduleError):
        Definition(**{"schedule": Every(5), "task": "t", field: value})


@pytest.mark.parametrize("args", [("\ud800",), ("x" * MAX_DEFINITION,)], ids=["surrogate", "too long"])
def test_what_cannot_be_written_is_refused(args):
    with pytest.raises(ScheduleError):
        encode_definition(Definition(schedule=Every(5), task="t", args=args))


# -- names


@pytest.mark.parametrize("name", ["a", "nightly bill", 'with "quotes"', "täglich ☕", "a:b/c", "x" * MAX_NAME, " a "])
def test_a_name_may_be_any_line_of_text(name):
    assert name == check_schedule_name(name)


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("", "needs a name"),
        ("  ", "needs a name"),
        (None, "needs a name"),
        (b"a", "needs a name"),
        ("x" * (MAX_NAME + 1), "201 characters: at most 200"),
        ("x" * 10_000, "10000 characters"),
        ("a\nb", r"'a\\nb' has a control character"),
        ("a\x1b[2J", "control character"),
        ("\x7f", "control character"),
        ("a\x00", "control character"),
        ("a\udcff", "control character"),
    ],
)
def test_a_name_that_cannot_be_is_refused(name, advice):
    with pytest.raises(ScheduleError) as caught:
        check_schedule_name(name)
    assert advice in str(caught.value)
    assert str(caught.value).isprintable()


# -- moments


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        [],
        {},
        b"2026-01-01",
        "",
        "tomorrow",
        "2026-13-01",
        "x" * 100_000,
        "\ud800",
        math.nan,
        math.inf,
        -math.inf,
        1e300,
        10**400,
    ],
    ids=lambda v: repr(v)[:30],
)
def test_a_moment_that_cannot_be_is_refused(value):
    with pytest.raises(ScheduleError, match="expected a moment like") as caught:
        moment_of(value, "start", "Europe/Berlin")
    assert len(str(caught.value)) < 200


@given(value=values | st.floats() | st.integers() | st.text() | st.datetimes())
@settings(max_examples=250, deadline=None)
def test_any_moment_is_aware_or_refused(value):
    try:
        found = moment_of(value, "start", "Europe/Berlin")
    except ScheduleError:
        return
    assert found.utcoffset() is not None
    assert found <= NOON or found > NOON


# -- the fingerprint


def test_the_fingerprint_changes_with_what_decides_the_instants_and_with_nothing_else():
    base = {"every": "5m", "task": "t"}
    same = [
        {"every": 300},
        {"every": "300s"},
        {"task": "u"},
        {"args": [1]},
        {"kwargs": {"a": 1}},
        {"max_runs": 3},
        {"catch_up": "all"},
        {"window": 5},
        {"overlap": "skip"},
        {"paused": True},
        {"owner": "code"},
        {"note": "x"},
        {"jitter": 0},
        {"jitter": 2},
        {"start": None},
    ]
    other = [
        {"every": 301},
        {"every": 300.000001},
        {"anchor": 0},
        {"anchor": 1},
        {"start": "2026-01-01"},
        {"start": "2026-01-02"},
        {"end": "2026-01-01"},
        {"every": None, "cron": "*/5 * * * *"},
        {"every": None, "cron": "*/5 * * * *", "tz": "Europe/Berlin"},
        {"every": None, "cron": "*/6 * * * *"},
        {"every": None, "at": 1782907200},
        {"every": None, "at": 1782907201},
    ]
    usual = decode_definition(json.dumps(base).encode()).trigger
    assert {usual} == {decode_definition(json.dumps(base | fields).encode()).trigger for fields in same}
    others = {decode_definition(json.dumps(base | fields).encode()).trigger for fields in other}
    assert len(others) == len(other)
    assert usual not in others


# -- code and operators


def three_way(baseline, current, wanted):
    return json.loads(merged(*(json.dumps(fields).encode() for fields in (baseline, current, wanted))))


BASE = {"cron": "0 3 * * *", "tz": "UTC", "task": "t", "args": [1]}


@pytest.mark.parametrize(
    ("current", "wanted", "result"),
    [
        # Nobody touched it: the code decides.
        ({}, {"args": [2]}, {"args": [2]}),
        ({}, {"cron": "0 4 * * *"}, {"cron": "0 4 * * *"}),
        ({}, {"args": None}, {"args": None}),
        ({}, {"jitter": 5}, {"jitter": 5}),
        # What an operator changed stays, what they did not follows the code.
        ({"args": [9]}, {"args": [2]}, {"args": [9]}),
        ({"args": [9]}, {"task": "u"}, {"args": [9], "task": "u"}),
        ({"args": None}, {"args": [2]}, {"args": None}),
        ({"jitter": 7}, {"jitter": 5}, {"jitter": 7}),
        ({"paused": True}, {"args": [2]}, {"paused": True, "args": [2]}),
        ({"paused": True}, {"cron": "0 4 * * *"}, {"paused": True, "cron": "0 4 * * *"}),
        ({"note": "ours"}, {"args": [2]}, {"note": "ours", "args": [2]}),
        # When it fires is one thing.
        ({"cron": "5 5 * * *"}, {"tz": "Asia/Tokyo"}, {"cron": "5 5 * * *"}),
        ({"tz": "Europe/Berlin"}, {"cron": "0 4 * * *"}, {"tz": "Europe/Berlin"}),
        (
            {"cron": None, "tz": None, "every": "5m", "anchor": 17},
            {"cron": "0 4 * * *", "tz": "Asia/Tokyo"},
            {"cron": None, "tz": None, "every": "5m", "anchor": 17},
        ),
        ({}, {"cron": None, "tz": None, "every": "5m"}, {"cron": None, "tz": None, "every": "5m"}),
        ({"args": [9]}, {"cron": None, "tz": None, "at": 5}, {"args": [9], "cron": None, "tz": None, "at": 5}),
        # Both came to the same.
        ({"args": [2]}, {"args": [2]}, {"args": [2]}),
    ],
    ids=str,
)
def test_code_and_operator_each_keep_what_is_theirs(current, wanted, result):
    def changed(fields):
        return {k: v for k, v in (BASE | fields).items() if v is not None}

    assert changed(result) == three_way(BASE, changed(current), changed(wanted))


some_fields = st.fixed_dictionaries(
    {"task": st.sampled_from("tuv")},
    optional={
        "args": st.lists(st.integers(0, 2), max_size=2),
        "jitter": st.integers(0, 3),
        "max_runs": st.none() | st.integers(0, 3),
        "paused": st.booleans(),
        "note": st.none() | texts,
    },
)
some_when = st.one_of(
    st.fixed_dictionaries(
        {"cron": st.sampled_from(["@daily", "@hourly"]), "tz": st.sampled_from(["UTC", "Asia/Tokyo"])}
    ),
    st.fixed_dictionaries({"every": st.sampled_from([5, "5m"])}, optional={"anchor": st.integers(0, 3)}),
    st.fixed_dictionaries({"at": st.integers(0, 10)}),
)
some = st.builds(lambda a, b: a | b, some_fields, some_when)
WHEN = {"cron", "tz", "every", "anchor", "at"}


@given(baseline=some, current=some, wanted=some)
@settings(max_examples=250, deadline=None)
def test_what_the_operator_did_not_touch_follows_the_code_and_the_rest_stays(baseline, current, wanted):
    result = three_way(baseline, current, wanted)
    for name in {*baseline, *current, *wanted} - WHEN:
        touched = baseline.get(name) != current.get(name)
        assert (current if touched else wanted).get(name) == result.get(name), name
    when = [{n: fields[n] for n in WHEN if n in fields} for fields in (baseline, current, wanted, result)]
    assert (when[2] if when[0] == when[1] else when[1]) == when[3]
    only_a_schedule_error(json.dumps(result).encode())


@given(texts=st.lists(st.binary(max_size=20) | some.map(lambda f: json.dumps(f).encode()), min_size=3, max_size=3))
@settings(max_examples=200, deadline=None)
def test_what_cannot_be_merged_is_refused(texts):
    try:
        result = merged(*texts)
    except ScheduleError:
        return
    only_a_schedule_error(result)


@given(baseline=definitions(), wanted=definitions())
@settings(max_examples=80, deadline=None)
def test_what_nobody_touched_becomes_what_the_code_says(baseline, wanted):
    raw = encode_definition(baseline)
    assert plain(wanted) == plain(decode_definition(merged(raw, raw, encode_definition(wanted))))


# -- changes


@pytest.mark.parametrize(
    ("before", "changes", "after"),
    [
        ({"cron": "@daily", "tz": "UTC"}, {"cron": "@hourly"}, {"cron": "@hourly", "tz": "UTC"}),
        ({"cron": "@daily", "tz": "UTC"}, {"tz": "Asia/Tokyo"}, {"cron": "@daily", "tz": "Asia/Tokyo"}),
        ({"cron": "@daily"}, {"every": "5m"}, {"every": "5m"}),
        ({"every": 5, "anchor": 1}, {"every": 6}, {"every": 6}),
        ({"every": 5, "anchor": 1}, {"every": 6, "anchor": 2}, {"every": 6, "anchor": 2}),
        ({"every": 5, "anchor": 1}, {"anchor": None}, {"every": 5}),
        ({"every": 5}, {"anchor": 3}, {"every": 5, "anchor": 3}),
        ({"every": 5, "end": 1}, {"end": None}, {"every": 5}),
        ({"every": 5}, {"end": None}, {"every": 5}),
        ({"every": 5}, {"args": [1], "note": {"a": 1}}, {"every": 5, "args": [1], "note": {"a": 1}}),
        ({"every": 5}, {"every": None}, {}),
        ({"every": 5}, {}, {"every": 5}),
    ],
    ids=str,
)
def test_an_edit_changes_the_fields_it_names(before, changes, after):
    assert after == json.loads(with_changes(json.dumps(before).encode(), changes))


@pytest.mark.parametrize("value", [object(), {1: object()}, "\ud800", {("a",): 1}], ids=range(4))
def test_an_edit_that_json_cannot_carry_is_refused(value):
    with pytest.raises(ScheduleError, match="the change cannot be written as JSON"):
        with_changes(b'{"every":5}', {"args": value})


def test_an_edit_of_what_is_no_json_is_refused():
    with pytest.raises(ScheduleError, match="no JSON object"):
        with_changes(b"nonsense", {"args": [1]})
