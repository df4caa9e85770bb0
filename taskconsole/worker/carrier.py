"""Tasks of the public delayed set, taken to their queues where those lie on other nodes of a cluster."""

from __future__ import annotations

import logging
import secrets
from typing import TYPE_CHECKING

from taskconsole.errors import ConfigError, StoreError, StoreUnavailable
from taskconsole.store.carrying import CarryStore, Move
from taskconsole.store.keys import DEFAULT_QUEUE, check_queue_name
from taskconsole.worker.logs import RateLimit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from taskconsole.store.tasks import TaskStore
    from taskconsole.store.wire import AsyncWire
    from taskconsole.worker.server_clock import ServerClock

__all__ = ["Carrier"]

log = logging.getLogger(__name__)

ABANDONED = 5.0
"""Seconds after which a move that has not arrived is taken up by another."""


class Carrier:
    """Carries tasks. Any number may: each move is carried out once."""

    def __init__(self, *, store: TaskStore, wire: AsyncWire, clock: ServerClock) -> None:
        self._store, self._wire, self._clock = store, wire, clock
        self._carrying = CarryStore(store.names)
        self._complain = RateLimit(10)

    async def carry(self, queue: str, payloads: Sequence[bytes]) -> int:
        """Take due members of the public set to `queue`; returns how many tasks are pending there because of it."""
        move = Move.of(secrets.token_hex(8), queue)
        luggage = await self._wire.run(self._carrying.depart(move, payloads, only_due=True))
        return await self._deliver(move, luggage) if luggage else 0

    async def take_up(self) -> int:
        """Finish what others have left under way; returns as `carry`."""
        moved = 0
        for move in await self._wire.run(self._carrying.under_way(self._clock.now() - ABANDONED)):
            moved += await self._deliver(move, await self._wire.run(self._carrying.carried(move)))
        return moved

    async def _deliver(self, move: Move, luggage: list[tuple[str, bytes]]) -> int:
        queue = _checked(move.queue)
        if luggage:
            try:
                await self._wire.run(self._carrying.deliver(move, luggage, queue))
            except StoreError as error:
                if queue == DEFAULT_QUEUE:
                    raise
                # They must not be under way for ever.
                if self._complain(queue):
                    log.error("carried to the default queue instead", extra={"queue": queue, "reason": str(error)})  # noqa: TRY400
                queue = DEFAULT_QUEUE
                await self._wire.run(self._carrying.deliver(move, luggage, queue))
        for call in self._carrying.arrive(move):
            await self._wire.run(call)
        if queue != DEFAULT_QUEUE:
            await self._wire.run(self._store.announce(queue))
        try:
            return (await self._wire.run(self._store.promote(self._store.names.of(queue).delayed, queue))).moved
        except StoreUnavailable:
            return 0  # they are in a delayed set like others: whoever watches it moves them


def _checked(queue: str) -> str:
    """The queue of a move; anybody may have written it."""
    try:
        return check_queue_name(queue)
    except ConfigError:
        return DEFAULT_QUEUE
