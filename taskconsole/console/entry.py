"""What an operator types into the enqueue form, and the command it means. Pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from taskconsole.backends.commands import Enqueue

__all__ = ["Entry", "EntryError", "parse"]

_DELAY = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd]?)")
_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
YEAR = 366 * 86_400.0


class EntryError(ValueError):
    """Something that is typed cannot be meant; its text is one line and names the field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """The fields of the form as typed."""

    queue: str
    task: str
    args: str = ""
    kwargs: str = ""
    delay: str = ""
    bare: bool = False


def parse(entry: Entry) -> Enqueue:
    """The command; raises EntryError for the first field that does not say what it should."""
    if not entry.queue:
        raise EntryError("queue: needs a name")
    if not entry.task.strip():
        raise EntryError("task: needs a name" if not entry.bare else "task: needs the text of the payload")
    args: list[object] = _json(entry.args, "args", list, 'array, like [1, "a"]') or []
    kwargs: dict[str, object] = _json(entry.kwargs, "kwargs", dict, 'object, like {"n": 1}') or {}
    if entry.bare and (args or kwargs):
        raise EntryError("bare payload: takes neither args nor kwargs")
    return Enqueue(
        queue=entry.queue,
        task=entry.task if entry.bare else entry.task.strip(),
        args=tuple(args),
        kwargs=kwargs or None,
        delay=_delay(entry.delay),
        bare=entry.bare,
    )


def _json(text: str, field: str, kind: type, wanted: str) -> Any:
    if not text.strip():
        return None
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise EntryError(f"{field}: {error.msg} at column {error.colno}") from error
    except (ValueError, RecursionError) as error:
        # A number of thousands of digits, NaN, or brackets nested beyond reason.
        raise EntryError(f"{field}: cannot be read as JSON") from error
    if not isinstance(value, kind):
        raise EntryError(f"{field}: must be a JSON {wanted}")
    return value


def _no_constant(name: str) -> object:
    raise ValueError(name)


def _delay(text: str) -> float:
    """Seconds, or a number with s, m, h or d."""
    if not text.strip():
        return 0.0
    match = _DELAY.fullmatch(text.strip())
    if match is None:
        raise EntryError("delay: seconds, or like 90s, 5m, 2h, 1d")
    seconds = float(match[1]) * _UNITS[match[2]]
    if seconds > YEAR:
        raise EntryError("delay: a year at most")
    return seconds
