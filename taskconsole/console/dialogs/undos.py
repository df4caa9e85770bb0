"""What can still be taken back, to choose from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from taskconsole.console.dialogs.chooser import Chooser, Option
from taskconsole.console.text.format import UNICODE, Glyphs, clock, in_or_ago

if TYPE_CHECKING:
    from collections.abc import Sequence

    from taskconsole.console.acting.undos import Taken

__all__ = ["UndoList"]


class UndoList(Chooser):
    """Returns the index of the chosen action, or None."""

    def __init__(self, taken: Sequence[Taken], now: float, *, glyphs: Glyphs = UNICODE) -> None:
        options = [Option(one.what, _until(one, now), clock(one.at)) for one in taken]
        super().__init__("undo", options, glyphs=glyphs)


def _until(taken: Taken, now: float) -> str:
    return f"until {clock(taken.until)}Z, {in_or_ago(taken.until, now)}"
