"""The language of the `:` line: text to a command and back, and what Tab offers. Pure.

    :tasks mail dead      :tasks/mail/dead      :tasks "two words"      :tasks/a%2Fb//ID
    :find TEXT            :ctx prod             :export csv FILE        :q

A view is followed by what it shows: a queue, for tasks also a state and an id; an empty one means all. As a path
with `%` escapes, or as words, in double quotes as JSON has them where they hold spaces or quotes.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from taskconsole.console.saving.export import Kind
from taskconsole.model.nearest import did_you_mean
from taskconsole.model.printable import printable
from taskconsole.model.state import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = [
    "Command",
    "CommandError",
    "Export",
    "Find",
    "GoTo",
    "Help",
    "Names",
    "Quit",
    "UseContext",
    "View",
    "complete",
    "format_command",
    "parse",
]

MAX_LENGTH = 4000
"""Characters of a line."""

MAX_COMPLETIONS = 50


class CommandError(ValueError):
    """What is typed is no command; one line that says what to write."""


class View(StrEnum):
    """The views, by the word that opens them."""

    QUEUES = "queues"
    TASKS = "tasks"
    DELAYED = "delayed"
    SCHEDULES = "schedules"
    WORKERS = "workers"
    FAILURES = "failures"
    EVENTS = "events"
    REDIS = "redis"
    DOCTOR = "doctor"


@dataclass(frozen=True, slots=True, kw_only=True)
class GoTo:
    """Open a view; what is None is not narrowed down."""

    view: View
    queue: str | None = None
    state: State | None = None
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Find:
    """Search all queues for a text or an id."""

    text: str


@dataclass(frozen=True, slots=True)
class UseContext:
    """Look at another server of the configuration; None: show which there are."""

    name: str | None = None


@dataclass(frozen=True, slots=True)
class Export:
    """Save what the view shows; without a file under a name of its own in the current directory."""

    kind: Kind
    file: str | None = None


@dataclass(frozen=True, slots=True)
class Help:
    """Show the keys."""


@dataclass(frozen=True, slots=True)
class Quit:
    """Leave the console."""


Command = GoTo | Find | UseContext | Export | Help | Quit


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What there is to be named, for completion."""

    queues: Sequence[str] = ()
    contexts: Sequence[str] = ()
    tasks: Sequence[str] = ()


_NARROWED = {View.TASKS: 3, View.WORKERS: 0, View.REDIS: 0, View.DOCTOR: 0}
"""How many of queue, state and id a view takes; one where it is not said."""

_FIND, _CONTEXT, _EXPORT, _HELP, _QUIT = "find", "ctx", "export", "help", "q"
_WORDS = (*View, _FIND, _CONTEXT, _EXPORT, _HELP, _QUIT)
_ALIASES = {"quit": _QUIT, "exit": _QUIT, "q!": _QUIT, "h": _HELP, "?": _HELP, "context": _CONTEXT}
_TAKES = {
    _FIND: "needs one text or id",
    _CONTEXT: "takes the name of one context",
    _EXPORT: "takes csv, json or svg, then a file if you like",
    _HELP: "takes nothing more",
    _QUIT: "takes nothing more",
}
_STATE_ALIASES = {
    "failed": State.DEAD,
    "ready": State.PENDING,
    "waiting": State.PENDING,
    "running": State.ACTIVE,
    "scheduled": State.DELAYED,
    "retry": State.DELAYED,
    "completed": State.DONE,
}
"""What other systems say; offered, not taken: one thing has one word."""

_JSON_STRING = json.JSONDecoder(strict=False)
_ESCAPE = re.compile("%[0-9A-Fa-f]{2}")


def parse(text: str) -> Command:
    """The command of a line, with or without its colon.

    Raises:
        CommandError: It is none.
    """
    line = _without_colon(text).strip()
    if len(line) > MAX_LENGTH:
        raise CommandError(f"a command has {MAX_LENGTH} characters at most")
    head, _, rest = line.partition(" ")
    if not head:
        raise CommandError("type a command, e.g. tasks mail dead; help shows the keys")
    if _word(head) == _FIND:
        return _find(rest.strip())
    first, *path = head.split("/")
    return _command(_word(first), [*map(_unescaped, path), *_split(rest)])


def format_command(command: Command) -> str:
    """The line that means a command: `:tasks/mail/dead`. What is not printable is escaped."""
    match command:
        case GoTo():
            parts = [command.queue, command.state, command.id]
            while parts and not parts[-1]:
                parts.pop()
            return ":" + "/".join([command.view, *(_escaped(part or "") for part in parts)])
        case Find():
            plain = command.text.isprintable() and command.text == command.text.strip() and command.text[:1] != '"'
            return f":{_FIND} {command.text if plain else _in_quotes(command.text)}"
        case UseContext():
            return f":{_CONTEXT}" + _argument(command.name)
        case Export():
            return f":{_EXPORT} {command.kind}" + _argument(command.file)
        case Help():
            return f":{_HELP}"
        case Quit():
            return f":{_QUIT}"


def complete(text: str, names: Names) -> list[str]:
    """What the line may become by the Tab key: whole lines in the order of the names, 50 at most; never raises."""
    colon = ":" if text.lstrip().startswith(":") else ""
    line = _without_colon(text).lstrip()[:MAX_LENGTH]
    head, space, rest = line.partition(" ")
    write: Callable[[str], str]
    if not space and "/" in head:
        *done, last = head.split("/")
        begun, write = _unescaped_or_plain(last), _escaped
        kept = "/".join(done) + "/"
    else:
        before, begun = _last_word(rest) if space else ("", line)
        done, write = ([*head.split("/"), *_lenient_words(before)] if space else []), _quoted_if_needed
        kept = f"{head} {before}" if space else ""
    wanted = begun.lower()
    found = [name for name in _candidates(done, names) if name.lower().startswith(wanted) and name]
    return [f"{colon}{kept}{write(name)}" for name in found[:MAX_COMPLETIONS]]


def _command(word: str, rest: list[str]) -> Command:
    if word in set(View):
        return _go_to(View(word), rest)
    match word, rest:
        case ("find", [text]) if text:
            return Find(text)
        case ("ctx", [] | [_]):
            return UseContext(rest[0] if rest and rest[0] else None)
        case ("export", [kind] | [kind, _]):
            return Export(_kind(kind), rest[1] if len(rest) == 2 else None)
        case ("help", []):
            return Help()
        case ("q", []):
            return Quit()
    if word in _TAKES:
        raise CommandError(f"{word} {_TAKES[word]}")
    raise CommandError(f"no command '{_shown(word)}'" + (did_you_mean(word, _WORDS) or "; help shows the keys"))


def _go_to(view: View, parts: list[str]) -> GoTo:
    most = _NARROWED.get(view, 1)
    if len(parts) > most:
        takes = {0: "nothing more", 1: "a queue at most", 3: "a queue, a state and an id at most"}[most]
        quoting = "; names with spaces stand in double quotes" if most else ""
        raise CommandError(f"{view} takes {takes}{quoting}")
    queue, state, task_id = (part or None for part in (*parts, *[""] * (3 - len(parts))))
    return GoTo(view=view, queue=queue, state=None if state is None else _state(state), id=task_id)


def _state(word: str) -> State:
    if word.lower() in set(State):
        return State(word.lower())
    synonym = _STATE_ALIASES.get(word.lower())
    hint = f": did you mean '{synonym}'?" if synonym else did_you_mean(word, State)
    raise CommandError(f"no state '{_shown(word)}'" + (hint or f"; the states are {', '.join(State)}"))


def _kind(word: str) -> Kind:
    try:
        return Kind(word.lower())
    except ValueError:
        hint = did_you_mean(word, Kind) or f": write {', '.join(Kind)}"
        raise CommandError(f"cannot export '{_shown(word)}'{hint}") from None


def _find(rest: str) -> Find:
    if rest.startswith('"'):
        try:
            found, end = _JSON_STRING.raw_decode(rest)
        except ValueError:
            end = -1
        if end == len(rest):
            rest = str(found)
    if not rest:
        raise CommandError(f"{_FIND} {_TAKES[_FIND]}")
    return Find(rest)


def _without_colon(text: str) -> str:
    return text.lstrip().removeprefix(":")


def _word(typed: str) -> str:
    return _ALIASES.get(typed.lower(), typed.lower())


def _shown(word: str) -> str:
    return printable(word, 60)


def _split(text: str) -> list[str]:
    """Words, in double quotes where they hold spaces.

    Raises:
        CommandError: A quoted word does not end.
    """
    words, at = [], 0
    while (at := _next_word(text, at)) < len(text):
        if text[at] == '"':
            word, at = _quoted_word(text, at)
        else:
            end = text.find(" ", at)
            end = len(text) if end < 0 else end
            word, at = text[at:end], end
        words.append(word)
    return words


def _next_word(text: str, at: int) -> int:
    while at < len(text) and text[at] == " ":
        at += 1
    return at


def _quoted_word(text: str, at: int) -> tuple[str, int]:
    try:
        word, end = _JSON_STRING.raw_decode(text, at)
    except ValueError:
        raise CommandError('a name in double quotes ends with one; \\" and \\\\ stand for " and \\') from None
    if text[end : end + 1] not in {"", " "}:
        raise CommandError("a space is missing after a name in double quotes")
    return str(word), end


def _last_word(text: str) -> tuple[str, str]:
    """What stands before the word that is being typed, and that word as far as it goes."""
    at = 0
    while True:
        at = _next_word(text, at)
        if text[at : at + 1] == '"':
            try:
                _, end = _quoted_word(text, at)
            except CommandError:
                return text[:at], text[at + 1 :]
            if end == len(text):
                return text[:at], text[at + 1 : -1]
        else:
            end = text.find(" ", at)
            if end < 0:
                return text[:at], text[at:]
        at = end


def _lenient_words(text: str) -> list[str]:
    try:
        return _split(text)
    except CommandError:
        return text.split()


def _candidates(done: Sequence[str], names: Names) -> Iterable[str]:
    """What may stand after the words that are done."""
    if not done:
        return _WORDS
    word, place = _word(done[0]), len(done)
    if word in set(View):
        if place > _NARROWED.get(View(word), 1):
            return ()
        return {1: names.queues, 2: tuple(State)}.get(place, ())
    return {_CONTEXT: names.contexts, _FIND: names.tasks, _EXPORT: tuple(Kind)}.get(word, ()) if place == 1 else ()


def _argument(text: str | None) -> str:
    return "" if text is None else f" {_quoted_if_needed(text)}"


def _quoted_if_needed(text: str) -> str:
    plain = text and text.isprintable() and " " not in text and text[0] != '"'
    return text if plain else _in_quotes(text)


def _in_quotes(text: str) -> str:
    return json.dumps(text, ensure_ascii=not text.isprintable())


def _escaped(part: str) -> str:
    """One part of a path: all but what would be taken for something else stays readable."""
    return "".join(c if c.isprintable() and c not in ' %/"' else _percent(c) for c in part)


def _percent(char: str) -> str:
    return "".join(f"%{byte:02X}" for byte in char.encode("utf-8", "surrogatepass"))


def _unescaped(part: str) -> str:
    if "%" not in part:
        return part
    if part.count("%") != len(_ESCAPE.findall(part)):
        raise CommandError(f"'{_shown(part)}': after % come two hexadecimal digits, and %25 stands for %")
    try:
        return unquote_to_bytes(part.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        raise CommandError(f"'{_shown(part)}': the % escapes are not UTF-8") from None


def _unescaped_or_plain(part: str) -> str:
    try:
        return _unescaped(part)
    except CommandError:
        return part
