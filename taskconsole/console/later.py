"""What is imported late, imported all the same as soon as the first figures are there, one module at a time.

Late imports make the start short. Left to the key that wants them they would hold up that key, and the reading of
those behind it, which are told from a paste by their speed; and after an upgrade they would find the files of another
version.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["import_one_by_one"]

APART = ("replay", "recording")
"""Packages that are other programs, in a way: whoever wants them says so at the start."""


def import_one_by_one(packages: Sequence[str]) -> Iterator[str]:
    """Import every module of the console, and of these packages, one at each step; yields their names."""
    assert __package__
    for name in (__package__, *packages):
        yield from _import(name)


def _import(package: str) -> Iterator[str]:
    for module in pkgutil.iter_modules(import_module(package).__path__):
        name = f"{package}.{module.name}"
        if not module.ispkg:
            import_module(name)
            yield name
        elif module.name not in APART:
            yield from _import(name)
