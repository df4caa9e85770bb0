"""Scheduler processes, a Redis whose clock can be moved, and what was fired compared with what was due."""

from __future__ import annotations

import glob
import json
import math
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
import redis

from taskconsole.embedded import tied
from taskconsole.model.firing import RunRecord, decode_position, decode_record, run_id
from taskconsole.store.keys import SCHEDULES, Namespace
from tests.servers import PrivateServer, WorkerProcess, server_binary, wait_until

QUEUE = "task_queue"
KEYS = Namespace().of(QUEUE)


class SchedulerProcess(WorkerProcess):
    """A scheduler as users run it: a child process with the command line `taskconsole --headless scheduler`."""

    def __init__(self, url: str, *, log: Path, environment: Mapping[str, str] | None = None) -> None:
        super().__init__(url, app="", queues=(QUEUE,), concurrency=0, environment=environment, log=log)
        self._command = tied(
            [sys.executable, *("-m", "taskconsole", "-u", url, "--headless", "scheduler"), *("-q", QUEUE)]
        )

    @property
    def up(self) -> bool:
        """Whether it has said that it works."""
        return "scheduler up" in self.output()

    def start(self, timeout: float = 20.0) -> SchedulerProcess:
        """Start it and wait until it works."""
        self.launch()
        wait_until(lambda: self.up or not self.running, timeout, "a scheduler is up")
        assert self.running, f"the scheduler ended with {self.process.returncode}:\n{self.output()}"
        return self

    def usage(self) -> tuple[float, float]:
        """Seconds of processor time used so far, and megabytes of memory held."""
        about = psutil.Process(self.pid)
        times = about.cpu_times()
        return times.user + times.system, about.memory_info().rss / 1e6


class MovedClock:
    """An offset that processes add to the clock of the machine, by libfaketime reading a file.

    Args:
        directory: Where the file may be.
    """

    def __init__(self, directory: Path) -> None:
        self.file = directory / "clock"
        self.move(0)

    def move(self, offset: float) -> None:
        """Let the clock be so many seconds ahead of the machine's from here on."""
        # In one step: half a file would be another time.
        fresh = self.file.with_suffix(".new")
        fresh.write_text(f"{offset:+.0f}\n")
        fresh.replace(self.file)

    def environment(self) -> dict[str, str]:
        """What a process must be told; skips the test where libfaketime is not installed."""
        return {
            "LD_PRELOAD": faketime_library(),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }


def faketime_library() -> str:
    """The library to preload; skips the test where it is not installed."""
    for place in ("/usr/lib/*/faketime", "/usr/lib*/faketime", "/usr/local/lib/faketime"):
        for found in glob.glob(f"{place}/libfaketimeMT.so.1"):  # noqa: PTH207 - a pattern from the root
            return found
    pytest.skip("needs libfaketime (Debian: apt-get install libfaketime)")


def server_with_clock(
    make_server: Callable[..., PrivateServer], clock: MovedClock, monkeypatch: pytest.MonkeyPatch
) -> PrivateServer:
    """A Redis that takes its time from `clock`; skips the test where that cannot be."""
    environment = clock.environment()
    try:
        # A server with an allocator of its own may hang as soon as the library is preloaded.
        subprocess.run(
            [server_binary(), "--version"], env=os.environ | environment, timeout=3, check=True, capture_output=True
        )
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError):
        pytest.skip("this server does not run under libfaketime")
    with monkeypatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        server = make_server()
    before = clock.file.read_text()
    clock.move(7200)
    with server.client() as client:
        if abs(now(client) - time.time() - 7200) > 60:
            pytest.skip("libfaketime does not move the clock of this server")
    clock.file.write_text(before)
    return server


# -- definitions


def beat(**fields: Any) -> bytes:
    """A definition whose task nobody knows; nobody works these queues."""
    return json.dumps({"task": "beat", **fields}).encode()


def each_second(count: int, *, prefix: str = "s", **fields: Any) -> dict[str, bytes]:
    """Definitions that fire every second: half intervals, half cron expressions with seconds."""
    when: Sequence[dict[str, Any]] = ({"every": 1}, {"cron": "* * * * * *", "tz": "Europe/Berlin"})
    return {f"{prefix}{n:05}": beat(**when[n % 2], **fields) for n in range(count)}


def write(client: redis.Redis, definitions: Mapping[str, bytes]) -> None:
    """Write definitions by hand, and say so as an operator would."""
    pairs = list(definitions.items())
    for start in range(0, len(pairs), 1000):
        client.hset(KEYS.schedules, mapping=dict(pairs[start : start + 1000]))
    client.publish(KEYS.wake, SCHEDULES)


# -- time


def now(client: redis.Redis) -> float:
    """The time by Redis, seconds since the epoch."""
    seconds, micros = client.time()  # type: ignore[misc]  # the blocking client
    return seconds + micros / 1e6


def wait_for_moment(client: redis.Redis, moment: float) -> None:
    """Until it is `moment` by Redis."""
    while (rest := moment - now(client)) > 0:
        time.sleep(min(rest, 0.5))


def all_placed(client: redis.Redis, number: int) -> None:
    wait_until(lambda: client.zcard(KEYS.next) == number, 60, f"{number} schedules have a next time")


def all_decided(client: redis.Redis, moment: float, timeout: float = 20) -> None:
    """Until no schedule has anything to do at or before `moment` any more."""
    wait_until(lambda: client.zcount(KEYS.next, "-inf", moment) == 0, timeout, "everything due is decided")


def who_sweeps(client: redis.Redis, schedulers: list[SchedulerProcess]) -> SchedulerProcess:
    """The one that looks after the definitions and what is late: the one whose loss others must notice."""
    name = wait_until(lambda: client.get(KEYS.sweeper), 20, "somebody looks after the definitions").decode()
    return next((s for s in schedulers if f"-{s.pid}-" in name), schedulers[0])


# -- what was fired


@dataclass(frozen=True, slots=True)
class Fire:
    """One task that a schedule made; seconds since the epoch."""

    id: str
    name: str
    instant: float
    at: float


_decode = msgspec.json.Decoder(dict[str, Any]).decode


def fires(client: redis.Redis) -> list[Fire]:
    """Every task in the queue, oldest first. That ids say what they stand for is checked on the way."""
    found: list[Fire] = []
    for start in range(0, client.llen(QUEUE), 5000):  # type: ignore[arg-type]  # the blocking client
        # Counted from the right, which nobody touches: new ones come in on the left.
        page = client.lrange(QUEUE, -start - 5000, -start - 1)
        for raw in reversed(page):  # type: ignore[arg-type]  # the blocking client
            task = _decode(raw)
            fire = Fire(task["id"], task["schedule"], task["scheduled_at"], task["enqueued_at"])
            assert fire.id == run_id(fire.name, fire.instant)
            found.append(fire)
    return found


def missed_records(client: redis.Redis, names: Iterable[str]) -> dict[str, list[RunRecord]]:
    """What was noted as missed, by schedule."""
    wanted = list(names)
    pipeline = client.pipeline(transaction=False)
    for name in wanted:
        pipeline.lrange(KEYS.runs(name), 0, -1)
    found: dict[str, list[RunRecord]] = {}
    for name, raws in zip(wanted, pipeline.execute(), strict=True):
        records = (decode_record(raw) for raw in raws)
        found[name] = [r for r in records if r is not None and r.outcome == "missed"]
    return found


def positions(client: redis.Redis) -> dict[str, Any]:
    """Where every schedule stands."""
    return {name.decode(): decode_position(raw) for name, raw in client.hgetall(KEYS.positions).items()}  # type: ignore[union-attr]  # the blocking client


class Lateness:
    """When tasks were really made, by Redis: it notes the newest twenty of each schedule."""

    def __init__(self) -> None:
        self._made: dict[str, float] = {}

    def look(self, client: redis.Redis, names: Sequence[str]) -> None:
        """Take down what is known of these schedules now."""
        for raw in client.hmget(KEYS.running, names):  # type: ignore[arg-type,union-attr]  # the blocking client
            self._made |= json.loads(raw or b"{}")

    def of(self, found: Iterable[Fire]) -> list[float]:
        """Seconds from its instant to its making for each of these that was seen."""
        return sorted(self._made[fire.id] - fire.instant for fire in found if fire.id in self._made)


def spread(values: Sequence[float]) -> str:
    """p50, p99 and greatest of seconds, in milliseconds."""
    if not values:
        return "none"
    ordered = sorted(values)
    p50, p99 = (ordered[min(len(ordered) - 1, math.floor(len(ordered) * q))] for q in (0.5, 0.99))
    return f"p50 {p50 * 1000:.1f}, p99 {p99 * 1000:.1f}, max {ordered[-1] * 1000:.1f} ms"


@dataclass(frozen=True, slots=True)
class Tally:
    """The figures of one scheduler fault test."""

    due: int
    made: int
    missing: int
    double: int
    strangers: int
    """Tasks of instants that were not due."""
    gap: float
    """Longest time without any task, seconds."""
    late: str
    """By the tasks' own `enqueued_at`."""

    def __str__(self) -> str:
        return (
            f"due {self.due}, made {self.made}, missing {self.missing}, double {self.double}, "
            f"longest gap {self.gap:.2f} s, late {self.late}"
        )


def tally(fault: str, found: Sequence[Fire], due: Mapping[str, Collection[float]]) -> Tally:
    """Compare, print, return."""
    count = Counter((fire.name, fire.instant) for fire in found)
    wanted = {(name, instant) for name, instants in due.items() for instant in instants}
    moments = sorted({fire.at for fire in found})
    made = Tally(
        due=len(wanted),
        made=len(found),
        missing=len(wanted - set(count)),
        double=sum(n - 1 for n in count.values()),
        strangers=len(set(count) - wanted),
        gap=max((b - a for a, b in pairwise(moments)), default=0.0),
        late=spread([fire.at - fire.instant for fire in found]),
    )
    print(f"{fault}: {made}")
    return made


def seconds_between(names: Iterable[str], first: float, last: float) -> dict[str, set[float]]:
    """Every full second of a stretch, both ends included, for each schedule."""
    return {name: {float(s) for s in range(math.ceil(first), math.floor(last) + 1)} for name in names}


def within(found: Iterable[Fire], first: float, last: float) -> list[Fire]:
    """Those whose instants lie in a stretch, both ends included."""
    return [fire for fire in found if first <= fire.instant <= last]


# -- the pace of a burst


class Pace:
    """How the queue grows: looked at again and again, by Redis's own clock."""

    def __init__(self) -> None:
        self.samples: list[tuple[float, int]] = []

    def look(self, client: redis.Redis) -> None:
        """Take down one sample."""
        pipeline = client.pipeline(transaction=True)
        pipeline.time()
        pipeline.llen(QUEUE)
        (seconds, micros), length = pipeline.execute()
        self.samples.append((seconds + micros / 1e6, length))

    def by_second(self) -> str:
        """Least, middle and most tasks made in the full seconds between the first and the last sample."""
        origin, _ = self.samples[0]
        lengths = list({int(at - origin): length for at, length in self.samples}.values())
        made = sorted(b - a for a, b in pairwise(lengths[:-1]))
        return f"{made[0]}/{made[len(made) // 2]}/{made[-1]}" if made else "?"


def processor_time(client: redis.Redis) -> float:
    """Seconds of processor time that Redis has used."""
    with suppress(KeyError):
        about: Any = client.info("cpu")
        return float(about["used_cpu_user"]) + float(about["used_cpu_sys"])
    return 0.0
