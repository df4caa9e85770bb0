"""Tasks that go from the public delayed set to a queue on another node of a cluster: `taskconsole/store/carrying.py`.

Modelled are `depart.lua`, `delay.lua` as the delivery (its number is remembered under the id of the move), and the two
plain commands of an arrival. Those who carry can die between any two steps; others take up what they leave behind,
perhaps while they are still at it. Only while somebody repeats a departure nobody takes its move up: a repeat comes at
once, and `ABANDONED` is longer. (Without that, equal bytes put into the public set again meanwhile could be lost.)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

GUARDS = (
    "depart: once",
    "depart: still there",
    "depart: what is under way is noted",
    "deliver: once",
    "arrive: after delivering",
    "arrive: what it carried goes first",
)


class Move(NamedTuple):
    """One move as Redis has it, on both nodes."""

    noted: bool = False
    """In the set of moves under way."""
    carried: tuple[str, ...] = ()
    delivered: bool = False
    """The queue's node remembers its number."""


class Carrier(NamedTuple):
    """Who carries: a promoter, or an operator's action."""

    step: str = "looks"
    """What comes next: `looks`, `departs`, `delivers`, `arrives`, `forgets`."""
    move: int = -1
    seen: tuple[str, ...] = ()
    luggage: tuple[str, ...] = ()


class State(NamedTuple):
    """Everything."""

    public: tuple[str, ...]
    moves: tuple[Move, ...] = ()
    there: tuple[str, ...] = ()
    """What has come to the queue, with repetitions."""
    deleted: tuple[str, ...] = ()
    carriers: tuple[Carrier, ...] = ()
    again: bool = False
    """Somebody may still put the same task into the public set once more, as a timetable does every day."""
    sent: int = 0
    lost: int = 0
    deaths: int = 0


@dataclass(frozen=True, kw_only=True)
class Carrying:
    """One such world, with one task.

    Args:
        carriers: How many there are.
        again: The task is put into the public set twice.
        lost: Answers that may be lost; the call is repeated.
        deaths: Carriers that may die; others come.
        deletes: An operator may delete the task from the public set.
        without: Guards that are removed.
    """

    carriers: int = 2
    again: bool = False
    lost: int = 0
    deaths: int = 0
    deletes: bool = False
    without: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        assert self.without <= set(GUARDS)

    def has(self, guard: str) -> bool:
        """Whether this guard is in its place."""
        assert guard in GUARDS
        return guard not in self.without

    # -- the model

    def first(self) -> State:
        """The task is there and due."""
        carriers = (Carrier(),) * self.carriers
        return State(("a",), carriers=carriers, again=self.again, sent=1, lost=self.lost, deaths=self.deaths)

    def moves(self, s: State) -> Iterator[tuple[str, State]]:
        """Whatever anybody may do next."""
        for n, carrier in enumerate(s.carriers):
            yield from self._carrier(s, n, carrier)
        if s.again and "a" not in s.public:
            yield "the same task is put there again", s._replace(public=("a",), again=False, sent=s.sent + 1)
        if self.deletes and s.public:
            yield "an operator deletes it", s._replace(public=(), deleted=(*s.deleted, *s.public))

    def broken(self, s: State) -> str:
        """The laws."""
        on_the_way = [p for move in s.moves for p in move.carried if not move.delivered]
        n = len([*s.public, *on_the_way, *s.there, *s.deleted])
        if n < s.sent:
            return "LOST: the task is nowhere"
        if n > s.sent:
            return "DOUBLED: the task is in two places"
        return ""

    def ended(self, s: State) -> bool:
        """All has arrived, and nothing of a move is left."""
        left = any(move.noted or move.carried for move in s.moves)
        return not s.public and not left and all(carrier.step == "looks" for carrier in s.carriers)

    # -- transitions

    def depart(self, s: State, n: int, seen: tuple[str, ...]) -> tuple[State, tuple[str, ...]]:
        """Put aside what was seen in the public set, as far as it is still there."""
        move = s.moves[n]
        if move.carried and self.has("depart: once"):
            return s, move.carried
        taken = tuple(p for p in seen if p in s.public or not self.has("depart: still there"))
        if not taken:
            return s, move.carried
        noted = self.has("depart: what is under way is noted")
        # Equal members of a sorted set are one.
        move = move._replace(noted=noted, carried=tuple(sorted({*move.carried, *taken})))
        return self._with(s._replace(public=tuple(p for p in s.public if p not in taken)), n, move), move.carried

    def deliver(self, s: State, n: int, luggage: tuple[str, ...]) -> State:
        """delay.lua: once for the id of a move."""
        if s.moves[n].delivered and self.has("deliver: once"):
            return s
        return self._with(s._replace(there=s.there + luggage), n, s.moves[n]._replace(delivered=True))

    @staticmethod
    def _with(s: State, n: int, move: Move) -> State:
        return s._replace(moves=(*s.moves[:n], move, *s.moves[n + 1 :]))

    # -- who carries

    def _carrier(self, s: State, n: int, c: Carrier) -> Iterator[tuple[str, State]]:
        def carrier(s: State, value: Carrier) -> State:
            return s._replace(carriers=(*s.carriers[:n], value, *s.carriers[n + 1 :]))

        name = f"carrier {n}"
        if c.step == "looks":
            if s.public and len(s.moves) < 6:
                fresh = s._replace(moves=(*s.moves, Move()))
                yield f"{name} sees the task", carrier(fresh, Carrier("departs", len(s.moves), s.public))
            departing = {other.move for other in s.carriers if other.step == "departs"}
            for number, move in enumerate(s.moves):
                if move.noted and number not in departing:
                    luggage = move.carried
                    step = "delivers" if luggage else "arrives"
                    words = f"{name} takes up move {number}"
                    yield words, carrier(s, Carrier(step, number, luggage=luggage))
            return
        after, following = self._step(s, c)
        words = f"{name} {c.step} with move {c.move}"
        yield words, carrier(after, following)
        if s.lost:
            yield f"{words}: done, but the answer is lost", after._replace(lost=s.lost - 1)
        if s.deaths:
            yield f"{name} dies", carrier(s._replace(deaths=s.deaths - 1), Carrier())
            yield f"{words} and dies", carrier(after._replace(deaths=s.deaths - 1), Carrier())

    def _step(self, s: State, c: Carrier) -> tuple[State, Carrier]:
        move = s.moves[c.move]
        first = "delivers" if self.has("arrive: after delivering") else "arrives"
        match c.step:
            case "departs":
                s, luggage = self.depart(s, c.move, c.seen)
                return s, c._replace(step=first, luggage=luggage) if luggage else Carrier()
            case "delivers":
                s = self.deliver(s, c.move, c.luggage)
                return s, c._replace(step="arrives") if first == "delivers" else Carrier()
            case "arrives" if self.has("arrive: what it carried goes first"):
                return self._with(s, c.move, move._replace(carried=())), c._replace(step="forgets")
            case "arrives":
                return self._with(s, c.move, move._replace(noted=False)), c._replace(step="forgets")
        rest = move._replace(noted=False, carried=())
        return self._with(s, c.move, rest), Carrier() if first == "delivers" else c._replace(step="delivers")
