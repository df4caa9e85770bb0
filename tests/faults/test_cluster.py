"""F-14: everything works on a cluster, while slots move and when a master dies."""

from __future__ import annotations

import os
import signal
import time
from contextlib import ExitStack, closing

import pytest

from taskconsole.backends.commands import (
    DeleteTasks,
    Matching,
    MoveTasks,
    RescheduleTasks,
    RetryTasks,
    RunTasks,
    Undo,
)
from taskconsole.backends.native import NativeBackend
from taskconsole.config import Settings
from taskconsole.errors import AccessDenied, StoreError, StoreNotReady
from taskconsole.model.state import State
from taskconsole.store.call import command
from taskconsole.store.cluster import AsyncClusterWire, ClusterWire
from taskconsole.store.keys import DEFAULT_QUEUE, PUBLIC_DELAYED, Namespace
from taskconsole.store.reading import ReadingStore
from taskconsole.store.slots import home_of
from taskconsole.store.tasks import TaskStore
from taskconsole.store.wire import Wire
from taskconsole.store.workers import WorkerStore
from tests.faults import app as tasks
from tests.faults.failover import Program, everything_works, fail_over, least_rights_are_enough, nothing_is_left
from tests.servers import FULL, VARIABLE, given_url
from tests.topologies import ClusterSetUp, replicated

NAMES = Namespace()
STORE = TaskStore(NAMES)


@pytest.fixture(scope="module")
def cluster():
    if given_url():
        pytest.skip(f"needs servers of its own, and {VARIABLE} is a URL")
    with ClusterSetUp(password="S3cr3t") as made:
        yield made


@pytest.fixture(autouse=True)
def _whole(cluster):
    """Each test finds all six up, and every queue empty."""
    cluster.heal()
    for node in cluster.masters():
        with node.client() as client:
            client.flushall()


@pytest.fixture
def queues(cluster):
    """Three queues, each on another master; the first is the default one."""
    return cluster.queues()


@pytest.fixture
async def wires(cluster):
    """A blocking wire and one for asyncio, the first in the clothes of the second."""
    settings = Settings(url=cluster.url)
    blocking, awaited = ClusterWire(settings), AsyncClusterWire(settings)

    class Blocking:
        async def run(self, call):
            return blocking.run(call)

        async def run_all(self, calls):
            return blocking.run_all(calls)

    yield [Blocking(), awaited]
    blocking.close()
    await awaited.close()


def test_everything_works_on_a_cluster(cluster, queues, capsys, spawn, make_producer, ledger, tmp_path):
    assert cluster.master_of("delayed_tasks") is not cluster.master_of(DEFAULT_QUEUE)
    everything_works(
        cluster.url,
        program=Program(cluster.url, capsys),
        spawn=spawn,
        make_producer=make_producer,
        ledger=ledger,
        queues=queues,
        folder=tmp_path,
    )


ACTS = {
    "retry": lambda which: RetryTasks(which=which, by="ada@box"),
    "run": lambda which: RunTasks(which=which, by="ada@box"),
    "reschedule": lambda which: RescheduleTasks(which=which, due="+60", by="ada@box"),
    "delete": lambda which: DeleteTasks(which=which, by="ada@box"),
    "move": lambda which: MoveTasks(which=which, to="other", by="ada@box"),
}


@pytest.mark.parametrize("all_of_them", [False, True])
@pytest.mark.parametrize("act", ACTS)
def test_what_is_done_to_tasks_of_the_public_set_on_another_node_is_undone_and_none_is_lost(cluster, act, all_of_them):
    queue = DEFAULT_QUEUE
    assert cluster.master_of(PUBLIC_DELAYED) is not cluster.master_of(queue)
    own, public = [b"own-%d" % i for i in range(3)], [b"public-%d" % i for i in range(3)]
    with closing(NativeBackend(Settings(url=cluster.url))) as backend, ExitStack() as clients:
        near, far, other = (
            clients.enter_context(cluster.master_of(key).client()) for key in (queue, PUBLIC_DELAYED, "other")
        )
        near.zadd("{task_queue}:delayed", dict.fromkeys(own, 4e9))
        far.zadd(PUBLIC_DELAYED, dict.fromkeys(public, 4e9))

        def everywhere():
            found = [*near.lrange(queue, 0, -1), *near.zrange("{task_queue}:delayed", 0, -1)]
            found += [*far.zrange(PUBLIC_DELAYED, 0, -1), *other.zrange("{other}:delayed", 0, -1)]
            return sorted(found)

        which = Matching(queue=queue, state=State.DELAYED, agreed=6) if all_of_them else ()
        command = ACTS[act](which or tuple(backend.tasks(queue, State.DELAYED)[0]))
        if act == "delete" and all_of_them:
            # Emptied in one step, in which the public set on its other node has no part.
            applied = backend.apply(command)
            assert applied.done == 3
            assert applied.text.endswith("3 in delayed_tasks, on another node, are left")
            assert everywhere() == public
            assert "no other delayed tasks; 3 in delayed_tasks" in backend.apply(command).text
            return
        applied = backend.apply(command)
        assert (applied.done, applied.missed) == (6, 0), applied.text
        assert everywhere() == ([] if act == "delete" else sorted(own + public))
        if act in {"retry", "run"}:
            assert near.llen(queue) == 6
        undone = backend.apply(Undo(done=applied.undo, by="ada@box"))
        assert undone.done == 6, undone.text
        assert everywhere() == sorted(own + public)
        # What was public has been adopted by its queue.
        assert near.zcard("{task_queue}:delayed") == 6
        assert {score for _, score in near.zrange("{task_queue}:delayed", 0, -1, withscores=True)} == {4e9}


@pytest.mark.parametrize(
    ("call", "key"),
    [
        (STORE.enqueue("mail", [b"x"], client_id="c", seq=1), "mail"),
        (STORE.held("mail", "w"), "mail"),
        (STORE.announce("mail"), "taskconsole:queues"),
        (STORE.publish(NAMES.of("mail"), b"x"), "mail"),
        (STORE.announce_listener(NAMES.of("mail")), "mail"),
        (WorkerStore(NAMES).scan_processing("mail", 0), "mail"),
        (command("MEMORY", "USAGE", "mail", parse=int), "mail"),
        (command("PUBLISH", "mail_channel", b"x", parse=int), "mail"),
        (command("LLEN", b"mail", parse=int), "mail"),
    ],
)
def test_a_call_goes_where_its_queue_is(call, key):
    assert home_of(call) == home_of(command("LLEN", key, parse=int))


def test_a_call_without_a_key_may_go_anywhere():
    assert home_of(command("TIME", parse=list)) is home_of(command("INFO", "server", parse=bytes)) is None


async def test_answers_of_several_nodes_come_in_the_order_of_the_calls(wires, queues):
    for wire in wires:
        calls = [command("RPUSH", queue, f"{i}", parse=int) for i in range(3) for queue in queues]
        answers = await wire.run_all([*calls, command("GET", queues[0], parse=bytes)])
        assert answers[:9] == sorted(answers[:9])
        assert isinstance(answers[9], StoreError)


async def test_a_key_that_has_moved_is_found_where_it_is_now(cluster, wires, queues):
    queue = queues[0]
    look = ReadingStore(NAMES).window(queue, 0, -1, "list")
    for wire in wires:
        await wire.run(command("RPUSH", queue, "x", parse=int))
        with Moving(cluster, queue) as move:
            move.carry(queue)
            with move.new.client() as client:
                client.script_flush()
            # The old node sends us to the new one, for this once; which knows no script yet.
            assert [seen.payload for seen in await wire.run(look)] == [b"x"]
            assert await wire.run_all([STORE.length(name) for name in queues]) == [1, 0, 0]
        assert cluster.master_of(queue) is move.new
        assert await wire.run(STORE.enqueue(queue, [b"y"], client_id="after", seq=1)) == 2
        assert await wire.run_all([STORE.length(name) for name in queues]) == [2, 0, 0]
        await wire.run(command("DEL", queue, "{" + queue + "}:producer:after", parse=int))


async def test_keys_that_are_being_moved_one_by_one_are_waited_for(cluster, wires, queues):
    queue = queues[0]
    for n, wire in enumerate(wires):
        await wire.run(STORE.enqueue(queue, [b"x"], client_id=f"{n}", seq=1))
        with Moving(cluster, queue) as move:
            move.carry(queue)
            with pytest.raises(StoreNotReady):
                await wire.run(STORE.enqueue(queue, [b"y"], client_id=f"{n}", seq=2))
            move.carry(f"{{{queue}}}:producer:{n}")
        assert await wire.run(STORE.enqueue(queue, [b"y"], client_id=f"{n}", seq=2)) == 2
        await wire.run(command("DEL", queue, parse=int))


class Moving:
    """A queue's slot is moved to the next master; what `carry` has not moved before goes at the end."""

    def __init__(self, cluster: ClusterSetUp, queue: str) -> None:
        self.cluster, self.queue = cluster, queue

    def __enter__(self):
        self.source = self.cluster.master_of(self.queue)
        masters = self.cluster.masters()
        self.new = masters[(masters.index(self.source) + 1) % len(masters)]
        self.slot = home_of(STORE.length(self.queue))
        self.ids = [self.cluster.say(node, "MYID").decode() for node in (self.source, self.new)]
        self.cluster.say(self.new, "SETSLOT", self.slot, "IMPORTING", self.ids[0])
        self.cluster.say(self.source, "SETSLOT", self.slot, "MIGRATING", self.ids[1])
        return self

    def carry(self, key: str | bytes) -> None:
        with self.source.client() as client:
            client.execute_command("MIGRATE", "127.0.0.1", self.new.port, key, 0, 5000, "AUTH", "S3cr3t")

    def __exit__(self, *_) -> None:
        for key in self.cluster.say(self.source, "GETKEYSINSLOT", self.slot, 1000):
            self.carry(key)
        for node in (self.new, self.source, *self.cluster.masters()):
            self.cluster.say(node, "SETSLOT", self.slot, "NODE", self.ids[1])


def test_a_queue_that_is_moved_under_load_loses_and_repeats_nothing(cluster, queues, spawn, make_producer, ledger):
    queue = queues[1]
    worker = spawn(url=cluster.url, queues=(queue,), concurrency=4)
    producer = make_producer(cluster.url, retry_for=30)
    for _ in range(2):
        for _ in range(100):
            producer.one(tasks.work, 0.005, queue_name=queue)
        with Moving(cluster, queue):
            for _ in range(5):
                time.sleep(0.02)
    ledger.wait_for(producer.accepted)
    report = ledger.report("a slot moved twice under load", producer.accepted)
    assert (report.lost, report.strangers) == (0, 0)
    assert worker.stop() == 0
    nothing_is_left(cluster.url, queue)


def test_the_rights_that_the_doctor_prints_are_enough_on_a_cluster(cluster, queues, spawn, make_producer, ledger):
    least_rights_are_enough(
        cluster.url, cluster.nodes, spawn=spawn, make_producer=make_producer, ledger=ledger, queues=queues
    )


def test_the_server_is_what_its_nodes_are_together_and_each_is_judged(cluster, capsys):
    program = Program(cluster.url, capsys)
    with closing(NativeBackend(Settings(url=cluster.url))) as backend:
        overview = backend.overview()
        assert sorted(node.address for node in overview.nodes) == sorted(
            f"127.0.0.1:{node.port}" for node in cluster.masters()
        )
        assert overview.server.address.startswith("cluster 127.0.0.1:")
        assert overview.server.used_memory == sum(node.used_memory for node in overview.nodes)
        seen = backend.server()
    assert int(seen.info["connected_slaves"]) == len(cluster.masters()) == 3
    # One connection of the backend to each node, and one that reads the map.
    assert len(seen.clients) >= 3
    (note,) = [verdict for verdict in program("doctor")["verdicts"] if verdict["rule"] == "failover"]
    assert all(f"127.0.0.1:{node.port}: connected_slaves:1" in note["evidence"] for node in cluster.masters())


def test_a_cluster_that_is_taken_for_one_server_is_recognized(cluster):
    wire = Wire(Settings(url=cluster.url.replace("redis+cluster", "redis").partition(",")[0]))
    answers = wire.run_all([command("LLEN", queue, parse=int) for queue in cluster.queues()])
    assert any("the URL must begin with redis+cluster://" in str(answer) for answer in answers)
    wire.close()


def test_one_server_that_is_taken_for_a_cluster_is_recognized(make_server):
    wire = ClusterWire(Settings(url=make_server(tcp=True).tcp_url.replace("redis", "redis+cluster").removesuffix("/0")))
    with pytest.raises(StoreError, match="cluster support disabled"):
        wire.run(command("LLEN", DEFAULT_QUEUE, parse=int))


async def test_a_wrong_password_is_said_without_it(cluster):
    settings = Settings(url=cluster.url.replace("S3cr3t", "wrong"))
    for refused in (lambda: ClusterWire(settings).run(STORE.length("mail")), None):
        with pytest.raises(AccessDenied) as raised:
            refused() if refused else await AsyncClusterWire(settings).run(STORE.length("mail"))
        assert "wrong" not in str(raised.value)


def test_f14_a_killed_master_costs_nothing_that_was_replicated(cluster, queues, spawn, make_producer, ledger):
    queue = queues[1]
    workers = [spawn(url=cluster.url, queues=(queue, queues[0]), concurrency=8) for _ in range(2)]
    master = cluster.master_of(queue)
    outcome = fail_over(
        "F-14 master killed",
        cluster.url,
        make_producer=make_producer,
        ledger=ledger,
        queue=queue,
        replicate=lambda: replicated(master),
        strike=master.kill,
    )
    assert outcome.lost_though_kept == 0
    assert outcome.gap < 15
    assert all(worker.running for worker in workers)
    assert [worker.stop() for worker in workers] == [0, 0]
    nothing_is_left(cluster.url, queue)


@pytest.mark.skipif(not FULL, reason="minutes: with TASKCONSOLE_TEST_FULL=1")
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("number", "patience"),
    [(signal.SIGKILL, 5), (signal.SIGSTOP, 5), (signal.SIGSTOP, 3)],
    ids=["killed", "stopped", "given-up"],
)
def test_f14_one_failover_after_another(cluster, queues, spawn, make_producer, ledger, number, patience):
    url = f"{cluster.url}{'&' if '?' in cluster.url else '?'}socket_timeout={patience}"
    workers = [spawn(url=url, queues=queues, concurrency=8) for _ in range(2)]
    for turn in range(4):
        cluster.heal()
        queue = queues[turn % 3]
        master = cluster.master_of(queue)

        def strike(master=master):
            master.kill() if number == signal.SIGKILL else os.kill(master.pid, number)

        outcome = fail_over(
            f"F-14 {number.name}, patience of {patience} s, {turn + 1}",
            url,
            make_producer=make_producer,
            ledger=ledger,
            queue=queue,
            replicate=lambda master=master: replicated(master),
            strike=strike,
        )
        if number == signal.SIGSTOP:
            os.kill(master.pid, signal.SIGCONT)
        assert outcome.lost_though_kept == 0
    assert [worker.stop() for worker in workers] == [0, 0]
    for queue in queues:
        nothing_is_left(url, queue)
