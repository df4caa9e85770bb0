"""Windows over tasks: of one queue in one state, and over the delayed tasks of all queues. Every window is bounded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from taskconsole.backends.merging import merged
from taskconsole.backends.rows import done_row, task_row
from taskconsole.errors import ConfigError, TaskconsoleError, WrongType
from taskconsole.model.state import State
from taskconsole.store.keys import DEFAULT_QUEUE, TOMBSTONE, check_queue_name
from taskconsole.store.reading import ReadingStore

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from taskconsole.backends.merging import Want
    from taskconsole.model.stats import TaskRow
    from taskconsole.store.call import Call
    from taskconsole.store.keys import Keys, Namespace

__all__ = ["DEEPEST", "Windows"]

LONGEST = 500
"""Tasks in one window."""

DEEPEST = 10_000
"""How far a window may reach into several sorted sets at once: all before it has to be looked at, about 1.5 µs each."""


@dataclass(frozen=True, slots=True)
class _Shelf:
    """A sorted set of delayed tasks."""

    queue: str
    key: str
    public: bool = False


class Windows:
    """Reads windows.

    Args:
        names: The key names to use.
        ask: Carries out calls in one round trip; a refused one yields its error in its place.
    """

    def __init__(self, names: Namespace, ask: Callable[[list[Call[Any]]], list[Any]]) -> None:
        self._names, self._ask_each, self._reading = names, ask, ReadingStore(names)

    def tasks(self, queue: str, state: State, offset: int, limit: int) -> tuple[list[TaskRow], int]:
        """A window of a queue's tasks, next to run (soonest, newest dead) first, and how many there are.

        Two round trips for active tasks (and one `LLEN` for each of at most 200 workers), one for others; up to
        three more for delayed ones of the default queue, when they lie in two sets.

        Raises:
            ConfigError: A name that no queue can have, or a window that lies too deep in two sets.
            WrongType: A key of the queue holds something else.
        """
        k = self._names.of(check_queue_name(queue))
        offset, limit = max(0, offset), max(0, min(limit, LONGEST))
        if state is State.DELAYED:
            return self._by_due(self._shelves(queue), offset, limit, strict=True)
        if state is State.ACTIVE:
            return self._active(queue, k, offset, limit)
        last = offset + limit - 1
        if state is State.PENDING:
            return self._pending(queue, k, offset, last)
        r = self._reading
        if state is State.DONE:
            seen, total = self._ask([r.window(k.done, offset, last, "list"), r.length(k.done)])
            return [done_row(queue, s, place=offset + i) for i, s in enumerate(seen)], total
        total, *pieces = self._ask([r.size(k.dead), *r.scored(k.dead, offset, limit, newest=True)])
        return [task_row(queue, state, s, place=s.place) for seen in pieces for s in seen], total

    def delayed(self, queues: Sequence[str], offset: int, limit: int) -> tuple[list[TaskRow], int]:
        """A window of the delayed tasks of all these queues, the most overdue first, and how many there are.

        The cost is one `ZCARD` a queue, the scores of about `offset` + `limit` + 8 x queues tasks (1.5 µs of Redis
        each), and the payloads of the window; in three round trips, a few more when one queue has nearly all of it.
        Keys that hold something else are left out: `overview` tells about them.

        Raises:
            ConfigError: The window reaches deeper than 10,000, and more than one sorted set has tasks.
        """
        shelves = [shelf for queue in queues for shelf in self._shelves(queue)]
        return self._by_due(shelves, max(0, offset), max(0, min(limit, LONGEST)), strict=False)

    # -- one state

    def _pending(self, queue: str, k: Keys, offset: int, last: int) -> tuple[list[TaskRow], int]:
        # The next to run is the last element; a tombstone is a task that is gone, but it has its place.
        r = self._reading
        seen, total = self._ask([r.window(k.queue, -1 - last, -1 - offset, "list"), r.length(k.queue)])
        return [
            task_row(queue, State.PENDING, s, place=offset + i)
            for i, s in enumerate(reversed(seen))
            if s.payload != TOMBSTONE
        ], total

    def _active(self, queue: str, k: Keys, offset: int, limit: int) -> tuple[list[TaskRow], int]:
        """Worker after worker, the freshest lease first; oldest claim first."""
        (leases,) = self._ask([self._reading.leases(k)])
        counts = self._ask_each([self._reading.length(k.processing(wid)) for wid in leases])
        total, calls, slices = 0, list[Any](), list[tuple[str, int]]()
        for wid, count in zip(leases, counts, strict=True):
            if not isinstance(count, int):
                continue  # the list of one worker holds something else; the others' tasks are still to be seen
            first, end = max(0, offset - total), min(count, offset + limit - total)
            if first < end:
                calls.append(self._reading.window(k.processing(wid), first, end - 1, "list"))
                slices.append((wid, first))
            total += count
        return [
            task_row(queue, State.ACTIVE, s, worker=wid, place=first + i)
            for (wid, first), seen in zip(slices, self._ask(calls), strict=True)
            for i, s in enumerate(seen)
        ], total

    # -- delayed

    def _shelves(self, queue: str) -> list[_Shelf]:
        own = _Shelf(queue, self._names.of(queue).delayed)
        return [own, _Shelf(queue, self._names.public_delayed, public=True)] if queue == DEFAULT_QUEUE else [own]

    def _by_due(self, shelves: Sequence[_Shelf], offset: int, limit: int, *, strict: bool) -> tuple[list[TaskRow], int]:
        """A window of several sorted sets as one; `strict`: one that is none is an error."""
        sizes = self._ask_each([self._reading.size(shelf.key) for shelf in shelves])
        filled: list[_Shelf] = []
        total = 0
        for shelf, size in zip(shelves, sizes, strict=True):
            if isinstance(size, WrongType) and not strict:
                continue
            if isinstance(size, TaskconsoleError):
                raise size
            total += size
            if size:
                filled.append(shelf)
        if offset >= total or not limit:
            return [], total
        if len(filled) == 1:
            return self._rows([(filled[0], offset, limit)]), total
        if offset + limit > DEEPEST:
            raise ConfigError(
                f"delayed tasks {offset + 1:,} to {offset + limit:,}: {len(filled)} sorted sets are shown as one only "
                f"down to the {DEEPEST:,}th task; look at one queue instead"
            )
        places: dict[int, list[int]] = {}
        for entry in merged(len(filled), offset + limit, lambda wants: self._scores(filled, wants))[offset:]:
            places.setdefault(entry.source, []).append(entry.place)
        return self._rows([(filled[i], found[0], len(found)) for i, found in sorted(places.items())]), total

    def _scores(
        self, shelves: Sequence[_Shelf], wants: Sequence[Want[None]]
    ) -> list[list[tuple[tuple[float, ...], None]]]:
        pieces = [self._reading.heads(shelves[want.source].key, want.place, want.most) for want in wants]
        answers = iter(self._ask([call for calls in pieces for call in calls]))
        return [[((score,), None) for _ in calls for score in next(answers)] for calls in pieces]

    def _rows(self, slices: Sequence[tuple[_Shelf, int, int]]) -> list[TaskRow]:
        """So many rows from the first place on of each set, soonest first."""
        found = [
            (shelf, call) for shelf, first, count in slices for call in self._reading.scored(shelf.key, first, count)
        ]
        windows = self._ask([call for _, call in found])
        rows = [
            task_row(shelf.queue, State.DELAYED, s, place=s.place, public=shelf.public)
            for (shelf, _), seen in zip(found, windows, strict=True)
            for s in seen
        ]
        return sorted(rows, key=lambda row: row.at or 0.0)

    def _ask(self, calls: list[Call[Any]]) -> list[Any]:
        """As `ask`, but a refusal is raised."""
        answers = self._ask_each(calls)
        for answer in answers:
            if isinstance(answer, TaskconsoleError):
                raise answer
        return answers
