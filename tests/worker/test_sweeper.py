"""Sweeper: definitions that nobody announced get their place and their time, and what was taken out is forgotten."""

from __future__ import annotations

import asyncio
import datetime as dt
import json

import pytest

from taskconsole import App
from taskconsole.config import Settings
from taskconsole.model.firing import Position, decode_position, encode_position, replace_position
from taskconsole.model.removal import decode_removal, past_of
from taskconsole.model.schedule import At, Every
from taskconsole.store.keys import Namespace
from taskconsole.store.reading import ReadingStore
from taskconsole.store.schedules import ScheduleStore
from taskconsole.store.wire import AsyncWire
from taskconsole.worker import sweeper as sweeper_module
from taskconsole.worker.definitions import Definitions
from taskconsole.worker.server_clock import ServerClock
from taskconsole.worker.sweeper import Sweeper
from taskconsole.worker.whereabouts import Whereabouts
from tests.worker.rig import QUEUE

keys = Namespace().of(QUEUE)


class Office:
    """A sweeper with its wire and its clock."""

    def __init__(self, url):
        self.names, self.wire, self.clock = Namespace(), AsyncWire(Settings(url=url, timeout=5.0)), ServerClock()
        common = {"store": ScheduleStore(self.names), "wire": self.wire, "clock": self.clock}
        self.whereabouts = Whereabouts(reading=ReadingStore(self.names), **common)
        self.sweeper = Sweeper(definitions=Definitions(), whereabouts=self.whereabouts, **common)

    async def sweep(self):
        return await self.sweeper.run_once(QUEUE)


@pytest.fixture
async def office(store_url):
    made = Office(store_url)
    yield made
    await made.wire.close()


@pytest.fixture
def schedules(store_url):
    """What an operator has at hand."""
    app = App(store_url)
    yield app.schedules
    app.close()


def write(raw, name="a", **fields):
    body = json.dumps({"task": "t"} | fields)
    raw.hset(keys.schedules, name, body)
    return body.encode()


def place_of(raw, name="a"):
    return decode_position(raw.hget(keys.positions, name))


def due(raw, name="a"):
    return raw.zscore(keys.next, name)


def stands(raw):
    return [raw.hgetall(keys.schedules), raw.hgetall(keys.positions), raw.zrange(keys.next, 0, -1, withscores=True)]


async def test_what_was_written_by_hand_gets_its_place_and_its_time(office, raw):
    written = write(raw, every="1h")
    assert await office.sweep() == 1
    now = office.clock.now()
    assert now < due(raw) == place_of(raw).instant <= now + 3600
    assert raw.hget(keys.schedules, "a") == written


async def test_what_is_in_order_is_left_as_it_is(office, raw, schedules):
    await asyncio.to_thread(schedules.add, "a", Every(60), "t", queue_name=QUEUE)
    await asyncio.to_thread(schedules.add, "b", Every(60), "t", queue_name=QUEUE)
    await asyncio.to_thread(schedules.pause, "b")
    before = stands(raw)
    assert await office.sweep() == 0
    assert stands(raw) == before


async def test_another_interval_by_hand_gives_another_time_and_keeps_what_was_decided(office, raw):
    write(raw, every="1h")
    await office.sweep()
    last = round(office.clock.now()) + 1800.0
    raw.hset(keys.positions, "a", encode_position(replace_position(place_of(raw), last=last, fires=7)))
    write(raw, every="1m")
    assert await office.sweep() == 1
    assert last < due(raw) <= last + 60
    assert (place_of(raw).last, place_of(raw).fires) == (last, 7)


async def test_a_time_that_was_written_with_the_definition_is_meant(office, raw):
    write(raw, every="1h")
    raw.zadd(keys.next, {"a": 17.0})
    assert await office.sweep() == 1
    assert due(raw) == 17.0
    assert place_of(raw).instant > office.clock.now()


async def test_a_pause_by_hand_takes_it_off_and_its_end_puts_it_back(office, raw):
    write(raw, every="1h")
    await office.sweep()
    write(raw, every="1h", paused={"by": "ada"})
    assert await office.sweep() == 1
    assert due(raw) is None
    write(raw, every="1h")
    assert await office.sweep() == 1
    assert due(raw) > office.clock.now()


async def test_what_somebody_took_off_the_agenda_does_not_make_up_for_it(office, raw):
    write(raw, every="1h")
    await office.sweep()
    raw.zrem(keys.next, "a")
    past = office.clock.now() - 7200
    at = place_of(raw)
    raw.hset(keys.positions, "a", encode_position(Position(trigger=at.trigger, instant=past, time=past)))
    assert await office.sweep() == 1
    assert due(raw) > office.clock.now()


async def test_a_position_that_nobody_can_read_is_computed_again(office, raw):
    write(raw, every="1h")
    raw.hset(keys.positions, "a", b"\xff{")
    assert await office.sweep() == 1
    assert place_of(raw).instant == due(raw)


async def test_what_nobody_can_read_is_complained_about_once_and_keeps_nobody_waiting(office, raw, caplog):
    raw.hset(keys.schedules, mapping={"broken": "{", b"\xff": b"{}", "x" * 201: '{"every":5,"task":"t"}'})
    write(raw, every="1h")
    assert await office.sweep() == 1
    assert await office.sweep() == 0
    assert [record.schedule for record in caplog.records if record.message == "no schedule"].count("broken") == 1
    assert raw.zrange(keys.next, 0, -1) == [b"a"]


# -- what was removed


async def over(raw, office, schedules, name="once"):
    """A date that has been fired and whose schedule an operator has removed; returns its definition."""
    moment = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=30)
    await asyncio.to_thread(schedules.add, name, At(moment), "t", queue_name=QUEUE)
    written = raw.hget(keys.schedules, name)
    raw.hset(keys.positions, name, json.dumps({"trigger": "x", "last": moment.timestamp(), "fires": 1}))
    raw.zrem(keys.next, name)
    await asyncio.to_thread(schedules.remove, name)
    return written


async def test_a_date_that_was_fired_and_removed_is_not_fired_again_when_it_is_written_again(office, raw, schedules):
    written = await over(raw, office, schedules)
    raw.hset(keys.schedules, "once", written)
    assert await office.sweep() == 1
    assert due(raw, "once") is None
    assert place_of(raw, "once").fires == 1
    assert await office.sweep() == 0


async def test_a_date_that_was_fired_and_taken_out_by_hand_is_not_fired_again_either(office, raw, schedules):
    written = await over(raw, office, schedules)
    for _ in range(2):
        raw.hset(keys.schedules, "once", written)
        assert await office.sweep() == 1
        assert due(raw, "once") is None
        raw.hdel(keys.schedules, "once")
        assert await office.sweep() == 1
        assert past_of(raw.get(keys.removed("once"))).fires == 1


async def test_another_date_under_the_name_of_a_removed_one_is_fired(office, raw, schedules):
    await over(raw, office, schedules)
    moment = office.clock.now() + 3600
    write(raw, "once", at=moment)
    assert await office.sweep() == 1
    assert due(raw, "once") == pytest.approx(moment, abs=1)


async def test_how_often_a_removed_schedule_may_run_counts_from_its_beginning(office, raw, schedules):
    await asyncio.to_thread(schedules.add, "a", Every(60), "t", queue_name=QUEUE)
    raw.hset(keys.positions, "a", json.dumps(json.loads(raw.hget(keys.positions, "a")) | {"fires": 2}))
    await asyncio.to_thread(schedules.remove, "a")
    write(raw, every="1m", max_runs=2)
    assert await office.sweep() == 1
    assert due(raw) is None


@pytest.mark.parametrize("overlap", ["skip", "buffer_one", "allow"])
async def test_tasks_from_before_a_removal_are_not_overlapped(office, raw, schedules, overlap):
    await asyncio.to_thread(schedules.add, "a", Every(60), "t", queue_name=QUEUE)
    raw.hset(keys.running, "a", '{"a@1":5.0}')
    await asyncio.to_thread(schedules.remove, "a")
    assert raw.hget(keys.running, "a") is None
    write(raw, every="1m", overlap=overlap)
    assert await office.sweep() == 1
    assert raw.hget(keys.running, "a") == (None if overlap == "allow" else b'{"a@1":5.0}')


@pytest.mark.no_key_leak
async def test_a_note_that_is_none_keeps_nobody_waiting(office, raw):
    raw.sadd(keys.removed("a"), "x")
    raw.set(keys.removed("b"), b"\xff\n\xff\n\xff", ex=100)
    write(raw, every="1h")
    write(raw, "b", every="1h")
    assert await office.sweep() == 2
    assert due(raw)
    assert due(raw, "b")


async def test_what_was_taken_out_by_hand_leaves_a_note_with_what_code_declared(office, raw):
    write(raw, every="1h")
    await office.sweep()
    raw.hset(keys.code, "a", b'{"every":"2h","task":"t"}')
    raw.hset(keys.positions, "a", encode_position(Position(trigger="x", last=5.0, fires=2)))
    raw.hdel(keys.schedules, "a")
    assert await office.sweep() == 1
    assert not raw.exists(keys.positions, keys.next, keys.code)
    note = raw.get(keys.removed("a"))
    assert decode_removal(note).definition == '{"every":"2h","task":"t"}'
    assert past_of(note) == Position(last=5.0, fires=2)


async def test_what_was_written_again_before_the_look_is_not_forgotten(office, raw):
    write(raw, every="1h")
    await office.sweep()
    assert await office.sweeper.forget(QUEUE, "a") == 0
    assert due(raw)
    assert not raw.exists(keys.removed("a"))


# -- many of them, and when to look


async def test_more_than_a_page_is_looked_at_with_turns_for_the_others(office, raw):
    raw.hset(keys.schedules, mapping={f"s{n}": '{"every":"1h","task":"t"}' for n in range(1_500)})
    turns = 0

    async def others():
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    task = asyncio.create_task(others())
    assert await office.sweep() == 1_500
    task.cancel()
    assert turns > 5
    assert raw.zcard(keys.next) == raw.hlen(keys.positions) == 1_500


async def test_a_queue_is_looked_at_now_and_then(office, monkeypatch):
    assert office.sweeper.is_time(QUEUE)
    await office.sweep()
    assert not office.sweeper.is_time(QUEUE)
    assert office.sweeper.is_time("another")
    monkeypatch.setattr(sweeper_module, "EVERY", 0.0)
    assert office.sweeper.is_time(QUEUE)


async def test_a_nudge_ends_one_wait(office):
    waiting = asyncio.create_task(office.sweeper.wait())
    await asyncio.sleep(0)
    assert not waiting.done()
    office.sweeper.nudge()
    async with asyncio.timeout(5):
        await waiting
        again = asyncio.create_task(office.sweeper.wait())
        await asyncio.sleep(0)
        assert not again.done()
        office.sweeper.nudge()
        await again


@pytest.mark.parametrize(("overlap", "suspected"), [("skip", True), ("buffer_one", True), ("allow", False)])
async def test_unfinished_tasks_that_stand_in_the_way_are_looked_for(office, raw, overlap, suspected):
    write(raw, every="1h", overlap=overlap)
    raw.hset(keys.running, mapping={"a": '{"a@1":5.0}', "nobody": '{"x":1.0}', b"\xff": "{}"})
    await office.sweep()
    assert list(office.whereabouts._suspects) == ([(QUEUE, "a")] if suspected else [])
