"""The delayed tasks of all queues: the most overdue first, then counting down."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from taskconsole.console import actions
from taskconsole.console.columns.tasks import ALL_DELAYED
from taskconsole.console.feed.queries import AskDelayed
from taskconsole.console.text.format import count
from taskconsole.console.views.paged import PagedView
from taskconsole.model.phrase import in_milliseconds

if TYPE_CHECKING:
    from textual.binding import BindingType

    from taskconsole.console.aim import Aim

__all__ = ["DelayedView"]


class DelayedView(PagedView):
    """By due time; what is past its time says OVERDUE."""

    NAME = "delayed"
    COLUMNS = ALL_DELAYED
    EMPTY = "nothing is delayed"
    ACTIONS = (*actions.TABLE, *actions.TASK)
    GROUPS = ("a task", "tables", "marks", "columns", "moving")
    BINDINGS: ClassVar[list[BindingType]] = [*actions.bindings(actions.TASK)]

    @property
    def aim(self) -> Aim:
        """What is marked or selected; of several queues, so not all that match."""
        return replace(super().aim, everything="all of one queue only: 2 shows its tasks, then D")

    @property
    def about_height(self) -> int:
        """A third of it all."""
        return max(self.ABOUT, self.size.height // 3)

    @property
    def question(self) -> AskDelayed:
        """A window over all queues."""
        return AskDelayed(offset=self.first, limit=self.limit)

    def title(self) -> str:
        """How many there are, and how many should have gone."""
        queues = () if self.link.overview is None else self.link.overview.queues
        overdue = sum(queue.overdue for queue in queues)
        late = f"   {count(overdue)} OVERDUE: no live worker or scheduler promotes them" if overdue else ""
        wrong = sum(in_milliseconds(row.at) for row in self.grid.rows)
        far = f"   {count(wrong)} IN MILLISECONDS? s sets another time" if wrong else ""
        return f"delayed   {count(self.total)} tasks of all queues{far}{late}"
