"""A Redis at its maxmemory: producers are refused, workers go on and drain it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from taskconsole.errors import StoreFull
from taskconsole.store.keys import PUBLIC_DELAYED
from taskconsole.store.schedules import Due, Made
from taskconsole.store.tasks import EndedRun, Settlement
from taskconsole.store.workers import TakenBack
from tests.servers import wait_until
from tests.store.rig import EVENT, FAR, LEASE_MS, QUEUE, Rig
from tests.store.test_operations import delete, delete_pending, purge, requeue, reschedule


@pytest.fixture
def full(make_server) -> Iterator[Rig]:
    """A rig with tasks in every place, in a Redis that takes no more."""
    rig = Rig(make_server().url)
    rig.arrive(b"p1", b"p2")
    rig.worker("w", b"h1", b"h2", b"h3")
    rig.worker("dead", b"l1", b"l2")
    rig.expire_lease("dead")
    rig.raw.zadd(rig.keys.delayed, {b"d1": 5, b"d2": FAR})
    rig.raw.zadd(rig.keys.dead, {b"x1": rig.now()})
    rig.raw.zadd(PUBLIC_DELAYED, {b"q1": 5})
    for name in ("s", "b"):
        rig.raw.hset(rig.keys.schedules, name, "d1")
        rig.raw.hset(rig.keys.positions, name, "p1")
        rig.raw.zadd(rig.keys.next, {name: 5})
    rig.raw.hset(rig.keys.running, mapping={"s": '{"h2":1,"h3":1}', "b": '{"h1":1}'})
    rig.raw.hset(rig.keys.buffered, "b", '{"task":"t","id":"b@2"}')
    rig.raw.config_set("maxmemory-policy", "noeviction")
    rig.raw.config_set("maxmemory", "1kb")
    yield rig
    rig.close()


@pytest.mark.parametrize("transition", ["enqueue", "delay"])
def test_producers_are_refused_and_nothing_is_written(full, transition):
    call = full.enqueue([b"new"]) if transition == "enqueue" else full.delay([("+5", b"new")])
    before = full.dump()
    with pytest.raises(StoreFull):
        full.run(call)
    assert full.dump() == before


def test_a_refused_enqueue_is_carried_out_when_repeated_with_memory_again(full):
    call = full.enqueue([b"new"])
    with pytest.raises(StoreFull):
        full.run(call)
    full.raw.config_set("maxmemory", 0)
    assert full.run(call) == 3


def test_tasks_are_acknowledged_and_claimed(full):
    assert full.run(full.step("w", 1, 5, [b"h1"])).payloads == [b"p1", b"p2"]
    assert full.held("w") == [b"h2", b"h3", b"p1", b"p2"]


def test_the_oldest_tasks_are_acknowledged_by_their_number(full):
    assert full.run(full.step("w", 1, 5, oldest=2, length=3)).payloads == [b"p1", b"p2"]
    assert full.held("w") == [b"h3", b"p1", b"p2"]


def test_tasks_are_claimed_by_a_worker_with_empty_hands(full):
    full.run(full.register("w2"))
    assert full.run(full.step("w2", 1, 1)).payloads == [b"p1"]


def test_failed_tasks_are_settled(full):
    items = [
        Settlement("retry", b"h1", b"h1 again", 9.0, EVENT),
        Settlement("bury", b"h2", b"h2 dead", 0.0, EVENT),
    ]
    assert full.run(full.settle("w", 1, items)) == 0
    assert b"h1 again" in full.shelf(full.keys.delayed)
    assert b"h2 dead" in full.shelf(full.keys.dead)
    assert full.held("w") == [b"h3"]


@pytest.mark.parametrize("told", [{}, {"rss": 1}])
def test_leases_are_renewed(full, told):
    before = full.shelf(full.keys.workers)[b"w"]
    wait_until(lambda: full.now() * 1000 + LEASE_MS > before + 2)
    pulse = full.run(full.workers.heartbeat(QUEUE, "w", lease_ms=LEASE_MS, fields=told))
    assert full.shelf(full.keys.workers)[b"w"] == round(pulse.now * 1000 + LEASE_MS) > before


@pytest.mark.parametrize("command", ["quiet", "stop"])
def test_workers_can_be_told_to_stop(full, command):
    assert full.run(full.workers.signal(QUEUE, "w", command))
    assert full.run(full.workers.heartbeat(QUEUE, "w", lease_ms=LEASE_MS, fields={})).command == command


def test_workers_come_and_go(full):
    full.run(full.register("w2"))
    assert full.run(full.workers.leave(QUEUE, "w", event=EVENT)) == 3
    assert full.pending() == [b"h1", b"h2", b"h3", b"p1", b"p2"]


def test_tasks_are_given_back(full):
    full.run(full.give_back("w", 1, [b"h3"]))
    assert full.pending() == [b"h3", b"p1", b"p2"]


def test_dead_workers_are_reclaimed(full):
    items = [TakenBack("queue", b"l2", b"l2 again"), TakenBack("bury", b"l1", b"l1 dead")]
    assert full.run(full.reclaim("dead", items)) == (1, 1)
    assert full.census()["l1"] == full.census()["l2"] == 1


def test_due_tasks_are_promoted(full):
    assert full.run(full.tasks.promote(full.keys.delayed, QUEUE)).moved == 1
    assert full.run(full.tasks.transfer(PUBLIC_DELAYED, QUEUE, [b"q1"])) == 1
    assert full.pending() == [b"p1", b"p2", b"d1", b"q1"]


def test_operators_can_make_room(full):
    assert full.run(delete(full, "delayed", b"d2", token="1"))
    assert full.run(delete_pending(full, b"p1", 0, token="2"))
    assert full.run(requeue(full, "dead", b"x1", b"x1 again", token="3"))
    assert full.run(purge(full, "pending", token="4")) == (True, 2)
    assert full.run(full.operations.undo(QUEUE, "4", event=EVENT)).what == "purge"
    assert full.pending() == [b"x1 again", b"p2"]


@pytest.mark.parametrize(("shelf", "payload", "due"), [("delayed", b"d2", FAR), ("public", b"q1", 5.0)])
def test_operators_can_have_tasks_run_at_another_time(full, shelf, payload, due):
    moved = full.run(reschedule(full, payload, "+1000", shelf=shelf))
    assert moved is not None
    assert moved.before == due
    assert full.run(full.operations.undo(QUEUE, "t", event=EVENT)).what == "reschedule"
    assert full.shelf(PUBLIC_DELAYED if shelf == "public" else full.keys.delayed)[payload] == due


def test_operators_can_take_tasks_out_of_the_public_set(full):
    assert full.run(delete(full, "public", b"q1"))
    assert full.shelf(PUBLIC_DELAYED) == {}


# -- schedules


def fire(full: Rig, overlap: str) -> Any:
    return full.schedules.fire(
        QUEUE,
        Due("s", b"5", b"d1", b"p1"),
        tasks=[Made(f"s@{n}", b"new", b"skipped") for n in (1, 2)],
        overlap=overlap,
        time=FAR,
        position=b"p2",
        event=EVENT,
        keep_event=True,
        missed=(b"missed", EVENT, 1),
    )


SCHEDULING: dict[str, Callable[[Rig], Any]] = {
    "fire allow": lambda full: fire(full, "allow"),
    "fire skip": lambda full: fire(full, "skip"),
    "fire buffer": lambda full: fire(full, "buffer_one"),
    "put new": lambda full: full.schedules.put(
        QUEUE, "n", seen=(b"", b""), definition=b"d", position=b"p", time=5.0, event=EVENT
    ),
    "put paused": lambda full: full.schedules.put(
        QUEUE, "s", seen=(b"d1", b"p1"), definition=b"d2", position=b"p1", time=None, event=EVENT
    ),
    "trigger": lambda full: full.schedules.trigger(QUEUE, "s", "s@now", b"new", token="t", event=EVENT),
    "manifest": lambda full: full.schedules.manifest(QUEUE, "abc", ["s"]),
}


@pytest.mark.parametrize("name", SCHEDULING)
def test_schedules_make_nothing_and_are_made_once_there_is_memory_again(full, name):
    call = SCHEDULING[name](full)
    before = full.dump()
    with pytest.raises(StoreFull):
        full.run(call)
    assert full.dump() == before
    full.raw.config_set("maxmemory", 0)
    full.run(call)
    assert full.dump() != before


def test_who_watches_the_schedules_hears_what_is_due(full):
    answers = [full.run(full.schedules.attend(QUEUE, who)) for who in ("ada", "bob")]
    # Nobody can be remembered: each looks after the definitions.
    assert [(answer.next_due, answer.wait) for answer in answers] == [(5.0, 0), (5.0, 0)]
    assert len(full.run(full.schedules.due(QUEUE, None, 9.0, limit=10)).due) == 2


def test_tasks_of_schedules_finish_and_let_buffered_ones_go(full):
    items = [
        Settlement("done", b"h1", b"", 0.0, b"", EndedRun("b", "h1", b"done")),
        Settlement("done", b"h2", b"", 0.0, b"", EndedRun("s", "h2", b"done")),
        Settlement("bury", b"h3", b"h3 dead", 0.0, EVENT, EndedRun("gone", "h3", b"dead")),
    ]
    assert full.run(full.settle("w", 1, items)) == 0
    assert full.held("w") == []
    assert full.pending() == [b"p1", b"p2", b'{"task":"t","id":"b@2"}']
    names = ["b", "s", "gone"]
    left, then, _ = full.run(full.schedules.running(QUEUE, names))
    assert (set(json.loads(left)), set(json.loads(then))) == ({"b@2"}, {"h3"})
    assert [full.run(full.schedules.runs(QUEUE, name)) for name in names] == [[b"done"], [b"done"], []]


@pytest.mark.parametrize(("name", "task_id", "left"), [("b", "h1", {"b@2"}), ("s", "h2", {"h3"})])
def test_the_end_of_tasks_that_nobody_reports_is_noted(full, name, task_id, left):
    assert full.run(full.schedules.end_run(QUEUE, name, task_id, b"gone"))
    (raw,) = full.run(full.schedules.running(QUEUE, [name]))
    assert set(json.loads(raw)) == left
    assert full.run(full.schedules.runs(QUEUE, name)) == [b"gone"]


def test_schedules_can_be_removed(full):
    assert full.run(full.schedules.remove(QUEUE, "s", seen=b"d1", note=b"note", event=EVENT))
    assert full.run(full.schedules.definitions(QUEUE, ["s", "b"])) == [b"", b"d1"]
    assert full.run(full.schedules.removed(QUEUE, "s")) == b'note\np1\n{"h2":1,"h3":1}'


def test_an_app_confirms_what_it_registers(full):
    full.raw.config_set("maxmemory", 0)
    full.run(full.schedules.manifest(QUEUE, "abc", ["s"]))
    full.raw.config_set("maxmemory", "1kb")
    assert full.run(full.schedules.manifest(QUEUE, "abc")) == 1
