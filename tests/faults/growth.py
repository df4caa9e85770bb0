"""Does a worker grow with every task it runs? Its memory after each 100,000 tasks, most of them no-ops.

    python -m tests.faults.growth --tasks 2000000

Every hundredth task fails for good, every hundredth fails once, every hundredth is delayed by a moment. A leak of a
task's size would be seen at once; what comes to rest is what the allocator and the caches keep.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import linear_regression

import psutil

from taskconsole import App, Context
from taskconsole.store.keys import Namespace
from tests.servers import PrivateServer, WorkerProcess, wait_until

QUEUE = "task_queue"
KEYS = Namespace().of(QUEUE)

PORTION = 10_000
"""Tasks that are enqueued at once."""

STEP = 100_000
"""Tasks between two looks."""

app = App()


@app.task
async def nothing(number: int) -> None:
    """Do nothing."""


@app.task(retries=0)
async def fail(number: int) -> None:
    """Fail for good, with a traceback of its own each time."""
    raise ValueError(f"number {number} fails")


@app.task(retries=1, backoff=0.05)
async def fail_once(context: Context, number: int) -> None:
    """Fail at the first attempt."""
    await asyncio.sleep(0)
    if context.attempt == 1:
        raise RuntimeError(f"number {number} fails once")


def payload(number: int) -> bytes:
    """One task; three in a hundred are not the plainest case."""
    name = {7: "fail", 57: "fail_once"}.get(number % 100, "nothing")
    return json.dumps({"task": name, "id": f"n{number}", "args": [number]}).encode()


def grow(tasks: int) -> list[float]:
    """Megabytes of a worker before it has run anything and after each 100,000 tasks."""
    with ExitStack() as stack:
        server = stack.enter_context(PrivateServer())
        client = stack.enter_context(server.client())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        worker = WorkerProcess(
            server.url,
            app="tests.faults.growth:app",
            queues=(QUEUE,),
            concurrency=100,
            log=folder / "worker.log",
            arguments=("--log-level", "error"),
        )
        stack.enter_context(worker)
        process = psutil.Process(worker.pid)
        sizes = [process.memory_info().rss / 1e6]
        print(f"{0:9,} tasks: {sizes[0]:.2f} MB", flush=True)
        began = time.monotonic()
        for first in range(0, tasks, PORTION):
            portion = [payload(number) for number in range(first, first + PORTION)]
            late = dict.fromkeys(portion[::100], time.time() + 0.2)
            client.zadd(KEYS.delayed, late)
            client.lpush(QUEUE, *[p for p in portion if p not in late])
            wait_until(
                lambda: not (client.llen(QUEUE) or client.zcard(KEYS.delayed) or client.exists(*held(client))),
                120,
                "all are done",
            )
            if (first + PORTION) % STEP == 0:
                sizes.append(process.memory_info().rss / 1e6)
                pace = (first + PORTION) / (time.monotonic() - began)
                print(f"{first + PORTION:9,} tasks: {sizes[-1]:.2f} MB, {pace:,.0f} tasks/s so far", flush=True)
    return sizes


def held(client) -> list[str]:
    """The lists of what workers have in hand."""
    return [KEYS.processing(worker.decode()) for worker in client.zrange(KEYS.workers, 0, -1)]


def main() -> None:
    """Read the command line, run, print the slope of the second half."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=2_000_000)
    sizes = grow(parser.parse_args().tasks)
    second = sizes[len(sizes) // 2 :]
    slope = linear_regression(range(len(second)), second).slope * 1000
    print(f"second half: {slope:+.1f} kB per {STEP:,} tasks, that is {slope * 1000 / STEP:+.2f} bytes a task")


if __name__ == "__main__":
    main()
