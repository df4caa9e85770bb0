"""Copying without making anybody wait: tmux may take two seconds, and the loop that draws has none."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from taskconsole.console.messages import Say
from taskconsole.console.terminal.clipboard import CopyError, copy
from taskconsole.console.text.format import count

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.message import Message

__all__ = ["start_copying"]


def start_copying(
    text: str, what: str, *, write: Callable[[str], None] | None, tell: Callable[[Message], object]
) -> threading.Thread:
    """Copy in a thread of its own.

    Args:
        text: Exactly this.
        what: What the text is, e.g. `id`.
        write: Writes to the terminal, from any thread; None when there is none.
        tell: Gets a `Say` with what became of it.
    """

    def run() -> None:
        try:
            copied = copy(text, environ=os.environ, write=write)
        except CopyError as error:
            tell(Say(str(error), ok=False))
        else:
            tell(Say(f"copied {what} ({count(len(text))} characters) to {copied.where}"))

    thread = threading.Thread(target=run, name="taskconsole-copy", daemon=True)
    thread.start()
    return thread
