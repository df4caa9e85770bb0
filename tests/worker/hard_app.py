"""Handlers that misbehave, for worker processes."""

from __future__ import annotations

import asyncio
import os
import time

import redis

from taskconsole import App

app = App()


def store() -> redis.Redis:
    return redis.Redis.from_url(app.settings.url)


@app.task
async def immortal() -> None:
    store().set("immortal", "1")
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            continue


@app.task(process=True, retries=0)
def measure(text: str) -> None:
    with store() as client:
        client.set("child", os.getpid())
        time.sleep(1)  # the signals come meanwhile
        client.set("measured", len(text))


@app.task(process=True, retries=0)
def linger() -> None:
    with store() as client:
        client.set("child", os.getpid())
    time.sleep(60)
