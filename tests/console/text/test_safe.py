"""The edge: what safe() lets through, and what never reaches a strip."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.segment import Segment
from textual.strip import Strip

from taskconsole.console.text.safe import guard, safe
from tests.console.hostile_texts import HOSTILE

anything = st.text(alphabet=st.characters(), max_size=80) | st.sampled_from(HOSTILE)


@given(anything | st.binary(max_size=80), st.integers(0, 60))
def test_nothing_that_a_terminal_acts_upon_is_left(value, limit):
    text = safe(value, limit)
    assert {unicodedata.category(char) for char in text} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"} == set()
    assert text.isprintable()
    assert len(text) <= limit


@given(anything, st.integers(0, 60))
def test_safe_text_stays_as_it_is(value, limit):
    assert safe(safe(value, limit), limit) == safe(value, limit)


@given(anything)
def test_safe_text_can_be_written_to_any_terminal(value):
    safe(value).encode("utf-8")


@given(st.text(alphabet=st.characters(categories=["L", "N", "P", "S"], max_codepoint=0x2FF)))
def test_ordinary_text_is_not_touched(text):
    assert safe(text) == text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("\x1b]0;x\x07", "␛]0;x␇"),
        ("\x7f", "␡"),
        ("a\tb\nc", "a b⏎c"),
        ("\x9b31m", "\\x9b31m"),
        ("A\u202egpj", "A\\u202egpj"),
        ("adm\u200bin", "adm\\u200bin"),
        ("\U000e0061", "\\U000e0061"),
        ("\ud800", "\\ud800"),
        ("\u2028", "\\u2028"),
        ("\ufe0f", "\\ufe0f"),
        ("\u00a0x", " x"),
        (b"\xffa", "\\xffa"),
        ("e" + "\u0301" * 9, "e\u0301\u0301"),
        ("\u0301", "◌\u0301"),
    ],
)
def test_what_cannot_be_seen_is_shown(value, shown):
    assert safe(value) == shown


def test_a_cut_is_shown():
    assert safe("abcdef", 4) == "abc…"
    assert safe(b"abcdef", 4) == "abc…"
    assert safe("abcd", 4) == "abcd"


def test_bytes_are_cut_before_they_are_decoded():
    # Cutting inside a character must not show up as an escape.
    assert safe("漢".encode() * 9, 4) == "漢漢漢…"
    assert safe("👩".encode() * 4, 4) == "👩👩👩👩"


def test_marks_do_not_widen_a_cell():
    assert cell_len(safe("e" + "\u0301" * 500)) == 1


@given(anything)
def test_the_guard_makes_a_strip_harmless_and_keeps_its_width(text):
    strip = guard(Strip([Segment("ab"), Segment(text)]))
    assert all(segment.text.isprintable() for segment in strip)
    assert strip.cell_length == Strip([Segment("ab"), Segment(text)]).cell_length


def test_the_guard_leaves_good_strips_alone():
    strip = Strip([Segment("> emails"), Segment("▁▂▃ … ␛")])
    assert guard(strip) is strip
