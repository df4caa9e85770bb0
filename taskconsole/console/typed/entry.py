"""What an operator types into the enqueue form, and the command it means. Pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from taskconsole.backends.commands import Enqueue
from taskconsole.model.secrecy import MASK, holds_mask, masked
from taskconsole.model.task import original

if TYPE_CHECKING:
    from collections.abc import Sequence

    from taskconsole.model.signature import Signature
    from taskconsole.model.stats import TaskRow

__all__ = ["Entry", "EntryError", "check_fit", "check_secrets", "entry_of", "json_field", "parse"]

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


def parse(entry: Entry, secrets: Sequence[str] = ()) -> Enqueue:
    """The command; raises EntryError for the first field that does not say what it should.

    Args:
        entry: What is typed.
        secrets: Globs: what hides a secret of such a name is not to be written in its place.
    """
    if not entry.queue:
        raise EntryError("queue: needs a name")
    if not entry.task.strip():
        raise EntryError("task: needs a name" if not entry.bare else "task: needs the text of the payload")
    args: list[object] = json_field(entry.args, "args", list, 'array, like [1, "a"]') or []
    kwargs: dict[str, object] = json_field(entry.kwargs, "kwargs", dict, 'object, like {"n": 1}') or {}
    check_secrets([args, kwargs], secrets)
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


def check_secrets(arguments: list[Any], secrets: Sequence[str]) -> None:
    """Refuse what hides a secret elsewhere: it is not to be written in its place.

    Raises:
        EntryError: It stands where a secret of such a name (globs) should be.
    """
    if holds_mask(arguments, secrets):
        raise EntryError(f"{MASK} stands in the place of a secret: type it")


def check_fit(command: Enqueue, signatures: Sequence[Signature]) -> str:
    """What is to be said about the arguments before they are sent; empty for nothing.

    They are sent all the same when a worker has the task otherwise, or does not tell its parameters: a new version
    may be on its way to them.

    Raises:
        EntryError: They fit the task of no worker.
    """
    known = [signature for signature in signatures if signature.task == command.task]
    if command.bare or not known:
        return ""
    kwargs = command.kwargs or {}
    misfits = [signature.misfit(command.args, kwargs) for signature in known]
    if all(misfits):
        raise EntryError(f"{command.task} {misfits[0]}")
    if any(misfits):
        return f"some workers refuse this: there {command.task} {next(filter(None, misfits))}"
    unnamed = known[0].unnamed(kwargs)
    return f"no parameter is called {unnamed[0]}: it goes to the others" if unnamed else ""


def entry_of(row: TaskRow, secrets: Sequence[str]) -> Entry:
    """What would have to be typed for a task like this one; when it was due is left out.

    Args:
        row: As it was seen in a list.
        secrets: Globs: a task with arguments of such names is not shown in a form.

    Raises:
        EntryError: It cannot be shown in full.
    """
    if len(row.payload) < row.size:
        raise EntryError("its payload is too long to be edited in a form")
    fields = original(row.payload)
    if not fields:
        text = row.payload.decode("utf-8", "backslashreplace")
        return Entry(queue=row.queue, task=text, bare=True)
    args, kwargs = fields.get("args") or [], fields.get("kwargs") or {}
    if masked([args, kwargs], secrets) != [args, kwargs]:
        raise EntryError("it carries secrets: R shows them, then c takes them over")
    return Entry(queue=row.queue, task=str(fields.get("task", "")), args=_shown(args), kwargs=_shown(kwargs))


def _shown(value: object) -> str:
    return json.dumps(value, ensure_ascii=False) if value else ""


def json_field(text: str, field: str, kind: type, wanted: str) -> Any:
    """The value that is typed; None for nothing.

    Raises:
        EntryError: It is no JSON, or not of that kind.
    """
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
