"""Schedules, workers, failures, events and the server, each over scripted figures, and each over hostile ones."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from taskconsole.console.place import Place
from taskconsole.console.text.lines import Tone
from taskconsole.errors import StoreError
from taskconsole.model.definition import Definition, Pause
from taskconsole.model.event import Event, EventKind
from taskconsole.model.failure import FailureGroup, Failures
from taskconsole.model.firing import RunRecord
from taskconsole.model.schedule import Cron, Every
from taskconsole.model.schedule_info import ScheduleInfo
from taskconsole.model.server import KeyUse, ServerClient, ServerDetail, SlowCommand
from taskconsole.model.state import State
from taskconsole.model.stats import TaskRow, WorkerInfo
from tests.console.fake_backend import FakeBackend
from tests.console.hostile_texts import HOSTILE
from tests.console.screens import lines_of, running, text_of, until, until_shown


def schedule(name, *, text="", **more):
    now = time.time()
    values = {
        "definition": Definition(schedule=Cron("15 3 * * *", "Europe/Berlin"), task=text[:4000].strip() or "bill"),
        "raw": b'{"when":"15 3 * * *","password":"hunter2"}',
        "next_at": now + 100,
        **more,
    }
    return ScheduleInfo(name=name, queue=text or "mail", **values)


def worker(name, *, text="", **more):
    now = time.time()
    values = {
        "lease_until": now + 15,
        "seen": now - 2,
        "concurrency": 4,
        "rss": 40_000_000,
        "started": now - 99,
        **more,
    }
    return WorkerInfo(id=name, queue=text or "mail", host=text or "web-7", pid=812, version=text or "0.2.0", **values)


def backend_with(text=""):
    """All there is to show; `text` in the place of every word."""
    backend = FakeBackend()
    now = time.time()
    run = RunRecord(
        outcome=text or "dead", at=now - 60, id=text or "x@1", ms=12.0, worker=text or "w", text=text or "boom"
    )
    pause = Pause(by=text or "ana", at=now - 30, reason=text or "bank is down")
    backend.schedule_infos = [
        schedule(text or "bill", text=text, runs=(run,), running=((text or "x@2", now - 5),)),
        schedule(f"{text}late", text=text, next_at=now - 60),
        schedule(
            f"{text}paused",
            text=text,
            definition=Definition(schedule=Every(300), task=text[:4000].strip() or "t", paused=pause),
            next_at=None,
        ),
        schedule("", text=text, definition=None, trouble=text or "holds a string"),
    ]
    backend.worker_infos = [
        worker(text or "w-1", text=text, active=1, running=((text or "id-1", text or "build", 62.0),)),
        worker(text or "w-1", text=f"{text}2"),
        worker(f"{text}w-2", text=text, lease_until=now - 60),
        worker(f"{text}w-3", text=text, blocked=30.0),
    ]
    sample = backend.task_at("mail", State.DEAD, 3)
    backend.failures_found = Failures(
        groups=(
            FailureGroup(
                queue=text or "mail",
                task=text or "send",
                exception=text or "TimeoutError",
                message=text or "read timed out after <n> s",
                dead=12,
                retrying=3,
                first=now - 900,
                last=now - 5,
                sample=sample,
            ),
            FailureGroup(queue="b", task="t", exception="KeyError", message="<q>", dead=1, last=now),
        ),
        looked=13,
        total=400,
    )
    backend.server_detail = ServerDetail(
        at=now,
        info={"redis_version": text or "7.2.4", "maxmemory_policy": text or "allkeys-lru", "aof_enabled": "0"},
        slow=(SlowCommand(at=now, ms=31.5, command=text or "KEYS *"),),
        clients=(ServerClient(address=text or "10.0.0.1:5", name=text or "taskconsole-worker", idle=3),),
        connected=17,
        keys=(KeyUse(what=text or "pending", queue=text or "mail", elements=12_000, bytes=1_240_000),),
        refused=(text or "CONFIG: no permission",),
    )
    backend.logged = [
        Event(kind=EventKind.DIED, at=now - 600, queue=text or "mail", task=text or "send", id="elder", text=text)
    ]
    return backend


def at(backend, view, **options):
    return running(backend, start=Place(view=view), **options)


async def test_schedules_say_when_in_what_state_and_how_it_went():
    async with at(backend_with(), "schedules", size=(100, 30)) as pilot:
        await until_shown(pilot.app, "15 3 * * * Europe/Berlin")
        shown = text_of(pilot.app)
        for text in ("ON 1", "LATE 1", "PAUSED 1", "BROKEN 1", "nobody fires them", "dead 1m", " 03:15+0"):
            assert text in shown, text
        await pilot.press("slash", *"paused", "enter")
        await until_shown(pilot.app, "s ago: bank is down")


async def test_one_schedule_with_its_runs_and_its_definition():
    async with at(backend_with(), "schedules", size=(100, 50)) as pilot:
        await until_shown(pilot.app, "bill")
        await pilot.press("enter")
        await until_shown(pilot.app, "last runs")
        shown = text_of(pilot.app)
        for text in ("schedules > mail > bill", "x@2", "boom", '"when": "15 3 * * *"', '"password": "***"'):
            assert text in shown, text
        assert sum("03:15:00+0" in line for line in lines_of(pilot.app)) == 10


async def test_a_schedule_that_nobody_fires_looks_like_trouble():
    backend = backend_with()
    async with at(backend, "schedules", size=(100, 30)) as pilot:
        await until_shown(pilot.app, "LATE 1")
        column = next(c for c in pilot.app.desk.view.grid.columns if c.heading == "STATE")
        late = next(info for info in backend.schedule_infos if info.name == "late")
        assert column.tone_at(late, time.time()) is Tone.BAD


async def test_workers_are_processes_with_what_they_run():
    async with at(backend_with(), "workers", size=(100, 30)) as pilot:
        await until_shown(pilot.app, "workers   2 alive, 1 GONE")
        shown = text_of(pilot.app)
        for text in ("w-1", "BUSY", "1/4", " 1m02s build", "BLOCKED", "GONE", "web-7 pid 812", "mail,2"):
            assert text in shown, text
        await pilot.press("enter")
        await until_shown(pilot.app, "runs now, the longest first")
        assert "workers > w-1" in text_of(pilot.app)
        pilot.app.backend.worker_infos = []
        await pilot.press("ctrl+r")
        await until_shown(pilot.app, "w-1   not there")


async def test_failures_are_groups_and_lead_to_one_of_them():
    async with at(backend_with(), "failures", size=(120, 30)) as pilot:
        await until_shown(pilot.app, "read timed out after <n> s")
        shown = text_of(pilot.app)
        assert "2 groups   400 dead, of which the newest 13 were looked at: counts are lower bounds" in shown
        assert "12 dead, 3 wait for another attempt" in shown
        await pilot.press("o", "O")
        await until_shown(pilot.app, "COUNTv")
        assert [row.count for row in pilot.app.desk.view.grid.rows] == [15, 1]
        await pilot.press("enter")
        await until(lambda: pilot.app.desk.view.NAME == "task")
        await until_shown(pilot.app, "id-00000003")


async def test_events_come_live_and_from_the_log_and_are_filtered():
    backend = backend_with()
    async with at(backend, "events") as pilot:
        await until_shown(pilot.app, "elder")
        backend.publish(
            Event(kind=EventKind.DONE, at=time.time(), queue="mail", task="send", id="newborn"),
            Event(kind=EventKind.RETRIED, at=time.time(), queue="web", task="hook", id="again"),
        )
        await until_shown(pilot.app, "newborn")
        lines = lines_of(pilot.app)
        where = {
            word: next(i for i, line in enumerate(lines) if word in line) for word in ("again", "newborn", "elder")
        }
        assert where["again"] < where["newborn"] < where["elder"]
        await pilot.press("F")
        await until_shown(pilot.app, "failures only")
        assert "newborn" not in text_of(pilot.app)
        await pilot.press("F", "slash", *"web", "enter")
        await until_shown(pilot.app, "filter web: 1 of 3")
        await pilot.press("escape")
        await until_shown(pilot.app, "elder")


async def test_what_is_heard_and_logged_is_shown_once():
    backend = backend_with()
    async with running(backend) as pilot:
        backend.publish(*backend.logged)
        await until_shown(pilot.app, "DIED")
        await pilot.press("7")
        await until(lambda: pilot.app.desk.view._asked)
        assert sum("DIED" in line for line in lines_of(pilot.app)) == 1


async def test_the_server_shows_risks_durability_and_what_is_slow():
    async with at(backend_with(), "redis", size=(100, 60)) as pilot:
        await until_shown(pilot.app, "what our keys take")
        shown = text_of(pilot.app)
        for text in (
            "risks",
            "allkeys-lru",
            "31.5 ms",
            "KEYS *",
            "taskconsole-worker",
            "1.24MB",
            "CONFIG: no permission",
        ):
            assert text in shown, text


@pytest.mark.parametrize("view", ["schedules", "workers", "failures", "redis", "delayed"])
async def test_a_refusal_is_said_in_the_title(view):
    backend = backend_with()
    async with at(backend, view) as pilot:
        await until(lambda: pilot.app.desk.view.answer is not None)
        backend.look_failure = StoreError("NOPERM no permission")
        if view == "delayed":
            backend.delayed = lambda **_: backend._seen(())
        await until_shown(pilot.app, "NOPERM no permission")
        backend.look_failure = None


@pytest.mark.parametrize("view", ["schedules", "workers", "failures", "events", "redis"])
async def test_hostile_texts_are_text(view):
    # Several in one text, so that a console is started four times and not thirty.
    for text in ("".join(sorted(HOSTILE, key=len)[start::4]) for start in range(4)):
        async with at(backend_with(text), view, size=(120, 40)) as pilot:
            await until(lambda: pilot.app.desk.view.answer is not None or view == "events")
            await pilot.pause()
            assert all(line.isprintable() for line in lines_of(pilot.app)), text
            await pilot.press("enter")
            await pilot.pause()
            assert all(line.isprintable() for line in lines_of(pilot.app)), text
            assert not pilot.app._exit, text


async def test_a_due_time_in_milliseconds_is_said_in_the_title_of_the_delayed_tasks():
    backend = FakeBackend()
    row = TaskRow(queue="mail", state=State.DELAYED, name="send", id="d1", at=1.79e12)
    backend.delayed = lambda **_: ([row, replace(row, id="d2", at=1.79e9)], 2)
    async with running(backend, start=Place(view="delayed")) as pilot:
        await until_shown(pilot.app, "1 IN MILLISECONDS? s sets another time")
