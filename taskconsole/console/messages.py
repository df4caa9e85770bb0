"""What the feed's threads tell the console, and what views ask of the screen around them.

Messages of the feed carry no figures, only that there is something to take. A console that is behind therefore
holds one message and the newest snapshot, not a queue of old ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from taskconsole.console.place import Place
    from taskconsole.console.saving.export import Kind

__all__ = [
    "AnswerChanged",
    "Ask",
    "Change",
    "EventsWaiting",
    "Go",
    "LinkChanged",
    "MoveTo",
    "Pace",
    "RecordingEnded",
    "Saving",
    "Say",
]


@dataclass
class LinkChanged(Message):
    """There is a newer `Link`: take it with `Feed.take_link`."""

    def can_replace(self, message: Message) -> bool:
        """One is as good as many."""
        return isinstance(message, LinkChanged)


@dataclass
class AnswerChanged(Message):
    """There is a newer `Answer`: take it with `Feed.take_answer`."""

    def can_replace(self, message: Message) -> bool:
        """One is as good as many."""
        return isinstance(message, AnswerChanged)


@dataclass
class EventsWaiting(Message):
    """The inbox is no longer empty: drain it with `Feed.take_events`."""

    def can_replace(self, message: Message) -> bool:
        """One is as good as many."""
        return isinstance(message, EventsWaiting)


@dataclass
class MoveTo(Message):
    """Another moment of a recording is wanted; as typed."""

    text: str


@dataclass
class RecordingEnded(Message):
    """Nothing more is recorded; `why` is not yet made safe."""

    why: str


@dataclass
class Go(Message):
    """A view wants another to be opened."""

    place: Place


@dataclass
class Ask(Message):
    """A view has another question than before: `View.query` says which."""


@dataclass
class Say(Message):
    """A view has something to say on the line of the last action; not yet made safe."""

    text: str
    ok: bool = True


@dataclass
class Saving(Message):
    """What the view shows is to be saved as a file."""

    kind: Kind
    file: str
    """As typed; empty for a name of our own."""


@dataclass
class Change(Message):
    """Another server is to be looked at; without a name one of them is to be chosen."""

    name: str | None


@dataclass
class Pace(Message):
    """The overview is to be read more seldom, or often again."""
