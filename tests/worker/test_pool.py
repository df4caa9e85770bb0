"""Running handlers: what they may do, and what becomes of it."""

from __future__ import annotations

import asyncio
import contextvars
import json
import multiprocessing
import os
import threading
import time

import pytest

from taskconsole import Context, Retry
from taskconsole.model.outcome import Backoff
from taskconsole.model.task import Envelope, decode
from taskconsole.store.keys import TOMBSTONE
from taskconsole.store.workers import digest_of
from taskconsole.worker.perform import ThreadRun, TimedOut
from tests.servers import eventually
from tests.worker import handlers
from tests.worker.rig import envelope

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="clean")


async def enforce_timeouts(rig):
    """What `watch` does, often enough."""
    while True:
        await asyncio.sleep(0.01)
        rig.pool.check_timeouts(time.monotonic())


async def many_turns():
    """Let everything on the loop come as far as it can."""
    for _ in range(50):
        await asyncio.sleep(0)


@pytest.fixture
async def timeouts(rig):
    task = asyncio.create_task(enforce_timeouts(rig))
    yield
    task.cancel()
    await asyncio.wait([task])


# -- ends of all kinds


async def test_a_task_that_ends_well_is_to_be_acknowledged(rig):
    seen = []

    @rig.app.task
    async def work(a, b=0):
        seen.append((a, b))

    await rig.run_all(envelope("work", args=[1]), envelope("work", args=[2], kwargs={"b": 3}))
    assert seen == [(1, 0), (2, 3)]
    assert [kind for kind, _ in rig.outcomes()] == ["ack", "ack"]
    assert rig.pool.finished == 2


ERRORS = [
    ValueError("v"),
    SystemExit(3),
    KeyboardInterrupt(),
    asyncio.CancelledError(),
    BaseException("b"),
    StopAsyncIteration(),
    TimeoutError(),
    ExceptionGroup("g", [ValueError()]),
]


@pytest.mark.parametrize(
    ("kind", "error"),
    # asyncio itself cannot carry a GeneratorExit from a thread to the loop.
    [("async", GeneratorExit()), *[(kind, error) for kind in ("async", "thread") for error in ERRORS]],
)
async def test_whatever_a_handler_raises_is_an_outcome_and_the_next_task_runs(rig, error, kind):
    ran = []
    if kind == "async":

        @rig.app.task(retries=1)
        async def bad():
            raise error
    else:

        @rig.app.task(retries=1)
        def bad():
            raise error

    @rig.app.task
    async def good():
        await asyncio.sleep(0)
        ran.append(1)

    await rig.run_all(*[envelope("bad", id=str(i)) for i in range(6)], *[envelope("good")] * 6)
    assert len(ran) == 6
    assert sorted(kind for kind, _ in rig.outcomes()) == ["ack"] * 6 + ["retry"] * 6
    assert rig.pool.free == 4


async def test_an_error_whose_text_cannot_be_read_is_an_outcome(rig):
    class Nasty(Exception):
        def __str__(self):
            raise RuntimeError

    @rig.app.task(retries=0)
    async def bad():
        raise Nasty

    await rig.run_all(envelope("bad", id="1"))
    assert [kind for kind, _ in rig.outcomes()] == ["bury"]


async def test_a_failed_attempt_is_retried_with_its_error_and_number(rig):
    @rig.app.task(retries=2, backoff=Backoff(base=4, jitter=False))
    async def bad():
        raise ValueError("no\nsecond line")

    await rig.run_all(envelope("bad", id="1", attempt=2, extra="kept"))
    (item,) = rig.lane.settlements
    kept = json.loads(item.kept)
    assert (item.kind, item.delay) == ("retry", 8.0)
    assert (kept["attempt"], kept["extra"], kept["id"]) == (3, "kept", "1")
    assert kept["errors"][0]["error"] == "ValueError: no"
    assert 'raise ValueError("no' in kept["errors"][0]["traceback"]
    assert "taskconsole" not in kept["errors"][0]["traceback"].split("ValueError")[0].replace("tests", "")


async def test_the_last_attempt_is_buried_with_how_often_it_failed(rig):
    @rig.app.task(retries=2)
    async def bad():
        raise ValueError("no")

    await rig.run_all(envelope("bad", id="1", attempt=3))
    assert rig.outcomes() == [("bury", "failed 3 times, last: ValueError: no")]


async def test_a_handler_can_say_when_it_wants_to_run_again(rig):
    @rig.app.task(retries=2)
    async def bad():
        raise Retry("not yet", delay=77)

    await rig.run_all(envelope("bad", id="1"))
    assert [item.delay for item in rig.lane.settlements] == [77]


async def test_the_envelope_overrules_how_many_attempts_there_are(rig):
    @rig.app.task(retries=5)
    async def bad():
        raise ValueError

    await rig.run_all(envelope("bad", id="1", max_attempts=1))
    assert rig.outcomes() == [("bury", "ValueError")]


@pytest.mark.parametrize(
    "fields", [{"args": [1, 2, 3]}, {"kwargs": {"nobody": 1}}, {"args": []}, {"args": [1], "kwargs": {"a": 1}}]
)
async def test_arguments_that_do_not_fit_are_buried_at_once(rig, fields):
    @rig.app.task(retries=5)
    async def work(a):
        raise AssertionError

    await rig.run_all(envelope("work", id="1", **fields))
    ((kind, reason),) = rig.outcomes()
    assert kind == "bury"
    assert "arguments do not fit work(a)" in reason


async def test_a_type_error_of_the_handler_itself_is_retried(rig):
    @rig.app.task(retries=5)
    async def work(a):
        len(a)

    await rig.run_all(envelope("work", id="1", args=[1]))
    assert [kind for kind, _ in rig.outcomes()] == ["retry"]


# -- what a handler is given


async def test_a_handler_gets_its_context_in_the_annotated_parameter(rig):
    seen = []

    @rig.app.task
    async def first(context: Context, a):
        seen.append((context, a))

    @rig.app.task
    def last(a, *, context: Context):
        seen.append((context, a))

    fields = {"id": "7", "attempt": 2, "enqueued_at": 5.0, "redelivered": 1}
    await rig.run_all(envelope("first", args=[1], id="7"), envelope("last", args=[2], **fields))
    plain, full = sorted(seen, key=lambda s: s[1])
    assert plain[0] == Context(id="7", task="first", queue="task_queue", attempt=1, redelivered=0, enqueued_at=None)
    assert full[0] == Context(id="7", task="last", queue="task_queue", attempt=2, redelivered=1, enqueued_at=5.0)
    assert (plain[0].may_have_run, full[0].may_have_run) == (False, True)


async def test_a_bare_payload_is_the_name_of_a_task_without_arguments(rig):
    seen = []

    @rig.app.task(name="task1")
    async def anything():
        seen.append(1)

    await rig.run_all(b"task1")
    assert (seen, rig.outcomes()) == ([1], [("ack", "task1")])


async def test_a_bare_payload_that_names_no_task_goes_to_the_fallback(rig):
    seen = []

    @rig.app.fallback
    async def anything(text):
        seen.append(text)

    await rig.run_all(b"hello world", b'{"some":"json"}')
    assert seen == ["hello world", '{"some":"json"}']
    assert [kind for kind, _ in rig.outcomes()] == ["ack", "ack"]


async def test_an_envelope_that_names_no_task_does_not_go_to_the_fallback(rig):
    @rig.app.fallback
    async def anything(text):
        raise AssertionError

    await rig.run_all(envelope("nobody", id="1"))
    assert rig.outcomes() == [("retry", "unknown task")]


async def test_an_unknown_task_is_retried_for_a_while_and_then_dead(rig):
    payload, delays = b"nobody", []
    for _ in range(rig.options.unknown_attempts):
        await rig.run_all(payload)
        item = rig.lane.settlements.pop()
        delays.append((item.kind, item.delay))
        payload = item.kept
    assert delays == [("retry", 1), ("retry", 2), ("retry", 4), ("retry", 8), ("retry", 16), ("bury", 0)]
    assert json.loads(payload)["died"]["reason"] == "unknown task"


@pytest.mark.parametrize("payload", [b'{"a":1}', b"{}", b'{"attempt":3,"args":[]}'])
async def test_json_that_is_no_envelope_is_unknown_and_ends_dead_as_well(rig, payload):
    for attempt in range(1, rig.options.unknown_attempts):
        await rig.run_all(payload)
        item = rig.lane.settlements.pop()
        assert item.kind == "retry"
        payload = item.kept
        read = decode(payload)
        assert isinstance(read, Envelope)
        assert read.attempt == attempt + 1
    await rig.run_all(payload)
    assert rig.outcomes() == [("bury", "unknown task")]


async def test_names_of_python_things_run_nothing(rig):
    names = ["os.system", "builtins.eval", "subprocess:run", "tests.worker.handlers.ok", "__import__"]
    await rig.run_all(*[envelope(name, id=name, args=["x"]) for name in names])
    assert {reason for _, reason in rig.outcomes()} == {"unknown task"}


async def test_an_expired_task_is_buried_without_being_run(rig):
    seen = []

    @rig.app.task
    async def work():
        seen.append(1)

    await rig.run_all(envelope("work", id="1", expires_at=5.0), envelope("work", expires_at=4e9))
    assert seen == [1]
    assert ("bury", "expired before it was started") in rig.outcomes()


async def test_a_tombstone_is_passed_over_and_acknowledged(rig):
    await rig.run_all(TOMBSTONE)
    assert rig.lane.acks == [TOMBSTONE]


@pytest.mark.parametrize("payload", [b"\xff\xfe", b'{"task":' + b"[" * 5000, b"x" * 5000, b'{"task":5}'])
async def test_what_cannot_be_read_is_buried_and_the_next_task_runs(rig, payload):
    @rig.app.task
    async def good():
        pass

    await rig.run_all(payload, envelope("good"))
    assert sorted(kind for kind, _ in rig.outcomes()) == ["ack", "bury"]


# -- as if each had a task of its own


async def test_what_a_handler_sets_in_a_context_variable_is_not_seen_by_the_next(rig):
    seen = []

    @rig.app.task
    async def look(leave):
        seen.append(variable.get())
        variable.set("dirty")
        if leave:
            await asyncio.sleep(0)

    await rig.run_all(*[envelope("look", args=[i % 2]) for i in range(40)])
    assert set(seen) == {"clean"}
    assert len(seen) == 40


async def test_a_thread_handler_starts_with_clean_context_variables(rig):
    seen = []

    @rig.app.task
    def look():
        seen.append(variable.get())
        variable.set("dirty")

    await rig.run_all(*[envelope("look")] * 20)
    assert set(seen) == {"clean"}


async def test_no_more_run_at_once_than_the_concurrency_says(rig):
    running, most = 0, 0

    @rig.app.task
    async def work():
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.002)
        running -= 1

    await rig.run_all(*[envelope("work")] * 40)
    assert most == 4
    assert len(rig.lane.acks) == 40


@pytest.mark.usefixtures("timeouts")
async def test_a_timeout_hits_only_its_task(rig):
    others = []

    @rig.app.task(retries=0, timeout=0.05)
    async def stuck():
        await asyncio.sleep(60)

    @rig.app.task
    async def other():
        await asyncio.sleep(0.12)
        others.append(1)

    await rig.run_all(*[envelope("stuck", id=str(i)) if i % 2 else envelope("other") for i in range(8)])
    assert len(others) == 4
    assert sorted(rig.outcomes())[4:] == [("bury", "TimedOut: took longer than its timeout of 0.05 s")] * 4


@pytest.mark.usefixtures("timeouts")
async def test_the_envelope_overrules_the_timeout(rig):
    @rig.app.task(retries=0, timeout=60)
    async def stuck():
        await asyncio.sleep(60)

    await rig.run_all(envelope("stuck", id="1", timeout=0.02))
    assert rig.outcomes() == [("bury", "TimedOut: took longer than its timeout of 0.02 s")]


async def test_a_handler_that_takes_its_timeout_back_leaves_the_next_one_its_own(make_rig):
    single = make_rig(concurrency=1)
    watcher = asyncio.create_task(enforce_timeouts(single))

    @single.app.task(timeout=0.02)
    async def clever():
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            asyncio.current_task().uncancel()

    @single.app.task(retries=0, timeout=0.03)
    async def stuck():
        await asyncio.sleep(60)

    await single.run_all(envelope("clever"), envelope("stuck", id="1"))
    assert [kind for kind, _ in single.outcomes()] == ["ack", "bury"]
    watcher.cancel()


async def test_a_handler_that_survives_its_timeout_does_not_spoil_the_next_one(make_rig):
    single = make_rig(concurrency=1)
    watcher = asyncio.create_task(enforce_timeouts(single))
    seen = []

    @single.app.task(timeout=0.03)
    async def stubborn():
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            seen.append("survived")

    @single.app.task(retries=0)
    async def own_timeout():
        try:
            async with asyncio.timeout(0.01):
                await asyncio.sleep(60)
        except TimeoutError:
            seen.append("own timeout")

    @single.app.task(retries=0, timeout=0.03)
    async def stuck():
        await asyncio.sleep(60)

    await single.run_all(envelope("stubborn"), envelope("own_timeout", id="1"), envelope("stuck", id="2"))
    watcher.cancel()
    assert seen == ["survived", "own timeout"]
    assert [kind for kind, _ in single.outcomes()] == ["ack", "ack", "bury"]


async def test_a_handler_that_cancels_itself_while_ending_does_not_hit_the_next_one(make_rig):
    rig = make_rig(concurrency=1)
    seen = []

    @rig.app.task(retries=0)
    async def last_words():
        asyncio.current_task().cancel()

    @rig.app.task(retries=0)
    async def innocent():
        await asyncio.sleep(0.001)
        seen.append(1)

    await rig.run_all(envelope("last_words", id="0"), *[envelope("innocent", id=str(i)) for i in range(3)])
    assert seen == [1, 1, 1]


async def test_a_long_row_of_short_tasks_lets_the_loop_have_its_turns(rig):
    turns = 0

    @rig.app.task
    async def burn():
        end = time.perf_counter() + 0.001
        while time.perf_counter() < end:
            pass

    async def count():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    await rig.run_all(*[envelope("burn")] * 60)
    counting.cancel()
    assert turns >= 5


async def test_nothing_is_started_while_the_leases_may_be_over(rig):
    seen = []

    @rig.app.task
    async def work():
        seen.append(1)

    rig.pool.good_until = time.monotonic() - 1
    rig.pool.feed(rig.lane, [envelope("work")])
    for _ in range(5):
        await asyncio.sleep(0)
    assert seen == []
    rig.pool.renewed(time.monotonic() + 5)
    await eventually(lambda: seen == [1])


async def test_results_for_a_lane_that_was_fenced_are_dropped(rig):
    going_on = asyncio.Event()

    @rig.app.task
    async def work(fail):
        await going_on.wait()
        if fail:
            raise ValueError

    rig.pool.feed(rig.lane, [envelope("work", args=[False]), envelope("work", args=[True])])
    await eventually(lambda: rig.pool.running == 2)
    rig.lane.generation += 1
    going_on.set()
    await rig.pool.wait_empty()
    assert rig.outcomes() == []


# -- threads


async def test_thread_handlers_run_side_by_side(rig):
    barrier = threading.Barrier(4, timeout=5)

    @rig.app.task
    def meet():
        barrier.wait()

    await rig.run_all(*[envelope("meet")] * 4)
    assert len(rig.lane.acks) == 4


@pytest.mark.usefixtures("timeouts")
async def test_a_thread_handler_is_interrupted_at_its_timeout_and_its_thread_is_used_again(rig):
    @rig.app.task(retries=0, timeout=0.05)
    def stuck():
        while True:
            time.sleep(0.001)

    @rig.app.task
    def good():
        pass

    await rig.run_all(*[envelope("stuck", id=str(i)) for i in range(8)], *[envelope("good")] * 8)
    outcomes = rig.outcomes()
    assert [kind for kind, _ in outcomes].count("ack") == 8
    assert [reason for kind, reason in outcomes if kind == "bury"] == [
        "TimedOut: took longer than its timeout of 0.05 s"
    ] * 8


@pytest.mark.usefixtures("timeouts")
async def test_a_thread_handler_that_ends_well_after_its_timeout_counts_as_done(make_rig):
    rig = make_rig(concurrency=1)
    watcher = asyncio.create_task(enforce_timeouts(rig))
    seen = []

    @rig.app.task(timeout=0.02)
    def blocked_in_c():
        try:
            time.sleep(0.1)
            for _ in range(1000):
                pass
        except BaseException:  # noqa: BLE001 - a handler may catch what it likes
            seen.append("caught")

    @rig.app.task(retries=0, timeout=0.03)
    async def stuck():
        await asyncio.sleep(60)

    await rig.run_all(envelope("blocked_in_c"), envelope("stuck", id="1"))
    watcher.cancel()
    assert seen == ["caught"]
    assert [kind for kind, _ in rig.outcomes()] == ["ack", "bury"]


async def test_a_slot_is_free_only_when_its_thread_is_whatever_is_cancelled(rig):
    going_on = threading.Event()

    @rig.app.task(retries=0, timeout=0.02)
    def stuck():
        try:
            going_on.wait(10)
        except TimedOut:
            going_on.wait(10)

    payload = envelope("stuck")
    rig.pool.feed(rig.lane, [payload])
    await eventually(lambda: rig.pool.check_timeouts(time.monotonic()))
    await many_turns()
    rig.pool.abort(rig.lane, digest_of(payload), "ada")
    await many_turns()
    assert (rig.pool.running, rig.outcomes()) == (1, [])
    going_on.set()
    await asyncio.wait_for(rig.pool.wait_empty(), 10)
    assert ["ack"] == [kind for kind, _ in rig.outcomes()], "it ended well"


def test_a_thread_that_is_interrupted_before_it_begins_runs_nothing():
    run, ran = ThreadRun(), []
    run.interrupt()
    with pytest.raises(TimedOut):
        run(ran.append, [1], {})
    assert ran == []


@pytest.mark.parametrize("way", ["taken back", "dropped", "aborted"])
async def test_nobody_waits_for_what_has_left_a_pool_whose_leases_are_over(rig, way):
    payload = envelope("never")
    rig.pool.good_until = 0.0
    rig.pool.feed(rig.lane, [payload])
    await asyncio.sleep(0)
    match way:
        case "taken back":
            rig.pool.take_back()
        case "dropped":
            rig.pool.drop(rig.lane)
        case "aborted":
            rig.pool.abort(rig.lane, digest_of(payload), "ada")
    await asyncio.wait_for(rig.pool.wait_empty(), 5)
    assert rig.pool.finished == (way == "aborted"), "what was not run would make this worker look quick"


# -- processes


@pytest.fixture
async def crowd(rig):
    """The module-level handlers that run in processes."""
    for task in handlers.in_processes(rig.app):
        assert task.name in rig.registry.handlers
    return rig


async def test_process_handlers_run_in_another_process_which_is_used_again(crowd, tmp_path):
    for i in range(3):
        await crowd.run_all(envelope("write_pid", args=[str(tmp_path / f"{i}")]))
    pids = {(tmp_path / f"{i}").read_text() for i in range(3)}
    assert len(pids) == 1
    assert pids != {str(os.getpid())}
    assert [kind for kind, _ in crowd.outcomes()] == ["ack"] * 3


async def test_a_process_handler_that_kills_its_process_fails_and_the_next_one_runs(crowd, tmp_path):
    await crowd.run_all(envelope("exit_at_once", id="1", max_attempts=1))
    await crowd.run_all(envelope("write_pid", args=[str(tmp_path / "pid")]))
    assert sorted(crowd.outcomes())[1] == ("bury", "ChildDied: the handler's process died (exit code 7)")
    assert (tmp_path / "pid").exists()


@pytest.mark.usefixtures("timeouts")
async def test_a_process_handler_that_hangs_is_killed_at_its_timeout(crowd, tmp_path):
    started = tmp_path / "pid"
    # A child that is there already: to start one may take longer than the timeout.
    await crowd.run_all(envelope("return_a_lock", id="0"))
    await crowd.run_all(envelope("hang", id="1", max_attempts=1, timeout=1.5, args=[str(started)]))
    assert crowd.outcomes()[1:] == [("bury", "TimedOut: took longer than its timeout of 1.5 s")]
    pid = int(started.read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_what_a_process_handler_raises_arrives_with_its_traceback(crowd):
    await crowd.run_all(envelope("raise_here", id="1", max_attempts=1))
    (item,) = crowd.lane.settlements
    error = json.loads(item.kept)["errors"][0]
    assert "ValueError: from afar" in error["error"]
    assert "raise_here" in error["traceback"]


async def test_what_a_process_handler_returns_need_not_be_sent(crowd):
    await crowd.run_all(envelope("return_a_lock", id="1"))
    assert [kind for kind, _ in crowd.outcomes()] == ["ack"]


async def test_a_child_that_died_while_idle_costs_nobody_an_attempt(crowd, tmp_path):
    await crowd.run_all(envelope("write_pid", args=[str(tmp_path / "a")]))
    pid = int((tmp_path / "a").read_text())
    os.kill(pid, 9)
    await eventually(lambda: pid not in [child.pid for child in multiprocessing.active_children()])
    await crowd.run_all(envelope("write_pid", id="1", args=[str(tmp_path / "b")]))
    assert [kind for kind, _ in crowd.outcomes()] == ["ack", "ack"]


# -- stopping


async def test_closing_cuts_off_what_runs_and_leaves_it_unsettled(rig):
    started = []

    @rig.app.task
    async def stuck():
        started.append(1)
        await asyncio.sleep(60)

    rig.pool.feed(rig.lane, [envelope("stuck")] * 3)
    await eventually(lambda: len(started) == 3)
    assert await rig.pool.close() == 3
    assert rig.outcomes() == []


async def test_what_waits_too_long_for_a_runner_is_taken_back_newest_first(rig):
    @rig.app.task
    async def stuck(n):
        await asyncio.sleep(60)

    payloads = [envelope("stuck", args=[n]) for n in range(7)]
    rig.pool.feed(rig.lane, payloads)
    await eventually(lambda: rig.pool.running == 4)
    assert rig.pool.take_back() == {rig.lane: [payloads[6], payloads[5], payloads[4]]}
    assert sorted(rig.pool.in_hand(rig.lane)) == payloads[:4]


async def test_pools_come_and_go(make_rig):
    for _ in range(20):
        rig = make_rig()

        @rig.app.task
        async def work():
            await asyncio.sleep(0)

        rig.pool.feed(rig.lane, [envelope("work")] * 10)
        await rig.pool.close()
        assert rig.pool.running == 0
    await eventually(lambda: len([t for t in asyncio.all_tasks() if "runner" in t.get_name()]) == 0)


# -- after a death


@pytest.mark.parametrize(("deaths", "together"), [(1, 4), (2, 1)])
async def test_what_has_died_with_two_workers_runs_alone_and_the_others_wait_outside(rig, deaths, together):
    running, most, all_run = 0, 0, asyncio.Barrier(together)

    @rig.app.task
    async def work(n):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await all_run.wait()
        await asyncio.sleep(0.01)
        running -= 1

    await rig.register()
    await rig.run_all(*[envelope("work", args=[n], redelivered=deaths) for n in range(4)])
    assert together == most
    # Waiting for a turn must not take a slot from tasks that are nobody's suspects.
    waiting = [item.kind for item in rig.lane.settlements] + ["retry"] * rig.raw.zcard(rig.lane.keys.delayed)
    assert ["retry"] * (4 - together if deaths > 1 else 0) == waiting


@pytest.mark.usefixtures("timeouts")
async def test_waiting_for_ones_turn_after_a_death_does_not_count_for_the_timeout(rig):
    @rig.app.task(timeout=0.6, retries=0)
    async def work(n):
        await asyncio.sleep(0.25)

    await rig.register()
    await rig.run_all(*[envelope("work", args=[n], redelivered=1) for n in range(4)])
    assert [kind for kind, _ in rig.outcomes()] == ["ack"] * 4


async def test_a_task_that_a_worker_died_with_runs_though_redis_is_full(make_server, make_rig):
    rig = make_rig(url=make_server().url)

    @rig.app.task(retries=0)
    async def work():
        pass

    await rig.register()
    rig.raw.config_set("maxmemory", "1kb")
    await rig.run_all(envelope("work", id="1", redelivered=1))
    assert [kind for kind, _ in rig.outcomes()] == ["ack"]
    await rig.lane.flush()
    assert rig.lane.unsettled == 0
