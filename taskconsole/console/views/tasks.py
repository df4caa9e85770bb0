"""The tasks of one queue, a state at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from taskconsole.backends.commands import Matching
from taskconsole.console import actions
from taskconsole.console.columns.tasks import TASKS
from taskconsole.console.feed.queries import AskTasks
from taskconsole.console.place import Place
from taskconsole.console.text.format import count
from taskconsole.console.views.paged import PagedView
from taskconsole.model.state import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.binding import BindingType

    from taskconsole.console.aim import Aim
    from taskconsole.console.feed.link import Link
    from taskconsole.console.look import Look
    from taskconsole.model.stats import QueueStats

__all__ = ["TasksView"]

BULK = (State.PENDING, State.DELAYED, State.DEAD)
"""The states whose tasks can be acted upon all at once."""

STATES = (State.PENDING, State.ACTIVE, State.DELAYED, State.DEAD, State.DONE)


class TasksView(PagedView):
    """One queue; `[` and `]` change the state, `{` and `}` the queue."""

    NAME = "tasks"
    COLUMNS = TASKS[State.PENDING]
    ACTIONS = (*actions.TABLE, *actions.TASK, *actions.QUEUE, *actions.TASKS, *actions.MATCHING)
    GROUPS = ("a task", "all of them", "a queue", "tasks", "tables", "marks", "columns", "moving")
    BINDINGS: ClassVar[list[BindingType]] = [
        *actions.bindings(actions.TASK),
        *actions.bindings(actions.QUEUE),
        *actions.bindings(actions.TASKS),
        *actions.bindings(actions.MATCHING),
    ]

    def __init__(self, look: Look) -> None:
        super().__init__(look)
        self._all = False
        """Actions are done to all that match, not to what is marked or selected."""

    def open(self, place: Place) -> None:
        """A queue that nobody named is the one that was shown last, or the fullest."""
        self._all = False
        if not place.queue:
            place = Place(view=self.NAME, queue=self.place.queue or self._fullest(), state=place.state)
        super().open(place)
        self.grid.set_columns(TASKS[place.state])
        self.empty = f"no task is {place.state}"

    @property
    def question(self) -> AskTasks | None:
        """A window of the queue's tasks."""
        if not self.place.queue:
            return None
        return AskTasks(queue=self.place.queue, state=self.place.state, offset=self.first, limit=self.limit)

    def show_link(self, link: Link) -> None:
        """The first reading says which queues there are."""
        super().show_link(link)
        if not self.place.queue and self._queues():
            self.open(self.place)
            self.ask()

    def title(self) -> str:
        """The queue, and how many tasks are in each state."""
        queue = self._stats
        counts: dict[State, int] = {}
        if queue is not None:
            counts = {
                State.PENDING: queue.pending,
                State.ACTIVE: queue.active,
                State.DELAYED: queue.delayed,
                State.DEAD: queue.dead,
            }
        words = [
            f"{state.upper() if state is self.place.state else state} {count(counts[state])}"
            if state in counts
            else (state.upper() if state is self.place.state else str(state))
            for state in STATES
        ]
        return f"{self.place.queue or 'no queue'}   [ {' | '.join(words)} ]"

    def brief(self) -> str:
        """The queue and the state."""
        return f"{self.place.queue} {self.place.state.upper()}"

    @property
    def about_height(self) -> int:
        """Half of it all for those that have failed: there is more to tell of them."""
        share = 2 if self.place.state in {State.DEAD, State.DELAYED} else 3
        return max(self.ABOUT, self.size.height // share)

    def spoken(self) -> list[str]:
        """Whether all of them are aimed at."""
        return ["ALL THAT MATCH, loaded or not (A: no more)"] if self._all else []

    @property
    def aim(self) -> Aim:
        """The queue, and what is marked or selected, or all that match."""
        stats = self._stats
        everything = self._everything()
        return replace(
            super().aim,
            queue=self.place.queue,
            paused=stats is not None and stats.paused is not None,
            state=self.place.state,
            count=self.total,
            everything=everything,
            matching=everything if self._all and isinstance(everything, Matching) else None,
        )

    def acted(self) -> None:
        """What was marked, or all that matched, is done."""
        self._all = False
        super().acted()
        self.paint()

    def set_filter(self, text: str) -> None:
        """All that match another filter were not meant."""
        self._all = False
        super().set_filter(text)

    def clear(self) -> bool:
        """Take the aim off all that match first."""
        if self._all:
            self.action_everything()
            return True
        return super().clear()

    def action_everything(self) -> None:
        """Aim at all that match, loaded or not; or no more."""
        everything = self._everything()
        if isinstance(everything, str):
            self.say(everything, ok=False)
        else:
            self._all = not self._all
            self.paint()

    def _everything(self) -> Matching | str:
        """All that match the filter, as Redis can be searched for them; or why that cannot be."""
        if self.place.state not in BULK:
            return f"{self.place.state} tasks are not acted upon all at once"
        words = self.filter_words
        if len(words) > 1 or any(sign in word for word in words for sign in "!*?"):
            return "all that match takes a filter of one plain word: mark rows, a marks all that are loaded"
        return Matching(
            queue=self.place.queue, state=self.place.state, text=words[0] if words else "", agreed=self.total
        )

    def action_state(self, step: int) -> None:
        """The tasks in the next state, or the one before."""
        at = STATES.index(self.place.state) + step
        self._change(Place(view=self.NAME, queue=self.place.queue, state=STATES[at % len(STATES)]))

    def action_queue(self, step: int) -> None:
        """The same state of the next queue, or the one before."""
        names = [queue.name for queue in self._queues()]
        if names:
            at = names.index(self.place.queue) if self.place.queue in names else 0
            self._change(Place(view=self.NAME, queue=names[(at + step) % len(names)], state=self.place.state))

    def _change(self, place: Place) -> None:
        self.open(place)
        self.ask()
        self.paint()

    @property
    def _stats(self) -> QueueStats | None:
        """The queue's figures."""
        return next((queue for queue in self._queues() if queue.name == self.place.queue), None)

    def _queues(self) -> Sequence[QueueStats]:
        return () if self.link.overview is None else self.link.overview.queues

    def _fullest(self) -> str:
        queues = self._queues()
        return max(queues, key=lambda queue: queue.pending).name if queues else ""
