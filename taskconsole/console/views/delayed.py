"""The delayed tasks of all queues: the most overdue first, then counting down."""

from __future__ import annotations

from typing import TYPE_CHECKING

from taskconsole.console.columns.tasks import ALL_DELAYED
from taskconsole.console.format import count, day_and_time, in_or_ago
from taskconsole.console.lines import Line, Tone, cell
from taskconsole.console.queries import AskDelayed
from taskconsole.console.safe import safe
from taskconsole.console.views.paged import PagedView

if TYPE_CHECKING:
    from collections.abc import Sequence

    from taskconsole.model.stats import TaskRow

__all__ = ["DelayedView"]


class DelayedView(PagedView):
    """By due time; what is past its time says OVERDUE."""

    NAME = "delayed"
    COLUMNS = ALL_DELAYED
    EMPTY = "nothing is delayed"

    @property
    def question(self) -> AskDelayed:
        """A window over all queues."""
        return AskDelayed(offset=self.first, limit=self.limit)

    def title(self) -> str:
        """How many there are, and how many should have gone."""
        queues = () if self.link.overview is None else self.link.overview.queues
        overdue = sum(queue.overdue for queue in queues)
        late = f"   {count(overdue)} OVERDUE: no live worker or scheduler promotes them" if overdue else ""
        return f"delayed   {count(self.total)} tasks of all queues{late}"

    def about(self, row: TaskRow, width: int) -> Sequence[Line]:
        """When it is due, its arguments, and why it waits."""
        due = "?" if row.at is None else f"{day_and_time(row.at)}  {in_or_ago(row.at, self.now)}"
        lines = [("due", due), ("args", safe(row.args, 400) or "none"), ("error", safe(row.error, 400) or "-")]
        room = max(0, width - 9)
        return [
            ((f" {label:<8}", Tone.QUIET), (cell(text, room, glyphs=self.look.glyphs), Tone.PLAIN))
            for label, text in lines
        ]
