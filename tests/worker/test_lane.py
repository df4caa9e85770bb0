"""One queue as a worker serves it: lost answers, lost leases, refusals."""

from __future__ import annotations

import asyncio

import pytest

from taskconsole.errors import StoreError, StoreUnavailable
from taskconsole.store.call import script
from taskconsole.store.keys import TOMBSTONE
from taskconsole.store.tasks import Settlement
from tests.servers import eventually
from tests.worker.rig import QUEUE, envelope


@pytest.fixture
async def far(make_rig, proxy):
    """A registered lane behind a bad connection."""
    rig = make_rig(url=proxy.url)
    await rig.register()
    for name in ("step", "settle", "give_back"):
        rig.raw.script_load(script(name).body)  # so that the first answer is that of the call itself
    return rig


def retry(payload, kept=b"again"):
    return Settlement("retry", payload, kept, 60.0, b"{}")


async def test_a_step_whose_answer_is_lost_claims_once_and_what_it_claimed_is_found(far, proxy):
    far.raw.lpush(QUEUE, b"a", b"b", b"c")
    proxy.drop_replies(1)
    claimed = await far.lane.step(2)
    assert proxy.dropped_replies == 1
    assert (claimed.payloads, far.lane.suspect) == ([], True)
    assert far.held() == [b"a", b"b"]
    assert await far.lane.reconcile() == [b"a", b"b"]
    assert far.lane.suspect is False


async def test_acks_whose_answer_is_lost_are_made_once(far, proxy):
    far.raw.lpush(QUEUE, b"same", b"same", b"same")
    assert len((await far.lane.step(3)).payloads) == 3
    far.lane.acks += [b"same"]
    proxy.drop_replies(1)
    await far.lane.flush()
    assert far.held() == [b"same", b"same"]


async def test_what_ended_is_counted_once_redis_has_been_told(far, proxy):
    far.raw.lpush(QUEUE, b"same", b"same", TOMBSTONE, b"bad")
    await far.lane.step(4)
    far.lane.acks += [b"same", b"same", TOMBSTONE]
    far.lane.settlements.append(retry(b"bad"))
    sums = far.lane.sums
    assert (sums.done, sums.failed, sums.skipped) == (0, 0, 0)
    proxy.drop_replies(1)
    await far.lane.flush()
    assert (sums.done, sums.failed, sums.skipped) == (2, 1, 1)


async def test_settlements_whose_answer_is_lost_are_made_once(far, proxy):
    far.raw.lpush(QUEUE, b"same", b"same")
    await far.lane.step(2)
    far.lane.settlements.append(retry(b"same"))
    proxy.drop_replies(1)
    await far.lane.flush()
    assert far.held() == [b"same"]
    assert far.raw.zcard(far.lane.keys.delayed) == 1


async def test_what_is_given_back_goes_once_though_the_answer_is_lost(far, proxy):
    far.raw.lpush(QUEUE, b"same", b"same")
    await far.lane.step(2)
    proxy.drop_replies(1)
    await far.lane.give_back([b"same"])
    assert (far.held(), far.pending()) == ([b"same"], [b"same"])


async def test_a_call_is_repeated_for_as_long_as_redis_does_not_answer(far, proxy):
    far.raw.lpush(QUEUE, b"a")
    proxy.accept = False
    proxy.reset_all()
    stepping = asyncio.create_task(far.lane.step(1))
    await eventually(lambda: proxy.connections >= 4)
    assert not stepping.done()
    proxy.heal()
    claimed = await stepping
    assert claimed.payloads == [b"a"]


async def test_what_a_cancelled_step_claimed_is_looked_for(far, proxy):
    far.raw.lpush(QUEUE, b"a", b"b")
    proxy.accept = False
    proxy.reset_all()
    stepping = asyncio.create_task(far.lane.step(1))
    await eventually(lambda: proxy.connections >= 3)
    stepping.cancel()
    await asyncio.wait([stepping])
    proxy.heal()
    # It is repeated before the next one: nobody hears what it brings.
    far.lane.suspect = False
    assert (await far.lane.step(1)).payloads == [b"b"]
    assert far.lane.suspect
    far.lane.settlements.append(retry(b"b"))
    assert await far.lane.reconcile() == [b"a"]


async def test_a_blocking_move_whose_answer_is_lost_is_told_and_its_task_is_found(far, proxy):
    waiting = asyncio.create_task(far.lane.wait_for_one())
    await far.blocked()
    proxy.drop_replies(1)
    far.raw.lpush(QUEUE, b"a")
    with pytest.raises(StoreUnavailable):
        await waiting
    assert await far.lane.reconcile() == [b"a"]


async def test_what_runs_is_acknowledged_or_waits_is_not_taken_for_unheard_of(rig):
    going_on = asyncio.Event()

    @rig.app.task
    async def work(n):
        await going_on.wait()

    payloads = [envelope("work", args=[n]) for n in range(6)]
    rig.raw.lpush(QUEUE, *payloads, b"done", b"failed", b"unheard", b"done")
    await rig.register()
    await rig.lane.step(10)
    rig.pool.feed(rig.lane, payloads)
    rig.lane.acks.append(b"done")
    rig.lane.settlements.append(retry(b"failed"))
    await eventually(lambda: rig.pool.running == 4)
    assert await rig.lane.reconcile() == [b"unheard", b"done"]
    going_on.set()


async def test_what_is_on_its_way_back_is_not_taken_for_unheard_of(rig):
    await rig.register()
    rig.raw.rpush(rig.lane.keys.processing(rig.lane.worker_id), b"a", b"b")
    rig.pool.feed(rig.lane, [])
    looking = asyncio.create_task(rig.lane.reconcile())
    returning = asyncio.create_task(rig.lane.give_back([b"b"]))
    await asyncio.wait([looking, returning])
    assert looking.result() == [b"a"]
    assert rig.pending() == [b"b"]


async def test_what_a_queue_refuses_to_take_back_is_looked_for(rig):
    await rig.register()
    rig.raw.rpush(rig.lane.keys.processing(rig.lane.worker_id), b"a")
    rig.raw.set(QUEUE, "no list")
    with pytest.raises(StoreError):
        await rig.lane.give_back([b"a"])
    assert rig.lane.suspect
    assert await rig.lane.reconcile() == [b"a"]


# -- leases


async def test_a_fenced_lane_goes_on_under_a_new_name_with_empty_hands(rig):
    await rig.register()
    rig.raw.lpush(QUEUE, b"a")
    await rig.lane.step(1)
    rig.lane.acks.append(b"a")
    rig.fence()
    old = rig.lane.worker_id
    assert await rig.lane.step(1) is None
    assert (rig.lane.generation, rig.lane.unsettled) == (1, 0)
    assert rig.lane.worker_id != old
    assert rig.pending() == [b"a"]
    assert (await rig.lane.step(1)).payloads == [b"a"]


async def test_results_of_a_former_lease_are_not_told_under_the_next_though_redis_refuses_its_beginning(rig):
    await rig.register()
    rig.raw.lpush(QUEUE, b"same")
    await rig.lane.step(1)
    rig.lane.acks.append(b"same")
    rig.fence()
    rig.raw.set(rig.lane.keys.log, "no stream")
    with pytest.raises(StoreError):
        await rig.lane.step(0)
    rig.raw.delete(rig.lane.keys.log)
    # What a blocking move may bring meanwhile.
    rig.raw.rpush(rig.lane.keys.processing(rig.lane.worker_id), b"same")
    await rig.lane.flush()
    assert rig.lane.generation == 1
    assert rig.held() == [b"same"], "a task that only looks the same is acknowledged"


async def test_a_fenced_lane_settles_nothing(rig):
    await rig.register()
    rig.raw.lpush(QUEUE, b"a")
    await rig.lane.step(1)
    rig.lane.settlements.append(retry(b"a"))
    rig.fence()
    await rig.lane.flush()
    assert rig.raw.zcard(rig.lane.keys.delayed) == 0
    assert rig.pending() == [b"a"]
    assert (rig.lane.sums.done, rig.lane.sums.failed) == (0, 0)


@pytest.mark.parametrize("refused", ["step", "settle"])
async def test_results_that_redis_refuses_are_kept_and_told_later(rig, refused):
    await rig.register()
    rig.raw.lpush(QUEUE, b"a", b"b")
    await rig.lane.step(2)
    rig.lane.acks.append(b"a")
    # What failed is told first: without any, it is the step that meets the refusal.
    rig.lane.settlements += [retry(b"b")] if refused == "settle" else []
    key = rig.lane.keys.delayed if refused == "settle" else rig.lane.keys.worker(rig.lane.worker_id)
    saved = rig.raw.dump(key)
    rig.raw.set(key, "something else")
    with pytest.raises(StoreError):
        await rig.lane.flush()
    assert await rig.lane.reconcile() == ([] if refused == "settle" else [b"b"]), "finished tasks would be run again"
    rig.raw.delete(key)
    if saved:
        rig.raw.restore(key, 0, saved)
    await rig.lane.flush()
    assert rig.held() == ([] if refused == "settle" else [b"b"])
    assert rig.raw.zcard(rig.lane.keys.delayed) == (refused == "settle")


async def test_leaving_gives_back_what_is_held_and_ends_the_lease(rig):
    await rig.register()
    rig.raw.lpush(QUEUE, b"a", b"b")
    await rig.lane.step(2)
    assert await rig.lane.leave() == 2
    assert rig.pending() == [b"a", b"b"]
    assert rig.raw.zcard(rig.lane.keys.workers) == 0
    assert await rig.lane.is_empty() is False
