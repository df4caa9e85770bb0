"""Times as an operator types them."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskconsole.console.typed.moments import MomentError, due, in_both_zones

BERLIN = ZoneInfo("Europe/Berlin")
NOW = dt.datetime(2026, 11, 28, 13, 0, tzinfo=dt.UTC).timestamp()


def at(text):
    return dt.datetime.fromtimestamp(due(text, NOW, BERLIN).at, dt.UTC).isoformat()


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("now", "2026-11-28T13:00:00+00:00"),
        ("+10m", "2026-11-28T13:10:00+00:00"),
        ("10m", "2026-11-28T13:10:00+00:00"),
        ("+90", "2026-11-28T13:01:30+00:00"),
        ("1.5 h", "2026-11-28T14:30:00+00:00"),
        ("2d", "2026-11-30T13:00:00+00:00"),
        ("14:30", "2026-11-28T14:30:00+00:00"),
        ("12:59", "2026-11-29T12:59:00+00:00"),
        ("14:30 local", "2026-11-28T13:30:00+00:00"),
        ("14:30:15 Z", "2026-11-28T14:30:15+00:00"),
        ("13:59l", "2026-11-29T12:59:00+00:00"),
        ("2030-01-31T12:00Z", "2030-01-31T12:00:00+00:00"),
        ("2030-01-31 12:00", "2030-01-31T12:00:00+00:00"),
        ("2030-01-31T12:00:00+02:00", "2030-01-31T10:00:00+00:00"),
    ],
)
def test_a_time_is_read(text, moment):
    assert at(text) == moment


@pytest.mark.parametrize(
    "text", ["", "soon", "10", "25:00", "14:61", "+10y", "-5m", "99999999999d", "9999-12-31", "²m"]
)
def test_what_is_no_time_says_what_to_write(text):
    with pytest.raises(MomentError, match=r"like \+10m|ten years"):
        due(text, NOW, BERLIN)


@given(st.text(max_size=30))
def test_any_text_is_a_time_or_a_line_that_says_why_not(text):
    try:
        found = due(text, NOW)
    except MomentError:
        return
    # A date may have passed; none is further away than the calendar's first.
    assert -63e9 < found.at <= NOW + 11 * 366 * 86_400
    float(found.command)


def test_a_distance_counts_from_when_redis_gets_it_and_a_moment_does_not():
    assert due("+10m", NOW).command == "+600"
    assert due("now", NOW).command == "+0"
    assert float(due("14:30", NOW).command) == NOW + 5400


def test_both_clocks_and_the_distance_are_shown():
    assert in_both_zones(NOW + 600, NOW, BERLIN) == "2026-11-28 13:10:00Z   2026-11-28 14:10:00 +0100 here   in 10m00s"
