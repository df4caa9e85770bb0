"""Failed tasks in groups that fail alike: how many, since when, and one of them to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from taskconsole.backends.commands import Matching
from taskconsole.console import actions
from taskconsole.console.aim import Aim
from taskconsole.console.columns.failures import FAILURES
from taskconsole.console.feed.queries import AskFailures
from taskconsole.console.place import Place
from taskconsole.console.text.format import count, day_and_time
from taskconsole.console.text.lines import Line, facts
from taskconsole.console.text.safe import safe
from taskconsole.console.views.inbrief import task_lines
from taskconsole.console.views.tableview import TableView
from taskconsole.model.failure import FailureGroup, Failures
from taskconsole.model.state import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.binding import BindingType

__all__ = ["FailuresView"]

GROUP_ACTIONS = tuple(action for action in actions.TASK if action.verb in {"retry", "run", "delete", "move", "clone"})
"""What can be done to all dead tasks of a group; a clone is of the newest."""


class FailuresView(TableView[FailureGroup]):
    """The largest group first; Enter opens its newest task."""

    NAME = "failures"
    COLUMNS = FAILURES
    EMPTY = "nothing has failed"
    ACTIONS = (*actions.TABLE, *GROUP_ACTIONS)
    GROUPS = ("a task", "tables", "marks", "columns", "moving")
    BINDINGS: ClassVar[list[BindingType]] = [*actions.bindings(GROUP_ACTIONS)]

    @property
    def aim(self) -> Aim:
        """All dead tasks of the selected group; of one that has none, those that wait for another attempt."""
        group = self.grid.selected
        if group is None:
            return Aim()
        state, number = (State.DEAD, group.dead) if group.dead else (State.DELAYED, group.retrying)
        matching = Matching(queue=group.queue, state=state, group=group.key, agreed=number)
        rows = () if group.sample is None else (group.sample,)
        return Aim(queue=group.queue, state=state, rows=rows, matching=matching, everything=matching)

    @property
    def question(self) -> AskFailures:
        """A bounded look at every queue."""
        return AskFailures()

    @property
    def failures(self) -> Failures | None:
        """What was found."""
        value = None if self.answer is None else self.answer.value
        return value if isinstance(value, Failures) else None

    def loaded(self) -> Sequence[FailureGroup]:
        """The groups; of one queue when one was named."""
        found = () if self.failures is None else self.failures.groups
        return [group for group in found if self.place.queue in {"", group.queue}]

    def key(self, row: FailureGroup) -> str:
        """What makes them alike."""
        return f"{row.queue}\0{row.task}\0{row.exception}\0{row.message}"

    def name_of(self, row: FailureGroup) -> str:
        """The exception, the task and the queue."""
        return f"{row.exception} in {row.task} on {row.queue}"

    def title(self) -> str:
        """How many there are, and how far one has looked."""
        found = self.failures
        if found is None:
            return "failures"
        some = found.looked < found.total
        looked = f", of which the newest {count(found.looked)} were looked at: counts are lower bounds" if some else ""
        groups = "1 group" if len(found.groups) == 1 else f"{count(len(found.groups))} groups"
        retrying = sum(group.retrying for group in found.groups)
        return f"failures   {groups}   {count(found.total)} dead{looked}   {count(retrying)} wait for another attempt"

    def inside(self, row: FailureGroup) -> Place | None:
        """The newest of them, in full."""
        sample = row.sample
        if sample is None:
            return None
        return Place(view="task", queue=sample.queue, state=sample.state, key=sample.id or sample.name, subject=sample)

    @property
    def about_height(self) -> int:
        """Two fifths of it all: a group is as clear as one of its tasks."""
        return max(self.ABOUT, self.size.height * 2 // 5)

    def about(self, row: FailureGroup, width: int) -> Sequence[Line]:
        """When, and what the newest says."""
        first = "?" if row.first is None else day_and_time(row.first)
        last = "?" if row.last is None else day_and_time(row.last)
        counts = f"{count(row.dead)} dead, {count(row.retrying)} wait for another attempt"
        seen = [("seen", f"first {first}   last {last}"), ("counts", counts)]
        told = facts(seen, width, self.look.glyphs)
        if row.sample is None:
            return told
        newest = facts([("newest", safe(row.sample.id or "no id", 200))], width, self.look.glyphs)
        return [*told, *newest, *task_lines(row.sample, self.now, width, self.about_height - 4, self.look)]
