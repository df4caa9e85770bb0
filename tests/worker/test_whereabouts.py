"""Whereabouts: an unfinished task that is in no place is over; one that may be somewhere is not."""

from __future__ import annotations

import asyncio
import json

import pytest

from taskconsole.config import Settings
from taskconsole.errors import StoreError
from taskconsole.model.firing import decode_record
from taskconsole.store.keys import Namespace
from taskconsole.store.reading import ReadingStore
from taskconsole.store.schedules import ScheduleStore
from taskconsole.store.wire import AsyncWire
from taskconsole.worker import whereabouts as whereabouts_module
from taskconsole.worker.server_clock import ServerClock
from taskconsole.worker.whereabouts import Whereabouts
from tests.servers import eventually
from tests.worker.rig import QUEUE

keys = Namespace().of(QUEUE)

TASK = b'{"task":"t","id":"a@1","schedule":"a"}'


@pytest.fixture
async def whereabouts(store_url):
    names, wire = Namespace(), AsyncWire(Settings(url=store_url, timeout=5.0))
    yield Whereabouts(store=ScheduleStore(names), reading=ReadingStore(names), wire=wire, clock=ServerClock())
    await wire.close()


def unfinished(raw, *ids, since=5.0):
    raw.hset(keys.running, "a", json.dumps(dict.fromkeys(ids, since)))


def running(raw):
    return set(json.loads(raw.hget(keys.running, "a") or "{}"))


def outcomes(raw):
    return [(record.outcome, record.id) for record in map(decode_record, raw.lrange(keys.runs("a"), 0, -1))]


def in_the_queue(raw):
    raw.lpush(keys.queue, b"other", TASK, b"another")


def delayed(raw):
    raw.zadd(keys.delayed, {b"other": 1, TASK: 4e9})


def in_the_hands_of_a_worker(raw):
    raw.zadd(keys.workers, {"w": (raw.time()[0] + 60) * 1000})
    raw.lpush(keys.processing("w"), TASK)


def in_the_hands_of_a_dead_worker(raw):
    raw.zadd(keys.workers, {"w": 1})
    raw.lpush(keys.processing("w"), TASK)


def deep_in_the_queue(raw):
    raw.rpush(keys.queue, TASK, *(b"%d" % n for n in range(3_500)))


def behind_a_payload_of_which_only_the_beginning_is_read(raw):
    raw.lpush(keys.queue, b'{"task":"t","args":["%s"],"id":"a@1"}' % (b"x" * 100_000))


PLACES = [
    in_the_queue,
    delayed,
    in_the_hands_of_a_worker,
    in_the_hands_of_a_dead_worker,
    deep_in_the_queue,
    behind_a_payload_of_which_only_the_beginning_is_read,
]


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
async def test_a_task_that_is_somewhere_is_not_over(whereabouts, raw, place):
    unfinished(raw, "a@1")
    place(raw)
    assert await whereabouts.run_once(QUEUE, "a") == 0
    assert running(raw) == {"a@1"}
    assert outcomes(raw) == []


async def test_a_task_that_is_nowhere_is_over_and_that_is_noted(whereabouts, raw, caplog):
    unfinished(raw, "a@1", "a@2")
    in_the_queue(raw)
    assert await whereabouts.run_once(QUEUE, "a") == 1
    assert running(raw) == {"a@1"}
    assert outcomes(raw) == [("gone", "a@2")]
    assert [record.id for record in caplog.records if record.message == "a task is gone"] == ["a@2"]


async def test_a_dead_task_is_over(whereabouts, raw):
    unfinished(raw, "a@1")
    raw.zadd(keys.dead, {TASK: 5})
    assert await whereabouts.run_once(QUEUE, "a") == 1


async def test_the_end_of_one_that_is_gone_lets_the_one_go_that_waits(whereabouts, raw):
    unfinished(raw, "a@1")
    waiting = TASK.replace(b"a@1", b"a@2")
    raw.hset(keys.buffered, "a", waiting)
    assert await whereabouts.run_once(QUEUE, "a") == 1
    assert raw.lrange(keys.queue, 0, -1) == [waiting]
    assert running(raw) == {"a@2"}


async def test_another_id_that_begins_the_same_is_another_task(whereabouts, raw):
    unfinished(raw, "a@1")
    raw.lpush(keys.queue, TASK.replace(b"a@1", b"a@10"))
    assert await whereabouts.run_once(QUEUE, "a") == 1


async def test_an_id_is_found_as_it_is_written(whereabouts, raw):
    for name in ('quo"te', "ü", "back\\slash"):
        unfinished(raw, name)
        raw.delete(keys.queue)
        raw.lpush(keys.queue, json.dumps({"task": "t", "id": name}, ensure_ascii=False, separators=(",", ":")))
        assert await whereabouts.run_once(QUEUE, "a") == 0


async def test_a_young_task_is_not_looked_for(whereabouts, raw):
    unfinished(raw, "a@1", since=raw.time()[0])
    assert await whereabouts.run_once(QUEUE, "a") is None
    assert running(raw) == {"a@1"}


@pytest.mark.parametrize("garbage", ["{", "[]", '{"a@1":"text"}', '{"a@1":1e999}', b"\xff"])
async def test_garbage_among_the_unfinished_is_nobodys_task_and_goes(whereabouts, raw, garbage):
    raw.hset(keys.running, "a", garbage)
    assert await whereabouts.run_once(QUEUE, "a") == 1
    assert not raw.hexists(keys.running, "a")
    assert outcomes(raw) == []


async def test_in_a_queue_that_is_too_long_nobody_can_say_that_it_is_gone(whereabouts, raw, monkeypatch):
    monkeypatch.setattr(whereabouts_module, "BUDGET", 100)
    monkeypatch.setattr(whereabouts_module, "WINDOW", 50)
    unfinished(raw, "a@1")
    raw.rpush(keys.queue, *(b"%d" % n for n in range(100)))
    assert await whereabouts.run_once(QUEUE, "a") == 0
    raw.rpop(keys.queue)
    assert await whereabouts.run_once(QUEUE, "a") == 1


async def test_with_too_many_workers_nobody_can_say_that_it_is_gone(whereabouts, raw, monkeypatch):
    monkeypatch.setattr(whereabouts_module, "MAX_WORKERS", 2)
    unfinished(raw, "a@1")
    raw.zadd(keys.workers, {"w1": 1, "w2": 2})
    assert await whereabouts.run_once(QUEUE, "a") == 0
    raw.zrem(keys.workers, "w2")
    assert await whereabouts.run_once(QUEUE, "a") == 1


async def test_a_task_that_moves_while_it_is_looked_for_is_found(whereabouts, raw, monkeypatch):
    unfinished(raw, "a@1")
    delayed(raw)
    look, moved = whereabouts._is_in, []

    async def and_it_moves(key, kind, needle):
        if key == keys.delayed and not moved:
            # From the place looked at last to the one looked at first.
            moved.append(raw.zrem(keys.delayed, TASK))
            raw.lpush(keys.queue, TASK)
        return await look(key, kind, needle)

    monkeypatch.setattr(whereabouts, "_is_in", and_it_moves)
    assert await whereabouts.run_once(QUEUE, "a") == 0
    assert moved == [1]


# -- as a service


@pytest.fixture
async def serving(whereabouts, monkeypatch):
    monkeypatch.setattr(whereabouts_module, "REST", 0.001)
    task = asyncio.create_task(whereabouts.run())
    yield whereabouts
    assert not task.done()
    task.cancel()
    await asyncio.wait([task])


async def test_who_is_suspected_is_searched_for(serving, raw):
    unfinished(raw, "a@1")
    serving.suspect(QUEUE, "a")
    await eventually(lambda: outcomes(raw) == [("gone", "a@1")])


async def test_after_a_search_there_is_none_for_a_while(serving, raw):
    unfinished(raw, "a@1")
    serving.suspect(QUEUE, "a")
    await eventually(lambda: (QUEUE, "a") in serving._searched)
    serving.suspect(QUEUE, "a")
    assert not serving._suspects
    serving.suspect(QUEUE, "a", every=0.0)
    assert list(serving._suspects) == [(QUEUE, "a")]


async def test_a_search_for_young_tasks_does_not_count(serving, raw):
    unfinished(raw, "a@1", since=raw.time()[0])
    serving.suspect(QUEUE, "a")
    await eventually(lambda: not serving._suspects)
    unfinished(raw, "a@1")
    await eventually(lambda: serving.suspect(QUEUE, "a") or outcomes(raw) == [("gone", "a@1")])


@pytest.mark.no_key_leak
async def test_a_redis_that_refuses_does_not_end_it(serving, raw):
    raw.set(keys.running, "of another type")
    with pytest.raises(StoreError):
        await serving.run_once(QUEUE, "a")
    serving.suspect(QUEUE, "a")
    await eventually(lambda: not serving._suspects)
    raw.delete(keys.running)
    unfinished(raw, "a@1")
    await eventually(lambda: serving.suspect(QUEUE, "a") or outcomes(raw) == [("gone", "a@1")])
