"""`worker` and `scheduler` as processes of their own."""

import itertools
import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from taskconsole.cli.services import known_queues, queues_of
from taskconsole.config import Settings
from tests.cli.program import app
from tests.servers import ROOT, wait_until, workers_of

APP = "tests.cli.program:app"


@contextmanager
def running(*arguments, url=None, **environment):
    """A process of the command line, in a process group of its own; stopped at the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "taskconsole", *arguments],
        env={**os.environ, **({"TASKCONSOLE_URL": url} if url else {}), **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        process_group=0,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def ended(process, timeout=30):
    _, err = process.communicate(timeout=timeout)
    return process.returncode, err.decode()


def test_the_queues_of_an_app_are_served_evenly_with_the_default_one():
    plan = queues_of(app)

    assert plan.names == ("task_queue", "bills", "mail")
    assert plan.weights == (1, 1, 1)


def test_the_queues_that_redis_knows(store_url, raw):
    raw.sadd("taskconsole:queues", "mail", "a{b", b"\xff", "two\nlines")

    assert known_queues(Settings(url=store_url)).names == ("mail", "task_queue")


@pytest.mark.parametrize(
    "command",
    [
        lambda url: (["-u", url, "--headless", "worker"], {}),
        lambda url: (["--headless=worker", "-u", url], {}),
        lambda url: (["worker"], {"TASKCONSOLE_URL": url, "OWN_URL": "redis://localhost:1"}),
        lambda url: (["worker"], {"OWN_URL": url, "REDIS_URL": "redis://localhost:1"}),
    ],
    ids=["flag", "flag after", "environment before the App", "the App before REDIS_URL"],
)
def test_a_worker_runs_and_enqueues_on_the_redis_that_was_named(store_url, raw, monkeypatch, command):
    monkeypatch.delenv("TASKCONSOLE_URL", raising=False)
    arguments, environment = command(store_url)
    raw.lpush("mail", json.dumps({"task": "hello", "args": ["mark"]}))
    options = ["-A", APP, "-c", "8", "--lease", "2", "--grace", "5", "--burst", "--loop", "asyncio", "-q", "mail,bills"]

    with running(*arguments, *options, MARK_URL=store_url, **environment) as process:
        code, err = ended(process)

    assert code == 0, err
    assert raw.llen("mark") == 1


def test_without_queues_every_queue_of_the_app_is_served(store_url, raw):
    raw.lpush("mail", json.dumps({"task": "hello", "args": ["mark"]}))

    with running("worker", "-A", APP, "--burst", url=store_url, MARK_URL=store_url) as process:
        assert ended(process)[0] == 0

    assert raw.llen("mark") == 1
    assert raw.smembers("taskconsole:queues") == {b"mail", b"bills", b"task_queue"}


def test_a_prefix_on_the_command_line_is_the_workers_too(store_url, raw):
    raw.lpush("p:mail", json.dumps({"task": "hello", "args": ["mark"]}))

    with running("--prefix", "p:", "worker", "-A", APP, "--burst", url=store_url, MARK_URL=store_url) as process:
        assert ended(process)[0] == 0

    assert raw.llen("mark") == 1


def test_the_log_may_be_json_and_less(store_url):
    with running("worker", "-A", APP, "--burst", "--log-json", url=store_url) as process:
        _, err = ended(process)
    assert json.loads(err.splitlines()[0])["event"] == "worker up"

    with running("worker", "-A", APP, "--burst", "--log-level", "warning", url=store_url) as process:
        assert ended(process) == (0, "")


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        (
            "import",
            "cannot import 'tests.cli.program': RuntimeError: first line\\nsecond line \\x1b[2J; --traceback shows where\n",
        ),
        ("exit", "cannot import 'tests.cli.program': SystemExit: leaving; --traceback shows where\n"),
    ],
)
def test_an_app_that_cannot_be_imported_is_said_in_one_line(store_url, trouble, said):
    with running("worker", "-A", APP, url=store_url, TROUBLE=trouble) as process:
        assert ended(process) == (2, f"taskconsole: {said}")
    with running("worker", "-A", APP, "--traceback", url=store_url, TROUBLE=trouble) as process:
        code, err = ended(process)

    assert code == 2
    assert "Traceback" in err
    assert "program.py" in err


def test_the_app_is_looked_for_in_the_current_directory(program, tmp_path, raw):
    (tmp_path / "shop.py").write_text("from taskconsole import App\nclass inner:\n    app = App()\napp = inner.app\n")

    # As from the installed script, which does not put that directory on the path.
    assert program("worker", "-A", "shop", "--burst", PYTHONSAFEPATH="1").code == 0
    assert program("worker", "-A", "shop:inner.app", "--burst").code == 0
    nothing = program("worker", "-A", "shop:inner.nothing", "--burst")
    assert (nothing.code, nothing.err) == (
        2,
        "taskconsole: -A 'shop:inner.nothing': 'shop' has no attribute 'inner.nothing'\n",
    )


def test_a_scheduler_promotes_without_an_app_and_runs_nothing(store_url, raw):
    raw.sadd("taskconsole:queues", "mail")
    raw.zadd("{mail}:delayed", {"task1": 5})

    with running("--headless", "scheduler", url=store_url) as process:
        wait_until(lambda: raw.lrange("mail", 0, -1) == [b"task1"])
        process.send_signal(signal.SIGTERM)
        code, err = ended(process)

    assert code == 0
    assert "scheduler up" in err
    assert workers_of(raw, "mail") == set()


def test_a_scheduler_serves_the_queues_of_its_app(store_url, raw):
    raw.zadd("{bills}:delayed", {"task1": 5})

    with running("scheduler", "-A", APP, url=store_url):
        wait_until(lambda: raw.llen("bills"))


class Supervised:
    """A supervisor with children, and a look at them."""

    def __init__(self, raw, process):
        self.raw, self.process = raw, process

    @property
    def children(self):
        """The pids of the worker processes as Redis knows them."""
        return {
            int(self.raw.hget(f"{{task_queue}}:worker:{worker}", "pid") or 0)
            for worker in workers_of(self.raw, "task_queue")
        }

    def wait_for(self, count):
        return wait_until(lambda: len(self.children) == count and self.children, 20, f"{count} children are up")


@pytest.fixture
def supervised(store_url, raw):
    @contextmanager
    def start(*arguments, count=2, **environment):
        options = ["-A", APP, "-q", "task_queue", "--lease", "2", "--processes", str(count), *arguments]
        with running("worker", *options, url=store_url, **environment) as process:
            yield Supervised(raw, process)

    return start


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_all_children_in_order(supervised, number):
    with supervised() as group:
        children = group.wait_for(2)
        group.process.send_signal(number)
        code, err = ended(group.process)

    assert code == 0, err
    assert err.count("worker down") == 2
    assert not any(map(alive, children))
    assert group.children == set()


def test_a_second_signal_is_passed_on_too(supervised, raw):
    with supervised("--grace", "60", count=2) as group:
        group.wait_for(2)
        raw.lpush("task_queue", json.dumps({"task": "wait"}))
        raw.lpush("task_queue", json.dumps({"task": "wait"}))
        wait_until(lambda: raw.exists("waiting"))
        group.process.send_signal(signal.SIGTERM)
        # A signal that comes before the last one was taken is the same signal to the system.
        lines = iter(group.process.stderr.readline, b"")
        assert sum(1 for _ in itertools.islice((line for line in lines if b"stopping worker" in line), 2)) == 2
        group.process.send_signal(signal.SIGTERM)
        code, err = ended(group.process, 20)

    assert code == 143
    assert "second signal" in err


def test_a_terminal_that_goes_away_and_says_so_twice_leaves_the_children_their_grace(supervised, raw):
    with supervised("--grace", "1", count=2) as group:
        group.wait_for(2)
        raw.lpush("task_queue", json.dumps({"task": "wait"}))
        wait_until(lambda: raw.exists("waiting"))
        group.process.send_signal(signal.SIGHUP)
        lines = iter(group.process.stderr.readline, b"")
        assert next(line for line in lines if b"stopping worker" in line)
        group.process.send_signal(signal.SIGHUP)
        code, err = ended(group.process, 20)

    assert code == 0, err
    assert "grace period over" in err


def test_ctrl_c_in_a_terminal_reaches_the_children_through_their_supervisor_alone(supervised):
    with supervised() as group:
        children = group.wait_for(2)
        assert group.process.pid not in {os.getpgid(pid) for pid in children}
        # As a terminal does: to the whole group in its foreground.
        os.killpg(group.process.pid, signal.SIGINT)
        code, err = ended(group.process)

    assert code == 0, err
    assert err.count("worker down") == 2


def test_a_child_that_dies_is_replaced(supervised):
    with supervised() as group:
        before = group.wait_for(2)
        os.kill(min(before), signal.SIGKILL)
        wait_until(lambda: group.children - before, 20, "a new child is up")
        group.process.send_signal(signal.SIGTERM)
        code, err = ended(group.process)

    assert code == 0, err
    assert f"process died pid={min(before)} exit=SIGKILL restart_in=1s" in err


def test_children_stop_in_order_when_their_supervisor_is_killed(supervised):
    with supervised() as group:
        children = group.wait_for(2)
        group.process.kill()
        wait_until(lambda: not any(map(alive, children)), 20, "the children have ended")
        err = group.process.stderr.read().decode()

    assert err.count("the supervisor is gone") == 2
    assert err.count("worker down") == 2


@pytest.mark.parametrize(
    ("arguments", "environment", "code", "said"),
    [
        ([], {"TROUBLE": "import"}, 2, "cannot import"),
        ([], {"TROUBLE": "lifespan"}, 1, "no database"),
        (["-u", "unix:///nowhere.sock"], {}, 4, "no answer from Redis"),
    ],
)
def test_what_stops_every_child_is_said_once_and_nothing_is_tried_again(supervised, arguments, environment, code, said):
    with supervised(*arguments, count=3, **environment) as group:
        returned, err = ended(group.process)

    assert returned == code, err
    assert err.count(f"taskconsole: {said}") == (code != 1)
    assert said in err
    assert err.count("giving up") == 1
    assert "process died" not in err


def test_children_in_burst_mode_end_and_are_not_replaced(supervised):
    with supervised("--burst") as group:
        code, err = ended(group.process)

    assert code == 0
    assert err.count("process ended") == 2


def test_the_password_is_not_handed_to_children_on_their_command_line(make_server, raw):
    server = make_server(password="S3cr3tP4ss")

    with (
        running("worker", "-A", APP, "-q", "task_queue", "--processes", "2", url=server.url) as process,
        server.client() as client,
    ):
        workers = wait_until(lambda: workers_of(client, "task_queue"), 20)
        pid = int(client.hget(f"{{task_queue}}:worker:{workers.pop()}", "pid"))
        shown = Path(f"/proc/{pid}/cmdline")
        command = shown.read_text() if shown.exists() else ""
        process.send_signal(signal.SIGTERM)
        code, err = ended(process)

    assert code == 0
    assert "S3cr3tP4ss" not in command + err
