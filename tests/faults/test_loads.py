"""Handlers that never end, payloads without measure, everything at once, and nothing left to open."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from taskconsole.embedded import tied
from taskconsole.errors import PayloadError
from taskconsole.store.keys import Namespace
from tests.faults import app as tasks
from tests.faults.conftest import only_full, sized
from tests.servers import FULL, wait_until

QUEUE = "task_queue"
KEYS = Namespace().of(QUEUE)


def test_f30_handlers_that_never_end_are_ended_and_hold_nobody_up(raw, spawn, producer, ledger):
    worker = spawn(concurrency=4)
    stuck = [producer.one(tasks.never_end) for _ in range(sized(3, 10))]
    names = producer.work(200, 0.005)
    ledger.wait_for(names, 60)
    wait_until(lambda: raw.zcard(KEYS.dead) == len(stuck), 60, "those that never end are buried")
    dead = [json.loads(member) for member in raw.zrange(KEYS.dead, 0, -1)]
    assert sorted(body["args"][0] for body in dead) == sorted(stuck)
    assert all("timeout" in json.dumps(body["errors"]) for body in dead)
    report = ledger.report(f"F-30 {len(stuck)} handlers that never end, timeout 1 s, and their neighbours", names)
    assert (report.lost, report.repeated) == (0, 0)
    assert worker.running
    assert "lease lost" not in worker.output()


def test_f31_payloads_of_any_size_and_shape_stop_nobody(raw, spawn, producer, ledger):
    worker = spawn(concurrency=4)
    for size in (1_000, 100_000, 1_000_000):
        producer.one(tasks.measure, "x" * size)
    with pytest.raises(PayloadError, match="bytes"):
        producer.task(tasks.measure).enqueue("too large", "x" * 1_100_000)
    megabytes = sized(10, 100)
    foreign = {
        "a large foreign one": json.dumps({"task": "measure", "args": ["large", "x" * megabytes * 1_000_000]}).encode(),
        "ten thousand lists in each other": b'{"task":"measure","args":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
        "not UTF-8": b'{"task":"measure","args":["\xff\xfe"]}',
        "no task": b"\x00\x01\x02\x80",
        "nothing": b"",
        "half of it": b'{"task":"measure","args":["x"',
    }
    raw.lpush(QUEUE, *foreign.values())
    names = producer.work(100, 0.005)
    ledger.wait_for([*producer.accepted, "large"], 60)
    wait_until(lambda: raw.llen(QUEUE) == 0 == raw.llen(KEYS.processing(worker.ids[QUEUE])), 30, "nothing is in hand")
    report = ledger.report(
        f"F-31 1 kB to {megabytes} MB, and five payloads that are none", [*producer.accepted, "large"]
    )
    elsewhere = raw.zcard(KEYS.dead) + raw.zcard(KEYS.delayed)
    print(f"F-31 of what cannot be run {elsewhere} lie in the dead or the delayed set")
    assert names
    assert (report.lost, report.strangers, report.repeated) == (0, 0, 0)
    assert elsewhere == len(foreign) - 1
    assert worker.running
    assert "Traceback" not in worker.output()


@pytest.mark.timeout(400)
def test_f32_a_crowd_due_in_the_same_second_is_moved_in_portions(make_server, make_producer, spawn, ledger):
    server = make_server()
    number = sized(4_000, 100_000)
    with server.client() as client:
        workers = [spawn(url=server.url, concurrency=50) for _ in range(2)]
        due = time.time() + 3
        producer = make_producer(server.url)
        task = producer.task(tasks.work)
        names = [f"c{n}" for n in range(number)]
        payloads = [task.call(name, 0).payload for name in names]
        for start in range(0, number, 1000):
            client.zadd(KEYS.delayed, dict.fromkeys(payloads[start : start + 1000], due))
        client.config_set("slowlog-log-slower-than", 1000)
        client.slowlog_reset()
        due_by = ledger.now() + max(0.0, due - time.time())
        ledger.wait_for(names, 300)
        slowest = max((entry["duration"] for entry in client.slowlog_get(128)), default=0) / 1000
        report = ledger.report(
            f"F-32 {number:,} tasks due at once, slowest command {slowest:.1f} ms", names, healed=due_by
        )
        took = max(line.at for line in ledger.lines()) - due_by
        print(f"F-32 all done {took:.1f} s after they were due")
        assert (report.lost, report.strangers, report.repeated) == (0, 0, 0)
        assert slowest < 50
        # Handlers that write to the ledger twice are what takes the time, and who else has the processor.
        assert took < 280
        assert all(worker.running for worker in workers)


def test_f38_a_worker_that_can_open_nothing_more_waits(raw, spawn, producer, ledger):
    worker = spawn(concurrency=4)
    producer.work(sized(300, 2000), 0.01)
    wait_until(lambda: ledger.length() > 50)
    before = resource.prlimit(worker.pid, resource.RLIMIT_NOFILE)
    # Not even what it has: every new connection is refused by its own system.
    resource.prlimit(worker.pid, resource.RLIMIT_NOFILE, (3, before[1]))
    raw.client_kill_filter(_type="normal", skipme=True)
    began = ledger.now()
    wait_until(lambda: ledger.now() - began > sized(3, 20), 30, "it lasts a while")
    resource.prlimit(worker.pid, resource.RLIMIT_NOFILE, before)
    healed = ledger.now()
    ledger.wait_for(producer.accepted, 60)
    report = ledger.report(
        f"F-38 no file can be opened, {len(list(Path(f'/proc/{worker.pid}/fd').iterdir()))} open at the end",
        producer.accepted,
        healed=healed,
    )
    assert worker.running
    # It complains of the same thing every ten seconds, and its first words are about the cut.
    assert "open files" in worker.output() or not FULL
    assert (report.lost, report.strangers) == (0, 0)
    assert report.repeated <= 128 + 4


@only_full
def test_f38_a_worker_without_memory_loses_nothing(raw, spawn, producer, ledger):
    worker = spawn(concurrency=4)
    producer.work(100, 0.01)
    wait_until(lambda: ledger.length() > 20)
    held = int(Path(f"/proc/{worker.pid}/statm").read_text().split()[0]) * resource.getpagesize()
    resource.prlimit(worker.pid, resource.RLIMIT_AS, (held + 4_000_000, resource.RLIM_INFINITY))
    for _ in range(4):
        raw.lpush(QUEUE, json.dumps({"task": "measure", "args": ["too much", "x" * 30_000_000]}))
    began = ledger.now()
    wait_until(lambda: ledger.now() - began > 3 or not worker.running, 10, "it has met them")
    ended = not worker.running
    if worker.running:
        resource.prlimit(worker.pid, resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    else:
        spawn(concurrency=4)
    healed = ledger.now()
    producer.work(50, 0.001)
    ledger.wait_for([*producer.accepted, "too much"], 60)
    report = ledger.report(
        f"F-38 no memory for four payloads of 30 MB, the worker {'ended' if ended else 'went on'}",
        [*producer.accepted, "too much"],
        healed=healed,
    )
    assert (report.lost, report.strangers) == (0, 0)


@only_full
def test_f37_a_listener_that_does_not_keep_up_says_what_it_has_missed(raw, store_url):
    command = [sys.executable, "-m", "taskconsole", "-u", store_url, "events", "--follow", "--json"]
    listener = subprocess.Popen(tied(command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert listener.stdout is not None
    channel, said = KEYS.channel, list[bytes]()
    reading = threading.Thread(target=lambda: said.extend(iter(listener.stdout.readline, b"")), daemon=True)
    try:
        wait_until(lambda: dict(raw.pubsub_numsub(channel))[channel.encode()] == 1, 20, "it listens")
        event = json.dumps({"event": "done", "queue": QUEUE, "n": 1, "at": 1.0, "text": "x" * 8_000})
        # Nobody reads what it says, so it stops reading; Redis cuts it off at 32 MB.
        for _ in range(6_000):
            raw.publish(channel, event)
        wait_until(lambda: dict(raw.pubsub_numsub(channel))[channel.encode()] == 0, 20, "Redis has cut it off")
        reading.start()
        wait_until(lambda: any(b"events may be missing" in line for line in said), 30, "the gap is shown")
        wait_until(lambda: dict(raw.pubsub_numsub(channel))[channel.encode()] == 1, 20, "it listens again")
        raw.publish(channel, json.dumps({"event": "done", "queue": QUEUE, "n": 1, "at": 2.0, "text": "after it"}))
        wait_until(lambda: any(b"after it" in line for line in said), 20, "it goes on")
        print(f"F-37 {len(said) - 2} of 6,000 events heard, and it says: {said[-2].decode().strip()}")
    finally:
        listener.kill()
        listener.wait()
        reading.join(5)
        listener.stdout.close()
