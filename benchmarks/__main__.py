"""`python -m benchmarks`: run the measures, print the table."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

import psutil

from benchmarks.bench import Bench, RunError
from benchmarks.environments import NotInstalledError
from benchmarks.machine import description
from benchmarks.measure import Measure, Size
from benchmarks.measures import MEASURES
from benchmarks.peer_systems import PEERS
from benchmarks.report import Report
from benchmarks.systems import System, our_loops, taskconsole
from benchmarks.written import write

RESULTS = Path(__file__).parent / "RESULTS.md"


def main() -> None:
    """Run what was asked for; exit with 1 when something gave no figure."""
    arguments = _arguments()
    if arguments.write:
        write(arguments.write, RESULTS)
        return
    size = Size(quick=arguments.quick)
    with Bench(server=arguments.server) as bench:
        report = Report({**description(), **bench.settings(), "size": "quick" if size.quick else "whole"})
        ours = [taskconsole(loop) for loop in our_loops()] if arguments.ours else []
        peers = _peers(arguments.peers, arguments.cache, report)
        try:
            for name in arguments.measures or MEASURES:
                measure = MEASURES[name]
                repeats = arguments.repeats or measure.repeats or (1 if size.quick else 3)
                _run(bench, measure, name, _entrants(measure, ours, peers), repeats, size, report)
        except KeyboardInterrupt:
            report.problems.append("interrupted: what comes after was not measured")
    print(report.as_text())
    if arguments.json:
        arguments.json.write_text(json.dumps(report.as_json(), indent=1) + "\n")
    sys.exit(1 if report.problems else 0)


def _arguments() -> argparse.Namespace:
    measures = "\n".join(f"  {name:14} {measure.summary}" for name, measure in MEASURES.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        epilog=f"measures:\n{measures}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "taskconsole-benchmarks"
    parser.add_argument("measures", nargs="*", metavar="measure", help="which ones; all by default")
    parser.add_argument("--quick", action="store_true", help="less of everything, once")
    parser.add_argument("--repeats", type=int, help="runs of each measure (default: 3, or 1 with --quick)")
    parser.add_argument(
        "--peers", default="", help=f"measure these too, separated by commas, or all: {', '.join(PEERS)}"
    )
    parser.add_argument("--no-ours", dest="ours", action="store_false", help="measure the peers only")
    parser.add_argument("--cache", type=Path, default=cache, help="where the peers are installed (%(default)s)")
    parser.add_argument("--server", type=Path, help="the redis-server to use (default: the one on PATH)")
    parser.add_argument("--write", type=Path, nargs="+", metavar="FILE", help="merge such files into RESULTS.md")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    arguments = parser.parse_args()
    if unknown := set(arguments.measures) - set(MEASURES):
        parser.error(f"no such measure: {', '.join(sorted(unknown))}")
    arguments.peers = list(PEERS) if arguments.peers == "all" else [*filter(None, arguments.peers.split(","))]
    if unknown := set(arguments.peers) - set(PEERS):
        parser.error(f"no such peer: {', '.join(sorted(unknown))}")
    return arguments


def _peers(names: list[str], cache: Path, report: Report) -> list[System]:
    """The peers that can be had; the others are named in the report."""
    peers = []
    for name in names:
        try:
            peers.append(PEERS[name](cache))
        except NotInstalledError as reason:
            report.problems.append(str(reason))
    return peers


def _entrants(measure: Measure, ours: list[System], peers: list[System]) -> list[System]:
    """Who takes part in a measure: ours on each loop or on the quicker one, and the peers that it is for."""
    return [*(ours if measure.every_loop else ours[:1]), *(peer for peer in peers if peer.name in measure.peers)]


def _run(
    bench: Bench, measure: Measure, name: str, systems: list[System], repeats: int, size: Size, report: Report
) -> None:
    """Run a measure, the systems taking turns so that a slow minute of the machine hits them all."""
    for turn in range(repeats):
        for system in systems:
            print(f"{name}, {system.name}, run {turn + 1} of {repeats} …", file=sys.stderr, flush=True)
            try:
                report.add(system, measure.run(bench, system, size))
            except (RunError, psutil.NoSuchProcess) as reason:
                report.problems.append(f"{name}, {system.name}: {reason}")


if __name__ == "__main__":
    main()
