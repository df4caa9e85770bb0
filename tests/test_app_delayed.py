"""`App.reschedule` and `App.delete`: delayed tasks from a program, blocking and in asyncio."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import time

import pytest

from taskconsole import App, ConfigError, PayloadError, StoreUnavailable
from taskconsole.worker.options import QueuePlan
from tests.servers import eventually
from tests.worker.rig import running

OWN = "{task_queue}:delayed"
FAR = 4_000_000_000.0


@pytest.fixture
def app(store_url):
    app = App(store_url)
    ran = []
    app.ran = ran

    @app.task
    def note(text: str) -> None:
        ran.append(text)

    @app.task(queue="mail")
    def send(text: str) -> None:
        ran.append(text)

    app.note, app.send = note, send
    yield app
    app.close()


def delayed(task):
    return task.using(run_after=dt.timedelta(days=1))


def due(raw, key=OWN):
    ((_, score),) = raw.zrange(key, 0, -1, withscores=True)
    return score


@pytest.mark.parametrize(
    "run_after", [90, 90.0, dt.timedelta(seconds=90), dt.datetime.fromtimestamp(1893456000, dt.UTC)], ids=repr
)
def test_a_task_gets_another_time(app, raw, run_after):
    ref = delayed(app.note).enqueue("x")
    assert app.reschedule(ref, run_after) is True
    if isinstance(run_after, dt.datetime):
        assert due(raw) == 1893456000.0
    else:
        assert 80 < due(raw) - raw.time()[0] <= 91


def test_a_ref_knows_its_queue_an_id_does_not(app, raw):
    ref = delayed(app.send).enqueue("x")
    assert app.reschedule(ref.id, 5) is False
    assert app.reschedule(ref.id, 5, queue_name="mail") is True
    assert app.delete(ref.id) is False
    assert app.delete(ref, queue_name="other") is False
    assert app.delete(ref) is True
    assert app.delete(ref) is False
    assert app.reschedule(ref, 5) is False
    assert not raw.exists("{mail}:delayed")


def test_an_exact_payload_that_somebody_else_delayed_is_found(app, raw):
    raw.zadd("delayed_tasks", {b"task1": FAR, b"\xff\x00": FAR})
    assert app.reschedule(b"\xff\x00", dt.datetime(1999, 1, 1, tzinfo=dt.UTC)) is True
    assert raw.zscore("delayed_tasks", b"\xff\x00") == 915148800.0
    assert app.delete(b"task1") is True
    assert app.delete(b"\xff\x00") is True
    assert not raw.exists("delayed_tasks")


def test_an_event_says_which_process_did_it(app, raw):
    ref = delayed(app.note).enqueue("x")
    app.delete(ref)
    ((_, entry),) = raw.xrange("{task_queue}:log")
    assert f"process {os.getpid()}@".encode() in entry[b"e"]
    assert ref.id.encode() in entry[b"e"]


def test_keys_have_the_apps_prefix(store_url, raw):
    app = App(store_url, prefix="p:")
    raw.zadd("p:delayed_tasks", {b"a": FAR})
    assert app.delete(b"a") is True
    app.close()
    assert not raw.exists("p:delayed_tasks")


async def test_asyncio_does_the_same(app, raw):
    ref = await delayed(app.note).aenqueue("x")
    assert await app.areschedule(ref, 90) is True
    assert 80 < due(raw) - raw.time()[0] <= 91
    assert await app.adelete(ref) is True
    assert await app.adelete(ref) is False
    await app.aclose()


async def test_of_many_deletions_at_once_one_is_told_that_it_did_it(app, raw):
    ref = await delayed(app.note).aenqueue("x")
    assert sorted(await asyncio.gather(*(app.adelete(ref) for _ in range(8)))) == [False] * 7 + [True]
    await app.aclose()


def test_an_app_that_was_closed_connects_again(app):
    ref = delayed(app.note).enqueue("x")
    assert app.reschedule(ref, 50)
    app.close()
    assert app.delete(ref)


def test_a_child_of_fork_has_a_connection_of_its_own(app, raw):
    first, second = delayed(app.note).enqueue("x"), delayed(app.note).enqueue("y")
    assert app.reschedule(first, 50)
    lock = app._backend()._act._lock
    with lock:
        # As if another thread were in the middle of a call.
        child = os.fork()
        if child == 0:
            os._exit(0 if app.delete(second) else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert app.delete(first)


@pytest.mark.parametrize(
    "run_after",
    [-1, float("nan"), float("inf"), dt.timedelta(seconds=-1), dt.datetime(2030, 1, 1)],  # noqa: DTZ001
    ids=repr,
)
def test_a_time_that_cannot_be_is_refused(app, run_after):
    with pytest.raises(ConfigError):
        app.reschedule("x", run_after)


def test_a_task_that_cannot_be_is_refused(app, raw):
    for wrong in (None, 5, app.note):
        with pytest.raises(TypeError, match="a TaskRef, an id"):
            app.delete(wrong)
        with pytest.raises(TypeError, match="a TaskRef, an id"):
            app.reschedule(wrong, 5)
    with pytest.raises(PayloadError):
        app.delete("")
    with pytest.raises(ConfigError):
        app.delete("x", queue_name="{x}")
    assert raw.dbsize() == 0


def test_without_redis_it_is_unavailable():
    app = App("unix:///nowhere/redis.sock")
    with pytest.raises(StoreUnavailable):
        app.delete("x")


async def test_a_task_of_the_public_set_that_is_rescheduled_to_now_runs_at_once_and_once(app, raw):
    waits = []
    async with running(app, queues=QueuePlan(("mail",))):  # a worker of any queue serves the public set
        await eventually(lambda: raw.pubsub_numsub("{delayed_tasks}:wake")[0][1])
        for i in range(9):
            raw.zadd("delayed_tasks", {f'{{"task":"note","id":"{i}","args":["{i}"],"queue":"mail"}}': FAR})
            began = time.monotonic()
            assert await app.areschedule(f"{i}", dt.datetime(2000, 1, 1, tzinfo=dt.UTC) if i % 2 else 0)
            await eventually(lambda count=i + 1: len(app.ran) == count)
            waits.append(time.monotonic() - began)
            assert not await app.areschedule(f"{i}", 0)
    await app.aclose()
    assert app.ran == [f"{i}" for i in range(9)]
    # A look once a second would take half a second.
    assert sorted(waits)[4] < 0.1, waits


async def test_a_task_that_is_rescheduled_to_now_runs_at_once_and_once(app, raw):
    ref = await delayed(app.note).aenqueue("mine")
    async with running(app):
        await eventually(lambda: raw.pubsub_numsub("{task_queue}:wake")[0][1])
        assert await app.areschedule(ref, 0)
        await eventually(lambda: app.ran)
        assert not await app.adelete(ref)
    await app.aclose()
    assert app.ran == ["mine"]
