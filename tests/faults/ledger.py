"""What really ran: read from the ledger and compared with what was accepted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise

import redis

from tests.servers import connect, wait_until


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the ledger; `at` is in seconds since the epoch."""

    at: float
    name: str
    pid: int
    attempt: int
    kind: str


class Ledger:
    """The stream that the handlers of `tests.faults.app` write into.

    Args:
        url: A Redis that is never faulted.
        record: Is given each report, for the table at the end of the run.
    """

    def __init__(self, url: str, record: Callable[[str, Report], None] = lambda _fault, _report: None) -> None:
        self.url = url
        self._record = record
        self._client: redis.Redis = connect(url, decode_responses=True)

    def environment(self) -> dict[str, str]:
        """What a worker process must be told."""
        return {"LEDGER_URL": self.url}

    def lines(self) -> list[Line]:
        """Everything, in the order in which it happened."""
        return [
            Line(int(key.split("-")[0]) / 1000, f["id"], int(f["pid"]), int(f["attempt"]), f["kind"])
            for key, f in self._client.xrange("ledger")  # type: ignore[union-attr,str-unpack]  # the blocking client
        ]

    def count(self, kind: str) -> Counter[str]:
        """How often each task has started or ended."""
        return Counter(line.name for line in self.lines() if line.kind == kind)

    def finished(self) -> int:
        """How many different tasks have ended."""
        return len(self.count("end"))

    def length(self) -> int:
        """How many lines there are."""
        return int(self._client.xlen("ledger"))  # type: ignore[arg-type]  # the blocking client

    def forget(self) -> None:
        """Begin anew."""
        self._client.delete("ledger")

    def wait_for(self, accepted: Iterable[str], timeout: float = 30.0) -> None:
        """Until every one of these has ended."""
        wanted = set(accepted)
        wait_until(
            lambda: self.length() >= 2 * len(wanted) and wanted <= set(self.count("end")),
            timeout,
            f"{len(wanted)} tasks end",
        )

    def now(self) -> float:
        """The time by which its lines are dated, seconds since the epoch."""
        seconds, micros = self._client.time()  # type: ignore[misc]  # the blocking client
        return seconds + micros / 1e6

    def report(self, fault: str, accepted: Iterable[str], *, healed: float | None = None) -> Report:
        """Compare, print, return.

        `healed` is when the (last) fault was over, or had been inflicted when it is over at once; by `now`.
        """
        wanted = set(accepted)
        lines = self.lines()
        starts, ends = self.count("start"), self.count("end")
        moments = [line.at for line in lines if line.kind == "end"]
        gaps = [later - earlier for earlier, later in pairwise(moments)]
        made = Report(
            accepted=len(wanted),
            finished=len(wanted & set(ends)),
            lost=len(wanted - set(ends)),
            strangers=len(set(starts) - wanted),
            repeated=sum(n - 1 for n in starts.values()),
            gap=max(gaps, default=0.0),
            recovery=next((at - healed for at in moments if at >= healed), None) if healed is not None else None,
        )
        print(f"{fault}: {made}")
        self._record(fault, made)
        return made

    def close(self) -> None:
        """Hang up."""
        self._client.close()


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of one fault test."""

    accepted: int
    finished: int
    lost: int
    strangers: int
    """Tasks that ran and were never accepted."""
    repeated: int
    """Starts beyond the first of each task."""
    gap: float
    """Longest time without a task ending, seconds."""
    recovery: float | None = None
    """From the end of the (last) fault to the first task that ended after it, seconds."""

    def __str__(self) -> str:
        recovery = "" if self.recovery is None else f", going on after {self.recovery:.2f} s"
        return (
            f"accepted {self.accepted}, finished {self.finished}, lost {self.lost}, "
            f"repeated starts {self.repeated}, longest gap {self.gap:.2f} s{recovery}"
        )

    def row(self, fault: str) -> str:
        """A line of the table in RESULTS.md."""
        recovery = "-" if self.recovery is None else f"{self.recovery:.2f} s"
        cells = (self.accepted, self.finished, self.lost, self.repeated, f"{self.gap:.2f} s", recovery)
        return f"| {fault} | {' | '.join(map(str, cells))} |"
