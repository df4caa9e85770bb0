"""Where one is in the console: which view, and of what."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from taskconsole.model.state import State

__all__ = ["ROOTS", "Place"]

ROOTS = ("queues", "tasks", "delayed", "schedules", "workers", "failures", "events", "redis")
"""The views that have a number, in its order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One view and its subject; two places are the same when they show the same thing."""

    view: str = "queues"
    queue: str = ""
    """Empty: every queue, or the one that was chosen last."""
    state: State = State.PENDING
    key: str = ""
    """The id or name of the one thing that is shown, or the text that is searched for."""
    subject: Any = field(default=None, compare=False, repr=False)
    """The row it was opened from, when there was one."""
