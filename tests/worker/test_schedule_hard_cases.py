"""Schedules that meet what nobody wished for: garbage by hand, deleted tasks, deploys that roll back and forth."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from taskconsole import App, Context
from taskconsole.model.schedule import Every
from taskconsole.worker import registrar, whereabouts
from tests.servers import eventually
from tests.worker.rig import running

PLACE = "{task_queue}:"


@pytest.fixture
def app(store_url):
    made = App(store_url)
    yield made
    made.close()


def declared(url, expression):
    """An app with one schedule, as a version of the code has it."""
    made = App(url)

    async def bill():
        pass

    made.cron(expression)(made.task(bill))
    return made


def cron_of(raw, name="bill"):
    found = raw.hget(PLACE + "schedules", name)
    return json.loads(found)["cron"] if found else None


def runs(raw, name):
    return [json.loads(record)["outcome"] for record in raw.lrange(f"{PLACE}runs:{name}", 0, -1)]


@pytest.mark.no_key_leak
async def test_garbage_under_our_keys_does_not_keep_schedules_from_being_fired(app, raw):
    ran = asyncio.Event()

    @app.task
    async def good():
        ran.set()

    raw.zadd(PLACE + "next", {b"\xff\xfe": time.time()})
    raw.hset(PLACE + "positions", b"\xff\xfe", "{}")
    raw.hset(PLACE + "running", b"\xff\xfe", "{}")
    for depth in range(880, 1000, 7):
        raw.hset(PLACE + "schedules", f"deep {depth}", '{"task":"t","at":%s}' % ("[" * depth + "]" * depth))
    raw.hset(PLACE + "schedules", "digits", '{"task":"t","every":1%s}' % ("0" * 400))
    raw.hset(PLACE + "running", "good", '{"a":1%s,"b":"text","c":1e999}' % ("0" * 400))
    raw.hset(PLACE + "schedules", "good", '{"every":0.2,"task":"good","overlap":"allow"}')
    async with running(app) as worker:
        async with asyncio.timeout(10):
            await ran.wait()
        await eventually(lambda: raw.zscore(PLACE + "next", b"\xff\xfe") is None)
        assert not worker._stopping.is_set()


async def test_a_skipped_task_is_none_of_the_runs_that_a_schedule_may_have(app, raw):
    hold, ran = asyncio.Event(), []

    @app.every(0.2, max_runs=2, overlap="skip")
    @app.task
    async def slow():
        ran.append(1)
        await hold.wait()

    async with running(app):
        await eventually(lambda: runs(raw, "slow").count("skipped") >= 3)
        hold.set()
        await eventually(lambda: runs(raw, "slow").count("done") == 2)
        await eventually(lambda: raw.zscore(PLACE + "next", "slow") is None)
    assert [1, 1] == ran


async def test_what_was_taken_out_by_hand_stays_out_and_can_be_restored(store_url, raw):
    app = declared(store_url, "1 1 * * *")
    async with running(app):
        await eventually(lambda: cron_of(raw))
        raw.hdel(PLACE + "schedules", "bill")
        raw.publish(PLACE + "wake", "schedules")
        await eventually(lambda: raw.exists(PLACE + "removed:bill"))
    async with running(app):
        await asyncio.to_thread(app.schedules.restore, "bill")
        assert cron_of(raw) == "1 1 * * *"
    raw.hdel(PLACE + "schedules", "bill")  # nobody is there to see it
    async with running(app):
        await eventually(lambda: raw.exists(PLACE + "removed:bill"))
        assert cron_of(raw) is None
    app.close()


async def test_the_version_that_stays_has_the_last_word(store_url, raw, monkeypatch):
    monkeypatch.setattr(registrar, "CONFIRM", 0.1)
    old, new = declared(store_url, "1 1 * * *"), declared(store_url, "2 2 * * *")
    async with running(new) as staying:
        await eventually(lambda: cron_of(raw) == "2 2 * * *")
        async with running(old):
            await eventually(lambda: cron_of(raw) == "1 1 * * *")
            await eventually(lambda: raw.zcard(PLACE + "manifests") == 2)
        # An hour later nobody has confirmed the old version any more.
        other = next(
            digest
            for digest in raw.zrange(PLACE + "manifests", 0, -1)
            if digest.decode() != registrar._digest_of(list(new.registry.schedules.values()))
        )
        await eventually(lambda: len(staying.registrar._alive.get("task_queue", ())) == 2)
        raw.zrem(PLACE + "manifests", other)
        await eventually(lambda: cron_of(raw) == "2 2 * * *")
    old.close()
    new.close()


async def test_a_deleted_task_does_not_cost_the_next_instant(app, raw, monkeypatch):
    monkeypatch.setattr(whereabouts, "YOUNG", 0.1)

    @app.task
    async def rare():
        pass

    raw.set(PLACE + "paused", '{"by":"x"}')
    raw.hset(PLACE + "schedules", "rare", '{"every":3600,"task":"rare","overlap":"skip"}')
    async with running(app):
        await eventually(lambda: raw.zscore(PLACE + "next", "rare"))
        raw.zadd(PLACE + "next", {"rare": 0})
        raw.publish(PLACE + "wake", "next")
        await eventually(lambda: raw.llen("task_queue") == 1)
        raw.delete("task_queue")
        assert raw.hexists(PLACE + "running", "rare")

        def gone():
            raw.publish(PLACE + "wake", "schedules")
            return not raw.hexists(PLACE + "running", "rare")

        await eventually(gone)
    assert ["gone"] == runs(raw, "rare")


@pytest.mark.parametrize(
    "unfinished",
    ['{"a":%s}', '{"a":9e99}', '{"a":1,"b":1%s}' % ("0" * 400), '{"a":0x10}', b'{"\xff":1}', '{"a":"text"}', "[1]"],
    ids=["tomorrow", "late", "digits", "hexadecimal", "no text", "word", "list"],
)
async def test_no_garbage_among_the_unfinished_holds_a_schedule_up_for_ever(app, raw, monkeypatch, unfinished):
    monkeypatch.setattr(whereabouts, "AGAIN", 0.2)
    ran = asyncio.Event()

    @app.task
    async def good():
        ran.set()

    raw.hset(PLACE + "running", "good", unfinished % (time.time() + 86_400) if "%" in str(unfinished) else unfinished)
    raw.hset(PLACE + "schedules", "good", '{"every":0.2,"task":"good","overlap":"skip"}')
    async with running(app), asyncio.timeout(10):
        await ran.wait()


async def test_an_edit_of_the_jitter_keeps_the_instant_whose_task_is_not_made_yet(app, raw):
    @app.task
    async def tick():
        pass

    desk = app.schedules
    async with running(app):
        options = {"jitter": 86_000}
        await asyncio.to_thread(lambda: desk.add("j", Every("1d"), "tick", queue_name="task_queue", options=options))
        before = json.loads(raw.hget(PLACE + "positions", "j"))
        await asyncio.to_thread(lambda: desk.edit("j", jitter=10))
        after = json.loads(raw.hget(PLACE + "positions", "j"))
    assert before["instant"] == after["instant"] <= after["time"] < after["instant"] + 10
    assert after["time"] == raw.zscore(PLACE + "next", "j") != before["time"]


async def test_a_time_put_off_by_hand_stands_for_what_it_passed(app, raw):
    made = []

    @app.every(1)
    @app.task
    async def tick(context: Context):
        made.append((context.scheduled_at, time.time()))

    async with running(app):
        planned = await eventually(lambda: raw.zscore(PLACE + "next", "tick"))
        later = planned + 1.5
        raw.zadd(PLACE + "next", {"tick": later})
        await eventually(lambda: len([instant for instant, _ in made if instant > later]) >= 2)
    # One that was due when it was put off may have been made.
    (first, at), *regular = [(instant, at) for instant, at in made if instant > planned or at >= later]
    assert (first, at >= later) == (later, True)
    # The regular ones go on, on their own grid.
    assert [instant for instant, _ in regular][:2] == [planned + 2, planned + 3]
    assert not int(raw.hget(PLACE + "stats", "missed") or 0)
