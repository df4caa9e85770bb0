"""The columns of the table of verdicts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from taskconsole.console.text.format import age
from taskconsole.console.text.lines import Tone
from taskconsole.console.text.safe import safe
from taskconsole.console.text.table import Column
from taskconsole.model.verdict import Level

if TYPE_CHECKING:
    from taskconsole.model.verdict import Verdict

__all__ = ["LEVEL_TONES", "LEVEL_WORDS", "VERDICTS"]

LEVEL_TONES = {Level.CRITICAL: Tone.BAD, Level.WARNING: Tone.WARN, Level.NOTE: Tone.PLAIN}
LEVEL_WORDS = {Level.CRITICAL: "CRIT", Level.WARNING: "WARN", Level.NOTE: "NOTE"}
_RANK = {level: rank for rank, level in enumerate((Level.CRITICAL, Level.WARNING, Level.NOTE))}

VERDICTS: tuple[Column[Verdict], ...] = (
    Column(
        heading="LEVEL",
        width=6,
        text=lambda v, _now, _width: LEVEL_WORDS[v.level],
        tone=lambda v: LEVEL_TONES[v.level],
        order=lambda v: _RANK[v.level],
    ),
    Column(heading="RULE", width=14, drop=2, text=lambda v, _now, _width: v.rule, order=lambda v: v.rule),
    Column(
        heading="SINCE",
        width=7,
        drop=3,
        justify="right",
        text=lambda v, now, _width: age(v.since, now),
        order=lambda v: v.since,
    ),
    Column(heading="WHAT", width=40, most=400, text=lambda v, _now, width: safe(v.text, 2 * width)),
)
