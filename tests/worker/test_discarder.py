"""The end of what a purge took away."""

from __future__ import annotations

import pytest

from taskconsole.store.operations import OperationStore
from taskconsole.store.tasks import LOG_CAP
from taskconsole.worker.discarder import Discarder
from tests.servers import FULL
from tests.worker.rig import QUEUE, envelope

MANY = 1_000_000 if FULL else 50_000


@pytest.fixture
def operations(rig):
    return OperationStore(rig.names)


@pytest.fixture
def discarder(rig, operations):
    return Discarder([QUEUE, "other"], operations=operations, wire=rig.wire, clock=rig.clock)


async def purge(rig, operations, token):
    keys = rig.names.of(QUEUE)
    payload = envelope("t", id="%d", args=["x" * 50]).decode()
    for start in range(0, MANY, 10_000):
        rig.raw.zadd(keys.delayed, {payload % i: i for i in range(start, start + 10_000)})
    await rig.wire.run(operations.purge(QUEUE, "delayed", token=token, event=b"{}"))
    # Ten minutes pass.
    rig.raw.delete(keys.trash_note(token))
    rig.raw.zadd(keys.discards, {token: 1.0}, xx=True)


async def test_many_delayed_tasks_are_freed_without_holding_redis_up(rig, operations, discarder):
    trash = rig.names.of(QUEUE).trash("t")
    rig.raw.config_set("slowlog-log-slower-than", 0)
    freed, expired = [], []
    # The best of some: on a busy machine Redis itself is kept waiting now and then.
    for _ in range(1 if FULL else 5):
        await purge(rig, operations, "t")
        rig.raw.slowlog_reset()
        assert await discarder.run_once() == 1
        assert rig.raw.exists(trash) == 0
        freed.append(longest(rig))
        await purge(rig, operations, "t")
        rig.raw.slowlog_reset()
        rig.raw.delete(trash)  # as an expiry does it
        expired.append(longest(rig))
        rig.raw.delete(rig.names.of(QUEUE).discards)
    rig.raw.config_set("slowlog-log-slower-than", 10_000)
    print(f"{MANY:,} delayed: {min(freed) / 1000:.1f} ms in the background, {min(expired) / 1000:.1f} ms at once")
    assert min(freed) < min(expired) / 5


def longest(rig):
    """Microseconds of the longest command in the slow log."""
    return max(entry["duration"] for entry in rig.raw.slowlog_get(LOG_CAP))


async def test_a_queue_that_refuses_does_not_keep_the_others_trash(rig, operations, discarder, caplog):
    rig.raw.set(rig.names.of(QUEUE).discards, "text")
    keys = rig.names.of("other")
    rig.raw.zadd(keys.dead, {"a": 1})
    await rig.wire.run(operations.purge("other", "dead", token="t", event=b"{}"))
    rig.raw.delete(keys.trash_note("t"))
    rig.raw.zadd(keys.discards, {"t": 1.0}, xx=True)
    assert await discarder.run_once() == 1
    assert [record.message for record in caplog.records] == ["trash is left to expire"]


async def test_a_worker_looks_after_the_trash_of_all_its_queues(rig, operations, discarder):
    keys = rig.names.of("other")
    rig.raw.zadd(keys.dead, {"a": 1})
    await rig.wire.run(operations.purge("other", "dead", token="t", event=b"{}"))
    assert await discarder.run_once() == 0
    rig.raw.delete(keys.trash_note("t"))
    rig.raw.zadd(keys.discards, {"t": 1.0}, xx=True)
    assert await discarder.run_once() == 1
    assert await discarder.run_once() == 0
