"""The logs of all queues as one."""

import json

import pytest

from taskconsole.backends.native import NativeBackend
from taskconsole.config import Settings
from taskconsole.errors import ConfigError, WrongType
from taskconsole.model.event import EventKind


@pytest.fixture
def backend(store_url):
    backend = NativeBackend(Settings(url=store_url))
    yield backend
    backend.close()


@pytest.fixture
def logs(raw):
    """Twenty queues; in the log of each queue 100 events, round about."""
    pipe = raw.pipeline()
    pipe.sadd("taskconsole:queues", *(f"q{n:02}" for n in range(20)))
    for n in range(2_000):
        event = {"event": "died", "queue": f"q{n % 20:02}", "at": 5_000 - n, "task": str(n)}
        pipe.xadd(f"{{q{n % 20:02}}}:log", {"e": json.dumps(event)}, id=f"{1_000_000 + n // 7}-{n}")
    pipe.execute()


@pytest.mark.parametrize("count", [1, 50, 1000])
def test_the_newest_of_all_logs_oldest_first(backend, logs, count):
    assert [str(n) for n in range(2_000 - count, 2_000)] == [event.task for event in backend.history(count=count)]


def test_of_one_queue(backend, logs):
    assert ["1943", "1963", "1983"] == [event.task for event in backend.history("q03", 3)]
    with pytest.raises(ConfigError):
        backend.history("{}")


def test_it_is_bounded(backend, logs, raw):
    raw.config_resetstat()
    assert len(backend.history(count=10**9)) == 1_000
    assert len(backend.history(count=0)) == 1
    reads = raw.info("commandstats")["cmdstat_xrevrange"]["calls"]
    assert reads <= 3 * 21


def test_one_log_that_has_all_the_news(backend, raw):
    raw.sadd("taskconsole:queues", *(f"q{n:02}" for n in range(20)))
    for n in range(300):
        raw.xadd("{q07}:log", {"e": json.dumps({"event": "died", "task": str(n)})}, id=f"{2_000 + n}-0")
    raw.xadd("{q08}:log", {"e": '{"event":"died","task":"old"}'}, id="1-0")

    assert [str(n) for n in range(150, 300)] == [event.task for event in backend.history(count=150)]
    assert len(backend.history(count=1000)) == 301


def test_one_entry_for_many_tasks_counts_as_many_events(backend, raw):
    for n in range(3):
        named = [{"task": f"t{n}{i}"} for i in range(5)]
        raw.xadd("{q}:log", {"e": json.dumps({"event": "reclaimed", "n": 5, "tasks": named})})

    assert ["t13", "t14", "t20", "t21", "t22", "t23", "t24"] == [event.task for event in backend.history("q", 7)]


def test_what_is_not_ours_is_a_message_at_the_time_of_the_stream(store_url, raw):
    raw.sadd("x:taskconsole:queues", "q")
    raw.xadd("{x:q}:log", {b"\xff": b"\x1b[2J\xff", "more": "fields"}, id="1790000000500-7")
    backend = NativeBackend(Settings(url=store_url, prefix="x:"))
    (event,) = backend.history()
    backend.close()

    assert (event.kind, event.at, event.queue) == (EventKind.MESSAGE, 1_790_000_000.5, "q")
    assert event.text == "\x1b[2J\\xff"


def test_a_log_that_is_none_hides_no_other(backend, raw):
    raw.sadd("taskconsole:queues", "a", "b")
    raw.set("{a}:log", "oops")
    raw.xadd("{b}:log", {"e": '{"event":"died"}'})

    assert [EventKind.DIED] == [event.kind for event in backend.history()]
    with pytest.raises(WrongType):
        backend.history("a")
