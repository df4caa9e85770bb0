"""One schedule: what it is, its next instants, its last runs, and its definition as it stands in Redis."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, ClassVar

from taskconsole.console import actions
from taskconsole.console.aim import Aim
from taskconsole.console.columns.schedules import when_text
from taskconsole.console.feed.queries import AskSchedule
from taskconsole.console.pretty import pretty
from taskconsole.console.text.format import day_and_time, in_or_ago
from taskconsole.console.text.lines import Line, Tone
from taskconsole.console.text.safe import safe
from taskconsole.console.views.schedules import instants, last_words
from taskconsole.console.views.textview import TextView, entry, headline
from taskconsole.model.schedule_info import ScheduleInfo
from taskconsole.model.secrecy import concealed_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.binding import BindingType

__all__ = ["ScheduleView"]


class ScheduleView(TextView):
    """Known by queue and name."""

    NAME = "schedule"
    ACTIONS = (*actions.DETAIL, *actions.SCHEDULE)
    GROUPS: ClassVar[tuple[str, ...]] = ("a schedule", "texts", "columns", "moving")
    BINDINGS: ClassVar[list[BindingType]] = [*actions.bindings(actions.SCHEDULE)]

    @property
    def aim(self) -> Aim:
        """This schedule."""
        return Aim(queue=self.place.queue, schedule=self.info)

    @property
    def question(self) -> AskSchedule:
        """It, with its last twenty runs."""
        return AskSchedule(name=self.place.key, queue=self.place.queue)

    @property
    def info(self) -> ScheduleInfo | None:
        """What was read."""
        value = None if self.answer is None else self.answer.value
        return value if isinstance(value, ScheduleInfo) else None

    @property
    def crumbs(self) -> tuple[str, ...]:
        """The way to it."""
        return ("schedules", self.place.queue, self.place.key)

    def title(self) -> str:
        """Its name and state."""
        if self.info is None:
            return f"{self.place.key}   {self.missing}"
        return f"{self.place.key}   {self.info.state(self.now)}"

    def text_lines(self, width: int) -> Sequence[Line]:
        """Facts, instants, runs, definition."""
        info = self.info
        if info is None:
            return []
        lines: list[Line] = []
        if info.trouble:
            lines += entry("trouble", safe(info.trouble, 2000), width, Tone.BAD)
        definition = info.definition
        if definition is not None:
            lines += entry("when", when_text(definition), width)
            lines += entry("in words", safe(definition.schedule.describe(), 400), width)
            lines += entry("task", safe(definition.task, 400), width)
            lines += entry("overlap", f"{definition.overlap}   catch-up {definition.catch_up}", width)
            lines += entry("owner", f"{definition.owner}" + (", changed by an operator" if info.changed else ""), width)
            if info.orphan:
                lines += entry("orphan", "no live app declares it any more", width, Tone.WARN)
            lines += entry(*last_words(info, self.now), width)
            fires = f"{info.fires:,}" + ("" if definition.max_runs is None else f" of {definition.max_runs:,}")
            lines += entry("fires", fires, width)
            lines += [(), headline("next")]
            lines += [((f"  {text}", Tone.PLAIN),) for text in instants(definition, self.now, 10)] or [
                (("  never", Tone.QUIET),)
            ]
        for task_id, since in info.running:
            lines += entry("running", f"{safe(task_id, 200)}  since {in_or_ago(since, self.now)}", width, Tone.GOOD)
        lines += [(), headline("last runs")]
        for run in info.runs:
            took = "" if run.ms is None else f"  {run.ms:,.0f} ms"
            many = f"  {run.n:,} instants" if run.n > 1 else ""
            tone = Tone.PLAIN if run.outcome in {"done", "skipped"} else Tone.BAD
            text = f"{day_and_time(run.at)}{took}{many}  {safe(run.worker, 80)}  {safe(run.text, 300)}"
            lines += entry(safe(run.outcome, 12), text, width, tone)
        lines += [(), headline("definition")]
        lines += [((f"  {line}", Tone.PLAIN),) for line in pretty(info.raw, self.look.masked)]
        return lines

    def copied(self) -> tuple[str, str]:
        """Its name."""
        return self.place.key, "name"

    def copies(self) -> list[tuple[str, str]]:
        """The definition, and the command that shows it."""
        raw = b"" if self.info is None else self.info.raw
        words = ["taskconsole", "schedules", "show", "-q", self.place.queue, "--", self.place.key]
        return [
            ("definition", concealed_text(raw.decode("utf-8", "backslashreplace"), self.look.masked)),
            ("command", shlex.join(words)),
            *super().copies(),
        ]
