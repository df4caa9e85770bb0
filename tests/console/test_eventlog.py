"""The event log: what it keeps, what it shows of a flood, and when it holds still."""

from __future__ import annotations

import pytest
from textual.app import App

from taskconsole.console.widgets.eventlog import RING, EventLog
from taskconsole.model.event import Event, EventKind
from tests.console.screens import lines_of, text_of


class LogApp(App):
    CSS = "EventLog { height: 1fr; }"
    ENABLE_COMMAND_PALETTE = False

    def __init__(self):
        super().__init__()
        self.log_widget = EventLog()

    def compose(self):
        yield self.log_widget


def made(first, last, kind=EventKind.DONE):
    return [Event(kind=kind, at=1.79e9 + n, queue="q", task=f"task{n}", id=f"{n:08d}") for n in range(first, last)]


@pytest.fixture
async def pilot():
    app = LogApp()
    async with app.run_test(size=(80, 8)) as pilot:
        app.log_widget.focus()
        await pilot.pause()
        yield pilot


def tasks(app):
    return [line.split()[3] for line in lines_of(app)[1:] if line.strip()]


async def test_the_newest_event_is_on_top(pilot):
    pilot.app.log_widget.add(made(0, 3), 0, 1.0)
    pilot.app.log_widget.add(made(3, 5), 0, 1.0)
    await pilot.pause()
    assert tasks(pilot.app) == ["task4", "task3", "task2", "task1", "task0"]


async def test_scrolling_holds_still_while_events_come(pilot):
    log = pilot.app.log_widget
    log.add(made(0, 20), 0, 1.0)
    await pilot.press("j", "j")
    assert tasks(pilot.app)[0] == "task17"
    log.add(made(20, 25), 0, 1.0)
    await pilot.pause()
    assert tasks(pilot.app)[0] == "task17"
    assert "held 7 back" in text_of(pilot.app)
    await pilot.press("f")
    assert tasks(pilot.app)[0] == "task24"
    await pilot.press("G")
    assert tasks(pilot.app)[-1] == "task0"
    await pilot.press("g")
    log.add(made(25, 26), 0, 1.0)
    await pilot.pause()
    assert tasks(pilot.app)[0] == "task25"


async def test_pages(pilot):
    pilot.app.log_widget.add(made(0, 40), 0, 1.0)
    await pilot.press("pagedown")
    assert tasks(pilot.app)[0] == "task32"
    await pilot.press("pageup")
    assert tasks(pilot.app)[0] == "task39"
    await pilot.press("ctrl+d")
    assert tasks(pilot.app)[0] == "task36"
    await pilot.press("ctrl+u", "k")
    assert tasks(pilot.app)[0] == "task39"


async def test_a_flood_is_sampled_and_says_so(pilot):
    log = pilot.app.log_widget
    log.add(made(0, 5_000), 0, 1.0)
    await pilot.pause()
    assert "5,000/s, showing 1 in 100" in text_of(pilot.app)
    assert len(log._ring) == 50
    log.add(made(0, 10), 0, 1.0)
    await pilot.pause()
    assert "showing" not in text_of(pilot.app)


async def test_what_nobody_kept_counts(pilot):
    log = pilot.app.log_widget
    log.add(made(0, 10_000), 90_000, 1.0)
    await pilot.pause()
    assert "100,000/s, showing 1 in 2,000" in text_of(pilot.app)
    assert log.total == 100_000


async def test_trouble_is_not_lost_in_a_flood(pilot):
    log = pilot.app.log_widget
    flood = made(0, 3_000)
    flood[1_777] = made(1_777, 1_778, EventKind.DIED)[0]
    log.add(flood, 0, 1.0)
    assert [e.kind for e in log._ring].count(EventKind.DIED) == 1


async def test_memory_is_bounded(pilot):
    log = pilot.app.log_widget
    for n in range(300):
        log.add(made(n * 50, n * 50 + 50), 0, 1.0)
    assert len(log._ring) == RING
    await pilot.press("G")
    assert tasks(pilot.app)[-1] == "task5000"


async def test_the_title_says_where_the_keys_go(pilot):
    assert "> events" in text_of(pilot.app)
    pilot.app.set_focus(None)
    await pilot.pause()
    assert "> events" not in text_of(pilot.app)
