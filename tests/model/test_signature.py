"""The parameters of tasks: told by workers, checked against by those who enqueue by hand."""

import inspect
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskconsole.model.context import Context
from taskconsole.model.signature import (
    MAX_BYTES,
    Parameter,
    ParameterKind,
    Signature,
    decode_signatures,
    encode_signatures,
)
from taskconsole.registry import make_handler


def plain(to: str, subject: str = "hello", /, *rest: int, cc, bcc: list[str] | None = None, **more): ...


def with_context(context: Context, n: int): ...


def nothing(): ...


class Awkward:
    def __repr__(self):
        raise RuntimeError("no")


def odd(n: Awkward(), m): ...


def told(function):
    return make_handler(function, name=None, queue="q").told()


def test_what_a_worker_tells_is_what_the_code_says():
    assert str(told(plain)) == ("plain(to: str, subject: str = …, *rest: int, cc, bcc: list[str] | None = …, **more)")
    assert str(told(with_context)) == "with_context(n: int)"
    assert str(told(nothing)) == "nothing()"
    assert [p.name for p in told(odd).parameters] == ["n", "m"]


@pytest.mark.parametrize("function", [plain, with_context, nothing, odd])
def test_what_was_told_is_read_again(function):
    signature = told(function)
    assert decode_signatures(encode_signatures([signature])) == {signature.task: signature}


names = st.sampled_from(["a", "b", "c", "d"])


@st.composite
def functions(draw):
    """A function with any parameters."""
    kinds = sorted(draw(st.lists(st.sampled_from([0, 1, 2, 3, 4]), max_size=4)))
    kinds = [kind for i, kind in enumerate(kinds) if kind not in {2, 4} or kind not in kinds[:i]]
    parameters, optional = [], False
    for kind, name in zip(kinds, "abcd", strict=False):
        optional = draw(st.booleans()) or (optional and kind < 2)
        default = 0 if optional and kind not in {2, 4} else inspect.Parameter.empty
        parameters.append(inspect.Parameter(name, inspect._ParameterKind(kind), default=default))

    # Not Signature.bind: for some positional-only parameters it says no where a call says yes.
    made: dict[str, object] = {}
    exec(f"def f{inspect.Signature(parameters)}: ...", made)
    return made["f"]


@given(functions(), st.lists(st.integers(), max_size=4), st.dictionaries(names, st.integers(), max_size=4))
def test_a_misfit_is_exactly_what_python_refuses(function, args, kwargs):
    try:
        function(*args, **kwargs)
        fits = True
    except TypeError:
        fits = False
    assert (told(function).misfit(args, kwargs) == "") == fits


@pytest.mark.parametrize(
    ("args", "kwargs", "why"),
    [
        ([1], {}, "needs b"),
        ([1, 2, 3], {}, "takes 2 args at most, not 3"),
        ([1], {"a": 1, "b": 2}, "a is given twice"),
        ([1, 2], {"c": 1}, "has no parameter c"),
        ([1, 2], {}, ""),
    ],
)
def test_what_does_not_fit_is_said_in_a_few_words(args, kwargs, why):
    assert Signature(task="f", parameters=(Parameter(name="a"), Parameter(name="b"))).misfit(args, kwargs) == why


def test_nobody_knows_what_fits_a_task_whose_worker_does_not_tell():
    assert Signature(task="f").misfit([1, 2], {"x": 1}) == ""
    assert Signature(task="f").unnamed({"x": 1}) == []
    assert str(Signature(task="f")) == "f"


def test_what_a_worker_tells_is_capped_and_what_is_told_is_whole():
    parameters = tuple(Parameter(name=f"parameter_{i}", annotation="x" * 1000) for i in range(20))
    raw = encode_signatures(Signature(task=f"task_{i:04d}", parameters=parameters) for i in range(1000))
    assert MAX_BYTES * 0.8 < len(raw) <= MAX_BYTES
    found = decode_signatures(raw)
    assert list(found) == [f"task_{i:04d}" for i in range(len(found))]
    assert all(len(signature.parameters) == 20 for signature in found.values())


@given(st.binary(max_size=200))
def test_whatever_the_bytes_are_reading_them_never_fails(raw):
    decode_signatures(raw)


@pytest.mark.parametrize(
    "listed",
    [1, [1], ["a"], [["a"]], [["a", "x"]], [["a b", "e"]], [["\u202ea", "e"]], [["a", "e", 1]], [["a", "e"]] * 51,
     [["a", ""]], [["a", "?"]], [["a" * 101, "e"]], {"a": "e"}],
)  # fmt: skip
def test_what_is_no_signature_is_left_out_and_the_others_are_read(listed):
    raw = json.dumps({"bad": listed, "good": [["a", "k?", "int"]]}).encode()
    parameter = Parameter(name="a", kind=ParameterKind.KEYWORD, optional=True, annotation="int")
    assert decode_signatures(raw) == {"good": Signature(task="good", parameters=(parameter,))}


def test_what_is_too_long_is_not_read():
    assert decode_signatures(b'{"f":[]' + b" " * MAX_BYTES + b"}") == {}
    assert decode_signatures(b"[" * 10_000) == {}
