"""Operators end running tasks: heard at once, done once, and buried with who wanted it."""

from __future__ import annotations

import asyncio
import json
import time

import psutil
import pytest

from taskconsole.store.workers import digest_of
from tests.worker import handlers
from tests.worker.rig import QUEUE, envelope, eventually, running

EVENT = b'{"event":"aborted"}'


async def abort(rig, worker, payload, token="t"):
    wid = worker.lanes[0].worker_id
    return await rig.wire.run(rig.workers.abort(QUEUE, wid, payload, token=token, by="ada@box", event=EVENT))


def buried(rig):
    return [json.loads(member) for member in rig.raw.zrange(rig.lane.keys.dead, 0, -1)]


@pytest.mark.parametrize("kind", ["async", "thread"])
async def test_an_aborted_task_ends_at_once_and_is_buried_with_who_wanted_it(make_rig, kind):
    rig = make_rig()
    started = []

    if kind == "async":

        @rig.app.task(name="work", retries=5)
        async def work(n):
            started.append(n)
            await asyncio.sleep(60)

    else:

        @rig.app.task(name="work", retries=5)
        def work(n):
            started.append(n)
            for _ in range(6_000):
                time.sleep(0.01)

    payload = envelope("work", args=[1])
    rig.raw.lpush(QUEUE, payload)
    async with running(rig.app) as worker:
        await eventually(lambda: started == [1])
        began = time.monotonic()
        assert await abort(rig, worker, payload) == 1
        await eventually(lambda: rig.raw.zcard(rig.lane.keys.dead) == 1)
        # Long before the next heartbeat of a lease of 15 s.
        assert time.monotonic() - began < 4
    (dead,) = buried(rig)
    assert dead["died"]["reason"] == "aborted by ada@box"
    assert started == [1]
    assert rig.raw.zcard(rig.lane.keys.delayed) == 0


async def test_one_that_is_aborted_twice_by_a_repeated_call_ends_once_and_may_be_run_again(make_rig):
    rig = make_rig()
    started = []

    @rig.app.task(name="work")
    async def work():
        started.append(time.monotonic())
        if len(started) == 1:
            await asyncio.sleep(60)

    payload = envelope("work")
    rig.raw.lpush(QUEUE, payload)
    async with running(rig.app) as worker:
        await eventually(lambda: len(started) == 1)
        assert await abort(rig, worker, payload) == 1
        assert await abort(rig, worker, payload) in {0, 1}
        await eventually(lambda: rig.raw.zcard(rig.lane.keys.dead) == 1)
        assert rig.raw.xlen(rig.lane.keys.log) >= 2  # up, aborted, died: told once each
        told = [entry[1][b"e"] for entry in rig.raw.xrange(rig.lane.keys.log)].count(EVENT)
        assert told == 1
        rig.raw.lpush(QUEUE, payload)
        worker.heartbeat.soon()
        await eventually(lambda: len(started) == 2)
        await eventually(lambda: rig.raw.llen(rig.lane.keys.processing(worker.lanes[0].worker_id)) == 0)
    assert len(buried(rig)) == 1


async def test_what_is_not_in_hand_is_not_aborted(make_rig):
    rig = make_rig()

    @rig.app.task(name="work")
    async def work():
        pass

    async with running(rig.app) as worker:
        assert await abort(rig, worker, b"other") == 0
        nobody = rig.workers.abort(QUEUE, "nobody", b"x", token="t", by="ada", event=EVENT)
        assert await rig.wire.run(nobody) == -1
        assert not rig.raw.exists(rig.lane.keys.aborts(worker.lanes[0].worker_id))


async def test_a_task_in_a_process_of_its_own_is_aborted_by_ending_that_process(make_rig, tmp_path):
    rig = make_rig()
    handlers.in_processes(rig.app)
    mark = tmp_path / "pid"
    payload = envelope("hang", args=[str(mark)])
    rig.raw.lpush(QUEUE, payload)
    async with running(rig.app) as worker:
        await eventually(lambda: mark.exists() and mark.read_text())
        pid = int(mark.read_text())
        assert await abort(rig, worker, payload) == 1
        await eventually(lambda: rig.raw.zcard(rig.lane.keys.dead) == 1)
        await eventually(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
        # The next one finds a process again.
        other = tmp_path / "other"
        rig.raw.lpush(QUEUE, envelope("write_pid", args=[str(other)]))
        await eventually(lambda: other.exists() and other.read_text())
        assert int(other.read_text()) != pid
    (dead,) = buried(rig)
    assert dead["died"]["reason"] == "aborted by ada@box"
    assert rig.raw.llen(QUEUE) == 0


async def test_one_that_waits_for_its_turn_is_buried_and_never_run_and_the_others_are(make_rig):
    rig = make_rig(concurrency=1)
    began, go_on = [], asyncio.Event()

    @rig.app.task(name="work")
    async def work(n):
        began.append(n)
        if n == 1:
            await go_on.wait()

    payloads = [envelope("work", args=[n]) for n in (1, 2, 3)]
    await rig.register()
    rig.pool.feed(rig.lane, payloads)
    await eventually(lambda: began == [1])
    assert rig.pool.abort(rig.lane, digest_of(payloads[1]), "ada@box")
    assert not rig.pool.abort(rig.lane, digest_of(payloads[1]), "ada@box")
    assert not rig.pool.abort(rig.lane, digest_of(b"other"), "ada@box")
    go_on.set()
    await asyncio.wait_for(rig.pool.wait_empty(), 10)
    assert began == [1, 3]
    assert ("bury", "aborted by ada@box") in rig.outcomes()
    assert len(rig.outcomes()) == 3
