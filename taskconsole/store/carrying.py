"""Tasks on their way from the public delayed set to a queue, where the two lie on different nodes of a cluster.

A script touches one node only, so it takes three steps, each of which can be repeated: the tasks are put aside beside
the public set, together with where they go (depart); they are added to their queue's own delayed set, once however
often that is asked for with the same move (deliver); the move is forgotten (arrive). Whoever dies in between leaves the
move behind, and the next promoter repeats the last two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from taskconsole.store.call import Call, command
from taskconsole.store.tasks import TaskStore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from taskconsole.store.keys import Namespace

__all__ = ["CarryStore", "Move"]

REMEMBER_MOVE = 86_400
"""Seconds within which tasks are delivered once, however often their move is taken up again."""

Luggage = list[tuple[str, bytes]]
"""Due times, as Redis writes them, and payloads."""


@dataclass(frozen=True, slots=True)
class Move:
    """Some tasks that go to one queue."""

    text: bytes
    """As it stands in Redis, where anybody may have written something else: its id and the queue."""

    @classmethod
    def of(cls, move_id: str, queue: str) -> Move:
        """A new one; the id is nobody else's."""
        return cls(f"{move_id} {queue}".encode())

    @property
    def id(self) -> str:
        """What tells it from others."""
        return self.text.partition(b" ")[0].decode("utf-8", "replace")

    @property
    def queue(self) -> str:
        """Where it goes."""
        return self.text.partition(b" ")[2].decode("utf-8", "replace")


class CarryStore:
    """Builds the calls that carry tasks.

    Args:
        names: The key names to use.
    """

    def __init__(self, names: Namespace) -> None:
        self._names, self._tasks = names, TaskStore(names)

    def depart(self, move: Move, payloads: Sequence[bytes], *, only_due: bool) -> Call[Luggage]:
        """Put these members of the public set on their way, `only_due` or all; returns those that it has found."""
        names = self._names
        keys = (names.public_delayed, names.leaving, names.carried(move.id))
        return Call.of("depart", keys, (move.text, "due" if only_due else "any", *payloads), _luggage)

    def carried(self, move: Move) -> Call[Luggage]:
        """What a move carries."""
        return command("ZRANGE", self._names.carried(move.id), 0, -1, "WITHSCORES", parse=_luggage)

    def deliver(self, move: Move, luggage: Luggage, queue: str) -> Call[int]:
        """Add what a move carries to the delayed set of `queue`."""
        return self._tasks.delay(queue, luggage, client_id=move.id, seq=1, remember=REMEMBER_MOVE)

    def arrive(self, move: Move) -> list[Call[int]]:
        """Forget a move that has delivered."""
        return [
            command("DEL", self._names.carried(move.id), parse=int),
            command("ZREM", self._names.leaving, move.text, parse=int),
        ]

    def under_way(self, since: float) -> Call[list[Move]]:
        """Moves that departed before `since` (seconds since the epoch, by Redis); a few at a time."""
        return command(
            "ZRANGEBYSCORE",
            self._names.leaving,
            "-inf",
            f"({since:.6f}",
            "LIMIT",
            0,
            10,
            parse=lambda reply: [Move(bytes(text)) for text in reply],
        )


def _luggage(reply: Any) -> Luggage:
    return [(reply[i + 1].decode(), bytes(reply[i])) for i in range(0, len(reply), 2)]
