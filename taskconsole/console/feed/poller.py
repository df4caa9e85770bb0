"""Readings, one after another: what is read, how often, and what happens when it fails."""

from __future__ import annotations

import random
import time
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from taskconsole.console.feed.link import Link, Phase
from taskconsole.console.feed.rates import Rates
from taskconsole.errors import AccessDenied, ConfigError, ServerTooOld, TaskconsoleError

if TYPE_CHECKING:
    from collections.abc import Callable

    from taskconsole.backends.base import Backend

__all__ = ["BLURRED", "FOCUSED", "Poller", "backoff"]

FOCUSED = 1.0
BLURRED = 5.0
"""Seconds between readings while the terminal has the focus, and while it has not."""

COST_OVER = 4.0
"""Seconds over which its own cost is averaged: views ask every one, two or three."""

FIRST_RETRY, LAST_RETRY = 0.5, 10.0
FOREVER = float("inf")


def backoff(failures: int, jitter: Callable[[], float] = random.random) -> float:
    """Seconds to wait after that many failures in a row: 0.5 doubling to 10, less up to a third at random."""
    exact = min(LAST_RETRY, FIRST_RETRY * 2.0 ** min(max(0, failures - 1), 10))
    return exact * (1 - jitter() / 3)


class Poller:
    """Reads overviews and publishes what it knows after each attempt.

    Args:
        connect: Makes the backend; may raise any TaskconsoleError.
        publish: Gets a new `Link` after every attempt.
        gap: Gets a sentence when the readings before and after are of different servers.
    """

    def __init__(
        self, connect: Callable[[], Backend], publish: Callable[[Link], None], gap: Callable[[str], None]
    ) -> None:
        self._connect = connect
        self._publish = publish
        self._gap = gap
        self._rates = Rates()
        self._link = Link()
        self.backend: Backend | None = None
        """None until the first connection."""
        self.focused = True
        self.wished = FOCUSED
        """Seconds between readings while somebody looks."""
        self._sent: deque[tuple[float, int]] = deque()
        """(when, commands so far) of the last readings."""

    def run_once(self) -> float:
        """Read once and publish; returns the seconds to the next, infinite if only a key may start it."""
        started = time.monotonic()
        try:
            if self.backend is None:
                self.backend = self._connect()
            overview = self.backend.overview()
        except (AccessDenied, ServerTooOld, ConfigError) as error:
            # The same question would get the same answer, and a locked account for it.
            return self._denied(str(error))
        except TaskconsoleError as error:
            return self._failed(str(error))
        except Exception as error:  # noqa: BLE001 (the console stays, whatever a backend does)
            # Only the type: the text of an unforeseen error may hold anything, also a password.
            return self._failed(f"unexpected {type(error).__name__} in the backend")
        self._note_restart(overview.server.run_id)
        now = time.monotonic()
        wished = self.wished if self.focused else max(BLURRED, self.wished)
        interval = max(wished, 5 * (now - started), 4 * overview.rtt)
        before = self._link.rtt or overview.rtt
        self._link = Link(
            phase=Phase.LIVE,
            overview=self._rates.apply(overview),
            read_at=now,
            interval=interval,
            slow=interval > wished,
            rtt=0.7 * before + 0.3 * overview.rtt,
            can=self.backend.can,
            cost=self._cost(self.backend, now),
        )
        self._publish(self._link)
        return interval

    def _cost(self, backend: Backend, now: float) -> float:
        """Commands a second that all of this console has sent lately; 0 before there are two readings."""
        self._sent.append((now, backend.commands))
        while len(self._sent) > 2 and now - self._sent[1][0] >= COST_OVER:
            self._sent.popleft()
        (first, before), (_, sent) = self._sent[0], self._sent[-1]
        return (sent - before) / (now - first) if now > first else 0.0

    def close(self) -> None:
        """Let go of the backend's connections."""
        if self.backend is not None:
            self.backend.close()

    def _failed(self, error: str) -> float:
        now = time.monotonic()
        failures = self._link.failures + 1
        delay = backoff(failures)
        since = self._link.since if self._link.phase is Phase.DISCONNECTED else now
        self._publish_down(Phase.DISCONNECTED, error, failures=failures, since=since, retry_at=now + delay)
        return delay

    def _denied(self, error: str) -> float:
        self._publish_down(Phase.DENIED, error, failures=0, since=time.monotonic(), retry_at=0.0)
        return FOREVER

    def _publish_down(self, phase: Phase, error: str, *, failures: int, since: float, retry_at: float) -> None:
        self._link = replace(self._link, phase=phase, error=error, failures=failures, since=since, retry_at=retry_at)
        self._publish(self._link)

    def _note_restart(self, run_id: str) -> None:
        before = self._link.overview
        if before is not None and before.server.run_id != run_id:
            self._gap("another server answers: restart or failover")
