"""Tasks that go from one queue to another.

In a Cluster the two queues may lie on two nodes, so it takes two steps that no transaction holds together: the tasks
are taken into the trash of their queue, and then they arrive in the other. Each step may be repeated and is done once.
Whoever dies between the two leaves the tasks in the trash, for as long as it takes: undoing the move brings them back,
or, should they have arrived after all, back from there. Nothing runs twice and nothing is lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from taskconsole.backends.rows import operator_event
from taskconsole.backends.shelves import shelves
from taskconsole.errors import ConfigError, StoreError
from taskconsole.model.event import EventKind
from taskconsole.store.keys import check_queue_name
from taskconsole.store.operations import OperationStore
from taskconsole.store.reading import ReadingStore
from taskconsole.store.tasks import TaskStore

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from taskconsole.backends.commands import MoveTasks
    from taskconsole.backends.pieces import Held, Piece
    from taskconsole.backends.shelves import Shelf
    from taskconsole.model.stats import TaskRow
    from taskconsole.store.call import Call
    from taskconsole.store.keys import Namespace
    from taskconsole.store.operations import Taken

__all__ = ["Mover"]


class Mover:
    """Moves pieces.

    Args:
        names: The key names to use.
        ask: Carries out calls in one round trip, repeats them if the replies are lost, raises a refusal.
        spread: The public delayed set and its queue lie on different nodes.
    """

    def __init__(self, names: Namespace, ask: Callable[[list[Call[Any]]], list[Any]], *, spread: bool = False) -> None:
        self._names, self._ask, self._spread = names, ask, spread
        self._operations, self._reading, self._tasks = OperationStore(names), ReadingStore(names), TaskStore(names)

    def check(self, command: MoveTasks) -> None:
        """See that the other queue can take them.

        Raises:
            ConfigError: No queue can be called that, it is the same one, or its keys hold something else.
        """
        to = check_queue_name(command.to)
        which = command.which
        queues = {row.queue for row in which} if isinstance(which, tuple) else {which.queue}
        if queues == {to}:
            raise ConfigError(f"the tasks are on {to} already")
        k = self._names.of(to)
        wanted = {k.queue: "list", k.delayed: "zset", k.dead: "zset"}
        kinds = self._ask([self._reading.kind(key) for key in wanted])
        for (key, kind), there in zip(wanted.items(), kinds, strict=True):
            if there not in {kind, "none"}:
                raise ConfigError(f"key {key!r} holds a {there}, not a {kind}: nothing can be moved there")
        self._ask([self._tasks.announce(to)])

    def move(
        self,
        piece: Piece,
        span: tuple[int, int],
        to: str,
        *,
        token: str,
        event: bytes,
        at_most: int | None,
        by: str,
        now: float,
        rows: Sequence[TaskRow],
    ) -> Taken:
        """Take a piece out of its queue and let it arrive in another."""
        shelf = piece.shelf
        if shelf.kind == "list":
            call = self._operations.take_pending(
                shelf.queue, span, piece.payloads, token=token, event=event, at_most=at_most, to=to
            )
        else:
            call = self._operations.take(
                shelf.queue, shelf.set, piece.payloads, token=token, event=event, at_most=at_most, to=to
            )
        taken: Taken = self._ask([call])[0]
        took = [task for task, done in zip(piece.tasks, taken.done, strict=True) if done]
        if took:
            self.arrive(shelf, took, to, token=token, by=by, now=now, rows=rows)
        return taken

    def arrive(
        self,
        source: Shelf,
        tasks: Sequence[Held],
        to: str,
        *,
        token: str,
        by: str,
        now: float,
        rows: Sequence[TaskRow] = (),
        next_to_run: bool = False,
    ) -> None:
        """The second step; when it is refused the first one is taken back.

        Raises:
            StoreError: The other queue refuses them; they are where they were.
        """
        # What lay in the public set goes into the queue's own: only the default queue has two.
        target = shelves(self._names, to, source.state)[0]
        state: Any = "pending" if target.kind == "list" else target.set
        text = f"from {source.queue}"
        event = operator_event(EventKind.MOVED, to, round(now, 3), by, text, *rows, n=len(tasks))
        payloads = [(task.payload, task.score) for task in tasks]
        try:
            self._ask([
                self._operations.arrive(to, state, payloads, token=token, event=event, next_to_run=next_to_run)
            ])  # fmt: skip
        except StoreError as error:
            undone = operator_event(EventKind.UNDONE, source.queue, round(now, 3), by, f"{to} refused them")
            self._ask([self._operations.undo(source.queue, token, event=undone, spread=self._spread)])
            raise StoreError(f"{to} refused the tasks, they are where they were: {error}") from None
        self._ask([self._operations.moved(source.queue, token)])
