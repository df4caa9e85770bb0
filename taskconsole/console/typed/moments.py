"""When something is to run, as an operator types it: `+10m`, `14:30`, ISO, `now`. Pure."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass

from taskconsole.console.text.format import in_or_ago

__all__ = ["Due", "MomentError", "due", "in_both_zones"]

_AFTER = re.compile(r"\+?(\d+(?:\.\d+)?)\s*([smhd])|\+(\d+(?:\.\d+)?)")
_CLOCK = re.compile(r"(\d{1,2}):(\d\d)(?::(\d\d))?\s*(z|utc|l|local)?", re.IGNORECASE)
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, None: 1.0}
FARTHEST = 10 * 366 * 86_400.0

USAGE = "like +10m, 14:30 (UTC), 14:30 local, 2030-01-31T12:00Z, or now"


class MomentError(ValueError):
    """What is typed is no time; one line that says what to write."""


@dataclass(frozen=True, slots=True)
class Due:
    """A moment that was typed."""

    at: float
    """Seconds since the epoch, as far as is known now."""
    command: str
    """For the command: `"1790000000.5"`, or `"+600"` from when Redis gets it."""


def due(text: str, now: float, here: dt.tzinfo | None = None) -> Due:
    """The moment for what was typed.

    A time of the day is the next such; without a zone it is in UTC, as all clocks of the console are.

    Args:
        text: As typed.
        now: Seconds since the epoch, by Redis.
        here: The zone of `local`; this machine's by default.

    Raises:
        MomentError: It is none.
    """
    typed = text.strip()
    if not typed:
        raise MomentError(f"a time {USAGE}")
    if typed.lower() == "now":
        return Due(now, "+0")
    if after := _AFTER.fullmatch(typed):
        seconds = float(after[1] or after[3]) * _SECONDS[after[2]]
        if seconds > FARTHEST:
            raise MomentError("ten years from now at most")
        return Due(now + seconds, f"+{seconds:g}")
    try:
        clock = _CLOCK.fullmatch(typed)
        at = _of_the_clock(clock, now, here) if clock else _iso(typed)
    except (ValueError, OverflowError, OSError):
        raise MomentError(f"a time {USAGE}") from None
    if at > now + FARTHEST:
        raise MomentError("ten years from now at most")
    return Due(at, f"{at:.3f}")


def in_both_zones(at: float, now: float, here: dt.tzinfo | None = None) -> str:
    """A moment in UTC, on this machine's clock, and how far away it is."""
    utc = dt.datetime.fromtimestamp(at, dt.UTC)
    local = utc.astimezone(here)
    return f"{utc:%Y-%m-%d %H:%M:%S}Z   {local:%Y-%m-%d %H:%M:%S %z} here   {in_or_ago(at, now)}"


def _of_the_clock(clock: re.Match[str], now: float, here: dt.tzinfo | None) -> float:
    """The next time the clock shows that."""
    local = (clock[4] or "z").lower().startswith("l")
    today = dt.datetime.fromtimestamp(now, dt.UTC)
    today = today.astimezone(here) if local else today
    wanted = today.replace(hour=int(clock[1]), minute=int(clock[2]), second=int(clock[3] or 0), microsecond=0)
    if wanted <= today:
        wanted += dt.timedelta(days=1)
    return wanted.timestamp()


def _iso(typed: str) -> float:
    moment = dt.datetime.fromisoformat(typed.replace(" ", "T", 1) if " " in typed else typed)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    return moment.timestamp()
