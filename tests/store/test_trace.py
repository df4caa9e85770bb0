"""The log of what was sent: names, keys and sizes, never what was carried."""

from __future__ import annotations

import pytest

from taskconsole.config import Settings
from taskconsole.errors import StoreError, StoreUnavailable
from taskconsole.store.call import command
from taskconsole.store.keys import Namespace
from taskconsole.store.tasks import TaskStore
from taskconsole.store.trace import ACTS, READS, Trace
from taskconsole.store.wire import Wire


@pytest.fixture
def wires(store_url):
    trace = Trace()
    settings = Settings(url=store_url)
    act, read = Wire(settings, trace=trace, acting=True), Wire(settings, trace=trace)
    yield trace, act, read
    act.close()
    read.close()


def test_commands_and_transitions_are_named_with_their_keys_and_nothing_else(wires):
    trace, act, read = wires
    act.run(
        TaskStore(Namespace("")).enqueue("mail", [b"hunter2-payload"], client_id="c", seq=1, event=b"hunter2-event")
    )
    read.run_all([command("LLEN", "mail", parse=int), command("CONFIG", "GET", "maxmemory", parse=list)])
    enqueue, config, llen = trace.newest()
    assert (enqueue.name, enqueue.acting, enqueue.answer) == ("enqueue.lua", True, "")
    assert enqueue.keys[0] == "mail"
    assert (llen.name, llen.keys, llen.acting, llen.together) == ("LLEN", ("mail",), False, 2)
    assert (config.name, config.keys) == ("CONFIG GET", ())
    assert enqueue.size > len("hunter2-payload")
    assert 0 < llen.took < 60
    assert "hunter2" not in repr(trace.newest())


def test_a_refusal_is_its_first_word_alone(wires, raw):
    trace, act, _ = wires
    raw.set("mail", "hunter2")
    with pytest.raises(StoreError):
        act.run(command("LPUSH", "mail", "hunter2", parse=int))
    raw.delete("mail")
    assert trace.newest()[0].answer
    assert "hunter2" not in repr(trace.newest())


def test_what_got_no_answer_says_so():
    trace = Trace()
    wire = Wire(Settings(url="redis://127.0.0.1:1/0", timeout=0.5), trace=trace)
    with pytest.raises(StoreUnavailable):
        wire.run(command("LLEN", "mail", parse=int))
    assert [issued.answer for issued in trace.newest()] == ["no answer"]


def test_it_is_bounded_and_reads_do_not_push_out_what_was_done(wires):
    trace, act, read = wires
    act.run(command("LLEN", "a", parse=int))
    for _ in range(3):
        read.run_all([command("LLEN", "b", parse=int)] * 1000)
    acts = [issued for issued in trace.newest() if issued.acting]
    assert len(acts) == 1
    assert len(trace.newest()) == READS + 1
    act.run_all([command("LLEN", "a", parse=int)] * (ACTS + 10))
    assert len(trace.newest()) == READS + ACTS
    numbers = [issued.number for issued in trace.newest()]
    assert len(set(numbers)) == len(numbers)


def test_a_wire_without_a_trace_does_nothing_more_than_before(store_url):
    wire = Wire(Settings(url=store_url))
    assert wire._send == wire._exchange
