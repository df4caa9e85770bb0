"""Which rows a filter leaves."""

from __future__ import annotations

import fnmatch
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskconsole.console.text.filtering import MAX_LENGTH, Filter
from tests.console.hostile_texts import HOSTILE

ANY = st.text(max_size=40)
NEAR = st.text(alphabet="abAB*? !", max_size=14)
WORD = st.text(alphabet="abAB*?", min_size=1, max_size=14)


@pytest.mark.parametrize(
    ("typed", "text", "accepted"),
    [
        ("", "anything", True),
        ("   ", "anything", True),
        ("mail", "the MAIL queue", True),
        ("Mail", "the mail queue", False),
        ("Mail", "the Mail queue", True),
        ("!mail", "the MAIL queue", False),
        ("!mail", "bills", True),
        ("!", "anything", True),
        ("!!", "wow!", False),
        ("a b", "b a", True),
        ("a b", "a", False),
        ("a !b", "ab", False),
        ("a !b", "ac", True),
        ("mail-*", "mail-eu", True),
        ("mail-*", "x mail-eu", False),
        ("*mail*", "x mail-eu", True),
        ("m?il", "MAIL", True),
        ("m?il", "maail", False),
        ("*", "", True),
        ("?", "", False),
        ("?", "\n", True),
        ("a*a", "a", False),
        ("a*ab*b", "aab", False),
        ("*ab*ab*", "ab", False),
        ("[a-z]*", "[a-z]x", True),
        ("[a-z]*", "b", False),
        ("!*.tmp", "x.tmp", False),
        ("ÄRGER", "Ärger", False),
        ("ärger", "ÄRGER", True),
    ],
)
def test_words(typed, text, accepted):
    assert Filter.parse(typed).accepts(text) is accepted


def test_the_words_are_as_typed_and_an_empty_filter_is_false():
    assert Filter.parse("  Mail  !dead * ! ").words == ("Mail", "!dead", "*")
    assert Filter.parse("x")
    assert not Filter.parse(" ! ")
    assert not Filter()
    assert Filter().accepts("anything")
    assert Filter.parse("a  b") == Filter.parse(" a b")


def test_a_long_filter_is_cut():
    assert Filter.parse("x" * 10_000).words == ("x" * MAX_LENGTH,)


@given(WORD, ANY | NEAR)
def test_globs_are_those_of_fnmatch(word, text):
    if not set(word) & set("*?"):
        word += "*"
    folded = text if word != word.lower() else text.lower()
    assert Filter.parse(word).accepts(text) is fnmatch.fnmatchcase(folded, word)


@given(WORD, ANY | NEAR)
def test_an_inverse_word_accepts_what_the_word_refuses(word, text):
    assert Filter.parse(f"!{word}").accepts(text) is not Filter.parse(word).accepts(text)


@given(NEAR, NEAR, ANY | NEAR)
def test_all_words_must_accept(one, two, text):
    both = Filter.parse(f"{one} {two}").accepts(text)
    assert both is (Filter.parse(one).accepts(text) and Filter.parse(two).accepts(text))


@given(ANY.filter(lambda t: t == t.lower() and not set(t) & set("*?!") and len(t.split()) == 1), ANY, ANY)
def test_a_word_without_capitals_is_found_anywhere_in_any_case(word, before, after):
    typed = Filter.parse(word)
    assert typed.accepts(before.lower() + word.strip() + after)


@pytest.mark.parametrize("typed", [*HOSTILE, "(a+)+$", "\\", "[", "(?P<", "***?*"])
@pytest.mark.parametrize("text", ["", *HOSTILE])
def test_nothing_raises(typed, text):
    assert Filter.parse(typed).accepts(text) in {True, False}


@pytest.mark.parametrize(
    "typed",
    [
        "*a" * 100,
        "(a+)+$",
        "?*" * 100,
        "*" + "a?" * 99 + "b",
        "*" * 199 + "b",
        "a" * 199 + "b",
        "*?" + "a" * 196 + "b*",
    ],
)
def test_no_filter_takes_long(typed):
    word = Filter.parse(typed)
    began = time.process_time()
    word.accepts("a" * 100_000 + "!")
    # The last takes 33 ms; what backtracks would not end within the age of the world.
    assert time.process_time() - began < 2
