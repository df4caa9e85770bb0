"""Values of ours as plain JSON and back."""

from __future__ import annotations

import contextlib
import json
import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taskconsole.backends.recording.lines import ANSWERS
from taskconsole.model.event import Event, EventKind
from taskconsole.model.portable import Unreadable, from_plain, to_plain
from taskconsole.model.search import Progress, Search
from taskconsole.model.stats import Overview, QueueStats, TaskRow, WorkerInfo
from tests.model.values import values

RECORDED = {**ANSWERS, "search": Search, "progress": Progress, "event": Event}
FAST = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def through_a_file(plain):
    return json.loads(json.dumps(plain, ensure_ascii=True, allow_nan=False))


@pytest.mark.parametrize("name", RECORDED)
@FAST
@given(data=st.data())
def test_what_is_recorded_comes_back_as_it_was(name, data):
    value = data.draw(values(RECORDED[name]))
    assert from_plain(RECORDED[name], through_a_file(to_plain(value))) == value


def test_what_is_no_number_comes_back_as_none():
    row = TaskRow(queue="q", state="dead", name="t", at=math.nan, failed_at=-math.inf)
    back = from_plain(TaskRow, through_a_file(to_plain(row)))
    assert math.isnan(back.at)
    assert back.failed_at == -math.inf


def test_what_is_at_its_default_takes_no_room():
    queue = QueueStats(name="q", pending=1, active=0, delayed=0, dead=0)
    assert to_plain(queue) == {"name": "q", "pending": 1, "active": 0, "delayed": 0, "dead": 0}


def test_fields_that_are_not_known_are_passed_over():
    assert from_plain(Event, {"kind": "done", "at": 1.0, "colour": [1]}) == Event(kind=EventKind.DONE, at=1.0)


@pytest.mark.parametrize(
    ("kind", "plain"),
    [
        (Event, {"at": 1.0}),
        (Event, {"kind": "sung", "at": 1.0}),
        (Event, {"kind": "done", "at": "soon"}),
        (Event, {"kind": "done", "at": 1.0, "n": True}),
        (Event, {"kind": "done", "at": 1.0, "n": 10**30}),
        (Event, {"kind": "done", "at": 10**400}),
        (Event, ["done", 1.0]),
        (TaskRow, {"queue": "q", "state": "dead", "name": "t", "payload": {"base64": "%%%"}}),
        (WorkerInfo, {"id": "w", "queue": "q", "running": [["a", "b"]]}),
        (WorkerInfo, {"id": "w", "queue": "q", "running": {"a": 1}}),
        (Overview, None),
        (ANSWERS["schedules"], [{"name": "s", "queue": "q", "raw": "", "definition": {"cron": "no"}}]),
    ],
)
def test_what_is_something_else_is_not_read(kind, plain):
    with pytest.raises(Unreadable):
        from_plain(kind, plain)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["at", "queues", "name"]), inner),
    max_leaves=8,
)


@FAST
@given(name=st.sampled_from(sorted(RECORDED)), plain=JSON)
def test_whatever_stands_there_is_read_or_refused(name, plain):
    with contextlib.suppress(Unreadable):
        from_plain(RECORDED[name], plain)
