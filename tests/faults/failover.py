"""What both kinds of failover are put to: everything works there, and a master dies under load."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taskconsole import App, Every
from taskconsole.backends.native import NativeBackend
from taskconsole.cli.root import call
from taskconsole.config import Settings
from taskconsole.errors import StoreUnavailable
from taskconsole.model.event import Event, EventKind
from taskconsole.store.acl import PASSWORD, acl_users
from taskconsole.store.keys import DEFAULT_QUEUE
from tests.console.pty_session import PtySession
from tests.faults import app as tasks
from tests.faults.ledger import Ledger
from tests.faults.schedulers import SchedulerProcess
from tests.servers import PrivateServer, connect, wait_until

BACKLOG = 1_000
"""Tasks that wait already when the master dies."""

LONG = 60.0
"""Seconds after which a test gives up."""


class Program:
    """The command line, in this process.

    Args:
        url: The Redis it is told.
        capsys: Of pytest.
    """

    def __init__(self, url: str, capsys: Any) -> None:
        self._url, self._capsys = url, capsys

    def __call__(self, *arguments: str, code: int = 0) -> Any:
        """Run a command with --json; returns what it printed."""
        self._capsys.readouterr()
        ended = call(["-u", self._url, *arguments, "--json"])
        said = self._capsys.readouterr()
        assert ended == code, f"{arguments} ended with {ended}: {said.err or said.out}"
        return json.loads(said.out) if said.out.strip() else None


@contextmanager
def listening(url: str, queues: Sequence[str]) -> Iterator[list[Event]]:
    """The events of some queues as the console hears them, until the end of the block; it hears from the beginning."""
    heard: list[Event] = []
    done = threading.Event()
    with closing(NativeBackend(Settings(url=url), tuple(queues))) as backend, ThreadPoolExecutor(1) as pool:
        backend.overview()
        running = pool.submit(backend.listen, heard.extend, done.is_set)
        try:
            with closing(connect(url)) as client:
                # Anybody's message is an event; it is heard as soon as the channel has been joined.
                for queue in queues:
                    wait_until(lambda queue=queue: _says_hello(client, queue, heard), 10, f"{queue} is listened to")
            yield heard
        finally:
            done.set()
            with suppress(StoreUnavailable):
                running.result(10)


def _says_hello(client: Any, queue: str, heard: Sequence[Event]) -> bool:
    client.publish(f"{queue}_channel", "hello")
    return any(event.queue == queue and "hello" in str(event) for event in list(heard))


def everything_works(
    url: str,
    *,
    program: Program,
    spawn: Callable[..., Any],
    make_producer: Callable[..., Any],
    ledger: Ledger,
    queues: Sequence[str],
    folder: Path,
) -> None:
    """Worker, scheduler, client, command line, events and console, each once, on all of `queues`."""
    assert queues[0] == DEFAULT_QUEUE
    producer = make_producer(url)
    worker = spawn(url=url, queues=queues, concurrency=4)
    with SchedulerProcess(url, log=folder / "scheduler.log"), listening(url, queues) as heard:
        for queue in queues:
            for _ in range(5):
                producer.one(tasks.work, 0.001, queue_name=queue)
            producer.one(tasks.fail_once, queue_name=queue)
            producer.one(tasks.work, 0.001, queue_name=queue, run_after=0.3)
        producer.accepted += _by_the_public_door(url, queues[-1])
        ledger.wait_for(producer.accepted)
        for queue in queues:
            wait_until(
                lambda queue=queue: {EventKind.DONE, EventKind.RETRIED} <= {e.kind for e in heard if e.queue == queue},
                10,
                f"what becomes of the tasks of {queue} is heard",
            )
    assert ledger.report("everything", producer.accepted).lost == 0
    _schedules_fire(url, ledger, queues[-1])
    _operators_act(program, url, queues)
    assert worker.stop() == 0
    _operators_act_on_many(program, url, queues)
    status = program("status")
    assert {queue["name"] for queue in status["queues"]} >= set(queues)
    assert "verdicts" in program("doctor")
    assert program("redis")["info"]["redis_version"]
    with PtySession("-u", url, size=(100, 30), module="taskconsole") as session:
        for queue in queues:
            session.until(lambda queue=queue: re.search(rf"{queue} +\S+", session.text), 30)
        session.press("q")
        assert session.end() == 0


def _by_the_public_door(url: str, queue: str) -> list[str]:
    """Tasks as strangers bring them, also for another queue than the default one."""
    now = time.time()
    with closing(connect(url)) as client:
        client.lpush(DEFAULT_QUEUE, '{"task":"work","args":["by LPUSH",0.001]}')
        client.zadd("delayed_tasks", {'{"task":"work","args":["by ZADD",0.001]}': now + 0.2})
        elsewhere = {"task": "work", "args": ["elsewhere", 0.001], "queue": queue}
        client.zadd("delayed_tasks", {json.dumps(elsewhere): now})
    return ["by LPUSH", "by ZADD", "elsewhere"]


def _schedules_fire(url: str, ledger: Ledger, queue: str) -> None:
    with closing(App(settings=Settings(url=url))) as app:
        app.registry.add(tasks.work.handler)
        app.schedules.add("tick", Every(1), "work", queue_name=queue, options={"args": ["tick", 0.001]})
        wait_until(lambda: ledger.count("end")["tick"] >= 2, LONG, "a schedule fires")
        app.schedules.remove("tick", queue_name=queue)


def _operators_act(program: Program, url: str, queues: Sequence[str]) -> None:
    """Pause and resume; move and delete delayed tasks of each queue, and of the public set."""
    for queue in queues:
        program("pause", queue, "--reason", "a look")
        program("resume", queue)
        program("enqueue", "work", "--bare", "--queue", queue, "--delay", "3600")
        _move_and_delete(program, queue, "work")
    with closing(connect(url)) as client:
        client.zadd("delayed_tasks", {"public": time.time() + 3600})
    _move_and_delete(program, DEFAULT_QUEUE, "public")
    with closing(NativeBackend(Settings(url=url))) as backend:
        logged = [event.kind for event in backend.history()]
    assert logged.count(EventKind.RESCHEDULED) == logged.count(EventKind.DELETED) == len(queues) + 1


def _operators_act_on_many(program: Program, url: str, queues: Sequence[str]) -> None:
    """Move tasks to another queue, purge, retry, run at once, take back what can be; where no worker takes them."""
    first, second = queues[0], queues[-1]
    with closing(connect(url)) as client:
        client.zadd("delayed_tasks", {f"public-{i}": 9e9 for i in range(5)})
        client.zadd(f"{{{first}}}:delayed", {f"own-{i}": 9e9 for i in range(5)})

        program("move", "--queue", first, "--state", "delayed", "--all", "--to", second, "--yes")
        assert client.zcard(f"{{{second}}}:delayed") == 10
        program("undo", program("undo")[0]["token"])
        assert client.zcard(f"{{{first}}}:delayed") + client.zcard("delayed_tasks") == 10

        program("run-now", "--queue", first, "--all", "--yes")
        assert client.llen(first) == 10
        program("move", "--queue", first, "--all", "--to", second, "--yes")
        assert (client.llen(first), client.llen(second)) == (0, 10)
        program("purge", second, "--yes")
        assert client.llen(second) == 0
        program("undo", program("undo")[0]["token"])
        assert client.llen(second) == 10
        program("delete", "--queue", second, "--state", "pending", "--all", "--yes")
        assert client.llen(second) == 0

        client.zadd(f"{{{second}}}:dead", {'{"task":"work","id":"dead"}': 1})
        program("retry", "--queue", second, "dead", "--yes")
        assert client.lpop(second) == b'{"task":"work","id":"dead"}'


def _move_and_delete(program: Program, queue: str, payload: str) -> None:
    named = ("--queue", queue, "--payload", payload)
    program("reschedule", *named, "--delay", "7200")
    program("delete", *named)
    program("delete", *named, code=1)


def least_rights_are_enough(
    url: str,
    nodes: Sequence[PrivateServer],
    *,
    spawn: Callable[..., Any],
    make_producer: Callable[..., Any],
    ledger: Ledger,
    queues: Sequence[str],
) -> None:
    """A worker and a reader with the rights that `doctor --acl` prints for this URL, and no more."""
    for node in nodes:
        with node.client() as client:
            for user in acl_users(url, ""):
                if user.keys:
                    client.execute_command("ACL", "SETUSER", user.name, *user.rules)
            client.acl_log_reset()
    scheme, _, rest = url.partition("://")
    places = rest.rpartition("@")[2]
    as_worker, as_reader = (f"{scheme}://taskconsole-{name}:{PASSWORD}@{places}" for name in ("worker", "reader"))
    worker = spawn(url=as_worker, queues=queues, concurrency=4, wait=False)
    producer = make_producer(as_worker)
    for queue in queues:
        producer.one(tasks.work, 0.001, queue_name=queue)
        producer.one(tasks.work, 0.001, queue_name=queue, run_after=0.2)
    with closing(connect(url)) as client:
        client.zadd("delayed_tasks", {'{"task":"work","args":["by ZADD",0.001]}': 1})
    ledger.wait_for([*producer.accepted, "by ZADD"])
    with closing(NativeBackend(Settings(url=as_reader))) as backend:
        assert {queue.name for queue in backend.overview().queues} >= set(queues)
    assert worker.stop() == 0
    for node in nodes:
        with node.client() as client:
            assert client.acl_log() == []


# -- a master dies


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a failover under load came to."""

    accepted: int
    lost: int
    unreplicated: int
    """How many of the accepted nobody had confirmed to be on a replica."""
    lost_though_kept: int
    """Lost although they had been."""
    repeated: int
    gap: float
    """Longest time without a task ending, seconds."""

    def __str__(self) -> str:
        return (
            f"accepted {self.accepted}, lost {self.lost} (of those replication had kept: {self.lost_though_kept}; "
            f"not known to be kept: {self.unreplicated}), repeated starts {self.repeated}, longest gap {self.gap:.2f} s"
        )


def fail_over(
    name: str,
    url: str,
    *,
    make_producer: Callable[..., Any],
    ledger: Ledger,
    queue: str,
    replicate: Callable[[], None],
    strike: Callable[[], None],
) -> Outcome:
    """Take the master away from a queue that is being filled and worked, and see what has become of its tasks.

    Args:
        name: For the report.
        url: Where the workers are, which have been started.
        make_producer: Makes what fills the queue.
        ledger: Where the tasks leave their marks.
        queue: Its name.
        replicate: Returns when everything acknowledged so far is on a replica.
        strike: Takes the master away.
    """
    ledger.forget()
    producer = make_producer(url, retry_for=30)
    producer.work(BACKLOG, 0.02, queue_name=queue)
    stop = threading.Event()

    def produce() -> None:
        while not stop.wait(0.004):
            producer.one(tasks.work, 0.002, queue_name=queue)

    with ThreadPoolExecutor(1) as pool:
        producing = pool.submit(produce)
        try:
            before = ledger.length()
            wait_until(lambda: ledger.length() > before + 300, LONG, "there is load")
            kept = list(producer.accepted)
            replicate()
            at_the_end = len(producer.accepted)
            strike()
            before = len(producer.accepted)
            wait_until(lambda: len(producer.accepted) > before + 100, LONG, "tasks are accepted again")
            after = producer.accepted[before:]
            ledger.wait_for({*kept, *after[50:]}, LONG)
        finally:
            stop.set()
            producing.result(LONG)
    ledger.wait_for({*kept, *producer.accepted[before + 50 :]}, LONG)
    with closing(connect(url)) as client:
        # What was lost is not to be waited for; what is to run again is.
        wait_until(lambda: _is_idle(client, queue), LONG, "everything has been done")
    report = ledger.report(name, producer.accepted)
    ended = set(ledger.count("end"))
    outcome = Outcome(
        accepted=report.accepted,
        lost=report.lost,
        unreplicated=max(0, before - len(kept)),
        lost_though_kept=len(set(kept) - ended),
        repeated=report.repeated,
        gap=report.gap,
    )
    print(f"{name}: {outcome} ({at_the_end - len(kept)} while replication was waited for)")
    assert report.strangers == 0
    return outcome


def _is_idle(client: Any, queue: str) -> bool:
    tag = f"{{{queue}}}"
    hands = [f"{tag}:processing:{worker.decode()}" for worker in client.zrange(f"{tag}:workers", 0, -1)]
    return not any(map(client.llen, [queue, *hands])) and not client.zcard(f"{tag}:delayed")


def nothing_is_left(url: str, queue: str) -> None:
    """No lease and nothing in anybody's hands, now that every worker has signed off."""
    with closing(connect(url)) as client:
        left = client.lrange(queue, 0, 9)
        assert not left, f"in the queue: {left}"
        assert client.zcard(f"{{{queue}}}:workers") == 0
        assert list(client.scan_iter(match=f"{{{queue}}}:processing:*")) == []
