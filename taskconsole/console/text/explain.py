"""Why the selected queue is as it is, and what to do next, in words. Pure.

What is wrong anywhere is judged in `model.verdict`, the same for the console and for `taskconsole doctor`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from taskconsole.console.text.format import age, coarse, count, rate
from taskconsole.console.text.safe import safe
from taskconsole.model.reach import BY_ITSELF, Reach
from taskconsole.model.state import QueueState
from taskconsole.model.verdict import quoted

if TYPE_CHECKING:
    from taskconsole.model.stats import QueueStats

__all__ = ["drain_eta", "explain", "flow", "per_minute", "worker_command"]

NAME_LIMIT = 60


def explain(
    queue: QueueStats,
    now: float,
    growth: float | None,
    *,
    read_only: bool,
    hires: bool = False,
    reach: Reach = BY_ITSELF,
) -> tuple[str, str]:
    """Why the queue is as it is, and what to do next; `hires` when a key of this console starts a worker."""
    match queue.state:
        case QueueState.BROKEN:
            return safe(queue.trouble, 300), "look at the key with redis-cli TYPE, then rename or delete it"
        case QueueState.NO_WORKERS | QueueState.QUIET:
            start = "W starts one here; or" if hires and not read_only else "start one:"
            return _unclaimed(queue), f"{start} {reach.typed(worker_command(queue.name))}"
        case QueueState.PAUSED:
            reason = queue.paused.reason if queue.paused else ""
            why = f"paused {_paused_by(queue, now)}" + (f": {safe(reason, 200)}" if reason else "")
            return why, "resuming needs a console that may write" if read_only else "p resumes it"
        case QueueState.SATURATED:
            why = f"all {queue.capacity} slots of {queue.workers} workers are taken"
            return why, f"empty: {drain_eta(queue, growth)}; more workers or a higher -c would help"
        case QueueState.BUSY:
            then = f"empty: {drain_eta(queue, growth)}" if queue.pending else "nothing waits"
            return f"{queue.active} of {queue.capacity} slots at work", then
        case _:
            return _idle(queue), "nothing to do"


def _unclaimed(queue: QueueStats) -> str:
    """Why nobody claims what is pending."""
    if queue.workers:
        return f"{count(queue.pending)} tasks wait and every worker was told to be quiet"
    if queue.active:
        return f"no live worker; {count(queue.active)} tasks return when the dead worker's lease ends"
    return f"{count(queue.pending)} tasks wait and no worker serves this queue"


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
    return "<1s" if seconds < 1 else coarse(seconds) if seconds < 100 * 86_400 else "never"


def worker_command(name: str) -> str:
    """The command that starts a worker for a queue, fit to be pasted into a shell."""
    return f"taskconsole --headless worker -A yourapp:app -q {quoted(name)}"


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
