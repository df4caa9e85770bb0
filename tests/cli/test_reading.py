"""The commands that read, on a real Redis; what others wrote there is hostile."""

import json
import time

import pytest

from tests.console.hostile_texts import HOSTILE


@pytest.fixture
def mail(raw):
    """A queue with tasks in several states, a pause and a worker."""
    now = time.time()
    raw.sadd("taskconsole:queues", "mail")
    for n in range(3):
        raw.lpush("mail", json.dumps({"task": "send_mail", "id": f"p{n}", "args": ["ada", n], "enqueued_at": now - 90}))
    raw.zadd("{mail}:delayed", {'{"task":"remind","id":"d0"}': now + 125, '{"task":"remind","id":"d1"}': now - 60})
    raw.zadd("{mail}:dead", {'{"task":"charge","id":"x0","died":{"reason":"boom","worker":"w-1","at":1}}': now - 5})
    raw.zadd("{mail}:workers", {"w-1": int((now + 60) * 1000), "w-2": int((now - 60) * 1000)})
    raw.hset("{mail}:worker:w-1", mapping={"host": "box", "pid": 42, "concurrency": 8, "done": 7, "seen": now})
    raw.hset("{mail}:worker:w-2", mapping={"host": "box", "pid": 43, "concurrency": 8})
    return "mail"


def test_status_shows_server_queues_and_verdicts(cli, mail, raw):
    raw.set("{mail}:paused", json.dumps({"by": "ada", "at": time.time(), "reason": "partner down"}))

    ran = cli("status")

    assert (ran.code, ran.err) == (0, "")
    assert ran.lines[0].startswith("Redis ")
    assert ran.lines[2].split()[:7] == ["mail", "PAUSED", "3", "0", "2", "1", "1m30s"]
    assert "by ada: partner down" in ran.lines[2]
    assert any(line.startswith("WARNING: mail: PAUSED by ada ") for line in ran.lines)


def test_status_as_json(cli, mail):
    ran = cli("status", "--json")

    (queue,) = ran.json["queues"]
    assert (queue["name"], queue["state"], queue["pending"], queue["workers"], queue["capacity"]) == (
        "mail",
        "BUSY",
        3,
        1,
        8,
    )
    assert ran.json["server"]["version"]
    assert ran.json["verdicts"][-1]["rule"] == "dead tasks"
    assert ran.out.count("\n") == 1


def test_without_a_command_and_without_a_terminal_the_status_is_printed(cli, mail):
    ran = cli()

    assert ran.code == 0
    assert ran.lines[2].startswith("mail")


def test_queues(cli, mail):
    assert cli("queues").lines[1].split()[:4] == ["mail", "BUSY", "3", "0"]
    assert [queue["name"] for queue in cli("queues", "--json").json] == ["mail"]


def test_an_empty_redis_has_the_default_queue(cli):
    assert cli("queues").lines[1].startswith("task_queue")


def test_tasks_come_next_to_run_first_and_in_windows(cli, mail):
    ran = cli("tasks", mail, "pending", "--limit", "2")

    assert [line.split()[1] for line in ran.lines[1:]] == ["p0", "p1"]
    assert "1m30s ago" in ran.lines[1]
    assert '"ada", 0' in ran.lines[1]
    assert ran.err == "taskconsole: 1 to 2 of 3\n"
    assert [line.split()[1] for line in cli("tasks", mail, "pending", "--offset", "2").lines[1:]] == ["p2"]
    assert cli("tasks", mail, "pending", "--offset", "9").err == "taskconsole: none; 3 in all\n"
    assert cli("tasks", mail, "active").err == "taskconsole: no active tasks on mail\n"


def test_delayed_and_dead_tasks_say_when_and_why(cli, mail):
    delayed, dead = cli("tasks", mail, "delayed"), cli("tasks", mail, "dead")

    assert "1m00s ago" in delayed.lines[1]
    assert "in 2m0" in delayed.lines[2]
    assert "boom" in dead.lines[1]
    assert "w-1" in dead.lines[1]


def test_tasks_as_json_carry_the_payload(cli, mail, raw):
    raw.lpush(mail, b"\xff\xfe not text", "n\u00f6n-ascii")

    ran = cli("tasks", mail, "pending", "--json")

    assert ran.out.isascii()
    assert ran.json["total"] == 5
    assert [task["payload"] for task in ran.json["tasks"][3:]] == ["\\xff\\xfe not text", "n\u00f6n-ascii"]


@pytest.mark.parametrize("score", ["inf", "-inf", "1e+300"])
def test_a_time_that_is_none_breaks_nothing(cli, raw, score):
    raw.sadd("taskconsole:queues", "mail")
    raw.zadd("{mail}:delayed", {"task1": float(score)})

    assert score in cli("tasks", "mail", "delayed").lines[1]
    assert cli("tasks", "mail", "delayed", "--json").code == 0
    assert cli("status").code == 0
    assert cli("doctor").code in {0, 1}


def test_the_delayed_tasks_of_all_queues(cli, mail, raw):
    raw.zadd("delayed_tasks", {"task1": time.time() + 7_000})

    ran = cli("delayed")

    assert [line.split()[2:] for line in ran.lines[1:]] == [
        ["mail", "remind", "d1", "1", "27"],
        ["mail", "remind", "d0", "1", "27"],
        ["task_queue", "task1", "-", "1", "5"],
    ]
    assert ran.lines[1].startswith("1m00s ago")
    assert ran.lines[2].startswith("in 2m0")
    assert ran.err == "taskconsole: 1 to 3 of 3\n"
    assert cli("delayed", "-n", "1", "--offset", "1").err == "taskconsole: 2 to 2 of 3\n"
    assert cli("delayed", "--offset", "3").err == "taskconsole: none; 3 in all\n"
    found = cli("delayed", "--json", "-n", "2", "--offset", "1").json
    assert (found["offset"], found["total"]) == (1, 3)
    assert [(t["id"], t["queue"], t["place"], t["public"]) for t in found["tasks"]] == [
        ("d0", "mail", 1, False),
        (None, "task_queue", 0, True),
    ]


def test_a_due_time_in_milliseconds_is_told_and_can_be_mended(cli, raw):
    raw.zadd("delayed_tasks", {"late": 1, "soon": time.time() + 9e8, "millis": time.time() * 1000, "never": "inf"})

    assert "1 of these look like milliseconds: `taskconsole reschedule` gives them another" in cli("delayed").err
    assert cli("reschedule", "--payload", "millis", "--delay", "60").code == 0
    assert "milliseconds" not in cli("delayed").err


def test_delayed_tasks_too_deep_or_none_are_said(cli, raw):
    assert cli("delayed") == (
        0,
        "DUE  QUEUE  TASK  ID  ATTEMPT  BYTES  ARGUMENTS  ERROR\n",
        "taskconsole: no delayed tasks\n",
    )
    raw.zadd("delayed_tasks", {f"t{n}": n for n in range(10_000)})
    raw.zadd("{task_queue}:delayed", {"x": 1})

    ran = cli("delayed", "--offset", "9999", "-n", "2")

    assert (ran.code, ran.out) == (2, "")
    assert "only down to the 10,000th task" in ran.err


def test_failures_are_shown_in_groups(cli, raw):
    now = time.time()
    raw.sadd("taskconsole:queues", "mail")
    for n in range(3):
        died = {"reason": f"failed {n} times, last: TimeoutError: no answer in {n} s", "worker": "w", "at": now}
        raw.zadd("{mail}:dead", {json.dumps({"task": "send", "id": f"x{n}", "died": died}): now - 60 * n - 5})
    error = {"error": "TimeoutError: no answer in 7 s", "at": now - 3600}
    raw.zadd("{mail}:delayed", {json.dumps({"task": "send", "id": "r", "errors": [error]}): now + 60})
    raw.zadd("{task_queue}:dead", {"task1": now - 5})

    ran = cli("failures")

    assert ran.lines[1].split()[:3] == ["4", "3", "1"]
    assert ran.lines[1].endswith("5s ago  1h00m ago  mail        send   TimeoutError     no answer in <n> s")
    assert ran.lines[2].endswith("task_queue  task1  no reason given")
    assert ran.err == "taskconsole: 2 groups; all 4 dead tasks were looked at\n"
    assert cli("failures", "-n", "1").err == "taskconsole: 1 of 2 groups; all 4 dead tasks were looked at\n"
    found = cli("failures", "--json", "-n", "1").json
    assert (found["looked"], found["total"]) == (4, 4)
    (group,) = found["groups"]
    assert (group["count"], group["exception"], group["sample"]["id"]) == (4, "TimeoutError", "x0")


def test_counts_that_are_lower_bounds_are_called_so(cli, raw):
    raw.zadd("{task_queue}:dead", {f"t{n}": n for n in range(2_001)})

    ran = cli("failures", "-n", "1")

    assert ran.err == (
        "taskconsole: 1 of 2,000 groups; counts are lower bounds: looked at the newest 2,000 of 2,001 dead tasks\n"
    )


def test_no_failures_are_said(cli):
    assert cli("failures").err == "taskconsole: no failed tasks\n"
    assert cli("failures", "--json").json == {"groups": [], "looked": 0, "total": 0}


def test_workers(cli, mail):
    ran = cli("workers")

    assert [line.split()[:5] for line in ran.lines[1:]] == [
        ["w-1", "mail", "up", "box", "42"],
        ["w-2", "mail", "gone", "box", "43"],
    ]
    assert [worker["alive"] for worker in cli("workers", "--json").json] == [True, False]


def test_no_workers_is_said(cli):
    assert cli("workers").err == "taskconsole: no workers\n"


@pytest.mark.parametrize("wanted", ["quiet", "stop"])
def test_a_worker_is_told(cli, mail, raw, wanted):
    ran = cli("workers", f"--{wanted}", "w-1")

    assert (ran.code, ran.out) == (0, "")
    assert raw.hget("{mail}:worker:w-1", "command") == wanted.encode()


def test_a_worker_that_is_not_there_cannot_be_told(cli, mail):
    ran = cli("workers", "--stop", "w-9", "--json")

    assert ran.code == 1
    assert ran.json == {"worker": "w-9", "told": "stop", "found": False}
    assert "no worker is called w-9" in ran.err


def test_the_doctor_says_what_where_why_and_what_to_do(cli, raw):
    raw.sadd("taskconsole:queues", "mail")
    raw.lpush("mail", json.dumps({"task": "x", "enqueued_at": time.time() - 200}))

    ran = cli("doctor")

    assert ran.code == 2
    assert ran.lines[0].startswith("CRITICAL: mail: NO WORKERS, 1 pending, oldest 3m20s (since 20")
    assert "3m20s" in ran.lines[1]
    assert ran.lines[2] == "    try:  taskconsole --headless worker -A yourapp:app -q mail"
    assert cli("doctor", "--json").json["verdicts"][0]["rule"] == "no workers"


@pytest.mark.parametrize(("skew", "found"), [(0, []), (-90, ["clock skew"]), (90, ["clock skew"])])
def test_the_doctor_compares_the_clocks(cli, make_server, monkeypatch, skew, found):
    url = make_server(append_only=True).url
    real = time.time
    monkeypatch.setattr("taskconsole.cli.reading.time.time", lambda: real() + skew)

    assert [verdict["rule"] for verdict in cli("-u", url, "doctor", "--json").json["verdicts"]] == found


def test_the_doctor_ends_with_1_for_warnings_and_0_when_all_is_well(cli, raw, make_server):
    raw.config_set("appendonly", "no")
    assert cli("doctor").code == 1

    well = cli("-u", make_server(append_only=True).url, "doctor")
    assert (well.code, well.err) == (0, "")
    assert well.out.startswith("all is well")


@pytest.mark.parametrize("text", [text for text in HOSTILE if "\ud800" not in text])
def test_hostile_texts_start_no_line_and_send_no_control(cli, raw, text):
    payload = json.dumps({"task": text, "id": text, "args": [text], "errors": [{"error": text}]})
    raw.sadd("taskconsole:queues", text, "mail")
    raw.lpush("mail", payload, text)
    raw.zadd("{mail}:dead", {json.dumps({"task": text, "died": {"reason": text, "worker": text}}): 5})
    raw.set("{mail}:paused", json.dumps({"by": text, "reason": text}))
    raw.zadd("{mail}:workers", {text: 9e12})
    raw.hset(f"{{mail}}:worker:{text}", mapping={"host": text, "running": json.dumps([[text, text, 5]])})
    raw.xadd("{mail}:log", {"event": json.dumps({"event": "died", "queue": text, "text": text, "by": text})})
    raw.zadd("{mail}:delayed", {payload: 5})
    raw.set("{mail}:stats", text)

    for command, lines in (
        (["status"], 7),
        (["queues"], 3),
        (["tasks", "mail", "pending"], 3),
        (["tasks", "mail", "dead"], 2),
        (["delayed"], 2),
        (["failures"], 3),
        (["workers"], 2),
        (["events"], 1),
        (["doctor"], None),
    ):
        ran = cli(*command)

        assert all(line.isprintable() for line in ran.out.split("\n")), command
        assert all(line.isprintable() for line in ran.err.split("\n")), command
        assert lines is None or ran.out.count("\n") <= lines, (command, ran.out)
        if command != ["doctor"]:
            assert cli(*command, "--json").out.isascii()


def test_a_terminal_without_unicode_gets_escapes(program, raw):
    raw.sadd("taskconsole:queues", "p\u00f6st")

    ran = program("queues", PYTHONIOENCODING="ascii")

    assert (ran.code, ran.err) == (0, "")
    assert "p\\xf6st" in ran.out
