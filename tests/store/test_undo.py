"""undo.lua: taking an operator's action back."""

from __future__ import annotations

import pytest

from taskconsole.store.keys import PUBLIC_DELAYED
from taskconsole.store.operations import UNDO_BATCH, Undone
from tests.store.rig import EVENT, FAR, QUEUE, heard, listener
from tests.store.test_operations import (
    delete,
    delete_pending,
    fill,
    pause,
    purge,
    requeue,
    reschedule,
    resume,
    shelf,
    wake_of,
)


def undo(rig, token="t"):
    """What was undone and how much is left."""
    undone = rig.run(rig.operations.undo(QUEUE, token, event=EVENT))
    return Undone(undone.what, undone.left)


def contents(rig, state):
    return rig.pending() if state == "pending" else list(rig.shelf(shelf(rig, state)))


def test_there_is_nothing_to_undo_under_an_unknown_token(rig):
    assert undo(rig) == Undone("", 0)
    assert rig.dump() == {}


def test_there_is_nothing_to_undo_when_the_note_has_expired(rig):
    rig.arrive(b"a")
    rig.run(delete_pending(rig, b"a", 0))
    rig.raw.delete(rig.keys.trash_note("t"))
    before = rig.dump()
    assert undo(rig) == Undone("", 0)
    assert rig.dump() == before


def test_there_is_nothing_to_undo_when_the_trash_has_expired(rig):
    fill(rig, "dead", b"a")
    rig.run(purge(rig, "dead"))
    rig.raw.delete(rig.keys.trash("t"))
    before = rig.dump()
    assert undo(rig) == Undone("", 0)
    assert rig.dump() == before


def test_what_went_into_a_queue_is_to_be_looked_for_there(rig):
    fill(rig, "dead", b"a")
    rig.run(requeue(rig, "dead", b"a", b"a!"))
    before = rig.dump()
    assert undo(rig) == Undone("requeue", 0)
    assert rig.dump() == before


def test_an_undone_action_is_told_once_and_undone_once(rig, store_url):
    fill(rig, "dead", b"a", b"b")
    rig.run(delete(rig, "dead", b"a"))
    channel = listener(store_url, rig.keys.channel)
    assert undo(rig) == Undone("delete", 0)
    assert (rig.logged(), heard(channel)) == (2, [EVENT])
    rig.raw.zrem(rig.keys.dead, b"a")
    before = rig.dump()
    assert undo(rig) == Undone("undone", 0)
    assert rig.dump() == before


# -- pause and resume


def test_an_undone_pause_lets_workers_claim(rig):
    rig.run(pause(rig))
    assert undo(rig) == Undone("pause", 0)
    assert rig.raw.get(rig.keys.paused) is None


def test_an_undone_resume_pauses_in_the_old_words(rig):
    rig.run(pause(rig, "one", b"ada"))
    rig.run(resume(rig, "two"))
    assert undo(rig, "two") == Undone("resume", 0)
    assert rig.raw.get(rig.keys.paused) == b"ada"


@pytest.mark.parametrize("paused_by", [b"bob", None])
def test_a_pause_that_is_no_longer_ours_is_not_undone(rig, paused_by):
    rig.run(pause(rig, note=b"ada"))
    rig.raw.delete(rig.keys.paused)
    if paused_by:
        rig.raw.set(rig.keys.paused, paused_by)
    before = rig.dump()
    assert undo(rig) == Undone("changed", 0)
    assert rig.dump() == before


def test_a_resume_is_not_undone_when_somebody_has_paused_again(rig):
    rig.run(pause(rig, "one", b"ada"))
    rig.run(resume(rig, "two"))
    rig.run(pause(rig, "three", b"bob"))
    before = rig.dump()
    assert undo(rig, "two") == Undone("changed", 0)
    assert rig.dump() == before


# -- reschedule


@pytest.mark.parametrize("state", ["delayed", "public"])
@pytest.mark.parametrize("due", [1790000000.1, "+5"])
def test_an_undone_reschedule_gives_the_old_time_back_in_its_own_set(rig, state, due):
    for which in ("delayed", "public"):
        rig.raw.zadd(shelf(rig, which), {b"a": FAR + 0.123456})
    rig.run(reschedule(rig, b"a", due, shelf=state))
    assert undo(rig) == Undone("reschedule", 0)
    assert rig.shelf(rig.keys.delayed) == rig.shelf(PUBLIC_DELAYED) == {b"a": FAR + 0.123456}


@pytest.mark.parametrize("action", ["reschedule", "delete"])
@pytest.mark.parametrize("state", ["delayed", "public"])
def test_what_comes_back_to_an_earlier_time_wakes_the_promoters_of_its_set(rig, store_url, state, action):
    rig.raw.zadd(shelf(rig, state), {b"a": FAR - 10})
    rig.run(reschedule(rig, b"a", FAR, shelf=state) if action == "reschedule" else delete(rig, state, b"a"))
    wakes = {which: listener(store_url, wake_of(rig, which)) for which in ("delayed", "public")}
    undo(rig)
    told = {which: [float(text) for text in heard(wake)] for which, wake in wakes.items()}
    assert told == {"delayed": [], "public": []} | {state: [FAR - 10]}


def test_undoing_what_was_not_delayed_wakes_nobody(rig, store_url):
    rig.raw.zadd(rig.keys.delayed, {b"other": FAR})
    fill(rig, "dead", b"a")
    rig.run(delete(rig, "dead", b"a"))
    wake = listener(store_url, rig.keys.wake)
    undo(rig)
    assert heard(wake) == []


@pytest.mark.parametrize("action", ["delete", "purge", "purge and merge"])
def test_delayed_tasks_that_come_back_wake_the_promoters(rig, store_url, action):
    rig.raw.zadd(rig.keys.delayed, {b"a": FAR - 10, b"b": FAR - 9})
    rig.run(delete(rig, "delayed", b"a") if action == "delete" else purge(rig, "delayed"))
    if action == "purge and merge":
        rig.raw.zadd(rig.keys.delayed, {b"new": FAR})
    wake = listener(store_url, rig.keys.wake)
    undo(rig)
    assert [float(text) for text in heard(wake)] == [FAR - 10]


@pytest.mark.parametrize("state", ["delayed", "public"])
@pytest.mark.parametrize("moved_on", ["rescheduled", "gone"])
def test_a_reschedule_is_not_undone_when_the_task_has_moved_on(rig, state, moved_on):
    rig.raw.zadd(shelf(rig, state), {b"a": FAR})
    rig.run(reschedule(rig, b"a", FAR - 5, shelf=state))
    if moved_on == "gone":
        rig.raw.zrem(shelf(rig, state), b"a")
    else:
        rig.raw.zadd(shelf(rig, state), {b"a": FAR - 7})
    before = rig.shelf(shelf(rig, state))
    assert undo(rig) == Undone("changed", 0)
    assert rig.shelf(shelf(rig, state)) == before
    assert rig.logged() == 1


# -- delete


@pytest.mark.parametrize("state", ["delayed", "public", "dead"])
def test_a_deleted_task_comes_back_to_its_shelf_with_its_time(rig, state):
    rig.raw.zadd(shelf(rig, state), {b"a": FAR + 0.5, b"b": 6})
    rig.run(delete(rig, state, b"a"))
    assert undo(rig) == Undone("delete", 0)
    assert rig.shelf(shelf(rig, state)) == {b"b": 6, b"a": FAR + 0.5}


def test_a_deleted_pending_task_comes_back_to_run_next(rig):
    rig.arrive(b"a", b"b", b"c")
    rig.run(delete_pending(rig, b"b", 1))
    assert undo(rig) == Undone("delete", 0)
    assert rig.pending() == [b"b", b"a", b"c"]


# -- purge


@pytest.mark.parametrize("state", ["pending", "delayed", "dead"])
def test_a_purge_is_undone_in_one_step_while_nothing_new_has_come(rig, state):
    payloads = [b"%d" % i for i in range(1500)]
    fill(rig, state, *payloads)
    rig.run(purge(rig, state))
    assert undo(rig) == Undone("purge", 0)
    assert contents(rig, state) == payloads
    assert rig.raw.ttl(rig.keys.queue if state == "pending" else shelf(rig, state)) == -1


def test_purged_pending_tasks_run_before_those_that_came_meanwhile(rig):
    fill(rig, "pending", b"a", b"b", b"c")
    rig.run(purge(rig, "pending"))
    fill(rig, "pending", b"new")
    assert undo(rig) == Undone("purge", 0)
    assert rig.pending() == [b"a", b"b", b"c", b"new"]


@pytest.mark.parametrize("state", ["pending", "delayed", "dead"])
def test_a_large_purge_is_merged_in_portions_until_nothing_is_left(rig, state, monkeypatch):
    monkeypatch.setattr("taskconsole.store.operations.UNDO_BATCH", 2)
    payloads = [b"%d" % i for i in range(5)]
    fill(rig, state, *payloads)
    rig.run(purge(rig, state))
    rig.raw.lpush(QUEUE, b"new") if state == "pending" else rig.raw.zadd(shelf(rig, state), {b"new": FAR})
    assert [undo(rig) for _ in range(4)] == [
        Undone("purge", 3),
        Undone("purge", 1),
        Undone("purge", 0),
        Undone("undone", 0),
    ]
    assert contents(rig, state) == [*payloads, b"new"]
    assert rig.logged() == 2


def test_a_purged_task_that_has_come_again_keeps_its_new_time(rig):
    fill(rig, "delayed", b"a", b"b")
    rig.run(purge(rig, "delayed"))
    rig.raw.zadd(rig.keys.delayed, {b"b": FAR})
    assert undo(rig) == Undone("purge", 0)
    assert rig.shelf(rig.keys.delayed) == {b"a": 0, b"b": FAR}


def test_a_purge_of_half_undone_tasks_does_not_lose_them_when_new_ones_are_purged(rig, monkeypatch):
    monkeypatch.setattr("taskconsole.store.operations.UNDO_BATCH", 1)
    fill(rig, "pending", b"a", b"b")
    rig.run(purge(rig, "pending", "one"))
    fill(rig, "pending", b"new")
    assert undo(rig, "one") == Undone("purge", 1)
    rig.run(purge(rig, "pending", "two"))
    assert undo(rig, "one") == Undone("purge", 0)
    while undo(rig, "two").left:
        pass
    assert rig.census() == {"a": 1, "b": 1, "new": 1}


# -- repeated


@pytest.mark.parametrize("state", ["pending", "delayed", "dead"])
def test_an_undo_whose_answer_was_lost_answers_the_same_again(rig, state):
    fill(rig, state, *(b"%d" % n for n in range(UNDO_BATCH + 100)))
    rig.run(purge(rig, state))
    fill(rig, state, b"new")
    calls = [rig.operations.undo(QUEUE, "t", own_token=f"u.{step}", event=EVENT) for step in (0, 1)]
    for call, expected in zip(calls, [Undone("purge", 100, UNDO_BATCH), Undone("purge", 0, 100)], strict=True):
        assert rig.run(call) == rig.run(call) == expected
    assert len(contents(rig, state)) == UNDO_BATCH + 101
    assert rig.run(rig.operations.undo(QUEUE, "t", own_token="v.0", event=EVENT)) == Undone("undone", 0)


def test_several_pending_tasks_come_back_in_their_order(rig):
    rig.arrive(b"a", b"b", b"c", b"d")
    before = rig.pending()
    call = rig.operations.take_pending(QUEUE, (0, 10), before[1:3], token="t", event=EVENT)
    assert rig.run(call).done == (True, True)
    rest = rig.pending()
    assert undo(rig) == Undone("delete", 0)
    # Next to run, as those that had waited longer, and in the order in which they were.
    assert rig.pending() == [*before[1:3], *rest]


def test_what_has_arrived_elsewhere_is_remembered_and_no_longer_in_the_trash(rig):
    rig.arrive(b"a")
    rig.run(rig.operations.take_pending(QUEUE, (0, 10), [b"a"], token="t", event=EVENT, to="other"))
    keys = rig.keys
    assert (rig.raw.exists(keys.trash("t")), rig.raw.ttl(keys.trash_note("t"))) == (1, -1)
    assert rig.run(rig.operations.arrive("other", "pending", [(b"a", None)], token="t", event=EVENT)) == 1
    assert rig.run(rig.operations.moved(QUEUE, "t"))
    assert rig.run(rig.operations.former_pending(QUEUE, "t")) == [b"a"]
    assert not rig.raw.exists(keys.trash("t"))
    assert rig.raw.ttl(keys.trash_note("t")) > 0
    assert undo(rig) == Undone("moved", 0)


@pytest.mark.parametrize(("next_to_run", "order"), [(True, [b"a", b"b", b"x"]), (False, [b"x", b"a", b"b"])])
def test_what_arrives_keeps_its_order_at_the_end_that_is_asked_for(rig, next_to_run, order):
    rig.raw.lpush("other", b"x")
    tasks = [(b"a", None), (b"b", None)]
    rig.run(rig.operations.arrive("other", "pending", tasks, token="t", event=EVENT, next_to_run=next_to_run))
    assert rig.raw.lrange("other", 0, -1)[::-1] == order
