"""A request to Redis as a value: what to send and how to read the answer, without a connection."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Call", "Place", "Script", "command", "script", "script_names"]

T = TypeVar("T")
Arg = bytes | str | int | float

Place = tuple[str, int]
"""Host and port of a node."""

_INCLUDE = re.compile(rb"^-- include (\w+)\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Script:
    """One Lua file."""

    name: str
    body: bytes
    sha: str


def script(name: str) -> Script:
    """The transition in `lua/<name>.lua`; a line `-- include x` stands for the functions in `lua/shared/x.lua`."""
    return _scripts()[name]


@cache
def _scripts() -> dict[str, Script]:
    """All of them by name, read when the first is needed.

    Later there may be no file left to open, or others in their place: a new version that is being installed.
    """
    found: dict[str, Script] = {}
    folder = files("taskconsole.store").joinpath("lua")
    shared = {file.name.removesuffix(".lua"): file.read_bytes() for file in folder.joinpath("shared").iterdir()}
    for file in folder.iterdir():
        if file.name.endswith(".lua"):
            name = file.name.removesuffix(".lua")
            body = _INCLUDE.sub(lambda line: shared[line[1].decode()], file.read_bytes())
            found[name] = Script(name, body, hashlib.sha1(body, usedforsecurity=False).hexdigest())
    return found


def script_names() -> frozenset[str]:
    """The names of all transitions."""
    return frozenset(_scripts())


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One command or script with its arguments, and the reading of its reply."""

    args: tuple[Arg, ...]
    """The whole command: `("LLEN", "q")`, or `("EVALSHA", sha, number of keys, keys…, arguments…)`."""
    parse: Callable[[Any], T]
    """Turns the reply (bytes, int, list, None) into our type."""
    body: bytes | None = None
    """The script's text, to send when the server does not know its SHA."""
    near: str | Place = ""
    """Where in a cluster it is to be carried out: on the node of this key, or on the node at this place; empty: on that
    of its own first key, or on any."""

    def with_body(self) -> tuple[Arg, ...]:
        """The same call as EVAL, for a server that has lost its script cache."""
        assert self.body is not None
        return ("EVAL", self.body, *self.args[2:])

    @classmethod
    def of(cls, name: str, keys: tuple[str, ...], args: tuple[Arg, ...], parse: Callable[[Any], T]) -> Call[T]:
        """Run the transition `name`."""
        found = script(name)
        return cls(("EVALSHA", found.sha, len(keys), *keys, *args), parse, found.body)


def command(*args: Arg, parse: Callable[[Any], T], near: str | Place = "") -> Call[T]:
    """A plain Redis command; `near` as in `Call`."""
    return Call(args, parse, near=near)
