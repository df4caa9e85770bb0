"""What is written into a recording, and how much of it."""

from __future__ import annotations

import errno
import random
import threading
import time
from dataclasses import replace

import pytest

from taskconsole.backends.recording import recorder as module
from taskconsole.backends.recording.recorder import Recorder
from taskconsole.errors import AccessDenied, StoreUnavailable
from taskconsole.model.event import Event, EventKind
from taskconsole.model.state import State
from tests.backends.recording.tape import BEGAN, Tape
from tests.console.fake_backend import FakeBackend, queue

HOUR = 3600


@pytest.fixture
def tape(tmp_path):
    return Tape(tmp_path / "x.ndjson")


def done(n=0):
    return Event(kind=EventKind.DONE, at=BEGAN + n, queue="mail", task="send_mail", id=f"id-{n}", ms=12.5, worker="w")


def test_the_first_line_says_what_it_is(tape):
    first, second = tape.lines
    assert (first["taskconsole"], first["version"], first["at"]) == ("recording", 1, BEGAN)
    assert second == {"t": 0.0, "server": {"name": "fake", "address": "127.0.0.1:6379/0"}}


def test_only_what_changed_is_written_again(tape):
    tape.after(1).overview()
    tape.figures("emails", pending=12_002)
    tape.after(1).overview()
    assert len(tape.lines[-2]["full"]["queues"]) == 5
    change = tape.lines[-1]["change"]["set"]
    assert change["at"] == BEGAN + 2
    assert change["queues"] == {"list": [[0, 2], {"i": 2, "to": {"set": {"pending": 12_002}}}, [3, 2]]}


def test_an_answer_that_stays_the_same_is_said_to_every_five_seconds(tape):
    for _ in range(11):
        tape.after(1).workers()
    assert [(line["t"], sorted(line.keys() & {"full", "same"})) for line in tape.lines[2:]] == [
        (1.0, ["full"]),
        (6.0, ["same"]),
        (11.0, ["same"]),
    ]


def test_a_value_is_written_whole_every_so_often(tape):
    for n in range(260):
        tape.figures("emails", pending=n)
        tape.after(1).overview()
    whole = [line["n"] for line in tape.lines if "full" in line]
    assert whole == [0, 120, 240]


def test_errors_and_lost_connections_are_written_with_their_words(tape):
    tape.scripted.look_failure = AccessDenied("no permission: INFO")
    with pytest.raises(AccessDenied):
        tape.after(1).workers()
    tape.scripted.failure = StoreUnavailable("connection refused")
    with pytest.raises(StoreUnavailable):
        tape.after(1).overview()
    tape.scripted.failure = None
    tape.after(1).overview()
    assert tape.lines[2]["error"] == {"type": "AccessDenied", "text": "no permission: INFO"}
    assert tape.lines[3]["link"] == {"type": "StoreUnavailable", "text": "connection refused"}
    assert tape.lines[4]["link"] == {}


def test_of_an_unforeseen_error_only_the_kind_is_written(tape):
    tape.scripted.failure = RuntimeError("password is hunter2")
    with pytest.raises(RuntimeError):
        tape.after(1).overview()
    assert "hunter2" not in tape.path.read_text()
    assert tape.lines[-1]["link"]["text"] == "unexpected RuntimeError in the backend"


def test_verdicts_are_written_when_they_come_and_when_they_go(tape):
    tape.figures("emails", pending=0, delayed=0, overdue=0)
    tape.after(1).overview()
    tape.figures("emails", pending=12_001)
    tape.after(1).overview()
    tape.after(1).overview()
    tape.figures("emails", pending=0)
    tape.after(1).overview()
    said = [(line["t"], line["verdicts"]) for line in tape.lines if "verdicts" in line]
    (_, first), (came_at, came), (went_at, went) = said
    assert {v["queue"] for v in first["came"]} >= {"billing"}
    assert (came_at, [v["queue"] for v in came["came"]]) == (2.0, ["emails"])
    assert (went_at, [v["queue"] for v in went["went"]]) == (4.0, ["emails"])


def test_a_file_that_cannot_be_written_ends_the_recording_and_nothing_else(tmp_path):
    class Full:
        def write(self, line):
            raise OSError(errno.ENOSPC, "No space left on device")

        def close(self):
            pass

    told = []
    recorder = Recorder(Full(), tell=told.append)
    recorder.overview(FakeBackend().overview())
    recorder.heard([done()])
    assert told == ["the recording has ended: No space left on device"]
    assert recorder.trouble == "No space left on device"


def test_a_recording_ends_before_it_fills_the_disk(tape, monkeypatch):
    monkeypatch.setattr(module, "MAX_SIZE", 20_000)
    for n in range(1000):
        tape.recorder.heard([done(n)])
    assert 20_000 <= tape.path.stat().st_size < 21_000
    assert tape.told == ["the recording has ended: it has 20,000 bytes"]


def test_a_definition_nested_beyond_reason_costs_itself_and_no_more(tape):
    deep = []
    for _ in range(100_000):
        deep = [deep]
    tape.recorder.answer(("workers",), deep)
    tape.after(1).workers()
    assert tape.lines[2]["unwritten"] == ["workers"]
    assert tape.lines[3]["full"] == []


def test_an_hour_of_twenty_queues_takes_so_many_bytes(tmp_path):
    """Figures that all move at every reading; prints what README quotes."""
    rng = random.Random(7)
    queues = [
        queue(
            f"queue_{n:02d}",
            pending=rng.randrange(5_000),
            active=8,
            oldest=BEGAN - rng.random() * 600,
            capacity=16,
            workers=2,
            done_total=1,
            history=tuple(rng.randrange(90) for _ in range(30)),
        )
        for n in range(20)
    ]
    tape = Tape(tmp_path / "x")
    tape.scripted.queues = queues
    seconds = 300
    for second in range(seconds):
        for n, one in enumerate(tape.scripted.queues):
            done_now = rng.randrange(9)
            tape.scripted.queues[n] = replace(
                one,
                pending=max(0, one.pending + rng.randrange(-9, 10)),
                active=rng.randrange(4, 17),
                oldest=one.oldest + rng.random(),
                done_total=one.done_total + done_now,
                history=(*one.history[:-1], one.history[-1] + done_now)
                if second % 60
                else (*one.history[1:], done_now),
            )
        tape.after(1).overview()
    an_hour = tape.recorder.size / seconds * HOUR
    print(f"readings of 20 queues, all figures moving: {an_hour / 1e6:.1f} MB an hour")
    assert an_hour < 16e6
    began = time.process_time()
    replayed = tape.replayed()
    opened = time.process_time() - began
    began = time.process_time()
    for _ in range(50):
        replayed.position = rng.random() * seconds
        replayed.overview()
    leapt = (time.process_time() - began) / 50
    print(f"it opens in {opened / seconds * HOUR:.1f} s an hour; any reading is there in {leapt * 1000:.0f} ms")
    assert leapt < 0.2


def test_growth_has_a_bound_whatever_happens(tmp_path, monkeypatch):
    """Lists that change wholly at every reading and thousands of events a second."""
    monkeypatch.setattr(module, "SAVED", 50_000)
    tape = Tape(tmp_path / "x")
    seconds = 60
    for second in range(seconds):
        tape.scripted.task_counts = {("emails", State.PENDING): 10**9}
        tape.after(1)
        for part in range(4):
            tape.backend.tasks("emails", State.PENDING, offset=(second * 4 + part) * 100, limit=100)
            tape.recorder.heard([done(n) for n in range(100)])
            tape.recorder.heard([replace(done(n), kind=EventKind.DIED) for n in range(100)])
    burst, rate = 4 * module.SAVED, 4 * module.RATE
    print(f"at worst {rate * HOUR / 1e6:.0f} MB an hour")
    assert tape.recorder.size < burst + rate * seconds + 100_000
    kept = sum(len(line.get("events", ())) for line in tape.lines)
    lost = sum(line.get("lost", 0) for line in tape.lines)
    assert kept + lost + tape.recorder._unkept == seconds * 800
    died = sum(e["kind"] == "died" for line in tape.lines for e in line.get("events", ()))
    assert died > kept / 3, "what went well does not crowd out what went wrong"


def test_many_threads_write_whole_lines_in_order(tape):
    def write(n):
        for i in range(100):
            tape.recorder.heard([done(1000 * n + i)])
            tape.backend.tasks("emails", State.PENDING, offset=n)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(len(line.get("events", ())) for line in tape.lines) == 400
