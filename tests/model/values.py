"""Any value of a type of ours, for Hypothesis: every field that a recording may have to carry."""

from __future__ import annotations

import json
import types
from dataclasses import MISSING, is_dataclass
from enum import Enum
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec
from hypothesis import strategies as st

from taskconsole.model.definition import Definition, decode_definition
from taskconsole.model.portable import _NAMES, _defaults

# Lone surrogates, too: Python's JSON reads them, and so do payloads.
TEXTS = st.text(max_size=8) | st.sampled_from(["\ud800", "\x1b[2J", "[/b]", "{}"])

DEFINITIONS = st.builds(
    lambda when, more: decode_definition(json.dumps({**when, "task": "t", **more}).encode()),
    st.sampled_from(
        [
            {"cron": "15 3 * * *", "tz": "Europe/Berlin"},
            {"every": "5m"},
            {"every": 0.1, "anchor": "2026-01-01T00:00:00+01:00"},
            {"at": "2030-01-31T12:00:00+01:00"},
        ]
    ),
    st.fixed_dictionaries(
        {},
        optional={
            "args": st.lists(st.integers(-9, 9) | st.text("ab\x1b漢", max_size=3) | st.none(), max_size=3),
            "kwargs": st.dictionaries(st.text("kx", min_size=1, max_size=2), st.booleans(), max_size=2),
            "start": st.just("2026-01-01T00:00:00+01:00"),
            "max_runs": st.integers(1, 9),
            "jitter": st.floats(0, 100),
            "paused": st.fixed_dictionaries({"by": st.just("ada"), "at": st.floats(0, 2e9), "reason": st.just("x")}),
            "mystery": st.integers(),
        },
    ),
)

_SIMPLE = {
    str: TEXTS,
    bytes: st.binary(max_size=8) | TEXTS.map(lambda text: text.encode("utf-8", "replace")),
    int: st.integers(-(2**63) + 1, 2**63 - 1),
    bool: st.booleans(),
    float: st.floats(allow_nan=False),
    Definition: DEFINITIONS,
}


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Any value of `kind`."""
    if kind in _SIMPLE:
        return _SIMPLE[kind]
    origin, inner = get_origin(kind), get_args(kind)
    if origin in {Union, types.UnionType}:
        return st.one_of(*(st.none() if one is type(None) else values(one) for one in inner))
    if origin is tuple and inner[1:] == (Ellipsis,):
        return st.lists(values(inner[0]), max_size=3).map(tuple)
    if origin is tuple:
        return st.tuples(*map(values, inner))
    if origin is dict:
        return st.dictionaries(TEXTS, values(inner[1]), max_size=3)
    if issubclass(kind, Enum):
        return st.sampled_from(list(kind))
    assert is_dataclass(kind) or issubclass(kind, msgspec.Struct), kind
    hints = get_type_hints(kind, localns=_NAMES)
    needed, optional = {}, {}
    for name, default in _defaults(kind):
        (needed if default is MISSING else optional)[name] = values(hints[name])
    return st.fixed_dictionaries(needed, optional=optional).map(lambda fields: kind(**fields))
