"""Failed tasks in groups, from what real bursts of failures leave in Redis; and what a look costs."""

import json

import pytest

from taskconsole.backends import failures
from taskconsole.backends.native import NativeBackend
from taskconsole.config import Settings
from taskconsole.errors import AccessDenied
from taskconsole.model.task import buried, retried
from tests.faultproxy import FaultProxy


@pytest.fixture
def backend(store_url, raw):
    raw.sadd("taskconsole:queues", "mail", "pdf")
    backend = NativeBackend(Settings(url=store_url))
    yield backend
    backend.close()


def dead(n, reason, *, at, task="send", trace=10):
    payload = json.dumps({"task": task, "id": f"i{n}", "args": [n]}).encode()
    error = {"error": reason, "traceback": "x" * trace, "at": at, "attempt": 1, "worker": "w", "ms": 1.0}
    return buried(payload, reason=f"failed 5 times, last: {reason}", error=error, worker="w", at=at, new_id="-")


def trying(n, reason, *, at, task="send", trace=10):
    payload = json.dumps({"task": task, "id": f"r{n}", "args": [n]}).encode()
    error = {"error": reason, "traceback": 'File "x"\n' * trace, "at": at, "attempt": 1, "worker": "w", "ms": 1.0}
    return retried(payload, attempt=2, error=error, new_id="-")


def shown(found):
    return [(g.queue, g.task, g.exception, g.message, g.dead, g.retrying) for g in found.groups]


def dead_reads(raw):
    """How often members of dead sets were read since the last look, 20 at a time."""
    calls = raw.info("commandstats").get("cmdstat_zrevrange", {}).get("calls", 0)
    raw.config_resetstat()
    return calls


def test_what_failed_alike_is_one_group(backend, raw):
    for n in range(20):
        raw.zadd("{mail}:dead", {dead(n, f"TimeoutError: no answer from 10.0.0.{n}:25 in {n}s", at=100 + n): 100 + n})
        raw.zadd("{mail}:delayed", {trying(n, f"TimeoutError: no answer from 10.1.0.{n}:25 in 3s", at=200 + n): 9e9})
        raw.zadd("{mail}:delayed", {json.dumps({"task": "send", "id": n, "args": ['"errors":']}): 5})
    raw.zadd("{pdf}:dead", {dead(1, "KeyError: 'tenant'", at=5, task="build", trace=9_000): 5, "by hand": 6})
    raw.zadd("{task_queue}:dead", {dead(1, "unknown task", at=7): 7})

    found = backend.failures()

    assert shown(found) == [
        ("mail", "send", "TimeoutError", "no answer from <address> in <n>s", 20, 20),
        ("task_queue", "send", "unknown task", "", 1, 0),
        ("pdf", "by hand", "no reason given", "", 1, 0),
        ("pdf", "build", "KeyError", "<text>", 1, 0),
    ]
    assert (found.looked, found.total) == (23, 23)
    group = found.groups[0]
    assert (group.first, group.last) == (100.0, 219.0)
    assert (group.sample.id, group.sample.place, group.sample.at) == ("r19", 31, 9e9), "after 20 others, r0, r1, r10 …"
    assert found.groups[3].sample.size > len(found.groups[3].sample.payload)


def test_a_long_payload_that_waits_for_its_next_attempt_tells_when_and_why(backend, raw):
    raw.zadd("{mail}:delayed", {trying(1, 'ValueError: bad "x"', at=123.25, trace=900): 9e9})
    (group,) = backend.failures().groups

    assert (group.exception, group.message, group.last) == ("ValueError", "bad <text>", 123.25)


def test_an_unchanged_dead_set_is_not_read_again(backend, raw):
    raw.zadd("{mail}:dead", {dead(n, "E: 1", at=n): n for n in range(700)})
    first = backend.failures()
    raw.config_resetstat()
    for _ in range(5):
        assert backend.failures() == first
    used = raw.info("commandstats")
    assert "cmdstat_zrevrange" not in used
    assert used["cmdstat_zcount"]["calls"] == 5 * 2 * 3
    assert used["cmdstat_zcard"]["calls"] == 5 * 3


def test_only_what_has_died_since_is_read(backend, raw):
    raw.zadd("{mail}:dead", {dead(n, f"E: {n}", at=n): n for n in range(100)})
    raw.zadd("{mail}:dead", {dead(500, "G: 1", at=98, task="y"): 98.5})
    backend.failures()
    raw.zadd("{mail}:dead", {dead(n, f"E: {n}", at=n): n for n in range(100, 103)})
    dead_reads(raw)

    found = backend.failures()

    assert dead_reads(raw) == 1
    assert (found.groups[0].dead, found.groups[0].sample.id, found.groups[0].sample.place) == (103, "i102", 0)
    assert found.groups[1].sample.place == 4, "what was known has moved on"
    raw.zadd("{mail}:dead", {dead(7, "F: older", at=1, task="x"): 1.5})
    rows = {group.task: group for group in backend.failures().groups}
    assert (rows["send"].dead, rows["x"].dead, rows["x"].sample.place) == (103, 1, 102), "an older one by hand"


def test_what_was_taken_away_is_not_counted_any_more(backend, raw):
    raw.zadd("{mail}:dead", {dead(n, "E: 1", at=n): n for n in range(100)})
    backend.failures()
    raw.zremrangebyscore("{mail}:dead", 50, 50)
    assert backend.failures().groups[0].dead == 99

    raw.zremrangebyscore("{mail}:dead", 60, 60)
    raw.zadd("{mail}:dead", {dead(200, "E: 1", at=200): 200})
    found = backend.failures()
    assert (found.groups[0].dead, found.groups[0].sample.id) == (99, "i200"), "one went as another came"

    raw.delete("{mail}:dead")
    assert (backend.failures().groups, backend.failures().total) == ((), 0)
    raw.zadd("{mail}:dead", {dead(1, "E: 1", at=1): 1})
    assert backend.failures().groups[0].dead == 1


def test_no_more_than_the_bound_is_looked_at_and_that_is_told(backend, raw, monkeypatch):
    monkeypatch.setattr(failures, "MOST_DEAD", 50)
    raw.zadd("{mail}:dead", {dead(n, "E: 1", at=n): n for n in range(200)})
    found = backend.failures()
    assert (found.looked, found.total, found.groups[0].dead, found.groups[0].first) == (50, 200, 50, 150.0)

    raw.config_resetstat()
    backend.failures()
    assert dead_reads(raw) == 0, "what lies below the bound does not make it look changed"
    raw.zremrangebyrank("{mail}:dead", 0, 20)
    raw.zadd("{mail}:dead", {dead(n, "E: 1", at=n): n for n in range(200, 221)})
    dead_reads(raw)
    found = backend.failures()
    assert dead_reads(raw) == 2, "21 are new: the cap drops old ones, but not of those that are looked at"
    assert (found.looked, found.total, found.groups[0].first) == (50, 200, 171.0)

    raw.zadd("{mail}:dead", {dead(n, "E: 1", at=n): n for n in range(300, 400)})
    found = backend.failures()
    assert (found.looked, found.groups[0].first, found.groups[0].sample.place) == (50, 350.0, 0)


def test_all_queues_together_have_one_bound(backend, raw, monkeypatch):
    monkeypatch.setattr(failures, "MOST", 300)
    raw.sadd("taskconsole:queues", *(f"q{n}" for n in range(27)))  # 30 with mail, pdf and the default one
    for n in range(27):
        raw.zadd(f"{{q{n}}}:dead", {dead(i, "E: 1", at=i): i for i in range(50)})
        raw.zadd(f"{{q{n}}}:delayed", {trying(i, "E: 1", at=i): i for i in range(50)})
    found = backend.failures()

    assert (found.looked, found.total) == (27 * 8, 27 * 50)
    assert {(group.dead, group.retrying) for group in found.groups} == {(8, 2)}


def test_bounds_that_move_as_queues_come_and_go(backend, raw, monkeypatch):
    monkeypatch.setattr(failures, "MOST", 120)
    raw.zadd("{mail}:dead", {dead(n, "E: 1", at=n): n for n in range(40)})
    assert backend.failures().looked == 30
    raw.sadd("taskconsole:queues", "another")
    assert backend.failures().looked == 23
    raw.srem("taskconsole:queues", "another", "pdf")
    assert backend.failures().looked == 40
    assert backend.failures().groups[0].first == 0.0


def test_a_key_that_is_none_hides_no_other(backend, raw):
    raw.set("{mail}:dead", "oops")
    raw.lpush("{pdf}:delayed", "oops")
    raw.zadd("{pdf}:dead", {dead(1, "E: 1", at=1): float("inf"), dead(2, "E: 1", at=2): float("-inf")})

    for _ in range(2):
        found = backend.failures()
        assert (found.total, [g.dead for g in found.groups]) == (2, [2])
        assert found.groups[0].last is None, "infinity is no time"


def test_a_look_that_was_cut_off_leaves_nothing_half_known(store_url, raw):
    raw.sadd("taskconsole:queues", "mail")
    raw.zadd("{mail}:dead", {dead(n, "E: 1", at=n): n for n in range(50)})
    with FaultProxy(store_url) as proxy:
        backend = NativeBackend(Settings(url=proxy.url, timeout=1.0))
        backend.failures()
        raw.zadd("{mail}:dead", {dead(n, "E: 1", at=n): n for n in range(50, 60)})
        for _ in range(3):
            proxy.drop_replies(1)
            with pytest.raises(Exception, match="no answer"):
                backend.failures()
        assert backend.failures().groups[0].dead == 60
        backend.close()


def test_a_refusal_is_said(make_server):
    server = make_server()
    with server.client() as client:
        client.acl_setuser("default", enabled=True, nopass=True, keys=["*"], commands=["+@all", "-zcount"])
        backend = NativeBackend(Settings(url=server.url))
        with pytest.raises(AccessDenied, match="zcount"):
            backend.failures()
        backend.close()
