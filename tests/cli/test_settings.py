"""Named servers on the command line, and the keys of the console."""

from __future__ import annotations

import json
import os
import shlex

import pytest

from taskconsole.cli.root import _without_headless, call
from taskconsole.cli.target import Target
from taskconsole.console.actions import key_table
from taskconsole.errors import ConfigError
from tests.console.test_console_rules import every_action


@pytest.fixture
def config(tmp_path, monkeypatch):
    """Write config.toml and have it found."""
    path = tmp_path / "config.toml"
    monkeypatch.setenv("TASKCONSOLE_CONFIG", str(path))

    def write(text, mode=0o600):
        path.write_text(text)
        path.chmod(mode)
        return path

    return write


def one(url, name="here", **more):
    values = {"url": url, **more}
    return f"[contexts.{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())


def target(**values):
    made = Target()
    for name, value in values.items():
        setattr(made, name, value)
    return made


def test_the_order_in_which_a_server_is_chosen(config, monkeypatch, tmp_path):
    config('context = "home"\n' + one("redis://home/1", "home") + one("redis://named/2", "named"))
    (tmp_path / "url").write_text("redis://filed/3")
    (tmp_path / "url").chmod(0o600)
    monkeypatch.setenv("REDIS_URL", "redis://general/4")
    monkeypatch.setenv("TASKCONSOLE_URL", "redis://ours/5")

    def url(**values):
        return target(**values).settings().url

    assert url(url_flag="redis://flag/6", context_name="named") == "redis://flag/6"
    assert url(url_file=str(tmp_path / "url"), context_name="named") == "redis://filed/3"
    assert url(context_name="named") == "redis://named/2"
    assert url() == "redis://ours/5"
    monkeypatch.delenv("TASKCONSOLE_URL")
    assert url() == "redis://home/1"
    config("")
    assert url() == "redis://general/4"
    monkeypatch.delenv("REDIS_URL")
    assert url() == "redis://localhost:6379/0"


def test_the_files_own_choice_is_not_for_apps(config, monkeypatch):
    monkeypatch.delenv("TASKCONSOLE_URL", raising=False)
    config('context = "home"\n' + one("redis://home/1", "home", prefix="p:"))
    assert target().given_url() is None
    assert target().given_prefix() is None
    assert target(context_name="home").given_url() == "redis://home/1"
    assert target(context_name="home").given_prefix() == "p:"
    assert target(context_name="home", prefix="q:").given_prefix() == "q:"

    config('context = "home"\n' + one("redis://home/1", "home", read_only=True))
    target().refuse_if_read_only(named=True)
    with pytest.raises(ConfigError, match="context 'home' is read-only"):
        target().refuse_if_read_only()


@pytest.mark.parametrize(
    ("arguments", "look"),
    [
        (["-C", "here"], (True, True, True, "here")),
        (["-C", "other"], (False, True, True, "other")),
        (["-C", "other", "--read-only"], (True, True, True, "other")),
    ],
    ids=str,
)
def test_the_console_looks_as_the_file_says(config, cli, monkeypatch, arguments, look):
    seen = []
    monkeypatch.setattr(
        "taskconsole.cli.showing.show", lambda *given, queues, **_: seen.append((given[1], queues)) or 0
    )
    config(
        one("redis://h/1", read_only=True, queues=["a"])
        + one("redis://h/2", "other")
        + "[console]\nascii = true\nmouse = true\n"
    )
    assert cli(*arguments).code == 0
    ((shown, queues),) = seen
    assert (shown.read_only, shown.ascii_only, shown.mouse, shown.context) == look
    assert [context.name for context in shown.contexts] == ["here", "other"]
    assert queues == (("a",) if "here" in arguments else ())


def test_a_broken_file_does_not_stop_who_does_not_need_it(config, store_url, cli):
    config("[nonsense")
    assert cli("status").code == 0
    ran = cli("-C", "here", "status")
    assert ran.code == 2
    assert ran.err.startswith("taskconsole: ")
    assert ran.err.count("\n") == 1
    assert "config.toml" in ran.err


def test_a_context_has_a_prefix_and_queues(config, store_url, cli, raw, monkeypatch):
    config(one(store_url, prefix="p:", queues=["never heard of"]))
    monkeypatch.setenv("TASKCONSOLE_URL", "redis://localhost:1")

    assert cli("-C", "here", "enqueue", "hello", "-q", "mail").code == 0
    assert raw.llen("p:mail") == 1
    names = [queue["name"] for queue in cli("queues", "-C", "here", "--json").json]
    assert {"mail", "never heard of"} <= set(names)
    assert "never heard of" in cli("-C", "here").out
    assert cli("--context", "here", "--prefix", "q:", "enqueue", "hello", "-q", "mail").code == 0
    assert raw.llen("q:mail") == 1


@pytest.mark.parametrize(
    "command",
    [
        ["enqueue", "x"],
        ["delete", "x"],
        ["reschedule", "x", "--delay", "5"],
        ["pause", "mail"],
        ["resume", "mail"],
        ["schedules", "add", "x", "--every", "5m", "--task", "y"],
        ["schedules", "edit", "x", "--every", "5m"],
        ["schedules", "pause", "x"],
        ["schedules", "remove", "x", "--yes"],
        ["schedules", "restore", "x"],
        ["workers", "--quiet", "x"],
        ["workers", "--stop", "x"],
        ["worker", "-A", "tests.cli.program:app", "--burst"],
        ["worker", "-A", "tests.cli.program:app", "--processes", "2"],
        ["scheduler"],
        ["scheduler", "-A", "tests.cli.program:app"],
    ],
    ids=" ".join,
)
def test_nothing_writes_in_a_context_that_is_read_only(config, store_url, cli, raw, command):
    config(one(store_url, read_only=True))

    ran = cli(*command, "-C", "here")

    assert ran.code == 2
    assert "context 'here' is read-only" in ran.err
    assert raw.keys() == []


def test_what_only_reads_may_read_it(config, store_url, cli):
    config(one(store_url, read_only=True))
    for command in (["status"], ["queues"], ["tasks", "mail", "dead"], ["schedules"], ["workers"], ["events"]):
        assert cli("-C", "here", *command).code == 0


def test_a_password_that_others_can_read_is_said_once(config, store_url, cli):
    text = one(store_url) + one("redis://:S3cr3tP4ss@h", "other")
    config(text, 0o644)
    ran = cli("-C", "here", "status")
    assert ran.err.count("chmod 600") == 1
    assert "S3cr3tP4ss" not in ran.out + ran.err
    config(text, 0o600)
    assert cli("-C", "here", "status").err == ""
    config(one(store_url), 0o644)
    assert cli("-C", "here", "status").err == ""


@pytest.mark.parametrize("where", ["url", "url_file"])
def test_no_password_of_a_context_is_ever_printed(config, cli, tmp_path, where, monkeypatch):
    url = "redis://u:S3cr3tP4ss@localhost:1/0"
    (tmp_path / "url").write_text(url)
    (tmp_path / "url").chmod(0o600)
    config(f'[contexts.here]\n{where} = "{url if where == "url" else "url"}"\n')
    for command in (["status"], ["contexts"], ["contexts", "--json"], ["enqueue", "x"], []):
        ran = cli("-C", "here", *command)
        assert ran.code in {0, 4}
        assert "S3cr3t" not in ran.out + ran.err

    def broken(*_, **__):
        raise RuntimeError(url)

    monkeypatch.setattr("taskconsole.cli.reading.print_status", broken)
    monkeypatch.setattr("taskconsole.backends.native.NativeBackend.__init__", broken)
    ran = cli("-C", "here", "status")
    assert "RuntimeError: redis://u:***@localhost" in ran.err
    assert "S3cr3t" not in ran.err


def test_contexts_are_listed(config, cli):
    path = config(
        'context = "dev"\n'
        + one(
            "redis://:S3cr3t@prod.example:6380/1",
            "prod",
            prefix="p:",
            queues=["a", "b"],
            read_only=True,
            protected=True,
        )
        + one("unix:///run/redis.sock", "dev")
    )
    assert cli("contexts").lines == [
        "context  server               prefix  queues  notes",
        "dev      /run/redis.sock      -       -       default",
        "prod     prod.example:6380/1  p:      a, b    read-only, protected",
    ]
    found = cli("contexts", "--json").json
    assert found["path"] == str(path)
    assert found["contexts"][1] == {
        "name": "prod",
        "address": "prod.example:6380/1",
        "url_file": None,
        "prefix": "p:",
        "queues": ["a", "b"],
        "read_only": True,
        "protected": True,
        "colour": None,
        "default": False,
    }


def test_no_contexts_are_no_error(cli):
    ran = cli("contexts")
    assert (ran.code, ran.out) == (0, "")
    assert f"no contexts: {os.devnull}" in ran.err
    assert cli("contexts", "--json").json["contexts"] == []
    assert cli("contexts", "-C", "prod").code == 2


def test_a_supervised_worker_gets_the_contexts_prefix(config, store_url, monkeypatch):
    seen = {}

    class Supervisor:
        def __init__(self, command, **values):
            seen.update(command=command(3), **values)

        def run(self):
            return 0

    monkeypatch.setattr("taskconsole.worker.supervisor.Supervisor", Supervisor)
    config(one(store_url, prefix="p:"))
    assert call(["worker", "-A", "tests.cli.program:app", "--processes", "2", "-C", "here"]) == 0
    assert seen["command"][-4:] == ["--prefix", "p:", "--tether", "3"]
    assert seen["environment"]["TASKCONSOLE_URL"] == store_url


def test_a_worker_serves_the_context(config, program, store_url, raw):
    path = config(one(store_url, prefix="p:"))
    raw.lpush("p:bills", json.dumps({"task": "follow_up", "args": ["mark"]}))
    ran = program(
        *("worker", "-A", "tests.cli.program:app", "--burst", "-C", "here"),
        TASKCONSOLE_CONFIG=str(path),
        TASKCONSOLE_URL="redis://localhost:1",
        MARK_URL=store_url,
    )
    assert ran.code == 0, ran.err
    assert raw.llen("mark") == 1


def test_headless_is_found_behind_a_context():
    assert _without_headless(["-C", "prod", "--headless", "worker"]) == ["-C", "prod", "worker"]


def test_the_keys_are_those_of_the_actions(cli):
    assert cli("keys").out.strip() == key_table().strip()
    listed = cli("keys", "--json").json
    assert {entry["id"]: ",".join(entry["keys"]) for entry in listed} == {a.id: a.key for a in every_action()}
    assert all(entry["keys"] == entry["default"] for entry in listed)


def test_changed_keys_are_listed_and_wrong_ones_refused(config, cli):
    config('[keys]\n"queues.pause" = "f2,?"\n"app.help" = "f1"')
    assert cli("keys").lines[-2:] == [
        "queues.pause  f2,question_mark  p",
        "app.help      f1                question_mark",
    ]
    changed = [entry for entry in cli("keys", "--json").json if entry["keys"] != entry["default"]]
    assert {entry["id"]: entry["keys"] for entry in changed} == {
        "queues.pause": ["f2", "question_mark"],
        "app.help": ["f1"],
    }

    config('[keys]\n"queues.pase" = "x"')
    ran = cli("keys")
    assert ran.code == 2
    assert "did you mean 'queues.pause'?" in ran.err


def test_a_target_without_a_file_has_no_context():
    assert target().context() is None
    assert target().queues() == ()
    with pytest.raises(ConfigError, match="no context 'x'"):
        target(context_name="x").settings()


@pytest.fixture
def paused(cli, store_url, monkeypatch, config):
    """A paused queue, which no server by default has: the environment leads nowhere."""
    cli("-u", store_url, "--prefix", "tc:", "pause", "mail")
    monkeypatch.setenv("TASKCONSOLE_URL", "unix:///nowhere/redis.sock")
    config(one(store_url, prefix="tc:"))


@pytest.mark.parametrize(
    "given", [["-u", "URL", "--prefix", "tc:"], ["--url-file", "FILE", "--prefix", "tc:"], ["-C", "here"]], ids=str
)
def test_a_remedy_and_an_undo_meet_the_server_they_were_told_for(cli, store_url, tmp_path, paused, given):
    file = tmp_path / "url file"
    file.write_text(store_url)
    file.chmod(0o600)
    given = [{"URL": store_url, "FILE": str(file)}.get(word, word) for word in given]

    fix = next(v["fix"] for v in json.loads(cli(*given, "doctor", "--json").out)["verdicts"] if v["rule"] == "paused")
    done = cli(*shlex.split(fix)[1:])
    line = next(part for part in done.err.split("taskconsole: ") if "takes it back" in part)
    undone = cli(*shlex.split(line.partition(" takes it back")[0])[1:])

    assert done.code == undone.code == 0
    assert "paused" in {v["rule"] for v in json.loads(cli(*given, "doctor", "--json").out)["verdicts"]}
