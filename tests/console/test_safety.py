"""What keeps a slip of the finger from harm: the lock, paste, held keys, numbers that grow, undo, long commands."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from textual import events

from taskconsole.backends import commands
from taskconsole.backends.base import Applied, Foreseen
from taskconsole.console import actions
from taskconsole.console.context import Context
from taskconsole.console.dialogs.chooser import Chooser
from taskconsole.console.dialogs.confirm import Confirm
from taskconsole.console.dialogs.typed import Typed
from taskconsole.console.feed.lock import UNLOCKED_FOR
from taskconsole.console.place import Place
from taskconsole.console.terminal.keystrokes import Keystrokes
from taskconsole.model.state import State
from taskconsole.model.trace import Issued
from tests.console.fake_backend import FakeBackend
from tests.console.screens import lines_of, running, text_of, until, until_shown
from tests.console.test_acting import DEAD, DELAYED, PENDING, full


def far():
    return full(loopback=False)


async def test_a_server_elsewhere_is_locked_until_u_and_for_a_quarter_of_an_hour():
    now = [1000.0]
    async with running(far(), start=DEAD, clock=lambda: now[0]) as pilot:
        app = pilot.app
        await until_shown(app, "id-00000000")
        assert "[LOCKED]" in lines_of(app)[0]
        await pilot.press("r")
        await until_shown(app, "locked: U unlocks for 15 minutes")
        assert app.backend.applied == []
        await pilot.press("U")
        await until_shown(app, "[RW 15m]")
        await pilot.press("r")
        await until(lambda: app.backend.applied)
        now[0] += UNLOCKED_FOR
        await until_shown(app, "[LOCKED]")
        await pilot.press("r")
        await until_shown(app, "locked: U unlocks")
        assert len(app.backend.applied) == 1


async def test_u_locks_what_is_open():
    async with running(full(), start=DEAD) as pilot:
        await until_shown(pilot.app, "[RW]")
        await pilot.press("U")
        await until_shown(pilot.app, "[LOCKED]")
        await pilot.press("r")
        await until_shown(pilot.app, "locked: U unlocks")
        assert pilot.app.backend.applied == []


async def test_a_protected_context_takes_the_typing_of_its_name():
    async with running(full(), start=DEAD, context="prod", protected=True) as pilot:
        app = pilot.app
        await until_shown(app, "[LOCKED]")
        await pilot.press("U")
        await until(lambda: isinstance(app.screen, Typed) and app.focused)
        await pilot.press(*"pro", "enter")
        assert isinstance(app.screen, Typed)
        await pilot.press("d", "enter")
        await until_shown(app, "[RW 15m]")


async def test_another_server_has_a_lock_of_its_own_and_nothing_to_undo():
    other = far()
    first = full()
    contexts = [
        Context(name="dev", connect=lambda: first, address=first.address),
        Context(name="prod", connect=lambda: other, address=other.address, protected=True),
    ]
    async with running(first, contexts=contexts, context="dev", start=DEAD) as pilot:
        app = pilot.app
        await until_shown(app, "id-00000000")
        await pilot.press("r")
        await until_shown(app, "z undoes it")
        await pilot.press("colon", *"ctx prod", "enter")
        await until_shown(app, "[LOCKED]")
        await pilot.press("U")
        await until(lambda: isinstance(app.screen, Typed) and app.focused)
        await pilot.press(*"prod", "enter")
        await until_shown(app, "[RW 15m]")
        await pilot.press("z")
        await until_shown(app, "nothing to undo")
        assert other.applied == []


async def test_bracketed_paste_presses_no_key():
    async with running(full(), start=DEAD) as pilot:
        app = pilot.app
        await until_shown(app, "id-00000000")
        app.post_message(events.Paste("d\ny\nD\nmail\nrxs"))
        await pilot.pause()
        assert app.screen is app.desk
        # Not into a question that is open either.
        await pilot.press("P")
        await until(lambda: isinstance(app.screen, Typed) and app.focused)
        app.post_message(events.Paste("mail\n"))
        await pilot.pause()
        assert app.screen.field.value == ""
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(app.screen, Typed)
        assert app.backend.applied == []


@pytest.mark.parametrize(
    "pasted", [["d", "enter", "y", "enter"], ["r", "x"], ["p", "p"], ["e", *"send", "enter"], ["z", "U", "D"]]
)
async def test_pasted_keys_do_nothing_that_writes(pasted):
    # Wide enough that a busy machine does not tear a paste apart.
    async with running(full(), start=DEAD, keys=Keystrokes(burst=0.4, held=0, seen=0)) as pilot:
        app = pilot.app
        await until_shown(app, "id-00000000")
        for key in pasted:
            app.post_message(events.Key(key, key if len(key) == 1 else None))
        await until_shown(app, "keys came in a burst, as when pasting")
        await until(lambda: not [worker for worker in app.workers if worker.group == "hands"])
        assert app.backend.applied == []
        assert app.backend.foresights == []


async def test_a_pasted_answer_is_none():
    async with running(full(), start=DEAD, keys=Keystrokes(burst=0.4, held=0, seen=0)) as pilot:
        app = pilot.app
        await until_shown(app, "id-00000000")
        await pilot.press("d")
        await until(lambda: isinstance(app.screen, Confirm))
        for key in "yes":
            app.post_message(events.Key(key, key))
        await until_shown(app, "keys came in a burst")
        assert app.backend.applied == []


@pytest.mark.parametrize("size", [(59, 24), (80, 14), (40, 10)])
async def test_in_a_terminal_too_small_to_show_it_no_key_does_anything(size):
    keys = {
        key for group in actions.GROUPS.values() for a in group if a not in actions.UNSEEN for key in a.key.split(",")
    }
    async with running(full(), start=DEAD) as pilot:
        app = pilot.app
        await until(lambda: app.desk.view.grid.selected is not None)
        at = app.desk.view.grid.cursor
        await pilot.resize_terminal(*size)
        await until_shown(app, "only ? ^R q ^C")
        await pilot.press(*sorted(keys), *sorted(keys), *":doctor", "enter", *"/x", "enter", "enter", "y")
        app.post_message(events.Paste("dy"))
        await pilot.pause(0.2)
        assert app.screen is app.desk
        assert not app.desk.prompt.is_open
        assert app.backend.applied == []
        await pilot.resize_terminal(80, 24)
        await until_shown(app, "enter open")
        assert (app.desk.view.place, app.desk.view.grid.cursor, app.desk.view.grid.marks) == (DEAD, at, {})
        await until(lambda: app.desk.view.grid.has_focus)
        await pilot.press("j")
        assert app.desk.view.grid.cursor == at + 1


async def test_in_a_terminal_too_small_one_can_read_the_keys_refresh_and_leave():
    async with running(full(), start=DEAD) as pilot:
        app = pilot.app
        await pilot.resize_terminal(40, 10)
        await until_shown(app, "only ? ^R q ^C")
        await pilot.press("question_mark", "j", "escape")
        await until(lambda: app.screen is app.desk)
        before = app.backend.readings
        await pilot.press("ctrl+r")
        await until(lambda: app.backend.readings > before)
        await pilot.press("q")
        await until(lambda: app._exit)


async def test_a_question_and_a_line_that_get_out_of_sight_take_no_keys():
    async with running(full(), start=DEAD) as pilot:
        app = pilot.app
        await until(lambda: app.desk.view.grid.selected is not None)
        await pilot.press("d")
        await until(lambda: isinstance(app.screen, Confirm))
        await pilot.resize_terminal(40, 10)
        await pilot.press("y")
        assert isinstance(app.screen, Confirm)
        await pilot.press("escape")
        await until(lambda: app.screen is app.desk)
        await pilot.resize_terminal(80, 24)
        await until_shown(app, "enter open")
        await pilot.press(*":qui")
        await until(lambda: app.desk.prompt.is_open)
        await pilot.resize_terminal(40, 10)
        await until(lambda: not app.desk.prompt.is_open)
        await pilot.resize_terminal(80, 24)
        await until_shown(app, "enter open")
        await pilot.press("t", "enter")
        assert not app._exit
        assert app.backend.applied == []


async def test_a_held_key_does_one_thing():
    async with running(full(), start=Place(), keys=Keystrokes(burst=0, held=60, seen=0)) as pilot:
        app = pilot.app
        await pilot.press("p")
        await until(lambda: app.backend.applied)
        for _ in range(10):
            await pilot.press("p")
        await until_shown(app, "the key was held: done once")
        await until(lambda: not [worker for worker in app.workers if worker.group == "hands"])
        assert len(app.backend.applied) == 1


async def test_a_key_that_was_on_its_way_already_answers_no_question():
    async with running(full(), start=DEAD, keys=Keystrokes(burst=0, held=0, seen=60)) as pilot:
        app = pilot.app
        await until_shown(app, "id-00000000")
        await pilot.press("d")
        await until(lambda: isinstance(app.screen, Confirm))
        await pilot.press("y")
        await pilot.pause()
        assert isinstance(app.screen, Confirm)
        await pilot.press("escape")
        await until_shown(app, "nothing was done")
        assert app.backend.applied == []


async def test_a_question_that_comes_late_does_not_take_the_keys_of_something_else():
    backend, gate = full(), threading.Event()
    foresee = backend.foresee

    def slow(command):
        gate.wait(20)
        return foresee(command)

    backend.foresee = slow
    async with running(backend, start=DEAD) as pilot:
        app = pilot.app
        try:
            await until_shown(app, "id-00000000")
            await pilot.press("d", "slash", *"yes")
            gate.set()
            await until(lambda: not [worker for worker in app.workers if worker.group == "hands"])
            assert app.screen is app.desk
            assert app.desk.prompt.field.value == "yes"
            assert backend.applied == []
        finally:
            gate.set()


async def test_more_than_was_agreed_to_is_asked_again():
    backend = full()
    backend.answers = [Applied(text="", changed=False, done=0, now=4310)]
    async with running(backend, start=PENDING, size=(100, 30)) as pilot:
        app = pilot.app
        await until_shown(app, "id-00000000")
        await pilot.press("P")
        await until(lambda: isinstance(app.screen, Typed) and app.focused)
        await pilot.press(*"mail", "enter")
        await until_shown(app, "it was 5, now it is 4,310. All of them?")
        assert [command.agreed for command in backend.applied] == [5]
        await pilot.press(*"mail", "enter")
        await until_shown(app, "z undoes it until")
        assert [command.agreed for command in backend.applied] == [5, 4310]


async def test_the_cost_and_what_cannot_be_undone_are_in_the_question():
    backend = full()
    backend.foreseen[commands.DeleteTasks] = Foreseen(
        text="delete 1 task of mail",
        cost="it lies deep: about 74 ms of Redis",
        warning="cannot be undone",
        undoable=False,
    )
    async with running(backend, start=PENDING) as pilot:
        await until_shown(pilot.app, "id-00000000")
        await pilot.press("d")
        await until_shown(pilot.app, "delete 1 task of mail? y/N")
        assert lines_of(pilot.app)[-3].startswith(" it lies deep: about 74 ms of Redis")
        assert lines_of(pilot.app)[-2].startswith(" cannot be undone")
        # What costs that much is looked for everywhere once it is agreed to, and only then.
        await pilot.press("y")
        await until(lambda: pilot.app.backend.applied)
        assert pilot.app.backend.applied[0].deep
        # What is asked about stays in sight.
        assert "id-00000000" in text_of(pilot.app)


async def test_marked_tasks_are_done_together_and_those_out_of_sight_are_counted():
    async with running(full(), start=DEAD) as pilot:
        app = pilot.app
        await until_shown(app, "id-00000000")
        await pilot.press("space", "space", "space", "slash", *"send_1", "enter")
        await until_shown(app, "3 marked (2 not in sight)")
        await pilot.press("d")
        await until_shown(app, "DeleteTasks 3 (2 not in sight)? y/N")
        await pilot.press("y")
        await until(lambda: app.backend.applied)
        assert [row.id for row in app.backend.applied[0].which] == ["id-00000000", "id-00000001", "id-00000002"]
        # What is done is not marked any more.
        await until(lambda: "marked" not in text_of(app))


async def test_what_was_not_done_stays_marked():
    async with running(full(), start=DEAD) as pilot:
        app = pilot.app
        await until_shown(app, "id-00000000")
        await pilot.press("space", "space", "d")
        await until(lambda: isinstance(app.screen, Confirm))
        await pilot.press("n")
        await until_shown(app, "nothing was done")
        assert "2 marked" in text_of(app)


async def test_all_that_match_are_aimed_at_with_a_key():
    async with running(full(), start=DEAD, size=(100, 30)) as pilot:
        app = pilot.app
        await until_shown(app, "id-00000000")
        await pilot.press("slash", *"send_1", "enter", "A")
        await until_shown(app, "ALL THAT MATCH")
        await pilot.press("r")
        await until(lambda: app.backend.applied)
        assert app.backend.applied[0].which == commands.Matching(
            queue="mail", state=State.DEAD, text="send_1", agreed=5
        )
        await until(lambda: "ALL THAT MATCH" not in text_of(app))
        # A filter that Redis cannot be searched for is not taken for another.
        await pilot.press("slash", *"!send_1", "enter", "A")
        await until_shown(app, "a filter of one plain word")
        await pilot.press("D")
        await until_shown(app, "a filter of one plain word")
        assert len(app.backend.applied) == 1


async def test_a_long_command_says_how_far_it_is_and_ends_with_escape():
    backend, wanted = full(), threading.Event()

    def long(_command, report):
        done = 0
        while report(done) and not wanted.wait(0.02):
            done += 100
        return Applied(text=f"retried {done:,} of 100,000: again goes on", done=done)

    backend.answers = [long]
    backend.foreseen[commands.RetryTasks] = Foreseen(text="retry 100,000 tasks", count=100_000)
    async with running(backend, start=Place(view="failures"), size=(100, 30)) as pilot:
        app = pilot.app
        try:
            await until_shown(app, "TimeoutError")
            await pilot.press("r")
            await until(lambda: isinstance(app.screen, Confirm))
            await pilot.press("y")
            await until_shown(app, "of 100,000   esc ends it")
            # The console stays what it is meanwhile.
            await pilot.press("1")
            await until(lambda: app.desk.view.NAME == "queues")
            assert not wanted.is_set()
            await pilot.press("escape")
            await until_shown(app, "again goes on")
            assert app.desk.view.NAME == "queues"
        finally:
            wanted.set()


async def test_z_takes_back_the_last_action_and_then_the_one_before():
    async with running(full(), start=DEAD) as pilot:
        app = pilot.app
        await until_shown(app, "id-00000000")
        await pilot.press("r")
        await until_shown(app, "RetryTasks done   z undoes it until")
        await pilot.press("x")
        await until_shown(app, "RunTasks done")
        await pilot.press("z")
        await until_shown(app, "Undo done")
        await until(lambda: len(app.backend.applied) == 3 and not app.desk.hands.flow._under_way)
        await pilot.press("z")
        await until(lambda: len(app.backend.applied) == 4)
        undone = [command.done.what for command in app.backend.applied[2:]]
        assert undone == ["RunTasks", "RetryTasks"]
        await until(lambda: not app.desk.hands.flow._under_way)
        await pilot.press("z")
        await until_shown(app, "nothing to undo")


async def test_the_list_of_what_can_be_undone_says_until_when():
    async with running(full(), start=DEAD, size=(100, 30)) as pilot:
        app = pilot.app
        await until_shown(app, "id-00000000")
        await pilot.press("r")
        await until_shown(app, "RetryTasks done")
        await pilot.press("p")
        await until_shown(app, "paused mail   z undoes it")
        await pilot.press("Z")
        await until(lambda: isinstance(app.screen, Chooser))
        await until_shown(app, "RetryTasks done")
        assert text_of(app).count("until ") == 2
        assert "until " in text_of(app)
        await pilot.press("down", "enter")
        await until(lambda: isinstance(app.backend.applied[-1], commands.Undo))
        assert app.backend.applied[-1].done.what == "RetryTasks"


async def test_what_is_too_late_to_undo_is_not_offered():
    backend = full()
    now = backend.clock()
    undo = commands.Undoable(what="x", tokens=(("mail", "t"),), until=now - 1)
    backend.answers = [Applied(text="moved", undo=undo)]
    async with running(backend, start=DEAD) as pilot:
        await until_shown(pilot.app, "id-00000000")
        await pilot.press("r")
        await until_shown(pilot.app, "moved")
        await pilot.press("z")
        await until_shown(pilot.app, "nothing to undo")


async def test_the_time_to_reschedule_to_is_shown_on_both_clocks_before():
    async with running(full(), start=DELAYED, size=(100, 30)) as pilot:
        app = pilot.app
        await until_shown(app, "id-00000000")
        await pilot.press("s", *"+10m")
        await until_shown(app, "in 10m00s   enter does it")
        assert " here " in text_of(app)
        await pilot.press("backspace", "x", "enter")
        await pilot.pause()
        assert app.backend.applied == []
        await pilot.press("backspace", "m", "enter")
        await until(lambda: app.backend.applied)
        assert app.backend.applied[0].due == "+600"


async def test_a_clone_begins_with_what_the_task_carries():
    backend = full()
    row = backend.task_at("mail", State.DEAD, 0)
    payload = b'{"task":"send_0","id":"a","args":["ada",{"n":1}],"kwargs":{"cc":"bob"}}'
    backend.task_at = lambda *_: replace(row, payload=payload, size=len(payload))
    async with running(backend, start=DEAD) as pilot:
        app = pilot.app
        await until_shown(app, "id-00000000")
        await pilot.press("c")
        await until_shown(app, '["ada", {"n": 1}]')
        await pilot.press("enter")
        await until(lambda: app.backend.applied)
        (command,) = app.backend.applied
        assert (command.task, command.args, command.kwargs) == ("send_0", ("ada", {"n": 1}), {"cc": "bob"})


async def test_the_read_only_console_asks_nothing_and_offers_nothing_that_writes():
    backend = full()
    places = [
        Place(),
        DEAD,
        PENDING,
        DELAYED,
        *(Place(view=v) for v in ("delayed", "failures", "schedules", "workers")),
    ]
    async with running(backend, read_only=True) as pilot:
        app = pilot.app
        for place in places:
            await app.desk.go(place)
            await until(lambda: app.desk.view.grid.selected is not None)
            await pilot.press(*"rxsdDMcKpPeAtuQzZU", "escape")
            await until(lambda: not [worker for worker in app.workers if worker.group == "hands"])
            assert app.screen is app.desk, place
        assert "this console was started read-only" in text_of(app)
    assert backend.applied == []
    assert backend.foresights == []
    assert isinstance(backend, FakeBackend)


async def test_the_log_of_commands_shows_what_was_sent_for_actions_first():
    backend = full()
    common = {"at": 1.79e9, "size": 120, "took": 0.002}
    backend.sent = [
        Issued(number=7, name="take.lua", keys=("mail", "{mail}:trash:x"), acting=True, **common),
        Issued(number=8, name="LLEN", keys=("a\x1b[2J",), together=3, answer="no answer", **common),
    ]
    async with running(backend, size=(120, 30)) as pilot:
        await pilot.press("at")
        await until_shown(pilot.app, "commands sent   1 for actions, 1 to show things")
        rows = [line for line in lines_of(pilot.app) if "ACTION" in line or "show  " in line]
        assert "take.lua" in rows[0]
        assert "no answer" in rows[1]
        assert "a␛[2J" in rows[1]
