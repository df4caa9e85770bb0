"""Who works: each worker process, how it is, and what it runs now and for how long."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from taskconsole.console import actions
from taskconsole.console.aim import Aim
from taskconsole.console.columns.workers import WORKERS, WorkerRow, by_process
from taskconsole.console.feed.queries import AskWorkers
from taskconsole.console.place import Place
from taskconsole.console.text.format import day_and_time, duration
from taskconsole.console.text.lines import Line, facts
from taskconsole.console.text.safe import safe
from taskconsole.console.views.tableview import TableView

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.binding import BindingType

__all__ = ["WorkersView"]


ROOMY = 30
"""Lines from which on there is room for more than the least."""


class WorkersView(TableView[WorkerRow]):
    """One row a process; Enter shows all that is known of it."""

    NAME = "workers"
    COLUMNS = WORKERS
    EMPTY = "no worker has registered"
    ACTIONS = (*actions.TABLE, *actions.WORKER)
    GROUPS: ClassVar[tuple[str, ...]] = ("a worker", "tables", "marks", "columns", "moving")
    BINDINGS: ClassVar[list[BindingType]] = [*actions.bindings(actions.WORKER)]

    @property
    def aim(self) -> Aim:
        """The selected worker."""
        row = self.grid.selected
        return Aim() if row is None else Aim(worker=row.parts)

    @property
    def question(self) -> AskWorkers:
        """Every worker of every queue."""
        return AskWorkers()

    def loaded(self) -> Sequence[WorkerRow]:
        """In the order of their queues."""
        value = None if self.answer is None else self.answer.value
        return by_process(value, self.now) if isinstance(value, tuple) else ()

    def key(self, row: WorkerRow) -> str:
        """Its id."""
        return row.one.id

    def title(self) -> str:
        """How many there are, and how many of them live."""
        rows = self.loaded()
        gone = sum(row.state == "GONE" for row in rows)
        return f"workers   {len(rows) - gone} alive" + (f", {gone} GONE" if gone else "")

    def inside(self, row: WorkerRow) -> Place:
        """All that is known of it."""
        return Place(view="worker", key=row.one.id)

    @property
    def about_height(self) -> int:
        """Room for a line for each task where there is some."""
        return self.ABOUT if self.size.height < ROOMY else self.size.height // 2

    def about(self, row: WorkerRow, width: int) -> Sequence[Line]:
        """What it runs, and where it is."""
        one = row.one
        started = "?" if one.started is None else day_and_time(one.started)
        skew = "" if one.skew is None or abs(one.skew) < 1 else f"   its clock is off by {one.skew:+.1f}s"
        known = [
            ("where", f"{safe(one.host, 100)} pid {one.pid}   started {started}{skew}"),
            ("queues", safe(", ".join(part.queue for part in row.parts), 400)),
        ]
        runs = [f"{duration(seconds):>6}  {safe(name, 60)}  {safe(task, 60)}" for task, name, seconds in row.running]
        if self.about_height == self.ABOUT:
            return facts([("runs", "   ".join(map(str.strip, runs[:3])) or "nothing"), *known], width, self.look.glyphs)
        listed = [("runs" if i == 0 else "", text) for i, text in enumerate(runs or ["nothing"])]
        return facts([*known, *listed], width, self.look.glyphs)

    def copied(self) -> tuple[str, str]:
        """Its id."""
        row = self.grid.selected
        return ("", "") if row is None else (row.one.id, "id")
