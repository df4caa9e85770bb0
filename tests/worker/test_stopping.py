"""A whole worker that is to stop, or to be quiet, while something is wrong."""

from __future__ import annotations

import asyncio
import signal
from contextlib import closing

import pytest

from taskconsole import App
from taskconsole.backends.commands import SignalWorker
from taskconsole.backends.native import NativeBackend
from taskconsole.config import Settings
from taskconsole.store.tasks import TaskStore
from taskconsole.worker.options import QueuePlan
from tests.servers import eventually, wait_until
from tests.worker.rig import QUEUE, envelope, running


@pytest.fixture
def app(store_url):
    return App(store_url)


async def test_what_is_about_to_be_given_back_is_not_taken_for_unheard_of(app, raw):
    async with running(app) as worker:
        [lane] = worker.lanes
        raw.rpush(lane.keys.processing(lane.worker_id), b"a")

        class Held(TaskStore):
            """Has the pool's watch give back what waits, in the very moment in which Redis tells what is held."""

            def held(self, *args):
                call = super().held(*args)

                def parse(reply):
                    worker._give_back({lane: [b"a"]})
                    return list(reply)

                return type(call)(call.args, parse)

        lane._store, store = Held(lane._store.names), lane._store
        assert await lane.reconcile() == []
        lane._store = store
        await eventually(lambda: not raw.exists(lane.keys.processing(lane.worker_id)))


async def test_an_outage_while_tasks_go_back_does_not_keep_a_worker_from_stopping(proxy, raw, monkeypatch):
    monkeypatch.setattr("taskconsole.worker.runtime.LAST_WORDS", 0.5)
    app = App(proxy.url)
    async with running(app, concurrency=1, grace=0.2) as worker:
        [lane] = worker.lanes
        raw.rpush(lane.keys.processing(lane.worker_id), b"a")
        await eventually(lambda: getattr(worker, "_group", None), what="services")
        proxy.accept = False
        proxy.reset_all()
        worker._give_back({lane: [b"a"]})
        await eventually(lambda: lane._open is not None)
        worker.stop()
        [task] = [task for task in asyncio.all_tasks() if task.get_name() == "worker"]
        await asyncio.wait([task], timeout=15)
        ended = task.done()
        proxy.heal()
        assert ended, "it goes on for as long as the outage"
    assert raw.lrange(lane.keys.processing(lane.worker_id), 0, -1) == [b"a"], "whoever looks for the dead finds it"


async def test_a_queue_that_refuses_to_take_tasks_back_does_not_end_a_worker_that_is_to_be_quiet(app, raw):
    async with running(app, queues=QueuePlan(("odd", QUEUE))) as worker:
        odd, good = worker.lanes
        for lane in worker.lanes:
            raw.rpush(lane.keys.processing(lane.worker_id), b"a")
        raw.set(odd.queue, "no list")
        worker.quiet()
        await eventually(lambda: raw.lrange(good.queue, 0, -1) == [b"a"])
        await eventually(lambda: worker.heartbeat.quiet)
        raw.delete(odd.queue)
    assert raw.lrange(odd.queue, 0, -1) == [b"a"]


async def test_a_queue_that_refuses_results_does_not_cost_those_of_the_others_when_a_worker_stops(app, raw):
    going_on = asyncio.Event()

    @app.task(retries=0)
    async def fails():
        raise ValueError("no")

    @app.task
    async def ends():
        await going_on.wait()

    async with running(app, queues=QueuePlan(("odd", QUEUE)), grace=5.0) as worker:
        raw.lpush("odd", envelope("fails"))
        raw.lpush(QUEUE, envelope("ends"))
        await eventually(lambda: worker.lanes[0].settlements == [] and worker.pool.running == 1)
        raw.set("{odd}:dead", "no sorted set")
        raw.lpush("odd", envelope("fails"))
        await eventually(lambda: worker.lanes[0].settlements)
        worker.stop()
        going_on.set()
    assert raw.lrange(QUEUE, 0, -1) == []
    assert raw.keys(f"{{{QUEUE}}}:processing:*") == [], "a finished task would be run again"
    assert raw.llen(worker.lanes[0].keys.processing(worker.id)) == 1
    assert worker.lanes[0]._waiter_wire._connection is None


def test_a_signal_to_a_worker_that_an_operator_has_told_to_stop_is_its_first(start_worker, raw, store_url):
    worker = start_worker(app="tests.cli.program:app", arguments=("--grace", "1"))
    raw.lpush(QUEUE, envelope("wait"))
    wait_until(lambda: raw.exists("waiting"))
    with closing(NativeBackend(Settings(url=store_url))) as backend:
        assert backend.apply(SignalWorker(worker=worker.ids[QUEUE], wanted="stop", by="me")).changed
    wait_until(lambda: "stopping worker" in worker.output())
    worker.signal(signal.SIGTERM)
    assert worker.process.wait(20) == 0
    assert "grace period over" in worker.output()
    assert raw.llen(QUEUE) == 1
