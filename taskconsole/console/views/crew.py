"""What the workers say that this console runs: their logs, the newest line last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from taskconsole.console.feed.queries import AskCrew
from taskconsole.console.text.lines import Line, Tone
from taskconsole.console.text.safe import safe
from taskconsole.console.views.textview import TextView, headline

if TYPE_CHECKING:
    from collections.abc import Sequence

    from taskconsole.console.crew import CrewLog

__all__ = ["CrewView"]


class CrewView(TextView):
    """The newest worker first."""

    NAME = "crew"

    @property
    def question(self) -> AskCrew:
        """Their logs."""
        return AskCrew(crew=self.look.crew)

    @property
    def logs(self) -> Sequence[CrewLog]:
        """What was read."""
        value = None if self.answer is None else self.answer.value
        return value if isinstance(value, tuple) else ()

    @property
    def crumbs(self) -> tuple[str, ...]:
        """Where one is."""
        return ("workers of this console",)

    def title(self) -> str:
        """How many there are."""
        return f"workers of this console: {self.look.crew.alive} running" if self.look.crew.alive else "none runs here"

    def text_lines(self, width: int) -> Sequence[Line]:  # noqa: ARG002 (long lines can be moved sideways)
        """Each with what it says."""
        lines: list[Line] = []
        for log in self.logs:
            lines.append(headline(f"{safe(log.queue, 80)}   -A {safe(log.app, 80)}   {safe(log.state, 120)}"))
            lines += [((f"  {safe(line, 1000)}", Tone.PLAIN),) for line in log.lines] or [
                (("  nothing said yet", Tone.QUIET),)
            ]
            lines.append(())
        return lines or [(("  W on a queue starts a worker for it here", Tone.QUIET),)]
