"""The keys in which the tasks of a queue lie, and how places in them are counted. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from taskconsole.backends.rows import done_row, task_row
from taskconsole.model.state import State
from taskconsole.store.keys import DEFAULT_QUEUE
from taskconsole.store.reading import PREVIEW, ReadingStore, Seen

if TYPE_CHECKING:
    from collections.abc import Iterable

    from taskconsole.model.stats import TaskRow
    from taskconsole.store.call import Call
    from taskconsole.store.keys import Namespace
    from taskconsole.store.operations import Shelf as OperationShelf
    from taskconsole.store.searching import Kind

__all__ = ["Shelf", "shelves"]

FRONT_IS_LAST = frozenset({State.ACTIVE, State.DONE, State.DEAD})
"""States that are shown from the left end of the list, or from the highest score."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """One key with tasks in one state."""

    queue: str
    state: State
    key: str
    kind: Kind
    worker: str = ""
    """Whose hands it is."""
    public: bool = False
    """It is the public delayed set."""

    @property
    def set(self) -> OperationShelf:
        """What the transitions of operators call this key, if it is a sorted set."""
        assert self.kind == "zset"
        return "dead" if self.state is State.DEAD else "public" if self.public else "delayed"

    def size(self) -> Call[int]:
        """How many there are."""
        return ReadingStore.length(self.key) if self.kind == "list" else ReadingStore.size(self.key)

    def turned(self, place: int, total: int) -> int:
        """From a place as lists show it to a place as `store.searching` counts it, and back."""
        return total - 1 - place if self.state in FRONT_IS_LAST else place

    def row(self, seen: Seen, place: int) -> TaskRow:
        """A task of this shelf; its payload is cut as in every list, whatever was read of it."""
        if self.state is State.DONE:
            row = done_row(self.queue, seen)
        else:
            row = task_row(self.queue, self.state, seen, worker=self.worker)
        return replace(row, payload=seen.payload[:PREVIEW], place=place, public=self.public)


def shelves(names: Namespace, queue: str, state: State, workers: Iterable[str] = ()) -> list[Shelf]:
    """Where the tasks of a queue in this state are; `workers` hold the active ones."""
    k = names.of(queue)
    match state:
        case State.PENDING:
            return [Shelf(queue, state, k.queue, "list")]
        case State.DELAYED:
            own = Shelf(queue, state, k.delayed, "zset")
            public = Shelf(queue, state, names.public_delayed, "zset", public=True)
            return [own, public] if queue == DEFAULT_QUEUE else [own]
        case State.ACTIVE:
            return [Shelf(queue, state, k.processing(worker), "list", worker) for worker in workers]
        case State.DONE:
            return [Shelf(queue, state, k.done, "list")]
        case State.DEAD:
            return [Shelf(queue, state, k.dead, "zset")]
