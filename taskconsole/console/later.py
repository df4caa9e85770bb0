"""What is imported late, imported all the same as soon as the first figures are there.

Late imports make the start short. Left to the key that wants them they would hold up that key, and the reading of
those behind it, which are told from a paste by their speed; and after an upgrade they would find the files of another
version.
"""

from __future__ import annotations

import pkgutil
import threading
from importlib import import_module

import taskconsole.backends
import taskconsole.console

__all__ = ["import_the_rest"]

WHOLE = (taskconsole.console, taskconsole.backends)

APART = ("taskconsole.console.replay", "taskconsole.backends.recording")
"""Other programs, in a way: whoever wants them says so at the start."""


def import_the_rest() -> threading.Thread:
    """Import every module of the console and of what it shows, in a thread of its own."""
    thread = threading.Thread(target=_import, name="taskconsole-imports", daemon=True)
    thread.start()
    return thread


def _import() -> None:
    for package in WHOLE:
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.startswith(APART):
                import_module(module.name)
