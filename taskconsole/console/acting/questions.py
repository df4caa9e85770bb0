"""What is asked before a command is carried out: nothing, one key, or a word that has to be typed. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from taskconsole.console.actions import Danger
from taskconsole.console.text.format import count
from taskconsole.console.text.safe import safe

if TYPE_CHECKING:
    from taskconsole.backends.base import Foreseen
    from taskconsole.console.acting.orders import Order

__all__ = ["MANY", "Question", "again", "question"]

MANY = 20
"""More tasks than anybody can have looked at one by one: from here on their number is typed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """All of it safe to be shown."""

    text: str
    """One line, ending in a question mark."""
    notes: tuple[str, ...] = ()
    """What it costs, and what cannot be taken back."""
    typed: str = ""
    """What has to be typed, exactly; empty when a key is enough. Not made safe: it is compared."""


def question(order: Order, foreseen: Foreseen) -> Question | None:
    """The question for an order; None when it may be done at once, as one key takes it back."""
    many = foreseen.count > MANY
    sweeping = order.danger is Danger.SWEEPING or (order.danger is Danger.DELETING and many)
    harmless = foreseen.undoable and not (many or order.hidden or order.note or foreseen.cost)
    if order.danger is Danger.REVERSIBLE and harmless:
        return None
    notes = tuple(safe(note, 300) for note in (order.note, foreseen.cost, foreseen.warning) if note)
    if not foreseen.undoable and not foreseen.warning:
        notes = (*notes, "cannot be undone")
    hidden = f" ({count(order.hidden)} not in sight)" if order.hidden else ""
    typed = (order.typed or str(foreseen.count)) if sweeping else ""
    return Question(text=f"{safe(foreseen.text, 300)}{hidden}?", notes=notes, typed=typed)


def again(order: Order, foreseen: Foreseen, was: int, now: int) -> Question:
    """There are more than were agreed to."""
    typed = (order.typed or str(now)) if order.danger >= Danger.DELETING else ""
    text = f"{safe(foreseen.text, 300)}: it was {count(was)}, now it is {count(now)}. All of them?"
    return Question(text=text, notes=("nothing has been done yet",), typed=typed)
