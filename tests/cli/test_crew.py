"""A worker beside the console: kept running, ended in order, and never held up by a terminal."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest

from taskconsole.cli.crew import ChildWorker
from taskconsole.config import Settings
from tests.console.pty_session import PtySession
from tests.servers import wait_until

FULL = bool(os.environ.get("TASKCONSOLE_TEST_FULL"))
STALL = 10.0 if FULL else 4.0
"""Seconds for which nobody reads what the console writes."""


@pytest.fixture
def hire(store_url, monkeypatch):
    """Start workers beside us, as the console does; what they tell is in `told`."""
    monkeypatch.setenv("LEDGER_URL", store_url)
    hired = []

    def start(app="tests.faults.app:app"):
        told = []
        worker = ChildWorker(Settings(url=store_url), app, "beside", told.append)
        worker.told = told
        hired.append(worker)
        return worker

    yield start
    for worker in hired:
        worker.close(10)
        print("\n".join(worker.log()))


def work(raw, name, seconds=0.0):
    raw.lpush("beside", json.dumps({"task": "work", "id": name, "args": [name, seconds]}))


def ledger(raw, kind):
    return {
        fields[b"id"].decode(): int(at.split(b"-")[0]) / 1000
        for at, fields in raw.xrange("ledger")
        if fields[b"kind"] == kind
    }


def test_it_works_is_started_again_when_it_dies_and_finishes_what_it_has_when_it_is_to_end(hire, raw):
    worker = hire()
    work(raw, "first")
    wait_until(lambda: "first" in ledger(raw, b"end"), 30)
    assert worker.state == f"running, pid {worker.pid}"
    assert any("worker" in line for line in worker.log())

    pid = worker.pid
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: worker.told, 30)
    assert "died (exit code -9), starts again in 1 s" in worker.told[0]
    work(raw, "second", 1.5)
    wait_until(lambda: "second" in ledger(raw, b"start"), 60)
    assert worker.pid != pid

    worker.drain()
    assert worker.state.startswith("draining")
    wait_until(lambda: not worker.alive, 30)
    assert worker.state == "ended"
    assert "second" in ledger(raw, b"end")


def test_one_that_cannot_be_started_says_why_and_is_not_tried_again(hire):
    worker = hire("no.such.module:app")
    wait_until(lambda: not worker.alive, 30)
    assert worker.state == "could not start (exit code 2)"
    assert "No module named 'no'" in worker.told[0]


def test_its_log_is_gone_when_it_is_closed(hire):
    worker = hire("no.such.module:app")
    path = worker._log
    assert path.stat().st_mode & 0o077 == 0
    worker.close(10)
    assert not path.exists()
    assert "cannot be read" in worker.log()[0]


@pytest.mark.pty
def test_a_stalled_terminal_delays_no_task_and_leaving_drains(store_url, raw):
    environment = {"TASKCONSOLE_URL": store_url, "LEDGER_URL": store_url, "TASKCONSOLE_CONFIG": os.devnull}
    raw.sadd("taskconsole:queues", "beside")
    work(raw, "before")
    with PtySession("-A", "tests.faults.app:app", module="taskconsole", env=environment) as session:
        session.until("NO WORKERS")
        session.press("W")
        session.until("enter starts taskconsole --headless worker")
        session.press("\r")
        session.until("W shows its log")
        wait_until(lambda: "before" in ledger(raw, b"end"), 30)

        # From here on nobody reads: the buffers fill, the console cannot write any more.
        # Keys are done one after another, each when all that the one before has set off is done: that is what keeps
        # those typed ahead from the wrong place.
        session.press("?\x1b" * 300)
        began, pushed = time.monotonic(), {}
        while time.monotonic() - began < STALL:
            name = f"stalled-{len(pushed)}"
            seconds, micros = raw.time()
            pushed[name] = seconds + micros / 1e6
            work(raw, name)
            time.sleep(0.05)
        wait_until(lambda: pushed.keys() <= ledger(raw, b"end").keys(), 30)
        started = ledger(raw, b"start")
        latest = max(started[name] - at for name, at in pushed.items())
        print(f"the slowest of {len(pushed)} tasks in {STALL:g} s began after {latest * 1000:.0f} ms")
        assert latest < 2

        # Read again, until all that was typed meanwhile is done; a task that runs is waited for on the way out.
        session.press(":z1\r")
        session.until("no command 'z1'", 60)
        work(raw, "last", 4.0)
        wait_until(lambda: "last" in ledger(raw, b"start"), 30)
        session.press("\x03")
        session.until("what runs is finished first")
        assert session.end(30) == 0
        assert "last" in ledger(raw, b"end")
    # Nothing is left to be claimed by another: it ended in order.
    assert raw.llen("beside") == 0
