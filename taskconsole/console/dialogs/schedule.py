"""The form of a schedule, new or changed: its next instants are shown while one types."""

from __future__ import annotations

from typing import TYPE_CHECKING

from taskconsole.console.dialogs.form import Form
from taskconsole.console.text.format import UNICODE, Glyphs
from taskconsole.console.text.safe import safe
from taskconsole.console.typed.schedule_entry import ScheduleEntry, definition_of, parse_schedule
from taskconsole.console.views.schedules import instants
from taskconsole.console.widgets.form import Field

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from taskconsole.backends.commands import AddSchedule, EditSchedule

__all__ = ["ScheduleForm"]


class ScheduleForm(Form["AddSchedule | EditSchedule"]):
    """Returns the command.

    Args:
        entry: What to begin with.
        by: Who wants it.
        edited: It is there already: its name and queue stay.
        now: Seconds since the epoch, by Redis.
        secrets: Globs of names whose values may be masked elsewhere.
    """

    def __init__(
        self,
        entry: ScheduleEntry,
        by: str,
        now: Callable[[], float],
        *,
        edited: bool,
        secrets: Sequence[str] = (),
        glyphs: Glyphs = UNICODE,
    ) -> None:
        self._before, self._by, self._edited, self._now, self._secrets = entry, by, edited, now, secrets
        self._texts = {
            name: Field(getattr(entry, name), placeholder=hint, id=f"schedule-{name}")
            for name, hint in (
                ("name", "what it is called"),
                ("queue", "the queue of its tasks"),
                ("when", "15 3 * * *   or   every 5m   or   at 2030-01-31T12:00"),
                ("tz", "UTC, Europe/Berlin"),
                ("task", "name of the task"),
                ("args", "[]"),
                ("kwargs", "{}"),
            )
            if not (edited and name in {"name", "queue"})
        }
        title = f"change {safe(entry.name, 60)} of {safe(entry.queue, 60)}" if edited else "add a schedule"
        super().__init__(title, self._texts, glyphs=glyphs)

    AUTO_FOCUS = "#schedule-when"

    def result(self) -> AddSchedule | EditSchedule:
        """The command."""
        return parse_schedule(self._entry(), self._before if self._edited else None, self._by, self._secrets)

    def meaning(self, result: AddSchedule | EditSchedule) -> str:  # noqa: ARG002 (the fields say it)
        """When it would fire next."""
        fires = instants(definition_of(self._entry()), self._now(), 3)
        return ("next " + "   ".join(fires) if fires else "never fires") + "   enter does it"

    def _entry(self) -> ScheduleEntry:
        values = {name: field.value for name, field in self._texts.items()}
        if self._edited:
            values |= {"name": self._before.name, "queue": self._before.queue}
        return ScheduleEntry(**values)
