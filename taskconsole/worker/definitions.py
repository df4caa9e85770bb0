"""Definitions that have been read before: reading one again costs a look into a dictionary."""

from __future__ import annotations

from taskconsole.errors import ScheduleError
from taskconsole.model.definition import Definition, check_schedule_name, decode_definition

__all__ = ["Definitions"]

KEPT = 20_000
"""Definitions remembered; a cron expression takes longer to read than to be asked for its next instant."""


class Definitions:
    """Turns the bytes of a definition into what they mean."""

    def __init__(self) -> None:
        self._known: dict[bytes, Definition | ScheduleError] = {}

    def read(self, name: str, raw: bytes) -> Definition:
        """The definition in `raw`.

        Raises:
            ScheduleError: It is none, or `name` cannot be a schedule's.
        """
        check_schedule_name(name)
        found = self._known.get(raw)
        if found is None:
            if len(self._known) >= KEPT:
                self._known.clear()
            try:
                found = decode_definition(raw)
            except ScheduleError as error:
                found = error
            self._known[raw] = found
        if isinstance(found, ScheduleError):
            raise found.with_traceback(None)
        return found
