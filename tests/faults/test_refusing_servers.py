"""A Redis that answers "not now": demoted, busy, without room for another connection, or one that forgets."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
import redis

from taskconsole.config import Settings
from taskconsole.errors import StoreUnavailable
from taskconsole.store.call import command
from taskconsole.store.wire import AsyncWire, Wire
from tests.faults.conftest import only_full, sized
from tests.servers import connect, wait_until

QUEUE = "task_queue"


def test_f16_a_master_that_is_demoted_for_a_while_is_waited_for(make_server, make_producer, spawn, ledger):
    master, replica = make_server(tcp=True), make_server(tcp=True)
    worker = spawn(url=master.tcp_url, concurrency=4)
    producer = make_producer(master.tcp_url, retry_for=20)
    with master.client() as first, replica.client() as second:
        for one in (first, second):
            one.config_set("repl-diskless-sync-delay", 0)
        second.replicaof("127.0.0.1", master.port)
        wait_until(lambda: second.info("replication")["master_link_status"] == "up", 20, "the replica follows")
        producer.work(sized(600, 4000), 0.005)
        for _ in range(sized(1, 5)):
            before = ledger.length()
            wait_until(lambda before=before: ledger.length() > before + 50, 20, "it goes on")
            # A fail-over, and back again: at first the other has all that the first has been told.
            wait_until(lambda: in_step(first), 10, "the replica has everything")
            second.replicaof("NO", "ONE")
            first.replicaof("127.0.0.1", replica.port)
            wait_until(lambda: "read only replica" in worker.output(), 15, "the worker says why it waits")
            wait_until(lambda: first.info("replication").get("master_link_status") == "up", 20, "the first follows")
            first.replicaof("NO", "ONE")
            second.replicaof("127.0.0.1", master.port)
            healed = ledger.now()
    ledger.wait_for(producer.accepted, 60)
    report = ledger.report("F-16 REPLICAOF under load and back", producer.accepted, healed=healed)
    assert worker.running
    assert report.strangers == 0
    # Writes that the first took between the last look and its demotion go with it: that is Redis's promise, not ours.
    # An ack among them is done again, an enqueue (none here) would be lost.
    assert report.lost == 0
    assert report.repeated <= sized(1, 5) * 128


def in_step(client: redis.Redis) -> bool:
    about = client.info("replication")
    return about["connected_slaves"] == 1 and about["slave0"]["offset"] == about["master_repl_offset"]


def test_f21_a_busy_redis_is_waited_for(make_server, make_producer, spawn, ledger):
    server = make_server(settings={"lua-time-limit": "100"})
    worker = spawn(url=server.url, concurrency=4)
    producer = make_producer(server.url, retry_for=20)
    producer.work(sized(300, 2000), 0.005)
    wait_until(lambda: ledger.length() > 50)
    with ThreadPoolExecutor(1) as pool, connect(server.url, socket_timeout=60) as somebody, server.client() as client:
        endless = pool.submit(run_endless, somebody)
        began = ledger.now()
        wait_until(lambda: is_busy(client), 10, "it is busy")
        wait_until(lambda: "BUSY" in worker.output() and ledger.now() - began > 5, 20, "the worker says why it waits")
        client.script_kill()
        healed = ledger.now()
        endless.result(10)
    ledger.wait_for(producer.accepted)
    report = ledger.report("F-21 BUSY for 5 s, longer than two leases", producer.accepted, healed=healed)
    assert worker.running
    assert (report.lost, report.strangers, report.repeated) == (0, 0, 0)


def run_endless(client: redis.Redis) -> None:
    with suppress(redis.ResponseError):
        client.eval("while true do end", 0)


def is_busy(client: redis.Redis) -> bool:
    try:
        client.get("x")
    except redis.ResponseError as error:
        return "BUSY" in str(error)
    return False


@pytest.mark.parametrize("way", ["url", "tcp_url"])
async def test_f23_whoever_comes_when_there_is_no_room_is_told(make_server, way):
    server = make_server(tcp=True)
    with server.client() as client:
        crowd_out(client)
        settings = Settings(url=getattr(server, way))
        for _ in range(5):
            wire, other = Wire(settings), AsyncWire(settings)
            with pytest.raises(StoreUnavailable, match=r"maxclients|max number of clients"):
                wire.run(command("PING", parse=bytes))
            with pytest.raises(StoreUnavailable, match=r"maxclients|max number of clients"):
                await other.run(command("PING", parse=bytes))
            wire.close()
            await other.close()


@only_full
def test_f23_a_redis_without_room_for_connections_is_asked_now_and_then(make_server, make_producer, spawn, ledger):
    server = make_server()
    worker = spawn(url=server.url, concurrency=4)
    producer = make_producer(server.url, retry_for=60)
    producer.work(sized(400, 2000), 0.005)
    wait_until(lambda: ledger.length() > 50)
    with server.client() as client:
        crowd_out(client)
        before, began = client.info("stats")["rejected_connections"], ledger.now()
        # A worker complains of the same thing every ten seconds; its first words were about the cut.
        wait_until(lambda: "maxclients" in worker.output(), 30, "the worker says why it waits")
        attempts = (client.info("stats")["rejected_connections"] - before) / (ledger.now() - began)
        client.config_set("maxclients", 1000)
        healed = ledger.now()
        ledger.wait_for(producer.accepted)
    report = ledger.report(
        f"F-23 no room for connections, {attempts:.1f} attempts a second", producer.accepted, healed=healed
    )
    assert attempts < 20
    assert worker.running
    assert (report.lost, report.strangers) == (0, 0)
    assert report.repeated <= 128 + 4


def crowd_out(client: redis.Redis) -> None:
    """Leave room for this connection only, and cut all others."""
    client.ping()
    # Below the number of those that are there: whoever is cut does not come in again.
    client.config_set("maxclients", 1)
    client.client_kill_filter(_type="normal", skipme=True)
    client.client_kill_filter(_type="pubsub", skipme=True)
    wait_until(lambda: len(client.client_list()) == 1, 10, "nobody else is there")


def test_f18_a_redis_that_may_forget_is_named_before_it_does(make_server):
    server = make_server(settings={"maxmemory-policy": "allkeys-lru", "maxmemory": "3mb"})
    command = [sys.executable, "-m", "taskconsole", "-u", server.url, "doctor"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, env={**os.environ})
    print(f"F-18 doctor: status {done.returncode}\n{done.stdout}")
    assert "EVICTION" in done.stdout
    assert "allkeys-lru" in done.stdout
    assert done.returncode != 0
