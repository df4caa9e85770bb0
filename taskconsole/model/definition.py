"""A schedule as it stands in Redis: one JSON object a name, made to be read and edited by hand.

    {"cron": "15 3 * * *", "tz": "Europe/Berlin", "task": "nightly_bill", "args": [], "kwargs": {},
     "start": "2026-01-01T00:00:00+01:00", "end": null, "max_runs": null, "jitter": 0,
     "catch_up": "one", "window": 86400, "overlap": "allow",
     "paused": {"by": "ada@host", "at": 1790000000.0, "reason": "audit"}, "owner": "code"}

`cron`, `every` (seconds, or text like `5m`, with an optional `anchor`) or `at` (a moment) says when; `task` says
what; all else is optional. Moments are ISO 8601 or seconds since the epoch; one without an offset is in `tz`.
Unknown fields are kept.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import msgspec

from taskconsole.errors import ScheduleError
from taskconsole.model.printable import printable
from taskconsole.model.schedule import At, Cron, Every, format_interval, parse_interval
from taskconsole.model.stats import Pause
from taskconsole.model.task import check_arguments

if TYPE_CHECKING:
    from taskconsole.model.schedule import Schedule

__all__ = [
    "DAY",
    "MAX_DEFINITION",
    "MAX_NAME",
    "CatchUp",
    "Definition",
    "Overlap",
    "Owner",
    "check_schedule_name",
    "choice_of",
    "decode_definition",
    "encode_definition",
    "is_schedule_name",
    "merged",
    "moment_of",
    "with_changes",
]

MAX_NAME = 200

DAY = 86_400.0
"""Seconds; the most that a fire can be put off by."""

MAX_DEFINITION = 65_536
"""Bytes; what is longer was not written by anybody who wanted a schedule."""


class CatchUp(StrEnum):
    """What becomes of instants that passed while nobody was there to fire them."""

    NONE = "none"
    ONE = "one"
    """The newest of them, once."""
    ALL = "all"
    """Each of them, the newest hundred at most."""


class Overlap(StrEnum):
    """What becomes of an instant that comes while the task of an earlier one is not finished."""

    ALLOW = "allow"
    SKIP = "skip"
    BUFFER_ONE = "buffer_one"
    """One waits until the earlier one has ended; further ones are skipped."""


class Owner(StrEnum):
    """Who brought a schedule into being."""

    CODE = "code"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """When which task is to be made, and what to do when that went wrong. Durations are seconds."""

    schedule: Schedule
    task: str
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    start: dt.datetime | None = None
    """No instant before this one."""
    end: dt.datetime | None = None
    """No instant after this one."""
    max_runs: int | None = None
    """Over after so many tasks."""
    jitter: float = 0.0
    """Each instant is put off by up to so many seconds, the same for everybody who computes it."""
    catch_up: CatchUp = CatchUp.ONE
    window: float = DAY
    """Instants that are later than this are missed, whatever `catch_up` says."""
    overlap: Overlap = Overlap.ALLOW
    paused: Pause | None = None
    owner: Owner = Owner.OPERATOR
    extra: dict[str, Any] = field(default_factory=dict)
    """Fields of the JSON that mean nothing to us; kept as they are."""

    def __post_init__(self) -> None:
        if not isinstance(self.task, str) or not self.task.strip() or len(self.task) > 4096:
            raise ScheduleError('a schedule needs "task", the name of a registered task')
        for what, moment in (("start", self.start), ("end", self.end)):
            if moment is not None and (not isinstance(moment, dt.datetime) or moment.tzinfo is None):
                raise ScheduleError(f"{what}={moment!r} has no time zone: pass an aware datetime")
        if self.start is not None and self.end is not None and self.end < self.start:
            raise ScheduleError("end is before start: there would be no instant")
        if self.max_runs is not None and not (_is_whole(self.max_runs) and self.max_runs >= 1):
            raise ScheduleError(f"max_runs={self.max_runs!r}: a whole number, 1 or more, or nothing for no limit")
        _check_seconds("jitter", self.jitter, 0, DAY)
        _check_seconds("window", self.window, 0, 3660 * DAY)
        try:
            check_arguments(self.task, tuple(self.args), self.kwargs)
        except TypeError as error:
            raise ScheduleError(str(error)) from None

    @property
    def trigger(self) -> str:
        """A fingerprint of everything that decides about the instants: an instant computed for another is void.

        The jitter is not among it: it decides when the task of an instant is made.
        """
        when = (*_when(self.schedule).items(), *((n, _iso(m)) for n, m in (("s", self.start), ("e", self.end))))
        text = repr(when).encode("utf-8", "replace")
        return hashlib.sha1(text, usedforsecurity=False).hexdigest()[:12]


def check_schedule_name(name: str) -> str:
    """Return `name` if a schedule may be called that.

    Raises:
        ScheduleError: It is empty, too long, or holds control characters.
    """
    if not isinstance(name, str) or not name.strip():
        raise ScheduleError("a schedule needs a name")
    if len(name) > MAX_NAME:
        raise ScheduleError(f"schedule name of {len(name)} characters: at most {MAX_NAME}")
    if any(ord(c) < 32 or ord(c) == 127 or 0xD800 <= ord(c) <= 0xDFFF for c in name):
        raise ScheduleError(f"schedule name {printable(name, 60)!r} has a control character")
    return name


def is_schedule_name(name: str) -> bool:
    """True when a schedule may be called that."""
    try:
        check_schedule_name(name)
    except ScheduleError:
        return False
    return True


def moment_of(value: object, what: str, tz: str = "UTC") -> dt.datetime:
    """An aware moment out of ISO text, seconds since the epoch, or a datetime; without an offset it is in `tz`.

    Raises:
        ScheduleError: It is none.
    """
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - most workers have no schedule

    try:
        if isinstance(value, dt.datetime):
            found = value
        elif isinstance(value, str):
            found = dt.datetime.fromisoformat(value.strip())
        else:
            found = dt.datetime.fromtimestamp(_number(value), dt.UTC)
        if found.tzinfo is None:
            found = found.replace(tzinfo=ZoneInfo(tz))
        # Whatever cannot be compared with other moments is of no use.
        found.timestamp()
    except (ValueError, OverflowError, OSError, LookupError):
        shown = printable(value, 60)
        raise ScheduleError(f"{what} {shown!r}: expected a moment like 2030-01-31T12:00:00+01:00") from None
    return found


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError  # noqa: TRY004 - the caller names what is wrong
    return float(value)


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(dict[str, Any])

_WHEN = ("cron", "every", "at", "anchor", "tz")
"""The fields that say when; what an operator changes among them is one change."""


def encode_definition(definition: Definition) -> bytes:
    """The JSON to write; fields at their defaults are left out.

    Raises:
        ScheduleError: Text in it cannot be written as UTF-8, or it is too long.
    """
    fields: dict[str, Any] = {**_when(definition.schedule), "task": definition.task}
    if definition.args:
        fields["args"] = list(definition.args)
    if definition.kwargs:
        fields["kwargs"] = definition.kwargs
    for name in ("start", "end"):
        moment = getattr(definition, name)
        if moment is not None:
            fields[name] = _iso(moment)
    if definition.max_runs is not None:
        fields["max_runs"] = definition.max_runs
    if definition.jitter:
        fields["jitter"] = definition.jitter
    fields |= {"catch_up": str(definition.catch_up), "window": definition.window, "overlap": str(definition.overlap)}
    if definition.paused is not None:
        pause = definition.paused
        fields["paused"] = {"by": pause.by, "at": pause.at, "reason": pause.reason}
    fields["owner"] = str(definition.owner)
    try:
        raw = _encoder.encode(fields | definition.extra)
    except UnicodeEncodeError:
        raise ScheduleError("the schedule holds a lone surrogate, which is not text") from None
    if len(raw) > MAX_DEFINITION:
        raise ScheduleError(f"a definition of {len(raw):,} bytes: at most {MAX_DEFINITION:,}; pass a reference instead")
    return raw


def decode_definition(raw: bytes) -> Definition:
    """Read what stands in Redis, whoever wrote it.

    Raises:
        ScheduleError: It is no schedule; the message says why.
    """
    try:
        return _decoded(_read(raw))
    except RecursionError:
        # Deeper than what can be shown, though not than what can be read.
        raise ScheduleError("the definition is nested too deeply") from None


def _decoded(fields: dict[str, Any]) -> Definition:
    tz = fields.pop("tz", None) or "UTC"
    schedule = _schedule(fields, tz)
    try:
        return Definition(
            schedule=schedule,
            task=fields.pop("task", ""),
            args=tuple(_typed(fields, "args", list, [])),
            kwargs=_typed(fields, "kwargs", dict, {}),
            start=_moment(fields, "start", tz),
            end=_moment(fields, "end", tz),
            max_runs=_max_runs(fields.pop("max_runs", None)),
            jitter=_seconds(fields, "jitter", 0.0),
            catch_up=_choice(fields, "catch_up", CatchUp, CatchUp.ONE),
            window=_seconds(fields, "window", DAY),
            overlap=_choice(fields, "overlap", Overlap, Overlap.ALLOW),
            paused=_pause(fields.pop("paused", None)),
            owner=_choice(fields, "owner", Owner, Owner.OPERATOR),
            extra=fields,
        )
    except TypeError as error:
        raise ScheduleError(f"the definition cannot be read: {error}") from None


def merged(baseline: bytes, current: bytes, wanted: bytes) -> bytes:
    """What a schedule of the code's becomes when the code has changed from `baseline` to `wanted`.

    What an operator has made different from `baseline` in `current` stays as it is; all else follows the code.

    Raises:
        ScheduleError: One of them is no JSON object.
    """
    before, now, code = _read(baseline), _read(current), _read(wanted)
    result: dict[str, Any] = {}
    when_is_theirs = any(before.get(name) != now.get(name) for name in _WHEN)
    for name in {**code, **now}:
        theirs = when_is_theirs if name in _WHEN else before.get(name) != now.get(name)
        source = now if theirs else code
        if name in source:
            result[name] = source[name]
    return _encoder.encode(result)


def with_changes(raw: bytes, changes: dict[str, Any]) -> bytes:
    """The definition with these JSON fields; None takes one out, and a new `cron`, `every` or `at` replaces the old.

    Raises:
        ScheduleError: It is no JSON object, or a change cannot be written as JSON.
    """
    fields = _read(raw)
    if any(changes.get(name) is not None for name in ("cron", "every", "at")):
        for name in ("cron", "every", "at", "anchor"):
            fields.pop(name, None)
    for name, value in changes.items():
        if value is None:
            fields.pop(name, None)
        else:
            fields[name] = value
    try:
        return _encoder.encode(fields)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ScheduleError(f"the change cannot be written as JSON: {printable(error, 200)}") from None


def _read(raw: bytes) -> dict[str, Any]:
    if len(raw) > MAX_DEFINITION:
        raise ScheduleError(f"a definition of more than {MAX_DEFINITION:,} bytes")
    try:
        return _decoder.decode(raw)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise ScheduleError(f"the definition is no JSON object: {printable(error, 200)}") from None


def _when(schedule: Schedule) -> dict[str, Any]:
    match schedule:
        case Cron():
            return {"cron": schedule.expression, "tz": schedule.tz}
        case Every():
            anchor = {} if schedule.anchor is None else {"anchor": _iso(schedule.anchor)}
            # Whole seconds as people write them; anything finer must not lose a digit.
            whole = schedule.seconds.is_integer()
            return {"every": format_interval(schedule.seconds) if whole else schedule.seconds, **anchor}
        case At():
            return {"at": _iso(schedule.moment)}


def _schedule(fields: dict[str, Any], tz: object) -> Schedule:
    given = [name for name in ("cron", "every", "at") if fields.get(name) is not None]
    if len(given) != 1:
        raise ScheduleError('a schedule needs one of "cron", "every" and "at"')
    if not isinstance(tz, str):
        raise ScheduleError(f'"tz" is {printable(tz, 40)!r}: expected the name of a zone, like "Europe/Berlin"')
    value = fields[given[0]]
    anchor = fields.pop("anchor", None)
    for name in ("cron", "every", "at"):
        fields.pop(name, None)
    match given[0]:
        case "cron":
            return Cron(value, tz)
        case "every":
            origin = None if anchor is None else moment_of(anchor, "anchor", tz)
            return Every(parse_interval(value), origin)
        case _:
            return At(moment_of(value, "at", tz))


def _iso(moment: dt.datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _typed(fields: dict[str, Any], name: str, kind: type[Any], default: Any) -> Any:
    value = fields.pop(name, None)
    if value is None:
        return default
    if not isinstance(value, kind):
        raise ScheduleError(f'"{name}" is a {type(value).__name__}: expected a JSON {_JSON_NAMES[kind]}')
    return value


_JSON_NAMES: dict[type[Any], str] = {list: "array", dict: "object"}


def _moment(fields: dict[str, Any], name: str, tz: str) -> dt.datetime | None:
    value = fields.pop(name, None)
    return None if value is None else moment_of(value, name, tz)


def _max_runs(value: Any) -> int | None:
    # 3.0 comes from tools whose JSON knows only one kind of number.
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _seconds(fields: dict[str, Any], name: str, default: float) -> float:
    value = fields.pop(name, None)
    if value is None:
        return default
    if isinstance(value, str):
        return 0.0 if value.strip() == "0" else parse_interval(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ScheduleError(f'"{name}" is {printable(value, 40)!r}: expected seconds')
    try:
        return float(value)
    except OverflowError:
        raise ScheduleError(f'"{name}" is a number of too many digits: expected seconds') from None


def _choice(fields: dict[str, Any], name: str, kind: type[StrEnum], default: Any) -> Any:
    value = fields.pop(name, None)
    return default if value is None else choice_of(name, kind, value)


def choice_of(name: str, kind: type[StrEnum], value: Any) -> Any:
    """The member of `kind` that `value` names, for the field `name`.

    Raises:
        ScheduleError: There is none.
    """
    try:
        return kind(value)
    except ValueError:
        allowed = ", ".join(kind)
        raise ScheduleError(f'"{name}" is {printable(value, 40)!r}: expected one of {allowed}') from None


def _pause(value: Any) -> Pause | None:
    """Whatever is there and does not mean no, means paused; people write it with redis-cli."""
    if not value:
        return None
    when: float | None
    if not isinstance(value, dict):
        return Pause(by="?", at=None, reason="" if value is True else printable(value, 200))
    try:
        when = _number(value.get("at"))
    except (ValueError, OverflowError):
        when = None
    return Pause(by=str(value.get("by", "?")), at=when, reason=str(value.get("reason") or ""))


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _check_seconds(what: str, value: object, least: float, most: float) -> None:
    # NaN compares as false.
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise ScheduleError(f"{what}={printable(value, 40)}: seconds from {least:g} to {most:,.0f}")
