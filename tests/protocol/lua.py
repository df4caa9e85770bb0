"""What Redis holds, and how each Lua file changes it.

Every method of `Lua` is named as the file in `taskconsole/store/lua` that it models and takes the same decisions in the
same order; what only counts, logs or tells others (statistics, events, wake-ups) is left out. Two methods model plain
commands: `wait_for_one` is the BLMOVE of a waiting worker, `expire` the passing of a whole lease.

A guard is a condition that keeps a transition from acting twice, too late or for somebody else. Each can be removed by
its name, to see what it is there for.

Times are left out: what is delayed may be due at any moment, a lease may run out when its worker has been silent.
A sequence number is only compared with the one before, so of each worker's and producer's it is enough to know whether
the call it is making now has been carried out. No Redis forgets what it has done, as one may that takes over from another:
what `step` does against that is left out.
"""

from __future__ import annotations

from typing import NamedTuple

MAX_DEATHS = 2
"""Deaths of its workers after which a task is buried; three by default in a real worker."""

MAX_ATTEMPTS = 2


class Payload(NamedTuple):
    """The bytes of a task: equal ones cannot be told apart."""

    name: str
    attempt: int = 1
    deaths: int = 0
    id: int = 0
    """Given when a task is set aside; before, two bare tasks of one name are equal."""


Payloads = tuple[Payload, ...]


class Lease(NamedTuple):
    """What Redis has of one worker id: its entry in `workers`, its hash, its processing list."""

    valid: str = "gone"
    """`valid`, `over` (to be reclaimed) or `gone` (no entry)."""
    hash: str = ""
    """`kept` (it has a TTL), `leaked` (it has none), empty for no hash."""
    number: str = ""
    """Of the worker's present call: `done`, or `before`; empty when no number is noted."""
    held: Payloads = ()
    """Oldest claim first."""


class Note(NamedTuple):
    """What an operator's action has left under its token."""

    op: str
    state: str = ""
    payloads: Payloads = ()
    value: str = ""
    n: int = 0


class Redis(NamedTuple):
    """The keys of one queue."""

    queue: Payloads = ()
    """Next to run last."""
    delayed: Payloads = ()
    dead: Payloads = ()
    paused: str = ""
    """The token of the pause; empty when there is none."""
    workers: tuple[Lease, ...] = ()
    notes: tuple[tuple[str, Note], ...] = ()
    producer: str = "before"
    """Of the producer's present call: `done` or `before`."""

    def with_worker(self, worker: int, **changes: object) -> Redis:
        """Another state of one worker."""
        lease = self.workers[worker]._replace(**changes)  # type: ignore[arg-type]  # named fields
        return self._replace(workers=(*self.workers[:worker], lease, *self.workers[worker + 1 :]))

    def with_note(self, token: str, note: Note) -> Redis:
        """With what an action leaves."""
        return self._replace(notes=tuple(sorted({**dict(self.notes), token: note}.items())))


Answer = tuple[object, ...]


class Call(NamedTuple):
    """A transition with its arguments."""

    name: str
    """The Lua file."""
    payloads: Payloads = ()
    n: int = 0
    """How many to claim."""
    token: str = ""
    state: str = ""
    oldest: int = 0
    """How many of the payloads are acknowledged by their number: as the oldest of a list of this length."""
    length: int = 0


def without_first(payloads: Payloads, payload: Payload) -> Payloads:
    """LREM from the left, once."""
    i = payloads.index(payload)
    return payloads[:i] + payloads[i + 1 :]


def without_last(payloads: Payloads, payload: Payload) -> Payloads:
    """LREM from the right, once."""
    return without_first(payloads[::-1], payload)[::-1]


def before(kept: Payload) -> Payload:
    """What was held of a payload that is kept for the next attempt."""
    return kept._replace(attempt=kept.attempt - 1)


def with_member(members: Payloads, payload: Payload) -> Payloads:
    """ZADD: equal members are one."""
    return tuple(sorted({*members, payload}))


class Lua:
    """The transitions, some of whose guards may have been removed.

    Args:
        without: Names of guards that are not there.
    """

    guards = (
        "enqueue: number",
        "delay: number",
        "step: lease",
        "step: number",
        "step: pause",
        "step: length",
        "settle: lease",
        "settle: number",
        "give_back: lease",
        "give_back: number",
        "heartbeat: lease",
        "reclaim: lease",
        "reclaim: what is still held",
        "reclaim: what came later",
        "reclaim: fencing",
        "reclaim: counting deaths",
        "leave: what is held",
        "promote: still there",
        "transfer: still there",
        "take: note",
        "take_pending: note",
        "requeue: note",
        "requeue: still there",
        "purge: note",
        "undo: once",
        "undo: the same pause",
        "pause: note",
        "resume: note",
    )

    def __init__(self, without: frozenset[str] = frozenset()) -> None:
        self._without = without

    def has(self, guard: str) -> bool:
        """Whether this guard is in its place."""
        assert guard in self.guards
        return guard not in self._without

    # -- producers

    def enqueue(self, r: Redis, call: Call, *, current: bool) -> tuple[Redis, Answer]:
        """Put tasks into the queue, once for a number."""
        if self.has("enqueue: number") and (r.producer == "done" or not current):
            return r, ("done before",)
        return r._replace(queue=call.payloads + r.queue, producer="done" if current else r.producer), ("done",)

    def delay(self, r: Redis, call: Call, *, current: bool) -> tuple[Redis, Answer]:
        """Set tasks aside, once for a number."""
        if self.has("delay: number") and (r.producer == "done" or not current):
            return r, ("done before",)
        for payload in call.payloads:
            r = r._replace(delayed=with_member(r.delayed, payload))
        return r._replace(producer="done" if current else r.producer), ("done",)

    # -- workers

    def register(self, r: Redis, worker: int) -> Redis:
        """Enter a worker."""
        return r.with_worker(worker, valid="valid", hash="kept")

    def heartbeat(self, r: Redis, worker: int) -> tuple[Redis, Answer]:
        """Renew a lease, also one that has run out, as long as nobody has reclaimed it."""
        if r.workers[worker].valid == "gone":
            if self.has("heartbeat: lease"):
                return r, ("F",)
            return r.with_worker(worker, valid="valid", hash="kept"), ("K",)
        return r.with_worker(worker, valid="valid", hash="kept"), ("K",)

    def _refuses(self, r: Redis, worker: int, name: str, *, current: bool) -> str:
        lease = r.workers[worker]
        if self.has(f"{name}: lease") and lease.valid == "gone":
            return "F"
        if self.has(f"{name}: number") and lease.number and (lease.number == "done" or not current):
            return "R"
        return ""

    @staticmethod
    def _numbered(r: Redis, worker: int, *, current: bool) -> Redis:
        """HSET seq: it makes the hash where there is none, and that one has no TTL."""
        lease = r.workers[worker]
        number = "done" if current else lease.number or "before"
        return r.with_worker(worker, number=number, hash=lease.hash or "leaked")

    def step(self, r: Redis, worker: int, call: Call, *, current: bool) -> tuple[Redis, Answer]:
        """Acknowledge and claim."""
        if refusal := self._refuses(r, worker, "step", current=current):
            return r, (refusal,)
        held = r.workers[worker].held
        if call.oldest and self.has("step: length") and len(held) != call.length:
            return r, ("U",)
        acked, held = list(held[: call.oldest]), held[call.oldest :]
        for payload in call.payloads[call.oldest :]:
            if payload in held:
                held = without_first(held, payload)
                acked.append(payload)
        r = self._numbered(r.with_worker(worker, held=held), worker, current=current)
        if r.workers[worker].valid == "over":
            r = r.with_worker(worker, valid="valid")
        if (r.paused and self.has("step: pause")) or not call.n:
            return r, ("K", tuple(acked), ())
        claimed = r.queue[::-1][: call.n]
        r = r._replace(queue=r.queue[: len(r.queue) - len(claimed)]).with_worker(worker, held=held + claimed)
        return r, ("K", tuple(acked), claimed)

    def settle(self, r: Redis, worker: int, call: Call, *, current: bool) -> tuple[Redis, Answer]:
        """Record failed attempts: delayed for another, or dead."""
        if refusal := self._refuses(r, worker, "settle", current=current):
            return r, (refusal,)
        r, settled = self._numbered(r, worker, current=current), []
        for payload in call.payloads:
            # `id` is of what is kept; what is held may have none yet.
            was = before(payload)
            held = next((p for p in (was, was._replace(id=0)) if p in r.workers[worker].held), None)
            if held is None:
                continue
            r = r.with_worker(worker, held=without_first(r.workers[worker].held, held))
            if payload.attempt > MAX_ATTEMPTS:
                r = r._replace(dead=with_member(r.dead, payload))
            else:
                r = r._replace(delayed=with_member(r.delayed, payload))
            settled.append(payload)
        return r, ("K", tuple(settled))

    def give_back(self, r: Redis, worker: int, call: Call, *, current: bool) -> tuple[Redis, Answer]:
        """Return what was not started."""
        if refusal := self._refuses(r, worker, "give_back", current=current):
            return r, (refusal,)
        r = self._numbered(r, worker, current=current)
        for payload in call.payloads:
            if payload in (held := r.workers[worker].held):
                r = r.with_worker(worker, held=without_last(held, payload))._replace(queue=(*r.queue, payload))
        return r, ("K",)

    def leave(self, r: Redis, worker: int) -> Redis:
        """Sign off; what is held goes back."""
        held = r.workers[worker].held
        if self.has("leave: what is held"):
            r = r._replace(queue=r.queue + held[::-1]).with_worker(worker, held=())
        return r.with_worker(worker, valid="gone", hash="", number="")

    @staticmethod
    def wait_for_one(r: Redis, worker: int) -> Redis:
        """BLMOVE: whatever the lease, whatever the pause."""
        *rest, payload = r.queue
        return r._replace(queue=tuple(rest)).with_worker(worker, held=(*r.workers[worker].held, payload))

    @staticmethod
    def expire(r: Redis, worker: int) -> Redis:
        """A whole lease has passed."""
        return r.with_worker(worker, valid="over")

    def reclaim(self, r: Redis, worker: int, seen: Payloads) -> tuple[Redis, Payloads]:
        """Take back what a worker holds that was silent for a lease, and fence it; also what was taken back."""
        lease = r.workers[worker]
        if self.has("reclaim: lease") and lease.valid == "valid":
            return r, ()
        taken = lease.held
        for payload in seen[::-1]:
            held = r.workers[worker].held
            if payload in held:
                r = r.with_worker(worker, held=without_last(held, payload))
            elif self.has("reclaim: what is still held"):
                continue
            died = payload._replace(deaths=payload.deaths + self.has("reclaim: counting deaths"))
            if died.deaths >= MAX_DEATHS:
                r = r._replace(dead=with_member(r.dead, died))
            else:
                r = r._replace(queue=(*r.queue, died))
        if self.has("reclaim: what came later"):
            r = r._replace(queue=r.queue + r.workers[worker].held[::-1]).with_worker(worker, held=())
        if self.has("reclaim: fencing"):
            r = r.with_worker(worker, valid="gone")
        return r.with_worker(worker, hash="", number=""), taken

    # -- promoters

    def promote(self, r: Redis, seen: Payloads) -> Redis:
        """Move what is due. It looks and moves in one step; without that guard it moves what somebody saw before."""
        due = r.delayed if self.has("promote: still there") else seen
        return r._replace(delayed=tuple(p for p in r.delayed if p not in due), queue=due[::-1] + r.queue)

    def transfer(self, r: Redis, seen: Payloads) -> Redis:
        """Move these, seen before, if they are still due there."""
        for payload in seen:
            if payload in r.delayed or not self.has("transfer: still there"):
                r = r._replace(delayed=tuple(p for p in r.delayed if p != payload), queue=(payload, *r.queue))
        return r

    # -- operators

    def operate(self, r: Redis, call: Call) -> tuple[Redis, Answer]:
        """One action with its token."""
        match call.name:
            case "take" | "take_pending":
                return self.take_pending(r, call) if call.name == "take_pending" else self.take(r, call)
            case "requeue":
                return self.requeue(r, call)
            case "purge":
                return self.purge(r, call)
            case "undo":
                return self.undo(r, call)
            case "pause":
                return self.pause(r, call)
        assert call.name == "resume"
        return self.resume(r, call)

    def take(self, r: Redis, call: Call) -> tuple[Redis, Answer]:
        """Take a delayed or dead task away."""
        if self.has("take: note") and call.token in dict(r.notes):
            return r, (1,)
        (payload,), members = call.payloads, getattr(r, call.state)
        if payload not in members:
            return r, (0,)
        r = r._replace(**{call.state: tuple(p for p in members if p != payload)})
        return r.with_note(call.token, Note("delete", call.state, call.payloads)), (1,)

    def take_pending(self, r: Redis, call: Call) -> tuple[Redis, Answer]:
        """Take a pending task away; the tombstone of a deep one is the same to all but the length of the list."""
        if self.has("take_pending: note") and call.token in dict(r.notes):
            return r, (1,)
        (payload,) = call.payloads
        if payload not in r.queue:
            return r, (0,)
        r = r._replace(queue=without_last(r.queue, payload))
        return r.with_note(call.token, Note("delete", "queue", call.payloads)), (1,)

    def requeue(self, r: Redis, call: Call) -> tuple[Redis, Answer]:
        """Let a delayed or dead task run now."""
        if self.has("requeue: note") and call.token in dict(r.notes):
            return r, (1,)
        (payload,), members = call.payloads, getattr(r, call.state)
        if payload not in members and self.has("requeue: still there"):
            return r, (0,)
        r = r._replace(**{call.state: tuple(p for p in members if p != payload)})
        fresh = payload._replace(attempt=1, deaths=0)
        return r._replace(queue=(*r.queue, fresh)).with_note(call.token, Note("requeue")), (1,)

    def purge(self, r: Redis, call: Call) -> tuple[Redis, Answer]:
        """Empty one state."""
        before = dict(r.notes).get(call.token)
        if before and self.has("purge: note"):
            return r, (1, before.n)
        payloads = getattr(r, call.state)
        if not payloads:
            return r, (1, 0)
        r = r._replace(**{call.state: ()})
        return r.with_note(call.token, Note("purge", call.state, payloads, n=len(payloads))), (1, len(payloads))

    def pause(self, r: Redis, call: Call) -> tuple[Redis, Answer]:
        """Stop claiming."""
        if self.has("pause: note") and call.token in dict(r.notes):
            return r, (1,)
        if r.paused:
            return r, (0,)
        return r._replace(paused=call.token).with_note(call.token, Note("pause", value=call.token)), (1,)

    def resume(self, r: Redis, call: Call) -> tuple[Redis, Answer]:
        """Let workers claim again."""
        if self.has("resume: note") and call.token in dict(r.notes):
            return r, (1,)
        if not r.paused:
            return r, (0,)
        return r._replace(paused="").with_note(call.token, Note("resume", value=r.paused)), (1,)

    def undo(self, r: Redis, call: Call) -> tuple[Redis, Answer]:
        """Take an action back by its note."""
        note = dict(r.notes).get(call.token)
        if note is None or note.op == "requeue":
            return r, ("",)
        if note.op == "undone":
            return r, ("undone",)
        match note.op:
            case "pause":
                if r.paused != note.value and self.has("undo: the same pause"):
                    return r, ("changed",)
                r = r._replace(paused="")
            case "resume":
                if r.paused:
                    return r, ("changed",)
                r = r._replace(paused=note.value)
            case _ if note.state == "queue":
                r = r._replace(queue=r.queue + note.payloads)
            case _:
                members = getattr(r, note.state)
                for payload in note.payloads:
                    members = with_member(members, payload)
                r = r._replace(**{note.state: members})
        return (r.with_note(call.token, Note("undone")) if self.has("undo: once") else r), (note.op,)
