"""The threads between Redis and the screen: who is told what, and how often."""

from __future__ import annotations

import threading
import time

import pytest

from taskconsole.backends.base import Applied, Can
from taskconsole.backends.commands import AbortTask, Enqueue, PauseQueue
from taskconsole.console.feed.errands import MAX_WAITING, Refused
from taskconsole.console.feed.feed import Feed
from taskconsole.console.feed.inbox import Inbox
from taskconsole.console.feed.link import Phase
from taskconsole.console.feed.lock import UNLOCKED_FOR, Lock
from taskconsole.console.messages import EventsWaiting, LinkChanged
from taskconsole.errors import AccessDenied, StoreFull, StoreNotReady, StoreUnavailable
from taskconsole.model.event import Event, EventKind
from taskconsole.model.state import State
from taskconsole.model.stats import TaskRow
from tests.console.fake_backend import FakeBackend


class Told:
    """Collects messages as the app would, and waits for what they promise."""

    def __init__(self):
        self.messages = []
        self._changed = threading.Condition()

    def __call__(self, message):
        with self._changed:
            self.messages.append(message)
            self._changed.notify_all()

    def count(self, kind):
        return sum(isinstance(m, kind) for m in self.messages)

    def until(self, condition, seconds=15):
        with self._changed:
            assert self._changed.wait_for(condition, seconds), self.messages


@pytest.fixture
def backend():
    return FakeBackend()


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def feed(backend, told):
    feed = Feed(lambda: backend, told)
    feed.start()
    told.until(lambda: told.count(LinkChanged))
    yield feed
    backend.gate.set()
    feed.stop(wait=10)


def until(condition, seconds=15):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.005)


def done(n=1):
    return [Event(kind=EventKind.DONE, at=1.0, queue="q", id=str(i)) for i in range(n)]


def drained(feed, seen):
    seen += feed.take_events()[0]
    return seen


def thread_of(feed, name):
    return next(thread for thread in feed._threads if thread.name == f"taskconsole-{name}")


def test_a_console_that_is_behind_is_told_once(feed, backend, told):
    for _ in range(5):
        before = backend.readings
        feed.wake()
        until(lambda before=before: backend.readings > before)
    assert told.count(LinkChanged) == 1
    assert feed.take_link().phase is Phase.LIVE
    feed.wake()
    told.until(lambda: told.count(LinkChanged) == 2)


def test_events_are_told_of_once_until_they_are_taken(feed, backend, told):
    backend.publish(*done(3))
    told.until(lambda: told.count(EventsWaiting))
    backend.publish(*done(2))
    until(lambda: feed._inbox.arrived == 5)
    assert told.count(EventsWaiting) == 1
    assert len(feed.take_events()[0]) == 5
    backend.publish(*done(1))
    told.until(lambda: told.count(EventsWaiting) == 2)


def test_the_inbox_is_bounded_and_counts_what_it_lost():
    inbox = Inbox(capacity=10)
    assert inbox.put(done(8))
    assert not inbox.put(done(8))
    assert not inbox.put([])
    events, lost = inbox.drain()
    assert (len(events), lost, inbox.arrived) == (10, 6, 16)
    assert inbox.drain() == ([], 0)


SEND = Enqueue(queue="mail", task="send")


def carried_out(feed, command=SEND):
    return feed.errands.apply(command).result(15)


def test_a_command_is_carried_out_and_answered(feed, backend):
    assert carried_out(feed).text == "enqueued send on mail"
    assert backend.applied == [SEND]


def test_after_a_command_the_next_reading_does_not_wait_for_its_time(feed, backend, told):
    feed.set_focused(False)
    seen = backend.readings
    feed.wake()
    until(lambda: backend.readings > seen)
    before = backend.readings
    carried_out(feed)
    until(lambda: backend.readings > before, seconds=4)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (StoreFull("memory is full"), "refused: memory is full"),
        (StoreUnavailable("no answer"), "no answer; whether it was done is not known, look before you do it again"),
        (StoreNotReady("read-only"), "not done: read-only"),
        (RuntimeError("secret"), "failed: unexpected RuntimeError in the backend"),
    ],
)
def test_a_refused_command_says_why(feed, backend, error, text):
    backend.apply_failure = error
    assert carried_out(feed) == Refused(text)


def test_an_action_never_waits_behind_a_reading(feed, backend):
    backend.gate.clear()
    feed.wake()
    carried_out(feed)
    assert backend.applied


def test_too_many_commands_are_refused(told):
    idle = Feed(FakeBackend, told)
    *waiting, last = [idle.errands.apply(SEND) for _ in range(MAX_WAITING + 1)]
    assert not any(future.done() for future in waiting)
    assert "too many" in last.result(0).text


def test_nothing_is_sent_while_disconnected(feed, backend):
    feed.take_link()
    backend.failure = StoreUnavailable("gone")
    feed.wake()
    until(lambda: feed.take_link().phase is Phase.DISCONNECTED)
    assert carried_out(feed) == Refused("not connected: nothing was sent")
    assert backend.applied == []


@pytest.mark.parametrize("lock", [Lock(read_only=True), Lock(name="prod")])
def test_nothing_is_sent_that_may_not_be_whoever_asks_for_it(told, lock):
    backend = FakeBackend()
    feed = Feed(lambda: backend, told, lock=lock)
    feed.start()
    try:
        told.until(lambda: told.count(LinkChanged))
        assert "nothing was sent" in carried_out(feed).text
        assert "PauseQueue" in feed.errands.foresee(PauseQueue(queue="mail", by="x")).result(15).text
        assert backend.applied == []
        # Nobody can make a read-only console anything else.
        feed.errands.change_lock(lambda _: Lock(until=float("inf")))
        assert isinstance(carried_out(feed), Refused) == lock.read_only
    finally:
        feed.stop(wait=10)


def test_a_lock_that_locks_itself_while_a_command_waits_refuses_it(told):
    backend, now = FakeBackend(), [0.0]
    feed = Feed(lambda: backend, told, lock=Lock(name="prod"), clock=lambda: now[0])
    feed.start()
    try:
        told.until(lambda: told.count(LinkChanged))
        feed.errands.change_lock(lambda lock: lock.opened(now[0]))
        assert carried_out(feed).text == "enqueued send on mail"
        backend.apply_gate.clear()
        first, second = feed.errands.apply(SEND), feed.errands.apply(SEND)
        until(first.running)
        now[0] = UNLOCKED_FOR
        backend.apply_gate.set()
        assert first.result(15).text == "enqueued send on mail"
        assert "locked" in second.result(15).text
    finally:
        feed.stop(wait=10)


def test_the_end_ends_what_goes_on_for_long_and_refuses_what_waits(feed, backend):
    asked = []

    def endless(_command, report):
        while report(len(asked)):
            asked.append(1)
            time.sleep(0.001)
        return Applied(text="ended", done=len(asked))

    backend.answers = [endless]
    running, waiting = feed.errands.apply(SEND), feed.errands.apply(SEND)
    until(lambda: asked)
    feed.stop(wait=10)
    assert running.result(0).done == len(asked)
    assert "leaving" in waiting.result(0).text


def test_a_lost_subscription_is_taken_up_again_and_the_gap_is_shown(feed, backend):
    until(lambda: backend.listens == 1)
    backend.publish(*done())
    backend.break_listening()
    until(lambda: backend.listens == 2)
    backend.publish(*done())
    seen = []
    until(lambda: len(drained(feed, seen)) >= 3)
    assert [e.kind for e in seen] == [EventKind.DONE, EventKind.GAP, EventKind.DONE]
    assert "were not seen" in seen[1].text


def test_a_gap_ends_when_the_server_is_back_and_not_before(feed, backend, told):
    until(lambda: backend.listens == 1)
    backend.failure = StoreUnavailable("gone")
    backend.break_listening()
    until(lambda: feed.take_link().failures >= 2)
    assert backend.listens == 1
    assert feed.take_events() == ([], 0)
    backend.failure = None
    feed.wake()
    until(lambda: backend.listens == 2)
    seen = []
    until(lambda: drained(feed, seen))
    assert [e.kind for e in seen] == [EventKind.GAP]


def test_a_subscription_that_may_not_be_is_not_tried_again(feed, backend):
    until(lambda: backend.listens == 1)
    backend.break_listening(AccessDenied("NOPERM channel"))
    seen = []
    until(lambda: drained(feed, seen))
    assert (seen[0].kind, seen[0].text) == (EventKind.GAP, "no events: NOPERM channel")
    until(lambda: not thread_of(feed, "listen").is_alive())
    assert backend.listens == 1


def test_events_are_not_asked_of_a_backend_that_has_none(told):
    backend = FakeBackend(can=Can.PAUSE)
    feed = Feed(lambda: backend, told)
    feed.start()
    until(lambda: not thread_of(feed, "listen").is_alive())
    assert backend.listens == 0
    feed.stop(wait=10)


def test_access_denied_waits_for_a_key(told):
    attempts = []

    def connect():
        attempts.append(time.monotonic())
        raise AccessDenied("WRONGPASS")

    feed = Feed(connect, told)
    feed.start()
    until(lambda: feed.take_link().phase is Phase.DENIED)
    assert feed._threads[0].is_alive()
    feed._threads[0].join(1.5)
    assert len(attempts) == 1
    feed.wake()
    until(lambda: len(attempts) == 2)
    feed.stop(wait=10)


def test_a_stopped_feed_leaves_no_thread_and_closes_the_backend(backend, told):
    feed = Feed(lambda: backend, told)
    feed.start()
    told.until(lambda: told.count(LinkChanged))
    feed.stop(wait=10)
    assert [t for t in feed._threads if t.is_alive()] == []
    assert backend.closed


# -- what must not wait for what goes on for long


def test_a_pause_does_not_wait_for_the_end_of_what_goes_on_for_long_and_other_commands_do(feed, backend):
    going_on, ended = [], threading.Event()

    def long(_command, report):
        while not ended.is_set() and report(len(going_on)):
            going_on.append(1)
            time.sleep(0.001)
        return Applied(text="all of them")

    backend.answers = [long]
    bulk = feed.errands.apply(SEND)
    until(lambda: going_on)
    other = feed.errands.apply(SEND)
    paused = feed.errands.apply(PauseQueue(queue="mail", by="ada"))
    assert paused.result(15).text == "paused mail"
    foreseen = feed.errands.foresee(AbortTask(row=TaskRow(queue="mail", state=State.ACTIVE, name="x"), by="ada"))
    assert "AbortTask" in foreseen.result(15).text
    assert not bulk.done()
    assert not other.done()
    ended.set()
    assert bulk.result(15).text == "all of them"
    assert other.result(15).text == "enqueued send on mail"


def test_no_more_commands_wait_than_may_while_something_goes_on_for_long(feed, backend):
    going_on, ended = [], threading.Event()

    def long(_command, report):
        while not ended.is_set() and report(0):
            going_on.append(1)
            time.sleep(0.001)
        return Applied(text="all of them")

    backend.answers = [long]
    bulk = feed.errands.apply(SEND)
    until(lambda: going_on)
    waiting = [feed.errands.apply(SEND) for _ in range(MAX_WAITING)]
    before = len(going_on)
    until(lambda: len(going_on) > before + 2)
    assert "too many" in feed.errands.apply(SEND).result(15).text
    ended.set()
    assert bulk.result(15).text == "all of them"
    assert all(isinstance(future.result(15), Applied) for future in waiting)


def test_what_waited_behind_what_goes_on_for_long_is_refused_at_the_end(feed, backend):
    going_on = []

    def long(_command, report):
        while report(0):
            going_on.append(1)
            time.sleep(0.001)
        return Applied(text="some of them")

    backend.answers = [long]
    feed.errands.apply(SEND)
    until(lambda: going_on)
    other = feed.errands.apply(SEND)
    before = len(going_on)
    until(lambda: len(going_on) > before + 2)
    feed.stop(wait=10)
    assert "leaving" in other.result(15).text
