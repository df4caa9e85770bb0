"""What is on the screen of a running app, as text, and waiting for it."""

from __future__ import annotations

import asyncio
import contextlib
import time

from taskconsole.console.app import Console
from taskconsole.console.terminal.keystrokes import Keystrokes
from tests.console.fake_backend import FakeBackend


@contextlib.asynccontextmanager
async def running(backend=None, size=(80, 24), connect=None, **options):
    """A console over a scripted backend, live unless it is told how to connect."""
    backend = backend or FakeBackend()
    # A pilot presses keys faster than anybody; what that means is tested by itself.
    options.setdefault("keys", Keystrokes(burst=0, held=0, seen=0))
    app = Console(connect or (lambda: backend), address=backend.address, **options)
    async with app.run_test(size=size) as pilot:
        app.backend = backend
        try:
            if connect is None:
                await until_shown(app, "LIVE" if size[0] >= 60 else "")
                await until(lambda: app.queues.grid.rows or not backend.queues or options.get("start"))
            await pilot.pause()
            yield pilot
        finally:
            backend.gate.set()
            backend.apply_gate.set()


def lines_of(app):
    """The visible lines, of all layers."""
    screen = app.screen
    update = screen._compositor.render_update(full=True, screen_stack=app._background_screens)
    width, height = screen.size
    # Just after a change of size the compositor may have as many lines as before it.
    rows = ["".join(segment.text for segment in line)[:width] for line in update.strips[:height]]
    return rows + [""] * (height - len(rows))


def text_of(app):
    return "\n".join(lines_of(app))


async def until(condition, *, seconds=15.0, what=""):
    """Wait for a condition, looking at it often."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what or condition}"
        await asyncio.sleep(0.01)


async def until_shown(app, text, **options):
    """Wait for a text, and until what came with it is laid out: nothing changes for a moment."""
    try:
        await until(lambda: text in text_of(app), what=text, **options)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{text_of(app)}") from None
    for _ in range(20):
        before = lines_of(app)
        await asyncio.sleep(0.02)
        if lines_of(app) == before:
            return
