"""Events: what happened, as published on a queue's channel.

One message carries one JSON object. Ours look like

    {"event":"done","queue":"mail","n":3,"at":1790000000.12,
     "tasks":[{"id":"…","task":"send_mail","ms":12.5,"worker":"…"}]}

`n` counts the tasks a message stands for; `tasks` names at most 20 of them. Whatever else is
published on the channel is an event of kind `message` with its text: the channel is a public door.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec

__all__ = ["MAX_NAMED", "Event", "EventKind", "decode_event", "encode_event"]

MAX_EVENT_BYTES = 65_536
"""Longer messages are not parsed: nobody but a stranger publishes them."""

MAX_NAMED = 20
"""How many tasks one event names."""


class EventKind(StrEnum):
    """Past participles, one word each."""

    ENQUEUED = "enqueued"
    DELAYED = "delayed"
    STARTED = "started"
    DONE = "done"
    RETRIED = "retried"
    DIED = "died"
    PROMOTED = "promoted"
    RECLAIMED = "reclaimed"
    RETURNED = "returned"
    RESCHEDULED = "rescheduled"
    DELETED = "deleted"
    REQUEUED = "requeued"
    PURGED = "purged"
    MOVED = "moved"
    ABORTED = "aborted"
    QUIETED = "quieted"
    STOPPED = "stopped"
    UNDONE = "undone"
    PAUSED = "paused"
    RESUMED = "resumed"
    FIRED = "fired"
    """A schedule has made a task."""
    MISSED = "missed"
    """Instants of a schedule that got no task."""
    TRIGGERED = "triggered"
    SCHEDULE_ADDED = "schedule added"
    SCHEDULE_EDITED = "schedule edited"
    SCHEDULE_PAUSED = "schedule paused"
    SCHEDULE_RESUMED = "schedule resumed"
    SCHEDULE_REMOVED = "schedule removed"
    FENCED = "fenced"
    WORKER_UP = "worker up"
    WORKER_DOWN = "worker down"
    MESSAGE = "message"
    GAP = "gap"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of the event log."""

    kind: EventKind
    at: float
    """Seconds since the epoch; the moment of arrival when the message named none."""
    queue: str = ""
    n: int = 1
    """How many tasks it stands for."""
    task: str = ""
    """Name of the first task it names."""
    id: str = ""
    worker: str = ""
    by: str = ""
    """The operator, for operator actions."""
    ms: float | None = None
    """How long the task ran."""
    attempt: int = 0
    text: str = ""
    """Error, reason, or the message as published; not yet made safe for a terminal."""
    undo: str = ""
    """What takes the action back, for some minutes; empty when nothing can."""


class _Named(msgspec.Struct):
    """A task that a message of ours names."""

    task: str = ""
    id: str = ""
    worker: str | None = None
    ms: float | None = None
    attempt: int = 0
    text: str = ""


class _Message(msgspec.Struct, forbid_unknown_fields=True):
    """A message of ours that names all its tasks and says no more, as nearly all do."""

    event: str
    at: float
    tasks: list[_Named]
    queue: str | None = None
    n: int = 1
    worker: str = ""


_KINDS = {str(kind): kind for kind in EventKind}
_quick = msgspec.json.Decoder(_Message).decode
_decoder = msgspec.json.Decoder(dict[str, Any])
_encoder = msgspec.json.Encoder()


def encode_event(kind: EventKind, queue: str, at: float, tasks: list[dict[str, Any]], n: int) -> bytes:
    """The bytes to publish for `n` tasks of which `tasks` are named."""
    return _encoder.encode({"event": kind, "queue": queue, "n": n, "at": at, "tasks": tasks[:MAX_NAMED]})


def decode_event(raw: bytes, *, channel: str, now: float) -> list[Event]:
    """The events in one published message: one per task it names, at least one.

    Never raises: what is not ours becomes a `message` with its text (invalid UTF-8 escaped, cut at 4,096).
    """
    found = _quickly(raw, channel) if len(raw) <= MAX_EVENT_BYTES else []
    return found or _thoroughly(raw, channel, now)


def _thoroughly(raw: bytes, channel: str, now: float) -> list[Event]:
    """Whatever it is."""
    body: dict[str, Any] | None = None
    if raw[:1] == b"{" and len(raw) <= MAX_EVENT_BYTES:
        try:
            body = _decoder.decode(raw)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            body = None
    queue = channel.removesuffix("_channel")
    kind = _kind(body)
    if body is None or kind is None:
        text = raw[:4096].decode("utf-8", "backslashreplace")
        return [Event(kind=EventKind.MESSAGE, at=now, queue=queue, text=text)]
    at = _number(body.get("at"), now)
    total = int(_number(body.get("n"), 1))
    common: dict[str, Any] = {
        "kind": kind,
        "at": at,
        "queue": _text(body.get("queue"), queue),
        "by": _text(body.get("by")),
        "undo": _text(body.get("undo")),
    }
    named = body.get("tasks")
    tasks = [t for t in named[:MAX_NAMED] if isinstance(t, dict)] if isinstance(named, list) else []
    if not tasks:
        return [
            Event(
                **common,
                n=total,
                task=_text(body.get("task")),
                id=_text(body.get("id")),
                worker=_text(body.get("worker")),
                text=_text(body.get("text")),
            )
        ]
    events = [
        Event(
            **common,
            task=_text(t.get("task")),
            id=_text(t.get("id")),
            worker=_text(t.get("worker"), _text(body.get("worker"))),
            ms=_number(t.get("ms"), None),
            attempt=int(_number(t.get("attempt"), 0)),
            text=_text(t.get("text"), _text(body.get("text"))),
        )
        for t in tasks
    ]
    if total > len(events):
        events.append(Event(**common, n=total - len(events), text="not named"))
    return events


def _quickly(raw: bytes, channel: str) -> list[Event]:
    """The same for a message as our own code writes it, in half of the time; nothing for any other."""
    try:
        message = _quick(raw)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return []
    kind, tasks = _KINDS.get(message.event), message.tasks
    if kind is None or not 0 < message.n == len(tasks) <= MAX_NAMED:
        return []
    queue = channel.removesuffix("_channel") if message.queue is None else message.queue
    return [
        Event(
            kind=kind,
            at=message.at,
            queue=queue,
            task=named.task,
            id=named.id,
            worker=message.worker if named.worker is None else named.worker,
            ms=named.ms,
            attempt=named.attempt,
            text=named.text,
        )
        for named in tasks
    ]


def _kind(body: dict[str, Any] | None) -> EventKind | None:
    try:
        return None if body is None else EventKind(body.get("event", ""))
    except (ValueError, TypeError):
        return None


def _text(value: object, default: str = "") -> str:
    return value if isinstance(value, str) else default


def _number(value: object, default: Any) -> Any:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else default
