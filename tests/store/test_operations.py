"""What operators do: pause, resume, reschedule, delete, requeue, purge."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from taskconsole.errors import StoreError, WrongType
from taskconsole.store.keys import PUBLIC_DELAYED, TOMBSTONE
from taskconsole.store.operations import FREE_TRASH, KEEP_TRASH, NEAR, Rescheduled
from tests.store.rig import EVENT, FAR, QUEUE, heard, listener

WINDOW = 200
"""How far from where it was seen a pending task is looked for here."""


def pause(rig, token="t", note=b"note"):
    return rig.operations.pause(QUEUE, note, token=token, event=EVENT)


def resume(rig, token="t"):
    return rig.operations.resume(QUEUE, token=token, event=EVENT)


def whether(call):
    """The same call, answering whether its one task was there."""
    return replace(call, parse=lambda reply: call.parse(reply).count == 1)


def reschedule(rig, payload, due, token="t", shelf="delayed"):
    due = due if isinstance(due, str) else f"{due:.6f}"
    return rig.operations.reschedule(QUEUE, [payload], due, token=token, event=EVENT, shelf=shelf)


def delete(rig, state, payload, token="t"):
    return whether(rig.operations.take(QUEUE, state, [payload], token=token, event=EVENT))


def delete_pending(rig, payload, from_right, token="t"):
    piece = from_right - WINDOW, from_right + WINDOW
    return whether(rig.operations.take_pending(QUEUE, piece, [payload], token=token, event=EVENT))


def requeue(rig, state, payload, to_run, token="t", **options):
    return whether(rig.operations.requeue(QUEUE, state, [(payload, to_run)], token=token, event=EVENT, **options))


def purge(rig, state, token="t", at_most=None):
    return rig.operations.purge(QUEUE, state, token=token, event=EVENT, at_most=at_most)


def shelf(rig, state):
    return {"delayed": rig.keys.delayed, "public": PUBLIC_DELAYED, "dead": rig.keys.dead}[state]


def wake_of(rig, state):
    return {"delayed": rig.keys.wake, "public": rig.names.public_wake}[state]


def note(rig, token="t"):
    key = rig.keys.trash_note(token)
    assert rig.raw.ttl(key) == KEEP_TRASH
    return rig.raw.hgetall(key)


# -- pause and resume


def test_a_pause_says_who_made_it(rig, store_url):
    channel = listener(store_url, rig.keys.channel)
    assert rig.run(pause(rig, note=b"ada, 3 am")) == (True, b"ada, 3 am")
    assert rig.raw.get(rig.keys.paused) == b"ada, 3 am"
    assert (rig.logged(), heard(channel)) == (1, [EVENT])


def test_the_second_of_two_pauses_learns_of_the_first_and_changes_nothing(rig):
    rig.run(pause(rig, "one", b"ada"))
    before = rig.dump()
    assert rig.run(pause(rig, "two", b"bob")) == (False, b"ada")
    assert rig.dump() == before


def test_a_repeated_pause_answers_as_before_and_is_done_once(rig):
    rig.run(pause(rig))
    before = rig.dump()
    assert rig.run(pause(rig)) == (True, b"note")
    assert rig.dump() == before


def test_a_late_copy_of_a_pause_does_not_stop_a_queue_that_was_resumed(rig):
    rig.run(pause(rig, "one"))
    rig.run(resume(rig, "two"))
    assert rig.run(pause(rig, "one"))[0]
    assert rig.raw.get(rig.keys.paused) is None


def test_a_resume_gives_what_the_pause_said(rig, store_url):
    rig.run(pause(rig, "one", b"ada"))
    channel = listener(store_url, rig.keys.channel)
    assert rig.run(resume(rig, "two")) == (True, b"ada")
    assert rig.raw.get(rig.keys.paused) is None
    assert (rig.logged(), heard(channel)) == (2, [EVENT])


def test_resuming_what_is_not_paused_changes_nothing(rig):
    assert rig.run(resume(rig)) == (False, b"")
    assert rig.dump() == {}


def test_a_late_copy_of_a_resume_does_not_start_a_queue_that_was_paused_again(rig):
    rig.run(pause(rig, "one", b"ada"))
    rig.run(resume(rig, "two"))
    rig.run(pause(rig, "three", b"bob"))
    assert rig.run(resume(rig, "two")) == (True, b"ada")
    assert rig.raw.get(rig.keys.paused) == b"bob"


# -- reschedule


@pytest.mark.parametrize("state", ["delayed", "public"])
def test_a_delayed_task_gets_another_time_and_the_promoters_of_its_set_hear_of_it(rig, state, store_url):
    wakes = {which: listener(store_url, wake_of(rig, which)) for which in ("delayed", "public")}
    channel = listener(store_url, rig.keys.channel)
    for which in wakes:
        rig.raw.zadd(shelf(rig, which), {b"a": FAR, b"b": FAR})
    assert rig.run(reschedule(rig, b"a", FAR - 5, shelf=state)) == Rescheduled((True,), FAR - 5, FAR)
    times = {which: rig.shelf(shelf(rig, which))[b"a"] for which in wakes}
    assert times == {"delayed": FAR, "public": FAR} | {state: FAR - 5}
    assert {which: [float(text) for text in heard(wake)] for which, wake in wakes.items()} == {
        "delayed": [],
        "public": [],
    } | {state: [FAR - 5]}
    assert note(rig) == {
        b"op": b"reschedule",
        b"state": state.encode(),
        b"n": b"1",
        b"done": b"1",
        b"new": b"3999999995.000000",
        b"before": b"4000000000",
    }
    assert rig.shelf(rig.keys.former("t")) == {b"a": FAR}
    assert (rig.logged(), heard(channel)) == (1, [EVENT])


@pytest.mark.parametrize("state", ["delayed", "public"])
def test_a_time_from_now_counts_by_the_clock_of_redis_and_a_repeat_keeps_it(rig, state):
    rig.raw.zadd(shelf(rig, state), {b"a": FAR})
    call = reschedule(rig, b"a", "+90.5", shelf=state)
    began = rig.now()
    moved = rig.run(call)
    assert began + 90.5 <= moved.due + 1e-6
    assert moved.due <= rig.now() + 90.5
    assert rig.shelf(shelf(rig, state)) == {b"a": moved.due}
    assert rig.run(call) == moved
    assert rig.shelf(shelf(rig, state)) == {b"a": moved.due}


def test_a_time_that_redis_does_not_understand_loses_no_task(rig):
    rig.raw.zadd(rig.keys.delayed, {b"a": FAR})
    before = rig.dump()
    with pytest.raises(StoreError):
        rig.run(reschedule(rig, b"a", "soon"))
    assert rig.dump() == before


@pytest.mark.parametrize("state", ["delayed", "public"])
def test_rescheduling_what_is_gone_changes_nothing(rig, state):
    rig.raw.zadd(shelf(rig, state), {b"b": FAR})
    before = rig.dump()
    assert rig.run(reschedule(rig, b"a", FAR, shelf=state)) == Rescheduled((False,), FAR)
    assert rig.dump() == before


def test_a_repeated_reschedule_answers_as_before_and_is_done_once(rig):
    rig.raw.zadd(rig.keys.delayed, {b"a": FAR})
    rig.run(reschedule(rig, b"a", FAR - 5, "one"))
    rig.run(reschedule(rig, b"a", FAR - 9, "two"))
    before = rig.dump()
    assert rig.run(reschedule(rig, b"a", FAR - 5, "one")) == Rescheduled((True,), FAR - 5, FAR)
    assert rig.dump() == before


def test_a_late_copy_of_a_reschedule_does_not_touch_an_equal_task_that_came_later(rig):
    rig.raw.zadd(PUBLIC_DELAYED, {b"a": FAR})
    rig.run(reschedule(rig, b"a", 5, shelf="public"))
    rig.raw.zrem(PUBLIC_DELAYED, b"a")
    rig.raw.zadd(PUBLIC_DELAYED, {b"a": FAR - 1})
    before = rig.dump()
    assert rig.run(reschedule(rig, b"a", 5, shelf="public")) == Rescheduled((True,), 5, FAR)
    assert rig.dump() == before


# -- delete from a shelf


@pytest.mark.parametrize("state", ["delayed", "public", "dead"])
def test_one_task_is_taken_off_its_shelf(rig, state, store_url):
    channel = listener(store_url, rig.keys.channel)
    rig.raw.zadd(shelf(rig, state), {b"a": 5, b"b": 6})
    assert rig.run(delete(rig, state, b"a"))
    assert rig.shelf(shelf(rig, state)) == {b"b": 6}
    assert note(rig) == {b"op": b"delete", b"state": state.encode(), b"n": b"1", b"done": b"1", b"to": b""}
    assert rig.shelf(rig.keys.trash("t")) == {b"a": 5}
    assert rig.raw.ttl(rig.keys.trash("t")) == KEEP_TRASH
    assert (rig.logged(), heard(channel)) == (1, [EVENT])


@pytest.mark.parametrize("state", ["delayed", "public", "dead"])
def test_deleting_what_is_gone_changes_nothing(rig, state):
    rig.raw.zadd(shelf(rig, state), {b"b": 6})
    before = rig.dump()
    assert rig.run(delete(rig, state, b"a")) is False
    assert rig.dump() == before


def test_a_late_copy_of_a_delete_does_not_take_an_equal_task_that_came_later(rig):
    rig.raw.zadd(rig.keys.delayed, {b"a": 5})
    rig.run(delete(rig, "delayed", b"a"))
    rig.raw.zadd(rig.keys.delayed, {b"a": 7})
    before = rig.dump()
    assert rig.run(delete(rig, "delayed", b"a"))
    assert rig.dump() == before


# -- delete from a queue


@pytest.mark.parametrize(("from_right", "left"), [(0, [b"b", b"c"]), (1, [b"a", b"c"]), (2, [b"a", b"b"])])
def test_a_pending_task_is_deleted_where_it_was_seen(rig, from_right, left, store_url):
    channel = listener(store_url, rig.keys.channel)
    rig.arrive(b"a", b"b", b"c")
    target = [b"a", b"b", b"c"][from_right]
    assert rig.run(delete_pending(rig, target, from_right))
    assert rig.pending() == left
    told = {b"n": b"1", b"done": b"1", b"looked": b"3", b"to": b""}
    assert note(rig) == {b"op": b"delete", b"state": b"pending", **told}
    assert rig.raw.lrange(rig.keys.trash("t"), 0, -1) == [target]
    assert rig.raw.ttl(rig.keys.trash("t")) == KEEP_TRASH
    assert (rig.logged(), heard(channel)) == (1, [EVENT])


def test_a_pending_task_is_found_though_others_have_gone_before_it(rig):
    rig.arrive(*(b"%d" % i for i in range(300)))
    rig.raw.rpop(QUEUE, 150)
    assert rig.run(delete_pending(rig, b"160", 160))
    assert b"160" not in rig.pending()
    assert len(rig.pending()) == 149


def test_a_pending_task_is_found_though_the_queue_has_become_shorter_than_its_place(rig):
    rig.arrive(b"a", b"b")
    assert rig.run(delete_pending(rig, b"b", 150))
    assert rig.pending() == [b"a"]


def test_a_pending_task_outside_the_window_is_not_found_and_nothing_is_changed(rig):
    rig.arrive(*(b"%d" % i for i in range(1000)))
    before = rig.dump()
    assert rig.run(delete_pending(rig, b"900", 900 - WINDOW - 1)) is False
    assert rig.run(delete_pending(rig, b"100", 100 + WINDOW + 1)) is False
    assert rig.run(delete_pending(rig, b"nowhere", 5)) is False
    assert rig.dump() == before
    assert rig.run(delete_pending(rig, b"900", 900 - WINDOW))
    assert rig.run(delete_pending(rig, b"100", 100 + WINDOW, token="u"))


@pytest.mark.parametrize("place", ["right", "left"])
def test_near_an_end_the_element_itself_goes(rig, place):
    count = 3 * NEAR
    payloads = [b"%d" % i for i in range(count)]
    rig.arrive(*payloads)
    index = NEAR - 5 if place == "right" else count - NEAR + 5
    assert rig.run(delete_pending(rig, payloads[index], index))
    assert rig.pending() == payloads[:index] + payloads[index + 1 :]
    assert rig.stat("tombstones") == 0


def test_deep_in_a_queue_a_tombstone_takes_its_place(rig):
    payloads = [b"%d" % i for i in range(3 * NEAR)]
    rig.arrive(*payloads)
    index = NEAR + NEAR // 2
    assert rig.run(delete_pending(rig, payloads[index], index))
    assert rig.pending() == [*payloads[:index], TOMBSTONE, *payloads[index + 1 :]]
    assert rig.stat("tombstones") == 1
    before = rig.dump()
    assert rig.run(delete_pending(rig, payloads[index], index))
    assert rig.dump() == before


def test_of_equal_pending_tasks_one_is_deleted(rig):
    rig.arrive(b"same", b"other", b"same", b"same")
    assert rig.run(delete_pending(rig, b"same", 2))
    assert sorted(rig.pending()) == [b"other", b"same", b"same"]


def test_of_equal_tasks_in_a_long_queue_one_near_the_place_is_deleted(rig):
    count = 3 * NEAR
    middle = NEAR + NEAR // 2
    payloads = [b"%d" % i for i in range(count)]
    payloads[3] = payloads[middle] = payloads[count - 3] = b"same"
    rig.arrive(*payloads)
    assert rig.run(delete_pending(rig, b"same", middle))
    payloads[middle] = TOMBSTONE
    assert rig.pending() == payloads


def test_a_late_copy_of_a_pending_delete_does_not_take_an_equal_task(rig):
    rig.arrive(b"same", b"same")
    rig.run(delete_pending(rig, b"same", 0))
    before = rig.dump()
    assert rig.run(delete_pending(rig, b"same", 0))
    assert rig.dump() == before


# -- requeue


@pytest.mark.parametrize("state", ["delayed", "public", "dead"])
@pytest.mark.parametrize(("next_to_run", "order"), [(True, [b"a!", b"z"]), (False, [b"z", b"a!"])])
def test_a_task_goes_from_its_shelf_back_to_its_queue(rig, state, next_to_run, order, store_url):
    channel = listener(store_url, rig.keys.channel)
    rig.arrive(b"z")
    rig.raw.zadd(shelf(rig, state), {b"a": 5, b"b": 6})
    assert rig.run(requeue(rig, state, b"a", b"a!", next_to_run=next_to_run))
    assert rig.pending() == order
    assert rig.shelf(shelf(rig, state)) == {b"b": 6}
    side = b"R" if next_to_run else b"L"
    assert note(rig) == {b"op": b"requeue", b"state": state.encode(), b"n": b"1", b"done": b"1", b"side": side}
    assert rig.shelf(rig.keys.former("t")) == {b"a": 5}
    assert rig.raw.ttl(rig.keys.former("t")) == KEEP_TRASH
    assert (rig.logged(), heard(channel)) == (1, [EVENT])


def test_requeueing_what_is_gone_changes_nothing(rig):
    assert rig.run(requeue(rig, "dead", b"a", b"a!")) is False
    assert rig.dump() == {}


def test_a_late_copy_of_a_requeue_does_not_take_an_equal_task(rig):
    rig.raw.zadd(rig.keys.dead, {b"a": 5})
    rig.run(requeue(rig, "dead", b"a", b"a!"))
    rig.raw.zadd(rig.keys.dead, {b"a": 6})
    before = rig.dump()
    assert rig.run(requeue(rig, "dead", b"a", b"a!"))
    assert rig.dump() == before


def test_a_requeue_into_a_key_of_another_type_is_refused_and_the_task_stays(rig):
    rig.raw.zadd(rig.keys.dead, {b"a": 5})
    rig.raw.set(QUEUE, "text", ex=100)
    before = rig.dump()
    with pytest.raises(WrongType):
        rig.run(requeue(rig, "dead", b"a", b"a!"))
    assert rig.dump() == before


# -- purge


def fill(rig, state, *payloads):
    if state == "pending":
        rig.arrive(*payloads)
    else:
        rig.raw.zadd(shelf(rig, state), {p: i for i, p in enumerate(payloads)})


def too_late(rig, token="t"):
    """Ten minutes pass for a purge."""
    rig.raw.delete(rig.keys.trash_note(token))
    rig.raw.zadd(rig.keys.discards, {token: rig.now() - 1}, xx=True)


@pytest.mark.parametrize("state", ["pending", "delayed", "dead"])
def test_what_a_purge_took_away_is_freed_in_the_background_when_it_is_too_late_for_undo(rig, state):
    fill(rig, state, *[b"%d" % i for i in range(500)])
    rig.run(purge(rig, state))
    due = rig.raw.zscore(rig.keys.discards, "t")
    assert rig.now() + KEEP_TRASH - 2 <= due <= rig.now() + KEEP_TRASH
    assert rig.run(rig.operations.discards(QUEUE, due - 1)) == []
    assert rig.run(rig.operations.discards(QUEUE, due)) == ["t"]
    too_late(rig)
    rig.raw.config_resetstat()
    assert rig.run(rig.operations.discard(QUEUE, ["t"])) == 1
    assert rig.raw.exists(rig.keys.trash("t"), rig.keys.discards) == 0
    commands = rig.raw.info("commandstats")
    assert ("cmdstat_unlink" in commands, "cmdstat_del" in commands) == (True, False)
    assert rig.run(rig.operations.discard(QUEUE, ["t"])) == 0


def test_nothing_is_freed_that_can_still_be_taken_back(rig):
    fill(rig, "delayed", b"a", b"b")
    rig.run(purge(rig, "delayed"))
    assert rig.run(rig.operations.discard(QUEUE, ["t"])) == 0, "before its time"
    rig.raw.zadd(rig.keys.discards, {"t": rig.now() - 1}, xx=True)
    assert rig.run(rig.operations.discard(QUEUE, ["t"])) == 0, "there is a note still"
    assert rig.run(rig.operations.undo(QUEUE, "t")).what == "purge"
    too_late(rig)
    assert rig.run(rig.operations.discard(QUEUE, ["t"])) == 0
    assert sum(rig.census().values()) == 2


def test_a_stranger_at_the_place_of_the_discards_keeps_no_purge_from_being_made(rig):
    fill(rig, "delayed", b"a")
    rig.raw.set(rig.keys.discards, "text")
    assert rig.run(purge(rig, "delayed")) == (True, 1)
    assert rig.raw.ttl(rig.keys.trash("t")) > 0


@pytest.mark.parametrize("state", ["pending", "delayed", "dead"])
def test_a_purge_moves_everything_of_one_state_into_the_trash(rig, state, store_url):
    channel = listener(store_url, rig.keys.channel)
    for other in ("pending", "delayed", "dead"):
        fill(rig, other, b"%s-1" % other.encode(), b"%s-2" % other.encode())
    assert rig.run(purge(rig, state)) == (True, 2)
    source = rig.keys.queue if state == "pending" else shelf(rig, state)
    assert rig.raw.exists(source) == 0
    assert rig.raw.ttl(rig.keys.trash("t")) == KEEP_TRASH + FREE_TRASH
    assert rig.raw.ttl(rig.keys.trash_note("t")) == KEEP_TRASH
    assert note(rig) == {b"op": b"purge", b"state": state.encode(), b"n": b"2", b"tombstones": b"0"}
    assert sum(rig.census().values()) == 6
    assert (rig.logged(), heard(channel)) == (1, [EVENT.replace(b'"n":1', b'"n":2')])


def test_a_purge_tells_how_many_tasks_went_though_workers_have_just_passed_over_tombstones(rig):
    fill(rig, "pending", b"a", TOMBSTONE, b"b", b"c")
    # Two more are counted, which a worker has taken and will take off the count a moment later.
    rig.raw.hset(rig.keys.stats, "tombstones", 3)
    assert rig.run(purge(rig, "pending", at_most=2)) == (False, 3)
    assert rig.run(purge(rig, "pending", at_most=3)) == (True, 3)
    assert rig.stat("tombstones") == 2
    assert rig.run(rig.operations.undo(QUEUE, "t", event=EVENT)).back == 3
    assert rig.stat("tombstones") == 3


def test_a_purge_of_more_than_was_agreed_to_is_refused(rig):
    fill(rig, "pending", b"a", b"b", b"c")
    before = rig.dump()
    assert rig.run(purge(rig, "pending", at_most=2)) == (False, 3)
    assert rig.dump() == before
    assert rig.run(purge(rig, "pending", at_most=3)) == (True, 3)


def test_a_purge_of_nothing_is_done_and_leaves_nothing(rig):
    assert rig.run(purge(rig, "dead")) == (True, 0)
    assert rig.dump() == {}


@pytest.mark.parametrize("state", ["pending", "delayed", "dead"])
def test_a_late_copy_of_a_purge_does_not_take_what_came_later(rig, state):
    fill(rig, state, b"a", b"b")
    rig.run(purge(rig, state))
    fill(rig, state, b"new")
    before = rig.dump()
    assert rig.run(purge(rig, state)) == (True, 2)
    assert rig.dump() == before


def of_schedule(task_id):
    return json.dumps({"task": "t", "id": task_id, "schedule": "s"}).encode()


@pytest.mark.parametrize("before", [None, '{"s@2":5}', "garbage", "5", '{"a":1e999}'])
def test_a_requeued_task_of_a_schedule_is_unfinished_again(rig, before):
    rig.raw.hset(rig.keys.schedules, "s", "{}")
    if before:
        rig.raw.hset(rig.keys.running, "s", before)
    rig.raw.zadd(rig.keys.dead, {b"a": 1})
    assert rig.run(requeue(rig, "dead", b"a", of_schedule("s@1")))
    found = json.loads(rig.raw.hget(rig.keys.running, "s"))
    assert set(found) == ({"s@1", "s@2"} if before and "s@2" in before else {"s@1"})
    assert abs(found["s@1"] - rig.now()) < 5


@pytest.mark.parametrize(
    "payload",
    [of_schedule("s@1"), b'{"task":"t","schedule":"s"}', b'{"id":"x","schedule":5}', b'"schedule"', b'{"schedule":'],
)
def test_nobody_waits_for_a_requeued_task_that_no_schedule_knows(rig, payload):
    rig.raw.hset(rig.keys.schedules, "s" if b"s@1" not in payload else "other", "{}")
    rig.raw.zadd(rig.keys.dead, {b"a": 1})
    assert rig.run(requeue(rig, "dead", b"a", payload))
    assert rig.pending() == [payload]
    assert not rig.raw.exists(rig.keys.running)


def test_a_task_that_is_gone_is_not_unfinished(rig):
    rig.raw.hset(rig.keys.schedules, "s", "{}")
    assert rig.run(requeue(rig, "dead", b"a", of_schedule("s@1"))) is False
    assert not rig.raw.exists(rig.keys.running)
