"""The operator's own keys."""

from __future__ import annotations

from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.app import App
from textual.binding import Binding, BindingType

from taskconsole.console.keymap import check_keymap
from taskconsole.errors import ConfigError
from tests.console.test_console_rules import every_action

ACTIONS = [
    ("app.help", "question_mark"),
    ("app.quit", "q,ctrl+c"),
    ("app.back", "escape"),
    ("view.queues", "1"),
    ("move.down", "j,down"),
    ("move.up", "k,up"),
    ("queues.pause", "p"),
    ("queues.purge", "P"),
    ("schedules.trigger", "t"),
    ("tasks.delete", "d"),
    ("tasks.unmark", "escape"),
    ("workers.drain", "d"),
]


@pytest.mark.parametrize(
    ("typed", "key"),
    [
        ("x", "x"),
        ("X", "X"),
        ("?", "question_mark"),
        ("question_mark", "question_mark"),
        ("!", "exclamation_mark"),
        ("/", "slash"),
        (",", "comma"),
        ("+", "plus"),
        ("-", "minus"),
        ("ctrl+x", "ctrl+x"),
        ("Ctrl+X", "ctrl+x"),
        ("shift+ctrl+left", "ctrl+shift+left"),
        ("ctrl++", "ctrl+plus"),
        ("alt+x", "alt+x"),
        ("ctrl+\\", "ctrl+backslash"),
        ("F5", "f5"),
        ("PageDown", "pagedown"),
        ("space", "space"),
        ("tab", "tab"),
        ("shift+tab", "shift+tab"),
        ("ä", "ä"),
        (" x , y,x", "x,y"),
    ],
)
def test_keys_get_the_names_textual_gives_them(typed, key):
    assert check_keymap({"queues.pause": typed}, [("queues.pause", "p")]) == {"queues.pause": key}


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"queues.pase": "x"}, "queues.pase: there is no such action: did you mean 'queues.pause'?"),
        ({"zebra": "x"}, "zebra: there is no such action; `taskconsole keys` lists the ids"),
        ({"x\x1b[2J": "x"}, "x\\x1b[2J: there is no such action"),
        ({"queues.pause": "pagdown"}, "queues.pause: there is no key 'pagdown': did you mean 'pagedown'?"),
        ({"queues.pause": ""}, "queues.pause: there is no key ''"),
        ({"queues.pause": "x,"}, "queues.pause: there is no key ''"),
        ({"queues.pause": "xy"}, "queues.pause: there is no key 'xy'"),
        ({"queues.pause": "cmd+x"}, "queues.pause: there is no key 'cmd+x'"),
        ({"queues.pause": "ctrl+ctrl+x"}, "queues.pause: there is no key 'ctrl+ctrl+x'"),
        ({"queues.pause": "\x1b"}, "queues.pause: there is no key '\\x1b'"),
        ({"queues.pause": "ctrl+i"}, "queues.pause: 'ctrl+i' arrives as 'tab'; write that"),
        ({"queues.pause": "Esc"}, "queues.pause: 'Esc' arrives as 'escape'; write that"),
        ({"queues.pause": "shift+x"}, "queues.pause: write 'X' for 'shift+x'"),
        ({"queues.pause": "1,2,3,4,5,6,7,8,9,0,x"}, "queues.pause: 10 keys at most"),
        ({"queues.pause": "P"}, "queues.pause: 'P' is the key of queues.purge too"),
        ({"queues.pause": "x,?"}, "queues.pause: 'question_mark' is the key of app.help too"),
        ({"queues.pause": "1"}, "queues.pause: '1' is the key of view.queues too"),
        ({"app.help": "d"}, "app.help: 'd' is the key of tasks.delete too"),
        ({"app.help": "x", "queues.pause": "x"}, "app.help: 'x' is the key of queues.pause too"),
        ({"move.down": "ctrl+c"}, "move.down: 'ctrl+c' is the key of app.quit too"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(keys, message):
    with pytest.raises(ConfigError) as caught:
        check_keymap(keys, ACTIONS)
    assert str(caught.value).startswith(f"[keys] {message}")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "keys",
    [
        {"schedules.trigger": "d"},  # never on one screen with those that have it
        {"queues.pause": "P", "queues.purge": "p"},
        {"move.down": "k,up", "move.up": "j,down"},
        {"tasks.unmark": "escape,u"},  # shares escape with app.back on purpose
        {"queues.pause": "q", "app.quit": "Q"},
    ],
)
def test_what_does_not_clash_is_allowed(keys):
    assert check_keymap(keys, ACTIONS) == keys


def test_the_groups_that_are_everywhere_can_be_said():
    with pytest.raises(ConfigError, match=r"tasks\.delete"):
        check_keymap({"schedules.trigger": "d"}, ACTIONS, everywhere=("schedules",))


@given(st.dictionaries(st.sampled_from([name for name, _ in ACTIONS]) | st.text(), st.text(), max_size=4))
def test_any_file_gives_a_keymap_or_a_line(keys):
    try:
        said = ",".join(check_keymap(keys, ACTIONS).values())
    except ConfigError as error:
        said = str(error)
    assert said.isprintable()


def test_the_consoles_own_keys_are_all_keys():
    pairs = [(action.id, action.key) for action in every_action()]
    assert check_keymap(dict(pairs), pairs) == dict(pairs)


class Program(App[None]):
    """Notes what its keys do."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down", "note('down')", id="move.down"),
        Binding("k,up", "note('up')", id="move.up"),
        Binding("p", "note('pause')", id="queues.pause"),
        Binding("P", "note('purge')", id="queues.purge"),
    ]

    def __init__(self):
        super().__init__()
        self.noted = []

    def action_note(self, what):
        self.noted.append(what)


async def test_textual_does_as_the_keymap_says():
    app = Program()
    app.set_keymap(
        check_keymap({"move.down": "x,!", "queues.pause": "P", "queues.purge": "p", "move.up": "down"}, ACTIONS)
    )
    async with app.run_test() as pilot:
        await pilot.press("x", "exclamation_mark", "j", "down", "k", "P", "p")
    assert app.noted == ["down", "down", "up", "pause", "purge"]


def test_what_is_done_to_a_queue_and_to_its_tasks_cannot_share_a_key():
    known = [("queues.purge", "P"), ("task.retry", "r"), ("schedules.trigger", "t")]
    with pytest.raises(ConfigError, match=r"'r' is the key of task\.retry too"):
        check_keymap({"queues.purge": "r"}, known)
    assert check_keymap({"queues.purge": "t"}, known) == {"queues.purge": "t"}
