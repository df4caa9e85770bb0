"""Everything Taskconsole raises on purpose.

    TaskconsoleError
    ├── ConfigError            a setting, URL, queue name or app path that cannot be used
    │   └── ScheduleError      a schedule that cannot be: its expression, interval, moment, zone or options
    ├── PayloadError           a payload that cannot be enqueued (too large, not JSON)
    ├── StoreError             Redis answered, and the answer was no
    │   ├── AccessDenied       wrong password, or an ACL forbids a command: trying again will not help
    │   ├── StoreFull          maxmemory reached: nothing was written
    │   ├── WrongType          a key of ours holds something else
    │   ├── ServerTooOld       Redis older than 6.2
    │   ├── Changed            what the operator saw is no longer so: look again
    │   ├── HandsDiffer        a worker's list is not as the worker knows it
    │   └── LeaseLost          another worker owns these tasks now
    ├── RecordingError         a file that is no recording, or that cannot be read or written
    ├── NotRecorded            a recording does not say what was so at that time
    └── StoreUnavailable       no answer: refused, timed out, reset; trying again may help
        └── StoreNotReady      it answers, but not now: loading, failing over, disk full

Every message is one line, fit for a terminal, and never contains a password.
"""

from __future__ import annotations

__all__ = [
    "AccessDenied",
    "Changed",
    "ConfigError",
    "HandsDiffer",
    "LeaseLost",
    "NotRecorded",
    "PayloadError",
    "RecordingError",
    "ScheduleError",
    "ServerTooOld",
    "StoreError",
    "StoreFull",
    "StoreNotReady",
    "StoreUnavailable",
    "TaskconsoleError",
    "WrongType",
]


class TaskconsoleError(Exception):
    """The root of the tree; `exit_code` is what the command line ends with when it is not caught."""

    exit_code = 1


class ConfigError(TaskconsoleError):
    """A setting, URL, queue name or app path that cannot be used."""

    exit_code = 2


class ScheduleError(ConfigError, ValueError):
    """A schedule that cannot be: its expression, interval, moment, time zone or options; says what to write instead."""


class PayloadError(TaskconsoleError, ValueError):
    """A payload that cannot be enqueued."""

    exit_code = 2


class StoreError(TaskconsoleError):
    """Redis answered, and the answer was no."""


class AccessDenied(StoreError):
    """Wrong password, or an ACL rule forbids a command."""

    exit_code = 3


class StoreFull(StoreError):
    """Redis is at its maxmemory; nothing was written."""


class WrongType(StoreError):
    """A key under one of our names holds another type.

    Args:
        key: The key as it stands in Redis; empty when Redis did not say which.
        found: The type Redis reports, e.g. `string`.
        wanted: The type needed, e.g. `list`.
    """

    def __init__(self, key: str = "", found: str = "", wanted: str = "") -> None:
        self.key, self.found, self.wanted = key, found, wanted
        what = f"key {key!r} holds a {found}, not a {wanted}" if key else "a key of this queue holds another type"
        super().__init__(f"{what}: rename or delete it, or use another queue")


class ServerTooOld(StoreError):
    """The server lacks commands that the scripts need (Redis 6.2, Valkey 7.2)."""


class Changed(StoreError):
    """What the operator saw is no longer so; nothing was done."""


class HandsDiffer(StoreError):
    """The list of what a worker has in hand is not as the worker knows it; nothing was done."""

    def __init__(self, worker_id: str) -> None:
        self.worker_id = worker_id
        super().__init__(f"worker {worker_id} has other tasks in hand than it thinks")


class LeaseLost(StoreError):
    """This worker's lease was reclaimed; what it still holds belongs to others now."""

    def __init__(self, worker_id: str) -> None:
        self.worker_id = worker_id
        super().__init__(f"worker {worker_id} lost its lease")


class RecordingError(TaskconsoleError):
    """A file that is no recording, or that cannot be read or written."""

    exit_code = 2


class NotRecorded(TaskconsoleError):
    """A recording does not say what was so at that time: nobody had asked.

    Args:
        text: The message.
        nearest: The position, seconds since the recording began, at which it does; None when it never does.
    """

    def __init__(self, text: str, nearest: float | None = None) -> None:
        self.nearest = nearest
        super().__init__(text)


class StoreUnavailable(TaskconsoleError):
    """No usable answer from Redis: refused, timed out, reset."""

    exit_code = 4


class StoreNotReady(StoreUnavailable):
    """Redis answers, but not now: it is loading, failing over, or cannot write to its disk."""
