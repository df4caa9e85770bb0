"""Styles as terminals are told them: what stands between `ESC [` and `m`, in one spelling each.

Colours that are the terminal's own and what cannot be seen are left out of it: a style is empty when a reset is all
there is to say.
"""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["of_blank", "restyle", "spelled"]

_PARAMETER = re.compile(r"[34]8;2;\d+;\d+;\d+|[34]8;5;\d+|\d+")

_OFF = {"1": "22", "2": "22", "3": "23", "4": "24", "5": "25", "7": "27", "9": "29"}
"""What takes an attribute away; bold and dim go together."""

_UNSEEN = frozenset({"1", "2", "3", "5"})
"""Attributes that a blank looks the same with."""


@lru_cache(maxsize=1024)
def spelled(parameters: str) -> str:
    """The one spelling of a style."""
    front, back, rest = _parts(parameters)
    return ";".join((*sorted(rest), *(part for part in (front, back) if part)))


@lru_cache(maxsize=1024)
def of_blank(style: str) -> str:
    """The style of a blank that looks like one of `style`: its background, unless more of it is to be seen."""
    _, back, rest = _parts(style)
    return back if rest <= _UNSEEN else style


@lru_cache(maxsize=4096)
def restyle(old: str, new: str) -> str:
    """The shortest sequence from one style to another."""
    if old == new:
        return ""
    (old_front, old_back, old_rest), (front, back, rest) = _parts(old), _parts(new)
    anew = f"\x1b[0;{new}m" if old and new else f"\x1b[{new}m"
    gone = old_rest - rest
    if not gone <= _OFF.keys():
        return anew
    off = {_OFF[part] for part in gone}
    on = rest - old_rest | (rest & {"1", "2"} if "22" in off else set())
    parts = [*sorted(off), *sorted(on)]
    if front != old_front:
        parts.append(front or "39")
    if back != old_back:
        parts.append(back or "49")
    return min(anew, f"\x1b[{';'.join(parts)}m", key=len)


@lru_cache(maxsize=1024)
def _parts(style: str) -> tuple[str, str, frozenset[str]]:
    """Foreground, background (both empty where they are the terminal's own) and everything else of a style."""
    front = back = ""
    rest: set[str] = set()
    for match in _PARAMETER.finditer(style):
        part = match[0]
        code = int(part.partition(";")[0])
        if code == 0:
            front, back, rest = "", "", set()
        elif 30 <= code <= 39 or 90 <= code <= 97:
            front = "" if code == 39 else part
        elif 40 <= code <= 49 or 100 <= code <= 107:
            back = "" if code == 49 else part
        else:
            rest.add(part)
    return front, back, frozenset(rest)
