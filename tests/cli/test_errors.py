"""Whatever goes wrong is one clear line and the right exit code, never a traceback."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.fake_server import redis_of_version
from tests.servers import ROOT

FULL = Path("/dev/full")
READS = [
    ["status"],
    ["queues"],
    ["tasks", "mail", "pending"],
    ["delayed"],
    ["failures"],
    ["workers"],
    ["events"],
    ["events", "-f"],
    ["doctor"],
    [],
]
WRITES = [
    ["enqueue", "hello"],
    ["reschedule", "x", "--now"],
    ["delete", "x"],
    ["pause", "mail"],
    ["resume", "mail"],
    ["workers", "--stop", "x"],
    ["scheduler"],
]


def is_one_line(err):
    return err.startswith("taskconsole: ") and err.count("\n") == 1 and err.endswith("\n")


@pytest.mark.parametrize("command", [*READS, *WRITES], ids=" ".join)
def test_no_redis(cli, command):
    ran = cli("-u", "unix:///nowhere/redis.sock", *command)

    assert (ran.code, ran.out) == (4, "")
    assert is_one_line(ran.err)
    assert "no answer from Redis at /nowhere/redis.sock" in ran.err


@pytest.mark.parametrize("command", [*READS, *WRITES], ids=" ".join)
def test_a_wrong_password(cli, make_server, monkeypatch, command):
    server = make_server(password="right")
    monkeypatch.setenv("TASKCONSOLE_URL", server.url.replace("right", "S3cr3tP4ss"))

    ran = cli(*command)

    assert (ran.code, ran.out) == (3, "")
    assert is_one_line(ran.err)
    assert "S3cr3tP4ss" not in ran.err


@pytest.mark.parametrize("login", ["", "guess"], ids=["no password", "a wrong one"])
@pytest.mark.parametrize(
    "command", [["worker", "-A", "tests.cli.program:app"], ["scheduler"], ["status"]], ids=" ".join
)
def test_a_worker_at_a_socket_hears_that_it_is_not_let_in_as_everybody_does(program, make_server, command, login):
    server = make_server(password="right")
    url = server.url.replace(":right@", f":{login}@" if login else "")

    ran = program(*command, TASKCONSOLE_URL=url)

    assert ran.code == 3
    assert is_one_line(ran.err)
    assert "refused access" in ran.err
    assert ("redis://user:password@host" in ran.err) is (not login)


@pytest.fixture
def forbidden(make_server, monkeypatch):
    """A server whose user may do nothing at all."""
    server = make_server()
    with server.client() as client:
        client.acl_setuser("nobody", enabled=True, passwords=["+pw12345"], commands=["+ping"], keys=["*"])
    monkeypatch.setenv("TASKCONSOLE_URL", server.url.replace("unix://", "unix://nobody:pw12345@"))
    return server


@pytest.mark.parametrize("command", [*READS, *WRITES], ids=" ".join)
def test_a_user_who_may_do_nothing(cli, forbidden, command):
    ran = cli(*command)

    assert (ran.code, ran.out) == (3, "")
    assert is_one_line(ran.err)
    assert "pw12345" not in ran.err


@pytest.mark.parametrize(
    "command", [["status"], ["doctor"], ["workers"], ["events"], ["delayed"], ["failures"], []], ids=" ".join
)
def test_a_redis_that_is_too_old(cli, command):
    with redis_of_version("5.0.14") as url:
        ran = cli("-u", url, *command)

    assert (ran.code, ran.out) == (1, "")
    assert is_one_line(ran.err)
    assert "5.0.14" in ran.err
    assert "6.2" in ran.err


@pytest.mark.parametrize("key", ["mail", "{mail}:delayed", "{mail}:dead", "{mail}:workers", "{mail}:log"])
def test_a_key_of_a_wrong_type_under_a_name_of_ours(cli, raw, key):
    raw.sadd("taskconsole:queues", "mail")
    raw.hset(key, "a", "b")
    commands = [*READS, *WRITES[:-1]]
    commands.remove(["events", "-f"])

    for command in commands:
        ran = cli(*command)

        assert ran.code in {0, 1, 2}, (command, ran)
        assert "Traceback" not in ran.err
        assert "internal error" not in ran.err
    if key != "{mail}:log":
        assert "BROKEN" in cli("queues").out
        assert cli("doctor").code == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["enqueue", "x", "nope"], "argument 1 is not JSON"),
        (["enqueue", "x", "1", "NaN"], "argument 2 is not JSON"),
        (["enqueue", "x", "1e999"], "inf"),
        (["enqueue", "x", "[" * 50_000], "nested too deeply"),
        (["enqueue", "x", "[" * 200 + "]" * 200], "nested more than"),
        (["enqueue", "x", "9" * 5000], "not JSON"),
        (["enqueue", "x", '"\\ud800"'], "surrogate"),
        (["enqueue", "x", '"' + "a" * 1_100_000 + '"'], "the limit is 1,048,576"),
        (["enqueue", "--bare", "a" * 1_100_000], "the limit is 1,048,576"),
        (["enqueue", "\udc80"], "surrogate"),
        (["enqueue", " "], "no name"),
        (["enqueue", "--bare", ""], "no name"),
        (["enqueue", "x", "--kwargs", "[1]"], "not a JSON object"),
        (["enqueue", "x", "--kwargs", "{"], "--kwargs is not JSON"),
        (["enqueue", "--bare", "x", "1"], "takes no arguments"),
        (["enqueue", "--bare", "x", "--delay", "1", "--count", "2"], "one task"),
        (["enqueue", "x", "--delay", "-1"], "'-1' is not a number of seconds"),
        (["enqueue", "x", "--delay", "nan"], "'nan' is not a number of seconds"),
        (["enqueue", "x", "--delay", "inf"], "'inf' is not a number of seconds"),
        (["enqueue", "x", "--delay", "soon"], "'soon' is not a number of seconds"),
        (["enqueue", "x", "--at", "soon"], "expected a moment"),
        (["enqueue", "x", "--at", "0001-01-01"], "expected a moment"),
        (["enqueue", "x", "--delay", "1", "--at", "2030-01-01"], "not both"),
        (["enqueue", "x", "--count", "0"], "range"),
        (["enqueue", "x", "-q", ""], "empty"),
        (["enqueue", "x", "-q", "a{b}"], "brace"),
        (["enqueue", "x", "-q", "mail:dead"], "collide"),
        (["enqueue", "x", "-q", "a\nb"], "control character"),
        (["enqueue", "x", "-q", "\udc80"], "control character"),
        (["enqueue", "x", "-q", "q" * 201], "at most 200"),
        (["pause", "x_channel"], "collide"),
        (["resume", "{"], "brace"),
        (["tasks", "{", "pending"], "brace"),
        (["tasks", "mail", "lost"], "'lost' is not one of"),
        (["tasks", "mail", "pending", "--limit", "501"], "range"),
        (["events", "-q", "{"], "brace"),
        (["workers", "--quiet", "a", "--stop", "b"], "not both"),
        (["--embedded", "status"], "--embedded"),
        (["--headless", "nonsense"], "'nonsense' is not one of 'worker', 'scheduler'"),
        (["--headless"], "--headless"),
        (["nonsense"], "nonsense"),
        (["status", "--nonsense"], "--nonsense"),
        (["-u", "http://h", "status"], "bad Redis URL"),
        (["-u", "redis://h:99999", "status"], "bad Redis URL"),
        (["-u", "redis://h?socket_timeout=soon", "status"], "bad Redis URL"),
        (["-u", "redis://h?nonsense=1", "status"], "bad Redis URL"),
        (["--prefix", "a{", "status"], "brace"),
        (["worker"], "-A module:app"),
        (["worker", "-A", "a b:c"], "expected module:attribute"),
        (["worker", "-A", "json:app"], "has no attribute 'app'"),
        (["worker", "-A", "json:dumps"], "is a function, not a taskconsole.App"),
        (
            ["worker", "-A", "no.such.module:app"],
            "cannot import 'no.such.module': ModuleNotFoundError: No module named 'no'",
        ),
        (["worker", "-A", "x:y", "-q", "a:6,b"], "every queue a weight"),
        (["worker", "-A", "x:y", "-q", "a,a"], "named twice"),
        (["worker", "-A", "x:y", "--lease", "nan"], "not a number of seconds"),
        (["worker", "-A", "x:y", "--lease", "0.1"], "not a number of seconds"),
        (["worker", "-A", "x:y", "-c", "0"], "range"),
        (["worker", "-A", "x:y", "--loop", "magic"], "'magic' is not one of"),
    ],
)
def test_what_cannot_be_meant_is_said_in_one_line(cli, raw, arguments, said):
    ran = cli(*arguments)

    assert (ran.code, ran.out) == (2, "")
    assert is_one_line(ran.err)
    assert said in ran.err
    assert len(ran.err) < 600
    assert raw.keys("*") == []


def test_help_documents_the_exit_codes(cli):
    ran = cli("--help")

    assert (ran.code, ran.err) == (0, "")
    assert "3    access denied" in ran.out
    assert "4    no Redis in reach" in ran.out


@pytest.mark.skipif(not FULL.exists(), reason="no full device here")
@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["at the end", "at once"])
def test_a_full_disk_is_said_in_one_line(store_url, unbuffered):
    with FULL.open("wb") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "taskconsole", "-u", store_url, "status"],
            stdout=full,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
            cwd=ROOT,
            timeout=30,
            check=False,
        )

    assert ended.returncode == 1
    assert is_one_line(ended.stderr.decode())
    assert b"No space left" in ended.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["at the end", "at once"])
@pytest.mark.parametrize("arguments", [["status"], ["status", "--json"]])
def test_a_reader_that_is_gone_is_no_failure_worth_words(store_url, arguments, unbuffered):
    reader, writer = os.pipe()
    os.close(reader)

    ended = subprocess.run(
        [sys.executable, "-m", "taskconsole", "-u", store_url, *arguments],
        stdout=writer,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        cwd=ROOT,
        timeout=30,
        check=False,
    )
    os.close(writer)

    assert (ended.returncode, ended.stderr) == (1, b"")


def test_ctrl_c_ends_with_130_and_no_traceback(store_url, raw):
    process = subprocess.Popen(
        [sys.executable, "-m", "taskconsole", "-u", store_url, "events", "--follow"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
    )
    while not raw.publish("task_queue_channel", "hello"):
        assert process.poll() is None
    assert b"hello" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)

    assert process.returncode == 130
    assert b"Traceback" not in err


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("./shop/tasks.py", "e.g. -A shop.tasks:app"),
        ("shop.py:app", "a module is named without .py: -A shop:app"),
        ("nosuchmodule:app", "it was looked for in "),
    ],
)
def test_an_app_that_is_not_found_is_told_with_how_to_name_it(cli, path, hint):
    ran = cli("worker", "-A", path)

    assert ran.code == 2
    assert is_one_line(ran.err)
    assert hint in ran.err


def test_a_missing_state_is_told_with_those_there_are(cli):
    ran = cli("tasks", "mail")

    assert ran.code == 2
    assert ran.err == "taskconsole: Missing argument 'STATE'. Choose from: pending, delayed, active, done, dead\n"
