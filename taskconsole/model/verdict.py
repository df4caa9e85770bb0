"""What is wrong, on what evidence, since when, and which command mends it: one reading in words. Pure.

`judge` looks at an Overview and nothing else. `RULES` is the table of all rules, with their thresholds: it is what
`taskconsole doctor --rules` prints.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from taskconsole.model.phrase import quoted, span
from taskconsole.model.queue_rules import QUEUE_RULES, judge_queue, judge_workers
from taskconsole.model.rule import Level, Rule, Verdict
from taskconsole.model.server_rules import SERVER_RULES, judge_link, judge_server

if TYPE_CHECKING:
    from collections.abc import Sequence

    from taskconsole.model.stats import Overview, ServerInfo

__all__ = ["RULES", "Level", "Rule", "Verdict", "judge", "quoted", "span"]

RULES: tuple[Rule, ...] = (*QUEUE_RULES, *SERVER_RULES)
"""Every rule there is: those of queues and workers, then those of the server."""

_RANK = {Level.CRITICAL: 0, Level.WARNING: 1, Level.NOTE: 2}
_ORDER = {rule.name: place for place, rule in enumerate(RULES)}


def judge(overview: Overview, *, local_time: float | None = None) -> list[Verdict]:
    """Everything to know from one reading, worst first, the longest queues first; empty when all is well.

    Args:
        overview: The reading.
        local_time: What this machine's clock said at the same moment; None to leave the clocks alone.
    """
    found = [*(_judge_nodes(overview.nodes) or judge_server(overview.server)), *judge_link(overview, local_time)]
    found += judge_workers(overview.queues, overview.at)
    for queue in overview.queues:
        found += judge_queue(queue, overview.at)
    pending = {queue.name: queue.pending for queue in overview.queues}
    found = [replace(verdict, fix=overview.reach.typed(verdict.fix)) for verdict in found]
    return sorted(found, key=lambda v: (_RANK[v.level], -pending.get(v.queue, 0), v.queue, _ORDER[v.rule]))


def _judge_nodes(nodes: Sequence[ServerInfo]) -> list[Verdict]:
    """What is wrong with the nodes of a cluster; the same said of several is said once, with all their names."""
    found: dict[Verdict, list[tuple[str, str]]] = {}
    for node in nodes:
        for verdict in judge_server(node):
            found.setdefault(replace(verdict, evidence="", since=None), []).append((node.address, verdict.evidence))
    return [
        replace(verdict, evidence="; ".join(f"{address}: {seen}" for address, seen in evidence))
        for verdict, evidence in found.items()
    ]
