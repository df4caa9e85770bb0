"""F-35: workers of an earlier and of a later version beside those of this one.

What Redis holds is all that versions share: names of keys, fields of tasks, of workers and of schedules. An earlier
version knows fewer of them and a later one more; each keeps what it does not know, and does without what is missing.

With TASKCONSOLE_TEST_EARLIER=/path/to/a/checkout real workers of another version take part.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from taskconsole.store.keys import Namespace
from tests.faults import app as tasks
from tests.faults.conftest import only_full, sized
from tests.servers import ROOT, wait_until, workers_of

QUEUE = "task_queue"
KEYS = Namespace().of(QUEUE)

LATER = {"later": {"than": [1, 2.5, None, "ö"]}}
"""What only a later version knows of a task or of a schedule."""

TOLD = """\
from taskconsole.store.workers import WorkerStore

register, heartbeat = WorkerStore.register, WorkerStore.heartbeat

def told(fields):
    return {fields}

WorkerStore.register = lambda self, *args, fields, **more: register(self, *args, fields=told(fields), **more)
WorkerStore.heartbeat = lambda self, *args, fields, **more: heartbeat(self, *args, fields=told(fields), **more)
"""
"""Goes before the App: makes a worker tell more or less of itself than those of this version do."""

VERSIONS = {
    "earlier": TOLD.format(fields="{name: fields[name] for name in ('host', 'pid', 'started') if name in fields}"),
    "later": TOLD.format(fields="{**fields, 'later': '{\"than\": 1}', 'running': '[[1]]'}"),
}


def checkout() -> Path | None:
    """Another version's code."""
    given = os.environ.get("TASKCONSOLE_TEST_EARLIER")
    return Path(given).resolve() if given else None


def test_f35_what_a_later_version_adds_to_a_task_is_kept(raw, spawn):
    spawn(concurrency=4)
    payload = {"task": "fail_once", "args": ["n"], "max_attempts": 1, **LATER}
    raw.lpush(QUEUE, json.dumps(payload))
    wait_until(lambda: raw.zcard(KEYS.dead) == 1, 10, "it is buried after its one attempt")
    (member,) = raw.zrange(KEYS.dead, 0, -1)
    assert json.loads(member)["later"] == LATER["later"]


@pytest.mark.parametrize(
    "version",
    [
        pytest.param("earlier", marks=only_full),
        "later",
        pytest.param(
            "checkout", marks=pytest.mark.skipif(checkout() is None, reason="TASKCONSOLE_TEST_EARLIER names none")
        ),
    ],
)
def test_f35_workers_of_two_versions_share_a_queue(raw, store_url, spawn, producer, ledger, tmp_path, version):
    (tmp_path / "versions_app.py").write_text(
        VERSIONS.get(version, "") + (ROOT / "tests/faults/app.py").read_text().replace("from __future__", "# from")
    )
    code = checkout() if version == "checkout" else ROOT
    other = {"app": "versions_app:app", "environment": {"PYTHONPATH": str(tmp_path)}, "code": code}
    workers = [spawn(**options) for options in ({}, other, {}, other)]
    raw.hset(KEYS.schedules, "tick", json.dumps({"task": "tick", "args": ["beat"], "every": 1, **LATER}))

    producer.work(sized(400, 5_000), 0.005)
    late = producer.work(50, 0.001, run_after=1.0)
    for _ in range(20):
        producer.one(tasks.fail_once)
    hopeless = [{"task": "fail_once", "args": [f"h{n}"], "max_attempts": 1, **LATER} for n in range(10)]
    raw.lpush(QUEUE, *map(json.dumps, hopeless))

    in_hand = 0
    # The others take back what one of each held.
    for victim in workers[:2]:
        held = KEYS.processing(victim.ids[QUEUE])
        wait_until(lambda held=held: raw.llen(held), 10, "it has work")
        victim.kill()
        in_hand += raw.llen(held)
    ledger.wait_for(producer.accepted, 60)
    wait_until(lambda: ledger.count("tick")["beat"] >= 2, 20, "the schedule fires")
    wait_until(lambda: raw.zcard(KEYS.dead) == 10, 20, "what is hopeless is buried")
    assert [json.loads(member)["later"] for member in raw.zrange(KEYS.dead, 0, -1)] == [LATER["later"]] * 10
    assert json.loads(raw.hget(KEYS.schedules, "tick"))["later"] == LATER["later"]

    said = look(store_url)
    assert len(said["workers"]) >= 2
    assert {row["id"] for row in said["workers"]} >= {worker.ids[QUEUE] for worker in workers[2:]}
    report = ledger.report(f"F-35 two workers of this version and two of another ({version})", producer.accepted)
    assert report.lost == 0
    assert set(ledger.count("start")) - set(producer.accepted) == {f"h{n}" for n in range(10)}
    # Those that fail once start twice.
    assert report.repeated <= 20 + in_hand
    assert late
    assert workers_of(raw, QUEUE) >= {worker.ids[QUEUE] for worker in workers[2:]}
    assert [worker.stop() for worker in workers[2:]] == [0, 0]
    assert not [worker.pid for worker in workers if "Traceback" in worker.output()]


def look(url: str) -> dict[str, list[dict[str, object]]]:
    """What the command line shows of it: nothing that it does not know may end it."""
    said = {}
    for name in ("workers", "schedules", "status", "doctor"):
        command = [sys.executable, "-m", "taskconsole", "-u", url, name, "--json"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)
        assert done.returncode in ({0, 1, 2} if name == "doctor" else {0}), f"{name}: {done.stderr}"
        said[name] = json.loads(done.stdout)
    return said
