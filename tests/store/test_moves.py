"""Moves to another queue: what has been called off does not arrive, however late its call comes."""

from __future__ import annotations

from taskconsole.backends.commands import Undo, Undoable
from taskconsole.backends.native import NativeBackend
from taskconsole.config import Settings
from tests.store.rig import EVENT

TO = "other"


def arrive(rig, *payloads: bytes):
    return rig.operations.arrive(TO, "pending", [(payload, None) for payload in payloads], token="t", event=EVENT)


def test_a_move_that_was_called_off_does_not_arrive_any_more(rig):
    assert rig.run(rig.operations.call_off(TO, "t")) == 0
    assert rig.run(arrive(rig, b"a")) == 0
    assert rig.raw.exists(TO) == 0
    assert rig.run(rig.operations.call_off(TO, "t")) == 0


def test_a_move_that_has_arrived_cannot_be_called_off(rig):
    assert rig.run(arrive(rig, b"a", b"b")) == 2
    assert rig.run(rig.operations.call_off(TO, "t")) == 2
    assert rig.raw.lrange(TO, 0, -1) == [b"b", b"a"]


def test_an_undo_calls_a_move_off_before_it_brings_the_tasks_back(rig, store_url):
    rig.raw.zadd(rig.keys.dead, {b"a": 5.0})
    rig.run(rig.operations.take(rig.queue, "dead", [b"a"], token="t", event=EVENT, to=TO))
    backend = NativeBackend(Settings(url=store_url))
    undone = backend.apply(Undo(done=Undoable(what="moved", tokens=((rig.queue, "t"),), until=2e9), by="ada"))
    backend.close()
    assert undone.changed
    late = rig.operations.arrive(TO, "dead", [(b"a", 5.0)], token="t", event=EVENT)
    assert rig.run(late) == 0
    assert rig.raw.zrange(rig.keys.dead, 0, -1) == [b"a"]
    assert rig.raw.exists(f"{{{TO}}}:dead") == 0
