"""A tour of the console: every view, and in each every key that `actions` gives it.

A traveller is whatever has `press(keys)`, `rest()` for the answers to come in, and `answers(word)`, which waits until
the console says that there is no such command as `word`: by then it has done all that was pressed before. What is
pressed in one view goes in one burst, as over a slow line.
"""

from __future__ import annotations

from taskconsole.console import actions
from taskconsole.console.views.catalogue import VIEWS
from taskconsole.model.state import State
from tests.proofs.live import bytes_of

WITH_A_WORKER = frozenset({"crew"})
"""Views that are there once the console has started a worker: tests/console/test_crew.py."""

ESCAPE = "\x1b[27u"
"""As terminals with the newer keyboard protocol send it: what follows cannot be taken for a part of it."""

LEAVING = frozenset({"app.quit", "app.end", "app.suspend"})
"""Not pressed on the way."""

LENDING = frozenset({"detail.pager"})
"""Lends the terminal: what is pressed meanwhile is for somebody else."""


def everywhere():
    """What works whatever is shown, and what belongs to no view."""
    of_views = {name for view in VIEWS.values() for name in view.GROUPS}
    return [action for name, group in actions.GROUPS.items() if name not in of_views for action in group]


def places(queue):
    """How to come to each view, by its name; what opens from a row is reached by way of the row."""
    by_key = {}
    for action in everywhere():
        verb, _, view = action.name.partition("('")
        if verb == "open":
            by_key[view.removesuffix("')")] = [bytes_of(action.key)]
    by_row = {
        "tasks": [f":tasks/{queue}/{state}\r" for state in State],
        "task": [f":tasks/{queue}/done\r", "\r"],
        "schedule": [":schedules\r", "\r"],
        "worker": [":workers\r", "\r"],
        "find": [":find a\r"],
    }
    return by_key | by_row


def offered(view):
    """The actions of a view that its help shows, apart from those that work everywhere."""
    shown = VIEWS[view]
    groups = [action for name in shown.GROUPS for action in actions.GROUPS[name]]
    return list(dict.fromkeys([*shown.ACTIONS, *groups]))


class Tour:
    """Goes round.

    Args:
        traveller: Presses the keys.
        queue: The queue whose tasks are looked at.
        slowly: Ask after each key whether the console still answers, and come back before the next; else ask once
            in each view.
        after: Pressed after each key, before what it has opened is left.
    """

    def __init__(self, traveller, queue, *, slowly=False, after=""):
        self._traveller = traveller
        self._slowly = slowly
        self._after = after
        self._places = places(queue)
        self._asked = 0
        self.pressed = []
        """(view, id of the action, key), in the order they were pressed."""
        left_out = VIEWS.keys() - self._places.keys()
        assert left_out == WITH_A_WORKER, "a view that no key opens, and that the tour does not know"

    @property
    def views(self):
        """Those that one can come to."""
        return list(self._places)

    def all(self):
        """Every view with its own keys; what works everywhere in one of them."""
        for view in self.views:
            self.open(view)
            self.try_keys(view, offered(view))
        self.open("queues")
        self.try_keys("queues", everywhere())

    def open(self, view):
        """Come to a view, by way of others where that is how one comes there, and let it be filled."""
        for keys in self._places[view]:
            self._traveller.press(keys)
            self._traveller.rest()
        self.ask()

    def try_keys(self, view, wanted):
        """Press each key and leave what it has opened."""
        burst, leading_away = "", everywhere()
        for action in wanted:
            for key in action.key.split(",") if action.id not in LEAVING else ():
                back = "".join(self._places[view]) if self._slowly or action in leading_away else ""
                burst += f"{back}{bytes_of(key)}{self._after}{2 * ESCAPE}"
                self.pressed.append((view, action.id, key))
                if self._slowly or action.id in LENDING:
                    self.ask(burst)
                    burst = ""
        self.ask(burst)

    def ask(self, keys=""):
        """Press these, and wait until the console has done all that it was told."""
        self._asked += 1
        word = f"z{self._asked}"
        self._traveller.press(f"{keys}:{word}\r")
        self._traveller.answers(word)
