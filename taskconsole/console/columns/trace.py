"""The columns of the log of commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from taskconsole.console.text.format import clock, count, rtt, size
from taskconsole.console.text.lines import Tone
from taskconsole.console.text.safe import safe
from taskconsole.console.text.table import Column

if TYPE_CHECKING:
    from taskconsole.model.trace import Issued

__all__ = ["TRACE"]

TRACE: tuple[Column[Issued], ...] = (
    Column(heading="SENT AT", width=12, text=lambda c, _now, _width: clock(c.at, ms=True), order=lambda c: c.at),
    Column(
        heading="FOR",
        width=6,
        text=lambda c, _now, _width: "ACTION" if c.acting else "show",
        tone=lambda c: Tone.TITLE if c.acting else Tone.QUIET,
        order=lambda c: not c.acting,
    ),
    Column(
        heading="COMMAND",
        width=14,
        most=24,
        grows=1,
        text=lambda c, _now, width: safe(c.name, 2 * width),
        order=lambda c: c.name,
    ),
    Column(heading="KEYS", width=14, most=120, grows=2, text=lambda c, _now, width: safe("  ".join(c.keys), 2 * width)),
    Column(
        heading="SIZE",
        width=7,
        drop=3,
        justify="right",
        text=lambda c, _now, _width: size(c.size),
        order=lambda c: c.size,
    ),
    Column(
        heading="TOOK",
        width=6,
        drop=1,
        justify="right",
        text=lambda c, _now, _width: rtt(c.took),
        tone=lambda c: Tone.WARN if c.took > 0.1 else Tone.PLAIN,
        order=lambda c: c.took,
    ),
    Column(
        heading="WITH",
        width=5,
        drop=4,
        justify="right",
        text=lambda c, _now, _width: count(c.together) if c.together > 1 else "",
    ),
    Column(
        heading="ANSWER",
        width=9,
        most=14,
        drop=2,
        text=lambda c, _now, width: safe(c.answer or "ok", width),
        tone=lambda c: Tone.BAD if c.answer else Tone.QUIET,
        order=lambda c: c.answer,
    ),
)
