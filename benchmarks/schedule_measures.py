"""The measures about schedules, as in `measures.py`: each docstring says exactly what is timed, for one run."""

from __future__ import annotations

import bisect
import datetime as dt
import itertools
import json
import time
from dataclasses import dataclass

from benchmarks.bench import Bench, Process, RunError, family
from benchmarks.measure import EACH_MINUTE, NOBODY, SCHEDULERS, Figure, Figures, Measure, Size, all_of, spread
from benchmarks.systems import System
from benchmarks.wanted import Wanted
from taskconsole import App
from taskconsole.model.schedule import At

FIGURES = {
    "fires, 20 at once: p50": Figure("ms", "less"),
    "fires, 20 at once: p99": Figure("ms", "less", 5.0),
    "fires, 20 at once: max": Figure("ms", "less"),
    "fires, 20 at once: early": Figure("tasks", "less", 0),
    "fires, 200 at once: p50": Figure("ms", "less"),
    "fires, 200 at once: p99": Figure("ms", "less"),
    "fires, 200 at once: max": Figure("ms", "less"),
    "fires, 200 at once: early": Figure("tasks", "less", 0),
    "woken: p50": Figure("ms", "less"),
    "woken: p99": Figure("ms", "less", 50.0),
    "woken: max": Figure("ms", "less"),
    "woken: early": Figure("tasks", "less", 0),
    "minute cron: p50": Figure("ms", "less"),
    "minute cron: p99": Figure("ms", "less"),
    "minute cron: max": Figure("ms", "less"),
    "minute cron: early": Figure("tasks", "less", 0),
    "load: declare": Figure("s", "less"),
    "load: register": Figure("s", "less", 5.0),
    "load: register again": Figure("s", "less"),
    "load: Redis bytes": Figure("bytes/schedule", "less"),
    "load: RSS with ten": Figure("MB", "less"),
    "load: RSS with all": Figure("MB", "less"),
    "load: fire, one due of ten: scripts": Figure("calls/fire", "less"),
    "load: fire, one due of all: scripts": Figure("calls/fire", "less"),
    "load: fire, one due of ten: Redis": Figure("µs/fire", "less"),
    "load: fire, one due of all: Redis": Figure("µs/fire", "less"),
    "load: fire, one due of ten: scheduler CPU": Figure("µs/fire", "less"),
    "load: fire, one due of all: scheduler CPU": Figure("µs/fire", "less"),
    "load: idle with ten: CPU": Figure("%", "less"),
    "load: idle with all: CPU": Figure("%", "less"),
    "load: idle with ten: Redis CPU": Figure("%", "less"),
    "load: idle with all: Redis CPU": Figure("%", "less"),
    "load: idle with ten: commands": Figure("1/s", "less"),
    "load: idle with all: commands": Figure("1/s", "less"),
    "outage: caught up": Figure("s", "less"),
    "outage: caught up, from the start": Figure("s", "less"),
    "outage: tasks": Figure("tasks/s", "less"),
    "outage: tasks, busiest 100 ms": Figure("tasks/s", "less"),
    "outage: scheduler CPU": Figure("%", "less"),
    "outage: Redis CPU": Figure("%", "less"),
}

OUTAGE = 3 * 3600

WINDOW = 20.0  # seconds over which the costs of a scheduler are counted: two looks through all definitions

SETTLED = 0.25  # share of a core below which a scheduler is through with its start

BEAT = 0.02


def fires(bench: Bench, system: System, size: Size) -> Figures:
    """From the instant of a cron with seconds to the first line of its task, for an idle worker.

    20 schedules `* * * * * *` for 25 s (5 s when quick), then 200 of them for 10 s (3 s), each with one worker
    that fires and runs them; the first 3 s or so are not counted. The instant is what the task is told:
    `Context.scheduled_at`, arq's score, APScheduler's scheduled_run_time. Early: first lines before the instant.
    """
    return {
        **_each_second(bench, system, 20, 5 if size.quick else 25),
        **_each_second(bench, system, 200, 3 if size.quick else 10),
    }


def _each_second(bench: Bench, system: System, schedules: int, seconds: int) -> Figures:
    bench.empty()
    # Half past a second, so that every instant counts with all its schedules or not at all.
    since = int(time.time()) + 4.5
    environment = Wanted(each="second", count=schedules).environment()
    with bench.worker(_scheduled(system), samples=schedules * seconds, since=since, environment=environment) as worker:
        samples = bench.wait(bench.samples, worker, "all have fired")
    return _lateness(f"fires, {schedules} at once:", samples)


def woken(bench: Bench, system: System, size: Size) -> Figures:
    """From the instant of a date that is written 30 ms before it to the first line of its task.

    An idle worker whose other schedules all begin in an hour, so that it sleeps; 100 dates (25 when quick) by
    `app.schedules.add`, one after another, 0.1 s apart. Five before them do not count: the first has what it
    needs imported after its instant was chosen.
    """
    count, first = 25 if size.quick else 100, 5
    bench.empty()
    far = Wanted(each="varied", count=10, start=time.time() // 60 * 60 + 3600)
    app = App(bench.url)
    with bench.worker(_scheduled(system), samples=first + count, environment=far.environment()) as worker:
        bench.wait(lambda: bench.client.exists("{bench}:ticker"), worker, "somebody fires")
        for n in range(first + count):
            time.sleep(0.1)
            moment = dt.datetime.fromtimestamp(time.time() + 0.03, dt.UTC)
            app.schedules.add(f"date {n}", At(moment), "tick", queue_name="bench", options={"args": [n]})
        samples = bench.wait(bench.samples, worker, "all have fired")
    app.close()
    return _lateness("woken:", samples[first:])


def _scheduled(system: System) -> System:
    if system.scheduled is None:
        raise RunError("has no schedules")
    return system.scheduled


def _alone(system: System) -> System:
    if system.alone is None:
        raise RunError("has no scheduler")
    return system.alone


def _lateness(name: str, samples: list[float]) -> Figures:
    return {**spread(name, samples), f"{name} early": sum(sample < 0 for sample in samples)}


def cron_minute(bench: Bench, system: System, _size: Size) -> Figures:
    """From a full minute by this machine's clock to the first line of a task that is due each minute.

    10 schedules `* * * * *`, looked at once, each system as it is meant to be run: ours fired by the worker, as
    those of arq, SAQ, streaQ, docket and BullMQ are; huey's by the scheduler in its consumer; taskiq's (with a
    LabelScheduleSource), Celery's (beat) and RQ's by a scheduler process beside the worker. All are started half
    a minute before the full minute: huey looks at its periodic tasks every 60 s counted from its start, so the
    second of the minute in which it is started is how late it is.
    """
    bench.empty()
    time.sleep((30.0 - time.time()) % 60)
    full = (time.time() // 60 + 1) * 60
    with bench.worker(
        _scheduled(system),
        samples=10,
        since=full - 1,
        scheduler=True,
        environment=Wanted(each="minute", count=10).environment(),
    ) as worker:
        moments = bench.wait(bench.samples, worker, "all have fired", 120.0)
    # The last second of a minute counts as early for the next.
    return _lateness("minute cron:", [(moment - full + 1) % 60 - 1 for moment in moments])


def load(bench: Bench, system: System, size: Size) -> Figures:
    """10,000 schedules (1,000 when quick): 8,000 crons of eight kinds in eight zones, 2,000 intervals.

    `declare`: importing the code that declares them, croniter with it. `register`: the registrar of one process
    puts them into an empty Redis, each with its first time; `again`: the same process finds them all there.
    Bytes: MEMORY USAGE of the definitions, positions, times, what the code says and the manifest.

    Idle: a scheduler process (`--headless scheduler -A`) whose schedules all begin in an hour, over 20 s once it
    is through with its start, with ten and with all; in these 20 s it looks through all definitions twice, in
    case one was written by hand. Commands are counted in 10 s more, those inside scripts left out. RSS is this
    process's at the end.

    Fire: the same processes with one schedule more that is due every 20 ms and nobody who runs its tasks (the
    queue is emptied meanwhile), over as long. What the idle one used in that time is taken off; the rest by the
    fires: scripts called, the server's time in them as it counts it, CPU of the scheduler.
    """
    everything = size.of(10_000, 1_000)
    return {
        **_register(bench, system, everything),
        **_at_rest_and_firing(bench, system, "ten", 10),
        **_at_rest_and_firing(bench, system, "all", everything),
    }


def _register(bench: Bench, system: System, count: int) -> Figures:
    bench.empty()
    took = bench.register(_alone(system), Wanted(each="varied", count=count))
    keys = [f"{{bench}}:{name}" for name in ("schedules", "positions", "next", "code", "manifests")]
    keys += [key.decode() for key in bench.client.scan_iter("{bench}:manifest:*")]
    used = sum(bench.client.memory_usage(key, samples=0) or 0 for key in keys)
    return {
        "load: declare": took["declare"],
        "load: register": took["register"],
        "load: register again": took["again"],
        "load: Redis bytes": used / count,
    }


@dataclass(frozen=True, slots=True)
class Used:
    """What was used since a start, or between two moments: seconds, numbers."""

    at: float
    cpu: float
    redis_cpu: float
    scripts: int
    in_scripts: float
    fired: int

    def since(self, before: Used) -> Used:
        """What was used between."""
        return Used(
            at=self.at - before.at,
            cpu=self.cpu - before.cpu,
            redis_cpu=self.redis_cpu - before.redis_cpu,
            scripts=self.scripts - before.scripts,
            in_scripts=self.in_scripts - before.in_scripts,
            fired=self.fired - before.fired,
        )


def _used(bench: Bench, process: Process) -> Used:
    scripts, in_scripts = bench.scripts()
    return Used(
        at=time.monotonic(),
        cpu=_cpu(process),
        redis_cpu=bench.redis_cpu(),
        scripts=scripts,
        in_scripts=in_scripts,
        fired=_fired(bench),
    )


def _cpu(process: Process) -> float:
    return sum(sum(one.cpu_times()[:2]) for one in family(process))


def _settle(process: Process) -> None:
    """Wait until a scheduler has declared, registered and looked at everything: two calm seconds."""
    calm, deadline = 0, time.monotonic() + 60
    time.sleep(3)
    while calm < 2:
        before = _cpu(process)
        time.sleep(1)
        calm = calm + 1 if _cpu(process) - before < SETTLED else 0
        if time.monotonic() > deadline:
            raise RunError("the scheduler does not come to rest")


def _fired(bench: Bench) -> int:
    return int(bench.client.hget("{bench}:stats", "fired") or 0)


def _at_rest_and_firing(bench: Bench, system: System, name: str, count: int) -> Figures:
    """The scheduler's cost with so many schedules of which none is due, and with one that is."""
    scheduler = _alone(system)
    far = Wanted(each="varied", count=count, start=time.time() // 60 * 60 + 3600)
    bench.empty()
    bench.register(scheduler, far)
    with bench.worker(scheduler, environment=far.environment()) as process:
        _settle(process)
        before = _used(bench, process)
        time.sleep(WINDOW)
        rest = _used(bench, process).since(before)
        commands = bench.commands_sent(10.0)
        rss = sum(one.memory_info().rss for one in family(process))
    if rest.fired:
        raise RunError(f"{rest.fired} have fired that should not")
    beating = Wanted(each=far.each, count=count, start=far.start, beat=BEAT)
    with bench.worker(scheduler, environment=beating.environment()) as process:
        _settle(process)
        before = _used(bench, process)
        end = time.monotonic() + WINDOW
        while time.monotonic() < end:
            # In the place of the worker that would run them.
            bench.client.delete("bench", "{bench}:running")
            time.sleep(BEAT)
        busy = _used(bench, process).since(before)
    if not busy.fired:
        raise RunError("nothing was fired")
    share = busy.at / rest.at
    return {
        f"load: RSS with {name}": rss / 1e6,
        f"load: idle with {name}: CPU": rest.cpu / rest.at * 100,
        f"load: idle with {name}: Redis CPU": rest.redis_cpu / rest.at * 100,
        f"load: idle with {name}: commands": commands / 10.0,
        f"load: fire, one due of {name}: scripts": (busy.scripts - rest.scripts * share) / busy.fired,
        f"load: fire, one due of {name}: Redis": (busy.in_scripts - rest.in_scripts * share) / busy.fired * 1e6,
        f"load: fire, one due of {name}: scheduler CPU": (busy.cpu - rest.cpu * share) / busy.fired * 1e6,
    }


def after_outage(bench: Bench, system: System, size: Size) -> Figures:
    """10,000 schedules due every minute (1,000 when quick) that stood still for 3 hours, and one scheduler.

    Their positions and times in Redis are put back by 3 hours; `catch_up` is `one`, so each makes one task, and
    nobody runs these. Times are those at which the scheduler decided, as the tasks carry them: from the first
    to the last, and to the last from before the process was made. It starts in the first half of a minute, so
    that the next regular instant does not come in between. CPU is from its start to the end, import and
    declaration of the schedules with it.
    """
    count = size.of(10_000, 1_000)
    wanted = Wanted(each="minute", count=count)
    scheduler = _alone(system)
    bench.empty()
    bench.register(scheduler, wanted)
    _wait_for_first_half()
    _put_back(bench, OUTAGE)
    started, used_before, clock = time.time(), bench.redis_cpu(), time.monotonic()
    with bench.worker(scheduler, environment=wanted.environment()) as process:
        bench.wait(lambda: bench.client.llen("bench") >= count, process, "all are caught up")
        took = time.monotonic() - clock
        cpu = _cpu(process)
        redis_cpu = bench.redis_cpu() - used_before
        bench.wait(lambda: not _late(bench), process, "nothing is late any more")
        tasks = [json.loads(raw) for raw in bench.client.lrange("bench", 0, -1)]
    if not all_of({task["schedule"] for task in tasks}, count) or len(tasks) != count:
        raise RunError(f"{len(tasks)} tasks for {count} schedules")
    moments = sorted(task["enqueued_at"] for task in tasks)
    return {
        "outage: caught up": moments[-1] - moments[0],
        "outage: caught up, from the start": moments[-1] - started,
        "outage: tasks": count / (moments[-1] - moments[0]),
        "outage: tasks, busiest 100 ms": _busiest(moments, 0.1) * 10,
        "outage: scheduler CPU": cpu / took * 100,
        "outage: Redis CPU": redis_cpu / took * 100,
    }


def _wait_for_first_half() -> None:
    second = time.time() % 60
    if not 2 <= second <= 25:
        time.sleep((2 - second) % 60)


def _put_back(bench: Bench, seconds: int) -> None:
    """Let all schedules be where they were so long ago."""
    positions = bench.client.hgetall("{bench}:positions")
    for portion in itertools.zip_longest(*[iter(positions.items())] * 1000):
        moved = {}
        times = {}
        for name, raw in filter(None, portion):
            position = json.loads(raw)
            position |= {field: position[field] - seconds for field in ("instant", "time")}
            moved[name] = json.dumps(position)
            times[name] = position["time"]
        bench.client.hset("{bench}:positions", mapping=moved)
        bench.client.zadd("{bench}:next", times)


def _late(bench: Bench) -> int:
    return int(bench.client.zcount("{bench}:next", "-inf", time.time() - 10))


def _busiest(moments: list[float], stretch: float) -> int:
    """The most of them within a stretch of time."""
    return max(bisect.bisect_left(moments, moment + stretch) - i for i, moment in enumerate(moments))


MEASURES = {
    "fires": Measure(fires, peers=SCHEDULERS),
    "woken": Measure(woken, peers=NOBODY),
    "cron-minute": Measure(cron_minute, peers=EACH_MINUTE, repeats=1),
    "load": Measure(load, peers=NOBODY),
    "outage": Measure(after_outage, peers=NOBODY),
}
