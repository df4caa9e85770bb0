"""Heartbeat, Promoter and Reclaimer."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from taskconsole.model.event import EventKind, encode_event
from taskconsole.store.keys import PUBLIC_DELAYED, TOMBSTONE
from taskconsole.store.wire import AsyncWire
from taskconsole.worker.heartbeat import Heartbeat
from taskconsole.worker.promoter import Promoter
from taskconsole.worker.reclaimer import Reclaimer
from taskconsole.worker.suspects import fingerprint
from taskconsole.worker.wakeups import Wakeups
from tests.servers import connect, eventually
from tests.worker.rig import QUEUE, envelope, running

EVENT = encode_event(EventKind.WORKER_UP, QUEUE, 0.0, [], 1)


# -- heartbeat


@pytest.fixture
async def make_heart(make_rig):
    made = []

    async def make(*queues, **options):
        rig = make_rig(*queues, **options)
        await rig.register()
        rig.commands, rig.lost = [], []
        heart = Heartbeat(
            rig.lanes,
            rig.pool,
            settings=rig.settings,
            options=rig.options,
            workers=rig.workers,
            clock=rig.clock,
            loop=asyncio.get_running_loop(),
            on_command=rig.commands.append,
            on_abort=lambda lane, abort: None,
            on_lost=rig.lost.append,
        )
        made.append(heart)
        return rig, heart

    yield make
    for heart in made:
        await asyncio.to_thread(heart.stop)


def lease_of(rig, lane=None):
    lane = lane or rig.lane
    return rig.raw.zscore(lane.keys.workers, lane.worker_id)


async def test_work_may_be_started_for_less_than_a_lease_after_it_was_renewed(make_heart):
    rig, heart = await make_heart()
    sent = time.monotonic()
    assert await asyncio.to_thread(heart.beat)
    assert sent < rig.pool.good_until < time.monotonic() + rig.options.lease


async def test_a_task_that_is_to_end_is_told_with_every_beat_and_heard_of_once(make_rig):
    rig = make_rig()
    await rig.register()
    heard = []
    heart = Heartbeat(
        rig.lanes,
        rig.pool,
        settings=rig.settings,
        options=rig.options,
        workers=rig.workers,
        clock=rig.clock,
        loop=asyncio.get_running_loop(),
        on_command=heard.append,
        on_abort=lambda lane, abort: heard.append((lane, abort.token)),
        on_lost=heard.append,
    )
    rig.raw.rpush(rig.lane.keys.processing("w"), b"a")
    assert 1 == await rig.wire.run(rig.workers.abort(QUEUE, "w", b"a", token="t", by="ada", event=EVENT))
    for _ in range(3):
        assert await asyncio.to_thread(heart.beat)
    await asyncio.sleep(0)
    assert [(rig.lane, "t")] == heard
    await asyncio.to_thread(heart.stop)


async def test_after_an_outage_the_others_get_a_lease_to_renew_theirs(make_rig, proxy):
    rig = make_rig(url=proxy.url, lease=1.0)
    reclaimer = Reclaimer(
        rig.lanes,
        rig.registry,
        options=rig.options,
        store=rig.store,
        workers=rig.workers,
        wire=rig.wire,
        clock=rig.clock,
    )
    await rig.register()
    rig.raw.zadd("{task_queue}:workers", {"late": 1})
    rig.raw.rpush("{task_queue}:processing:late", b"a")
    proxy.accept = False
    proxy.reset_all()
    await rig.wire.close()
    began = time.monotonic()
    running = asyncio.create_task(reclaimer.run())
    await eventually(lambda: reclaimer._patience, what="the outage is noticed")
    proxy.heal()
    await eventually(lambda: rig.pending() == [b'{"task":"a","bare":true,"redelivered":1}'])
    assert time.monotonic() - began >= 1.0
    running.cancel()
    await asyncio.wait([running])


async def test_a_lease_is_kept_while_a_handler_holds_the_loop_for_longer(make_heart):
    rig, heart = await make_heart(lease=0.6)
    heart.start()
    held = time.monotonic() + 1.5
    leases = []
    while time.monotonic() < held:
        time.sleep(0.05)  # noqa: ASYNC251 - this is what holding the loop means
        seconds, micro = rig.raw.time()
        leases.append(lease_of(rig) - (seconds * 1000 + micro / 1000))
    assert min(leases) > 0
    hash_ = rig.raw.hgetall(rig.lane.keys.worker(rig.lane.worker_id))
    assert float(hash_[b"blocked"]) >= 0


async def test_a_beat_renews_all_lanes_and_tells_what_runs(make_heart):
    rig, heart = await make_heart("one", "two")
    going_on = asyncio.Event()

    @rig.app.task
    async def work():
        await going_on.wait()

    rig.pool.feed(rig.lanes[1], [envelope("work", id="7")])
    await eventually(lambda: rig.pool.running == 1)
    for lane in rig.lanes:
        rig.raw.zadd(lane.keys.workers, {lane.worker_id: 1})
    assert await asyncio.to_thread(heart.beat)
    assert all(lease_of(rig, lane) > 1 for lane in rig.lanes)
    told = [rig.raw.hgetall(lane.keys.worker(lane.worker_id)) for lane in rig.lanes]
    assert [t[b"active"] for t in told] == [b"0", b"1"]
    assert json.loads(told[1][b"running"])[0][:2] == ["7", "work"]
    going_on.set()


@pytest.mark.parametrize("ahead", [-90.0, 0.0, 3.5])
async def test_a_beat_tells_how_far_the_clock_here_is_ahead_of_redis(make_heart, monkeypatch, ahead):
    rig, heart = await make_heart()
    real = time.time
    assert await asyncio.to_thread(heart.beat)
    monkeypatch.setattr("taskconsole.worker.server_clock.time.time", lambda: real() + ahead)
    heart.quiet = True
    assert await asyncio.to_thread(heart.beat)
    told = float(rig.raw.hget(rig.lane.keys.worker(rig.lane.worker_id), "skew"))
    assert abs(told - ahead) <= 0.3


async def test_commands_arrive_in_the_loop(make_heart):
    rig, heart = await make_heart()
    rig.raw.hset(rig.lane.keys.worker(rig.lane.worker_id), "command", "quiet")
    await asyncio.to_thread(heart.beat)
    await eventually(lambda: "quiet" in rig.commands)


async def test_a_lost_lease_is_told_for_its_lane_only(make_heart):
    rig, heart = await make_heart("one", "two")
    rig.fence(rig.lanes[1])
    assert await asyncio.to_thread(heart.beat) is False
    await eventually(lambda: rig.lost == [rig.lanes[1]])
    assert lease_of(rig, rig.lanes[0]) > 1
    assert lease_of(rig, rig.lanes[1]) is None


async def test_without_answers_nothing_is_started_after_the_lease(make_heart, proxy):
    rig, heart = await make_heart(url=proxy.url, lease=1.0)
    heart.start()
    await eventually(lambda: rig.pool.good_until > time.monotonic())
    proxy.down.blackhole = True
    await eventually(lambda: time.monotonic() >= rig.pool.good_until, timeout=5)
    assert rig.fetcher.appetite() == 0
    proxy.heal()
    proxy.reset_all()
    await eventually(lambda: rig.fetcher.appetite() > 0, timeout=5)


async def test_somebody_who_listens_is_noticed(make_heart, store_url):
    rig, heart = await make_heart()
    await asyncio.to_thread(heart.beat)
    assert rig.lane.sums.listening is False
    with connect(store_url).pubsub() as channel:
        channel.subscribe(rig.lane.keys.channel)
        channel.get_message(timeout=5)
        await asyncio.to_thread(heart.beat)
        assert rig.lane.sums.listening is True


async def test_hearts_start_and_stop_at_any_moment(make_heart):
    for _ in range(20):
        _, heart = await make_heart(lease=0.5)
        heart.start()
        heart.soon()
        await asyncio.to_thread(heart.stop)
        assert not heart._thread.is_alive()


# -- promoter


@pytest.fixture
async def make_promoter(make_rig):
    tasks, wires = [], []

    def make(*queues, start=True):
        rig = make_rig(*queues)
        wires.append(AsyncWire(rig.settings))
        promoter = Promoter(rig.options.queues.names, store=rig.store, wire=wires[-1], clock=rig.clock)
        wakeups = Wakeups(
            {channel: source.queue for channel, source in promoter.channels.items()},
            settings=rig.settings,
            on_listener=lambda: None,
            on_schedules=lambda _queue, _by_hand: None,
            on_due=promoter.hear,
        )
        if start:
            tasks.extend(asyncio.create_task(service.run()) for service in (promoter, wakeups))
        return rig, promoter

    yield make
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for wire in wires:
        await wire.close()


def server_now(rig):
    seconds, micro = rig.raw.time()
    return seconds + micro / 1e6


async def listening(rig, count=1):
    await eventually(lambda: rig.raw.pubsub_numsub(rig.lane.keys.wake)[0][1] == count)


async def test_a_task_is_moved_when_its_time_comes_and_not_before(make_promoter):
    rig, _ = make_promoter()
    await listening(rig)
    due = server_now(rig) + 0.3
    rig.raw.zadd(rig.lane.keys.delayed, {b"a": due})
    rig.raw.publish(rig.lane.keys.wake, f"{due:.6f}")
    await eventually(lambda: rig.pending() == [b"a"])
    assert due <= server_now(rig) <= due + 0.25


async def test_an_earlier_task_wakes_the_promoter_from_a_longer_sleep(make_promoter):
    rig, promoter = make_promoter()
    await listening(rig)
    now = server_now(rig)
    send = rig.store.delay(QUEUE, [(f"{now + 1000}", b"late")], client_id="c", seq=1)
    await rig.wire.run(send)
    await eventually(lambda: promoter._sources[0].look > time.monotonic() + 1)
    began = time.monotonic()
    await rig.wire.run(rig.store.delay(QUEUE, [("+0.2", b"soon")], client_id="c", seq=2))
    await eventually(lambda: rig.pending() == [b"soon"])
    assert 0.1 < time.monotonic() - began < 1.0


async def test_a_stranger_who_adds_to_the_public_set_tells_nobody_and_is_served(make_promoter):
    rig, _ = make_promoter()
    await listening(rig)
    rig.raw.zadd(PUBLIC_DELAYED, {b"task1": server_now(rig) - 5})
    began = time.monotonic()
    await eventually(lambda: rig.pending() == [b"task1"])
    assert time.monotonic() - began < 2.5


async def test_an_envelope_in_the_public_set_goes_to_the_queue_it_asks_for(make_promoter):
    rig, promoter = make_promoter(start=False)
    payloads = {
        envelope("t", id="1", queue="mail"): 1,
        envelope("t", id="2"): 2,
        envelope("t", id="3", queue="no{such}queue"): 3,
        b"bare": 4,
        b"\xff\xfe": 5,
        envelope("t", id="6", queue="mail"): server_now(rig) + 1000,
    }
    rig.raw.zadd(PUBLIC_DELAYED, payloads)
    assert await promoter.run_once() == 5
    assert rig.pending("mail") == [envelope("t", id="1", queue="mail")]
    assert rig.pending() == [
        envelope("t", id="2"),
        envelope("t", id="3", queue="no{such}queue"),
        b"bare",
        b"\xff\xfe",
    ]
    assert rig.raw.sismember("taskconsole:queues", "mail")


async def test_promoters_of_all_workers_move_a_task_once(make_promoter):
    promoters = [make_promoter() for _ in range(4)]
    rig = promoters[0][0]
    await listening(rig, 4)
    due = server_now(rig) + 0.2
    rig.raw.zadd(rig.lane.keys.delayed, {b"%d" % i: due for i in range(1200)})
    rig.raw.publish(rig.lane.keys.wake, f"{due:.6f}")
    await eventually(lambda: rig.raw.zcard(rig.lane.keys.delayed) == 0)
    assert sorted(rig.pending()) == sorted(b"%d" % i for i in range(1200))


async def test_a_broken_queue_does_not_keep_the_others_from_being_served(make_promoter):
    rig, _ = make_promoter("broken", "sound")
    rig.raw.set("{broken}:delayed", "text")
    rig.raw.zadd("{sound}:delayed", {b"a": 1})
    await eventually(lambda: rig.pending("sound") == [b"a"])


async def test_promoters_start_and_stop_at_any_moment(make_promoter):
    rig, _ = make_promoter(start=False)
    rig.raw.zadd(rig.lane.keys.delayed, {b"%d" % i: 1 for i in range(3000)})
    for i in range(20):
        _, promoter = make_promoter(start=False)
        task = asyncio.create_task(promoter.run())
        await asyncio.sleep(0.002 * (i % 5))
        task.cancel()
        await asyncio.wait([task])
    left = rig.raw.zcard(rig.lane.keys.delayed)
    assert len(set(rig.pending())) == len(rig.pending()) == 3000 - left


# -- reclaimer


@pytest.fixture
async def reclaimer(rig):
    made = Reclaimer(
        rig.lanes,
        rig.registry,
        options=rig.options,
        store=rig.store,
        workers=rig.workers,
        wire=rig.wire,
        clock=rig.clock,
    )
    made.rig = rig
    return made


def dead_worker(rig, wid, *held, suspects=None):
    keys = rig.lane.keys
    rig.raw.zadd(keys.workers, {wid: 1})
    rig.raw.hset(keys.worker(wid), "started", "1")
    if suspects is not None:
        rig.raw.hset(keys.worker(wid), "suspects", ",".join(map(fingerprint, suspects)))
    if held:
        rig.raw.rpush(keys.processing(wid), *held)


def dead(rig):
    return [json.loads(member) for member in rig.raw.zrange(rig.lane.keys.dead, 0, -1)]


async def test_a_dead_workers_tasks_run_again_in_their_order_and_know_it(rig, reclaimer):
    rig.raw.lpush(QUEUE, b"z")
    dead_worker(rig, "gone", envelope("t", id="1", args=[5]), b"bare", b"\xff\xfe", TOMBSTONE)
    assert await reclaimer.run_once() == 4
    first, second, *others = rig.pending()
    assert json.loads(first) == {"task": "t", "id": "1", "args": [5], "redelivered": 1}
    assert json.loads(second) == {"task": "bare", "bare": True, "redelivered": 1}
    assert others == [b"\xff\xfe", TOMBSTONE, b"z"]
    assert await reclaimer.run_once() == 0


async def test_workers_that_live_and_the_reclaimers_own_are_left_alone(rig, reclaimer):
    await rig.register()
    rig.raw.rpush(rig.lane.keys.processing(rig.lane.worker_id), b"mine")
    rig.raw.zadd(rig.lane.keys.workers, {rig.lane.worker_id: 1, "alive": 4e12})
    rig.raw.rpush(rig.lane.keys.processing("alive"), b"theirs")
    assert await reclaimer.run_once() == 0
    assert (rig.held(), rig.pending()) == ([b"mine"], [])


async def test_a_task_that_killed_its_workers_is_buried_with_that_reason(rig, reclaimer):
    payload = envelope("t", id="1")
    for n in range(3):
        dead_worker(rig, f"gone{n}", payload, suspects=[payload])
        await reclaimer.run_once()
        payload = rig.raw.lpop(QUEUE) or b""
    (body,) = dead(rig)
    assert payload == b""
    assert (body["id"], body["died"]["reason"]) == ("1", "its worker died 3 times")
    ((_, died_at),) = rig.raw.zrange(rig.lane.keys.dead, 0, -1, withscores=True)
    counted = rig.raw.hmget(rig.lane.keys.stats, "died", "poisoned", "poisoned_at")
    assert counted == [b"1", b"1", str(int(died_at)).encode()]


async def test_a_bare_payload_that_killed_its_workers_is_buried_too(rig, reclaimer):
    payload = b"task1"
    for n in range(3):
        dead_worker(rig, f"gone{n}", payload, suspects=[payload])
        await reclaimer.run_once()
        payload = rig.raw.lpop(QUEUE) or b""
    (body,) = dead(rig)
    assert (body["task"], body["bare"]) == ("task1", True)


async def test_a_task_says_itself_how_many_workers_may_die_with_it(rig, reclaimer):
    @rig.app.task(max_redeliveries=1)
    async def dangerous():
        pass

    dead_worker(rig, "gone", envelope("dangerous", id="1"))
    await reclaimer.run_once()
    assert [body["id"] for body in dead(rig)] == ["1"]


async def test_a_neighbour_that_was_not_named_is_not_counted_again(rig, reclaimer):
    pill = envelope("pill", id="p", redelivered=1)
    neighbour = envelope("t", id="n", redelivered=1)
    dead_worker(rig, "gone", pill, neighbour, suspects=[pill])
    await reclaimer.run_once()
    counts = {json.loads(p)["id"]: json.loads(p)["redelivered"] for p in rig.pending()}
    assert counts == {"p": 2, "n": 1}


async def test_equal_payloads_of_a_dead_worker_stay_as_many_when_buried(rig, reclaimer):
    same = envelope("t", redelivered=2)
    dead_worker(rig, "gone", same, same, b"\xff", b"\xff", suspects=[same])
    assert await reclaimer.run_once() == 4
    assert len(dead(rig)) == 2
    assert rig.pending() == [b"\xff", b"\xff"]


async def test_all_workers_of_a_host_that_died_are_reclaimed_in_one_go(rig, reclaimer):
    for n in range(70):
        dead_worker(rig, f"gone{n}", b"%d" % n)
    assert await reclaimer.run_once() == 70
    assert rig.raw.zcard(rig.lane.keys.workers) == 0


async def test_a_list_without_a_lease_is_taken_back_at_the_second_sight(rig, reclaimer):
    await rig.register()
    rig.raw.rpush(rig.lane.keys.processing("orphan"), b"a", b"b")
    rig.raw.rpush(rig.lane.keys.processing(rig.lane.worker_id), b"mine")
    assert await reclaimer.sweep() == 0
    assert rig.pending() == []
    assert await reclaimer.sweep() == 2
    assert len(rig.pending()) == 2
    assert rig.held() == [b"mine"]


async def test_reclaimers_of_all_workers_take_a_task_back_once(make_rig):
    rigs = [make_rig(id=f"w{n}") for n in range(4)]
    dead_worker(rigs[0], "gone", *[b"%d" % i for i in range(300)])
    reclaimers = [
        Reclaimer(r.lanes, r.registry, options=r.options, store=r.store, workers=r.workers, wire=r.wire, clock=r.clock)
        for r in rigs
    ]
    taken = await asyncio.gather(*(reclaimer.run_once() for reclaimer in reclaimers))
    assert sum(taken) == 300
    assert sorted(json.loads(p)["task"] for p in rigs[0].pending()) == sorted(str(i) for i in range(300))


# -- the whole worker


async def test_workers_come_and_go_at_any_moment_and_leave_nothing(make_rig):
    rig = make_rig()
    done = []

    @rig.app.task
    async def work(n):
        await asyncio.sleep(0.001)
        done.append(n)

    rig.raw.lpush(QUEUE, *[envelope("work", args=[n]) for n in range(500)])
    for n in range(8):
        async with running(rig.app):
            await eventually(lambda n=n: len(done) >= 40 * n)
    async with running(rig.app):
        await eventually(lambda: len(set(done)) == 500)
    assert sorted(done) == list(range(500))
    assert rig.raw.zcard(rig.lane.keys.workers) == 0
    assert list(rig.raw.scan_iter(match="*processing*")) == []


async def test_a_quiet_worker_finishes_what_it_has_and_claims_no_more(make_rig):
    rig = make_rig()
    started, going_on = [], asyncio.Event()

    @rig.app.task
    async def work(n):
        started.append(n)
        await going_on.wait()

    rig.raw.lpush(QUEUE, envelope("work", args=[1]))
    async with running(rig.app) as worker:
        await eventually(lambda: started == [1])
        assert await rig.wire.run(rig.workers.signal(QUEUE, worker.lanes[0].worker_id, "quiet"))
        key = rig.lane.keys.worker(worker.lanes[0].worker_id)
        await eventually(lambda: rig.raw.hget(key, "quiet") == b"1")
        rig.raw.lpush(QUEUE, envelope("work", args=[2]))
        going_on.set()
        await eventually(lambda: rig.raw.llen(rig.lane.keys.processing(worker.lanes[0].worker_id)) == 0)
        assert len(rig.pending()) == 1
    assert started == [1]


async def test_a_worker_can_be_told_to_stop_by_an_operator(make_rig):
    rig = make_rig()
    async with running(rig.app, lease=1.0) as worker:
        await rig.wire.run(rig.workers.signal(QUEUE, worker.lanes[0].worker_id, "stop"))
        await eventually(lambda: rig.raw.zcard(rig.lane.keys.workers) == 0)
