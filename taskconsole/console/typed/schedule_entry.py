"""What an operator types into the form of a schedule, and the command it means. Pure."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from taskconsole.backends.commands import AddSchedule, EditSchedule
from taskconsole.console.typed.entry import EntryError, check_secrets, json_field
from taskconsole.errors import ScheduleError
from taskconsole.model.definition import check_schedule_name, decode_definition, encode_definition
from taskconsole.model.schedule import At, Cron, format_interval
from taskconsole.model.secrecy import masked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from taskconsole.model.definition import Definition
    from taskconsole.model.schedule_info import ScheduleInfo

__all__ = ["ScheduleEntry", "definition_of", "entry_of_schedule", "parse_schedule"]

WHEN = "when: five cron fields, `every 5m` or `at 2030-01-31T12:00`"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleEntry:
    """The fields of the form as typed."""

    name: str = ""
    queue: str = ""
    when: str = ""
    """A cron expression, `every 5m`, or `at 2030-01-31T12:00`."""
    tz: str = "UTC"
    task: str = ""
    args: str = ""
    kwargs: str = ""


def entry_of_schedule(info: ScheduleInfo | None, queue: str, secrets: Sequence[str] = ()) -> ScheduleEntry:
    """What would have to be typed for this schedule; an empty form for none, or for one that cannot be read.

    Raises:
        EntryError: It carries secrets, which are not shown in a form.
    """
    definition = None if info is None else info.definition
    if info is None or definition is None:
        return ScheduleEntry(queue=queue)
    args, kwargs = list(definition.args), definition.kwargs
    if masked([args, kwargs], secrets) != [args, kwargs]:
        raise EntryError("it carries secrets: R shows them, then try again")
    schedule = definition.schedule
    if isinstance(schedule, Cron):
        when, tz = schedule.expression, schedule.tz
    elif isinstance(schedule, At):
        when, tz = f"at {schedule.moment.isoformat()}", "UTC"
    else:
        when, tz = f"every {format_interval(schedule.seconds)}", "UTC"
    return ScheduleEntry(
        name=info.name,
        queue=info.queue,
        when=when,
        tz=tz,
        task=definition.task,
        args=json.dumps(args, ensure_ascii=False) if args else "",
        kwargs=json.dumps(kwargs, ensure_ascii=False) if kwargs else "",
    )


def definition_of(entry: ScheduleEntry) -> Definition:
    """The definition that the fields describe.

    Raises:
        EntryError: One of them does not say what it should; one line.
    """
    try:
        check_schedule_name(entry.name)
        return decode_definition(msgspec.json.encode(_fields(entry)))
    except ScheduleError as error:
        raise EntryError(str(error)) from None


def parse_schedule(
    entry: ScheduleEntry, before: ScheduleEntry | None, by: str, secrets: Sequence[str] = ()
) -> AddSchedule | EditSchedule:
    """The command: a new schedule, or the fields that differ from those before.

    What hides a secret elsewhere, as its name says by these globs, is not written in its place.

    Raises:
        EntryError: A field does not say what it should, or nothing differs.
    """
    definition = definition_of(entry)
    check_secrets([list(definition.args), definition.kwargs], secrets)
    if not entry.queue:
        raise EntryError("queue: needs a name")
    if before is None:
        return AddSchedule(name=entry.name, queue=entry.queue, definition=definition, by=by)
    wanted, was = _written(definition), _written(definition_of(before))
    names = wanted.keys() | was.keys()
    changes = {name: wanted.get(name) for name in sorted(names) if wanted.get(name) != was.get(name)}
    if not changes:
        raise EntryError("nothing is changed yet")
    return EditSchedule(name=entry.name, queue=entry.queue, changes=changes, by=by)


def _written(definition: Definition) -> dict[str, Any]:
    """The definition as it stands in Redis."""
    fields: dict[str, Any] = msgspec.json.decode(encode_definition(definition))
    return fields


def _fields(entry: ScheduleEntry) -> dict[str, Any]:
    """As the JSON of a definition has them."""
    fields: dict[str, Any] = {"task": entry.task.strip(), **_when(entry)}
    args = json_field(entry.args, "args", list, 'array, like [1, "a"]')
    kwargs = json_field(entry.kwargs, "kwargs", dict, 'object, like {"n": 1}')
    return fields | ({"args": args} if args else {}) | ({"kwargs": kwargs} if kwargs else {})


def _when(entry: ScheduleEntry) -> dict[str, Any]:
    text = entry.when.strip()
    word, _, rest = text.partition(" ")
    tz = entry.tz.strip() or "UTC"
    if not text:
        raise EntryError(WHEN)
    if word == "every":
        return {"every": rest.strip()}
    if word == "at":
        try:
            dt.datetime.fromisoformat(rest.strip())
        except ValueError:
            raise EntryError(WHEN) from None
        return {"at": rest.strip(), "tz": tz}
    return {"cron": text, "tz": tz}
