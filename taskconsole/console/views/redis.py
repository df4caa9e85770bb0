"""The server: its risks, durability, memory, clients, slow commands, and what our keys take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from taskconsole.console.columns.doctor import LEVEL_TONES, LEVEL_WORDS
from taskconsole.console.feed.queries import AskServer
from taskconsole.console.text.format import clock, count, duration, in_or_ago, size
from taskconsole.console.text.lines import Line, Tone, beside, cell
from taskconsole.console.text.safe import safe
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

DIGITS = 15
"""Of a number that is read as one."""

NAME = 26
"""Cells for the name of a figure."""

TWO_COLUMNS, THREE_COLUMNS = 76, 150
"""Cells from which on the sections stand beside each other."""

BAD_VALUES = frozenset({"err", "down"})
GRAVE = {("aof_enabled", "0"), ("loading", "1")}
"""What somebody should know of, although it is no error."""


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
        """Risks first; then the sections, beside each other as far as there is room."""
        lines = [*self._risks(width), ()]
        detail = self.detail
        if detail is None:
            return [*lines, ((f" {self.unknown}", Tone.QUIET),)]
        columns = 3 if width >= THREE_COLUMNS else 2 if width >= TWO_COLUMNS else 1
        room = (width - columns + 1) // columns
        figures = [_section(title, names, detail, room) for title, names in SECTIONS]
        if columns == 3:
            lists = (self._keys(detail, room), self._slow(detail, room), self._clients(detail, room))
            lines += _in_columns([*figures, *lists], columns, room)
        else:
            lines += _in_columns(figures, columns, room)
            for block in (self._keys(detail, width), self._slow(detail, width), self._clients(detail, width)):
                lines += [*block, ()] if block else []
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
    def _keys(detail: ServerDetail, width: int) -> list[Line]:
        if not detail.keys:
            return []
        lines: list[Line] = [headline("what our keys take, the largest first")]
        for use in sorted(detail.keys, key=lambda use: -(use.bytes or 0)):
            taken = "?" if use.bytes is None else size(use.bytes)
            figures = f"{taken:>8}  {count(use.elements)} elements"
            lines.append(_figure(f"{safe(use.queue, 40)} {safe(use.what, 20)}", figures, width))
        return lines

    @staticmethod
    def _slow(detail: ServerDetail, width: int) -> list[Line]:
        lines: list[Line] = [headline("slow log")]
        if detail.slow is None:
            return [*lines, (("  may not be read", Tone.WARN),)]
        for slow in detail.slow:
            lines += entry(f"{slow.ms:,.1f} ms", f"{clock(slow.at)}Z  {safe(slow.command, 300)}", width)
        return lines if detail.slow else [*lines, (("  empty", Tone.GOOD),)]

    @staticmethod
    def _clients(detail: ServerDetail, width: int) -> list[Line]:
        lines: list[Line] = [headline(f"our connections, of {count(detail.connected)}")]
        if detail.clients is None:
            return [*lines, (("  may not be listed", Tone.WARN),)]
        for client in detail.clients:
            known = f"{safe(client.command, 30)}  idle {duration(client.idle)}  {size(client.memory)}"
            lines.append(_figure(safe(client.name or client.address, 60), known, width))
        return lines


def _section(title: str, names: Sequence[str], detail: ServerDetail, width: int) -> list[Line]:
    """Some figures of INFO; none when nothing of it is known."""
    known = [(name, detail.info[name]) for name in names if name in detail.info]
    lines = [headline(title)] if known else []
    for name, value in known:
        tone = Tone.BAD if value in BAD_VALUES else Tone.WARN if (name, value) in GRAVE else Tone.PLAIN
        lines.append(_figure(name, _readable(name, value, detail.at), width, tone))
    return lines


def _readable(name: str, value: str, now: float) -> str:
    """A figure as people say it; safe."""
    if name in {"aof_enabled", "loading"}:
        return {"0": "no", "1": "yes"}.get(value, safe(value, 100))
    if not value.isascii() or not value.isdigit() or len(value) > DIGITS:
        return safe(value, 100)
    if name == "uptime_in_seconds":
        return duration(int(value))
    if name == "rdb_last_save_time":
        return in_or_ago(int(value), now)
    return count(int(value))


def _in_columns(blocks: Sequence[list[Line]], columns: int, width: int) -> list[Line]:
    """Blocks below and beside each other: each goes where it begins highest."""
    placed: list[list[Line]] = [[] for _ in range(columns)]
    for block in blocks:
        if block:
            min(placed, key=len).extend([*block, ()])
    return beside([(lines, width) for lines in placed], max(map(len, placed)))


def _figure(name: str, text: str, width: int, tone: Tone = Tone.PLAIN) -> Line:
    room = max(0, width - NAME - 3)
    return ((f"  {cell(name, NAME)} ", Tone.QUIET), (cell(text, room), tone))
