"""The console over a real Redis: what keys do there, and that a read-only console does nothing at all."""

from __future__ import annotations

import json
import threading
import time
from contextlib import closing

import pytest
import redis

from taskconsole.backends.native import NativeBackend
from taskconsole.config import Settings
from taskconsole.console.dialogs.confirm import Confirm
from taskconsole.console.dialogs.typed import Typed
from taskconsole.console.place import Place
from taskconsole.console.views.catalogue import VIEWS
from taskconsole.model.state import State
from tests.console.screens import running, until, until_shown
from tests.servers import connect

PENDING, DEAD = (Place(view="tasks", queue="mail", state=state) for state in (State.PENDING, State.DEAD))


def fill(raw, pending=5, dead=3):
    raw.sadd("taskconsole:queues", "mail", "other")
    for i in range(pending):
        raw.lpush("mail", json.dumps({"task": "send", "id": f"p{i}", "args": [i]}))
    for i in range(dead):
        died = {"at": time.time() - i, "reason": "failed 3 times, last: KeyError: 5"}
        raw.zadd("{mail}:dead", {json.dumps({"task": "send", "id": f"d{i}", "died": died}): died["at"]})
    raw.zadd("{mail}:delayed", {json.dumps({"task": "send", "id": "l0"}): time.time() + 600})


def console(url, **options):
    backend = NativeBackend(Settings(url=url), read_only=options.get("read_only", False))
    return running(connect=lambda: backend, backend=backend_without_gate(backend), **options)


def backend_without_gate(backend):
    """What `running` lets go of at the end; there is nothing to hold here."""
    backend.gate = backend.apply_gate = threading.Event()
    return backend


async def test_delete_purge_retry_and_undo_do_what_they_say(store_url, raw):
    fill(raw)
    async with console(store_url, start=PENDING) as pilot:
        app = pilot.app
        await until(lambda: app.desk.view.grid.selected is not None)
        before = raw.lrange("mail", 0, -1)
        await pilot.press("d")
        await until(lambda: isinstance(app.screen, Confirm))
        assert raw.lrange("mail", 0, -1) == before
        await pilot.press("y")
        await until_shown(app, "z undoes it until")
        assert raw.lrange("mail", 0, -1) == before[:-1]
        await pilot.press("z")
        await until(lambda: raw.lrange("mail", 0, -1) == before)
        await until(lambda: not app.desk.hands.flow._under_way)

        await pilot.press("P")
        await until(lambda: isinstance(app.screen, Typed) and app.focused)
        # More have come while it was asked: nothing is done, and it is asked again.
        raw.lpush("mail", *[json.dumps({"task": "send", "id": f"n{i}"}) for i in range(2)])
        await pilot.press(*"mail", "enter")
        await until_shown(app, "it was 5, now it is 7")
        assert raw.llen("mail") == 7
        await pilot.press(*"mail", "enter")
        await until(lambda: not raw.exists("mail"))
        await until(lambda: not app.desk.hands.flow._under_way)
        await pilot.press("z")
        await until(lambda: raw.llen("mail") == 7)

        await app.desk.go(DEAD)
        await until(lambda: app.desk.view.grid.selected is not None)
        await pilot.press("r")
        await until(lambda: raw.zcard("{mail}:dead") == 2)
        assert raw.llen("mail") == 8
        assert raw.xlen("{mail}:log") >= 4, "every action is in the log"


async def test_the_form_offers_the_tasks_of_live_workers(store_url, raw, start_worker):
    start_worker(queues=("mail",))
    async with console(store_url) as pilot:
        app = pilot.app
        await until(lambda: app.queues.grid.selected is not None)
        await pilot.press("e")
        await until_shown(app, "enqueue a task")
        await pilot.press(*"hold_", "right")
        await until(lambda: app.screen.task_name.value == "hold_the_loop")


@pytest.mark.no_key_leak
async def test_a_read_only_console_sends_nothing_that_writes(store_url, raw):
    fill(raw)
    flags = {name.upper() if isinstance(name, str) else name: info["flags"] for name, info in raw.command().items()}
    writing = {name for name, found in flags.items() if {"write", b"write"} & set(found)} | {"PUBLISH"}
    assert {"LPUSH", "SET", "DEL", "ZADD"} <= writing
    seen, over = [], threading.Event()
    with closing(connect(store_url)) as watcher:
        watch = redis.Redis(connection_pool=watcher.connection_pool).monitor()
        with watch as monitor:
            hear = threading.Thread(
                target=lambda: [seen.append(c["command"]) for c in iter(lambda: _next(monitor, over), None)]
            )
            hear.start()
            raw.ping()
            before = {key: raw.dump(key) for key in raw.keys("*")}
            async with console(store_url, read_only=True) as pilot:
                app = pilot.app
                places = [
                    *(Place(view=name) for name in VIEWS if name not in {"task", "find", "schedule", "worker", "crew"}),
                    PENDING,
                    DEAD,
                ]
                for place in places:
                    await app.desk.go(place)
                    await pilot.pause(0.3)
                    await pilot.press(*"rxsdDMcKpPeAtuQWzZUR", "escape", "enter")
                    await pilot.pause(0.2)
                    await pilot.press("escape")
                    assert app.screen is app.desk, place
            after = {key: raw.dump(key) for key in raw.keys("*")}
            over.set()
            raw.ping()
            hear.join(10)
    assert before == after
    words = {command.split()[0].upper() for command in seen}
    assert words & {"LLEN", "EVALSHA", "EVALSHA_RO", "ZCARD"}, "the console was seen at work"
    ours = [command for command in seen if command.split()[0].upper() in writing]
    assert ours == []


def _next(monitor, over):
    try:
        return None if over.is_set() else monitor.next_command()
    except redis.RedisError:
        return None


async def test_what_is_done_to_a_schedule_is_undone_with_z_and_refused_when_it_has_changed(store_url, raw):
    raw.sadd("taskconsole:queues", "mail")
    raw.hset("{mail}:schedules", "nightly", '{"every":"60s","task":"t"}')
    async with console(store_url, start=Place(view="schedules")) as pilot:
        app = pilot.app

        async def press_and_see(*keys, text):
            await pilot.press(*keys)
            await until_shown(app, text)
            await until(lambda: not app.desk.hands.flow._under_way)

        def paused():
            return b'"paused"' in (raw.hget("{mail}:schedules", "nightly") or b"")

        await until(lambda: app.desk.view.grid.selected is not None)
        await press_and_see("p", text="z undoes it until")
        assert paused()
        await press_and_see("z", text="undone the pause of the schedule nightly")
        assert not paused()

        before = raw.hget("{mail}:schedules", "nightly")
        await pilot.press("d")
        await until(lambda: isinstance(app.screen, Confirm))
        await press_and_see("y", text="removed nightly from mail")
        await press_and_see("z", text="undone the removal of the schedule nightly")
        assert raw.hget("{mail}:schedules", "nightly") == before

        await until(lambda: app.desk.view.grid.selected is not None)
        await press_and_see("p", text="paused nightly on mail")
        raw.hset("{mail}:schedules", "nightly", '{"every":"5s","task":"t"}')
        await press_and_see("z", text="nothing undone: the schedule nightly has changed since")
        assert raw.hget("{mail}:schedules", "nightly") == b'{"every":"5s","task":"t"}'

        await pilot.press("t")
        await until_shown(app, "cannot be undone")
