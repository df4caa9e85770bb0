"""The parameters of tasks, as workers tell them and as those who enqueue by hand are shown them. Pure values.

In Redis: a JSON object, a task's name to its parameters, each `[name, kind, annotation]`, the last left out when it is
empty. The kind is the first letter of `Kind`'s value with `?` behind it when the parameter may be left out.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["MAX_BYTES", "Parameter", "ParameterKind", "Signature", "decode_signatures", "encode_signatures"]

MAX_BYTES = 16_384
"""Of all that one worker tells; tasks that do not fit are left out, the last by name first."""

MAX_PARAMETERS = 50
"""Of one task; with more it is left out."""

MAX_NAME = 100

MAX_ANNOTATION = 60
"""Characters."""


class ParameterKind(StrEnum):
    """How an argument gets there."""

    POSITION = "position"
    EITHER = "either"
    KEYWORD = "keyword"
    SEVERAL = "several"
    """`*args`."""
    MORE = "more"
    """`**kwargs`."""


_KINDS = {kind[0]: kind for kind in ParameterKind}
_BY_POSITION = frozenset({ParameterKind.POSITION, ParameterKind.EITHER})
_BY_NAME = frozenset({ParameterKind.EITHER, ParameterKind.KEYWORD})


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One of them."""

    name: str
    """An identifier."""
    kind: ParameterKind = ParameterKind.EITHER
    optional: bool = False
    annotation: str = ""
    """As the code has it, shortened; not yet made safe for a terminal."""

    @property
    def is_named(self) -> bool:
        """An argument may be given by this name."""
        return self.kind in _BY_NAME

    def __str__(self) -> str:
        star = {ParameterKind.SEVERAL: "*", ParameterKind.MORE: "**"}.get(self.kind, "")
        annotation = f": {self.annotation}" if self.annotation else ""
        return f"{star}{self.name}{annotation}" + (" = …" if self.optional and not star else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """The parameters of one task, as some worker has it."""

    task: str
    parameters: tuple[Parameter, ...] | None = None
    """None: the worker does not tell."""

    def __str__(self) -> str:
        if self.parameters is None:
            return self.task
        return f"{self.task}({', '.join(map(str, self.parameters))})"

    def misfit(self, args: Sequence[object], kwargs: Mapping[str, object]) -> str:
        """Why these arguments do not fit, in a few words; empty when they do, or nobody knows."""
        if self.parameters is None:
            return ""
        kinds = {parameter.kind for parameter in self.parameters}
        by_position = [p for p in self.parameters if p.kind in _BY_POSITION]
        if len(args) > len(by_position) and ParameterKind.SEVERAL not in kinds:
            return f"takes {len(by_position)} args at most, not {len(args)}"
        given = {p.name for p in by_position[: len(args)]}
        if twice := [p.name for p in by_position[: len(args)] if p.is_named and p.name in kwargs]:
            return f"{twice[0]} is given twice"
        if (unknown := self.unnamed(kwargs)) and ParameterKind.MORE not in kinds:
            return f"has no parameter {unknown[0][:MAX_NAME]}"
        given |= {p.name for p in self.parameters if p.is_named and p.name in kwargs}
        wanted = (p.name for p in self.parameters if p.kind in _BY_POSITION | _BY_NAME and not p.optional)
        missing = next((name for name in wanted if name not in given), "")
        return f"needs {missing}" if missing else ""

    def unnamed(self, kwargs: Mapping[str, object]) -> list[str]:
        """Those of them that no parameter is called: with `**kwargs` allowed, and maybe misspelt."""
        named = {p.name for p in self.parameters or () if p.is_named}
        return [] if self.parameters is None else [name for name in kwargs if name not in named]


_encode = msgspec.json.Encoder().encode


def encode_signatures(signatures: Iterable[Signature]) -> bytes:
    """What a worker tells, at most `MAX_BYTES`."""
    parts: list[bytes] = []
    room = MAX_BYTES - 2
    for signature in sorted(signatures, key=lambda s: s.task):
        parameters = signature.parameters
        if parameters is None or len(parameters) > MAX_PARAMETERS:
            continue
        part = _encode(signature.task) + b":" + _encode([_listed(parameter) for parameter in parameters])
        room -= len(part) + 1
        if room < 0:
            break
        parts.append(part)
    return b"{" + b",".join(parts) + b"}"


def _listed(parameter: Parameter) -> list[str]:
    kind = parameter.kind[0] + "?" * parameter.optional
    return [parameter.name, kind, *([parameter.annotation[:MAX_ANNOTATION]] if parameter.annotation else [])]


def decode_signatures(raw: bytes) -> dict[str, Signature]:
    """By the tasks' names; what cannot be read is left out, whatever the bytes are."""
    if len(raw) > MAX_BYTES:
        return {}
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    read = ((name, _parameters(listed)) for name, listed in found.items())
    return {name: Signature(task=name, parameters=parameters) for name, parameters in read if parameters is not None}


def _parameters(listed: Any) -> tuple[Parameter, ...] | None:
    if not isinstance(listed, list) or len(listed) > MAX_PARAMETERS:
        return None
    found = tuple(map(_parameter, listed))
    return None if None in found else tuple(parameter for parameter in found if parameter is not None)


def _parameter(listed: Any) -> Parameter | None:
    """None when it is none; a name that is no identifier is nobody's parameter."""
    if not isinstance(listed, list) or not 2 <= len(listed) <= 3 or not all(isinstance(part, str) for part in listed):
        return None
    name, kind, *annotation = listed
    if not name.isidentifier() or len(name) > MAX_NAME or kind.removesuffix("?") not in _KINDS:
        return None
    return Parameter(
        name=name,
        kind=_KINDS[kind.removesuffix("?")],
        optional=kind.endswith("?"),
        annotation="".join(annotation)[:MAX_ANNOTATION],
    )
