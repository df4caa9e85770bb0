"""Styles as a terminal is told them."""

from __future__ import annotations

import re
from itertools import permutations
from typing import NamedTuple

import pytest

from taskconsole.console.terminal.style import of_blank, restyle, spelled

STYLES = ("", "1", "2", "1;2", "4", "7", "31", "1;31", "1;2;31", "48;5;8", "1;38;2;1;2;3;48;5;8", "4;7;90;41")

ENDED_BY = {22: {1, 2}, 23: {3}, 24: {4}, 25: {5}, 27: {7}, 29: {9}}


class Look(NamedTuple):
    """What a terminal writes in."""

    front: str = ""
    back: str = ""
    rest: frozenset[int] = frozenset()


def told(sequences: str, look: Look) -> Look:
    """What it writes in when it has read them."""
    for parameters in re.findall(r"\x1b\[([0-9;]*)m", sequences):
        for part in re.findall(r"[34]8;2;\d+;\d+;\d+|[34]8;5;\d+|\d+", parameters) or ["0"]:
            code = int(part.partition(";")[0])
            if code == 0:
                look = Look()
            elif code in ENDED_BY:
                look = look._replace(rest=look.rest - ENDED_BY[code])
            elif 30 <= code <= 39 or 90 <= code <= 97:
                look = look._replace(front="" if code == 39 else part)
            elif 40 <= code <= 49 or 100 <= code <= 107:
                look = look._replace(back="" if code == 49 else part)
            else:
                look = look._replace(rest=look.rest | {code})
    return look


@pytest.mark.parametrize(("old", "new"), list(permutations(STYLES, 2)))
def test_whatever_was_the_style_it_is_the_new_one_then(old, new):
    before, wanted = told(f"\x1b[0;{old}m", Look()), told(f"\x1b[0;{new}m", Look())
    assert told(restyle(spelled(old), spelled(new)), before) == wanted


@pytest.mark.parametrize(
    ("old", "new", "said"), [("1;31", "1;31", ""), ("1;31", "31", "\x1b[22m"), ("", "7", "\x1b[7m")]
)
def test_no_more_is_said_than_what_changes(old, new, said):
    assert restyle(old, new) == said


def test_a_blank_has_the_style_of_what_is_seen_of_it():
    assert of_blank("1;31;44") == "44"
    assert of_blank("4;31") == "4;31"
