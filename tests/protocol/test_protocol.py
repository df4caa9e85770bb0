"""The protocol keeps its laws in every order of events, and each of its guards is needed.

`pytest tests/protocol -s` prints how many states were looked at and, for each guard, the shortest story of what would
happen without it. With TASKCONSOLE_TEST_FULL=1 more goes wrong in one story; that takes minutes.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import pytest

from taskconsole.store.call import script_names
from tests.protocol import carrying, moving, schedules
from tests.protocol.carrying import Carrying
from tests.protocol.checker import STUCK, Model, explore
from tests.protocol.lua import Lua
from tests.protocol.moving import Moving
from tests.protocol.schedules import Schedule
from tests.protocol.tasks import WORKER_GUARDS, Luck, Tasks
from tests.servers import FULL

POISON = frozenset({"poison"})

TASKS: dict[str, dict[str, Any]] = {
    "answers are lost, a worker is stopped": {"luck": Luck(lost=1, silences=1)},
    "a call comes late, a worker is stopped": {"tasks": ("a",), "luck": Luck(late=1, silences=1)},
    "a call comes late, a worker dies": {"tasks": ("a",), "fails": True, "luck": Luck(late=1, deaths=1)},
    "equal tasks": {
        "tasks": ("a", "a"),
        "processes": 1,
        "room": 2,
        "fails": True,
        "gives_back": True,
        "luck": Luck(lost=1),
    },
    "given back late": {"tasks": ("a",), "gives_back": True, "luck": Luck(late=1, silences=1)},
    "workers come and go": {"leaves": True, "gives_back": True, "luck": Luck(lost=1)},
    "workers wait": {
        "tasks": ("a",),
        "produced": "now",
        "waits": True,
        "sweeps": True,
        "luck": Luck(lost=1, silences=1),
    },
    "acknowledged by number": {
        "produced": "now",
        "processes": 1,
        "room": 2,
        "waits": True,
        "by_number": True,
        "luck": Luck(lost=1, late=1),
    },
    "poison": {"tasks": ("poison", "a"), "poison": POISON, "processes": 1, "room": 2},
    "enqueued": {"tasks": ("a", "a"), "produced": "now", "processes": 1, "luck": Luck(lost=1, late=1)},
    "delayed": {"tasks": ("a", "a"), "produced": "delayed", "processes": 1, "luck": Luck(lost=1, late=1)},
    "pending tasks are operated on": {
        "tasks": ("a", "a"),
        "processes": 1,
        "actions": ("take_pending", "purge queue", "undo"),
        "luck": Luck(lost=1, late=1),
    },
    "delayed tasks are operated on": {
        "produced": "delayed",
        "processes": 1,
        "two_step_promotion": True,
        "actions": ("take delayed", "requeue delayed", "purge delayed", "undo"),
        "luck": Luck(lost=1),
    },
    "dead tasks are operated on": {
        "tasks": ("a",),
        "processes": 1,
        "fails": True,
        "actions": ("take dead", "requeue dead", "purge dead", "undo"),
        "luck": Luck(late=1),
    },
    # An action that finds nothing to do leaves no note, so a late copy of it may find something: no late ones here.
    "paused and resumed": {
        "tasks": (),
        "processes": 0,
        "actions": ("pause", "resume", "undo"),
        "most_actions": 4,
        "luck": Luck(lost=1),
    },
    "paused while workers wait": {
        "tasks": ("a",),
        "processes": 1,
        "waits": True,
        "sweeps": True,
        "actions": ("pause", "resume"),
        "luck": Luck(lost=1),
    },
}

TASKS_IN_FULL: dict[str, dict[str, Any]] = {
    "everything goes wrong with one task": {
        "tasks": ("a",),
        "luck": Luck(lost=1, late=1, silences=1, deaths=1),
    },
    "equal tasks, and their workers die": {
        "tasks": ("a", "a"),
        "room": 2,
        "gives_back": True,
        "luck": Luck(lost=1, deaths=1),
    },
    "workers wait and die, and answers are lost": {
        "tasks": ("a",),
        "waits": True,
        "sweeps": True,
        "luck": Luck(lost=1, silences=1, deaths=1),
    },
}

SCHEDULES: dict[str, dict[str, Any]] = {
    "two tickers": {"instants": 3, "late": 1},
    "moved by hand": {"actions": ("move",)},
    "edited": {"late": 1, "actions": ("put",)},
    "removed": {"lost": 1, "late": 1, "actions": ("remove", "register", "put")},
    "restored": {"lost": 1, "actions": ("remove", "restore")},
    "edited by two": {"instants": 1, "actions": ("remove", "colleague")},
    "triggered": {"instants": 1, "lost": 1, "late": 1, "actions": ("trigger", "remove")},
    "one waits": {"instants": 3, "overlap": "buffer_one", "dies": True},
    "one waits, another is made by hand": {"overlap": "buffer_one", "actions": ("trigger",), "most_actions": 1},
    "one waits and is removed": {"instants": 3, "overlap": "buffer_one", "actions": ("remove", "restore")},
}

CARRYING: dict[str, dict[str, Any]] = {
    "carried to another node": {"lost": 1, "deaths": 1},
    "deleted before it is carried": {"deletes": True, "deaths": 1},
    "put there again": {"again": True, "lost": 1, "deaths": 1},
}

MOVING: dict[str, dict[str, Any]] = {"moved to another queue": {"lost": 2, "late": 2}}

# Where the shortest story of each guard begins, and how it ends.
NEEDED = {
    "enqueue: number": ("enqueued", "DOUBLED"),
    "delay: number": ("delayed", "DOUBLED"),
    "step: lease": ("answers are lost, a worker is stopped", "LEFT BEHIND"),
    "step: number": ("equal tasks", "LOST"),
    "step: pause": ("paused while workers wait", "PAUSE"),
    "step: length": ("acknowledged by number", "LOST"),
    "settle: lease": ("a call comes late, a worker dies", "LEFT BEHIND"),
    "settle: number": ("equal tasks", "LOST"),
    "give_back: lease": ("given back late", "LEFT BEHIND"),
    "give_back: number": ("equal tasks", "STOLEN"),
    "heartbeat: lease": ("answers are lost, a worker is stopped", "STOLEN"),
    "reclaim: lease": ("answers are lost, a worker is stopped", "STOLEN"),
    "reclaim: what is still held": ("answers are lost, a worker is stopped", "DOUBLED"),
    "reclaim: what came later": ("workers wait", "LEFT BEHIND"),
    "reclaim: fencing": ("answers are lost, a worker is stopped", "LEFT BEHIND"),
    "reclaim: counting deaths": ("poison", "POISON"),
    "leave: what is held": ("workers come and go", STUCK),
    "promote: still there": ("delayed tasks are operated on", "DOUBLED"),
    "transfer: still there": ("delayed tasks are operated on", "DOUBLED"),
    "take: note": ("delayed tasks are operated on", "DENIED"),
    "take_pending: note": ("pending tasks are operated on", "LOST"),
    "requeue: note": ("delayed tasks are operated on", "DENIED"),
    "requeue: still there": ("delayed tasks are operated on", "DOUBLED"),
    "purge: note": ("delayed tasks are operated on", "LOST"),
    "undo: once": ("pending tasks are operated on", "DOUBLED"),
    "undo: the same pause": ("paused and resumed", "PAUSE"),
    "pause: note": ("paused and resumed", "PAUSE"),
    "resume: note": ("paused and resumed", "PAUSE"),
    "worker: repeats a call with its number": ("a call comes late, a worker is stopped", STUCK),
    "worker: starts nothing while its lease is in doubt": ("answers are lost, a worker is stopped", "STOLEN"),
    "worker: looks what it holds after a lost answer": ("answers are lost, a worker is stopped", STUCK),
    "worker: looks at the pause after waiting": ("paused while workers wait", "PAUSE"),
    "worker: tells its results before it leaves": ("workers come and go", "REPEATED"),
    "reclaimer: looks for lists without a lease": ("workers wait", STUCK),
    "fire: score": ("moved by hand", "NOT THEN"),
    "fire: definition": ("edited", "STALE"),
    "fire: position": ("moved by hand", "TWICE"),
    "fire: what runs": ("one waits", "OVERLAP"),
    "fire: what waits": ("one waits", "LOST"),
    "put_schedule: definition": ("edited", "OVERWRITTEN"),
    "put_schedule: position": ("edited", "TWICE"),
    "put_schedule: removed": ("removed", "OVERWRITTEN"),
    "remove_schedule: definition": ("edited by two", "UNSEEN"),
    "remove_schedule: note": ("removed", "DENIED"),
    "trigger_schedule: note": ("triggered", "TWICE"),
    "settle: the last one lets go": ("one waits, another is made by hand", "OVERLAP"),
    "requeue: unfinished again": ("one waits", "OVERLAP"),
    "move, take: note": ("moved to another queue", "DONE AGAIN"),
    "move, arrive: note": ("moved to another queue", "DOUBLED"),
    "move, undo: calls it off first": ("moved to another queue", "DOUBLED"),
    "depart: once": ("put there again", "LOST"),
    "depart: still there": ("deleted before it is carried", "DOUBLED"),
    "depart: what is under way is noted": ("carried to another node", STUCK),
    "deliver: once": ("carried to another node", "DOUBLED"),
    "arrive: after delivering": ("carried to another node", "LOST"),
    "arrive: what it carried goes first": ("carried to another node", STUCK),
}

# Lua files that are in no model, and why.
LEFT_OUT = {
    "reschedule": "changes when a task may be promoted, and here that is at any moment",
    "heads": "reads",
    "page": "reads",
    "scored": "reads",
    "search": "reads",
    "window": "reads",
    "attend": "moves nothing: who looks after the definitions",
    "give_up_sweeping": "moves nothing: who looks after the definitions",
    "manifest": "moves nothing: which schedules an app registers",
    "record": "moves nothing: statistics",
    "signal": "moves nothing: a command for a worker",
    "abort": "moves nothing: a command for a worker",
    "discard": "frees what nobody can bring back: its note has expired",
    "forget_running": "takes away what nobody can read; ids that can be read are modelled",
}

# Those that a model contains under another name.
PART_OF = {"due": Schedule._ticker, "end_run": Schedule._ends}


def world(scene: str, without: frozenset[str] = frozenset()) -> Model[Any]:
    if scene in MOVING:
        return Moving(**MOVING[scene], without=without)
    if scene in CARRYING:
        return Carrying(**CARRYING[scene], without=without)
    if scene in SCHEDULES:
        return Schedule(**SCHEDULES[scene], without=without)
    return Tasks(**(TASKS | TASKS_IN_FULL)[scene], without=without)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("scene", [*TASKS, *(TASKS_IN_FULL if FULL else ()), *SCHEDULES, *CARRYING, *MOVING])
def test_every_law_holds_in_every_order_of_events(scene):
    verdict = explore(world(scene), at_most=4_000_000)
    print(f"{scene}: {verdict}")
    assert not verdict.law, str(verdict)


@pytest.mark.parametrize("guard", NEEDED)
def test_without_this_guard_a_law_is_broken(guard):
    scene, law = NEEDED[guard]
    verdict = explore(world(scene, frozenset({guard})))
    print(f"without {guard!r}: {verdict}")
    assert verdict.law.startswith(law), str(verdict)


def test_every_guard_of_the_models_is_needed():
    assert set(NEEDED) == {*Lua.guards, *WORKER_GUARDS, *schedules.GUARDS, *carrying.GUARDS, *moving.GUARDS}


def test_every_lua_file_is_modelled_or_left_out_with_a_reason():
    there = set(script_names())
    models = (Lua, Schedule, Carrying, Moving)
    modelled = {name for name in there if any(hasattr(model, name) for model in models)} | set(PART_OF)
    assert modelled | set(LEFT_OUT) == there
    assert not modelled & set(LEFT_OUT)


# Commands that put a task somewhere, or take it away from there.
MOVES = ("LPUSH", "RPUSH", "RPOP", "LMOVE", "LREM", "LSET", "RENAME")


MOVES_OTHERS = {
    "record": ["LPUSH"],  # its sample of finished tasks
    "abort": ["LPUSH"],  # the names of tasks
    "arrive": ["LPUSH", "RPUSH"],
    "moved": ["RENAME"],
}


@pytest.mark.parametrize("name", LEFT_OUT)
def test_what_is_left_out_moves_no_task(name):
    body = files("taskconsole.store").joinpath("lua", f"{name}.lua").read_text()
    written = [word for word in MOVES if f"'{word}'" in body]
    assert written == MOVES_OTHERS.get(name, [])
