"""The figures of a whole run: collected, as a table, as JSON."""

from __future__ import annotations

import statistics
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from benchmarks.measure import Figures
from benchmarks.measures import FIGURES
from benchmarks.systems import System

HEADINGS = ("figure", "system", "median", "min-max", "unit", "aim", "")


@dataclass(slots=True)
class Report:
    """What was measured so far.

    Attributes:
        settings: What it was measured on and how.
        values: The figures by name and system, one value for each run.
        problems: What did not give a figure, with the reason.
        systems: How each one was run.
    """

    settings: dict[str, str]
    values: dict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(list))
    problems: list[str] = field(default_factory=list)
    systems: dict[str, str] = field(default_factory=dict)
    _ours: set[str] = field(default_factory=set)

    def add(self, system: System, figures: Figures) -> None:
        """Keep the figures of one run."""
        patience = f"; after a SIGKILL {system.recovers:g} s were given" if system.recovers else ""
        self.systems[system.name] = system.setting + patience
        if system.ours:
            self._ours.add(system.name)
        for name, value in figures.items():
            self.values[name, system.name].append(value)

    def rows(self) -> list[dict[str, Any]]:
        """One row for each figure and system, in the order of the measures, ours first."""
        order = list(FIGURES)
        keys = sorted(self.values, key=lambda key: (order.index(key[0]), key[1] not in self._ours))
        return [self._row(*key) for key in keys]

    def _row(self, name: str, system: str) -> dict[str, Any]:
        figure, values = FIGURES[name], self.values[name, system]
        median = statistics.median(values)
        aim = figure.aim if system in self._ours else None
        if aim is not None and figure.aim_on_asyncio is not None and system.endswith("asyncio"):
            aim = figure.aim_on_asyncio
        reached = None
        if aim is not None:
            reached = median >= aim if figure.better == "more" else median <= aim
        return {
            "figure": name,
            "system": system,
            "unit": figure.unit,
            "better": figure.better,
            "median": median,
            "min": min(values),
            "max": max(values),
            "values": values,
            "aim": aim,
            "reached": reached,
        }

    def as_json(self) -> dict[str, Any]:
        """Everything, for a file."""
        return {"settings": self.settings, "systems": self.systems, "figures": self.rows(), "problems": self.problems}

    def as_text(self) -> str:
        """The settings, a table, the problems."""
        lines = [f"{name:>12}: {value}" for name, value in self.settings.items()]
        return "\n".join([*lines, "", *self._table(), "", *self.problems])

    def _table(self) -> list[str]:
        cells = [HEADINGS]
        for row in self.rows():
            sign = "≥" if row["better"] == "more" else "≤"
            span = f"{shown(row['min'])}-{shown(row['max'])}" if len(row["values"]) > 1 else ""
            aim = "" if row["aim"] is None else f"{sign} {shown(row['aim'])}"
            verdict = {True: "reached", False: "NOT reached", None: ""}[row["reached"]]
            cells.append((row["figure"], row["system"], shown(row["median"]), span, row["unit"], aim, verdict))
        widths = [max(len(line[column]) for line in cells) for column in range(len(HEADINGS))]
        right = {2, 3, 5}
        return [
            "  ".join(
                text.rjust(width) if column in right else text.ljust(width)
                for column, (text, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in cells
        ]


def shown(value: float) -> str:
    """A figure with about three digits that count."""
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"
