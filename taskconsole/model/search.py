"""Searching for tasks: what is asked, and what has been found so far. Pure values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from taskconsole.model.state import State
    from taskconsole.model.stats import TaskRow

__all__ = ["Progress", "Search"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What to look for."""

    text: str
    """Somewhere in the payload's bytes, whatever the case of ASCII letters; or an exact id."""
    queue: str | None = None
    """None: in every queue."""
    states: tuple[State, ...] = ()
    """Empty: in every state but done."""
    exact: bool = False
    """`text` is the whole id, or the whole of a bare payload; the search ends where it was found."""
    most: int = 500
    """Stop after so many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a search has come."""

    looked: int
    """Tasks looked at."""
    total: int
    """Tasks there were to look at when it began."""
    found: tuple[TaskRow, ...]
    """Those found since the last report."""
    refused: tuple[str, ...] = ()
    """What could not be looked at, and why: one line each."""
    done: bool = False
    """This was the last report: all was looked at, or enough was found."""
