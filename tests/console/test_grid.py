"""The table: where its cursor stays, and how little it paints."""

from __future__ import annotations

import pytest
from textual.app import App

from taskconsole.console.text.table import Column
from taskconsole.console.widgets.grid import Grid
from tests.console.screens import lines_of

COLUMNS = (
    Column(heading="NAME", width=8, text=lambda row, _now, _width: row[0]),
    Column(heading="N", width=6, justify="right", text=lambda row, _now, _width: str(row[1])),
)


class GridApp(App):
    CSS = "Grid { height: 1fr; }"
    ENABLE_COMMAND_PALETTE = False

    def __init__(self):
        super().__init__()
        self.grid = Grid(COLUMNS, lambda row: row[0], empty="nothing here")
        self.moved = []

    def compose(self):
        yield self.grid

    def on_grid_moved(self, message):
        self.moved.append(message.key)


def rows(*names):
    return [(name, 1) for name in names]


@pytest.fixture
async def pilot():
    app = GridApp()
    async with app.run_test(size=(30, 6)) as pilot:
        await pilot.pause()
        yield pilot


async def test_rows_stand_below_a_heading(pilot):
    pilot.app.grid.show([("mail", 12), ("web", 3)], 0.0)
    await pilot.pause()
    assert [line.rstrip() for line in lines_of(pilot.app)[:3]] == [
        "  NAME          N",
        "> mail         12",
        "  web           3",
    ]


async def test_an_empty_table_says_so(pilot):
    pilot.app.grid.show([], 0.0)
    await pilot.pause()
    assert "nothing here" in lines_of(pilot.app)[1]
    assert pilot.app.grid.selected is None
    await pilot.press("j", "k", "G", "g", "pagedown", "ctrl+d")


@pytest.mark.parametrize(
    ("keys", "name"),
    [
        (["j"], "b"),
        (["down", "down"], "c"),
        (["j", "k"], "a"),
        (["up"], "a"),
        (["G"], "z"),
        (["end"], "z"),
        (["G", "g"], "a"),
        (["G", "home"], "a"),
        (["pagedown"], "f"),
        (["pagedown", "pageup"], "a"),
        (["ctrl+d"], "c"),
        (["ctrl+d", "ctrl+d", "ctrl+u"], "c"),
        (["G", "j"], "z"),
    ],
)
async def test_keys_move_the_cursor(pilot, keys, name):
    pilot.app.grid.show(rows(*"abcdefghijklmnopqrstuvwxyz"), 0.0)
    await pilot.press(*keys)
    assert pilot.app.grid.selected[0] == name
    assert any(line.startswith(f"> {name} ") for line in lines_of(pilot.app)), "the cursor is out of sight"


async def test_the_cursor_keeps_its_row_when_rows_come_and_move(pilot):
    grid = pilot.app.grid
    grid.show(rows("b", "c", "d"), 0.0)
    await pilot.press("j")
    grid.show(rows("a", "b", "bb", "c", "d"), 1.0)
    assert grid.selected[0] == "c"
    grid.show(rows("d", "c"), 2.0)
    assert grid.selected[0] == "c"


async def test_the_cursor_keeps_its_place_when_its_row_goes(pilot):
    grid = pilot.app.grid
    grid.show(rows("a", "b", "c"), 0.0)
    await pilot.press("j")
    grid.show(rows("a", "c"), 1.0)
    assert grid.selected[0] == "c"
    grid.show(rows("a"), 2.0)
    assert grid.selected[0] == "a"
    grid.show([], 3.0)
    grid.show(rows("x"), 4.0)
    assert grid.selected[0] == "x"


async def test_rows_do_not_jump_under_the_eye(pilot):
    grid = pilot.app.grid
    names = [f"n{n:02d}" for n in range(40)]
    grid.show(rows(*names), 0.0)
    await pilot.press(*["j"] * 22, "k", "k")
    before = next(y for y, line in enumerate(lines_of(pilot.app)) if line.startswith("> n20"))
    grid.show(rows("a1", "a2", "a3", *names), 1.0)
    await pilot.pause()
    assert lines_of(pilot.app)[before].startswith("> n20")


async def test_the_owner_is_told_when_another_row_is_selected(pilot):
    grid = pilot.app.grid
    grid.show(rows("a", "b"), 0.0)
    await pilot.press("j", "j")
    grid.show(rows("a"), 1.0)
    await pilot.pause()
    assert pilot.app.moved == ["a", "b", "a"]


async def test_only_cells_that_changed_are_refreshed(pilot, monkeypatch):
    grid = pilot.app.grid
    grid.show([("mail", 121), ("web", 3)], 0.0)
    await pilot.pause()
    refreshed = []
    monkeypatch.setattr(grid, "refresh", lambda *regions, **_: refreshed.extend(tuple(r) for r in regions))
    grid.show([("mail", 123), ("web", 3)], 1.0)
    assert refreshed == [(16, 1, 1, 1)]
    grid.show([("mail", 123), ("web", 3)], 2.0)
    assert refreshed == [(16, 1, 1, 1)]


async def test_only_what_is_seen_is_computed(pilot):
    computed = []

    class Counted(list):
        def __getitem__(self, index):
            computed.append(index)
            return super().__getitem__(index)

    many = Counted(rows(*(str(n) for n in range(100_000))))
    pilot.app.grid.show(many, 0.0)
    await pilot.pause()
    assert len(computed) < 50


async def test_nothing_unsafe_leaves_the_grid_even_if_a_column_forgets(pilot):
    pilot.app.grid.show([("\x1b]0;x\x07", 1), ("\x9b2J", 2)], 0.0)
    await pilot.pause()
    assert all(line.isprintable() for line in lines_of(pilot.app))


async def test_a_click_selects(pilot):
    pilot.app.grid.show(rows("a", "b", "c"), 0.0)
    await pilot.pause()
    await pilot.click(Grid, offset=(3, 2))
    assert pilot.app.grid.selected[0] == "b"
    await pilot.click(Grid, offset=(3, 0))
    await pilot.click(Grid, offset=(3, 5))
    assert pilot.app.grid.selected[0] == "b"
