"""One task in full: what it carries, what has happened to it, and how its attempts ended."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, ClassVar

from taskconsole.console import actions
from taskconsole.console.aim import Aim
from taskconsole.console.feed.queries import AskTask
from taskconsole.console.pretty import pretty
from taskconsole.console.text.format import clock, count, day_and_time, duration, in_or_ago, size
from taskconsole.console.text.lines import Line, Tone
from taskconsole.console.text.safe import safe
from taskconsole.console.views.textview import TextView, entry, headline
from taskconsole.model.detail import TaskDetail
from taskconsole.model.secrecy import concealed_text
from taskconsole.model.stats import TaskRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.binding import BindingType

    from taskconsole.model.detail import Attempt

__all__ = ["TaskView"]


class TaskView(TextView):
    """Opened from a row; read again while it is shown, as long as the task is there."""

    NAME = "task"
    ACTIONS = (*actions.DETAIL, *(a for a in actions.TASK if a.id != "task.delete_all"))
    GROUPS: ClassVar[tuple[str, ...]] = ("a task", "texts", "columns", "moving")
    BINDINGS: ClassVar[list[BindingType]] = [*actions.bindings(actions.TASK)]

    @property
    def row(self) -> TaskRow | None:
        """The row it was opened from, or what has been read since."""
        subject = self.place.subject
        return subject if isinstance(subject, TaskRow) else None

    @property
    def aim(self) -> Aim:
        """This task, as it was seen last."""
        if self.row is None:
            return Aim()
        return Aim(rows=(self.detail.row if self.detail is not None else self.row,), queue=self.row.queue)

    @property
    def question(self) -> AskTask | None:
        """The whole task."""
        return None if self.row is None else AskTask(row=self.row)

    @property
    def detail(self) -> TaskDetail | None:
        """What has been read."""
        value = None if self.answer is None else self.answer.value
        return value if isinstance(value, TaskDetail) else None

    @property
    def crumbs(self) -> tuple[str, ...]:
        """The way to it."""
        name = "" if self.row is None else (self.row.id or self.row.name)
        return ("tasks", self.place.queue, self.place.state, name[:80])

    def title(self) -> str:
        """Its name and where it is."""
        row = self.row
        if row is None:
            return "no task"
        gone = self.answer is not None and self.answer.value is None and not self.answer.error
        where = f"not {row.state} any more; as it was seen last" if gone else str(row.state)
        return f"{row.name[:80]}   {row.id or 'no id'}   {where}"

    def text_lines(self, width: int) -> Sequence[Line]:
        """Facts, timeline, payload, attempts."""
        row = self.row
        if row is None:
            return [headline("open a task from a list with enter")]
        detail = self.detail
        lines = self._facts(detail.row if detail is not None else row, width)
        if detail is not None:
            lines += self._timeline(detail, width)
        payload = detail.payload if detail is not None else row.payload
        lines.append(())
        cut = "" if len(payload) >= row.size else f", the first {count(len(payload))} shown"
        lines.append(headline(f"payload   {size(row.size)}{cut}"))
        lines += [((f"  {line}", Tone.PLAIN),) for line in pretty(payload, self.look.masked)]
        if detail is not None:
            for attempt in detail.attempts:
                lines += self._attempt(attempt, width)
        return lines

    def copied(self) -> tuple[str, str]:
        """Its id."""
        row = self.row
        return ("", "") if row is None else (row.id or row.name, "id" if row.id else "name")

    def copies(self) -> list[tuple[str, str]]:
        """Payload, errors, and the command that shows it."""
        row, detail = self.row, self.detail
        if row is None:
            return []
        payload = detail.payload if detail is not None else row.payload
        found = [("payload", concealed_text(payload.decode("utf-8", "backslashreplace"), self.look.masked))]
        if row.error:
            found.append(("error", row.error))
        if detail is not None and detail.attempts and detail.attempts[0].traceback:
            found.append(("traceback", detail.attempts[0].traceback))
        if row.id:
            words = ["taskconsole", "task", row.queue, str(row.state), row.id]
            found.append(("command", shlex.join(words)))
        return [*found, *super().copies()]

    def _facts(self, row: TaskRow, width: int) -> list[Line]:
        lines: list[Line] = []
        lines += entry("task", safe(row.name), width)
        lines += entry("queue", safe(row.queue, 200), width)
        tries = f"attempt {row.attempt}" + (f", redelivered {row.redelivered} times" if row.redelivered else "")
        lines += entry("tries", tries, width, Tone.WARN if row.redelivered else Tone.PLAIN)
        if row.worker:
            lines += entry("worker", safe(row.worker, 200), width)
        if row.error:
            lines += entry("error", safe(row.error), width, Tone.BAD)
        return lines

    def _timeline(self, detail: TaskDetail, width: int) -> list[Line]:
        lines: list[Line] = [(), headline("timeline")]
        for moment in detail.timeline:
            when = f"{day_and_time(moment.at)}  {in_or_ago(moment.at, self.now)}"
            text = f"  {safe(moment.text, 400)}" if moment.text else ""
            lines += entry(safe(moment.what, 20), when + text, width)
        if detail.running is not None:
            lines += entry("running", f"for {duration(detail.running)}", width, Tone.GOOD)
        return lines if len(lines) > 2 else []

    @staticmethod
    def _attempt(attempt: Attempt, width: int) -> list[Line]:
        head = f"attempt {attempt.number or '?'}"
        if attempt.at is not None:
            head += f"   ended {clock(attempt.at, ms=True)}Z"
        if attempt.seconds is not None:
            head += f" after {attempt.seconds:.3g}s"
        if attempt.worker:
            head += f"   {safe(attempt.worker, 80)}"
        lines: list[Line] = [(), headline(head), *entry("error", safe(attempt.error), width, Tone.BAD)]
        lines += [((f"  {safe(line, 1000)}", Tone.PLAIN),) for line in attempt.traceback.splitlines()]
        return lines
