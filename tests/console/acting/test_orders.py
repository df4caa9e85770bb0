"""From what is selected to a command, and what is asked before it."""

from __future__ import annotations

import pytest

from taskconsole.backends.base import Foreseen
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
)
from taskconsole.console.acting.orders import NoOrder, agreed, order
from taskconsole.console.acting.questions import again, question
from taskconsole.console.actions import GROUPS, Danger
from taskconsole.console.aim import Aim
from taskconsole.console.spelled import command_lines
from taskconsole.model.reach import BY_ITSELF
from taskconsole.model.state import State
from taskconsole.model.stats import TaskRow, WorkerInfo

PENDING, DELAYED, DEAD, ACTIVE, DONE = State.PENDING, State.DELAYED, State.DEAD, State.ACTIVE, State.DONE


def row(state, name="t"):
    return TaskRow(queue="mail", state=state, name=name, id=name)


def aimed(*states):
    return Aim(rows=tuple(row(state, f"{i}") for i, state in enumerate(states)))


@pytest.mark.parametrize(
    ("verb", "kind", "good", "bad"),
    [
        ("retry", RetryTasks, {DEAD, DELAYED}, {PENDING, ACTIVE, DONE}),
        ("run", RunTasks, {PENDING, DELAYED, DEAD}, {ACTIVE, DONE}),
        ("reschedule", RescheduleTasks, {DELAYED}, {PENDING, ACTIVE, DONE, DEAD}),
        ("delete", DeleteTasks, {PENDING, DELAYED, DEAD}, {ACTIVE, DONE}),
        ("move", MoveTasks, {PENDING, DELAYED, DEAD}, {ACTIVE, DONE}),
    ],
)
def test_each_action_is_done_to_tasks_in_the_states_it_makes_sense_for(verb, kind, good, bad):
    for state in good:
        made = order(verb, aimed(state), "ana@ops", "x")
        assert isinstance(made.command, kind)
        assert made.command.by == "ana@ops"
    for state in bad:
        with pytest.raises(NoOrder, match=f"no {state} task can be"):
            order(verb, aimed(state), "ana@ops", "x")
    mixed = order(verb, aimed(*good, *bad), "ana@ops", "x")
    assert {task.state for task in mixed.command.which} == good
    assert mixed.note == (f"{len(bad)} tasks in other states stay" if len(bad) > 1 else "1 task in other states stay")


def test_nothing_selected_is_said():
    for verb in ("retry", "delete", "purge", "pause", "abort", "quiet", "stop", "trigger", "delete_all"):
        with pytest.raises(NoOrder):
            order(verb, Aim(), "ana@ops")


def test_a_paused_queue_is_resumed():
    assert isinstance(order("pause", Aim(queue="mail"), "x").command, PauseQueue)
    assert isinstance(order("pause", Aim(queue="mail", paused=True), "x").command, ResumeQueue)


def test_deleting_all_without_a_filter_is_a_purge_and_with_one_is_not():
    every = Matching(queue="mail", state=PENDING, agreed=9)
    some = Matching(queue="mail", state=PENDING, text="bob", agreed=9)
    purge = order("delete_all", Aim(queue="mail", state=PENDING, count=9, everything=every), "x")
    assert purge.command == Purge(queue="mail", state=PENDING, agreed=9, by="x")
    assert purge.typed == "mail"
    delete = order("delete_all", Aim(queue="mail", state=PENDING, count=9, everything=some), "x")
    assert delete.command == DeleteTasks(which=some, by="x")
    with pytest.raises(NoOrder, match="one queue only"):
        order("delete_all", Aim(everything="one queue only"), "x")


def test_only_what_runs_is_aborted_and_one_at_a_time():
    assert isinstance(order("abort", aimed(ACTIVE), "x").command, AbortTask)
    for aim in (aimed(DEAD), aimed(ACTIVE, ACTIVE)):
        with pytest.raises(NoOrder):
            order("abort", aim, "x")


def test_stopping_a_worker_takes_its_queue_and_quieting_it_a_key():
    aim = Aim(worker=(WorkerInfo(id="w-1", queue="mail"),))
    assert order("quiet", aim, "x").command == SignalWorker(worker="w-1", wanted="quiet", by="x")
    stop = order("stop", aim, "x")
    assert (stop.danger, stop.typed) == (Danger.SWEEPING, "mail")


def test_what_was_agreed_to_is_what_is_sent():
    which = Matching(queue="mail", state=DEAD, text="bob", agreed=120)
    assert agreed(DeleteTasks(which=which, by="x"), 7).which.agreed == 7
    assert agreed(Purge(queue="mail", state=DEAD, agreed=None, by="x"), 7).agreed == 7
    rows = DeleteTasks(which=(row(DEAD),), by="x")
    assert agreed(rows, 7) == rows


def asked(verb, count, *, hidden=0, given="", typed="", **foreseen):
    made = order(
        verb, Aim(rows=(row(DELAYED),) * count, hidden=hidden, queue="mail", count=count, state=DEAD), "x", given
    )
    return question(made, Foreseen(text=f"{verb} {count}", count=count, **foreseen))


def test_what_one_key_takes_back_is_not_asked():
    assert asked("retry", 1) is None
    assert asked("retry", 1, warning="only as long as nobody has claimed it") is None
    assert asked("reschedule", 20, given="+5") is None


@pytest.mark.parametrize("more", [{"count": 21}, {"undoable": False}, {"cost": "74 ms"}, {"hidden": 1}])
def test_but_it_is_when_it_is_about_many_cannot_be_undone_costs_or_is_out_of_sight(more):
    found = asked("retry", more.pop("count", 3), **more)
    assert found is not None
    assert not found.typed


def test_deleting_is_asked_and_for_more_than_twenty_the_number_is_typed():
    assert asked("delete", 1).typed == ""
    assert asked("delete", 20).typed == ""
    assert asked("delete", 21).typed == "21"
    assert asked("delete", 3, hidden=1).text == "delete 3 (1 not in sight)?"


def test_a_purge_takes_the_name_of_the_queue():
    assert asked("purge", 1).typed == "mail"


def test_what_cannot_be_undone_is_said_before():
    assert asked("delete", 1, undoable=False).notes == ("cannot be undone",)
    assert asked("delete", 1, undoable=False, warning="it may run all the same").notes == ("it may run all the same",)
    assert asked("delete", 1).notes == ()


def test_more_than_agreed_to_is_asked_again_with_both_numbers():
    made = order("delete", aimed(DEAD), "x")
    found = again(made, Foreseen(text="delete 120 tasks of mail", count=120), 120, 4310)
    assert found.text == "delete 120 tasks of mail: it was 120, now it is 4,310. All of them?"
    assert found.typed == "4310"


def test_every_verb_that_acts_can_be_ordered_or_has_a_form():
    from taskconsole.console.acting.forms import WHOLE  # noqa: PLC0415
    from taskconsole.console.acting.orders import _OTHERS, REACH  # noqa: PLC0415

    verbs = {action.verb for group in GROUPS.values() for action in group if action.verb}
    assert verbs <= set(WHOLE) | set(_OTHERS) | set(REACH) | {"hire"}


def test_what_could_be_done_is_spelled_as_command_lines():
    aim = Aim(
        rows=(row(DEAD, "a b"),),
        queue="mail",
        state=DEAD,
        count=3,
        everything=Matching(queue="mail", state=DEAD, agreed=3),
    )
    lines = dict(command_lines([*GROUPS["a task"], *GROUPS["a queue"]], aim, "x", BY_ITSELF))
    assert lines["delete as a command"] == "taskconsole delete -q mail --state dead -- 'a b'"
    assert lines["purge as a command"] == "taskconsole purge --state dead --yes -- mail"
    assert lines["pause/resume as a command"] == "taskconsole pause -- mail"
    # What needs more to be typed first, or cannot be done to it, is left out.
    assert not {"reschedule as a command", "abort as a command", "enqueue as a command"} & set(lines)
