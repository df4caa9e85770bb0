"""Enqueueing: what an application does, blocking and in asyncio, with lost replies and several threads."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import os
import threading

import pytest
import redis

from taskconsole import App, ConfigError, Context, PayloadError, StoreFull, StoreUnavailable
from taskconsole.config import Settings
from taskconsole.store.opening import open_wire
from tests.faultproxy import FaultProxy


def make_app(url: str, **settings: object) -> App:
    return App(settings=Settings(url=url, **settings))  # type: ignore[arg-type]


def payloads(raw: redis.Redis, queue: str) -> list[dict[str, object]]:
    """What is pending, next to run first."""
    return [json.loads(p) for p in reversed(raw.lrange(queue, 0, -1))]  # type: ignore[union-attr]


@pytest.fixture
def app(store_url):
    app = make_app(store_url)
    yield app
    app.close()


def test_an_enqueued_task_is_one_readable_envelope_at_the_producers_end(app, raw):
    @app.task(queue="mail")
    def send(to: str, subject: str = "hello") -> None: ...

    raw.lpush("mail", "older")
    ref = send.enqueue("ada", subject="hi")

    assert raw.lrange("mail", -1, -1) == [b"older"]
    newest = json.loads(raw.lindex("mail", 0))
    assert {"task": "send", "id": ref.id, "args": ["ada"], "kwargs": {"subject": "hi"}} == {
        k: newest[k] for k in ("task", "id", "args", "kwargs")
    }
    assert abs(newest["enqueued_at"] - raw.time()[0]) < 5
    assert raw.smembers("taskconsole:queues") == {b"mail"}


def test_a_higher_priority_is_next_to_run_and_a_queue_name_redirects(app, raw):
    @app.task
    def work(n: int) -> None: ...

    work.enqueue(1)
    work.using(priority=5).enqueue(2)
    work.using(queue_name="other").enqueue(3)

    assert [[2], [1]] == [p["args"] for p in payloads(raw, "task_queue")]
    assert [[3]] == [p["args"] for p in payloads(raw, "other")]


@pytest.mark.parametrize("after", [dt.timedelta(seconds=60), 60, 60.0])
def test_a_delay_counts_from_now_by_the_clock_of_redis(app, raw, after):
    @app.task
    def work() -> None: ...

    work.using(run_after=after).enqueue()

    [(_, due)] = raw.zrange("{task_queue}:delayed", 0, -1, withscores=True)
    assert abs(due - raw.time()[0] - 60) < 3
    assert raw.llen("task_queue") == 0


def test_an_aware_moment_is_the_score_itself(app, raw):
    @app.task
    def work() -> None: ...

    moment = dt.datetime(2030, 1, 1, 12, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    work.using(run_after=moment).enqueue()

    assert [moment.timestamp()] == [s for _, s in raw.zrange("{task_queue}:delayed", 0, -1, withscores=True)]


@pytest.mark.parametrize("after", [-1, float("nan"), float("inf"), dt.timedelta(seconds=-1), dt.datetime(2030, 1, 1)])  # noqa: DTZ001
def test_a_time_that_cannot_be_is_refused_before_redis_is_asked(after):
    app = make_app("redis://127.0.0.1:1/0")

    @app.task
    def work() -> None: ...

    with pytest.raises(ConfigError):
        work.using(run_after=after)


@pytest.mark.parametrize(
    ("bad", "named"),
    [
        (float("nan"), "argument 1 is nan"),
        ({1, 2}, "argument 1 is a set"),
        (b"x", "argument 1 is a bytes"),
        ({1: 2}, "argument 1 has the key 1"),
        ([1, {"a": object()}], r"argument 1\[1\]\['a'\] is a object"),
        (dt.datetime(2030, 1, 1, tzinfo=dt.UTC), "argument 1 is a datetime"),
    ],
)
def test_an_argument_that_json_would_change_is_named_in_a_type_error(app, raw, bad, named):
    @app.task
    def work(value: object, *, again: object = None) -> None: ...

    with pytest.raises(TypeError, match=named):
        work.enqueue(bad)
    with pytest.raises(TypeError, match=named.replace("argument 1", "argument 'again'")):
        work.enqueue(1, again=bad)
    assert raw.dbsize() == 0


def test_arguments_that_do_not_fit_are_refused_where_they_are_given(app):
    @app.task
    def work(a: int, b: int = 2) -> None: ...

    with pytest.raises(TypeError, match=r"do not fit work\(a, b=2\): missing a required argument: 'a'"):
        work.enqueue()
    with pytest.raises(TypeError, match="unexpected keyword argument 'c'"):
        work.enqueue(1, c=3)


def test_a_context_parameter_is_not_the_callers_to_give(app, raw):
    @app.task
    def first(context: Context, a: int) -> None: ...

    @app.task
    def named(a: int, *, context: Context) -> None: ...

    first.enqueue(1)
    named.enqueue(2)

    assert [[1], [2]] == [p["args"] for p in payloads(raw, "task_queue")]


def test_a_payload_over_the_limit_is_refused_with_both_sizes(store_url, raw):
    app = make_app(store_url, max_payload=100_000)

    @app.task
    def work(text: str) -> None: ...

    with pytest.raises(PayloadError, match="100,000"):
        work.enqueue("x" * 100_000)
    with pytest.raises(PayloadError, match="surrogate"):
        work.enqueue("\ud800")
    assert raw.llen("task_queue") == 0


def test_an_annotation_that_cannot_be_hashed_is_as_good_as_any(app):
    def work(a, ctx) -> None: ...

    work.__annotations__ = {"a": {}, "ctx": "Context"}
    assert "ctx" == app.task(work).handler.context_parameter


def test_two_functions_cannot_share_a_name(app):
    @app.task(name="same")
    def one() -> None: ...

    with pytest.raises(ConfigError, match="'same'"):

        @app.task(name="same")
        def two() -> None: ...


@pytest.mark.parametrize("options", [{"retries": -1}, {"timeout": 0}, {"max_redeliveries": 0}, {"queue": "a{b"}])
def test_options_out_of_range_are_refused_at_import(app, options):
    with pytest.raises(ConfigError):

        @app.task(**options)
        def work() -> None: ...


def test_many_tasks_go_in_order_by_the_thousand(app, raw):
    @app.task(queue="bulk")
    def work(n: int) -> None: ...

    raw.config_resetstat()
    assert app.enqueue_many(work.call(n) for n in range(2500)) == 2500

    assert [[n] for n in range(2500)] == [p["args"] for p in payloads(raw, "bulk")]
    assert len({p["id"] for p in payloads(raw, "bulk")}) == 2500
    used = raw.info("commandstats")
    assert sum(used.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("eval", "evalsha")) <= 4


def test_what_makes_the_tasks_may_itself_enqueue(app, raw):
    @app.task(queue="bulk")
    def work(n: int) -> None: ...

    def calls():
        for n in range(3):
            work.enqueue(n + 10)
            yield work.call(n)

    sending = threading.Thread(target=app.enqueue_many, args=(calls(),), daemon=True)
    sending.start()
    sending.join(10)
    assert not sending.is_alive(), "it waits for itself"
    assert [[10], [11], [12], [0], [1], [2]] == [p["args"] for p in payloads(raw, "bulk")]


async def test_concurrent_tasks_share_round_trips_and_each_learns_its_fate(app, raw):
    @app.task(queue="bulk")
    def work(n: int) -> None: ...

    await work.aenqueue(-1)
    raw.config_resetstat()
    raw.set("broken", "a string")
    results = await asyncio.gather(
        *(work.aenqueue(n) for n in range(500)),
        work.using(queue_name="broken").aenqueue(1),
        *(work.aenqueue(n) for n in range(500, 1000)),
        return_exceptions=True,
    )

    errors = [r for r in results if isinstance(r, Exception)]
    assert len(errors) == 1
    assert "holds" in str(errors[0])
    assert [[n] for n in range(-1, 1000)] == [p["args"] for p in payloads(raw, "bulk")]
    assert raw.info("commandstats")["cmdstat_evalsha"]["calls"] <= 10
    await app.aclose()


async def test_one_app_serves_the_loops_of_several_threads(store_url, raw):
    app = make_app(store_url)

    @app.task(queue="bulk")
    def work(n: int) -> None: ...

    async def many(start: int) -> None:
        await asyncio.gather(*(work.aenqueue(n) for n in range(start, start + 200)))
        await app.aclose()

    await asyncio.gather(*(asyncio.to_thread(asyncio.run, many(start)) for start in (0, 200, 400)))

    assert sorted([n] for n in range(600)) == sorted(p["args"] for p in payloads(raw, "bulk"))


def test_threads_share_a_connection_without_losing_a_task(app, raw):
    @app.task(queue="bulk")
    def work(n: int) -> None: ...

    def some(start: int) -> None:
        for n in range(start, start + 100):
            work.enqueue(n)

    threads = [threading.Thread(target=some, args=(start,)) for start in range(0, 800, 100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted([n] for n in range(800)) == sorted(p["args"] for p in payloads(raw, "bulk"))


def test_a_child_of_fork_enqueues_though_another_thread_was_just_beginning_to(app, raw, monkeypatch):
    @app.task(queue="bulk")
    def work(who: str) -> None: ...

    def open_slowly(settings):
        if threading.current_thread() is other:
            begun.set()
            going_on.wait()
        return open_wire(settings)

    monkeypatch.setattr("taskconsole.client.open_wire", open_slowly)
    begun, going_on = threading.Event(), threading.Event()
    other = threading.Thread(target=work.enqueue, args=("parent",))
    other.start()
    begun.wait()
    child = os.fork()
    if child == 0:
        sending = threading.Thread(target=work.enqueue, args=("child",), daemon=True)
        sending.start()
        sending.join(5)
        os._exit(sending.is_alive())
    status = os.waitpid(child, 0)[1]
    going_on.set()
    other.join()
    assert status == 0, "it waits for a lock that nobody lets go"
    assert [["child"], ["parent"]] == [p["args"] for p in payloads(raw, "bulk")]


def test_a_forked_child_makes_its_own_connection_ids_and_numbers(app, raw):
    @app.task(queue="bulk")
    def work(who: str) -> None: ...

    for _ in range(5):
        work.enqueue("parent")
    child = os.fork()
    if child == 0:
        # Numbers below the parent's would be taken for repetitions if the child kept its name.
        code = 1
        try:
            for _ in range(3):
                work.enqueue("child")
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    work.enqueue("parent")

    found = payloads(raw, "bulk")
    assert [6, 3] == [sum(p["args"] == [who] for p in found) for who in ("parent", "child")]
    assert len({p["id"] for p in found}) == 9


@pytest.mark.parametrize("delayed", [False, True])
def test_a_lost_reply_is_repeated_and_the_task_is_there_once(store_url, raw, delayed):
    with FaultProxy(store_url) as proxy:
        app = make_app(proxy.url)

        @app.task(queue="bulk")
        def work(n: int) -> None: ...

        task = work.using(run_after=100) if delayed else work
        task.enqueue(0)
        for n in range(1, 50):
            proxy.drop_replies(1)
            task.enqueue(n)
        app.close()

    stored = raw.zrange("{bulk}:delayed", 0, -1) if delayed else raw.lrange("bulk", 0, -1)
    assert list(range(50)) == sorted(json.loads(p)["args"][0] for p in stored)


async def test_a_lost_reply_in_asyncio_is_repeated_and_the_task_is_there_once(store_url, raw):
    with FaultProxy(store_url) as proxy:
        app = make_app(proxy.url)

        @app.task(queue="bulk")
        def work(n: int) -> None: ...

        await work.aenqueue(0)
        for n in range(1, 20):
            proxy.drop_replies(1)
            await work.aenqueue(n)
        await app.aclose()

    assert list(range(20)) == sorted(json.loads(p)["args"][0] for p in raw.lrange("bulk", 0, -1))


def test_no_redis_is_said_in_one_line_after_a_bounded_time():
    app = make_app("redis://user:S3cret@127.0.0.1:1/0", retry_for=0.1)

    @app.task
    def work() -> None: ...

    with pytest.raises(StoreUnavailable) as raised:
        work.enqueue()
    assert "127.0.0.1:1/0" in str(raised.value)
    assert "S3cret" not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_full_redis_refuses_loudly_and_writes_nothing(make_server):
    server = make_server(settings={"maxmemory": "3mb", "maxmemory-policy": "noeviction"})
    app = make_app(server.url)

    @app.task
    def work(text: str) -> None: ...

    def fill() -> None:
        for _ in range(100):
            work.enqueue("x" * 100_000)

    with pytest.raises(StoreFull):
        fill()
    with server.client() as client:
        length = client.llen("task_queue")
        with pytest.raises(StoreFull):
            work.enqueue("y" * 100_000)
        assert client.llen("task_queue") == length
    app.close()


def test_the_prefix_is_in_front_of_every_key(store_url, raw):
    app = make_app(store_url, prefix="team:")

    @app.task(queue="mail")
    def work() -> None: ...

    work.enqueue()
    work.using(run_after=60).enqueue()

    keys = {key.decode() for key in raw.keys("*")}  # the database is the test's own
    assert {"team:mail", "team:taskconsole:queues", "{team:mail}:delayed"} <= keys
    assert all(key.startswith(("team:", "{team:")) for key in keys)


def test_a_context_without_its_annotation_is_told_with_it(app):
    @app.task
    def work(context, shard: int) -> None: ...  # type: ignore[no-untyped-def]

    with pytest.raises(TypeError, match=r"argument: 'context'; for the worker to fill it in write context: Context$"):
        work.enqueue(shard=1)
    with pytest.raises(TypeError, match=r"argument: 'shard'$"):
        work.enqueue("context")


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        (lambda app, work: app.enqueue_many(work.call("a")), r"enqueue_many\(\[task.call\(…\), …\]\)"),
        (lambda app, work: app.enqueue_many([work]), r"takes what task.call\(…\) gives, not a RegisteredTask"),
        (lambda app, work: app.enqueue_many([(work, "a")]), r"task.call\(…\) gives, not a tuple"),
        (lambda app, work: asyncio.run(app.aenqueue_many([work])), r"task.call\(…\) gives, not a RegisteredTask"),
    ],
)
def test_enqueue_many_says_what_it_takes(app, raw, mistake, said):
    @app.task
    def work(text: str) -> None: ...

    with pytest.raises(TypeError, match=said):
        mistake(app, work)
    assert raw.llen("task_queue") == 0


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        (lambda app: app.task(lambda: None).using(run_after="5m"), r"run_after='5m': write timedelta\(minutes=5\)"),
        (lambda app: app.task(lambda: None).using(run_after=dt.datetime(2027, 1, 1)), r"datetime.now\(UTC\)"),  # noqa: DTZ001
        (lambda app: app.task(lambda: None).using(priority="high"), "priority='high': a whole number"),
        (lambda app: app.task(lambda: None).using(queue_name=5), "a queue name is a text, not 5"),
        (lambda app: app.task(retries="3")(lambda: None), "whole numbers, such as retries=5"),
        (lambda app: app.task(timeout="30")(lambda: None), "timeout='30': seconds, such as timeout=30"),
        (lambda app: app.task(queue=5), "a queue name is a text, not 5"),
        (lambda app: App(5), "a text is needed, not int, such as redis://localhost:6379/0"),
    ],
)
def test_an_option_of_a_wrong_type_is_told_with_what_to_write(app, mistake, said):
    with pytest.raises(ConfigError, match=said):
        mistake(app)
