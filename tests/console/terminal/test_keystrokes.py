"""Keys that somebody pressed, and keys that a paste or a held key sends."""

from __future__ import annotations

import pytest

from taskconsole.console.terminal.keystrokes import Keystrokes


def typed(*keys):
    """Keys as (name, seconds since the key before); tells of each whether it was meant."""
    strokes, now = Keystrokes(), 100.0
    numbers = []
    for name, gap in keys:
        now += gap
        strokes.note(name, now)
        numbers.append(strokes.count)
    return [strokes.doubt(number) for number in numbers]


def test_a_key_by_itself_is_meant():
    assert typed(("d", 1)) == [""]
    assert typed(("j", 1), ("d", 0.05), ("j", 0.05)) == ["", "", ""]


def test_pasted_keys_are_not_meant_whichever_comes_first():
    assert all("burst" in doubt for doubt in typed(("d", 1), ("enter", 0.0003), ("y", 0.0003), ("enter", 0.0003)))


def test_a_key_long_ago_among_many_is_known_to_have_been_one_of_many():
    assert all("burst" in doubt for doubt in typed(("D", 1), *[("x", 0.0001)] * 40))


@pytest.mark.parametrize("gap", [0.25, 0.5, 0.033])
def test_a_held_key_does_one_thing(gap):
    first, *others = typed(("D", 1), ("D", gap), ("D", 0.033), ("D", 0.033))
    assert first == ""
    assert all("held" in doubt for doubt in others)


def test_the_same_key_again_after_another_or_after_a_while_is_meant():
    assert typed(("r", 1), ("j", 0.1), ("r", 0.1), ("r", 1)) == ["", "", "", ""]


def test_an_answer_may_be_held():
    strokes = Keystrokes()
    strokes.note("y", 1.0)
    strokes.note("y", 1.1)
    assert strokes.doubt(2, repeats=False) == ""


def test_what_no_key_has_begun_is_meant():
    assert Keystrokes().doubt(0) == ""
