"""The commands that only read: status, queues, tasks, delayed, failures, workers, doctor."""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from taskconsole.cli.access import print_acl
from taskconsole.cli.curtain import curtain_of, reveal_option
from taskconsole.cli.output import as_json, say, write_json, write_line, write_table
from taskconsole.cli.target import target_of, target_options
from taskconsole.model.phrase import in_milliseconds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from taskconsole.backends.native import NativeBackend
    from taskconsole.cli.target import Target
    from taskconsole.model.failure import FailureGroup, Failures
    from taskconsole.model.stats import Overview, QueueStats, TaskRow, WorkerInfo
    from taskconsole.model.verdict import Verdict

__all__ = [
    "delayed",
    "doctor",
    "failures",
    "open_backend",
    "print_status",
    "queues",
    "status",
    "tasks",
    "workers",
]

STATES = ("pending", "delayed", "active", "done", "dead")

json_option = click.option("--json", "wants_json", is_flag=True, help="Print JSON, in ASCII.")


@contextlib.contextmanager
def open_backend(target: Target, *queues: str, writes: bool = False) -> Iterator[NativeBackend]:
    """A backend for one command; `queues` are looked at even when Redis has never heard of them.

    Raises:
        ConfigError: The URL or a queue's name cannot be used, or the command writes and the context is read-only.
    """
    from taskconsole.backends.native import NativeBackend

    settings = target.settings(writes=writes)
    extra = (*target.queues(), *queues)
    with contextlib.closing(NativeBackend(settings, extra, reach=target.reach(settings.url))) as backend:
        yield backend


@click.command(short_help="The server and every queue.")
@target_options
@json_option
@click.pass_context
def status(context: click.Context, /, *, wants_json: bool) -> int:
    """Show the server, every queue and what is wrong, from one reading."""
    with open_backend(target_of(context)) as backend:
        print_status(backend.overview(), wants_json=wants_json)
    return 0


def print_status(overview: Overview, *, wants_json: bool = False) -> None:
    """One reading as `status` shows it."""
    from taskconsole.model.verdict import Level, judge

    verdicts = judge(overview)
    if wants_json:
        write_json({**_overview(overview), "verdicts": [as_json(v) for v in verdicts]})
        return
    server = overview.server
    limit = f" of {_size(server.max_memory)}" if server.max_memory else ""
    write_line(
        f"Redis {server.version or '?'} at {server.address}, {server.role or '?'}, "
        f"memory {_size(server.used_memory)}{limit}, persistence {server.persistence or '?'}, "
        f"rtt {overview.rtt * 1000:.1f} ms"
    )
    _print_queues(overview)
    for verdict in verdicts:
        if verdict.level is not Level.NOTE:
            write_line(f"{verdict.level.upper()}: {verdict.text}")


@click.command(short_help="Every queue, one line each.")
@target_options
@json_option
@click.pass_context
def queues(context: click.Context, /, *, wants_json: bool) -> int:
    """Show every queue: how many tasks in which state, how many workers, and who paused it."""
    with open_backend(target_of(context)) as backend:
        overview = backend.overview()
    if wants_json:
        write_json([_queue(queue) for queue in overview.queues])
    else:
        _print_queues(overview)
    return 0


def _print_queues(overview: Overview) -> None:
    headings = (
        "QUEUE",
        "STATE",
        "PENDING",
        "ACTIVE",
        "DELAYED",
        "DEAD",
        "OLDEST",
        "WORKERS",
        "SLOTS",
        "DONE",
        "FAILED",
        "",
    )
    rows = [
        (
            queue.name,
            queue.state,
            f"{queue.pending:,}",
            f"{queue.active:,}",
            f"{queue.delayed:,}",
            f"{queue.dead:,}",
            _ago(queue.oldest, overview.at),
            queue.workers,
            queue.capacity,
            f"{queue.done_total:,}",
            f"{queue.failed_total:,}",
            _remark(queue),
        )
        for queue in overview.queues
    ]
    write_table(headings, rows, right=range(2, 11))


def _remark(queue: QueueStats) -> str:
    if queue.trouble:
        return queue.trouble
    if queue.paused is None:
        return ""
    return f"by {queue.paused.by or '?'}" + (f": {queue.paused.reason}" if queue.paused.reason else "")


@click.command(short_help="The tasks of a queue in one state.")
@target_options
@click.argument("queue")
@click.argument("state", type=click.Choice(STATES), metavar="STATE")
@click.option("--offset", type=click.IntRange(0, 10**9), default=0, show_default=True)
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True)
@reveal_option
@json_option
@click.pass_context
def tasks(
    context: click.Context, /, *, queue: str, state: str, offset: int, limit: int, reveal: bool, wants_json: bool
) -> int:
    """Show the tasks of QUEUE that are in STATE: the next to run, the soonest due or the newest dead first.

    STATE is pending, delayed, active, done or dead.
    """
    from taskconsole.model.state import State

    curtain = curtain_of(context, reveal=reveal)
    with open_backend(target_of(context)) as backend:
        found, total = backend.tasks(queue, State(state), offset=offset, limit=limit)
    rows = curtain.before_all(found)
    curtain.tell()
    if wants_json:
        write_json(
            {"queue": queue, "state": state, "offset": offset, "total": total, "tasks": [as_json(r) for r in rows]}
        )
        return 0
    now = time.time()
    write_table(
        ("TASK", "ID", _TIME_HEADING[state], "ATTEMPT", "BYTES", "ARGUMENTS", "WORKER", "ERROR"),
        [_task_cells(row, now) for row in rows],
        right=(3, 4),
    )
    _say_place(rows, offset, total, f"no {state} tasks on {queue}")
    return 0


def _say_place(rows: list[TaskRow], offset: int, total: int, none: str) -> None:
    if rows:
        say(f"{offset + 1:,} to {offset + len(rows):,} of {total:,}")
    else:
        say(f"none; {total:,} in all" if total else none)


_TIME_HEADING = {"pending": "ENQUEUED", "delayed": "DUE", "active": "ENQUEUED", "done": "DONE", "dead": "DIED"}


def _task_cells(row: TaskRow, now: float) -> tuple[object, ...]:
    return (row.name, row.id, _when(row.at, now), row.attempt, f"{row.size:,}", row.args, row.worker, row.error)


@click.command(short_help="The delayed tasks of all queues.")
@target_options
@click.option("--offset", type=click.IntRange(0, 10**9), default=0, show_default=True)
@click.option("-n", "--limit", type=click.IntRange(1, 500), default=50, show_default=True)
@reveal_option
@json_option
@click.pass_context
def delayed(context: click.Context, /, *, offset: int, limit: int, reveal: bool, wants_json: bool) -> int:
    """Show the delayed tasks of all queues, those of the public set `delayed_tasks` too, the most overdue first.

    Where several sets have tasks, down to the 10,000th; `tasks QUEUE delayed` reaches deeper.
    """
    curtain = curtain_of(context, reveal=reveal)
    with open_backend(target_of(context)) as backend:
        found, total = backend.delayed(offset=offset, limit=limit)
    rows = curtain.before_all(found)
    curtain.tell()
    if wants_json:
        write_json({"offset": offset, "total": total, "tasks": [as_json(row) for row in rows]})
        return 0
    now = time.time()
    write_table(
        ("DUE", "QUEUE", "TASK", "ID", "ATTEMPT", "BYTES", "ARGUMENTS", "ERROR"),
        [_delayed_cells(row, now) for row in rows],
        right=(4, 5),
    )
    _say_place(rows, offset, total, "no delayed tasks")
    if wrong := sum(in_milliseconds(row.at) for row in rows):
        line = target_of(context).typed("taskconsole reschedule")
        say(f"due times are seconds, and {wrong} of these look like milliseconds: `{line}` gives them another")
    return 0


def _delayed_cells(row: TaskRow, now: float) -> tuple[object, ...]:
    due = _when(row.at, now)
    return (due, row.queue, row.name, row.id, row.attempt, f"{row.size:,}", row.args, row.error)


@click.command(short_help="Failed tasks in groups.")
@target_options
@click.option("-n", "--limit", type=click.IntRange(1, 5000), default=50, show_default=True, help="How many groups.")
@reveal_option
@json_option
@click.pass_context
def failures(context: click.Context, /, *, limit: int, reveal: bool, wants_json: bool) -> int:
    """Show which tasks failed and why: those that are alike in one line, the most frequent first.

    Alike are tasks of one queue and one name, with one exception, whose messages differ only in numbers, ids,
    addresses, times and quoted values. At most the newest 5,000 are looked at, dead or waiting to be tried again.
    """
    curtain = curtain_of(context, reveal=reveal)
    with open_backend(target_of(context)) as backend:
        found = backend.failures()
    shown = found.groups[:limit]
    if wants_json:
        shown = curtain.before(replace(found, groups=shown)).groups
        curtain.tell()
        groups = [{**as_json(group), "count": group.count} for group in shown]
        write_json({**as_json(found), "groups": groups})
        return 0
    now = time.time()
    write_table(
        ("COUNT", "DEAD", "RETRYING", "LAST", "FIRST", "QUEUE", "TASK", "EXCEPTION", "MESSAGE"),
        [_group_cells(group, now) for group in shown],
        right=(0, 1, 2),
    )
    say(_looked(found, len(shown)))
    return 0


def _group_cells(group: FailureGroup, now: float) -> tuple[object, ...]:
    first, last = _when(group.first, now), _when(group.last, now)
    counts = f"{group.count:,}", f"{group.dead:,}", f"{group.retrying:,}"
    return (*counts, last, first, group.queue, group.task, group.exception, group.message)


def _looked(found: Failures, shown: int) -> str:
    """How much of the truth the groups are."""
    if not found.groups:
        return "no failed tasks"
    groups = (
        f"{shown:,} of {len(found.groups):,} groups"
        if shown < len(found.groups)
        else "1 group"
        if shown == 1
        else f"{shown:,} groups"
    )
    if found.looked < found.total:
        return f"{groups}; counts are lower bounds: looked at the newest {found.looked:,} of {found.total:,} dead tasks"
    return f"{groups}; all {found.total:,} dead tasks were looked at"


@click.command(short_help="Every worker; tell one to be quiet or to stop.")
@target_options
@click.option("--quiet", metavar="ID", help="Have a worker claim no more tasks and finish what it has.")
@click.option("--stop", metavar="ID", help="Have a worker end, as after SIGTERM.")
@json_option
@click.pass_context
def workers(context: click.Context, /, *, quiet: str | None, stop: str | None, wants_json: bool) -> int:
    """Show every worker on every queue, or tell one what to do."""
    from taskconsole.backends.commands import SignalWorker
    from taskconsole.cli.operator import operator_name
    from taskconsole.errors import ConfigError

    if quiet is not None and stop is not None:
        raise ConfigError("give --quiet or --stop, not both")
    with open_backend(target_of(context), writes=quiet is not None or stop is not None) as backend:
        if quiet is not None:
            applied = backend.apply(SignalWorker(worker=quiet, wanted="quiet", by=operator_name()))
        elif stop is not None:
            applied = backend.apply(SignalWorker(worker=stop, wanted="stop", by=operator_name()))
        else:
            _print_workers(backend.workers(), wants_json=wants_json)
            return 0
    if wants_json:
        write_json({"worker": quiet or stop, "told": "quiet" if quiet else "stop", "found": applied.changed})
    say(applied.text)
    return 0 if applied.changed else 1


def _print_workers(found: list[WorkerInfo], *, wants_json: bool) -> None:
    now = time.time()
    if wants_json:
        write_json([{**as_json(worker), "alive": worker.alive(now)} for worker in found])
        return
    headings = (
        "WORKER",
        "QUEUE",
        "STATE",
        "HOST",
        "PID",
        "ACTIVE",
        "SLOTS",
        "DONE",
        "FAILED",
        "RSS",
        "SEEN",
        "RUNNING",
    )
    write_table(headings, [_worker_cells(worker, now) for worker in found], right=range(4, 10))
    if not found:
        say("no workers")


def _worker_cells(worker: WorkerInfo, now: float) -> tuple[object, ...]:
    state = "gone" if not worker.alive(now) else "blocked" if worker.blocked else "quiet" if worker.quiet else "up"
    running = ", ".join(f"{name} {_span(seconds)}" for _, name, seconds in worker.running[:3])
    return (
        worker.id,
        worker.queue,
        state,
        worker.host,
        worker.pid or None,
        f"{worker.active:,}",
        worker.concurrency,
        f"{worker.done:,}",
        f"{worker.failed:,}",
        _size(worker.rss),
        _ago(worker.seen, now),
        running,
    )


@click.command(short_help="What is wrong, why, and what mends it.")
@target_options
@click.option("--rules", "wants_rules", is_flag=True, help="Print every rule and its thresholds; asks no Redis.")
@click.option(
    "--acl", "wants_acl", is_flag=True, help="Print the least rights of worker, console and reader; asks no Redis."
)
@json_option
@click.pass_context
def doctor(context: click.Context, /, *, wants_rules: bool, wants_acl: bool, wants_json: bool) -> int:
    """Say what is wrong, on what evidence, since when, and which command mends it.

    Ends with 0 when all is well, 1 for warnings, 2 for something critical; notes are no warnings.
    """
    from taskconsole.model.verdict import Level, judge

    if wants_rules:
        _print_rules(wants_json=wants_json)
        return 0
    if wants_acl:
        print_acl(target_of(context).settings(), wants_json=wants_json)
        return 0
    with open_backend(target_of(context)) as backend:
        began = time.time()
        overview = _diagnosed(backend)
        ended = time.time()
    # Redis read its clock some time in between; only what lies outside proves that the two differ.
    verdicts = judge(overview, local_time=min(max(overview.at, began), ended))
    levels = {verdict.level for verdict in verdicts}
    if wants_json:
        write_json({"at": overview.at, "verdicts": [as_json(v) for v in verdicts]})
    else:
        _print_verdicts(verdicts, overview)
    return 2 if Level.CRITICAL in levels else 1 if Level.WARNING in levels else 0


def _diagnosed(backend: NativeBackend) -> Overview:
    """A reading; of the server alone when it cannot be asked for more and says why itself.

    Raises:
        StoreNotReady: It cannot be asked, and nothing it says of itself explains it.
    """
    from taskconsole.errors import StoreNotReady
    from taskconsole.model.verdict import Level, judge

    try:
        return backend.overview()
    except StoreNotReady:
        alone = backend.server_alone()
        if not any(verdict.level is Level.CRITICAL for verdict in judge(alone)):
            raise
        return alone


def _print_rules(*, wants_json: bool) -> None:
    from taskconsole.model.verdict import RULES

    if wants_json:
        write_json([{**as_json(rule), "levels": [str(level) for level in rule.levels]} for rule in RULES])
        return
    for rule in RULES:
        write_line(f"{rule.name} ({' or '.join(rule.levels)})")
        for label, text in (("when:", rule.when), ("means:", rule.means), ("fix:", rule.fix)):
            write_line(f"    {label:<7}{text}")


def _print_verdicts(verdicts: list[Verdict], overview: Overview) -> None:
    for verdict in verdicts:
        since = f" (since {_utc(verdict.since)})" if verdict.since is not None else ""
        write_line(f"{verdict.level.upper()}: {verdict.text}{since}")
        if verdict.evidence:
            write_line(f"    seen: {verdict.evidence}")
        if verdict.fix:
            write_line(f"    try:  {verdict.fix}")
    if not verdicts:
        write_line(f"all is well: {len(overview.queues)} queues on Redis {overview.server.version or '?'}")


def _overview(overview: Overview) -> dict[str, Any]:
    return {**as_json(overview), "queues": [_queue(queue) for queue in overview.queues]}


def _queue(queue: QueueStats) -> dict[str, Any]:
    return {**as_json(queue), "state": str(queue.state)}


def _span(seconds: float) -> str:
    from taskconsole.model.verdict import span

    return span(seconds)


def _ago(at: float | None, now: float) -> str | None:
    return None if at is None or not -1e12 < at < 1e12 else _span(now - at)


def _when(at: float | None, now: float) -> str | None:
    """`2m05s ago` or `in 30s`: what counts for a delayed task is how far away it is."""
    if at is None or not -1e12 < at < 1e12:  # anybody may ZADD any score
        return None if at is None else str(at)
    return f"in {_span(at - now + 0.5)}" if at > now else f"{_span(now - at)} ago"


def _utc(at: float) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(at))
    except (OverflowError, ValueError, OSError):
        return str(at)


def _size(n: int) -> str:
    from taskconsole.model.phrase import size

    return size(n)
