"""Values of arguments that are named like a secret, hidden wherever a task is shown, copied or saved. Pure.

What is hidden is decided by names (`password`, `*token*` …): of objects in JSON, and of arguments as rows show them,
`password="…"`; also in a text that was cut somewhere.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from taskconsole.model.detail import TaskDetail
from taskconsole.model.event import Event, EventKind
from taskconsole.model.failure import Failures
from taskconsole.model.schedule_info import ScheduleInfo
from taskconsole.model.stats import TaskRow

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "MASK",
    "USUAL",
    "concealed",
    "concealed_bytes",
    "concealed_text",
    "disclosable",
    "holds_mask",
    "is_secret",
    "masked",
]

MASK = "***"
"""What stands for a secret."""

USUAL = ("*password*", "*passwd*", "*secret*", "*token*", "*api_key*", "*apikey*")
"""Globs: arguments whose names fit one of these are not shown, whatever else is wished for."""

DEEPEST = 40
"""Levels of a value that are gone through; what is nested deeper is hidden as a whole."""

_STRING = re.compile(r'"((?:[^"\\]|\\.)*+)("?)(\s*+:\s*+)?', re.DOTALL)
"""A text of JSON, or the beginning of one; with the colon behind it, it is a name."""

_TOKEN = re.compile(rf"{_STRING.pattern}|([^\",=:\[\]{{}}]++)(=)?", re.DOTALL)
"""The same, or what stands between texts; with `=` behind it, it is a name. It always takes all it can: linear."""

_SCALAR = re.compile(r"[^,\]}\s]*+")


def is_secret(name: str, secrets: Sequence[str]) -> bool:
    """Whether an argument of that name is not to be shown; `secrets` are globs, capitals do not matter."""
    return _is_secret(name.lower(), tuple(secrets))


@lru_cache(maxsize=4096)
def _is_secret(name: str, secrets: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, glob.lower()) for glob in secrets)


def concealed_text(text: str, secrets: Sequence[str]) -> str:
    """JSON or arguments, whole or cut, with the values of secret names replaced; anything else stays as it is."""
    if not secrets or not (":" in text or "=" in text):
        return text
    kept: list[str] = []
    at = copied = 0
    while (found := _TOKEN.search(text, at)) is not None:
        at = found.end()
        name = _unescaped(found[1]) if found[3] is not None else found[4].strip() if found[5] is not None else None
        if name is not None and is_secret(name, secrets):
            kept += [text[copied:at], f'"{MASK}"']
            at = copied = _value_end(text, at)
    return "".join([*kept, text[copied:]])


def concealed_bytes(payload: bytes, secrets: Sequence[str]) -> bytes:
    """The same for a payload; one without secrets stays as it is, byte by byte."""
    text = payload.decode("utf-8", "surrogateescape")
    kept = concealed_text(text, secrets)
    return payload if kept == text else kept.encode("utf-8", "surrogateescape")


def masked(value: Any, secrets: Sequence[str], depth: int = 0) -> Any:
    """A value of JSON with what is named like a secret hidden."""
    if not secrets:
        return value
    if depth > DEEPEST:
        return MASK if isinstance(value, dict | list) else value
    if isinstance(value, dict):
        return {
            name: MASK if is_secret(name, secrets) else masked(inner, secrets, depth + 1)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [masked(inner, secrets, depth + 1) for inner in value]
    return value


def holds_mask(value: Any, secrets: Sequence[str], depth: int = 0) -> bool:
    """Whether a value of JSON has the mask where a secret should be: it was copied from where secrets are hidden."""
    if depth > DEEPEST:
        return False
    if isinstance(value, dict):
        return any(
            (inner == MASK and is_secret(str(name), secrets)) or holds_mask(inner, secrets, depth + 1)
            for name, inner in value.items()
        )
    return isinstance(value, list) and any(holds_mask(inner, secrets, depth + 1) for inner in value)


def concealed(value: Any, secrets: Sequence[str]) -> Any:
    """A value of ours as it may be shown: what it says of arguments without the secrets.

    Payloads and definitions stay whole, for those who act on what they saw; `disclosable` leaves nothing. What the
    message of an error quotes is not known to be an argument, and stays.
    """
    shown = value
    match value if secrets else None:
        case TaskRow():
            args, name = concealed_text(value.args, secrets), concealed_text(value.name, secrets)
            shown = replace(value, args=args, name=name)
        case TaskDetail():
            shown = replace(value, row=concealed(value.row, secrets))
        case Failures():
            groups = (replace(group, sample=concealed(group.sample, secrets)) for group in value.groups)
            shown = replace(value, groups=tuple(groups))
        case Event(kind=EventKind.MESSAGE):
            shown = replace(value, text=concealed_text(value.text, secrets))
    return shown


def disclosable(value: Any, secrets: Sequence[str]) -> Any:
    """The same without secrets in payloads and definitions either: for who gets it to keep."""
    shown = concealed(value, secrets)
    match shown if secrets else None:
        case TaskRow():
            shown = replace(shown, payload=concealed_bytes(shown.payload, secrets))
        case TaskDetail():
            payload = concealed_bytes(shown.payload, secrets)
            shown = replace(shown, row=disclosable(shown.row, secrets), payload=payload)
        case Failures():
            groups = (replace(group, sample=disclosable(group.sample, secrets)) for group in shown.groups)
            shown = replace(shown, groups=tuple(groups))
        case ScheduleInfo():
            shown = _schedule(shown, secrets)
    return shown


def _schedule(info: ScheduleInfo, secrets: Sequence[str]) -> ScheduleInfo:
    raw, definition = concealed_bytes(info.raw, secrets), info.definition
    if definition is not None:
        args, kwargs, extra = (
            masked(part, secrets) for part in (list(definition.args), definition.kwargs, definition.extra)
        )
        definition = replace(definition, args=tuple(args), kwargs=kwargs, extra=extra)
    return replace(info, raw=raw, definition=definition)


def _unescaped(name: str) -> str:
    if "\\" not in name:
        return name
    try:
        return str(json.loads(f'"{name}"', strict=False))
    except ValueError:
        return name


def _value_end(text: str, at: int) -> int:
    """Where the value that begins at `at` ends; of one that was cut, the end of the text."""
    depth = 0
    while at < len(text):
        char = text[at]
        if char == '"':
            found = _STRING.match(text, at)
            assert found is not None
            at = found.end(2)
        elif char in "[{":
            depth += 1
            at += 1
        elif char in "]}":
            depth -= 1
            at += 1
        elif depth:
            at += 1
        else:
            return max(at + 1, _scalar_end(text, at))
        if depth <= 0:
            return at
    return at


def _scalar_end(text: str, at: int) -> int:
    found = _SCALAR.match(text, at)
    return at if found is None else found.end()
