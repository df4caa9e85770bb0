"""One task in full: found again as it was seen in a list, although its queue has moved since."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from taskconsole.backends.rows import worker_info
from taskconsole.backends.shelves import shelves
from taskconsole.errors import StoreError
from taskconsole.model.detail import detail_of
from taskconsole.model.state import State
from taskconsole.store.keys import check_queue_name
from taskconsole.store.reading import PREVIEW, ReadingStore, Seen
from taskconsole.store.searching import MAX_DETAIL, look_for_head, rank

if TYPE_CHECKING:
    from taskconsole.backends.shelves import Shelf
    from taskconsole.model.detail import TaskDetail
    from taskconsole.model.stats import TaskRow
    from taskconsole.store.call import Call
    from taskconsole.store.keys import Namespace
    from taskconsole.store.searching import Look

__all__ = ["Ask", "Lookup"]

WINDOWS = ((20, -20), (200, -200), (-201, -5_000))
"""Where to look, from the place where it was seen: around it, and where a queue that drains has moved it."""

CHUNK = 1_000
"""Elements that one look goes through, at most: some milliseconds of Redis."""

BUDGET = 64
"""Looks for one task; they are used up only where payloads are so huge that each look ends after a few."""

ATTEMPTS = 3
"""How often it is looked for again because it moved between being found and being read."""


class Ask(Protocol):
    """Carries out calls in one round trip; the first refusal is raised."""

    def __call__(self, calls: list[Call[Any]], /) -> list[Any]:
        """The answers, in order."""


class Lookup:
    """Reads tasks one by one.

    Args:
        names: The key names to use.
        ask: For reading.
    """

    def __init__(self, names: Namespace, ask: Ask) -> None:
        self._names, self._ask, self._reading = names, ask, ReadingStore(names)

    def task(self, row: TaskRow) -> TaskDetail | None:
        """The task of that row, or one with the same bytes; None when it is not there any more.

        Raises:
            ConfigError: No queue can be called that.
            StoreError: Its payload and those around are so large that the look was given up.
        """
        for shelf in self._shelves(row):
            found = self._in(shelf, row)
            if found is not None:
                place, seen = found
                fresh = shelf.row(seen, place)
                now, running = self._running(shelf, fresh)
                return detail_of(fresh, seen.payload, now=now, running=running)
        return None

    def find(self, row: TaskRow, cut: int) -> tuple[Shelf, int, Seen] | None:
        """Where the task of that row lies now (its key, its place as lists show it), and its first `cut` bytes.

        Raises:
            ConfigError: No queue can be called that.
            StoreError: Its payload and those around are so large that the look was given up.
        """
        for shelf in self._shelves(row):
            found = self._in(shelf, row, cut)
            if found is not None:
                return shelf, *found
        return None

    def _shelves(self, row: TaskRow) -> list[Shelf]:
        queue = check_queue_name(row.queue)
        workers: list[str] = [row.worker] if row.worker else []
        if row.state is State.ACTIVE and not workers:
            workers = list(self._ask([self._reading.leases(self._names.of(queue))])[0])
        found = shelves(self._names, queue, row.state, workers)
        # In its own key first: an equal payload may lie in the other.
        return sorted(found, key=lambda shelf: shelf.public != row.public)

    def _in(self, shelf: Shelf, row: TaskRow, cut: int = MAX_DETAIL) -> tuple[int, Seen] | None:
        """Its place as lists show it, and what is there."""
        total = self._ask([shelf.size()])[0]
        if total == 0:
            return None
        if shelf.kind == "zset" and row.size <= len(row.payload):
            score, place = self._ask([self._reading.score(shelf.key, row.payload), rank(shelf.key, row.payload)])
            if score is None or place is None:
                return None
            return shelf.turned(place, total), Seen(row.payload, row.size, score)
        guesses = [shelf.turned(row.place, total)]
        if shelf.kind == "zset" and row.at is not None:
            # Its score is the same, however many came and went before it.
            guesses.insert(0, self._ask([self._reading.overdue(shelf.key, row.at)])[0])
        seeker = _Seeker(shelf, row, self._ask, cut)
        for guess in guesses:
            found = seeker.seek(max(0, min(total - 1, guess)))
            if found is not None:
                return shelf.turned(found[0], total), found[1]
        return None

    def _running(self, shelf: Shelf, row: TaskRow) -> tuple[float, float | None]:
        """Now by Redis, and how long the task has been running, as its worker says."""
        if not shelf.worker:
            return self._ask([self._reading.time()])[0], None
        k = self._names.of(shelf.queue)
        now, fields = self._ask([self._reading.time(), self._reading.worker_fields(k, shelf.worker, "running")])
        named = worker_info(shelf.queue, shelf.worker, 0.0, fields, 0, now=now).running
        # Without an id only its name tells it from others.
        ours = [
            seconds
            for task_id, name, seconds in named
            if (task_id == row.id if row.id else not task_id and name == row.name[: len(name)])
        ]
        return now, ours[0] if len(ours) == 1 else None


class _Seeker:
    """Looks for one payload in one key, up to a budget."""

    def __init__(self, shelf: Shelf, row: TaskRow, ask: Ask, cut: int) -> None:
        self._shelf, self._row, self._ask, self._cut = shelf, row, ask, cut
        self._looks = 0

    def seek(self, place: int) -> tuple[int, Seen] | None:
        """The place nearest to `place` where the payload lies, and its first bytes."""
        for _ in range(ATTEMPTS):
            for _, seen in self._look(place, place, self._cut):
                return place, seen
            moved = self._near(place)
            if moved is None:
                return None
            place = moved
        return None

    def _near(self, place: int) -> int | None:
        for above, below in WINDOWS:
            found = self._look(place + above, max(0, place + below), 0)
            if found:
                return min((there for there, _ in found), key=lambda there: abs(there - place))
        return None

    def _look(self, first: int, last: int, cut: int) -> list[tuple[int, Seen]]:
        shelf, row = self._shelf, self._row
        found: list[tuple[int, Seen]] = []
        while first >= last and not found:
            if self._looks == BUDGET:
                raise StoreError(
                    f"a {row.state} task of {row.size:,} bytes on {row.queue} was not found among the large payloads "
                    "around its place: it may be there all the same"
                )
            self._looks += 1
            till = max(last, first - CHUNK + 1)
            call = look_for_head(shelf.key, shelf.kind, first, till, row.payload[:PREVIEW], row.size, cut)
            look: Look = self._ask([call])[0]
            found += look.found
            first = till - 1 if look.next is None else look.next
        return found
