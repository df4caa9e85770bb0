"""Numbers and times as short text of a known width. Pure; seconds in, text out."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "ASCII",
    "LEAN",
    "UNICODE",
    "Glyphs",
    "age",
    "clock",
    "coarse",
    "count",
    "day_and_time",
    "duration",
    "estimate",
    "in_ascii",
    "in_or_ago",
    "key_name",
    "rate",
    "rtt",
    "size",
    "sparkline",
]

MINUTE, HOUR, DAY = 60, 3600, 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Glyphs:
    """The drawing characters of one terminal."""

    bars: str
    """From lowest to highest; the first also stands for zero."""
    rule: str
    ellipsis: str


UNICODE = Glyphs(bars="▁▂▃▄▅▆▇█", rule="─", ellipsis="…")
LEAN = replace(UNICODE, rule="-")
"""For slow lines: a rule is as long as the screen is wide, and in UTF-8 each of its cells takes three bytes."""
ASCII = Glyphs(bars="_.:-=+*#", rule="-", ellipsis="~")


_IN_ASCII = str.maketrans({"…": "~", "─": "-", "→": ">", "←": "<", "↑": "^", "↓": "v", "⏎": "/"})
_ARROWS = {"→": "right", "←": "left", "↑": "up", "↓": "down"}


def in_ascii(text: str) -> str:
    """The same with what we draw with, cell by cell, in ASCII; other people's letters stay."""
    return text if text.isascii() else text.translate(_IN_ASCII)


def key_name(text: str, glyphs: Glyphs) -> str:
    """Keys as a person reads them: where there are no arrows they have names."""
    if glyphs is not ASCII:
        return text
    return "".join(_ARROWS.get(char, char) for char in text)


def duration(seconds: float) -> str:
    """At most six characters, exact to the second below an hour: `1m10s`, `14m02s`, `2h05m`, `3d04h`; `?` for none."""
    if not math.isfinite(seconds):
        # Anybody may write any score or field.
        return "?"
    whole = max(0, int(seconds))
    if whole < MINUTE:
        return f"{whole}s"
    if whole < HOUR:
        return f"{whole // MINUTE}m{whole % MINUTE:02d}s"
    if whole < DAY:
        return f"{whole // HOUR}h{whole % HOUR // MINUTE:02d}m"
    if whole < 100 * DAY:
        return f"{whole // DAY}d{whole % DAY // HOUR:02d}h"
    return f"{whole // DAY}d"


def age(since: float | None, now: float) -> str:
    """How long ago, coarser as it grows; `-` when there is none."""
    return "-" if since is None else coarse(now - since)


def coarse(seconds: float) -> str:
    """Like `duration`, but coarser as it grows, so that a long time does not flicker."""
    return f"{int(seconds) // MINUTE}m" if 10 * MINUTE <= seconds < HOUR else duration(seconds)


def count(n: int) -> str:
    """A count in at most seven characters: `12,001`, `999,999`, `1.24M`."""
    for limit, divisor, unit in ((10**6, 1, ""), (10**9, 10**6, "M"), (10**12, 10**9, "G")):
        if abs(n) < limit:
            return f"{n:,}" if not unit else f"{_three(n / divisor)}{unit}"
    return f"{n / 10**12:.3g}T"


def rate(per_second: float | None) -> str:
    """Tasks per second in at most five characters; `?` when it is not known."""
    if per_second is None:
        return "?"
    if per_second < 99.95:
        return f"{per_second:.1f}"
    if per_second < 9_999.5:
        return f"{per_second:,.0f}"
    return f"{per_second / 1000:.0f}k"


def estimate(seconds: float | None) -> str:
    """A duration that is not known exactly, in at most seven characters: `~85ms`, `~1.2s`, `~14m02s`; `-` for none."""
    if seconds is None:
        return "-"
    if seconds < 0.0995:
        return f"~{seconds * 1000:.0f}ms"
    if seconds < 0.995:
        return f"~{round(seconds * 1000, -1):.0f}ms"
    return f"~{seconds:.1f}s" if seconds < 9.95 else f"~{duration(seconds)}"


def rtt(seconds: float) -> str:
    """A round trip, coarse enough to stand still on a steady link: `<1ms`, `2ms`, `40ms`, `1.2s`."""
    ms = seconds * 1000
    if ms < 1:
        return "<1ms"
    if ms < 10:
        return f"{ms:.0f}ms"
    if ms < 995:
        return f"{round(ms, -1):.0f}ms"
    return f"{seconds:.1f}s"


def size(n: int) -> str:
    """Bytes: `812B`, `1.24MB`."""
    for limit, divisor, unit in ((10**3, 1, "B"), (10**6, 10**3, "kB"), (10**9, 10**6, "MB")):
        if n < limit:
            return f"{n}B" if divisor == 1 else f"{_three(n / divisor)}{unit}"
    return f"{_three(n / 10**9)}GB"


def clock(at: float, *, ms: bool = False) -> str:
    """The time of day in UTC: `03:12:44`, with `ms` `03:12:44.120`; question marks for no real time."""
    try:
        text = time.strftime("%H:%M:%S", time.gmtime(at))
    except (OverflowError, ValueError, OSError):
        # A stranger's event may name any number as its time.
        return "??:??:??.???" if ms else "??:??:??"
    return f"{text}.{int(at * 1000) % 1000:03d}" if ms else text


def day_and_time(at: float) -> str:
    """A moment in UTC: `2026-11-23 03:12:44Z`; question marks for no real time."""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(at))
    except (OverflowError, ValueError, OSError):
        return "????-??-?? ??:??:??Z"


def in_or_ago(at: float, now: float) -> str:
    """How far away a moment is: `in 5m10s`, `3s ago`, `now`."""
    if not abs(at - now) >= 1:
        return "now"
    return f"in {duration(at - now)}" if at > now else f"{duration(now - at)} ago"


def sparkline(values: Sequence[float], width: int, glyphs: Glyphs = UNICODE) -> str:
    """The last `width` values as one line of bars, scaled to their highest; zero is the lowest bar."""
    shown = values[-width:] if width > 0 else ()
    top = max(shown, default=0)
    if top <= 0:
        return glyphs.bars[0] * len(shown)
    last = len(glyphs.bars) - 1
    return "".join(glyphs.bars[-int(-max(0, value) * last // top)] for value in shown)


def _three(value: float) -> str:
    """Three figures: `1.24`, `12.4`, `124`."""
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}" if value < 99.95 else f"{value:.0f}"
