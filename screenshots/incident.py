"""Pictures of one incident, for the README: a real console over a real Redis, keys pressed one after another.

A private Redis is started and filled: a queue whose worker is gone, tasks that failed while a mail server was down.
Everything after that is what the console does when the keys are pressed.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import redis

from taskconsole.backends.native import NativeBackend
from taskconsole.cli.crew import starter
from taskconsole.config import Settings
from taskconsole.console.app import Console
from taskconsole.console.crew import Crew
from taskconsole.embedded import EmbeddedRedis
from taskconsole.model.reach import Reach

APP = "taskconsole.demo.tasks:app"

STEPS = (
    # name of the picture (none: no picture), keys, what is on the screen then
    ("verdict", (), "NO WORKERS"),
    ("", ("U", *"sho"), "type shop"),
    ("", ("p", "enter"), "unlocked for 15 minutes"),
    ("worker", ("W",), "enter starts"),
    ("", ("enter",), "W shows its log"),
    ("", ("6",), "TimeoutError"),
    ("retry", ("r",), "y/N"),
    ("", ("y",), "z undoes it"),
    ("purge", ("1", "G", "P"), "only webhooks"),
    ("", (*"webhooks", "enter"), "z undoes it until"),
    ("undo", ("z",), "undone"),
)


def fill(url: str) -> None:
    """Four queues as they are at three in the morning."""
    with redis.Redis.from_url(url) as client:
        now = time.time()
        for name in ("mail", "billing", "reports", "webhooks"):
            client.sadd("taskconsole:queues", name)
        for i in range(1_240):
            client.lpush("mail", _task("send_mail", i, now - 840 + i / 2, queue="mail"))
        for i in range(182):
            client.lpush("webhooks", _task("deliver_webhook", 5_000 + i, now - 600 + i, queue="webhooks"))
        pause = {"by": "ana@ops1", "at": now - 610, "reason": "the partner is down"}
        client.set("{webhooks}:paused", json.dumps(pause))
        for i in range(37):
            died = now - 1_900 + 7 * i
            error = {"attempt": 5, "at": died, "error": "TimeoutError: smtp.example.com timed out", "ms": 30_000}
            died_of = {"at": died, "reason": "failed 5 times, last: TimeoutError: smtp.example.com timed out"}
            client.zadd("{mail}:dead", {_task("send_mail", 9_000 + i, died - 60, errors=[error], died=died_of): died})


def _task(name: str, number: int, at: float, **more: Any) -> str:
    args = [f"customer{number}@example.com", "your invoice"]
    return json.dumps({"task": name, "id": f"m{number:05d}", "args": args, "enqueued_at": round(at, 3), **more})


async def play(url: str) -> list[tuple[str, str]]:
    """Press the keys and return the pictures by their names."""
    settings = Settings(url=url)
    crew = Crew(starter(settings), APP)
    pictures: list[tuple[str, str]] = []
    app = Console(
        lambda: NativeBackend(settings, reach=Reach(ours=("-C", "shop"))),
        address="10.0.4.7:6379/0",
        context="shop",
        protected=True,
        crew=crew,
    )
    try:
        async with app.run_test(size=(80, 24)) as pilot:
            for name, keys, wanted in STEPS:
                for key in keys:
                    await pilot.press(key)
                    # As a person presses them: faster they would be taken for a paste.
                    await pilot.pause(0.4)
                await _until_shown(app, wanted)
                await pilot.pause(1.5)
                if name:
                    pictures.append(
                        (f"incident-{len(pictures) + 1}-{name}", app.export_screenshot(title="Taskconsole"))
                    )
    finally:
        crew.close(10)
    return pictures


async def _until_shown(app: Console, text: str) -> None:
    deadline = time.monotonic() + 30
    while text not in _text(app):
        if time.monotonic() > deadline:
            raise SystemExit(f"{text!r} did not come:\n{_text(app)}")
        await asyncio.sleep(0.05)


def _text(app: Console) -> str:
    update = app.screen._compositor.render_update(full=True, screen_stack=app._background_screens)  # noqa: SLF001
    return "\n".join("".join(segment.text for segment in line) for line in update.strips)


def incident() -> list[tuple[str, str]]:
    """(name, SVG) of each picture, in order."""
    with EmbeddedRedis(append_only=True) as server:
        fill(server.url)
        return asyncio.run(play(server.url))
