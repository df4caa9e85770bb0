"""What code declares comes into Redis and stays true there, whatever operators do meanwhile."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from taskconsole import App
from taskconsole.backends.native import NativeBackend
from taskconsole.config import Settings
from taskconsole.store.keys import Namespace
from taskconsole.store.schedules import ScheduleStore
from taskconsole.store.wire import AsyncWire
from taskconsole.worker.registrar import Registrar
from taskconsole.worker.server_clock import ServerClock

QUEUE = "task_queue"
PLACE = "{task_queue}:"

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe")


def declare(url, **expressions):
    """An app with a schedule for each keyword: its name and its options."""
    app = App(url)

    @app.task
    def t(n=0):
        pass

    for name, options in expressions.items():
        app.cron(options.pop("cron", "15 3 * * *"), name=name, **options)(t)
    return app


@pytest.fixture
async def register(store_url):
    wires = []

    def make(app):
        wires.append(AsyncWire(app.settings))
        schedules = list(app.registry.schedules.values())
        return Registrar(schedules, store=ScheduleStore(Namespace()), wire=wires[-1], clock=ServerClock())

    yield make
    for wire in wires:
        await wire.close()


def definition(raw, name="bill"):
    found = raw.hget(PLACE + "schedules", name)
    return json.loads(found) if found else None


async def test_what_is_declared_is_written_once(register, raw, store_url):
    registrar = register(declare(store_url, bill={}))
    assert 1 == await registrar.run_once(QUEUE)
    written = {name: raw.dump(PLACE + name) for name in ("schedules", "positions", "next", "code")}
    assert definition(raw)["owner"] == "code"
    assert 0 == await registrar.run_once(QUEUE)
    assert 0 == await register(declare(store_url, bill={})).run_once(QUEUE)
    assert written == {name: raw.dump(PLACE + name) for name in written}


async def test_changed_code_arrives_and_moves_the_time_only_if_that_changed(register, raw, store_url):
    await register(declare(store_url, bill={})).run_once(QUEUE)
    at = raw.zscore(PLACE + "next", "bill")
    assert 1 == await register(declare(store_url, bill={"args": [7]})).run_once(QUEUE)
    assert (definition(raw)["args"], raw.zscore(PLACE + "next", "bill")) == ([7], at)
    assert 1 == await register(declare(store_url, bill={"args": [7], "cron": "16 3 * * *"})).run_once(QUEUE)
    assert raw.zscore(PLACE + "next", "bill") - at == 60


async def test_what_an_operator_has_done_stays_and_the_rest_follows_the_code(register, raw, store_url):
    app = declare(store_url, bill={})
    await register(app).run_once(QUEUE)
    await asyncio.to_thread(app.schedules.edit, "bill", cron="0 5 * * *")
    await asyncio.to_thread(app.schedules.pause, "bill", "audit")
    new = declare(store_url, bill={"args": [7], "cron": "16 3 * * *"})
    await register(new).run_once(QUEUE)
    found = definition(raw)
    assert (found["cron"], found["args"], found["paused"]["reason"]) == ("0 5 * * *", [7], "audit")
    assert raw.zscore(PLACE + "next", "bill") is None
    (info,) = await asyncio.to_thread(app.schedules.list)
    assert info.changed
    await asyncio.to_thread(app.schedules.restore, "bill")
    assert definition(raw)["cron"] == "16 3 * * *"
    app.close()


async def test_what_an_operator_removed_is_not_brought_back(register, raw, store_url):
    app = declare(store_url, bill={})
    await register(app).run_once(QUEUE)
    await asyncio.to_thread(app.schedules.remove, "bill")
    assert 0 == await register(app).run_once(QUEUE)
    assert definition(raw) is None
    app.close()


async def test_an_operators_schedule_of_the_same_name_is_left_alone(register, raw, store_url):
    theirs = b'{"every":"5m","task":"other"}'
    raw.hset(PLACE + "schedules", "bill", theirs)
    assert 0 == await register(declare(store_url, bill={})).run_once(QUEUE)
    assert raw.hget(PLACE + "schedules", "bill") == theirs


async def test_two_at_once_write_each_schedule_once(register, raw, store_url):
    names = {f"s{i}": {} for i in range(300)}
    registrars = [register(declare(store_url, **{n: {} for n in names})) for _ in range(3)]
    written = await asyncio.gather(*(registrar.run_once(QUEUE) for registrar in registrars))
    assert sum(written) == 300 == raw.zcard(PLACE + "next")
    assert raw.xlen(PLACE + "log") == 300


async def test_a_redis_that_has_lost_everything_is_told_again(register, raw, store_url):
    registrar = register(declare(store_url, bill={}))
    await registrar.run_once(QUEUE)
    schedules = registrar._by_queue[QUEUE]
    assert await registrar._confirm(QUEUE, schedules)
    raw.flushdb()
    assert not await registrar._confirm(QUEUE, schedules)
    assert 1 == await registrar.run_once(QUEUE)


async def test_what_no_live_app_declares_is_an_orphan_and_goes_on(register, raw, store_url):
    await register(declare(store_url, bill={}, old={})).run_once(QUEUE)
    raw.delete(PLACE + "manifests")  # its worker has been gone for a quarter of an hour
    await register(declare(store_url, bill={})).run_once(QUEUE)
    backend = NativeBackend(Settings(url=store_url))
    found = {info.name: info for info in await asyncio.to_thread(backend.schedules)}
    backend.close()
    assert (found["bill"].orphan, found["old"].orphan) == (False, True)
    assert found["old"].state(time.time()) == "ORPHAN"
    assert raw.zscore(PLACE + "next", "old")


async def test_ten_thousand_are_registered_with_their_first_times_in_five_seconds(register, raw, store_url):
    app = App(store_url)

    @app.task
    def t():
        pass

    for i in range(8000):
        app.cron(f"{i % 60} {i // 60 % 24} * * {i % 7}", tz=ZONES[i % 4], name=f"cron {i}")(t)
    for i in range(2000):
        app.every(60 + i, name=f"every {i}")(t)
    registrar = register(app)
    began = time.perf_counter()
    assert 10_000 == await registrar.run_once(QUEUE)
    first, began = time.perf_counter() - began, time.perf_counter()
    assert 0 == await registrar.run_once(QUEUE)
    again = time.perf_counter() - began
    print(f"10,000 schedules registered in {first:.2f} s, found unchanged in {again:.2f} s")
    assert raw.zcard(PLACE + "next") == 10_000
    assert first <= 5
    assert again <= first
