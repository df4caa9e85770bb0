"""Every action once: its name, its key, what it needs. The bindings, footer and help come from here."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from textual.binding import Binding

from taskconsole.backends.base import Can

__all__ = ["ACTIONS", "LOG", "MOTIONS", "QUEUES", "Action", "Danger", "bindings", "key_table"]


class Danger(IntEnum):
    """How much it takes to undo an action."""

    NONE = 0
    """It writes nothing."""
    REVERSIBLE = 1
    """One key press brings it back: no question is asked."""


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
    def key_text(self) -> str:
        """The key as shown."""
        return self.shown or self.key


ACTIONS = (
    Action(
        id="app.help",
        key="question_mark",
        shown="?",
        name="help",
        label="help",
        tooltip="The keys of this screen.",
    ),
    Action(
        id="app.refresh",
        key="ctrl+r",
        shown="ctrl+r",
        name="refresh_now",
        label="refresh",
        tooltip="Read or connect now, and redraw the terminal.",
        footer=False,
    ),
    Action(
        id="app.quit",
        key="q,ctrl+c",
        shown="q",
        name="leave",
        label="quit",
        tooltip="Leave the console. Workers go on.",
    ),
)
"""What works everywhere."""

QUEUES = (
    Action(
        id="queues.enqueue",
        key="e",
        name="enqueue",
        label="enqueue",
        tooltip="Enqueue a task; the form checks its JSON while you type.",
        danger=Danger.REVERSIBLE,
        needs=Can.ENQUEUE,
    ),
    Action(
        id="queues.pause",
        key="p",
        name="pause",
        label="pause/resume",
        tooltip="Pause the selected queue, or resume it; active tasks go on.",
        danger=Danger.REVERSIBLE,
        needs=Can.PAUSE,
    ),
    Action(
        id="queues.pane",
        key="tab",
        name="next_pane",
        label="events",
        tooltip="From the table to the events and back.",
    ),
)
"""What works on the queues screen."""

LOG = (
    Action(
        id="events.follow",
        key="f",
        name="follow",
        label="follow",
        tooltip="Follow the newest event, or hold still as scrolling does.",
        needs=Can.EVENTS,
    ),
)
"""What works on an event log."""

MOTIONS = (
    Action(id="move.down", key="j,down", shown="j ↓", name="move(1)", label="down", tooltip="One line down."),
    Action(id="move.up", key="k,up", shown="k ↑", name="move(-1)", label="up", tooltip="One line up."),
    Action(
        id="move.half_down",
        key="ctrl+d",
        name="half_page(1)",
        label="half page down",
        tooltip="Half a page down.",
    ),
    Action(id="move.half_up", key="ctrl+u", name="half_page(-1)", label="half page up", tooltip="Half a page up."),
    Action(
        id="move.page_down",
        key="pagedown",
        shown="PgDn",
        name="page(1)",
        label="page down",
        tooltip="A page down.",
    ),
    Action(id="move.page_up", key="pageup", shown="PgUp", name="page(-1)", label="page up", tooltip="A page up."),
    Action(id="move.top", key="g,home", shown="g Home", name="end(-1)", label="top", tooltip="To the first line."),
    Action(
        id="move.bottom",
        key="G,end",
        shown="G End",
        name="end(1)",
        label="bottom",
        tooltip="To the last line.",
    ),
)
"""What moves a cursor or a log."""


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


def key_table() -> str:
    """All keys as a Markdown table, for the README."""
    rows = [f"| `{a.key_text}` | {a.tooltip} |" for a in (*QUEUES, *LOG, *ACTIONS, *MOTIONS)]
    return "\n".join(["| key | what it does |", "|---|---|", *rows])
