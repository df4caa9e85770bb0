"""Windows over tasks: places, and the delayed tasks of all queues as one list."""

import json

import pytest

from taskconsole.backends import windows
from taskconsole.backends.commands import Delete
from taskconsole.backends.native import NativeBackend
from taskconsole.config import Settings
from taskconsole.errors import ConfigError, WrongType
from taskconsole.model.state import State
from taskconsole.store.keys import TOMBSTONE


@pytest.fixture
def backend(store_url):
    backend = NativeBackend(Settings(url=store_url))
    yield backend
    backend.close()


def names(rows):
    return [row.name for row in rows]


def places(rows):
    return [(row.name, row.place) for row in rows]


def scripts_and_commands(raw):
    """How often each command was carried out since the last look, those within scripts too."""
    used = {name.removeprefix("cmdstat_"): stat["calls"] for name, stat in raw.info("commandstats").items()}
    raw.config_resetstat()
    return used


# -- places


def test_the_place_of_a_pending_task_counts_from_the_next_to_run(backend, raw):
    raw.lpush("q", "a", TOMBSTONE, "b", "c")

    assert [("a", 0), ("b", 2), ("c", 3)] == places(backend.tasks("q", State.PENDING)[0])
    assert [("b", 2)] == places(backend.tasks("q", State.PENDING, offset=1, limit=2)[0])
    assert [("c", 3)] == places(backend.tasks("q", State.PENDING, offset=3, limit=50)[0]), "at the very end"
    assert ([], 4) == backend.tasks("q", State.PENDING, offset=4)


def test_the_place_of_other_tasks_is_their_index(backend, raw):
    raw.zadd("{q}:dead", {"old": 1, "new": 2, "newest": 3})
    raw.zadd("{q}:delayed", {"soon": 1, "later": 2, "last": 3})
    raw.rpush("{q}:done", *(json.dumps({"task": name}) for name in ("x", "y", "z")))

    assert [("new", 1), ("old", 2)] == places(backend.tasks("q", State.DEAD, offset=1)[0])
    assert [("later", 1)] == places(backend.tasks("q", State.DELAYED, offset=1, limit=1)[0])
    assert [("y", 1), ("z", 2)] == places(backend.tasks("q", State.DONE, offset=1)[0])


def test_active_tasks_are_read_only_where_the_window_is(backend, raw):
    now = raw.time()[0]
    raw.zadd("{q}:workers", {"w1": (now + 60) * 1000, "w2": (now + 50) * 1000, "w3": (now + 40) * 1000})
    for wid in ("w1", "w2", "w3"):
        raw.rpush(f"{{q}}:processing:{wid}", *(f"{wid}-{n}" for n in range(4)))
    raw.config_resetstat()

    rows, total = backend.tasks("q", State.ACTIVE, offset=3, limit=4)

    assert [("w1-3", 3), ("w2-0", 0), ("w2-1", 1), ("w2-2", 2)] == places(rows)
    assert ["w1", "w2", "w2", "w2"] == [row.worker for row in rows]
    assert total == 12
    assert scripts_and_commands(raw)["lrange"] == 2


def test_the_list_of_one_worker_that_is_none_hides_no_other(backend, raw):
    now = raw.time()[0]
    raw.zadd("{q}:workers", {"w1": (now + 60) * 1000, "w2": (now + 50) * 1000})
    raw.set("{q}:processing:w1", "oops")
    raw.rpush("{q}:processing:w2", "t")

    assert ([("t", 0)], 1) == (places((found := backend.tasks("q", State.ACTIVE))[0]), found[1])


# -- what was cut


def test_a_long_dead_task_still_says_what_it_is_and_why_it_died(backend, raw):
    errors = [{"error": f"E: {n}", "traceback": '"{\\"error\\":\\"no\\"" ' * 300, "at": 7.5 + n} for n in range(3)]
    fields = {"task": "send", "id": "i1", "args": ["ada"], "errors": errors}
    died = {"reason": 'failed 3 times, last: E: "2", so', "worker": "w", "at": 10.25}

    def compact(value):
        return json.dumps(value, separators=(",", ":"))

    raw.zadd("{q}:dead", {compact({**fields, "died": died}): 10})
    raw.zadd("{q}:delayed", {compact(fields): 11, compact({"task": "x", "args": ["y" * 5000]}): 12})

    (dead,), (delayed, plain) = backend.tasks("q", State.DEAD)[0], backend.tasks("q", State.DELAYED)[0]

    assert (dead.name, dead.id, dead.args) == ("send", "i1", '"ada"')
    assert (dead.error, dead.failed_at) == ('failed 3 times, last: E: "2", so', 10.0)
    assert dead.size > len(dead.payload) == 4096
    assert (delayed.name, delayed.error, delayed.failed_at) == ("send", "E: 2", 9.5)
    assert (plain.name, plain.error, plain.failed_at) == ("x", "", None)


def test_a_reason_that_was_cut_is_shown_as_far_as_it_goes(backend, raw):
    raw.zadd("{q}:dead", {'{"task":"t","args":["' + "x" * 5000 + '"],"died":{"reason":"' + "long " * 1000 + '"}}': 1})
    (row,) = backend.tasks("q", State.DEAD)[0]

    assert row.error.startswith("long long")
    assert 2_000 < len(row.error) < 2_600


@pytest.mark.parametrize(
    "payload",
    [
        b"\x00\xff" * 4000,
        b"{" * 9000,
        b'{"task":' + b"[" * 9000,
        b'{"task":"t","attempt":12345' + b"6" * 9000 + b"}",
        b'{"task":"t",' + b'{"error":' * 2000,
        b'{"task":"t","args":["' + b"x" * 5000 + b'"],"died":{"reason":' + b"[" * 5000,
        b'{"task":"t","errors":[5' + b" " * 5000 + b"]}",
        b'{"task":"t","errors":[{"error":5,"at":' + b"9" * 5000 + b"}]}",
        b'{"task":"t","errors":[{"error":"\\ud800","at":1e999}]}',
    ],
)
def test_no_payload_breaks_a_window(backend, raw, payload):
    raw.zadd("{q}:dead", {payload: 1})
    raw.zadd("{q}:delayed", {payload: 2})
    raw.sadd("taskconsole:queues", "q")
    for state in (State.DEAD, State.DELAYED):
        (row,), total = backend.tasks("q", state)
        assert (total, row.size, payload.startswith(row.payload)) == (1, len(payload), True)
    assert backend.delayed()[1] == 1
    assert sum(group.dead for group in backend.failures().groups) == 1


# -- the delayed tasks of all queues


@pytest.fixture
def many(raw):
    """Twelve queues with 300 delayed tasks each, one in ten also in the public set; their names in order."""
    pipe = raw.pipeline()
    due = {}
    for q in range(12):
        name = "task_queue" if q == 5 else f"q{q:02}"
        pipe.sadd("taskconsole:queues", name)
        tasks = {f"{name}-{n}": 1000 + n * 12 + q for n in range(300)}
        pipe.zadd(f"{{{name}}}:delayed", tasks)
        due |= tasks
    public = {f"public-{n}": 1000 + n * 120 - 0.5 for n in range(30)}
    pipe.zadd("delayed_tasks", public)
    pipe.execute()
    return sorted(due | public, key=(due | public).__getitem__)


@pytest.mark.parametrize(("offset", "limit"), [(0, 50), (17, 3), (1234, 500), (3600, 100), (3629, 1), (9999, 1)])
def test_the_delayed_tasks_of_all_queues_are_one_list(backend, many, offset, limit):
    rows, total = backend.delayed(offset=offset, limit=limit)

    assert total == len(many) == 3630
    assert names(rows) == many[offset : offset + limit]
    for row in rows:
        queue, _, number = row.name.rpartition("-")
        assert (row.queue, row.public) == (("task_queue", True) if queue == "public" else (queue, False))
        assert row.place == int(number), "the rank within its own key"


def test_its_cost_is_told_and_kept(backend, many, raw):
    backend.delayed()
    raw.config_resetstat()
    backend.delayed()
    used = scripts_and_commands(raw)

    assert used["zcard"] == 13
    assert used["evalsha"] <= 26
    assert used["zrange"] <= 26, "20 members at a time: a few scores of each set, and the rows"
    assert not {"keys", "zscan", "hgetall", "zrangebyscore"} & used.keys()


def test_one_busy_queue_among_idle_ones_costs_a_few_more_trips(backend, raw):
    pipe = raw.pipeline()
    pipe.sadd("taskconsole:queues", *(f"q{n:03}" for n in range(100)))
    for n in range(100):
        pipe.zadd(f"{{q{n:03}}}:delayed", {"far": 9e9})
    pipe.zadd("{q050}:delayed", {f"t{n}": n for n in range(5000)})
    pipe.execute()
    raw.config_resetstat()

    rows, _ = backend.delayed(offset=2000, limit=10)

    assert names(rows) == [f"t{n}" for n in range(2000, 2010)]
    assert scripts_and_commands(raw)["zrange"] <= 3 * 2010 / 20 + 101 + 10, "20 members at a time"


def test_too_deep_is_said_and_one_queue_goes_on(backend, raw):
    raw.sadd("taskconsole:queues", "a", "b")
    pipe = raw.pipeline()
    pipe.zadd("{a}:delayed", {f"t{n:05}": n for n in range(10_500)})
    pipe.execute()
    assert names(backend.delayed(offset=10_400, limit=1)[0]) == ["t10400"], "one set has them all"

    raw.zadd("{b}:delayed", {"x": 4})
    assert names(backend.delayed(offset=9_990, limit=10)[0]) == [f"t{n:05}" for n in range(9_989, 9_999)]
    with pytest.raises(ConfigError, match="only down to the 10,000th task; look at one queue"):
        backend.delayed(offset=9_991, limit=10)
    assert names(backend.tasks("a", State.DELAYED, offset=10_400, limit=1)[0]) == ["t10400"]
    assert ([], 10_501) == backend.delayed(offset=99_999)


def test_deep_windows_of_the_default_queues_two_sets_are_in_order(backend, raw):
    raw.zadd("{task_queue}:delayed", {f"own-{n}": 2 * n for n in range(100)})
    raw.zadd("delayed_tasks", {f"public-{n}": 2 * n + 1 for n in range(100)})

    rows, total = backend.tasks("task_queue", State.DELAYED, offset=60, limit=4)

    assert [("own-30", 30), ("public-30", 30), ("own-31", 31), ("public-31", 31)] == places(rows)
    assert [False, True, False, True] == [row.public for row in rows]
    assert total == 200


def test_scores_without_end_have_their_place(backend, raw):
    raw.sadd("taskconsole:queues", "a")
    raw.zadd("{a}:delayed", {"never": float("inf"), "long ago": float("-inf")})
    raw.zadd("delayed_tasks", {"now": 5, "never too": float("inf")})

    assert names(backend.delayed()[0]) == ["long ago", "now", "never", "never too"]


def test_a_set_that_is_none_hides_no_other(backend, raw):
    raw.sadd("taskconsole:queues", "a", "b", "\x1b[2J{}", b"\xff")
    raw.set("{a}:delayed", "oops")
    raw.zadd("{b}:delayed", {"t": 5})

    assert (["t"], 1) == (names((found := backend.delayed())[0]), found[1])
    with pytest.raises(WrongType, match=r"'\{a\}:delayed' holds a string, not a zset"):
        backend.tasks("a", State.DELAYED)


def test_a_row_can_be_acted_on_wherever_it_lies(backend, raw):
    raw.zadd("delayed_tasks", {"t": 4e9})
    raw.zadd("{mail}:delayed", {"u": 4e9})
    raw.sadd("taskconsole:queues", "mail")
    for row in backend.delayed()[0]:
        assert backend.apply(Delete(queue=row.queue, task=row.payload, by="ana")).changed

    assert backend.delayed() == ([], 0)


def test_at_most_500_are_shown_and_nothing_at_all_when_nothing_is_wanted(backend, many):
    assert len(backend.delayed(limit=10_000)[0]) == windows.LONGEST == 500
    assert ([], 3630) == backend.delayed(limit=0)
    assert names(backend.delayed(offset=-5, limit=2)[0]) == many[:2]
