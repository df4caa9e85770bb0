"""Answers to a view's questions, with the arguments named like secrets hidden. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from taskconsole.console.feed.queries import Around, Found, Window
from taskconsole.model import secrecy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from taskconsole.model.stats import TaskRow

__all__ = ["concealed"]


def concealed(value: Any, secrets: Sequence[str]) -> Any:
    """What a view is given, with the arguments of every task in it concealed; the payloads are not touched."""

    def rows(found: Sequence[TaskRow]) -> tuple[TaskRow, ...]:
        return tuple(secrecy.concealed(row, secrets) for row in found)

    match value if secrets else None:
        case Window() | Found():
            return replace(value, rows=rows(value.rows))
        case Around():
            return replace(value, due=rows(value.due))
    return secrecy.concealed(value, secrets)
