"""Intervals without drift, single moments, and previews with the marks of clock changes."""

from __future__ import annotations

import math
import pickle
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from taskconsole.errors import ScheduleError
from taskconsole.model.schedule import (
    MAX_INTERVAL,
    MIN_INTERVAL,
    At,
    Cron,
    Every,
    Fire,
    format_interval,
    parse_interval,
    preview,
)

START = datetime(2026, 3, 1, 10, 7, 3, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


def naive(*numbers):
    return datetime(*numbers)  # noqa: DTZ001 - as a caller may write it


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("90s", 90),
        ("5m", 300),
        ("1h30m", 5400),
        ("2d", 172_800),
        ("1w", 604_800),
        ("250ms", 0.25),
        ("1m500ms", 60.5),
        ("0.5s", 0.5),
        ("1.5h", 5400),
        (" 1h 30m ", 5400),
        ("5 m", 300),
        ("300", 300),
        ("0.1", 0.1),
        (300, 300),
        (0.01, 0.01),
        (timedelta(minutes=5), 300),
        (timedelta(microseconds=100_001), 0.100001),
        ("3652d", 315_532_800),
    ],
)
def test_an_interval_is_read(value, seconds):
    assert seconds == parse_interval(value)
    assert isinstance(parse_interval(value), float)


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        (0, "interval 0: write one from 0.01 s to ten years, such as '5m'"),
        (-5, "interval -5: write one from 0.01 s"),
        ("0s", "interval '0s': write one from 0.01 s"),
        (0.0099, "interval 0.0099: write one from 0.01 s"),
        ("9ms", "interval '9ms': write one from 0.01 s"),
        (math.nan, "interval nan: write one"),
        (math.inf, "interval inf: write one"),
        (-math.inf, "interval -inf: write one"),
        (timedelta(0), "interval datetime.timedelta(0): write one"),
        (timedelta.max, "write one from 0.01 s to ten years"),
        ("3653d", "interval '3653d': write one from 0.01 s to ten years"),
        (MAX_INTERVAL * 1.001, "write one from 0.01 s to ten years"),
        (10**400, "interval of so many digits: write one from"),
        (10**5000, "interval of so many digits: write one from"),
        ("9" * 60, "write one from 0.01 s to ten years"),
        ("9" * 65, "write '90s', '5m', '1h30m' or '2d'"),
        ("", "interval '': write '90s', '5m', '1h30m' or '2d'"),
        ("  ", "write '90s', '5m', '1h30m' or '2d'"),
        ("five minutes", "interval 'five minutes': write '90s', '5m', '1h30m' or '2d', the largest unit first"),
        ("5M", "interval '5M': write '90s'"),
        ("30m1h", "the largest unit first"),
        ("5m5m", "the largest unit first"),
        ("1h30", "the largest unit first"),
        ("-5m", "the largest unit first"),
        ("1e3", "the largest unit first"),
        ("nan", "the largest unit first"),
        ("٣s", "the largest unit first"),
        ("5m\n5", "the largest unit first"),
        (None, "an interval is a number of seconds or text such as '5m', not NoneType"),
        (True, "not bool"),
        (b"5m", "not bytes"),
        (5j, "not complex"),
        ([5], "not list"),
    ],
    ids=lambda value: repr(value)[:24] if not isinstance(value, int) else str(value % 10**9),
)
def test_an_interval_that_is_none_is_refused_with_what_to_write(value, advice):
    for use in (parse_interval, Every):
        with pytest.raises(ScheduleError) as caught:
            use(value)
        assert advice in str(caught.value)
        assert len(str(caught.value)) < 200
        assert len(str(caught.value).splitlines()) == 1


@given(st.text(max_size=20) | st.text("0123456789.wdhms -+e", max_size=12))
def test_no_text_for_an_interval_raises_anything_but_a_refusal(text):
    with suppress(ScheduleError):
        assert MIN_INTERVAL <= parse_interval(text) <= MAX_INTERVAL


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (300, "5m"),
        (5400, "1h30m"),
        (90, "1m30s"),
        (86_400, "1d"),
        (694_861.25, "8d1h1m1.25s"),
        (0.1, "0.1s"),
        (1 / 3, "0.333333s"),
        (10, "10s"),
        (600, "10m"),
        (59.9999999, "1m"),
        (0, "0s"),
    ],
)
def test_an_interval_is_written_short(seconds, text):
    assert text == format_interval(seconds)


@given(st.integers(10_000, int(MAX_INTERVAL * 1_000_000)))
@example(10_000)
@example(int(MAX_INTERVAL * 1_000_000))
def test_what_is_written_is_read_back_to_the_microsecond(micros):
    assert micros == round(parse_interval(format_interval(micros / 1_000_000)) * 1_000_000)


@pytest.mark.parametrize("value", [math.nan, math.inf, -1, None, "5m", True, 10**12 + 1], ids=repr)
def test_what_is_no_number_of_seconds_is_not_written(value):
    with pytest.raises(ScheduleError, match="write a number of seconds from 0 to 10"):
        format_interval(value)


def test_a_number_of_thousands_of_digits_is_not_written():
    with pytest.raises(ScheduleError, match="interval of so many digits: write a number of seconds from 0 to 10"):
        format_interval(10**5000)


def test_an_interval_without_an_anchor_lies_on_the_clock():
    assert Every(300).next_after(START) == datetime(2026, 3, 1, 10, 10, tzinfo=UTC)
    assert Every("1h").next_after(START) == datetime(2026, 3, 1, 11, tzinfo=UTC)
    assert Every("1d").next_after(START.astimezone(BERLIN)) == datetime(2026, 3, 2, tzinfo=UTC)
    assert Every("5m").next_after(START).tzinfo is UTC


def test_a_moment_of_the_grid_is_followed_by_the_next():
    on_grid = datetime(2026, 3, 1, 10, 10, tzinfo=UTC)
    tick = timedelta(microseconds=1)

    assert Every("5m").next_after(on_grid) == on_grid + timedelta(minutes=5)
    assert Every("5m").next_after(on_grid - tick) == on_grid
    assert Every("5m").next_after(on_grid + tick) == on_grid + timedelta(minutes=5)


def test_an_anchor_is_the_first_moment():
    anchor = datetime(2026, 3, 1, 3, 30, tzinfo=BERLIN)
    schedule = Every("45m", anchor)

    assert schedule.next_after(anchor - timedelta(days=400)) == anchor
    assert schedule.next_after(anchor - timedelta(microseconds=1)) == anchor
    assert schedule.next_after(anchor) == anchor + timedelta(minutes=45)
    assert schedule.next_after(anchor + timedelta(minutes=100)) == anchor + timedelta(minutes=135)
    assert Every(10).next_after(datetime(1960, 1, 1, tzinfo=UTC)) == datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("interval", "exact"),
    [(0.1, Fraction(1, 10)), (1 / 3, Fraction(1, 3)), ("250ms", Fraction(1, 4)), (0.7, Fraction(7, 10))],
)
@pytest.mark.parametrize("anchor", [START, START - timedelta(days=20_000), None])
def test_ten_thousand_steps_do_not_drift(interval, exact, anchor):
    schedule = Every(interval, anchor)
    origin = anchor or datetime(1970, 1, 1, tzinfo=UTC)
    moment = first = schedule.next_after(START)
    done = (first - origin) // timedelta(microseconds=1)
    k = math.ceil(done / (exact * 1_000_000))
    for step in range(1, 10_001):
        moment = schedule.next_after(moment)
        wanted = (k + step) * exact * 1_000_000 // 1
        assert wanted == (moment - origin) // timedelta(microseconds=1)


@given(
    st.floats(MIN_INTERVAL, MAX_INTERVAL),
    st.datetimes(naive(1970, 1, 1), naive(2200, 1, 1), timezones=st.just(UTC)),
    st.none() | st.datetimes(naive(1970, 1, 1), naive(2100, 1, 1), timezones=st.just(UTC)),
)
def test_the_next_step_is_later_and_no_more_than_one_interval_away(seconds, moment, anchor):
    schedule = Every(seconds, anchor)
    fire = schedule.next_after(moment)

    assert fire > moment
    if anchor is None or moment >= anchor:
        assert (fire - moment).total_seconds() <= seconds * (1 + 1e-12) + 2e-6
        assert fire == schedule.next_after(fire - timedelta(microseconds=1))
    else:
        assert fire == anchor


def test_steps_end_with_the_dates():
    assert Every("1d").next_after(datetime.max.replace(tzinfo=UTC)) is None
    assert Every("1d").next_after(datetime.max.replace(tzinfo=timezone(timedelta(hours=-12)))) is None
    assert Every("5m").next_after(datetime.min.replace(tzinfo=timezone(timedelta(hours=12)))).year == 1970


def test_an_interval_is_a_value():
    assert Every("5m") == Every(300) == Every(300.0) == Every(timedelta(minutes=5))
    assert hash(Every("5m")) == hash(Every(300))
    assert Every("5m").seconds == 300.0
    assert Every("5m") != Every("6m")
    assert Every("5m") != Every("5m", START)
    assert Every("5m", START) == Every("5m", START.astimezone(BERLIN))
    assert repr(Every("5m")) == "Every(interval='5m', anchor=None)"
    assert pickle.loads(pickle.dumps(Every("5m"))) == Every("5m")
    with pytest.raises(AttributeError):
        Every("5m").seconds = 5.0


@pytest.mark.parametrize(
    ("schedule", "description"),
    [
        (Every("5m"), "Every 5 minutes"),
        (Every("1m"), "Every minute"),
        (Every(1), "Every second"),
        (Every("90m"), "Every 1 hour 30 minutes"),
        (Every("1w"), "Every 7 days"),
        (Every(0.1), "Every 0.1 seconds"),
        (Every("5m", START), "Every 5 minutes from 2026-03-01 10:07:03+00:00"),
        (At(datetime(2026, 12, 31, 23, 59, tzinfo=BERLIN)), "Once at 2026-12-31 23:59:00+01:00"),
        (Cron("15 3 * * *", "Europe/Berlin"), "At 03:15 (Europe/Berlin)"),
    ],
)
def test_a_schedule_says_in_english_what_it_does(schedule, description):
    assert description == schedule.describe()


def test_a_single_moment_comes_once():
    moment = datetime(2026, 12, 31, 23, 59, tzinfo=BERLIN)
    schedule = At(moment)

    assert schedule.next_after(START) is moment
    assert schedule.next_after(moment - timedelta(microseconds=1)) is moment
    assert schedule.next_after(moment) is None
    assert schedule.next_after(moment.astimezone(UTC)) is None
    assert schedule.next_after(datetime.max.replace(tzinfo=timezone(timedelta(hours=-5)))) is None
    assert schedule == At(moment.astimezone(UTC))
    assert hash(schedule) == hash(At(moment.astimezone(UTC)))


def test_a_single_moment_in_the_hour_that_comes_twice_is_one_of_the_two():
    first = datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN)
    second = first.replace(fold=1)

    assert At(second).next_after(first) is second
    assert At(first).next_after(second) is None
    assert At(first) != At(second)


@pytest.mark.parametrize(
    "moment",
    [
        naive(2026, 1, 1),
        None,
        0,
        "2026-01-01",
        datetime.max.replace(tzinfo=UTC),
        datetime.max.replace(tzinfo=timezone(timedelta(hours=-5))),
        datetime.min.replace(tzinfo=timezone.max),
    ],
    ids=str,
)
def test_a_moment_that_cannot_be_is_refused(moment):
    with pytest.raises(ScheduleError, match=r"write (tzinfo|one)|not (int|str|NoneType)"):
        At(moment)
    if moment is not None:
        with pytest.raises(ScheduleError):
            Every("5m", moment)


@pytest.mark.parametrize("schedule", [Cron("* * * * *"), Every("5m"), At(START)], ids=str)
@pytest.mark.parametrize("moment", [naive(2026, 1, 1), None, 0.0], ids=str)
def test_no_schedule_takes_a_moment_without_a_zone(schedule, moment):
    with pytest.raises(ScheduleError, match="time zone"):
        schedule.next_after(moment)
    with pytest.raises(ScheduleError, match="time zone"):
        preview(schedule, moment, 5)


def shown(expression, start, count):
    fires = preview(Cron(expression, "Europe/Berlin"), datetime.fromisoformat(start), count)
    return [(f"{fire.at:%d. %H:%M%z}", fire.mark) for fire in fires]


SPRING, AUTUMN = "2026-03-28T00:00:00+01:00", "2026-10-24T00:00:00+02:00"


def test_a_preview_shows_what_becomes_of_a_fixed_time_in_spring():
    assert shown("30 2 * * *", SPRING, 4) == [
        ("28. 02:30+0100", ""),
        ("29. 03:00+0200", "moved: 02:30 does not exist"),
        ("30. 02:30+0200", ""),
        ("31. 02:30+0200", ""),
    ]


def test_a_preview_shows_what_becomes_of_a_fixed_time_in_autumn():
    assert shown("30 2 * * *", AUTUMN, 3) == [
        ("24. 02:30+0200", ""),
        ("25. 02:30+0200", "once: 02:30 comes twice"),
        ("26. 02:30+0100", "offset changes"),
    ]


def test_a_preview_shows_what_becomes_of_every_hour_in_spring():
    assert shown("30 * * * *", "2026-03-29T00:40:00+01:00", 3) == [
        ("29. 01:30+0100", ""),
        ("29. 03:30+0200", "offset changes"),
        ("29. 04:30+0200", ""),
    ]


def test_a_preview_shows_what_becomes_of_every_hour_in_autumn():
    assert shown("30 * * * *", "2026-10-25T01:40:00+02:00", 3) == [
        ("25. 02:30+0200", ""),
        ("25. 02:30+0100", "second 02:30"),
        ("25. 03:30+0100", ""),
    ]


def test_a_preview_compares_the_first_fire_with_the_moment_itself():
    assert shown("0 12 * * *", "2026-03-28T23:00:00+01:00", 2) == [
        ("29. 12:00+0200", "offset changes"),
        ("30. 12:00+0200", ""),
    ]


def test_a_mark_names_the_second_where_there_is_one():
    fires = preview(Cron("15 30 2 * * *", "Europe/Berlin"), datetime.fromisoformat("2026-03-29T00:00:00+01:00"), 1)
    assert [fire.mark for fire in fires] == ["moved: 02:30:15 does not exist"]


def test_a_preview_of_other_schedules_has_no_marks():
    moment = datetime(2026, 10, 25, 12, tzinfo=BERLIN)

    assert preview(Every("1h"), START, 2) == [
        Fire(datetime(2026, 3, 1, 11, tzinfo=UTC)),
        Fire(datetime(2026, 3, 1, 12, tzinfo=UTC)),
    ]
    assert preview(At(moment), START, 5) == [Fire(moment)]
    assert preview(At(moment), moment, 5) == []
    assert preview(Every("1h"), START, 0) == []
    assert len(preview(Every("1h"), START, 1000)) == 1000


class Shy:
    def __repr__(self):
        raise RuntimeError


@pytest.mark.parametrize("count", [-1, 1001, 10**5000, 2.0, None, "5", Shy()], ids=lambda value: str(type(value)))
def test_a_preview_of_no_sensible_length_is_refused(count):
    with pytest.raises(ScheduleError, match="write 0-1000"):
        preview(Every("1h"), START, count)


@pytest.mark.parametrize("schedule", [None, "@daily", 5, Every], ids=str)
def test_a_preview_of_what_is_no_schedule_is_refused(schedule):
    with pytest.raises(ScheduleError, match="a schedule is a Cron, an Every or an At, not "):
        preview(schedule, START, 5)
