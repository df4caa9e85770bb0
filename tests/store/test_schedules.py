"""The transitions of schedules: what each writes, answers, publishes and logs, and what it does not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from taskconsole.model.definition import MAX_DEFINITION
from taskconsole.store.call import Call
from taskconsole.store.operations import KEEP_TRASH
from taskconsole.store.schedules import (
    BUFFERED,
    KEEP_MANIFEST,
    KEEP_REMOVED,
    KEEP_SWEEPER,
    KEEP_TICKER,
    UNDO,
    Due,
    Fired,
    Made,
    ScheduleNote,
    Trail,
)
from taskconsole.store.tasks import RUNS_CAP
from tests.servers import wait_until
from tests.store.rig import EVENT, FAR, QUEUE, Rig, heard, listener

OTHER = EVENT.replace(b"message", b"other")
"""A second event, to tell the two of a fire apart."""


def payload(task_id: str, schedule: str = "s") -> bytes:
    return f'{{"task":"t","id":"{task_id}","schedule":"{schedule}"}}'.encode()


def skipped(task_id: str) -> bytes:
    return f"{task_id} skipped".encode()


def tasks(*ids: str) -> list[Made]:
    return [Made(task_id, payload(task_id), skipped(task_id)) for task_id in ids]


NONSENSE = {
    "empty": b"",
    "text": b"not json",
    "number": b"5",
    "null": b"null",
    "string": b'"text"',
    "list": b"[1]",
    "deep": b"[" * 2000,
    "times that are none": json.dumps({str(n): None for n in range(30)}).encode(),
    "words for times": b'{"a":"text","b":true,"c":[1],"d":{}}',
    "endless times": b'{"a":1e999,"b":-1e999,"c":NaN,"d":1%s}' % (b"0" * 400),
}
"""What may stand where the unfinished tasks of a schedule are."""


def plant(
    rig: Rig, name: str = "s", *, score: float | None = 5.0, definition: bytes = b"d1", position: bytes = b"p1"
) -> None:
    """A schedule as it stands in Redis."""
    rig.raw.hset(rig.keys.schedules, name, definition)
    if position:
        rig.raw.hset(rig.keys.positions, name, position)
    if score is not None:
        rig.raw.zadd(rig.keys.next, {name: score})


def read(rig: Rig, name: str = "s") -> Due:
    agenda = rig.run(rig.schedules.due(QUEUE, None, FAR * 2, limit=1000))
    return next(due for due in agenda.due if due.name == name)


def fire(due: Due, *ids: str, rig: Rig, **changes: Any) -> Call[Fired]:
    said: dict[str, Any] = {
        "tasks": tasks(*ids),
        "overlap": "allow",
        "time": FAR,
        "position": b"p2",
        "event": EVENT,
        "keep_event": True,
    }
    return rig.schedules.fire(QUEUE, due, **(said | changes))


def put(rig: Rig, name: str = "s", **changes: Any) -> Call[int]:
    said: dict[str, Any] = {
        "seen": (b"", b""),
        "definition": b"d1",
        "position": b"p1",
        "time": FAR,
        "event": EVENT,
    }
    return rig.schedules.put(QUEUE, name, **(said | changes))


def remove(
    rig: Rig, name: str = "s", *, seen: bytes = b"d1", note: bytes = b"note", trail: Trail | None = None
) -> Call[int]:
    return rig.schedules.remove(QUEUE, name, seen=seen, note=note, event=EVENT, trail=trail)


def trigger(rig: Rig, task_id: str = "s@now", *, name: str = "s", token: str = "t") -> Call[bool]:
    return rig.schedules.trigger(QUEUE, name, task_id, payload(task_id, name), token=token, event=EVENT)


def end_run(rig: Rig, task_id: str, *, name: str = "s", record: bytes = b"over") -> Call[bool]:
    return rig.schedules.end_run(QUEUE, name, task_id, record)


def running(rig: Rig, name: str = "s") -> set[str]:
    (raw,) = rig.run(rig.schedules.running(QUEUE, [name]))
    return set(json.loads(raw or b"{}"))


def buffered(rig: Rig, name: str = "s") -> bytes:
    return rig.run(rig.schedules.buffered(QUEUE, [name]))[0]


def set_running(rig: Rig, *ids: str, name: str = "s") -> None:
    rig.raw.hset(rig.keys.running, name, json.dumps(dict.fromkeys(ids, 1)))


def runs(rig: Rig, name: str = "s") -> list[bytes]:
    return rig.run(rig.schedules.runs(QUEUE, name, 1000))


def repeated(rig: Rig, call: Call[Any]) -> Any:
    """The answer to a second copy of a call, which must change nothing."""
    before = rig.dump()
    answer = rig.run(call)
    assert rig.dump() == before, "a repeated call changed something"
    return answer


def unchanged(rig: Rig, call: Call[Any]) -> Any:
    """The answer to a call that must do nothing."""
    return repeated(rig, call)


# -- fire


def test_a_due_schedule_makes_its_tasks_and_moves_on(rig, store_url):
    channel = listener(store_url, rig.keys.channel)
    rig.arrive(b"before")
    plant(rig)
    began = rig.now()
    assert rig.run(fire(read(rig), "s@1", "s@2", rig=rig)) == Fired(True, made=2)
    assert rig.pending() == [b"before", payload("s@1"), payload("s@2")]
    assert rig.shelf(rig.keys.next) == {b"s": FAR}
    assert rig.run(rig.schedules.positions(QUEUE, ["s"])) == [b"p2"]
    since = json.loads(rig.raw.hget(rig.keys.running, "s"))
    assert set(since) == {"s@1", "s@2"}
    assert all(began - 0.001 <= at <= rig.now() + 0.001 for at in since.values())
    assert (rig.stat("fired"), rig.stat("skipped"), rig.stat("missed")) == (2, 0, 0)
    assert (rig.logged(), heard(channel), runs(rig)) == (1, [EVENT], [])


def test_only_the_schedule_that_is_named_moves_on(rig):
    plant(rig)
    plant(rig, "other", definition=b"d9", position=b"p9", score=6)
    rig.run(fire(read(rig), "s@1", rig=rig))
    assert read(rig, "other") == Due("other", b"6", b"d9", b"p9")
    assert running(rig, "other") == set()


def test_a_schedule_that_is_over_leaves_the_agenda_and_keeps_its_definition(rig):
    plant(rig)
    rig.run(fire(read(rig), "s@1", rig=rig, time=None, position=b""))
    assert rig.shelf(rig.keys.next) == {}
    assert rig.raw.hgetall(rig.keys.positions) == {}
    assert rig.raw.hgetall(rig.keys.schedules) == {b"s": b"d1"}


def test_a_schedule_without_a_position_can_be_fired(rig):
    plant(rig, position=b"")
    assert rig.run(fire(read(rig), "s@1", rig=rig)).done
    assert rig.run(rig.schedules.positions(QUEUE, ["s"])) == [b"p2"]


@pytest.mark.parametrize(
    "changed",
    ["another time", "off the agenda", "edited", "taken out", "position moved", "position gone"],
)
def test_a_schedule_that_has_changed_since_it_was_read_is_not_fired(rig, changed):
    plant(rig)
    due = read(rig)
    keys = rig.keys
    {
        "another time": lambda: rig.raw.zadd(keys.next, {"s": 5.000001}),
        "off the agenda": lambda: rig.raw.zrem(keys.next, "s"),
        "edited": lambda: rig.raw.hset(keys.schedules, "s", b"d1 "),
        "taken out": lambda: rig.raw.hdel(keys.schedules, "s"),
        "position moved": lambda: rig.raw.hset(keys.positions, "s", b"p0"),
        "position gone": lambda: rig.raw.hdel(keys.positions, "s"),
    }[changed]()
    assert unchanged(rig, fire(due, "s@1", rig=rig)) == Fired(False)


@pytest.mark.parametrize("appeared", ["definition", "position"])
def test_what_was_not_there_when_it_was_read_is_a_change_too(rig, appeared):
    rig.raw.zadd(rig.keys.next, {"s": 5})
    due = read(rig)
    rig.raw.hset(rig.keys.schedules if appeared == "definition" else rig.keys.positions, "s", b"new")
    assert unchanged(rig, fire(due, "s@1", rig=rig)) == Fired(False)


def test_of_two_that_saw_the_same_one_fires(rig):
    plant(rig)
    first, second = read(rig), read(rig)
    assert rig.run(fire(first, "s@1", rig=rig)).done
    assert unchanged(rig, fire(second, "s@1", rig=rig)) == Fired(False)


@pytest.mark.parametrize("overlap", ["allow", "skip", "buffer_one"])
def test_a_fire_whose_answer_was_lost_is_not_carried_out_again(rig, overlap):
    plant(rig)
    call = fire(read(rig), "s@1", "s@2", "s@3", rig=rig, overlap=overlap, missed=(b"note", OTHER, 7))
    assert rig.run(call).done
    assert repeated(rig, call) == Fired(False)


def test_nothing_is_fired_before_its_time_by_redis(rig, store_url):
    channel = listener(store_url, rig.keys.channel)
    plant(rig, score=rig.now() + 0.2)
    call = fire(read(rig), "s@1", rig=rig)
    assert unchanged(rig, call) == Fired(False, early=True)
    assert heard(channel) == []
    wait_until(lambda: rig.run(call).done, 2)


# -- overlap


@pytest.mark.parametrize(
    ("overlap", "unfinished", "waiting", "made", "held"),
    [
        ("allow", [], None, ["s@1", "s@2", "s@3"], None),
        ("allow", ["s@0"], None, ["s@1", "s@2", "s@3"], None),
        ("skip", [], None, ["s@1"], None),
        ("skip", ["s@0"], None, [], None),
        ("buffer_one", [], None, ["s@1"], "s@2"),
        ("buffer_one", ["s@0"], None, [], "s@1"),
        ("buffer_one", ["s@0"], "s@b", [], "s@b"),
        ("buffer_one", [], "s@b", ["s@1"], "s@b"),
    ],
)
def test_what_becomes_of_tasks_while_an_earlier_one_runs(rig, overlap, unfinished, waiting, made, held):
    plant(rig)
    if unfinished:
        set_running(rig, *unfinished)
    if waiting:
        rig.raw.hset(rig.keys.buffered, "s", payload(waiting))
    fired = rig.run(fire(read(rig), "s@1", "s@2", "s@3", rig=rig, overlap=overlap))
    put_aside = int(held is not None and held != waiting)
    left_out = [i for i in ("s@1", "s@2", "s@3") if i not in made and i != held]
    assert fired == Fired(True, made=len(made), skipped=len(left_out), buffered=put_aside)
    assert rig.pending() == [payload(task_id) for task_id in made]
    assert running(rig) == {*unfinished, *made}
    assert buffered(rig) == (payload(held) if held else b"")
    assert runs(rig) == [skipped(task_id) for task_id in reversed(left_out)]
    assert (rig.stat("fired"), rig.stat("skipped")) == (len(made), len(left_out))
    assert rig.logged() == (1 if made else 0)
    assert rig.shelf(rig.keys.next) == {b"s": FAR}
    assert rig.run(rig.schedules.positions(QUEUE, ["s"])) == [b"p2"]


def test_one_schedules_unfinished_task_does_not_keep_another_from_its_own(rig):
    plant(rig)
    set_running(rig, "other@1", name="other")
    assert rig.run(fire(read(rig), "s@1", rig=rig, overlap="skip")).made == 1


def test_a_fire_that_makes_nothing_is_not_heard(rig, store_url):
    channel = listener(store_url, rig.keys.channel)
    plant(rig)
    set_running(rig, "s@0")
    rig.run(fire(read(rig), "s@1", rig=rig, overlap="skip"))
    assert (heard(channel), rig.logged()) == ([], 0)


def test_of_unfinished_tasks_the_newest_twenty_are_remembered(rig):
    plant(rig)
    rig.raw.hset(rig.keys.running, "s", json.dumps({f"s@{n}": n for n in range(20)}))
    rig.run(fire(read(rig), "s@new", "s@newer", "s@newest", rig=rig))
    assert running(rig) == {*(f"s@{n}" for n in range(3, 20)), "s@new", "s@newer", "s@newest"}


def test_twenty_unfinished_tasks_are_all_remembered(rig):
    plant(rig)
    set_running(rig, *(f"s@{n}" for n in range(19)))
    rig.run(fire(read(rig), "s@new", rig=rig))
    assert len(running(rig)) == 20


@pytest.mark.parametrize(
    "nonsense",
    NONSENSE.values(),
    ids=NONSENSE,
)
@pytest.mark.parametrize("overlap", ["allow", "skip", "buffer_one"])
def test_what_somebody_wrote_among_the_unfinished_does_not_stop_a_schedule(rig, nonsense, overlap):
    plant(rig)
    rig.raw.hset(rig.keys.running, "s", nonsense)
    assert rig.run(fire(read(rig), "s@1", rig=rig, overlap=overlap)) == Fired(True, made=1)
    assert (rig.pending(), running(rig), rig.stat("fired")) == ([payload("s@1")], {"s@1"}, 1)


@pytest.mark.parametrize("nonsense", NONSENSE.values(), ids=NONSENSE)
def test_what_somebody_wrote_among_the_unfinished_does_not_stop_a_trigger(rig, nonsense):
    plant(rig)
    rig.raw.hset(rig.keys.running, "s", nonsense)
    assert rig.run(trigger(rig))
    assert (len(rig.pending()), len(running(rig))) == (1, 1)


def test_unfinished_tasks_that_nobody_can_read_are_taken_away_unless_they_have_changed(rig):
    rig.raw.hset(rig.keys.running, mapping={"s": "{", "other": "{"})
    assert unchanged(rig, rig.schedules.forget_running(QUEUE, "s", b"[")) == 0
    assert rig.run(rig.schedules.forget_running(QUEUE, "s", b"{"))
    assert rig.raw.hkeys(rig.keys.running) == [b"other"]


def test_the_past_of_a_schedule_is_capped(rig):
    plant(rig)
    set_running(rig, "s@0")
    rig.run(fire(read(rig), *(f"s@{n}" for n in range(1, 26)), rig=rig, overlap="skip", missed=(b"missed", OTHER, 3)))
    assert runs(rig) == [b"missed", *(skipped(f"s@{n}") for n in range(25, 6, -1))]
    assert len(runs(rig)) == RUNS_CAP


@pytest.mark.parametrize(
    ("ids", "unfinished", "fires", "at"),
    [
        (["s@1"], [], 7, None),
        (["s@1", "s@2"], [], 6, 50.0),
        (["s@1", "s@2"], ["s@0"], 5, 50.0),
    ],
)
def test_what_was_skipped_is_not_counted_and_a_schedule_that_would_be_over_goes_on(rig, ids, unfinished, fires, at):
    plant(rig)
    if unfinished:
        set_running(rig, *unfinished)
    position = b'{"trigger":"t","last":3,"fires":7}'
    call = fire(read(rig), *ids, rig=rig, overlap="skip", time=None, position=position, spare=50.0)
    assert rig.run(call).done
    assert rig.run(rig.schedules.positions(QUEUE, ["s"])) == [position.replace(b"7", b"%d" % fires)]
    assert rig.run(rig.schedules.times(QUEUE, ["s"])) == [at]


def test_a_schedule_that_comes_again_anyway_needs_no_spare_time(rig):
    plant(rig)
    set_running(rig, "s@0")
    rig.run(fire(read(rig), "s@1", rig=rig, overlap="skip", time=60.0, spare=50.0))
    assert rig.run(rig.schedules.times(QUEUE, ["s"])) == [60]


def test_a_buffered_task_counts_as_made(rig):
    plant(rig)
    set_running(rig, "s@0")
    position = b'{"last":3,"fires":7}'
    rig.run(fire(read(rig), "s@1", rig=rig, overlap="buffer_one", time=None, position=position, spare=50.0))
    assert rig.run(rig.schedules.positions(QUEUE, ["s"])) == [position]
    assert rig.shelf(rig.keys.next) == {}


# -- what is missed, and what is worth keeping


def test_what_is_missed_is_noted_counted_and_told(rig, store_url):
    channel = listener(store_url, rig.keys.channel)
    plant(rig)
    assert rig.run(fire(read(rig), "s@1", rig=rig, missed=(b"note", OTHER, 41))) == Fired(True, made=1)
    assert runs(rig) == [b"note"]
    assert (rig.stat("missed"), rig.stat("fired")) == (41, 1)
    assert (rig.logged(), heard(channel)) == (2, [EVENT, OTHER])


def test_a_schedule_that_has_only_missed_makes_nothing_and_moves_on(rig, store_url):
    channel = listener(store_url, rig.keys.channel)
    plant(rig)
    assert rig.run(fire(read(rig), rig=rig, missed=(b"note", OTHER, 2))) == Fired(True)
    assert (rig.pending(), runs(rig), rig.stat("missed"), rig.stat("fired")) == ([], [b"note"], 2, 0)
    assert (rig.logged(), heard(channel)) == (1, [OTHER])
    assert rig.shelf(rig.keys.next) == {b"s": FAR}
    assert rig.raw.hgetall(rig.keys.running) == {}


def test_what_is_not_worth_keeping_is_published_all_the_same(rig, store_url):
    channel = listener(store_url, rig.keys.channel)
    plant(rig)
    rig.run(fire(read(rig), "s@1", rig=rig, keep_event=False, missed=(b"note", OTHER, 1)))
    assert (rig.logged(), heard(channel)) == (0, [EVENT, OTHER])


def test_a_schedule_may_just_move_on(rig, store_url):
    channel = listener(store_url, rig.keys.channel)
    plant(rig)
    assert rig.run(fire(read(rig), rig=rig)) == Fired(True)
    assert (rig.pending(), rig.logged(), heard(channel)) == ([], 0, [])
    assert not rig.raw.exists(rig.keys.stats, rig.keys.runs("s"), rig.keys.running)


# -- the agenda


def test_the_agenda_holds_what_is_due_in_a_stretch_soonest_first(rig):
    for name, score in (("a", 1), ("b", 2), ("c", 3), ("d", 4), ("e", 5)):
        plant(rig, name, score=score, definition=name.encode())
    rig.raw.hdel(rig.keys.positions, "c")
    rig.raw.hdel(rig.keys.schedules, "d")
    before = rig.dump()
    began = rig.now()
    agenda = rig.run(rig.schedules.due(QUEUE, 1.0, 4.0, limit=10))
    assert agenda.due == [Due("b", b"2", b"b", b"p1"), Due("c", b"3", b"c", b""), Due("d", b"4", b"", b"p1")]
    assert agenda.next_due == 5
    assert began - 0.001 <= agenda.now <= rig.now()
    assert rig.dump() == before


def test_the_agenda_is_read_in_portions_and_knows_how_late_the_latest_is(rig):
    for n in range(5):
        plant(rig, f"s{n}", score=n - 2)
    agenda = rig.run(rig.schedules.due(QUEUE, None, 9, limit=3))
    assert ([due.name for due in agenda.due], agenda.next_due) == (["s0", "s1", "s2"], None)


def test_the_first_of_the_agenda_can_be_left_out_and_it_says_how_many_there_are(rig):
    for n in range(5):
        plant(rig, f"s{n}", score=n + 1)
    agenda = rig.run(rig.schedules.due(QUEUE, 1, 4, limit=2, skip=1))
    assert ([due.name for due in agenda.due], agenda.count, agenda.next_due) == (["s2", "s3"], 3, 5)
    assert rig.run(rig.schedules.due(QUEUE, 1, 4, limit=2, skip=3)).due == []


def test_whoever_fires_hears_what_is_due_next_whether_it_was_fired_or_not(rig):
    plant(rig, "s", score=1)
    due = read(rig)
    call = fire(due, "s@1", rig=rig, time=7.5)
    assert rig.run(call).next_due == 7.5
    plant(rig, "t", score=3.25)
    again = rig.run(call)
    assert (again.done, again.next_due) == (False, 3.25)
    rig.raw.delete(rig.keys.next)
    assert rig.run(call).next_due is None


def test_a_time_is_compared_as_exactly_as_it_was_read(rig):
    score = 1_790_000_000.123457
    plant(rig, score=score)
    due = read(rig)
    assert float(due.score) == score
    rig.raw.zadd(rig.keys.next, {"s": score - 1e-6})
    assert not rig.run(fire(due, "s@1", rig=rig)).done


def test_a_name_that_is_no_text_can_be_taken_off_the_agenda(rig):
    rig.raw.zadd(rig.keys.next, {b"\xff\xfe": 5, b"s": 5})
    (odd,) = [due for due in rig.run(rig.schedules.due(QUEUE, None, 9, limit=9)).due if due.name != "s"]
    assert rig.run(rig.schedules.unset(QUEUE, odd.name)) == 1
    assert rig.shelf(rig.keys.next) == {b"s": 5}


ALLOW, BUFFER = b'{"overlap":"allow"}', b'{"overlap":"buffer_one"}'


@pytest.mark.parametrize("definition", [ALLOW, b"{}", b"garbage"])
@pytest.mark.parametrize("ids", [(), ("s@3",)], ids=["nothing", "one"])
def test_what_waited_goes_before_the_others_when_nothing_has_to_wait_any_more(rig, definition, ids):
    plant(rig, definition=definition)
    set_running(rig, "s@1")
    rig.raw.hset(rig.keys.buffered, "s", payload("s@2"))
    fired = rig.run(fire(read(rig), *ids, rig=rig))
    assert (fired.made, fired.buffered) == (len(ids), 0)
    assert rig.pending() == [payload(task_id) for task_id in ("s@2", *ids)]
    assert (buffered(rig), running(rig)) == (b"", {"s@1", "s@2", *ids})


@pytest.mark.parametrize("overlap", ["skip", "buffer_one"])
def test_one_made_by_hand_does_not_let_go_what_waits(rig, overlap):
    plant(rig, definition=b'{"overlap":"%s"}' % overlap.encode())
    set_running(rig, "s@1")
    rig.raw.hset(rig.keys.buffered, "s", payload("s@2"))
    rig.run(fire(read(rig), "s@3", rig=rig))
    assert (buffered(rig), rig.pending()) == (payload("s@2"), [payload("s@3")])


@pytest.mark.parametrize("garbage", [b"[", b'{"id":5}', b"5"])
def test_garbage_that_waited_is_let_go_too(rig, garbage):
    plant(rig, definition=ALLOW)
    rig.raw.hset(rig.keys.buffered, "s", garbage)
    rig.run(fire(read(rig), rig=rig))
    assert (buffered(rig), rig.pending(), running(rig)) == (b"", [garbage], set())


# -- put


def test_a_new_schedule_is_written_whole_and_told(rig, store_url):
    channel, wake = listener(store_url, rig.keys.channel), listener(store_url, rig.keys.wake)
    assert rig.run(put(rig, code=b"c1")) == 1
    assert read(rig) == Due("s", b"4000000000", b"d1", b"p1")
    assert rig.run(rig.schedules.code(QUEUE, ["s"])) == [b"c1"]
    assert (rig.logged(), heard(channel), heard(wake)) == (1, [EVENT], [b"next"])


def test_a_schedule_can_be_written_without_a_word(rig, store_url):
    channel = listener(store_url, rig.keys.channel)
    rig.run(put(rig, event=b""))
    assert (rig.logged(), heard(channel)) == (0, [])
    assert rig.raw.hgetall(rig.keys.code) == {}


def test_what_code_has_said_stays_when_an_operator_edits(rig):
    rig.run(put(rig, code=b"c1"))
    assert rig.run(put(rig, seen=(b"d1", b"p1"), definition=b"d2")) == 1
    assert rig.run(rig.schedules.code(QUEUE, ["s"])) == [b"c1"]
    assert rig.run(rig.schedules.definitions(QUEUE, ["s"])) == [b"d2"]


@pytest.mark.parametrize("seen", [(b"", b""), (b"d0", b"p1"), (b"", b"p1")], ids=repr)
def test_a_schedule_that_has_changed_since_it_was_seen_is_not_written(rig, seen, store_url):
    wake = listener(store_url, rig.keys.wake)
    plant(rig)
    assert unchanged(rig, put(rig, seen=seen, definition=b"d2", position=b"p2", time=1.0, code=b"c")) == 0
    assert heard(wake) == []


def place_of(**fields: Any) -> bytes:
    """A position as we write it."""
    return json.dumps(fields, separators=(",", ":")).encode()


@pytest.mark.parametrize(("time", "score"), [("=", 6.0), (9.0, 6.0), (None, None)])
def test_a_schedule_that_was_fired_since_it_was_seen_is_written_and_keeps_its_place(rig, time, score, store_url):
    wake = listener(store_url, rig.keys.wake)
    seen, stands = place_of(trigger="a", instant=5.0), place_of(trigger="a", instant=6.0, last=5.0, fires=1)
    plant(rig, score=6, position=stands)
    call = put(rig, seen=(b"d1", seen), definition=b"d2", position=place_of(trigger="a", instant=5.0), time=time)
    assert rig.run(call) == 1
    assert rig.raw.hget(rig.keys.schedules, "s") == b"d2"
    assert rig.raw.hget(rig.keys.positions, "s") == stands
    assert rig.run(rig.schedules.times(QUEUE, ["s"])) == [score]
    assert heard(wake) == []
    assert repeated(rig, call) == 2


@pytest.mark.parametrize(
    ("stands", "written"),
    [
        ({"last": 1790000000.123456, "fires": 12}, {"last": 1790000000.123456, "fires": 12}),
        ({"last": -5.5}, {"last": -5.5}),
        ({"fires": 3}, {"fires": 3}),
        ({}, {}),
    ],
    ids=str,
)
def test_with_another_trigger_what_was_decided_meanwhile_stays_decided(rig, stands, written):
    seen, new = place_of(trigger="a", last=2.0, fires=1), place_of(trigger="b", instant=90.0, last=2.0, fires=1)
    plant(rig, position=place_of(trigger="a", instant=6.0, **stands))
    assert rig.run(put(rig, seen=(b"d1", seen), definition=b"d2", position=new, time=90.0)) == 1
    assert rig.raw.hget(rig.keys.positions, "s") == place_of(trigger="b", instant=90.0, **written)
    assert rig.run(rig.schedules.times(QUEUE, ["s"])) == [90.0]


def test_a_position_that_somebody_took_away_is_written_again(rig):
    plant(rig, position=b"")
    new = place_of(trigger="b", instant=90.0, last=2.0)
    assert rig.run(put(rig, seen=(b"d1", b"p1"), definition=b"d2", position=new)) == 1
    assert rig.raw.hget(rig.keys.positions, "s") == new


def test_a_repeated_put_that_changed_only_the_place_does_nothing(rig):
    plant(rig, position=b"")
    call = put(rig, seen=(b"d1", b""), position=b"p2")
    assert rig.run(call) == 1
    assert repeated(rig, call) == 2


def test_two_who_write_the_same_are_told_apart_by_what_the_code_says(rig):
    plant(rig)
    assert rig.run(put(rig, seen=(b"d1", b"p1"), definition=b"d2", code=b"c1")) == 1
    assert unchanged(rig, put(rig, seen=(b"d1", b"p1"), definition=b"d2", code=b"c1")) == 2
    assert unchanged(rig, put(rig, seen=(b"d1", b"p1"), definition=b"d2", code=b"c2")) == 0


def test_tasks_from_before_a_removal_are_known_again_unless_others_are(rig):
    rig.run(put(rig, unfinished=b'{"s@1":1}'))
    assert running(rig) == {"s@1"}
    rig.run(put(rig, seen=(b"d1", b"p1"), definition=b"d2", unfinished=b'{"s@2":1}'))
    assert running(rig) == {"s@1"}


def test_a_put_whose_answer_was_lost_answers_that_it_is_so(rig, store_url):
    call = put(rig, code=b"c1", time=FAR)
    assert rig.run(call) == 1
    channel = listener(store_url, rig.keys.channel)
    assert repeated(rig, call) == 2
    assert heard(channel) == []


def test_a_late_copy_of_a_put_does_not_take_back_what_came_after_it(rig):
    first = put(rig)
    rig.run(first)
    rig.run(put(rig, seen=(b"d1", b"p1"), definition=b"d2", position=b"p2"))
    assert unchanged(rig, first) == 0


def test_a_schedule_can_be_paused_and_go_on(rig):
    plant(rig, score=5)
    assert rig.run(put(rig, seen=(b"d1", b"p1"), definition=b"paused", time=None)) == 1
    assert rig.run(rig.schedules.times(QUEUE, ["s"])) == [None]
    assert rig.run(put(rig, seen=(b"paused", b"p1"), definition=b"d1", time=7)) == 1
    assert rig.run(rig.schedules.times(QUEUE, ["s"])) == [7]


@pytest.mark.parametrize("score", [None, 5.0])
def test_an_edit_may_leave_the_time(rig, score, store_url):
    wake = listener(store_url, rig.keys.wake)
    plant(rig, score=score)
    assert rig.run(put(rig, seen=(b"d1", b"p1"), definition=b"d2", position=b"p2", time="=")) == 1
    assert rig.run(rig.schedules.times(QUEUE, ["s"])) == [score]
    assert heard(wake) == []


@pytest.mark.parametrize(
    ("there", "time", "woken"),
    [
        ({}, 50.0, True),
        ({"other": 40}, 50.0, False),
        ({"other": 50}, 50.0, False),
        ({"other": 60}, 50.0, True),
        ({"s": 60}, 50.0, True),
        ({"s": 50}, 50.0, False),
        ({"s": 40}, 50.0, False),
        ({"s": 40, "other": 45}, 42.0, False),
        ({"other": 9}, 50.0, False),
        ({"other": 60}, None, False),
    ],
)
def test_tickers_are_woken_only_when_the_first_time_comes_forward(rig, there, time, woken, store_url):
    wake = listener(store_url, rig.keys.wake)
    if there:
        rig.raw.zadd(rig.keys.next, there)
    rig.raw.hset(rig.keys.schedules, "s", b"d0")
    rig.run(put(rig, seen=(b"d0", b""), time=time))
    assert heard(wake) == ([b"next"] if woken else [])


@pytest.mark.parametrize(("revive", "answer"), [(True, 1), (False, -1)])
def test_code_does_not_bring_back_what_an_operator_has_removed(rig, revive, answer):
    rig.raw.set(rig.keys.removed("s"), b"note", ex=100)
    before = rig.dump()
    assert rig.run(put(rig, revive=revive)) == answer
    if revive:
        assert rig.run(rig.schedules.removed(QUEUE, "s")) == b""
    else:
        assert rig.dump() == before


def test_a_repeated_put_of_what_was_removed_meanwhile_says_so(rig):
    call = put(rig, revive=False)
    rig.run(call)
    rig.run(remove(rig))
    assert unchanged(rig, call) == -1


# -- remove


def full_schedule(rig: Rig) -> None:
    """A schedule that has everything a schedule can have."""
    rig.run(put(rig, code=b"c1"))
    rig.arrive(payload("s@1"))
    set_running(rig, "s@1")
    rig.raw.hset(rig.keys.buffered, "s", payload("s@2"))
    rig.raw.lpush(rig.keys.runs("s"), b"r")


def test_a_removed_schedule_leaves_a_note_and_the_tasks_it_has_made(rig, store_url):
    full_schedule(rig)
    plant(rig, "other")
    logged = rig.logged()
    channel = listener(store_url, rig.keys.channel)
    assert rig.run(remove(rig)) == BUFFERED
    for key in (rig.keys.schedules, rig.keys.positions):
        assert list(rig.raw.hgetall(key)) == [b"other"]
    assert list(rig.shelf(rig.keys.next)) == [b"other"]
    assert not rig.raw.exists(rig.keys.code, rig.keys.running, rig.keys.buffered, rig.keys.runs("s"))
    assert rig.pending() == [payload("s@1")]
    assert rig.run(rig.schedules.removed(QUEUE, "s")) == b'note\np1\n{"s@1": 1}'
    assert KEEP_REMOVED - 5 < rig.raw.ttl(rig.keys.removed("s")) <= KEEP_REMOVED
    assert (rig.logged() - logged, heard(channel)) == (1, [EVENT])


@pytest.mark.parametrize("seen", [b"d0", b""])
def test_a_schedule_that_has_changed_since_it_was_seen_is_not_removed(rig, seen):
    full_schedule(rig)
    assert unchanged(rig, remove(rig, seen=seen)) == 0


def test_the_note_says_where_a_schedule_stood_when_it_was_removed(rig):
    plant(rig)
    call = remove(rig)
    rig.raw.hset(rig.keys.positions, "s", b"p2")
    assert rig.run(call) == 1
    assert rig.run(rig.schedules.removed(QUEUE, "s")) == b"note\np2\n"


@pytest.mark.parametrize("garbage", [b"x" * 10_000, b"two\nlines"], ids=["long", "lines"])
def test_what_we_did_not_write_does_not_get_into_a_note(rig, garbage):
    plant(rig, position=garbage)
    rig.raw.hset(rig.keys.running, "s", garbage)
    assert rig.run(remove(rig)) == 1
    assert rig.run(rig.schedules.removed(QUEUE, "s")) == b"note\n\n"


def test_a_removal_whose_answer_was_lost_is_told_once(rig):
    full_schedule(rig)
    rig.run(remove(rig))
    assert repeated(rig, remove(rig)) == 1


def test_a_second_removal_by_somebody_else_finds_nothing(rig):
    full_schedule(rig)
    rig.run(remove(rig))
    assert unchanged(rig, remove(rig, note=b"not")) == 0


def test_what_is_left_of_a_schedule_taken_out_by_hand_can_be_removed(rig):
    full_schedule(rig)
    rig.raw.hdel(rig.keys.schedules, "s")
    assert rig.run(remove(rig, seen=b""))
    assert list(rig.dump()) == sorted(key.encode() for key in (rig.keys.queue, rig.keys.log, rig.keys.removed("s")))


# -- what a change leaves behind, and taking it back


def trail(what: str = "edit", token: str = "t") -> Trail:
    return Trail(token, what)


def note_of(rig: Rig, token: str = "t") -> ScheduleNote | None:
    return rig.run(rig.schedules.note(QUEUE, token))


def test_a_change_notes_for_a_while_what_was_before(rig):
    plant(rig)
    assert rig.run(put(rig, seen=(b"d1", b"p1"), definition=b"d2", trail=trail())) == 1
    assert note_of(rig) == ScheduleNote("s", "edit", b"d1", b"d2")
    assert KEEP_TRASH - 5 < rig.raw.ttl(rig.keys.trash_note("t")) <= KEEP_TRASH
    rig.run(remove(rig, seen=b"d2", trail=trail("removal", "u")))
    assert note_of(rig, "u") == ScheduleNote("s", "removal", b"d2", b"")
    assert KEEP_TRASH - 5 < rig.raw.ttl(rig.keys.trash_note("u")) <= KEEP_TRASH


def test_what_is_not_done_leaves_no_note(rig):
    plant(rig)
    assert unchanged(rig, put(rig, seen=(b"d0", b""), definition=b"d2", trail=trail())) == 0
    assert unchanged(rig, remove(rig, seen=b"d0", trail=trail())) == 0


@pytest.mark.parametrize("how", ["put", "remove"])
def test_a_change_is_taken_back_once_while_its_note_is_there(rig, how):
    rig.run(put(rig, trail=trail("add")))

    def back() -> Call[int]:
        if how == "put":
            return put(rig, seen=(b"d1", b"p1"), definition=b"d0", trail=trail(UNDO))
        return remove(rig, trail=trail(UNDO))

    rig.raw.rename(rig.keys.trash_note("t"), "elsewhere")
    assert unchanged(rig, back()) == 0
    rig.raw.rename("elsewhere", rig.keys.trash_note("t"))
    assert rig.run(back()) == 1
    assert repeated(rig, back()) == (2 if how == "put" else 1)
    assert note_of(rig) is None
    assert rig.raw.ttl(rig.keys.trash_note("t")) > 0


def test_what_was_undone_is_not_undone_again_when_it_was_done_once_more(rig):
    plant(rig, definition=b"d0")
    rig.run(put(rig, seen=(b"d0", b"p1"), trail=trail()))
    rig.run(put(rig, seen=(b"d1", b"p1"), definition=b"d0", trail=trail(UNDO)))
    rig.run(put(rig, seen=(b"d0", b"p1")))
    assert repeated(rig, put(rig, seen=(b"d1", b"p1"), definition=b"d0", trail=trail(UNDO))) == 2


# -- trigger


def test_a_triggered_schedule_makes_one_task_and_keeps_its_times(rig, store_url):
    channel = listener(store_url, rig.keys.channel)
    plant(rig)
    set_running(rig, "s@0")
    rig.arrive(b"before")
    before = read(rig)
    assert rig.run(trigger(rig))
    assert rig.pending() == [b"before", payload("s@now")]
    assert (read(rig), running(rig)) == (before, {"s@0", "s@now"})
    assert (rig.stat("fired"), rig.logged(), heard(channel)) == (1, 1, [EVENT])
    assert rig.raw.ttl(rig.keys.trash_note("t")) > 0


def test_a_trigger_whose_answer_was_lost_makes_one_task(rig):
    plant(rig)
    rig.run(trigger(rig))
    assert repeated(rig, trigger(rig)) is True
    assert rig.run(trigger(rig, "s@again", token="t2"))
    assert rig.pending() == [payload("s@now"), payload("s@again")]


def test_there_is_nothing_to_trigger_when_there_is_no_such_schedule(rig):
    plant(rig, "other")
    assert unchanged(rig, trigger(rig)) is False


def test_however_often_a_schedule_is_triggered_twenty_unfinished_tasks_are_remembered(rig):
    plant(rig)
    rig.raw.hset(rig.keys.running, "s", json.dumps({f"s@{n}": n for n in range(20)}))
    rig.run(trigger(rig))
    assert running(rig) == {*(f"s@{n}" for n in range(1, 20)), "s@now"}


# -- the end of a task that no worker reports


def test_the_end_of_one_of_several_tasks_is_noted(rig):
    set_running(rig, "s@1", "s@2")
    rig.raw.hset(rig.keys.buffered, "s", payload("s@3"))
    assert rig.run(end_run(rig, "s@1"))
    assert (running(rig), runs(rig)) == ({"s@2"}, [b"over"])
    assert (buffered(rig), rig.pending()) == (payload("s@3"), [])


def test_the_end_of_the_last_task_lets_the_buffered_one_go(rig):
    set_running(rig, "s@1")
    rig.raw.hset(rig.keys.buffered, mapping={"s": payload("s@2"), "other": b"stays"})
    assert rig.run(end_run(rig, "s@1"))
    assert (running(rig), buffered(rig), rig.pending()) == ({"s@2"}, b"", [payload("s@2")])
    assert buffered(rig, "other") == b"stays"


def test_the_end_of_the_last_task_leaves_nothing_unfinished(rig):
    set_running(rig, "s@1")
    set_running(rig, "other@1", name="other")
    assert rig.run(end_run(rig, "s@1"))
    assert rig.raw.hkeys(rig.keys.running) == [b"other"]


def test_an_end_whose_answer_was_lost_is_noted_once(rig):
    set_running(rig, "s@1")
    rig.raw.hset(rig.keys.buffered, "s", payload("s@2"))
    rig.run(end_run(rig, "s@1"))
    assert repeated(rig, end_run(rig, "s@1")) is False


@pytest.mark.parametrize("there", [None, b"{}", b"not json", b"7", b'{"s@2":1}'])
def test_what_is_not_unfinished_cannot_end(rig, there):
    if there is not None:
        rig.raw.hset(rig.keys.running, "s", there)
    assert unchanged(rig, end_run(rig, "s@1")) is False


@pytest.mark.parametrize(
    "waiting", [b"bare", b'{"task":"t"}', b'{"task":"t","id":null}', b'{"task":"t","id":900}', b"[1]"]
)
def test_a_buffered_payload_without_an_id_is_let_go_and_not_waited_for(rig, waiting):
    set_running(rig, "s@1")
    rig.raw.hset(rig.keys.buffered, "s", waiting)
    assert rig.run(end_run(rig, "s@1"))
    assert (rig.pending(), running(rig), buffered(rig)) == ([waiting], set(), b"")


@pytest.mark.parametrize("beside", [b'"x":1e999', b'"x":"text"', b'"x":NaN', b'"x":[1]'])
def test_an_end_beside_nonsense_is_noted(rig, beside):
    rig.raw.hset(rig.keys.running, "s", b'{"s@1":1,%s}' % beside)
    rig.raw.hset(rig.keys.buffered, "s", payload("s@2"))
    assert rig.run(end_run(rig, "s@1"))
    assert (running(rig), rig.pending(), runs(rig)) == ({"s@2"}, [payload("s@2")], [b"over"])


@pytest.mark.no_key_leak
def test_a_past_that_cannot_be_written_keeps_no_run_from_ending(rig):
    set_running(rig, "s@1")
    rig.raw.hset(rig.keys.buffered, "s", payload("s@2"))
    rig.raw.set(rig.keys.runs("s"), "no list")
    assert rig.run(end_run(rig, "s@1"))
    assert (running(rig), rig.pending()) == ({"s@2"}, [payload("s@2")])
    assert rig.raw.get(rig.keys.runs("s")) == b"no list"


def test_ends_are_capped(rig):
    ids = [f"s@{n}" for n in range(RUNS_CAP + 3)]
    set_running(rig, *ids)
    for task_id in ids:
        rig.run(end_run(rig, task_id, record=task_id.encode()))
    assert runs(rig) == [task_id.encode() for task_id in reversed(ids[3:])]


# -- manifests


def test_a_manifest_must_be_told_once_and_is_then_confirmed(rig):
    assert rig.run(rig.schedules.manifest(QUEUE, "abc")) == 0
    assert rig.dump() == {}
    assert rig.run(rig.schedules.manifest(QUEUE, "abc", ["a", "b"])) == 2
    assert rig.run(rig.schedules.manifest(QUEUE, "abc", ["c"])) == 3
    rig.raw.expire(rig.keys.manifest("abc"), 5)
    rig.raw.zadd(rig.keys.manifests, {"abc": rig.now() + 5})
    assert rig.run(rig.schedules.manifest(QUEUE, "abc")) == 3
    assert KEEP_MANIFEST - 5 < rig.raw.ttl(rig.keys.manifest("abc")) <= KEEP_MANIFEST
    assert abs(rig.shelf(rig.keys.manifests)[b"abc"] - rig.now() - KEEP_MANIFEST) < 5
    assert rig.run(rig.schedules.registered(QUEUE, "abc", ["a", "x", "c"])) == [True, False, True]


def test_a_manifest_may_be_told_twice(rig):
    call = rig.schedules.manifest(QUEUE, "abc", ["a", "b"])
    assert [rig.run(call), rig.run(call)] == [2, 2]


def test_only_what_live_apps_register_counts(rig):
    rig.raw.zadd(rig.keys.manifests, {"old": rig.now() - 5})
    rig.run(rig.schedules.manifest(QUEUE, "abc", ["a"]))
    rig.run(rig.schedules.manifest(QUEUE, "def", ["b"]))
    assert set(rig.shelf(rig.keys.manifests)) == {b"abc", b"def"}
    assert set(rig.run(rig.schedules.manifests(QUEUE, rig.now()))) == {"abc", "def"}
    assert rig.run(rig.schedules.manifests(QUEUE, rig.now() + KEEP_MANIFEST + 5)) == []


def test_a_manifest_of_a_thousand_names_fits_into_one_call(rig):
    assert rig.run(rig.schedules.manifest(QUEUE, "abc", [f"s{n}" for n in range(1000)])) == 1000


# -- attendance


def test_the_first_who_attends_looks_after_the_definitions(rig):
    began = rig.now()
    mine = rig.run(rig.schedules.attend(QUEUE, "ada"))
    assert (mine.next_due, mine.wait) == (None, 0)
    assert began - 0.001 <= mine.now <= rig.now()
    theirs = rig.run(rig.schedules.attend(QUEUE, "bob"))
    assert KEEP_SWEEPER - 5 < theirs.wait <= KEEP_SWEEPER
    assert rig.run(rig.schedules.attend(QUEUE, "ada")).wait == 0
    assert rig.run(rig.schedules.ticker(QUEUE)) == "ada"


def test_the_next_time_is_told_to_all(rig):
    plant(rig, score=7.25)
    plant(rig, "later", score=9)
    assert [rig.run(rig.schedules.attend(QUEUE, who)).next_due for who in ("ada", "bob")] == [7.25, 7.25]


def test_another_looks_after_the_definitions_when_the_first_is_gone(rig):
    rig.run(rig.schedules.attend(QUEUE, "ada"))
    rig.raw.pexpire(rig.keys.sweeper, 30)
    wait = rig.run(rig.schedules.attend(QUEUE, "bob")).wait
    assert 0 < wait <= 0.03
    wait_until(lambda: rig.run(rig.schedules.attend(QUEUE, "bob")).wait == 0, 2)
    assert rig.run(rig.schedules.attend(QUEUE, "ada")).wait > 0


def test_who_leaves_in_order_is_followed_at_once(rig):
    rig.run(rig.schedules.attend(QUEUE, "ada"))
    assert rig.run(rig.schedules.give_up_sweeping(QUEUE, "ada")) == 1
    assert rig.run(rig.schedules.attend(QUEUE, "bob")).wait == 0
    # Whose time had run out meanwhile takes nothing away from the next.
    assert rig.run(rig.schedules.give_up_sweeping(QUEUE, "ada")) == 0
    assert rig.run(rig.schedules.attend(QUEUE, "ada")).wait > 0


def test_those_who_attend_are_missed_after_a_while(rig):
    for _ in range(2):
        rig.run(rig.schedules.attend(QUEUE, "ada"))
        assert KEEP_TICKER - 5 < rig.raw.ttl(rig.keys.ticker) <= KEEP_TICKER
        assert KEEP_SWEEPER - 5 < rig.raw.ttl(rig.keys.sweeper) <= KEEP_SWEEPER
        rig.raw.expire(rig.keys.ticker, 1)
        rig.raw.expire(rig.keys.sweeper, 1)


# -- reading


def test_schedules_are_counted_and_read_page_by_page(rig):
    for n in range(700):
        plant(rig, f"s{n}", score=n, definition=b"d%d" % n, position=b"p%d" % n)
    assert rig.run(rig.schedules.count(QUEUE)) == rig.run(rig.schedules.positions_count(QUEUE)) == 700
    assert rig.run(rig.schedules.late(QUEUE, 600)) == 600
    for page, letter in ((rig.schedules.page, "d"), (rig.schedules.positions_page, "p")):
        found: dict[str, bytes] = {}
        cursor = -1
        while cursor != 0:
            cursor, some = rig.run(page(QUEUE, max(cursor, 0)))
            found.update(some)
        assert found == {f"s{n}": f"{letter}{n}".encode() for n in range(700)}


def test_of_what_is_too_long_for_a_definition_the_beginning_is_read(rig):
    longest, longer = b"x" * MAX_DEFINITION, b"x" * (MAX_DEFINITION + 100)
    plant(rig, "longest", definition=longest)
    plant(rig, "longer", definition=longer)
    cursor, found = rig.run(rig.schedules.page(QUEUE, 0))
    assert (cursor, dict(found)) == (0, {"longest": longest, "longer": longest + b"x"})
    later = rig.run(rig.schedules.due(QUEUE, None, FAR, limit=1, skip=1))
    assert [due.name for due in later.due] == ["longest"]
    assert [len(read(rig, name).definition) - MAX_DEFINITION for name in ("longest", "longer")] == [0, 1]


def test_what_is_not_there_is_read_as_nothing(rig):
    names = ["a", "b"]
    for reading in (
        rig.schedules.running,
        rig.schedules.definitions,
        rig.schedules.positions,
        rig.schedules.code,
        rig.schedules.buffered,
    ):
        assert rig.run(reading(QUEUE, names)) == [b"", b""]
    assert rig.run(rig.schedules.times(QUEUE, names)) == [None, None]
    assert rig.run(rig.schedules.registered(QUEUE, "abc", names)) == [False, False]
    assert (rig.run(rig.schedules.removed(QUEUE, "a")), rig.run(rig.schedules.ticker(QUEUE))) == (b"", "")
    assert rig.run(rig.schedules.page(QUEUE, 0)) == (0, [])


def test_those_who_look_after_the_definitions_can_be_called(rig, store_url):
    wake = listener(store_url, rig.keys.wake)
    assert rig.run(rig.schedules.sweep_now(QUEUE)) == 1
    assert heard(wake) == [b"schedules"]
