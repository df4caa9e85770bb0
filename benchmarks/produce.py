"""A producer process: `python -m benchmarks.produce MODULE ACTION COUNT [TASK]`, in the system's own venv.

Prints one line of JSON: `seconds` and `cpu` (seconds of this process) for the calls alone, imports and the
first connection left out.

Actions:
    one         no-ops, each call after the answer to the one before
    concurrent  no-ops from 100 coroutines
    bulk        no-ops with the system's call for many
    fill        COUNT tasks in the quickest way there is: what a worker then drains
    now         one TASK with the argument 0
    paced       COUNT stamps, 10 ms apart
    delayed     COUNT stamps due at random times 2 to 5 s from now
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import inspect
import json
import random
import time
from collections.abc import Awaitable, Callable
from types import ModuleType

PACE = 0.01

DUE = (2.0, 5.0)


async def paced(system: ModuleType, count: int) -> None:
    """Send stamps on a fixed beat; a late one does not move the next."""
    start = time.monotonic()
    for n in range(count):
        await asyncio.sleep(max(0.0, start + n * PACE - time.monotonic()))
        await system.send("stamp", time.time())


async def delayed(system: ModuleType, count: int) -> None:
    """Send stamps that carry the time they are due."""
    start, chance = time.time(), random.Random(7)
    for _ in range(count):
        due = start + chance.uniform(*DUE)
        await system.send("stamp", due, at=due)


def timed(call: Callable[[], Awaitable[None] | None]) -> dict[str, float]:
    """Run `call`, on an event loop if it is asynchronous."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = call()
    if inspect.isawaitable(result):

        async def wait() -> None:
            await result

        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            wall, cpu = time.perf_counter(), time.process_time()
            runner.run(wait())
    return {"seconds": time.perf_counter() - wall, "cpu": time.process_time() - cpu}


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """What makes uvloop's loop; None where that is not installed."""
    try:
        import uvloop  # noqa: PLC0415 - where it is installed
    except ImportError:
        return None
    return uvloop.new_event_loop


def main() -> None:
    """Do one action of one system."""
    parser = argparse.ArgumentParser()
    parser.add_argument("module")
    parser.add_argument("action")
    parser.add_argument("count", type=int)
    parser.add_argument("task", nargs="?", default="noop")
    arguments = parser.parse_args()
    system = importlib.import_module(arguments.module)
    count, task = arguments.count, arguments.task
    match arguments.action:
        case "now":
            result = timed(lambda: system.send(task, 0))
        case "paced":
            result = timed(lambda: paced(system, count))
        case "delayed":
            result = timed(lambda: delayed(system, count))
        case "fill":
            fill = getattr(system, "fill", None) or system.bulk
            result = timed(lambda: fill(count, task))
        case action:
            result = timed(lambda: getattr(system, action)(count))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
