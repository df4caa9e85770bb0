"""The columns of the table of queues."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from taskconsole.console.text.explain import drain_eta
from taskconsole.console.text.format import UNICODE, Glyphs, age, count, estimate, rate, sparkline
from taskconsole.console.text.lines import Tone
from taskconsole.console.text.safe import safe
from taskconsole.console.text.table import Column
from taskconsole.model.state import QueueState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from taskconsole.model.stats import QueueStats

__all__ = ["QUEUES", "QueueRow"]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRow:
    """A queue as the table shows it: the reading and what this console adds to it."""

    stats: QueueStats
    growth: float | None = None
    """Tasks per second by which it grows."""
    stale: bool = False
    """The reading is old: counts still stand, states and rates do not."""
    trend: Sequence[int] = ()
    """Pending tasks in the last minutes, oldest first."""
    glyphs: Glyphs = UNICODE


_STATE_TONES = {
    QueueState.BROKEN: Tone.BAD,
    QueueState.NO_WORKERS: Tone.BAD,
    QueueState.QUIET: Tone.BAD,
    QueueState.SATURATED: Tone.WARN,
    QueueState.PAUSED: Tone.WARN,
    QueueState.BUSY: Tone.GOOD,
    QueueState.OK: Tone.QUIET,
}


def _dimmed(figure: Callable[[QueueStats], float | None]) -> Callable[[QueueRow], Tone]:
    """Zeros and unknowns step back, so that the eye finds what is there."""

    def tone(row: QueueRow) -> Tone:
        return Tone.QUIET if row.stale or not figure(row.stats) else Tone.PLAIN

    return tone


def _stale_tone(row: QueueRow) -> Tone:
    return Tone.QUIET if row.stale else Tone.PLAIN


def _state_tone(row: QueueRow) -> Tone:
    return Tone.QUIET if row.stale else _STATE_TONES[row.stats.state]


def _dead_tone(row: QueueRow) -> Tone:
    return Tone.QUIET if row.stale or not row.stats.dead else Tone.BAD


def _overdue_tone(row: QueueRow) -> Tone:
    return Tone.QUIET if row.stale or not row.stats.overdue else Tone.WARN


def _known(figure: Callable[[QueueStats], float | None]) -> Callable[[QueueRow, float, int], str]:
    """A count, or `?` for a queue that cannot be read."""

    def text(row: QueueRow, _now: float, _width: int) -> str:
        value = None if row.stats.trouble else figure(row.stats)
        return "?" if value is None else count(int(value))

    return text


def _mark(row: QueueRow, _now: float, _width: int) -> str:
    """`^` grows, `v` shrinks, `=` stays: the trend for those who see no bars."""
    if row.stale or row.growth is None or row.stats.trouble:
        return " "
    step = max(1.0, row.stats.pending * 0.01) / 60
    return "^" if row.growth >= step else "v" if row.growth <= -step else "="


def _in(row: QueueRow, _now: float, _width: int) -> str:
    return rate(None if row.stale or row.stats.trouble else row.stats.in_rate)


def _out(row: QueueRow, _now: float, _width: int) -> str:
    return rate(None if row.stale or row.stats.trouble else row.stats.out_rate)


def _state(row: QueueRow, _now: float, _width: int) -> str:
    return "?" if row.stale else row.stats.state


def _slots(row: QueueRow, _now: float, _width: int) -> str:
    """All there are; those at work stand under ACTIVE."""
    return "?" if row.stats.trouble else count(row.stats.capacity)


def _lately(figure: Callable[[QueueStats], float | None]) -> Callable[[QueueRow, float, int], str]:
    """What 95 of 100 tasks took lately; `-` when there were none."""

    def text(row: QueueRow, _now: float, _width: int) -> str:
        return "?" if row.stale or row.stats.trouble else estimate(figure(row.stats))

    return text


def _trend(row: QueueRow, _now: float, width: int) -> str:
    """Right-aligned: the present is where the eye expects it."""
    return sparkline(row.trend, width - 1, row.glyphs).rjust(width)


def _empty_in(row: QueueRow, _now: float, _width: int) -> str:
    return "?" if row.stale or row.stats.trouble else drain_eta(row.stats, row.growth)


def _oldest(row: QueueRow, now: float, _width: int) -> str:
    if row.stats.oldest is None and row.stats.pending:
        return "?"
    return age(row.stats.oldest, now) if row.stats.pending else "-"


def _figure(
    heading: str,
    figure: Callable[[QueueStats], float | None],
    *,
    drop: int = 0,
    since: int = 0,
    width: int = 7,
    text: Callable[[QueueRow, float, int], str] | None = None,
    tone: Callable[[QueueRow], Tone] | None = None,
) -> Column[QueueRow]:
    """A column of numbers, those that are zero or unknown in a quiet tone."""
    return Column(
        heading=heading,
        width=width,
        justify="right",
        drop=drop,
        since=since,
        text=text or _known(figure),
        tone=tone or _dimmed(figure),
    )


QUEUES: tuple[Column[QueueRow], ...] = (
    Column(
        heading="QUEUE",
        width=14,
        most=32,
        text=lambda row, _now, width: safe(row.stats.name, 4 * width),
        tone=_stale_tone,
    ),
    Column(heading="STATE", width=10, text=_state, tone=_state_tone),
    _figure("PENDING", lambda q: q.pending),
    _figure("ACTIVE", lambda q: q.active, width=6, drop=4),
    _figure("DELAYED", lambda q: q.delayed, drop=5),
    _figure("DEAD", lambda q: q.dead, width=6, drop=3, tone=_dead_tone),
    _figure("OLDEST", lambda q: q.pending, width=6, drop=2, text=_oldest),
    _figure("IN/s", lambda q: q.in_rate, width=5, drop=7, text=_in),
    _figure(
        "OUT/s",
        lambda q: q.out_rate,
        width=5,
        drop=6,
        text=_out,
    ),
    Column(heading=" ", width=1, drop=8, text=_mark, tone=_stale_tone),
    _figure("SLOTS", lambda q: q.capacity, width=8, drop=10, since=100, text=_slots),
    _figure("OVERDUE", lambda q: q.overdue, drop=11, since=100, tone=_overdue_tone),
    _figure("WORKERS", lambda q: q.workers, drop=12, since=110),
    _figure("DRAIN ETA", lambda q: q.pending, width=9, drop=13, since=120, text=_empty_in),
    _figure("WAIT p95", lambda q: q.wait_p95, width=8, drop=14, since=130, text=_lately(lambda q: q.wait_p95)),
    _figure("RUN p95", lambda q: q.run_p95, drop=15, since=140, text=_lately(lambda q: q.run_p95)),
    Column(heading=" TREND 5m", width=21, drop=16, since=150, text=_trend, tone=_stale_tone),
    Column(
        heading=" DONE/MIN",
        width=12,
        most=31,
        drop=17,
        since=180,
        text=lambda row, _now, width: " " + sparkline(row.stats.history, width - 1, row.glyphs),
        tone=lambda _row: Tone.QUIET,
    ),
)
