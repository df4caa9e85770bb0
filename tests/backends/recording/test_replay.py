"""A recording read again, at any moment of it, whoever wrote it."""

from __future__ import annotations

import contextlib
import json
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taskconsole.backends.recording.reader import Recording
from taskconsole.backends.recording.replay import ReplayBackend
from taskconsole.errors import AccessDenied, NotRecorded, RecordingError, StoreError, StoreUnavailable
from taskconsole.model.event import Event, EventKind
from taskconsole.model.phrase import hour
from taskconsole.model.recording import MarkKind
from taskconsole.model.search import Progress, Search
from taskconsole.model.state import State
from taskconsole.model.stats import WorkerInfo
from tests.backends.recording.tape import BEGAN, Tape, at

EVERYTHING = frozenset(MarkKind)


@pytest.fixture
def tape(tmp_path):
    return Tape(tmp_path / "x.ndjson")


def pendings(backend):
    return {queue.name: queue.pending for queue in backend.overview().queues}


def died(n):
    return Event(kind=EventKind.DIED, at=BEGAN + n, queue="mail", task="send_mail", id=f"id-{n}", text="no")


def test_every_reading_is_there_at_its_time(tape):
    expected = []
    for n in range(300):
        tape.figures("emails", pending=n)
        expected.append(tape.after(1).overview())
    replayed = tape.replayed()
    assert (replayed.end, replayed.address) == (300.0, "127.0.0.1:6379/0")
    for n in [*range(250), 299, 3, 120, 119, 121, 0]:
        assert at(replayed, n + 1.5).overview() == expected[n]


def test_what_was_asked_is_answered_and_what_was_not_is_said(tape):
    tape.after(1).overview()
    worker = WorkerInfo(id="w-1", queue="mail", seen=BEGAN)
    tape.scripted.worker_infos = [worker]
    tape.after(1).workers()
    tape.after(60).overview()
    replayed = tape.replayed()
    assert at(replayed, 2.0).workers() == [worker]
    assert at(replayed, 21.9).workers() == [worker]
    for position, said in ((1.5, BEGAN + 1.5), (22.1, BEGAN + 22.1)):
        with pytest.raises(NotRecorded, match=rf"not recorded at {hour(said)}; the nearest is of {hour(BEGAN + 2)}"):
            at(replayed, position).workers()
    with pytest.raises(NotRecorded, match=f"not recorded at {hour(BEGAN + 62)}$"):
        at(replayed, 62.0).schedules()


def test_an_answer_that_stayed_the_same_stands_as_long_as_it_was_asked_for(tape):
    tape.after(1).overview()
    for _ in range(60):
        tape.after(1).failures()
    replayed = tape.replayed()
    assert at(replayed, 57.0).failures() == tape.scripted.failures_found


def test_a_window_is_cut_out_of_one_that_was_recorded(tape):
    tape.scripted.task_counts = {("emails", State.PENDING): 1000}
    tape.after(1).overview()
    rows, _ = tape.backend.tasks("emails", State.PENDING, offset=50, limit=100)
    replayed = tape.replayed()
    assert replayed.tasks("emails", State.PENDING, offset=50, limit=100) == (rows, 1000)
    assert replayed.tasks("emails", State.PENDING, offset=75, limit=20) == (rows[25:45], 1000)
    assert replayed.tasks("emails", State.PENDING, offset=125, limit=100) == (rows[75:], 1000)
    for question in (("emails", State.PENDING, 0), ("emails", State.PENDING, 150), ("emails", State.DEAD, 50)):
        queue, state, offset = question
        with pytest.raises(NotRecorded):
            replayed.tasks(queue, state, offset=offset, limit=100)


def test_a_search_is_found_again_piece_by_piece(tape):
    rows = [tape.scripted.task_at("emails", State.DEAD, n) for n in range(2)]

    def report(progress):
        tape.now += 1
        return True

    tape.scripted.progresses = [
        Progress(looked=10, total=20, found=(rows[0],)),
        Progress(looked=20, total=20, found=(rows[1],), done=True),
    ]
    tape.after(1).search(Search(text="x"), report)
    tape.backend.overview()
    replayed = tape.replayed()

    def found(position):
        pieces = []
        at(replayed, position).search(Search(text="x"), lambda piece: pieces.append(piece) or True)
        return pieces

    assert found(1.5) == tape.scripted.progresses[:1]
    assert found(3.0) == tape.scripted.progresses
    with pytest.raises(NotRecorded):
        found(0.5)
    with pytest.raises(NotRecorded):
        at(replayed, 3.0).search(Search(text="y"), lambda _: True)


def test_refusals_and_lost_connections_come_again(tape):
    tape.after(1).overview()
    tape.scripted.look_failure = AccessDenied("no permission: INFO")
    with pytest.raises(AccessDenied):
        tape.after(1).server()
    tape.scripted.failure = StoreUnavailable("connection refused")
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            tape.after(1).overview()
    tape.scripted.failure = None
    tape.after(1).overview()
    replayed = tape.replayed()
    with pytest.raises(AccessDenied, match="no permission: INFO"):
        at(replayed, 2.0).server()
    with pytest.raises(StoreUnavailable, match="connection refused"):
        at(replayed, 4.5).overview()
    lost = replayed.connection()
    assert (lost.since, lost.failures) == (3.0, 2)
    assert at(replayed, 6.0).connection().failures == 0
    assert at(replayed, 6.0).overview().at == BEGAN + 6


def test_events_come_in_their_order_and_say_what_is_missing(tape):
    for n in range(5):
        tape.now += 1
        tape.recorder.heard([died(2 * n), died(2 * n + 1)])
    replayed = tape.replayed()
    assert replayed.events(1.0, 3.0, 100) == ([died(n) for n in (2, 3, 4, 5)], 0)
    found, lost = replayed.events(0.0, 9.0, 4)
    assert (found, lost) == ([died(n) for n in (6, 7, 8, 9)], 6)


def test_one_jumps_from_mark_to_mark(tape):
    tape.figures("emails", pending=0, delayed=0, overdue=0)
    tape.after(1).overview()
    tape.now = 10.0
    tape.recorder.heard([died(1)])
    tape.figures("emails", pending=9)
    tape.after(10).overview()
    tape.figures("emails", pending=0)
    tape.after(10).overview()
    replayed = at(tape.replayed(), 1.0)
    seen = []
    while (mark := replayed.next_mark(1, EVERYTHING)) is not None:
        replayed.position = mark.position
        seen.append((mark.position, mark.kind, mark.bad))
    assert seen == [(10.0, "failure", True), (20.0, "verdict", True), (30.0, "verdict", False)]
    assert at(replayed, 25.0).next_mark(-1, {MarkKind.FAILURE}).position == 10.0
    assert at(replayed, 10.0).next_mark(-1, {MarkKind.FAILURE}) is None


def test_times_of_day_are_those_of_redis(tape):
    tape.scripted.clock = lambda: BEGAN + 7200 + tape.now
    for _ in range(5):
        tape.after(1).overview()
    replayed = tape.replayed()
    assert replayed.clock(3.5) == BEGAN + 7200 + 3.5
    assert replayed.moment(BEGAN + 7200 + 2.5) == 2.5
    assert replayed.moment(BEGAN + 7200 + 60) == 60.0


def test_another_server_ends_what_was_known_of_the_first(tape):
    tape.after(1).overview()
    tape.backend.workers()
    tape.now = 5.0
    tape.recorder.connected("fake", "10.0.0.9:6379/0")
    tape.after(1)
    tape.recorder.heard([died(1)])
    replayed = tape.replayed()
    assert replayed.address == "10.0.0.9:6379/0"
    for ask in (replayed.overview, replayed.workers):
        with pytest.raises(NotRecorded):
            ask()
    assert at(replayed, 4.0).address == "127.0.0.1:6379/0"
    assert replayed.about().addresses == ("127.0.0.1:6379/0", "10.0.0.9:6379/0")


def test_nothing_can_be_done_to_it(tape):
    tape.after(1).overview()
    with pytest.raises(StoreError, match="a recording cannot be changed"):
        tape.replayed().apply(None)


# -- files of any kind


def test_a_line_cut_off_at_the_end_is_said(tape):
    for n in range(5):
        tape.figures("emails", pending=n)
        tape.after(1).overview()
    data = tape.path.read_bytes()
    tape.path.write_bytes(data[:-20])
    replayed = tape.replayed()
    assert pendings(replayed)["emails"] == 3
    assert replayed.about().flaws() == "the last line was not written to its end"


def test_a_change_whose_forerunner_is_damaged_is_not_taken_for_one_of_another_value(tape):
    for n in range(130):
        tape.figures("emails", pending=n)
        tape.after(1).overview()
    lines = tape.path.read_bytes().splitlines(keepends=True)
    broken = next(i for i, line in enumerate(lines) if b'"n":50,' in line)
    lines[broken] = b"\x00garbage \xff\n"
    tape.path.write_bytes(b"".join(lines))
    replayed = tape.replayed()
    assert pendings(at(replayed, 50.5))["emails"] == 49
    # Nothing more is known until the next whole value.
    assert pendings(at(replayed, 100.0))["emails"] == 49
    assert pendings(at(replayed, 125.0))["emails"] == 124
    assert replayed.about().unreadable == 1 + 69
    assert replayed.about().flaws().startswith(f"70 lines cannot be read and are left out: {broken + 1}, {broken + 2}")


def test_what_a_later_version_may_write_is_passed_over(tape):
    tape.after(1).overview()
    header, *rest = tape.path.read_bytes().splitlines(keepends=True)
    more = b'{"t":1.5,"weather":"fine"}\n'
    rest[-1] = rest[-1].replace(b'"pending":12001', b'"pending":12001,"mood":["good"]')
    tape.path.write_bytes(b"".join([header, *rest, more]))
    replayed = tape.replayed()
    assert pendings(replayed)["emails"] == 12_001
    assert replayed.about().flaws() == "1 lines are of a kind that this version does not know"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is no recording"),
        (b"\x1b[2J\n", "is no recording"),
        (b"[]\n", "is no recording"),
        (b'{"taskconsole":"recording","version":99,"at":1}\n', "of version 99; this taskconsole reads up to 1"),
        (b'{"taskconsole":"recording","version":"\\u001b[2J"}\n', r"of version \\x1b\[2J"),
        (b"[" * 100_000, "is no recording"),
    ],
)
def test_what_is_no_recording_is_refused_in_words(tmp_path, content, said):
    path = tmp_path / "x"
    path.write_bytes(content)
    with pytest.raises(RecordingError, match=said):
        Recording(path)


def test_no_file_a_directory_or_a_pipe_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name, said in (("none", "No such file"), (".", "is not a file"), ("pipe", "is not a file")):
        with pytest.raises(RecordingError, match=said):
            Recording(tmp_path / name)


LINES = st.one_of(
    st.binary(max_size=40),
    st.builds(
        lambda line: json.dumps(line).encode(),
        st.dictionaries(
            st.sampled_from(
                [
                    "t",
                    "stream",
                    "n",
                    "of",
                    "full",
                    "change",
                    "same",
                    "error",
                    "search",
                    "piece",
                    "events",
                    "lost",
                    "link",
                    "verdicts",
                    "server",
                    "came",
                    "went",
                    "address",
                    "kind",
                    "at",
                    "queues",
                ]
            ),
            st.recursive(
                st.none() | st.booleans() | st.integers(-2, 9) | st.floats() | st.sampled_from(["overview", "died"]),
                lambda inner: (
                    st.lists(inner, max_size=3)
                    | st.dictionaries(st.sampled_from(["kind", "at", "name", "came", "rule", "set"]), inner, max_size=3)
                ),
                max_leaves=6,
            ),
            max_size=6,
        ),
    ),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(LINES, max_size=8))
def test_whatever_a_file_holds_it_is_read_as_far_as_it_can_be(tmp_path, lines):
    path = tmp_path / "any"
    path.write_bytes(b'{"taskconsole":"recording","version":1,"at":0}\n' + b"\n".join(lines))
    replayed = ReplayBackend(Recording(path))
    try:
        replayed.about().flaws()
        for position in (0.0, replayed.end):
            replayed.position = position
            replayed.events(-1.0, position, 10)
            for ask in (replayed.overview, replayed.workers, replayed.connection, replayed.history):
                with contextlib.suppress(NotRecorded, StoreError, StoreUnavailable):
                    ask()
    finally:
        replayed.close()
