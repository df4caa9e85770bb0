"""Does a worker grow with every task it runs, every connection it loses, or every Redis that dies?

    python -m tests.faults.growth --tasks 2000000
    python -m tests.faults.growth --resets 5000
    python -m tests.faults.growth --kills 200

Its memory after each 100,000 tasks, most of them no-ops: every hundredth task fails for good, every hundredth fails
once, every hundredth is delayed by a moment. Or its memory after each 250 resets of all its connections, or after 20
times SIGKILL of Redis, with ten tasks run after each. A leak of a task's or a connection's size would be seen at once;
what comes to rest is what the allocator and the caches keep.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import linear_regression

import psutil
import redis

from taskconsole import App, Context
from taskconsole.store.keys import Namespace
from tests.faultproxy import FaultProxy
from tests.servers import PrivateServer, WorkerProcess, wait_until

QUEUE = "task_queue"
KEYS = Namespace().of(QUEUE)

PORTION = 10_000
"""Tasks that are enqueued at once."""

STEP = 100_000
"""Tasks between two looks."""

FEW, RARE = 250, 20
"""Resets and kills between two looks."""

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


@contextmanager
def watched(client: redis.Redis, url: str) -> Iterator[Callable[[], float]]:
    """A worker, and what tells its megabytes."""
    with tempfile.TemporaryDirectory() as folder:
        worker = WorkerProcess(
            url,
            app="tests.faults.growth:app",
            queues=(QUEUE,),
            concurrency=100,
            log=Path(folder) / "worker.log",
            arguments=("--log-level", "error"),
        )
        with worker:
            run_all(client, [payload(0)])
            yield lambda: psutil.Process(worker.pid).memory_info().rss / 1e6


def run_all(client: redis.Redis, payloads: list[bytes], late: Mapping[bytes, float] | None = None) -> None:
    """Have them run, the late ones at their times; returns when nothing is left."""
    if late:
        client.zadd(KEYS.delayed, late)
    client.lpush(QUEUE, *payloads)
    wait_until(
        lambda: not (client.llen(QUEUE) or client.zcard(KEYS.delayed) or client.exists(*held(client))),
        120,
        "all are done",
    )


def with_tasks(tasks: int) -> list[float]:
    """Megabytes of a worker before it has run anything and after each 100,000 tasks."""
    with PrivateServer() as server, server.client() as client, watched(client, server.url) as size:
        sizes = [size()]
        print(f"{0:9,} tasks: {sizes[0]:.2f} MB", flush=True)
        began = time.monotonic()
        for first in range(0, tasks, PORTION):
            portion = [payload(number) for number in range(first, first + PORTION)]
            late = dict.fromkeys(portion[::100], time.time() + 0.2)
            run_all(client, [p for p in portion if p not in late], late)
            if (first + PORTION) % STEP == 0:
                sizes.append(size())
                pace = (first + PORTION) / (time.monotonic() - began)
                print(f"{first + PORTION:9,} tasks: {sizes[-1]:.2f} MB, {pace:,.0f} tasks/s so far", flush=True)
    return sizes


def with_resets(resets: int) -> list[float]:
    """Megabytes of a worker before it has lost a connection and after each so many times that it has lost all of them."""
    with PrivateServer() as server, FaultProxy(server.url) as proxy:
        return over(resets, "resets", FEW, server, proxy.url, proxy.reset_all)


def with_kills(kills: int) -> list[float]:
    """Megabytes of a worker before its Redis has died and after each so many deaths."""
    with PrivateServer(append_only=True) as server:

        def die() -> None:
            server.kill()
            server.restart()

        return over(kills, "kills", RARE, server, server.url, die)


def over(times: int, what: str, step: int, server: PrivateServer, url: str, fault: Callable[[], object]) -> list[float]:
    """Megabytes of a worker at `url` before the first fault and after each `step`; ten tasks run after each fault."""
    with server.client() as client, watched(client, url) as size:
        sizes = [size()]
        print(f"{0:9,} {what}: {sizes[0]:.2f} MB", flush=True)
        for number in range(1, times + 1):
            fault()
            with server.client() as again:
                run_all(again, a_few(number))
            if number % step == 0:
                sizes.append(size())
                print(f"{number:9,} {what}: {sizes[-1]:.2f} MB", flush=True)
        return sizes


def a_few(number: int) -> list[bytes]:
    """Ten tasks, the `number`-th time."""
    return [payload(n) for n in range(number * 100, number * 100 + 10)]


def held(client: redis.Redis) -> list[str]:
    """The lists of what workers have in hand."""
    return [KEYS.processing(worker.decode()) for worker in client.zrange(KEYS.workers, 0, -1)]


def main() -> None:
    """Read the command line, run, print the slope of the second half."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--tasks", type=int, default=2_000_000)
    what.add_argument("--resets", type=int)
    what.add_argument("--kills", type=int)
    arguments = parser.parse_args()
    if arguments.resets:
        sizes, step, each = with_resets(arguments.resets), FEW, "reset"
    elif arguments.kills:
        sizes, step, each = with_kills(arguments.kills), RARE, "kill"
    else:
        sizes, step, each = with_tasks(arguments.tasks), STEP, "task"
    second = sizes[len(sizes) // 2 :]
    slope = linear_regression(range(len(second)), second).slope * 1000
    print(f"second half: {slope:+.1f} kB per {step:,} {each}s, that is {slope * 1000 / step:+.2f} bytes a {each}")


if __name__ == "__main__":
    main()
