"""One line per event: `12:03:11 INFO done task=send_mail id=…`, or the same as one JSON object."""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import TYPE_CHECKING, Any, TextIO

from taskconsole.model.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["JsonFormatter", "LineFormatter", "RateLimit", "set_up_logging"]

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    return {k: v for k, v in vars(record).items() if k not in _STANDARD}


class LineFormatter(logging.Formatter):
    """Text for people; whatever a field holds, a record stays one line without control characters."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        clock = time.strftime("%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z"
        parts = [clock, record.levelname.lower().ljust(7), printable(record.getMessage())]
        parts += [f"{name}={_shown(value)}" for name, value in _fields(record).items()]
        if record.exc_info:
            parts.append(f"exception={_shown(self.formatException(record.exc_info))}")
        return " ".join(parts)


class JsonFormatter(logging.Formatter):
    """The same as one JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        body: dict[str, Any] = {
            "at": round(record.created, 3),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            body["exception"] = self.formatException(record.exc_info)
        return json.dumps(body, default=repr)


def _shown(value: object) -> str:
    text = printable(value)
    return f'"{text}"' if " " in text or not text else text


def set_up_logging(*, as_json: bool, level: int = logging.INFO, stream: TextIO | None = None) -> None:
    """Send Taskconsole's records to stderr in one of the two forms."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if as_json else LineFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)


class RateLimit:
    """Lets through one of many equal complaints: at most one in `seconds` for each key."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._clock = seconds, clock
        self._next: dict[str, float] = {}

    def __call__(self, key: str) -> bool:
        """True when the complaint called `key` may be made now."""
        now = self._clock()
        if now < self._next.get(key, 0.0):
            return False
        self._next[key] = now + self._seconds
        return True
