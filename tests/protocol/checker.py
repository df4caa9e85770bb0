"""Every order in which things can happen, shortest first, until a law is broken or nothing new comes.

A model is a first state and, for each state, what may happen next. States are values that can be hashed, so each is
looked at once however many ways lead to it. The first state that breaks a law has no shorter story than its own.
When no law is broken there is one more question: can everything still end well from everywhere?
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVar

S = TypeVar("S", bound=Hashable)

STUCK = "STUCK: from here on nothing can end well"


class Model(Protocol[S]):
    """What may happen, and what must not."""

    def first(self) -> S:
        """The state in which everything begins."""

    def moves(self, state: S) -> Iterator[tuple[str, S]]:
        """What may happen next, in words, and the state after it."""

    def broken(self, state: S) -> str:
        """The law that does not hold here; empty when all do."""

    def ended(self, state: S) -> bool:
        """Nothing is left to do."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What looking at all of them has shown."""

    states: int
    law: str = ""
    """The first law found broken; empty when all hold."""
    story: tuple[str, ...] = ()
    """The shortest way there."""

    def __str__(self) -> str:
        if not self.law:
            return f"{self.states:,} states, every law holds, and each state can end well"
        steps = "".join(f"\n    {n}. {step}" for n, step in enumerate(self.story, 1))
        return f"{self.law}, after {len(self.story)} steps (state {self.states:,}){steps}"


def explore(model: Model[S], *, at_most: int = 1_000_000) -> Verdict:
    """Look at every state of `model`.

    Raises:
        MemoryError: There are more than `at_most`: the verdict would be about a part of them.
    """
    first = model.first()
    came_from: dict[S, tuple[S, str] | None] = {first: None}
    leads_to: defaultdict[S, list[S]] = defaultdict(list)
    """The other way round: from a state to those that lead to it."""
    ended: list[S] = []
    coming = deque([first])
    while coming:
        state = coming.popleft()
        if law := model.broken(state):
            return Verdict(len(came_from), law, _story(came_from, state))
        if model.ended(state):
            ended.append(state)
        for words, after in model.moves(state):
            if after == state:
                continue
            leads_to[after].append(state)
            if after not in came_from:
                came_from[after] = (state, words)
                coming.append(after)
        if len(came_from) > at_most:
            raise MemoryError(f"more than {at_most:,} states")
    well = _ends_well(ended, leads_to)
    # In the order in which they were found, so the first has the shortest story.
    for state in came_from:
        if state not in well:
            return Verdict(len(came_from), STUCK, _story(came_from, state))
    return Verdict(len(came_from))


def _ends_well(ended: list[S], leads_to: dict[S, list[S]]) -> set[S]:
    """The states from which some way leads to one that has ended."""
    well, coming = set(ended), list(ended)
    while coming:
        for before in leads_to.get(coming.pop(), ()):
            if before not in well:
                well.add(before)
                coming.append(before)
    return well


def _story(came_from: dict[S, tuple[S, str] | None], state: S) -> tuple[str, ...]:
    steps: list[str] = []
    while (step := came_from[state]) is not None:
        state, words = step
        steps.append(words)
    return tuple(reversed(steps))
