"""Everything that is wrong, on what evidence, since when, and what mends it: the verdicts one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from taskconsole.console.columns.doctor import VERDICTS
from taskconsole.console.place import Place
from taskconsole.console.text.format import day_and_time
from taskconsole.console.text.lines import Line, Tone, cell
from taskconsole.console.text.safe import safe
from taskconsole.console.views.tableview import TableView
from taskconsole.model.verdict import Verdict, judge

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["DoctorView"]


class DoctorView(TableView[Verdict]):
    """As `taskconsole doctor` prints them; `y` copies the remedy."""

    NAME = "doctor"
    COLUMNS = VERDICTS
    EMPTY = "nothing is wrong"

    @property
    def crumbs(self) -> tuple[str, ...]:
        """Where one is."""
        return ("doctor",)

    def loaded(self) -> Sequence[Verdict]:
        """The worst first."""
        return () if self.link.overview is None else judge(self.link.overview)

    def key(self, row: Verdict) -> str:
        """One rule says one thing of one queue."""
        return f"{row.rule}\0{row.queue}\0{row.text if not row.queue else ''}"

    def name_of(self, row: Verdict) -> str:
        """The rule and the queue."""
        return f"{row.rule}: {row.queue}" if row.queue else row.rule

    def inside(self, row: Verdict) -> Place | None:
        """The queue's tasks."""
        return Place(view="tasks", queue=row.queue) if row.queue else None

    def about(self, row: Verdict, width: int) -> Sequence[Line]:
        """Evidence, since when, remedy."""
        since = "not known" if row.since is None else day_and_time(row.since)
        facts = (
            ("evidence", safe(row.evidence, 400) or "-"),
            ("since", since),
            ("fix", safe(row.fix, 400) or "no command mends it"),
        )
        room = max(0, width - 11)
        return [
            ((f" {label:<10}", Tone.QUIET), (cell(text, room, glyphs=self.look.glyphs), Tone.PLAIN))
            for label, text in facts
        ]

    def copied(self) -> tuple[str, str]:
        """The command that mends it."""
        row = self.grid.selected
        return ("", "") if row is None else (row.fix, "fix")
