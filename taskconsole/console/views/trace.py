"""Every command that this console has sent to Redis lately: those of the operator's actions, then the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from taskconsole.console.columns.trace import TRACE
from taskconsole.console.feed.queries import AskTrace
from taskconsole.console.text.format import count, day_and_time
from taskconsole.console.text.lines import Line, facts
from taskconsole.console.text.safe import safe
from taskconsole.console.views.tableview import TableView
from taskconsole.model.trace import Issued

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["TraceView"]


class TraceView(TableView[Issued]):
    """Names, keys and sizes; what is carried is not remembered, so that nothing secret can be shown."""

    NAME = "trace"
    COLUMNS = TRACE
    EMPTY = "nothing was sent yet"

    @property
    def question(self) -> AskTrace:
        """What the backend remembers."""
        return AskTrace()

    @property
    def crumbs(self) -> tuple[str, ...]:
        """Where one is."""
        return ("commands sent",)

    def loaded(self) -> Sequence[Issued]:
        """Actions first, each the newest first."""
        value = None if self.answer is None else self.answer.value
        return value if isinstance(value, tuple) else ()

    def key(self, row: Issued) -> str:
        """Its number."""
        return str(row.number)

    def name_of(self, row: Issued) -> str:
        """The command."""
        return row.name

    def title(self) -> str:
        """How many there are of each kind."""
        rows = self.loaded()
        acts = sum(row.acting for row in rows)
        return f"commands sent   {count(acts)} for actions, {count(len(rows) - acts)} to show things   the newest first"

    def about(self, row: Issued, width: int) -> Sequence[Line]:
        """All its keys, when it was, and with how many others."""
        with_others = f" with {count(row.together - 1)} others in one round trip" if row.together > 1 else ""
        return facts(
            [
                ("keys", safe("  ".join(row.keys), 1000) or "none"),
                ("sent", f"{day_and_time(row.at)} by this machine's clock, number {count(row.number)}{with_others}"),
                ("took", f"{row.took * 1000:,.1f} ms   {safe(row.answer or 'answered', 60)}"),
            ],
            width,
            self.look.glyphs,
        )
