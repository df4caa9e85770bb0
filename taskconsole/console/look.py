"""How the console is to be, as far as every view has to know it."""

from __future__ import annotations

from dataclasses import dataclass, field

from taskconsole.console.crew import Crew
from taskconsole.console.text.format import UNICODE, Glyphs
from taskconsole.model.secrecy import USUAL

__all__ = ["Look"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Fixed as long as one server is looked at."""

    operator: str = "?"
    """Who acts, as others will read it: user@host."""
    read_only: bool = False
    """Nothing that writes has a key."""
    recording: bool = False
    """What is shown is written down."""
    glyphs: Glyphs = UNICODE
    offer: str = ""
    """A line shown while no server is in reach, e.g. how to start one."""
    contexts: tuple[str, ...] = ()
    """The names of the servers that one can change to."""
    context: str = ""
    """The one we are in; empty when it has no name."""
    crew: Crew = field(default_factory=lambda: Crew(None))
    """The workers that this console runs."""
    masked: tuple[str, ...] = USUAL
    """Globs: arguments whose names fit one of these are not shown."""
