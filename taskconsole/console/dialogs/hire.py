"""The app whose worker is to be started beside the console."""

from __future__ import annotations

import re

from taskconsole.console.dialogs.line import LineDialog
from taskconsole.console.text.format import UNICODE, Glyphs
from taskconsole.console.text.safe import safe

__all__ = ["HireForm"]

_APP = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*(?::[^\W\d]\w*(?:\.[^\W\d]\w*)*)?")


class HireForm(LineDialog):
    """Returns the path of the app, as `-A` has it.

    Args:
        queue: The queue to be served.
        app: What to begin with.
    """

    def __init__(self, queue: str, app: str, *, glyphs: Glyphs = UNICODE) -> None:
        self._queue = queue
        title = f"start a worker for {safe(queue, 60)} here; it ends with this console"
        super().__init__(title, "-A", app, hint="myapp.tasks:app", glyphs=glyphs)

    def meaning(self, text: str) -> tuple[str, bool]:
        """The command that this is."""
        if _APP.fullmatch(text.strip()) is None:
            return "the app with the tasks, module:name, e.g. myapp.tasks:app", False
        command = f"taskconsole --headless worker -A {text.strip()} -q {self._queue}"
        return f"enter starts {safe(command, 200)}", True
