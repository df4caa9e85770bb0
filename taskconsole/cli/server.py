"""`redis`: the server in detail."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from taskconsole.cli.output import as_json, say, write_json, write_line, write_table
from taskconsole.cli.reading import json_option, open_backend
from taskconsole.cli.target import target_of, target_options

if TYPE_CHECKING:
    from taskconsole.model.server import ServerDetail

__all__ = ["redis"]

FIELDS = (
    "redis_version", "valkey_version", "redis_mode", "role", "uptime_in_seconds", "used_memory_human",
    "used_memory_peak_human", "maxmemory_human", "maxmemory_policy", "mem_fragmentation_ratio", "connected_clients",
    "blocked_clients", "maxclients", "instantaneous_ops_per_sec", "rejected_connections", "evicted_keys",
    "expired_keys", "aof_enabled", "aof_last_write_status", "rdb_last_bgsave_status", "rdb_last_save_time", "loading",
    "master_link_status", "connected_slaves", "latest_fork_usec",
)  # fmt: skip
"""Of INFO, what an operator looks at first; --json has all."""


@click.command(short_help="The Redis server in detail.")
@target_options
@json_option
@click.pass_context
def redis(context: click.Context, /, *, wants_json: bool) -> int:
    """Show the server: the chief fields of INFO, what the keys take, our connections, the slow log.

    What may not be asked is named on stderr. Of slow commands only the name and the key are shown, never a payload.
    """
    with open_backend(target_of(context)) as backend:
        seen = backend.server()
    if wants_json:
        write_json(as_json(seen))
    else:
        _print_server(seen)
    for refusal in seen.refused:
        say(f"refused: {refusal}")
    return 0


def _print_server(seen: ServerDetail) -> None:
    from taskconsole.backends.rows import moment_text

    known = [(name, seen.info[name]) for name in FIELDS if name in seen.info]
    if known:
        write_table(("FIELD", "VALUE"), known)
    if seen.keys:
        write_line()
        rows = [(key.queue, key.what, f"{key.elements:,}", _bytes(key.bytes)) for key in seen.keys]
        write_table(("QUEUE", "KEY", "ELEMENTS", "BYTES"), rows, right=(2, 3))
    if seen.clients:
        write_line()
        clients = [(c.address, c.name, c.age, c.idle, c.command, _bytes(c.memory)) for c in seen.clients]
        write_table(("CONNECTION", "NAME", "AGE", "IDLE", "LAST COMMAND", "BYTES"), clients, right=(2, 3, 5))
    if seen.slow:
        write_line()
        slow = [(moment_text(entry.at), f"{entry.ms:,.1f}", entry.client, entry.command) for entry in seen.slow]
        write_table(("SLOW", "MS", "CONNECTION", "COMMAND"), slow, right=(1,))


def _bytes(size: int | None) -> str | None:
    return None if size is None else f"{size:,}"
