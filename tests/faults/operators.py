"""Operators who do anything that can be done, at random, and remember what they were told."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import redis

from taskconsole.backends.base import Applied
from taskconsole.backends.commands import (
    AbortTask,
    Command,
    Delete,
    DeleteTasks,
    Matching,
    MoveTasks,
    PauseQueue,
    Purge,
    Reschedule,
    RescheduleTasks,
    ResumeQueue,
    RetryTasks,
    RunTasks,
    Undo,
    Undoable,
)
from taskconsole.backends.native import NativeBackend
from taskconsole.config import Settings
from taskconsole.model.state import State
from taskconsole.model.stats import TaskRow
from taskconsole.store.keys import TOMBSTONE, Namespace
from tests.servers import connect

NAMES = Namespace()
QUEUES = ("task_queue", "other")
WAITING = (State.PENDING, State.DELAYED, State.DEAD)
MANY = 1_000_000


def named(payload: bytes) -> str:
    """The name under which a task of `tests.faults.app` writes into the ledger."""
    return str(json.loads(payload)["args"][0])


@dataclass(slots=True)
class Deed:
    """Something that was done and may be undone."""

    undo: Undoable
    told: int
    """How many tasks it was said to have been done to."""
    taken: tuple[str, ...] | None = None
    """Of a deletion: the tasks that lay in the trash when it had returned."""
    returned: float = 0.0
    undone: float = float("inf")
    """When somebody began to undo it."""
    back: int = 0
    """How many tasks those who undid it were told to be back."""

    def is_true(self) -> bool:
        """Whether what operators were told of a deletion is what was to be seen."""
        if self.taken is None:
            return True
        return len(self.taken) == self.told and self.back in {0, self.told}


@dataclass(slots=True)
class Deeds:
    """What all operators have done."""

    done: list[Deed] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    counts: Counter[str] = field(default_factory=Counter)
    """Commands, and those of them that changed something (`… changed`)."""
    tries: int = 0
    """Choices, those among them that found nothing to do it to."""

    def ran_when_deleted(self, starts: Iterable[tuple[str, float]]) -> list[str]:
        """Tasks that started after their deletion had returned and before anybody began to undo it."""
        gone: dict[str, list[tuple[float, float]]] = {}
        for deed in self.done:
            for name in deed.taken or ():
                gone.setdefault(name, []).append((deed.returned, deed.undone))
        return [name for name, at in starts if any(since < at < until for since, until in gone.get(name, ()))]


class Operator:
    """One operator with a backend of their own.

    Args:
        url: The Redis under test.
        deeds: What all have done.
        now: The time by which the ledger's lines are dated.
        seed: Of the choices.
    """

    def __init__(self, url: str, deeds: Deeds, now: Callable[[], float], seed: int) -> None:
        self.backend = NativeBackend(Settings(url=url), QUEUES)
        self._raw: redis.Redis = connect(url)
        self._deeds, self._now = deeds, now
        self._random = random.Random(seed)
        self._by = f"operator{seed}@test"

    def act(self, times: int, pause: float = 0.0) -> None:
        """Do something, so many times; `pause` seconds at most between two of them."""
        for _ in range(times):
            time.sleep(self._random.random() * pause)
            with self._deeds.lock:
                self._deeds.tries += 1
            command = self._anything()
            if command is not None:
                self._carry_out(command)

    def bring_back(self, share: float) -> None:
        """Undo such a share of the deletions that nobody has undone."""
        with self._deeds.lock:
            left = [deed for deed in self._deeds.done if deed.taken and deed.undone == float("inf")]
        for deed in self._random.sample(left, round(share * len(left))):
            self._undo(Undo(done=deed.undo, by=self._by))

    def close(self) -> None:
        """Hang up."""
        self.backend.close()
        self._raw.close()

    def _carry_out(self, command: Command) -> None:
        if isinstance(command, Undo):
            self._undo(command)
            return
        applied = self.backend.apply(command)
        returned = self._now()
        self._count(command, applied)
        if applied.undo is not None:
            deed = Deed(applied.undo, applied.done, returned=returned)
            if isinstance(command, Delete | DeleteTasks | Purge):
                deed.taken = tuple(name for piece in applied.undo.tokens for name in self._trash(*piece))
            with self._deeds.lock:
                self._deeds.done.append(deed)

    def _undo(self, command: Undo) -> None:
        with self._deeds.lock:
            deed = next(deed for deed in self._deeds.done if deed.undo is command.done)
            # The lines of the ledger are dated by the full millisecond.
            deed.undone = min(deed.undone, int(self._now() * 1000) / 1000)
        applied = self.backend.apply(command)
        with self._deeds.lock:
            deed.back += applied.done
        self._count(command, applied)

    def _count(self, command: Command, applied: Applied) -> None:
        name = type(command).__name__
        with self._deeds.lock:
            self._deeds.counts.update([name, f"{name} changed"] if applied.changed else [name])

    def _trash(self, queue: str, token: str) -> list[str]:
        key = NAMES.of(queue).trash(token)
        listed: Any = self._raw.lrange if self._raw.type(key) == b"list" else self._raw.zrange
        return [named(payload) for payload in listed(key, 0, -1) if payload != TOMBSTONE]

    # -- choices

    def _anything(self) -> Command | None:
        choose = self._random.choices(
            [self._rows, self._matching, self._one, self._pause, self._purge, self._undoing, self._abort],
            [50, 12, 8, 6, 1, 18, 5],
        )[0]
        return choose()

    def _seen(self, queue: str, state: State, most: int) -> tuple[TaskRow, ...]:
        """Some rows as the console would show them; in their places, or as far as they are still there, next time."""
        _, total = self.backend.tasks(queue, state, limit=1)
        near = self._random.random() < 0.5
        offset = 0 if near or not total else self._random.randrange(total)
        rows, _ = self.backend.tasks(queue, state, offset=offset, limit=most)
        return tuple(rows)

    def _rows(self) -> Command | None:
        queue, state = self._random.choice(QUEUES), self._random.choice(WAITING)
        rows = self._seen(queue, state, self._random.choice((1, 1, 5, 40)))
        return self._on(rows, queue) if rows else None

    def _matching(self) -> Command:
        queue, state = self._random.choice(QUEUES), self._random.choice(WAITING)
        text = f"t{self._random.randrange(10)}{self._random.randrange(10)}"
        agreed = self._random.choice((0, 10, MANY, MANY))
        # Without a text a deletion is a purge, which has its own, smaller share.
        return self._on(Matching(queue=queue, state=state, text=text, agreed=agreed), queue)

    def _on(self, which: tuple[TaskRow, ...] | Matching, queue: str) -> Command:
        state = which.state if isinstance(which, Matching) else which[0].state
        other = QUEUES[1 - QUEUES.index(queue)]
        due = f"+{self._random.choice((0, 0.2, 2, 1000))}"
        fit: list[Command] = [
            DeleteTasks(which=which, by=self._by, deep=self._random.random() < 0.3),
            RunTasks(which=which, by=self._by),
            MoveTasks(which=which, to=other, by=self._by),
        ]
        if state is not State.PENDING:
            fit.append(RetryTasks(which=which, by=self._by))
        if state is State.DELAYED:
            fit.append(RescheduleTasks(which=which, due=due, by=self._by))
        return self._random.choice(fit)

    def _one(self) -> Command | None:
        queue = self._random.choice(QUEUES)
        rows = self._seen(queue, State.DELAYED, 1)
        if not rows:
            return None
        if self._random.random() < 0.5:
            return Delete(queue=queue, task=rows[0].payload, by=self._by)
        return Reschedule(queue=queue, task=rows[0].payload, due="+0.5", by=self._by)

    def _pause(self) -> Command:
        queue = self._random.choice(QUEUES)
        if self._random.random() < 0.4:
            return PauseQueue(queue=queue, by=self._by, reason="storm")
        return ResumeQueue(queue=queue, by=self._by)

    def _purge(self) -> Command:
        agreed = self._random.choice((None, 5, MANY))
        return Purge(queue=self._random.choice(QUEUES), state=self._random.choice(WAITING), agreed=agreed, by=self._by)

    def _undoing(self) -> Command | None:
        with self._deeds.lock:
            recent = self._deeds.done[-20:]
            if self._random.random() < 0.5:
                recent = [deed for deed in self._deeds.done if deed.taken and deed.undone == float("inf")]
        return Undo(done=self._random.choice(recent).undo, by=self._by) if recent else None

    def _abort(self) -> Command | None:
        rows = self._seen(self._random.choice(QUEUES), State.ACTIVE, 5)
        active = [row for row in rows if row.state is State.ACTIVE]
        return AbortTask(row=self._random.choice(active), by=self._by) if active else None


def places(url: str) -> dict[str, Counter[str]]:
    """For each task where it lies, by the kind of place, and how often."""
    found: dict[str, Counter[str]] = {}
    with closing(connect(url)) as client:
        for key in client.scan_iter(count=1000):
            kind = _place(key.decode())
            if not kind:
                continue
            listed: Any = client.lrange if client.type(key) == b"list" else client.zrange
            for payload in listed(key, 0, -1):
                if payload != TOMBSTONE:
                    found.setdefault(named(payload), Counter())[kind] += 1
    return found


def _place(key: str) -> str:
    if key in QUEUES:
        return "pending"
    if key == NAMES.public_delayed:
        return "delayed"
    if ":trash:" in key:
        return "" if key.endswith(":note") else "trash"
    return next((kind for kind in ("processing", "delayed", "dead") if f"}}:{kind}" in key), "")
