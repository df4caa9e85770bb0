"""What the first figures do not need is not imported for them, and is imported right afterwards."""

from __future__ import annotations

import subprocess
import sys

from tests.console.pty_session import ROOT

LOOK = """
import sys
import taskconsole.console.app, taskconsole.backends.native, taskconsole.console.views.queues
print(*sorted(name for name in sys.modules if name.startswith("taskconsole.")))
from taskconsole.console.later import import_one_by_one
print(*import_one_by_one(["taskconsole.backends"]))
"""

LATER = {
    "taskconsole.console.acting.hands",
    "taskconsole.console.dialogs.help",
    "taskconsole.console.saving.export",
    "taskconsole.console.typed.commandline",
    "taskconsole.console.views.tasks",
    "taskconsole.backends.operating",
    "taskconsole.backends.searching",
}


def test_what_the_first_figures_do_not_need_comes_after_them():
    said = subprocess.run([sys.executable, "-c", LOOK], cwd=ROOT, capture_output=True, check=True, text=True)
    at_once, later = (set(line.split()) for line in said.stdout.splitlines())

    assert not LATER & at_once
    assert later >= LATER
    assert not [
        name for name in later if name.startswith(("taskconsole.console.replay", "taskconsole.backends.recording"))
    ]
