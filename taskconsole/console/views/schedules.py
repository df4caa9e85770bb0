"""What fires when, how it went last, and who has paused it."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import TYPE_CHECKING, ClassVar

from taskconsole.console import actions
from taskconsole.console.aim import Aim
from taskconsole.console.columns.schedules import SCHEDULES, when_text
from taskconsole.console.feed.queries import AskSchedules
from taskconsole.console.place import Place
from taskconsole.console.text.format import count, day_and_time, in_or_ago
from taskconsole.console.text.lines import Line, facts
from taskconsole.console.text.safe import safe
from taskconsole.console.views.tableview import TableView
from taskconsole.errors import ScheduleError
from taskconsole.model.schedule import preview
from taskconsole.model.schedule_info import ScheduleInfo, ScheduleState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.binding import BindingType

    from taskconsole.model.definition import Definition
    from taskconsole.model.firing import RunRecord
    from taskconsole.model.schedule import Fire

__all__ = ["SchedulesView", "instants"]

ROOMY = 30
"""Lines from which on there is room for more than the least."""

FAR = 4e9
"""A clock that is beyond this is none: seconds since the epoch."""


class SchedulesView(TableView[ScheduleInfo]):
    """The next to fire first; Enter shows one with its last runs."""

    NAME = "schedules"
    COLUMNS = SCHEDULES
    EMPTY = "no schedule"
    ACTIONS = (*actions.TABLE, *actions.SCHEDULE)
    GROUPS: ClassVar[tuple[str, ...]] = ("a schedule", "tables", "marks", "columns", "moving")
    BINDINGS: ClassVar[list[BindingType]] = [*actions.bindings(actions.SCHEDULE)]

    @property
    def aim(self) -> Aim:
        """The selected schedule."""
        info = self.grid.selected
        return Aim(queue=self.place.queue if info is None else info.queue, schedule=info)

    @property
    def question(self) -> AskSchedules:
        """Every schedule, of one queue when one was named."""
        return AskSchedules(queue=self.place.queue)

    def loaded(self) -> Sequence[ScheduleInfo]:
        """As they were read."""
        value = None if self.answer is None else self.answer.value
        return value if isinstance(value, tuple) else ()

    def key(self, row: ScheduleInfo) -> str:
        """Queue and name."""
        return f"{row.queue}\0{row.name}"

    def name_of(self, row: ScheduleInfo) -> str:
        """Its name; of a queue that cannot be read, the queue's."""
        return row.name or row.queue

    def title(self) -> str:
        """How many there are in which state."""
        states = Counter(info.state(self.now) for info in self.loaded())
        words = "   ".join(f"{state} {states[state]}" for state in ScheduleState if states[state])
        late = "   nobody fires them: start a worker or a scheduler" if states[ScheduleState.LATE] else ""
        return f"schedules   {words}{late}"

    def inside(self, row: ScheduleInfo) -> Place | None:
        """One with its last runs."""
        return Place(view="schedule", queue=row.queue, key=row.name) if row.name else None

    @property
    def about_height(self) -> int:
        """Room for the last runs where there is some."""
        return self.ABOUT + 1 if self.size.height < ROOMY else self.size.height // 3

    def about(self, row: ScheduleInfo, width: int) -> Sequence[Line]:
        """In words, its next five instants, who has paused it, and how it went."""
        definition = row.definition
        if definition is None:
            return facts([("trouble", safe(row.trouble, 400))], width, self.look.glyphs)
        known = [
            ("when", f"{when_text(definition)}   {safe(definition.schedule.describe(), 200)}"),
            ("next", next_words(definition, self.now, 5)),
            last_words(row, self.now),
        ]
        older = row.runs[0 if definition.paused is not None else 1 :]
        task = f"{safe(definition.task, 200)} on {safe(row.queue, 200)}"
        policy = f"overlap {definition.overlap}, catch-up {definition.catch_up}"
        running = "   ".join(f"{safe(task_id, 60)} {in_or_ago(since, self.now)}" for task_id, since in row.running[:3])
        known += [
            ("task", f"{task}   {policy}   {count(row.fires)} fires"),
            ("running", running or "nothing"),
        ]
        known += [("earlier" if i == 0 else "", run_words(run, self.now)) for i, run in enumerate(older)]
        return facts(known, width, self.look.glyphs)


def last_words(info: ScheduleInfo, now: float) -> tuple[str, str]:
    """Who has paused it, else how the last run ended."""
    pause = None if info.definition is None else info.definition.paused
    if pause is not None:
        reason = f": {safe(pause.reason, 200)}" if pause.reason else ""
        since = "" if pause.at is None else f" {in_or_ago(pause.at, now)}"
        return "paused", f"by {safe(pause.by, 80) or '?'}{since}{reason}"
    if not info.runs:
        return "last", "has not fired yet"
    return "last", run_words(info.runs[0], now)


def run_words(run: RunRecord, now: float) -> str:
    """How a run ended."""
    took = "" if run.ms is None else f" after {run.ms:,.0f} ms"
    text = f"   {safe(run.text, 300)}" if run.text else ""
    return f"{safe(run.outcome, 20)} {in_or_ago(run.at, now)}{took}{text}   {day_and_time(run.at)}"


def next_words(definition: Definition, now: float, n: int) -> str:
    """Its next instants in one line: what is the same as of the one before is not said again."""
    words: list[str] = []
    before: dt.datetime | None = None
    for fire in next_fires(definition, now, n):
        at = fire.at
        same_day = before is not None and before.date() == at.date()
        seconds = ":%S" if at.second or (before is not None and before.second) else ""
        text = at.strftime(("" if same_day else "%m-%d ") + "%H:%M" + seconds)
        if before is None or before.utcoffset() != at.utcoffset():
            text += at.strftime("%z")
        words.append(text + (f" ({fire.mark})" if fire.mark else ""))
        before = at
    return "   ".join(words) or "never"


def instants(definition: Definition, now: float, n: int) -> list[str]:
    """Its next instants on its own clock, with the distance from UTC and what a clock change does to them."""
    fires = next_fires(definition, now, n)
    return [f"{fire.at:%m-%d %H:%M:%S%z}" + (f" ({fire.mark})" if fire.mark else "") for fire in fires]


def next_fires(definition: Definition, now: float, n: int) -> list[Fire]:
    """The next instants; none that no calendar holds, and none after its end."""
    if not 0 <= now < FAR:
        return []
    try:
        fires = preview(definition.schedule, dt.datetime.fromtimestamp(now, dt.UTC), n)
    except (ScheduleError, OverflowError, ValueError):
        # A moment that no calendar holds.
        return []
    return [fire for fire in fires if definition.end is None or fire.at <= definition.end]
