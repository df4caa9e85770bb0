"""Looking through many tasks for a text or an id: piece by piece, so slowly that Redis does not notice.

Each key is looked through towards the end where tasks leave it, and the states in the order in which tasks go through
them (the dead come first). So what moves on meanwhile is found at least once, perhaps twice; what goes the other way,
a retry for example, may be missed.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from taskconsole.backends.shelves import Shelf, shelves
from taskconsole.errors import AccessDenied, ConfigError, StoreError, StoreUnavailable
from taskconsole.model.search import Progress
from taskconsole.model.state import State
from taskconsole.store.keys import DEFAULT_QUEUE, TOMBSTONE, check_queue_name
from taskconsole.store.reading import PREVIEW, ReadingStore
from taskconsole.store.searching import MAX_DETAIL, MAX_NEEDLE, Look, look_for_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from taskconsole.model.search import Search
    from taskconsole.model.stats import TaskRow
    from taskconsole.store.call import Call
    from taskconsole.store.keys import Namespace

__all__ = ["AskAll", "TaskSearch", "needles"]

ORDER = (State.DEAD, State.DELAYED, State.PENDING, State.ACTIVE, State.DONE)
"""The dead first: there are few, and they are looked for most."""

CHUNK, SHORTEST = 1_000, 20
"""Tasks looked at in one round trip: at most, and on a server that is slow."""

PIECES = 10
"""Keys looked into in one round trip; each may take a megabyte's time."""

PAUSE = 0.1
"""Seconds between the beginnings of two round trips."""

BUSY = 0.003
"""Seconds that one round trip is to keep Redis busy; the next is shorter when it took longer."""


class AskAll(Protocol):
    """Carries out calls in one round trip; a refusal is the answer to its call."""

    def __call__(self, calls: list[Call[Any]], /) -> list[Any]:
        """The answers, in order."""


@dataclass(slots=True)
class _Part:
    """What is still to be looked at of one key: the places below and including `place`."""

    shelf: Shelf
    place: int
    average: int = 0
    """Bytes that payloads had on average the last time."""


class TaskSearch:
    """Searches tasks.

    Args:
        names: The key names to use.
        ask: On a connection that nobody waits for.
        queues: Queues to search even when nobody has registered them.
    """

    def __init__(self, names: Namespace, ask: AskAll, queues: Iterable[str] = ()) -> None:
        self._names, self._ask, self._extra = names, ask, frozenset(queues)
        self._reading = ReadingStore(names)

    def run(self, search: Search, report: Callable[[Progress], bool]) -> None:
        """Look at everything that `search` names, until enough was found or `report` says False.

        Raises:
            ConfigError: The text is empty or too long, or no queue can be called that.
            AccessDenied: Redis does not let us look.
            StoreUnavailable: No answer.
        """
        wanted = needles(search.text)
        parts, refused = self._parts(search)
        total = sum(part.place + 1 for part in parts)
        looked, left, step = 0, max(1, search.most), CHUNK // 10
        while parts and left > 0:
            began = time.monotonic()
            pieces = _pieces(parts, step)
            looks, busy = self._look(pieces, wanted, MAX_DETAIL if search.exact else PREVIEW)
            # Where Redis takes long for it, less is asked for at once.
            step = min(CHUNK, max(SHORTEST, min(2 * step, int(step * BUSY / max(busy, 1e-6)))))
            found: list[TaskRow] = []
            for (part, last), look in zip(pieces, looks, strict=True):
                after = -1
                if isinstance(look, StoreError):
                    refused.append(f"{part.shelf.state} tasks of {part.shelf.queue}: {look}")
                else:
                    after = last - 1 if look.next is None else look.next
                    part.average = look.average
                    found += _rows(part.shelf, look, search)
                looked += part.place - after
                part.place = after
            parts = [part for part in parts if part.place >= 0]
            found = found[:left]
            left = 0 if found and search.exact else left - len(found)
            over = not parts or left <= 0
            if not report(_progress(looked, total, found, refused, done=over)) or over:
                return
            refused = []
            time.sleep(max(0.0, began + PAUSE - time.monotonic()))
        report(_progress(looked, total, [], refused, done=True))

    def _parts(self, search: Search) -> tuple[list[_Part], list[str]]:
        """Where to look, and what cannot be looked at."""
        if search.queue is None:
            known = self._one([self._reading.usable_queues()])[0]
            queues = sorted({*known, *self._extra, DEFAULT_QUEUE})
        else:
            queues = [check_queue_name(search.queue)]
        states = search.states or tuple(state for state in ORDER if state is not State.DONE)
        refused: list[str] = []
        workers: dict[str, list[str]] = {}
        if State.ACTIVE in states:
            leases = self._ask([self._reading.leases(self._names.of(queue)) for queue in queues])
            for queue, answer in zip(queues, leases, strict=True):
                if isinstance(_usable(answer), StoreError):
                    refused.append(f"active tasks of {queue}: {answer}")
                else:
                    workers[queue] = list(answer)
        found = [
            shelf
            for state in ORDER
            if state in states
            for queue in queues
            for shelf in shelves(self._names, queue, state, workers.get(queue, ()))
        ]
        parts: list[_Part] = []
        for shelf, size in zip(found, self._ask([shelf.size() for shelf in found]), strict=True):
            if isinstance(_usable(size), StoreError):
                refused.append(f"{shelf.state} tasks of {shelf.queue}: {size}")
            elif size:
                parts.append(_Part(shelf, size - 1))
        return parts, refused

    def _look(
        self, pieces: list[tuple[_Part, int]], wanted: list[bytes], cut: int
    ) -> tuple[list[Look | StoreError], float]:
        """What each piece has, and for how many seconds Redis was busy with them."""
        calls = [
            look_for_text(part.shelf.key, part.shelf.kind, part.place, last, wanted, cut, part.average)
            for part, last in pieces
        ]
        # The two looks at the clock say how long Redis was busy, however slow the link is.
        began, *looks, ended = self._ask([self._reading.time(), *calls, self._reading.time()])
        looks = [_usable(look) for look in looks]
        clocks = isinstance(began, float) and isinstance(ended, float)
        return looks, ended - began if clocks else 0.0

    def _one(self, calls: list[Call[Any]]) -> list[Any]:
        answers = self._ask(calls)
        for answer in answers:
            if isinstance(_usable(answer), StoreError):
                raise answer
        return answers


def _usable(answer: Any) -> Any:
    """The answer, or what is wrong with this one key; what is wrong with all of them is raised."""
    if isinstance(answer, StoreUnavailable | AccessDenied):
        raise answer
    return answer


def _pieces(parts: list[_Part], room: int) -> list[tuple[_Part, int]]:
    """The parts to look into next, each with the last place to look at: `room` tasks in all."""
    pieces: list[tuple[_Part, int]] = []
    for part in parts[:PIECES]:
        last = max(0, part.place + 1 - room)
        pieces.append((part, last))
        room -= part.place + 1 - last
        if room == 0:
            break
    return pieces


def _progress(looked: int, total: int, found: list[TaskRow], refused: list[str], *, done: bool) -> Progress:
    return Progress(looked=looked, total=total, found=tuple(found), refused=tuple(refused), done=done)


def _rows(shelf: Shelf, look: Look, search: Search) -> list[TaskRow]:
    rows: list[TaskRow] = []
    for place, seen in look.found:
        if seen.payload == TOMBSTONE:
            continue
        row = shelf.row(seen, shelf.turned(place, look.total))
        if not search.exact:
            rows.append(row)
        elif seen.size > len(seen.payload):
            # Too long to be read as a whole: an id is among the first fields of all that our clients write.
            if _names_id(seen.payload, search.text):
                rows.append(replace(row, id=search.text))
        elif row.id == search.text or seen.payload == _bytes(search.text):
            rows.append(row)
    return rows


def _names_id(head: bytes, text: str) -> bool:
    return any(re.search(rb'"id"\s*:\s*"' + re.escape(spelled) + b'"', head) for spelled in _spellings(text))


def needles(text: str) -> list[bytes]:
    """What to look for in payloads: the text as it is and as JSON writers spell it, in lower case.

    Raises:
        ConfigError: It is empty or too long.
    """
    if not text:
        raise ConfigError("there is nothing to search for: the text is empty")
    found = list(dict.fromkeys(spelled.lower() for spelled in _spellings(text)))
    longest = max(map(len, found))
    if longest > MAX_NEEDLE:
        raise ConfigError(f"a text of {longest:,} bytes is too long to search for: at most {MAX_NEEDLE}")
    return found


def _spellings(text: str) -> list[bytes]:
    """As UTF-8, with JSON's escapes, with all but ASCII escaped, and that with slashes escaped as PHP does."""
    escaped = json.dumps(text)[1:-1]
    plain = _bytes(json.dumps(text, ensure_ascii=False)[1:-1])
    return list(dict.fromkeys([_bytes(text), plain, escaped.encode(), escaped.replace("/", "\\/").encode()]))


def _bytes(text: str) -> bytes:
    """The bytes that a command line gave us; they need not be UTF-8."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace")
