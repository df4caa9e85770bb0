"""The form for a new task: checked while one types, submitted with Enter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.suggester import SuggestFromList

from taskconsole.backends.commands import Enqueue
from taskconsole.console.dialogs.form import Form
from taskconsole.console.text.format import UNICODE, Glyphs
from taskconsole.console.typed.entry import Entry, parse
from taskconsole.console.widgets.form import Field, Switch

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["EnqueueForm"]


class EnqueueForm(Form[Enqueue]):
    """Returns the command.

    Args:
        entry: What to begin with.
        names: Tasks there are, as far as is known: the right arrow completes to one.
    """

    AUTO_FOCUS = "#task"

    def __init__(self, entry: Entry, names: Sequence[str] = (), *, glyphs: Glyphs = UNICODE) -> None:
        self.queue = Field(entry.queue, id="queue")
        self.task_name = Field(entry.task, placeholder="name of the task", id="task")
        self.task_name.suggester = SuggestFromList(names) if names else None
        self.args = Field(entry.args, placeholder="[]", id="args")
        self.kwargs = Field(entry.kwargs, placeholder="{}", id="kwargs")
        self.delay = Field(entry.delay, placeholder="none; 90s, 5m, 2h", id="delay")
        self.bare = Switch("bare payload: push the task's text as it is, without an envelope", on=entry.bare, id="bare")
        fields: dict[str, Field | Switch] = {
            "queue": self.queue,
            "task": self.task_name,
            "args": self.args,
            "kwargs": self.kwargs,
            "delay": self.delay,
            "bare": self.bare,
        }
        super().__init__("enqueue a task", fields, glyphs=glyphs)

    def result(self) -> Enqueue:
        """The command."""
        return parse(
            Entry(
                queue=self.queue.value,
                task=self.task_name.value,
                args=self.args.value,
                kwargs=self.kwargs.value,
                delay=self.delay.value,
                bare=self.bare.on,
            )
        )

    def meaning(self, result: Enqueue) -> str:  # noqa: ARG002 (the fields say it)
        """What Enter does."""
        return "enter enqueues; z cannot take that back   esc cancels   tab next field"
