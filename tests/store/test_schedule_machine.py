"""One task an instant, whatever tickers with old knowledge, operators, workers and the network do.

A state machine as in `test_conservation.py`: the real transitions over a real Redis, and beside them a model of
plain dicts. A schedule's instants are numbered; its position is the number of the next one. Tickers fire what they
read some time ago, answers get lost and calls are repeated, and copies of calls arrive late.
"""

from __future__ import annotations

import json
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

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

from taskconsole.errors import LeaseLost
from taskconsole.store.call import Call
from taskconsole.store.schedules import Due, Fired, Made
from taskconsole.store.tasks import EndedRun, Settlement
from tests.servers import FULL
from tests.store.rig import EVENT, FAR, QUEUE, Rig

EXAMPLES = 240 if FULL else 60

NAMES = st.sampled_from(["s", "z"])
OVERLAPS = st.sampled_from(["allow", "skip", "buffer_one"])


@dataclass
class Plan:
    """A schedule as it must stand in Redis."""

    definition: bytes
    overlap: str
    position: int
    score: float | None


def identity(payload: bytes) -> str:
    return str(json.loads(payload)["id"])


class Scheduling(RuleBasedStateMachine):
    """Transitions and their model."""

    rig: Rig

    @initialize(overlap=OVERLAPS)
    def start(self, overlap: str) -> None:
        self.rig.raw.flushdb()
        self.plans: dict[str, Plan] = {}
        self.reached = {"s": 0, "z": 0}
        """The first instant of each that has never been decided."""
        self.running: dict[str, set[str]] = {"s": set(), "z": set()}
        self.buffered: dict[str, bytes] = {}
        self.runs: dict[str, list[bytes]] = {"s": [], "z": []}
        self.queue: list[bytes] = []  # next to run last
        self.held: list[bytes] = []
        self.delayed: set[bytes] = set()
        self.dead: set[bytes] = set()
        self.over: Counter[str] = Counter()
        """Tasks that finished, were deleted, or were buffered when their schedule was removed."""
        self.made: Counter[str] = Counter()
        self.read: list[dict[str, Due]] = [{}, {}]
        """What each of two tickers has read, some time ago."""
        self.old: list[Call[Any]] = []
        self.numbers = self.seq = 0
        self.hire()
        self.define("s", overlap, due=True, lost=False)

    def hire(self) -> None:
        self.numbers += 1
        self.worker, self.seq = f"w{self.numbers}", 0
        self.rig.run(self.rig.register(self.worker))

    def number(self) -> int:
        self.numbers += 1
        return self.numbers

    def run(self, call: Call[Any], *, lost: bool, again: Any, keep: bool = True) -> Any:
        """Carry out a call; with `lost` twice, the second time it must do nothing and answer `again`."""
        answer = self.rig.run(call)
        if lost:
            before = self.rig.dump()
            assert self.rig.run(call) == again
            assert self.rig.dump() == before, "a repeated call changed something"
        if keep:
            self.old.append(call)
        return answer

    def untouched(self, call: Call[Any]) -> Any:
        before = self.rig.dump()
        answer = self.rig.run(call)
        assert self.rig.dump() == before, "a call that came too late changed something"
        return answer

    def payload(self, name: str, task_id: str) -> bytes:
        self.made[task_id] += 1
        return json.dumps({"task": "t", "id": task_id, "schedule": name}).encode()

    def push(self, payload: bytes) -> None:
        self.queue.insert(0, payload)

    # -- operators

    def put(self, name: str, plan: Plan, seen: tuple[bytes, bytes], time: float | str | None, *, lost: bool) -> None:
        call = self.rig.schedules.put(
            QUEUE,
            name,
            seen=seen,
            definition=plan.definition,
            position=b"%d" % plan.position,
            time=time,
            event=EVENT,
        )
        # A copy that comes after a removal may write it again: that is what a new schedule is.
        assert self.run(call, lost=lost, again=2, keep=False) == 1
        self.plans[name] = plan

    def pick(self, i: int) -> str:
        return sorted(self.plans)[i % len(self.plans)]

    def definition(self, overlap: str) -> bytes:
        return f'{{"version":{self.number()},"overlap":"{overlap}"}}'.encode()

    @precondition(lambda self: len(self.plans) < 2)
    @rule(name=NAMES, overlap=OVERLAPS, due=st.booleans(), lost=st.booleans())
    def define(self, name, overlap, due, lost):
        if name in self.plans:
            return
        time = self.reached[name] + (0 if due else FAR)
        self.put(name, Plan(self.definition(overlap), overlap, self.reached[name], time), (b"", b""), time, lost=lost)

    @precondition(lambda self: self.plans)
    @rule(
        i=st.integers(0, 1),
        overlap=OVERLAPS,
        what=st.sampled_from(["pause", "keep", "due", "due", "due", "far"]),
        lost=st.booleans(),
    )
    def edit(self, i, overlap, what, lost):
        """An edit while it is due, a pause, a resume: never a new instant."""
        name = self.pick(i)
        plan = self.plans[name]
        score = {"pause": None, "keep": plan.score, "due": float(plan.position), "far": plan.position + FAR}[what]
        changed = Plan(self.definition(overlap), overlap, plan.position, score)
        self.put(
            name,
            changed,
            (plan.definition, b"%d" % plan.position),
            "=" if what == "keep" else score,
            lost=lost,
        )

    @precondition(lambda self: self.plans)
    @rule(i=st.integers(0, 1))
    def edit_what_was_seen_long_ago(self, i):
        name = self.pick(i)
        seen = (b"other", b"%d" % self.plans[name].position)
        call = self.rig.schedules.put(
            QUEUE, name, seen=seen, definition=b"x", position=b"0", time=0.0, code=b"x", event=EVENT
        )
        assert self.untouched(call) == 0
        assert self.untouched(self.rig.schedules.remove(QUEUE, name, seen=b"other", note=b"x", event=EVENT)) == 0

    @precondition(lambda self: self.plans)
    @rule(i=st.integers(0, 1), overlap=OVERLAPS, pause=st.booleans(), lost=st.booleans())
    def edit_what_was_fired_since_it_was_seen(self, i, overlap, pause, lost):
        """Position and time stay as they stand."""
        name = self.pick(i)
        plan = self.plans[name]
        changed = Plan(self.definition(overlap), overlap, plan.position, None if pause else plan.score)
        call = self.rig.schedules.put(
            QUEUE,
            name,
            seen=(plan.definition, b"long ago"),
            definition=changed.definition,
            position=b"0",
            time=None if pause else 0.0,
            event=EVENT,
        )
        assert self.run(call, lost=lost, again=2, keep=False) == 1
        self.plans[name] = changed

    @precondition(lambda self: self.plans)
    @rule(i=st.integers(0, 1), by_hand=st.booleans())
    def set_the_time(self, i, by_hand):
        """With ZADD, by anybody."""
        name = self.pick(i)
        score = self.number() / 1000 if by_hand else float(self.plans[name].position)
        self.rig.raw.zadd(self.rig.keys.next, {name: score})
        self.plans[name].score = score

    @precondition(lambda self: self.plans)
    @rule(i=st.integers(0, 1), lost=st.booleans())
    def remove(self, i, lost):
        name = self.pick(i)
        plan = self.plans.pop(name)
        call = self.rig.schedules.remove(
            QUEUE, name, seen=plan.definition, note=b"note %d" % self.number(), event=EVENT
        )
        assert self.run(call, lost=lost, again=1) == 1 + (name in self.buffered)
        self.running[name], self.runs[name] = set(), []
        if name in self.buffered:
            self.over[identity(self.buffered.pop(name))] += 1

    @rule(name=NAMES, lost=st.booleans())
    def trigger(self, name, lost):
        task_id = f"{name}!{self.number()}"
        call = self.rig.schedules.trigger(
            QUEUE, name, task_id, payload := self.payload(name, task_id), token=task_id, event=EVENT
        )
        if name not in self.plans:
            del self.made[task_id]
            assert self.untouched(call) is False
            return
        assert self.run(call, lost=lost, again=True) is True
        self.push(payload)
        self.note_running(name, task_id)

    def note_running(self, name: str, *ids: str) -> None:
        self.running[name] |= set(ids)

    @precondition(lambda self: self.queue)
    @rule(i=st.integers(0, 20))
    def delete(self, i):
        payload = self.queue.pop(i % len(self.queue))
        self.rig.raw.lrem(QUEUE, 1, payload)
        self.over[identity(payload)] += 1

    # -- tickers

    def look(self, ticker: int) -> None:
        agenda = self.rig.run(self.rig.schedules.due(QUEUE, None, FAR * 2, limit=10))
        self.read[ticker] = {due.name: due for due in agenda.due}
        assert {d.name: (float(d.score), d.definition, d.position) for d in agenda.due} == {
            name: (plan.score, plan.definition, b"%d" % plan.position)
            for name, plan in self.plans.items()
            if plan.score is not None
        }

    @rule(
        ticker=st.integers(0, 1),
        fresh=st.booleans(),
        i=st.integers(0, 1),
        count=st.integers(0, 3),
        then=st.sampled_from(["due", "due", "due", "due", "far", "never"]),
        missed=st.booleans(),
        lost=st.booleans(),
    )
    def fire(self, ticker, fresh, i, count, then, missed, lost):
        """What was read a moment ago, or some time ago."""
        if fresh or not self.read[ticker]:
            self.look(ticker)
        if not self.read[ticker]:
            return
        name, due = sorted(self.read[ticker].items())[i % len(self.read[ticker])]
        first = int(due.position)
        overlap = json.loads(due.definition)["overlap"]
        after = first + count + missed
        time = {"due": float(after), "far": after + FAR, "never": None}[then]
        ids = [f"{name}@{n}" for n in range(first, first + count)]
        payloads = [json.dumps({"task": "t", "id": task_id, "schedule": name}).encode() for task_id in ids]
        call = self.rig.schedules.fire(
            QUEUE,
            due,
            tasks=[Made(task_id, p, b"skipped") for task_id, p in zip(ids, payloads, strict=True)],
            overlap=overlap,
            time=time,
            position=b"%d" % after,
            event=EVENT,
            keep_event=True,
            missed=(b"missed", EVENT, 1) if missed else None,
        )
        plan = self.plans.get(name)
        as_read = (float(due.score), due.definition, first)
        if plan is None or (plan.score, plan.definition, plan.position) != as_read:
            assert self.untouched(call) == Fired(False)
            return
        if as_read[0] >= FAR:
            assert self.untouched(call) == Fired(False, early=True)
            return
        if time == as_read[0] and after == first:
            return  # it would be as it was
        expected = self.fired(name, overlap, ids, payloads)
        if missed:
            self.runs[name].insert(0, b"missed")
        plan.position, plan.score = after, time
        self.reached[name] = after
        assert self.run(call, lost=lost, again=Fired(False)) == expected

    def fired(self, name: str, overlap: str, ids: list[str], payloads: list[bytes]) -> Fired:
        counts = Counter[str]()
        if overlap == "allow" and name in self.buffered:
            waiting = self.buffered.pop(name)
            self.push(waiting)
            self.note_running(name, identity(waiting))
        for task_id, payload in zip(ids, payloads, strict=True):
            busy = bool(self.running[name])
            if overlap == "allow" or not busy:
                counts["made"] += 1
                self.push(payload)
                self.note_running(name, task_id)
            elif overlap == "buffer_one" and name not in self.buffered:
                counts["buffered"] += 1
                self.buffered[name] = payload
            else:
                counts["skipped"] += 1
                self.runs[name].insert(0, b"skipped")
                continue
            self.made[task_id] += 1
        return Fired(True, counts["made"], counts["skipped"], counts["buffered"])

    @precondition(lambda self: any(self.running.values()))
    @rule(i=st.integers(0, 20), lost=st.booleans())
    def find_that_one_is_gone(self, i, lost):
        name = max(self.running, key=lambda name: len(self.running[name] & set(self.over)))
        gone = sorted(self.running[name] & set(self.over))
        call = self.rig.schedules.end_run(QUEUE, name, gone[i % len(gone)] if gone else "nobody", b"gone")
        if not gone:
            assert self.untouched(call) is False
            return
        assert self.run(call, lost=lost, again=False) is True
        self.ended(name, gone[i % len(gone)], b"gone")

    def ended(self, name: str, task_id: str, record: bytes) -> None:
        self.runs[name].insert(0, record)
        self.running[name].discard(task_id)
        if not self.running[name] and name in self.buffered:
            payload = self.buffered.pop(name)
            self.push(payload)
            self.note_running(name, identity(payload))

    # -- a worker

    @rule(count=st.integers(1, 3))
    def claim(self, count):
        self.seq += 1
        claimed = self.rig.run(self.rig.step(self.worker, self.seq, count)).payloads
        assert claimed == [self.queue.pop() for _ in range(min(count, len(self.queue)))]
        self.held += claimed

    @precondition(lambda self: self.held)
    @rule(
        kinds=st.lists(st.sampled_from(["done", "done", "bury", "retry"]), min_size=1, max_size=3),
        stranger=st.booleans(),
        fenced=st.booleans(),
        lost=st.booleans(),
    )
    def settle(self, kinds, stranger, fenced, lost):
        finished = [(kind, payload) for kind, payload in zip(kinds, self.held, strict=False)]
        items = [self.settlement(kind, payload) for kind, payload in finished]
        if stranger:
            payload = json.dumps({"task": "t", "id": "stranger", "schedule": "s"}).encode()
            items.insert(0, self.settlement("done", payload))
        if fenced:
            call = self.rig.settle("nobody", 1, items)
            before = self.rig.dump()
            with pytest.raises(LeaseLost):
                self.rig.run(call)
            assert self.rig.dump() == before
            return
        self.seq += 1
        assert self.run(self.rig.settle(self.worker, self.seq, items), lost=lost, again=0) == stranger
        for kind, payload in finished:
            self.held.remove(payload)
            if kind == "retry":
                self.delayed.add(payload)
                continue
            task_id, name = identity(payload), json.loads(payload)["schedule"]
            if kind == "bury":
                self.dead.add(payload)
            else:
                self.over[task_id] += 1
            if name in self.plans:
                self.ended(name, task_id, kind.encode())

    def settlement(self, kind: Any, payload: bytes) -> Settlement:
        if kind == "retry":
            return Settlement("retry", payload, payload, 0.0, EVENT)
        ended = EndedRun(json.loads(payload)["schedule"], identity(payload), kind.encode())
        return Settlement(kind, payload, payload, 0.0, EVENT if kind == "bury" else b"", ended)

    @rule()
    def promote(self):
        order = list(self.rig.shelf(self.rig.keys.delayed))
        assert self.rig.run(self.rig.tasks.promote(self.rig.keys.delayed, QUEUE)).moved == len(order)
        for payload in order:
            self.push(payload)
        self.delayed.clear()

    @rule()
    def the_worker_goes_and_another_comes(self):
        self.rig.run(self.rig.workers.leave(QUEUE, self.worker, event=EVENT))
        self.queue += reversed(self.held)
        self.held.clear()
        self.hire()

    # -- the network

    @precondition(lambda self: self.old)
    @rule(i=st.integers(0, 10_000))
    def an_old_copy_arrives(self, i):
        with suppress(LeaseLost):
            self.untouched(self.old[i % len(self.old)])

    # -- what must always hold

    @invariant()
    def redis_is_as_the_model_says(self):
        if not hasattr(self, "plans"):
            return
        keys, raw = self.rig.keys, self.rig.raw
        by_name = {name.encode(): plan for name, plan in self.plans.items()}
        assert raw.hgetall(keys.schedules) == {name: plan.definition for name, plan in by_name.items()}
        assert raw.hgetall(keys.positions) == {name: b"%d" % plan.position for name, plan in by_name.items()}
        scores = {name: plan.score for name, plan in by_name.items() if plan.score is not None}
        assert self.rig.shelf(keys.next) == scores
        assert raw.lrange(QUEUE, 0, -1) == self.queue
        assert raw.hgetall(keys.buffered) == {name.encode(): payload for name, payload in self.buffered.items()}
        assert set(self.rig.shelf(keys.delayed)) == self.delayed
        assert set(self.rig.shelf(keys.dead)) == self.dead
        assert self.rig.held(self.worker) == self.held
        unfinished = {name.decode(): set(json.loads(ids)) for name, ids in raw.hgetall(keys.running).items()}
        assert {name: unfinished.get(name, set()) for name in ("s", "z")} == self.capped(unfinished)
        for name, records in self.runs.items():
            assert raw.lrange(keys.runs(name), 0, -1) == records[:20]

    def capped(self, unfinished: dict[str, set[str]]) -> dict[str, set[str]]:
        """Which of more than twenty are forgotten only Redis knows: those made in one call are equally old."""
        for name, ids in self.running.items():
            if len(ids) > 20:
                assert len(unfinished[name]) == 20
                ids.intersection_update(unfinished[name])
        return self.running

    @invariant()
    def every_instant_has_one_task_and_every_task_is_somewhere(self):
        if not hasattr(self, "plans"):
            return
        assert all(count == 1 for count in self.made.values()), "an instant was fired twice"
        places = [*self.queue, *self.held, *self.delayed, *self.dead, *self.buffered.values()]
        assert Counter(map(identity, places)) + self.over == self.made
        assert set().union(*self.running.values()) <= set(self.made)


@pytest.mark.timeout(480)  # seconds of a quiet machine are minutes of a busy one
def test_every_instant_has_at_most_one_task_after_every_step(rig):
    run_state_machine_as_test(
        type("Machine", (Scheduling,), {"rig": rig}),
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=False,
        ),
    )
