"""promote.lua, transfer.lua and record.lua."""

from __future__ import annotations

import json

import pytest

from taskconsole.store.keys import PUBLIC_DELAYED
from tests.store.rig import FAR, QUEUE, heard, listener


def promote(rig, *, key="", limit=500):
    return rig.tasks.promote(key or rig.keys.delayed, QUEUE, limit=limit)


def test_what_is_due_is_moved_soonest_first_behind_what_waits(rig):
    rig.arrive(b"z")
    rig.raw.zadd(rig.keys.delayed, {b"b": 2, b"a": 1, b"c": 3, b"future": FAR})
    before = rig.now()
    promoted = rig.run(promote(rig))
    assert (promoted.moved, promoted.next_due) == (3, FAR)
    assert before <= promoted.now <= rig.now()
    assert rig.pending() == [b"z", b"a", b"b", b"c"]
    assert rig.shelf(rig.keys.delayed) == {b"future": FAR}
    assert rig.stat("promoted") == 3


def test_nothing_is_moved_before_its_time(rig):
    rig.raw.zadd(rig.keys.delayed, {b"soon": rig.now() + 5})
    before = rig.dump()
    assert rig.run(promote(rig)).moved == 0
    assert rig.dump() == before


def test_a_promotion_without_tasks_says_that_there_is_no_next(rig):
    assert rig.run(promote(rig)).next_due is None
    rig.raw.zadd(rig.keys.delayed, {b"a": 1})
    promoted = rig.run(promote(rig))
    assert (promoted.moved, promoted.next_due) == (1, None)


def test_a_promotion_is_bounded_and_goes_on_where_it_stopped(rig):
    rig.raw.zadd(rig.keys.delayed, {b"%d" % i: i for i in range(5)})
    assert [rig.run(promote(rig, limit=2)).moved for _ in range(4)] == [2, 2, 1, 0]
    assert rig.pending() == [b"0", b"1", b"2", b"3", b"4"]


def test_a_thousand_tasks_fit_into_one_promotion(rig):
    rig.raw.zadd(rig.keys.delayed, {b"%d" % i: i for i in range(1000)})
    assert rig.run(promote(rig, limit=1000)).moved == 1000


@pytest.mark.parametrize("score", ["-inf", "-5", "1e-300"])
def test_odd_scores_are_due(rig, score):
    rig.raw.zadd(rig.keys.delayed, {b"a": score})
    assert rig.run(promote(rig)).moved == 1


def test_a_score_of_infinity_is_never_due(rig):
    rig.raw.zadd(rig.keys.delayed, {b"a": "inf"})
    promoted = rig.run(promote(rig))
    assert (promoted.moved, promoted.next_due) == (0, float("inf"))


def test_a_promotion_is_heard_with_its_number(rig, store_url):
    channel = listener(store_url, rig.keys.channel)
    rig.raw.zadd(rig.keys.delayed, {b"a": 1, b"b": 2})
    rig.run(promote(rig))
    rig.run(promote(rig))
    (message,) = [json.loads(text) for text in heard(channel)]
    assert (message["event"], message["queue"], message["n"]) == ("promoted", QUEUE, 2)


def test_the_public_set_can_be_promoted_too(rig):
    rig.raw.zadd(PUBLIC_DELAYED, {b"a": 1})
    assert rig.run(promote(rig, key=PUBLIC_DELAYED)).moved == 1
    assert rig.pending() == [b"a"]


def test_looks_at_a_delayed_set_change_nothing(rig):
    rig.raw.zadd(PUBLIC_DELAYED, {b"a": 5, b"b": 6, b"c": FAR})
    before = rig.dump()
    assert rig.run(rig.tasks.head(PUBLIC_DELAYED)) == 5
    assert rig.run(rig.tasks.head("{nothing}:delayed")) is None
    assert rig.run(rig.tasks.due(PUBLIC_DELAYED, rig.now())) == [b"a", b"b"]
    assert rig.run(rig.tasks.due(PUBLIC_DELAYED, rig.now(), limit=1)) == [b"a"]
    assert rig.dump() == before


def test_a_transfer_moves_what_is_named_and_due(rig):
    rig.raw.zadd(PUBLIC_DELAYED, {b"a": 1, b"b": 2, b"not named": 3, b"future": FAR})
    call = rig.tasks.transfer(PUBLIC_DELAYED, QUEUE, [b"a", b"b", b"future", b"gone"])
    assert rig.run(call) == 2
    assert rig.pending() == [b"a", b"b"]
    assert rig.shelf(PUBLIC_DELAYED) == {b"not named": 3, b"future": FAR}


def test_a_repeated_transfer_moves_nothing_and_is_not_heard(rig, store_url):
    channel = listener(store_url, rig.keys.channel)
    rig.raw.zadd(PUBLIC_DELAYED, {b"a": 1})
    call = rig.tasks.transfer(PUBLIC_DELAYED, QUEUE, [b"a"])
    assert [rig.run(call), rig.run(call)] == [1, 0]
    assert rig.pending() == [b"a"]
    assert len(heard(channel)) == 1


# -- statistics


def record(rig, sums, done=(), *, minute=7, cap=3):
    return rig.tasks.record(QUEUE, minute, sums, list(done), keep=100, cap=cap)


def test_sums_are_added_to_the_total_and_to_their_minute(rig):
    rig.run(record(rig, {"done": 2, "run:5": 2}))
    rig.run(record(rig, {"done": 3, "failed": 1, "run:5": 1}))
    assert rig.raw.hgetall(rig.keys.stats) == {b"done": b"5", b"failed": b"1"}
    assert rig.raw.hgetall(rig.keys.minute(7)) == {b"done": b"5", b"failed": b"1", b"run:5": b"3"}
    assert rig.raw.ttl(rig.keys.minute(7)) == 100


def test_the_list_of_finished_tasks_is_capped_and_newest_first(rig):
    rig.run(record(rig, {"done": 2}, [b"1", b"2"]))
    rig.run(record(rig, {"done": 2}, [b"3", b"4"]))
    assert rig.raw.lrange(rig.keys.done, 0, -1) == [b"4", b"3", b"2"]


def test_counts_are_corrected_downwards_too(rig):
    rig.run(record(rig, {"tombstones": 4}))
    rig.run(record(rig, {"tombstones": -3}))
    assert rig.stat("tombstones") == 1
