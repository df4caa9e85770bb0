"""The disk of Redis is full, slow, or has lost the end of the file."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

import pytest

from taskconsole.errors import StoreNotReady, StoreUnavailable
from taskconsole.store.keys import Namespace
from tests.faults import app as tasks
from tests.faults.conftest import only_full, sized
from tests.servers import PrivateServer, wait_until, workers_of

QUEUE = "task_queue"
KEYS = Namespace().of(QUEUE)


def append_only_file(directory: Path) -> Path:
    """The file that grows; Redis 7 has it in a directory of its own."""
    found = [*directory.glob("appendonlydir/*.incr.aof"), *directory.glob("appendonly.aof")]
    return found[-1]


def test_f11_a_power_cut_loses_no_more_than_the_end_of_the_file(make_server, make_producer, spawn, ledger):
    server = make_server(append_only=True)
    producer = make_producer(server.url, retry_for=20)
    for _ in range(4):
        spawn(url=server.url, concurrency=2)
    stop = threading.Event()

    def produce() -> None:
        for _ in count():
            producer.work(5, 0.01)
            if stop.wait(0.005):
                return

    with ThreadPoolExecutor(1) as pool:
        producing = pool.submit(produce)
        wait_until(lambda: ledger.finished() > sized(300, 3000), 60, "it is in the middle of it")
        stop.set()
        producing.result(30)
    server.kill()
    cut_at = ledger.now()
    file = append_only_file(server.directory)
    size = file.stat().st_size
    os.truncate(file, size - size // 10 - 3)  # most likely in the middle of a record
    server.restart()
    with server.client() as client:
        wait_until(lambda: is_drained(client), 60, "all that is left is done")
        report = ledger.report("F-11 power cut: a tenth of the AOF is gone", producer.accepted, healed=cut_at)
        assert client.zcard(KEYS.dead) == 0
    # What is lost was enqueued in the part that is gone, so after everything that was there.
    started_since = {line.name for line in ledger.lines() if line.at > cut_at}
    ended = ledger.count("end")
    lost = [n for n, name in enumerate(producer.accepted) if name not in ended]
    kept = [n for n, name in enumerate(producer.accepted) if name in started_since]
    assert kept
    assert report.strangers == 0
    assert not lost or min(lost) > max(kept)
    # What was finished in the lost part is finished again; nothing more than that.
    assert report.repeated <= len(kept)


def is_drained(client) -> bool:
    held = list(client.scan_iter(match="*processing*"))
    return not held and client.llen(QUEUE) == 0 and client.zcard(KEYS.delayed) == 0


@contextmanager
def small_disk(place: Path, megabytes: int) -> Iterator[Path]:
    """A file system of this size; skips the test where that cannot be had."""
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("needs root and the right to mount a small file system")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(disk: Path) -> Path:
    """Take all the room there is."""
    filler = disk / "filler"
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    return filler


def test_f19_a_full_disk_stops_everything_and_loses_nothing(make_server, make_producer, spawn, ledger, tmp_path):
    with small_disk(tmp_path / "disk", 6) as disk:
        server: PrivateServer = make_server(append_only=True, settings={"dir": str(disk)})
        worker = spawn(url=server.url, concurrency=4)
        producer = make_producer(server.url, retry_for=0.5)
        producer.work(sized(500, 3000), 0.004)
        wait_until(lambda: ledger.length() > 50)
        filler = fill(disk)
        refusal = told_by(producer)
        wait_until(lambda: "MISCONF" in worker.output(), 15, "the worker says why it waits")
        before = ledger.length()
        filler.unlink()
        healed = ledger.now()
        ledger.wait_for(producer.accepted, 60)
        report = ledger.report(f"F-19 disk full after {before} lines, AOF everysec", producer.accepted, healed=healed)
        assert worker.running
        # It would look for Redis as long as it may, and the disk is wanted back.
        assert worker.stop() == 0
        server.stop()
    print(f"F-19 the producer is told: {refusal}")
    assert isinstance(refusal, StoreNotReady)
    # What was refused may have been half way: it is not accepted, and may run all the same.
    assert (report.lost, report.repeated) == (0, 0)
    assert report.strangers <= 1


def told_by(producer) -> StoreUnavailable:
    """Enqueue until that is refused; what is said then."""
    try:
        while True:
            producer.one(tasks.work, 0.001)
    except StoreUnavailable as error:
        return error


@contextmanager
def slow_syncs(pid: int, seconds: float) -> Iterator[None]:
    """Make every fdatasync of a process late; skips the test where strace is missing or may not."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("needs strace")
    inject = f"inject=fdatasync,fsync:delay_enter={seconds * 1e6:.0f}"
    command = [strace, "-f", "-qq", "-o", os.devnull, "-e", "trace=fdatasync,fsync", "-e", inject, "-p", str(pid)]
    tracer = subprocess.Popen(command, stderr=subprocess.PIPE)
    try:
        wait_until(lambda: is_traced(pid) or tracer.poll() is not None, 10, "strace holds it")
        if tracer.poll() is not None:
            pytest.skip(f"strace may not: {tracer.stderr and tracer.stderr.read()!r}")
        yield
    finally:
        tracer.terminate()
        tracer.wait()
        if tracer.stderr:
            tracer.stderr.close()


def is_traced(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    return "TracerPid:\t0" not in status


@only_full
def test_f20_a_disk_that_takes_three_seconds_to_sync_costs_no_lease(
    make_server: Callable[..., PrivateServer], make_producer, spawn, ledger
):
    server = make_server(append_only=True, settings={"appendfsync": "always"})
    worker = spawn(url=server.url, concurrency=4, arguments=("--lease", "30"))
    producer = make_producer(server.url, retry_for=20)
    producer.work(sized(1000, 4000), 0.01)
    wait_until(lambda: ledger.length() > 50)
    with slow_syncs(server.pid, 3.0):
        slowed = ledger.now()
        wait_until(lambda: ledger.now() - slowed > sized(8, 40), 60, "it is slow for a while")
    healed = ledger.now()
    ledger.wait_for(producer.accepted, 60)
    report = ledger.report("F-20 every fsync takes 3 s, AOF always", producer.accepted, healed=healed)
    assert (report.lost, report.strangers, report.repeated) == (0, 0, 0)
    with server.client() as client:
        assert workers_of(client, QUEUE) == {worker.ids[QUEUE]}
    assert "lease lost" not in worker.output()
