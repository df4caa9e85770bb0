"""Rules that hold for all of the console's source: what it may import, and what no widget may be given."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import taskconsole.console
from taskconsole.console import actions
from taskconsole.console.views.catalogue import VIEWS

SOURCES = sorted(Path(taskconsole.console.__file__).parent.rglob("*.py"))
FORBIDDEN_WIDGETS = {
    "Static",
    "Label",
    "DataTable",
    "Header",
    "Footer",
    "LoadingIndicator",
    "RichLog",
    "Log",
    "Markdown",
}
FORBIDDEN_CALLS = {"notify", "call_from_thread", "from_markup"}
FORBIDDEN_ATTRIBUTES = {"border_title", "border_subtitle", "tooltip", "loading"}
ALLOWED = (
    "taskconsole.console",
    "taskconsole.model",
    "taskconsole.errors",
    "taskconsole.backends.base",
    "taskconsole.backends.commands",
    "taskconsole.backends.spelling",
)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_no_markup_no_notifications_no_stock_tables(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            assert name not in FORBIDDEN_WIDGETS | FORBIDDEN_CALLS, f"{path.name}:{node.lineno}"
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = {t.attr for t in targets if isinstance(t, ast.Attribute)}
            assert not names & FORBIDDEN_ATTRIBUTES, f"{path.name}:{node.lineno}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_the_console_knows_neither_redis_nor_the_other_half(path):
    for node in ast.walk(ast.parse(path.read_text())):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        for name in names:
            assert not name.startswith("redis")
            assert not name.startswith("taskconsole") or name.startswith(ALLOWED), f"{path.name}: {name}"


def every_action():
    return [action for group in actions.GROUPS.values() for action in group]


def together():
    """The groups whose keys must not meet: what works everywhere, with what one view adds to it."""
    always = [*actions.VIEWS, *actions.EVERYWHERE]
    moving = [*actions.MOTIONS, *actions.MARKS, *actions.SIDEWAYS]
    sorting = [a for a in actions.TABLE if a.id != "table.open"]
    views = [
        [*always, *moving, *actions.QUEUES, *actions.QUEUE, *sorting],
        [*always, *moving, *actions.TABLE, *actions.TASKS, *actions.TASK, *actions.QUEUE, *actions.MATCHING],
        [*always, *moving, *actions.TABLE, *actions.SCHEDULE],
        [*always, *moving, *actions.TABLE, *actions.WORKER],
        [*always, *actions.MOTIONS, *actions.LOG],
        [*always, *actions.MOTIONS, *actions.DETAIL, *actions.TASK],
        [*always, *actions.MOTIONS, *actions.DETAIL, *actions.SCHEDULE],
        [*always, *actions.MOTIONS, *actions.DETAIL, *actions.WORKER],
    ]
    return [*views, *([*view, *actions.REPLAY] for view in views)]


def test_every_action_has_an_id_a_key_and_a_sentence():
    found = every_action()
    assert len({a.id for a in found}) == len(found)
    for action in found:
        assert action.tooltip.endswith(".")
        assert len(action.tooltip) <= 60, action.tooltip


@pytest.mark.parametrize(
    "meeting", together(), ids=lambda meeting: "+".join(dict.fromkeys(a.id.partition(".")[0] for a in meeting))
)
def test_no_key_means_two_things_in_one_place(meeting):
    keys = [key for a in meeting for key in a.key.split(",")]
    assert len(set(keys)) == len(keys)


def test_no_key_that_a_terminal_or_tmux_takes():
    keys = {key for a in every_action() for key in a.key.split(",")}
    assert not keys & {
        "ctrl+a",
        "ctrl+b",
        "ctrl+h",
        "ctrl+i",
        "ctrl+j",
        "ctrl+m",
        "ctrl+s",
        "ctrl+q",
    }
    assert not [key for key in keys if "alt" in key or re.fullmatch(r"f\d+", key)]


def test_every_view_offers_the_groups_its_help_shows():
    for view in VIEWS.values():
        shown = {action.id for name in view.GROUPS for action in actions.GROUPS[name]}
        assert {action.id for action in view.ACTIONS} <= shown | {a.id for a in actions.TABLE}, view


def test_bindings_carry_id_and_tooltip():
    for binding, action in zip(actions.bindings(actions.QUEUES), actions.QUEUES, strict=True):
        assert (binding.id, binding.key, binding.tooltip) == (action.id, action.key, action.tooltip)


def test_the_key_table_names_every_action():
    table = actions.key_table()
    for action in every_action():
        assert f"`{action.key_text}`".replace("|", "\\|") + f" | {action.tooltip} |" in table


def test_whatever_writes_says_what_it_needs():
    for action in every_action():
        writes = action.danger > actions.Danger.NONE
        assert writes == (bool(action.verb) or action.id in {"app.undo", "app.undos"})
        assert not writes or action.needs or action.verb == "hire"


WIDGETS = [
    path for path in SOURCES if path.parent.name in {"widgets", "views", "dialogs"} or path.stem in {"desk", "app"}
]


@pytest.mark.parametrize("path", WIDGETS, ids=lambda path: path.stem)
def test_no_method_is_taken_for_a_key(path):
    """Textual calls `key_x` and `_key_x` of a widget when x is pressed; `at` is a key, too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert not node.name.startswith(("key_", "_key_")), f"{path.name}:{node.lineno}"
