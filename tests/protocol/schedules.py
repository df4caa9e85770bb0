"""One schedule, two who fire it, an operator who changes it, and the tasks it has made.

Modelled are `due.lua` (what a ticker sees), `fire.lua`, `put_schedule.lua`, `remove_schedule.lua`,
`trigger_schedule.lua`, what `settle.lua` does at the end of a schedule's task, and what `requeue.lua` does for one.
`end_run.lua` does the same as that part of `settle.lua`, for a task that no worker ends; here it ends one that an
operator deletes.

The schedule has a few instants, numbered from 0; its position is the number of the next one and stands for its JSON. A
score is the time at which it is looked at: `None` for never, an instant's number, or half a number where a hand has put
it. A late copy of a call may come whenever it likes; time itself is left out, so everything may be due.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

GUARDS = (
    "fire: score",
    "fire: definition",
    "fire: position",
    "fire: what runs",
    "fire: what waits",
    "put_schedule: definition",
    "put_schedule: position",
    "put_schedule: removed",
    "remove_schedule: definition",
    "remove_schedule: note",
    "trigger_schedule: note",
    "settle: the last one lets go",
    "requeue: unfinished again",
)


class Seen(NamedTuple):
    """What somebody has read of the schedule."""

    score: float | None
    definition: int
    position: int


class Call(NamedTuple):
    """A transition with its arguments."""

    name: str
    seen: Seen
    definition: int = 0
    """The one to write."""
    restores: bool = False
    by_code: bool = False
    """An app registers what its code says."""


class Desk(NamedTuple):
    """Who changes the schedule."""

    open: Call | None = None
    used: int = 0
    told: int = 1
    """The definition that stands, as the last answer said; 0 when it was removed."""
    triggered: int = 0


class State(NamedTuple):
    """Everything; definitions are numbered, 0 is none."""

    definition: int = 1
    position: int = 0
    score: float | None = 0
    removed: int = 0
    """The definition that was seen when it was removed; 0 for no note."""
    running: tuple[float, ...] = ()
    buffered: float | None = None
    unfinished: tuple[float, ...] = ()
    """Tasks that are pending or in somebody's hands, by their instants; those made by hand are below 0."""
    dead: tuple[float, ...] = ()
    made: tuple[float, ...] = ()
    notes: tuple[str, ...] = ()
    tickers: tuple[Seen | None, ...] = (None, None)
    desk: Desk = Desk()
    wire: tuple[Call, ...] = ()
    lost: int = 0
    late: int = 0
    wrong: str = ""


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """One such world.

    Args:
        instants: How many there are.
        overlap: `allow` or `buffer_one`.
        lost: Answers that may be lost.
        late: Calls that may be given up and done later.
        actions: What the operator may do: `put`, `remove`, `restore`, `register` (code does that), `trigger`, `move`
            (the time, by hand), and `colleague`, who writes while another has something in mind.
        most_actions: How many of these.
        dies: Tasks may be buried and requeued, once each.
        without: Guards that are removed.
    """

    instants: int = 2
    overlap: str = "allow"
    lost: int = 0
    late: int = 0
    actions: tuple[str, ...] = ()
    most_actions: int = 2
    dies: bool = False
    without: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        assert self.without <= set(GUARDS)

    def has(self, guard: str) -> bool:
        """Whether this guard is in its place."""
        assert guard in GUARDS
        return guard not in self.without

    # -- the model

    def first(self) -> State:
        """It has been written and placed."""
        return State(lost=self.lost, late=self.late)

    def moves(self, s: State) -> Iterator[tuple[str, State]]:
        """Whatever anybody may do next."""
        for n, seen in enumerate(s.tickers):
            yield from self._ticker(s, n, seen)
        yield from self._work(s)
        yield from self._operator(s)
        for call in sorted(set(s.wire), key=repr):
            rest = list(s.wire)
            rest.remove(call)
            yield f"late, a {call.name} is done", self._carry_out(s._replace(wire=tuple(rest)), call)[0]

    def broken(self, s: State) -> str:
        """The laws."""
        if s.wrong:
            return s.wrong
        for instant in set(s.made):
            if s.made.count(instant) > 1:
                return f"TWICE: instant {instant} has got two tasks"
        # What was made by hand asks nobody.
        if self.overlap == "buffer_one" and sum(instant >= 0 for instant in s.unfinished) > 1:
            return "OVERLAP: two tasks are unfinished at once"
        if s.desk.open is None and s.definition != s.desk.told:
            return f"OVERWRITTEN: definition {s.definition} stands, and {s.desk.told} was the last to be written"
        if sum(instant < 0 for instant in s.made) > s.desk.triggered:
            return "TWICE: more tasks made by hand than were asked for"
        return ""

    def ended(self, s: State) -> bool:
        """Nothing is to be fired, worked or changed any more."""
        over = s.score is None and s.buffered is None
        return over and not s.unfinished and s.desk.open is None and s.tickers == (None, None)

    # -- transitions

    def _carry_out(self, s: State, call: Call) -> tuple[State, str]:
        transition = {
            "fire": self.fire,
            "put_schedule": self.put_schedule,
            "remove_schedule": self.remove_schedule,
            "trigger_schedule": self.trigger_schedule,
        }[call.name]
        return transition(s, call)

    def fire(self, s: State, call: Call) -> tuple[State, str]:
        """Make the task of the instant that the caller saw, if all is as it saw it."""
        seen = call.seen
        if (
            (self.has("fire: score") and s.score != seen.score)
            or (self.has("fire: definition") and s.definition != seen.definition)
            or (self.has("fire: position") and s.position != seen.position)
        ):
            return s, "changed"
        if s.definition != seen.definition:
            return s._replace(wrong=f"STALE: definition {seen.definition} is fired, {s.definition} stands"), ""
        if s.score is None or (s.score != seen.score and s.score != int(s.score)):
            return s._replace(wrong=f"NOT THEN: fired at {seen.score}, and {s.score} is the time"), ""
        following = seen.position + 1
        s = s._replace(position=following, score=following if following < self.instants else None)
        busy = bool(s.running) and self.has("fire: what runs")
        if self.overlap == "buffer_one" and busy:
            if s.buffered is None or not self.has("fire: what waits"):
                if s.buffered is not None:
                    return s._replace(wrong=f"LOST: what waited ({s.buffered}) is overwritten"), ""
                return s._replace(buffered=seen.position, made=(*s.made, seen.position)), "fired"
            return s, "fired"
        return self._makes(s, seen.position), "fired"

    @staticmethod
    def _makes(s: State, instant: float) -> State:
        return s._replace(
            made=tuple(sorted((*s.made, instant))),
            unfinished=tuple(sorted((*s.unfinished, instant))),
            running=tuple(sorted({*s.running, instant})),
        )

    def put_schedule(self, s: State, call: Call) -> tuple[State, str]:
        """Write another definition; the position stays what it has become."""
        if not call.restores and self.has("put_schedule: removed") and s.removed:
            return s, "removed"
        if self.has("put_schedule: definition") and s.definition != call.seen.definition:
            return s, "written" if s.definition == call.definition else "changed"
        position = s.position if self.has("put_schedule: position") else call.seen.position
        score = position if position < self.instants else None
        return s._replace(definition=call.definition, position=position, score=score, removed=0), "written"

    def remove_schedule(self, s: State, call: Call) -> tuple[State, str]:
        """Take it away, and what waits with it."""
        if self.has("remove_schedule: note") and s.removed and s.removed == call.seen.definition:
            return s, "removed"
        if self.has("remove_schedule: definition") and s.definition != call.seen.definition:
            return s, "changed"
        if s.definition != call.seen.definition:
            return s._replace(wrong=f"UNSEEN: {s.definition} is removed by one who saw {call.seen.definition}"), ""
        # The position is kept in the note, from which a restored one goes on.
        return s._replace(definition=0, score=None, buffered=None, removed=call.seen.definition), "removed"

    def trigger_schedule(self, s: State, call: Call) -> tuple[State, str]:
        """Make a task by hand."""
        token = f"{call.definition}"
        if self.has("trigger_schedule: note") and token in s.notes:
            return s, "made"
        if not s.definition:
            return s, "changed"
        return self._makes(s, -1.0 - len([i for i in s.made if i < 0]))._replace(notes=(*s.notes, token)), "made"

    def _ends(self, s: State, instant: float) -> State:
        """settle.lua and end_run.lua: the end of one lets go what waits, when no other runs."""
        rest = list(s.unfinished)
        rest.remove(instant)
        running = tuple(i for i in s.running if i != instant)
        s = s._replace(unfinished=tuple(rest), running=running)
        if s.buffered is None or (running and self.has("settle: the last one lets go")):
            return s
        let_go = s.buffered
        return s._replace(
            buffered=None,
            unfinished=tuple(sorted((*s.unfinished, let_go))),
            running=tuple(sorted((*running, let_go))),
        )

    # -- who does it

    def _ticker(self, s: State, n: int, seen: Seen | None) -> Iterator[tuple[str, State]]:
        def ticker(s: State, value: Seen | None) -> State:
            return s._replace(tickers=(*s.tickers[:n], value, *s.tickers[n + 1 :]))

        if seen is None:
            if s.score is not None:
                yield f"ticker {n} reads", ticker(s, Seen(s.score, s.definition, s.position))
            return
        if seen.score != int(seen.score or 0):
            # A time set by hand: `plan` makes a task of that moment, and the regular instants go on.
            yield f"ticker {n} places it again", ticker(self._placed(s, seen), None)
            return
        call = Call("fire", seen)
        after, _ = self._carry_out(s, call)
        # A ticker that hears nothing looks again.
        yield f"ticker {n} fires instant {seen.position}", ticker(after, None)
        if s.late:
            given_up = ticker(s._replace(wire=(*s.wire, call), late=s.late - 1), None)
            yield f"ticker {n} gives up firing instant {seen.position}, not done yet", given_up

    def _placed(self, s: State, seen: Seen) -> State:
        if (s.score, s.definition, s.position) != seen:
            return s
        return s._replace(score=s.position if s.position < self.instants else None)

    def _work(self, s: State) -> Iterator[tuple[str, State]]:
        for instant in s.unfinished:
            yield f"the task of {instant} ends", self._ends(s, instant)
            if self.dies and not s.dead:
                yield f"the task of {instant} is buried", self._ends(s, instant)._replace(dead=(instant,))
        if self.dies and s.dead and s.dead[0] in s.made and not s.unfinished:
            again = s.dead[0]
            running = {*s.running, again} if self.has("requeue: unfinished again") else set(s.running)
            unfinished = tuple(sorted((*s.unfinished, again)))
            requeued = s._replace(dead=(99.0,), unfinished=unfinished, running=tuple(sorted(running)))
            yield f"the task of {again} is requeued", requeued

    # -- the operator

    def _operator(self, s: State) -> Iterator[tuple[str, State]]:
        call = s.desk.open
        if call is None:
            if s.desk.used < self.most_actions:
                yield from self._decisions(s)
            return
        if "colleague" in self.actions and s.definition and s.desk.used < self.most_actions:
            used = s.desk.used + 1
            written = self.put_schedule(s, Call("put_schedule", Seen(s.score, s.definition, s.position), used + 1))[0]
            desk = s.desk._replace(used=used, told=used + 1)
            yield f"a colleague writes definition {used + 1}", written._replace(desk=desk)
        after, answer = self._carry_out(s, call)
        yield f"the {call.name} is done", self._answered(after, call, answer)
        if s.lost:
            yield f"the {call.name} is done, but the answer is lost", after._replace(lost=s.lost - 1)
        if s.late:
            yield f"the {call.name} is given up, not done yet", s._replace(wire=(*s.wire, call), late=s.late - 1)

    def _decisions(self, s: State) -> Iterator[tuple[str, State]]:
        seen, used = Seen(s.score, s.definition, s.position), s.desk.used + 1
        fresh = used + 1
        calls = {
            "put": Call("put_schedule", seen, fresh) if s.definition else None,
            "register": Call("put_schedule", seen, fresh, by_code=True) if not s.definition else None,
            "restore": Call("put_schedule", seen, fresh, restores=True) if not s.definition else None,
            "remove": Call("remove_schedule", seen) if s.definition else None,
            "trigger": Call("trigger_schedule", seen, fresh) if s.definition else None,
        }
        for action in self.actions:
            if action == "move" and s.score is not None:
                # ZADD by hand: to another time, or to the one of an instant that was fired before.
                for score in (s.position + 0.5, *range(s.position)):
                    moved = s._replace(score=score, desk=s.desk._replace(used=used))
                    yield f"somebody sets its time to {score}", moved
            elif call := calls.get(action):
                desk = s.desk._replace(open=call, used=used, triggered=s.desk.triggered + (action == "trigger"))
                yield f"the operator decides: {action}", s._replace(desk=desk)

    def _answered(self, s: State, call: Call, answer: str) -> State:
        desk = s.desk._replace(open=None)
        match call.name, answer:
            case "put_schedule", "written" if not call.by_code:
                desk = desk._replace(told=call.definition)
            case "remove_schedule", "removed":
                desk = desk._replace(told=0)
            case "remove_schedule", "changed" if s.removed == call.seen.definition:
                s = s._replace(wrong="DENIED: the operator is told that nothing was removed")
        return s._replace(desk=desk)
