"""What could be done to what is selected, as command lines to paste into a shell. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from taskconsole.backends.spelling import spelled_line
from taskconsole.console.acting.forms import DETAILS, WHOLE
from taskconsole.console.acting.orders import NoOrder, order

if TYPE_CHECKING:
    from collections.abc import Iterable

    from taskconsole.console.actions import Action
    from taskconsole.console.aim import Aim
    from taskconsole.model.reach import Reach

__all__ = ["command_lines"]

ASKED = {*DETAILS, *WHOLE, "hire"}
"""What cannot be spelled before more has been typed."""


def command_lines(actions: Iterable[Action], aim: Aim, operator: str, reach: Reach) -> list[tuple[str, str]]:
    """(label, command line) of each action that can be done to it and that one line says."""
    found = []
    for action in actions:
        if not action.verb or action.verb in ASKED:
            continue
        try:
            line = spelled_line(order(action.verb, aim, operator).command)
        except NoOrder:
            continue
        if line:
            found.append((f"{action.label} as a command", reach.typed(line)))
    return found
