"""Schedules that code declares: registered once, kept up with, and never against what operators have done."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from taskconsole import App, ScheduleError
from taskconsole.backends.native import NativeBackend
from taskconsole.config import Settings
from taskconsole.model.schedule import Every
from taskconsole.model.schedule_info import ScheduleState
from taskconsole.store.keys import Namespace
from taskconsole.store.reading import ReadingStore
from taskconsole.store.schedules import ScheduleStore
from taskconsole.store.wire import AsyncWire
from taskconsole.worker import registrar as registrar_module
from taskconsole.worker.definitions import Definitions
from taskconsole.worker.registrar import Registrar
from taskconsole.worker.server_clock import ServerClock
from taskconsole.worker.sweeper import Sweeper
from taskconsole.worker.whereabouts import Whereabouts
from tests.servers import eventually
from tests.worker.rig import QUEUE

SLACK = 5.0
"""Seconds for ten thousand schedules, of this process and Redis together: others run on this machine, too."""


class Code:
    """One release of an app, and the registrar of one of its workers."""

    def __init__(self, url, **declared):
        self.app = App(url)

        @self.app.task(name="t")
        def task(*args, **kwargs) -> None: ...

        for name, options in declared.items():
            kind = self.app.cron if isinstance(options.get("when"), str) else self.app.every
            kind(options.pop("when", 3600), name=name, **options)(task)
        self.names = Namespace()
        self.store, self.wire = ScheduleStore(self.names), AsyncWire(Settings(url=url, timeout=5.0))
        self.clock = ServerClock()
        self.registrar = Registrar(
            list(self.app.registry.schedules.values()), store=self.store, wire=self.wire, clock=self.clock
        )

    async def register(self):
        return await self.registrar.run_once(QUEUE)

    def sweeper(self):
        common = {"store": self.store, "wire": self.wire, "clock": self.clock}
        whereabouts = Whereabouts(reading=ReadingStore(self.names), **common)
        return Sweeper(definitions=Definitions(), whereabouts=whereabouts, **common)

    async def close(self):
        await self.wire.close()
        await self.app.aclose()


@pytest.fixture
async def make_code(store_url):
    made = []

    def make(**declared):
        made.append(Code(store_url, **declared))
        return made[-1]

    yield make
    for code in made:
        await code.close()


@pytest.fixture
def schedules(store_url):
    """What an operator has at hand."""
    app = App(store_url)
    yield app.schedules
    app.close()


keys = Namespace().of(QUEUE)


def definition(raw, name="a"):
    return json.loads(raw.hget(keys.schedules, name))


def position(raw, name="a"):
    return json.loads(raw.hget(keys.positions, name))


def texts(raw):
    """The events in the log, oldest first."""
    events = [json.loads(fields[b"e"]) for _, fields in raw.xrange(keys.log)]
    return [(event["event"], event["tasks"][0]["text"]) for event in events if event.get("tasks")]


async def test_a_new_schedule_is_written_with_its_place_and_its_time(make_code, raw):
    code = make_code(a={"args": [1]}, b={"when": "15 3 * * *", "tz": "Europe/Berlin"})
    assert await code.register() == 2
    assert definition(raw)["every"] == "1h"
    assert definition(raw)["owner"] == "code"
    assert definition(raw, "b")["tz"] == "Europe/Berlin"
    now = code.clock.now()
    for name in ("a", "b"):
        due = raw.zscore(keys.next, name)
        assert now < due <= now + 25 * 3600
        assert position(raw, name)["instant"] == due
    assert raw.hget(keys.code, "a") == raw.hget(keys.schedules, "a")
    assert [kind for kind, _ in texts(raw)].count("schedule added") == 2


async def test_an_unchanged_schedule_is_not_written_again(make_code, raw):
    await make_code(a={}).register()
    before = [raw.hgetall(keys.schedules), raw.hgetall(keys.positions), raw.zrange(keys.next, 0, -1, withscores=True)]
    assert await make_code(a={}).register() == 0
    assert before == [
        raw.hgetall(keys.schedules),
        raw.hgetall(keys.positions),
        raw.zrange(keys.next, 0, -1, withscores=True),
    ]
    assert len(texts(raw)) == 1


async def test_other_arguments_leave_the_time_alone_also_one_set_by_hand(make_code, raw):
    await make_code(a={"args": [1]}).register()
    before = position(raw)
    raw.zadd(keys.next, {"a": 17.0})
    assert await make_code(a={"args": [2]}).register() == 1
    assert definition(raw)["args"] == [2]
    assert before == position(raw)
    assert raw.zscore(keys.next, "a") == 17.0
    assert texts(raw)[-1] == ("schedule edited", "schedule a, by the app's code")


async def test_another_interval_gives_another_time_and_what_has_fired_stays_fired(make_code, raw):
    code = make_code(a={})
    await code.register()
    last = round(code.clock.now()) + 1800.0
    raw.hset(keys.positions, "a", json.dumps(position(raw) | {"last": last, "fires": 7}))
    assert await make_code(a={"when": 60}).register() == 1
    assert last < raw.zscore(keys.next, "a") <= last + 60
    assert (position(raw)["last"], position(raw)["fires"]) == (last, 7)


@pytest.mark.parametrize("change", [{"jitter": 0.01}, {"when": 60}], ids=["the jitter", "the interval"])
async def test_what_is_fired_all_the_time_follows_the_code_over_a_slow_link(
    make_code, raw, monkeypatch, caplog, change
):
    await make_code(a={"when": 0.1}).register()
    code = make_code(a={"when": 0.1} | change)
    ask = code.wire.run_all

    async def and_then_it_fires(calls):
        answers = await ask(calls)
        at = position(raw)
        fired = {"trigger": at["trigger"], "instant": round(at["instant"] + 0.1, 6), "last": at["instant"]}
        fires = {"fires": at.get("fires", 0) + 1}
        raw.hset(keys.positions, "a", json.dumps(fired | fires, separators=(",", ":")))
        return answers

    monkeypatch.setattr(code.wire, "run_all", and_then_it_fires)
    assert await code.register() == 1
    assert definition(raw).get("jitter") == change.get("jitter")
    assert definition(raw)["every"] == ("1m" if "when" in change else 0.1)
    assert position(raw)["fires"] >= 2
    assert "change faster" not in caplog.text


async def test_what_an_operator_edited_stays_and_the_rest_follows_the_code(make_code, raw, schedules):
    await make_code(a={"args": [1], "jitter": 5}).register()
    await asyncio.to_thread(schedules.edit, "a", args=[9])
    assert await make_code(a={"args": [2], "jitter": 7}).register() == 1
    assert (definition(raw)["args"], definition(raw)["jitter"]) == ([9], 7.0)
    # And so on: what was edited stays theirs in the release after that.
    assert await make_code(a={"args": [3], "jitter": 8}).register() == 1
    assert (definition(raw)["args"], definition(raw)["jitter"]) == ([9], 8.0)
    assert schedules.get("a").changed


async def test_when_it_fires_is_the_operators_once_they_have_changed_it(make_code, raw, schedules):
    await make_code(a={"when": "0 3 * * *"}).register()
    await asyncio.to_thread(schedules.edit, "a", cron="5 5 * * *")
    due = raw.zscore(keys.next, "a")
    await make_code(a={"when": "0 4 * * *", "tz": "Asia/Tokyo", "args": [1]}).register()
    assert (definition(raw)["cron"], definition(raw)["tz"], definition(raw)["args"]) == ("5 5 * * *", "UTC", [1])
    assert due == raw.zscore(keys.next, "a")


async def test_a_pause_stays_and_the_code_arrives_under_it(make_code, raw, schedules):
    await make_code(a={}).register()
    await asyncio.to_thread(schedules.pause, "a", "audit")
    assert await make_code(a={}).register() == 0
    assert await make_code(a={"when": 60, "args": [1]}).register() == 1
    assert definition(raw)["paused"]["reason"] == "audit"
    assert (definition(raw)["every"], definition(raw)["args"]) == ("1m", [1])
    assert raw.zscore(keys.next, "a") is None


async def test_what_an_operator_removed_does_not_come_back_until_they_restore_it(make_code, raw, schedules):
    await make_code(a={}, b={}).register()
    await asyncio.to_thread(schedules.remove, "a")
    assert await make_code(a={}, b={}).register() == 0
    assert await make_code(a={"args": [1]}, b={"args": [1]}).register() == 1
    assert raw.hkeys(keys.schedules) == [b"b"]
    assert await asyncio.to_thread(schedules.restore, "a")
    assert await make_code(a={"args": [1]}).register() == 1
    assert definition(raw)["args"] == [1]


async def test_a_definition_that_an_operator_broke_is_left_to_them(make_code, raw):
    await make_code(a={}, b={}).register()
    raw.hset(keys.schedules, "a", "{broken")
    assert await make_code(a={"args": [1]}, b={"args": [1]}).register() == 1
    assert raw.hget(keys.schedules, "a") == b"{broken"
    raw.hset(keys.schedules, "a", raw.hget(keys.code, "a"))
    assert await make_code(a={"args": [1]}).register() == 1
    assert definition(raw)["args"] == [1]


async def test_a_definition_that_has_been_mended_follows_the_code_again(make_code, raw, monkeypatch):
    monkeypatch.setattr(registrar_module, "CONFIRM", 0.05)
    await make_code(a={"args": [1]}).register()
    sound = raw.hget(keys.schedules, "a")
    raw.hset(keys.schedules, "a", b"{")
    newer = make_code(a={"args": [2]}, b={})
    running = asyncio.create_task(newer.registrar.run())
    await eventually(lambda: raw.hexists(keys.schedules, "b"))
    assert raw.hget(keys.schedules, "a") == b"{"
    raw.hset(keys.schedules, "a", sound)
    await eventually(lambda: definition(raw)["args"] == [2])
    running.cancel()
    await asyncio.wait([running])


async def test_an_operators_schedule_of_that_name_is_left_alone(make_code, raw, schedules):
    await asyncio.to_thread(schedules.add, "a", Every(60), "mine", queue_name=QUEUE)
    before = raw.hgetall(keys.schedules)
    code = make_code(a={}, b={})
    assert await code.register() == 1
    assert before[b"a"] == raw.hget(keys.schedules, "a")
    assert raw.hget(keys.code, "a") is None
    assert await code.register() == 0


async def test_registrars_at_once_write_each_schedule_once(make_code, raw):
    crowd = [make_code(**{f"s{n}": {} for n in range(120)}) for _ in range(4)]
    written = await asyncio.gather(*(code.register() for code in crowd))
    assert sum(written) == 120
    assert raw.hlen(keys.schedules) == raw.zcard(keys.next) == raw.hlen(keys.positions) == 120
    assert len(texts(raw)) == 120


async def test_two_releases_at_once_come_to_an_end(make_code, raw):
    old, new = make_code(a={"args": [1]}, b={}), make_code(a={"args": [2]}, c={})
    await asyncio.gather(old.register(), new.register())
    assert raw.hlen(keys.schedules) == 3
    assert definition(raw)["args"] in ([1], [2])
    # The one that is deployed last has the word.
    await new.register()
    assert definition(raw)["args"] == [2]
    infos = {info.name: info for info in NativeBackend(old.app.settings).schedules(QUEUE)}
    assert not any(info.orphan for info in infos.values())


async def test_after_redis_has_lost_everything_it_is_registered_again(make_code, raw, monkeypatch):
    monkeypatch.setattr(registrar_module, "CONFIRM", 0.02)
    code = make_code(a={}, b={})
    task = asyncio.create_task(code.registrar.run())
    try:
        await eventually(lambda: raw.hlen(keys.schedules) == 2)
        await eventually(lambda: raw.zcard(keys.manifests) == 1)
        raw.flushdb()
        await eventually(lambda: raw.hlen(keys.schedules) == raw.zcard(keys.next) == 2)
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_a_registrar_waits_for_a_redis_that_refuses(make_code, raw, monkeypatch):
    monkeypatch.setattr(registrar_module.asyncio, "sleep", _shortened(asyncio.sleep))
    raw.set(keys.schedules, "of another type")
    code = make_code(a={})
    task = asyncio.create_task(code.registrar.run())
    try:
        await eventually(lambda: raw.info("stats")["total_error_replies"] > 2)
        assert not task.done()
        raw.delete(keys.schedules)
        await eventually(lambda: raw.hlen(keys.schedules) == 1)
    finally:
        task.cancel()
        await asyncio.wait([task])


def _shortened(sleep):
    return lambda seconds: sleep(min(seconds, 0.01))


async def test_a_queue_that_refuses_keeps_no_other_from_being_registered(store_url, raw, monkeypatch):
    monkeypatch.setattr(registrar_module, "AGAIN", 0.05)
    app, keys_of = App(store_url), Namespace().of
    for queue in ("a", "b"):
        app.every(3600, name=f"of {queue}")(app.task(name=queue, queue=queue)(lambda: None))
    raw.set(keys_of("a").schedules, "no hash")
    wire = AsyncWire(Settings(url=store_url))
    registrar = Registrar(
        list(app.registry.schedules.values()), store=ScheduleStore(Namespace()), wire=wire, clock=ServerClock()
    )
    running = asyncio.create_task(registrar.run())
    await eventually(lambda: raw.hexists(keys_of("b").schedules, "of b"))
    raw.delete(keys_of("a").schedules)
    await eventually(lambda: raw.hexists(keys_of("a").schedules, "of a"))
    running.cancel()
    await asyncio.wait([running])
    await wire.close()
    await app.aclose()


async def test_an_app_without_schedules_does_nothing(make_code, raw):
    code = make_code()
    assert await code.register() == 0
    assert raw.dbsize() == 0


async def test_a_schedule_of_no_living_app_is_an_orphan_and_stays(make_code, raw, schedules):
    await make_code(a={}, b={}).register()
    both = {info.name: info for info in schedules.list(queue_name=QUEUE)}
    assert [both[name].orphan for name in "ab"] == [False, False]
    # The next release knows only one of them; the manifest of the old one runs out.
    newer = make_code(b={}, c={})
    await newer.register()
    for digest in raw.zrange(keys.manifests, 0, -1):
        if not raw.sismember(keys.manifest(digest.decode()), "c"):
            raw.zadd(keys.manifests, {digest: 1.0})
    found = {info.name: info for info in schedules.list(queue_name=QUEUE)}
    assert {"a": True, "b": False, "c": False} == {name: info.orphan for name, info in found.items()}
    now = newer.clock.now()
    assert (found["a"].state(now), found["b"].state(now)) == (ScheduleState.ORPHAN, ScheduleState.ON)
    # It is fired all the same, and nobody takes it away.
    await newer.sweeper().run_once(QUEUE)
    await newer.register()
    assert raw.hexists(keys.schedules, "a")
    assert raw.zscore(keys.next, "a") > now


async def test_a_manifest_that_was_half_told_is_told_to_its_end(make_code, raw, schedules):
    code = make_code(a={}, b={}, c={})
    await code.register()
    (digest,) = raw.zrange(keys.manifests, 0, -1)
    raw.srem(keys.manifest(digest.decode()), "b", "c")
    assert [info.orphan for info in schedules.list(queue_name=QUEUE)].count(True) == 2
    await make_code(a={}, b={}, c={}).register()
    assert not any(info.orphan for info in schedules.list(queue_name=QUEUE))


async def test_what_redis_loses_between_writing_and_telling_is_written_again(make_code, raw):
    code = make_code(a={}, b={})

    class Lossy(ScheduleStore):
        def manifest(self, queue, digest, names=()):
            if not raw.exists("lost"):
                raw.flushall()
                raw.set("lost", "everything", ex=60)
            return super().manifest(queue, digest, names)

    declared = list(code.app.registry.schedules.values())
    registrar = Registrar(declared, store=Lossy(code.names), wire=code.wire, clock=code.clock)
    await registrar.run_once(QUEUE)
    # Everybody who confirms finds them told from now on, and would never write them.
    assert set(raw.hkeys(keys.schedules)) == {b"a", b"b"}
    assert raw.zcard(keys.next) == raw.zcard(keys.manifests) + 1 == 2


async def test_an_operators_schedule_is_no_orphan(make_code, schedules):
    await make_code(a={}).register()
    await asyncio.to_thread(schedules.add, "mine", Every(60), "t", queue_name=QUEUE)
    assert not schedules.get("mine").orphan


def processor_time(raw):
    """Seconds that this process and Redis have used."""
    used = raw.info("cpu")
    return time.process_time() + used["used_cpu_user"] + used["used_cpu_sys"]


@pytest.mark.timeout(300)  # seconds of a quiet machine are minutes of a busy one
async def test_ten_thousand_schedules_are_registered_in_seconds_and_then_for_nothing(make_code, raw):
    kinds = [{"when": 60}, {"when": "*/5 * * * *"}, {"when": "15 3 * * *", "tz": "Europe/Berlin"}, {"when": "@daily"}]
    code = make_code(**{f"s{n}": dict(kinds[n % len(kinds)]) for n in range(10_000)})
    begun, used = time.monotonic(), processor_time(raw)
    assert await code.register() == 10_000
    first, first_used = time.monotonic() - begun, processor_time(raw) - used
    assert raw.zcard(keys.next) == raw.hlen(keys.positions) == 10_000
    begun, used = time.monotonic(), processor_time(raw)
    assert await code.register() == 0
    second, second_used = time.monotonic() - begun, processor_time(raw) - used
    print(
        f"10,000 schedules: registered in {first:.2f} s ({first_used:.2f} s of processor), "
        f"again in {second:.2f} s ({second_used:.2f} s)"
    )
    assert first_used <= SLACK
    assert second_used <= 1.0


async def test_the_loop_goes_on_while_many_are_registered(make_code):
    code = make_code(**{f"s{n}": {"when": "*/5 * * * *"} for n in range(2_000)})
    # In seconds of this thread's own work, as others run on this machine, too.
    longest, last, going = 0.0, time.thread_time(), True

    async def tick():
        nonlocal longest, last
        while going:
            await asyncio.sleep(0)
            longest, last = max(longest, time.thread_time() - last), time.thread_time()

    task = asyncio.create_task(tick())
    await code.register()
    going = False
    await task
    assert longest < 0.5


async def test_too_large_a_definition_after_a_merge_leaves_the_service_alive(make_code, raw):
    await make_code(a={"args": ["x" * 100]}).register()
    # An operator's field and the code's together are more than a definition may be.
    raw.hset(keys.schedules, "a", json.dumps(definition(raw) | {"note": "y" * 40_000}))
    assert await make_code(a={"args": ["x" * 40_000]}, b={}).register() == 1
    assert definition(raw)["args"] == ["x" * 100]


async def test_what_is_too_large_only_as_we_would_write_it_stays_as_it_is(make_code, raw):
    await make_code(a={}).register()
    # Our defaults, which the hand left out, are too much.
    by_hand = '{"every":"1h","task":"t","owner":"code","note":"%s"}'
    theirs = (by_hand % ("y" * (65_537 - len(by_hand)))).encode()
    raw.hset(keys.schedules, "a", theirs)
    assert await make_code(a={"args": [1]}, b={}).register() == 1
    assert raw.hget(keys.schedules, "a") == theirs


@pytest.mark.parametrize("number", [10**400, -(10**30)])
async def test_a_number_that_lua_cannot_hold_leaves_the_service_alive(make_code, raw, number):
    await make_code(a={}).register()
    raw.hset(keys.schedules, "a", json.dumps(definition(raw) | {"window": number, "jitter": number}))
    assert await make_code(a={"args": [1]}, b={}).register() == 1


async def test_a_position_that_cannot_be_read_is_computed_again(make_code, raw):
    await make_code(a={}).register()
    raw.hset(keys.positions, "a", '{"instant": 1e300, "time": 0}')
    assert await make_code(a={"args": [1]}).register() == 1
    assert position(raw)["instant"] == raw.zscore(keys.next, "a") < 1e11


async def test_code_that_no_definition_can_hold_is_refused_where_it_is_written(make_code):
    for args in (["\ud800"], ["x" * 70_000]):
        with pytest.raises(ScheduleError):
            make_code(a={"args": args})
