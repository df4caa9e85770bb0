"""What is wrong, on what evidence, since when, and which command mends it: one reading in words. Pure.

`judge` looks at an Overview and nothing else. The thresholds are constants of this module, each with its reason.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from taskconsole.model.printable import printable
from taskconsole.model.state import QueueState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from taskconsole.model.stats import Overview, QueueStats, ServerInfo

__all__ = ["Level", "Verdict", "judge", "quoted", "span"]

OVERDUE = 3
"""A promoter is at most a moment late; this many delayed tasks past their time mean that there is none."""

LONG_WAIT = 10.0
"""Seconds. All slots taken is what a good worker looks like; tasks that wait for long make it too few."""

MANY_TURNS = 10
"""How many times the capacity may be pending before it is too much, when nobody knows how old it is."""

NEARLY_FULL, FULL = 0.85, 0.97
"""Shares of maxmemory. Near the second one enqueue is refused at any moment."""

SKEW_NOTE, SKEW_WARNING = 2.0, 60.0
"""Seconds between this machine's clock and Redis's. Tasks go by Redis's; people read both."""

SLOW = 0.25
"""Seconds of a round trip that every claim of every worker would take, too."""

NAME = 80
"""Characters of a name in a sentence."""


class Level(StrEnum):
    """How bad it is."""

    CRITICAL = "critical"
    WARNING = "warning"
    NOTE = "note"


_RANK = {Level.CRITICAL: 0, Level.WARNING: 1, Level.NOTE: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One thing an operator should know; every text is printable."""

    level: Level
    rule: str
    """The rule's name, for programs: it stays the same."""
    queue: str = ""
    """The queue's real name, as it is; empty for the server."""
    text: str
    evidence: str = ""
    since: float | None = None
    """Seconds since the epoch; None when nobody knows."""
    fix: str = ""
    """A command to paste into a shell; empty when no command mends it."""


def judge(overview: Overview, *, local_time: float | None = None) -> list[Verdict]:
    """Everything to know from one reading, worst first, the longest queues first; empty when all is well.

    Args:
        overview: The reading.
        local_time: What this machine's clock said at the same moment; None to leave the clocks alone.
    """
    found = [*_server(overview.server), *_link(overview, local_time)]
    for queue in overview.queues:
        found += _queue(queue, overview.at)
    pending = {queue.name: queue.pending for queue in overview.queues}
    return sorted(found, key=lambda v: (_RANK[v.level], -pending.get(v.queue, 0), v.queue))


def _queue(queue: QueueStats, now: float) -> Iterator[Verdict]:
    if queue.trouble:
        # Its figures are those of keys that could not be read: nothing else about it is worth saying.
        yield _broken(queue)
        return
    if queue.paused is not None:
        yield _paused(queue, now)
    elif queue.state is QueueState.NO_WORKERS:
        yield _no_workers(queue, now)
    elif queue.state is QueueState.SATURATED:
        yield from _saturated(queue, now)
    if queue.overdue >= OVERDUE:
        yield _overdue(queue)
    if queue.late_schedules:
        yield _scheduler_down(queue)
    if queue.dead:
        yield Verdict(
            level=Level.NOTE,
            rule="dead tasks",
            queue=queue.name,
            text=f"{_name(queue)}: {queue.dead:,} dead tasks wait for a decision",
            fix=f"taskconsole tasks {_argument(queue.name)} dead",
        )


def _broken(queue: QueueStats) -> Verdict:
    return Verdict(
        level=Level.CRITICAL,
        rule="broken",
        queue=queue.name,
        text=f"{_name(queue)}: {queue.state}, cannot be read or worked",
        evidence=printable(queue.trouble, 300),
        fix=f"redis-cli TYPE {_argument(queue.name)}",
    )


def _paused(queue: QueueStats, now: float) -> Verdict:
    pause = queue.paused
    assert pause is not None
    reason = f": {printable(pause.reason, 200)}" if pause.reason else ""
    ago = f" {span(now - pause.at)} ago" if pause.at is not None else ""
    return Verdict(
        level=Level.WARNING if queue.pending else Level.NOTE,
        rule="paused",
        queue=queue.name,
        text=f"{_name(queue)}: {queue.state} by {printable(pause.by, NAME) or '?'}{ago}, {queue.pending:,} pending",
        evidence=f"paused by {printable(pause.by, NAME) or '?'}{ago}{reason}",
        since=pause.at,
        fix=f"taskconsole resume {_argument(queue.name)}",
    )


def _no_workers(queue: QueueStats, now: float) -> Verdict:
    held = f", {queue.active:,} in the hands of a worker that died" if queue.active else ""
    return Verdict(
        level=Level.CRITICAL,
        rule="no workers",
        queue=queue.name,
        text=f"{_name(queue)}: {queue.state}, {queue.pending:,} pending{held}{_oldest(queue, now)}",
        evidence=f"0 workers with a valid lease{_oldest(queue, now)}",
        since=queue.oldest,
        fix=_worker_for(queue.name),
    )


def _saturated(queue: QueueStats, now: float) -> Iterator[Verdict]:
    waited = None if queue.oldest is None else now - queue.oldest
    if waited is not None and waited < LONG_WAIT:
        return
    if waited is None and queue.pending < MANY_TURNS * queue.capacity:
        return
    yield Verdict(
        level=Level.WARNING,
        rule="saturated",
        queue=queue.name,
        text=(
            f"{_name(queue)}: {queue.state} {queue.active}/{queue.capacity}, "
            f"{queue.pending:,} pending{_oldest(queue, now)}"
        ),
        evidence=f"{queue.active:,} of {queue.capacity:,} slots taken, {queue.workers} workers{_oldest(queue, now)}",
        since=queue.oldest,
        fix=_worker_for(queue.name),
    )


def _overdue(queue: QueueStats) -> Verdict:
    return Verdict(
        level=Level.WARNING if queue.workers else Level.CRITICAL,
        rule="overdue",
        queue=queue.name,
        text=f"{_name(queue)}: {queue.overdue:,} delayed tasks are past their time",
        evidence=f"{queue.overdue:,} of {queue.delayed:,} delayed are due; {queue.workers} workers promote them",
        fix=f"taskconsole --headless scheduler -q {quoted(queue.name)}",
    )


def _scheduler_down(queue: QueueStats) -> Verdict:
    return Verdict(
        level=Level.CRITICAL,
        rule="scheduler down",
        queue=queue.name,
        text=f"{_name(queue)}: SCHEDULER DOWN, {queue.late_schedules:,} schedules are past their time",
        evidence=f"{queue.late_schedules:,} schedules were due half a minute ago; {queue.workers} workers watch them",
        fix=f"taskconsole --headless scheduler -q {quoted(queue.name)}",
    )


def _server(server: ServerInfo) -> Iterator[Verdict]:
    if server.role == "slave":
        yield Verdict(
            level=Level.CRITICAL,
            rule="replica",
            text="this Redis is a replica: nothing can be enqueued or worked here",
            evidence=f"role:{server.role}",
            fix="redis-cli INFO replication",
        )
    yield from _memory(server)
    if server.persistence.startswith("none"):
        yield Verdict(
            level=Level.WARNING,
            rule="persistence",
            text="Redis keeps nothing on disk: when it restarts, every task is lost",
            evidence=f"persistence: {printable(server.persistence)}",
            fix="redis-cli CONFIG SET appendonly yes",
        )
    elif server.persistence.startswith("rdb"):
        yield Verdict(
            level=Level.NOTE,
            rule="persistence",
            text="Redis saves snapshots only: a crash loses what came after the last one",
            evidence=f"persistence: {printable(server.persistence)}",
            fix="redis-cli CONFIG SET appendonly yes",
        )


def _memory(server: ServerInfo) -> Iterator[Verdict]:
    if not server.max_memory:
        return
    if server.eviction_policy not in {"", "noeviction"}:
        everything = server.eviction_policy.startswith("allkeys")
        what = "any queue" if everything else "what a worker or a producer keeps for itself"
        yield Verdict(
            level=Level.CRITICAL if everything else Level.WARNING,
            rule="eviction",
            text=f"Redis may delete {what} when it is full",
            evidence=f"maxmemory-policy {printable(server.eviction_policy)}, maxmemory {_size(server.max_memory)}",
            fix="redis-cli CONFIG SET maxmemory-policy noeviction",
        )
    share = server.used_memory / server.max_memory
    if share >= NEARLY_FULL:
        yield Verdict(
            level=Level.CRITICAL if share >= FULL else Level.WARNING,
            rule="memory",
            text=f"Redis is {share:.0%} full: enqueue is refused when it is full",
            evidence=f"{_size(server.used_memory)} of maxmemory {_size(server.max_memory)}",
            fix=f"redis-cli CONFIG SET maxmemory {2 * server.max_memory}",
        )


def _link(overview: Overview, local_time: float | None) -> Iterator[Verdict]:
    if overview.rtt >= SLOW:
        yield Verdict(
            level=Level.NOTE,
            rule="slow link",
            text="Redis is far away: workers close to it do more",
            evidence=f"a round trip took {overview.rtt * 1000:,.0f} ms",
        )
    if local_time is None:
        return
    skew = local_time - overview.at
    # The reading itself took time; that much difference proves nothing.
    if abs(skew) >= SKEW_NOTE + overview.rtt:
        yield Verdict(
            level=Level.WARNING if abs(skew) >= SKEW_WARNING else Level.NOTE,
            rule="clock skew",
            text=f"this machine's clock is {span(abs(skew))} {'ahead of' if skew > 0 else 'behind'} Redis's",
            evidence="tasks go by the clock of Redis; times that people enter or read may not",
            fix="timedatectl set-ntp true",
        )


def _name(queue: QueueStats) -> str:
    return printable(queue.name, NAME)


def _oldest(queue: QueueStats, now: float) -> str:
    return "" if queue.oldest is None else f", oldest {span(now - queue.oldest)}"


def _worker_for(name: str) -> str:
    return f"taskconsole --headless worker -A yourapp:app -q {quoted(name)}"


def _argument(name: str) -> str:
    """A name in the place of an argument: not to be taken for an option."""
    return f"-- {quoted(name)}" if name.startswith("-") else quoted(name)


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


def span(seconds: float) -> str:
    """A duration in two units at most: `4s`, `2m05s`, `3h20m`, `12d04h`."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86_400:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 86_400}d{whole % 86_400 // 3600:02d}h"


def _size(n: int) -> str:
    return f"{n / 1e9:.2f} GB" if n >= 10**9 else f"{n / 1e6:.1f} MB"
