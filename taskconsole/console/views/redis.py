"""The server: its risks, durability, memory, clients, slow commands, and what our keys take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from taskconsole.console.columns.doctor import LEVEL_TONES, LEVEL_WORDS
from taskconsole.console.format import clock, count, duration, size
from taskconsole.console.lines import Line, Tone
from taskconsole.console.queries import AskServer
from taskconsole.console.safe import safe
from taskconsole.console.views.textview import TextView, entry, headline
from taskconsole.model.server import ServerDetail
from taskconsole.model.verdict import judge

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["RedisView"]

SECTIONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("server", ("redis_version", "valkey_version", "redis_mode", "role", "uptime_in_seconds", "run_id")),
    (
        "durability",
        (
            "aof_enabled",
            "aof_last_write_status",
            "aof_last_bgrewrite_status",
            "rdb_last_bgsave_status",
            "rdb_changes_since_last_save",
            "rdb_last_save_time",
            "connected_slaves",
            "master_link_status",
            "loading",
        ),
    ),
    (
        "memory",
        (
            "used_memory_human",
            "used_memory_peak_human",
            "maxmemory_human",
            "maxmemory_policy",
            "mem_fragmentation_ratio",
            "evicted_keys",
            "expired_keys",
        ),
    ),
    (
        "load",
        (
            "instantaneous_ops_per_sec",
            "total_commands_processed",
            "connected_clients",
            "blocked_clients",
            "maxclients",
            "rejected_connections",
            "pubsub_channels",
            "keyspace_hits",
            "keyspace_misses",
        ),
    ),
)
"""What is shown of INFO, by its own names: they are what one looks up."""

WIDE = 28
"""Cells for the name of a figure."""


class RedisView(TextView):
    """One look at the server, each part of it bounded."""

    NAME = "redis"

    @property
    def question(self) -> AskServer:
        """The server in detail."""
        return AskServer()

    @property
    def detail(self) -> ServerDetail | None:
        """What was read."""
        value = None if self.answer is None else self.answer.value
        return value if isinstance(value, ServerDetail) else None

    def title(self) -> str:
        """Which server it is."""
        overview = self.link.overview
        if overview is None:
            return "redis"
        return f"redis {overview.server.version or '?'}   {overview.server.address}   {overview.server.role}"

    def text_lines(self, width: int) -> Sequence[Line]:
        """Risks first."""
        lines = [*self._risks(width)]
        detail = self.detail
        if detail is None:
            return [*lines, (), ((" reading …", Tone.QUIET),)]
        for title, names in SECTIONS:
            known = [(name, detail.info[name]) for name in names if name in detail.info]
            if known:
                lines += [(), headline(title)]
                lines += [_figure(name, safe(value, 100)) for name, value in known]
        lines += self._keys(detail)
        lines += self._slow(detail, width)
        lines += self._clients(detail)
        for refusal in detail.refused:
            lines += entry("refused", safe(refusal, 300), width, Tone.WARN)
        return lines

    def _risks(self, width: int) -> list[Line]:
        lines = [headline("risks")]
        found = [] if self.link.overview is None else [v for v in judge(self.link.overview) if not v.queue]
        for verdict in found:
            text = f"{safe(verdict.text, 300)}" + (f"   fix: {safe(verdict.fix, 200)}" if verdict.fix else "")
            lines += entry(LEVEL_WORDS[verdict.level], text, width, LEVEL_TONES[verdict.level])
        return lines if found else [*lines, (("  none known", Tone.GOOD),)]

    @staticmethod
    def _keys(detail: ServerDetail) -> list[Line]:
        if not detail.keys:
            return []
        lines: list[Line] = [(), headline("what our keys take, the largest first")]
        for use in sorted(detail.keys, key=lambda use: -(use.bytes or 0)):
            taken = "?" if use.bytes is None else size(use.bytes)
            lines.append(
                _figure(f"{safe(use.queue, 40)} {safe(use.what, 20)}", f"{taken:>8}  {count(use.elements)} elements")
            )
        return lines

    @staticmethod
    def _slow(detail: ServerDetail, width: int) -> list[Line]:
        lines: list[Line] = [(), headline("slow log")]
        if detail.slow is None:
            return [*lines, (("  may not be read", Tone.WARN),)]
        for slow in detail.slow:
            lines += entry(f"{slow.ms:,.1f} ms", f"{clock(slow.at)}Z  {safe(slow.command, 300)}", width)
        return lines if detail.slow else [*lines, (("  empty", Tone.GOOD),)]

    @staticmethod
    def _clients(detail: ServerDetail) -> list[Line]:
        lines: list[Line] = [(), headline(f"our connections, of {count(detail.connected)}")]
        if detail.clients is None:
            return [*lines, (("  may not be listed", Tone.WARN),)]
        for client in detail.clients:
            known = f"{safe(client.command, 30)}  idle {duration(client.idle)}  {size(client.memory)}"
            lines.append(_figure(safe(client.name or client.address, 60), known))
        return lines


def _figure(name: str, text: str) -> Line:
    return ((f"  {name:<{WIDE}} ", Tone.QUIET), (text, Tone.PLAIN))
