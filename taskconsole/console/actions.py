"""Every action once. The bindings, the footer, help, palette and the README's key table come from here."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from textual.binding import Binding

from taskconsole.backends.base import Can

__all__ = [
    "DETAIL",
    "EVERYWHERE",
    "GROUPS",
    "LOG",
    "MARKS",
    "MATCHING",
    "MOTIONS",
    "QUEUE",
    "QUEUES",
    "REPLAY",
    "SCHEDULE",
    "SIDEWAYS",
    "TABLE",
    "TASK",
    "TASKS",
    "UNSEEN",
    "VIEWS",
    "WORKER",
    "Action",
    "Danger",
    "bindings",
    "key_table",
]


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


VIEWS = (
    Action(
        id="view.queues",
        key="1",
        name="open('queues')",
        label="Queues",
        tooltip="Every queue, what is wrong with it, and what just happened.",
        footer=False,
    ),
    Action(
        id="view.tasks",
        key="2",
        name="open('tasks')",
        label="Tasks",
        tooltip="The tasks of a queue, state by state.",
        footer=False,
    ),
    Action(
        id="view.delayed",
        key="3",
        name="open('delayed')",
        label="Delayed",
        tooltip="Delayed tasks of all queues, the most overdue first.",
        footer=False,
    ),
    Action(
        id="view.schedules",
        key="4",
        name="open('schedules')",
        label="Schedules",
        tooltip="What fires when, and how it went.",
        footer=False,
    ),
    Action(
        id="view.workers",
        key="5",
        name="open('workers')",
        label="Workers",
        tooltip="Who works, on what, and for how long.",
        footer=False,
    ),
    Action(
        id="view.failures",
        key="6",
        name="open('failures')",
        label="Failures",
        tooltip="Failed tasks in groups that fail alike.",
        footer=False,
    ),
    Action(
        id="view.events",
        key="7",
        name="open('events')",
        label="Events",
        tooltip="What happens, as it happens.",
        footer=False,
    ),
    Action(
        id="view.redis",
        key="8",
        name="open('redis')",
        label="Redis",
        tooltip="The server: memory, clients, slow log, risks.",
        footer=False,
    ),
)
"""The eight views."""

EVERYWHERE = (
    Action(
        id="app.help",
        key="question_mark",
        shown="?",
        name="app.help",
        label="help",
        tooltip="The keys of this view.",
    ),
    Action(
        id="app.command",
        key="colon",
        shown=":",
        name="command",
        label="command",
        tooltip="Type where to go or what to do; Tab completes.",
    ),
    Action(
        id="app.palette",
        key="ctrl+p",
        name="app.palette",
        label="palette",
        tooltip="Every action by its name.",
        footer=False,
    ),
    Action(
        id="app.filter",
        key="slash",
        shown="/",
        name="filter",
        label="filter",
        tooltip="Only what matches: words, !not, globs.",
    ),
    Action(
        id="app.next",
        key="n",
        name="next(1)",
        label="next match",
        tooltip="To the next match of the last filter.",
        footer=False,
    ),
    Action(
        id="app.previous",
        key="N",
        name="next(-1)",
        label="previous match",
        tooltip="To the match before.",
        footer=False,
    ),
    Action(
        id="app.find",
        key="ctrl+f",
        name="find",
        label="find",
        tooltip="Search tasks in every queue, piece by piece.",
        footer=False,
    ),
    Action(
        id="app.doctor",
        key="exclamation_mark",
        shown="!",
        name="open('doctor')",
        label="doctor",
        tooltip="Everything that is wrong, with evidence and remedy.",
    ),
    Action(
        id="app.last",
        key="minus",
        shown="-",
        name="last",
        label="last view",
        tooltip="To the view before this one.",
        footer=False,
    ),
    Action(
        id="app.back",
        key="escape",
        shown="esc",
        name="back",
        label="back",
        tooltip="Clear the filter, then the marks; then leave the view.",
        footer=False,
    ),
    Action(
        id="app.copy",
        key="y",
        name="app.copy",
        label="copy",
        tooltip="Copy the id or name of what is selected.",
        footer=False,
    ),
    Action(
        id="app.copy_menu",
        key="Y",
        name="app.copy_menu",
        label="copy …",
        tooltip="Copy the payload, the error, or a command that does it.",
        footer=False,
    ),
    Action(
        id="app.undo",
        key="z",
        name="undo",
        label="undo",
        tooltip="Take the last action back.",
        danger=Danger.REVERSIBLE,
        needs=Can.UNDO,
        footer=False,
    ),
    Action(
        id="app.undos",
        key="Z",
        name="undo_list",
        label="undo …",
        tooltip="All that can still be taken back, and until when.",
        danger=Danger.REVERSIBLE,
        needs=Can.UNDO,
        footer=False,
    ),
    Action(
        id="app.trace",
        key="at",
        shown="@",
        name="open('trace')",
        label="commands sent",
        tooltip="Every command this console sent, and how long it took.",
        footer=False,
    ),
    Action(
        id="app.lock",
        key="U",
        name="lock",
        label="unlock/lock",
        tooltip="Let this console write for 15 minutes, or no more.",
        footer=False,
    ),
    Action(
        id="app.reveal",
        key="R",
        name="reveal",
        label="show secrets",
        tooltip="Show arguments named like secrets, while unlocked; or not.",
        footer=False,
    ),
    Action(
        id="app.pace",
        key="plus",
        shown="+",
        name="pace",
        label="pace",
        tooltip="Read every 1, 2, 5 or 10 seconds.",
        footer=False,
    ),
    Action(
        id="app.refresh",
        key="ctrl+r",
        name="app.refresh_now",
        label="refresh",
        tooltip="Read or connect now, and redraw the terminal.",
        footer=False,
    ),
    Action(
        id="app.suspend",
        key="ctrl+z",
        name="app.suspend_process",
        label="suspend",
        tooltip="To the shell; `fg` comes back.",
        footer=False,
    ),
    Action(
        id="app.quit",
        key="q",
        name="leave",
        label="quit",
        tooltip="Leave this view; at the first one, the console.",
    ),
    Action(
        id="app.end",
        key="ctrl+c",
        name="app.exit_console",
        label="end",
        tooltip="Leave the console. Workers go on.",
        footer=False,
    ),
)
"""What works everywhere."""

UNSEEN = tuple(a for a in EVERYWHERE if a.id in {"app.help", "app.refresh", "app.quit", "app.end"})
"""What may be done in a terminal that is too small to show what it does."""

QUEUES = (
    Action(
        id="queues.open",
        key="enter",
        name="enter",
        label="open",
        tooltip="The tasks of the selected queue.",
    ),
    Action(
        id="queues.pane",
        key="tab",
        name="next_pane",
        label="events",
        tooltip="From the table to the events and back.",
    ),
)
"""What works on the queues."""

QUEUE = (
    Action(
        id="queues.enqueue",
        key="e",
        name="screen.act('enqueue')",
        label="enqueue",
        tooltip="Enqueue a task; the form checks its JSON while you type.",
        danger=Danger.REVERSIBLE,
        needs=Can.ENQUEUE,
    ),
    Action(
        id="queues.pause",
        key="p",
        name="screen.act('pause')",
        label="pause/resume",
        tooltip="Pause the selected queue, or resume it.",
        danger=Danger.REVERSIBLE,
        needs=Can.PAUSE,
    ),
    Action(
        id="queues.worker",
        key="W",
        name="screen.act('hire')",
        label="worker",
        tooltip="Start a worker for the queue here, or show its log.",
        danger=Danger.REVERSIBLE,
        footer=False,
    ),
    Action(
        id="queues.purge",
        key="P",
        name="screen.act('purge')",
        label="purge",
        tooltip="Take all its tasks of one state away; its name is typed.",
        danger=Danger.SWEEPING,
        needs=Can.PURGE,
    ),
)
"""What is done to a queue."""

TASK = (
    Action(
        id="task.retry",
        key="r",
        name="screen.act('retry')",
        label="retry",
        tooltip="Put dead or delayed tasks back into their queue.",
        danger=Danger.REVERSIBLE,
        needs=Can.REQUEUE,
    ),
    Action(
        id="task.run",
        key="x",
        name="screen.act('run')",
        label="run now",
        tooltip="Make pending, delayed or dead tasks the next to run.",
        danger=Danger.REVERSIBLE,
        needs=Can.REQUEUE,
    ),
    Action(
        id="task.reschedule",
        key="s",
        name="screen.act('reschedule')",
        label="reschedule",
        tooltip="Give delayed tasks another time: +10m, 14:30, ISO, now.",
        danger=Danger.REVERSIBLE,
        needs=Can.RESCHEDULE,
    ),
    Action(
        id="task.delete",
        key="d",
        name="screen.act('delete')",
        label="delete",
        tooltip="Delete what is marked, else what is selected.",
        danger=Danger.DELETING,
        needs=Can.DELETE,
    ),
    Action(
        id="task.delete_all",
        key="D",
        name="screen.act('delete_all')",
        label="delete all",
        tooltip="Delete all that match the filter; their number is typed.",
        danger=Danger.SWEEPING,
        needs=Can.DELETE,
        footer=False,
    ),
    Action(
        id="task.move",
        key="M",
        name="screen.act('move')",
        label="move",
        tooltip="Put tasks into another queue, in the same state.",
        danger=Danger.REVERSIBLE,
        needs=Can.MOVE,
        footer=False,
    ),
    Action(
        id="task.clone",
        key="c",
        name="screen.act('clone')",
        label="clone",
        tooltip="Enqueue one like it, after changing what you like.",
        danger=Danger.REVERSIBLE,
        needs=Can.ENQUEUE,
        footer=False,
    ),
    Action(
        id="task.abort",
        key="K",
        name="screen.act('abort')",
        label="abort",
        tooltip="Have its worker end a running task.",
        danger=Danger.DELETING,
        needs=Can.SIGNAL,
        footer=False,
    ),
)
"""What is done to tasks."""

MATCHING = (
    Action(
        id="matching.all",
        key="A",
        name="everything",
        label="all that match",
        tooltip="Aim at all that match, loaded or not; again: no more.",
        footer=False,
    ),
)
"""What aims at more than can be marked."""

SCHEDULE = (
    Action(
        id="schedules.trigger",
        key="t",
        name="screen.act('trigger')",
        label="trigger",
        tooltip="Make one task of it now; its regular times stay.",
        danger=Danger.REVERSIBLE,
        needs=Can.SCHEDULES,
    ),
    Action(
        id="schedules.pause",
        key="p",
        name="screen.act('pause_schedule')",
        label="pause/resume",
        tooltip="Pause the schedule, or resume it.",
        danger=Danger.REVERSIBLE,
        needs=Can.SCHEDULES,
    ),
    Action(
        id="schedules.edit",
        key="e",
        name="screen.act('edit_schedule')",
        label="edit",
        tooltip="Change when it fires, and what.",
        danger=Danger.REVERSIBLE,
        needs=Can.SCHEDULES,
    ),
    Action(
        id="schedules.add",
        key="c",
        name="screen.act('add_schedule')",
        label="add",
        tooltip="Add a schedule, beginning with a copy of the selected one.",
        danger=Danger.REVERSIBLE,
        needs=Can.SCHEDULES,
    ),
    Action(
        id="schedules.remove",
        key="d",
        name="screen.act('remove_schedule')",
        label="remove",
        tooltip="Remove the schedule; tasks it has made stay.",
        danger=Danger.DELETING,
        needs=Can.SCHEDULES,
    ),
    Action(
        id="schedules.restore",
        key="u",
        name="screen.act('restore_schedule')",
        label="restore",
        tooltip="Make it what the app's code declares.",
        danger=Danger.DELETING,
        needs=Can.SCHEDULES,
        footer=False,
    ),
)
"""What is done to a schedule."""

WORKER = (
    Action(
        id="workers.quiet",
        key="Q",
        name="screen.act('quiet')",
        label="quiet",
        tooltip="Have the worker claim no more tasks.",
        danger=Danger.DELETING,
        needs=Can.SIGNAL,
    ),
    Action(
        id="workers.stop",
        key="K",
        name="screen.act('stop')",
        label="stop",
        tooltip="Have the worker end in order; its queue is typed.",
        danger=Danger.SWEEPING,
        needs=Can.SIGNAL,
    ),
)
"""What is done to a worker."""

TASKS = (
    Action(
        id="tasks.next_state",
        key="right_square_bracket",
        shown="]",
        name="state(1)",
        label="next state",
        tooltip="The tasks in the next state.",
    ),
    Action(
        id="tasks.last_state",
        key="left_square_bracket",
        shown="[",
        name="state(-1)",
        label="state before",
        tooltip="The tasks in the state before.",
        footer=False,
    ),
    Action(
        id="tasks.next_queue",
        key="right_curly_bracket",
        shown="}",
        name="queue(1)",
        label="next queue",
        tooltip="The same of the next queue.",
        footer=False,
    ),
    Action(
        id="tasks.last_queue",
        key="left_curly_bracket",
        shown="{",
        name="queue(-1)",
        label="queue before",
        tooltip="The same of the queue before.",
        footer=False,
    ),
)
"""What works on the tasks of a queue."""

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

REPLAY = (
    Action(
        id="replay.play",
        key="full_stop",
        shown=".",
        name="app.replay_play",
        label="play/pause",
        tooltip="Replay: play, or hold still.",
    ),
    Action(
        id="replay.forward",
        key="l",
        name="app.replay_by(10)",
        label="+10s",
        tooltip="Replay: ten seconds on.",
    ),
    Action(
        id="replay.back",
        key="h",
        name="app.replay_by(-10)",
        label="-10s",
        tooltip="Replay: ten seconds back.",
    ),
    Action(
        id="replay.minute_forward",
        key="L",
        name="app.replay_by(60)",
        label="+1m",
        tooltip="Replay: a minute on.",
        footer=False,
    ),
    Action(
        id="replay.minute_back",
        key="H",
        name="app.replay_by(-60)",
        label="-1m",
        tooltip="Replay: a minute back.",
        footer=False,
    ),
    Action(
        id="replay.faster",
        key="greater_than_sign",
        shown=">",
        name="app.replay_speed(1)",
        label="faster",
        tooltip="Replay: faster.",
    ),
    Action(
        id="replay.slower",
        key="less_than_sign",
        shown="<",
        name="app.replay_speed(-1)",
        label="slower",
        tooltip="Replay: slower.",
        footer=False,
    ),
    Action(
        id="replay.next_change",
        key="right_parenthesis",
        shown=")",
        name="app.replay_change(1)",
        label="next change",
        tooltip="Replay: to where a verdict or the link changes next.",
    ),
    Action(
        id="replay.last_change",
        key="left_parenthesis",
        shown="(",
        name="app.replay_change(-1)",
        label="change before",
        tooltip="Replay: to the change of a verdict or the link before.",
        footer=False,
    ),
    Action(
        id="replay.next_failure",
        key="asterisk",
        shown="*",
        name="app.replay_failure(1)",
        label="next failure",
        tooltip="Replay: to the next failure.",
        footer=False,
    ),
    Action(
        id="replay.last_failure",
        key="number_sign",
        shown="#",
        name="app.replay_failure(-1)",
        label="failure before",
        tooltip="Replay: to the failure before.",
        footer=False,
    ),
    Action(
        id="replay.nearest",
        key="apostrophe",
        shown="'",
        name="app.replay_nearest",
        label="where recorded",
        tooltip="Replay: to where this view was recorded, the nearest.",
        footer=False,
    ),
    Action(
        id="replay.start",
        key="circumflex_accent",
        shown="^",
        name="app.replay_end(-1)",
        label="to the start",
        tooltip="Replay: to the start.",
        footer=False,
    ),
    Action(
        id="replay.end",
        key="dollar_sign",
        shown="$",
        name="app.replay_end(1)",
        label="to the end",
        tooltip="Replay: to the end.",
        footer=False,
    ),
    Action(
        id="replay.at",
        key="equals_sign",
        shown="=",
        name="app.replay_at",
        label="to a time",
        tooltip="Replay: to a time, as :at 03:12:44, :at +5m, :at 50%.",
        footer=False,
    ),
)
"""What moves through a recording; there while one is shown."""


GROUPS: dict[str, tuple[Action, ...]] = {
    "views": VIEWS,
    "everywhere": EVERYWHERE,
    "queues": QUEUES,
    "a queue": QUEUE,
    "tasks": TASKS,
    "a task": TASK,
    "all of them": MATCHING,
    "a schedule": SCHEDULE,
    "a worker": WORKER,
    "tables": TABLE,
    "marks": MARKS,
    "columns": SIDEWAYS,
    "events": LOG,
    "texts": DETAIL,
    "moving": MOTIONS,
    "replay": REPLAY,
}
"""Every action there is, in the order of the README."""


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
    rows = []
    for where, group in GROUPS.items():
        for action in group:
            key = action.key_text.replace("|", "\\|")
            rows.append(f"| {where} | `{key}` | {action.tooltip} |")
    return "\n".join(["| where | key | what it does |", "|---|---|---|", *rows])
