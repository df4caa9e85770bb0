"""register.lua, heartbeat.lua, leave.lua, reclaim.lua and signal.lua: workers come, live, leave and die."""

from __future__ import annotations

import pytest

from taskconsole.errors import LeaseLost
from taskconsole.store.workers import TakenBack
from tests.store.rig import EVENT, LEASE_MS, QUEUE, heard, listener


def queue(held: bytes, kept: bytes = b"") -> TakenBack:
    return TakenBack("queue", held, kept or held + b" again")


def bury(held: bytes, kept: bytes = b"") -> TakenBack:
    return TakenBack("bury", held, kept or held + b" dead")


def fields(rig, wid="w"):
    return rig.raw.hgetall(rig.keys.worker(wid))


# -- coming


def test_a_registered_worker_has_a_lease_and_says_who_it_is(rig):
    before = rig.now()
    at = rig.run(rig.register("w", host="box", pid="5"))
    after = rig.now()
    assert before - 0.001 <= at <= after
    assert before * 1000 + LEASE_MS - 1 <= rig.shelf(rig.keys.workers)[b"w"] <= after * 1000 + LEASE_MS
    assert fields(rig) == {b"host": b"box", b"pid": b"5"}
    assert rig.raw.ttl(rig.keys.worker("w")) > 3600
    assert rig.logged() == 1


def test_a_repeated_registration_is_told_once(rig, store_url):
    channel = listener(store_url, rig.keys.channel)
    call = rig.register("w")
    rig.run(call)
    rig.run(call)
    assert heard(channel) == [EVENT]
    assert (rig.logged(), rig.raw.zcard(rig.keys.workers)) == (1, 1)


def test_a_new_worker_does_not_hear_what_its_forerunner_was_told(rig):
    rig.run(rig.register("w"))
    rig.run(rig.workers.signal(QUEUE, "w", "stop"))
    rig.run(rig.register("w"))
    assert b"command" not in fields(rig)


# -- living


def test_a_heartbeat_renews_the_lease_and_tells_the_time(rig):
    rig.worker("w")
    rig.expire_lease("w")
    before = rig.now()
    pulse = rig.run(rig.workers.heartbeat(QUEUE, "w", lease_ms=LEASE_MS, fields={"rss": 7}))
    after = rig.now()
    assert before - 0.001 <= pulse.now <= after
    assert rig.shelf(rig.keys.workers)[b"w"] == pytest.approx(pulse.now * 1000 + LEASE_MS)
    assert fields(rig)[b"rss"] == b"7"
    assert (pulse.command, pulse.listeners) == ("", 0)


def test_a_heartbeat_without_news_renews_the_lease_all_the_same(rig):
    rig.worker("w")
    rig.expire_lease("w")
    known = fields(rig)
    rig.run(rig.workers.heartbeat(QUEUE, "w", lease_ms=LEASE_MS, fields={}))
    assert rig.shelf(rig.keys.workers)[b"w"] > rig.now() * 1000
    assert fields(rig) == known


def test_a_heartbeat_tells_how_many_listen(rig, store_url):
    rig.worker("w")
    with listener(store_url, rig.keys.channel):
        assert rig.run(rig.workers.heartbeat(QUEUE, "w", lease_ms=LEASE_MS, fields={})).listeners == 1


def test_a_fenced_worker_hears_so_and_its_heartbeat_changes_nothing(rig):
    rig.worker("w")
    rig.raw.zrem(rig.keys.workers, "w")
    before = rig.dump()
    with pytest.raises(LeaseLost):
        rig.run(rig.workers.heartbeat(QUEUE, "w", lease_ms=LEASE_MS, fields={"rss": 7}))
    assert rig.dump() == before


def test_a_command_is_heard_with_the_next_heartbeat(rig):
    rig.worker("w")
    assert rig.run(rig.workers.signal(QUEUE, "w", "quiet"))
    assert rig.run(rig.workers.heartbeat(QUEUE, "w", lease_ms=LEASE_MS, fields={})).command == "quiet"


def test_a_command_is_not_lost_with_the_answer_to_a_heartbeat(rig):
    rig.worker("w")
    rig.run(rig.workers.signal(QUEUE, "w", "stop"))
    beat = rig.workers.heartbeat(QUEUE, "w", lease_ms=LEASE_MS, fields={})
    rig.run(beat)  # the connection breaks before the worker has read this
    assert rig.run(beat).command == "stop"


def test_there_is_nothing_to_tell_a_worker_that_is_not_there(rig):
    before = rig.dump()
    assert rig.run(rig.workers.signal(QUEUE, "nobody", "stop")) is False
    assert rig.dump() == before


def test_registered_workers_are_listed_whether_their_lease_is_good_or_not(rig):
    rig.worker("a")
    rig.worker("b")
    rig.expire_lease("a")
    assert set(rig.run(rig.workers.registered(QUEUE))) == {"a", "b"}
    assert rig.run(rig.workers.expired(QUEUE, rig.now())) == ["a"]


def test_processing_lists_are_found_under_names_that_look_like_patterns(store_url):
    from tests.store.rig import Rig  # noqa: PLC0415 - another queue than the fixture's

    rig = Rig(store_url, queue="a*[b]?")
    rig.worker("w1", b"x")
    rig.raw.rpush("{aXb}:processing:w2", b"x")
    found, cursor = set(), None
    while cursor != 0:
        cursor, ids = rig.run(rig.workers.scan_processing("a*[b]?", cursor or 0))
        found |= set(ids)
    assert found == {"w1"}
    rig.close()


# -- leaving


def test_what_a_leaving_worker_holds_runs_next_in_its_old_order(rig):
    rig.arrive(b"z")
    rig.worker("w", b"a", b"b", b"c")
    assert rig.run(rig.workers.leave(QUEUE, "w", event=EVENT)) == 3
    assert rig.pending() == [b"a", b"b", b"c", b"z"]
    assert rig.shelf(rig.keys.workers) == {}
    assert fields(rig) == {}
    assert rig.logged() == 2


def test_a_repeated_leave_does_nothing(rig):
    rig.worker("w", b"a")
    call = rig.workers.leave(QUEUE, "w", event=EVENT)
    rig.run(call)
    before = rig.dump()
    assert rig.run(call) == 0
    assert rig.dump() == before


def test_a_fenced_worker_can_empty_a_list_that_was_filled_behind_its_back(rig):
    rig.raw.rpush(rig.keys.processing("w"), b"late")
    assert rig.run(rig.workers.leave(QUEUE, "w", event=EVENT)) == 1
    assert rig.pending() == [b"late"]
    assert rig.logged() == 0


# -- dying


def test_a_dead_workers_tasks_run_next_in_their_old_order(rig):
    rig.arrive(b"z")
    rig.worker("w", b"a", b"b", b"c")
    rig.expire_lease("w")
    assert rig.run(rig.reclaim("w", [queue(b"c"), bury(b"b"), queue(b"a")])) == (2, 1)
    assert rig.pending() == [b"a again", b"c again", b"z"]
    assert list(rig.shelf(rig.keys.dead)) == [b"b dead"]
    assert (rig.held("w"), rig.shelf(rig.keys.workers), fields(rig)) == ([], {}, {})
    assert (rig.stat("reclaimed"), rig.stat("died")) == (2, 1)


def test_a_worker_whose_lease_is_good_is_not_reclaimed(rig):
    rig.worker("w", b"a")
    before = rig.dump()
    assert rig.run(rig.reclaim("w", [queue(b"a")])) is None
    assert rig.dump() == before


def test_what_came_after_the_look_goes_back_as_it_is(rig):
    rig.worker("w", b"a", b"late 1", b"late 2")
    rig.expire_lease("w")
    assert rig.run(rig.reclaim("w", [queue(b"a")])) == (3, 0)
    assert rig.held("w") == []
    assert rig.census() == {"a": 1, "late": 2}


def test_what_came_after_the_look_keeps_its_order_among_equals(rig):
    rig.worker("w", b"a", b"late", b"a")
    rig.expire_lease("w")
    assert rig.run(rig.reclaim("w", [queue(b"a")])) == (3, 0)
    assert rig.pending() == [b"a", b"late", b"a again"]


def test_what_was_finished_after_the_look_does_not_come_back(rig):
    rig.worker("w", b"b")
    rig.expire_lease("w")
    assert rig.run(rig.reclaim("w", [queue(b"b"), queue(b"a"), bury(b"gone")])) == (1, 0)
    assert rig.census() == {"b": 1}


def test_a_repeated_reclaim_does_nothing(rig):
    rig.worker("w", b"a", b"a")
    rig.expire_lease("w")
    call = rig.reclaim("w", [queue(b"a", b"a 1"), bury(b"a", b"a 2")])
    rig.run(call)
    before = rig.dump()
    assert rig.run(call) == (0, 0)
    assert rig.dump() == before


def test_of_two_who_reclaim_one_gets_the_tasks(rig):
    rig.worker("w", b"a")
    rig.expire_lease("w")
    calls = [rig.reclaim("w", [queue(b"a", b"a 1")]), rig.reclaim("w", [queue(b"a", b"a 2")])]
    assert [rig.run(call) for call in calls] == [(1, 0), (0, 0)]
    assert rig.pending() == [b"a 1"]


def test_a_list_without_a_lease_can_be_taken_back(rig, store_url):
    channel = listener(store_url, rig.keys.channel)
    rig.raw.rpush(rig.keys.processing("orphan"), b"a")
    assert rig.run(rig.reclaim("orphan", [queue(b"a")])) == (1, 0)
    assert rig.pending() == [b"a again"]
    assert heard(channel) == [EVENT]


def test_reclaiming_nobody_is_not_told(rig, store_url):
    channel = listener(store_url, rig.keys.channel)
    assert rig.run(rig.reclaim("nobody")) == (0, 0)
    assert heard(channel) == []
    assert rig.dump() == {}


@pytest.mark.parametrize("transition", ["step", "heartbeat"])
def test_a_renewal_between_look_and_reclaim_saves_the_worker(rig, transition):
    rig.worker("w", b"a")
    rig.expire_lease("w")
    late = rig.reclaim("w", [queue(b"a")])
    if transition == "step":
        rig.run(rig.step("w", 1, 0))
    else:
        rig.run(rig.workers.heartbeat(QUEUE, "w", lease_ms=LEASE_MS, fields={}))
    assert rig.run(late) is None
    assert rig.held("w") == [b"a"]
