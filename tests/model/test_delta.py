"""What has changed between two plain values."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskconsole.model.delta import SAME, applied, difference

SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "a", "b"]) | st.sampled_from([0.0, 1.0])
NAMES = st.sampled_from(["name", "id", "x", "set", "new", "list", "i"])
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=12
)


@settings(max_examples=150, deadline=None)
@given(JSON, JSON)
def test_a_change_makes_the_new_of_the_old(old, new):
    before = json.dumps(old)
    change = difference(old, new)
    again = old if change is SAME else applied(old, json.loads(json.dumps(change)))
    # As text, because 1, 1.0 and true are equal.
    assert json.dumps(again, sort_keys=True) == json.dumps(new, sort_keys=True)
    assert json.dumps(old) == before


def test_only_what_changed_is_in_it():
    old = {"at": 1, "queues": [{"name": "a", "n": 1, "m": 2}, {"name": "b", "n": 1}, {"name": "c", "n": 5}]}
    new = {"at": 2, "queues": [{"name": "a", "n": 1, "m": 2}, {"name": "b", "n": 7}, {"name": "c", "n": 5}]}
    assert difference(old, new) == {
        "set": {"at": 2, "queues": {"list": [[0, 1], {"i": 1, "to": {"set": {"n": 7}}}, [2, 1]]}}
    }


def test_rows_that_move_up_are_not_said_again():
    rows = [{"id": f"i{n}", "args": "x" * 100} for n in range(100)]
    after = [*rows[3:], *({"id": f"n{n}", "args": ""} for n in range(3))]
    change = difference(rows, after)
    assert change["list"][0] == [3, 97]
    assert len(json.dumps(change)) < 200


@pytest.mark.parametrize(
    "change",
    [
        [],
        {"set": []},
        {"cut": "x"},
        {"list": 5},
        {"list": [[0, 3]]},
        {"list": [[0, 10**12]]},
        {"list": [[0, 1], [0, 1]]},
        {"list": [{"i": 2, "to": 1}]},
        {"list": [{"i": 0, "to": 1}, [0, 2]]},
        {"list": [[0]]},
        {"list": [["a", 1]]},
        {"list": [[-1, 1]]},
    ],
)
def test_what_is_no_change_is_refused(change):
    with pytest.raises(ValueError):
        applied([1, 2], change)


@settings(max_examples=100, deadline=None)
@given(JSON, JSON)
def test_whatever_a_change_is_it_is_carried_out_or_refused(old, change):
    with contextlib.suppress(ValueError):
        applied(old, change)
