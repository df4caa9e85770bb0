"""F-12, F-16: everything works by way of Sentinels, and goes on when they name another master."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from taskconsole.config import Settings
from taskconsole.errors import AccessDenied, StoreNotReady, StoreUnavailable
from taskconsole.store.call import command
from taskconsole.store.dialing import Dialer
from taskconsole.store.wire import AsyncWire, Wire
from tests.faults import app as tasks
from tests.faults.failover import Program, everything_works, fail_over, least_rights_are_enough, nothing_is_left
from tests.servers import FULL, VARIABLE, given_url, wait_until
from tests.topologies import SentinelSetUp, replicated, role_of

QUEUE = "task_queue"

PING = command("PING", parse=bytes)


@pytest.fixture(scope="module")
def setup():
    if given_url():
        pytest.skip(f"needs servers of its own, and {VARIABLE} is a URL")
    with SentinelSetUp(password="S3cr3t", sentinel_password="0ther") as made:
        yield made


@pytest.fixture(autouse=True)
def _whole(setup):
    """Each test finds all six up, and the queue empty."""
    setup.heal()
    with setup.master().client() as client:
        client.flushall()


def test_everything_works_by_way_of_sentinels(setup, capsys, spawn, make_producer, ledger, tmp_path):
    everything_works(
        setup.url,
        program=Program(setup.url, capsys),
        spawn=spawn,
        make_producer=make_producer,
        ledger=ledger,
        queues=[QUEUE, "mail"],
        folder=tmp_path,
    )


def test_the_rights_that_the_doctor_prints_are_enough_behind_sentinels(setup, spawn, make_producer, ledger):
    least_rights_are_enough(
        setup.url, setup.nodes, spawn=spawn, make_producer=make_producer, ledger=ledger, queues=[QUEUE, "mail"]
    )


def test_one_sentinel_that_answers_is_enough(setup):
    first, second, _ = setup.sentinels
    for sentinel in (first, second):
        os.kill(sentinel.pid, signal.SIGSTOP)
    try:
        wire = Wire(Settings(url=setup.url, timeout=0.3))
        assert wire.run(PING) == b"PONG"
        wire.close()
    finally:
        for sentinel in (first, second):
            os.kill(sentinel.pid, signal.SIGCONT)


@pytest.mark.parametrize(
    ("there", "instead", "error", "said"),
    [
        ("0ther", "wrong", AccessDenied, "invalid username-password pair"),
        (":S3cr3t@", ":wrong@", AccessDenied, "invalid username-password pair"),
        ("mymaster", "nobody", StoreUnavailable, "no Sentinel names the master 'nobody'"),
    ],
)
async def test_what_is_wrong_with_a_sentinel_url_is_said_without_its_passwords(setup, there, instead, error, said):
    settings = Settings(url=setup.url.replace(there, instead))
    with pytest.raises(error, match=said) as blocking:
        Wire(settings).run(PING)
    with pytest.raises(error, match=said) as awaited:
        await AsyncWire(settings).run(PING)
    for raised in (blocking, awaited):
        assert not any(secret in str(raised.value) for secret in ("S3cr3t", "0ther", "wrong"))


def test_a_replica_that_is_still_named_is_not_taken_for_the_master(setup, monkeypatch):
    replica = next(node for node in setup.nodes if role_of(node) == "slave")
    monkeypatch.setattr(Dialer, "_master", lambda self: ("127.0.0.1", replica.port))
    with pytest.raises(StoreUnavailable, match="is a slave still"):
        Wire(Settings(url=setup.url)).run(PING)


def test_f13_a_master_that_is_cut_off_from_its_replicas_takes_nothing_that_it_could_lose(
    setup, capsys, spawn, make_producer, ledger
):
    master = setup.master()
    replicas = [node for node in setup.nodes if node is not master]
    program = Program(setup.url, capsys)
    with master.client() as client:
        worker = spawn(url=setup.url, concurrency=4)
        producer, impatient = make_producer(setup.url, retry_for=60), make_producer(setup.url, retry_for=0.1)
        client.config_set("min-replicas-max-lag", 1)
        client.config_set("min-replicas-to-write", 1)
        try:
            producer.work(300, 0.02)
            wait_until(lambda: ledger.length() > 20, 20, "there is load")
            for replica in replicas:
                os.kill(replica.pid, signal.SIGSTOP)
            wait_until(lambda: client.info("replication")["min_slaves_good_slaves"] == 0, 20, "no replica is near")
            with pytest.raises(StoreNotReady, match=r"NOREPLICAS|Not enough good replicas"):
                impatient.one(tasks.work, 0)
            (verdict, *_) = program("doctor", code=2)["verdicts"]
            assert verdict["rule"] == "no replica"
            waiting = ThreadPoolExecutor(1).submit(producer.one, tasks.work, 0)
        finally:
            for replica in replicas:
                os.kill(replica.pid, signal.SIGCONT)
        waiting.result(30)
        ledger.wait_for(producer.accepted)
        client.config_set("min-replicas-to-write", 0)
    report = ledger.report("F-13 cut off from replicas, min-replicas-to-write 1", producer.accepted)
    assert (report.lost, report.strangers) == (0, 0)
    assert worker.stop() == 0
    nothing_is_left(setup.url, QUEUE)


def test_f12_a_killed_master_costs_nothing_that_was_replicated(setup, spawn, make_producer, ledger):
    setup.settle()
    workers = [spawn(url=setup.url, concurrency=8) for _ in range(2)]
    outcome = fail_over(
        "F-12 master killed",
        setup.url,
        make_producer=make_producer,
        ledger=ledger,
        queue=QUEUE,
        replicate=lambda: replicated(setup.master()),
        strike=lambda: setup.master().kill(),
    )
    assert outcome.lost_though_kept == 0
    assert outcome.gap < 15
    assert all(worker.running for worker in workers)
    assert [worker.stop() for worker in workers] == [0, 0]
    nothing_is_left(setup.url, QUEUE)


@pytest.mark.skipif(not FULL, reason="minutes: with TASKCONSOLE_TEST_FULL=1")
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("number", "patience"),
    [(signal.SIGKILL, 5), (signal.SIGSTOP, 5), (signal.SIGSTOP, 3)],
    ids=["killed", "stopped", "given-up"],
)
def test_f12_one_failover_after_another(setup, spawn, make_producer, ledger, number, patience):
    url = f"{setup.url}{'&' if '?' in setup.url else '?'}socket_timeout={patience}"
    workers = [spawn(url=url, concurrency=8) for _ in range(2)]
    for turn in range(4):
        setup.heal()
        setup.settle()
        master = setup.master()

        def strike(master=master):
            if number == signal.SIGKILL:
                master.kill()
            else:
                os.kill(master.pid, number)

        outcome = fail_over(
            f"F-12 {number.name}, patience of {patience} s, {turn + 1}",
            url,
            make_producer=make_producer,
            ledger=ledger,
            queue=QUEUE,
            replicate=lambda master=master: replicated(master),
            strike=strike,
        )
        if number == signal.SIGSTOP:
            os.kill(master.pid, signal.SIGCONT)
        assert outcome.lost_though_kept == 0
        time.sleep(1)  # Sentinels remember what they have seen of the old master for a moment
    assert [worker.stop() for worker in workers] == [0, 0]
    nothing_is_left(url, QUEUE)
