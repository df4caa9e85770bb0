"""Mixed load for a long time, with faults at a low rate: does anything grow, leak or get lost?

    python -m tests.faults.soak --minutes 30 [--seed 1]

Two workers and a scheduler meet what goes wrong: they are killed, stopped, told to end; their connections are reset,
silent, robbed of answers; Redis is killed and its scripts are flushed. A third worker and a second scheduler are let
live, on a line of their own, so that their memory can be watched. The producer's tasks are counted in the ledger; an
operator plays with the tasks of a second queue, which are not.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGCONT, SIGSTOP
from statistics import linear_regression

import psutil
import redis

from taskconsole.config import Settings
from taskconsole.errors import TaskconsoleError
from taskconsole.store.keys import Namespace
from taskconsole.store.operations import OperationStore
from taskconsole.store.wire import Wire
from tests.faultproxy import FaultProxy
from tests.faults import app as tasks
from tests.faults.conftest import LEASE, Producer
from tests.faults.ledger import Ledger, Report
from tests.faults.schedulers import SchedulerProcess
from tests.lasting_keys import undeclared_keys
from tests.servers import PrivateServer, WorkerProcess, connect, wait_until

QUEUE, SIDE = "task_queue", "side"
KEYS = Namespace().of(QUEUE)
EVENT = b"{}"

EVERY = 8.0
"""Seconds from one fault to the next."""

SAMPLE = 5.0
"""Seconds between looks at memory and keys."""

CAPS = {"dead": 10_000, "log": 10_200, "done": 1_000, "runs:": 20, "running": 64, "workers": 8, "manifests": 8}
"""Most entries of a key, by the part of its name after the hash tag; a trimmed stream may be a node longer."""

SIZES = {"list": "llen", "zset": "zcard", "hash": "hlen", "stream": "xlen", "set": "scard"}


@dataclass
class Sample:
    """What was seen at one moment (seconds since the beginning)."""

    at: float
    memory: dict[str, float]
    """Megabytes of each process that lives all the time, and of Redis by its own count."""
    keys: int


@dataclass
class Findings:
    """What a soak has shown."""

    report: Report
    samples: list[Sample]
    faults: dict[str, int]
    leaks: list[str]
    """Keys without a TTL, an owner or a cap; and keys above theirs."""
    errors: list[str]
    """Lines that no fault explains."""
    failing: int
    """Tasks that were made to fail once: so many starts are repeated by themselves."""
    slopes: dict[str, float] = field(init=False)
    """Megabytes an hour, by the second half of the samples: at first everything warms up."""

    def __post_init__(self) -> None:
        half = self.samples[len(self.samples) // 2 :]
        at = [sample.at / 3600 for sample in half]
        self.slopes = {
            name: linear_regression(at, [sample.memory[name] for sample in half]).slope for name in half[0].memory
        }

    def __str__(self) -> str:
        first, last = self.samples[len(self.samples) // 2], self.samples[-1]
        memory = "\n".join(
            f"  {name}: {first.memory[name]:.1f} MB half way, {last.memory[name]:.1f} MB at the end, {slope:+.2f} MB/h"
            for name, slope in self.slopes.items()
        )
        faults = ", ".join(f"{n} x {name}" for name, n in sorted(self.faults.items()))
        keys = f"keys: {first.keys} half way, {last.keys} at the end; leaks: {self.leaks or 'none'}"
        said = f"F-39 {last.at / 60:.1f} min: {self.report}; {self.failing} of the repeated starts are tasks that fail once"
        return f"{said}\n{memory}\n  {keys}\n  {faults}\n  errors: {self.errors or 'none'}"


class Soak:
    """One run.

    Args:
        minutes: How long.
        seed: For what happens when.
        place: Where logs go.
        stack: Ends everything.
    """

    def __init__(self, minutes: float, seed: int, place: Path, stack: ExitStack) -> None:
        self._seconds, self._chance, self._place, self._stack = minutes * 60, random.Random(seed), place, stack
        self.server = stack.enter_context(PrivateServer(tcp=True, append_only=True))
        self.ledger = Ledger(stack.enter_context(PrivateServer()).url)
        stack.callback(self.ledger.close)
        self.proxy = stack.enter_context(FaultProxy(self.server.tcp_url))
        self.producer = Producer(self.server.url, retry_for=30)
        stack.callback(self.producer.close)
        self.wire = Wire(Settings(url=self.server.url))
        stack.callback(self.wire.close)
        self._logs = 0
        self.victims: list[WorkerProcess] = []
        self.watched: dict[str, int] = {}
        self.faults: dict[str, int] = {}
        self.samples: list[Sample] = []
        self.leaks: set[str] = set()
        self._asked = self._failing = 0

    # -- processes

    def _log(self, kind: str) -> Path:
        self._logs += 1
        return self._place / f"{kind}-{self._logs}.log"

    def _worker(self, url: str) -> WorkerProcess:
        worker = WorkerProcess(
            url,
            app="tests.faults.app:app",
            queues=(QUEUE, SIDE),
            concurrency=8,
            arguments=("--lease", str(LEASE), "--grace", "3"),
            environment=self.ledger.environment(),
            log=self._log("worker"),
        )
        self._stack.callback(worker.stop)
        return worker.launch()

    def _scheduler(self, url: str) -> SchedulerProcess:
        scheduler = SchedulerProcess(url, log=self._log("scheduler"))
        self._stack.callback(scheduler.stop)
        scheduler.launch()
        return scheduler

    def begin(self) -> None:
        """Start everything and wait until it works."""
        self.victims = [self._worker(self.proxy.url), self._worker(self.proxy.url), self._scheduler(self.proxy.url)]
        living = {"worker": self._worker(self.server.url), "scheduler": self._scheduler(self.server.url)}
        self.watched = {name: process.pid for name, process in living.items()}
        definitions = {
            f"every-{n}": json.dumps({"task": "tick", "args": [f"every {n + 1} s"], "every": n + 1, "overlap": rule})
            for n, rule in enumerate(("allow", "skip", "buffer_one"))
        }
        with connect(self.server.url) as client:
            client.hset(KEYS.schedules, mapping=definitions)
            wait_until(lambda: client.zcard(KEYS.workers) == 3, 30, "three workers are up")

    # -- what goes on

    def run(self) -> Findings:
        """Until the time is over and everything is done."""
        self.begin()
        began = time.monotonic()
        next_fault, next_sample = began + EVERY, began
        while (now := time.monotonic()) - began < self._seconds:
            self._produce()
            self._operate()
            if now >= next_fault:
                self._go_wrong()
                next_fault = time.monotonic() + EVERY
            if now >= next_sample:
                self._sample(now - began)
                next_sample = now + SAMPLE
            time.sleep(0.1)  # the pace of the load, not a wait for anything
        self.proxy.heal()
        self._restart_the_dead()
        healed = self.ledger.now()
        self.ledger.wait_for(self.producer.accepted, 120)
        self._sample(time.monotonic() - began)
        report = self.ledger.report("F-39", self.producer.accepted, healed=healed)
        return Findings(report, self.samples, self.faults, sorted(self.leaks), self._unexplained(), self._failing)

    def _produce(self) -> None:
        self.producer.work(self._chance.randrange(1, 8), self._chance.choice([0, 0.001, 0.01, 0.1]))
        if self._chance.random() < 0.2:
            self.producer.one(tasks.fail_once)
            self._failing += 1
        if self._chance.random() < 0.2:
            self.producer.one(tasks.work, 0.001, run_after=self._chance.uniform(0.2, 5))

    def _operate(self) -> None:
        """Somebody plays with the other queue: everything that an operator can do, and some of it taken back."""
        if self._chance.random() > 0.3:
            return
        raw = connect(self.server.url)
        keys, store = Namespace().of(SIDE), OperationStore(Namespace())
        self._asked += 1
        token, payload = f"soak-{self._asked}", json.dumps({"task": "nobody", "id": f"s{self._asked}"}).encode()
        with suppress(TaskconsoleError, redis.RedisError):
            raw.lpush(SIDE, payload)
            raw.zadd(keys.delayed, {payload + b" ": time.time() + 60})
            raw.zadd(keys.dead, {payload: time.time()})
            call = self._chance.choice(
                [
                    store.take_pending(SIDE, (0, 200), [payload], token=token, event=EVENT),
                    store.take(SIDE, "dead", [payload], token=token, event=EVENT),
                    store.requeue(SIDE, "dead", [(payload, payload)], token=token, event=EVENT),
                    store.reschedule(SIDE, [payload + b" "], "+5", token=token, event=EVENT),
                    store.purge(SIDE, "delayed", token=token, event=EVENT),
                    store.pause(SIDE, b"{}", token=token, event=EVENT),
                    store.resume(SIDE, token=token, event=EVENT),
                ]
            )
            self.wire.run(call)
            if self._chance.random() < 0.5:
                self.wire.run(store.undo(SIDE, token, event=EVENT))
        raw.close()

    # -- what goes wrong

    def _go_wrong(self) -> None:
        self._restart_the_dead()
        faults: list[tuple[str, Callable[[], object]]] = [
            ("SIGKILL", lambda: self._chance.choice(self.victims).kill()),
            ("SIGTERM", lambda: self._chance.choice(self.victims).stop()),
            ("SIGSTOP for 1.5 leases", self._stop_one),
            ("RST of all connections", self.proxy.reset_all),
            ("three lost answers", lambda: self.proxy.drop_replies(3)),
            ("black hole for 3 s", self._black_hole),
            ("SCRIPT FLUSH", self._flush_scripts),
            ("SIGKILL of Redis", self._kill_redis),
        ]
        name, happen = self._chance.choice(faults)
        self.faults[name] = self.faults.get(name, 0) + 1
        happen()

    def _restart_the_dead(self) -> None:
        for n, victim in enumerate(self.victims):
            if not victim.running:
                is_scheduler = isinstance(victim, SchedulerProcess)
                self.victims[n] = self._scheduler(self.proxy.url) if is_scheduler else self._worker(self.proxy.url)

    def _stop_one(self) -> None:
        victim = self._chance.choice(self.victims)
        victim.signal(SIGSTOP)
        self._go_on_for(1.5 * LEASE)
        victim.signal(SIGCONT)

    def _black_hole(self) -> None:
        way = self._chance.choice([self.proxy.up, self.proxy.down])
        way.blackhole = True
        self._go_on_for(3)
        self.proxy.heal()
        self.proxy.reset_all()

    def _go_on_for(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._produce()
            time.sleep(0.1)  # the pace of the load

    def _flush_scripts(self) -> None:
        with connect(self.server.url) as client:
            client.script_flush()

    def _kill_redis(self) -> None:
        self.server.kill()
        self.server.restart()

    # -- what is seen

    def _sample(self, at: float) -> None:
        memory = {name: psutil.Process(pid).memory_info().rss / 1e6 for name, pid in self.watched.items()}
        with connect(self.server.url) as client:
            memory["Redis"] = client.info("memory")["used_memory"] / 1e6
            self.leaks |= set(undeclared_keys(client))
            self.leaks |= set(too_long(client))
            self.samples.append(Sample(at, memory, client.dbsize()))

    def _unexplained(self) -> list[str]:
        """Lines of all logs that tell of a flaw of ours."""
        lines = [line for log in self._place.glob("*.log") for line in log.read_text(errors="replace").splitlines()]
        return sorted({line[:200] for line in lines if "Traceback" in line or "service failed" in line})


def too_long(client: redis.Redis) -> list[str]:
    """Keys that are longer than their cap."""
    found = []
    for key in client.scan_iter(match="{*}:*", count=1000):
        name = key.decode(errors="replace").split("}:", 1)[1]
        cap = next(
            (cap for start, cap in CAPS.items() if name == start or (start[-1] == ":" and name.startswith(start))), None
        )
        kind = client.type(key).decode()
        if cap is not None and kind in SIZES and (size := getattr(client, SIZES[kind])(key)) > cap:
            found.append(f"{key!r} has {size} entries, {cap} at most")
    return found


def soak(minutes: float, seed: int) -> Findings:
    """Run one."""
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="soak-")))
        return Soak(minutes, seed, place, stack).run()


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    findings = soak(asked.minutes, asked.seed)
    print(findings)
    return int(bool(findings.report.lost or findings.report.strangers or findings.leaks or findings.errors))


if __name__ == "__main__":
    sys.exit(main())
