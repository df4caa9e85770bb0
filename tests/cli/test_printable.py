from hypothesis import given
from hypothesis import strategies as st

from taskconsole.model.printable import printable
from tests.console.hostile_texts import HOSTILE


@given(st.text() | st.sampled_from(HOSTILE))
def test_nothing_is_left_that_a_terminal_acts_upon(text):
    shown = printable(text)

    assert shown.isprintable()
    assert len(shown.splitlines()) <= 1
    shown.encode()


@given(st.text(), st.integers(0, 20))
def test_it_is_never_longer_than_asked_for(text, limit):
    assert len(printable(text, limit)) <= limit or limit == 0


@given(st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"])))
def test_ordinary_text_is_left_alone(text):
    assert printable(text) == text


def test_escapes_say_what_was_there():
    assert printable("a\nb\x1b[1m\x9b\u202e\ud800") == "a\\nb\\x1b[1m\\x9b\\u202e\\ud800"
    assert printable("abcdef", 4) == "abc…"
    assert printable("abcd", 4) == "abcd"
