"""The servers that one console can look at, by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from taskconsole.backends.base import Backend
    from taskconsole.console.crew import Starter

__all__ = ["Context"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """One of them."""

    name: str = ""
    """As in the configuration; empty for one that was given as a URL."""
    connect: Callable[[], Backend]
    """Makes the backend; called in the feed's thread until it succeeds."""
    address: str
    """Where it connects to, for the header; never a password."""
    read_only: bool = False
    """Nothing that writes has a key."""
    start_worker: Starter | None = None
    """Starts a worker of this server beside the console."""
    protected: bool = False
    """Its name is typed before anything is written."""
