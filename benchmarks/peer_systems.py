"""The peers: how each one's worker is run, at least once where it can be, at its best number of tasks at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import redis

from benchmarks.environments import environment, node
from benchmarks.systems import System, producer

ROOT = "benchmarks.peers"

AWAITING = frozenset({"one", "concurrent"})

BLOCKING = frozenset({"one"})


def rq(cache: Path) -> System:
    """RQ without a fork for each task."""
    module = f"{ROOT}.rq_simple"
    system = System(
        name="rq",
        setting="SimpleWorker, Retry(3), job_timeout 10 s, results off, maintenance every 10 s",
        python=environment("rq", cache),
        producer=producer(module),
        worker=lambda _: [
            *("-m", "rq.cli", "worker", "bench", "--url", "{url}", "--worker-class", "rq.SimpleWorker"),
            *("--logging_level", "WARNING", "--maintenance-interval", "10"),
        ],
        scheduler=("-m", module),
        can=frozenset({"one", "bulk"}),
        left=_sum("llen rq:queue:bench", "zcard rq:wip:bench", "zcard rq:scheduled:bench"),
        concurrency=1,
        recovers=150,
        scale=400,
    )
    return replace(system, scheduled=system)


def celery(cache: Path) -> System:
    """Celery with one child process, and beat for crons."""
    module = f"{ROOT}.celery_late"
    system = System(
        name="celery",
        setting="prefork 1, late ack, visibility time-out 10 s, results off",
        python=environment("celery", cache),
        producer=producer(module),
        worker=lambda concurrency: [
            *("-m", "celery", "-A", f"{module}:celery", "worker", "-P", "prefork", "-c", str(concurrency)),
            *("--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "ERROR"),
        ],
        can=BLOCKING,
        left=_sum("llen bench", "hlen unacked"),
        concurrency=1,
        recovers=150,
        scale=150,
    )
    # Its default scheduler would leave a file behind.
    beat = (
        *("-m", "celery", "-A", f"{module}:celery", "beat", "-l", "ERROR"),
        *("-S", "celery.beat:Scheduler", "--pidfile="),
    )
    return replace(system, scheduled=replace(system, scheduler=beat))


def arq(cache: Path) -> System:
    """arq, asking for what is due a hundred times a second instead of twice."""
    module = f"{ROOT}.arq_queue"
    system = System(
        name="arq",
        setting="at least once, 100 at once, asks every 10 ms, job_timeout 10 s",
        python=environment("arq", cache),
        producer=producer(module),
        worker=lambda _: ["-m", "arq", f"{module}.WorkerSettings"],
        can=AWAITING,
        left=_sum("zcard arq:queue"),
        recovers=40,
        scale=80,
    )
    return replace(system, scheduled=system)


def saq(cache: Path) -> System:
    """SAQ, sweeping every 5 s instead of every 60."""
    module = f"{ROOT}.saq_queue"
    system = System(
        name="saq",
        setting="100 at once, timeout 10 s, retries 3, sweep every 5 s (but not twice in 60 s), results off",
        python=environment("saq", cache),
        producer=producer(module),
        worker=lambda _: ["-m", "saq", f"{module}.settings"],
        can=AWAITING,
        left=_sum("llen saq:bench:queued", "llen saq:bench:active"),
        recovers=150,
        scale=80,
    )
    return replace(system, scheduled=system)


def huey(cache: Path) -> System:
    """huey with 8 threads, results off, a scheduler that looks every second (the least it takes)."""
    module = f"{ROOT}.huey_list"

    def worker(*more: str) -> Callable[[int], list[str]]:
        return lambda concurrency: [
            *("-m", "huey.bin.huey_consumer", f"{module}.huey"),
            *("-w", str(concurrency), "-k", "thread", "-q", "-s", "1", *more),
        ]

    system = System(
        name="huey",
        setting="at most once, 8 threads, results off",
        python=environment("huey", cache),
        producer=producer(module),
        worker=worker("--no-periodic"),
        can=BLOCKING,
        left=_sum("llen huey.redis.bench", "zcard huey.schedule.bench"),
        concurrency=8,
        scale=30,
    )
    return replace(system, scheduled=replace(system, worker=worker()))


def dramatiq(cache: Path) -> System:
    """dramatiq with one process of 8 threads; prefetching 16, as it does by itself, it sleeps more than it works."""
    module = f"{ROOT}.dramatiq_queue"
    return System(
        name="dramatiq",
        setting="at least once, 8 threads, prefetch 200, heartbeat time-out 10 s, maintenance in 10 % of its commands",
        python=environment("dramatiq", cache),
        producer=producer(module),
        worker=lambda concurrency: ["-m", "dramatiq", module, "--processes", "1", "--threads", str(concurrency)],
        can=BLOCKING,
        left=_sum("hlen dramatiq:bench.msgs", "hlen dramatiq:bench.DQ.msgs"),
        environment={"dramatiq_queue_prefetch": "200"},
        concurrency=8,
        recovers=40,
        scale=100,
    )


def taskiq_list(cache: Path) -> System:
    """taskiq with a list."""
    return _taskiq(
        cache,
        "list",
        setting="at most once, 100 at once",
        left=_sum("llen bench"),
        recovers=None,
    )


def taskiq_stream(cache: Path) -> System:
    """taskiq with a stream."""
    return _taskiq(
        cache,
        "stream",
        setting="at least once, 100 at once, idle and lock time-outs 10 s",
        left=_left_of_stream,
        recovers=60,
    )


def _taskiq(
    cache: Path, kind: str, *, setting: str, left: Callable[[redis.Redis], int], recovers: float | None
) -> System:
    """100 at once on uvloop, as its users run it; its scheduler is a process of its own."""
    module = f"{ROOT}.taskiq_{kind}"
    command = ("-m", "taskiq", "scheduler")
    system = System(
        name=f"taskiq-{kind}",
        setting=setting,
        python=environment("taskiq", cache),
        producer=producer(module),
        worker=lambda concurrency: [
            *("-m", "taskiq", "worker", f"{module}:broker", "--workers", "1"),
            *("--max-async-tasks", str(concurrency), "--log-level", "WARNING"),
        ],
        scheduler=(*command, f"{module}:scheduler", "--update-interval", "1", "--log-level", "WARNING"),
        can=AWAITING,
        left=left,
        recovers=recovers,
        scale=60,
    )
    crons = (*command, f"{module}:crons", "--skip-first-run", "--log-level", "WARNING")
    return replace(system, scheduled=replace(system, scheduler=crons))


def _left_of_stream(client: redis.Redis) -> int:
    """What was handed out, and what was not, which only Redis 7 counts."""
    groups = client.xinfo_groups("bench")
    return sum(group["pending"] + (group.get("lag") or 0) for group in groups) if groups else client.xlen("bench")


def streaq(cache: Path) -> System:
    """streaQ on uvloop."""
    module = f"{ROOT}.streaq_queue"
    system = System(
        name="streaq",
        setting="at least once, 100 at once, idle time-out 10 s, results off",
        python=environment("streaq", cache),
        producer=producer(module),
        worker=lambda _: ["-m", "streaq", "run", f"{module}:worker"],
        left=_sum("xlen streaq:bench:queues:normal", "zcard streaq:bench:queues:delayed:normal"),
        recovers=60,
        scale=150,
    )
    return replace(system, scheduled=system)


def docket(cache: Path) -> System:
    """docket, with what it takes for its best."""
    module = f"{ROOT}.docket_queue"
    system = System(
        name="docket",
        setting="at least once, 100 at once, redelivery time-out 10 s, looks every 5 ms",
        python=environment("docket", cache),
        producer=producer(module),
        worker=lambda _: ["-m", module],
        left=_sum("xlen bench:stream", "zcard bench:queue"),
        recovers=40,
        scale=80,
    )
    return replace(system, scheduled=system)


def bullmq(cache: Path) -> System:
    """BullMQ, which runs in node."""
    program, modules = node("bullmq", ("bullmq@6.7.0", "ioredis@5"), cache)
    script = "benchmarks/peers/bullmq_queue.cjs"
    system = System(
        name="bullmq",
        setting="node, at least once, 100 at once, lock 10 s, looks for stalled every 10 s",
        python=program,
        producer=(script, str(modules)),
        worker=lambda concurrency: [script, str(modules), "work", str(concurrency)],
        left=_sum("llen bull:bench:wait", "llen bull:bench:active", "zcard bull:bench:delayed"),
        recovers=60,
        scale=20,
    )
    return replace(system, scheduled=system)


def apscheduler(cache: Path) -> System:
    """APScheduler 3 with its jobs in Redis: a scheduler that runs what is due by itself."""
    module = f"{ROOT}.apscheduler_redis"
    system = System(
        name="apscheduler",
        setting="jobs in Redis, run by the scheduler",
        python=environment("apscheduler", cache),
        producer=(),
        worker=lambda _: ["-m", module],
        can=frozenset(),
        left=lambda _: 0,
    )
    return replace(system, scheduled=system)


def _sum(*commands: str) -> Callable[[redis.Redis], int]:
    """The sum of what these commands answer."""

    def left(client: redis.Redis) -> int:
        answers = [client.execute_command(*command.split()) for command in commands]  # type: ignore[no-untyped-call]
        return sum(map(int, answers))

    return left


PEERS: dict[str, Callable[[Path], System]] = {
    "rq": rq,
    "celery": celery,
    "arq": arq,
    "saq": saq,
    "huey": huey,
    "dramatiq": dramatiq,
    "taskiq-list": taskiq_list,
    "taskiq-stream": taskiq_stream,
    "streaq": streaq,
    "docket": docket,
    "bullmq": bullmq,
    "apscheduler": apscheduler,
}
