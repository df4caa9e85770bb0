"""Every transition with a key of another type in its way: nothing is lost, and it works once that is gone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from taskconsole.errors import StoreError
from taskconsole.store.call import Call
from taskconsole.store.keys import PUBLIC_DELAYED
from taskconsole.store.tasks import Settlement
from taskconsole.store.workers import TakenBack
from tests.store.rig import EVENT, FAR, LEASE_MS, QUEUE, Rig
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
    """Tasks everywhere: pending p1 p2, in hand h1 h2, delayed d1 (due) d2, dead x1, public q1 (due), trash."""
    rig.arrive(b"p1", b"p2")
    rig.worker("w", b"h1", b"h2")
    rig.worker("dead", b"l1", b"l2")
    rig.expire_lease("dead")
    rig.raw.zadd(rig.keys.delayed, {b"d1": 5, b"d2": FAR})
    rig.raw.zadd(rig.keys.dead, {b"x1": rig.now()})
    rig.raw.zadd(PUBLIC_DELAYED, {b"q1": 5})


Make = Callable[[Rig], Call[Any]]

TRANSITIONS: dict[str, Make] = {
    "enqueue": lambda rig: rig.enqueue([b"new"]),
    "delay": lambda rig: rig.delay([(f"{FAR}", b"new")]),
    "step": lambda rig: rig.step("w", 1, 2, [b"h1"]),
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
    "record": lambda rig: rig.tasks.record(QUEUE, 7, {"done": 1}, [b"j"], keep=100, cap=5),
    "pause": pause,
    "resume": resume,
    "reschedule": lambda rig: reschedule(rig, b"d2", FAR - 1),
    "reschedule public": lambda rig: reschedule(rig, b"q1", FAR - 1, shelf="public"),
    "delete": lambda rig: delete(rig, "delayed", b"d2"),
    "delete public": lambda rig: delete(rig, "public", b"q1"),
    "delete_pending": lambda rig: delete_pending(rig, b"p1", 0),
    "requeue": lambda rig: requeue(rig, "dead", b"x1", b"x1 again"),
    "purge pending": lambda rig: purge(rig, "pending"),
    "purge dead": lambda rig: purge(rig, "dead"),
}

ADDS = {"enqueue": {"new": 1}, "delay": {"new": 1}}
"""What a transition brings into the world."""

TAKES = {"step": {"h1": 1}}
"""What a transition ends well."""

KEYS: dict[str, tuple[str, ...]] = {
    "enqueue": ("queue", "producer"),
    "delay": ("delayed", "producer"),
    "step": ("queue", "processing", "workers", "worker", "paused"),
    "settle": ("processing", "workers", "worker", "delayed", "dead", "stats", "log"),
    "give_back": ("queue", "processing", "workers", "worker"),
    "promote": ("delayed", "queue", "stats"),
    "transfer": ("delayed", "queue"),
    "register": ("workers", "worker", "log"),
    "heartbeat": ("workers", "worker"),
    "leave": ("queue", "processing", "workers", "worker", "log"),
    "reclaim": ("queue", "processing", "workers", "worker", "dead", "stats", "log"),
    "signal": ("workers", "worker"),
    "record": ("stats", "minute", "done"),
    "pause": ("paused", "log", "note"),
    "resume": ("paused", "log", "note"),
    "reschedule": ("delayed", "note", "log"),
    "reschedule public": ("delayed", "note", "log"),
    "delete": ("delayed", "note", "log"),
    "delete public": ("delayed", "note", "log"),
    "delete_pending": ("queue", "note", "log", "stats"),
    "requeue": ("dead", "queue", "note", "log"),
    "purge pending": ("queue", "trash", "note", "log"),
    "purge dead": ("dead", "trash", "note", "log"),
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
