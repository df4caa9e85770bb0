"""The way from view to view, what is typed after a colon, the palette, copying, saving, searching, the doctor."""

from __future__ import annotations

import itertools
import json

import pytest
from textual.events import MouseScrollDown

from taskconsole.console.context import Context
from taskconsole.console.dialogs.chooser import Chooser
from taskconsole.console.place import Place
from taskconsole.model.search import Progress
from taskconsole.model.state import State
from tests.console.fake_backend import FakeBackend, queue
from tests.console.screens import lines_of, running, text_of, until, until_shown
from tests.console.still_life import StillLife


def busy():
    backend = FakeBackend()
    backend.task_counts = {("emails", State.PENDING): 40, ("reports", State.DEAD): 3, ("", State.DELAYED): 7}
    return backend


def view(pilot):
    return pilot.app.desk.view.NAME


async def test_numbers_open_views_enter_goes_inside_and_escape_comes_back():
    async with running(busy()) as pilot:
        await pilot.press("enter")
        await until(lambda: view(pilot) == "tasks")
        await until_shown(pilot.app, "id-00000000")
        await pilot.press("enter")
        await until(lambda: view(pilot) == "task")
        await pilot.press("escape")
        await until(lambda: view(pilot) == "tasks")
        await pilot.press("escape")
        await until(lambda: view(pilot) == "queues")
        await pilot.press("3")
        await until_shown(pilot.app, "OVERDUE")
        await pilot.press("minus")
        await until(lambda: view(pilot) == "queues")
        await pilot.press("minus")
        await until(lambda: view(pilot) == "delayed")


async def test_q_inside_a_view_leaves_the_view_and_not_the_console():
    async with running(busy()) as pilot:
        await pilot.press("enter")
        await until(lambda: view(pilot) == "tasks")
        await pilot.press("q")
        await until(lambda: view(pilot) == "queues")
        assert not pilot.app._exit


async def test_a_typed_command_goes_there_and_is_completed_and_remembered():
    async with running(busy()) as pilot:
        await pilot.press("colon", *"tasks re", "tab")
        await until(lambda: pilot.app.desk.prompt.field.value == "tasks reports")
        await pilot.press(*" dead", "enter")
        await until_shown(pilot.app, "TimeoutError")
        assert pilot.app.desk.view.place == Place(view="tasks", queue="reports", state=State.DEAD)
        await pilot.press("colon", "up")
        await until(lambda: pilot.app.desk.prompt.field.value == "tasks reports dead")
        await pilot.press("escape", "colon", *"quues", "enter")
        await until_shown(pilot.app, "did you mean 'queues'?")
        assert view(pilot) == "tasks"


async def test_the_console_starts_where_it_is_told_to():
    start = Place(view="tasks", queue="reports", state=State.DEAD)
    async with running(busy(), start=start) as pilot:
        await until_shown(pilot.app, "TimeoutError")


async def test_the_palette_lists_actions_with_their_keys_and_carries_them_out():
    async with running(busy()) as pilot:
        await pilot.press("ctrl+p")
        await until(lambda: isinstance(pilot.app.screen, Chooser))
        await pilot.press(*"overdue first")
        await until_shown(pilot.app, "Delayed tasks of all queues")
        await pilot.press("enter")
        await until(lambda: view(pilot) == "delayed")


async def test_the_palette_does_things_to_what_is_selected():
    async with running(busy()) as pilot:
        await pilot.press("ctrl+p")
        await until(lambda: isinstance(pilot.app.screen, Chooser))
        await pilot.press(*"purge", "enter")
        await until_shown(pilot.app, "type emails")


async def test_everything_the_palette_offers_can_be_carried_out():
    async with running(busy()) as pilot:
        await pilot.press("ctrl+p")
        await until(lambda: isinstance(pilot.app.screen, Chooser))
        names = [option.name for option in pilot.app.screen._options]
        await pilot.press("escape")
        assert {"pause/resume", "filter", "find", "Tasks", "mark", "wide"} <= set(names)


async def test_copying_says_where_it_went(monkeypatch, tmp_path):
    for name in ("TMUX", "STY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("HOME", str(tmp_path))
    async with running(busy()) as pilot:
        await pilot.press("y")
        await until_shown(pilot.app, "copied name (6 characters) to ")
        assert (tmp_path / "taskconsole-clip.txt").read_text() == "emails"
        await pilot.press("2")
        await until_shown(pilot.app, "id-00000000")
        await pilot.press("enter")
        await until(lambda: view(pilot) == "task")
        await pilot.press("Y")
        await until(lambda: isinstance(pilot.app.screen, Chooser))
        await pilot.press(*"payload", "enter")
        await until_shown(pilot.app, "copied payload")
        assert json.loads((tmp_path / "taskconsole-clip.txt").read_text())["id"] == "id-00000000"


async def test_what_a_view_shows_is_saved(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    async with running(busy()) as pilot:
        await pilot.press("colon", *"export csv", "enter")
        await until_shown(pilot.app, "saved as ")
        (saved,) = tmp_path.glob("*.csv")
        lines = saved.read_text().splitlines()
        assert lines[0].startswith("QUEUE,STATE,PENDING")
        assert len(lines) == 6
        await pilot.press("colon", *"export json all", "enter")
        await until((tmp_path / "all.json").exists)
        assert json.loads((tmp_path / "all.json").read_text().splitlines()[0])["QUEUE"] == "billing"
        await pilot.press("colon", *"export svg", "enter")
        await until(lambda: list(tmp_path.glob("*.svg")))


async def test_a_search_shows_what_it_finds_as_it_goes_and_ends_when_told_to():
    backend = busy()
    row = backend.task_at("reports", State.DEAD, 5)
    more = backend.task_at("reports", State.DEAD, 6)
    backend.progresses = itertools.chain(
        [
            Progress(looked=1000, total=4000, found=(row,)),
            Progress(looked=2000, total=4000, found=(more,)),
        ],
        # Without end: only the key ends it.
        itertools.repeat(Progress(looked=3000, total=4000, found=())),
    )
    async with running(backend) as pilot:
        await pilot.press("ctrl+f", *"read timed", "enter")
        await until_shown(pilot.app, "looked at 3,000 of 4,000, 2 found   75%   esc ends it")
        await until_shown(pilot.app, "id-00000006"[-12:])
        await pilot.press("escape")
        await until_shown(pilot.app, "ended")
        await until(lambda: pilot.app.feed._looker._query is None)
        ended = backend.reported
        await pilot.pause(0.2)
        assert backend.reported <= ended + 1
        assert view(pilot) == "find"
        await pilot.press("escape")
        await until(lambda: view(pilot) == "queues")


async def test_the_doctor_lists_every_verdict_with_its_remedy():
    async with running(busy(), size=(120, 40)) as pilot:
        await pilot.press("exclamation_mark")
        await until_shown(pilot.app, "evidence")
        for text in ("CRIT", "no workers", "NO WORKERS, 12,001 pending", "taskconsole --headless worker"):
            assert text in text_of(pilot.app), text
        await pilot.press("enter")
        await until(lambda: view(pilot) == "tasks")
        assert pilot.app.desk.view.place.queue == "emails"


async def test_another_server_is_looked_at_and_nothing_of_the_first_is_left():
    other = FakeBackend([queue("elsewhere", pending=1, workers=1)])
    other.address = "10.0.0.9:6379/0"
    first = busy()
    contexts = [
        Context(name="dev", connect=lambda: first, address=first.address),
        Context(name="prod", connect=lambda: other, address=other.address, read_only=True),
    ]
    async with running(first, contexts=contexts, context="dev") as pilot:
        await pilot.press("colon", *"ctx prd", "enter")
        await until_shown(pilot.app, "did you mean 'prod'?")
        await pilot.press("colon", *"ctx prod", "enter")
        await until_shown(pilot.app, "elsewhere")
        shown = text_of(pilot.app)
        assert "10.0.0.9:6379/0" in shown
        assert "[READ-ONLY]" in shown
        assert "emails" not in shown
        await pilot.press("p")
        await pilot.pause()
        assert other.applied == []
        await until(lambda: first.closed)


async def test_a_key_of_the_operators_own():
    async with running(busy(), keymap={"view.delayed": "ctrl+e"}) as pilot:
        await pilot.press("ctrl+e")
        await until(lambda: view(pilot) == "delayed")


async def test_sorting_by_a_column_and_back():
    async with running(busy()) as pilot:
        await pilot.press("exclamation_mark")
        await until_shown(pilot.app, "LEVEL")
        await pilot.press("o")
        await until_shown(pilot.app, "LEVEL^")
        await pilot.press("O")
        await until_shown(pilot.app, "LEVELv")
        levels = [row.level for row in pilot.app.desk.view.grid.rows]
        assert levels == sorted(levels, key=["note", "warning", "critical"].index)


async def test_the_header_names_the_context_and_costs_stand_still():
    backend = FakeBackend()
    async with running(backend, context="prod-eu") as pilot:
        await until_shown(pilot.app, "prod-eu  127.0.0.1:6379/0")
        await pilot.press("ctrl+r")
        await until_shown(pilot.app, " cmd/s")


async def test_a_wide_footer_offers_more_keys():
    async with running(size=(160, 45)) as pilot:
        for text in ("o sort", "space mark", "! doctor"):
            assert text in lines_of(pilot.app)[-1], text
    async with running(size=(80, 24)) as pilot:
        assert "doctor" not in lines_of(pilot.app)[-1]


@pytest.mark.parametrize("keys", [(), ("question_mark",), ("ctrl+p",), ("2",), ("8",), ("7",)])
async def test_ascii_is_all_that_is_drawn_where_there_is_nothing_else(keys):
    async with running(StillLife(), ascii_only=True, size=(80, 24)) as pilot:
        await pilot.press(*keys)
        await until(lambda: "reading" not in text_of(pilot.app))
        assert text_of(pilot.app).isascii()


async def test_on_a_narrow_terminal_every_view_keeps_its_number():
    async with running(size=(60, 15)) as pilot:
        assert lines_of(pilot.app)[1].split() == [
            "1",
            "Queues",
            "2",
            "Tas",
            "3",
            "Del",
            "4",
            "Sch",
            "5",
            "Wor",
            "6",
            "Fai",
            "7",
            "Eve",
            "8",
            "Red",
        ]


async def test_a_mouse_opens_views_and_rows_and_its_wheel_moves_the_cursor():
    async with running(StillLife()) as pilot:
        app = pilot.app
        await pilot.click("#tabs", offset=(40, 0))
        await until(lambda: app.desk.view.NAME == "workers")
        await until_shown(app, "mail-2")
        grid = app.desk.view.grid
        await pilot._post_mouse_events([MouseScrollDown], widget=grid, offset=(5, 3))
        await until(lambda: grid.cursor == 3)
        await pilot.click(grid, offset=(5, 2))
        await until(lambda: grid.cursor == 1)
        await pilot.click(grid, offset=(5, 2))
        await until(lambda: app.desk.view.NAME == "worker")
