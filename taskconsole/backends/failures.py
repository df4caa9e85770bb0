"""The failed tasks of every queue, looked at within bounds and put into groups.

A look that finds a dead set as it was costs three counts of Redis, each O(log n); what has died since is read on top.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from taskconsole.backends.rows import task_row
from taskconsole.errors import TaskconsoleError, WrongType
from taskconsole.model.failure import Failures, grouped
from taskconsole.model.state import State
from taskconsole.store.reading import OPENING, ReadingStore

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from taskconsole.model.stats import TaskRow
    from taskconsole.store.call import Call
    from taskconsole.store.keys import Namespace

__all__ = ["FailedTasks"]

MOST = 5_000
"""Tasks that one look considers, of all queues together."""

MOST_DEAD, MOST_DELAYED = 2_000, 200
"""The same of one queue: its newest dead tasks, and its soonest delayed ones, of which some wait to be tried again."""


@dataclass(slots=True)
class _Dead:
    """What is known of one dead set."""

    rows: list[TaskRow] = field(default_factory=list)
    """The newest first, each with its place."""
    whole: bool = False
    """There were no others."""

    @property
    def newest(self) -> float:
        """The highest score seen."""
        return _score(self.rows[0]) if self.rows else float("-inf")

    @property
    def oldest(self) -> float:
        """The lowest score whose members are all among the rows, or the one below it."""
        return float("-inf") if self.whole or not self.rows else _score(self.rows[-1])

    @property
    def beyond_oldest(self) -> int:
        """How many members Redis should have beyond that score, if nothing was taken away."""
        return len(self.rows) if self.whole else sum(_score(row) > self.oldest for row in self.rows)


class FailedTasks:
    """Looks at failed tasks; remembers the dead ones from one look to the next. For one thread at a time.

    Args:
        names: The key names to use.
        ask: Carries out calls in one round trip; a refused one yields its error in its place.
    """

    def __init__(self, names: Namespace, ask: Callable[[list[Call[Any]]], list[Any]]) -> None:
        self._names, self._ask_each, self._reading = names, ask, ReadingStore(names)
        self._dead: dict[str, _Dead] = {}

    def look(self, queues: Sequence[str]) -> Failures:
        """The newest failed tasks of these queues, in groups.

        With one queue its 2,000 newest dead tasks and those among its 200 soonest delayed ones that carry errors;
        with more, fewer of each, 5,000 in all. One round trip with four commands a queue, and one script for each
        thousand of its delayed tasks that are looked at; a second one where tasks have died since the last look.
        A dead set in which a task was replaced by another of the same instant looks unchanged.
        A queue whose key holds something else is left out: `overview` tells about it.
        """
        share = MOST // max(1, len(queues))
        delayed = min(MOST_DELAYED, share // 4)
        most = max(1, min(MOST_DEAD, share - delayed))
        self._dead = {name: self._dead.get(name, _Dead()) for name in queues}
        retrying, total, changed = self._first_look(queues, delayed, most)
        self._read_on(changed)
        rows = [row for name in queues for row in self._dead[name].rows]
        return Failures(groups=grouped([*rows, *retrying]), looked=len(rows), total=total)

    def _first_look(
        self, queues: Sequence[str], delayed: int, most: int
    ) -> tuple[list[TaskRow], int, list[tuple[str, int, int]]]:
        """Delayed tasks that failed before; how many are dead; where to read (queue, how many of the newest, most)."""
        r = self._reading
        asked: list[list[Call[Any]]] = [
            [
                r.size(k.dead),
                r.count_from(k.dead, known.newest, beyond=True),
                r.count_from(k.dead, known.oldest, beyond=not known.whole),
                *r.scored(k.delayed, 0, delayed, failed=True, preview=OPENING),
            ]
            for k, known in ((self._names.of(name), self._dead[name]) for name in queues)
        ]
        answers = iter(self._ask_each([call for calls in asked for call in calls]))
        retrying: list[TaskRow] = []
        changed: list[tuple[str, int, int]] = []
        total = 0
        for name, calls in zip(queues, asked, strict=True):
            size, newer, beyond, *pieces = (_or_none(next(answers)) for _ in calls)
            retrying += [
                row for seen in pieces if seen for s in seen if (row := self._row(name, State.DELAYED, s)).error
            ]
            known = self._dead[name]
            total += size or 0
            if not size:
                self._dead[name] = _Dead(whole=size == 0)
                continue
            newer = newer or 0
            too_few = len(known.rows) < min(size, most) and not known.whole
            if too_few or newer >= most or (beyond or 0) != known.beyond_oldest + newer:
                self._dead[name] = _Dead()
                changed.append((name, most, most))
            elif newer or len(known.rows) > most:
                changed.append((name, newer, most))
        return retrying, total, changed

    def _read_on(self, changed: list[tuple[str, int, int]]) -> None:
        """Read so many of the newest of these dead sets, and put them before what is known."""
        asked = [
            self._reading.scored(self._names.of(name).dead, 0, count, newest=True, preview=OPENING)
            for name, count, _ in changed
        ]
        answers = iter(self._ask_each([call for calls in asked for call in calls]))
        for (name, count, most), calls in zip(changed, asked, strict=True):
            pieces = [_or_none(next(answers)) for _ in calls]
            new = [self._row(name, State.DEAD, s) for seen in pieces if seen for s in seen]
            known = self._dead[name]
            # Nothing known: whatever is read is all there is, if it is less than was asked for.
            whole = known.whole or (not known.rows and len(new) < count)
            rows = [*new, *(replace(row, place=row.place + len(new)) for row in known.rows)]
            self._dead[name] = _Dead(rows[:most], whole=whole and len(rows) <= most)

    @staticmethod
    def _row(queue: str, state: State, seen: Any) -> TaskRow:
        return task_row(queue, state, seen, place=seen.place)


def _score(row: TaskRow) -> float:
    return float("-inf") if row.at is None else row.at


def _or_none(answer: Any) -> Any:
    """An answer; None for a key of another type.

    Raises:
        StoreError: Another refusal.
    """
    if isinstance(answer, TaskconsoleError):
        if isinstance(answer, WrongType):
            return None
        raise answer
    return answer
