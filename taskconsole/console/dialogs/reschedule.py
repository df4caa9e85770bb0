"""The time a delayed task is to run at instead, shown on both clocks before it is agreed to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from taskconsole.console.dialogs.line import LineDialog
from taskconsole.console.text.format import UNICODE, Glyphs
from taskconsole.console.typed.moments import USAGE, MomentError, due, in_both_zones

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["RescheduleForm"]


class RescheduleForm(LineDialog):
    """Returns what was typed; `moments.due` reads it.

    Args:
        what: Which tasks, safe.
        now: Seconds since the epoch, by Redis.
    """

    def __init__(self, what: str, now: Callable[[], float], *, glyphs: Glyphs = UNICODE) -> None:
        self._now = now
        super().__init__(f"reschedule {what}", "at", hint=USAGE, glyphs=glyphs)

    def on_mount(self) -> None:
        """How far away it is changes by itself."""
        self.set_interval(1.0, self._paint)

    def meaning(self, text: str) -> tuple[str, bool]:
        """When that is."""
        now = self._now()
        try:
            return f"{in_both_zones(due(text, now).at, now)}   enter does it", True
        except MomentError as error:
            return str(error), False
