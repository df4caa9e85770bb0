"""The figures of one or more runs, merged, as tables in RESULTS.md and as a plot beside it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.measures import FIGURES
from benchmarks.report import shown

BEGIN, END = "<!-- peers: written by the harness -->", "<!-- peers: end -->"

Values = dict[tuple[str, str], dict[str, Any]]
"""A row of a report, by figure and system."""

TABLES: Mapping[str, Mapping[str, str]] = {
    "Drain": {
        "drain no-op": "no-op, tasks/s",
        "drain no-op, two processes": "two processes",
        "drain 1 ms sleep": "1 ms sleep, tasks/s",
        "drain no-op: worker CPU": "worker, µs/task",
        "drain no-op: Redis CPU": "Redis, µs/task",
        "drain no-op: commands": "commands/task",
    },
    "Out of a small backlog and out of a large one": {
        "small backlog": "small, tasks",
        "small backlog: drain": "tasks/s",
        "large backlog": "large, tasks",
        "large backlog: drain": "tasks/s",
        "large backlog / small": "large / small",
    },
    "Enqueue, tasks/s": {
        "enqueue one by one": "one by one",
        "enqueue concurrent": "100 coroutines",
        "enqueue bulk": "in bulk",
        "enqueue one by one: CPU": "client, µs each (one by one)",
        "Redis bytes per task": "Redis bytes per task",
    },
    "Latency, ms": {
        "pickup p50": "pickup p50",
        "pickup p99": "p99",
        "lateness p50": "delayed: late p50",
        "lateness p99": "p99",
        "run early": "early",
    },
    "Crons of every minute, ten at once, ms": {
        "minute cron: p50": "late p50",
        "minute cron: p99": "p99",
        "minute cron: early": "early",
    },
    "A worker with nothing to do": {
        "start to first task": "start to first task, s",
        "idle RSS": "RSS, MB",
        "idle PSS": "PSS, MB",
        "idle commands": "commands/s",
        "idle CPU": "CPU, %",
    },
    "SIGKILL of one of two workers": {
        "SIGKILL: tasks": "tasks",
        "SIGKILL: in the victim's hands": "begun by the victim",
        "SIGKILL: lost": "not ended in the time given",
        "SIGKILL: run twice": "started again",
        "SIGKILL to re-run": "the last of them again after, s",
    },
}

PLOTTED = "drain no-op"


def merged(reports: Iterable[Mapping[str, Any]]) -> tuple[dict[str, str], Values, dict[str, str]]:
    """Settings (where they differ, all of them), rows (a later run's replace an earlier's), how each system was run."""
    settings: dict[str, list[str]] = {}
    rows: Values = {}
    systems: dict[str, str] = {}
    for report in reports:
        for key, value in report["settings"].items():
            said = settings.setdefault(key, [])
            said += [value] if value not in said else []
        systems |= report["systems"]
        rows |= {(row["figure"], row["system"]): row for row in report["figures"]}
    return {key: "; ".join(said) for key, said in settings.items()}, rows, systems


def write(files: Sequence[Path], results: Path) -> None:
    """Put the tables between the marks in RESULTS.md, and the plot beside it."""
    settings, rows, systems = merged(json.loads(file.read_text()) for file in files)
    before, _, rest = results.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    results.write_text(f"{before}{BEGIN}\n\n{as_markdown(settings, rows, systems)}\n{END}{after}")
    drained = {name: rows[PLOTTED, name]["median"] for name in _who(rows) if (PLOTTED, name) in rows}
    (results.parent / "drain.svg").write_text(bars(drained))


def _who(rows: Values) -> list[str]:
    """All systems: those that drained, the quickest first, then the others."""
    drained = {name: row["median"] for (figure, name), row in rows.items() if figure == PLOTTED}
    others = dict.fromkeys(name for _, name in rows if name not in drained)
    return [*sorted(drained, key=drained.__getitem__, reverse=True), *others]


def as_markdown(settings: Mapping[str, str], rows: Values, systems: Mapping[str, str]) -> str:
    """All tables, the systems in the order of how fast they drain."""
    names = _who(rows)
    lines = [f"{key}: {value}  " for key, value in settings.items()]
    lines += ["", "| system | setting |", "|---|---|", *(f"| {name} | {systems[name]} |" for name in names)]
    for title, columns in TABLES.items():
        present = {figure: heading for figure, heading in columns.items() if any(key[0] == figure for key in rows)}
        if not present:
            continue
        lines += [
            "",
            f"### {title}",
            "",
            f"| system | {' | '.join(present.values())} |",
            "|---" * (len(present) + 1) + "|",
        ]
        for name in names:
            if any((figure, name) in rows for figure in present):
                lines.append(f"| {name} | {' | '.join(_cell(rows, figure, name) for figure in present)} |")
        lines.append(f"| *ours / the best peer* | {' | '.join(_ratio(rows, figure) for figure in present)} |")
    return "\n".join([*lines, *_aims(rows)]) + "\n"


def _aims(rows: Values) -> list[str]:
    """Every figure of ours that has an aim, and whether it reaches it."""
    lines = [
        "",
        "### Ours and its aims",
        "",
        "| figure | system | median | unit | aim | |",
        "|---|---|---|---|---|---|",
    ]
    for (figure, name), row in sorted(rows.items(), key=lambda item: list(FIGURES).index(item[0][0])):
        if row["aim"] is not None:
            sign = "≥" if row["better"] == "more" else "≤"
            verdict = "reached" if row["reached"] else "**not reached**"
            aim = f"{sign} {shown(row['aim'])}"
            lines.append(f"| {figure} | {name} | {_cell(rows, figure, name)} | {row['unit']} | {aim} | {verdict} |")
    return lines


def _cell(rows: Values, figure: str, name: str) -> str:
    row = rows.get((figure, name))
    if row is None:
        return "-"
    span = f" ({shown(row['min'])}-{shown(row['max'])})" if len(row["values"]) > 1 else ""
    return shown(row["median"]) + span


def _ratio(rows: Values, figure: str) -> str:
    """Of the medians; ours on its quicker loop."""
    of_figure = [row for (name, _), row in rows.items() if name == figure]
    best = max if of_figure[0]["better"] == "more" else min
    ours = [row["median"] for row in of_figure if row["system"].startswith("taskconsole")]
    peers = [row["median"] for row in of_figure if not row["system"].startswith("taskconsole")]
    if of_figure[0]["unit"] == "tasks" or not ours or not peers or not best(peers):
        return ""
    return f"{shown(best(ours) / best(peers))}"


def bars(values: Mapping[str, float]) -> str:
    """A bar for each system on a logarithmic axis, as SVG."""
    left, width, high, first = 170, 440, 22, 100.0
    decades = [first * 10**n for n in range(5)]
    height = high * len(values) + 60

    def x(value: float) -> float:
        return left + width * _decades(value / first) / (len(decades) - 1)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 {height}" font-family="sans-serif" font-size="13">',
        f'<rect width="720" height="{height}" fill="white"/>',
        '<text x="10" y="20" font-size="15">No-op tasks per second, one worker process (logarithmic)</text>',
    ]
    for decade in decades:
        parts.append(f'<path d="M{x(decade):.0f} 32V{height - 22}" stroke="#ddd"/>')
        parts.append(
            f'<text x="{x(decade):.0f}" y="{height - 8}" text-anchor="middle" fill="#555">{decade:,.0f}</text>'
        )
    for n, (name, value) in enumerate(values.items()):
        y, colour = 36 + n * high, "#1a7f5a" if name.startswith("taskconsole") else "#7a8794"
        parts.append(f'<text x="{left - 8}" y="{y + 13}" text-anchor="end">{name}</text>')
        parts.append(f'<rect x="{left}" y="{y}" width="{max(1.0, x(value) - left):.0f}" height="16" fill="{colour}"/>')
        parts.append(f'<text x="{x(value) + 5:.0f}" y="{y + 13}">{shown(value)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _decades(ratio: float) -> float:
    return math.log10(max(ratio, 1.0))
