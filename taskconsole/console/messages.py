"""What the feed's threads tell the console. They carry no figures, only that there is something to take.

A console that is behind therefore holds one message and the newest snapshot, not a queue of old ones.
"""

from __future__ import annotations

from dataclasses import dataclass

from textual.message import Message

__all__ = ["ActionEnded", "EventsWaiting", "LinkChanged"]


@dataclass
class LinkChanged(Message):
    """There is a newer `Link`: take it with `Feed.take_link`."""

    def can_replace(self, message: Message) -> bool:
        """One is as good as many."""
        return isinstance(message, LinkChanged)


@dataclass
class EventsWaiting(Message):
    """The inbox is no longer empty: drain it with `Feed.take_events`."""

    def can_replace(self, message: Message) -> bool:
        """One is as good as many."""
        return isinstance(message, EventsWaiting)


@dataclass
class ActionEnded(Message):
    """An operator's command was carried out or refused; `text` is not yet made safe."""

    text: str
    ok: bool
