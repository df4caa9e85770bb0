"""Is anything stuck, why, and what to do: one reading in words. Pure."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from taskconsole.console.format import age, count, duration, rate
from taskconsole.console.safe import safe
from taskconsole.model.state import QueueState

if TYPE_CHECKING:
    from taskconsole.model.stats import Overview, QueueStats

__all__ = ["Level", "Verdict", "drain_eta", "explain", "verdicts", "worker_command"]

OVERDUE = 3
"""Workers promote at most a tick late; this many delayed tasks past their time mean that none does."""

NAME_LIMIT = 60


class Level(StrEnum):
    """How bad it is."""

    CRIT = "CRIT"
    WARN = "WARN"
    NOTE = "NOTE"


_RANK = {Level.CRIT: 0, Level.WARN: 1, Level.NOTE: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One sentence about one queue, with its evidence; safe for a terminal."""

    level: Level
    queue: str
    """The queue's real name."""
    text: str
    fix: str = ""
    """The command that mends it, if a command can."""


def verdicts(overview: Overview) -> list[Verdict]:
    """What an operator should know, worst first; empty when all is well."""
    found = [v for queue in overview.queues for v in _judge(queue, overview.at)]
    waiting = {queue.name: queue.pending for queue in overview.queues}
    return sorted(found, key=lambda v: (_RANK[v.level], -waiting[v.queue], v.queue))


def _judge(queue: QueueStats, now: float) -> list[Verdict]:
    found = []
    verdict = _state_verdict(queue, now)
    if verdict is not None:
        found.append(verdict)
    if queue.overdue >= (OVERDUE if queue.workers else 1) and not queue.trouble:
        fix = "" if queue.workers else worker_command(queue.name)
        late = "1 delayed task" if queue.overdue == 1 else f"{count(queue.overdue)} delayed tasks"
        text = f"{_name(queue)}: {late} overdue and not promoted"
        found.append(Verdict(level=Level.WARN, queue=queue.name, text=text, fix=fix))
    return found


def _state_verdict(queue: QueueStats, now: float) -> Verdict | None:
    name = _name(queue)
    oldest = f", oldest {age(queue.oldest, now)}" if queue.oldest is not None else ""
    match queue.state:
        case QueueState.BROKEN:
            text = f"{name}: BROKEN, {safe(queue.trouble, 200)}"
            return Verdict(level=Level.CRIT, queue=queue.name, text=text)
        case QueueState.NO_WORKERS:
            held = f", {count(queue.active)} in a dead worker's hands" if queue.active else ""
            text = f"{name}: NO WORKERS, {count(queue.pending)} pending{held}{oldest}"
            return Verdict(level=Level.CRIT, queue=queue.name, text=text, fix=worker_command(queue.name))
        case QueueState.SATURATED:
            text = f"{name}: SATURATED {queue.active}/{queue.capacity}, {count(queue.pending)} pending{oldest}"
            return Verdict(level=Level.WARN, queue=queue.name, text=text)
        case QueueState.PAUSED:
            text = f"{name}: PAUSED {_paused_by(queue, now)}, {count(queue.pending)} pending"
            return Verdict(level=Level.NOTE, queue=queue.name, text=text)
        case _:
            return None


def explain(queue: QueueStats, now: float, growth: float | None, *, read_only: bool) -> tuple[str, str]:
    """Why the queue is as it is, and what to do next."""
    match queue.state:
        case QueueState.BROKEN:
            return safe(queue.trouble, 300), "look at the key with redis-cli TYPE, then rename or delete it"
        case QueueState.NO_WORKERS:
            if queue.active:
                why = f"no live worker; {count(queue.active)} tasks return when the dead worker's lease ends"
            else:
                why = f"{count(queue.pending)} tasks wait and no worker serves this queue"
            return why, f"start one: {worker_command(queue.name)}"
        case QueueState.PAUSED:
            reason = queue.paused.reason if queue.paused else ""
            why = f"paused {_paused_by(queue, now)}" + (f": {safe(reason, 200)}" if reason else "")
            return why, "resuming needs a console that may write" if read_only else "p resumes it"
        case QueueState.SATURATED:
            why = f"all {queue.capacity} slots of {queue.workers} workers are taken"
            return why, f"empty: {drain_eta(queue, growth)}; more workers or a higher -c would help"
        case QueueState.BUSY:
            return f"{queue.active} of {queue.capacity} slots at work", f"empty: {drain_eta(queue, growth)}"
        case _:
            return _idle(queue), "nothing to do"


def _idle(queue: QueueStats) -> str:
    """Why nothing happens in a queue that is well."""
    if queue.workers:
        return "1 worker waits for tasks" if queue.workers == 1 else f"{queue.workers} workers wait for tasks"
    return "empty; no worker serves it" if not queue.delayed else "only delayed tasks; no worker serves it yet"


def drain_eta(queue: QueueStats, growth: float | None) -> str:
    """When the queue will be empty at the present pace, in words."""
    if not queue.pending:
        return "-"
    if queue.paused is not None:
        return "paused"
    if not queue.workers:
        return "never"
    if growth is None:
        return "?"
    if growth >= 0:
        return "growing" if growth * 60 >= max(1.0, queue.pending * 0.01) else "steady"
    seconds = queue.pending / -growth
    return "<1s" if seconds < 1 else duration(seconds) if seconds < 100 * 86_400 else "never"


def worker_command(name: str) -> str:
    """The command that starts a worker for a queue, fit to be pasted into a shell."""
    shown = safe(name, NAME_LIMIT)
    # A name that had to be made visible is not the name any more; a pasted command would serve another queue.
    return f"taskconsole --headless worker -A yourapp:app -q {shlex.quote(shown) if shown == name else '...'}"


def _name(queue: QueueStats) -> str:
    return safe(queue.name, NAME_LIMIT)


def _paused_by(queue: QueueStats, now: float) -> str:
    if queue.paused is None:
        return ""
    since = f" {age(queue.paused.at, now)} ago" if queue.paused.at is not None else ""
    return f"by {safe(queue.paused.by, NAME_LIMIT) or '?'}{since}"


def per_minute(growth: float | None) -> str:
    """Growth as an operator reads it."""
    if growth is None:
        return ""
    return f"{growth * 60:+,.0f}/min" if abs(growth) * 60 >= 1 else "steady"


def flow(queue: QueueStats) -> str:
    """Arrivals and departures in words."""
    return f"in {rate(queue.in_rate)}/s  out {rate(queue.out_rate)}/s"
