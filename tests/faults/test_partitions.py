"""Networks are cut in two for real, and lines are narrow: a worker on the other side, a master on the other side."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from taskconsole.errors import StoreNotReady
from taskconsole.store.keys import Namespace
from tests.faults import app as tasks
from tests.faults.conftest import LEASE, only_full, sized
from tests.faults.failover import Program, nothing_is_left
from tests.networks import Switch
from tests.servers import VARIABLE, PrivateServer, given_url, wait_until, workers_of
from tests.topologies import SentinelSetUp, replicated, role_of

QUEUE = "task_queue"
KEYS = Namespace().of(QUEUE)


@pytest.fixture
def switch() -> Iterator[Switch]:
    if given_url():
        pytest.skip(f"needs servers of its own, and {VARIABLE} is a URL")
    with Switch() as made:
        yield made


@pytest.fixture
def server(switch, make_server) -> PrivateServer:
    """A Redis on this side, to be reached from the other one too."""
    return make_server(tcp=True, settings={"bind": f"127.0.0.1 {switch.address}", "protected-mode": "no"})


def started_by(ledger, worker) -> list[float]:
    """When this worker has started tasks."""
    return [line.at for line in ledger.lines() if line.kind == "start" and line.pid == worker.pid]


def test_f13_a_worker_that_is_cut_off_leaves_its_tasks_to_others(switch, server, make_producer, spawn, ledger):
    away = switch.site()
    with away.inside():
        lonely = spawn(url=f"redis://{switch.address}:{server.port}/0", concurrency=4)
    other = spawn(url=server.url, concurrency=4)
    producer = make_producer(server.url)
    own = lonely.ids[QUEUE]
    cuts, in_hand = sized(1, 5), 0
    with server.client() as client:
        for _ in range(cuts):
            producer.work(sized(400, 600), 0.01)
            wait_until(lambda own=own: client.llen(KEYS.processing(own)), 10, "it has work")
            away.unplug()
            cut = ledger.now()
            in_hand += client.llen(KEYS.processing(own))
            wait_until(lambda own=own: own not in workers_of(client, QUEUE), 4 * LEASE, "its tasks are taken back")
            ledger.wait_for(producer.accepted)
            # It does not know what the others do, but it knows how long it may count on its lease.
            assert not [at for at in started_by(ledger, lonely) if at > cut + LEASE]
            away.plug()
            healed = ledger.now()
            wait_until(lambda: len(workers_of(client, QUEUE)) == 2, 20, "it goes on under a new name")
            own = next(worker for worker in workers_of(client, QUEUE) if f"-{lonely.pid}-" in worker)
        producer.work(200, 0.01)
        ledger.wait_for(producer.accepted)
        assert max(started_by(ledger, lonely)) > healed
        report = ledger.report(
            f"F-13 {cuts} x a worker is cut off, {in_hand} tasks in its hands", producer.accepted, healed=healed
        )
        wait_until(lambda: not list(client.scan_iter(match="*processing*")), 5, "no list is left behind")
        assert client.zcard(KEYS.delayed) == 0 == client.zcard(KEYS.dead)
    assert (report.lost, report.strangers) == (0, 0)
    assert report.repeated <= in_hand
    assert lonely.output().count("lease lost") == cuts
    assert other.running


@only_full
def test_f13_a_cut_that_is_shorter_than_the_lease_costs_nothing(switch, server, make_producer, spawn, ledger):
    away = switch.site()
    with away.inside():
        # A call that is under way when the line is cut is given up before the lease is over.
        url = f"redis://{switch.address}:{server.port}/0?socket_timeout=1"
        lonely = spawn(url=url, concurrency=4, arguments=("--lease", "10"))
    producer = make_producer(server.url)
    producer.work(400, 0.01)
    for _ in range(sized(1, 5)):
        before = ledger.length()
        wait_until(lambda before=before: ledger.length() > before + 50, 20, "there is load")
        away.unplug()
        cut = ledger.now()
        wait_until(lambda cut=cut: ledger.now() - cut > 2, 5, "it lasts a while")
        away.plug()
        healed = ledger.now()
    ledger.wait_for(producer.accepted)
    report = ledger.report("F-13 a worker is cut off for 2 s of its lease of 10 s", producer.accepted, healed=healed)
    assert (report.lost, report.strangers, report.repeated) == (0, 0, 0)
    assert "lease lost" not in lonely.output()


@only_full
def test_f08_a_narrow_line_costs_time_and_nothing_else(switch, server, make_producer, spawn, ledger):
    away = switch.site()
    away.narrow("64kbit")
    with away.inside():
        worker = spawn(url=f"redis://{switch.address}:{server.port}/0", concurrency=4, arguments=("--lease", "6"))
    producer = make_producer(server.url)
    producer.work(sized(100, 600), 0.01)
    ledger.wait_for(producer.accepted, 110)
    report = ledger.report("F-08 8 kB/s each way, by the kernel", producer.accepted)
    assert (report.lost, report.strangers, report.repeated) == (0, 0, 0)
    assert "lease lost" not in worker.output()
    assert "heartbeat failed" not in worker.output()


@only_full
@pytest.mark.timeout(180)
def test_f13_a_master_on_the_smaller_side_takes_little_and_what_it_refuses_is_not_lost(
    switch, capsys, spawn, make_producer, ledger
):
    """The master, a worker and a producer are cut off from Sentinels and replicas, which make another master."""
    away = switch.site()
    with SentinelSetUp(password="S3cr3t", address=switch.address, site=away) as setup, ThreadPoolExecutor(1) as there:
        setup.settle()
        old = setup.master()
        with old.client() as client:
            client.config_set("min-replicas-max-lag", 1)
            client.config_set("min-replicas-to-write", 1)
        with away.inside():
            lonely = spawn(url=setup.url, concurrency=4)
        other = spawn(url=setup.url, concurrency=4)
        producer = make_producer(setup.url, retry_for=60)
        producer.work(3000, 0.02)
        impatient, patient = make_producer(setup.url, retry_for=0.1), make_producer(setup.url, retry_for=60)
        for prefix, one in (("impatient", impatient), ("patient", patient)):
            one.prefix = prefix
            with away.inside():
                one.one(tasks.work, 0)
        wait_until(lambda: ledger.length() > 50, 20, "there is load")
        replicated(old)
        away.unplug()
        cut = ledger.now()

        risked = there.submit(inside, away, enqueue_until_refused, impatient).result(30)
        refused = ledger.now()
        with away.inside():
            plain = f"redis://:S3cr3t@{away.address}:{old.port}/0"
            (verdict, *_) = Program(plain, capsys)("doctor", code=2)["verdicts"]
            assert verdict["rule"] == "no replica"
        waiting = there.submit(inside, away, patient.one, tasks.work, 0)

        wait_until(lambda: any(role_of(n) == "master" for n in setup.nodes if n is not old), 20, "another is named")
        named = ledger.now()
        producer.work(200, 0.01)
        ledger.wait_for(producer.accepted, 60)
        here = ledger.now()
        assert not waiting.done()
        away.plug()

        def is_heard() -> bool:
            producer.work(1, 0.01)  # there is something to do all the time
            return waiting.done()

        wait_until(is_heard, 60, "the patient one is heard")
        waiting.result()
        assert role_of(old) == "slave"
        healed = ledger.now()
        sure = {*producer.accepted, *patient.accepted, *(set(impatient.accepted) - set(risked))}
        ledger.wait_for(sure, 60)

        def goes_on() -> bool:
            producer.work(1, 0.05)
            return any(at > healed for at in started_by(ledger, lonely))

        wait_until(goes_on, 30, "the worker of the other side goes on")
        ledger.wait_for({*sure, *producer.accepted})
        report = ledger.report(
            f"F-13 a master is cut off, {len(risked)} tasks accepted there in {refused - cut:.1f} s before it refused",
            [*producer.accepted, *patient.accepted, *impatient.accepted],
            healed=healed,
        )
        print(f"F-13 another master after {named - cut:.1f} s, all of this side done after {here - cut:.1f} s")
        assert report.strangers == 0
        assert report.lost <= len(risked)
        assert refused - cut < 6
        assert (lonely.stop(), other.stop()) == (0, 0)
        nothing_is_left(setup.url, QUEUE)


def inside(site, function, *args):
    """Call something in a place: to be submitted to a thread."""
    with site.inside():
        return function(*args)


def enqueue_until_refused(producer) -> list[str]:
    """Enqueue until Redis says that it has no replicas any more; returns what it accepted, one at a time."""
    before = len(producer.accepted)
    with pytest.raises(StoreNotReady, match=r"NOREPLICAS|Not enough good replicas"):
        enqueue_without_end(producer)
    return producer.accepted[before:]


def enqueue_without_end(producer) -> None:
    while True:
        producer.one(tasks.work, 0)
        time.sleep(0.005)
