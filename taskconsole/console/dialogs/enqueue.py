"""The form for a new task: checked while one types, submitted with Enter."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Input

from taskconsole.backends.commands import Enqueue
from taskconsole.console.entry import Entry, EntryError, parse
from taskconsole.console.format import UNICODE, Glyphs
from taskconsole.console.lines import Tone, cell, rule
from taskconsole.console.safe import safe
from taskconsole.console.widgets.form import Field, Switch
from taskconsole.console.widgets.lines import Lines

if TYPE_CHECKING:
    from textual.app import ComposeResult

__all__ = ["EnqueueForm"]


class EnqueueForm(ModalScreen[Enqueue | None]):
    """Returns the command, or None when it was cancelled.

    Args:
        queue: The queue to start with.
    """

    AUTO_FOCUS = "#task"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "cancel", show=False),
        Binding("down", "app.focus_next", "next field", show=False),
        Binding("up", "app.focus_previous", "previous field", show=False),
    ]
    DEFAULT_CSS = """
    EnqueueForm {
        align: left bottom;
        background: transparent;
        & > Vertical { height: 8; background: $background; }
        Horizontal { height: 1; }
        Lines { height: 1; }
        .label { width: 10; }
        Field, Switch { width: 1fr; height: 1; }
    }
    """

    def __init__(self, queue: str, *, glyphs: Glyphs = UNICODE) -> None:
        super().__init__()
        self._glyphs = glyphs
        self.title_line = Lines(id="title")
        self.queue = Field(queue, id="queue")
        self.task_name = Field(placeholder="name of the task", id="task")
        self.args = Field(placeholder="[]", id="args")
        self.kwargs = Field(placeholder="{}", id="kwargs")
        self.delay = Field(placeholder="none; 90s, 5m, 2h", id="delay")
        self.bare = Switch("bare payload: push the task's text as it is, without an envelope", id="bare")
        self.message = Lines(id="message")
        self._labels = {
            name: Lines(id=f"label-{name}") for name in ("queue", "task", "args", "kwargs", "delay", "bare")
        }

    def compose(self) -> ComposeResult:
        """A title, six fields, one line for what is wrong."""
        with Vertical():
            yield self.title_line
            for name, field in self._fields():
                label = self._labels[name]
                label.add_class("label")
                with Horizontal():
                    yield label
                    yield field
            yield self.message

    def on_resize(self) -> None:
        """Draw the fixed texts for the width."""
        self._paint()

    @on(Input.Changed)
    @on(Switch.Changed)
    def _check(self) -> None:
        self._paint()

    @on(Input.Submitted)
    @on(Switch.Accepted)
    def _submit(self) -> None:
        try:
            command = parse(self._entry())
        except EntryError:
            self._paint()
        else:
            self.dismiss(command)

    def action_cancel(self) -> None:
        """Nothing is enqueued."""
        self.dismiss(None)

    def _fields(self) -> list[tuple[str, Field | Switch]]:
        return [
            ("queue", self.queue),
            ("task", self.task_name),
            ("args", self.args),
            ("kwargs", self.kwargs),
            ("delay", self.delay),
            ("bare", self.bare),
        ]

    def _entry(self) -> Entry:
        return Entry(
            queue=self.queue.value,
            task=self.task_name.value,
            args=self.args.value,
            kwargs=self.kwargs.value,
            delay=self.delay.value,
            bare=self.bare.on,
        )

    def _paint(self) -> None:
        width = self.size.width
        self.title_line.show(rule("enqueue a task", width, self._glyphs))
        for name, label in self._labels.items():
            label.show(((f" {name}", Tone.QUIET),))
        try:
            parse(self._entry())
        except EntryError as error:
            text, tone = safe(str(error), 200), Tone.WARN
        else:
            text, tone = "enter enqueues   esc cancels   tab next field", Tone.QUIET
        self.message.show(((cell(f" {text}", width), tone),))
