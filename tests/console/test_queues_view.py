"""The queues screen with a person at the keys."""

from __future__ import annotations

import re

import pytest
from rich.cells import cell_len

from taskconsole.backends.base import Can
from taskconsole.backends.commands import Enqueue, PauseQueue, ResumeQueue
from taskconsole.console.dialogs.enqueue import EnqueueForm
from taskconsole.console.dialogs.help import HelpScreen
from taskconsole.errors import AccessDenied, StoreFull, StoreUnavailable
from taskconsole.model.definition import Definition
from taskconsole.model.event import Event, EventKind
from taskconsole.model.schedule import Every
from taskconsole.model.schedule_info import ScheduleInfo
from taskconsole.model.state import State
from taskconsole.model.stats import WorkerInfo
from tests.console.fake_backend import FakeBackend, queue
from tests.console.hostile_texts import HOSTILE
from tests.console.screens import lines_of, running, text_of, until, until_shown


async def test_eighty_by_twenty_four_is_complete():
    async with running() as pilot:
        lines = lines_of(pilot.app)
    assert len(lines) == 24
    assert lines[0].startswith(" 127.0.0.1:6379/0   [RW]   LIVE 1s   rtt <1ms")
    assert lines[0].rstrip().endswith("Z")
    assert lines[1].startswith(" 1 Queues 2 Tasks 3 Delayed 4 Schedules 5 Workers 6 Failures 7 Events 8 Redis")
    assert re.match(r" CRIT emails: NO WORKERS, 12,001 pending, oldest 14m\d\ds   \+3 more", lines[2])
    assert lines[3].startswith(" fix  taskconsole --headless worker -A yourapp:app -q emails ")
    assert lines[4].split() == [
        "QUEUE",
        "STATE",
        "PENDING",
        "ACTIVE",
        "DELAYED",
        "DEAD",
        "OLDEST",
        "IN/s",
        "OUT/s",
    ]
    assert lines[7].split() == [
        ">",
        "emails",
        "NO",
        "WORKERS",
        "12,001",
        "0",
        "310",
        "2",
        "14m",
        "9.8",
        "0.0",
    ]
    assert "emails   3 of 5" in lines[11]
    assert lines[13].startswith(" why     12,001 tasks wait and no worker serves this queue")
    assert "events" in lines[15]
    assert lines[23].startswith(" enter open   e enqueue")
    assert "p pause/resume" in lines[23]


@pytest.mark.parametrize("size", [(60, 15), (80, 24), (100, 30), (120, 40), (160, 45), (200, 60)])
async def test_nothing_overflows_at_any_size(size):
    async with running(size=size) as pilot:
        await until_shown(pilot.app, "emails")
        lines = lines_of(pilot.app)
        shown = text_of(pilot.app)
    assert {cell_len(line) for line in lines} == {size[0]}
    assert "e enqueue" in lines[-1]
    assert "NO WORKERS" in shown
    assert "events" in shown
    assert ("OVERDUE" in shown) == (size[0] >= 100)
    assert ("TREND 5m" in shown) == (size[0] >= 160)
    assert ("why" in shown) == (size[1] >= 20)
    assert ("next due" in shown) == (size[0] >= 160)


@pytest.mark.parametrize("size", [(59, 24), (80, 14), (30, 5)])
async def test_a_tiny_terminal_gets_one_line(size):
    async with running(size=size) as pilot:
        lines = [line for line in lines_of(pilot.app) if line.strip()]
    assert len(lines) == 1
    keys = "  only ? ^R q ^C"
    assert lines[0].startswith("LIVE 1s  CRIT emails: NO WO"[: size[0] - len(keys) - 1])
    assert lines[0].rstrip().endswith(keys)


async def test_the_screen_follows_the_terminals_size():
    async with running() as pilot:
        await pilot.resize_terminal(160, 45)
        await until_shown(pilot.app, "TREND 5m")
        await pilot.resize_terminal(50, 10)
        await until(lambda: len([line for line in lines_of(pilot.app) if line.strip()]) == 1)
        await pilot.resize_terminal(80, 24)
        await until_shown(pilot.app, "e enqueue")
        assert "TREND 5m" not in text_of(pilot.app)


async def test_the_cursor_starts_where_help_is_needed_and_then_stays():
    async with running() as pilot:
        app = pilot.app
        assert app.queues.grid.selected.stats.name == "emails"
        await pilot.press("k")
        app.backend.queues.insert(0, queue("aaa"))
        await pilot.press("ctrl+r")
        await until_shown(app, "aaa")
        assert app.queues.grid.selected.stats.name == "default"


async def test_the_details_are_of_the_selected_queue():
    async with running() as pilot:
        await pilot.press("g")
        await until_shown(pilot.app, "paused by ana@ops1 9m")
        await until_shown(pilot.app, "p resumes it")
        await pilot.press("j")
        await until_shown(pilot.app, "15 of 32 slots at work")


async def test_p_pauses_and_the_row_changes_when_a_reading_says_so():
    async with running() as pilot:
        app = pilot.app
        await pilot.press("j")
        app.backend.gate.clear()
        await pilot.press("p")
        await until(lambda: app.backend.applied)
        await until_shown(app, "Z  paused reports")
        row = next(line for line in lines_of(app) if line.startswith("> reports"))
        assert "SATURATED" in row
        app.backend.gate.set()
        await until_shown(app, "> reports         PAUSED")
        (command,) = app.backend.applied
        assert isinstance(command, PauseQueue)
        assert command.queue == "reports"
        assert "@" in command.by


async def test_p_on_a_paused_queue_resumes_it():
    async with running() as pilot:
        await pilot.press("g", "p")
        await until_shown(pilot.app, "resumed billing")
        assert isinstance(pilot.app.backend.applied[0], ResumeQueue)
        await until_shown(pilot.app, "> billing         BUSY")


async def test_a_refusal_is_shown():
    async with running() as pilot:
        pilot.app.backend.apply_failure = StoreFull("memory is full \x1b]0;x\x07")
        await pilot.press("p")
        await until_shown(pilot.app, "refused: memory is full ␛]0;x␇")


async def test_a_task_is_enqueued_by_the_form():
    async with running() as pilot:
        app = pilot.app
        await pilot.press("e")
        await until(lambda: isinstance(app.screen, EnqueueForm) and app.focused)
        await until_shown(app, "queue    emails")
        await pilot.press(*"send", "tab", *"[1,")
        await until_shown(app, "args: Expecting value at column 4")
        await pilot.press("enter")
        assert isinstance(app.screen, EnqueueForm)
        await pilot.press(*"2]", "tab", *'{"a":1}', "tab", *"5m")
        await until_shown(app, "enter enqueues")
        await pilot.press("enter")
        await until_shown(app, "enqueued send on emails")
        assert app.backend.applied == [Enqueue(queue="emails", task="send", args=(1, 2), kwargs={"a": 1}, delay=300.0)]
        assert app.screen is app.desk


async def test_a_bare_payload_by_the_form():
    async with running() as pilot:
        app = pilot.app
        await pilot.press("e")
        await until(lambda: isinstance(app.screen, EnqueueForm) and app.focused)
        await pilot.press(*"task1", "up")
        await pilot.press(*["backspace"] * 6, *"x", "down", "down", "down", "down", "down", "space")
        await until_shown(app, "[x]")
        await pilot.press("enter")
        await until_shown(app, "enqueued task1 on x")
        assert app.backend.applied == [Enqueue(queue="x", task="task1", bare=True)]


async def test_a_double_press_opens_one_form():
    async with running() as pilot:
        pilot.app.desk.action_act("enqueue")
        pilot.app.desk.action_act("enqueue")
        await until(lambda: isinstance(pilot.app.screen, EnqueueForm) and pilot.app.focused)
        await pilot.pause()
        assert len(pilot.app.screen_stack) == 2


async def test_escape_enqueues_nothing():
    async with running() as pilot:
        await pilot.press("e")
        await until(lambda: isinstance(pilot.app.screen, EnqueueForm) and pilot.app.focused)
        await pilot.press(*"send", "escape")
        await until(lambda: pilot.app.screen is pilot.app.desk)
        assert pilot.app.backend.applied == []


async def test_the_form_enqueues_on_the_very_queue_however_its_name_looks():
    name = "a\x1b[2Jb"
    async with running(FakeBackend([queue(name, workers=1)])) as pilot:
        await pilot.press("e")
        await until_shown(pilot.app, "queue    a␛[2Jb")
        assert all(line.isprintable() for line in lines_of(pilot.app))
        await pilot.press(*"t", "enter")
        await until(lambda: pilot.app.backend.applied)
        assert pilot.app.backend.applied[0].queue == name


async def test_help_lists_every_key_and_goes_back():
    async with running() as pilot:
        await pilot.press("question_mark")
        await until(lambda: isinstance(pilot.app.screen, HelpScreen))
        await until_shown(pilot.app, "Enqueue a task")
        for text in ("Pause the selected queue", "PgDn", "ctrl+r", "NO WORKERS", "esc goes back"):
            while text not in text_of(pilot.app):
                before = text_of(pilot.app)
                await pilot.press(*["j"] * 10)
                await pilot.pause()
                assert text_of(pilot.app) != before, text
        await pilot.press("escape")
        await until(lambda: pilot.app.screen is pilot.app.desk)


async def test_help_scrolls_on_a_low_terminal():
    async with running(size=(80, 16)) as pilot:
        await pilot.press("question_mark")
        await until_shown(pilot.app, "Enqueue a task")
        assert "esc goes back" not in text_of(pilot.app)
        await pilot.press(*["j"] * 90)
        await until_shown(pilot.app, "esc goes back")
        await pilot.press(*["k"] * 90)
        await until_shown(pilot.app, "Enqueue a task")


@pytest.mark.parametrize("key", ["q", "ctrl+c"])
async def test_q_leaves(key):
    async with running() as pilot:
        await pilot.press(key)
        await until(lambda: pilot.app._exit)
    assert pilot.app.return_code == 0
    assert pilot.app.feed._stopping.is_set()


async def test_read_only_has_no_keys_that_write():
    async with running(read_only=True) as pilot:
        await pilot.press("p", "e")
        await pilot.pause()
        assert pilot.app.screen is pilot.app.desk
        assert pilot.app.backend.applied == []
        assert "[READ-ONLY]" in lines_of(pilot.app)[0]
        assert "enqueue" not in lines_of(pilot.app)[-1]


async def test_what_the_backend_cannot_do_has_no_key():
    async with running(FakeBackend(can=Can.PAUSE)) as pilot:
        await pilot.press("e")
        await pilot.pause()
        assert pilot.app.screen is pilot.app.desk
        assert "enqueue" not in lines_of(pilot.app)[-1]
        assert "pause" in lines_of(pilot.app)[-1]


async def test_a_lost_connection_keeps_everything_and_says_so():
    async with running(offer="taskconsole demo shows it") as pilot:
        app = pilot.app
        app.backend.failure = StoreUnavailable("timed out after 2.0s")
        await pilot.press("ctrl+r")
        await until_shown(app, "DISCONNECTED")
        lines = lines_of(app)
        assert "retry" in lines[0]
        assert lines[2].startswith(" STALE  figures of ")
        assert "timed out after 2.0s" in lines[2]
        assert not any("taskconsole demo" in line for line in lines), "there is a Redis to come back"
        assert lines[7].split() == [">", "emails", "?", "12,001", "0", "310", "2", "14m", "?", "?"]
        await pilot.press("p")
        await until_shown(app, "not connected: nothing was sent")
        assert app.backend.applied == []
        app.backend.failure = None
        app.backend.run_id = "b" * 40
        await pilot.press("ctrl+r")
        await until_shown(app, "LIVE 1s")
        await until_shown(app, "another server answers: restart or failover")
        assert "NO WORKERS" in lines_of(app)[7]


async def test_the_age_of_old_figures_moves_on():
    async with running() as pilot:
        pilot.app.backend.failure = StoreUnavailable("gone")
        await pilot.press("ctrl+r")
        await until_shown(pilot.app, "1s old")
        await until_shown(pilot.app, "2s old")


async def test_no_server_at_the_start():
    attempts = []

    def connect():
        attempts.append(1)
        raise StoreUnavailable("connection refused")

    async with running(connect=connect, offer="taskconsole demo   starts an embedded server") as pilot:
        await until_shown(pilot.app, "DISCONNECTED")
        lines = lines_of(pilot.app)
        assert lines[2].startswith(" connection refused")
        assert lines[3].startswith(" taskconsole demo   starts an embedded server")
        await until(lambda: len(attempts) >= 3)


async def test_a_refused_password_waits_for_a_key():
    attempts = []

    def connect():
        attempts.append(1)
        raise AccessDenied("WRONGPASS invalid username-password pair")

    async with running(connect=connect) as pilot:
        await until_shown(pilot.app, "ACCESS DENIED   ctrl+r tries again")
        await until_shown(pilot.app, "WRONGPASS")
        assert len(attempts) == 1
        await pilot.press("ctrl+r")
        await until(lambda: len(attempts) == 2)


async def test_events_arrive_in_the_log():
    async with running() as pilot:
        pilot.app.backend.publish(
            Event(kind=EventKind.DIED, at=1.79e9, queue="mail", task="send", id="abc", text="KeyError: 'x'")
        )
        await until_shown(pilot.app, "14:13:20 mail       DIED        send             abc      KeyError: 'x'")


async def test_tab_goes_to_the_events_and_back():
    async with running() as pilot:
        await pilot.press("tab")
        await until_shown(pilot.app, "> events")
        await pilot.press("tab")
        await until(lambda: pilot.app.queues.grid.has_focus)


async def test_no_queue_yet():
    async with running(FakeBackend([])) as pilot:
        await until_shown(pilot.app, "no queue yet: enqueue a task, or LPUSH one")
        await pilot.press("p")
        await until_shown(pilot.app, "no queue is selected")


async def test_the_details_of_a_queue_that_is_gone_are_gone():
    async with running(FakeBackend([queue("mail", workers=1)])) as pilot:
        await until_shown(pilot.app, "mail   1 of 1")
        pilot.app.backend.queues = []
        await pilot.press("ctrl+r")
        await until(lambda: "mail" not in text_of(pilot.app))


async def test_ascii_means_ascii():
    async with running(ascii_only=True, size=(160, 45)) as pilot:
        await until_shown(pilot.app, "emails")
        assert text_of(pilot.app).isascii()


async def test_hostile_texts_are_text():
    names = [f"{n}{text}" for n, text in enumerate(HOSTILE)]
    backend = FakeBackend([queue(name, pending=1, trouble=text) for name, text in zip(names, HOSTILE, strict=True)])
    async with running(backend, size=(160, 60)) as pilot:
        app = pilot.app
        backend.publish(*(Event(kind=EventKind.MESSAGE, at=1.0, queue=t, task=t, id=t, text=t) for t in HOSTILE))
        await until_shown(app, "[@click=app.quit]OK[/]")
        for y in range(4, 40):
            await pilot.click(offset=(4, y))
        assert all(line.isprintable() for line in lines_of(app))
        assert not app._exit


async def test_a_wide_terminal_shows_what_is_due_and_who_works():
    backend = FakeBackend()
    now = backend.clock()
    backend.task_counts["", State.DELAYED] = 3
    backend.schedule_infos = [
        ScheduleInfo(
            name="nightly",
            queue="billing",
            definition=Definition(schedule=Every(60), task="bill"),
            raw=b"",
            next_at=now + 3,
        )
    ]
    backend.worker_infos = [
        WorkerInfo(id="w-1", queue="default", concurrency=4, active=2, seen=now, lease_until=now + 900)
    ] + [
        WorkerInfo(
            id=f"mail-{n}",
            queue="emails",
            concurrency=4,
            active=1,
            seen=now,
            lease_until=now + 900,
            running=(("id-1", "build", 62.0),),
        )
        for n in range(9)
    ]
    async with running(backend, size=(160, 45)) as pilot:
        await until_shown(pilot.app, "nightly")
        lines = lines_of(pilot.app)
        rule = next(i for i, line in enumerate(lines) if "emails: why" in line)
        assert "next due" in lines[rule]
        assert "CRIT NO WORKERS" in lines[rule + 2]
        due = [line[56:104] for line in lines[rule + 1 : rule + 5]]
        assert "OVERDUE send_0" in due[0]
        assert ["nightly" in line for line in due] == [False, True, False, False], "by the time they are due"
        assert "every 1m" in due[1]
        workers = [line[104:] for line in lines[rule + 1 : rule + 8]]
        assert "mail-0" in workers[0], "those of the selected queue first"
        assert "BUSY       1/4" in workers[0]
        assert "1m02s build" in workers[0]
        assert "4 more: 5 shows all" in workers[-1]
        await pilot.resize_terminal(100, 40)
        await until(lambda: "next due" not in text_of(pilot.app))
        assert pilot.app.desk.view.question is None
