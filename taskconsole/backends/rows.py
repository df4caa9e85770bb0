"""From what Redis holds (payloads, hash fields, INFO) to the rows that are shown; never raises, whatever the bytes."""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec

from taskconsole.model.detail import as_seconds
from taskconsole.model.event import MAX_NAMED
from taskconsole.model.state import State
from taskconsole.model.stats import Pause, ServerInfo, TaskRow, WorkerInfo
from taskconsole.model.task import Envelope, decode, opening, original
from taskconsole.redis_url import Kind, RedisUrl
from taskconsole.store.reading import integer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from taskconsole.model.event import EventKind
    from taskconsole.store.reading import Seen

__all__ = [
    "WORKER_FIELDS",
    "before",
    "done_row",
    "enqueued_at",
    "integer",
    "moment_text",
    "name_of",
    "number",
    "operator_event",
    "pause_note",
    "server_info",
    "task_row",
    "worker_info",
]

MAX_ARGS = 200
"""Characters of arguments in a row."""

_json = msgspec.json.Encoder()

WORKER_FIELDS = (
    "host", "pid", "version", "started", "seen", "concurrency", "active", "rss", "done", "failed", "quiet",
    "blocked", "skew", "lease", "running", "tasks",
)  # fmt: skip


def server_info(info: dict[str, str], url: str, address: str) -> ServerInfo:
    """What INFO says, for the header and the verdicts."""
    if info.get("aof_enabled") == "1":
        persistence = "aof"
    elif info.get("rdb_saves", "0") != "0" or info.get("rdb_last_bgsave_time_sec", "-1") != "-1":
        # Redis 6.2 does not count its snapshots; the second says that there has been one.
        persistence = "rdb"
    else:
        persistence = "none seen"
    place = RedisUrl.parse(url)
    return ServerInfo(
        address=address,
        version=info.get("redis_version", ""),
        run_id=info.get("run_id", ""),
        role=info.get("role", ""),
        used_memory=integer(info.get("used_memory")),
        max_memory=integer(info.get("maxmemory")),
        eviction_policy=info.get("maxmemory_policy", ""),
        persistence=persistence,
        loopback=_is_loopback(place),
        unverified=place.unverified,
        loading=info.get("loading") == "1",
        loading_left=number(info.get("loading_eta_seconds")),
        read_only=info.get("slave_read_only", "1") != "0",
        master_link=info.get("master_link_status", ""),
        save_failed=info.get("rdb_last_bgsave_status", "ok") != "ok",
        last_save=number(info.get("rdb_last_save_time")),
        aof_failed=info.get("aof_last_write_status", "ok") != "ok",
        clients=integer(info.get("connected_clients")),
        max_clients=integer(info.get("maxclients")),
        replicas=integer(info.get("connected_slaves")),
        wants_replicas=place.kind in {Kind.SENTINEL, Kind.CLUSTER},
        near_replicas=integer(info["min_slaves_good_slaves"]) if "min_slaves_good_slaves" in info else None,
    )


def cluster_info(nodes: Sequence[ServerInfo], address: str) -> ServerInfo:
    """The nodes of a cluster taken together, for the header."""
    return replace(
        nodes[0],
        address=address,
        used_memory=sum(node.used_memory for node in nodes),
        max_memory=sum(node.max_memory for node in nodes) if all(node.max_memory for node in nodes) else 0,
        clients=sum(node.clients for node in nodes),
        max_clients=sum(node.max_clients for node in nodes),
        loading=any(node.loading for node in nodes),
    )


def _is_loopback(place: RedisUrl) -> bool:
    return all(host == "localhost" or _is_loopback_address(host) for host, _ in place.places)


def _is_loopback_address(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def number(value: str | bytes | None) -> float | None:
    """A finite number out of Redis; None when it is none."""
    try:
        found = math.nan if value is None else float(value)
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def enqueued_at(head: Seen | None) -> float | None:
    """When a payload was enqueued, seconds since the epoch; None when it does not say."""
    if head is None or head.size > len(head.payload):
        return None
    envelope = decode(head.payload)
    return envelope.enqueued_at if isinstance(envelope, Envelope) else None


def pause_note(raw: bytes | None) -> Pause | None:
    """Whatever the key holds means paused; people write there with redis-cli."""
    if raw is None:
        return None
    try:
        note = json.loads(raw)
    except (ValueError, RecursionError):
        note = None
    if not isinstance(note, dict):
        return Pause(by="?", at=None, reason=raw[:200].decode("utf-8", "backslashreplace"))
    return Pause(
        by=str(note.get("by", "?")),
        at=as_seconds(note.get("at")),
        reason=str(note.get("reason", "")),
    )


def task_row(
    queue: str, state: State, seen: Seen, *, worker: str = "", place: int = 0, public: bool = False
) -> TaskRow:
    """One payload as a list shows it; of one that was cut, what its beginning tells."""
    cut = seen.size > len(seen.payload)
    fields = opening(seen.payload) if cut else original(seen.payload)
    name = fields.get("task")
    died, errors = fields.get("died"), fields.get("errors")
    error, failed_at = "", seen.when
    if isinstance(errors, list) and errors and isinstance(errors[-1], dict):
        error, failed_at = str(errors[-1].get("error", "")), as_seconds(errors[-1].get("at"))
    if isinstance(died, dict):
        error = str(died.get("reason", ""))
        worker = str(died.get("worker", ""))
    if cut and seen.why:
        error = _reason(seen.why)
    return TaskRow(
        queue=queue,
        state=state,
        name=name if isinstance(name, str) else seen.payload[:60].decode("utf-8", "backslashreplace"),
        id=str(fields["id"]) if fields.get("id") else None,
        at=as_seconds(fields.get("enqueued_at")) if seen.score is None else seen.score,
        attempt=_whole(fields.get("attempt"), 1),
        redelivered=_whole(fields.get("redelivered"), 0),
        args=_arguments(fields),
        error=error,
        worker=worker,
        size=seen.size,
        payload=seen.payload,
        place=place,
        public=public,
        failed_at=as_seconds(seen.score) if state is State.DEAD else failed_at,
    )


_MARKS = (b'"died":{"reason":', b'{"error":')


def _reason(why: bytes) -> str:
    """The text behind the mark, as far as it was read."""
    mark = next((mark for mark in _MARKS if why.startswith(mark)), b"")
    raw = why[len(mark) :]
    try:
        return str(json.loads(raw))
    except (ValueError, RecursionError):
        return raw.lstrip(b'"').decode("utf-8", "replace")


def done_row(queue: str, seen: Seen, *, place: int = 0) -> TaskRow:
    """One entry of the done list."""
    fields = original(seen.payload)
    return TaskRow(
        queue=queue,
        state=State.DONE,
        name=str(fields.get("task", "")),
        id=str(fields["id"]) if fields.get("id") else None,
        at=as_seconds(fields.get("at")),
        worker=str(fields.get("worker", "")),
        size=seen.size,
        payload=seen.payload,
        place=place,
    )


def _arguments(fields: dict[str, Any]) -> str:
    args, kwargs = fields.get("args"), fields.get("kwargs")
    parts = [json.dumps(a, default=str) for a in args] if isinstance(args, list) else []
    if isinstance(kwargs, dict):
        parts += [f"{k}={json.dumps(v, default=str)}" for k, v in kwargs.items()]
    text = ", ".join(parts)
    return text if len(text) <= MAX_ARGS else text[: MAX_ARGS - 1] + "…"


def _whole(value: object, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63 else default


def worker_info(queue: str, worker_id: str, until: float, fields: Any, held: Any, *, now: float) -> WorkerInfo:
    """One worker, from its hash and its lease (seconds since the epoch)."""
    known: dict[str, bytes] = fields if isinstance(fields, dict) else {}
    return WorkerInfo(
        id=worker_id,
        queue=queue,
        host=known.get("host", b"").decode("utf-8", "backslashreplace"),
        pid=integer(known.get("pid")),
        version=known.get("version", b"").decode("utf-8", "backslashreplace"),
        started=number(known.get("started")),
        seen=number(known.get("seen")),
        lease_until=until,
        concurrency=integer(known.get("concurrency")),
        active=held if isinstance(held, int) else 0,
        rss=integer(known.get("rss")),
        done=integer(known.get("done")),
        failed=integer(known.get("failed")),
        quiet=known.get("quiet") == b"1",
        blocked=number(known.get("blocked")) or 0.0,
        skew=number(known.get("skew")),
        lease=number(known.get("lease")) or 0.0,
        running=_running(known.get("running"), now),
        tasks=tuple(name for name in known.get("tasks", b"").decode("utf-8", "replace").split(",") if name),
    )


def _running(raw: bytes | None, now: float) -> tuple[tuple[str, str, float], ...]:
    try:
        listed = json.loads(raw or b"[]")
        return tuple((str(i), str(name), max(0.0, now - float(start))) for i, name, start in listed)
    except (ValueError, TypeError, RecursionError):
        return ()


def moment_text(at: float) -> str:
    """A time as operators read it, in UTC."""
    try:
        return dt.datetime.fromtimestamp(at, dt.UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    except (OverflowError, ValueError, OSError):  # anybody may ZADD any score
        return f"{at:g}"


def operator_event(
    kind: EventKind,
    queue: str,
    at: float,
    by: str,
    text: str,
    *tasks: TaskRow,
    n: int = 1,
    undo: str = "",
) -> bytes:
    """The event of an operator's action on a queue, on one task of it, or on `n` of which `tasks` are the first.

    Of several tasks each tells what it was before; `undo` is the token that takes the action back.
    """
    body: dict[str, Any] = {"event": str(kind), "queue": queue, "n": n, "at": at, "by": by, "text": text}
    if undo:
        body["undo"] = undo
    if len(tasks) == 1 and n == 1:
        body |= _named(tasks[0])
    elif tasks:
        body["tasks"] = [{**_named(task), "text": before(task)} for task in tasks[:MAX_NAMED]]
    return _json.encode(body)


def _named(task: TaskRow) -> dict[str, str]:
    return {"task": task.name[:MAX_ARGS], "id": (task.id or "")[:MAX_ARGS]}


def before(task: TaskRow) -> str:
    """What an action overwrites, in words: when it was due, why it died."""
    if task.state is State.DELAYED and task.at is not None:
        return f"it was due {moment_text(task.at)}"
    if task.state is State.DEAD and task.at is not None:
        return f"it died {moment_text(task.at)}" + (f": {task.error[:MAX_ARGS]}" if task.error else "")
    return f"it was {task.state}"


def name_of(row: TaskRow) -> str:
    """A task as a line for the operator names it."""
    name = row.name[:100]
    return f"{name} ({row.id[:100]})" if row.id else name
