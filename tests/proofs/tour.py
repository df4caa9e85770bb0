"""A tour of the console: every view, and in each every key that `actions` gives it.

A traveller is whatever has `press(keys)` and `until(text)`. All of a step is sent in one burst, as over a slow line;
a command that is none, which the console names in its answer, tells when it has been carried out.
"""

from __future__ import annotations

from taskconsole.console import actions
from taskconsole.console.views.catalogue import VIEWS
from tests.proofs.live import bytes_of

ESCAPE = "\x1b[27u"
"""As terminals with the newer keyboard protocol send it: what follows cannot be taken for a part of it."""

LEAVING = frozenset({"app.quit", "app.end", "app.suspend"})
"""Not pressed on the way."""


def places(queue):
    """How to come to each view, by its name; what opens from a row is reached by way of the row."""
    return {
        "queues": [":queues\r"],
        "tasks": [f":tasks/{queue}/{state}\r" for state in ("pending", "active", "delayed", "dead", "done")],
        "task": [f":tasks/{queue}/done\r", "\r"],
        "delayed": [":delayed\r"],
        "schedules": [":schedules\r"],
        "schedule": [":schedules\r", "\r"],
        "workers": [":workers\r"],
        "worker": [":workers\r", "\r"],
        "failures": [":failures\r"],
        "events": [":events\r"],
        "redis": [":redis\r"],
        "doctor": [":doctor\r"],
        "find": [":find mail\r"],
    }


def offered(view):
    """The actions of a view that its help shows, apart from those that work everywhere."""
    shown = VIEWS[view]
    groups = [action for name in shown.GROUPS for action in actions.GROUPS[name]]
    return list(dict.fromkeys([*shown.ACTIONS, *groups]))


class Tour:
    """Goes round; asks after every key whether the console still answers.

    Args:
        traveller: Takes keys and waits for texts.
        queue: The queue whose tasks are looked at.
    """

    def __init__(self, traveller, queue):
        self._traveller = traveller
        self._places = places(queue)
        self._asked = 0
        self.pressed = []
        """(view, id of the action, key), in the order they were pressed."""
        assert self._places.keys() == VIEWS.keys(), "a view that the tour does not know"

    def all(self):
        """Every view with its own keys; what works everywhere in one of them."""
        for view in VIEWS:
            self.open(view)
            self.try_keys(view, offered(view))
        self.open("tasks")
        self.try_keys("tasks", [a for a in (*actions.EVERYWHERE, *actions.VIEWS) if a.id not in LEAVING])

    def open(self, view):
        """Come to a view, by way of others where that is how one comes there, and let it be filled."""
        for keys in self._places[view]:
            self._traveller.press(keys)
            self.ask()
            self._traveller.let_it_be_filled()

    def try_keys(self, view, wanted):
        """Press each key, leave what it has opened, and come back."""
        for action in wanted:
            if action.id in LEAVING:
                continue
            for key in action.key.split(","):
                self._traveller.press("".join(self._places[view]))
                self._traveller.press(bytes_of(key))
                self.pressed.append((view, action.id, key))
                self.ask()

    def ask(self):
        """Leave what is open, and wait until the console has done all that it was told."""
        self._asked += 1
        word = f"stop{self._asked}"
        self._traveller.press(f"{ESCAPE}{ESCAPE}{ESCAPE}:{word}\r")
        self._traveller.until(word)
