"""The tasks of one queue, a state at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from taskconsole.console import actions
from taskconsole.console.columns.tasks import TASKS
from taskconsole.console.format import count
from taskconsole.console.place import Place
from taskconsole.console.queries import AskTasks
from taskconsole.console.views.paged import PagedView
from taskconsole.model.state import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.binding import BindingType

    from taskconsole.console.link import Link
    from taskconsole.model.stats import QueueStats

__all__ = ["TasksView"]

STATES = (State.PENDING, State.ACTIVE, State.DELAYED, State.DEAD, State.DONE)


class TasksView(PagedView):
    """One queue; `[` and `]` change the state, `{` and `}` the queue."""

    NAME = "tasks"
    COLUMNS = TASKS[State.PENDING]
    ACTIONS = (*actions.TABLE, *actions.TASKS)
    GROUPS = ("tasks", "tables", "marks", "columns", "moving")
    BINDINGS: ClassVar[list[BindingType]] = [*actions.bindings(actions.TASKS)]

    def open(self, place: Place) -> None:
        """A queue that nobody named is the one that was shown last, or the fullest."""
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
        queue = next((q for q in self._queues() if q.name == self.place.queue), None)
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

    def _queues(self) -> Sequence[QueueStats]:
        return () if self.link.overview is None else self.link.overview.queues

    def _fullest(self) -> str:
        queues = self._queues()
        return max(queues, key=lambda queue: queue.pending).name if queues else ""
