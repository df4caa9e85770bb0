"""Schedules: when a task is to be made. Pure: no clock, no store; times are aware datetimes."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from taskconsole.errors import ScheduleError
from taskconsole.model.cron import EARLIEST, LATEST, Cron, Fire, instant

__all__ = ["At", "Cron", "Every", "Fire", "Schedule", "format_interval", "parse_interval", "preview"]

MIN_INTERVAL = 0.01
"""Seconds."""

MAX_INTERVAL = 10 * 365.25 * 86400
"""Seconds; ten years."""

MAX_PREVIEW = 1000
"""Moments that one preview may hold."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MILLION = 1_000_000

_UNITS = {"w": 604_800.0, "d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_INTERVAL = re.compile("".join(rf"(?:([0-9]+(?:\.[0-9]+)?) *{unit} *)?" for unit in _UNITS))


def parse_interval(value: object) -> float:
    """Seconds of an interval: a number of seconds, a timedelta, or text such as `90s`, `5m`, `1h30m`, `2d`.

    Raises:
        ScheduleError: It is none of these, shorter than 0.01 s or longer than ten years.
    """
    seconds = _seconds(value)
    if not MIN_INTERVAL <= seconds <= MAX_INTERVAL:  # NaN too
        raise ScheduleError(f"interval {_shown(value)}: write one from 0.01 s to ten years, such as '5m'")
    return seconds


def _seconds(value: object) -> float:
    match value:
        case bool():
            pass
        case int() | float():
            try:
                return float(value)
            except OverflowError:
                return math.inf
        case timedelta():
            return value.total_seconds()
        case str():
            if len(value) <= 64 and (text := value.strip()):
                return _text_seconds(text)
            raise ScheduleError(f"interval {_shown(value)}: write '90s', '5m', '1h30m' or '2d'")
    raise ScheduleError(f"an interval is a number of seconds or text such as '5m', not {type(value).__name__}")


def _text_seconds(text: str) -> float:
    if re.fullmatch(r"[0-9]+(?:\.[0-9]+)?", text):
        return float(text)
    if (parts := _INTERVAL.fullmatch(text)) is None:
        raise ScheduleError(f"interval {text!r}: write '90s', '5m', '1h30m' or '2d', the largest unit first")
    return math.fsum(
        float(number) * unit for number, unit in zip(parts.groups(), _UNITS.values(), strict=True) if number
    )


def _shown(value: object) -> str:
    if type(value) is int and abs(value) > 10**20:
        # Python refuses to write a number of thousands of digits.
        return "of so many digits"
    # Anyone's class may fail to show itself.
    return repr(value)[:64] if type(value) in (int, float, str, timedelta) else f"of type {type(value).__name__}"


def format_interval(seconds: float) -> str:
    """`5m`, `1h30m`, `0.5s`; what `parse_interval` reads back, to the microsecond.

    Raises:
        ScheduleError: It is not a number of seconds from 0 to 10**12.
    """
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= 10**12:
        raise ScheduleError(f"interval {_shown(seconds)}: write a number of seconds from 0 to 10**12")
    return "".join(f"{number}{unit[0]}" for number, unit in _split(seconds)) or "0s"


def _split(seconds: float) -> list[tuple[str, str]]:
    """The parts of an interval that are not 0, as `("1", "hour")`."""
    rest = round(seconds * _MILLION)
    parts = []
    for size, unit in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        number, rest = divmod(rest, size * _MILLION)
        parts.append((str(number), unit))
    whole, micros = divmod(rest, _MILLION)
    parts.append((f"{whole}.{micros:06}".rstrip("0").rstrip("."), "second"))
    return [part for part in parts if part[0] != "0"]


@dataclass(frozen=True, slots=True)
class Every:
    """Equal steps from an anchor, however long ago that was.

    Args:
        interval: What `parse_interval` reads.
        anchor: The first moment, aware; the Unix epoch when None, so that `Every(300)` fires at :00, :05, :10 …

    Raises:
        ScheduleError: The interval or the anchor is refused.
    """

    interval: timedelta | float | str = field(compare=False)
    anchor: datetime | None = field(default=None, compare=False)
    seconds: float = field(init=False, repr=False)
    _origin: int = field(init=False, repr=False)
    """The anchor in microseconds since the epoch."""
    _ratio: tuple[int, int] = field(init=False, repr=False, compare=False)
    """The interval in microseconds as a fraction, so that a third of a second is one."""

    def __post_init__(self) -> None:
        from fractions import Fraction  # noqa: PLC0415 - takes 7 ms

        seconds = parse_interval(self.interval)
        ratio = Fraction(seconds).limit_denominator(_MILLION) * _MILLION
        object.__setattr__(self, "seconds", seconds)
        object.__setattr__(self, "_origin", 0 if self.anchor is None else _micros(_kept(self.anchor)))
        object.__setattr__(self, "_ratio", ratio.as_integer_ratio())

    def next_after(self, moment: datetime) -> datetime | None:
        """The first moment of the grid later than `moment`, in UTC; None when there is none.

        Raises:
            ScheduleError: `moment` has no time zone.
        """
        elapsed = _micros(instant(moment)) - self._origin
        micros, parts = self._ratio
        # The k-th moment is the whole microsecond at or before k * interval, never a sum of rounded steps.
        k = max(0, ((elapsed + 1) * parts - 1) // micros + 1)
        try:
            return _EPOCH + (self._origin + k * micros // parts) * _MICROSECOND
        except OverflowError:
            return None

    @property
    def written(self) -> str:
        """`every 5m`."""
        return f"every {format_interval(self.seconds)}"

    def describe(self) -> str:
        """`Every 5 minutes`, and from when if that was said."""
        parts = _split(self.seconds)
        several = len(parts) > 1
        words = [
            f"{number} {unit}{'s' * (number != '1')}" if several or number != "1" else unit for number, unit in parts
        ]
        start = "" if self.anchor is None else f" from {self.anchor}"
        return f"Every {' '.join(words)}{start}"


def _kept(moment: object) -> datetime:
    utc = instant(moment)
    if utc in (EARLIEST, LATEST):
        raise ScheduleError(f"moment {moment}: the end of all dates, write one between")
    return utc


def _micros(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


@dataclass(frozen=True, slots=True)
class At:
    """One moment.

    Raises:
        ScheduleError: It has no time zone.
    """

    moment: datetime = field(compare=False)
    _instant: datetime = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_instant", _kept(self.moment))

    def next_after(self, moment: datetime) -> datetime | None:
        """The moment itself as long as it is later than `moment`, else None.

        Raises:
            ScheduleError: `moment` has no time zone.
        """
        return self.moment if instant(moment) < self._instant else None

    @property
    def written(self) -> str:
        """`at 2026-12-31 23:59:00+0100`."""
        return f"at {self.moment:%Y-%m-%d %H:%M:%S%z}"

    def describe(self) -> str:
        """`Once at 2026-12-31 23:59:00+01:00`."""
        return f"Once at {self.moment}"


Schedule = Cron | Every | At


def preview(schedule: Schedule, moment: datetime, count: int) -> list[Fire]:
    """The next `count` moments after `moment`, fewer when there are no more, with what clock changes do to them.

    Raises:
        ScheduleError: `schedule` is none, `moment` has no time zone, or `count` is not 0-1000.
    """
    if not isinstance(schedule, Cron | Every | At):
        raise ScheduleError(f"a schedule is a Cron, an Every or an At, not {type(schedule).__name__}")
    if not isinstance(count, int) or not 0 <= count <= MAX_PREVIEW:
        raise ScheduleError(f"a preview of {_shown(count)} moments: write 0-{MAX_PREVIEW}")
    fires: list[Fire] = []
    last = instant(moment)
    while len(fires) < count and (fire := _fire_after(schedule, last)) is not None:
        fires.append(fire)
        last = fire.at
    return fires


def _fire_after(schedule: Schedule, moment: datetime) -> Fire | None:
    if not isinstance(schedule, Cron):
        at = schedule.next_after(moment)
        return None if at is None else Fire(at)
    fire = schedule.fire_after(moment)
    if fire is None or fire.mark or moment.astimezone(fire.at.tzinfo).utcoffset() == fire.at.utcoffset():
        return fire
    return Fire(fire.at, "offset changes")
