import json
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


def test_pause_and_resume_say_what_was_so(cli, raw):
    paused = cli("pause", "mail", "--reason", "partner down", "--json")
    note = json.loads(raw.get("{mail}:paused"))

    assert (paused.code, paused.json) == (0, {"queue": "mail", "changed": True})
    assert note["reason"] == "partner down"
    assert "@" in note["by"]
    assert cli("pause", "mail", "--json").json["changed"] is False
    assert cli("resume", "mail").err == "taskconsole: resumed mail\n"
    assert not raw.exists("{mail}:paused")
    assert cli("resume", "mail").err == "taskconsole: mail was not paused\n"


def test_a_full_redis_is_said_in_one_line(cli, make_server):
    server = make_server(settings={"maxmemory": "100kb"})

    ran = cli("-u", server.url, "enqueue", "x")

    assert (ran.code, ran.out) == (1, "")
    assert "out of memory" in ran.err
    assert ran.err.count("\n") == 1
