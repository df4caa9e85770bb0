"""The moment that an operator types, as a position in a recording. Pure."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING

from taskconsole.errors import ScheduleError
from taskconsole.model.schedule import parse_interval

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["TimeError", "position_of"]

_HOUR = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}(?:\.\d+)?))?Z?")
DAY = 86_400.0
LAST_OF_A_SECOND = 0.999


class TimeError(ValueError):
    """What is typed is no moment of the recording; one line that says what to write."""


def position_of(
    text: str, *, here: float, end: float, clock: Callable[[float], float], moment: Callable[[float], float]
) -> float:
    """The position for `03:12:44`, `2026-11-23 03:12`, `+5m`, `-90s`, `50%`, `start` or `end`; times are UTC.

    Args:
        text: As typed.
        here: The position one is at.
        end: The last one.
        clock: What time it was at a position.
        moment: The position at which it was a time.

    Raises:
        TimeError: It is none.
    """
    text = text.strip()
    if text in {"start", "end"}:
        return 0.0 if text == "start" else end
    if text.endswith("%") and text[:-1].isascii() and text[:-1].isdigit():
        return end * min(100, int(text[:-1][:4])) / 100
    if text[:1] in {"+", "-"}:
        try:
            return here + (1 if text[0] == "+" else -1) * parse_interval(text[1:].strip())
        except ScheduleError:
            raise TimeError(_how(text)) from None
    at = _hour_near(match, clock(here), clock(0.0), clock(end)) if (match := _HOUR.fullmatch(text)) else _full(text)
    # What has the time that was typed has all of that second.
    position = moment(at + (LAST_OF_A_SECOND if at.is_integer() else 0.0))
    if not 0 <= position <= end + 1:
        began, ended = (dt.datetime.fromtimestamp(clock(p), dt.UTC) for p in (0.0, end))
        raise TimeError(f"{text}: the recording is of {began:%Y-%m-%d %H:%M:%S} to {ended:%Y-%m-%d %H:%M:%S} UTC")
    return position


def _hour_near(match: re.Match[str], now: float, began: float, ended: float) -> float:
    """That time on the day one is at, else on the one before or after if the recording is of that one."""
    seconds = int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3] or 0)
    if seconds >= DAY:
        raise TimeError(_how(match[0]))
    at = now // DAY * DAY + seconds
    return next((day for day in (at, at - DAY, at + DAY) if began - 1 < day <= ended + 1), at)


def _full(text: str) -> float:
    try:
        found = dt.datetime.fromisoformat(text)
        return (found if found.tzinfo is not None else found.replace(tzinfo=dt.UTC)).timestamp()
    except (ValueError, OverflowError):
        raise TimeError(_how(text)) from None


def _how(text: str) -> str:
    return f"{text or 'at what time?'}: write 03:12:44, 2026-11-23 03:12, +5m, -90s, 50%, start or end"
