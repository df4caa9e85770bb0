"""A task and its payload: the bytes in Redis, the envelope in them, and the bytes to keep after a failure.

A payload is one of

* a JSON object with `"task"`: the envelope, every other field optional, unknown fields kept;
* other short text: a bare payload. It is the task's name, without arguments;
* anything else: unreadable. It is buried with the reason, and its bytes are kept.

Nothing here imports or evaluates anything that a payload names.
"""

from __future__ import annotations

import base64
import contextlib
import json
import math
import re
from typing import Any, cast, final

import msgspec

from taskconsole.errors import PayloadError

__all__ = [
    "Envelope",
    "Unreadable",
    "bare_payload",
    "buried",
    "check_arguments",
    "check_size",
    "decode",
    "encode",
    "opening",
    "original",
    "redelivered",
    "restored",
    "retried",
]

MAX_BARE = 4096
"""Bytes of text that may still be a bare payload."""

MOST_COUNTED = 1_000_000
"""Deaths with a task in hand after which nobody counts on."""

KEPT_ERRORS = 3
"""How many errors of earlier attempts an envelope carries."""


class Envelope(msgspec.Struct, omit_defaults=True, gc=False):
    """One call of one task, as it travels. Times are seconds since the epoch."""

    task: str
    """The registered name."""
    id: str | None = None
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    queue: str | None = None
    """Where it goes when it becomes due in the public delayed set; the list it lies in decides otherwise."""
    enqueued_at: float | None = None
    attempt: int = 1
    """Which attempt the next run is; the first is 1."""
    max_attempts: int | None = None
    timeout: float | None = None
    """Seconds one attempt may take; the task's own setting when None."""
    expires_at: float | None = None
    """Not started after this moment."""
    redelivered: int = 0
    """How often it was taken back from a worker that died."""
    schedule: str | None = None
    """The schedule that made it."""
    scheduled_at: float | None = None
    """The instant it was made for; it may have been made later."""
    bare: bool = False
    """It came as a bare payload, `task` is its text; set when a bare payload has to carry a count."""


@final
class Unreadable(msgspec.Struct):
    """A payload that is neither an envelope nor short text."""

    reason: str


_BRACE = ord("{")

_envelope = msgspec.json.Decoder(Envelope)
_object = msgspec.json.Decoder(dict[str, Any])
_encoder = msgspec.json.Encoder()


def decode(raw: bytes) -> Envelope | Unreadable:
    """Read a payload; never raises, whatever the bytes are. A bare payload is an envelope with `bare` set."""
    if raw and raw[0] == _BRACE:
        try:
            return _envelope.decode(raw)
        except msgspec.ValidationError as error:
            return _not_an_envelope(raw, str(error))
        except (msgspec.MsgspecError, UnicodeError) as error:
            return _bare_or(raw, f"payload is not JSON: {error}")
        except RecursionError:
            return Unreadable("payload is nested too deeply")
    return _bare_or(raw, "payload is binary")


def _not_an_envelope(raw: bytes, complaint: str) -> Envelope | Unreadable:
    # JSON without "task" is a bare payload like any other text; with it, it meant to be an envelope.
    try:
        named = "task" in _object.decode(raw)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        named = True
    return Unreadable(f"bad envelope: {complaint}") if named else _bare_or(raw, complaint)


def _bare_or(raw: bytes, reason: str) -> Envelope | Unreadable:
    if len(raw) > MAX_BARE:
        return Unreadable(
            f"{reason}, {len(raw):,} bytes" if raw[:1] == b"{" else f"payload of {len(raw):,} bytes is not an envelope"
        )
    try:
        return Envelope(raw.decode(), bare=True)
    except UnicodeDecodeError as error:
        return Unreadable(f"payload is not UTF-8 (byte {error.start})")


def encode(envelope: Envelope) -> bytes:
    """The payload for an envelope; fields at their defaults are left out.

    Raises:
        PayloadError: Text in it cannot be written as UTF-8 (a lone surrogate).
    """
    try:
        return _encoder.encode(envelope)
    except UnicodeEncodeError:
        raise PayloadError(f"task {envelope.task!r}: an argument holds a lone surrogate, which is not text") from None


def bare_payload(text: str) -> bytes:
    """The payload that is just this text.

    Raises:
        PayloadError: It cannot be written as UTF-8.
    """
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise PayloadError("the payload holds a lone surrogate, which is not text") from None


def check_size(payload: bytes, task: str, limit: int) -> bytes:
    """Return `payload`.

    Raises:
        PayloadError: It is larger than `limit` bytes.
    """
    if len(payload) > limit:
        raise PayloadError(
            f"task {task[:80]!r}: its payload has {len(payload):,} bytes, the limit is {limit:,}: "
            "put the data elsewhere and pass a reference"
        )
    return payload


def check_arguments(task: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Refuse arguments that JSON would change or cannot carry.

    Raises:
        TypeError: An argument is not made of None, bool, int, finite float, str, list, tuple and dict with str keys;
            the message names it.
    """
    for i, value in enumerate(args):
        if type(value) not in _PLAIN:
            _check(value, f"argument {i + 1}", task, 0)
    for name, value in kwargs.items():
        if type(value) not in _PLAIN:
            _check(value, f"argument {name!r}", task, 0)


_PLAIN = frozenset({int, str, bool, type(None)})
_MAX_DEPTH = 100


def _check(value: object, where: str, task: str, depth: int) -> None:
    kind = type(value)
    if kind in _PLAIN:
        return
    if depth > _MAX_DEPTH:
        raise TypeError(f"task {task!r}: {where} is nested more than {_MAX_DEPTH} deep")
    if kind is float:
        if not math.isfinite(cast("float", value)):
            raise TypeError(f"task {task!r}: {where} is {value!r}, which JSON cannot carry")
    elif kind is list or kind is tuple:
        for i, item in enumerate(cast("list[object]", value)):
            _check(item, f"{where}[{i}]", task, depth + 1)
    elif kind is dict:
        for key, item in cast("dict[object, object]", value).items():
            if type(key) is not str:
                raise TypeError(f"task {task!r}: {where} has the key {key!r}; JSON keys are strings")
            _check(item, f"{where}[{key!r}]", task, depth + 1)
    else:
        raise TypeError(
            f"task {task!r}: {where} is a {kind.__qualname__}, which JSON cannot carry: pass an id or a string"
        )


def _read_object(raw: bytes) -> dict[str, Any] | None:
    if raw[:1] != b"{":
        return None
    try:
        return _object.decode(raw)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def _fields(raw: bytes) -> dict[str, Any]:
    """All fields of a payload, unknown ones too; a bare payload, JSON or not, becomes the task's name."""
    fields = _read_object(raw)
    if fields is not None and "task" in fields:
        return fields
    try:
        return {"task": raw.decode(), "bare": True}
    except UnicodeDecodeError:
        return {"task": None, "payload_base64": base64.b64encode(raw).decode()}


def _with_error(fields: dict[str, Any], error: dict[str, Any] | None) -> None:
    if error is not None:
        earlier = fields.get("errors")
        fields["errors"] = [*(earlier if isinstance(earlier, list) else []), error][-KEPT_ERRORS:]


def retried(raw: bytes, *, attempt: int, error: dict[str, Any] | None, new_id: str) -> bytes:
    """The payload for the next attempt: same fields, `attempt` and the error added.

    `new_id` is for a payload without one: two equal members of a sorted set would collapse into one task.
    """
    fields = _fields(raw)
    fields["attempt"] = attempt
    if not fields.get("id"):
        fields["id"] = new_id
    _with_error(fields, error)
    return _encoder.encode(fields)


def buried(raw: bytes, *, reason: str, error: dict[str, Any] | None, worker: str, at: float, new_id: str) -> bytes:
    """The member of the dead set: the payload's fields, and why, where and when it died."""
    fields = _fields(raw)
    if not fields.get("id"):
        fields["id"] = new_id
    fields["died"] = {"reason": reason, "worker": worker, "at": at}
    _with_error(fields, error)
    return _encoder.encode(fields)


def redelivered(raw: bytes) -> tuple[bytes, int]:
    """The payload for a run after its worker died, and how often that has happened now.

    Bytes that cannot carry the count come back as they are, with 0.
    """
    fields = _fields(raw)
    if fields.get("task") is None:
        return raw, 0
    before = fields.get("redelivered")
    # Anybody may have written a number so long that no longer one can be written.
    count = min(before if isinstance(before, int) else 0, MOST_COUNTED) + 1
    fields["redelivered"] = count
    return _encoder.encode(fields), count


def restored(member: bytes) -> bytes:
    """The payload to run again for a member of the dead set: as it was enqueued, its errors kept."""
    fields = _fields(member)
    encoded = fields.get("payload_base64")
    if fields.get("task") is None and isinstance(encoded, str):
        try:
            return base64.b64decode(encoded, validate=True)
        except ValueError:
            return member
    for name in ("died", "attempt", "redelivered"):
        fields.pop(name, None)
    if fields.get("bare"):
        return str(fields.get("task")).encode()
    return _encoder.encode(fields)


def original(raw: bytes) -> dict[str, Any]:
    """All fields of a payload for display; never raises."""
    return _fields(raw)


_value = json.JSONDecoder().raw_decode
_space = re.compile(r"[ \t\r\n]*+")


def opening(raw: bytes) -> dict[str, Any]:
    """The fields at the beginning of an envelope that was cut, as far as they are whole; never raises."""
    fields: dict[str, Any] = {}
    text = raw.decode("utf-8", "replace")
    if text[:1] != "{":
        return fields
    with contextlib.suppress(ValueError, RecursionError):  # the cut, or no JSON at all
        at = 0
        while True:
            name, at = _value(text, _past_space(text, at + 1))
            at = _past_space(text, at)
            if not isinstance(name, str) or text[at : at + 1] != ":":
                break
            value, at = _value(text, _past_space(text, at + 1))
            at = _past_space(text, at)
            if text[at : at + 1] not in {",", "}"}:  # a number may have lost its end
                break
            fields[name] = value
            if text[at] == "}":
                break
    return fields


def _past_space(text: str, at: int) -> int:
    found = _space.match(text, at)
    return at if found is None else found.end()
