"""Tasks on their way between two nodes of a cluster: whatever is lost in between, each arrives once.

A single server does for that: what matters is that each step can be repeated and that any may be the last.
"""

from __future__ import annotations

from contextlib import suppress

import pytest

from taskconsole.errors import StoreUnavailable, WrongType
from taskconsole.store.carrying import CarryStore, Move
from taskconsole.worker.carrier import ABANDONED, Carrier
from taskconsole.worker.promoter import Promoter

MAIL = b'{"task":"a","queue":"mail"}'
LONG_AGO = 1


@pytest.fixture
async def scene(make_rig):
    return Scene(make_rig("task_queue", "mail"))


class Scene:
    """A promoter that has to carry, the public set, and a connection that can be cut after any call."""

    def __init__(self, rig) -> None:
        self.rig, self.raw = rig, rig.raw
        self.carrying = CarryStore(rig.store.names)
        self.cut_after = None
        self.promoter = Promoter(
            ["task_queue", "mail"], store=rig.store, wire=self, clock=rig.clock, carrier=self.carrier()
        )

    def carrier(self):
        return Carrier(store=self.rig.store, wire=self, clock=self.rig.clock)

    async def run(self, call):
        answer = await self.rig.wire.run(call)
        if self.cut_after is not None:
            self.cut_after -= 1
            if self.cut_after < 0:
                raise StoreUnavailable("cut")
        return answer

    def pending(self, queue):
        return self.raw.lrange(queue, 0, -1)

    def on_its_way(self):
        return list(self.raw.keys("{delayed_tasks}:*"))

    def age(self):
        """Let what is under way have departed long ago."""
        for move, _ in self.raw.zrange("{delayed_tasks}:leaving", 0, -1, withscores=True):
            self.raw.zadd("{delayed_tasks}:leaving", {move: self.rig.clock.now() - ABANDONED - 1})


async def test_what_is_due_is_carried_to_the_queue_that_it_asks_for(scene):
    later = scene.rig.clock.now() + 500
    scene.raw.zadd("delayed_tasks", {MAIL: LONG_AGO, "bare": 2, "later": later})
    assert await scene.promoter.run_once() == 2
    assert scene.pending("mail") == [MAIL]
    assert scene.pending("task_queue") == [b"bare"]
    assert scene.raw.zrange("delayed_tasks", 0, -1) == [b"later"]
    assert scene.raw.smembers("taskconsole:queues") == {b"mail"}
    assert scene.on_its_way() == []


@pytest.mark.parametrize("calls", range(8))
async def test_a_promoter_that_dies_after_any_call_loses_and_doubles_nothing(scene, calls):
    scene.raw.zadd("delayed_tasks", {MAIL: LONG_AGO, '{"task":"b","queue":"mail"}': 2})
    luggage = [MAIL, b'{"task":"b","queue":"mail"}']
    scene.cut_after = calls
    with suppress(StoreUnavailable):
        await scene.carrier().carry("mail", luggage)
    scene.cut_after = None
    for _ in range(2):
        scene.age()
        await scene.promoter.run_once()
        for source in scene.promoter.channels.values():
            source.look = 0.0
    assert sorted(scene.pending("mail")) == sorted(luggage)
    assert scene.on_its_way() == []
    assert scene.raw.zcard("delayed_tasks") == scene.raw.zcard("{mail}:delayed") == 0


async def test_a_move_that_two_take_up_arrives_once(scene):
    scene.raw.zadd("delayed_tasks", {MAIL: LONG_AGO})
    move = Move.of("m", "mail")
    luggage = await scene.run(scene.carrying.depart(move, [MAIL], only_due=True))
    assert luggage == [("1", MAIL)]
    for _ in range(2):
        await scene.run(scene.carrying.deliver(move, luggage, "mail"))
        await scene.run(scene.rig.store.promote("{mail}:delayed", "mail"))
    assert scene.pending("mail") == [MAIL]


async def test_a_departure_that_is_repeated_takes_nothing_more_along(scene):
    later = scene.rig.clock.now() + 500
    scene.raw.zadd("delayed_tasks", {"a": LONG_AGO, "b": later})
    move = Move.of("m", "task_queue")
    for payloads, only_due in (([b"a", b"b"], True), ([b"a", b"b"], False)):
        assert await scene.run(scene.carrying.depart(move, payloads, only_due=only_due)) == [("1", b"a")]
    other = Move.of("n", "task_queue")
    carried = await scene.run(scene.carrying.depart(other, [b"a", b"b", b"gone"], only_due=False))
    assert [payload for _, payload in carried] == [b"b"]
    assert float(carried[0][0]) == pytest.approx(later)
    assert scene.raw.zcard("delayed_tasks") == 0


async def test_a_queue_that_cannot_be_does_not_keep_its_tasks_on_their_way(scene):
    scene.raw.set("{session}:delayed", "no set")
    scene.raw.zadd("delayed_tasks", {'{"task":"x","queue":"session"}': LONG_AGO})
    assert await scene.promoter.run_once() == 1
    assert scene.pending("task_queue") == [b'{"task":"x","queue":"session"}']
    assert scene.on_its_way() == []


async def test_moves_that_strangers_have_written_are_done_with(scene):
    scene.raw.zadd("{delayed_tasks}:leaving", {"nonsense": 0, b"\xff\xfe": 0, "x {y}": 0})
    scene.raw.zadd("{delayed_tasks}:leaving:x", {"a": 5})
    assert await scene.promoter.run_once() == 1
    assert scene.pending("task_queue") == [b"a"]
    assert scene.on_its_way() == []


async def test_nothing_departs_when_it_could_not_be_found_again(scene):
    scene.raw.set("{delayed_tasks}:leaving", "no set")
    scene.raw.zadd("delayed_tasks", {"a": LONG_AGO})
    with pytest.raises(WrongType):
        await scene.run(scene.carrying.depart(Move.of("m", "mail"), [b"a"], only_due=True))
    await scene.promoter.run_once()
    assert scene.raw.zrange("delayed_tasks", 0, -1) == [b"a"]
    assert scene.raw.keys("{delayed_tasks}:leaving:*") == []
