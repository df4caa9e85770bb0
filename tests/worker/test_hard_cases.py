"""What an adversarial review of the runtime broke: one test for each, so that it stays mended."""

from __future__ import annotations

import asyncio
import contextvars
import json
import math
import os
import signal
import time
from decimal import Decimal
from pathlib import Path

import pytest

from taskconsole import App, Backoff, ConfigError, Retry
from taskconsole.config import Settings
from taskconsole.errors import StoreUnavailable
from taskconsole.store.call import Call, command
from taskconsole.store.events import subscribe
from taskconsole.store.wire import AsyncWire
from taskconsole.worker.heartbeat import Heartbeat
from taskconsole.worker.options import WorkerOptions
from taskconsole.worker.promoter import Promoter
from taskconsole.worker.reclaimer import Reclaimer
from taskconsole.worker.runtime import Worker
from tests.servers import eventually, wait_until
from tests.worker.rig import envelope

VARIABLE: contextvars.ContextVar[int] = contextvars.ContextVar("variable")


def dead(raw, queue: str = "task_queue") -> list[str]:
    """Reasons in the dead set."""
    return [json.loads(member)["died"]["reason"] for member in raw.zrange(f"{{{queue}}}:dead", 0, -1)]


@pytest.mark.parametrize("concurrency", [1, 3])
async def test_handlers_that_change_their_context_do_not_stop_the_worker(make_rig, concurrency):
    rig = make_rig(concurrency=concurrency)
    ran = []

    @rig.app.task
    async def price(n):
        await asyncio.sleep(0.001)
        VARIABLE.set(n)
        ran.append(Decimal("1.10") * n)

    rig.raw.lpush("task_queue", *[envelope("price", args=[n]) for n in range(30)])
    async with rig.working():
        await eventually(lambda: len(ran) == 30)
        await eventually(lambda: rig.lane.unsettled == 0)
    assert rig.raw.llen("{task_queue}:processing:w") == 0


async def test_a_handler_that_ends_well_after_its_timeout_does_not_stop_the_worker(make_rig):
    rig = make_rig(concurrency=1)
    ran = []

    @rig.app.task(timeout=0.05)
    async def stubborn(n):
        try:
            await asyncio.sleep(5)
        except asyncio.CancelledError:
            ran.append(n)

    rig.raw.lpush("task_queue", *[envelope("stubborn", args=[n]) for n in range(3)])
    async with rig.working():
        await eventually(lambda: len(ran) == 3)


class Quiet(Retry):
    def __init__(self) -> None:  # a subclass that does not call ours
        pass


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise SystemExit(3)


class Delegating(Exception):
    def __getattr__(self, name: str) -> object:
        return {}[name]


@pytest.mark.parametrize(
    "error",
    [ValueError("caf\udce9"), Quiet(), Unspeakable(), Delegating(), OSError(2, "no", os.fsdecode(b"/x\xff"))],
    ids=lambda error: type(error).__name__,
)
async def test_whatever_an_error_says_its_task_is_settled(rig, error):
    @rig.app.task(retries=0)
    async def bad():
        raise error

    await rig.register()
    rig.raw.rpush("{task_queue}:processing:w", envelope("bad"))
    await rig.run_all(envelope("bad"))
    await rig.lane.flush()
    assert 1 == len(dead(rig.raw))
    assert rig.raw.llen("{task_queue}:processing:w") == 0


async def test_a_back_off_that_gives_no_number_costs_no_task(rig):
    @rig.app.task(backoff=Backoff(cap=math.nan, jitter=False))
    async def bad():
        raise ValueError("no")

    await rig.register()
    rig.raw.rpush("{task_queue}:processing:w", envelope("bad"))
    await rig.run_all(envelope("bad"))
    await rig.lane.flush()
    assert ["its error could not be judged: TypeError: back-off of nan seconds"] == dead(rig.raw)
    assert rig.raw.llen("{task_queue}:processing:w") == 0


async def test_a_count_of_deaths_that_cannot_be_written_does_not_end_the_reclaimer(rig):
    await rig.register()
    rig.raw.rpush("{task_queue}:processing:gone", b'{"task":"x","redelivered":' + b"9" * 4300 + b"}")
    rig.raw.zadd("{task_queue}:workers", {"gone": 1})
    reclaimer = Reclaimer(
        rig.lanes,
        rig.registry,
        options=rig.options,
        store=rig.store,
        workers=rig.workers,
        wire=rig.wire,
        clock=rig.clock,
    )
    assert 1 == await reclaimer.run_once()
    assert ["its worker died 1000001 times"] == dead(rig.raw)


@pytest.mark.parametrize("damaged", [b":5\r\n", b"*3\r\n$7\r\nmessage\r\n:1\r\n:2\r\n", b"*1\r\n$7\r\nmessage\r\n"])
async def test_a_damaged_wake_up_is_followed_by_another_connection(damaged):
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.readuntil(b"taskconsole\r\n")
        writer.write(b"+OK\r\n")
        await reader.readuntil(b"wake\r\n")
        writer.write(damaged if connections == 1 else b"*3\r\n$7\r\nmessage\r\n$4\r\nwake\r\n$4\r\nnext\r\n")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        messages = subscribe(Settings(url=f"redis://127.0.0.1:{port}"), ["wake"])
        assert ("wake", "next") == await asyncio.wait_for(anext(messages), 10)
        await messages.aclose()


@pytest.mark.parametrize("at", [-1e308, 1e308, 0])
async def test_an_absurd_time_of_enqueueing_only_spoils_a_statistic(rig, at):
    @rig.app.task
    async def fine():
        pass

    await rig.register()
    await rig.run_all(envelope("fine", enqueued_at=at))
    assert 1 == len(rig.lane.acks)


async def test_stop_iteration_from_a_plain_function_is_an_error_like_any_other(rig):
    @rig.app.task(retries=0, timeout=5)
    def stop():
        next(iter(()))

    await rig.register()
    await rig.run_all(envelope("stop"))
    assert [("bury", "RuntimeError: the handler raised StopIteration(None)")] == rig.outcomes()


async def test_an_async_function_behind_a_plain_decorator_runs(rig):
    ran = []

    async def inner(n):
        await asyncio.sleep(0)
        ran.append(n)

    @rig.app.task
    def outer(n):
        return inner(n)

    await rig.register()
    await rig.run_all(envelope("outer", args=[7]))
    assert [7] == ran


def test_a_generator_is_refused_where_it_is_registered():
    app = App("redis://localhost")

    def generator():
        yield

    async def asynchronous():
        yield

    for function in (generator, asynchronous):
        with pytest.raises(ConfigError, match="generator"):
            app.task(function)


async def test_a_queue_that_cannot_be_keeps_no_other_task_of_the_public_set_waiting(rig):
    rig.raw.set("session", "not a list")
    rig.raw.zadd("delayed_tasks", {'{"task":"x","queue":"session"}': 1, "good": 2})
    promoter = Promoter(["task_queue"], store=rig.store, wire=rig.wire, clock=rig.clock)
    assert 2 == await promoter.run_once()
    assert [b'{"task":"x","queue":"session"}', b"good"] == sorted(rig.raw.lrange("task_queue", 0, -1), reverse=True)
    assert rig.raw.zcard("delayed_tasks") == 0


async def test_a_command_that_is_not_text_does_not_end_the_heartbeat(rig):
    await rig.register()
    heard = []
    heartbeat = Heartbeat(
        rig.lanes,
        rig.pool,
        settings=rig.settings,
        options=rig.options,
        workers=rig.workers,
        clock=rig.clock,
        loop=asyncio.get_running_loop(),
        on_command=heard.append,
        on_abort=lambda lane, abort: None,
        on_lost=heard.append,
    )
    rig.raw.hset("{task_queue}:worker:w", "command", b"\xff\xfe")
    assert await asyncio.to_thread(heartbeat.beat)
    await eventually(lambda: heard == ["\ufffd\ufffd"])
    heartbeat.stop()


async def test_a_reply_of_another_shape_is_no_answer(store_url):
    wire = AsyncWire(Settings(url=store_url))
    with pytest.raises(StoreUnavailable, match="unreadable"):
        await wire.run(command("PING", parse=int))
    strange: Call[int] = command("PING", parse=lambda r: r["x"])
    assert [StoreUnavailable] == [type(answer) for answer in await wire.run_all([strange])]
    await wire.close()


async def test_a_call_that_cannot_be_sent_ends_in_time():
    done = asyncio.Event()

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for end in (
            b"taskconsole\r\n",
            b"PING\r\n",
        ):  # the name of the connection, and the first call; from then on it reads nothing
            await reader.readuntil(end)
            writer.write(b"+OK\r\n")
        await done.wait()
        writer.transport.abort()

    async with await asyncio.start_server(deaf, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        wire = AsyncWire(Settings(url=f"redis://127.0.0.1:{port}"), timeout=0.5)
        await wire.run(command("PING", parse=bytes))
        began = time.monotonic()
        with pytest.raises(StoreUnavailable):
            await wire.run(command("SET", "x", b"x" * 50_000_000, parse=bytes))
        assert time.monotonic() - began < 5
        done.set()
        await wire.close()


async def test_cancelling_a_worker_or_a_flaw_in_a_service_ends_it(store_url, raw, monkeypatch):
    def make() -> Worker:
        return Worker(App(store_url).registry, settings=Settings(url=store_url), options=WorkerOptions(lease=3.0))

    running = asyncio.create_task(make().run())
    await eventually(lambda: raw.zcard("{task_queue}:workers"))
    running.cancel()
    done, _ = await asyncio.wait([running], timeout=5)
    assert done, "a cancelled worker goes on for ever"

    async def broken(_self) -> None:
        raise ValueError("flaw")

    monkeypatch.setattr("taskconsole.worker.recorder.Recorder.run", broken)
    with pytest.raises(Exception, match="flaw"):
        await asyncio.wait_for(make().run(), 5)


async def test_results_that_were_being_told_when_a_step_was_cancelled_are_told_once(make_rig, proxy, raw):
    rig = make_rig(url=proxy.url)
    await rig.register()
    raw.rpush("{task_queue}:processing:w", b"same", b"same", b"same")
    await rig.lane.step(0)  # from now on Redis knows the script: one call is one command
    rig.lane.acks.append(b"same")
    proxy.down.blackhole = True  # Redis carries the step out, we do not hear of it
    step = asyncio.create_task(rig.lane.step(0))
    await eventually(lambda: raw.llen("{task_queue}:processing:w") == 2)
    step.cancel()
    await asyncio.wait([step])
    proxy.heal()
    proxy.reset_all()
    await rig.lane.flush()
    assert 2 == raw.llen("{task_queue}:processing:w"), "an ack was repeated, and took another task with it"


async def test_an_earlier_empty_queue_does_not_make_the_next_one_slow(make_rig):
    rig = make_rig("empty", "full", concurrency=100)
    count = 0

    @rig.app.task
    async def tick():
        nonlocal count
        count += 1

    rig.raw.lpush("full", *[envelope("tick", id=str(n)) for n in range(3000)])
    rig.raw.config_resetstat()
    async with rig.working():
        await eventually(lambda: count == 3000)
    calls = rig.raw.info("commandstats")["cmdstat_evalsha"]["calls"]
    assert calls < 600, f"{calls} calls for 3,000 tasks"


async def test_what_is_given_back_leaves_nothing_in_memory(rig):
    await rig.register()
    payloads = [envelope("x", id=str(n)) for n in range(50)]
    rig.raw.rpush("{task_queue}:processing:w", *payloads)
    await rig.lane.give_back(payloads[::-1])
    assert 50 == rig.raw.llen("task_queue")
    assert not rig.lane._returning


async def test_an_idle_worker_of_a_full_redis_does_not_spin(make_server, make_rig):
    server = make_server(settings={"maxmemory": "3mb", "maxmemory-policy": "noeviction"})
    with server.client() as client:
        rig = make_rig(url=server.url)
        async with rig.working():
            client.config_set("maxmemory", "1")
            before = client.info("stats")["total_commands_processed"]
            await asyncio.sleep(1.5)  # the figure is a rate: there is nothing to wait for
            spent = client.info("stats")["total_commands_processed"] - before
        client.config_set("maxmemory", "0")
    assert spent < 300


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_handler_that_swallows_cancellation_does_not_keep_the_process(start_worker, raw, loop):
    worker = start_worker(app="tests.worker.hard_app:app", arguments=("--grace", "0.5", "--loop", loop, "--lease", "3"))
    raw.lpush("task_queue", "immortal")
    wait_until(lambda: raw.get("immortal"))
    worker.signal(signal.SIGTERM)
    assert 0 == worker.wait(30)
    assert 1 == raw.llen("task_queue"), "the task went back"


def test_a_process_handler_does_not_outlive_a_worker_that_is_killed(start_worker, raw):
    worker = start_worker(app="tests.worker.hard_app:app")
    raw.lpush("task_queue", json.dumps({"task": "linger"}))
    child = int(wait_until(lambda: raw.get("child")))
    worker.kill()
    wait_until(lambda: not is_alive(child), what="the end of the handler's process")


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_terminal_that_goes_away_and_says_so_twice_cuts_nothing_off(start_worker, raw):
    worker = start_worker(app="tests.worker.hard_app:app", arguments=("--grace", "8"))
    raw.lpush("task_queue", json.dumps({"task": "measure", "args": ["abc"]}))
    child = int(wait_until(lambda: raw.get("child")))
    worker.signal(signal.SIGHUP)
    os.kill(child, signal.SIGHUP)
    wait_until(lambda: "stopping" in worker.output())
    worker.signal(signal.SIGHUP)
    assert 0 == worker.wait(15)
    assert b"3" == raw.get("measured")
    assert [] == dead(raw)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_process_handler_takes_large_arguments_and_survives_the_groups_sigterm(start_worker, raw, loop):
    worker = start_worker(app="tests.worker.hard_app:app", arguments=("--grace", "8", "--loop", loop, "--lease", "3"))
    raw.lpush("task_queue", json.dumps({"task": "measure", "args": ["x" * 700_000]}))
    child = int(wait_until(lambda: raw.get("child")))
    os.kill(child, signal.SIGTERM)
    worker.signal(signal.SIGTERM)
    assert 0 == worker.wait(15)
    assert b"700000" == raw.get("measured")
    assert [] == dead(raw)
