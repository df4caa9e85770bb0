"""Every task is in exactly one place, whatever producers, workers, operators and the network do.

A state machine drives the real transitions over a real Redis and, beside them, a model of plain lists and dicts
that says where each payload must be. After every step the two are compared, byte for byte and in order. What may
go wrong between a client and Redis is part of it: answers get lost and calls are repeated, old copies of calls
arrive late, workers die and come back as zombies, blocking moves are carried out unheard.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from unittest import mock

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from taskconsole.errors import HandsDiffer, LeaseLost
from taskconsole.model.task import buried, redelivered, restored, retried
from taskconsole.store.call import Call
from taskconsole.store.keys import PUBLIC_DELAYED, TOMBSTONE
from taskconsole.store.operations import Undone
from taskconsole.store.tasks import Settlement
from taskconsole.store.workers import TakenBack
from taskconsole.worker.hands import Hands as Order
from tests.servers import FULL
from tests.store.rig import EVENT, FAR, LEASE_MS, QUEUE, Rig, dump_key

OTHER = "other"
"""The queue that tasks are moved to."""

EXAMPLES = 200 if FULL else 60

NEAR = 1
"""How near an end of the queue a deletion uses LREM here: small, so that short queues get tombstones."""

UNDO_BATCH = 2
MAX_DEATHS = 2

KINDS = st.sampled_from(["bare", "bare", "bare", "other", "envelope"])
"""Payloads: two bare ones that come again and again, and envelopes, each with an id of its own."""


class Time(NamedTuple):
    """When a delayed task is due: a score that can come again, or the name of one that cannot."""

    due: bool
    score: str


DUE, LATER = Time(True, "5"), Time(False, f"{FAR}")

Shelf = dict[bytes, Time]
"""Payload to its time."""


@dataclass
class Hands:
    """A worker as it sees itself, and what Redis must have in its list."""

    id: str
    seq: int = 0
    held: list[bytes] = field(default_factory=list)
    """The processing list, oldest claim first."""
    known: list[bytes] = field(default_factory=list)
    """What the worker knows it has; less than `held` after a lost answer, stale once it is fenced."""
    leased: bool = True
    order: Order = field(default_factory=Order)
    """The list as the worker believes it to be, so that it can name tasks by their place."""
    look: list[bytes] | None = None
    """What somebody who wants to reclaim it has seen."""

    def next(self) -> int:
        self.seq += 1
        return self.seq


@dataclass
class Note:
    """What undo knows of an operator's action."""

    op: str
    state: str = ""
    payload: bytes = b""
    time: Time = DUE
    new: Time = DUE
    note: bytes = b""
    trash: Any = None
    tombstones: int = 0
    score: float | None = None
    arrived: bool = False
    """Of a move: it lies in the other queue, and until somebody says so in the trash of its own as well."""


class Conservation(RuleBasedStateMachine):
    """Transitions and their model."""

    rig: Rig

    @initialize(pending=st.lists(KINDS, max_size=8), workers=st.integers(0, 3))
    def start(self, pending: list[str], workers: int) -> None:
        self.rig.raw.flushdb()
        self.queue: list[bytes] = []  # as Redis has it: next to run last
        self.delayed: Shelf = {}
        self.public: Shelf = {}
        self.dead: set[bytes] = set()
        self.other: list[bytes] = []
        self.other_delayed: Shelf = {}
        self.other_dead: set[bytes] = set()
        self.paused: bytes | None = None
        self.workers: list[Hands] = []
        self.notes: dict[str, Note] = {}
        self.accepted = self.finished = self.collapsed = 0
        self.tombstones = 0  # as the queue's counters tell; no worker here takes off what it has passed over
        self.numbers = [0, 0]
        self.made = 0
        self.old: list[Call[Any]] = []
        """Calls that were carried out: a copy of any may arrive at any time."""
        if pending:
            self.enqueue(pending, 0, next_to_run=False, lost=False)
        for _ in range(workers):
            self.register(lost=False)

    # -- what the rules are made of

    def name(self) -> str:
        self.made += 1
        return f"n{self.made}"

    def payload(self, kind: str) -> bytes:
        if kind != "envelope":
            return kind.encode()
        return f'{{"task":"t","id":"{self.name()}"}}'.encode()

    def run(self, call: Call[Any], *, lost: bool = False, keep: bool = True, counts: bool = False) -> Any:
        """Carry out a call; with `lost`, its answer is lost and the call repeated.

        A call that `counts` answers what it has done this time; all others answer the same again.
        """
        answer = self.rig.run(call)
        if lost:
            before = self.rig.dump()
            again = self.rig.run(call)
            assert self.rig.dump() == before, "a repeated call changed something"
            assert counts or again == answer, "a repeated call answered something else"
        if keep:
            self.old.append(call)
        return answer

    def place(self, shelf: Shelf, payload: bytes, time: Time, *, keep_time: bool = False) -> None:
        if payload in shelf:
            self.collapsed += 1
        if not (keep_time and payload in shelf):
            shelf[payload] = time

    def set_of(self, state: str) -> Any:
        return {"delayed": self.delayed, "public": self.public, "dead": self.dead}[state]

    def take_off(self, payload: bytes) -> None:
        """Out of the queue, from the end at which tasks run."""
        index = len(self.queue) - 1 - self.queue[::-1].index(payload)
        if len(self.queue) - 1 - index <= NEAR:
            remove_last(self.queue, payload)
        elif index <= NEAR:
            self.queue.remove(payload)
        else:
            self.queue[index] = TOMBSTONE
            self.tombstones += 1

    def pick(self, i: int) -> Hands:
        return self.workers[i % len(self.workers)]

    def refused(self, worker: Hands, call: Call[Any]) -> bool:
        """Send a zombie's call; it must be refused and change nothing."""
        if worker.leased:
            return False
        before = self.rig.dump()
        with pytest.raises(LeaseLost):
            self.rig.run(call)
        assert self.rig.dump() == before, "a fenced worker changed something"
        return True

    # -- producers

    @rule(
        kinds=st.lists(KINDS, min_size=1, max_size=4),
        client=st.integers(0, 1),
        next_to_run=st.booleans(),
        lost=st.booleans(),
    )
    def enqueue(self, kinds, client, next_to_run, lost):
        payloads = [self.payload(kind) for kind in kinds]
        self.numbers[client] += 1
        call = self.rig.enqueue(payloads, seq=self.numbers[client], client=f"c{client}", next_to_run=next_to_run)
        if next_to_run:
            self.queue = [*self.queue, *payloads]
        else:
            self.queue = [*reversed(payloads), *self.queue]
        assert self.run(call, lost=lost) == len(self.queue)
        self.accepted += len(payloads)

    @rule(kind=KINDS, client=st.integers(0, 1), due=st.booleans(), lost=st.booleans())
    def delay(self, kind, client, due, lost):
        payload = self.payload(kind)
        self.numbers[client] += 1
        moment = "5.0" if due else "+30"  # from now: no two are the same
        call = self.rig.delay([(moment, payload)], seq=self.numbers[client], client=f"c{client}")
        self.place(self.delayed, payload, DUE if due else Time(False, self.name()))
        assert self.run(call, lost=lost) == len(self.delayed)
        self.accepted += 1

    @rule()
    def a_stranger_pushes(self):
        self.rig.raw.lpush(QUEUE, b"bare")
        self.queue.insert(0, b"bare")
        self.accepted += 1

    @rule(kind=KINDS, due=st.booleans())
    def a_stranger_delays(self, kind, due):
        payload = self.payload(kind)
        time = DUE if due else LATER
        self.rig.raw.zadd(PUBLIC_DELAYED, {payload: time.score})
        self.place(self.public, payload, time)
        self.accepted += 1

    # -- workers

    @precondition(lambda self: len(self.workers) < 5)
    @rule(lost=st.booleans())
    def register(self, lost):
        worker = Hands(self.name())
        for _ in range(1 + lost):  # a repeated one renews the lease, nothing else
            self.rig.run(self.rig.register(worker.id))
        self.workers.append(worker)

    @precondition(lambda self: self.workers)
    @rule(i=st.integers(0, 4), claim=st.integers(0, 6), acks=st.sets(st.integers(0, 5)), lost=st.booleans())
    def step(self, i, claim, acks, lost):
        worker = self.pick(i)
        done = [payload for place, payload in enumerate(worker.known) if place in acks]
        call = self.rig.step(worker.id, worker.next(), claim, done)
        if self.refused(worker, call):
            return
        leading = worker.order.leading(done)
        if leading:
            call = self.by_number(worker, call, claim, done, leading)
        for payload in done:
            worker.known.remove(payload)
            worker.held.remove(payload)
            self.finished += payload != TOMBSTONE
        count = 0 if self.paused is not None else min(claim, len(self.queue))
        claimed = [self.queue.pop() for _ in range(count)]
        worker.held += claimed
        answer = self.run(call)
        worker.order.released(done)
        worker.order.claimed(claimed)
        assert answer.payloads == claimed
        assert answer.paused == (self.paused is not None)
        if lost:
            again = self.rig.run(call)
            assert again.replayed
            assert again.payloads == []
            worker.order.forget()
        else:
            worker.known += claimed

    @precondition(lambda self: self.workers and self.queue)
    @rule(i=st.integers(0, 4), n=st.integers(1, 3), heard=st.booleans(), lost=st.booleans())
    def work(self, i, n, heard, lost):
        """Claim, perhaps be moved one more task, and end the oldest in their order."""
        self.step(i, n, set(), lost=False)
        if self.queue:
            self.blocking_move(i, heard)
        self.step(i, 1, set(range(n)), lost)

    def by_number(self, worker: Hands, spelled: Call[Any], claim: int, done: list[bytes], leading: int) -> Call[Any]:
        """The same step, the oldest named by their number; as it was when Redis has another list in mind."""
        believed = len(worker.order)
        call = self.rig.step(worker.id, worker.seq, claim, done[leading:], oldest=leading, length=believed)
        if len(worker.held) == believed:
            return call
        before = self.rig.dump()
        with pytest.raises(HandsDiffer):
            self.rig.run(call)
        assert self.rig.dump() == before, "a refused step changed something"
        worker.order.forget()
        return spelled

    @precondition(lambda self: self.workers and self.queue)
    @rule(i=st.integers(0, 4), heard=st.booleans())
    def blocking_move(self, i, heard):
        """It looks at neither lease nor pause; its answer may be lost."""
        worker = self.pick(i)
        payload = self.queue.pop()
        assert self.rig.run(self.rig.tasks.wait_for_one(QUEUE, worker.id, 0.01)) == payload
        worker.held.append(payload)
        if heard:
            worker.known.append(payload)
            worker.order.came(payload, worker.order.version)

    @precondition(lambda self: any(w.leased for w in self.workers))
    @rule(i=st.integers(0, 4))
    def reconcile(self, i):
        worker = [w for w in self.workers if w.leased][i % sum(w.leased for w in self.workers)]
        held = self.rig.run(self.rig.tasks.held(QUEUE, worker.id))
        assert not Counter(worker.known) - Counter(held), "it knows of tasks that Redis does not give it"
        worker.known = held
        worker.order.read(held)

    @precondition(lambda self: any(w.known for w in self.workers))
    @rule(
        i=st.integers(0, 4),
        kinds=st.lists(st.sampled_from(["retry", "retry now", "bury"]), min_size=1, max_size=3),
        stranger=st.booleans(),
        lost=st.booleans(),
    )
    def settle(self, i, kinds, stranger, lost):
        """Attempts fail. A worker may also report on what is no longer in its hands."""
        worker = [w for w in self.workers if w.known][i % sum(bool(w.known) for w in self.workers)]
        failed = [payload for payload in worker.known if payload != TOMBSTONE][: len(kinds)]  # those are no tasks
        items = [self.settlement(kind, payload) for kind, payload in zip(kinds, failed, strict=False)]
        if stranger:
            items.insert(0, Settlement("bury", b"stranger", b"stranger", 0.0, EVENT))
        call = self.rig.settle(worker.id, worker.next(), items)
        if self.refused(worker, call):
            return
        for item in items[stranger:]:
            worker.known.remove(item.held)
            worker.held.remove(item.held)
            if item.kind == "retry":
                self.delayed[item.kept] = Time(item.delay == 0, self.name())
            else:
                self.dead.add(item.kept)
        worker.order.released([item.held for item in items])
        assert self.run(call, lost=lost, counts=True) == stranger

    def settlement(self, kind: str, payload: bytes) -> Settlement:
        if kind == "bury":
            kept = buried(payload, reason="r", error=None, worker="w", at=1.0, new_id=self.name())
            return Settlement("bury", payload, kept, 0.0, EVENT)
        kept = retried(payload, attempt=2, error=None, new_id=self.name())
        while kept in self.delayed:  # a second failure of the same envelope
            kept = retried(payload, attempt=self.made, error={"n": self.name()}, new_id=self.name())
        return Settlement("retry", payload, kept, 0.0 if kind == "retry now" else 1000.0, EVENT)

    @precondition(lambda self: any(w.known for w in self.workers))
    @rule(i=st.integers(0, 4), count=st.integers(1, 3), stranger=st.booleans(), lost=st.booleans())
    def give_back(self, i, count, stranger, lost):
        worker = [w for w in self.workers if w.known][i % sum(bool(w.known) for w in self.workers)]
        newest = worker.known[-count:][::-1]
        call = self.rig.give_back(worker.id, worker.next(), [b"stranger"] * stranger + newest)
        if self.refused(worker, call):
            return
        worker.order.forget()
        for payload in newest:
            remove_last(worker.known, payload)
            remove_last(worker.held, payload)
            self.queue.append(payload)
        self.run(call, lost=lost)

    @precondition(lambda self: self.workers)
    @rule(i=st.integers(0, 4), lost=st.booleans())
    def leave(self, i, lost):
        """A worker signs off; or a zombie empties what was moved to it behind its back."""
        worker = self.pick(i)
        call = self.rig.workers.leave(QUEUE, worker.id, event=EVENT)
        assert self.run(call, lost=lost, keep=False, counts=True) == len(worker.held)
        self.take_all(worker)

    def take_all(self, worker: Hands) -> None:
        self.queue += reversed(worker.held)
        worker.held, worker.leased = [], False

    @precondition(lambda self: self.workers)
    @rule(i=st.integers(0, 4))
    def look_at_worker(self, i):
        worker = self.pick(i)
        worker.look = self.rig.run(self.rig.tasks.held(QUEUE, worker.id))

    @precondition(lambda self: self.workers)
    @rule(
        i=st.integers(0, 4),
        expired=st.booleans(),
        twice=st.booleans(),
        late=st.sampled_from(["", "step", "settle", "give_back", "heartbeat"]),
    )
    def reclaim(self, i, expired, twice, late):
        """What was seen may be old by now; and the worker may only have been asleep."""
        worker = self.pick(i)
        seen = worker.held if worker.look is None else worker.look
        worker.look = None
        items = [self.judged(payload) for payload in reversed(seen)]
        call = self.rig.reclaim(worker.id, items)
        if worker.leased and not expired:
            before = self.rig.dump()
            assert self.rig.run(call) is None
            assert self.rig.dump() == before, "a worker with a good lease was touched"
            return
        if worker.leased:
            self.rig.expire_lease(worker.id)
        requeued = died = 0
        for item in items:
            if item.held in worker.held:
                remove_last(worker.held, item.held)
                if item.kind == "bury":
                    self.dead.add(item.kept)
                    died += 1
                else:
                    self.queue.append(item.kept)
                    requeued += 1
        requeued += len(worker.held)
        assert self.run(call, lost=twice, keep=False, counts=True) == (requeued, died)
        self.take_all(worker)
        if late:
            self.zombie(worker, late)

    def zombie(self, worker: Hands, what: str) -> None:
        calls = {
            "step": self.rig.step(worker.id, worker.next(), 2, worker.known),
            "settle": self.rig.settle(worker.id, worker.seq, [self.settlement("bury", p) for p in worker.known]),
            "give_back": self.rig.give_back(worker.id, worker.seq, worker.known),
            "heartbeat": self.rig.workers.heartbeat(QUEUE, worker.id, lease_ms=LEASE_MS, fields={"rss": 1}),
        }
        assert self.refused(worker, calls[what])

    def judged(self, payload: bytes) -> TakenBack:
        if payload == TOMBSTONE:
            return TakenBack("queue", payload, payload)
        kept, deaths = redelivered(payload)
        if deaths < MAX_DEATHS:
            return TakenBack("queue", payload, kept)
        kept = buried(kept, reason="r", error=None, worker="w", at=1.0, new_id=self.name())
        while kept in self.dead:
            kept = buried(kept, reason=self.name(), error=None, worker="w", at=1.0, new_id=self.name())
        return TakenBack("bury", payload, kept)

    @precondition(lambda self: any(w.leased for w in self.workers))
    @rule(i=st.integers(0, 4))
    def heartbeat(self, i):
        worker = [w for w in self.workers if w.leased][i % sum(w.leased for w in self.workers)]
        self.rig.run(self.rig.workers.heartbeat(QUEUE, worker.id, lease_ms=LEASE_MS, fields={"rss": 1}))

    # -- time

    @rule(limit=st.integers(1, 3), public=st.booleans())
    def promote(self, limit, public):
        shelf = self.public if public else self.delayed
        key = PUBLIC_DELAYED if public else self.rig.keys.delayed
        # Members of one score come in the order of their bytes; which have the older score, Redis knows best.
        order = [p for p in self.rig.shelf(key) if shelf[p].due][:limit]
        promoted = self.rig.run(self.rig.tasks.promote(key, QUEUE, limit=limit))
        assert promoted.moved == len(order)
        self.promoted(shelf, order)

    @precondition(lambda self: self.public)
    @rule(i=st.integers(0, 9), lost=st.booleans())
    def transfer(self, i, lost):
        named = sorted(self.public)[i % len(self.public) :]
        order = [p for p in named if self.public[p].due]
        call = self.rig.tasks.transfer(PUBLIC_DELAYED, QUEUE, [*named, b"gone"])
        assert self.run(call, lost=lost, keep=False, counts=True) == len(order)
        self.promoted(self.public, order)

    def promoted(self, shelf: Shelf, order: list[bytes]) -> None:
        for payload in order:
            del shelf[payload]
            self.queue.insert(0, payload)

    # -- the network

    @precondition(lambda self: self.old)
    @rule(i=st.integers(0, 10_000))
    def an_old_copy_arrives(self, i):
        call = self.old[i % len(self.old)]
        before = self.rig.dump()
        with suppress(LeaseLost):
            self.rig.run(call)
        assert self.rig.dump() == before, f"an old copy changed something: {call.args[:4]}"

    # -- what must always hold

    @invariant()
    def redis_is_as_the_model_says(self):
        if not hasattr(self, "queue"):
            return
        keys = self.rig.keys
        assert self.rig.raw.lrange(QUEUE, 0, -1) == self.queue
        assert self.rig.raw.get(keys.paused) == self.paused
        assert int(self.rig.raw.hget(keys.stats, "tombstones") or 0) == self.tombstones
        now = self.rig.now()
        for key, shelf in ((keys.delayed, self.delayed), (PUBLIC_DELAYED, self.public)):
            assert {p: due <= now for p, due in self.rig.shelf(key).items()} == {
                p: time.due for p, time in shelf.items()
            }
        assert set(self.rig.shelf(keys.dead)) == self.dead
        there = self.rig.operations.names.of(OTHER)
        assert self.rig.raw.lrange(OTHER, 0, -1) == self.other
        assert {p: due <= now for p, due in self.rig.shelf(there.delayed).items()} == {
            p: time.due for p, time in self.other_delayed.items()
        }
        assert set(self.rig.shelf(there.dead)) == self.other_dead
        for worker in self.workers:
            assert self.rig.held(worker.id) == worker.held
        assert {w.decode() for w in self.rig.shelf(keys.workers)} == {w.id for w in self.workers if w.leased}
        for token, note in self.notes.items():
            if note.op == "purge":
                _, content = dump_key(self.rig.raw, keys.trash(token).encode())
                assert [p if note.state == "pending" else p[0] for p in content or []] == (
                    note.trash if note.state == "pending" else [p for p, _ in content or []]
                )
                assert len(content or []) == len(note.trash)

    @invariant()
    def every_accepted_task_is_somewhere(self):
        if not hasattr(self, "queue"):
            return
        lists = [self.queue, self.other, *(w.held for w in self.workers)]
        lists += [n.trash for n in self.notes.values() if n.op == "purge"]
        count = sum(p != TOMBSTONE for some in lists for p in some)
        count += len(self.delayed) + len(self.public) + len(self.dead)
        count += len(self.other_delayed) + len(self.other_dead)
        count += sum(n.op == "delete" or (n.op == "move" and not n.arrived) for n in self.notes.values())
        assert count + self.finished + self.collapsed == self.accepted


class ConservationWithOperators(Conservation):
    """The same, with operators at work besides."""

    @rule(lost=st.booleans())
    def pause(self, lost):
        token = self.name()
        call = self.rig.operations.pause(QUEUE, token.encode(), token=token, event=EVENT)
        if self.paused is None:
            assert self.run(call, lost=lost) == (True, token.encode())
            self.paused = token.encode()
            self.notes[token] = Note("pause", note=self.paused)
        else:
            assert self.run(call, keep=False) == (False, self.paused)

    @rule(lost=st.booleans())
    def resume(self, lost):
        token = self.name()
        call = self.rig.operations.resume(QUEUE, token=token, event=EVENT)
        if self.paused is None:
            assert self.run(call, keep=False) == (False, b"")
        else:
            assert self.run(call, lost=lost) == (True, self.paused)
            self.notes[token] = Note("resume", note=self.paused)
            self.paused = None

    @rule(
        i=st.integers(0, 9),
        state=st.sampled_from(["delayed", "public"]),
        due=st.booleans(),
        gone=st.booleans(),
        lost=st.booleans(),
    )
    def reschedule(self, i, state, due, gone, lost):
        token = self.name()
        shelf = self.set_of(state)
        payload = b"gone" if gone or not shelf else sorted(shelf)[i % len(shelf)]
        time = DUE if due else LATER
        call = self.rig.operations.reschedule(QUEUE, [payload], time.score, token=token, event=EVENT, shelf=state)
        if payload not in shelf:
            assert self.run(call, keep=False).count == 0
            return
        assert self.run(call, lost=lost).count == 1
        self.notes[token] = Note("reschedule", state=state, payload=payload, time=shelf[payload], new=time)
        shelf[payload] = time

    @rule(
        i=st.integers(0, 9),
        state=st.sampled_from(["delayed", "public", "dead"]),
        gone=st.booleans(),
        lost=st.booleans(),
    )
    def delete(self, i, state, gone, lost):
        token = self.name()
        shelf = self.set_of(state)
        payload = b"gone" if gone or not shelf else sorted(shelf)[i % len(shelf)]
        call = self.rig.operations.take(QUEUE, state, [payload], token=token, event=EVENT)
        if payload not in shelf:
            assert self.run(call, keep=False).count == 0
            return
        assert self.run(call, lost=lost).count == 1
        self.notes[token] = note = Note("delete", state=state, payload=payload)
        if state == "dead":
            self.dead.remove(payload)
        else:
            note.time = shelf.pop(payload)

    @rule(i=st.integers(0, 9), off=st.integers(-3, 3), gone=st.booleans(), lost=st.booleans())
    def delete_pending(self, i, off, gone, lost):
        token = self.name()
        tasks = [p for p in self.queue if p != TOMBSTONE]
        payload = b"gone" if gone or not tasks else tasks[i % len(tasks)]
        from_right = max(0, i + off)
        piece = from_right - 200, from_right + 200
        call = self.rig.operations.take_pending(QUEUE, piece, [payload], token=token, event=EVENT)
        if payload not in self.queue:
            assert self.run(call, keep=False).count == 0
            return
        assert self.run(call, lost=lost).count == 1
        self.take_off(payload)
        self.notes[token] = Note("delete", state="pending", payload=payload)

    @rule(
        i=st.integers(0, 9),
        state=st.sampled_from(["delayed", "dead"]),
        next_to_run=st.booleans(),
        lost=st.booleans(),
    )
    def requeue(self, i, state, next_to_run, lost):
        token = self.name()
        shelf = self.delayed if state == "delayed" else self.dead
        payload = sorted(shelf)[i % len(shelf)] if shelf else b"gone"
        to_run = restored(payload) if state == "dead" and shelf else payload
        call = self.rig.operations.requeue(
            QUEUE, state, [(payload, to_run)], token=token, event=EVENT, next_to_run=next_to_run
        )
        if payload not in shelf:
            assert self.run(call, keep=False).count == 0
            return
        assert self.run(call, lost=lost).count == 1
        _ = self.delayed.pop(payload) if state == "delayed" else self.dead.discard(payload)
        self.queue.insert(len(self.queue) if next_to_run else 0, to_run)
        self.notes[token] = Note("requeue")

    @rule(
        state=st.sampled_from(["pending", "delayed", "dead"]), at_most=st.sampled_from([None, 1, 3]), lost=st.booleans()
    )
    def purge(self, state, at_most, lost):
        token = self.name()
        there: Any = {"pending": self.queue, "delayed": self.delayed, "dead": self.dead}[state]
        call = self.rig.operations.purge(QUEUE, state, token=token, event=EVENT, at_most=at_most)
        tombstones = max(0, min(self.tombstones, self.queue.count(TOMBSTONE))) if state == "pending" else 0
        tasks = len(there) - tombstones
        if not there or (at_most is not None and tasks > at_most):
            assert self.run(call, keep=False) == (not there, tasks)
            return
        assert self.run(call, lost=lost) == (True, tasks)
        self.tombstones -= tombstones
        self.notes[token] = Note("purge", state=state, trash=there.copy(), tombstones=tombstones)
        there.clear()

    @precondition(lambda self: self.notes)
    @rule(i=st.integers(0, 30), lost=st.booleans(), whole=st.booleans())
    def undo(self, i, lost, whole):
        token = sorted(self.notes)[i % len(self.notes)]
        note = self.notes[token]
        expected = self.undone(note)
        call = self.rig.operations.undo(QUEUE, token, event=EVENT)
        answer = self.rig.run(call)
        assert (answer.what, answer.left) == (expected.what, expected.left)
        if lost and not answer.left:
            before = self.rig.dump()
            assert self.rig.run(call).what in {"undone", "changed", "requeue", ""}
            assert self.rig.dump() == before, "undone twice"
        while whole and answer.left:
            expected = self.undone(note)
            answer = self.rig.run(call)
            assert (answer.what, answer.left) == (expected.what, expected.left)

    def undone(self, note: Note) -> Undone:  # noqa: C901 - one case per action
        op = note.op
        if op in {"undone", "requeue"}:
            return Undone(op, 0)
        left = 0
        match op:
            case "pause" | "resume":
                if self.paused != (note.note if op == "pause" else None):
                    return Undone("changed", 0)
                self.paused = None if op == "pause" else note.note
            case "reschedule":
                shelf = self.set_of(note.state)
                if shelf.get(note.payload) != note.new:
                    note.op = "undone"
                    return Undone("changed", 0)
                shelf[note.payload] = note.time
            case "delete" if note.state == "pending":
                self.queue.append(note.payload)
            case "delete" if note.state != "dead":
                self.place(self.set_of(note.state), note.payload, note.time, keep_time=True)
            case "delete":
                self.dead.add(note.payload)
            case "purge":
                left = self.bring_back(note)
                self.tombstones += 0 if left else note.tombstones
        if not left:
            note.op = "undone"
        return Undone(op, left)

    def bring_back(self, note: Note) -> int:
        """A purge's tasks, all at once into an empty place, else some."""
        if note.state == "pending":
            some = len(note.trash) if not self.queue else UNDO_BATCH
            self.queue += note.trash[:some]
            note.trash = note.trash[some:]
            return len(note.trash)
        place: Any = self.delayed if note.state == "delayed" else self.dead
        if place:
            key = self.rig.keys.trash(next(t for t, n in self.notes.items() if n is note))
            some = list(self.rig.shelf(key))[:UNDO_BATCH]
        else:
            some = list(note.trash)
        for payload in some:
            if note.state == "delayed":
                self.place(self.delayed, payload, note.trash.pop(payload), keep_time=True)
            else:
                note.trash.discard(payload)
                self.dead.add(payload)
        return len(note.trash)


class ConservationWithMoves(Conservation):
    """The same, with tasks that are moved to another queue in steps, between which anything may happen."""

    @invariant()
    def what_is_under_way_is_in_the_trash_and_what_has_arrived_is_only_remembered(self):
        keys = self.rig.keys
        for token in self.moves() if hasattr(self, "notes") else []:
            note, known = self.notes[token], self.rig.run(self.rig.operations.note(QUEUE, token))
            assert known is not None
            assert known.op == note.op
            there = bool(self.rig.raw.exists(keys.trash(token))), bool(self.rig.raw.exists(keys.former(token)))
            assert there == (note.op == "move", note.op == "moved")

    def movable(self) -> list[tuple[str, bytes]]:
        found = [("pending", payload) for payload in self.queue if payload != TOMBSTONE]
        return found + [(s, payload) for s in ("delayed", "public", "dead") for payload in sorted(self.set_of(s))]

    @precondition(lambda self: self.movable())
    @rule(i=st.integers(0, 20), steps=st.integers(1, 3), next_to_run=st.booleans(), lost=st.booleans())
    def move(self, i, steps, next_to_run, lost):
        """As the console does it, or as far as it comes."""
        token, (state, payload) = self.name(), self.movable()[i % len(self.movable())]
        note = Note("move", state=state, payload=payload)
        with_it: Any = {"token": token, "event": EVENT, "to": OTHER}
        if state == "pending":
            assert (
                self.run(self.rig.operations.take_pending(QUEUE, (0, 400), [payload], **with_it), lost=lost).count == 1
            )
            self.take_off(payload)
        else:
            note.score = self.rig.raw.zscore(self.rig.operations._shelf(QUEUE, state), payload)
            assert self.run(self.rig.operations.take(QUEUE, state, [payload], **with_it), lost=lost).count == 1
            if state == "dead":
                self.dead.remove(payload)
            else:
                note.time = self.set_of(state).pop(payload)
        self.notes[token] = note
        if steps > 1:
            self.arrive(token, next_to_run=next_to_run, lost=lost)
        if steps > 2:
            self.say_that_it_has_arrived(token, lost=lost)

    @precondition(lambda self: self.moves())
    @rule(i=st.integers(0, 30), next_to_run=st.booleans(), lost=st.booleans())
    def a_move_goes_on(self, i, next_to_run, lost):
        """Its next step comes late, or once more."""
        token = self.moves()[i % len(self.moves())]
        if self.notes[token].op == "move" and self.notes[token].arrived:
            self.say_that_it_has_arrived(token, lost=lost)
        else:
            self.arrive(token, next_to_run=next_to_run, lost=lost)

    def moves(self) -> list[str]:
        return sorted(token for token, note in self.notes.items() if note.op in {"move", "moved"})

    def arrive(self, token: str, *, next_to_run: bool, lost: bool) -> None:
        note = self.notes[token]
        state = "delayed" if note.state == "public" else note.state
        call = self.rig.operations.arrive(
            OTHER, state, [(note.payload, note.score)], token=token, event=EVENT, next_to_run=next_to_run
        )
        assert self.run(call, lost=lost) == 1
        if note.arrived:
            return
        note.arrived = True
        if state == "pending":
            self.other.insert(len(self.other) if next_to_run else 0, note.payload)
        elif state == "delayed":
            self.place(self.other_delayed, note.payload, note.time)
        else:
            self.collapsed += note.payload in self.other_dead
            self.other_dead.add(note.payload)

    def say_that_it_has_arrived(self, token: str, *, lost: bool) -> None:
        # A repeat answers that it was said before.
        assert self.run(self.rig.operations.moved(QUEUE, token), lost=lost, counts=True)
        self.notes[token].op = "moved"

    @precondition(lambda self: self.other)
    @rule()
    def somebody_runs_a_task_of_the_other_queue(self):
        self.rig.raw.rpop(OTHER)
        self.finished += self.other.pop() != TOMBSTONE

    @precondition(lambda self: self.moves())
    @rule(i=st.integers(0, 30), lost=st.booleans())
    def undo_a_move(self, i, lost):
        """As the console does it: first see that nothing arrives any more, or has."""
        token = self.moves()[i % len(self.moves())]
        note, operations = self.notes[token], self.rig.operations
        assert self.run(operations.call_off(OTHER, token), lost=lost) == int(note.arrived)
        if not note.arrived:
            assert self.run(operations.undo(QUEUE, token, event=EVENT), keep=False) == Undone("move", 0, 1)
            if note.state == "pending":
                self.queue.append(note.payload)
            elif note.state == "dead":
                self.dead.add(note.payload)
            else:
                self.place(self.set_of(note.state), note.payload, note.time, keep_time=True)
            note.op = "undone"
            # Whoever moved it comes late.
            late = "delayed" if note.state == "public" else note.state
            assert self.run(operations.arrive(OTHER, late, [(note.payload, note.score)], token=token, event=EVENT)) == 0
            return
        if note.op == "move":
            self.run(operations.moved(QUEUE, token), lost=lost, counts=True)
        self.fetch_back(note, self.name(), lost=lost)
        self.run(operations.undo(QUEUE, token, looked=True), keep=False)
        note.op = "undone"

    def fetch_back(self, note: Note, token: str, *, lost: bool) -> None:
        """The move the other way, if nobody has run it there; what was public comes into the queue's own set."""
        operations, payload = self.rig.operations, note.payload
        with_it: Any = {"token": token, "event": EVENT, "to": QUEUE}
        state = "delayed" if note.state == "public" else note.state
        if state == "pending":
            there: Any = self.other
            call = operations.take_pending(OTHER, (0, 400), [payload], **with_it)
        else:
            there = self.other_delayed if state == "delayed" else self.other_dead
            call = operations.take(OTHER, state, [payload], **with_it)
        if payload not in there:
            assert self.run(call, keep=False).count == 0
            return
        assert self.run(call, lost=lost).count == 1
        back = operations.arrive(QUEUE, state, [(payload, note.score)], token=token, event=EVENT, next_to_run=True)
        assert self.run(back, lost=lost) == 1
        assert self.run(operations.moved(OTHER, token), lost=lost, counts=True)
        if state == "pending":
            # From the end at which tasks run; in the middle of a long list a tombstone stays.
            index = len(self.other) - 1 - self.other[::-1].index(payload)
            if NEAR < index < len(self.other) - 1 - NEAR:
                self.other[index] = TOMBSTONE
            elif index <= NEAR and len(self.other) - 1 - index > NEAR:
                self.other.remove(payload)
            else:
                remove_last(self.other, payload)
            self.queue.append(payload)
        elif state == "delayed":
            del self.other_delayed[payload]
            self.place(self.delayed, payload, note.time)
        else:
            self.other_dead.discard(payload)
            self.collapsed += payload in self.dead
            self.dead.add(payload)


def remove_last(some: list[bytes], payload: bytes) -> None:
    del some[len(some) - 1 - some[::-1].index(payload)]


@pytest.mark.timeout(480)  # seconds of a quiet machine are minutes of a busy one
@pytest.mark.parametrize("machine", [Conservation, ConservationWithOperators, ConservationWithMoves])
def test_every_task_is_in_exactly_one_place_after_every_step(rig, machine):
    with (
        mock.patch("taskconsole.store.operations.NEAR", NEAR),
        mock.patch("taskconsole.store.operations.UNDO_BATCH", UNDO_BATCH),
    ):
        run_state_machine_as_test(
            type("Machine", (machine,), {"rig": rig}),
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=40,
                deadline=None,
                suppress_health_check=list(HealthCheck),
                print_blob=False,
            ),
        )
