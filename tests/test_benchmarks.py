"""The benchmarks' report: what is measured comes out as medians, ratios, tables and a plot. Nothing is measured here."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from benchmarks.measure import EACH_MINUTE, Size
from benchmarks.measures import FIGURES, MEASURES
from benchmarks.peer_systems import PEERS
from benchmarks.report import Report, shown
from benchmarks.systems import System
from benchmarks.written import BEGIN, END, TABLES, write

BEFORE, AFTER = "# What was measured\n\nWords before.\n\n", "\n\nWords after.\n"

Figures = Mapping[str, Sequence[float]]


def system(name: str) -> System:
    return System(
        name=name,
        setting=f"{name} at its best",
        python=Path(sys.executable),
        producer=(),
        worker=lambda _: [],
        left=lambda _: 0,
        recovers=60,
        ours=name.startswith("taskconsole"),
    )


def run(file: Path, figures: Mapping[str, Figures], **settings: str) -> Path:
    """Write what a run of these systems would have written: figures by system, one value for each repeat."""
    report = Report({"cpu": "a quick one", **settings})
    for name, of_system in figures.items():
        for figure, values in of_system.items():
            for value in values:
                report.add(system(name), {figure: value})
    file.write_text(json.dumps(report.as_json()))
    return file


@pytest.fixture
def results(tmp_path: Path) -> Path:
    results = tmp_path / "RESULTS.md"
    results.write_text(f"{BEFORE}{BEGIN}\nold tables\n{END}{AFTER}")
    return results


def rows(results: Path, title: str) -> dict[str, list[str]]:
    """The lines of a table, by their first cell."""
    _, _, rest = results.read_text().partition(f"### {title}\n")
    table = [line for line in rest.partition("\n### ")[0].partition(END)[0].splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    return {first: others for first, *others in cells}


DRAINED = {
    "taskconsole asyncio": {"drain no-op": [90_000.0], "drain no-op: Redis CPU": [4.0]},
    "slow": {"drain no-op": [200.0, 300.0, 100.0], "drain no-op: Redis CPU": [40.0]},
    "quick": {"drain no-op": [25_000.0], "drain no-op: Redis CPU": [80.0]},
    "taskconsole uvloop": {"drain no-op": [100_000.0], "drain no-op: Redis CPU": [5.0]},
}


def test_only_what_stands_between_the_marks_is_written_anew(tmp_path: Path, results: Path) -> None:
    write([run(tmp_path / "all.json", DRAINED)], results)
    text = results.read_text()
    assert text.startswith(BEFORE + BEGIN)
    assert text.endswith(END + AFTER)
    assert "old tables" not in text


def test_a_cell_is_the_median_with_the_least_and_the_most_of_several_runs(tmp_path: Path, results: Path) -> None:
    write([run(tmp_path / "all.json", DRAINED)], results)
    drain = rows(results, "Drain")
    assert drain["slow"] == ["200 (100-300)", "40"]
    assert drain["quick"] == ["25,000", "80"]


def test_the_ratio_is_that_of_our_best_to_the_best_peer_whichever_way_is_better(tmp_path: Path, results: Path) -> None:
    write([run(tmp_path / "all.json", DRAINED)], results)
    assert rows(results, "Drain")["*ours / the best peer*"] == ["4", "0.1"]


def test_there_is_no_ratio_to_a_peer_that_took_nothing_nor_of_counts(tmp_path: Path, results: Path) -> None:
    ours = {"idle CPU": [0.2], "run early": [1.0], "drain no-op": [5.0]}
    peer = {"idle CPU": [0.0], "run early": [2.0], "drain no-op": [5.0]}
    write([run(tmp_path / "all.json", {"taskconsole uvloop": ours, "peer": peer})], results)
    assert rows(results, "A worker with nothing to do")["*ours / the best peer*"] == [""]
    assert rows(results, "Latency, ms")["*ours / the best peer*"] == [""]


def test_the_systems_stand_in_the_order_of_how_fast_they_drain_and_those_that_do_not_come_last(
    tmp_path: Path, results: Path
) -> None:
    crons = {"minute cron: p50": [3.0]}
    figures = {"only crons": crons, **DRAINED, "quick": {**DRAINED["quick"], **crons}}
    write([run(tmp_path / "all.json", figures)], results)
    order = ["taskconsole uvloop", "taskconsole asyncio", "quick", "slow"]
    assert list(rows(results, "Drain"))[2:-1] == order
    assert list(rows(results, "Crons of every minute, ten at once, ms"))[2:-1] == ["quick", "only crons"]


def test_of_several_files_the_later_figure_counts_and_all_settings_are_told(tmp_path: Path, results: Path) -> None:
    first = run(tmp_path / "first.json", DRAINED, size="whole")
    again = {"quick": {"drain no-op": [50_000.0], "drain 1 ms sleep": [7.0]}}
    write([first, run(tmp_path / "second.json", again, size="quick")], results)
    assert rows(results, "Drain")["quick"] == ["50,000", "7", "80"]
    assert rows(results, "Drain")["slow"] == ["200 (100-300)", "-", "40"]
    assert rows(results, "Drain")["*ours / the best peer*"] == ["2", "", "0.1"]
    assert "cpu: a quick one  \n" in results.read_text()
    assert "size: whole; quick  \n" in results.read_text()


def test_what_ours_should_reach_is_listed_with_whether_it_does(tmp_path: Path, results: Path) -> None:
    ours = {"enqueue one by one": [9_000.0, 7_000.0, 5_000.0], "pickup p50": [0.5], "pickup max": [3.0]}
    write([run(tmp_path / "all.json", {"taskconsole uvloop": ours, "peer": ours})], results)
    assert list(rows(results, "Ours and its aims").items())[2:] == [
        ("pickup p50", ["taskconsole uvloop", "0.5", "ms", "≤ 1", "reached"]),
        ("enqueue one by one", ["taskconsole uvloop", "7,000 (5,000-9,000)", "tasks/s", "≥ 8,000", "**not reached**"]),
    ]


def test_the_plot_has_a_bar_for_each_system_the_longest_first(tmp_path: Path, results: Path) -> None:
    write([run(tmp_path / "all.json", DRAINED)], results)
    plot = ET.fromstring((tmp_path / "drain.svg").read_text())
    name = "{http://www.w3.org/2000/svg}"
    widths = [float(bar.attrib["width"]) for bar in plot.iter(f"{name}rect")][1:]
    texts = [text.text for text in plot.iter(f"{name}text")]
    assert widths == sorted(widths, reverse=True)
    assert texts[-8:] == [
        *("taskconsole uvloop", "100,000", "taskconsole asyncio", "90,000"),
        *("quick", "25,000", "slow", "200"),
    ]


def test_an_aim_is_for_ours_alone_and_another_without_uvloop(tmp_path: Path) -> None:
    report = json.loads(run(tmp_path / "all.json", DRAINED).read_text())
    verdicts = {row["system"]: (row["aim"], row["reached"]) for row in report["figures"] if row["aim"]}
    assert verdicts == {"taskconsole uvloop": (100_000, True), "taskconsole asyncio": (60_000, True)}


def test_every_column_shows_a_figure_that_is_measured() -> None:
    assert {figure for columns in TABLES.values() for figure in columns} <= set(FIGURES)


def test_every_measure_says_what_it_times_and_is_for_peers_that_there_are() -> None:
    for measure in MEASURES.values():
        assert measure.summary
        assert measure.peers <= set(PEERS)
    assert set(PEERS) - EACH_MINUTE == {"dramatiq"}


def test_a_slower_system_gets_fewer_tasks_but_never_too_few() -> None:
    assert (Size().of(400_000, 40_000), Size(quick=True).of(400_000, 40_000)) == (400_000, 40_000)
    assert (Size().of(400_000, 40_000, 20), Size(quick=True).of(400_000, 40_000, 400)) == (20_000, 200)


def test_a_figure_is_shown_with_the_digits_that_count() -> None:
    assert [shown(value) for value in (306_995.4, 100.2, 99.96, 7.0, 0.31649)] == [
        "306,995",
        "100",
        "100",
        "7",
        "0.316",
    ]
