"""The tasks of the fault tests. Each writes into a ledger, a stream in a Redis of its own that is never faulted."""

from __future__ import annotations

import asyncio
import os
import random
import time

import redis

from taskconsole import App, Context

app = App()

_ledger = redis.Redis.from_url(os.environ["LEDGER_URL"]) if "LEDGER_URL" in os.environ else None


def note(kind: str, name: str, attempt: int = 1) -> None:
    """Write one line: what happened (`start`, `end`) to which task in which process."""
    if _ledger is not None:
        _ledger.xadd("ledger", {"id": name, "pid": os.getpid(), "attempt": attempt, "kind": kind})


@app.task(retries=5, backoff=0.05)
async def work(context: Context, name: str, seconds: float) -> None:
    """Take a while without holding up the others."""
    note("start", name, context.attempt)
    await asyncio.sleep(seconds)
    note("end", name, context.attempt)


@app.task(retries=5, backoff=0.05)
async def fail_once(context: Context, name: str) -> None:
    """Fail at the first attempt."""
    note("start", name, context.attempt)
    if context.attempt == 1:
        raise ValueError("the first attempt fails")
    note("end", name, context.attempt)


@app.task
async def hold_the_loop(name: str, seconds: float) -> None:
    """Take a while and let nobody else do anything in this process."""
    note("start", name)
    time.sleep(seconds)  # noqa: ASYNC251 - the point of it
    note("end", name)


@app.task
async def tick(name: str) -> None:
    """Be the task of a schedule: nobody has enqueued it, so it is none of those that are counted."""
    note("tick", name)


@app.task(process=True, timeout=1.0, retries=0)
def never_end(name: str) -> None:
    """Do nothing, without end and without a pause."""
    note("start", name)
    while True:
        pass


@app.task
def measure(name: str, text: str) -> None:
    """Take a payload of any size."""
    note("start", name)
    note("end" if len(text) else "empty", name)


@app.task(max_redeliveries=3)
async def kill_the_worker(name: str) -> None:
    """End the process without a word."""
    note("start", name)
    os._exit(9)


@app.task(retries=1, backoff=0.05)
async def gamble(context: Context, name: str, seconds: float, odds: float) -> None:
    """Take a while, and fail now and then."""
    note("start", name, context.attempt)
    await asyncio.sleep(seconds)
    if random.random() < odds:
        raise ValueError("bad luck")
    note("end", name, context.attempt)
