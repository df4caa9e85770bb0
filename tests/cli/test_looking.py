"""`task`, `find` and `redis`: looking closer, on a real Redis."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from taskconsole.backends import searching
from tests.console.hostile_texts import HOSTILE
from tests.servers import ROOT, wait_until


@pytest.fixture(autouse=True)
def _hurried(monkeypatch):
    monkeypatch.setattr(searching, "PAUSE", 0.0)


@pytest.fixture
def mail(raw):
    """A queue with a task in every state."""
    now = time.time()
    raw.sadd("taskconsole:queues", "mail")
    for n in range(3):
        raw.lpush("mail", json.dumps({"task": "send_mail", "id": f"p{n}", "args": ["ada", n], "enqueued_at": 90}))
    raw.lpush("mail", "task1")
    raw.zadd("{mail}:delayed", {'{"task":"remind","id":"d0"}': 4_000_000_000})
    error = {"error": "ValueError: no", "traceback": "Traceback:\n  at home\n", "at": 7, "attempt": 1, "worker": "w-1"}
    dead = {"task": "charge", "id": "x0", "errors": [error], "died": {"reason": "boom", "worker": "w-1", "at": 7}}
    raw.zadd("{mail}:dead", {json.dumps(dead): 7})
    raw.zadd("{mail}:workers", {"w-1": int((now + 60) * 1000)})
    raw.rpush("{mail}:processing:w-1", '{"task":"slow","id":"a0"}')
    raw.hset("{mail}:worker:w-1", "running", json.dumps([["a0", "slow", now - 65]]))
    raw.lpush("{mail}:done", '{"task":"fine","id":"f0","ms":1500,"worker":"w-1","at":9}')
    return "mail"


def test_a_task_in_full(cli, mail):
    ran = cli("task", mail, "dead", "x0")

    assert (ran.code, ran.err) == (0, "")
    assert ran.lines[:2] == ["charge (x0)", "  dead on mail, 0 before it, held by w-1"]
    assert "  1970-01-01 00:00:07Z  died  boom on w-1" in ran.lines
    assert "attempt 1 ended 1970-01-01 00:00:07Z on w-1: ValueError: no" in ran.lines
    assert "      at home" in ran.lines
    assert json.loads(ran.lines[-1])["id"] == "x0"


@pytest.mark.parametrize(
    ("state", "task_id", "what"),
    [("pending", "p1", "enqueued"), ("delayed", "d0", "due"), ("active", "a0", "started"), ("done", "f0", "done")],
)
def test_a_task_in_every_state_as_json(cli, mail, state, task_id, what):
    ran = cli("task", mail, state, task_id, "--json")

    assert ran.code == 0
    assert (ran.json["row"]["id"], ran.json["row"]["state"]) == (task_id, state)
    assert ran.json["timeline"][-1]["what"] == what
    assert ran.out.count("\n") == 1


def test_a_running_task_says_for_how_long(cli, mail):
    assert "  running for 1m0" in cli("task", mail, "active", "a0").out
    assert cli("task", mail, "active", "a0", "--json").json["running"] > 60


def test_a_bare_task_is_called_by_its_text(cli, mail):
    ran = cli("task", mail, "pending", "task1")
    assert ran.lines[0] == "task1"
    assert ran.lines[1] == "  pending on mail, 3 before it"


def test_a_task_that_is_not_there(cli, mail):
    ran = cli("task", mail, "pending", "p9", "--json")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == "taskconsole: no pending task of mail is called p9: looked at 4 of 4\n"


def test_a_long_payload_is_cut_and_that_is_said(cli, raw):
    raw.lpush("mail", json.dumps({"task": "t", "id": "big", "args": ["x" * 100_000]}))
    ran = cli("task", "mail", "pending", "big")
    assert "payload, the first 65,536 of 100,0" in ran.out
    assert 65_536 < len(ran.out) < 67_000


def test_find_shows_what_it_finds_and_says_how_much_that_was(cli, mail):
    ran = cli("find", "ADA")
    assert ran.code == 0
    assert [line.split("  ")[:5] for line in ran.lines] == [
        ["mail", "pending", str(n), "send_mail", f"p{n}"] for n in (2, 1, 0)
    ]
    assert ran.err == "taskconsole: looked at 7 of 7 tasks, found 3\n"


def test_find_as_json_is_one_object_a_line(cli, mail):
    found = [json.loads(line) for line in cli("find", "w-1", "--json").lines]
    assert [(row["queue"], row["state"], row["id"]) for row in found] == [("mail", "dead", "x0")]


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        (["p", "--state", "dead"], ["x0"]),
        (["f0", "--state", "done"], ["f0"]),
        (["f0"], []),
        (["p1", "--exact"], ["p1"]),
        (["p", "--exact"], []),
        (["task", "-q", "mail", "--limit", "2"], 2),
        (["task", "-q", "other"], []),
    ],
    ids=str,
)
def test_find_has_its_limits(cli, mail, options, ids):
    ran = cli("find", *options, "--json")
    found = [json.loads(line)["id"] for line in ran.lines]
    assert (len(found) if isinstance(ids, int) else found) == ids
    assert ran.code == (0 if ids else 1)


def test_find_says_what_it_could_not_look_at(cli, mail, raw):
    raw.set("{mail}:delayed", "oops")
    ran = cli("find", "ada")
    assert ran.code == 0
    assert ran.err.startswith("taskconsole: not looked at: delayed tasks of mail: ")


@pytest.mark.parametrize("text", ["", "x" * 300])
def test_a_text_that_cannot_be_looked_for_is_wrong_usage(cli, text):
    ran = cli("find", text)
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)


def test_a_long_search_says_how_far_it_is(cli, raw, monkeypatch):
    monkeypatch.setattr("taskconsole.cli.looking.NARRATE", 0.0)
    raw.lpush("task_queue", *["x"] * 3_000)
    ran = cli("find", "y")
    assert ran.code == 1
    assert ran.err.count("of 3,000 tasks, found 0\n") >= 3


def test_ctrl_c_ends_a_search_in_order(raw, store_url):
    raw.lpush("task_queue", *["x"] * 50_000, "needle")
    with subprocess.Popen(
        [sys.executable, "-m", "taskconsole", "find", "needle", "--json"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TASKCONSOLE_URL": store_url},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None
        # What was found comes at once; the rest would take five seconds.
        assert json.loads(running.stdout.readline())["payload"] == "needle"
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=20)
    assert (running.returncode, out) == (130, "")
    assert err.splitlines()[-1].startswith("taskconsole: stopped: looked at ")
    assert err.endswith("of 50,001 tasks, found 1\n")
    wait_until(lambda: not [client for client in raw.client_list() if client["name"] == "taskconsole"])


def test_redis_shows_the_server(cli, mail):
    ran = cli("redis")
    assert (ran.code, ran.err) == (0, "")
    assert any(line.startswith("redis_version") for line in ran.lines)
    assert any(line.split()[:3] == ["mail", "pending", "4"] for line in ran.lines)
    assert any("taskconsole" in line for line in ran.lines)


def test_redis_as_json(cli, mail):
    seen = cli("redis", "--json").json
    assert seen["info"]["redis_version"]
    assert {key["what"] for key in seen["keys"]} == {"pending", "delayed", "dead", "done"}
    assert {client["name"] for client in seen["clients"]} == {"taskconsole"}
    assert isinstance(seen["slow"], list)


def test_redis_names_what_is_refused_and_ends_well(cli, make_server):
    server = make_server()
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "ops", "on", ">pw-marker", "~*", "-@all", "+ping")
    ran = cli("-u", server.url.replace("unix://", "unix://ops:pw-marker@"), "redis")
    assert (ran.code, ran.out) == (0, "")
    assert "refused: INFO: an ACL forbids it" in ran.err
    assert "pw-marker" not in ran.err


@pytest.mark.parametrize("text", [text for text in HOSTILE if "\ud800" not in text and text])
def test_hostile_texts_start_no_line_and_send_no_control(cli, raw, text):
    error = {"error": text, "traceback": text, "worker": text, "at": 5, "attempt": 1}
    died = {"reason": text, "worker": text, "at": 6}
    raw.sadd("taskconsole:queues", text, "mail")
    raw.zadd("{mail}:dead", {json.dumps({"task": text, "id": "i", "args": [text], "errors": [error], "died": died}): 6})
    raw.lpush("mail", text)
    raw.client_setname("other")

    for command in (["task", "mail", "dead", "i"], ["find", text[:30]], ["redis"]):
        ran = cli(*command)
        assert ran.code == 0, (command, ran.err)
        assert all(line.isprintable() for line in (ran.out + ran.err).split("\n")), command
        assert cli(*command, "--json").out.isascii()
    assert cli("find", text[:30]).out.count("\n") == 2
