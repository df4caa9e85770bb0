"""The first view: every queue, why the selected one is as it is, and what has just happened."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar

from taskconsole.console import actions, header
from taskconsole.console.aim import Aim
from taskconsole.console.columns.queues import QUEUES, QueueRow
from taskconsole.console.feed.link import Link, Phase
from taskconsole.console.feed.queries import Around, AskAround
from taskconsole.console.feed.rates import Trails
from taskconsole.console.place import Place
from taskconsole.console.text.lines import Tone, at_most, beside, rule
from taskconsole.console.text.safe import safe
from taskconsole.console.views.around import due_lines, why_lines, worker_lines
from taskconsole.console.views.tableview import TableView
from taskconsole.console.widgets.eventlog import EventLog
from taskconsole.model.state import State
from taskconsole.model.verdict import Level, judge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult
    from textual.binding import BindingType

    from taskconsole.console.look import Look
    from taskconsole.console.text.lines import Line
    from taskconsole.model.event import Event
    from taskconsole.model.stats import Overview

__all__ = ["QueuesView"]

ROOMY = (150, 30)
"""Cells and lines from which on there is room for more than the selected queue between the table and the events."""

PANES = 8
"""Lines of what is there then."""


class QueuesView(TableView[QueueRow]):
    """The queues above, events below."""

    NAME = "queues"
    COLUMNS = QUEUES
    TITLED = False
    ACTIONS = (
        *actions.QUEUES[:1],
        *actions.QUEUE,
        *actions.QUEUES[1:],
        *(a for a in actions.TABLE if a.id != "table.open"),
    )
    GROUPS = ("a queue", "queues", "tables", "marks", "columns", "events", "moving")
    BINDINGS: ClassVar[list[BindingType]] = [*actions.bindings(actions.QUEUES), *actions.bindings(actions.QUEUE)]
    DEFAULT_CSS = """
    QueuesView {
        & > .grid { height: 8; }
        & > .events { height: 1fr; }
    }
    """

    def __init__(self, look: Look) -> None:
        super().__init__(look)
        self._trails = Trails()
        self._chosen = False
        self._roomy = False
        self.log_of_events = EventLog(glyphs=look.glyphs, classes="events")

    def compose(self) -> ComposeResult:
        """The table, its lines, and the events."""
        yield from super().compose()
        yield self.log_of_events

    def loaded(self) -> Sequence[QueueRow]:
        """Every queue of the last reading."""
        overview = self.link.overview
        if overview is None:
            return ()
        stale = self.link.stale_for(time.monotonic()) is not None
        return [
            QueueRow(
                stats=queue,
                growth=self._trails.growth(queue.name, overview.at, queue.pending),
                stale=stale,
                trend=self._trails.trend(queue.name, overview.at),
                glyphs=self.look.glyphs,
            )
            for queue in overview.queues
        ]

    @property
    def question(self) -> AskAround | None:
        """What is shown beside the selected queue, if there is room for it."""
        return AskAround() if self._roomy else None

    @property
    def knows(self) -> bool:
        """The queues come with the overview."""
        return True

    def key(self, row: QueueRow) -> str:
        """Its name."""
        return row.stats.name

    @property
    def aim(self) -> Aim:
        """The selected queue, and its pending tasks."""
        row = self.grid.selected
        if row is None:
            return Aim()
        stats = row.stats
        return Aim(queue=stats.name, paused=stats.paused is not None, state=State.PENDING, count=stats.pending)

    def inside(self, row: QueueRow) -> Place:
        """Its pending tasks."""
        return Place(view="tasks", queue=row.stats.name)

    def about(self, row: QueueRow, width: int) -> Sequence[Line]:
        """Its trend in figures, why it is as it is, and what to do next."""
        trail = self._trails.points(row.stats.name)
        return header.details(row, trail, self.now, width, self.look, self.reach)

    @property
    def about_height(self) -> int:
        """More where there is room."""
        return PANES if self._roomy else self.ABOUT

    def paint_about(self) -> None:
        """The selected queue; where there is room, what is due next and the workers beside it."""
        row = self.grid.selected
        if row is None or not self._roomy:
            super().paint_about()
            return
        width, height = self.size.width, PANES - 1
        left, middle = width * 35 // 100, width * 30 // 100
        right = width - left - middle - 2
        value = None if self.answer is None else self.answer.value
        around = value if isinstance(value, Around) else None
        place = f": why   {self.whereabouts}"
        # Six cells are the rule's own.
        name = at_most(safe(row.stats.name, 200), max(8, left - len(place) - 6), self.look.glyphs)
        waiting: list[Line] = [((" reading …" if self.answer is None else " not known", Tone.QUIET),)]
        blocks = (
            (name + place, self._why(row, left), left),
            (
                "next due (delayed + schedules)",
                waiting if around is None else due_lines(around, self.now, middle, height, self.look.glyphs),
                middle,
            ),
            (
                "workers: busy, last heartbeat, what runs longest",
                waiting
                if around is None
                else worker_lines(around.workers, row.stats.name, self.now, right, height, self.look.glyphs),
                right,
            ),
        )
        self.about_lines.show(
            *beside(
                [([rule(title, room, self.look.glyphs), *lines], room) for title, lines, room in blocks], height + 1
            )
        )

    def _why(self, row: QueueRow, width: int) -> list[Line]:
        overview = self.link.overview
        found = [] if overview is None or row.stale else [v for v in judge(overview) if v.queue == row.stats.name]
        return why_lines(row, row.trend, found, self.now, width, self.look, self.reach)

    def on_resize(self) -> None:
        """More room is another question."""
        self._roomy = self.size.width >= ROOMY[0] and self.size.height >= ROOMY[1]
        super().on_resize()
        self.ask()

    def show_link(self, link: Link) -> None:
        """A newer snapshot; the first one puts the cursor where help is needed."""
        if link.overview is not None and link.phase is Phase.LIVE:
            self._trails.record(link.overview)
        super().show_link(link)
        if not self._chosen and self.grid.rows and link.overview is not None:
            self._chosen = True
            worst = next((v for v in judge(link.overview) if v.queue and v.level is not Level.NOTE), None)
            if worst is not None:
                self.grid.select(worst.queue)

    def show_events(self, arrived: Sequence[Event], lost: int, seconds: float) -> None:
        """Below the table."""
        self.log_of_events.add(arrived, lost, seconds)

    def forget(self, past: Sequence[Event]) -> None:
        """Other trends, other events."""
        super().forget(past)
        self._trails = Trails()
        self.log_of_events.start_over(past)

    def recall(self, readings: Sequence[Overview]) -> None:
        """Trends are made of them."""
        for overview in readings:
            self._trails.record(overview)

    def paint(self) -> None:
        """The table gets the lines it needs as long as the events keep a fifth of the screen."""
        height = self.size.height
        most = height - (self.about_height if not self.has_class("-short") else 0) - max(5, height // 5)
        wanted = max(3, min(len(self.loaded()) + 2, most + 1))
        # While another view is shown this one has no height, and is to come back as it was.
        if height and (self.grid.styles.height is None or self.grid.styles.height.value != wanted):
            self.grid.styles.height = wanted
        super().paint()

    def action_next_pane(self) -> None:
        """From the table to the events and back."""
        (self.grid if self.log_of_events.has_focus else self.log_of_events).focus()
