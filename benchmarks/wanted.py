"""Which schedules a run wants: said by the harness, read by the modules under test."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass

_VARIABLE = "BENCH_SCHEDULES"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The schedules to declare.

    Attributes:
        each: `second`, `minute`, or `varied` for crons of all kinds in several zones and intervals, 4 to 1.
        count: How many.
        start: No instant of these before (seconds since the epoch).
        beat: Seconds between two instants of one more schedule, which does not wait for the start; 0 for none.
    """

    each: str = "second"
    count: int = 0
    start: float | None = None
    beat: float = 0.0

    def environment(self) -> dict[str, str]:
        """What to give to a process that shall declare them."""
        return {_VARIABLE: json.dumps(asdict(self))}


def wanted() -> Wanted:
    """What this process shall declare; nothing unless it was said."""
    return Wanted(**json.loads(os.environ.get(_VARIABLE, "{}")))
