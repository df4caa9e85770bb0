"""Moving about and choosing in tables, texts and the event log; nothing of it writes."""

from __future__ import annotations

from taskconsole.backends.base import Can
from taskconsole.console.actions.action import Action

__all__ = ["DETAIL", "LOG", "MARKS", "MOTIONS", "SIDEWAYS", "TABLE"]

TABLE = (
    Action(
        id="table.open",
        key="enter",
        name="enter",
        label="open",
        tooltip="Open what is selected.",
    ),
    Action(
        id="table.sort",
        key="o",
        name="sort(1)",
        label="sort",
        tooltip="Sort by the next column.",
        footer=False,
    ),
    Action(
        id="table.turn",
        key="O",
        name="turn",
        label="turn",
        tooltip="Turn the order round.",
        footer=False,
    ),
)
"""What works on every table."""

MARKS = (
    Action(
        id="mark.one",
        key="space",
        name="mark",
        label="mark",
        tooltip="Mark the row, or not, and go on to the next.",
        footer=False,
    ),
    Action(
        id="mark.range",
        key="v",
        name="mark_range",
        label="mark to here",
        tooltip="Mark all rows from the last mark to here.",
        footer=False,
    ),
    Action(
        id="mark.all",
        key="a",
        name="mark_all",
        label="mark all",
        tooltip="Mark every row that is loaded and shown.",
        footer=False,
    ),
    Action(
        id="mark.none",
        key="ctrl+backslash",
        shown="ctrl+\\",
        name="unmark",
        label="no marks",
        tooltip="Take all marks away.",
        footer=False,
    ),
)
"""What marks rows."""

SIDEWAYS = (
    Action(
        id="wide.on",
        key="w",
        name="widen",
        label="wide",
        tooltip="Every column in full, or only those that fit.",
        footer=False,
    ),
    Action(
        id="wide.right",
        key="right",
        shown="→",
        name="sideways(1)",
        label="right",
        tooltip="A wide table: further to the right.",
        footer=False,
    ),
    Action(
        id="wide.left",
        key="left",
        shown="←",
        name="sideways(-1)",
        label="left",
        tooltip="A wide table: back to the left.",
        footer=False,
    ),
)
"""What shows columns for which there is no room."""

DETAIL = (
    Action(
        id="detail.pager",
        key="vertical_line",
        shown="|",
        name="pager",
        label="pager",
        tooltip="Open it in $PAGER.",
    ),
)
"""What works on a text."""

LOG = (
    Action(
        id="events.follow",
        key="f",
        name="follow",
        label="follow",
        tooltip="Follow the newest event, or hold still as scrolling does.",
        needs=Can.EVENTS,
    ),
    Action(
        id="events.failures",
        key="F",
        name="failures_only",
        label="failures only",
        tooltip="Only failures and what else is wrong, or everything.",
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
