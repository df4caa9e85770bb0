"""A producer process: `python -m benchmarks.produce MODULE ACTION COUNT [TASK]`, in the system's own venv.

Prints one line of JSON: `seconds` and `cpu` (seconds of this process) for the calls alone, imports and what
`opened` does left out.

Actions:
    one         no-ops, each call after the answer to the one before
    concurrent  no-ops from 100 coroutines
    bulk        no-ops with the system's call for many
    fill        COUNT tasks in the quickest way there is: what a worker then drains
    now         one TASK with the argument 0
    paced       COUNT stamps, 10 ms apart
    delayed     COUNT stamps due at random times 2 to 5 s from now

MODULE has some of these functions; `put` or `send` at least:
    put(task, argument)             enqueue one task and wait for the answer; for a time too when it takes `at`
    send(task, argument, at)        the same as a coroutine
    put_many(task, arguments)       enqueue with the call for many, which may be a coroutine
    opened(), closed()              coroutines around all that
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
from typing import Any

PACE = 0.01

DUE = (2.0, 5.0)

COROUTINES = 100


async def one(system: ModuleType, count: int, task: str) -> None:
    """Each after the answer to the one before."""
    if hasattr(system, "put"):
        for n in range(count):
            system.put(task, n)
    else:
        for n in range(count):
            await system.send(task, n)


async def concurrent(system: ModuleType, count: int, task: str) -> None:
    """From many coroutines at once."""

    async def enqueue(numbers: range) -> None:
        for n in numbers:
            await system.send(task, n)

    await asyncio.gather(*(enqueue(range(first, count, COROUTINES)) for first in range(COROUTINES)))


async def bulk(system: ModuleType, count: int, task: str) -> None:
    """With the call for many."""
    await _awaited(system.put_many(task, range(count)))


async def fill(system: ModuleType, count: int, task: str) -> None:
    """In the quickest way there is."""
    way = bulk if hasattr(system, "put_many") else concurrent if hasattr(system, "send") else one
    await way(system, count, task)


async def now(system: ModuleType, _count: int, task: str) -> None:
    """One task."""
    await _sent(system, task, 0)


async def paced(system: ModuleType, count: int, _task: str) -> None:
    """Send stamps on a fixed beat; a late one does not move the next."""
    start = time.monotonic()
    for n in range(count):
        await asyncio.sleep(max(0.0, start + n * PACE - time.monotonic()))
        await _sent(system, "stamp", time.time())


async def delayed(system: ModuleType, count: int, _task: str) -> None:
    """Send stamps that carry the time they are due."""
    start, chance = time.time(), random.Random(7)
    for _ in range(count):
        due = start + chance.uniform(*DUE)
        await _sent(system, "stamp", due, due)


ACTIONS: dict[str, Callable[[ModuleType, int, str], Awaitable[None]]] = {
    action.__name__: action for action in (one, concurrent, bulk, fill, now, paced, delayed)
}


async def _sent(system: ModuleType, *call: Any) -> None:
    await _awaited((system.send if hasattr(system, "send") else system.put)(*call))


async def _awaited(result: Any) -> None:
    if inspect.isawaitable(result):
        await result


async def timed(system: ModuleType, action: str, count: int, task: str) -> dict[str, float]:
    """Do it, on an event loop even if the system blocks that."""
    if hasattr(system, "opened"):
        await system.opened()
    wall, cpu = time.perf_counter(), time.process_time()
    await ACTIONS[action](system, count, task)
    took = {"seconds": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    if hasattr(system, "closed"):
        await system.closed()
    return took


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
    parser.add_argument("action", choices=ACTIONS)
    parser.add_argument("count", type=int)
    parser.add_argument("task", nargs="?", default="noop")
    arguments = parser.parse_args()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        # A system may look for the loop when it is imported.
        system = importlib.import_module(arguments.module)
        print(json.dumps(runner.run(timed(system, arguments.action, arguments.count, arguments.task))))


if __name__ == "__main__":
    main()
