"""Typing the line of a command does what the command does."""

from __future__ import annotations

import json
import shlex
from contextlib import closing
from dataclasses import replace
from unittest import mock

import pytest

from taskconsole.backends.base import Applied
from taskconsole.backends.commands import (
    AbortTask,
    DeleteTasks,
    Matching,
    MoveTasks,
    PauseQueue,
    Purge,
    RescheduleTasks,
    ResumeQueue,
    RetryTasks,
    RunTasks,
    SignalWorker,
    Undo,
    Undoable,
)
from taskconsole.backends.native import NativeBackend
from taskconsole.backends.spelling import spelled, spelled_line
from taskconsole.cli.operator import operator_name
from taskconsole.cli.root import call
from taskconsole.config import Settings
from taskconsole.model.state import State

BY = operator_name()
ODD = "--it's * ü"


@pytest.fixture
def backend(store_url, raw):
    raw.sadd("taskconsole:queues", "mail", "a b")
    for state, key in ((State.DEAD, "{mail}:dead"), (State.DELAYED, "{mail}:delayed")):
        raw.zadd(key, {json.dumps({"task": "t", "id": f"{state}-{i}"}): 4e9 + i for i in range(3)})
        raw.zadd(key, {json.dumps({"task": "t", "id": ODD}): 5e9})
    raw.lpush("mail", *(json.dumps({"task": "t", "id": f"p{i}"}) for i in range(3)), "bare one")
    raw.zadd("{mail}:workers", {"w1": 9e12})
    raw.lpush("{mail}:processing:w1", json.dumps({"task": "t", "id": "h1"}))
    with closing(NativeBackend(Settings(url=store_url))) as made:
        yield made


def meant_by(line, url):
    """The command that the line gives to the backend."""
    given = []

    def apply(_self, command, _report=None):
        given.append(command)
        return Applied(text="done")

    with mock.patch.object(NativeBackend, "apply", apply):
        program, *words = shlex.split(line)
        assert program == "taskconsole"
        assert call(["-u", url, *words]) == 0
    (command,) = given
    return command


def seen(backend, state, *places):
    rows, _ = backend.tasks("mail", state)
    return tuple(rows[place] for place in places)


def without_places(command):
    """Where a row was seen is found anew."""
    if isinstance(getattr(command, "which", None), tuple):
        return replace(command, which=tuple(replace(row, place=0) for row in command.which))
    return command


@pytest.mark.parametrize("state", [State.PENDING, State.DELAYED, State.DEAD])
@pytest.mark.parametrize("places", [(0, 1), (2, 3)])
def test_the_line_of_an_action_on_rows_means_the_same(backend, store_url, state, places):
    rows = seen(backend, state, *places)
    commands = [
        DeleteTasks(which=rows, by=BY),
        DeleteTasks(which=rows, by=BY, deep=True),
        RunTasks(which=rows, by=BY),
        MoveTasks(which=rows, to="a b", by=BY),
    ]
    if state is not State.PENDING:
        commands.append(RetryTasks(which=rows, by=BY))
    if state is State.DELAYED:
        commands += [RescheduleTasks(which=rows, due=due, by=BY) for due in ("+90.000000", "1896091200.000000")]
    for command in commands:
        assert without_places(meant_by(spelled_line(command), store_url)) == without_places(command)


def test_the_line_of_an_action_on_all_that_match_means_the_same(backend, store_url):
    for which in (
        Matching(queue="mail", state=State.DEAD, agreed=4),
        Matching(queue="mail", state=State.DEAD, text="dead-1", agreed=1),
        Matching(queue="mail", state=State.DEAD, text=ODD[2:], agreed=1),
    ):
        for command in (
            RetryTasks(which=which, by=BY),
            DeleteTasks(which=which, by=BY),
            MoveTasks(which=which, to="other", by=BY),
        ):
            line = spelled_line(command)
            if which.text == ODD[2:]:
                assert shlex.quote(ODD[2:]) in line
                continue
            assert meant_by(line, store_url) == command


def test_the_lines_of_other_commands_mean_the_same(backend, store_url):
    for command in (
        Purge(queue="mail", state=State.DEAD, agreed=4, by=BY),
        PauseQueue(queue="a b", by=BY, reason="partner's down"),
        ResumeQueue(queue="a b", by=BY),
        SignalWorker(worker="w1", wanted="quiet", by=BY),
        SignalWorker(worker="w1", wanted="stop", by=BY),
        AbortTask(row=seen_active(backend), by=BY),
    ):
        assert meant_by(spelled_line(command), store_url) == command


def seen_active(backend):
    return backend.tasks("mail", State.ACTIVE)[0][0]


def test_an_undo_is_named_by_its_action(backend):
    done = Undoable(what="x", tokens=(("mail", "ab-cd.0"), ("mail", "ab-cd.1")), until=5.0)
    assert spelled(Undo(done=done, by=BY)) == ["undo", "--", "ab-cd"]


def test_tasks_of_several_states_are_no_single_line(backend):
    rows = (*seen(backend, State.DEAD, 0), *seen(backend, State.DELAYED, 0))
    assert spelled_line(DeleteTasks(which=rows, by=BY)) == ""
