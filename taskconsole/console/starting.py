"""Where the console begins, from what is typed behind its name: the same words as on its `:` line."""

from __future__ import annotations

from taskconsole.console.place import Place
from taskconsole.console.typed.commandline import CommandError, Find, GoTo, parse
from taskconsole.errors import ConfigError
from taskconsole.model.search import Search
from taskconsole.model.state import State

__all__ = ["place_of", "start_at"]


def start_at(text: str) -> Place | None:
    """The place for `:tasks/mail/dead` and its like; None for nothing typed.

    Raises:
        ConfigError: It is no place.
    """
    if not text:
        return None
    try:
        place = place_of(parse(text))
    except CommandError as error:
        raise ConfigError(f"{text}: {error}") from None
    if place is None:
        raise ConfigError(f"{text}: the console begins at a view or a search, e.g. :tasks/mail/dead")
    return place


def place_of(command: object) -> Place | None:
    """The place that a typed command leads to; None when it leads nowhere."""
    match command:
        case GoTo(queue=str(queue), id=str(wanted)):
            states = () if command.state is None else (command.state,)
            return _search(Search(text=wanted, queue=queue or None, states=states, exact=True))
        case GoTo():
            return Place(view=command.view, queue=command.queue or "", state=command.state or State.PENDING)
        case Find(text=wanted):
            return _search(Search(text=wanted))
    return None


def _search(search: Search) -> Place:
    return Place(view="find", key=search.text, subject=search)
