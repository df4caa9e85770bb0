"""The commands that act on tasks and workers, as they are typed."""

from __future__ import annotations

import json

import pytest

DEAD = "{mail}:dead"


def envelope(task_id, **fields):
    return json.dumps({"task": "send", "id": task_id, **fields})


@pytest.fixture
def mail(raw):
    """Three tasks in each state."""
    raw.sadd("taskconsole:queues", "mail")
    raw.lpush("mail", *(envelope(f"p{i}") for i in range(3)))
    raw.zadd("{mail}:delayed", {envelope(f"d{i}"): 4e9 + i for i in range(3)})
    raw.zadd(DEAD, {envelope(f"x{i}", died={"reason": "ValueError: no", "worker": "w", "at": 5}): i for i in range(3)})
    return raw


def counts(raw):
    return raw.llen("mail"), raw.zcard("{mail}:delayed"), raw.zcard(DEAD)


@pytest.mark.parametrize(
    ("command", "after"),
    [
        (["retry", "x1"], (4, 3, 2)),
        (["retry", "--state", "delayed", "d1", "d2"], (5, 1, 3)),
        (["run-now", "d1"], (4, 2, 3)),
        (["run-now", "--state", "dead", "x1"], (4, 3, 2)),
        (["delete", "--state", "dead", "x0", "x1"], (3, 3, 1)),
        (["delete", "--state", "pending", "p1"], (2, 3, 3)),
        (["delete", "d0", "d1"], (3, 1, 3)),
        (["move", "p1", "--to", "other"], (2, 3, 3)),
        (["move", "--state", "dead", "--all", "--yes", "--to", "other"], (3, 3, 0)),
        (["retry", "--all", "--yes"], (6, 3, 0)),
        (["retry", "--match", "x1", "--yes"], (4, 3, 2)),
        (["delete", "--all", "--yes"], (3, 0, 3)),
    ],
)
def test_what_is_done_is_said_and_taken_back_with_the_token_that_was_told(cli, mail, command, after):
    dry = cli(*command, "-q", "mail", "--dry-run")
    assert (dry.code, counts(mail)) == (0, (3, 3, 3))
    assert dry.out.startswith("would ")

    ran = cli(*command, "-q", "mail", "--json")
    assert (ran.code, counts(mail)) == (0, after)
    assert ran.json["done"] == sum(abs(a - 3) for a in after) // (1 + (sum(after) == 9))

    listed = cli("undo")
    assert ran.json["undo"] in listed.out
    back = cli("undo", ran.json["undo"])
    assert (back.code, counts(mail)) == (0, (3, 3, 3)), back.err
    again = cli("undo", ran.json["undo"])
    assert (again.code, counts(mail)) == (1, (3, 3, 3))


def test_rescheduling_all_of_them_gives_each_its_old_time_back(cli, mail):
    before = mail.zrange("{mail}:delayed", 0, -1, withscores=True)
    ran = cli("reschedule", "-q", "mail", "--all", "--yes", "--at", "2030-01-31T12:00:00Z", "--json")
    assert {score for _, score in mail.zrange("{mail}:delayed", 0, -1, withscores=True)} == {1896091200.0}
    assert cli("undo", ran.json["undo"]).code == 0
    assert mail.zrange("{mail}:delayed", 0, -1, withscores=True) == before


@pytest.mark.parametrize(
    "command", [["purge", "mail"], ["delete", "-q", "mail", "--all"], ["retry", "-q", "mail", "--match", "x"]]
)
def test_many_are_touched_only_with_a_yes_where_nobody_can_be_asked(cli, mail, command):
    ran = cli(*command)
    assert (ran.code, ran.out, counts(mail)) == (2, "", (3, 3, 3))
    assert "give --yes" in ran.err


@pytest.mark.parametrize("state", ["pending", "delayed", "dead"])
def test_a_purged_queue_comes_back_whole(cli, mail, state):
    ran = cli("purge", "mail", "--state", state, "--yes", "--json")
    assert (ran.code, ran.json["done"], sum(counts(mail))) == (0, 3, 6)
    assert cli("undo", ran.json["undo"]).code == 0
    assert counts(mail) == (3, 3, 3)


@pytest.mark.parametrize(
    "command",
    [
        ["retry", "-q", "mail", "nobody"],
        ["undo", "nobody"],
        ["quiet", "nobody"],
        ["stop-worker", "nobody", "--yes"],
        ["abort", "-q", "mail", "nobody", "--yes"],
    ],
)
def test_what_is_not_there_is_said_and_ends_with_1(cli, mail, command):
    ran = cli(*command)
    assert (ran.code, ran.out, ran.err.count("\n")) == (1, "", 1)
    assert counts(mail) == (3, 3, 3)


def test_a_worker_hears_of_it_and_the_log_tells_who_wanted_it(cli, mail):
    mail.zadd("{mail}:workers", {"w1": 9e12})
    mail.lpush("{mail}:processing:w1", envelope("h1"))
    assert cli("quiet", "w1").code == 0
    assert mail.hget("{mail}:worker:w1", "command") == b"quiet"
    assert cli("abort", "-q", "mail", "h1", "--yes").code == 0
    assert mail.llen("{mail}:aborts:w1") == 1
    told = [json.loads(fields[b"e"]) for _, fields in mail.xrange("{mail}:log")]
    assert [event["event"] for event in told] == ["quieted", "aborted"]
    assert all("@" in event["by"] for event in told)
