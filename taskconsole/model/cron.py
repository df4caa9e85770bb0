"""Cron schedules: the moments that a cron expression names in a time zone.

Where a zone's clock is changed, a schedule does as cron(8) says of Debian's cron. Its time of day is skipped: a
fixed-time job runs once, right after the change; however many of its times were skipped. Its time of day comes
twice: a fixed-time job runs the first time only. A job with a `*` in its time of day follows the wall clock: it runs
whenever the clock shows a time that matches, never for one that was skipped. Unlike Debian's, there is no limit to
the length of a change; the day that Samoa left out counts as one.
"""

from __future__ import annotations

import re
from copy import copy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from taskconsole.errors import ScheduleError
from taskconsole.model.crontab import Expression, parse

__all__ = ["EARLIEST", "LATEST", "Cron", "Fire", "instant"]

EARLIEST = datetime.min.replace(tzinfo=UTC)
LATEST = datetime.max.replace(tzinfo=UTC)
"""The last moment that a datetime can be."""

_SECOND = timedelta(seconds=1)
_TICK = timedelta(microseconds=1)

_NOWHERE = datetime(2024, 1, 1)  # noqa: DTZ001 - a reading of the clock in no zone
"""What the matcher starts from; without it, it would ask for the time."""


@dataclass(frozen=True, slots=True)
class Fire:
    """One moment of a schedule, in the schedule's zone."""

    at: datetime
    mark: str = ""
    """What the clock change did to it, in words; mostly empty."""


def instant(moment: object) -> datetime:
    """`moment` in UTC: two moments in one zone compare by their clock readings, which a clock change repeats.

    One outside the years 1-9999 in UTC becomes the first or the last moment there is.

    Raises:
        ScheduleError: It is no datetime, or has no offset from UTC.
    """
    if not isinstance(moment, datetime):
        raise ScheduleError(f"a moment is a datetime with a time zone, not {type(moment).__name__}")
    try:
        if moment.utcoffset() is not None:
            return moment.astimezone(UTC)
    except OverflowError:
        return EARLIEST if moment.year == 1 else LATEST
    except Exception as error:  # noqa: BLE001 - a tzinfo may be anyone's class
        raise ScheduleError(f"a moment's time zone fails ({type(error).__name__}): write tzinfo=UTC") from None
    raise ScheduleError(f"a moment without a time zone ({moment}): write tzinfo=UTC or a ZoneInfo")


@dataclass(frozen=True, slots=True)
class Cron:
    """A cron expression in a time zone.

    Args:
        expression: Five fields, six with the seconds first, or a name such as `@daily`.
        tz: An IANA name such as `Europe/Berlin`.

    Raises:
        ScheduleError: The expression is refused, as one that never fires is, or there is no such zone.
    """

    expression: str
    tz: str = "UTC"
    _parsed: Expression = field(init=False, repr=False, compare=False)
    _zone: tzinfo = field(init=False, repr=False, compare=False)
    _matcher: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        parsed = parse(self.expression)
        object.__setattr__(self, "expression", parsed.text)
        object.__setattr__(self, "_parsed", parsed)
        object.__setattr__(self, "_zone", _zone(self.tz))
        object.__setattr__(self, "_matcher", _matcher(parsed))

    @property
    def warnings(self) -> tuple[str, ...]:
        """What one may not expect of the expression, a sentence each."""
        return self._parsed.warnings

    @property
    def written(self) -> str:
        """As one writes it: `15 3 * * * Europe/Berlin`, the zone only when it is another than UTC."""
        return self.expression if self.tz == "UTC" else f"{self.expression} {self.tz}"

    def describe(self) -> str:
        """The expression in English, with the zone: `At 03:15 (Europe/Berlin)`."""
        return f"{_described(self._parsed)} ({self.tz})"

    def next_after(self, moment: datetime) -> datetime | None:
        """The first moment later than `moment`, in the schedule's zone; None when there is none.

        Raises:
            ScheduleError: `moment` has no time zone.
        """
        fire = self.fire_after(moment)
        return None if fire is None else fire.at

    def fire_after(self, moment: datetime) -> Fire | None:
        """`next_after`, with what a clock change did to it."""
        now = instant(moment)
        try:
            return self._clock_fire(now) if self._parsed.follows_clock else self._fixed_fire(now)
        except OverflowError:
            return None

    def _fixed_fire(self, now: datetime) -> Fire | None:
        wall = self._wall(now)
        while (match := self._match_after(wall)) is not None:
            before, after = self._offsets(match)
            if before == after:
                return self._fire(match - before)
            change = self._change(match, before, after)
            if before < after:
                return self._fire(change, f"moved: {_clock(match)} does not exist")
            first = (match - before).replace(tzinfo=UTC)
            if first > now:
                return self._fire(first, f"once: {_clock(match)} comes twice")
            wall = _reading(change, before) - _TICK
        return None

    def _clock_fire(self, now: datetime) -> Fire | None:
        wall = self._wall(now)
        before, after = self._offsets(wall)
        if before > after and now < (change := self._change(wall, before, after)):
            match = self._match_after(wall)
            if match is None or match >= _reading(change, before):
                # What is left of this hour names nothing; the same hour comes once more, from its start.
                wall = _reading(change, after) - _TICK
        while (match := self._match_after(wall)) is not None:
            before, after = self._offsets(match)
            if before < after:
                wall = _reading(self._change(match, before, after), after) - _TICK
                continue
            first = (match - before).replace(tzinfo=UTC)
            if first > now:
                return self._fire(first)
            return self._fire(match - after, f"second {_clock(match)}")
        return None

    def _fire(self, moment: datetime, mark: str = "") -> Fire:
        return Fire(moment.replace(tzinfo=UTC).astimezone(self._zone), mark)

    def _wall(self, now: datetime) -> datetime:
        return now.astimezone(self._zone).replace(tzinfo=None)

    def _match_after(self, wall: datetime) -> datetime | None:
        # Asking moves the matcher, and threads share this object.
        matcher = copy(self._matcher)
        try:
            match: datetime = matcher.get_next(datetime, start_time=wall)
        except (ValueError, OverflowError):
            return None
        return match

    def _offsets(self, wall: datetime) -> tuple[timedelta, timedelta]:
        """The offset of this reading of the clock before and after a change: smaller first where it is skipped."""
        aware = wall.replace(tzinfo=self._zone)
        before, after = aware.utcoffset(), aware.replace(fold=1).utcoffset()
        assert before is not None
        assert after is not None
        return before, after

    def _change(self, wall: datetime, before: timedelta, after: timedelta) -> datetime:
        """The instant of the clock change that makes `wall` skipped or ambiguous."""
        early = (wall - max(before, after)).replace(tzinfo=UTC, microsecond=0)
        late = (wall - min(before, after)).replace(tzinfo=UTC, microsecond=0) + _SECOND
        while late - early > _SECOND:
            middle = early + (late - early) // _SECOND // 2 * _SECOND
            if middle.astimezone(self._zone).utcoffset() == after:
                late = middle
            else:
                early = middle
        return late


def _reading(moment: datetime, offset: timedelta) -> datetime:
    """What the clock shows at `moment` with `offset` in force."""
    return moment.replace(tzinfo=None) + offset


def _clock(wall: datetime) -> str:
    return f"{wall:%H:%M:%S}" if wall.second else f"{wall:%H:%M}"


def _matcher(parsed: Expression) -> Any:
    """The library's object for the expression.

    Raises:
        ScheduleError: The library does not take it, which is for its other versions to do.
    """
    from croniter import croniter  # noqa: PLC0415 - takes 60 ms, and most processes have no cron schedule

    try:
        return croniter(parsed.plain, _NOWHERE, second_at_beginning=True)
    except ValueError:
        raise ScheduleError(f"cron {parsed.text!r}: the installed croniter refuses it, write it more simply") from None


_ZONE = re.compile(r"[A-Za-z0-9_+-]+(?:/[A-Za-z0-9_+-]+){0,2}")
_NOT_SHARED = re.compile(r"localtime|posixrules|(?:right|posix)/.*")
"""Names in a system's zone directory that mean another time on the next machine, or leap seconds."""


def _zone(name: object) -> tzinfo:
    if name == "UTC":
        return UTC
    if not isinstance(name, str):
        raise ScheduleError(f"a time zone is a name such as 'Europe/Berlin', not {type(name).__name__}")
    if len(name) > 64 or not _ZONE.fullmatch(name) or _NOT_SHARED.fullmatch(name):
        raise ScheduleError(f"time zone {name[:64]!r}: write a name such as 'UTC' or 'Europe/Berlin'")
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - UTC needs none

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ScheduleError(f"unknown time zone {name!r}: {_zone_advice(name)}") from None


def _zone_advice(name: str) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - for a mistake only
    from zoneinfo import available_timezones  # noqa: PLC0415 - the same

    known = {zone.lower(): zone for zone in available_timezones()}
    if not known:
        return "this system has no time zones, install tzdata"
    close = get_close_matches(name.lower(), known, 1)
    return f"write {known[close[0]]!r}?" if close else "write a name such as 'UTC' or 'Europe/Berlin'"


def _described(parsed: Expression) -> str:
    from cron_descriptor import ExpressionDescriptor, Options  # noqa: PLC0415 - for people only

    if parsed.plain.count("#") > 1:
        # The library loses which one of the month is meant.
        return f"Cron {parsed.text}"
    # The last Friday is L5 to the library that matches and 5L to the one that describes.
    text = re.sub(r"l([0-6])", r"\1L", parsed.plain).upper()
    try:
        options = Options(use_24hour_time_format=True, locale_code="en_US")
        description: str = ExpressionDescriptor(text, options).get_description()
    except Exception:  # noqa: BLE001 - its errors have no common class, and a schedule without a description still runs
        return f"Cron {parsed.text}"
    return description
