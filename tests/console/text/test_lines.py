"""Lines of toned text, and which of their cells differ."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from taskconsole.console.text.lines import Tone, _cells, at_end, cell, changed, join, plain, rule, spread

texts = st.text(alphabet="ab 漢字é", max_size=12)
lines = st.lists(st.tuples(texts, st.sampled_from(list(Tone))), max_size=5).map(tuple)


@given(texts, st.integers(0, 20), st.sampled_from(["left", "right"]))
def test_a_cell_has_exactly_its_width(text, width, justify):
    assert cell_len(cell(text, width, justify)) == width


def test_a_cell_shows_that_it_was_cut():
    assert cell("billing", 4) == "bil…"
    assert cell("7", 3, "right") == "  7"


def test_only_the_cells_that_differ_are_named():
    old = (("emails  ", Tone.PLAIN), ("12,001", Tone.PLAIN))
    new = (("emails  ", Tone.PLAIN), ("12,003", Tone.PLAIN))
    assert changed(old, new, 20) == [(13, 1)]
    assert changed(old, old, 20) == []
    assert changed(old, (*old[:1], ("12,001", Tone.BAD)), 20) == [(8, 6)]


@given(lines, lines, st.integers(1, 30))
def test_repainting_the_named_cells_makes_the_new_line(old, new, width):
    before, after = _cells(old, width), _cells(new, width)
    painted = list(before)
    for x, length in changed(old, new, width):
        painted[x : x + length] = after[x : x + length]
        assert all((before[x][0], after[x][0])), "a wide character is halved"
    assert painted == after


def test_pieces_that_do_not_fit_are_left_out_whole():
    pieces = [("CRIT one", Tone.BAD), ("WARN two", Tone.WARN), ("NOTE three", Tone.PLAIN)]
    assert plain(join(pieces, 80)) == "CRIT one   WARN two   NOTE three"
    assert plain(join(pieces, 20)) == "CRIT one   WARN two"
    assert plain(join(pieces, 5)) == "CRIT…"


def test_the_right_side_gives_way():
    left, right = ((" here", Tone.PLAIN),), (("12:00Z ", Tone.QUIET),)
    assert plain(spread(left, right, 20)) == " here        12:00Z "
    assert plain(spread(left, right, 12)) == " here"


@given(texts, st.integers(6, 60))
def test_a_rule_fits(title, width):
    assert cell_len(plain(rule(title, width))) <= width


def test_of_an_address_the_end_is_kept():
    assert at_end("/tmp/taskconsole-x/redis.sock", 12) == "…/redis.sock"
    assert at_end("10.0.4.7:6379/0", 20) == "10.0.4.7:6379/0"
    assert at_end("日本語", 4) == "…" + " 語"
