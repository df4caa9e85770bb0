"""What an action is: a key, a method, words, and how much it takes to undo it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from textual.binding import Binding

from taskconsole.backends.base import Can

__all__ = ["Action", "Danger", "bindings"]


class Danger(IntEnum):
    """How much it takes to undo an action, and so what is asked before it (`questions`)."""

    NONE = 0
    """It writes nothing."""
    REVERSIBLE = 1
    """One key press brings it back: no question is asked, unless it is about many or cannot be undone."""
    DELETING = 2
    """A key answers the question; for more than twenty tasks their number is typed."""
    SWEEPING = 3
    """A name or a number is typed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """Something the operator can do."""

    id: str
    """Of the binding, so that keys can be remapped."""
    key: str
    """As Textual names keys, several separated by commas."""
    name: str
    """Of the method: `action_<name>`, with its arguments if it has any."""
    label: str
    """One word or two, for the footer."""
    tooltip: str
    """One sentence, for the help."""
    shown: str = ""
    """The key as a human writes it, when that differs."""
    danger: Danger = Danger.NONE
    needs: Can = Can.READ
    footer: bool = True

    @property
    def verb(self) -> str:
        """What it does, for those that `screen.act` carries out; empty for the others."""
        return self.name.removeprefix("screen.act('").removesuffix("')") if self.name.startswith("screen.act(") else ""

    @property
    def key_text(self) -> str:
        """The key as shown."""
        return self.shown or self.key


def bindings(actions: tuple[Action, ...], *, priority: bool = False) -> list[Binding]:
    """The bindings for Textual; the footer is drawn from the actions themselves."""
    return [
        Binding(
            action.key,
            action.name,
            action.label,
            id=action.id,
            tooltip=action.tooltip,
            show=False,
            priority=priority,
        )
        for action in actions
    ]
