"""A recording in the console's own screens: the same text, keys to move, nothing to write with."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import replace

import pytest

from taskconsole.backends.recording.backend import recorded
from taskconsole.backends.recording.reader import Recording
from taskconsole.backends.recording.recorder import Recorder
from taskconsole.backends.recording.replay import ReplayBackend
from taskconsole.console import actions
from taskconsole.console.app import Console
from taskconsole.console.place import Place
from taskconsole.console.replay.app import ReplayConsole
from taskconsole.console.saving.private_files import NewFile
from taskconsole.errors import AccessDenied, StoreUnavailable
from taskconsole.model.event import Event, EventKind
from taskconsole.model.state import State
from taskconsole.model.stats import WorkerInfo
from tests.backends.recording.tape import BEGAN, Tape
from tests.console.fake_backend import FakeBackend, usual_events
from tests.console.hostile_texts import HOSTILE
from tests.console.screens import lines_of, text_of, until, until_shown


@contextlib.asynccontextmanager
async def replaying(path, size=(80, 24), **options):
    """A recording in a console that holds still at its beginning."""
    recording = Recording(path)
    app = ReplayConsole(ReplayBackend(recording), **options)
    try:
        async with app.run_test(size=size) as pilot:
            await pilot.press("full_stop")
            await until_shown(app, "paused" if size[0] >= 60 else "")
            yield pilot
    finally:
        app.feed.stop(5)
        recording.close()


@pytest.fixture
def tape(tmp_path):
    """Five minutes: something is wrong from the second to the third; a worker is looked at in the fourth."""
    tape = Tape(tmp_path / "tape.ndjson")
    tape.figures("emails", pending=0, delayed=0, overdue=0, dead=0)
    for second in range(300):
        if second in {60, 120}:
            tape.figures("emails", pending=500 if second == 60 else 0)
        if second == 90:
            tape.recorder.heard([Event(kind=EventKind.DIED, at=BEGAN + 90, queue="reports", task="build", text="boom")])
        tape.recorder.heard([Event(kind=EventKind.DONE, at=BEGAN + second, queue="mail", task=f"task-{second}")])
        tape.after(1).overview()
        if second == 200:
            tape.scripted.worker_infos = [WorkerInfo(id="w-1", queue="mail", lease_until=BEGAN + 1000)]
            tape.backend.workers()
    return tape


def clock(position):
    return time.strftime("%H:%M:%SZ", time.gmtime(BEGAN + position))


async def shown_at(pilot, position):
    await until_shown(pilot.app, f"REPLAY {time.strftime('%Y-%m-%d', time.gmtime(BEGAN))} {clock(position)}")


async def go(pilot, text):
    await pilot.press("equals_sign", *text, "enter")


async def test_what_is_replayed_is_what_was_seen(tmp_path):
    """Every view, as it was on a live console and as it is in the replay of what that recorded."""
    backend = FakeBackend()
    backend.task_counts = {("emails", State.PENDING): 40, ("reports", State.DEAD): 3, ("", State.DELAYED): 7}
    backend.worker_infos = [WorkerInfo(id="w-1", queue="mail", host="h", lease_until=time.time() + 1000, done=7)]
    backend.logged = [Event(kind=EventKind.DIED, at=time.time() - 500, queue="mail", task="old", text="boom")]
    backend.publish(*usual_events(time.time()))
    began = time.time()
    # A second passes with each reading, so that ages are the same wherever in that second they are drawn.
    backend.clock = lambda: began + backend.readings
    recorder = Recorder(NewFile(tmp_path / "x"))
    places = [
        Place(),
        Place(view="tasks", queue="emails"),
        Place(view="delayed"),
        Place(view="workers"),
        Place(view="failures"),
        Place(view="redis"),
        Place(view="doctor"),
    ]
    seen = []
    live = Console(
        recorded(lambda: backend, recorder), address=backend.address, recorder=recorder, read_only=True, interval=0.3
    )
    async with live.run_test(size=(80, 24)) as pilot:
        await until_shown(live, "LIVE")
        assert "REC" in lines_of(live)[0]
        await until_shown(live, "send_sms")
        for place in places:
            await live.desk.go(place)
            await until(lambda: live.desk.view.question is None or live.desk.view.answer is not None)
            # What is shown follows from a reading that is in the file by now.
            read = backend.readings
            await until(lambda read=read: backend.readings > read + 1)
            await pilot.pause()
            seen.append((recorder._now(), lines_of(live)[1:-2]))
    recorder.close()
    async with replaying(tmp_path / "x") as pilot:
        app = pilot.app
        for place, (at, lines) in zip(places, seen, strict=True):
            await app.desk.go(place)
            position = min(at, app.feed._player.end)
            app.replay.go(position)
            await until(lambda position=position: app.desk._link.position == position)
            try:
                await until(lambda lines=lines: same(lines_of(app)[1:-2], lines), seconds=5)
            except AssertionError:
                assert lines_of(app)[1:-2] == lines


def same(one, other):
    return [line.rstrip() for line in one] == [line.rstrip() for line in other]


async def test_keys_move_in_time(tape):
    async with replaying(tape.path) as pilot:
        app = pilot.app
        await go(pilot, clock(30)[:-1])
        await shown_at(pilot, 30)
        await pilot.press("l")
        await shown_at(pilot, 40)
        await pilot.press("L")
        await shown_at(pilot, 100)
        await pilot.press("h")
        await shown_at(pilot, 90)
        await pilot.press("H")
        await shown_at(pilot, 30)
        await pilot.press("dollar_sign")
        await shown_at(pilot, 300)
        assert "ended" in text_of(app)
        await pilot.press("circumflex_accent")
        await shown_at(pilot, 0)
        await go(pilot, "50%")
        await shown_at(pilot, 150)
        await go(pilot, "tomorrow")
        await until_shown(app, "tomorrow: write 03:12:44")


async def test_it_plays_as_fast_as_one_wants(tape):
    async with replaying(tape.path) as pilot:
        for _ in range(5):
            await pilot.press("greater_than_sign")
        await pilot.press("full_stop")
        await until_shown(pilot.app, "x60")
        await until_shown(pilot.app, "ended", seconds=30)
        await until_shown(pilot.app, "task-299")


async def test_one_jumps_to_what_changed_and_to_what_failed(tape):
    async with replaying(tape.path) as pilot:
        app = pilot.app
        await go(pilot, clock(10)[:-1])
        await shown_at(pilot, 10)
        assert "CRIT" not in lines_of(app)[2]
        await pilot.press("right_parenthesis")
        await shown_at(pilot, 61)
        await until(lambda: "CRIT emails: NO WORKERS" in lines_of(app)[2])
        await until_shown(app, "emails: NO WORKERS, 500 pending")
        await pilot.press("asterisk")
        await shown_at(pilot, 90)
        await until_shown(app, "DIED")
        await pilot.press("right_parenthesis")
        await shown_at(pilot, 121)
        await until_shown(app, "no longer: emails: NO WORKERS")
        await pilot.press("left_parenthesis")
        await shown_at(pilot, 61)
        await pilot.press("number_sign")
        await until_shown(app, "none before this")


async def test_events_are_those_that_had_happened(tape):
    async with replaying(tape.path) as pilot:
        await go(pilot, clock(100)[:-1])
        await until_shown(pilot.app, "task-100")
        assert "task-101" not in text_of(pilot.app)
        await go(pilot, clock(50)[:-1])
        await until_shown(pilot.app, "task-50")
        assert "task-51" not in text_of(pilot.app)
        assert "showing 1 in" not in text_of(pilot.app)


async def test_what_was_not_looked_at_is_not_made_up(tape):
    async with replaying(tape.path) as pilot:
        app = pilot.app
        await pilot.press("5")
        await go(pilot, clock(205)[:-1])
        await until_shown(app, "w-1")
        await go(pilot, clock(260)[:-1])
        await until_shown(app, f"not recorded at {clock(260)}; the nearest is of {clock(201)}")
        assert "w-1" not in text_of(app)
        await pilot.press("apostrophe")
        await shown_at(pilot, 201)
        await until_shown(app, "w-1")
        await go(pilot, clock(260)[:-1])
        await pilot.press("8", "apostrophe")
        await until_shown(app, "what this view shows was never recorded")


async def test_an_answer_is_gone_when_time_has_passed_it(tape):
    async with replaying(tape.path) as pilot:
        await pilot.press("5")
        await go(pilot, clock(218)[:-1])
        await until_shown(pilot.app, "w-1")
        await pilot.press("greater_than_sign", "greater_than_sign", "full_stop")
        await until_shown(pilot.app, "not recorded at")
        assert "w-1" not in text_of(pilot.app)


async def test_views_that_were_not_recorded_say_so(tape):
    async with replaying(tape.path) as pilot:
        app = pilot.app
        await go(pilot, clock(260)[:-1])
        await pilot.press("8")
        await until_shown(app, f"not recorded at {clock(260)}")
        await pilot.press("2", "enter")
        await until_shown(app, f"not recorded at {clock(260)}")


async def test_rates_and_trends_are_there_wherever_one_goes(tape):
    async with replaying(tape.path) as pilot:
        await go(pilot, clock(110)[:-1])
        await shown_at(pilot, 110)
        trails = pilot.app.queues._trails
        await until(lambda: len(pilot.app.queues._trails.points("emails")) > 30)
        assert set(pilot.app.queues._trails.points("emails")) == {0, 500}, trails


async def test_nothing_that_writes_has_a_key(tape):
    async with replaying(tape.path) as pilot:
        app = pilot.app
        await pilot.press("p", "e")
        await pilot.pause()
        assert app.screen is app.desk
        assert not [a for a in app.desk.offered() if a.danger > actions.Danger.NONE]
        await pilot.press("question_mark")
        await until_shown(app, "Replay: play, or hold still.")
        shown = [action for _, group in app.screen._groups for action in group]
        assert not [a for a in shown if a.danger > actions.Danger.NONE]


async def test_a_live_console_has_no_keys_for_moving_in_time():
    backend = FakeBackend()
    app = Console(lambda: backend, address=backend.address)
    async with app.run_test() as pilot:
        await until_shown(app, "LIVE")
        await pilot.press("full_stop", "l", "right_parenthesis")
        await pilot.press("question_mark")
        await until_shown(app, "queues")
        assert "Replay" not in text_of(app)
        assert "replay" not in dict(app.screen._groups)


async def test_outages_are_shown_as_they_were(tmp_path):
    tape = Tape(tmp_path / "x")
    for _ in range(10):
        tape.after(1).overview()
    for failure in (StoreUnavailable("connection refused by \x1b[2J"), AccessDenied("wrong password")):
        tape.scripted.failure = failure
        for _ in range(10):
            with contextlib.suppress(StoreUnavailable, AccessDenied):
                tape.after(1).overview()
        tape.scripted.failure = None
        tape.after(10).overview()
    async with replaying(tape.path) as pilot:
        app = pilot.app
        await pilot.press("right_parenthesis")
        await shown_at(pilot, 1)
        await go(pilot, clock(18)[:-1])
        await until_shown(app, f"STALE  figures of {clock(10)}, 8s old. connection refused by \\x1b[2J")
        await go(pilot, clock(30)[:-1])
        await shown_at(pilot, 30)
        assert "STALE" not in lines_of(app)[2]
        await go(pilot, clock(35)[:-1])
        await until_shown(app, "wrong password")


async def test_what_cannot_be_read_is_said_at_the_beginning(tape):
    tape.path.write_bytes(tape.path.read_bytes() + b"garbage\n\x1b[2J")
    async with replaying(tape.path, size=(120, 24)) as pilot:
        await until_shown(pilot.app, "1 lines cannot be read and are left out: ")
        await until_shown(pilot.app, "the last line was not written to its end")


async def test_hostile_text_in_a_recording_is_only_drawn(tmp_path):
    tape = Tape(tmp_path / "x")
    pattern = tape.scripted.queues[0]
    tape.scripted.queues = [replace(pattern, name=f"{n}{text}", trouble=text) for n, text in enumerate(HOSTILE)]
    tape.scripted.address = HOSTILE[0]
    tape.scripted.worker_infos = [WorkerInfo(id=text, queue=text, host=text, version=text) for text in HOSTILE]
    tape.recorder.connected(HOSTILE[1], HOSTILE[0])
    tape.after(1).overview()
    tape.backend.workers()
    tape.recorder.heard(
        [Event(kind=EventKind.DIED, at=BEGAN, queue=t, task=t, id=t, worker=t, by=t, text=t) for t in HOSTILE]
    )
    tape.scripted.failure = StoreUnavailable(HOSTILE[2])
    with pytest.raises(StoreUnavailable):
        tape.after(1).overview()
    async with replaying(tape.path, size=(160, 45)) as pilot:
        for key in ("asterisk", "5", "7", "right_parenthesis", "1", "exclamation_mark"):
            await pilot.press(key)
            await pilot.pause()
            await asyncio.sleep(0.1)
            assert all(line.isprintable() for line in lines_of(pilot.app)), key


async def test_a_recording_that_ends_early_is_said_and_the_console_stays(tmp_path):
    class Full(NewFile):
        def write(self, line):
            if recorder is not None:
                raise OSError(28, "No space left on device")
            super().write(line)

    recorder = None
    recorder = Recorder(Full(tmp_path / "x"))
    backend = FakeBackend()
    app = Console(recorded(lambda: backend, recorder), address=backend.address, recorder=recorder)
    async with app.run_test():
        await until_shown(app, "the recording has ended: No space left on device")
        await until_shown(app, "LIVE")
        await until(lambda: "REC" not in lines_of(app)[0])
    recorder.close()
