"""Tasks that were in the hands of a worker when it died.

One of them may have killed it, and it is not known which. So each is named in Redis before it starts: when the worker
dies again, only those that had started are counted another death. What has died with two workers runs alone, one task
at a time. So a neighbour of a poisonous task is not buried for it.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import defaultdict
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from taskconsole.worker.lane import Lane

__all__ = ["Suspects", "fingerprint"]

ALONE_FROM = 2
"""Deaths after which a task no longer runs beside others of its kind."""

ALONE = 5.0
"""Seconds a suspect runs before the next one may start too: a poisonous task kills soon, a long one must not block."""


def fingerprint(payload: bytes) -> str:
    """A short name for a payload."""
    return hashlib.sha1(payload, usedforsecurity=False).hexdigest()[:16]


class Suspects:
    """Names suspects, and lets the worst of them start one after the other."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._named: defaultdict[Lane, list[str]] = defaultdict(list)

    @property
    def busy(self) -> bool:
        """True while one runs alone."""
        return self._turn.locked()

    @asynccontextmanager
    async def named(self, lane: Lane, payload: bytes, *, alone: bool) -> AsyncIterator[None]:
        """Name the payload in Redis, `alone` after waiting for a turn, and take the name away at the end."""
        if alone:
            await self._turn.acquire()
        let_go = _Once(self._turn if alone else None)
        name, named = fingerprint(payload), self._named[lane]
        try:
            named.append(name)
            await lane.name_suspects(named)
            timer = asyncio.get_running_loop().call_later(ALONE, let_go)
            try:
                yield
            finally:
                timer.cancel()
                named.remove(name)
                # Not waited for: a name that stays too long can only cost a death of this worker one count more.
                lane.name_suspects_soon(named)
        finally:
            let_go()


class _Once:
    """Releases a lock, the first time it is called."""

    def __init__(self, lock: asyncio.Lock | None) -> None:
        self._lock = lock

    def __call__(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None
