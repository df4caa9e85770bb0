"""What is done to a schedule can be taken back for ten minutes, unless something else has been done to it since."""

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
    TriggerSchedule,
    Undo,
)
from taskconsole.backends.native import NativeBackend
from taskconsole.config import Settings
from taskconsole.model.definition import Definition
from taskconsole.model.schedule import Every
from taskconsole.store.keys import Namespace
from taskconsole.store.operations import KEEP_TRASH

QUEUE = "mail"
keys = Namespace().of(QUEUE)
WHERE = {"name": "a", "queue": QUEUE, "by": "ada"}


@pytest.fixture
def backend(store_url):
    backend = NativeBackend(Settings(url=store_url), (QUEUE,))
    yield backend
    backend.close()


@pytest.fixture
def there(backend):
    """A schedule that has been fired twice, and one beside it."""
    for name in ("a", "other"):
        backend.apply(AddSchedule(name=name, queue=QUEUE, definition=every(60), by="ada"))
    return backend


def every(seconds):
    return Definition(schedule=Every(seconds), task="t", kwargs={"n": 1})


def take_back(backend, applied):
    return backend.apply(Undo(done=applied.undo, by="bob"))


def stands(raw):
    """Definitions, and which schedules have a next time."""
    return raw.hgetall(keys.schedules), raw.zrange(keys.next, 0, -1), raw.hgetall(keys.code)


def is_fired(raw):
    """As a ticker does it: the instant is decided, the next one planned."""
    fields = json.loads(raw.hget(keys.positions, "a"))
    last = fields["instant"]
    fields |= {"instant": last + 60, "time": last + 60, "last": last, "fires": fields.get("fires", 0) + 1}
    raw.hset(keys.positions, "a", json.dumps(fields, separators=(",", ":")))
    raw.zadd(keys.next, {"a": last + 60})


def position(raw):
    return json.loads(raw.hget(keys.positions, "a"))


PAUSED = [PauseSchedule(**WHERE, reason="calm")]
ACTIONS = {
    "add": ([RemoveSchedule(**WHERE)], AddSchedule(**WHERE, definition=every(5))),
    "add instead": ([], AddSchedule(**WHERE, definition=every(5), replace=True)),
    "edit": ([], EditSchedule(**WHERE, changes={"every": "5m", "kwargs": {"n": 2}})),
    "edit a paused one": (PAUSED, EditSchedule(**WHERE, changes={"kwargs": {"n": 2}})),
    "pause": ([], PauseSchedule(**WHERE)),
    "resume": (PAUSED, ResumeSchedule(**WHERE)),
    "removal": ([], RemoveSchedule(**WHERE)),
    "restoring": ([RemoveSchedule(**WHERE)], RestoreSchedule(**WHERE)),
}


@pytest.mark.parametrize(("first", "action"), ACTIONS.values(), ids=ACTIONS)
def test_what_was_done_to_a_schedule_is_taken_back_once_and_told_once(there, raw, first, action):
    for command in first:
        there.apply(command)
    before = stands(raw)
    assert there.foresee(action).undoable
    done = there.apply(action)
    assert stands(raw) != before
    assert 0 <= done.undo.until - there.now() <= KEEP_TRASH
    logged = raw.xlen(keys.log)

    (found,) = [one for one in there.undoables() if one.token == done.undo.token]
    back = there.apply(Undo(done=found, by="bob"))
    assert (back.changed, stands(raw)) == (True, before), back.text
    assert raw.xlen(keys.log) == logged + 1
    event = there.history(QUEUE, 1)[0]
    assert (event.kind, event.by, event.undo) == ("undone", "bob", "")
    assert "schedule a" in event.text

    again = take_back(there, done)
    assert (again.changed, again.text) == (False, "undone before")
    assert (stands(raw), raw.xlen(keys.log)) == (before, logged + 1)
    assert done.undo.token not in {one.token for one in there.undoables()}


@pytest.mark.parametrize("kind", ["add instead", "edit", "pause", "removal"])
def test_what_was_changed_since_is_left_alone_and_that_is_said(there, raw, kind):
    done = there.apply(ACTIONS[kind][1])
    there.apply(AddSchedule(**WHERE, definition=every(7), replace=True))
    before = raw.dump(keys.schedules), stands(raw), raw.xlen(keys.log)
    back = take_back(there, done)
    assert not back.changed
    assert back.text.startswith("nothing undone: the schedule a has changed since (")
    assert (raw.dump(keys.schedules), stands(raw), raw.xlen(keys.log)) == before


def test_what_somebody_changes_between_looking_and_writing_is_not_written_over(there, raw, monkeypatch):
    done = there.apply(EditSchedule(**WHERE, changes={"every": "5m"}))
    look = there.desk.look

    def and_then_it_changes(*arguments):
        seen = look(*arguments)
        raw.hset(keys.schedules, "a", b'{"every":"7m","task":"t"}')
        return seen

    monkeypatch.setattr(there.desk, "look", and_then_it_changes)
    assert not take_back(there, done).changed
    assert raw.hget(keys.schedules, "a") == b'{"every":"7m","task":"t"}'


def test_it_is_too_late_when_the_note_has_gone(there, raw):
    done = there.apply(PauseSchedule(**WHERE))
    ((_, token),) = done.undo.tokens
    assert KEEP_TRASH - 5 < raw.ttl(keys.trash_note(token)) <= KEEP_TRASH
    raw.delete(keys.trash_note(token))
    before = stands(raw)
    back = take_back(there, done)
    assert (back.changed, stands(raw)) == (False, before)
    assert back.text.startswith("too late")


@pytest.mark.parametrize("kind", ["edit", "pause", "removal"])
def test_what_has_been_decided_stays_decided_when_it_is_taken_back(there, raw, kind):
    is_fired(raw)
    is_fired(raw)
    last = position(raw)["last"]
    done = there.apply(ACTIONS[kind][1])
    assert take_back(there, done).changed
    assert (position(raw)["last"], position(raw)["fires"]) == (last, 2)
    assert raw.zscore(keys.next, "a") > last


def test_a_schedule_that_fires_while_it_is_taken_back_keeps_its_place(there, raw, monkeypatch):
    done = there.apply(EditSchedule(**WHERE, changes={"kwargs": {"n": 2}}))
    look = there.desk.look

    def and_then_it_fires(*arguments):
        seen = look(*arguments)
        is_fired(raw)
        return seen

    monkeypatch.setattr(there.desk, "look", and_then_it_fires)
    assert take_back(there, done).changed
    assert position(raw)["fires"] == 1
    assert raw.zscore(keys.next, "a") == position(raw)["instant"]


def test_code_does_not_lose_what_it_declares(there, raw):
    raw.hset(keys.code, "a", raw.hget(keys.schedules, "a"))
    before = stands(raw)
    done = there.apply(RemoveSchedule(**WHERE))
    assert raw.hget(keys.code, "a") is None
    assert take_back(there, done).changed
    assert stands(raw) == before
    assert not raw.exists(keys.removed("a"))


def test_a_removal_that_is_undone_knows_what_must_not_be_overlapped(there, raw):
    there.apply(EditSchedule(**WHERE, changes={"overlap": "skip"}))
    raw.hset(keys.running, "a", '{"a@1":5.0}')
    done = there.apply(RemoveSchedule(**WHERE))
    assert take_back(there, done).changed
    assert raw.hget(keys.running, "a") == b'{"a@1":5.0}'


def test_what_cannot_be_read_any_more_is_not_written_back(there, raw):
    raw.hset(keys.schedules, "a", b'{"every":"60s","task":')
    done = there.apply(RemoveSchedule(**WHERE))
    back = take_back(there, done)
    assert not back.changed
    assert "cannot be read" in back.text
    assert raw.hget(keys.schedules, "a") is None


def test_a_trigger_cannot_be_taken_back_and_that_is_said_before(there):
    trigger = TriggerSchedule(**WHERE)
    assert not there.foresee(trigger).undoable
    assert there.apply(trigger).undo is None
