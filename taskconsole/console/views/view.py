"""The base of all views: what the screen around them asks of each, and how they answer."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual.widget import Widget

from taskconsole.backends.base import Can
from taskconsole.console.actions import Action, Danger
from taskconsole.console.aim import Aim
from taskconsole.console.feed.link import Link
from taskconsole.console.messages import Ask, Go, Say
from taskconsole.console.place import Place
from taskconsole.console.secrets import concealed
from taskconsole.console.text.safe import safe
from taskconsole.model.reach import BY_ITSELF, Reach

if TYPE_CHECKING:
    from collections.abc import Sequence

    from taskconsole.console.feed.queries import Answer, Query
    from taskconsole.console.look import Look
    from taskconsole.model.event import Event
    from taskconsole.model.stats import Overview

__all__ = ["Exported", "View"]

Exported = tuple[list[str], list[list[object]]]
"""Headings, and rows of values that are not yet made safe."""


class View(Widget):
    """Shows links, answers and events as it is given them; asks by `question`, acts by messages; does no I/O.

    Args:
        look: How the console is to be.
    """

    NAME: ClassVar[str]
    """As in a `Place`."""
    ACTIONS: ClassVar[tuple[Action, ...]] = ()
    """Its own, for the footer and the help; the bindings are made from them."""
    GROUPS: ClassVar[tuple[str, ...]] = ()
    """The groups of `actions.GROUPS` that the help shows for it, besides those that work everywhere."""
    DEFAULT_CSS = "View { height: 1fr; layout: vertical; overflow: hidden; background: $background; }"

    def __init__(self, look: Look) -> None:
        super().__init__()
        self.look = look
        self.place = Place(view=self.NAME)
        self.link = Link()
        self.answer: Answer | None = None
        """The newest answer to the question; None while there is none."""

    # -- what a view says of itself

    @property
    def question(self) -> Query | None:
        """What it wants to know now; None when the overview is enough."""
        return None

    @property
    def crumbs(self) -> tuple[str, ...]:
        """Where one is, from the outside to the inside; not yet made safe."""
        return ()

    @property
    def filter_text(self) -> str:
        """The filter that is in force."""
        return ""

    @property
    def aim(self) -> Aim:
        """What an action would be done to."""
        return Aim()

    def acted(self) -> None:
        """What the aim was is done: nothing is marked any more."""

    def copied(self) -> tuple[str, str]:
        """What `y` copies, and what that is; an empty text when nothing is selected."""
        return "", ""

    def copies(self) -> list[tuple[str, str]]:
        """What else can be copied, as (what it is, the text)."""
        return []

    def exported(self) -> Exported:
        """All that is loaded and passes the filter, for a file."""
        return [], []

    def paint(self) -> None:
        """Show all that is known now; what has not changed is not written."""

    # -- what it is told

    def look_so(self, look: Look) -> None:
        """Be like this from now on; what was shown otherwise has to be asked for again."""
        self.look = look
        self.answer = None

    def open(self, place: Place) -> None:
        """Show this from now on; what was known of it, when one comes back, stands until there is better."""
        if place != self.place:
            self.answer = None
        self.place = place

    @property
    def reach(self) -> Reach:
        """What a command has to be told to meet the server that is looked at."""
        return BY_ITSELF if self.link.overview is None else self.link.overview.reach

    def show_link(self, link: Link) -> None:
        """A newer snapshot."""
        self.link = link
        self.paint()

    def show_answer(self, answer: Answer) -> None:
        """A newer answer; one to another question is of no use any more."""
        if answer.query != self.question:
            return
        answer = replace(answer, value=concealed(answer.value, self.look.masked))
        if answer.error and not answer.void and self.answer is not None and self.answer.value is not None:
            # What was known stays, and says why it is old.
            self.answer = replace(answer, value=self.answer.value, at=self.answer.at)
        else:
            self.answer = answer
        self.paint()

    def show_events(self, arrived: Sequence[Event], lost: int, seconds: float) -> None:
        """Events that have arrived during the last `seconds`, and how many more could not be kept."""

    def forget(self, past: Sequence[Event]) -> None:  # noqa: ARG002 (for those that keep events)
        """Another time is looked at: what was learnt up to now is not so; `past` had happened by then."""
        self.answer = None

    def recall(self, readings: Sequence[Overview]) -> None:
        """Readings of between the last snapshot and the next, for views that remember."""

    def set_filter(self, text: str) -> None:
        """Show only what passes."""

    def seek(self, direction: int) -> None:  # noqa: ARG002 (for those that can)
        """Go to the next (1) or previous (-1) match of the last filter."""
        self.say("nothing to search here", ok=False)

    def clear(self) -> bool:
        """Take the filter away, or the marks; False when there was neither."""
        return False

    # -- what it can do

    @property
    def now(self) -> float:
        """Seconds since the epoch by the server's clock; this machine's while there is none."""
        return self.link.server_now(time.monotonic()) or time.time()

    @property
    def unknown(self) -> str:
        """Why there is no answer; safe."""
        return safe(self.answer.error, 300) if self.answer is not None and self.answer.error else "reading …"

    @property
    def missing(self) -> str:
        """Why there is nothing to be told of the one thing that was asked for; an error is told elsewhere."""
        if self.answer is None:
            return "reading …"
        return "" if self.answer.error else "not there"

    def go(self, place: Place) -> None:
        """Open another view."""
        self.post_message(Go(place))

    def ask(self) -> None:
        """The question is another one now."""
        self.post_message(Ask())

    def say(self, text: str, *, ok: bool = True) -> None:
        """Put a sentence on the line of the last action."""
        self.post_message(Say(text, ok))

    def allowed(self, action: Action) -> bool:
        """Whether an action has a key here and now."""
        writes = action.danger > Danger.NONE
        if action.verb == "hire" and self.look.crew.start is None:
            return False
        return not (writes and self.look.read_only) and action.needs in (self.link.can | Can.READ)

    def allowed_of(self, group: tuple[Action, ...]) -> tuple[Action, ...]:
        """Those of a group that have a key; the group itself when all have."""
        found = tuple(action for action in group if self.allowed(action))
        return group if len(found) == len(group) else found

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Actions that the backend cannot do, or that would write when nothing may, have no key."""
        wanted = next((a for a in self.ACTIONS if a.name == action), None)
        return wanted is None or self.allowed(wanted)
