"""F-33: two operators do at random all that can be done to tasks, while four workers run them."""

from __future__ import annotations

import json
import random
import threading
import time
from contextlib import closing

import pytest

from taskconsole.backends.commands import (
    AbortTask,
    DeleteTasks,
    Matching,
    MoveTasks,
    PauseQueue,
    RescheduleTasks,
    ResumeQueue,
    RetryTasks,
    RunTasks,
    Undo,
)
from taskconsole.backends.native import NativeBackend
from taskconsole.config import Settings
from taskconsole.model.state import State
from taskconsole.store.keys import Namespace
from tests.faults.conftest import sized
from tests.servers import wait_until, workers_of

QUEUE, OTHER = "task_queue", "other"


def name_of(row) -> str:
    return str(json.loads(row.payload)["args"][0])


class Operator(threading.Thread):
    """Does so many things at random, and remembers what it was told."""

    def __init__(self, url: str, seed: int, actions: int) -> None:
        super().__init__(name=f"operator {seed}")
        self._url, self._chance, self._actions = url, random.Random(seed), actions
        self.deleted: list[tuple[float, str, bool]] = []
        """When a delete had returned, the name of its task, and whether it was then undone."""
        self.aborted = 0
        self.done = 0
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            with closing(NativeBackend(Settings(url=self._url))) as backend:
                for _ in range(self._actions):
                    self._act(backend)
        except Exception as error:  # noqa: BLE001 - told by the test's own thread
            self.error = error

    def _act(self, backend: NativeBackend) -> None:
        chance, by = self._chance, self.name
        queue = chance.choice((QUEUE, QUEUE, OTHER))
        what = chance.choice(("delete", "delete", "retry", "run", "reschedule", "move", "abort", "pause"))
        if what == "pause":
            self.done += backend.apply(PauseQueue(queue=queue, by=by)).changed
            self.done += backend.apply(ResumeQueue(queue=queue, by=by)).changed
            return
        state = {"retry": State.DEAD, "reschedule": State.DELAYED, "abort": State.ACTIVE}.get(
            what, chance.choice((State.PENDING, State.PENDING, State.DELAYED, State.DEAD))
        )
        rows, _ = backend.tasks(queue, state, offset=chance.choice((0, 0, 5, 300)), limit=3)
        if not rows:
            return
        which = tuple(rows[: chance.randrange(1, 4)])
        if what == "abort":
            self.aborted += backend.apply(AbortTask(row=rows[0], by=by)).changed
            self.done += 1
            return
        if what == "delete":
            which = which[:1]
            applied = backend.apply(DeleteTasks(which=which, by=by))
            if applied.done:
                at, undone = time.time(), chance.random() < 0.5
                if undone:
                    assert applied.undo is not None
                    assert backend.apply(Undo(done=applied.undo, by=by)).done == 1
                self.deleted.append((at, name_of(which[0]), undone))
        else:
            command = {
                "retry": RetryTasks(which=which, by=by),
                "run": RunTasks(which=which, by=by),
                "reschedule": RescheduleTasks(which=which, due=f"+{chance.random():.3f}", by=by),
                "move": MoveTasks(which=which, to=OTHER if queue == QUEUE else QUEUE, by=by),
            }[what]
            applied = backend.apply(command)
            if applied.undo is not None and chance.random() < 0.3:
                backend.apply(Undo(done=applied.undo, by=by))
        self.done += applied.changed


@pytest.mark.timeout(600)
def test_f33_operators_at_random_lose_and_double_nothing(raw, spawn, producer, ledger, store_url):
    count, actions = sized(1_500, 20_000), sized(300, 5_000)
    for _ in range(4):
        spawn(concurrency=4, queues=(QUEUE, OTHER), wait=False)
    wait_until(lambda: len(workers_of(raw, QUEUE)) >= 4, 20, "all workers are up")
    producer.work(count * 3 // 4, 0.02)
    producer.work(count // 4, 0.01, run_after=2.0)
    operators = [Operator(store_url, seed, actions // 2) for seed in (1, 2)]
    began = time.monotonic()
    for operator in operators:
        operator.start()
    for operator in operators:
        operator.join()
    took = time.monotonic() - began
    assert [operator.error for operator in operators] == [None, None]
    deleted = sorted(entry for operator in operators for entry in operator.deleted)
    # What became of a task that was deleted, brought back and deleted again is what was done last.
    last = {name: (at, undone) for at, name, undone in deleted}
    gone = {name: at for name, (at, undone) in last.items() if not undone}
    wanted = set(producer.accepted) - set(gone)
    with closing(NativeBackend(Settings(url=store_url))) as backend:

        def finished() -> bool:
            for queue in (QUEUE, OTHER):
                n = raw.zcard(Namespace().of(queue).dead)
                if n:
                    which = Matching(queue=queue, state=State.DEAD, agreed=n + 100)
                    backend.apply(RetryTasks(which=which, by="the test"))
            # The ledger is long: it is read when there is nothing left to do.
            left = [key for q in (QUEUE, OTHER) for key in (q, Namespace().of(q).delayed, Namespace().of(q).dead)]
            return not raw.exists(*left) and wanted <= set(ledger.count("end"))

        wait_until(finished, sized(60, 300), "all that were not deleted end")
    done, aborted = sum(o.done for o in operators), sum(o.aborted for o in operators)
    report = ledger.report(
        f"F-33 {done} things done by two operators in {took:.0f} s, {len(gone)} deleted, {aborted} aborted", wanted
    )
    assert report.lost == 0
    assert done > actions // 20
    # A deleted task was in nobody's hands: it does not begin after its delete had returned.
    late = [line for line in ledger.lines() if line.kind == "start" and line.at > gone.get(line.name, 9e18) + 0.05]
    assert late == []
    starts = ledger.count("start")
    assert sum(n - 1 for n in starts.values()) <= aborted
