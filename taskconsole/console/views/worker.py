"""One worker: all that is known of it, and every task it names."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from taskconsole.console import actions
from taskconsole.console.aim import Aim
from taskconsole.console.columns.workers import WorkerRow, by_process
from taskconsole.console.feed.queries import AskWorkers
from taskconsole.console.text.format import count, day_and_time, duration, in_or_ago, size
from taskconsole.console.text.lines import Line, Tone
from taskconsole.console.text.safe import safe
from taskconsole.console.views.textview import TextView, entry, headline

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.binding import BindingType

__all__ = ["WorkerView"]


class WorkerView(TextView):
    """Known by its id."""

    NAME = "worker"
    ACTIONS = (*actions.DETAIL, *actions.WORKER)
    GROUPS: ClassVar[tuple[str, ...]] = ("a worker", "texts", "columns", "moving")
    BINDINGS: ClassVar[list[BindingType]] = [*actions.bindings(actions.WORKER)]

    @property
    def aim(self) -> Aim:
        """This worker."""
        row = self.row
        return Aim() if row is None else Aim(worker=row.parts)

    @property
    def question(self) -> AskWorkers:
        """Every worker; this is one of them."""
        return AskWorkers()

    @property
    def row(self) -> WorkerRow | None:
        """What is known of it; None when it is not there any more."""
        value = None if self.answer is None else self.answer.value
        rows = by_process(value, self.now) if isinstance(value, tuple) else []
        return next((row for row in rows if row.one.id == self.place.key), None)

    @property
    def crumbs(self) -> tuple[str, ...]:
        """The way to it."""
        return ("workers", self.place.key)

    def title(self) -> str:
        """Its id and how it is."""
        row = self.row
        return f"{self.place.key}   {row.state if row else self.missing}"

    def text_lines(self, width: int) -> Sequence[Line]:
        """Facts, then what it runs."""
        row = self.row
        if row is None:
            return []
        one = row.one
        started = "?" if one.started is None else f"{day_and_time(one.started)}  {in_or_ago(one.started, self.now)}"
        known: list[tuple[str, str]] = [
            ("queues", ", ".join(part.queue for part in row.parts)),
            ("host", f"{one.host} pid {one.pid}"),
            ("version", one.version or "?"),
            ("started", started),
            ("heartbeat", "?" if one.seen is None else in_or_ago(one.seen, self.now)),
            ("busy", f"{row.active} of {one.concurrency} slots"),
            ("memory", size(one.rss) if one.rss else "?"),
            ("done", f"{count(one.done)}, failed {count(one.failed)}"),
            ("blocked", f"its event loop stands still for {duration(one.blocked)}" if one.blocked else "no"),
            ("clock", "?" if one.skew is None else f"{one.skew:+.2f}s against Redis"),
        ]
        lines = [line for name, text in known for line in entry(name, safe(text, 400), width)]
        lines += [(), headline("runs now, the longest first")]
        for task, name, seconds in row.running:
            lines += entry(duration(seconds), f"{safe(name, 200)}  {safe(task, 200)}", width, Tone.GOOD)
        return lines if row.running else [*lines, (("  nothing", Tone.QUIET),)]

    def copied(self) -> tuple[str, str]:
        """Its id."""
        return self.place.key, "id"
