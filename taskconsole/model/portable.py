"""Values of ours as plain JSON values and back: what a recording is made of. Pure.

Fields at their defaults are left out, bytes are text where they are UTF-8 and `{"base64": "…"}` where not, numbers
that JSON lacks are the texts `inf`, `-inf` and `nan`. Reading is strict about what it is told to find, since a file may
come from anybody, and lenient about what it does not know: unknown fields are passed over.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import types
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin, get_type_hints

import msgspec

from taskconsole.errors import ScheduleError
from taskconsole.model.definition import Definition, decode_definition, encode_definition
from taskconsole.model.firing import RunRecord
from taskconsole.model.state import State
from taskconsole.model.stats import TaskRow

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Unreadable", "from_plain", "to_plain"]

LARGEST = 2**63
"""Whole numbers beyond cannot be figures of ours, and not every one of them can be shown."""

# Names that our modules import for the type checker alone.
_NAMES = {"Definition": Definition, "RunRecord": RunRecord, "State": State, "TaskRow": TaskRow}


class Unreadable(ValueError):
    """What is there is not the value that was to be found."""


# -- to JSON


def to_plain(value: Any) -> Any:  # noqa: PLR0911 - one for each kind of value
    """A value of ours as dicts, lists, texts and numbers.

    Raises:
        ScheduleError: A schedule's definition holds what cannot be written.
        TypeError: It is no value of ours.
    """
    match value:
        case None | bool() | int():
            return value
        case str():  # a StrEnum, too
            return str(value)
        case float():
            return value if math.isfinite(value) else repr(value)
        case bytes():
            return _bytes_to_plain(value)
        case tuple() | list():
            return [to_plain(item) for item in value]
        case dict():
            return {str(key): to_plain(item) for key, item in value.items()}
        case Definition():
            return json.loads(encode_definition(value))
    return _fields_to_plain(value)


def _fields_to_plain(value: Any) -> dict[str, Any]:
    kind: type = type(value)
    if not (is_dataclass(kind) or issubclass(kind, msgspec.Struct)):
        raise TypeError(f"a {kind.__name__} cannot be recorded")
    return {
        name: to_plain(found)
        for name, default in _defaults(kind)
        if (found := getattr(value, name)) != default or default is MISSING
    }


def _bytes_to_plain(value: bytes) -> Any:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode("ascii")}


@lru_cache(maxsize=64)
def _defaults(kind: type) -> tuple[tuple[str, Any], ...]:
    """The names of the fields and their defaults, MISSING where there is none."""
    if issubclass(kind, msgspec.Struct):
        return tuple(
            (one.name, MISSING if one.default is msgspec.NODEFAULT else one.default)
            for one in msgspec.structs.fields(kind)
        )
    return tuple(
        (one.name, one.default_factory() if one.default_factory is not MISSING else one.default)
        for one in fields(kind)  # type: ignore[arg-type]  # the caller has looked whether it is one
    )


# -- and back


def from_plain(kind: Any, plain: Any) -> Any:
    """The value of the type `kind` that `plain` stands for.

    Raises:
        Unreadable: It stands for none.
    """
    try:
        return _reader(kind)(plain)
    except Unreadable:
        raise
    except (ScheduleError, TypeError, ValueError, RecursionError) as error:
        raise Unreadable(f"{type(error).__name__} in a {getattr(kind, '__name__', kind)}") from error


@lru_cache(maxsize=256)
def _reader(kind: Any) -> Callable[[Any], Any]:
    """What reads values of a type."""
    if kind in _SIMPLE:
        return _SIMPLE[kind]
    origin, inner = get_origin(kind), get_args(kind)
    if origin in {Union, types.UnionType}:
        return _optional(kind, inner)
    if origin is tuple:
        return _tuple(inner)
    if origin is dict:
        return _dict(inner[1])
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind
    assert is_dataclass(kind) or issubclass(kind, msgspec.Struct), f"{kind} is not recorded"
    return _fields(kind)


def _optional(kind: Any, inner: tuple[Any, ...]) -> Callable[[Any], Any]:
    (one,) = (a for a in inner if a is not type(None))
    assert len(inner) == 2, f"{kind} is not recorded"
    read = _reader(one)
    return lambda plain: None if plain is None else read(plain)


def _tuple(inner: tuple[Any, ...]) -> Callable[[Any], Any]:
    if inner[1:] == (Ellipsis,):
        read = _reader(inner[0])
        return lambda plain: tuple(read(item) for item in _checked(plain, list))
    readers = [_reader(one) for one in inner]
    return lambda plain: tuple(read(item) for read, item in zip(readers, _checked(plain, list), strict=True))


def _dict(inner: Any) -> Callable[[Any], Any]:
    read = _reader(inner)
    return lambda plain: {key: read(item) for key, item in _checked(plain, dict).items()}


def _fields(kind: Any) -> Callable[[Any], Any]:
    hints = get_type_hints(kind, localns=_NAMES)
    readers = [(name, _reader(hints[name])) for name, _ in _defaults(kind)]

    def read(plain: Any) -> Any:
        found = _checked(plain, dict)
        return kind(**{name: read_one(found[name]) for name, read_one in readers if name in found})

    return read


def _checked(plain: Any, kind: type) -> Any:
    if type(plain) is not kind:
        raise Unreadable(f"a {type(plain).__name__} where a {kind.__name__} was to be")
    return plain


def _int(plain: Any) -> int:
    found: int = _checked(plain, int)
    if not -LARGEST < found < LARGEST:
        raise Unreadable("a number of too many digits")
    return found


def _float(plain: Any) -> float:
    if type(plain) is str and plain in {"inf", "-inf", "nan"}:
        return float(plain)
    return _int(plain) if type(plain) is int else float(_checked(plain, float))


def _bytes(plain: Any) -> bytes:
    if type(plain) is dict and type(plain.get("base64")) is str:
        try:
            return base64.b64decode(plain["base64"], validate=True)
        except binascii.Error as error:
            raise Unreadable("bytes that are no base64") from error
    return str(_checked(plain, str)).encode("utf-8", "surrogatepass")


_SIMPLE: dict[Any, Callable[[Any], Any]] = {
    Any: lambda plain: plain,
    str: lambda plain: _checked(plain, str),
    bool: lambda plain: _checked(plain, bool),
    int: _int,
    float: _float,
    bytes: _bytes,
    Definition: lambda plain: decode_definition(json.dumps(_checked(plain, dict)).encode()),
}
