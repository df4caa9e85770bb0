"""The form for a new task: checked while one types, submitted with Enter."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from textual.suggester import Suggester, SuggestFromList

from taskconsole.backends.commands import Enqueue
from taskconsole.console.dialogs.form import Form
from taskconsole.console.text.format import UNICODE, Glyphs
from taskconsole.console.text.safe import safe
from taskconsole.console.typed.entry import Entry, check_fit, parse
from taskconsole.console.widgets.form import Field, Switch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from taskconsole.model.signature import Signature

__all__ = ["EnqueueForm"]

_BEGUN = re.compile(r'((?:.*,|\{)\s*)"(\w*)')
"""JSON up to a name that is not whole."""


class EnqueueForm(Form[Enqueue]):
    """Returns the command.

    Args:
        entry: What to begin with.
        signatures: Tasks there are, as far as is known: the right arrow completes to one, and to a parameter's name.
        secrets: Globs of names whose values may be masked elsewhere.
    """

    AUTO_FOCUS = "#task"

    def __init__(
        self,
        entry: Entry,
        signatures: Sequence[Signature] = (),
        *,
        secrets: Sequence[str] = (),
        glyphs: Glyphs = UNICODE,
    ) -> None:
        self._signatures, self._secrets = signatures, secrets
        self.queue = Field(entry.queue, id="queue")
        self.task_name = Field(entry.task, placeholder="name of the task", id="task")
        names = list(dict.fromkeys(signature.task for signature in signatures))
        self.task_name.suggester = SuggestFromList(names) if names else None
        self.args = Field(entry.args, placeholder="[]", id="args")
        self.kwargs = Field(entry.kwargs, placeholder="{}", id="kwargs")
        self.kwargs.suggester = _Names(self)
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

    @property
    def signature(self) -> Signature | None:
        """Of the task that is named, or of the first whose name begins so; None when nobody tells."""
        typed = self.task_name.value.strip()
        named = [signature for signature in self._signatures if signature.task == typed]
        begun = (signature for signature in self._signatures if typed and signature.task.startswith(typed))
        return named[0] if named else next(begun, None)

    def heading(self) -> str:
        """The parameters of the task."""
        signature = None if self.bare.on else self.signature
        return "enqueue a task" if signature is None else f"enqueue {safe(str(signature), 300)}"

    def result(self) -> Enqueue:
        """The command."""
        entry = Entry(
            queue=self.queue.value,
            task=self.task_name.value,
            args=self.args.value,
            kwargs=self.kwargs.value,
            delay=self.delay.value,
            bare=self.bare.on,
        )
        command = parse(entry, self._secrets)
        check_fit(command, self._signatures)
        return command

    def meaning(self, result: Enqueue) -> str:
        """What Enter does."""
        odd = check_fit(result, self._signatures)
        if odd:
            return f"{safe(odd, 200)}; enter enqueues it all the same"
        return "enter enqueues; z cannot take that back   esc cancels   tab next field"


class _Names(Suggester):
    """Completes the name of a parameter that is being typed as a name in JSON."""

    def __init__(self, form: EnqueueForm) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._form = form

    async def get_suggestion(self, value: str) -> str | None:
        """The whole text with the name completed."""
        begun, signature = _BEGUN.fullmatch(value), self._form.signature
        if begun is None or signature is None:
            return None
        free = (p.name for p in signature.parameters or () if p.is_named and f'"{p.name}"' not in begun[1])
        found = next((name for name in free if name.startswith(begun[2])), None)
        return None if found is None else f'{begun[1]}"{found}": '
