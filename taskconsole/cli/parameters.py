"""Types of options that click does not have."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from typing import NoReturn

    _Type = click.ParamType[float]
else:
    _Type = click.ParamType  # generic only since click 8.2

__all__ = ["SECONDS", "Seconds"]

YEAR = 366 * 86_400.0


class Seconds(_Type):
    """A finite number of seconds between two bounds; not NaN."""

    name = "seconds"

    def __init__(self, minimum: float = 0.0, maximum: float = 10 * YEAR) -> None:
        self.minimum, self.maximum = minimum, maximum

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number; a usage error when it is none, or out of bounds."""
        try:
            seconds = float(str(value))
        except ValueError:
            self._refuse(value, param, ctx)
        # Written so that NaN, which compares as false, is refused too.
        if not (self.minimum <= seconds <= self.maximum and math.isfinite(seconds)):
            self._refuse(value, param, ctx)
        return seconds

    def _refuse(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> NoReturn:
        wanted = f"seconds from {self.minimum:g} to {self.maximum:,.0f}"
        self.fail(f"{str(value)[:40]!r} is not a number of {wanted}", param, ctx)


SECONDS = Seconds()
