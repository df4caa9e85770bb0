"""How a task says that it ran: lines of JSON in the file that BENCH_RECORD names.

The tasks of every system under test call the same functions, so that what they add is the same everywhere:
about 0.1 µs for a no-op.
"""

from __future__ import annotations

import itertools
import json
import os
import time

_PATH = os.environ.get("BENCH_RECORD", os.devnull)

_MARKS = frozenset(json.loads(os.environ.get("BENCH_MARKS", "[]")))

_SAMPLES = int(os.environ.get("BENCH_SAMPLES", "0"))

# What is sampled before this time does not count.
_SINCE = float(os.environ.get("BENCH_SINCE", "0"))

# next() on it is one step even with threads, which `runs += 1` is not.
_runs = itertools.count(1)

_samples: list[float] = []


def ran() -> None:
    """Count a run, and note the time when the count is one of BENCH_MARKS."""
    count = next(_runs)
    if count in _MARKS:
        note(mark=count)


def sample(value: float) -> None:
    """Keep a value in memory; with BENCH_SAMPLES of them, write them all."""
    if _SINCE and time.time() < _SINCE:
        return
    _samples.append(value)
    if len(_samples) == _SAMPLES:
        note(samples=_samples)


def note(**fields: object) -> None:
    """Write one line, with the time, the pid and the CPU seconds of this process."""
    line = json.dumps({"at": time.time(), "pid": os.getpid(), "cpu": time.process_time(), **fields}) + "\n"
    with open(_PATH, "a") as record:  # noqa: PTH123 - os.devnull included
        record.write(line)
