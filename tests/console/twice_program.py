"""The program of `console_program`, which also writes down what Textual paints, before anything is left out of it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from taskconsole.console import app
from taskconsole.console.terminal.driver import CalmDriver
from tests.console.console_program import main


class Twice(CalmDriver):
    """Writes a line of JSON for each painting, and for each size, to the file of TWICE."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self._copy = Path(os.environ["TWICE"]).open("w", buffering=1)  # noqa: SIM115 (as long as the program)

    def write(self, data):
        print(json.dumps(data), file=self._copy)
        super().write(data)

    def resized(self, width, height):
        print(json.dumps([width, height]), file=self._copy)
        super().resized(width, height)


if __name__ == "__main__":
    app.CalmDriver = Twice
    sys.exit(main())
