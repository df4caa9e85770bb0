"""What a handler may ask to know about the run it is in."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Context"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """One attempt at one task. A handler gets it in the parameter that is annotated with this class."""

    id: str | None
    """The task's id; None for a bare payload, which has none."""
    task: str
    """The name it was enqueued under; the text of a bare payload."""
    queue: str
    attempt: int
    """1 for the first run."""
    redelivered: int
    """How often a worker died with this task in its hands."""
    enqueued_at: float | None
    """Seconds since the epoch; None when the producer did not say."""

    schedule: str | None = None
    """The schedule that made it; None when something else did."""
    scheduled_at: float | None = None
    """The instant it was made for, seconds since the epoch: late or not, the same for every attempt."""

    @property
    def may_have_run(self) -> bool:
        """True when an earlier run may have had effects: make this one idempotent."""
        return self.attempt > 1 or self.redelivered > 0
