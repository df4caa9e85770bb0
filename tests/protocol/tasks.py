"""Tasks, those who work on them, and everything that can go wrong on the way.

A producer, worker processes, a reclaimer, promoters and an operator talk to the Redis of `lua.py`. Every call can be
carried out without its answer being heard, and a call that was given up and repeated can be carried out late, when it
is no longer expected. Workers fall silent, lose their lease, die. How often each may happen is bounded, and so is the
number of states; within that, every order is looked at.

What the worker does right is modelled after `taskconsole/worker` (`lane.py`, `fetcher.py`, `pool.py`, `heartbeat.py`,
`reclaimer.py`), and its guards can be removed like those of the Lua files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.protocol.lua import MAX_ATTEMPTS, MAX_DEATHS, Answer, Call, Lease, Lua, Payload, Payloads, Redis, before

WORKER_GUARDS = (
    "worker: repeats a call with its number",
    "worker: starts nothing while its lease is in doubt",
    "worker: looks what it holds after a lost answer",
    "worker: looks at the pause after waiting",
    "worker: tells its results before it leaves",
    "reclaimer: looks for lists without a lease",
)


class Item(NamedTuple):
    """A task in the hand of a process."""

    payload: Payload
    doing: str = "ready"
    """`ready`, `running`, `done` or `failed`."""
    paused: bool = False
    """It was moved here while the queue was paused."""


class Process(NamedTuple):
    """A worker process."""

    id: int = -1
    """Its place in `Redis.workers`; -1 for one that is not there."""
    sure: bool = True
    """It may take its lease for valid."""
    hand: tuple[Item, ...] = ()
    open: Call | None = None
    """A numbered call that has had no answer."""
    doubt: bool = False
    """What Redis thinks it holds must be looked at."""
    waits: bool = False
    """A blocking move was sent and given up; it may still be carried out."""
    former: int = -1
    """The id it had before it was fenced, whose list is to be emptied."""
    list: Payloads | None = None
    """What lies in its list in Redis, oldest claim first, as long as it knows that."""


class Late(NamedTuple):
    """A call that was given up and may still be carried out."""

    sender: int
    """A worker's id, or one of the two below."""
    call: Call
    current: bool
    """It is the one that its sender is repeating."""


PRODUCER, OPERATOR = -2, -3


class Desk(NamedTuple):
    """The operator: what is to be done, and what is believed to be so."""

    open: Call | None = None
    used: int = 0
    undoable: tuple[str, ...] = ()
    undone: tuple[str, ...] = ()
    """Tokens of what was taken back."""
    wants: str = "-"
    """The pause as the last answer said: a token, empty for none, `-` when nobody has said anything."""


class Book(NamedTuple):
    """What is known of the tasks of one name."""

    sent: int = 0
    starts_left: int = 0
    """How often one may still be started: once, once more for each failure, lost lease or request."""
    ended: int = 0
    acked: int = 0
    killed: int = 0


class Luck(NamedTuple):
    """What may still go wrong."""

    lost: int = 0
    late: int = 0
    silences: int = 0
    deaths: int = 0


_NO_BAD_LUCK = Luck()


class State(NamedTuple):
    """Everything."""

    redis: Redis
    to_send: Payloads
    sending: Call | None
    processes: tuple[Process, ...]
    wire: tuple[Late, ...]
    seen: tuple[tuple[int, Payloads], ...]
    """What reclaimers have looked at: a worker's id, what it held; -1 for what promoters have seen."""
    desk: Desk
    books: tuple[tuple[str, Book], ...]
    luck: Luck
    wrong: str = ""


@dataclass(frozen=True, kw_only=True)
class Tasks:
    """One such world.

    Args:
        tasks: Names, in the order in which they are sent; equal ones are equal bytes.
        produced: `before` (it is over when all begins), `now`, or `delayed` (now, to be run later).
        poison: Names of tasks that end their worker.
        fails: Attempts may fail.
        processes: Worker processes.
        room: Tasks that a process may have in hand.
        luck: What may go wrong.
        waits: Workers wait with a blocking move.
        by_number: Workers acknowledge the oldest of their list by their number, and look what it holds now and then.
        sweeps: Lists without a lease are looked for.
        gives_back: Workers return what they have not started.
        leaves: Workers are told to end, and new ones come.
        actions: What the operator may do, in any order: names of Lua files, with a state after a space.
        most_actions: How many of these.
        two_step_promotion: Promoters act on what they saw before.
        without: Guards that are removed.
    """

    tasks: tuple[str, ...] = ("a", "b")
    produced: str = "before"
    poison: frozenset[str] = frozenset()
    fails: bool = False
    processes: int = 2
    room: int = 1
    luck: Luck = _NO_BAD_LUCK
    waits: bool = False
    by_number: bool = False
    sweeps: bool = False
    gives_back: bool = False
    leaves: bool = False
    actions: tuple[str, ...] = ()
    most_actions: int = 2
    two_step_promotion: bool = False
    without: frozenset[str] = frozenset()
    lua: Lua = field(init=False)

    def __post_init__(self) -> None:
        unknown = self.without - {*Lua.guards, *WORKER_GUARDS}
        assert not unknown, f"no such guard: {unknown}"
        object.__setattr__(self, "lua", Lua(self.without))

    def has(self, guard: str) -> bool:
        """Whether this guard of a worker is in its place."""
        assert guard in WORKER_GUARDS
        return guard not in self.without

    # -- the model

    def first(self) -> State:
        """All workers there, with nothing in hand."""
        there = range(self.processes)
        redis = Redis(workers=(_NOBODY,) * self.processes)
        for worker in there:
            redis = self.lua.register(redis, worker)
        # Set aside, each has an id: equal members of a sorted set are one.
        to_send = tuple(Payload(name, id=n * (self.produced == "delayed")) for n, name in enumerate(self.tasks, 1))
        books = {name: Book() for name in sorted(self.tasks)}
        if self.produced == "before":
            n = Counter(self.tasks)
            books = {name: Book(sent=n[name], starts_left=n[name]) for name in books}
            redis, to_send = redis._replace(queue=to_send[::-1]), ()
        processes = tuple(self._fresh(worker) for worker in there)
        return State(redis, to_send, None, processes, (), (), Desk(), tuple(books.items()), self.luck)

    def moves(self, s: State) -> Iterator[tuple[str, State]]:
        """Whatever anybody may do next."""
        yield from self._producer(s)
        for n, process in enumerate(s.processes):
            yield from self._worker(s, n, process)
        yield from self._reclaimers(s)
        yield from self._promoters(s)
        yield from self._operator(s)
        yield from self._late(s)

    def broken(self, s: State) -> str:
        """The laws."""
        if s.wrong:
            return s.wrong
        there = self._places(s)
        answered = Counter(p.name for p in (s.sending.payloads if s.sending else ()) + s.to_send)
        for name, book in s.books:
            n, sent = there[name] + book.acked, self.tasks.count(name)
            if n < sent - answered[name]:
                return f"LOST: {name} is nowhere"
            if n > book.sent:
                return f"DOUBLED: {name} is in two places"
            if book.acked > book.ended:
                return f"LOST: {name} was acknowledged and has never run to its end"
            if book.starts_left < 0:
                return f"REPEATED: {name} runs again without a reason"
            if book.killed > MAX_DEATHS:
                return f"POISON: {name} has killed more than {MAX_DEATHS} workers"
        for lease in s.redis.workers:
            if lease.hash == "leaked":
                return "LEFT BEHIND: a worker's hash without a TTL"
        return self._broken_at_the_desk(s)

    def ended(self, s: State) -> bool:
        """All is sent and done or dead or deleted, and nobody has anything in mind."""
        r = s.redis
        # A queue that is paused for good is an end that somebody wants.
        waiting = (not r.paused and bool(r.queue)) or r.delayed or any(lease.held for lease in r.workers)
        busy = any(p.hand or p.open or p.former >= 0 for p in s.processes)
        return not (s.to_send or s.sending or waiting or busy or s.seen or s.desk.open)

    @staticmethod
    def _places(s: State) -> Counter[str]:
        r = s.redis
        trash = [p for _, note in r.notes if note.op in {"delete", "purge"} for p in note.payloads]
        held = [p for lease in r.workers for p in lease.held]
        return Counter(p.name for p in (*r.queue, *r.delayed, *r.dead, *held, *trash))

    @staticmethod
    def _broken_at_the_desk(s: State) -> str:
        notes = dict(s.redis.notes)
        if any(notes[token].op != "undone" for token in s.desk.undone):
            return "DONE AGAIN: what was taken back has been done once more"
        if s.desk.open is None and s.desk.wants not in {"-", s.redis.paused}:
            return f"PAUSE: it should be {s.desk.wants or 'lifted'!r} and is {s.redis.paused or 'lifted'!r}"
        return ""

    # -- bookkeeping

    @staticmethod
    def _book(s: State, payloads: Payloads, **more: int) -> State:
        """Add to the books of these."""
        books = dict(s.books)
        for payload in payloads:
            book = books[payload.name]
            books[payload.name] = book._replace(**{k: getattr(book, k) + n for k, n in more.items()})
        return s._replace(books=tuple(sorted(books.items())))

    @staticmethod
    def _unlucky(s: State, **what: int) -> State:
        return s._replace(luck=s.luck._replace(**{k: getattr(s.luck, k) - n for k, n in what.items()}))

    @staticmethod
    def _with(s: State, n: int, process: Process) -> State:
        return s._replace(processes=(*s.processes[:n], process, *s.processes[n + 1 :]))

    @staticmethod
    def _settled(s: State, sender: int, *, current: bool) -> State:
        """The answer to a call is heard: copies of it are old from now on."""
        if not current:
            return s
        wire = tuple(late._replace(current=False) if late.sender == sender else late for late in s.wire)
        return s._replace(wire=tuple(sorted(wire)))

    @staticmethod
    def _given_up(s: State, sender: int, call: Call) -> State:
        return s._replace(wire=tuple(sorted((*s.wire, Late(sender, call, True)))))

    # -- the producer

    def _producer(self, s: State) -> Iterator[tuple[str, State]]:
        if s.sending is not None:
            call, words = s.sending, "the producer repeats its call"
        elif s.to_send:
            call = Call("delay" if self.produced == "delayed" else "enqueue", s.to_send[:1])
            words = f"the producer sends {call.payloads[0].name}"
            s = self._book(s, call.payloads, sent=1, starts_left=1)
            s = s._replace(to_send=s.to_send[1:], redis=s.redis._replace(producer="before"))
        else:
            return
        after = self._send(s, call, current=True)
        yield words, self._settled(after._replace(sending=None), PRODUCER, current=True)
        if s.luck.lost:
            yield f"{words}: done, but the answer is lost", self._unlucky(after._replace(sending=call), lost=1)
        if s.luck.late:
            late = self._given_up(s._replace(sending=call), PRODUCER, call)
            yield f"{words}: given up, not done yet", self._unlucky(late, late=1)

    def _send(self, s: State, call: Call, *, current: bool) -> State:
        send = self.lua.delay if call.name == "delay" else self.lua.enqueue
        return s._replace(redis=send(s.redis, call, current=current)[0])

    # -- workers

    def _worker(self, s: State, n: int, p: Process) -> Iterator[tuple[str, State]]:
        if p.id < 0:
            yield self._comes(s, n)
            return
        name = f"worker {n}"
        if p.former >= 0:
            # Before anything else, as in `Lane._start_anew`. The sweep would find what is there, but much later.
            emptied = s._replace(redis=self.lua.leave(s.redis, p.former))
            yield f"{name} empties its former list", self._with(emptied, n, p._replace(former=-1))
            return
        if p.open is not None:
            yield from self._call(s, n, p, p.open, f"{name} repeats its {p.open.name}")
        else:
            yield from self._calls(s, n, p, name)
            yield from self._waiting(s, n, p, name)
        yield from self._running(s, n, p, name)
        yield from self._lease(s, n, p, name)
        if s.luck.deaths:
            yield f"{name} is killed", self._dies(self._unlucky(s, deaths=1), n)

    def _fresh(self, worker: int, former: int = -1) -> Process:
        """One that has just come, or starts anew: it knows that its list is empty."""
        return Process(worker, former=former, list=() if self.by_number else None)

    def _comes(self, s: State, n: int) -> tuple[str, State]:
        """A new process, under an id that nobody has."""
        s, place = self._new_id(s)
        return f"worker {n} comes", self._with(s, n, self._fresh(place))

    def _new_id(self, s: State) -> tuple[State, int]:
        """Enter an id; one that has left no trace stands for a new one."""
        taken = {p.id for p in s.processes} | {p.former for p in s.processes}
        taken |= {late.sender for late in s.wire} | {worker for worker, _ in s.seen}
        free = (i for i, lease in enumerate(s.redis.workers) if i not in taken and lease == _NOBODY)
        place = next(free, len(s.redis.workers))
        if place == len(s.redis.workers):
            s = s._replace(redis=s.redis._replace(workers=(*s.redis.workers, _NOBODY)))
        return s._replace(redis=self.lua.register(s.redis, place)), place

    def _dies(self, s: State, n: int) -> State:
        s = self._abandoned(s, n)
        return self._with(s, n, Process())

    @staticmethod
    def _abandoned(s: State, n: int) -> State:
        """Its blocking move may still be carried out."""
        p = s.processes[n]
        if p.waits:
            s = s._replace(wire=tuple(sorted((*s.wire, Late(p.id, Call("wait_for_one"), False)))))
        return s

    def _calls(self, s: State, n: int, p: Process, name: str) -> Iterator[tuple[str, State]]:
        failed = tuple(item.payload for item in p.hand if item.doing == "failed")
        done = tuple(item.payload for item in p.hand if item.doing == "done")
        ready = [item for item in p.hand if item.doing == "ready"]
        if p.doubt and self.has("worker: looks what it holds after a lost answer"):
            yield from self._looks(s, n, p, name)
            return
        if self.by_number and len(s.redis.workers[p.id].held) > len(p.hand):
            yield from self._looks(s, n, p, name)
        if failed:
            yield from self._new_call(s, n, p, Call("settle", self._kept(s, failed)), f"{name} settles")
        else:
            room = self.room - sum(item.doing in {"ready", "running"} for item in p.hand)
            if done or (room > 0 and s.redis.queue):
                call = self._by_number(p, Call("step", done, n=max(0, room)))
                yield from self._new_call(s, n, p, call, f"{name} steps{' by number' if call.oldest else ''}")
        if self.gives_back and ready:
            yield from self._gives_back(s, n, p, ready[-1], f"{name} gives {ready[-1].payload.name} back")
        told = not (failed or done) or not self.has("worker: tells its results before it leaves")
        if self.leaves and told and not p.waits:
            running = tuple(item.payload for item in p.hand if item.doing == "running")
            left = self._book(s, running, starts_left=1)
            left = left._replace(redis=self.lua.leave(s.redis, p.id))
            yield f"{name} leaves", self._with(left, n, Process())

    @staticmethod
    def _by_number(p: Process, call: Call) -> Call:
        """The same, with what is finished at the head of the list not named."""
        rest, first = list(call.payloads), []
        for payload in p.list or ():
            if payload not in rest:
                break
            rest.remove(payload)
            first.append(payload)
        if not first:
            return call
        return call._replace(payloads=(*first, *rest), oldest=len(first), length=len(p.list or ()))

    def _gives_back(self, s: State, n: int, p: Process, item: Item, words: str) -> Iterator[tuple[str, State]]:
        """It has left the hand when the call begins."""
        p = p._replace(hand=without_item(p.hand, item))
        yield from self._new_call(s, n, p, Call("give_back", (item.payload,)), words)

    def _kept(self, s: State, payloads: Payloads) -> Payloads:
        """For the next attempt; where there are equal ones, each with an id of its own from now on."""
        r = s.redis
        there = {(p.name, p.id) for p in (*r.queue, *r.delayed, *r.dead, *(p for w in r.workers for p in w.held))}
        kept: list[Payload] = []
        for payload in payloads:
            number = payload.id
            if self.tasks.count(payload.name) > 1 and not number:
                taken = there | {(p.name, p.id) for p in kept}
                number = next(n for n in range(1, 9) if (payload.name, n) not in taken)
            kept.append(payload._replace(attempt=payload.attempt + 1, id=number))
        return tuple(kept)

    def _new_call(self, s: State, n: int, p: Process, call: Call, words: str) -> Iterator[tuple[str, State]]:
        lease = s.redis.workers[p.id]
        fresh = s._replace(redis=s.redis.with_worker(p.id, number="before" if lease.number else ""))
        yield from self._call(fresh, n, p, call, words)

    def _call(self, s: State, n: int, p: Process, call: Call, words: str) -> Iterator[tuple[str, State]]:
        after, answer = self._carry_out(s, p.id, call, current=True)
        yield words, self._heard(after, n, p, call, answer)
        waiting = p._replace(open=call._replace(oldest=0, length=0), doubt=True, list=None)
        if not self.has("worker: repeats a call with its number"):
            waiting = waiting._replace(open=None)
        if s.luck.lost:
            yield f"{words}: done, but the answer is lost", self._with(self._unlucky(after, lost=1), n, waiting)
        if s.luck.late:
            late = self._given_up(s, p.id, call)
            yield f"{words}: given up, not done yet", self._with(self._unlucky(late, late=1), n, waiting)

    def _carry_out(self, s: State, worker: int, call: Call, *, current: bool) -> tuple[State, Answer]:
        if call.name == "wait_for_one":
            return (s._replace(redis=self.lua.wait_for_one(s.redis, worker)) if s.redis.queue else s), ()
        r, answer = getattr(self.lua, call.name)(s.redis, worker, call, current=current)
        s = s._replace(redis=r)
        if call.name == "step" and answer[0] == "K":
            s = self._book(s, answer[1], acked=1)
        if call.name == "settle" and answer[0] == "K":
            s = self._book(s, answer[1], starts_left=1)
        return s, answer

    def _heard(self, s: State, n: int, p: Process, call: Call, answer: Answer) -> State:
        s = self._settled(s, p.id, current=True)
        if answer[0] == "F":
            return self._starts_anew(s, n)
        if answer[0] == "U":
            return self._with(s, n, p._replace(open=call._replace(oldest=0, length=0), list=None))
        hand = list(p.hand)
        for item in self._told(p, call):
            hand.remove(item)
        if call.name == "step" and answer[0] == "K":
            hand += [Item(payload, paused=bool(s.redis.paused)) for payload in answer[2]]  # type: ignore[attr-defined]
        listed = self._listed(p, call, answer)
        p = p._replace(hand=tuple(sorted(hand)), open=None, doubt=p.doubt or answer[0] == "R", list=listed)
        return self._with(s, n, p)

    @staticmethod
    def _listed(p: Process, call: Call, answer: Answer) -> Payloads | None:
        """What it knows of its list when it has heard this answer."""
        if p.list is None or call.name != "step" or answer[0] != "K":
            return None
        left = list(p.list)
        for payload in call.payloads:
            if payload not in left:
                return None
            left.remove(payload)
        return (*left, *answer[2])  # type: ignore[misc]  # the claimed ones

    @staticmethod
    def _told(p: Process, call: Call) -> list[Item]:
        """What this call has told Redis of, so that it has left the hand."""
        doing = {"step": "done", "settle": "failed"}.get(call.name)
        told: list[Item] = []
        for payload in call.payloads if doing else ():
            held = {payload} if doing == "done" else {before(payload), before(payload)._replace(id=0)}
            mine = (i for i in p.hand if i.doing == doing and i.payload in held and told.count(i) < p.hand.count(i))
            told.append(next(mine))
        return told

    def _starts_anew(self, s: State, n: int) -> State:
        """A new id, nothing in hand."""
        s = self._abandoned(s, n)
        former = s.processes[n].id
        s, place = self._new_id(self._with(s, n, s.processes[n]._replace(waits=False)))
        return self._with(s, n, self._fresh(place, former))

    def _looks(self, s: State, n: int, p: Process, name: str) -> Iterator[tuple[str, State]]:
        """Take in hand what Redis has in our list and we do not know of; while the queue is paused it goes back."""
        unknown = list(s.redis.workers[p.id].held)
        for item in p.hand:
            if item.payload in unknown:
                unknown.remove(item.payload)
        listed = s.redis.workers[p.id].held if self.by_number else None
        words, p = f"{name} looks what it holds", p._replace(doubt=False, list=listed)
        if unknown and s.redis.paused and self.has("worker: looks at the pause after waiting"):
            yield from self._new_call(s, n, p, Call("give_back", tuple(unknown)), words)
        else:
            found = tuple(Item(payload, paused=bool(s.redis.paused)) for payload in unknown)
            yield words, self._with(s, n, p._replace(hand=tuple(sorted(p.hand + found))))

    def _waiting(self, s: State, n: int, p: Process, name: str) -> Iterator[tuple[str, State]]:
        if not self.waits or p.hand or p.doubt:
            return
        if p.waits:
            yield f"{name} no longer waits", self._with(s, n, p._replace(waits=False))
            if self.by_number and s.luck.late:
                given_up = self._with(self._unlucky(self._abandoned(s, n), late=1), n, p._replace(waits=False))
                yield f"{name} gives up waiting, and Redis does not know yet", given_up
        if s.redis.queue:
            payload = s.redis.queue[-1]
            moved = s._replace(redis=self.lua.wait_for_one(s.redis, p.id))
            item = Item(payload, paused=bool(s.redis.paused))
            taken = p._replace(hand=(item,), waits=False, list=None if p.list is None else (*p.list, payload))
            if s.redis.paused and self.has("worker: looks at the pause after waiting"):
                yield from self._gives_back(moved, n, taken, item, f"{name} hears of a task and of the pause")
            else:
                yield f"{name} hears of a task it has waited for", self._with(moved, n, taken)
            if s.luck.lost:
                unheard = self._with(self._unlucky(moved, lost=1), n, p._replace(doubt=True, waits=False))
                yield f"{name} waits: a task is moved, but the answer is lost", unheard
        elif not p.waits:
            yield f"{name} waits", self._with(s, n, p._replace(waits=True))

    def _running(self, s: State, n: int, p: Process, name: str) -> Iterator[tuple[str, State]]:
        for item in sorted(set(p.hand)):
            rest = without_item(p.hand, item)
            if item.doing == "ready" and (p.sure or not self.has("worker: starts nothing while its lease is in doubt")):
                yield f"{name} starts {item.payload.name}", self._started(s, n, p, item, rest)
            elif item.doing == "running" and item.payload.name in self.poison:
                killed = self._book(s, (item.payload,), killed=1)
                yield f"{item.payload.name} kills {name}", self._dies(killed, n)
            elif item.doing == "running":
                ended = self._book(s, (item.payload,), ended=1)
                hand = tuple(sorted((*rest, item._replace(doing="done"))))
                yield f"{name} finishes {item.payload.name}", self._with(ended, n, p._replace(hand=hand))
                if self.fails and item.payload.attempt <= MAX_ATTEMPTS:
                    hand = tuple(sorted((*rest, item._replace(doing="failed"))))
                    yield f"{item.payload.name} fails with {name}", self._with(s, n, p._replace(hand=hand))

    def _started(self, s: State, n: int, p: Process, item: Item, rest: tuple[Item, ...]) -> State:
        s = self._book(s, (item.payload,), starts_left=-1)
        if item.paused and s.redis.paused:
            s = s._replace(wrong=f"PAUSE: {item.payload.name} was moved after the pause and is started")
        if item.payload not in s.redis.workers[p.id].held:
            s = s._replace(wrong=f"STOLEN: {item.payload.name} is started by a worker that does not hold it")
        return self._with(s, n, p._replace(hand=tuple(sorted((*rest, item._replace(doing="running"))))))

    def _lease(self, s: State, n: int, p: Process, name: str) -> Iterator[tuple[str, State]]:
        if p.sure:
            if s.luck.silences:
                silent = self._with(self._unlucky(s, silences=1), n, p._replace(sure=False))
                yield f"{name} is stopped", silent
            return
        r, answer = self.lua.heartbeat(s.redis, p.id)
        if answer[0] == "F":
            yield f"{name} goes on and hears that its lease is lost", self._starts_anew(s, n)
        else:
            yield f"{name} goes on and renews its lease", self._with(s._replace(redis=r), n, p._replace(sure=True))

    # -- those who take back

    def _reclaimers(self, s: State) -> Iterator[tuple[str, State]]:
        alive = {p.id: p for p in s.processes if p.id >= 0}
        for worker, lease in enumerate(s.redis.workers):
            if lease.valid == "valid" and (worker not in alive or not alive[worker].sure):
                yield f"the lease {worker} runs out", s._replace(redis=self.lua.expire(s.redis, worker))
            orphan = lease.valid == "gone" and lease.held and self._sweeps
            if (lease.valid == "over" or orphan) and worker not in {seen for seen, _ in s.seen}:
                look = (worker, lease.held)
                yield f"a reclaimer looks at {worker}", s._replace(seen=tuple(sorted((*s.seen, look))))
        for look in s.seen:
            worker, seen = look
            if worker < 0:
                continue
            why = s.redis.workers[worker].valid != "valid"
            r, taken = self.lua.reclaim(s.redis, worker, seen)
            after = s._replace(redis=r, seen=tuple(other for other in s.seen if other != look))
            if why and r.workers[worker].held:
                after = after._replace(wrong="LEFT BEHIND: a task in a list that has just been taken back")
            yield f"a reclaimer takes {worker} back", self._book(after, taken if why else (), starts_left=1)

    @property
    def _sweeps(self) -> bool:
        return self.sweeps and self.has("reclaimer: looks for lists without a lease")

    def _promoters(self, s: State) -> Iterator[tuple[str, State]]:
        if s.redis.delayed and not self.two_step_promotion:
            yield "a promoter moves what is due", s._replace(redis=self.lua.promote(s.redis, s.redis.delayed))
        if not self.two_step_promotion:
            return
        if s.redis.delayed and sum(worker < 0 for worker, _ in s.seen) < 2:
            look = (-1, s.redis.delayed)
            yield "a promoter sees what is due", s._replace(seen=tuple(sorted((*s.seen, look))))
        for look in sorted({look for look in s.seen if look[0] < 0}):
            rest = list(s.seen)
            rest.remove(look)
            move = self.lua.promote if "promote: still there" in self.without else self.lua.transfer
            yield "a promoter moves what it saw", s._replace(redis=move(s.redis, look[1]), seen=tuple(rest))

    # -- the operator

    def _operator(self, s: State) -> Iterator[tuple[str, State]]:
        desk = s.desk
        if desk.open is None:
            if desk.used < self.most_actions:
                yield from self._decisions(s)
            return
        call = desk.open
        words = f"the operator's {call.name}"
        after, answer = self._operated(s, call)
        yield f"{words} is done", self._answered(after, call, answer)
        if s.luck.lost:
            yield f"{words} is done, but the answer is lost", self._unlucky(after, lost=1)
        if s.luck.late:
            yield f"{words} is given up, not done yet", self._unlucky(self._given_up(s, OPERATOR, call), late=1)

    def _decisions(self, s: State) -> Iterator[tuple[str, State]]:
        token = str(s.desk.used)
        for action in self.actions:
            name, _, state = action.partition(" ")
            calls: list[Call]
            match name:
                case "take" | "requeue":
                    calls = [Call(name, (payload,), token=token, state=state) for payload in getattr(s.redis, state)]
                case "take_pending":
                    calls = [Call(name, (payload,), token=token) for payload in sorted(set(s.redis.queue))]
                case "purge":
                    calls = [Call(name, token=token, state=state)] if getattr(s.redis, state) else []
                case "undo":
                    calls = [Call(name, token=undoable) for undoable in s.desk.undoable]
                case _:
                    calls = [Call(name, token=token)]
            for call in calls:
                about = " ".join([name, state, *(p.name for p in call.payloads)])
                yield (
                    f"the operator decides: {about}",
                    s._replace(desk=s.desk._replace(open=call, used=s.desk.used + 1)),
                )

    def _operated(self, s: State, call: Call) -> tuple[State, Answer]:
        before = s.redis
        r, answer = self.lua.operate(s.redis, call)
        s = s._replace(redis=r)
        if call.name == "requeue" and r != before:
            s = self._book(s, call.payloads, starts_left=1)
        return s, answer

    @staticmethod
    def _answered(s: State, call: Call, answer: Answer) -> State:
        desk, done = s.desk._replace(open=None), answer[0] == 1
        if call.name == "undo":
            desk = desk._replace(undoable=tuple(token for token in desk.undoable if token != call.token))
            if answer[0] not in {"", "changed"}:
                mine = "" if desk.wants == call.token else desk.wants
                # Of an undo that was done before, nobody knows what has become of the pause since.
                wants = {"pause": mine, "resume": s.redis.paused, "undone": "-"}.get(str(answer[0]), desk.wants)
                desk = desk._replace(undone=(*desk.undone, call.token), wants=wants)
        elif done and call.name != "requeue":
            desk = desk._replace(undoable=(*desk.undoable, call.token))
        if done and call.name in {"pause", "resume"}:
            desk = desk._replace(wants=call.token if call.name == "pause" else "")
        told_it_was_gone = not done and call.name in {"take", "take_pending", "requeue"}
        if told_it_was_gone and call.token in dict(s.redis.notes):
            return s._replace(desk=desk, wrong=f"DENIED: the operator is told that nothing was done, after {call.name}")
        return Tasks._settled(s._replace(desk=desk), OPERATOR, current=True)

    # -- what comes late

    def _late(self, s: State) -> Iterator[tuple[str, State]]:
        for late in sorted(set(s.wire)):
            rest = list(s.wire)
            rest.remove(late)
            now = s._replace(wire=tuple(rest))
            words = f"late, a {late.call.name} of {_WHO.get(late.sender, late.sender)} is done"
            if late.sender == PRODUCER:
                yield words, self._send(now, late.call, current=late.current)
            elif late.sender == OPERATOR:
                yield words, self._operated(now, late.call)[0]
            else:
                yield words, self._carry_out(now, late.sender, late.call, current=late.current)[0]


_WHO = {PRODUCER: "the producer", OPERATOR: "the operator"}

_NOBODY = Lease()


def without_item(hand: tuple[Item, ...], item: Item) -> tuple[Item, ...]:
    """The others."""
    i = hand.index(item)
    return hand[:i] + hand[i + 1 :]
