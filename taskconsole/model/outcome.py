"""What is to become of an attempt: done, another try, or the dead set. Pure: no clock, no store."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

__all__ = ["Ack", "Backoff", "Bury", "Retry", "RetryAfter", "Verdict", "describe", "judge", "writable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Exponential back-off with full jitter: a random wait up to `base * factor ** (attempt - 1)`, at most `cap`.

    All in seconds.
    """

    base: float = 2.0
    factor: float = 2.0
    cap: float = 3600.0
    jitter: bool = True

    def ceiling(self, attempt: int) -> float:
        """The longest wait after the `attempt`-th failure, seconds."""
        try:
            return float(min(self.cap, self.base * self.factor ** (attempt - 1)))
        except OverflowError:
            return float(self.cap)

    def delay(self, attempt: int) -> float:
        """How long to wait after the `attempt`-th failure, seconds."""
        ceiling = self.ceiling(attempt)
        return random.uniform(0.0, ceiling) if self.jitter else ceiling


class Retry(Exception):
    """Raised by a handler: run me again.

    Args:
        delay: Seconds to wait; the task's back-off when None.
        reason: Kept with the attempt.
    """

    def __init__(self, reason: str = "", *, delay: float | None = None) -> None:
        if delay is not None and not delay >= 0:
            raise ValueError(f"Retry(delay={delay!r}): seconds from now, 0 or more")
        self.delay = delay
        super().__init__(reason or "retry asked for")


@dataclass(frozen=True, slots=True)
class Ack:
    """Done."""


@dataclass(frozen=True, slots=True)
class RetryAfter:
    """Another attempt after `delay` seconds."""

    delay: float
    attempt: int
    reason: str


@dataclass(frozen=True, slots=True)
class Bury:
    """To the dead set."""

    reason: str


Verdict = Ack | RetryAfter | Bury


def judge(error: BaseException, *, attempt: int, max_attempts: int, backoff: Backoff) -> RetryAfter | Bury:
    """Decide about an attempt that ended in `error`: the `attempt`-th of at most `max_attempts`.

    Raises:
        TypeError: The back-off gives no number of seconds.
    """
    text = describe(error)
    if attempt >= max_attempts:
        return Bury(text if max_attempts == 1 else f"failed {attempt} times, last: {text}")
    # A subclass of the user's may not have called ours, so the delay may be missing.
    asked = getattr(error, "delay", None) if isinstance(error, Retry) else None
    delay = asked if isinstance(asked, int | float) and asked >= 0 else backoff.delay(attempt)
    if not isinstance(delay, int | float) or math.isnan(delay):
        # A subclass of the user's; Redis would refuse it when the task has left the worker's hands.
        raise TypeError(f"back-off of {delay!r} seconds"[:100])
    return RetryAfter(delay, attempt + 1, text)


def describe(error: BaseException) -> str:
    """`ValueError: bad thing`, one line, at most 500 characters, writable as UTF-8."""
    try:
        text = str(error)
    except BaseException:  # noqa: BLE001 - an exception whose text raises, whatever it raises, is still an exception
        text = "(its text cannot be read)"
    first = text.strip().splitlines()[0] if text.strip() else ""
    name = type(error).__name__
    return writable(f"{name}: {first}" if first else name)[:500]


def writable(text: str) -> str:
    """`text` with lone surrogates escaped: they come with file names and cannot be written as UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode()
