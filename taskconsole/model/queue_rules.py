"""The rules for one queue and for its workers. Pure.

The thresholds are constants of this module, each with its reason.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from taskconsole.model.phrase import argument, quoted, span
from taskconsole.model.printable import printable
from taskconsole.model.rule import Level, Rule
from taskconsole.model.state import QueueState, State

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from taskconsole.model.rule import Verdict
    from taskconsole.model.stats import QueueStats, TaskRow, WorkerInfo

__all__ = [
    "DEATHS",
    "OVERDUE",
    "POISON_LATELY",
    "QUEUE_RULES",
    "SKEW_NOTE",
    "SKEW_WARNING",
    "judge_queue",
    "judge_workers",
]

OVERDUE = 3
"""A promoter is at most a moment late; this many delayed tasks past their time mean that there is none."""

LONG_WAIT = 10.0
"""Seconds. All slots taken is what a good worker looks like; tasks that wait for long make it too few."""

MANY_TURNS = 10
"""How many times the capacity may be pending before it is too much, when nobody knows how old it is."""

LOST_LEASES, LOST_AT_LEAST = 2.0, 30.0
"""A reclaimer looks twice in a lease, and after an outage it waits for one: later than two leases (but never before
30 s) after the end of one, nobody looks."""

DEATHS = 2
"""Workers that died with a task in hand: one may have been killed by anything, with two it is the task."""

POISON_LATELY = 3600.0
"""Seconds for which a burial is news."""

STALLED = 10.0
"""Seconds an event loop may stand still: it is two heartbeats, and timeouts fire that much late."""

GROWTH, GROWING_FROM = 1.2, 100
"""In this many times as fast as out, with so many pending: less is the noise of any queue."""

SKEW_NOTE, SKEW_WARNING = 2.0, 60.0
"""Seconds between a clock and Redis's. Tasks go by Redis's; handlers and people read the other."""

NAME = 80
"""Characters of a name in a sentence."""

NAMED = 3
"""How many workers or tasks are named in one verdict."""

BROKEN = Rule(
    name="broken",
    levels=(Level.CRITICAL,),
    when="a key of the queue, or the set of queue names, holds another type or is refused",
    means="the queue can be neither read nor worked",
    fix="redis-cli RENAMENX KEY '{QUEUE}:set-aside'",
)
PAUSED = Rule(
    name="paused",
    levels=(Level.WARNING, Level.NOTE),
    when="the pause key exists; a note while nothing is pending",
    means="workers claim nothing until it is resumed",
    fix="taskconsole resume QUEUE",
)
NO_WORKERS = Rule(
    name="no workers",
    levels=(Level.CRITICAL,),
    when="tasks are pending or active and no worker has a valid lease",
    means="nothing of this queue runs",
    fix="taskconsole --headless worker -A yourapp:app -q QUEUE",
)
QUIET = Rule(
    name="quiet",
    levels=(Level.CRITICAL, Level.NOTE),
    when="all workers were told to be quiet; a note while nothing is pending",
    means="they finish what they have and claim nothing more",
    fix="taskconsole --headless worker -A yourapp:app -q QUEUE",
)
LOST_TASKS = Rule(
    name="lost tasks",
    levels=(Level.CRITICAL,),
    when=f"a worker's lease ended {LOST_LEASES:g} leases ago (at least {LOST_AT_LEAST:g} s) and it still holds tasks",
    means="its tasks wait for somebody to take them back, and nobody does",
    fix="taskconsole --headless scheduler -q QUEUE",
)
POISON = Rule(
    name="poison",
    levels=(Level.WARNING,),
    when=(
        f"the next task to run, or an active one, was in the hands of {DEATHS} workers that died; "
        f"or one was buried for it in the last {POISON_LATELY / 60:g} minutes"
    ),
    means="a task kills the workers that run it, and their other tasks start again",
    fix="taskconsole tasks QUEUE pending|active|dead",
)
STALLED_WORKER = Rule(
    name="stalled worker",
    levels=(Level.WARNING,),
    when=f"a worker's event loop has stood still for {STALLED:g} s",
    means="an `async def` handler blocks: the worker's other tasks and their timeouts wait",
    fix="make the handler a plain `def`; taskconsole workers",
)
SATURATED = Rule(
    name="saturated",
    levels=(Level.WARNING,),
    when=(
        f"every slot is taken and the next task has waited for {LONG_WAIT:g} s "
        f"(or, when it does not say: {MANY_TURNS} times as many are pending as there are slots)"
    ),
    means="tasks come faster, or take longer, than these workers can do",
    fix="taskconsole --headless worker -A yourapp:app -q QUEUE",
)
GROWING = Rule(
    name="growing",
    levels=(Level.NOTE,),
    when=f"more than {GROWING_FROM} pending, arriving {GROWTH:g} times as fast as they leave (console only)",
    means="the backlog never ends at this rate",
    fix="taskconsole --headless worker -A yourapp:app -q QUEUE",
)
OVERDUE_TASKS = Rule(
    name="overdue",
    levels=(Level.CRITICAL, Level.WARNING),
    when=f"{OVERDUE} delayed tasks are past their time by a second; critical without a worker",
    means="nobody moves delayed tasks and retries to the queue",
    fix="taskconsole --headless scheduler -q QUEUE",
)
SCHEDULER_DOWN = Rule(
    name="scheduler down",
    levels=(Level.CRITICAL,),
    when="a schedule is past its time by half a minute",
    means="nobody fires schedules",
    fix="taskconsole --headless scheduler -q QUEUE",
)
DEAD_DROPPED = Rule(
    name="dead dropped",
    levels=(Level.WARNING,),
    when="the dead set is at its cap and has dropped tasks",
    means="with every task that dies the oldest dead one is gone for good",
    fix="taskconsole tasks QUEUE dead",
)
DEAD_TASKS = Rule(
    name="dead tasks",
    levels=(Level.NOTE,),
    when="there is a dead task",
    means="somebody has to decide what becomes of it",
    fix="taskconsole tasks QUEUE dead",
)
CLOCK_SKEW = Rule(
    name="clock skew",
    levels=(Level.WARNING, Level.NOTE),
    when=(
        f"a worker's clock, or this machine's, differs from Redis's by {SKEW_NOTE:g} s; "
        f"a warning from {SKEW_WARNING:g} s"
    ),
    means="tasks and schedules go by Redis's clock; what handlers and people read there is off",
    fix="timedatectl set-ntp true",
)

QUEUE_RULES = (
    BROKEN,
    NO_WORKERS,
    QUIET,
    LOST_TASKS,
    SCHEDULER_DOWN,
    OVERDUE_TASKS,
    PAUSED,
    SATURATED,
    GROWING,
    POISON,
    STALLED_WORKER,
    CLOCK_SKEW,
    DEAD_DROPPED,
    DEAD_TASKS,
)


def judge_queue(queue: QueueStats, now: float) -> Iterator[Verdict]:
    """What is wrong with one queue at `now` (seconds since the epoch, by Redis)."""
    if queue.trouble:
        # Its figures are those of keys that could not be read: nothing else about it is worth saying.
        yield _broken(queue)
        return
    lost = [w for w in queue.ailing if _is_lost(w, now)]
    yield from _claiming(queue, sum(w.active for w in lost), now)
    if lost:
        yield _lost_tasks(queue, lost, now)
    if queue.overdue >= OVERDUE:
        yield _overdue(queue)
    if queue.late_schedules:
        yield _scheduler_down(queue)
    if queue.poison:
        yield _poison(queue, now)
    if queue.dead:
        yield _dead(queue)


def _claiming(queue: QueueStats, lost: int, now: float) -> Iterator[Verdict]:
    """Why tasks are not claimed, or not fast enough: the first reason that holds. `lost` of the active are lost."""
    if queue.paused is not None:
        yield _paused(queue, now)
    elif queue.state is QueueState.NO_WORKERS:
        # Tasks of dead workers alone are better told as what they are.
        if queue.pending or queue.active > lost:
            yield _no_workers(queue, now)
    elif queue.workers and queue.quiet == queue.workers:
        yield _quiet(queue, now)
    elif queue.state is QueueState.SATURATED and _waits_long(queue, now):
        yield _saturated(queue, now)
    else:
        yield from _growing(queue)


def _broken(queue: QueueStats) -> Verdict:
    key = queue.trouble_key
    # The new name lies in the same slot of a cluster, and is not one of ours.
    aside = f"{key}:set-aside" if key.startswith("{") else f"{{{key}}}:set-aside"
    return BROKEN.found(
        Level.CRITICAL,
        f"{_name(queue)}: {queue.state}, cannot be read or worked",
        queue=queue.name,
        evidence=printable(queue.trouble, 300),
        fix=f"redis-cli RENAMENX {quoted(key)} {quoted(aside)}" if key else f"redis-cli TYPE {quoted(queue.name)}",
    )


def _paused(queue: QueueStats, now: float) -> Verdict:
    pause = queue.paused
    assert pause is not None
    reason = f": {printable(pause.reason, 200)}" if pause.reason else ""
    ago = f" {span(now - pause.at)} ago" if pause.at is not None else ""
    return PAUSED.found(
        Level.WARNING if queue.pending else Level.NOTE,
        f"{_name(queue)}: {queue.state} by {printable(pause.by, NAME) or '?'}{ago}, {queue.pending:,} pending",
        queue=queue.name,
        evidence=f"paused by {printable(pause.by, NAME) or '?'}{ago}{reason}",
        since=pause.at,
        fix=f"taskconsole resume {argument(queue.name)}",
    )


def _no_workers(queue: QueueStats, now: float) -> Verdict:
    held = f", {queue.active:,} in the hands of a worker that died" if queue.active else ""
    last = f", the last one ended {span(now - queue.last_lease)} ago" if queue.last_lease is not None else ""
    return NO_WORKERS.found(
        Level.CRITICAL,
        f"{_name(queue)}: {queue.state}, {queue.pending:,} pending{held}{_oldest(queue, now)}",
        queue=queue.name,
        evidence=f"0 workers with a valid lease{last}{_oldest(queue, now)}",
        since=queue.oldest if queue.last_lease is None else queue.last_lease,
        fix=_worker_for(queue.name),
    )


def _quiet(queue: QueueStats, now: float) -> Verdict:
    return QUIET.found(
        Level.CRITICAL if queue.pending else Level.NOTE,
        f"{_name(queue)}: QUIET, {queue.pending:,} pending, no worker claims any{_oldest(queue, now)}",
        queue=queue.name,
        evidence=f"{_count(queue.workers, 'worker')}, {queue.quiet:,} of them quiet{_oldest(queue, now)}",
        fix=_worker_for(queue.name),
    )


def _saturated(queue: QueueStats, now: float) -> Verdict:
    taken = f"{queue.active:,} of {queue.capacity:,} slots taken, {_count(queue.workers, 'worker')}"
    share = f"{queue.active}/{queue.capacity}"
    return SATURATED.found(
        Level.WARNING,
        f"{_name(queue)}: {queue.state} {share}, {queue.pending:,} pending{_oldest(queue, now)}",
        queue=queue.name,
        evidence=f"{taken}{_oldest(queue, now)}",
        since=queue.oldest,
        fix=_worker_for(queue.name),
    )


def _growing(queue: QueueStats) -> Iterator[Verdict]:
    if queue.in_rate is None or queue.out_rate is None or queue.pending <= GROWING_FROM:
        return
    if queue.in_rate <= queue.out_rate * GROWTH:
        return
    rates = f"in {queue.in_rate:,.1f}/s, out {queue.out_rate:,.1f}/s"
    yield GROWING.found(
        Level.NOTE,
        f"{_name(queue)}: GROWING, {queue.pending:,} pending, {rates}",
        queue=queue.name,
        evidence=f"{rates}: never empty at this rate",
        fix=_worker_for(queue.name),
    )


def _waits_long(queue: QueueStats, now: float) -> bool:
    if queue.oldest is None:
        return queue.pending >= MANY_TURNS * queue.capacity
    return now - queue.oldest >= LONG_WAIT


def _is_lost(worker: WorkerInfo, now: float) -> bool:
    patience = max(LOST_AT_LEAST, LOST_LEASES * worker.lease)
    return worker.active > 0 and worker.lease_until is not None and now - worker.lease_until > patience


def _lost_tasks(queue: QueueStats, lost: Sequence[WorkerInfo], now: float) -> Verdict:
    since = min(w.lease_until for w in lost if w.lease_until is not None)
    tasks = sum(w.active for w in lost)
    told = "; ".join(f"{_worker(w)} holds {w.active:,}" for w in lost[:NAMED])
    ended = span(now - since)
    return LOST_TASKS.found(
        Level.CRITICAL,
        f"{_name(queue)}: LOST TASKS, {tasks:,} in the hands of {_count(len(lost), 'dead worker')} for {ended}",
        queue=queue.name,
        evidence=f"{told}{_more(lost)}; a lease ended {ended} ago and nobody took them back",
        since=since,
        fix=_scheduler_for(queue.name),
    )


def _overdue(queue: QueueStats) -> Verdict:
    return OVERDUE_TASKS.found(
        Level.WARNING if queue.workers else Level.CRITICAL,
        f"{_name(queue)}: OVERDUE, {queue.overdue:,} delayed tasks are past their time",
        queue=queue.name,
        evidence=(
            f"{queue.overdue:,} of {queue.delayed:,} delayed are due; "
            f"{_count(queue.workers, 'worker')} should have moved them"
        ),
        since=queue.overdue_since,
        fix=_scheduler_for(queue.name),
    )


def _scheduler_down(queue: QueueStats) -> Verdict:
    first = f", the first is {printable(queue.late_schedule, NAME)}" if queue.late_schedule else ""
    return SCHEDULER_DOWN.found(
        Level.CRITICAL,
        f"{_name(queue)}: SCHEDULER DOWN, {_count(queue.late_schedules, 'schedule')} past the time",
        queue=queue.name,
        evidence=(
            f"{_count(queue.late_schedules, 'schedule')} due more than half a minute ago{first}; "
            f"{_count(queue.workers, 'worker')} should have fired"
        ),
        since=queue.late_since,
        fix=_scheduler_for(queue.name),
    )


def _poison(queue: QueueStats, now: float) -> Verdict:
    told = "; ".join(_killer(task, now) for task in queue.poison[:NAMED])
    first = queue.poison[0]
    others = f" and {len(queue.poison) - 1} more" if len(queue.poison) > 1 else ""
    return POISON.found(
        Level.WARNING,
        f"{_name(queue)}: POISON, workers died running {_task(first)}{others}",
        queue=queue.name,
        evidence=f"{told}{_more(queue.poison)}",
        since=first.at if first.state is State.DEAD else None,
        fix=f"taskconsole tasks {argument(queue.name)} {first.state}",
    )


def _killer(task: TaskRow, now: float) -> str:
    died = f"{_count(task.redelivered, 'worker')} died with {_task(task)}"
    if task.state is State.DEAD:
        return f"{died}, buried {span(now - task.at)} ago" if task.at is not None else f"{died}, buried"
    if task.state is State.ACTIVE:
        return f"{died}, {printable(task.worker, NAME)} has it now"
    return f"{died}, it runs next"


def _task(task: TaskRow) -> str:
    return printable(task.name, NAME) + (f" ({printable(task.id, NAME)})" if task.id else "")


def _dead(queue: QueueStats) -> Verdict:
    fix = f"taskconsole tasks {argument(queue.name)} dead"
    if queue.dead_dropped and queue.dead >= queue.dead_cap > 0:
        return DEAD_DROPPED.found(
            Level.WARNING,
            f"{_name(queue)}: DEAD DROPPED, {queue.dead_dropped:,} dead tasks are gone for good",
            queue=queue.name,
            evidence=f"{queue.dead:,} dead, at most {queue.dead_cap:,} are kept; {queue.dead_dropped:,} dropped so far",
            fix=fix,
        )
    return DEAD_TASKS.found(
        Level.NOTE,
        f"{_name(queue)}: DEAD TASKS, {queue.dead:,} wait for a decision",
        queue=queue.name,
        fix=fix,
    )


def judge_workers(queues: Sequence[QueueStats], now: float) -> Iterator[Verdict]:
    """What is wrong with worker processes: each is told once, however many queues it serves."""
    processes: dict[str, WorkerInfo] = {}
    for queue in queues:
        for worker in queue.ailing:
            if worker.alive(now):
                processes.setdefault(worker.id, worker)
    stalled = sorted((w for w in processes.values() if w.blocked > STALLED), key=lambda w: -w.blocked)
    if stalled:
        yield _stalled(stalled, now)
    skewed = sorted((w for w in processes.values() if abs(w.skew or 0.0) >= SKEW_NOTE), key=lambda w: -abs(w.skew or 0))
    if skewed:
        yield _skewed(skewed)


def _stalled(stalled: Sequence[WorkerInfo], now: float) -> Verdict:
    worst = stalled[0]
    running = ", ".join(f"{printable(name, NAME)} {span(seconds)}" for _, name, seconds in worst.running[:NAMED])
    return STALLED_WORKER.found(
        Level.WARNING,
        f"{printable(worst.queue, NAME)}: STALLED WORKER, the event loop of {_worker(worst)}{_and(stalled)} "
        f"has stood still for {span(worst.blocked)}",
        queue=worst.queue,
        evidence=f"it runs {running or 'nothing it has told of'}; a handler blocks the loop",
        since=now - worst.blocked,
        fix="taskconsole workers",
    )


def _skewed(skewed: Sequence[WorkerInfo]) -> Verdict:
    worst = skewed[0]
    off = worst.skew or 0.0
    told = "; ".join(f"{_worker(w)} {w.skew:+.1f} s" for w in skewed[:NAMED])
    return CLOCK_SKEW.found(
        Level.WARNING if abs(off) >= SKEW_WARNING else Level.NOTE,
        f"CLOCK SKEW: the clock of {_worker(worst)}{_and(skewed)} "
        f"is {span(abs(off))} {'ahead of' if off > 0 else 'behind'} Redis's",
        evidence=f"{told}{_more(skewed)}; as the workers themselves measured it",
        fix="timedatectl set-ntp true",
    )


def _worker(worker: WorkerInfo) -> str:
    return printable(worker.id, NAME) + (f" on {printable(worker.host, NAME)}" if worker.host else "")


def _and(workers: Sequence[WorkerInfo]) -> str:
    """For a text that names the first."""
    return f" and {len(workers) - 1} more" if len(workers) > 1 else ""


def _more(told: Sequence[object]) -> str:
    """For evidence that names the first few."""
    return f"; and {len(told) - NAMED} more" if len(told) > NAMED else ""


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}" + ("" if n == 1 else "s")


def _name(queue: QueueStats) -> str:
    return printable(queue.name, NAME)


def _oldest(queue: QueueStats, now: float) -> str:
    return "" if queue.oldest is None else f", oldest {span(now - queue.oldest)}"


def _worker_for(name: str) -> str:
    return f"taskconsole --headless worker -A yourapp:app -q {quoted(name)}"


def _scheduler_for(name: str) -> str:
    return f"taskconsole --headless scheduler -q {quoted(name)}"
