"""enqueue.lua and delay.lua: what producers do."""

from __future__ import annotations

import pytest

from taskconsole.errors import WrongType
from tests.store.rig import FAR, QUEUE, Rig, heard, listener


def test_tasks_run_in_the_order_in_which_they_were_enqueued(rig):
    assert rig.run(rig.enqueue([b"a", b"b"], seq=1)) == 2
    assert rig.run(rig.enqueue([b"c"], seq=2)) == 3
    assert rig.pending() == [b"a", b"b", b"c"]


def test_a_task_that_is_next_to_run_overtakes_the_others(rig):
    rig.run(rig.enqueue([b"a"], seq=1))
    rig.run(rig.enqueue([b"first"], seq=2, next_to_run=True))
    assert rig.pending() == [b"first", b"a"]


@pytest.mark.parametrize("next_to_run", [False, True])
def test_an_enqueue_repeated_with_its_number_adds_nothing_and_gives_the_length(rig, next_to_run):
    call = rig.enqueue([b"a", b"b"], seq=7, next_to_run=next_to_run)
    assert rig.run(call) == 2
    before = rig.dump()
    assert rig.run(call) == 2
    assert rig.dump() == before


def test_an_old_copy_of_a_call_that_arrives_after_a_newer_one_adds_nothing(rig):
    old = rig.enqueue([b"a"], seq=1)
    rig.run(old)
    rig.run(rig.enqueue([b"b"], seq=2))
    rig.run(old)
    assert rig.pending() == [b"a", b"b"]


def test_numbers_of_different_clients_do_not_meet(rig):
    rig.run(rig.enqueue([b"a"], seq=5, client="one"))
    rig.run(rig.enqueue([b"b"], seq=1, client="two"))
    assert rig.pending() == [b"a", b"b"]


def test_enqueue_and_delay_of_one_client_share_their_numbers(rig):
    rig.run(rig.enqueue([b"a"], seq=1))
    rig.run(rig.delay([(f"{FAR}", b"b")], seq=2))
    rig.run(rig.delay([(f"{FAR}", b"b")], seq=2))
    rig.run(rig.enqueue([b"a"], seq=1))
    assert rig.census() == {"a": 1, "b": 1}


def test_a_thousand_payloads_fit_into_one_call(rig):
    payloads = [b"task-%d" % i for i in range(1000)]
    assert rig.run(rig.enqueue(payloads)) == 1000
    assert rig.pending() == payloads
    assert rig.run(rig.delay([(f"{FAR + i}", p) for i, p in enumerate(payloads)], seq=2)) == 1000
    assert list(rig.shelf(rig.keys.delayed)) == payloads


def test_the_producers_number_is_remembered_for_a_while_only(rig):
    rig.run(rig.enqueue([b"a"]))
    assert 60 < rig.raw.ttl(rig.keys.producer("c")) <= 120


def test_enqueue_is_heard_on_the_channel_once(rig, store_url):
    channel = listener(store_url, rig.keys.channel)
    call = rig.enqueue([b"a"])
    rig.run(call)
    rig.run(call)
    assert len(heard(channel)) == 1


def test_a_delay_from_now_is_by_the_clock_of_redis(rig):
    before = rig.now()
    assert rig.run(rig.delay([("+30", b"a")])) == 1
    after = rig.now()
    assert before + 30 <= rig.shelf(rig.keys.delayed)[b"a"] <= after + 30


def test_a_delay_to_a_moment_keeps_it_to_the_microsecond(rig):
    rig.run(rig.delay([("1790000000.123456", b"a")]))
    assert rig.shelf(rig.keys.delayed) == {b"a": 1790000000.123456}


def test_a_repeated_delay_does_not_move_the_due_time(rig):
    call = rig.delay([("+30", b"a")], seq=1)
    rig.run(call)
    before = rig.dump()
    assert rig.run(call) == 1
    assert rig.dump() == before


def test_only_a_task_that_is_due_before_all_others_wakes_the_promoters(rig, store_url):
    wake = listener(store_url, rig.keys.wake)
    rig.run(rig.delay([(f"{FAR}", b"a")], seq=1))
    assert heard(wake) == [b"4000000000.000000"]
    rig.run(rig.delay([(f"{FAR + 1}", b"later")], seq=2))
    assert heard(wake) == []
    rig.run(rig.delay([(f"{FAR + 2}", b"c"), (f"{FAR - 1}", b"earlier")], seq=3))
    assert heard(wake) == [b"3999999999.000000"]


@pytest.mark.no_key_leak
def test_an_enqueue_that_is_refused_leaves_its_number_free(rig):
    rig.raw.set(QUEUE, "not a list")
    call = rig.enqueue([b"a"])
    with pytest.raises(WrongType):
        rig.run(call)
    rig.raw.delete(QUEUE)
    assert rig.run(call) == 1
    assert rig.pending() == [b"a"]


def test_a_delay_that_is_refused_leaves_its_number_free(rig):
    rig.raw.set(rig.keys.delayed, "not a sorted set", ex=100)
    call = rig.delay([("+5", b"a")])
    with pytest.raises(WrongType):
        rig.run(call)
    rig.raw.delete(rig.keys.delayed)
    assert rig.run(call) == 1


def test_a_queue_is_announced_once(rig: Rig):
    assert rig.run(rig.tasks.announce(QUEUE)) == 1
    assert rig.run(rig.tasks.announce(QUEUE)) == 0
    assert rig.raw.smembers("taskconsole:queues") == {QUEUE.encode()}
