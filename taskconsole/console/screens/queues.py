"""The first screen: every queue, what is wrong with it, and what has just happened."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar

from textual.screen import Screen

from taskconsole.backends.base import Can, Enqueue, PauseQueue, ResumeQueue
from taskconsole.console import actions, header
from taskconsole.console.columns import QUEUES, QueueRow
from taskconsole.console.format import UNICODE, Glyphs, clock
from taskconsole.console.lines import Line, Tone, cell
from taskconsole.console.link import Link, Phase
from taskconsole.console.rates import Trails
from taskconsole.console.safe import safe
from taskconsole.console.screens.enqueue import EnqueueForm
from taskconsole.console.widgets.eventlog import EventLog
from taskconsole.console.widgets.grid import Grid
from taskconsole.console.widgets.lines import Lines
from taskconsole.model.verdict import Verdict, judge

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual import events
    from textual.app import ComposeResult
    from textual.binding import BindingType

    from taskconsole.backends.base import Command
    from taskconsole.model.event import Event

__all__ = ["QueuesScreen"]

IN_THE_TABLE = frozenset({"dead tasks"})
"""Rules whose whole news is a figure that the table shows anyway."""

FIXED = 9
"""Lines that are neither rows nor events: header, verdict (2), details (4), status, footer."""


class QueuesScreen(Screen[None]):
    """Shows links and events as it is given them; sends commands by `submit`.

    Args:
        address: Where we are connected to, or try to be.
        operator: Who pauses and resumes.
        submit: Has a command carried out elsewhere; False when too many are waiting.
        offer: A line for when there is no server.
    """

    CSS_PATH = "queues.tcss"
    AUTO_FOCUS = "#grid"
    BINDINGS: ClassVar[list[BindingType]] = [*actions.bindings(actions.QUEUES, priority=False)]

    def __init__(
        self,
        *,
        address: str,
        operator: str,
        submit: Callable[[Command], bool],
        read_only: bool = False,
        glyphs: Glyphs = UNICODE,
        offer: str = "",
    ) -> None:
        super().__init__()
        self._address = address
        self._operator = operator
        self._submit = submit
        self._read_only = read_only
        self._glyphs = glyphs
        self._offer = offer
        self._link = Link()
        self._found: list[Verdict] = []
        self._trails = Trails()
        self._status: Line = ()
        self._chosen = False
        self.header = Lines(id="header")
        self.verdict = Lines(id="verdict")
        self.grid: Grid[QueueRow] = Grid(QUEUES, lambda row: row.stats.name, glyphs=glyphs, id="grid")
        self.details = Lines(id="details")
        self.log_of_events = EventLog(glyphs=glyphs, id="events")
        self.status = Lines(id="status")
        self.footer = Lines(id="footer")
        self.summary = Lines(id="summary")

    def compose(self) -> ComposeResult:
        """Top to bottom."""
        yield self.header
        yield self.verdict
        yield self.grid
        yield self.details
        yield self.log_of_events
        yield self.status
        yield self.footer
        yield self.summary

    def show_link(self, link: Link) -> None:
        """Show a newer snapshot."""
        offered = self._link.can, self._link.phase
        self._link = link
        if link.overview is not None and link.phase is Phase.LIVE:
            self._trails.record(link.overview)
            self._found = [v for v in judge(link.overview) if v.rule not in IN_THE_TABLE]
        if (link.can, link.phase) != offered:
            self.refresh_bindings()
        self.paint()

    def show_events(self, arrived: list[Event], lost: int, seconds: float) -> None:
        """Take in events; `seconds` have passed since the last ones."""
        self.log_of_events.add(arrived, lost, seconds)

    def show_status(self, text: str, *, ok: bool = True) -> None:
        """Say what became of an action, with the time, until the next one."""
        at = clock(self._link.server_now(time.monotonic()) or time.time())
        tone = Tone.PLAIN if ok else Tone.BAD
        self._status = (
            (f" {at}Z  ", Tone.QUIET),
            (cell(safe(text, 400), max(0, self.size.width - 12)), tone),
        )
        self.status.show(self._status)

    def paint(self) -> None:
        """Show everything that is known now; what has not changed is not written."""
        link, now, width = self._link, time.monotonic(), self.size.width
        stale = link.stale_for(now) is not None
        overview = link.overview
        if overview is not None:
            rows = [
                QueueRow(
                    stats=queue,
                    growth=self._trails.growth(queue.name, overview.at, queue.pending),
                    stale=stale,
                    glyphs=self._glyphs,
                )
                for queue in overview.queues
            ]
            self._make_room(len(rows))
            self.grid.show(rows, overview.at)
            self._choose_worst()
        self.header.show(header.header(link, self._address, width, now, read_only=self._read_only))
        self.verdict.show(
            header.verdict_line(link, self._found, width, now),
            header.fix_line(link, self._found, self._offer, width),
        )
        self.summary.show(header.summary(link, self._found, width, now))
        self.footer.show(header.footer(self._offered(), width))
        self._paint_details()

    def on_mount(self) -> None:
        """The age of what is shown moves on even when nothing arrives."""
        self.set_interval(1.0, self.tick)

    def tick(self) -> None:
        """Once a second; a live screen is painted by its readings alone."""
        if self._link.phase is not Phase.LIVE or self._link.stale_for(time.monotonic()) is not None:
            self.paint()

    def on_resize(self, event: events.Resize) -> None:
        """Arrange for the size: a line, a screen without details, or all of it."""
        width, height = event.size
        self.set_class(width < 60 or height < 15, "-tiny")
        self.set_class(height < 20, "-short")
        self.paint()

    def on_grid_moved(self) -> None:
        """The details are of the selected queue."""
        self._paint_details()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Actions that the backend cannot do, or that would write when nothing may, have no key."""
        wanted = next((a for a in actions.QUEUES if a.name == action), None)
        return wanted is None or self._allowed(wanted)

    def action_next_pane(self) -> None:
        """From the table to the events and back."""
        self.focus_next()

    def action_pause(self) -> None:
        """Pause the selected queue, or resume it if it is paused."""
        row = self.grid.selected
        if row is None:
            self.show_status("there is no queue to pause", ok=False)
        elif row.stats.paused is None:
            self._send(PauseQueue(queue=row.stats.name, by=self._operator), f"pausing {row.stats.name}")
        else:
            self._send(ResumeQueue(queue=row.stats.name, by=self._operator), f"resuming {row.stats.name}")

    def action_enqueue(self) -> None:
        """Open the form for a task, for the selected queue unless another is typed."""
        if self.app.screen is not self:
            # A second key press that came before the form could take it.
            return
        row = self.grid.selected
        queue = row.stats.name if row is not None else "task_queue"
        self.app.push_screen(EnqueueForm(queue, glyphs=self._glyphs), self._enqueue)

    def _enqueue(self, command: Enqueue | None) -> None:
        if command is not None:
            self._send(command, f"enqueueing {command.task} on {command.queue}")

    def _send(self, command: Command, doing: str) -> None:
        if self._submit(command):
            self.show_status(doing)
        else:
            self.show_status("too many commands are waiting: nothing was sent", ok=False)

    def _allowed(self, action: actions.Action) -> bool:
        writes = action.danger > actions.Danger.NONE
        return not (writes and self._read_only) and action.needs in (self._link.can | Can.READ)

    def _offered(self) -> list[actions.Action]:
        return [a for a in (*actions.QUEUES, *actions.ACTIONS) if self._allowed(a)]

    def _paint_details(self) -> None:
        row, overview = self.grid.selected, self._link.overview
        if row is None or overview is None:
            self.details.show()
            return
        trail = self._trails.points(row.stats.name)
        place = (self.grid.cursor + 1, len(self.grid.rows))
        width = self.size.width
        self.details.show(*header.details(row, trail, overview.at, place, width, read_only=self._read_only))

    def _make_room(self, rows: int) -> None:
        """The table gets the lines it needs as long as the events keep a fifth of the screen."""
        height = self.size.height
        fixed = FIXED - (4 if height < 20 else 0)
        most = height - fixed - max(5, height // 5)
        wanted = max(3, min(rows + 2, most + 1))
        if self.grid.styles.height is None or self.grid.styles.height.value != wanted:
            self.grid.styles.height = wanted

    def _choose_worst(self) -> None:
        """The first reading puts the cursor where help is needed."""
        if not self._chosen and self.grid.rows:
            self._chosen = True
            if self._found:
                self.grid.select(self._found[0].queue)
