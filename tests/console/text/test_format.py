"""Numbers and times as text of a known width."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskconsole.console.text.format import (
    ASCII,
    UNICODE,
    age,
    clock,
    count,
    duration,
    estimate,
    rate,
    rtt,
    size,
    sparkline,
)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3, "0s"),
        (0.9, "0s"),
        (59.9, "59s"),
        (70, "1m10s"),
        (842, "14m02s"),
        (7500, "2h05m"),
        (273_600, "3d04h"),
        (10_368_000, "120d"),
    ],
)
def test_a_duration(seconds, text):
    assert duration(seconds) == text


@given(st.floats(0, 1e8))
def test_a_duration_fits_its_column(seconds):
    assert len(duration(seconds)) <= 6
    assert len(age(0.0, seconds)) <= 6


def test_an_old_age_does_not_flicker():
    assert age(0, 599) == "9m59s"
    assert age(0, 842) == age(0, 845) == "14m"
    assert age(None, 5) == "-"


@pytest.mark.parametrize(
    ("n", "text"),
    [
        (0, "0"),
        (12_001, "12,001"),
        (999_999, "999,999"),
        (1_240_000, "1.24M"),
        (123_456_789, "123M"),
        (5 * 10**9, "5.00G"),
    ],
)
def test_a_count(n, text):
    assert count(n) == text


@given(st.integers(0, 10**14))
def test_a_count_fits_its_column(n):
    assert len(count(n)) <= 7


@given(st.floats(0, 1e8))
def test_a_rate_fits_its_column(per_second):
    assert len(rate(per_second)) <= 7 if per_second >= 1e6 else 5


def test_an_unknown_rate_is_not_zero():
    assert rate(None) == "?"
    assert rate(0.0) == "0.0"
    assert (rate(99.94), rate(99.96), rate(12_000)) == ("99.9", "100", "12k")


def test_a_round_trip_stands_still_on_a_steady_link():
    assert [rtt(s) for s in (0.0004, 0.0021, 0.0379, 0.0412, 1.23)] == ["<1ms", "2ms", "40ms", "40ms", "1.2s"]


def test_bytes():
    assert [size(n) for n in (812, 1_240, 1_240_000, 12_400_000_000)] == [
        "812B",
        "1.24kB",
        "1.24MB",
        "12.4GB",
    ]


def test_the_time_of_day_survives_any_number():
    assert clock(1_790_000_000.12) == "14:13:20"
    assert clock(1_790_000_000.12, ms=True) == "14:13:20.120"
    for at in (float("inf"), float("-inf"), float("nan"), 1e300):
        assert clock(at) == "??:??:??"
        assert clock(at, ms=True) == "??:??:??.???"


def test_a_sparkline_shows_the_newest_values():
    assert sparkline((9, 0, 4, 8), 3) == "▁▅█"
    assert sparkline((9, 0, 4, 8), 3, ASCII) == "_=#"
    assert sparkline((), 5) == ""
    assert sparkline((0, 0), 5) == "▁▁"
    assert sparkline((1, 2), 0) == ""


@given(st.lists(st.integers(0, 10**9)), st.integers(0, 40))
def test_a_sparkline_is_never_longer_than_its_room(values, width):
    for glyphs in (UNICODE, ASCII):
        line = sparkline(values, width, glyphs)
        assert len(line) == min(len(values), width)
        assert set(line) <= set(glyphs.bars)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "-"), (0.0853, "~85ms"), (0.431, "~430ms"), (0.996, "~1.0s"), (9.96, "~9s"), (842.0, "~14m02s")],
)
def test_an_estimate_says_that_it_is_one(seconds, text):
    assert estimate(seconds) == text
