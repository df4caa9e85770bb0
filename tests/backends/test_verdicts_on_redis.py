"""Each rule on a Redis in the state that it is about: keys as a broken system leaves them, settings as people leave them.

What is asked for is what an operator gets from `taskconsole doctor`: the rule, how bad, on what evidence, since when,
the command, and the exit code. Commands that mend are carried out, and the verdict has to be gone.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest
import redis

from taskconsole.backends.native import NativeBackend
from taskconsole.cli.root import call
from taskconsole.config import Settings
from taskconsole.errors import StoreNotReady
from taskconsole.model.state import QueueState
from taskconsole.model.stats import Overview
from taskconsole.model.verdict import RULES, Verdict, judge
from taskconsole.redis_url import RedisUrl
from taskconsole.store.call import Call
from taskconsole.store.tasks import DEAD_CAP
from tests.servers import (
    ROOT,
    VARIABLE,
    PrivateServer,
    allowing_debug,
    connect,
    given_url,
    server_binary,
    server_version,
    tied,
    wait_until,
)

pytestmark = [
    pytest.mark.no_key_leak,
    pytest.mark.skipif(given_url() is not None, reason=f"needs servers of its own, and {VARIABLE} is a URL"),
]

HOURS = 3600.0


class Doctor:
    """A Redis, and what the doctor says of it."""

    def __init__(self, server: PrivateServer, run: Callable[..., Any]) -> None:
        self.server, self.url, self._run = server, server.url, run
        self.raw = server.client()
        seconds, micro = self.raw.time()
        self.now = seconds + micro / 1e6

    def verdicts(self) -> list[dict[str, Any]]:
        """What is wrong."""
        return self._run("-u", self.url, "doctor", "--json")[1]["verdicts"]

    def code(self) -> int:
        """The exit code."""
        return self._run("-u", self.url, "doctor", "--json")[0]

    def only(self) -> dict[str, Any]:
        """The one thing that is wrong."""
        (verdict,) = self.verdicts()
        return verdict

    def bare(self, fix: str) -> str:
        """A fix that names this server, without saying which."""
        ours, cli = f" -u {shlex.quote(self.url)}", f" -s {RedisUrl.parse(self.url).address}"
        assert ours in fix or cli in fix or not fix.startswith(("taskconsole", "redis-cli"))
        return fix.replace(ours, "").replace(cli, "")

    def rules(self) -> list[str]:
        """The names of what is wrong."""
        return [verdict["rule"] for verdict in self.verdicts()]

    def worker(self, queue: str, wid: str, *held: str, left: float = 60.0, **fields: Any) -> None:
        """A worker as its heartbeat leaves it; its lease ends `left` seconds from now."""
        self.raw.sadd("taskconsole:queues", queue)
        self.raw.zadd(f"{{{queue}}}:workers", {wid: int((self.now + left) * 1000)})
        told = {"host": "web-7", "pid": 7, "concurrency": 4, "quiet": 0, "blocked": 0, "skew": 0.1, "lease": 15.0}
        self.raw.hset(f"{{{queue}}}:worker:{wid}", mapping=told | fields)
        if held:
            self.raw.rpush(f"{{{queue}}}:processing:{wid}", *held)

    def pend(self, queue: str, count: int = 1, *, age: float = 0.0, **fields: Any) -> None:
        """Tasks as a client enqueues them."""
        self.raw.sadd("taskconsole:queues", queue)
        payload = {"task": "send", "id": "a1", "enqueued_at": self.now - age} | fields
        self.raw.lpush(queue, *[json.dumps(payload)] * count)

    def follow(self, fix: str) -> Any:
        """Do what a verdict says with redis-cli, at the server that it names."""
        program, option, place, *words = shlex.split(fix)
        assert (program, option, place) == ("redis-cli", "-s", RedisUrl.parse(self.url).address)
        return self.raw.execute_command(*words)


@pytest.fixture(scope="module")
def sound_server() -> Iterator[PrivateServer]:
    """A server about which there is nothing to say."""
    with PrivateServer(append_only=True) as server:
        yield server


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, Any]]:
    """The command line in this process: its exit code and its JSON, or its text."""
    monkeypatch.delenv("REDIS_URL", raising=False)

    def carry_out(*arguments: str) -> tuple[int, Any]:
        capsys.readouterr()
        code = call(arguments)
        out = capsys.readouterr().out
        return code, json.loads(out) if "--json" in arguments else out

    return carry_out


@pytest.fixture
def doctor(sound_server: PrivateServer, run: Callable[..., Any]) -> Iterator[Doctor]:
    """A doctor for an empty, healthy Redis."""
    doctor = Doctor(sound_server, run)
    doctor.raw.flushdb()
    with closing(doctor.raw):
        yield doctor


@pytest.fixture
def doctor_of(make_server: Callable[..., PrivateServer], run: Callable[..., Any]) -> Iterator[Callable[..., Doctor]]:
    """Doctors for servers of their own, with the arguments of `PrivateServer`."""
    with ExitStack() as open_clients:

        def make(**options: Any) -> Doctor:
            doctor = Doctor(make_server(**({"append_only": True} | options)), run)
            open_clients.callback(doctor.raw.close)
            return doctor

        yield make


def service(doctor: Doctor, fix: str) -> subprocess.Popen[bytes]:
    """Start what a verdict says, with an app that exists."""
    program, *words = shlex.split(fix.replace("yourapp:app", "tests.faults.app:app"))
    assert program == "taskconsole"
    return subprocess.Popen(
        tied([sys.executable, "-m", "taskconsole", *words]),
        env={**os.environ, "TASKCONSOLE_URL": doctor.url},
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def ends(process: subprocess.Popen[bytes]) -> None:
    """End it and wait."""
    process.terminate()
    process.wait(30)


# -- queues: (what is written, the rule, the level, its text, parts of the evidence, since, the fix)


def _nothing_serves(d: Doctor) -> None:
    d.pend("mail", 12, age=840)


def _a_pause(d: Doctor) -> None:
    d.pend("mail")
    d.raw.set("{mail}:paused", json.dumps({"by": "ana@ops1", "at": d.now - 540, "reason": "deploy"}))


def _all_quiet(d: Doctor) -> None:
    d.pend("mail", 3)
    d.worker("mail", "w-1", quiet=1)
    d.worker("mail", "w-2", quiet=1)
    d.worker("mail", "gone", left=-5, quiet=0)


def _quiet_and_empty(d: Doctor) -> None:
    d.worker("mail", "w-1", quiet=1)


def _dead_hands(d: Doctor) -> None:
    d.worker("mail", "w-1", "a", "b", left=-125)
    d.worker("mail", "w-2", "c", left=-40)
    d.worker("mail", "w-3")


def _dead_hands_alone(d: Doctor) -> None:
    d.worker("mail", "w-1", "a", left=-125)


def _poison_next(d: Doctor) -> None:
    d.worker("mail", "w-1")
    d.pend("mail", redelivered=2, id="bad")


def _poison_at_work(d: Doctor) -> None:
    held = [json.dumps({"task": "fine"}), json.dumps({"task": "send", "id": "bad", "redelivered": 2})]
    d.worker("mail", "w-1", *held, suspects="0123456789abcdef")


def _poison_buried(d: Doctor) -> None:
    d.worker("mail", "w-1")
    body = {"task": "send", "id": "bad", "redelivered": 3, "died": {"reason": "its worker died 3 times"}}
    d.raw.zadd("{mail}:dead", {json.dumps(body): d.now - 300, json.dumps({"task": "other"}): d.now - 2})
    d.raw.hset("{mail}:stats", mapping={"poisoned": 1, "poisoned_at": int(d.now - 300)})


def _poison_at_first_death(d: Doctor) -> None:
    d.worker("mail", "w-1")
    body = {"task": "send", "id": "bad", "redelivered": 1}
    d.raw.zadd("{mail}:dead", {json.dumps(body): int(d.now) - 300})
    d.raw.hset("{mail}:stats", mapping={"poisoned": 1, "poisoned_at": int(d.now) - 300})


def _a_blocked_loop(d: Doctor) -> None:
    running = json.dumps([["a1", "resize", d.now - 34]])
    for queue in ("mail", "reports"):
        d.worker(queue, "w-1", blocked=33.5, running=running)


def _a_fast_clock(d: Doctor) -> None:
    d.worker("mail", "w-1", skew=75.2)
    d.worker("reports", "w-1", skew=75.2)
    d.worker("reports", "w-2", skew=-3.1, host="web-8")


def _a_clock_somewhat_slow(d: Doctor) -> None:
    d.worker("mail", "w-1", skew=-2.0)


def _all_slots_taken(d: Doctor) -> None:
    d.worker("mail", "w-1", "a", "b", concurrency=2)
    d.pend("mail", 5, age=70)


def _late_delayed(d: Doctor) -> None:
    d.worker("mail", "w-1")
    d.raw.zadd("{mail}:delayed", {"a": d.now - 300, "b": d.now - 200, "c": d.now - 9, "d": d.now + 900})


def _late_delayed_without_worker(d: Doctor) -> None:
    d.raw.sadd("taskconsole:queues", "task_queue")
    d.raw.zadd("delayed_tasks", {"a": d.now - 300, "b": d.now - 200, "c": d.now - 9})


def _late_schedules(d: Doctor) -> None:
    d.worker("mail", "w-1")
    d.raw.zadd("{mail}:next", {"nightly": d.now - 120, "hourly": d.now - 60, "later": d.now + 60})


def _a_full_graveyard(d: Doctor) -> None:
    d.raw.sadd("taskconsole:queues", "mail")
    d.raw.zadd("{mail}:dead", {f"t{n}": n for n in range(DEAD_CAP)})
    d.raw.hset("{mail}:stats", "dead_dropped", 77)


def _one_dead(d: Doctor) -> None:
    d.raw.sadd("taskconsole:queues", "mail")
    d.raw.zadd("{mail}:dead", {"t": 1})
    d.raw.hset("{mail}:stats", mapping={"dead_dropped": 5, "poisoned_at": int(d.now - 2 * HOURS)})


def _a_string_for_a_list(d: Doctor) -> None:
    d.raw.sadd("taskconsole:queues", "mail")
    d.raw.set("mail", "oops")


def _a_string_for_the_dead(d: Doctor) -> None:
    d.pend("mail")
    d.raw.set("{mail}:dead", "oops")


def _a_string_for_the_names(d: Doctor) -> None:
    d.raw.set("taskconsole:queues", "oops")


WORKER = "taskconsole --headless worker -A yourapp:app -q mail"
SCHEDULER = "taskconsole --headless scheduler -q mail"

STATES = [
    (
        _nothing_serves,
        "no workers",
        "critical",
        "mail: NO WORKERS, 12 pending, oldest 14m00s",
        "0 workers",
        840,
        WORKER,
    ),
    (
        _a_pause,
        "paused",
        "warning",
        "mail: PAUSED by ana@ops1 9m00s ago, 1 pending",
        ": deploy",
        540,
        "taskconsole resume mail",
    ),
    (_all_quiet, "quiet", "critical", "mail: QUIET, 3 pending", "2 workers, 2 of them quiet", None, WORKER),
    (_quiet_and_empty, "quiet", "note", "mail: QUIET, 0 pending", "1 worker, 1 of them quiet", None, WORKER),
    (
        _dead_hands,
        "lost tasks",
        "critical",
        "mail: LOST TASKS, 3 in the hands of 2 dead workers for 2m05s",
        "w-1 on web-7 holds 2; w-2 on web-7 holds 1",
        125,
        SCHEDULER,
    ),
    (
        _dead_hands_alone,
        "lost tasks",
        "critical",
        "mail: LOST TASKS, 1 in the hands of 1 dead worker for 2m05s",
        "w-1 on web-7 holds 1",
        125,
        SCHEDULER,
    ),
    (
        _poison_next,
        "poison",
        "warning",
        "mail: POISON, workers died running send (bad)",
        "2 workers died with send (bad), it runs next",
        None,
        "taskconsole tasks mail pending",
    ),
    (
        _poison_at_work,
        "poison",
        "warning",
        "mail: POISON, workers died running send (bad)",
        "2 workers died with send (bad), w-1 has it now",
        None,
        "taskconsole tasks mail active",
    ),
    (
        _poison_buried,
        "poison",
        "warning",
        "mail: POISON, workers died running send (bad)",
        "3 workers died with send (bad), buried 5m00s ago",
        300,
        "taskconsole tasks mail dead",
    ),
    (
        _poison_at_first_death,
        "poison",
        "warning",
        "mail: POISON, workers died running send (bad)",
        "1 worker died with send (bad), buried 5m00s ago",
        300,
        "taskconsole tasks mail dead",
    ),
    (
        _a_blocked_loop,
        "stalled worker",
        "warning",
        "mail: STALLED WORKER, the event loop of w-1 on web-7 has stood still for 33s",
        "it runs resize 34s",
        33.5,
        "taskconsole workers",
    ),
    (
        _a_fast_clock,
        "clock skew",
        "warning",
        "CLOCK SKEW: the clock of w-1 on web-7 and 1 more is 1m15s ahead of Redis's",
        "w-1 on web-7 +75.2 s; w-2 on web-8 -3.1 s",
        None,
        "timedatectl set-ntp true",
    ),
    (
        _a_clock_somewhat_slow,
        "clock skew",
        "note",
        "CLOCK SKEW: the clock of w-1 on web-7 is 2s behind Redis's",
        "w-1 on web-7 -2.0 s",
        None,
        "timedatectl set-ntp true",
    ),
    (
        _all_slots_taken,
        "saturated",
        "warning",
        "mail: SATURATED 2/2, 5 pending, oldest 1m10s",
        "2 of 2 slots taken, 1 worker",
        70,
        WORKER,
    ),
    (
        _late_delayed,
        "overdue",
        "warning",
        "mail: OVERDUE, 3 delayed tasks are past their time",
        "3 of 4 delayed are due; 1 worker",
        300,
        SCHEDULER,
    ),
    (
        _late_delayed_without_worker,
        "overdue",
        "critical",
        "task_queue: OVERDUE, 3 delayed tasks are past their time",
        "3 of 3 delayed are due; 0 workers",
        300,
        "taskconsole --headless scheduler -q task_queue",
    ),
    (
        _late_schedules,
        "scheduler down",
        "critical",
        "mail: SCHEDULER DOWN, 2 schedules past the time",
        "the first is nightly",
        120,
        SCHEDULER,
    ),
    (
        _a_full_graveyard,
        "dead dropped",
        "warning",
        "mail: DEAD DROPPED, 77 dead tasks are gone for good",
        "at most 10,000 are kept",
        None,
        "taskconsole tasks mail dead",
    ),
    (
        _one_dead,
        "dead tasks",
        "note",
        "mail: DEAD TASKS, 1 wait for a decision",
        "",
        None,
        "taskconsole tasks mail dead",
    ),
    (
        _a_string_for_a_list,
        "broken",
        "critical",
        "mail: BROKEN",
        "key 'mail' holds a string, not a list",
        None,
        "redis-cli RENAMENX mail '{mail}:set-aside'",
    ),
    (
        _a_string_for_the_dead,
        "broken",
        "critical",
        "mail: BROKEN",
        "key '{mail}:dead' holds a string, not a zset",
        None,
        "redis-cli RENAMENX '{mail}:dead' '{mail}:dead:set-aside'",
    ),
    (
        _a_string_for_the_names,
        "broken",
        "critical",
        "BROKEN: the names of the queues cannot be read",
        "key 'taskconsole:queues' holds a string, not a set",
        None,
        "redis-cli RENAMENX taskconsole:queues taskconsole:queues:set-aside",
    ),
]


@pytest.mark.parametrize(
    ("write", "rule", "level", "text", "evidence", "age", "fix"), STATES, ids=[s[0].__name__[1:] for s in STATES]
)
def test_a_broken_system_is_told_by_its_rule(doctor, write, rule, level, text, evidence, age, fix):
    write(doctor)

    told = [v for v in doctor.verdicts() if v["rule"] != "dead tasks" or rule == "dead tasks"]
    (found,) = told
    assert (found["rule"], found["level"], doctor.bare(found["fix"])) == (rule, level, fix)
    assert found["text"].startswith(text)
    assert evidence in found["evidence"]
    assert found["since"] is None if age is None else abs(found["since"] - (doctor.now - age)) < 1.1
    assert doctor.code() == {"critical": 2, "warning": 1, "note": 0}[level]


@pytest.mark.parametrize("fix", sorted({fix for *_, fix in STATES if fix.startswith("taskconsole")}))
def test_a_command_of_ours_is_one_that_the_command_line_knows(run, fix):
    code, out = run(*shlex.split(fix)[1:], "--help")
    assert code == 0
    assert "Usage: taskconsole" in out


def test_a_worker_just_dead_is_not_told_of_before_it_could_have_been_reclaimed(doctor):
    doctor.worker("mail", "w-1", "a", left=-25)
    doctor.worker("mail", "w-2", "b", left=-35, lease=120.0)
    doctor.worker("mail", "w-3")
    assert doctor.verdicts() == []


def test_one_death_makes_no_poison(doctor):
    body = json.dumps({"task": "send", "redelivered": 1})
    doctor.worker("mail", "w-1", body, suspects="0123456789abcdef")
    doctor.pend("mail", redelivered=1)
    assert doctor.verdicts() == []


def test_poison_that_was_dealt_with_is_no_news(doctor):
    _poison_buried(doctor)
    doctor.raw.delete("{mail}:dead")
    assert doctor.verdicts() == []


def test_hostile_fields_of_workers_and_counters_are_no_verdict_and_no_error(doctor):
    doctor.pend("mail")
    for n, junk in enumerate(("nan", "inf", "-inf", "1e999", "\x1b[2J", b"\xff", "{", "9" * 400)):
        doctor.worker("mail", f"w{n}", quiet=junk, blocked=junk, skew=junk, lease=junk, running=junk, suspects=junk)
        doctor.raw.hset("{mail}:stats", mapping={"poisoned_at": junk, "dead_dropped": junk, "done": junk})
        assert doctor.code() in {0, 1}
    doctor.raw.zadd("{mail}:workers", {"w0": float("inf"), "w1": float("-inf"), b"\xff\x1b": 1e300})
    doctor.raw.rpush("{mail}:processing:w1", "a")
    doctor.raw.hset("{mail}:stats", "poisoned_at", int(doctor.now))
    for n in (10**40, 5.5, True, "3", None, [9]):
        doctor.raw.zadd("{mail}:dead", {json.dumps({"task": "t", "redelivered": n}): doctor.now})
    doctor.raw.zadd("{mail}:dead", {'{"task":"t","redelivered":7}': float("inf")})
    doctor.raw.zadd("{mail}:next", {b"\xff\x1b[2J": float("-inf")})
    doctor.raw.zadd("{mail}:delayed", {"a": float("-inf"), "b": 1, "c": 2})

    told = doctor.verdicts()
    assert {"lost tasks", "scheduler down", "overdue"} <= {v["rule"] for v in told}
    assert all(part.isprintable() for v in told for part in (v["text"], v["evidence"], v["fix"]))


# -- what mends


@pytest.mark.parametrize("write", [_a_string_for_a_list, _a_string_for_the_dead, _a_string_for_the_names])
def test_a_key_of_another_type_can_be_set_aside(doctor, write):
    write(doctor)
    assert doctor.follow(doctor.only()["fix"])
    assert "broken" not in doctor.rules()
    assert b"oops" in {doctor.raw.get(key) for key in doctor.raw.keys("*set-aside")}


def test_a_pause_is_ended_by_its_fix(doctor, run):
    _a_pause(doctor)
    fix = doctor.only()["fix"]
    assert run(*shlex.split(fix)[1:])[0] == 0
    assert "paused" not in doctor.rules()


@pytest.mark.parametrize("write", [_dead_hands_alone, _late_delayed, _late_schedules])
def test_a_scheduler_is_what_it_takes(doctor, write):
    write(doctor)
    found = doctor.only()
    process = service(doctor, found["fix"])
    try:
        wait_until(lambda: found["rule"] not in doctor.rules(), 30, f"{found['rule']} is mended")
    finally:
        ends(process)


@pytest.mark.parametrize("write", [_nothing_serves, _all_quiet])
def test_a_worker_is_what_it_takes(doctor, write):
    write(doctor)
    found = doctor.only()
    process = service(doctor, found["fix"])
    try:
        wait_until(lambda: found["rule"] not in doctor.rules(), 30, f"{found['rule']} is mended")
    finally:
        ends(process)


# -- a system that is well


def test_a_healthy_busy_system_is_not_complained_about(doctor, start_worker):
    worker = start_worker(url=doctor.url, queues=("mail",), concurrency=8)
    stop = threading.Event()

    def produce() -> None:
        with closing(connect(doctor.url)) as client:
            while not stop.wait(0.01):
                body = {"task": "work", "args": ["x", 0.01], "enqueued_at": client.time()[0], "queue": "mail"}
                client.lpush("mail", *[json.dumps(body)] * 5)
                client.zadd("{mail}:delayed", {json.dumps({**body, "id": os.urandom(4).hex()}): client.time()[0] + 1})

    thread = threading.Thread(target=produce)
    thread.start()
    backend = NativeBackend(Settings(url=doctor.url))
    try:
        seen: list[Overview] = []
        found: list[Verdict] = []

        def enough() -> bool:
            seen.append(backend.overview())
            found.extend(judge(seen[-1]))
            return seen[-1].queues[0].done_total > 200 and len(seen) > 20

        wait_until(enough, 30)
        assert found == []
        assert doctor.code() == 0
        assert {overview.queues[0].state for overview in seen} <= {QueueState.OK, QueueState.BUSY, QueueState.SATURATED}
        (stated,) = (w for w in backend.workers() if w.id == worker.ids["mail"])
        assert stated.skew is not None
        assert abs(stated.skew) < 1
        assert stated.lease == 15.0
    finally:
        stop.set()
        thread.join()
        backend.close()


# -- the server


def test_memory_eviction_and_their_commands(doctor_of):
    doctor = doctor_of(settings={"maxmemory": "100mb", "maxmemory-policy": "allkeys-lru"})
    # So much that the buffers of connections, which come and go, do not count.
    doctor.raw.set("much", bytes(20_000_000))
    found = doctor.only()
    assert (found["rule"], found["level"]) == ("eviction", "critical")
    assert found["text"].startswith("EVICTION: ")
    assert "allkeys-lru" in found["evidence"]
    doctor.follow(found["fix"])
    assert doctor.verdicts() == []

    doctor.raw.config_set("maxmemory", int(doctor.raw.info("memory")["used_memory"] * 1.1))
    found = doctor.only()
    assert (found["rule"], found["level"], doctor.code()) == ("memory", "warning", 1)
    assert found["text"].startswith("MEMORY: ")
    doctor.raw.config_set("maxmemory", int(doctor.raw.info("memory")["used_memory"] * 1.01))
    found = doctor.only()
    assert (found["rule"], found["level"], doctor.code()) == ("memory", "critical", 2)
    doctor.follow(found["fix"])
    assert doctor.verdicts() == []


def test_persistence_and_its_command(doctor_of):
    doctor = doctor_of(append_only=False)
    found = doctor.only()
    assert (found["rule"], found["level"]) == ("persistence", "warning")
    doctor.raw.bgsave()
    wait_until(lambda: not doctor.raw.info("persistence")["rdb_bgsave_in_progress"])
    found = doctor.only()
    assert (found["rule"], found["level"], doctor.code()) == ("persistence", "note", 0)
    assert abs(found["since"] - doctor.now) < 30
    doctor.follow(found["fix"])
    assert doctor.verdicts() == []


def test_a_snapshot_that_fails_and_its_command(doctor_of):
    doctor = doctor_of(settings={"save": "3600 1000000"})
    place = doctor.server.directory / "dump.rdb"
    place.mkdir()
    doctor.raw.bgsave()
    wait_until(lambda: doctor.raw.info("persistence")["rdb_last_bgsave_status"] == "err")
    found = doctor.only()
    assert (found["rule"], found["level"], doctor.code()) == ("disk", "critical", 2)
    assert found["text"].startswith("DISK: ")
    assert found["evidence"] == "rdb_last_bgsave_status:err"
    with pytest.raises(redis.ResponseError, match="MISCONF"):
        doctor.raw.lpush("task_queue", "x")
    place.rmdir()
    doctor.follow(found["fix"])
    wait_until(lambda: doctor.verdicts() == [])


def test_an_append_only_file_on_a_full_disk(doctor_of, tmp_path):
    if server_version(server_binary()) >= (7,):
        pytest.skip("its append-only file is several files, made anew by its start")
    (tmp_path / "appendonly.aof").symlink_to("/dev/full")
    doctor = doctor_of(settings={"dir": str(tmp_path)})
    doctor.raw.set("x", "y")
    wait_until(lambda: doctor.raw.info("persistence")["aof_last_write_status"] == "err")
    found = doctor.only()
    assert (found["rule"], found["level"], found["evidence"]) == ("disk", "critical", "aof_last_write_status:err")
    with pytest.raises(redis.ResponseError, match="MISCONF"):
        doctor.raw.lpush("task_queue", "x")


def test_connections_running_out_and_the_command(doctor_of):
    doctor = doctor_of(settings={"maxclients": "20"})
    with ExitStack() as clients:
        for _ in range(16):
            client = clients.enter_context(closing(doctor.server.client()))
            client.ping()
        found = doctor.only()
        assert (found["rule"], found["level"], found["evidence"]) == ("clients", "warning", "18 of maxclients 20")
        for _ in range(2):
            clients.enter_context(closing(doctor.server.client())).ping()
        found = doctor.only()
        assert (found["rule"], found["level"]) == ("clients", "critical")
        doctor.follow(found["fix"])
        assert doctor.verdicts() == []


def test_a_replica_says_whether_it_takes_writes(doctor_of, make_server):
    primary = make_server(tcp=True)
    doctor = doctor_of()
    doctor.raw.replicaof("127.0.0.1", primary.port)
    found = doctor.only()
    assert (found["rule"], found["level"], doctor.code()) == ("replica", "critical", 2)
    assert found["text"] == "REPLICA: this Redis is a read-only replica: nothing can be enqueued or worked here"
    assert "slave_read_only:1, master_link_status:" in found["evidence"]
    doctor.raw.config_set("replica-read-only", "no")
    assert "writable replica" in doctor.only()["text"]
    assert doctor.follow(found["fix"])


def test_a_replica_that_serves_nothing_without_its_primary_is_still_told_of(doctor_of):
    doctor = doctor_of()
    doctor.raw.config_set("replica-serve-stale-data", "no")
    doctor.raw.replicaof("127.0.0.1", 1)
    found = doctor.only()
    assert (found["rule"], doctor.code()) == ("replica", 2)
    assert "master_link_status:down" in found["evidence"]


def test_a_server_that_loads_is_told_of_and_not_taken_for_an_empty_one(doctor_of):
    doctor = doctor_of(settings=allowing_debug())
    # Redis looks at its clients every 2 MB while it loads; the delay is in microseconds for each key.
    for n in range(30):
        doctor.raw.set(f"k{n}", os.urandom(1_048_576))
    doctor.raw.config_set("key-load-delay", 100_000)

    def reload() -> None:
        with closing(doctor.server.client(socket_timeout=60)) as client:
            client.execute_command("DEBUG", "RELOAD")

    thread = threading.Thread(target=reload)
    thread.start()
    try:
        wait_until(lambda: doctor.raw.info("persistence")["loading"])
        found = doctor.only()
        assert (found["rule"], found["level"]) == ("loading", "critical")
        assert found["text"].startswith("LOADING: ")
        backend = NativeBackend(Settings(url=doctor.url))
        with closing(backend), pytest.raises(StoreNotReady):
            backend.overview()
        assert doctor.code() == 2
    finally:
        thread.join()
    assert doctor.verdicts() == []


# -- the table, and what a reading costs


def test_the_doctor_prints_every_rule_and_asks_no_redis(run):
    code, out = run("-u", "redis://127.0.0.1:1/0", "doctor", "--rules")
    assert code == 0
    titles = [line for line in out.splitlines() if not line.startswith(" ")]
    assert titles == [f"{rule.name} ({' or '.join(rule.levels)})" for rule in RULES]
    told = run("doctor", "--rules", "--json")[1]
    assert [(r["name"], r["levels"]) for r in told] == [(rule.name, list(map(str, rule.levels))) for rule in RULES]
    assert all(r["when"] and r["means"] and r["fix"] for r in told)


def test_every_rule_of_a_queue_has_its_state_here():
    here = {rule for _, rule, *_ in STATES}
    server = {"eviction", "memory", "persistence", "disk", "clients", "replica", "loading"}
    # Those need servers of another kind: tests/faults/test_cluster.py, tests/store/test_tls.py.
    elsewhere = {"failover", "no replica", "tls not verified"}
    assert {rule.name for rule in RULES} - here - server - elsewhere == {"growing", "slow link"}, (
        "those two need no state of Redis"
    )


@pytest.mark.parametrize(("queues", "workers"), [(1, 0), (4, 3)])
def test_what_a_reading_costs(doctor, queues, workers):
    for n in range(queues):
        doctor.pend(f"q{n}")
        for w in range(workers):
            doctor.worker(f"q{n}", f"w{w}")
    backend = NativeBackend(Settings(url=doctor.url))
    trips: list[int] = []
    exchange = backend._read._send
    backend._read._send = lambda calls: (trips.append(len(calls)), exchange(calls))[1]
    with closing(backend):
        backend.overview()
        trips.clear()
        # The minute may turn once in between; then the finished tasks of two minutes are read.
        costs = {backend.overview().commands for _ in range(3)}
    assert min(costs) == 4 + 9 * queues + 2 * queues * workers
    assert len(trips) == 3 * (3 if workers else 2)


def test_the_trend_follows_the_counters_between_two_looks_at_the_minutes(doctor):
    def finished(count: int) -> None:
        doctor.raw.hincrby("{mail}:stats", "done", count)
        doctor.raw.hincrby(f"{{mail}}:stats:{int(doctor.raw.time()[0]) // 60}", "done", count)

    doctor.raw.sadd("taskconsole:queues", "mail")
    finished(7)
    backend = NativeBackend(Settings(url=doctor.url))
    with closing(backend):
        assert sum(backend.overview().queues[0].history) == 7
        finished(5)
        assert sum(backend.overview().queues[0].history) == 12
        doctor.raw.delete("{mail}:stats")
        assert sum(backend.overview().queues[0].history) == 12, "a counter that was reset takes nothing back"
        finished(2)
        assert sum(backend.overview().queues[0].history) == 14


def test_a_minute_that_has_passed_is_read_once_more_in_full(doctor):
    minute = int(doctor.raw.time()[0]) // 60
    doctor.raw.sadd("taskconsole:queues", "mail")
    for past, count in ((2, 1), (1, 4), (0, 7)):
        doctor.raw.hset(f"{{mail}}:stats:{minute - past}", "done", count)
    backend = NativeBackend(Settings(url=doctor.url))
    reading = backend._overviews._reading
    with closing(backend):
        reading.time = lambda: Call(("TIME",), lambda _: (minute - 1) * 60.0)
        assert backend.overview().queues[0].history[-2:] == (1, 4)
        doctor.raw.hset(f"{{mail}}:stats:{minute - 1}", "done", 6)
        reading.time = lambda: Call(("TIME",), lambda _: minute * 60.0)
        history = backend.overview().queues[0].history
    assert (len(history), history[-3:]) == (30, (1, 6, 7))


def test_an_answer_that_means_not_now_is_not_taken_for_zero(doctor):
    doctor.pend("mail", 3)
    backend = NativeBackend(Settings(url=doctor.url))
    reader = backend._overviews
    run_all = reader._run_all
    refusal = StoreNotReady("its primary is gone")

    def refused(calls: list[Call[Any]]) -> list[Any]:
        answers = zip(calls, run_all(calls), strict=True)
        return [refusal if call.args[0] == "LLEN" else answer for call, answer in answers]

    reader._run_all = refused
    with closing(backend), pytest.raises(StoreNotReady, match="its primary is gone"):
        backend.overview()


def test_how_long_tasks_waited_and_ran_is_read_now_and_then(doctor):
    doctor.pend("mail")
    minute = int(doctor.raw.time()[0]) // 60
    doctor.raw.hset(f"{{mail}}:stats:{minute}", mapping={"wait:20": 90, "wait:24": 10, "run:15": 5, "run:x": "?"})
    doctor.raw.hset(f"{{mail}}:stats:{minute - 1}", mapping={"run:15": 95})
    backend = NativeBackend(Settings(url=doctor.url))
    with closing(backend):
        first = backend.overview()
        doctor.raw.hset(f"{{mail}}:stats:{minute}", "wait:24", 10_000)
        again = backend.overview()
    assert first.queues[0].wait_p95 == pytest.approx(12.6, abs=0.1), "half of the bucket from 8.4 s to 16.8 s"
    assert first.queues[0].run_p95 == pytest.approx(0.032, abs=0.001)
    assert again.queues[0].wait_p95 == first.queues[0].wait_p95, "once in five seconds is enough"
