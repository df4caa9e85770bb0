"""What a worker believes to lie in its list, beside what lies there."""

from __future__ import annotations

import asyncio
import random

import pytest

from taskconsole.store.tasks import Settlement
from taskconsole.worker.hands import Hands
from tests.worker.rig import QUEUE


def hands(*payloads: bytes) -> Hands:
    made = Hands()
    made.claimed(payloads)
    return made


@pytest.mark.parametrize(
    ("ended", "leading"),
    [
        ([b"a", b"b"], 2),
        ([b"a", b"c", b"b"], 1),
        ([b"b", b"a"], 0),
        ([b"a", b"b", b"a", b"c"], 4),
        ([b"a", b"b", b"a", b"c", b"x"], 4),
        ([], 0),
    ],
)
def test_what_ended_in_the_order_it_was_claimed_in_is_told_by_its_number(ended, leading):
    assert hands(b"a", b"b", b"a", b"c").leading(ended) == leading


def test_of_equal_payloads_the_oldest_leaves():
    known = hands(b"a", b"b", b"a", b"c")
    known.released([b"c", b"a"])
    assert known.leading([b"b", b"a"]) == 2


def test_nothing_is_told_by_its_number_while_the_list_is_in_doubt():
    for doubt in (
        lambda known: known.forget(),
        lambda known: known.released([b"stranger"]),
        lambda known: known.came(b"late", known.version - 1),  # before or after what was claimed meanwhile?
    ):
        known = hands(b"a", b"b")
        doubt(known)
        known.claimed([b"c"])
        assert (known.known, known.leading([b"a"])) == (False, 0)
        known.read([b"a", b"b", b"c"])
        assert known.leading([b"a", b"b"]) == 2


async def test_acks_in_order_cost_no_command_each_and_those_out_of_order_are_made_as_well(rig):
    await rig.register()
    rig.raw.lpush(QUEUE, *[b"%d" % i for i in range(100)])
    claimed = (await rig.lane.step(100)).payloads
    rig.lane.acks += claimed[:60]
    rig.raw.config_resetstat()
    await rig.lane.flush()
    assert "cmdstat_lrem" not in rig.raw.info("commandstats")
    assert rig.held() == claimed[60:]
    rig.lane.acks += [claimed[60], claimed[70], claimed[61]]
    await rig.lane.flush()
    assert rig.raw.info("commandstats")["cmdstat_lrem"]["calls"] == 2
    assert rig.held() == [*claimed[62:70], *claimed[71:]]


async def test_a_list_that_was_given_back_from_is_read_again_when_there_is_much_to_tell(rig):
    await rig.register()
    rig.raw.lpush(QUEUE, *[b"%d" % i for i in range(100)])
    claimed = (await rig.lane.step(100)).payloads
    await rig.lane.give_back([claimed.pop()])
    for _ in range(2):
        rig.raw.config_resetstat()
        rig.lane.acks += claimed[:40]
        del claimed[:40]
        await rig.lane.flush()
        assert rig.held() == claimed
    assert "cmdstat_lrem" not in rig.raw.info("commandstats")


async def test_a_task_moved_here_that_was_not_heard_of_is_not_taken_for_one_that_ended(rig):
    await rig.register()
    rig.raw.lpush(QUEUE, b"a")
    assert (await rig.lane.step(1)).payloads == [b"a"]
    rig.raw.lpush(rig.lane.keys.processing("w"), b"unheard")  # at the worse end even
    rig.lane.acks += [b"a"]
    await rig.lane.flush()
    assert rig.held() == [b"unheard"]


async def test_a_failover_that_takes_calls_back_takes_no_task_with_it(make_rig, proxy):
    """The connection is lost and the list is as it was before the last call: the same acks reach the same tasks."""
    far = make_rig(url=proxy.url)
    await far.register()
    far.raw.lpush(QUEUE, b"failed", b"x", b"x", b"y")
    await far.lane.step(4)
    processing, worker = far.lane.keys.processing("w"), far.lane.keys.worker("w")
    older = far.raw.dump(processing), far.raw.dump(worker)
    far.lane.settlements.append(Settlement("retry", b"failed", b"again", 9.0, b"{}"))
    await far.lane.flush()
    far.raw.restore(processing, 0, older[0], replace=True)
    far.raw.restore(worker, 0, older[1], replace=True)
    far.lane.acks += [b"x", b"x"]
    await far.lane.flush()
    assert far.held() == [b"failed", b"y"]


@pytest.mark.parametrize("seed", range(5))
async def test_it_is_never_wrong(rig, seed):
    """Claims, waits, acks in any order, failures and returns; whenever the list is known, it is what Redis has."""
    rng = random.Random(seed)
    await rig.register()
    lane, held = rig.lane, list[bytes]()
    for step in range(150):
        rig.raw.lpush(QUEUE, *[rng.choice([b"same", b"%d" % step]) for _ in range(rng.randrange(1, 4))])
        match rng.randrange(6):
            case 0 | 1:
                ended = held[: rng.randrange(4)] if rng.random() < 0.7 else rng.sample(held, min(2, len(held)))
                for payload in ended:
                    held.remove(payload)
                lane.acks += ended
                held += (await lane.step(rng.randrange(6))).payloads
            case 2 if rig.raw.llen(QUEUE):
                held.append(await lane.wait_for_one())
            case 3 if held:
                failed = held.pop(rng.randrange(len(held)))
                lane.settlements.append(Settlement("bury", failed, b"%d dead" % step, 0.0, b"{}"))
                await lane.flush()
            case 4 if held and rng.random() < 0.3:
                await lane.give_back([held.pop()])
                held = rig.held()
            case 5 if rng.random() < 0.3:
                lane.suspect = True
                assert await lane.reconcile() == held, "nobody has them in hand here"
        if lane._hands.known:
            assert lane._hands._payloads == rig.held()
        assert sorted(held) == sorted(rig.held())
        held = rig.held()


async def test_a_waiting_worker_that_is_given_tasks_meanwhile_does_not_guess_their_order(rig):
    await rig.register()
    waiting = asyncio.create_task(rig.lane.wait_for_one())
    await rig.blocked()
    rig.raw.rpush(rig.lane.keys.processing("w"), b"x")  # stands for what a step has claimed
    rig.lane._hands.claimed([b"x"])
    rig.raw.lpush(QUEUE, b"late")
    assert await waiting == b"late"
    assert not rig.lane._hands.known
