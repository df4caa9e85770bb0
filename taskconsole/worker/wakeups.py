"""Hearing that something is due earlier than what the services sleep for. A hint: nobody needs it for progress."""

from __future__ import annotations

from typing import TYPE_CHECKING

from taskconsole.store.events import subscribe
from taskconsole.store.keys import COMMAND, LISTEN, NEXT, SCHEDULES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from taskconsole.config import Settings

__all__ = ["Wakeups"]


class Wakeups:
    """Listens on the wake channels of some queues.

    Args:
        channels: The wake channels, each with its queue; "" for the public delayed set's.
        on_listener: Called when somebody has begun to listen for events, or an operator wants something of a worker.
        on_schedules: Called with a queue whose schedules have changed, and True when it was by hand.
        on_due: Called with a channel and the time (seconds since the epoch) of an earlier delayed task.
    """

    def __init__(
        self,
        channels: Mapping[str, str],
        *,
        settings: Settings,
        on_listener: Callable[[], None],
        on_schedules: Callable[[str, bool], None],
        on_due: Callable[[str, float], None],
    ) -> None:
        self._channels, self._settings = dict(channels), settings
        self._on_listener, self._on_schedules, self._on_due = on_listener, on_schedules, on_due

    async def run(self) -> None:
        """Until cancelled."""
        async for channel, message in subscribe(self._settings, list(self._channels)):
            queue = self._channels.get(channel)
            if queue is not None:
                self._hear(channel, queue, message)

    def _hear(self, channel: str, queue: str, message: str) -> None:
        if message in {LISTEN, COMMAND}:
            self._on_listener()
        elif message in {NEXT, SCHEDULES}:
            self._on_schedules(queue, message == SCHEDULES)
        else:
            try:
                due = float(message)
            except ValueError:
                return  # anybody may publish anything
            self._on_due(channel, due)
