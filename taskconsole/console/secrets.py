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

from taskconsole.console.feed.queries import Around, Found, Window
from taskconsole.model.detail import TaskDetail
from taskconsole.model.failure import Failures
from taskconsole.model.stats import TaskRow

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["MASK", "concealed", "concealed_text", "is_secret"]

MASK = "***"
"""What stands for a secret."""

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


def concealed(value: Any, secrets: Sequence[str]) -> Any:
    """What a view is given, with the arguments of every task in it concealed; the payloads are not touched."""

    def rows(found: Sequence[TaskRow]) -> tuple[TaskRow, ...]:
        return tuple(concealed(row, secrets) for row in found)

    shown = value
    match value if secrets else None:
        case TaskRow():
            shown = replace(value, args=concealed_text(value.args, secrets))
        case Window() | Found():
            shown = replace(value, rows=rows(value.rows))
        case Around():
            shown = replace(value, due=rows(value.due))
        case TaskDetail():
            shown = replace(value, row=concealed(value.row, secrets))
        case Failures():
            groups = (replace(group, sample=concealed(group.sample, secrets)) for group in value.groups)
            shown = replace(value, groups=tuple(groups))
    return shown


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
