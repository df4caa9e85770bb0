"""How much is claimed, from where, and what happens to it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

import pytest

from taskconsole.config import Settings
from taskconsole.store.wire import AsyncWire
from taskconsole.worker.options import QueuePlan
from tests.servers import connect, eventually
from tests.worker.rig import QUEUE, envelope


class Tasks:
    """Handlers that stay until they are let go."""

    def __init__(self, rig):
        self.started: list[str] = []
        self.ended: list[str] = []
        self.gates: dict[str, asyncio.Event] = {}

        @rig.app.task(name="wait")
        async def wait(name):
            self.started.append(name)
            await self.gates.setdefault(name, asyncio.Event()).wait()
            self.ended.append(name)

        @rig.app.task(name="quick")
        async def quick(name):
            self.started.append(name)
            self.ended.append(name)

        @rig.app.task(name="slow")
        async def slow(name, seconds):
            self.started.append(name)
            await asyncio.sleep(seconds)
            self.ended.append(name)

    def let_go(self, name):
        self.gates.setdefault(name, asyncio.Event()).set()


def wait(name):
    return envelope("wait", args=[name])


def quick(name):
    return envelope("quick", args=[name])


@pytest.fixture
def tasks(rig):
    return Tasks(rig)


async def test_tasks_are_claimed_run_and_acknowledged(rig, tasks):
    rig.raw.lpush(QUEUE, *[quick(str(i)) for i in range(500)])
    async with rig.working():
        await eventually(lambda: len(tasks.ended) == 500)
        await eventually(lambda: rig.held() == [])
    assert tasks.started == [str(i) for i in range(500)]


async def test_a_task_that_comes_while_waiting_is_run_at_once(rig, tasks):
    async with rig.working():
        for i in range(5):
            await rig.blocked()
            before = time.monotonic()
            rig.raw.lpush(QUEUE, quick(str(i)))
            await eventually(lambda i=i: str(i) in tasks.ended)
            assert time.monotonic() - before < 0.5
        await eventually(lambda: rig.held() == [])


async def test_long_tasks_are_claimed_no_further_ahead_than_they_can_run(rig, tasks):
    rig.raw.lpush(QUEUE, *[wait(str(i)) for i in range(20)])
    async with rig.working():
        await eventually(lambda: len(tasks.started) == 4)
        await eventually(lambda: len(rig.held()) == 4)
        for i in range(4):
            tasks.let_go(str(i))
        await eventually(lambda: len(tasks.started) == 8)
        await eventually(lambda: len(rig.held()) == 4)
    assert len(rig.pending()) == 12


async def test_a_redis_far_away_is_asked_for_what_will_have_been_run_when_it_answers(make_rig, proxy):
    rig = make_rig(url=proxy.url)
    tasks = Tasks(rig)
    near = connect(rig.url)
    near.lpush(QUEUE, *[envelope("slow", args=[str(i), 0.005]) for i in range(300)])
    proxy.up.latency = proxy.down.latency = 0.05
    async with rig.working():
        await eventually(lambda: len(tasks.ended) >= 100, timeout=30)
        near.config_resetstat()
        await eventually(lambda: len(tasks.ended) == 300, timeout=30)
        steps = near.info("commandstats")["cmdstat_evalsha"]["calls"]
        proxy.heal()
    # Four at a time, and acks with a call of their own in between, are a hundred.
    assert steps < 40, f"{steps} calls for 200 tasks"


async def test_long_tasks_are_hardly_claimed_ahead_from_a_redis_far_away(make_rig, proxy):
    rig = make_rig(url=proxy.url)
    tasks = Tasks(rig)
    near = connect(rig.url)
    near.lpush(QUEUE, *[wait(str(i)) for i in range(20)])
    proxy.up.latency = proxy.down.latency = 0.03
    async with rig.working():
        for round_ in range(3):
            await eventually(lambda n=4 * round_ + 4: len(tasks.started) == n)
            await asyncio.sleep(0.3)  # so they are long ones: thirteen a second, one or two in the time of two trips
            assert near.llen(QUEUE) >= 20 - len(tasks.started) - 2
            for name in tasks.started[-4:]:
                tasks.let_go(name)
        proxy.heal()


async def test_a_worker_that_is_not_alone_leaves_the_others_their_share(make_rig):
    rig = make_rig(concurrency=32)
    Tasks(rig)
    await rig.register()
    await rig.wire.run(rig.workers.register(QUEUE, "another", lease_ms=10_000, fields={"host": "there"}, event=b"{}"))
    rig.raw.lpush(QUEUE, *[wait(str(i)) for i in range(40)])
    # A quarter of what waits each time, however much room there is: twice as much would be half for one of two.
    assert [await rig.fetcher.run_once(), await rig.fetcher.run_once()] == [10, 8]


async def test_large_tasks_are_claimed_no_more_at_once_than_fit(make_rig):
    rig = make_rig(concurrency=200, max_bytes=10_000)
    Tasks(rig)
    await rig.register()
    rig.raw.lpush(QUEUE, *[envelope("wait", args=[f"{i}", "x" * 1_000]) for i in range(400)])
    claims = [await rig.fetcher.run_once() for _ in range(6)]
    # It takes them for small ones at first, and learns.
    assert claims == sorted(claims, reverse=True)
    assert 10 <= claims[-1] <= 15


async def test_what_is_not_started_goes_back_in_order_when_the_fetcher_stops(rig, tasks):
    payloads = [wait(str(i)) for i in range(10)]
    await rig.register()
    rig.raw.lpush(QUEUE, *payloads)
    await rig.lane.step(8)
    rig.pool.feed(rig.lane, payloads[:7])  # one more was claimed, and its arrival not heard
    await eventually(lambda: len(tasks.started) == 4)
    await rig.fetcher.return_unstarted()
    assert rig.pending() == payloads[4:]
    assert rig.held() == payloads[:4]


async def test_claimed_tasks_that_wait_too_long_go_back_for_others(rig, tasks):
    payloads = [wait(str(i)) for i in range(10)]
    async with rig.working():
        await rig.blocked()
        rig.raw.rpush(rig.lane.keys.processing(rig.lane.worker_id), *payloads)
        rig.pool.feed(rig.lane, payloads)
        await eventually(lambda: rig.pending() == payloads[4:], timeout=3)
        assert sorted(tasks.started) == ["0", "1", "2", "3"]


async def test_a_task_that_comes_to_a_paused_queue_while_waiting_is_not_run(rig, tasks):
    async with rig.working():
        await rig.blocked()
        rig.raw.set(rig.lane.keys.paused, "{}")
        rig.raw.lpush(QUEUE, quick("a"))
        await eventually(lambda: rig.lane.paused)
        await eventually(lambda: rig.pending() == [quick("a")])
        assert tasks.started == []
        rig.raw.delete(rig.lane.keys.paused)
        await eventually(lambda: tasks.ended == ["a"])


async def test_a_task_that_came_unheard_to_a_paused_queue_is_not_run(rig, tasks):
    async with rig.working():
        await rig.blocked()
        rig.raw.set(rig.lane.keys.paused, "{}")
        # As after a blocking move whose answer was lost with its connection.
        rig.raw.rpush(rig.lane.keys.processing(rig.lane.worker_id), quick("a"), quick("b"))
        rig.lane.suspect = True
        rig.fetcher.nudge()
        await eventually(lambda: rig.pending() == [quick("a"), quick("b")])
        assert tasks.started == []
        rig.raw.delete(rig.lane.keys.paused)
        await eventually(lambda: tasks.ended == ["a", "b"])


async def test_queues_in_strict_order_are_emptied_one_after_the_other(make_rig):
    rig = make_rig("high", "low", concurrency=1)
    tasks = Tasks(rig)
    rig.raw.lpush("low", *[quick(f"low {i}") for i in range(30)])
    rig.raw.lpush("high", *[quick(f"high {i}") for i in range(30)])
    async with rig.working():
        await eventually(lambda: len(tasks.ended) == 60)
    assert tasks.started[:15] == [f"high {i}" for i in range(15)]
    late = [name for name in tasks.started[:30] if name.startswith("low")]
    assert len(late) <= 5


def test_weights_are_the_shares_of_first_places():
    plan = QueuePlan(("a", "b", "c"), (6, 3, 1))
    first = Counter(plan.order()[0] for _ in range(4000))
    assert 0.55 < first[0] / 4000 < 0.65
    assert 0.25 < first[1] / 4000 < 0.35
    assert 0.06 < first[2] / 4000 < 0.14
    assert sorted(plan.order()) == [0, 1, 2]


def test_without_weights_the_order_is_the_given_one():
    assert QueuePlan(("a", "b")).order() == [0, 1]


async def test_a_busy_worker_does_not_sit_on_a_task_that_another_queue_brought(make_rig):
    rig = make_rig("one", "two", concurrency=1)
    tasks = Tasks(rig)
    async with rig.working():
        await rig.blocked(2)
        rig.raw.lpush("one", wait("long"))
        await eventually(lambda: tasks.started == ["long"])
        rig.raw.lpush("two", quick("other"))
        # Nobody runs it here: it has to be where others can get it.
        await eventually(lambda: rig.pending("two") == [quick("other")], timeout=2)
        assert rig.held(rig.lanes[1]) == []
        tasks.let_go("long")
        await eventually(lambda: "other" in tasks.ended)


async def test_a_steady_load_on_one_queue_does_not_hide_what_a_more_important_one_brought(make_rig):
    rig = make_rig("high", "low", concurrency=2)
    tasks = Tasks(rig)
    async with rig.working():
        await rig.blocked(2)
        rig.raw.lpush("low", *[envelope("slow", args=[f"s{i}", 0.02]) for i in range(200)])
        await eventually(lambda: len(tasks.started) > 3)
        rig.raw.lpush("high", quick("other"))
        await eventually(lambda: "other" in tasks.ended, timeout=1.0)
        assert len(rig.pending("low")) > 20


async def test_queues_at_which_it_waits_are_not_asked_when_a_task_comes_to_another(make_rig):
    rig = make_rig("one", "two", "three", "four", "five")
    tasks = Tasks(rig)
    async with rig.working():
        await rig.blocked(5)
        before = rig.raw.info("commandstats")["cmdstat_evalsha"]["calls"]
        for i in range(20):
            await rig.blocked(5)
            rig.raw.lpush("three", quick(str(i)))
            await eventually(lambda i=i: str(i) in tasks.ended)
            await eventually(lambda: rig.held(rig.lanes[2]) == [])
        calls = rig.raw.info("commandstats")["cmdstat_evalsha"]["calls"] - before
    # One that looks for more behind the task, one that acknowledges it; now and then another.
    print(f"{calls} scripts for 20 tasks")
    assert calls <= 3 * 20


async def test_a_blocking_move_made_for_a_lane_that_was_fenced_meanwhile_runs_nothing_twice(rig, tasks):
    async with rig.working():
        await rig.blocked()
        rig.raw.rpush(rig.lane.keys.processing(rig.lane.worker_id), wait("a"))
        rig.pool.feed(rig.lane, [wait("a")])
        await eventually(lambda: tasks.started == ["a"])
        old = rig.lane.worker_id
        rig.raw.delete(rig.lane.keys.processing(old))
        rig.fence()
        tasks.let_go("a")  # its ack finds out about the lease
        await eventually(lambda: rig.lane.generation == 1)
        rig.raw.lpush(QUEUE, quick("b"))
        await eventually(lambda: "b" in tasks.ended)
        await eventually(lambda: rig.raw.llen(rig.lane.keys.processing(old)) == 0, timeout=3)
        await eventually(lambda: rig.held() == [] and rig.pending() == [], timeout=3)
    assert tasks.started.count("b") == 1


async def test_a_blocking_move_that_is_sent_when_the_former_list_has_been_emptied_keeps_no_task_there(rig, proxy):
    await rig.register()
    # The waiter's connection is still being made when the other one hears that the lease is lost.
    rig.lane._waiter_wire = AsyncWire(Settings(url=proxy.url))
    proxy.down.latency = 0.3
    waiting = asyncio.create_task(rig.fetcher._wait_for_task())
    await eventually(lambda: proxy.connections)
    former = rig.lane.keys.processing(rig.lane.worker_id)
    rig.fence()
    assert await rig.lane.step(0) is None
    rig.raw.lpush(QUEUE, b"a")
    await eventually(lambda: rig.raw.lrange(former, 0, -1) == [b"a"], what="the late move")
    await eventually(lambda: not rig.raw.exists(former), timeout=5)
    await eventually(lambda: rig.lane.unsettled, what="its run")
    waiting.cancel()
    await asyncio.wait([waiting])


async def test_a_lost_answer_to_a_blocking_move_delays_its_task_only(make_rig, proxy):
    rig = make_rig(url=proxy.url)
    tasks = Tasks(rig)
    async with rig.working():
        for i in range(3):
            await rig.blocked()
            proxy.drop_replies(1)
            rig.raw.lpush(QUEUE, quick(str(i)))
            await eventually(lambda i=i: str(i) in tasks.ended)
        await eventually(lambda: rig.held() == [])
    assert tasks.started == ["0", "1", "2"]


async def test_lost_answers_under_load_lose_and_repeat_nothing(make_rig, proxy):
    rig = make_rig(url=proxy.url)
    tasks = Tasks(rig)
    rig.raw.lpush(QUEUE, *[envelope("slow", args=[str(i), 0.002]) for i in range(600)])
    async with rig.working():
        for _ in range(8):
            dropped = proxy.dropped_replies
            proxy.drop_replies(1)
            await eventually(lambda dropped=dropped: proxy.dropped_replies > dropped)
        await eventually(lambda: len(set(tasks.ended)) == 600, timeout=20)
        await eventually(lambda: rig.held() == [])
    assert len(tasks.started) == 600


async def test_after_an_outage_nobody_waits_at_the_connection_that_was_used_before(make_rig, proxy):
    """It may lead to a server that is the master no more."""
    rig = make_rig(url=proxy.url)
    tasks = Tasks(rig)

    def waiting():
        return {client["id"] for client in rig.raw.client_list() if client["cmd"] == "blmove"}

    async with rig.working():
        await rig.blocked()
        before = waiting()
        rig.raw.lpush(QUEUE, *[wait(name) for name in "abcd"])
        # All slots are taken: nobody waits for more, and that connection is idle.
        await eventually(lambda: len(tasks.started) == 4 and not waiting())
        proxy.drop_replies(1)
        for name in "abcd":
            tasks.let_go(name)
        await eventually(lambda: proxy.dropped_replies == 1 and rig.held() == [])
        await rig.blocked()
        assert not before & waiting()
    assert sorted(tasks.ended) == list("abcd")


async def test_burst_ends_when_everything_is_done(make_rig):
    rig = make_rig("one", "two", burst=True)
    tasks = Tasks(rig)
    rig.raw.lpush("one", *[quick(f"{i}") for i in range(20)])
    rig.raw.lpush("two", quick("other"))
    await rig.register()
    await asyncio.wait_for(rig.fetcher.run(), 5)
    assert len(tasks.ended) == 21
    assert (rig.held(rig.lanes[0]), rig.held(rig.lanes[1])) == ([], [])


async def test_fetchers_start_and_stop_at_any_moment_without_losing_a_task(make_rig):
    done = []
    first = make_rig()
    first.raw.lpush(QUEUE, *[envelope("slow", args=[str(i), 0.001]) for i in range(400)])
    for n in range(15):
        rig = make_rig(id=f"w{n}")
        tasks = Tasks(rig)
        async with rig.working():
            target = 5 + 3 * n
            await eventually(
                lambda tasks=tasks, target=target, rig=rig: len(tasks.ended) >= target or not rig.pending()
            )
        await rig.fetcher.return_unstarted()
        await rig.pool.wait_empty()
        await rig.lane.flush()
        assert await rig.lane.leave() == 0
        done += tasks.ended
    left = len(first.pending())
    assert sorted(Counter(done).values()) == [1] * (400 - left)


async def test_a_queue_whose_results_are_refused_does_not_keep_the_others_from_being_served(make_rig):
    rig = make_rig("broken", "sound")
    tasks = Tasks(rig)
    failures = 0

    @rig.app.task(name="fail")
    async def fail():
        nonlocal failures
        failures += 1
        raise ValueError

    async with rig.working():
        rig.raw.set("{broken}:delayed", "text")
        rig.raw.lpush("broken", envelope("fail", id="1"))
        await eventually(lambda: failures == 1)
        rig.raw.lpush("sound", *[quick(str(i)) for i in range(20)])
        await eventually(lambda: len(tasks.ended) == 20, timeout=4)
        rig.raw.delete("{broken}:delayed")
        await eventually(lambda: rig.raw.zcard("{broken}:delayed") == 1, timeout=4)
        assert failures == 1
