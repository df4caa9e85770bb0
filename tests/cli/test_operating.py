import json
import os
import time

import pytest


def test_enqueue_puts_an_envelope_where_it_belongs(cli, raw):
    ran = cli("enqueue", "send_mail", '"ada"', "3", "--kwargs", '{"subject": "hi"}', "-q", "mail")

    body = json.loads(raw.lindex("mail", 0))
    assert (body["task"], body["args"], body["kwargs"]) == ("send_mail", ["ada", 3], {"subject": "hi"})
    assert ran == (0, f"enqueued 1 send_mail {body['id']} on mail\n", "")
    assert abs(body["enqueued_at"] - time.time()) < 60
    assert raw.smembers("taskconsole:queues") == {b"mail"}


def test_enqueue_goes_to_the_default_queue_and_says_so_in_json(cli, raw):
    ran = cli("enqueue", "x", "--json")

    body = json.loads(raw.lindex("task_queue", 0))
    assert ran.json == {"queue": "task_queue", "task": "x", "enqueued": 1, "first_id": body["id"], "due": None}


def test_a_bare_task_is_pushed_as_it_is(cli, raw):
    assert cli("enqueue", "--bare", "task1").code == 0
    assert cli("enqueue", "--bare", "\udcff\udc80").code == 0

    assert raw.lrange("task_queue", 0, -1) == [b"\xff\x80", b"task1"]


def test_many_tasks_each_have_an_id_of_their_own(cli, raw):
    assert cli("enqueue", "x", "--count", "2500").out == "enqueued 2,500 x on task_queue\n"

    assert len({json.loads(payload)["id"] for payload in raw.lrange("task_queue", 0, -1)}) == 2500


def test_a_delay_counts_by_the_clock_of_redis(cli, raw):
    seconds, micros = raw.time()
    cli("enqueue", "x", "--delay", "90")

    ((_, due),) = raw.zrange("{task_queue}:delayed", 0, -1, withscores=True)
    assert 89 < due - seconds - micros / 1e6 < 120


def test_no_delay_at_all_is_no_delay(cli, raw):
    cli("enqueue", "x", "--delay", "0")

    assert raw.llen("task_queue") == 1


@pytest.mark.parametrize(
    ("moment", "due"),
    [
        ("2030-01-31T12:00:00Z", 1896091200.0),
        ("2030-01-31T12:00:00.5+01:00", 1896087600.5),
        ("20300131T120000Z", 1896091200.0),
    ],
)
def test_a_moment_is_taken_as_it_is_meant(cli, raw, moment, due):
    ran = cli("enqueue", "x", "--at", moment)

    assert raw.zrange("{task_queue}:delayed", 0, -1, withscores=True)[0][1] == due
    assert "due 2030-01-31 1" in ran.out


def test_a_moment_without_a_zone_is_local_time(program, raw):
    program("enqueue", "x", "--at", "2030-01-31T12:00:00", TZ="America/New_York")

    assert raw.zrange("{task_queue}:delayed", 0, -1, withscores=True)[0][1] == 1896109200.0


def test_an_argument_may_begin_with_a_dash(cli, raw):
    cli("enqueue", "x", "--", "-5")

    assert json.loads(raw.lindex("task_queue", 0))["args"] == [-5]


OWN, PUBLIC, FAR = "{task_queue}:delayed", "delayed_tasks", 4_000_000_000.0


@pytest.fixture
def delayed(cli):
    """The id of a delayed task on the queue `mail`."""
    return cli("enqueue", "send", "-q", "mail", "--delay", "1000", "--json").json["first_id"]


def test_reschedule_says_the_new_time_and_the_old_one(cli, raw, delayed):
    ran = cli("reschedule", delayed, "-q", "mail", "--at", "2030-01-31T12:00:00Z")

    assert raw.zrange("{mail}:delayed", 0, -1, withscores=True)[0][1] == 1896091200.0
    assert (ran.code, ran.out) == (0, "")
    assert ran.err.startswith(
        f"taskconsole: rescheduled send ({delayed}) on mail: due 2030-01-31 12:00:00Z instead of 2"
    )


@pytest.mark.parametrize(
    ("option", "low", "high"), [(["--delay", "90"], 80, 90), (["--delay", "0"], -10, 0), (["--now"], -10, 0)]
)
def test_a_task_is_rescheduled_to_a_time_from_now(cli, raw, delayed, option, low, high):
    assert cli("reschedule", "-q", "mail", *option, delayed).code == 0

    now = raw.time()
    assert low < raw.zrange("{mail}:delayed", 0, -1, withscores=True)[0][1] - now[0] - now[1] / 1e6 <= high


def test_a_moment_that_has_passed_means_at_once(cli, raw):
    raw.zadd(PUBLIC, {"task1": FAR})

    assert cli("reschedule", "--payload", "task1", "--at", "1999-12-31T00:00:00Z").code == 0
    assert raw.zscore(PUBLIC, "task1") == 946598400.0


def test_delete_takes_a_task_away_and_then_there_is_none(cli, raw, delayed):
    ran = cli("delete", "-q", "mail", delayed)

    assert (ran.code, ran.out) == (0, "")
    assert ran.err.startswith(f"taskconsole: deleted send ({delayed}) from mail: it was due ")
    assert not raw.exists("{mail}:delayed")
    again = cli("delete", "-q", "mail", delayed)
    assert (again.code, again.err.count("\n")) == (1, 1)
    assert "is not delayed on mail" in again.err


def test_reschedule_and_delete_tell_json_what_they_did(cli, raw):
    raw.zadd(PUBLIC, {'{"task":"t","id":"a"}': FAR})

    moved = cli("reschedule", "a", "--now", "--json")
    assert (moved.code, {**moved.json, "undo": None}) == (
        0,
        {"queue": "task_queue", "task": "a", "changed": True, "undo": None},
    )
    assert moved.json["undo"]
    assert cli("delete", "a", "--json").json["changed"] is True
    gone = cli("reschedule", "a", "--now", "--json")
    assert (gone.code, gone.json) == (1, {"queue": "task_queue", "task": "a", "changed": False, "undo": None})
    gone = cli("delete", "a", "--json")
    assert (gone.code, gone.json) == (1, {"queue": "task_queue", "task": "a", "changed": False, "undo": None})


@pytest.mark.parametrize("key", [OWN, PUBLIC])
@pytest.mark.parametrize(
    "payload", [b"task1", b'{"task":"t","args":["x y"]}', b"\xff\x80", "задача".encode(), b"a\nb", b"*", b""]
)
def test_an_exact_payload_is_taken_as_it_is_typed(cli, raw, key, payload):
    raw.zadd(key, {payload: FAR, b"other": FAR})

    assert cli("reschedule", "--payload", os.fsdecode(payload), "--at", "2030-01-31T12:00:00Z").code == 0
    assert raw.zscore(key, payload) == 1896091200.0
    assert cli("delete", "--payload", "--json", os.fsdecode(payload)).code == 0
    assert raw.zrange(key, 0, -1) == [b"other"]


@pytest.mark.parametrize(
    "task_id", ["*", "?[a]", "\\", 'say "hi"', "two\nlines", "задача", "\x1b[2J", "x" * 10_000, "-dash"]
)
def test_any_id_is_found_and_shown_on_one_line(cli, raw, task_id):
    payload = json.dumps({"task": "t", "id": task_id})
    raw.zadd(OWN, {payload: FAR, json.dumps({"task": "t", "id": "other", "args": [task_id]}): FAR})

    for command in (["reschedule", "--now"], ["delete"]):
        ran = cli(*command, "--", task_id)
        assert (ran.code, ran.err.count("\n")) == (0, 2)
        assert "\x1b" not in ran.err
    assert raw.zcard(OWN) == 1
    assert cli("delete", "--", task_id).code == 1


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["reschedule", "a"], 2, "give one of --delay, --at and --now"),
        (["reschedule", "a", "--now", "--delay", "5"], 2, "give one of --delay, --at and --now"),
        (["reschedule", "a", "--now", "--at", "2030-01-31"], 2, "give one of --delay, --at and --now"),
        (["reschedule", "a", "--at", "tomorrow"], 2, "--at 'tomorrow'"),
        (["reschedule", "a", "--delay", "-5"], 2, "not a number of seconds"),
        (["reschedule", "a", "--delay", "nan"], 2, "not a number of seconds"),
        (["reschedule", "", "--now"], 2, "the id of the task is empty"),
        (["delete", ""], 2, "the id of the task is empty"),
        (["delete", "\udcff"], 2, "surrogate"),
        (["delete", "--payload", "\ud800"], 2, "surrogate"),
        (["delete", "a", "-q", "{x}"], 2, "has a brace"),
        (["delete", "a", "-q", ""], 2, "a queue name is empty"),
        (["delete"], 2, "name tasks by their ids"),
        (["delete", "a", "--all"], 2, "name tasks by their ids"),
        (["delete", "--all", "--payload"], 2, "--payload names one delayed task"),
    ],
    ids=ascii,
)
def test_what_cannot_be_done_is_said_in_one_line(cli, raw, arguments, code, said):
    ran = cli(*arguments)

    assert (ran.code, ran.out, ran.err.count("\n")) == (code, "", 1)
    assert said in ran.err
    assert raw.dbsize() == 0


def test_a_search_that_ends_before_the_set_is_no_plain_absence(cli, raw, monkeypatch):
    monkeypatch.setattr("taskconsole.backends.delayed.BUDGET", 100)
    raw.zadd(OWN, {json.dumps({"task": "t", "id": f"{i}", "args": ["x" * 100]}): FAR for i in range(1000)})

    ran = cli("delete", "nowhere")

    assert (ran.code, ran.out, ran.err.count("\n")) == (1, "", 1)
    assert "it may be there all the same" in ran.err


@pytest.mark.parametrize("command", [["reschedule", "--now"], ["delete"]])
@pytest.mark.parametrize("key", [OWN, PUBLIC])
def test_a_key_of_another_type_is_named(cli, raw, command, key):
    raw.set(key, "text")

    ran = cli(*command, "a")

    assert (ran.code, ran.out, ran.err.count("\n")) == (1, "", 1)
    assert f"key '{key}' holds a string, not a zset" in ran.err


def test_pause_and_resume_say_what_was_so(cli, raw):
    paused = cli("pause", "mail", "--reason", "partner down", "--json")
    note = json.loads(raw.get("{mail}:paused"))

    assert (paused.code, paused.json["queue"], paused.json["changed"]) == (0, "mail", True)
    assert f"taskconsole undo {paused.json['undo']} takes it back" in paused.err
    assert note["reason"] == "partner down"
    assert "@" in note["by"]
    assert cli("pause", "mail", "--json").json["changed"] is False
    assert cli("resume", "mail").err.startswith("taskconsole: resumed mail\n")
    assert not raw.exists("{mail}:paused")
    assert cli("resume", "mail").err == "taskconsole: mail was not paused\n"


def test_a_full_redis_is_said_in_one_line(cli, make_server):
    server = make_server(settings={"maxmemory": "100kb"})

    ran = cli("-u", server.url, "enqueue", "x")

    assert (ran.code, ran.out) == (1, "")
    assert "out of memory" in ran.err
    assert ran.err.count("\n") == 1


def test_a_pause_of_a_queue_that_nobody_uses_is_told_as_a_slip(cli, raw):
    cli("enqueue", "send", "-q", "mail")
    raw.lpush("raw", "task1")  # nobody has told us of it, and it is used

    slip = cli("pause", "mial")

    assert slip.code == 0
    assert "mial has no task, no worker and no past: `taskconsole queues` tells" in slip.err
    assert "no past" not in cli("pause", "mail").err
    assert "no past" not in cli("pause", "raw").err
