"""Tasks that an operator moves to another queue, perhaps on another node: `taskconsole/backends/moving.py`.

Modelled are the three steps (`take.lua` or `take_pending.lua`, `arrive.lua`, `moved.lua`), a workplace that may be gone
after any of them, and an undo that finds out how far they came. Every call can be carried out without an answer, and
come late after it was given up.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

GUARDS = (
    "move, take: note",
    "move, arrive: note",
    "move, undo: calls it off first",
)


class State(NamedTuple):
    """Everything, of one task."""

    here: int = 1
    """How often it is in the queue where it was."""
    trash: int = 0
    note: str = ""
    """Of the queue where it was: `move`, `moved`, `undone`."""
    arrival: int = -1
    """How many have arrived by the note of the other queue: 0 when it was called off, -1 for no note."""
    there: int = 0
    mover: str = "take"
    """What the operator does next, `rests` when it is over or has been given up."""
    undoer: str = "waits"
    brought_back: bool = False
    wire: tuple[str, ...] = ()
    lost: int = 0
    late: int = 0


@dataclass(frozen=True, kw_only=True)
class Moving:
    """One such world.

    Args:
        lost: Answers that may be lost; the call is repeated, or given up for good.
        late: Calls that may be given up and done later.
        without: Guards that are removed.
    """

    lost: int = 1
    late: int = 1
    without: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        assert self.without <= set(GUARDS)

    def has(self, guard: str) -> bool:
        """Whether this guard is in its place."""
        assert guard in GUARDS
        return guard not in self.without

    # -- the model

    def first(self) -> State:
        """The task is where it was."""
        return State(lost=self.lost, late=self.late)

    def moves(self, s: State) -> Iterator[tuple[str, State]]:
        """Whatever anybody may do next."""
        yield from self._mover(s)
        yield from self._undoer(s)
        for n, name in enumerate(s.wire):
            rest = s._replace(wire=s.wire[:n] + s.wire[n + 1 :])
            yield f"late, {name} is done", getattr(self, name)(rest)

    def broken(self, s: State) -> str:
        """The laws."""
        if s.here + s.there + (s.trash if s.arrival <= 0 else 0) > 1:
            return "DOUBLED: the task is in both queues"
        if s.here + s.there + s.trash == 0:
            return "LOST: the task is nowhere"
        if s.brought_back and s.note != "undone":
            return "DONE AGAIN: what was brought back has been moved once more"
        return ""

    def ended(self, s: State) -> bool:
        """It is in one of the queues, or an undo will find it."""
        return s.mover == "rests" and s.undoer in {"waits", "rests"}

    # -- transitions

    def take(self, s: State) -> State:
        """Into the trash."""
        if (s.note and self.has("move, take: note")) or not s.here:
            return s
        return s._replace(here=0, trash=1, note="move")

    def arrive(self, s: State) -> State:
        """Into the other queue."""
        if s.arrival >= 0 and self.has("move, arrive: note"):
            return s
        return s._replace(there=s.there + 1, arrival=1)

    def call_off(self, s: State) -> State:
        """arrive.lua with no tasks: with this note nothing arrives any more."""
        return s if s.arrival >= 0 else s._replace(arrival=0)

    def moved(self, s: State) -> State:
        """No longer in the trash."""
        if not s.trash:
            return s
        return s._replace(trash=0, note="moved")

    def undo(self, s: State) -> State:
        """Out of the trash again."""
        if s.note != "move" or not s.trash:
            return s
        return s._replace(here=s.here + 1, trash=0, note="undone", brought_back=True)

    # -- who does it

    def _mover(self, s: State) -> Iterator[tuple[str, State]]:
        if s.mover == "rests":
            return
        following = {"take": "arrive", "arrive": "moved", "moved": "rests"}[s.mover]
        after, words = getattr(self, s.mover)(s), f"the operator's {s.mover}"
        yield f"{words} is done", after._replace(mover=following)
        if s.lost:
            yield f"{words} is done, but the answer is lost", after._replace(lost=s.lost - 1)
            yield (
                f"{words} is done, and the operator's terminal is gone",
                after._replace(mover="rests", lost=s.lost - 1),
            )
        if s.late:
            given_up = s._replace(wire=tuple(sorted((*s.wire, s.mover))), late=s.late - 1)
            yield f"{words} is given up, not done yet", given_up
            yield f"{words} is given up for good, not done yet", given_up._replace(mover="rests")

    def _undoer(self, s: State) -> Iterator[tuple[str, State]]:
        if s.undoer == "waits" and s.mover == "rests" and s.note:
            # One who looks finds a note; what it means may have changed when it acts.
            if s.note == "moved":
                yield "the undo finds it moved, and moves it the other way", s._replace(undoer="rests")
            elif s.note == "move":
                yield "the undo finds it under way", s._replace(undoer="looks")
        if s.undoer == "looks":
            after = self.call_off(s) if self.has("move, undo: calls it off first") else s
            arrived = after.arrival > 0
            words = "it has arrived" if arrived else "it has not arrived"
            yield f"the undo asks the other queue: {words}", after._replace(undoer="moved" if arrived else "undo")
        if s.undoer in {"moved", "undo"}:
            yield f"the undo does {s.undoer}", getattr(self, s.undoer)(s)._replace(undoer="rests")
