"""F-33: operators act at random while workers work; TASKCONSOLE_TEST_SEED=2 makes them do other things."""

from __future__ import annotations

import os
import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from taskconsole.backends.commands import ResumeQueue
from taskconsole.store.keys import Namespace
from tests.faults import app as tasks
from tests.faults.conftest import sized
from tests.faults.operators import QUEUES, Deeds, Operator, places
from tests.servers import wait_until, workers_of

NAMES = Namespace()
SEED = int(os.environ.get("TASKCONSOLE_TEST_SEED", "1"))
LATERS = (None,) * 8 + (0.5, 5_000.0)
"""When tasks are to run, seconds from now."""


def some_tasks(producer, chance, names):
    """Tasks of all kinds: short and long, for now and for later, some that fail."""
    queue = chance.choice(QUEUES)
    for name in names:
        options = {"queue_name": queue, "run_after": chance.choice(LATERS)}
        seconds = chance.choice((0, 0.002, 0.01, chance.choice((0, 0, 0.3))))
        if chance.random() < 0.3:
            yield producer.task(tasks.gamble, **options).call(name, seconds, 0.5)
        else:
            yield producer.task(tasks.work, **options).call(name, seconds)


def produce(producer, total, wanted, stop):
    """Enqueue so many tasks, as far as `wanted()` of them."""
    chance = random.Random(SEED)
    while len(producer.accepted) < total and not stop.wait(0.005):
        first = len(producer.accepted)
        if first < wanted():
            names = [f"t{n:05}" for n in range(first, min(first + 50, total))]
            producer.app.enqueue_many(some_tasks(producer, chance, names))
            producer.accepted += names


def is_idle(raw):
    """Nothing can run any more but what is for much later; looked at in one instant, for tasks go round."""
    soon = raw.time()[0] + 60
    with raw.pipeline(transaction=True) as instant:
        instant.keys("*:processing:*")
        instant.exists(*QUEUES)
        for key in (NAMES.public_delayed, *(NAMES.of(queue).delayed for queue in QUEUES)):
            instant.zcount(key, 0, soon)
        return not any(instant.execute())


@pytest.mark.timeout(900)
def test_f33_operators_lose_no_task_and_none_that_they_deleted_runs(make_server, make_producer, spawn, ledger):
    actions, total = sized(300, 5_000), sized(1_200, 20_000)
    server = make_server()
    producer, deeds, stop = make_producer(server.url), Deeds(), threading.Event()
    with server.client() as raw:
        raw.config_set("slowlog-log-slower-than", 10_000)
        for _ in range(4):
            # Long leases: on a busy machine nobody is taken for dead, so that no task may run twice.
            spawn(url=server.url, queues=QUEUES, concurrency=4, arguments=("--lease", "30"), wait=False)
        wait_until(lambda: all(len(workers_of(raw, queue)) == 4 for queue in QUEUES), 30, "all workers are up")
        operators = [Operator(server.url, deeds, ledger.now, seed) for seed in (2 * SEED - 1, 2 * SEED)]
        began = ledger.now()
        with ThreadPoolExecutor(3) as pool:
            crowd = 0.1 * total
            making = pool.submit(produce, producer, total, lambda: crowd + total * deeds.tries / actions, stop)
            acting = [pool.submit(operator.act, actions // 2, 0.02) for operator in operators]
            try:
                for one in acting:
                    one.result()
                making.result(60)
            finally:
                stop.set()
        took = ledger.now() - began
        operators[0].bring_back(0.8)
        for queue in QUEUES:
            operators[0].backend.apply(ResumeQueue(queue=queue, by="the test"))
        wait_until(lambda: is_idle(raw), 120, "all that can run has run")
        slow = {entry["command"][:60]: entry["duration"] / 1000 for entry in raw.slowlog_get(128)}
    for operator in operators:
        operator.close()

    report = verdict(producer.accepted, ledger, deeds, places(server.url))
    print(f"F-33 seed {SEED}, {actions:,} actions in {took:.1f} s: {dict(sorted(deeds.counts.items()))}")
    print(f"F-33 slow log at 10 ms: {slow}")
    print(f"F-33 {report}")
    wrong = {
        what: report[what] for what in ("lost", "twice", "invented", "ran when deleted", "told wrongly") if report[what]
    }
    assert wrong == {}, history(wrong, ledger, deeds)


def history(wrong, ledger, deeds):
    """All that is known of tasks that are not as they should be."""
    names = {name for found in wrong.values() for name in found if isinstance(name, str)}
    ran = [line for line in ledger.lines() if line.name in names]
    deleted = [
        (deed.returned, deed.undone, names & set(deed.taken)) for deed in deeds.done if names & set(deed.taken or ())
    ]
    return f"{ran}\n{deleted}"


def verdict(accepted, ledger, deeds, lying):
    """What is not as it should be, by name; and how many tasks ended up where."""
    lines = ledger.lines()
    ended = Counter(line.name for line in lines if line.kind == "end")
    starts = [(line.name, line.at) for line in lines if line.kind == "start"]
    wanted = set(accepted)
    homes = Counter(kind for where in lying.values() for kind in where)
    ledger.report("F-33 operator storm", [name for name in accepted if name in ended])
    return {
        "accepted": len(accepted),
        "ended": len(ended),
        "lie": dict(homes),
        "deletions": sum(len(deed.taken or ()) for deed in deeds.done),
        "lost": [name for name in accepted if name not in ended and name not in lying],
        "twice": [name for name in wanted if ended[name] + sum(lying.get(name, Counter()).values()) > 1],
        "invented": sorted({name for name, _ in starts} - wanted),
        "ran when deleted": deeds.ran_when_deleted(starts),
        "told wrongly": [deed for deed in deeds.done if not deed.is_true()],
    }
