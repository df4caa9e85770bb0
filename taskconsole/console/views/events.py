"""What happens, as it happens, and before that what the capped logs have kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from taskconsole.console import actions
from taskconsole.console.feed.queries import AskHistory
from taskconsole.console.views.view import Exported, View
from taskconsole.console.widgets.eventlog import EventLog
from taskconsole.model.secrecy import concealed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult
    from textual.binding import BindingType

    from taskconsole.console.feed.queries import Answer
    from taskconsole.console.look import Look
    from taskconsole.console.place import Place
    from taskconsole.model.event import Event

__all__ = ["EventsView"]


class EventsView(View):
    """The log over the whole body."""

    NAME = "events"
    ACTIONS = actions.LOG
    GROUPS = ("events", "moving")
    BINDINGS: ClassVar[list[BindingType]] = []
    DEFAULT_CSS = "EventsView { & > .log { height: 1fr; } }"

    def __init__(self, look: Look) -> None:
        super().__init__(look)
        self.log_of_events = EventLog(glyphs=look.glyphs, classes="log")
        self._asked = False

    def compose(self) -> ComposeResult:
        """One log."""
        yield self.log_of_events

    @property
    def question(self) -> AskHistory | None:
        """What was before, once."""
        return None if self._asked else AskHistory()

    @property
    def filter_text(self) -> str:
        """The filter that is in force."""
        return self.log_of_events.filter.text

    def open(self, place: Place) -> None:
        """A queue that was named is the filter."""
        super().open(place)
        if place.queue:
            self.log_of_events.set_filter(place.queue)

    def show_answer(self, answer: Answer) -> None:
        """What was before goes below what has come since."""
        if answer.query == self.question and isinstance(answer.value, tuple):
            self._asked = True
            self.log_of_events.add_history([concealed(event, self.look.masked) for event in answer.value])
            self.ask()

    def show_events(self, arrived: Sequence[Event], lost: int, seconds: float) -> None:
        """On top."""
        self.log_of_events.add(arrived, lost, seconds)

    def forget(self, past: Sequence[Event]) -> None:
        """Other events, and before them what the log had kept then."""
        super().forget(past)
        self._asked = False
        self.log_of_events.start_over([concealed(event, self.look.masked) for event in past])

    def set_filter(self, text: str) -> None:
        """Show only what passes, of what has come and of what comes."""
        self.log_of_events.set_filter(text)

    def seek(self, direction: int) -> None:
        """Scroll to the next line."""
        self.log_of_events.action_move(direction)

    def clear(self) -> bool:
        """Take the filter away."""
        if not self.filter_text:
            return False
        self.set_filter("")
        return True

    def copied(self) -> tuple[str, str]:
        """The event at the top of what is seen."""
        event = self.log_of_events.first
        return ("", "") if event is None else (event.id or event.text or event.task, "id" if event.id else "event")

    def exported(self) -> Exported:
        """All that is kept and passes the filter, newest first."""
        headings = ["at", "queue", "event", "n", "task", "id", "worker", "by", "ms", "attempt", "text"]
        rows: list[list[object]] = [
            [e.at, e.queue, str(e.kind), e.n, e.task, e.id, e.worker, e.by, e.ms, e.attempt, e.text]
            for e in self.log_of_events.shown
        ]
        return headings, rows
