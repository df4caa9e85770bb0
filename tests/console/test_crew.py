"""W: a worker beside the console, as the console sees it."""

from __future__ import annotations

from taskconsole.console.crew import Crew
from taskconsole.console.dialogs.hire import HireForm
from tests.console.screens import running, text_of, until, until_shown
from tests.console.test_acting import full


class FakeHire:
    def __init__(self, app, queue, tell):
        self.app, self.queue, self.tell = app, queue, tell
        self.alive, self.drains, self.closed = True, 0, False

    @property
    def state(self):
        return "running, pid 812" if self.alive else "ended"

    def drain(self):
        self.drains += 1
        if self.drains > 1:
            self.alive = False

    def close(self, _wait):
        self.closed = True

    def log(self):
        return ["INFO ready \x1b[2J", "INFO done"]


class Starter:
    def __init__(self):
        self.hired = []

    def __call__(self, app, queue, tell):
        self.hired.append(FakeHire(app, queue, tell))
        return self.hired[-1]


async def test_w_starts_a_worker_for_the_queue_and_then_shows_its_log():
    starter = Starter()
    async with running(full(), crew=Crew(starter), size=(100, 30)) as pilot:
        app = pilot.app
        await pilot.press("W")
        await until(lambda: isinstance(app.screen, HireForm) and app.focused)
        await pilot.press(*"my app", "enter")
        await until_shown(app, "e.g. myapp.tasks:app")
        assert starter.hired == []
        await pilot.press(*["backspace"] * 4, *"app:app")
        await until(lambda: app.focused.value == "myapp:app", what="what was typed is in the field")
        await pilot.press("enter")
        await until_shown(app, "a worker for mail here is running, pid 812; W shows its log")
        (hire,) = starter.hired
        assert (hire.app, hire.queue) == ("myapp:app", "mail")
        hire.tell("the worker for mail here died")
        await until_shown(app, "the worker for mail here died")
        await pilot.press("W")
        await until_shown(app, "INFO ready ␛[2J")
        assert "workers of this console: 1 running" in text_of(app)
        assert len(starter.hired) == 1


async def test_leaving_drains_it_and_a_second_key_ends_it():
    starter = Starter()
    async with running(full(), crew=Crew(starter, "my:app")) as pilot:
        app = pilot.app
        await pilot.press("W")
        await until(lambda: isinstance(app.screen, HireForm) and app.focused)
        await pilot.press("enter")
        await until_shown(app, "W shows its log")
        await pilot.press("q")
        await until_shown(app, "what runs is finished first; once more ends it")
        assert not app._exit
        await pilot.press("ctrl+c")
        await until(lambda: app._exit)
        assert starter.hired[0].drains == 2


async def test_where_no_worker_can_be_started_there_is_no_key():
    for options in ({}, {"crew": Crew(Starter()), "read_only": True}):
        async with running(full(), **options) as pilot:
            await pilot.press("W")
            await pilot.pause()
            assert pilot.app.screen is pilot.app.desk
            assert "worker" not in pilot.app.desk.footer.lines[0][1][0]


async def test_a_locked_console_starts_none():
    starter = Starter()
    async with running(full(loopback=False), crew=Crew(starter)) as pilot:
        await pilot.press("W")
        await until_shown(pilot.app, "locked: U unlocks")
        assert starter.hired == []
