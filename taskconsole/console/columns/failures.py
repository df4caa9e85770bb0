"""The columns of the table of failures in groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

from taskconsole.console.text.format import age, count
from taskconsole.console.text.lines import Tone
from taskconsole.console.text.safe import safe
from taskconsole.console.text.table import Column

if TYPE_CHECKING:
    from taskconsole.model.failure import FailureGroup

__all__ = ["FAILURES"]

FAILURES: tuple[Column[FailureGroup], ...] = (
    Column(
        heading="COUNT",
        width=6,
        justify="right",
        text=lambda g, _now, _width: count(g.count),
        tone=lambda _g: Tone.BAD,
        order=lambda g: g.count,
    ),
    Column(
        heading="RETRY",
        width=6,
        drop=5,
        justify="right",
        text=lambda g, _now, _width: count(g.retrying),
        tone=lambda g: Tone.WARN if g.retrying else Tone.QUIET,
        order=lambda g: g.retrying,
    ),
    Column(
        heading="EXCEPTION",
        width=14,
        most=30,
        grows=1,
        text=lambda g, _now, width: safe(g.exception, 2 * width),
        order=lambda g: g.exception,
    ),
    Column(heading="MESSAGE", width=20, most=90, drop=1, text=lambda g, _now, width: safe(g.message, 2 * width)),
    Column(
        heading="TASK",
        width=12,
        most=30,
        grows=1,
        drop=2,
        text=lambda g, _now, width: safe(g.task, 2 * width),
        order=lambda g: g.task,
    ),
    Column(
        heading="QUEUE",
        width=10,
        most=24,
        grows=1,
        drop=4,
        text=lambda g, _now, width: safe(g.queue, 2 * width),
        order=lambda g: g.queue,
    ),
    Column(
        heading="FIRST",
        width=7,
        drop=3,
        justify="right",
        text=lambda g, now, _width: age(g.first, now),
        order=lambda g: g.first,
    ),
    Column(
        heading="LAST", width=7, justify="right", text=lambda g, now, _width: age(g.last, now), order=lambda g: g.last
    ),
)
