"""step.lua, settle.lua and give_back.lua: what a worker does with the tasks in its hands."""

from __future__ import annotations

import json

import pytest

from taskconsole.errors import HandsDiffer, LeaseLost
from taskconsole.store.keys import TOMBSTONE
from taskconsole.store.tasks import RUNS_CAP, EndedRun, Settlement
from tests.store.rig import EVENT, LEASE_MS, QUEUE, heard, listener
from tests.store.test_schedules import NONSENSE, buffered, payload, plant, running, runs, set_running


def retry(held: bytes, kept: bytes = b"", delay: float = 30.0) -> Settlement:
    return Settlement("retry", held, kept or held + b" again", delay, EVENT)


def bury(held: bytes, kept: bytes = b"") -> Settlement:
    return Settlement("bury", held, kept or held + b" dead", 0.0, EVENT)


# -- claiming


def test_a_step_claims_the_oldest_tasks_in_the_order_they_are_to_run(rig):
    rig.arrive(b"a", b"b", b"c")
    rig.worker("w")
    claimed = rig.run(rig.step("w", 1, 2))
    assert (claimed.payloads, claimed.paused, claimed.replayed) == ([b"a", b"b"], False, False)
    assert rig.held("w") == [b"a", b"b"]
    assert rig.pending() == [b"c"]


def test_a_step_claims_no_more_than_there_is(rig):
    rig.arrive(b"a")
    rig.worker("w")
    assert rig.run(rig.step("w", 1, 256)).payloads == [b"a"]
    assert rig.run(rig.step("w", 2, 256)).payloads == []


@pytest.mark.parametrize(
    ("workers", "claim", "sure", "claimed"),
    [(1, 50, 1, 20), (1, 8, 1, 8), (2, 50, 1, 5), (2, 50, 8, 8), (4, 50, 2, 3), (2, 3, 1, 3)],
)
def test_beyond_what_is_sure_a_step_leaves_the_other_workers_a_share(rig, workers, claim, sure, claimed):
    names = [str(n).encode() for n in range(20)]
    rig.arrive(*names)
    for n in range(workers):
        rig.worker(f"w{n}")
    call = rig.tasks.step(rig.queue, "w0", seq=1, claim=claim, sure=sure, lease_ms=15_000, acks=[])
    assert rig.run(call).payloads == names[:claimed]


def test_a_step_that_asks_for_nothing_claims_nothing(rig):
    rig.arrive(b"a")
    rig.worker("w")
    assert rig.run(rig.step("w", 1, 0)).payloads == []
    assert rig.pending() == [b"a"]


def test_nothing_is_claimed_from_a_paused_queue_but_acks_are_taken(rig):
    rig.arrive(b"a")
    rig.worker("w", b"x")
    rig.raw.set(rig.keys.paused, "{}")
    claimed = rig.run(rig.step("w", 1, 5, [b"x"]))
    assert (claimed.payloads, claimed.paused) == ([], True)
    assert rig.held("w") == []
    assert rig.pending() == [b"a"]


def test_a_step_acknowledges_one_copy_for_each_ack(rig):
    rig.worker("w", b"same", b"other", b"same", b"same")
    rig.run(rig.step("w", 1, 0, [b"same", b"same"]))
    assert rig.held("w") == [b"other", b"same"]


def test_the_oldest_are_acknowledged_by_their_number_and_others_by_name(rig):
    rig.worker("w", b"same", b"other", b"third", b"same", b"last")
    rig.run(rig.step("w", 1, 0, [b"last"], oldest=2, length=5))
    assert rig.held("w") == [b"third", b"same"]


def test_no_number_is_believed_when_a_task_has_come_that_the_worker_has_not_heard_of(rig):
    rig.arrive(b"a")
    rig.worker("w", b"x")
    rig.run(rig.tasks.wait_for_one(QUEUE, "w", 0.01))
    rig.arrive(b"b")
    before = rig.dump()
    with pytest.raises(HandsDiffer):
        rig.run(rig.step("w", 1, 5, oldest=1, length=1))
    assert rig.dump() == before
    assert rig.run(rig.step("w", 1, 5, [b"x"])).payloads == [b"b"], "the same call by name"
    assert rig.held("w") == [b"a", b"b"]


def test_no_number_is_believed_when_a_failover_has_taken_the_call_before_back(rig):
    rig.worker("w", b"failed", b"x", b"y")
    older = rig.raw.dump(rig.keys.processing("w")), rig.raw.dump(rig.keys.worker("w"))
    rig.run(rig.settle("w", 1, [Settlement("retry", b"failed", b"again", 9.0, EVENT)]))
    for key, content in zip((rig.keys.processing("w"), rig.keys.worker("w")), older, strict=True):
        rig.raw.restore(key, 100_000, content, replace=True)
    rig.raw.rpop(rig.keys.processing("w"))  # and a claim after it: the length is as before
    with pytest.raises(HandsDiffer):
        rig.run(rig.step("w", 2, 0, oldest=2, length=2))
    assert rig.held("w") == [b"failed", b"x"]


def test_a_repeated_step_by_number_does_nothing(rig):
    rig.worker("w", b"x", b"y")
    call = rig.step("w", 1, 0, oldest=1, length=2)
    rig.run(call)
    assert rig.run(call).replayed
    assert rig.held("w") == [b"y"]


def test_an_ack_of_what_is_not_in_hand_is_nothing(rig):
    rig.arrive(b"a")
    rig.worker("w", b"x")
    rig.run(rig.step("w", 1, 0, [b"a", b"stranger"]))
    assert rig.census() == {"a": 1, "x": 1}


def test_a_step_renews_the_lease(rig):
    rig.worker("w")
    rig.expire_lease("w")
    before = rig.now() * 1000
    rig.run(rig.step("w", 1, 0))
    assert before + LEASE_MS - 1 <= rig.shelf(rig.keys.workers)[b"w"] <= rig.now() * 1000 + LEASE_MS


def test_a_repeated_step_does_nothing_and_says_that_it_was_carried_out(rig):
    rig.arrive(b"a", b"a", b"b")
    rig.worker("w", b"x")
    call = rig.step("w", 1, 2, [b"x"])
    rig.run(call)
    before = rig.dump()
    again = rig.run(call)
    assert (again.payloads, again.replayed) == ([], True)
    assert rig.dump() == before


def test_an_old_step_that_arrives_late_acknowledges_nothing(rig):
    rig.worker("w", b"same", b"same")
    old = rig.step("w", 1, 0, [b"same"])
    rig.run(old)
    rig.run(rig.step("w", 2, 0))
    assert rig.run(old).replayed
    assert rig.held("w") == [b"same"]


def test_a_repeated_step_tells_of_a_pause_made_meanwhile(rig):
    rig.worker("w")
    call = rig.step("w", 1, 2)
    rig.run(call)
    rig.raw.set(rig.keys.paused, "{}")
    assert rig.run(call).paused


def test_a_queue_of_another_type_is_told_after_the_acks_were_taken(rig):
    rig.worker("w", b"x")
    rig.raw.set(QUEUE, "text", ex=100)
    claimed = rig.run(rig.step("w", 1, 5, [b"x"]))
    assert "WRONGTYPE" in claimed.trouble
    assert rig.held("w") == []


def test_a_tombstone_is_claimed_like_any_other_element(rig):
    rig.arrive(TOMBSTONE, b"a")
    rig.worker("w")
    assert rig.run(rig.step("w", 1, 2)).payloads == [TOMBSTONE, b"a"]


def test_a_blocking_move_puts_the_oldest_task_behind_what_is_in_hand(rig):
    rig.arrive(b"a", b"b")
    rig.worker("w", b"x")
    assert rig.run(rig.tasks.wait_for_one(QUEUE, "w", 1)) == b"a"
    assert rig.run(rig.tasks.held(QUEUE, "w")) == [b"x", b"a"]
    assert rig.run(rig.tasks.length(QUEUE)) == 1


def test_a_blocking_move_ends_without_a_task(rig):
    rig.worker("w")
    assert rig.run(rig.tasks.wait_for_one(QUEUE, "w", 0.01)) is None


# -- settling


def test_a_retried_task_waits_for_its_time_by_redis(rig):
    rig.worker("w", b"a", b"b")
    before = rig.now()
    assert rig.run(rig.settle("w", 1, [retry(b"a", b"a again", 30)])) == 0
    assert rig.held("w") == [b"b"]
    due = rig.shelf(rig.keys.delayed)
    assert list(due) == [b"a again"]
    assert before + 30 <= due[b"a again"] <= rig.now() + 30
    assert (rig.stat("retried"), rig.stat("died"), rig.logged()) == (1, 0, 2)


def test_a_buried_task_lies_in_the_dead_set_at_its_time_of_death(rig):
    rig.worker("w", b"a")
    before = rig.now()
    rig.run(rig.settle("w", 1, [bury(b"a", b"a dead")]))
    dead = rig.shelf(rig.keys.dead)
    assert list(dead) == [b"a dead"]
    assert before <= dead[b"a dead"] <= rig.now()
    assert (rig.held("w"), rig.stat("died"), rig.stat("retried")) == ([], 1, 0)


def test_settling_settles_the_rest_when_one_is_not_in_hand(rig):
    rig.worker("w", b"a", b"b")
    lost = rig.run(rig.settle("w", 1, [retry(b"a"), retry(b"stranger"), bury(b"b"), bury(b"stranger")]))
    assert lost == 2
    assert rig.census() == {"a": 1, "b": 1}
    assert (rig.held("w"), rig.stat("retried"), rig.stat("died")) == ([], 1, 1)


def test_settling_takes_one_of_equal_payloads(rig):
    rig.worker("w", b"a", b"a")
    rig.run(rig.settle("w", 1, [retry(b"a", b"a 1")]))
    assert rig.held("w") == [b"a"]
    rig.run(rig.settle("w", 2, [retry(b"a", b"a 2")]))
    assert set(rig.shelf(rig.keys.delayed)) == {b"a 1", b"a 2"}


def test_a_repeated_settlement_does_nothing(rig):
    rig.worker("w", b"a", b"a")
    call = rig.settle("w", 1, [retry(b"a")])
    assert rig.run(call) == 0
    before = rig.dump()
    assert rig.run(call) == 0
    assert rig.dump() == before


def test_an_old_settlement_that_arrives_late_does_nothing(rig):
    rig.worker("w", b"a", b"a")
    old = rig.settle("w", 1, [bury(b"a", b"a dead")])
    rig.run(old)
    rig.run(rig.step("w", 2, 0))
    before = rig.dump()
    rig.run(old)
    assert rig.dump() == before


def test_a_retry_that_is_due_first_wakes_the_promoters(rig, store_url):
    wake = listener(store_url, rig.keys.wake)
    rig.worker("w", b"a", b"b", b"c")
    rig.run(rig.settle("w", 1, [retry(b"a", delay=30)]))
    rig.run(rig.settle("w", 2, [retry(b"b", delay=60)]))
    rig.run(rig.settle("w", 3, [retry(b"c", delay=10)]))
    dues = rig.shelf(rig.keys.delayed)
    assert [float(text) for text in heard(wake)] == [dues[b"a again"], dues[b"c again"]]


def test_every_settlement_is_heard_and_kept_in_the_log(rig, store_url):
    channel = listener(store_url, rig.keys.channel)
    rig.worker("w", b"a", b"b")
    rig.run(rig.settle("w", 1, [retry(b"a"), bury(b"b")]))
    assert heard(channel) == [EVENT] * 3  # the worker's coming was one
    assert rig.logged() == 3


def test_the_dead_set_is_capped_and_says_how_many_it_dropped(rig, monkeypatch):
    monkeypatch.setattr("taskconsole.store.tasks.DEAD_CAP", 3)
    rig.raw.zadd(rig.keys.dead, {b"old": rig.now() - 40 * 86_400, b"one": rig.now() - 5, b"two": rig.now() - 4})
    rig.worker("w", b"a", b"b")
    rig.run(rig.settle("w", 1, [bury(b"a", b"a dead"), bury(b"b", b"b dead")]))
    assert list(rig.shelf(rig.keys.dead)) == [b"two", b"a dead", b"b dead"]
    assert rig.stat("dead_dropped") == 2


def test_nothing_is_dropped_from_the_dead_set_below_its_cap(rig):
    rig.worker("w", b"a")
    rig.raw.zadd(rig.keys.dead, {b"old": rig.now() - 29 * 86_400})
    rig.run(rig.settle("w", 1, [bury(b"a", b"a dead")]))
    assert list(rig.shelf(rig.keys.dead)) == [b"old", b"a dead"]
    assert rig.raw.hget(rig.keys.stats, "dead_dropped") is None


# -- settling the tasks of schedules


def done(held: bytes, task_id: str, schedule: str = "s") -> Settlement:
    return Settlement("done", held, b"", 0.0, b"", EndedRun(schedule, task_id, f"{task_id} done".encode()))


def dead(held: bytes, task_id: str, schedule: str = "s") -> Settlement:
    return Settlement(
        "bury", held, held + b" dead", 0.0, EVENT, EndedRun(schedule, task_id, f"{task_id} dead".encode())
    )


def test_a_schedules_task_that_is_done_is_over(rig, store_url):
    plant(rig)
    set_running(rig, "s@1", "s@2")
    rig.raw.hset(rig.keys.buffered, "s", payload("s@3"))
    rig.worker("w", b"a", b"b")
    channel, logged = listener(store_url, rig.keys.channel), rig.logged()
    assert rig.run(rig.settle("w", 1, [done(b"a", "s@1")])) == 0
    assert (rig.held("w"), running(rig), runs(rig)) == ([b"b"], {"s@2"}, [b"s@1 done"])
    assert (buffered(rig), rig.pending()) == (payload("s@3"), [])
    assert not rig.raw.exists(rig.keys.delayed, rig.keys.dead, rig.keys.stats)
    assert (heard(channel), rig.logged()) == ([], logged)


def test_a_schedules_task_that_is_buried_is_over(rig):
    plant(rig)
    set_running(rig, "s@1", "s@2")
    rig.worker("w", b"a")
    rig.run(rig.settle("w", 1, [dead(b"a", "s@1")]))
    assert (running(rig), runs(rig), list(rig.shelf(rig.keys.dead))) == ({"s@2"}, [b"s@1 dead"], [b"a dead"])
    assert rig.stat("died") == 1


def test_a_schedules_task_that_is_retried_is_not_over(rig):
    plant(rig)
    set_running(rig, "s@1")
    rig.raw.hset(rig.keys.buffered, "s", payload("s@2"))
    rig.worker("w", b"a")
    rig.run(rig.settle("w", 1, [retry(b"a")]))
    assert (running(rig), runs(rig), buffered(rig), rig.pending()) == ({"s@1"}, [], payload("s@2"), [])


@pytest.mark.parametrize("settled", [done, dead])
def test_the_last_of_a_schedules_tasks_lets_the_buffered_one_go_once(rig, settled):
    plant(rig)
    set_running(rig, "s@1")
    rig.raw.hset(rig.keys.buffered, "s", payload("s@2"))
    rig.arrive(b"before")
    rig.worker("w", b"a", payload("s@2"))
    began = rig.now()
    rig.run(rig.settle("w", 1, [settled(b"a", "s@1")]))
    assert (rig.pending(), buffered(rig), running(rig)) == ([b"before", payload("s@2")], b"", {"s@2"})
    (since,) = json.loads(rig.raw.hget(rig.keys.running, "s")).values()
    assert began - 0.001 <= since <= rig.now() + 0.001
    rig.run(rig.settle("w", 2, [settled(payload("s@2"), "s@2")]))
    assert (rig.pending(), buffered(rig), running(rig)) == ([b"before", payload("s@2")], b"", set())
    assert rig.raw.hgetall(rig.keys.running) == {}


def test_a_task_that_schedules_do_not_know_as_theirs_ends_nothing_but_itself(rig):
    plant(rig)
    set_running(rig, "s@1")
    rig.raw.hset(rig.keys.buffered, "s", payload("s@2"))
    rig.worker("w", b"a")
    rig.run(rig.settle("w", 1, [done(b"a", "by hand")]))
    assert (running(rig), buffered(rig), rig.held("w")) == ({"s@1"}, payload("s@2"), [])


@pytest.mark.parametrize("settled", [done, dead])
def test_a_repeated_settlement_of_a_schedules_task_does_nothing(rig, settled):
    plant(rig)
    set_running(rig, "s@1")
    rig.raw.hset(rig.keys.buffered, "s", payload("s@2"))
    rig.worker("w", b"a", b"a")
    call = rig.settle("w", 1, [settled(b"a", "s@1")])
    rig.run(call)
    before = rig.dump()
    assert rig.run(call) == 0
    assert rig.dump() == before


@pytest.mark.parametrize("settled", [done, dead])
def test_a_task_that_is_not_in_hand_does_not_end_for_its_schedule(rig, settled):
    plant(rig)
    set_running(rig, "s@1")
    rig.raw.hset(rig.keys.buffered, "s", payload("s@2"))
    rig.worker("w", b"b")
    assert rig.run(rig.settle("w", 1, [settled(b"a", "s@1")])) == 1
    assert (running(rig), runs(rig), buffered(rig), rig.pending()) == ({"s@1"}, [], payload("s@2"), [])
    assert not rig.raw.exists(rig.keys.dead)


@pytest.mark.parametrize("settled", [done, dead])
def test_a_schedule_that_is_not_there_is_left_nothing(rig, settled):
    plant(rig, "other")
    rig.worker("w", b"a")
    assert rig.run(rig.settle("w", 1, [settled(b"a", "s@1")])) == 0
    assert rig.held("w") == []
    assert not rig.raw.exists(rig.keys.runs("s"), rig.keys.running, rig.keys.buffered)


def test_tasks_of_several_schedules_and_of_none_are_settled_in_one_call(rig):
    for name in ("x", "y", "z"):
        plant(rig, name)
        set_running(rig, f"{name}@1", f"{name}@2", name=name)
        rig.raw.hset(rig.keys.buffered, name, payload(f"{name}@3", name))
    held = [b"x1", b"x2", b"y1", b"none", b"z2", b"nobody's"]
    rig.worker("w", *held)
    items = [
        done(b"x1", "x@1", "x"),
        retry(b"none"),
        done(b"lost", "z@1", "z"),
        done(b"y1", "y@1", "y"),
        done(b"nobody's", "n@1", "nobody"),
        dead(b"x2", "x@2", "x"),
        done(b"z2", "z@2", "z"),
    ]
    assert rig.run(rig.settle("w", 1, items)) == 1
    assert rig.held("w") == []
    assert [runs(rig, name) for name in "xyz"] == [[b"x@2 dead", b"x@1 done"], [b"y@1 done"], [b"z@2 done"]]
    assert [running(rig, name) for name in "xyz"] == [{"x@3"}, {"y@2"}, {"z@1"}]
    assert [bool(buffered(rig, name)) for name in "xyz"] == [False, True, True]
    assert rig.pending() == [payload("x@3", "x")]
    assert not rig.raw.exists(rig.keys.runs("nobody"))
    assert (rig.stat("retried"), rig.stat("died")) == (1, 1)


def test_the_past_of_a_schedule_is_capped_when_its_tasks_end(rig):
    plant(rig)
    rig.worker("w", *(b"%d" % n for n in range(RUNS_CAP + 5)))
    rig.run(rig.settle("w", 1, [done(b"%d" % n, str(n)) for n in range(RUNS_CAP + 5)]))
    assert runs(rig) == [b"%d done" % n for n in reversed(range(5, RUNS_CAP + 5))]


@pytest.mark.parametrize("there", NONSENSE.values(), ids=NONSENSE)
def test_what_somebody_wrote_among_the_unfinished_does_not_keep_a_task_in_hand(rig, there):
    plant(rig)
    rig.raw.hset(rig.keys.running, "s", there)
    rig.raw.hset(rig.keys.buffered, "s", payload("s@2"))
    rig.worker("w", b"a", b"b")
    assert rig.run(rig.settle("w", 1, [done(b"a", "s@1"), retry(b"b")])) == 0
    assert (rig.held("w"), runs(rig)) == ([], [b"s@1 done"])
    assert (running(rig), rig.pending()) == ({"s@2"}, [payload("s@2")])


@pytest.mark.no_key_leak
@pytest.mark.parametrize("settled", [done, dead])
@pytest.mark.parametrize("kind", ["string", "set"])
@pytest.mark.parametrize("place", ["queue", "running", "buffered", "schedules", "runs"])
def test_books_that_cannot_be_written_keep_no_task_in_hand(rig, place, kind, settled):
    plant(rig)
    plant(rig, "x")
    set_running(rig, "s@1")
    set_running(rig, "x@1", name="x")
    rig.raw.hset(rig.keys.buffered, "s", payload("s@2"))
    rig.worker("w", b"a", b"b", b"c")
    key = rig.keys.runs("s") if place == "runs" else getattr(rig.keys, place)
    rig.raw.delete(key)
    rig.raw.set(key, "text") if kind == "string" else rig.raw.sadd(key, "member")
    there = rig.raw.dump(key)
    items = [settled(b"a", "s@1"), settled(b"c", "x@1", "x"), retry(b"b")]
    assert rig.run(rig.settle("w", 1, items)) == 0
    assert (rig.held("w"), len(rig.shelf(rig.keys.delayed))) == ([], 1)
    assert rig.raw.dump(key) == there
    if place == "runs":
        assert (running(rig), rig.pending(), buffered(rig)) == ({"s@2"}, [payload("s@2")], b"")
    if place in {"queue", "buffered"}:
        assert (running(rig), len(runs(rig))) == (set(), 1)
    if place == "queue":
        assert buffered(rig) == payload("s@2")
    # What is wrong with one schedule's key does not touch another's books.
    if place not in {"running", "schedules"}:
        assert (running(rig, "x"), len(runs(rig, "x"))) == (set(), 1)


@pytest.mark.parametrize("waiting", [b"bare", b'{"task":"t"}', b'{"id":null}', b'{"id":900}', b"[1]"])
def test_a_buffered_payload_without_an_id_goes_and_holds_up_no_settlement(rig, waiting):
    plant(rig)
    set_running(rig, "s@1")
    rig.raw.hset(rig.keys.buffered, "s", waiting)
    rig.worker("w", b"a", b"b")
    assert rig.run(rig.settle("w", 1, [done(b"a", "s@1"), dead(b"b", "s@9")])) == 0
    assert (rig.held("w"), rig.pending(), running(rig), buffered(rig)) == ([], [waiting], set(), b"")


# -- giving back


def test_what_is_given_back_runs_next_in_its_old_order(rig):
    rig.arrive(b"z")
    rig.worker("w", b"a", b"b", b"c")
    rig.run(rig.give_back("w", 1, [b"c", b"b"]))
    assert rig.pending() == [b"b", b"c", b"z"]
    assert rig.held("w") == [b"a"]


def test_of_equal_payloads_the_newest_is_given_back(rig):
    rig.worker("w", b"same", b"x", b"same")
    rig.run(rig.give_back("w", 1, [b"same"]))
    assert rig.held("w") == [b"same", b"x"]


def test_what_is_not_in_hand_is_not_given_back(rig):
    rig.worker("w", b"a")
    rig.run(rig.give_back("w", 1, [b"stranger", b"a"]))
    assert rig.census() == {"a": 1}


def test_a_repeated_give_back_does_nothing(rig):
    rig.worker("w", b"a", b"a")
    call = rig.give_back("w", 1, [b"a"])
    rig.run(call)
    before = rig.dump()
    rig.run(call)
    assert rig.dump() == before


def test_giving_back_is_heard_only_when_something_went_back(rig, store_url):
    rig.worker("w", b"a")
    channel = listener(store_url, rig.keys.channel)
    rig.run(rig.give_back("w", 1, [b"stranger"]))
    assert heard(channel) == []
    rig.run(rig.give_back("w", 2, [b"a"]))
    assert heard(channel) == [EVENT]


# -- a worker without a lease


@pytest.mark.parametrize("transition", ["step", "settle", "settle done", "give_back"])
def test_a_fenced_worker_changes_nothing(rig, transition):
    plant(rig)
    set_running(rig, "s@1")
    rig.arrive(b"z")
    rig.worker("w", b"a")
    rig.raw.zrem(rig.keys.workers, "w")
    call = {
        "step": rig.step("w", 1, 5, [b"a"]),
        "settle": rig.settle("w", 1, [retry(b"a")]),
        "settle done": rig.settle("w", 1, [done(b"a", "s@1")]),
        "give_back": rig.give_back("w", 1, [b"a"]),
    }[transition]
    before = rig.dump()
    with pytest.raises(LeaseLost):
        rig.run(call)
    assert rig.dump() == before


def test_an_expired_lease_that_nobody_reclaimed_is_still_a_lease(rig):
    rig.arrive(b"a")
    rig.worker("w", b"x")
    rig.expire_lease("w")
    assert rig.run(rig.step("w", 1, 1, [b"x"])).payloads == [b"a"]
    assert rig.held("w") == [b"a"]
