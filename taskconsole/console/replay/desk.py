"""The screen around the views of a recording: the same, with a line that shows where one is, and keys to move."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar

from taskconsole.console import actions
from taskconsole.console.desk import Desk
from taskconsole.console.messages import MoveTo
from taskconsole.console.replay.link import ReplayLink
from taskconsole.console.replay.timeline import timeline

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.binding import BindingType

    from taskconsole.console.feed.link import Link
    from taskconsole.model.event import Event
    from taskconsole.model.recording import Mark
    from taskconsole.model.stats import Overview

__all__ = ["ReplayDesk"]

READ_IN = 5.0
"""Seconds for which what was said stays on the line of the bar."""


class ReplayDesk(Desk):
    """`marks`, `began` and `ended` are the recording's, for the bar."""

    BINDINGS: ClassVar[list[BindingType]] = [*actions.bindings(actions.REPLAY)]
    marks: Sequence[Mark] = ()
    began = ended = 0.0
    _said_at = 0.0

    def forget(self, past: Sequence[Event]) -> None:
        """Another time is looked at; `past` had happened by then."""
        self._found = []
        for view in self._views.values():
            view.forget(past)
        self._watch(self.view.question)

    def recall(self, readings: Sequence[Overview]) -> None:
        """Readings between the last snapshot and the next."""
        for view in self._views.values():
            view.recall(readings)

    def show_link(self, link: Link) -> None:
        """Another moment, maybe of another server."""
        if link.overview is not None:
            self._address = link.overview.server.address
        super().show_link(link)

    def show_status(self, text: str, *, ok: bool = True, tail: str = "") -> None:
        """Say it in the place of the bar, for a while."""
        self._said_at = time.monotonic()
        super().show_status(text, ok=ok, tail=tail)

    def paint(self) -> None:
        """The bar is where others have what was done last: nothing is done here."""
        super().paint()
        link = self._link
        if isinstance(link, ReplayLink) and time.monotonic() - self._said_at > READ_IN and not self.prompt.is_open:
            self.status.show(
                timeline(link, self.began, self.ended, self.marks, self.size.width, self.look.glyphs),
            )

    def tick(self) -> None:
        """Once a second; what was said gives way to the bar."""
        self.paint()

    def offered(self) -> list[actions.Action]:
        """What moves in time comes first."""
        return [*actions.REPLAY, *super().offered()]

    def action_pace(self) -> None:
        """What is recorded was read as often as it was."""
        self.show_status("< and > change how fast time passes", ok=False)

    def ask_for_a_time(self) -> None:
        """Type where to go."""
        self.add_class("-typing")
        self.prompt.begin(":", "at ")

    async def obey(self, text: str) -> None:
        """`at` is a command here."""
        word, _, rest = text.strip().partition(" ")
        if word != "at":
            await super().obey(text)
            return
        self._history.add(text)
        self.app.post_message(MoveTo(rest))
