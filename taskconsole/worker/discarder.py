"""What purges took away is freed when it is too late for undo.

Left to expire, a million tasks of a sorted set keep Redis from answering for seconds; freed by a command they are freed
in the background. They expire all the same a little later, for where no worker and no scheduler runs.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING

from taskconsole.errors import StoreError, StoreUnavailable
from taskconsole.worker.logs import RateLimit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from taskconsole.store.operations import OperationStore
    from taskconsole.store.wire import AsyncWire
    from taskconsole.worker.server_clock import ServerClock

__all__ = ["Discarder"]

log = logging.getLogger(__name__)

LOOK = 30.0
"""Seconds between looks: some of them fall into the time between the last undo and the expiry."""


class Discarder:
    """Looks after the trash of some queues. Any number may run."""

    def __init__(
        self, queues: Sequence[str], *, operations: OperationStore, wire: AsyncWire, clock: ServerClock
    ) -> None:
        self._queues, self._operations, self._wire, self._clock = queues, operations, wire, clock
        self._complain = RateLimit(600)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(LOOK)
            # In an outage nothing can be freed, and nothing expires.
            with suppress(StoreUnavailable):
                await self.run_once()

    async def run_once(self) -> int:
        """Free what is due; returns how many purges' trash."""
        freed = 0
        for queue in self._queues:
            try:
                freed += await self._free(queue)
            except StoreError as error:
                if self._complain(queue):
                    log.warning("trash is left to expire", extra={"queue": queue, "reason": str(error)})
        return freed

    async def _free(self, queue: str) -> int:
        tokens = await self._wire.run(self._operations.discards(queue, self._clock.now()))
        return await self._wire.run(self._operations.discard(queue, tokens)) if tokens else 0
