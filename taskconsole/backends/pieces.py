"""The tasks that an action is to be done to, piece by piece: each small enough for one call that Redis hardly notices.

Tasks are named by rows as they were seen in lists, or are all that match. Those that match are looked for in one pass
over each key, towards the side to which they leave it, so that what others do meanwhile makes the pass miss few; the
pass ends after as many places as there were when it began.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from taskconsole.backends.searching import needles
from taskconsole.backends.shelves import Shelf, shelves
from taskconsole.model.failure import group_of
from taskconsole.model.state import State
from taskconsole.store.keys import TOMBSTONE, check_queue_name
from taskconsole.store.operations import NEAR
from taskconsole.store.reading import ReadingStore, Seen
from taskconsole.store.searching import MAX_BYTES, look_for_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from taskconsole.backends.commands import Matching
    from taskconsole.backends.lookup import Lookup
    from taskconsole.model.stats import TaskRow
    from taskconsole.store.call import Call
    from taskconsole.store.keys import Namespace

__all__ = ["AROUND", "MOST", "Held", "Matches", "Piece", "Timed", "pieces_of_rows"]

MOST = 400
"""Tasks in one call, where they cost little: putting back dead ones of half a kilobyte takes 3 ms of Redis."""

AROUND = 200
"""How far from where it was seen a pending task is looked for."""

BUSY = 0.002
"""Seconds that one call should keep Redis busy; pieces become smaller when it took longer."""

FIRST_STEP, SHORTEST_STEP = 100, 20
"""Tasks looked at for the first piece, and at least."""


@dataclass(frozen=True, slots=True)
class Held:
    """One task, whole."""

    payload: bytes
    score: float | None
    place: int
    """Of a pending task: how many run before it."""
    row: TaskRow | None = None
    """As it was seen, if it was named so."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some tasks of one key, in the order in which they are to run, or the one that waits longest first."""

    shelf: Shelf
    tasks: tuple[Held, ...]

    @property
    def payloads(self) -> list[bytes]:
        """Those of the tasks."""
        return [task.payload for task in self.tasks]

    @property
    def span(self) -> tuple[int, int]:
        """The places of a queue to look at."""
        places = [task.place for task in self.tasks]
        return max(0, min(places) - AROUND), max(places) + AROUND

    def rows(self, most: int) -> list[TaskRow]:
        """The first tasks as a list shows them."""
        shelf = self.shelf
        return [
            task.row or shelf.row(Seen(task.payload, len(task.payload), task.score), task.place)
            for task in self.tasks[:most]
        ]


class Timed:
    """Carries out calls, and remembers how long they kept Redis busy.

    Args:
        ask: Carries out calls in one round trip; the first refusal is raised.
        time: The call for the time.
    """

    def __init__(self, ask: Callable[[list[Call[Any]]], list[Any]], time: Call[float]) -> None:
        self._ask, self._time = ask, time
        self.longest = 0.0
        """Seconds of the longest, since this was set to 0."""

    def __call__(self, calls: list[Call[Any]]) -> list[Any]:
        """The answers."""
        began, *answers, ended = self._ask([self._time, *calls, self._time])
        self.longest = max(self.longest, ended - began)
        return answers


def pieces_of_rows(names: Namespace, rows: Iterable[TaskRow], lookup: Lookup) -> Iterator[Piece]:
    """Those of the rows that can be acted on: pending, delayed and dead ones, whole.

    A payload that the row has only the beginning of is read; it may be gone, then there is no piece with it.
    """
    by_shelf: dict[Shelf, list[Held]] = {}
    for row in rows:
        if row.state not in {State.PENDING, State.DELAYED, State.DEAD}:
            continue
        shelf = next(s for s in shelves(names, check_queue_name(row.queue), row.state) if s.public == row.public)
        held = _whole(row, shelf, lookup)
        if held is not None:
            by_shelf.setdefault(shelf, []).append(held)
    for shelf, tasks in by_shelf.items():
        if shelf.kind == "list":
            tasks.sort(key=lambda task: task.place)
        piece: list[Held] = []
        size = 0
        for task in tasks:
            far = shelf.kind == "list" and piece and task.place - piece[0].place > MOST
            if far or len(piece) == MOST or (piece and size + len(task.payload) > MAX_BYTES):
                yield Piece(shelf, tuple(piece))
                piece, size = [], 0
            piece.append(task)
            size += len(task.payload)
        if piece:
            yield Piece(shelf, tuple(piece))


def _whole(row: TaskRow, shelf: Shelf, lookup: Lookup) -> Held | None:
    if row.size <= len(row.payload):
        return Held(row.payload, row.at, row.place, row)
    found = lookup.find(row, row.size)
    if found is None or found[0].key != shelf.key:
        return None
    return Held(found[2].payload, found[2].score, found[1], row)


@dataclass(slots=True)
class _Part:
    """One key while it is gone through."""

    shelf: Shelf
    at: int
    """The next place: a rank by ascending score, or counted from the right end of a list."""
    left: int
    """Places still to be looked at."""
    upwards: bool
    average: int = 0


class Matches:
    """All tasks that match, as pieces; after each piece `taken` must say what became of it.

    Args:
        names: The key names to use.
        ask: Carries out calls in one round trip; the first refusal is raised.
        matching: Which.
        in_order: Pending tasks come in the order in which they are to run; else the last ones first, so that those
            that workers claim meanwhile are not passed over.
        goes_on: Asked after each look at some tasks; False ends it.
    """

    def __init__(
        self,
        names: Namespace,
        ask: Callable[[list[Call[Any]]], list[Any]],
        matching: Matching,
        *,
        in_order: bool = False,
        goes_on: Callable[[], bool] = lambda: True,
    ) -> None:
        self._reading, self._matching, self._goes_on = ReadingStore(names), matching, goes_on
        self._ask = Timed(ask, self._reading.time())
        self._needles = needles(matching.text) if matching.text else [b""]
        found = shelves(names, check_queue_name(matching.queue), matching.state)
        began, *sizes = ask([self._reading.time(), *(shelf.size() for shelf in found)])
        self.began: float = began
        """Seconds since the epoch, by Redis."""
        self.sizes = {shelf.key: int(size) for shelf, size in zip(found, sizes, strict=True)}
        """How many there are in each key, matching or not."""
        self._parts = []
        for shelf, size in zip(found, sizes, strict=True):
            upwards = shelf.kind == "zset" or in_order
            self._parts.append(_Part(shelf, 0 if upwards else size - 1, size, upwards))
        self._step = FIRST_STEP
        self._looked = 0
        self.skipped = 0
        """Tasks that match and were too large to be acted on."""

    @property
    def total(self) -> int:
        """How many tasks there are in the state, matching or not."""
        return sum(self.sizes.values())

    def __iter__(self) -> Iterator[Piece]:
        """The pieces; none of them is empty."""
        for part in self._parts:
            while part.left > 0:
                piece = self._next(part)
                if not self._goes_on():
                    return
                if piece.tasks:
                    self._last = part
                    yield piece
                else:
                    self._go_on(part)

    def _next(self, part: _Part) -> Piece:
        shelf, step = part.shelf, min(self._step, part.left)
        while True:
            first, last = (part.at + step - 1, part.at) if part.upwards else (part.at, part.at - step + 1)
            look_for = look_for_text(
                shelf.key, shelf.kind, max(0, first), max(0, last), self._needles, MAX_BYTES, part.average, MOST
            )
            self._ask.longest = 0.0
            look = self._ask([look_for])[0]
            if look.next is None or step == 1:
                break
            # It ended before the last place, for there was much to read.
            step = max(1, first - look.next)
            if not part.upwards:
                break
        part.average, self._looked = look.average, step
        self._step = _next_step(step, self._ask.longest)
        tasks = [Held(seen.payload, seen.score, place) for place, seen in look.found if self._fits(shelf, seen)]
        return Piece(shelf, tuple(sorted(tasks, key=lambda task: task.place)))

    def _fits(self, shelf: Shelf, seen: Seen) -> bool:
        if seen.payload == TOMBSTONE:
            return False
        if self._matching.group:
            row = shelf.row(seen, 0)
            if (not row.error and row.state is not State.DEAD) or group_of(row) != self._matching.group:
                return False
        if seen.size > len(seen.payload):
            self.skipped += 1
            return False
        return True

    def taken(
        self,
        piece: Piece,
        done: tuple[bool, ...] = (),
        *,
        due: float | None = None,
        run: bool = False,
        busy: float = 0.0,
    ) -> None:
        """Say to which tasks of the last piece it was done.

        Args:
            piece: The last one.
            done: For each of its tasks; for none when left out.
            due: They have stayed in their set, with that score.
            run: They are at the right end of their queue now.
            busy: Seconds that it kept Redis busy.
        """
        self._step = min(self._step, _next_step(self._looked, busy))
        part, n = self._last, sum(done)
        if part.shelf.kind == "list" and part.upwards:
            # Deeper, tombstones hold the places.
            gone = sum(took and task.place <= NEAR for task, took in zip(piece.tasks, done, strict=False))
        elif due is not None and due <= (piece.tasks[-1].score or 0.0):
            gone = 0
        else:
            gone = n
        self._go_on(part, gone, n if run else 0)

    def _go_on(self, part: _Part, gone: int = 0, added: int = 0) -> None:
        part.left -= self._looked
        if part.upwards:
            part.at += self._looked - gone
        else:
            part.at += added - self._looked

    def count(self) -> int:
        """How many match; nothing is done to them."""
        n = 0
        for piece in self:
            n += len(piece.tasks)
            self.taken(piece)
        return n


def _next_step(step: int, busy: float) -> int:
    """How many tasks the next piece may be of, when one of `step` kept Redis busy for so many seconds."""
    if busy > BUSY:
        return max(SHORTEST_STEP, step // 2)
    # Twice as many would take too long.
    return max(SHORTEST_STEP, step) if busy > BUSY / 2 else min(MOST, 2 * max(step, SHORTEST_STEP))
