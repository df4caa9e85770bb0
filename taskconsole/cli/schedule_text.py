"""How schedules look: as a list, one by one, as JSON. Everything is a function of what was read and of now."""

from __future__ import annotations

import datetime as dt
import json
import re
import zoneinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any

from taskconsole.backends.rows import moment_text
from taskconsole.cli.output import as_json, write_line, write_table
from taskconsole.errors import ScheduleError
from taskconsole.model.definition import Owner, encode_definition
from taskconsole.model.firing import Position, place
from taskconsole.model.printable import printable
from taskconsole.model.schedule import At, Cron, Every, format_interval, preview
from taskconsole.model.schedule_info import ScheduleState
from taskconsole.model.verdict import span

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from taskconsole.model.definition import Definition
    from taskconsole.model.firing import RunRecord
    from taskconsole.model.schedule import Fire, Schedule
    from taskconsole.model.schedule_info import ScheduleInfo

__all__ = [
    "as_fields",
    "english",
    "fires_as_json",
    "print_fires",
    "print_list",
    "print_one",
    "put_off",
    "state_word",
    "tzdata_version",
    "upcoming",
    "warnings_of",
]

SOON = 10 * 86_400.0
"""Seconds; what is further away is said as a date."""

CELL = 60
"""Characters of one cell of the list at most."""

HEADINGS = ("NAME", "QUEUE", "STATE", "SCHEDULE", "TZ", "NEXT", "LAST", "TASK", "OWNER", "")

NARROWER = (
    ("OWNER", 0),
    ("SCHEDULE", 30),
    ("TASK", 0),
    ("", 24),
    ("NAME", 24),
    ("SCHEDULE", 20),
    ("TZ", 0),
    ("QUEUE", 12),
    ("SCHEDULE", 16),
    ("", 12),
    ("NAME", 16),
    ("LAST", 12),
    ("QUEUE", 8),
    ("NAME", 12),
    ("LAST", 0),
)
"""What a terminal that is too narrow costs, column by column: so many characters are left of it, 0 takes it out."""


def warnings_of(schedule: Schedule) -> tuple[str, ...]:
    """What one may not expect of it, a sentence each."""
    return schedule.warnings if isinstance(schedule, Cron) else ()


def upcoming(definition: Definition, now: float, count: int, *, fires: int = 0) -> list[Fire]:
    """The next `count` instants after `now`, within start and end and the limit of runs; paused or not."""
    if definition.max_runs is not None:
        count = min(count, max(0, definition.max_runs - fires))
    # An instant at the start itself counts.
    after = now if definition.start is None else max(now, definition.start.timestamp() - 1e-6)
    try:
        found = preview(definition.schedule, dt.datetime.fromtimestamp(after, dt.UTC), count)
    except (OverflowError, ValueError, OSError):
        # A moment that no calendar holds.
        return []
    return [fire for fire in found if definition.end is None or fire.at.timestamp() <= definition.end.timestamp()]


# -- the list


def print_list(infos: Sequence[ScheduleInfo], now: float, width: int | None = None) -> list[str]:
    """A line for each schedule, none longer than `width`; returns the headings that did not fit."""
    rows = [_cells(info, now) for info in infos]
    kept, limits = _fitted(rows, width)
    names = [HEADINGS[i] for i in kept]
    write_table(names, [[printable(row[i], limits[i]) for i in kept] for row in rows])
    return [name for name in HEADINGS if name not in names]


def _fitted(rows: Sequence[Sequence[str]], width: int | None) -> tuple[list[int], list[int]]:
    """Which columns stay, and how many characters of each."""
    limits = [CELL] * len(HEADINGS)
    if width is None:
        return list(range(len(HEADINGS))), limits
    columns = zip(HEADINGS, *rows, strict=True)
    sizes = [max(len(printable(cell, CELL)) for cell in column) for column in columns]
    for heading, size in NARROWER:
        if sum(sizes) + 2 * sum(1 for size in sizes[1:] if size) <= width:
            break
        i = HEADINGS.index(heading)
        sizes[i] = limits[i] = min(sizes[i], size)
    return [i for i, limit in enumerate(limits) if limit], limits


def _cells(info: ScheduleInfo, now: float) -> tuple[str, ...]:
    definition = info.definition
    return (
        info.name,
        info.queue,
        state_word(info, now),
        info.trouble if definition is None else english(definition.schedule),
        _zone(info),
        _when(info.next_at, now),
        _run(info.runs[0], now) if info.runs else "-",
        "-" if definition is None else definition.task,
        "-" if definition is None else str(definition.owner),
        "; ".join(_remarks(info, now)),
    )


def english(schedule: Schedule) -> str:
    """What `describe` says, without the zone."""
    text = schedule.describe()
    return text.removesuffix(f" ({schedule.tz})") if isinstance(schedule, Cron) else text


def _zone(info: ScheduleInfo) -> str:
    schedule = None if info.definition is None else info.definition.schedule
    return schedule.tz if isinstance(schedule, Cron) else "-"


def _run(run: RunRecord, now: float) -> str:
    several = f" {run.n:,}" if run.n > 1 else ""
    return f"{run.outcome}{several} {_when(run.at, now)}"


def _remarks(info: ScheduleInfo, now: float) -> Iterator[str]:
    if info.definition is not None and info.definition.paused is not None:
        pause = info.definition.paused
        yield f"paused by {pause.by or '?'}" + (f": {pause.reason}" if pause.reason else "")
    if _unplanned(info, now):
        yield "not planned yet"
    if info.definition is not None and info.trouble:
        yield info.trouble
    if info.changed:
        yield "changed by an operator"
    if info.running:
        yield f"running {len(info.running)}"
    if info.buffered:
        yield "buffered"


def state_word(info: ScheduleInfo, now: float) -> str:
    """The word for it: its state, or NEW as long as nobody has looked at what was written by hand."""
    return "NEW" if _unplanned(info, now) else str(info.state(now))


def _unplanned(info: ScheduleInfo, now: float) -> bool:
    """It has an instant to come, or one to be decided, and no place in time yet."""
    if info.definition is None or info.state(now) is not ScheduleState.OVER:
        return False
    return place(info.name, info.definition, Position(last=info.last, fires=info.fires), now)[1] is not None


# -- one of them


def print_one(info: ScheduleInfo, now: float) -> None:
    """Everything that is known of a schedule."""
    write_line(f"{info.name} on {info.queue}: {state_word(info, now)}")
    for label, text in _facts(info, now):
        write_line(f"  {label:<10} {text}")
    if info.definition is not None:
        for warning in warnings_of(info.definition.schedule):
            write_line(f"  {'warning':<10} {warning}")
        write_line()
        print_fires(upcoming(info.definition, now, 5, fires=info.fires), "no further fires")
    if info.runs:
        write_line()
        headings = ("LAST RUNS", "OUTCOME", "TOOK", "ATTEMPT", "WORKER", "INSTANT", "TEXT")
        write_table(headings, [_run_cells(run) for run in info.runs], right=(2, 3))


def _facts(info: ScheduleInfo, now: float) -> Iterator[tuple[str, str]]:
    if info.trouble:
        yield "trouble", info.trouble
    if info.definition is None:
        yield "stands as", info.raw.decode("utf-8", "backslashreplace")
    else:
        yield from _defined(info.definition)
        yield "owner", _owner(info)
        if (pause := info.definition.paused) is not None:
            since = "" if pause.at is None else f" at {moment_text(pause.at)}"
            yield "paused", f"by {pause.by or '?'}{since}" + (f": {pause.reason}" if pause.reason else "")
    yield "next", _next(info, now)
    limit = info.definition.max_runs if info.definition is not None else None
    yield "fires", f"{info.fires:,} so far" + ("" if limit is None else f" of {limit:,}")
    if info.last is not None:
        yield "decided", f"up to {moment_text(info.last)}"
    for task_id, began in info.running:
        yield "running", f"{task_id}, for {_long(now - began)}"
    if info.buffered:
        yield "buffered", "one more waits for the end of another"


def _defined(definition: Definition) -> Iterator[tuple[str, str]]:
    schedule = definition.schedule
    yield "schedule", english(schedule)
    match schedule:
        case Cron():
            yield "cron", schedule.expression
            yield "zone", schedule.tz
        case Every():
            yield "anchor", "the epoch: 1970-01-01 00:00:00Z" if schedule.anchor is None else str(schedule.anchor)
        case At():
            pass
    yield "task", definition.task
    if definition.args:
        yield "args", _written(list(definition.args))
    if definition.kwargs:
        yield "kwargs", _written(definition.kwargs)
    if definition.start is not None:
        yield "start", str(definition.start)
    if definition.end is not None:
        yield "end", str(definition.end)
    if definition.jitter:
        yield "jitter", put_off(definition)
    yield "catch up", f"{definition.catch_up}, within {format_interval(definition.window)}"
    yield "overlap", str(definition.overlap)
    if definition.extra:
        yield "other", _written(definition.extra)


def _owner(info: ScheduleInfo) -> str:
    assert info.definition is not None
    if info.definition.owner is not Owner.CODE:
        differs = "; the code declares one of this name otherwise: `restore` makes it so"
        return "operator" + differs * info.changed
    declared = "code, but no live app declares it" if info.orphan else "code"
    return declared + "; an operator has changed it: `restore` makes it what the code says" * info.changed


def _next(info: ScheduleInfo, now: float) -> str:
    if info.next_at is None:
        return "not planned yet: nobody has looked at it" if _unplanned(info, now) else "never"
    text = moment_text(info.next_at)
    if abs(info.next_at - now) < 1e12:
        text += f", {_relative(info.next_at, now)}"
    if info.instant is not None and abs(info.instant - info.next_at) > 0.001:
        text += f", for the instant {moment_text(info.instant)}"
    return text


def _run_cells(run: RunRecord) -> tuple[object, ...]:
    return (
        moment_text(run.at),
        run.outcome + (f" {run.n:,}" if run.n > 1 else ""),
        None if run.ms is None else _took(run.ms),
        run.attempt,
        run.worker or None,
        None if run.instant is None else moment_text(run.instant),
        run.text or None,
    )


def _took(ms: float) -> str:
    return f"{ms:,.0f} ms" if abs(ms) < 10_000 else _long(ms / 1000)


def put_off(definition: Definition) -> str:
    """What the jitter does, in words."""
    return f"each fire is put off by up to {format_interval(definition.jitter)}"


# -- fires


def print_fires(fires: Sequence[Fire], none: str, zone: dt.tzinfo | None = None) -> None:
    """A line for each: on the clock of its zone, or of `zone`, and in UTC, with what a clock change does to it."""
    rows = [(f"{at:%a}", _iso(at), _utc(at), mark) for at, mark in _local(fires, zone)]
    if rows:
        write_table(("DAY", "LOCAL TIME", "UTC", ""), rows)
    else:
        write_line(none)


def fires_as_json(fires: Sequence[Fire], zone: dt.tzinfo | None = None) -> list[dict[str, str]]:
    """The same as JSON."""
    return [{"at": at.isoformat(), "utc": _utc(at, "T"), "mark": mark} for at, mark in _local(fires, zone)]


def _local(fires: Iterable[Fire], zone: dt.tzinfo | None) -> Iterator[tuple[dt.datetime, str]]:
    for fire in fires:
        try:
            yield (fire.at if zone is None else fire.at.astimezone(zone)), fire.mark
        except OverflowError:
            # The last hours of the year 9999 are beyond all dates in some zones.
            yield fire.at, fire.mark


def _iso(moment: dt.datetime) -> str:
    return moment.isoformat(" ")


def _utc(moment: dt.datetime, separator: str = " ") -> str:
    return moment.astimezone(dt.UTC).replace(tzinfo=None).isoformat(separator) + "Z"


_RELEASE = re.compile(r"(?:# version )?([0-9]{4}[a-z]+)\s*")


def tzdata_version() -> str | None:
    """Which release of the time zones is in use: the system's comes before the package's. None: it does not say."""
    for folder in map(Path, zoneinfo.TZPATH):
        if not (folder / "Europe" / "Berlin").exists():
            continue
        for name in ("tzdata.zi", "+VERSION"):
            try:
                with (folder / name).open("rb") as file:
                    line = file.readline(100).decode("ascii", "replace")
            except OSError:
                continue
            if (match := _RELEASE.fullmatch(line)) is not None:
                return match[1]
        return None
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("tzdata")
    except PackageNotFoundError:
        return None


# -- JSON


def as_fields(info: ScheduleInfo, now: float) -> dict[str, Any]:
    """A schedule as JSON: seconds since the epoch, the definition as it is read, the raw text when it cannot be."""
    import msgspec

    definition = info.definition
    fields = None if definition is None else _fields(definition)
    return {
        "name": info.name,
        "queue": info.queue,
        "state": state_word(info, now),
        "text": None if definition is None else definition.schedule.describe(),
        "trouble": info.trouble,
        "definition": fields,
        "raw": as_json(info.raw) if fields is None else None,
        **{name: as_json(getattr(info, name)) for name in ("next_at", "instant", "last")},
        "fired": info.fires,
        "running": [{"id": task_id, "since": as_json(since)} for task_id, since in info.running],
        "buffered": info.buffered,
        "runs": [{name: as_json(value) for name, value in msgspec.structs.asdict(run).items()} for run in info.runs],
        "orphan": info.orphan,
        "changed": info.changed,
    }


def _fields(definition: Definition) -> Any:
    """What stands in Redis, defaults included; None when that cannot be carried on."""
    try:
        raw = encode_definition(definition)
        fields = json.loads(raw)
        if len(raw) > 1000:
            # Fields that are not ours may be nested as deep as JSON goes, and what is around them comes on top.
            json.dumps([[[[fields]]]])
    except (ScheduleError, ValueError, RecursionError):
        return None
    return fields


# -- words


def _written(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return "nested too deeply to be shown"


def _when(at: float | None, now: float) -> str:
    """`in 3m05s`, `2h10m ago`; further than ten days away, the date."""
    if at is None:
        return "-"
    return _relative(at, now) if abs(at - now) < SOON else moment_text(at)[:10]


def _relative(at: float, now: float) -> str:
    return f"in {_long(at - now + 0.5)}" if at > now else f"{_long(now - at)} ago"


def _long(seconds: float) -> str:
    return span(seconds) if abs(seconds) < 1e12 else f"{seconds:g}s"
