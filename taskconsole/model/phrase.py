"""Pieces of sentences: durations, sizes, names as words of a shell command. Pure."""

from __future__ import annotations

import math
import shlex
import time

__all__ = ["argument", "hour", "in_milliseconds", "quoted", "size", "span"]

_SECONDS_END = 1e11
"""The year 5138 as a time in seconds; in milliseconds it is in 1973, and nobody delays a task until then."""


def hour(at: float) -> str:
    """The time of day in UTC: `03:12:44Z`; question marks for no real time."""
    try:
        return time.strftime("%H:%M:%SZ", time.gmtime(at))
    except (OverflowError, ValueError, OSError):
        return "??:??:??Z"


def in_milliseconds(at: float | None) -> bool:
    """True for a time that was most likely written in milliseconds, or in even smaller pieces."""
    return at is not None and at >= _SECONDS_END and math.isfinite(at)


def quoted(name: str) -> str:
    r"""A name as one word of a bash, zsh or ksh command; what is not printable as `$'\x1b'`."""
    if name.isprintable():
        return shlex.quote(name)
    return "$'" + "".join(_ansi_c(c) for c in name) + "'"


def _ansi_c(char: str) -> str:
    if char in "\\'":
        return "\\" + char
    if char.isprintable():
        return char
    code = ord(char)
    if code < 0x80:  # above, \x would be a byte and not a character
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def argument(name: str) -> str:
    """A name in the place of an argument: not to be taken for an option."""
    return f"-- {quoted(name)}" if name.startswith("-") else quoted(name)


def span(seconds: float) -> str:
    """A duration in two units at most: `4s`, `2m05s`, `3h20m`, `12d04h`; `?` for what is no number."""
    if not math.isfinite(seconds):  # anybody may write any score or field
        return "?"
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86_400:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 86_400}d{whole % 86_400 // 3600:02d}h"


def size(n: int) -> str:
    """Bytes as people read them: `12.5 MB`, `1.25 GB`."""
    return f"{n / 1e9:.2f} GB" if n >= 10**9 else f"{n / 1e6:.1f} MB"
