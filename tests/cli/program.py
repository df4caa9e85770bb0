"""An App for tests of the worker's command line; what it does is told by its environment."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator
from typing import Any

import redis

from taskconsole import App

_trouble = os.environ.get("TROUBLE", "")
if _trouble == "import":
    raise RuntimeError("first line\nsecond line \x1b[2J")
if _trouble == "exit":
    sys.exit("leaving")


@contextlib.asynccontextmanager
async def lifespan(_: App) -> AsyncIterator[Any]:
    """Fail, or die, while entering."""
    if _trouble == "lifespan":
        raise RuntimeError("no database")
    yield


app = App(os.environ.get("OWN_URL"), lifespan=lifespan)
not_an_app = {"app": app}


@app.task(queue="mail")
async def hello(key: str) -> None:
    """Leave a mark by way of another task, enqueued from within."""
    follow_up.enqueue(key)


@app.task(queue="bills")
def follow_up(key: str) -> None:
    """Leave a mark: which modules this worker has loaded."""
    client = redis.Redis.from_url(os.environ["MARK_URL"])
    client.lpush(key, json.dumps(sorted(name for name in sys.modules if "." not in name)))
    client.close()


@app.task
async def wait() -> None:
    """Leave a mark, then take longer than any test."""
    redis.Redis.from_url(app.settings.url).set("waiting", 1)
    await asyncio.sleep(600)
