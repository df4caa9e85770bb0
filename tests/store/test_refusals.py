"""Every transition with a key of another type in its way: nothing is lost, and it works once that is gone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from taskconsole.errors import StoreError, WrongType
from taskconsole.store.call import Call
from taskconsole.store.keys import PUBLIC_DELAYED
from taskconsole.store.operations import Former
from taskconsole.store.schedules import Due, Made
from taskconsole.store.tasks import EndedRun, Settlement
from taskconsole.store.workers import TakenBack
from tests.store.rig import EVENT, FAR, LEASE_MS, QUEUE, Rig, heard, listener
from tests.store.test_operations import (
    delete,
    delete_pending,
    pause,
    purge,
    requeue,
    reschedule,
    resume,
)

pytestmark = pytest.mark.no_key_leak  # foreign keys are planted


def scene(rig: Rig) -> None:
    """Tasks everywhere: pending p1 p2, in hand h1 h2 h3, delayed d1 (due) d2, dead x1, public q1 (due), buffered w1.

    Two schedules, s and b: both are due, and the task h3 of b, which is not finished, keeps w1 waiting.
    """
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
        rig.raw.hset(rig.keys.code, name, "c1")
        rig.raw.zadd(rig.keys.next, {name: 5})
        rig.raw.lpush(rig.keys.runs(name), "r1")
    rig.raw.hset(rig.keys.running, "b", '{"h3":1}')
    rig.raw.hset(rig.keys.buffered, "b", "w1")


def fire(rig: Rig, name: str, overlap: str) -> Call[Any]:
    """Three instants at once, and some that were missed."""
    return rig.schedules.fire(
        QUEUE,
        Due(name, b"5", b"d1", b"p1"),
        tasks=[Made(f"{name}@{n}", f"{name}@{n}".encode(), b"skipped") for n in (1, 2, 3)],
        overlap=overlap,
        time=FAR,
        position=b"p2",
        event=EVENT,
        keep_event=True,
        missed=(b"missed", EVENT, 7),
    )


Make = Callable[[Rig], Call[Any]]

TRANSITIONS: dict[str, Make] = {
    "enqueue": lambda rig: rig.enqueue([b"new"]),
    "delay": lambda rig: rig.delay([(f"{FAR}", b"new")]),
    "step": lambda rig: rig.step("w", 1, 2, [b"h1"]),
    "step by number": lambda rig: rig.step("w", 1, 2, oldest=1, length=3),
    "settle": lambda rig: rig.settle(
        "w",
        1,
        [
            Settlement("retry", b"h1", b"h1 again", 30.0, EVENT),
            Settlement("bury", b"h2", b"h2 dead", 0.0, EVENT),
        ],
    ),
    "give_back": lambda rig: rig.give_back("w", 1, [b"h2", b"h1"]),
    "promote": lambda rig: rig.tasks.promote(rig.keys.delayed, QUEUE),
    "transfer": lambda rig: rig.tasks.transfer(PUBLIC_DELAYED, QUEUE, [b"q1"]),
    "register": lambda rig: rig.register("w2"),
    "heartbeat": lambda rig: rig.workers.heartbeat(QUEUE, "w", lease_ms=LEASE_MS, fields={"a": 1}),
    "leave": lambda rig: rig.workers.leave(QUEUE, "w", event=EVENT),
    "reclaim": lambda rig: rig.reclaim(
        "dead", [TakenBack("queue", b"l2", b"l2 again"), TakenBack("bury", b"l1", b"l1 dead")]
    ),
    "signal": lambda rig: rig.workers.signal(QUEUE, "w", "stop"),
    "abort": lambda rig: rig.workers.abort(QUEUE, "w", b"h1", token="t", by="ada", event=EVENT),
    "arrive": lambda rig: rig.operations.arrive(QUEUE, "pending", [(b"new", None)], token="t", event=EVENT),
    "arrive dead": lambda rig: rig.operations.arrive(QUEUE, "dead", [(b"new", 5.0)], token="t", event=EVENT),
    "record": lambda rig: rig.tasks.record(QUEUE, 7, {"done": 1}, [b"j"], keep=100, cap=5),
    "pause": pause,
    "resume": resume,
    "reschedule": lambda rig: reschedule(rig, b"d2", FAR - 1),
    "reschedule public": lambda rig: reschedule(rig, b"q1", FAR - 1, shelf="public"),
    "take": lambda rig: delete(rig, "delayed", b"d2"),
    "take public": lambda rig: delete(rig, "public", b"q1"),
    "take_pending": lambda rig: delete_pending(rig, b"p1", 0),
    "take_pending run": lambda rig: rig.operations.take_pending(
        QUEUE, (0, 9), [b"p2"], token="t", event=EVENT, run=True
    ),
    "take_pending back": lambda rig: rig.operations.put_back(
        QUEUE, (0, 9), "dead", [Former(b"p1", b"p1 dead", 5.0)], token="t", event=EVENT
    ),
    "requeue": lambda rig: requeue(rig, "dead", b"x1", b"x1 again"),
    "purge pending": lambda rig: purge(rig, "pending"),
    "purge dead": lambda rig: purge(rig, "dead"),
    "discard": lambda rig: rig.operations.discard(QUEUE, ["t"]),
    "settle done": lambda rig: rig.settle(
        "w", 1, [Settlement("done", b"h3", b"", 0.0, EVENT, EndedRun("b", "h3", b"done"))]
    ),
    "fire allow": lambda rig: fire(rig, "s", "allow"),
    "fire skip": lambda rig: fire(rig, "s", "skip"),
    "fire buffer": lambda rig: fire(rig, "s", "buffer_one"),
    "due": lambda rig: rig.schedules.due(QUEUE, None, 9.0, limit=10),
    "attend": lambda rig: rig.schedules.attend(QUEUE, "ada"),
    "put": lambda rig: rig.schedules.put(
        QUEUE, "s", seen=(b"d1", b"p1"), definition=b"d2", position=b"p2", time=1.0, code=b"c2", event=EVENT
    ),
    "remove": lambda rig: rig.schedules.remove(QUEUE, "s", seen=b"d1", note=b"note", event=EVENT),
    "trigger": lambda rig: rig.schedules.trigger(QUEUE, "s", "s@now", b"s@now", token="t", event=EVENT),
    "end_run": lambda rig: rig.schedules.end_run(QUEUE, "b", "h3", b"gone"),
    "forget_running": lambda rig: rig.schedules.forget_running(QUEUE, "b", b'{"h3":1}'),
    "manifest": lambda rig: rig.schedules.manifest(QUEUE, "abc", ["s"]),
}

ADDS = {
    "enqueue": {"new": 1},
    "delay": {"new": 1},
    "fire allow": {"s@1": 1, "s@2": 1, "s@3": 1},
    "fire skip": {"s@1": 1},
    "fire buffer": {"s@1": 1, "s@2": 1},
    "trigger": {"s@now": 1},
    "arrive": {"new": 1},
    "arrive dead": {"new": 1},
}
"""What a transition brings into the world."""

TAKES = {"step": {"h1": 1}, "step by number": {"h1": 1}, "settle done": {"h3": 1}}
"""What a transition ends well."""

SETTLING = (
    *("processing", "workers", "worker", "delayed", "dead", "stats", "log"),
    *("queue", "running", "buffered", "schedules"),
)
FIRING = ("next", "schedules", "positions", "running", "buffered", "queue", "runs", "log", "stats")

KEYS: dict[str, tuple[str, ...]] = {
    "enqueue": ("queue", "producer"),
    "delay": ("delayed", "producer"),
    "step": ("queue", "processing", "workers", "worker", "paused"),
    "step by number": ("queue", "processing", "workers", "worker", "paused"),
    "settle": SETTLING,
    "give_back": ("queue", "processing", "workers", "worker"),
    "promote": ("delayed", "queue", "stats"),
    "transfer": ("delayed", "queue"),
    "register": ("workers", "worker", "log"),
    "heartbeat": ("workers", "worker", "aborts"),
    "leave": ("queue", "processing", "workers", "worker", "log"),
    "reclaim": ("queue", "processing", "workers", "worker", "dead", "stats", "log"),
    "signal": ("workers", "worker", "log"),
    "abort": ("workers", "processing", "aborts", "log"),
    "arrive": ("queue", "note", "log"),
    "arrive dead": ("dead", "note", "log"),
    "record": ("stats", "minute", "done"),
    "pause": ("paused", "log", "note"),
    "resume": ("paused", "log", "note"),
    "reschedule": ("delayed", "note", "log", "former"),
    "reschedule public": ("delayed", "note", "log", "former"),
    "take": ("delayed", "trash", "note", "log"),
    "take public": ("delayed", "trash", "note", "log"),
    "take_pending": ("queue", "trash", "note", "log", "stats", "dead"),
    "take_pending run": ("queue", "trash", "note", "log", "stats", "dead"),
    "take_pending back": ("queue", "trash", "note", "log", "stats", "dead"),
    "requeue": ("dead", "queue", "note", "log", "running", "schedules", "former"),
    "purge pending": ("queue", "trash", "note", "log", "stats", "discards"),
    "purge dead": ("dead", "trash", "note", "log", "stats", "discards"),
    "discard": ("discards", "trash", "note"),
    "settle done": (*SETTLING, "runs"),
    "fire allow": FIRING,
    "fire skip": FIRING,
    "fire buffer": FIRING,
    "due": ("next", "schedules", "positions"),
    "attend": ("next", "ticker", "sweeper"),
    "put": ("schedules", "next", "positions", "code", "removed", "log", "running"),
    "remove": ("schedules", "next", "positions", "code", "removed", "log", "running", "buffered", "runs"),
    "trigger": ("schedules", "running", "queue", "note", "log", "stats"),
    "end_run": ("running", "buffered", "queue", "runs"),
    "forget_running": ("running",),
    "manifest": ("manifests", "manifest"),
}


def keys_of(call: Call[Any]) -> list[str]:
    return [str(key) for key in call.args[3 : 3 + int(call.args[2])]]


def test_the_table_names_every_key_of_every_transition(rig):
    assert {name: len(keys_of(make(rig))) for name, make in TRANSITIONS.items()} == {
        name: len(keys) for name, keys in KEYS.items()
    }


@pytest.mark.parametrize(("name", "place"), [(n, i) for n, keys in KEYS.items() for i in range(len(keys))])
@pytest.mark.parametrize("kind", ["string", "set"])
def test_no_task_is_lost_when_a_key_holds_another_type(rig, name, place, kind):
    scene(rig)
    if name == "resume":
        rig.run(pause(rig, "earlier"))
    call = TRANSITIONS[name](rig)
    key = keys_of(call)[place]
    rig.raw.delete(key)
    rig.raw.set(key, "text") if kind == "string" else rig.raw.sadd(key, "member")
    before = rig.census()
    try:
        rig.run(call)
        refused = False
    except StoreError:
        refused = True
    lost = before - rig.census()
    assert not lost or (not refused and lost == TAKES.get(name)), f"lost {lost}"
    invented = rig.census() - before
    assert not invented or invented == ADDS.get(name), f"invented {invented}"


@pytest.mark.parametrize("name", TRANSITIONS)
def test_a_transition_in_a_sound_scene_loses_and_invents_nothing(rig, name):
    scene(rig)
    if name == "resume":
        rig.run(pause(rig, "earlier"))
    before = rig.census()
    rig.run(TRANSITIONS[name](rig))
    assert before - rig.census() == TAKES.get(name, {})
    assert rig.census() - before == ADDS.get(name, {})


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("enqueue", "queue"),
        ("delay", "delayed"),
        ("settle", "delayed"),
        ("settle", "dead"),
        ("give_back", "queue"),
        ("promote", "queue"),
        ("transfer", "queue"),
        ("leave", "queue"),
        ("reclaim", "queue"),
        ("reclaim", "dead"),
        ("requeue", "queue"),
        ("take", "trash"),
        ("take_pending", "trash"),
        ("take_pending back", "dead"),
    ],
)
def test_a_refused_transition_has_done_nothing_and_is_done_when_the_key_is_gone(rig, name, place):
    scene(rig)
    call = TRANSITIONS[name](rig)
    key = keys_of(call)[KEYS[name].index(place)]
    rig.raw.delete(key)
    rig.raw.set(key, "text")
    before = rig.dump()
    with pytest.raises(StoreError):
        rig.run(call)
    assert rig.dump() == before
    rig.raw.delete(key)
    moved = rig.census()
    rig.run(call)
    assert rig.census() - moved == ADDS.get(name, {})
    assert moved - rig.census() == {}
    assert rig.raw.exists(key)


BOOKS = {
    "settle done": ("delayed", "dead", "stats", "log"),
    "fire allow": ("running", "buffered", "queue", "runs", "log", "stats"),
    "fire skip": ("running", "buffered", "queue", "runs", "log", "stats"),
    "fire buffer": ("running", "buffered", "queue", "runs", "log", "stats"),
    "put": ("next", "code", "log"),
    "remove": ("next", "code", "log", "running", "buffered", "runs"),
    "trigger": ("running", "queue", "log", "stats"),
    "end_run": ("buffered", "queue"),
}
"""Where transitions of schedules write without comparing: with one of these in the way, all of it must wait."""


@pytest.mark.parametrize(("name", "place"), [(n, place) for n, places in BOOKS.items() for place in places])
@pytest.mark.parametrize("kind", ["string", "set"])
def test_a_schedule_is_not_half_fired_written_or_ended(rig, name, place, kind, store_url):
    scene(rig)
    channel = listener(store_url, rig.keys.channel)
    call = TRANSITIONS[name](rig)
    key = keys_of(call)[KEYS[name].index(place)]
    rig.raw.delete(key)
    rig.raw.set(key, "text") if kind == "string" else rig.raw.sadd(key, "member")
    before = rig.dump()
    with pytest.raises(WrongType):
        rig.run(call)
    assert rig.dump() == before
    assert heard(channel) == []
    rig.raw.delete(key)
    there = rig.census()
    rig.run(call)
    assert (rig.census() - there, there - rig.census()) == (ADDS.get(name, {}), TAKES.get(name, {}))
    assert rig.dump() != before


@pytest.mark.parametrize("kind", ["string", "set"])
@pytest.mark.parametrize("place", ["ticker", "sweeper", "next"])
def test_who_attends_hears_when_a_key_is_in_the_way(rig, place, kind):
    scene(rig)
    key = getattr(rig.keys, place)
    rig.raw.delete(key)
    rig.raw.set(key, "text") if kind == "string" else rig.raw.sadd(key, "member")
    call = rig.schedules.attend(QUEUE, "ada")
    # Whatever holds the place of who watches is overwritten: it is only told to people.
    if place == "ticker":
        assert rig.run(call).next_due == 5
    elif place == "next" or kind == "set":
        with pytest.raises(WrongType):
            rig.run(call)
    else:
        assert rig.run(call).wait > 0
