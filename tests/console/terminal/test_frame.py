"""Frames cut down to what changes: an emulator must show the same, with fewer bytes."""

from __future__ import annotations

import pyte
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from taskconsole.console.terminal import pen
from taskconsole.console.terminal.frame import FrameDiff
from tests.console.emulated import seen

WIDTH, HEIGHT = 24, 6
STYLES = [
    "",
    "1;38;2;1;2;3;48;2;9;9;9",
    "38;2;1;2;3;48;2;9;9;9",
    "38;2;200;2;3;48;2;9;9;9",
    "7;39;49",
    "31",
    "1;33",
    "90;40",
    "38;5;4",
    "4;31",
    "9",
    "3;7;34",
    "44",
]


def feed(diff, data):
    """What reaches the terminal."""
    return diff.changes() if diff.take(data) else data


def segment(style, text):
    return f"\x1b[{style}m{text}\x1b[0m" if style else text


def paint(y, x, pieces):
    return f"\x1b[{y + 1};{x + 1}H" + "".join(segment(style, text) for style, text in pieces)


pieces = st.lists(st.tuples(st.sampled_from(STYLES), st.text(alphabet="ab1 漢é▁", max_size=6)), min_size=1, max_size=4)
updates = st.lists(st.tuples(st.integers(0, HEIGHT - 1), st.integers(0, WIDTH - 1), pieces), min_size=1, max_size=4)


def blank_screen():
    screen = pyte.Screen(WIDTH, HEIGHT)
    screen.reset_mode(pyte.modes.DECAWM)
    return screen, pyte.Stream(screen)


@pytest.fixture(params=[300, 0])
def frames_of_every_size_are_planned(request, monkeypatch):
    """The generated ones are small."""
    monkeypatch.setattr(pen, "SMALL", request.param)
    monkeypatch.setattr(pen, "OFTEN", 3 if request.param else 1)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(updates, min_size=1, max_size=5), st.booleans())
def test_the_terminal_looks_the_same_cell_by_cell(frames_of_every_size_are_planned, frames, colours_erase):
    plain, plain_stream = blank_screen()
    diffed, diffed_stream = blank_screen()
    diff = FrameDiff(colours_erase=colours_erase)
    diff.resize(WIDTH, HEIGHT)
    for frame in frames:
        # Terminals differ in what is left of a wide character that was half overwritten; Textual does not do it.
        assume(len(frame) == len(frames) == 1 or not any("漢" in t for _, _, line in frame for _, t in line))
        spans = sorted(frame, key=lambda update: update[0])
        data = "".join(paint(y, x, _clipped(x, line)) + ("\n" if y < spans[-1][0] else "") for y, x, line in spans)
        plain_stream.feed(data)
        diffed_stream.feed(feed(diff, data))
        assert seen(diffed) == seen(plain)


words = st.sampled_from(["", "a", "12", "1,234", "a word", "漢漢", "▁▂▃", "é", "── b"])
whole_rows = st.lists(st.tuples(st.sampled_from(STYLES), words, st.integers(1, 9)), min_size=1, max_size=4).map(
    lambda row: [*((style, word + " " * blanks) for style, word, blanks in row), (row[-1][0], " " * WIDTH)]
)
screens = st.lists(whole_rows, min_size=HEIGHT, max_size=HEIGHT)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(screens, min_size=2, max_size=4), st.booleans(), st.booleans())
def test_one_screen_takes_the_place_of_another(frames_of_every_size_are_planned, frames, colours_erase, forgets):
    plain, plain_stream = blank_screen()
    diffed, diffed_stream = blank_screen()
    diff = FrameDiff(colours_erase=colours_erase)
    diff.resize(WIDTH, HEIGHT)
    for frame in frames:
        data = "\n".join(paint(y, 0, _clipped(0, line)) for y, line in enumerate(frame))
        plain_stream.feed(data)
        if forgets:
            diff.forget()
        diffed_stream.feed(feed(diff, data))
        assert seen(diffed) == seen(plain)
    # Where nothing is known to be shown, everything is drawn.
    anew, anew_stream = blank_screen()
    diff.forget()
    anew_stream.feed(diff.changes())
    assert seen(anew) == seen(plain)


def _clipped(x, line):
    """Textual never writes beyond the edge, nor half a wide character at it."""
    room, kept = WIDTH - x, []
    for style, text in line:
        part = ""
        for char in text:
            width = 2 if char == "漢" else 1
            if width > room:
                room = 0
                break
            part += char
            room -= width
        if part:
            kept.append((style, part))
    return kept


def test_half_of_a_wide_character_is_never_drawn_again():
    diff = FrameDiff()
    feed(diff, paint(0, 0, [("", "漢字x")]))
    feed(diff, paint(0, 1, [("", "ab")]))
    diff.forget()
    assert diff.changes() == "\x1b[m\x1b[1;2Hab\x1b[Cx"


def test_overwriting_half_of_a_wide_character_draws_the_other_half_again():
    diff = FrameDiff()
    feed(diff, paint(0, 0, [("", "漢字x")]))
    feed(diff, paint(0, 1, [("", "a")]))
    assert feed(diff, paint(0, 0, [("", "漢字x")])) == "\x1b[H漢\x1b[1;3H"


def test_what_is_there_already_is_not_written():
    diff = FrameDiff()
    assert feed(diff, paint(0, 0, [("31", "12,001 pending")]))
    assert feed(diff, paint(0, 0, [("31", "12,001 pending")])) == ""
    assert feed(diff, paint(0, 0, [("31", "12,003 pending")])) == "\x1b[1;6H3"


def test_a_short_step_is_written_rather_than_jumped_over():
    diff = FrameDiff()
    feed(diff, paint(0, 0, [("", "10 x 20")]))
    assert feed(diff, paint(0, 0, [("", "11 x 21")])) == "\x1b[1;2H1 x 21"


def test_a_long_step_is_relative_but_behind_what_terminals_draw_differently():
    diff = FrameDiff()
    feed(diff, paint(0, 0, [("", "1--------2")]))
    assert feed(diff, paint(0, 0, [("", "3--------4")])) == "\x1b[H3\x1b[8C4"
    feed(diff, paint(1, 0, [("", "▁--------2")]))
    assert feed(diff, paint(1, 0, [("", "█--------4")])) == "\x1b[2H█\x1b[2;10H4"


def test_what_is_reset_need_not_be_told_its_own_colours():
    diff = FrameDiff()
    out = feed(diff, paint(0, 0, [("1;31;49", "a"), ("39;49", "b"), ("90;49", "c")]))
    assert out == "\x1b[m\x1b[H\x1b[1;31ma\x1b[mb\x1b[90mc"


def test_only_the_parameters_that_differ_are_sent():
    diff = FrameDiff()
    out = feed(
        diff,
        paint(
            0,
            0,
            [
                ("38;2;1;1;1;48;2;9;9;9", "a"),
                ("38;2;2;2;2;48;2;9;9;9", "b"),
                ("1;38;2;2;2;2;48;2;9;9;9", "c"),
                ("38;2;2;2;2;48;2;9;9;9", "d"),
            ],
        ),
    )
    assert out == "\x1b[m\x1b[H\x1b[38;2;1;1;1;48;2;9;9;9ma\x1b[38;2;2;2;2mb\x1b[1mc\x1b[22md"


def test_after_a_resize_everything_is_written_again():
    diff = FrameDiff()
    diff.resize(WIDTH, HEIGHT)
    first = feed(diff, paint(0, 0, [("31", "abc")]))
    diff.resize(WIDTH, HEIGHT)
    assert feed(diff, paint(0, 0, [("31", "abc")])) == first


def test_told_the_same_size_again_it_draws_what_is_wanted_without_being_painted_to():
    diff = FrameDiff()
    diff.resize(WIDTH, HEIGHT)
    first = feed(diff, paint(0, 0, [("31", "abc")]))
    diff.resize(WIDTH, HEIGHT)
    assert diff.changes() == first
    diff.resize(WIDTH, HEIGHT + 1)
    assert diff.changes() == ""


@pytest.mark.parametrize("other", ["\x1b[?1049h", "\x1b[2J", "\x1b]8;;x\x1b\\"])
def test_what_it_does_not_know_passes_and_clears_its_memory(other):
    diff = FrameDiff()
    first = feed(diff, paint(0, 0, [("31", "abc")]))
    assert feed(diff, other) == other
    assert feed(diff, paint(0, 0, [("31", "abc")])) == first


@pytest.mark.parametrize("other", ["\x07", "\x1b]22;default\x07", "\x1b[?25l", "\x1b[?2026$p", "\x1b[>25u"])
def test_what_draws_nothing_passes_and_clears_nothing(other):
    diff = FrameDiff()
    feed(diff, paint(0, 0, [("31", "abc")]))
    assert feed(diff, other) == other
    assert feed(diff, paint(0, 0, [("31", "abc")])) == ""


def test_a_frame_is_shown_at_once_if_the_terminal_can():
    diff = FrameDiff()
    frame = paint(0, 0, [("", "abc")])
    assert diff.take("\x1b[?2026h")
    assert diff.take(frame)
    assert diff.take("\x1b[?2026l")
    assert diff.changes() == "\x1b[?2026h\x1b[m\x1b[Habc\x1b[?2026l"
    diff.take(frame)
    assert diff.changes() == ""


def test_frames_that_were_not_written_become_one():
    diff = FrameDiff()
    for n in range(100):
        diff.take(paint(0, 0, [("", f"{n:3} pending")]))
    assert diff.changes() == "\x1b[m\x1b[H 99 pending"


def test_blanks_at_the_end_of_a_line_are_erased_where_that_is_safe():
    diff = FrameDiff()
    diff.resize(WIDTH, HEIGHT)
    assert feed(diff, paint(0, 0, [("39;49", "ab" + " " * 22)])) == "\x1b[m\x1b[Hab\x1b[K"
    assert "\x1b[K" not in feed(diff, paint(1, 0, [("48;5;4", "ab" + " " * 22)]))
    assert "\x1b[K" not in feed(diff, paint(2, 0, [("7", "ab" + " " * 22)]))
    # Not to the edge: as many as there are.
    assert feed(diff, paint(3, 0, [("", "ab" + " " * 20)])) == "\x1b[4H\x1b[mab\x1b[20X"
    assert feed(diff, paint(3, 22, [("", "  ")])) == "\x1b[4;23H  "
    # What is blank up to the edge already, but for the first cells, is erased up to the edge.
    feed(diff, paint(4, 0, [("", "abcdefghij" + " " * 14)]))
    assert feed(diff, paint(4, 2, [("", " " * 8)])) == "\x1b[5;3H\x1b[K"


def test_where_erasing_colours_the_background_it_does_so_there_too():
    diff = FrameDiff(colours_erase=True)
    diff.resize(WIDTH, HEIGHT)
    assert feed(diff, paint(0, 0, [("44", "ab" + " " * 22)])) == "\x1b[m\x1b[H\x1b[44mab\x1b[K"
    assert "\x1b[K" not in feed(diff, paint(1, 0, [("7", "ab" + " " * 22)]))


def test_a_row_of_words_is_erased_before_others_take_their_place():
    diff = FrameDiff()
    diff.resize(WIDTH, HEIGHT)
    feed(diff, paint(0, 0, [("", "words all along the way.")]))
    assert feed(diff, paint(0, 0, [("", "one                 two ")])) == "\x1b[Hone\x1b[K\x1b[17Ctwo"


def test_a_blank_needs_no_other_colour_and_is_none_for_it():
    diff = FrameDiff()
    assert feed(diff, paint(0, 0, [("31", "a"), ("", " "), ("31", "b")])) == "\x1b[m\x1b[H\x1b[31ma b"
    assert feed(diff, paint(0, 1, [("1;32", " ")])) == ""
    assert feed(diff, paint(0, 1, [("4;32", " ")])) == "\x1b[1;2H\x1b[4;32m "


def test_figures_below_each_other_are_gone_through_downwards():
    diff = FrameDiff()
    for n in range(3):
        feed(diff, paint(n, 5, [("", "12")]))
    frame = "".join(paint(n, 5, [("", "34")]) for n in range(3))
    assert feed(diff, frame) == "\x1b[1;6H34\x1bD\b\b34\x1bD\b\b34"


def test_of_many_words_those_of_one_colour_are_drawn_together():
    diff = FrameDiff()
    feed(diff, "".join(paint(n, 0, [("", " " * 60)]) for n in range(20)))
    line = [("", f"{'queue':20}"), ("32", "BUSY"), ("", f"{'12':>20}")]
    out = feed(diff, "".join(paint(n, 0, line) for n in range(20)))
    assert out.count("\x1b[32m") == 1


def test_beyond_the_edge_nothing_is_written():
    diff = FrameDiff()
    diff.resize(3, 1)
    assert feed(diff, paint(0, 0, [("", "abcdef")]) + paint(1, 0, [("", "x")])) == "\x1b[m\x1b[Habc"
