"""Arguments that are named like secrets: not printed without --reveal, and never written back as what hides them."""

import json
import time

import pytest

from taskconsole.backends import searching

MARKER = "hunter2"
KWARGS = {"to": "ada", "password": MARKER, "n": [{"api_key": MARKER}]}


@pytest.fixture
def mail(raw, monkeypatch):
    """Every state, a schedule and a published message, each with a secret."""
    monkeypatch.setattr(searching, "PAUSE", 0.0)
    now = time.time()
    raw.sadd("taskconsole:queues", "mail")
    raw.lpush("mail", json.dumps({"task": "login", "id": "p0", "kwargs": KWARGS}))
    raw.lpush("mail", json.dumps({"password": MARKER}))
    raw.zadd("{mail}:delayed", {json.dumps({"task": "login", "id": "d0", "kwargs": KWARGS}): now + 900})
    raw.zadd("delayed_tasks", {json.dumps({"task": "login", "id": "d1", "kwargs": KWARGS}): now + 900})
    died = {"reason": "ValueError: no", "worker": "w-1", "at": now}
    raw.zadd("{mail}:dead", {json.dumps({"task": "login", "id": "x0", "kwargs": KWARGS, "died": died}): now})
    definition = {"every": "1h", "task": "login", "args": [{"token": MARKER}], "kwargs": KWARGS, "my_secret": MARKER}
    raw.hset("{mail}:schedules", mapping={"hourly": json.dumps(definition), "broken": json.dumps({"password": MARKER})})
    event = json.dumps({"event": "no kind of ours", "password": MARKER})
    raw.xadd("{mail}:log", {"e": event})
    return "mail"


COMMANDS = {
    "tasks": ("tasks", "mail", "pending"),
    "bare tasks": ("tasks", "mail", "pending", "--limit", "1"),
    "delayed": ("delayed",),
    "task": ("task", "mail", "dead", "x0"),
    "find": ("find", "ada"),
    "events": ("events",),
    "a schedule": ("schedules", "show", "hourly"),
    "a broken schedule": ("schedules", "show", "broken"),
}
WITH_JSON = {**COMMANDS, "failures": ("failures",), "schedules": ("schedules",), "the list": ("schedules", "list")}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_no_secret_is_printed_unless_it_is_to_be_revealed(cli, mail, command):
    ran, revealed = cli(*command), cli(*command, "--reveal")

    assert ran.code == revealed.code == 0
    assert MARKER not in ran.out + ran.err
    assert "***" in ran.out
    assert "--reveal prints them" in ran.err
    assert MARKER in revealed.out
    assert "***" not in revealed.out + revealed.err


@pytest.mark.parametrize("command", WITH_JSON.values(), ids=WITH_JSON)
def test_json_keeps_secrets_too_and_stays_json(cli, mail, command):
    def values(ran):
        return [json.loads(line) for line in ran.lines]

    ran, revealed = cli(*command, "--json"), cli(*command, "--json", "--reveal")

    assert ran.code == revealed.code == 0
    assert values(ran) != values(revealed)
    assert MARKER not in ran.out + ran.err
    assert "--reveal prints them" in ran.err
    assert MARKER in revealed.out
    assert "--reveal" not in revealed.err


def test_what_holds_no_secret_is_printed_as_it_is_and_nothing_is_said_of_it(cli, raw):
    payload = '{"task": "mail","id":"p0",  "kwargs":{"to":"ada","n":1.50}}'
    raw.lpush("mail", payload)
    ran = cli("task", "mail", "pending", "p0", "--json")
    assert (ran.json["payload"], ran.err) == (payload, "")


def test_names_in_config_toml_are_hidden_too(cli, mail, tmp_path, monkeypatch):
    file = tmp_path / "config.toml"
    file.write_text('[secrets]\npatterns = ["to"]\n')
    file.chmod(0o600)
    monkeypatch.setenv("TASKCONSOLE_CONFIG", str(file))
    assert "ada" not in cli("task", mail, "dead", "x0").out
    assert "ada" in cli("task", mail, "dead", "x0", "--reveal").out


def test_when_it_is_not_known_what_to_hide_nothing_is_printed(cli, mail, tmp_path, monkeypatch):
    file = tmp_path / "config.toml"
    file.write_text('[secrets]\npatterns = "password"\n')
    monkeypatch.setenv("TASKCONSOLE_CONFIG", str(file))
    ran = cli("tasks", mail, "pending")
    assert (ran.code, ran.out) == (2, "")
    assert cli("tasks", mail, "pending", "--reveal").code == 0


@pytest.mark.parametrize(
    "command",
    [
        ("enqueue", "login", "--kwargs", '{"password": "***"}'),
        ("enqueue", "login", '[{"n": {"api_key": "***"}}]'),
        ("enqueue", "--bare", '{"task":"login","kwargs":{"password":"***"}}'),
        ("schedules", "add", "daily", "--task", "login", "--every", "1d", "--kwargs", '{"password": "***"}'),
        ("schedules", "edit", "hourly", "--kwargs", '{"password": "***"}'),
        ("schedules", "edit", "hourly", "--args", '[{"token": "***"}]'),
    ],
)
def test_what_hides_a_secret_is_never_written_in_its_place(cli, mail, raw, command):
    before = raw.hgetall("{mail}:schedules")
    ran = cli(*command)
    assert ran.code == 2
    assert "*** stands in the place of a secret: copy it from what --reveal prints" in ran.err
    assert raw.llen("task_queue") == 0
    assert raw.hgetall("{mail}:schedules") == before


def test_stars_that_hide_nothing_are_enqueued(cli, raw):
    assert cli("enqueue", "rate", '"***"', "--kwargs", '{"stars": "***", "password": "not ***"}').code == 0
    assert raw.llen("task_queue") == 1
