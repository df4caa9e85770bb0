"""The desk: what operators do to schedules while these are fired all the time, and what comes back after a removal."""

from __future__ import annotations

import json

import pytest

from taskconsole.backends.commands import (
    AddSchedule,
    EditSchedule,
    PauseSchedule,
    RemoveSchedule,
    RestoreSchedule,
    ResumeSchedule,
)
from taskconsole.backends.native import NativeBackend
from taskconsole.config import Settings
from taskconsole.model.definition import Definition, Overlap
from taskconsole.model.firing import decode_position
from taskconsole.model.removal import past_of
from taskconsole.model.schedule import Every
from taskconsole.store.keys import Namespace

QUEUE = "task_queue"
keys = Namespace().of(QUEUE)


@pytest.fixture
def backend(store_url):
    backend = NativeBackend(Settings(url=store_url))
    yield backend
    backend.close()


@pytest.fixture
def add(backend):
    def add(name="a", seconds=0.1, **fields):
        definition = Definition(schedule=Every(seconds), task="t", **fields)
        return backend.apply(AddSchedule(name=name, queue=QUEUE, definition=definition, by="ada"))

    return add


def place_of(raw, name="a"):
    return decode_position(raw.hget(keys.positions, name))


def is_fired(raw, name="a"):
    """As a ticker does it: the instant is decided, the next one planned."""
    fields = json.loads(raw.hget(keys.positions, name))
    last, fires = fields.pop("instant"), fields.pop("fires", 0)
    then = round(last + 0.1, 6)
    fields |= {"instant": then, "time": then, "last": last, "fires": fires + 1}
    raw.hset(keys.positions, name, json.dumps(fields, separators=(",", ":")))
    if raw.zscore(keys.next, name) is not None:
        raw.zadd(keys.next, {name: then})


@pytest.fixture
def fast(backend, raw, add, monkeypatch):
    """A schedule that is fired whenever somebody has looked at it: the link is slow, the schedule fast."""
    add()
    look = backend.desk.look

    def and_then_it_fires(*arguments):
        seen = look(*arguments)
        is_fired(raw)
        return seen

    monkeypatch.setattr(backend.desk, "look", and_then_it_fires)


@pytest.mark.usefixtures("fast")
class TestWhatIsFiredAllTheTime:
    def test_can_be_paused_where_it_stands(self, backend, raw):
        assert backend.apply(PauseSchedule(name="a", queue=QUEUE, by="ada")).changed
        assert raw.zscore(keys.next, "a") is None
        assert place_of(raw).fires == 1

    def test_can_be_given_other_arguments(self, backend, raw):
        assert backend.apply(EditSchedule(name="a", queue=QUEUE, changes={"args": [1]}, by="ada")).changed
        assert json.loads(raw.hget(keys.schedules, "a"))["args"] == [1]
        assert raw.zscore(keys.next, "a") == place_of(raw).instant
        assert place_of(raw).fires == 1

    def test_can_be_given_another_interval_and_no_instant_comes_twice(self, backend, raw):
        assert backend.apply(EditSchedule(name="a", queue=QUEUE, changes={"every": "1h"}, by="ada")).changed
        at = place_of(raw)
        assert at.fires == 1
        assert at.last is not None
        assert at.last < at.instant == raw.zscore(keys.next, "a")
        assert at.instant % 3600 == 0

    def test_can_be_removed_and_what_it_fired_until_then_is_known(self, backend, raw):
        was = place_of(raw)
        assert backend.apply(RemoveSchedule(name="a", queue=QUEUE, by="ada")).changed
        past = past_of(raw.get(keys.removed("a")))
        assert (past.last, past.fires) == (was.instant, 1)


def test_what_is_restored_does_not_overlap_a_task_from_before_its_removal(backend, raw, add):
    add(seconds=60, overlap=Overlap.SKIP)
    raw.hset(keys.running, "a", '{"a@1":5.0}')
    backend.apply(RemoveSchedule(name="a", queue=QUEUE, by="ada"))
    backend.apply(RestoreSchedule(name="a", queue=QUEUE, by="ada"))
    assert raw.hget(keys.running, "a") == b'{"a@1":5.0}'


@pytest.mark.parametrize(("overlap", "known"), [(Overlap.BUFFER_ONE, b'{"a@1":5.0}'), (Overlap.ALLOW, None)])
def test_what_is_added_again_knows_its_tasks_only_if_they_stand_in_its_way(backend, raw, add, overlap, known):
    add(seconds=60)
    raw.hset(keys.running, "a", '{"a@1":5.0}')
    backend.apply(RemoveSchedule(name="a", queue=QUEUE, by="ada"))
    add(seconds=60, overlap=overlap)
    assert raw.hget(keys.running, "a") == known


@pytest.mark.parametrize(("buffered", "said"), [(True, True), (False, False)])
def test_a_task_that_waits_goes_with_its_schedule_and_that_is_said(backend, raw, add, buffered, said):
    add(seconds=60)
    if buffered:
        raw.hset(keys.buffered, "a", '{"task":"t","id":"a@2"}')
    text = backend.apply(RemoveSchedule(name="a", queue=QUEUE, by="ada")).text
    assert ("the task that waited for the end of another will not be made" in text) is said
    assert not raw.exists(keys.buffered)


def test_what_was_decided_before_a_hand_took_it_out_stays_decided_before_anybody_has_noticed(backend, raw, add):
    add(seconds=60)
    is_fired(raw)
    raw.hdel(keys.schedules, "a")
    add(seconds=60)
    assert place_of(raw).fires == 1


def test_a_pause_and_its_end_keep_what_was_decided(backend, raw, add):
    add(seconds=60)
    is_fired(raw)
    last = place_of(raw).last
    backend.apply(PauseSchedule(name="a", queue=QUEUE, by="ada"))
    backend.apply(ResumeSchedule(name="a", queue=QUEUE, by="ada"))
    assert (place_of(raw).last, place_of(raw).fires) == (last, 1)
    assert raw.zscore(keys.next, "a") == place_of(raw).instant > last
