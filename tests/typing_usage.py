"""The public API as a user types it; read by mypy, never run.

Each wrong line carries the error that mypy must find there: with `--warn-unused-ignores`, a mistake that is
no longer noticed is itself an error.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, assert_type

from taskconsole import App, Backoff, Context, RegisteredTask, Retry, TaskRef


@asynccontextmanager
async def lifespan(app: App) -> AsyncIterator[None]:
    """Around all work of a worker."""
    yield


app = App("redis://localhost", prefix="p:", lifespan=lifespan)


@app.task
def add(a: int, b: int = 0) -> int:
    """Without options."""
    return a + b


@app.task(queue="mail", retries=5, timeout=30, backoff=Backoff(base=1.0))
async def send_mail(to: str, *, subject: str = "hello") -> bool:
    """With options, asynchronous."""
    raise Retry("later", delay=3)


@app.task
def rebuild(context: Context, shard: int) -> None:
    """With a context, which the worker fills in."""
    assert_type(context.attempt, int)


@app.task(name="other", process=True)
def rebuild_too(context: Context, shard: int) -> None:
    """The same with options."""


@app.fallback
def anything(payload: str) -> None:
    """For bare payloads that name no task."""


def right() -> None:
    """What must pass."""
    assert_type(add.enqueue(1, b=2), TaskRef)
    assert_type(add.enqueue(1).id, str)
    assert_type(add(1, 2), int)
    pending = assert_type(send_mail("ada"), Coroutine[Any, Any, bool])
    pending.close()
    send_mail.enqueue("ada", subject="hi")
    send_mail.using(run_after=dt.timedelta(minutes=5)).enqueue("ada")
    send_mail.using(run_after=dt.datetime.now(dt.UTC), queue_name="q", priority=1).enqueue("ada")
    send_mail.using(run_after=2.5).enqueue("ada")
    rebuild.enqueue(3)
    rebuild.enqueue(shard=3)
    rebuild_too.enqueue(3)
    assert_type(app.enqueue_many(send_mail.call(to) for to in ("ada", "bob")), int)
    assert_type(app.reschedule(add.enqueue(1), dt.timedelta(minutes=5)), bool)
    assert_type(app.reschedule("id", 2.5, queue_name="mail"), bool)
    assert_type(app.reschedule(b"payload", dt.datetime.now(dt.UTC)), bool)
    assert_type(app.delete(add.enqueue(1)), bool)
    assert_type(app.delete("id", queue_name="mail"), bool)
    assert_type(app.delete(b"payload"), bool)
    task: RegisteredTask[[int], None] = rebuild
    task.enqueue(3)


async def right_in_asyncio() -> None:
    """What must pass, with await."""
    assert_type(await add.aenqueue(1), TaskRef)
    assert_type(await app.aenqueue_many([add.call(1), add.call(2)]), int)
    assert_type(await app.areschedule(await add.aenqueue(1), 5), bool)
    assert_type(await app.adelete("id", queue_name="mail"), bool)
    assert_type(await send_mail("ada"), bool)


def wrong() -> None:
    """What must not pass."""
    add.enqueue("one")  # type: ignore[arg-type]
    add.enqueue()  # type: ignore[call-arg]
    add.enqueue(1, 2, 3)  # type: ignore[call-arg]
    add.enqueue(1, c=2)  # type: ignore[call-arg]
    add("one")  # type: ignore[arg-type]
    add.call("one")  # type: ignore[arg-type]
    add.using(run_after=5).enqueue("one")  # type: ignore[arg-type]
    send_mail.enqueue("ada", "hi")  # type: ignore[call-arg]
    send_mail.enqueue(5)  # type: ignore[arg-type]
    rebuild.enqueue("three")  # type: ignore[arg-type]
    rebuild.enqueue(None, 3)  # type: ignore[call-arg, arg-type]
    rebuild_too.enqueue()  # type: ignore[call-arg]
    add.using(run_after="tomorrow")  # type: ignore[arg-type]
    add.using(priority="high")  # type: ignore[arg-type]
    add.using(delay=5)  # type: ignore[call-arg]
    app.enqueue_many([add])  # type: ignore[list-item]
    app.enqueue_many([add.enqueue(1)])  # type: ignore[list-item]
    app.reschedule("id")  # type: ignore[call-arg]
    app.reschedule(5, 5)  # type: ignore[arg-type]
    app.reschedule("id", "tomorrow")  # type: ignore[arg-type]
    app.reschedule("id", 5, "mail")  # type: ignore[call-arg]
    app.delete(add)  # type: ignore[arg-type]
    app.delete("id", 5)  # type: ignore[call-arg, arg-type]
    App(5)  # type: ignore[arg-type]
    app.task(retries="many")  # type: ignore[call-overload]
    app.task(add, queue="x")  # type: ignore[call-overload]


async def wrong_in_asyncio() -> None:
    """What must not pass, with await."""
    await add.aenqueue("one")  # type: ignore[arg-type]
    await add.enqueue(1)  # type: ignore[misc]
    await app.delete("id")  # type: ignore[misc]
    await app.adelete(None)  # type: ignore[arg-type]
