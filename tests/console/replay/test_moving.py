"""Where in a recording one is: the player, the bar, and times as they are typed."""

from __future__ import annotations

import pytest

from taskconsole.console.replay.link import ReplayLink
from taskconsole.console.replay.player import SPEEDS, Player
from taskconsole.console.replay.timeline import timeline
from taskconsole.console.replay.times import TimeError, position_of
from taskconsole.console.text.format import ASCII
from taskconsole.console.text.lines import plain
from taskconsole.model.recording import Mark, MarkKind

# 2026-11-23 23:59:30 UTC
BEGAN = 1_795_478_370.0


def test_a_player_plays_to_the_end_and_from_the_start_again():
    player = Player(100.0)
    player.advance(10)
    player.change_speed(1)
    player.advance(10)
    assert player.position == 30.0
    player.advance(60)
    assert (player.position, player.playing) == (100.0, False)
    player.play()
    assert (player.position, player.playing) == (0.0, True)


def test_a_player_that_holds_still_stays_where_it_is():
    player = Player(100.0)
    player.play()
    player.advance(10)
    assert player.position == 0.0
    player.go(-5)
    assert player.position == 0.0
    player.go(float("inf"))
    assert player.position == 100.0


def test_speeds_have_ends():
    player = Player(100.0)
    for _ in range(20):
        player.change_speed(1)
    assert player.speed == SPEEDS[-1]
    for _ in range(20):
        player.change_speed(-1)
    assert player.speed == SPEEDS[0]


def position(text, here=100.0, end=600.0):
    return position_of(text, here=here, end=end, clock=lambda p: BEGAN + p, moment=lambda at: at - BEGAN)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("start", 0.0),
        ("end", 600.0),
        ("50%", 300.0),
        ("999%", 600.0),
        ("+90s", 190.0),
        ("-1m30s", 10.0),
        ("+5m", 400.0),
        # A time means all of its second.
        ("23:59:40", 10.999),
        ("23:59:40.5", 10.5),
        ("00:01:30", 120.999),
        ("0:01", 90.999),
        ("2026-11-24 00:02:00", 150.999),
        ("2026-11-24T01:02:00+01:00", 150.999),
    ],
)
def test_times_as_they_are_typed(text, expected):
    assert position(text) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(
    "text", ["", "soon", "24:00", "+", "+soon", "12:00", "2025-01-01", "9" * 400 + "%", "1e400", "%"]
)
def test_what_is_no_time_of_the_recording_is_said(text):
    if text.startswith("9"):
        assert position(text) == 600.0
        return
    with pytest.raises(TimeError) as error:
        position(text)
    assert "\n" not in str(error.value)
    assert "23:59:30" in str(error.value) or "write 03:12:44" in str(error.value)


def link(position, **more):
    return ReplayLink(position=position, end=600.0, now=BEGAN + position, **more)


MARKS = (
    Mark(position=0.0, kind=MarkKind.VERDICT, text=""),
    Mark(position=300.0, kind=MarkKind.LINK, text=""),
    Mark(position=450.0, kind=MarkKind.LINK, text="", bad=False),
    Mark(position=500.0, kind=MarkKind.FAILURE, text=""),
)


def bar(link, width=80):
    return plain(timeline(link, BEGAN, BEGAN + 600.0, MARKS, width, ASCII))


def test_the_bar_shows_where_one_is_and_where_it_became_worse():
    assert (
        bar(link(150.0, playing=True, speed=5.0))
        == " 23:59:30 !------->--------!---------------- 00:09:30  2m30s of 10m00s  x5    "
    )
    assert bar(link(600.0)).endswith("-| 00:09:30  10m00s of 10m00s  ended")
    assert {len(bar(link(p))) for p in (0, 5, 100, 600)} == {78}


def test_the_bar_of_nothing_and_of_no_room_is_drawn():
    assert ">" in plain(timeline(ReplayLink(playing=True), 0.0, 0.0, MARKS, 80))
    assert plain(timeline(link(5.0), float("inf"), 1e300, MARKS, 1))
