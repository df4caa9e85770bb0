"""The capped logs of several queues as one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from taskconsole.backends.merging import merged
from taskconsole.errors import TaskconsoleError, WrongType
from taskconsole.model.event import decode_event
from taskconsole.store.reading import ReadingStore

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from taskconsole.backends.merging import Want
    from taskconsole.model.event import Event
    from taskconsole.store.call import Call
    from taskconsole.store.keys import Namespace

__all__ = ["EventLogs"]

MOST = 1_000
"""Entries of all logs together."""

_Logged = tuple[str, bytes]
"""An entry's id in its stream, and the event."""


class EventLogs:
    """Reads the logs.

    Args:
        names: The key names to use.
        ask: Carries out calls in one round trip; a refused one yields its error in its place.
    """

    def __init__(self, names: Namespace, ask: Callable[[list[Call[Any]]], list[Any]]) -> None:
        self._names, self._ask, self._reading = names, ask, ReadingStore(names)

    def newest(self, queues: Sequence[str], count: int) -> list[Event]:
        """The newest `count` (1 to 1,000) events of these queues in the order Redis took them, oldest first.

        About `count` + 8 x queues entries are read. With one queue a log that is none raises `WrongType`; with more
        it is left out.
        """
        count = max(1, min(count, MOST))
        entries = merged(len(queues), count, lambda wants: self._read_on(queues, wants))
        events: list[Event] = []
        for entry in reversed(entries):
            # What is not ours names no time; the stream does.
            channel, at = self._names.of(queues[entry.source]).channel, -entry.key[0] / 1000
            events += decode_event(entry.item[1], channel=channel.removeprefix(self._names.prefix), now=at)
        return events[-count:]

    def _read_on(
        self, queues: Sequence[str], wants: Sequence[Want[_Logged]]
    ) -> list[list[tuple[tuple[float, ...], _Logged]]]:
        answers = self._ask(
            [
                self._reading.log(self._names.of(queues[want.source]), want.most, want.last[0] if want.last else "")
                for want in wants
            ]
        )
        for answer in answers:
            if isinstance(answer, TaskconsoleError) and (len(queues) == 1 or not isinstance(answer, WrongType)):
                raise answer
        return [
            [(_newest_first(one[0]), one) for one in answer] if isinstance(answer, list) else [] for answer in answers
        ]


def _newest_first(entry_id: str) -> tuple[float, ...]:
    """Milliseconds and number within, so that the newest is the smallest."""
    ms, _, number = entry_id.partition("-")
    return (-int(ms), -int(number))
