"""What is to happen when a schedule's time has come. Pure: the same answer for everybody who asks.

An *instant* is a moment the schedule names. Its *time* is when its task is made: the instant plus the jitter. Both
are seconds since the epoch by Redis. The next instant follows from the instant before it, never from now, so that
nothing drifts; and no instant at or before `Position.last` is ever fired (again).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec

from taskconsole.model.definition import DAY, CatchUp
from taskconsole.model.schedule import At

if TYPE_CHECKING:
    from collections.abc import Callable

    from taskconsole.model.definition import Definition
    from taskconsole.model.schedule import Schedule

__all__ = [
    "CAP",
    "ON_TIME",
    "Firing",
    "Position",
    "RunRecord",
    "decode_position",
    "decode_record",
    "decode_running",
    "encode_position",
    "encode_record",
    "forget_instants",
    "go_on",
    "place",
    "plan",
    "replace_position",
    "run_id",
    "time_of",
]

ON_TIME = 5.0
"""Seconds an instant may be late and still count as fired in time: nobody was away, somebody was slow."""

CAP = 100
"""Most tasks made at once by `catch_up: all`."""

COUNTED = 500
"""How many instants are looked at one by one before the newest are looked for from the other end."""

BY_HAND = 1e-4
"""Seconds by which a time must differ from the planned one to have been set by hand."""

_EARLIEST, _LATEST = -62_135_596_800.0, 253_402_300_799.0
"""The years 1 to 9999, short of the last second."""


class Position(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """How far a schedule has come; JSON in Redis. Seconds since the epoch."""

    trigger: str = ""
    """The fingerprint of what `instant` was computed from."""
    instant: float | None = None
    """The next one; None when there is none."""
    time: float | None = None
    """When its task is to be made, as we have set it; another score in Redis was set by hand."""
    last: float | None = None
    """The newest one that was decided: fired, skipped or missed."""
    fires: int = 0
    """Regular tasks made so far; what was triggered by hand does not count."""


class RunRecord(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """How one task of a schedule ended, or why there was none; JSON in Redis. Seconds since the epoch."""

    outcome: str
    """`done`, `dead`, `deleted`, `moved`, `gone` (nobody knows where), `skipped` (overlap) or `missed`."""
    at: float
    id: str = ""
    instant: float | None = None
    """For `missed` the newest one."""
    n: int = 1
    """How many were missed."""
    ms: float | None = None
    """How long the last attempt ran."""
    attempt: int = 1
    worker: str = ""
    text: str = ""


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Position).decode
_decode_any = msgspec.json.Decoder().decode


def encode_position(position: Position) -> bytes:
    """The JSON to write."""
    return _encode(position)


def decode_position(raw: bytes | None) -> Position | None:
    """What stands in Redis; None when nothing does, or nothing that we wrote."""
    if not raw:
        return None
    try:
        found = _decode(raw)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    # A time is an instant and at most a day of jitter.
    moments = ((found.instant, 0.0), (found.last, 0.0), (found.time, DAY))
    sane = all(m is None or _EARLIEST <= m <= _LATEST + more for m, more in moments) and abs(found.fires) < 2**53
    return found if sane else None


_decode_record = msgspec.json.Decoder(RunRecord).decode


def encode_record(record: RunRecord) -> bytes:
    """The JSON to write."""
    return _encode(record)


def decode_record(raw: bytes) -> RunRecord | None:
    """What stands in Redis; None when it is nothing that we wrote."""
    try:
        return _decode_record(raw)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def decode_running(raw: bytes | None) -> dict[str, float]:
    """The unfinished tasks of a schedule, id to since when; what was not written by us is left out."""
    try:
        found = _decode_any(raw or b"{}")
        if not isinstance(found, dict):
            return {}
        pairs = ((k, float(v)) for k, v in found.items() if isinstance(v, int | float) and not isinstance(v, bool))
        return {k: v for k, v in pairs if math.isfinite(v)}
    except (msgspec.MsgspecError, UnicodeError, RecursionError, OverflowError):
        return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """The answer: which instants get a task, and where the schedule goes on."""

    instants: tuple[float, ...] = ()
    """Oldest first."""
    by_hand: bool = False
    """Somebody has set the time: the one instant is that time, and is none of the schedule's own."""
    missed: int = 0
    """Instants that get no task because they are too late, or too many."""
    at_least: bool = False
    """There are more of them than were counted."""
    why: str = ""
    """The reason in words, for the event."""
    time: float | None = None
    """When to look at it next; None for never."""
    spare: float | None = None
    """The same should some of the tasks not be made, so that `max_runs` leaves room for another."""
    position: Position


def time_of(name: str, definition: Definition, instant: float) -> float:
    """When the task of `instant` is made."""
    if not definition.jitter:
        return instant
    digest = hashlib.sha1(f"{name}\0{instant:.6f}".encode(), usedforsecurity=False).digest()
    share = int.from_bytes(digest[:6], "big") / 2**48
    return round(instant + definition.jitter * share, 6)


def run_id(name: str, instant: float) -> str:
    """The id of the task of `instant`: the same for every scheduler, and readable."""
    moment = _moment(instant)
    fraction = f".{moment.microsecond:06d}".rstrip("0") if moment.microsecond else ""
    return f"{name}@{moment:%Y%m%dT%H%M%S}{fraction}Z"


def place(name: str, definition: Definition, position: Position | None, now: float) -> tuple[Position, float | None]:
    """Where a new, changed or resumed schedule goes on, and when to look at it; None for never.

    An instant that was computed from the same trigger stays, also when it is due already: what is changed is
    what happens then. Else the next is the first after now that has not been decided yet.
    """
    before = position or Position()
    instant = before.instant
    if before.trigger != definition.trigger or instant is None or (before.last is not None and instant <= before.last):
        instant = _following(definition, now, before.last)
    time = None if instant is None else time_of(name, definition, instant)
    after = replace_position(before, trigger=definition.trigger, instant=instant, time=time)
    idle = definition.paused is not None or _used_up(definition, before.fires)
    return after, None if idle else time


def go_on(definition: Definition, position: Position, now: float) -> Position:
    """The position of a schedule that is resumed: what passed during the pause has passed."""
    time = position.instant if position.time is None else position.time
    if time is None or time > now or isinstance(definition.schedule, At):
        return position
    # `place` finds the next one.
    return replace_position(position, instant=None)


def plan(name: str, definition: Definition, position: Position | None, time: float, now: float) -> Firing:
    """What to do at `now` with a schedule whose time was `time`."""
    before = position or Position()
    if definition.paused is not None:
        return Firing(position=before)
    if before.time is None or before.instant is None or abs(time - before.time) > BY_HAND:
        return _by_hand(name, definition, before, time, now)
    decided = before.last is not None and before.instant <= before.last
    if before.trigger != definition.trigger or decided or _used_up(definition, before.fires):
        # Edited behind our back: what this instant was computed from is no more.
        after, then = place(name, definition, before, now)
        return Firing(position=after, time=then)
    return _regular(name, definition, before, before.instant, now)


def _by_hand(name: str, definition: Definition, before: Position, time: float, now: float) -> Firing:
    """`ZADD next 0 name` means now, and the regular instants go on; a later time than planned stands in for them."""
    start = before
    if before.instant is not None and before.time is not None and time > before.time:
        # What was planned is decided with it; of a date that is all there is.
        start = replace_position(before, instant=None, last=before.instant)
    after, then = place(name, definition, start, now)
    return Firing(instants=(round(now, 3),), by_hand=True, why="time set by hand", position=after, time=then)


def _regular(name: str, definition: Definition, before: Position, first: float, now: float) -> Firing:
    # A schedule that somebody was slow with is one whose every instant is fired; the rules are for longer gaps.
    in_time = now - time_of(name, definition, first) <= ON_TIME
    due, count, counted = _due(name, definition, first, now, each=in_time or definition.catch_up is CatchUp.ALL)
    chosen, why = (due, "") if in_time else _caught_up(name, definition, due, now)
    missed = count - len(chosen)
    if definition.max_runs is not None:
        # What comes after the last of them is not missed: the schedule is over.
        chosen = chosen[: max(0, definition.max_runs - before.fires)]
    newest = due[-1]
    fires = before.fires + len(chosen)
    decided = replace_position(before, instant=None, last=newest, fires=fires)
    after, then = place(name, definition, decided, newest)
    spare = after.time if definition.paused is None and _used_up(definition, fires) else None
    return Firing(
        instants=tuple(chosen),
        missed=missed,
        at_least=not counted,
        why=why,
        position=after,
        time=then,
        spare=spare,
    )


def _caught_up(name: str, definition: Definition, due: list[float], now: float) -> tuple[list[float], str]:
    """Which of the due instants get a task though the first is late, and why not all."""

    def late(instant: float) -> float:
        return now - time_of(name, definition, instant)

    too_late = f"later than the window of {definition.window:g} s"
    match definition.catch_up:
        case CatchUp.NONE:
            return [i for i in due[-1:] if late(i) <= ON_TIME], "nobody was there, and catch_up is none"
        case CatchUp.ONE:
            if late(due[-1]) > definition.window:
                return [], too_late
            return due[-1:], "nobody was there: one task stands for all"
        case CatchUp.ALL:
            recent = [instant for instant in due if late(instant) <= definition.window]
            if len(recent) > CAP:
                return recent[-CAP:], f"at most {CAP} are caught up with"
            return recent, too_late if len(recent) < len(due) else ""


def _due(name: str, definition: Definition, first: float, now: float, *, each: bool) -> tuple[list[float], int, bool]:
    """Instants from `first` on whose time has come, the newest at least; how many there are; False for even more."""
    end = None if definition.end is None else definition.end.timestamp()

    def is_due(instant: float | None) -> bool:
        return instant is not None and (end is None or instant <= end) and time_of(name, definition, instant) <= now

    # When only the newest is wanted, looking for it from the other end soon costs less.
    patience = COUNTED if each else 8
    found = [first]
    while is_due(following := _after(definition, found[-1])):
        assert following is not None
        found.append(following)
        if len(found) > patience:
            wanted = CAP + 1 if each else 1
            newest = _newest(definition, first, now, is_due, wanted, found[1] - first)
            return newest, max(patience, len(newest)), newest[0] <= first
    return found, len(found), True


def _newest(
    definition: Definition,
    first: float,
    now: float,
    is_due: Callable[[float | None], bool],
    wanted: int,
    distance: float,
) -> list[float]:
    """At least so many of the newest due instants: looked for from now backwards, in steps that double."""
    # Instants in the last stretch may be put off beyond now by the jitter.
    span = distance * wanted + definition.jitter
    while True:
        base = max(first - 1e-6, now - span)
        found: list[float] = []
        instant = _after(definition, base)
        while is_due(instant):
            assert instant is not None
            found.append(instant)
            instant = _after(definition, instant)
        if len(found) >= wanted or base < first:
            return found
        span *= 2


def _following(definition: Definition, moment: float, last: float | None) -> float | None:
    """The first instant after both, within start and end."""
    if isinstance(definition.schedule, At):
        # A date in the past is decided by the catch-up rules, once.
        at = definition.schedule.moment.timestamp()
        decided = last is not None and at <= last
        too_early = definition.start is not None and at < definition.start.timestamp()
        instant = None if decided or too_early else at
    else:
        instant = _after(definition, moment if last is None else max(moment, last))
    if instant is not None and definition.end is not None and instant > definition.end.timestamp():
        return None
    return instant


def _after(definition: Definition, moment: float) -> float | None:
    if definition.start is not None:
        # An instant at the start itself counts.
        moment = max(moment, definition.start.timestamp() - 1e-6)
    return _next_of(definition.schedule, moment)


@lru_cache(maxsize=50_000)
def _next_of(schedule: Schedule, moment: float) -> float | None:
    try:
        found = schedule.next_after(_moment(moment))
    except (OverflowError, OSError, ValueError):
        # A moment that no calendar holds.
        return None
    return None if found is None else found.timestamp()


def forget_instants() -> None:
    """Give back the memory of what was computed: schedules that are late share a lot of it, others hardly any."""
    _next_of.cache_clear()


def _moment(seconds: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, dt.UTC)


def _used_up(definition: Definition, fires: int) -> bool:
    return definition.max_runs is not None and fires >= definition.max_runs


def replace_position(position: Position, **changes: Any) -> Position:
    """`position` with these fields changed."""
    return msgspec.structs.replace(position, **changes)
