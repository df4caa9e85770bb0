"""What is imported late, imported all the same as soon as the first figures are there.

Late imports make the start short. Left to the key that wants them they would hold up that key, and the reading of
those behind it, which are told from a paste by their speed; and after an upgrade they would find the files of another
version.
"""

from __future__ import annotations

import pkgutil
import threading
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["import_the_rest"]

APART = ("replay", "recording")
"""Packages that are other programs, in a way: whoever wants them says so at the start."""


def import_the_rest(packages: Sequence[str]) -> threading.Thread:
    """Import every module of the console, and of these packages, in a thread of its own."""
    assert __package__
    names = (__package__, *packages)
    thread = threading.Thread(target=_import, args=(names,), name="taskconsole-imports", daemon=True)
    thread.start()
    return thread


def _import(packages: Sequence[str]) -> None:
    for name in packages:
        package = import_module(name)
        for module in pkgutil.iter_modules(package.__path__):
            if not module.ispkg:
                import_module(f"{name}.{module.name}")
            elif module.name not in APART:
                _import([f"{name}.{module.name}"])
