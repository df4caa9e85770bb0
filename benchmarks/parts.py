"""Where each microsecond of a task goes in a worker of ours: `python -m benchmarks.parts`.

A whole drain gives what the worker's process uses for a no-op task. The parts of it that can be had alone are
timed alone, CPU of this process on the measured core, with the payloads of the bench; what remains is the pool's
own: slots, time limits, statistics, the sample for events, turns of the loop.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.bodies import noop
from benchmarks.machine import on_core
from benchmarks.measure import Size
from benchmarks.measures import drain
from benchmarks.produce import loop_factory
from benchmarks.systems import our_loops, taskconsole
from taskconsole.config import Settings
from taskconsole.model.histogram import BUCKETS, bucket
from taskconsole.model.task import Envelope, decode
from taskconsole.store.keys import Namespace
from taskconsole.store.tasks import TaskStore
from taskconsole.store.wire import AsyncWire
from taskconsole.store.workers import WorkerStore
from taskconsole.worker.options import WorkerOptions

TASKS = 100_000

CLAIM = WorkerOptions().max_claim  # what a busy worker claims and acks in one call

REPEATS = 5

Part = Callable[[list[bytes]], Awaitable[None]]


async def decoding(payloads: list[bytes]) -> None:
    for payload in payloads:
        decode(payload)


async def running(payloads: list[bytes]) -> None:
    for _ in payloads:
        await noop(1)


async def counting(payloads: list[bytes]) -> None:
    """A look at the clock and two histograms, as the pool has them."""
    run, wait = [0] * BUCKETS, [0] * BUCKETS
    ran_at, ran_least, ran_most = waited_at, waited_least, waited_most = bucket(0.0)
    now = time.monotonic()
    for _ in payloads:
        ended = time.monotonic()
        if not ran_least <= ended - now < ran_most:
            ran_at, ran_least, ran_most = bucket(ended - now)
        run[ran_at] += 1
        if not waited_least <= now < waited_most:
            waited_at, waited_least, waited_most = bucket(now)
        wait[waited_at] += 1
        now = ended


async def claiming(bench: Bench) -> float:
    """CPU seconds of this process to claim and ack everything that is in the queue."""
    names = Namespace("")
    store, workers, wire = TaskStore(names), WorkerStore(names), AsyncWire(Settings(url=bench.url))
    await wire.run(workers.register("bench", "parts", lease_ms=60_000, fields={"host": "parts"}, event=b""))
    before, seq, held = time.process_time(), 0, list[bytes]()
    while True:
        seq += 1
        n = len(held)
        call = store.step("bench", "parts", seq=seq, claim=CLAIM, lease_ms=60_000, acks=[], oldest=n, length=n)
        held = (await wire.run(call)).payloads
        if not held:
            break
    used = time.process_time() - before
    await wire.close()
    return used


async def alone(part: Part, payloads: list[bytes]) -> float:
    """CPU seconds of a part that needs no Redis."""
    before = time.process_time()
    await part(payloads)
    return time.process_time() - before


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.parts", description=__doc__)
    parser.add_argument("--server", type=Path, help="the redis-server to use (default: the one on PATH)")
    system = taskconsole(our_loops()[0])
    seconds: dict[str, list[float]] = {"claim and ack": [], "decode": [], "run": [], "statistics": []}
    whole = []
    with Bench(server=parser.parse_args().server) as bench:
        for _ in range(REPEATS):
            whole.append(drain(bench, system, Size())["drain no-op: worker CPU"])
            bench.empty()
            bench.produce(system, "fill", TASKS)
            payloads = [raw for raw in bench.client.lrange("bench", 0, -1) if isinstance(raw, bytes)]
            assert type(decode(payloads[0])) is Envelope
            with on_core(bench.cores.measured), asyncio.Runner(loop_factory=loop_factory()) as runner:
                seconds["claim and ack"].append(runner.run(claiming(bench)))
                for name, part in {"decode": decoding, "run": running, "statistics": counting}.items():
                    seconds[name].append(runner.run(alone(part, payloads)))
    parts = {name: statistics.median(each) / TASKS * 1e6 for name, each in seconds.items()}
    total = statistics.median(whole)
    parts["the pool's own (the rest)"] = total - sum(parts.values())
    print(f"{system.name}: {total:.2f} µs of the worker's CPU a no-op task, median of {REPEATS}\n")
    print("| part | µs/task | share |\n|---|---|---|")
    for name, each in parts.items():
        print(f"| {name} | {each:.2f} | {each / total:.0%} |")


if __name__ == "__main__":
    main()
