"""The measures. Each is one function whose docstring says exactly what is timed, for one run of one system.

A measure returns figures by name; `FIGURES` gives their units and what we aim at. Those about schedules are in
`schedule_measures.py`.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks import schedule_measures
from benchmarks.bench import POLL, Bench, Process, RunError, family, kill, pids
from benchmarks.measure import NOBODY, Figure, Figures, Measure, Size, all_of, spread
from benchmarks.systems import System

FIGURES = {
    "drain no-op": Figure("tasks/s", "more", 100_000, 60_000),
    "drain no-op: worker CPU": Figure("µs/task", "less"),
    "drain no-op: Redis CPU": Figure("µs/task", "less"),
    "drain no-op: commands": Figure("per task", "less"),
    "drain no-op, two processes": Figure("tasks/s", "more"),
    "drain no-op, watched": Figure("tasks/s", "more"),
    "drain 1 ms sleep": Figure("tasks/s", "more", 30_000),
    "pickup p50": Figure("ms", "less", 1.0),
    "pickup p99": Figure("ms", "less", 2.5),
    "pickup max": Figure("ms", "less"),
    "lateness p50": Figure("ms", "less", 1.5),
    "lateness p99": Figure("ms", "less", 4.0),
    "lateness max": Figure("ms", "less"),
    "run early": Figure("tasks", "less", 0),
    "enqueue one by one": Figure("tasks/s", "more", 8_000),
    "enqueue one by one: CPU": Figure("µs/task", "less"),
    "enqueue concurrent": Figure("tasks/s", "more", 60_000),
    "enqueue concurrent: CPU": Figure("µs/task", "less"),
    "enqueue bulk": Figure("tasks/s", "more", 300_000),
    "enqueue bulk: CPU": Figure("µs/task", "less"),
    "Redis bytes per task": Figure("bytes", "less", 128),
    "Redis bytes per bare payload": Figure("bytes", "less", 10),
    "start to first task": Figure("s", "less", 0.25),
    "idle RSS": Figure("MB", "less", 35),
    "idle PSS": Figure("MB", "less"),
    "idle commands": Figure("1/s", "less", 2.0),
    "idle CPU": Figure("%", "less", 0.3),
    "small backlog": Figure("tasks", "more"),
    "small backlog: drain": Figure("tasks/s", "more"),
    "large backlog": Figure("tasks", "more"),
    "large backlog: drain": Figure("tasks/s", "more"),
    "large backlog / small": Figure("ratio", "more", 0.8),
    "busier of two workers": Figure("% of tasks", "less", 60),
    "24 one-second tasks, two workers": Figure("s", "less", 3.5),
    "SIGKILL to re-run": Figure("s", "less", 25),
    "SIGKILL: tasks": Figure("tasks", "more"),
    "SIGKILL: in the victim's hands": Figure("tasks", "more"),
    "SIGKILL: lost": Figure("tasks", "less", 0),
    "SIGKILL: run twice": Figure("tasks", "less"),
    **schedule_measures.FIGURES,
}


START = 3.0  # seconds that two workers are given to start

BITE = 0.05  # seconds into its first task that a worker is killed

AT_ONCE = 10  # tasks of a worker that will be killed

TRICKLE = 2.0  # seconds between two new tasks while a survivor is waited for

CALM = 5.0  # seconds without a task's end after which no more are expected


def drain(bench: Bench, system: System, size: Size) -> Figures:
    """No-op tasks through one worker process.

    Timed from the first run to the last, as the tasks themselves see it, with the backlog complete before the
    worker starts. Redis must be empty within 10 s after. Events, statistics and a time limit per task are on;
    nobody listens to the events. The worker's CPU is of the same time, a parent that hands tasks to it included
    (as seen from outside, to some 30 ms); that of Redis, and the commands it ran (those of scripts too), count
    from the worker's start.
    """
    count = size.of(400_000, 40_000, system.scale)
    drained = _drain(bench, system, count)
    return {
        "drain no-op": drained.rate,
        "drain no-op: worker CPU": drained.worker_cpu / count * 1e6,
        "drain no-op: Redis CPU": drained.redis_cpu / count * 1e6,
        "drain no-op: commands": drained.calls / count,
    }


def drain_two(bench: Bench, system: System, size: Size) -> Figures:
    """No-op tasks through two worker processes at once, the second on Redis' core.

    Timed while both work, by the marks that each sets after every hundredth of the tasks.
    """
    count = size.of(800_000, 100_000, system.scale)
    marks = range(1, count + 1, max(1, count // 100))
    bench.empty()
    bench.produce(system, "fill", count)
    with (
        bench.worker(system, marks=marks) as one,
        bench.worker(system, marks=marks, core=bench.cores.redis),
    ):
        bench.wait(lambda: system.left(bench.client) == 0 and bench.marks(), one, "Redis is empty")
    of_each: dict[int, list[tuple[float, int]]] = defaultdict(list)
    for mark in bench.marks():
        of_each[mark["pid"]].append((mark["at"], mark["mark"]))
    start = max(marks[0][0] for marks in of_each.values())
    end = min(marks[-1][0] for marks in of_each.values())
    within = [[mark for at, mark in marks if start <= at <= end] for marks in of_each.values()]
    together = sum(marks[-1] - marks[0] for marks in within if marks)
    if len(of_each) != 2 or together < count / 10:
        raise RunError("one of the two processes had nearly all the tasks")
    return {"drain no-op, two processes": together / (end - start)}


def drain_watched(bench: Bench, system: System, size: Size) -> Figures:
    """The same as `drain` while somebody listens to the queue's events (on Redis' core, unread)."""
    with bench.listener("bench_channel"):
        drained = _drain(bench, system, size.of(400_000, 40_000, system.scale))
    return {"drain no-op, watched": drained.rate}


def drain_nap(bench: Bench, system: System, size: Size) -> Figures:
    """Tasks that sleep 1 ms (asynchronously where the system can), timed as in `drain`."""
    return {"drain 1 ms sleep": _drain(bench, system, size.of(100_000, 20_000, system.scale), "nap").rate}


def backlog(bench: Bench, system: System, size: Size) -> Figures:
    """No-op tasks out of a small backlog, and out of a large one.

    Ours 10 k and 1 M (100 k when quick), timed from run 1,000 to run 10,000 and to run 100,000 (10,000). A peer
    gets about a second's work, 2,000 tasks at least, and 50 k (20 k), which takes some half a minute to enqueue;
    timed over the last nine tenths of the small number in both.
    """
    if system.ours:
        few, many = 10_000, size.of(1_000_000, 100_000)
        counted = many // 10
    else:
        few, many = max(2_000, 200_000 // system.scale), size.of(50_000, 20_000)
        counted = few
    small = _drain(bench, system, few, between=(few // 10, few)).rate
    large = _drain(bench, system, many, between=(few // 10, counted)).rate
    return {
        "small backlog": few,
        "small backlog: drain": small,
        "large backlog": many,
        "large backlog: drain": large,
        "large backlog / small": large / small,
    }


@dataclass(frozen=True, slots=True)
class Drained:
    """A backlog that was worked off: tasks per second, CPU seconds."""

    rate: float
    worker_cpu: float
    redis_cpu: float
    calls: int


def _drain(
    bench: Bench, system: System, count: int, task: str = "noop", between: tuple[int, int] | None = None
) -> Drained:
    """Fill the queue, run a worker, look at two of the runs (the first and the last by default)."""
    marks = between or (1, count)
    bench.empty()
    bench.produce(system, "fill", count, task)
    before, calls = bench.redis_cpu(), bench.calls()
    with bench.worker(system, marks=marks) as worker:
        (first, *_) = bench.wait(bench.marks, worker, "the first has run")
        others = _cpu_of_others(worker, first["pid"])
        first, last = bench.wait(lambda: all_of(bench.marks(), 2), worker, "all have run")
        others = _cpu_of_others(worker, first["pid"]) - others
        redis_cpu, calls = bench.redis_cpu() - before, bench.calls() - calls
        if between is None:
            bench.wait(lambda: system.left(bench.client) == 0, worker, "Redis is empty after the last run", 10)
    return Drained(
        rate=(last["mark"] - first["mark"]) / (last["at"] - first["at"]),
        worker_cpu=last["cpu"] - first["cpu"] + others,
        redis_cpu=redis_cpu,
        calls=calls,
    )


def _cpu_of_others(worker: Process, pid: int) -> float:
    """CPU seconds of the worker's processes but the one that runs the tasks, which tells its own exactly."""
    return sum(sum(process.cpu_times()[:2]) for process in family(worker) if process.pid != pid)


def pickup(bench: Bench, system: System, size: Size) -> Figures:
    """From just before the call that enqueues to the first line of the task, for an idle worker.

    500 tasks (200 when quick), 10 ms apart, after one that warms up.
    """
    count = size.of(500, 200)
    bench.empty()
    with bench.worker(system, marks=(1,), samples=count) as worker:
        _warm_up(bench, system, worker)
        bench.produce(system, "paced", count, beat=True)
        samples = bench.wait(bench.samples, worker, "all picked up")
    return spread("pickup", samples)


def delayed(bench: Bench, system: System, size: Size) -> Figures:
    """From the time a task is due to its first line: 300 tasks (100 when quick), due in 2 to 5 s."""
    count = size.of(300, 100)
    bench.empty()
    with bench.worker(system, marks=(1,), samples=count, scheduler=True) as worker:
        _warm_up(bench, system, worker)
        bench.produce(system, "delayed", count, beat=True)
        samples = bench.wait(bench.samples, worker, "all due tasks run")
    return {**spread("lateness", samples), "run early": sum(sample < 0 for sample in samples)}


def _warm_up(bench: Bench, system: System, worker: Process) -> None:
    """Have one no-op run, so that the worker is up and its connections are made."""
    bench.produce(system, "now", task="noop", beat=True)
    bench.wait(lambda: system.left(bench.client) == 0 and bench.marks(), worker, "the worker is up")


def enqueue(bench: Bench, system: System, size: Size) -> Figures:
    """No-op tasks enqueued by one client process with no worker: one by one, from 100 coroutines, in bulk.

    10,000, 200,000 and 300,000 tasks (when quick 2,000, 20,000, 100,000); of the larger numbers peers get a tenth.
    Timed around the calls alone; the connection is made within the first. CPU is the client's.
    """
    figures: Figures = {}
    many = 1 if system.ours else 10
    ways = {
        "one": ("enqueue one by one", size.of(10_000, 2_000)),
        "concurrent": ("enqueue concurrent", size.of(200_000, 20_000, many)),
        "bulk": ("enqueue bulk", size.of(300_000, 100_000, many)),
    }
    for way, (name, count) in ways.items():
        if way in system.can:
            bench.empty()
            took = bench.produce(system, way, count)
            figures[name] = count / took["seconds"]
            figures[f"{name}: CPU"] = took["cpu"] / count * 1e6
    return figures


def memory(bench: Bench, system: System, size: Size) -> Figures:
    """Growth of Redis' used memory by no-op tasks that wait, each; for ours also by bare payloads `noop`."""
    count = min(50_000, size.of(50_000, 10_000, system.scale) * 10)
    figures = {"Redis bytes per task": _bytes_each(bench, count, lambda: bench.produce(system, "fill", count))}
    if system.ours:
        figures["Redis bytes per bare payload"] = _bytes_each(
            bench, count, lambda: bench.client.lpush("bench", *["noop"] * count)
        )
    return figures


def _bytes_each(bench: Bench, count: int, fill: Callable[[], object]) -> float:
    bench.empty()
    bench.client.ping()
    before = bench.client.info("memory")["used_memory"]
    fill()
    return float(bench.client.info("memory")["used_memory"] - before) / count


def start(bench: Bench, system: System, _size: Size) -> Figures:
    """From before the worker's process is made to the first line of a task that waits for it."""
    bench.empty()
    bench.produce(system, "now", task="stamp")
    before = time.time()
    with bench.worker(system, samples=1, tie=False) as worker:
        (at,) = bench.wait(bench.samples, worker, "the first task")
    return {"start to first task": at - before}


def idle(bench: Bench, system: System, size: Size) -> Figures:
    """What a worker with nothing to do costs: memory of all its processes, its CPU, commands it sends.

    After one task and 2 s more, over 20 s (5 s when quick). Commands inside scripts are not counted.
    """
    seconds = 5.0 if size.quick else 20.0
    bench.empty()
    with bench.worker(system, marks=(1,)) as worker:
        _warm_up(bench, system, worker)
        bench.commands_sent(2.0)
        processes = family(worker)
        before = sum(sum(process.cpu_times()[:2]) for process in processes)
        commands = bench.commands_sent(seconds)
        if any(not process.is_running() for process in processes):
            raise RunError("a process of the worker ended while it was looked at")
        cpu = sum(sum(process.cpu_times()[:2]) for process in processes) - before
        full = [process.memory_full_info() for process in processes]
    return {
        "idle RSS": sum(info.rss for info in full) / 1e6,
        "idle PSS": sum(getattr(info, "pss", 0) for info in full) / 1e6,
        "idle commands": commands / seconds,
        "idle CPU": cpu / seconds * 100,
    }


def share(bench: Bench, system: System, _size: Size) -> Figures:
    """24 tasks of one second in bulk to two idle workers, 4 at once each: who gets how many, and how long.

    Timed from before the producer's start to the end of the last task; 3 s is the least possible.
    """
    bench.empty()
    with bench.worker(system, concurrency=4) as one, bench.worker(system, concurrency=4):
        bench.wait(lambda: bench.client.zcard("{bench}:workers") == 2, one, "both workers are up")
        before = time.time()
        bench.produce(system, "fill", 24, "second", beat=True)
        notes = bench.wait(lambda: all_of(bench.notes(), 24), one, "all have started")
    pids = [note["pid"] for note in notes]
    return {
        "busier of two workers": max(pids.count(pid) for pid in pids) / len(pids) * 100,
        "24 one-second tasks, two workers": max(note["at"] for note in notes) + 1 - before,
    }


def rerun(bench: Bench, system: System, _size: Size) -> Figures:
    """SIGKILL of one of two workers, its children with it, in the midst of tasks of 1 s, up to 10 at once each.

    Timed from the kill to the last start, in the survivor, of a task that the victim had begun and not ended.
    A no-op is enqueued every 2 s meanwhile, for some look at what was abandoned only when there is something
    new. Lost: tasks that had not ended when the system's own time to recover was over and 5 s had passed without
    an end. Run twice: starts beyond the first of each task.
    """
    at_once = min(AT_ONCE, system.concurrency)
    count = max(12, 6 * at_once)
    bench.empty()
    with (
        bench.worker(system, concurrency=at_once) as one,
        bench.worker(system, concurrency=at_once, core=bench.cores.redis) as other,
    ):
        time.sleep(START)
        bench.produce(system, "fill", count, "step", beat=True)
        first = bench.wait(lambda: bench.notes("began"), one, "a task has started")[0]["pid"]
        victim, survivor = (one, other) if first in pids(one) else (other, one)
        killed_pids = pids(victim)
        time.sleep(BITE)
        killed = time.time()
        kill(victim)
        missing = _unfinished(bench, system, count, killed + (system.recovers or CALM), survivor)
    began, ended = bench.notes("began"), bench.notes("ended")
    held = {note["began"] for note in began if note["pid"] in killed_pids}
    held -= {note["ended"] for note in ended if note["pid"] in killed_pids}
    again = {note["began"]: note["at"] for note in began if note["began"] in held and note["pid"] not in killed_pids}
    figures: Figures = {
        "SIGKILL: tasks": count,
        "SIGKILL: in the victim's hands": len(held),
        "SIGKILL: lost": missing,
        "SIGKILL: run twice": len(began) - len({note["began"] for note in began}),
    }
    return {**figures, "SIGKILL to re-run": max(again.values()) - killed} if again and not missing else figures


def _unfinished(bench: Bench, system: System, count: int, deadline: float, survivor: Process) -> int:
    """How many have not ended when all have, or when the time is over and nothing has ended for a while."""
    trickled = time.time()
    while True:
        ended = {note["ended"]: note["at"] for note in bench.notes("ended")}
        missing = count - len(ended)
        if not missing or time.time() > max(deadline, max(ended.values(), default=0.0) + CALM):
            return missing
        if survivor.poll() is not None:
            raise RunError(f"the survivor ended with {survivor.returncode}")
        if time.time() > trickled + TRICKLE:
            bench.produce(system, "now", task="noop", beat=True)
            trickled = time.time()
        time.sleep(POLL)


MEASURES = {
    "drain": Measure(drain, every_loop=True),
    "drain-watched": Measure(drain_watched, peers=NOBODY),
    "drain-two": Measure(drain_two, every_loop=True),
    "drain-nap": Measure(drain_nap, every_loop=True),
    "pickup": Measure(pickup),
    "delayed": Measure(delayed),
    "enqueue": Measure(enqueue),
    "memory": Measure(memory, repeats=1),
    "start": Measure(start, every_loop=True),
    "idle": Measure(idle, every_loop=True, repeats=1),
    "backlog": Measure(backlog, repeats=1),
    "share": Measure(share, peers=NOBODY),
    "rerun": Measure(rerun, repeats=1),
    **schedule_measures.MEASURES,
}
