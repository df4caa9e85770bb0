"""The demo as a whole: everything moves, and nothing is left, whatever ends it."""

import contextlib
import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import redis

from tests.console.pty_session import PtySession
from tests.servers import ROOT, connect, wait_until

COMMAND = [sys.executable, "-m", "taskconsole", "demo"]


class Demo:
    """A running demo: its processes, its directory, its Redis."""

    def __init__(self, process, url):
        self.process, self.url = process, url
        self.socket = Path(url.removeprefix("unix://").partition("?")[0])
        # The server's own child for a moment, a fork of the launcher say, is not ours.
        self.children = wait_until(lambda: len(self.look()) == 4 and self.look(), 20, "four children")

    def look(self):
        return psutil.Process(self.process.pid).children(recursive=True)

    def nothing_is_left(self):
        return not self.socket.parent.exists() and not any(map(runs, self.children))


def runs(process):
    # One that nobody has waited for yet has ended all the same; its pid may also belong to another by now.
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


@pytest.fixture
def demo():
    started = []

    def start(*arguments):
        process = subprocess.Popen(
            [*COMMAND, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=ROOT,
        )
        started.append(process)
        line = process.stderr.readline().decode()
        url = re.search(r"unix://\S+?(?=;)", line)
        assert url, line + process.stderr.read().decode()
        return Demo(process, url[0])

    yield start
    for process in started:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=30)


def test_everything_moves(demo):
    running = demo("--no-console", "--speed", "4")
    client = connect(running.url)

    def done(queue):
        return int(client.hget(f"{{{queue}}}:stats", "done") or 0)

    wait_until(lambda: all(done(queue) for queue in ("mail", "task_queue", "webhooks", "billing", "reports")), 30)
    assert client.zcard("{mail}:workers") == 1
    assert client.zcard("{reports}:workers") == 2
    assert sorted(path.name for path in running.socket.parent.glob("*.log")) == [
        "redis.log",
        "traffic.log",
        "worker-1.log",
        "worker-2.log",
    ]
    assert "worker up" in (running.socket.parent / "worker-1.log").read_text()
    assert (running.socket.parent / "traffic.log").read_text() == ""
    client.close()


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)],
    ids=["SIGTERM", "SIGHUP", "SIGINT"],
)
def test_nothing_is_left_after_a_signal(demo, number, code):
    running = demo("--no-console")
    assert running.socket.exists()

    running.process.send_signal(number)
    _, err = running.process.communicate(timeout=30)

    assert (running.process.returncode, err.strip()) == (code, b"")
    assert running.nothing_is_left()


def test_nothing_is_left_after_a_signal_that_cannot_be_heard(demo):
    running = demo("--no-console")

    running.process.kill()

    wait_until(running.nothing_is_left, 20)


def test_it_ends_by_itself(demo):
    running = demo("--seconds", "0.5")
    out, err = running.process.communicate(timeout=30)

    assert (running.process.returncode, err) == (0, b"")
    assert b"\nQUEUE " in out
    assert running.nothing_is_left()


def test_without_a_redis_server_it_is_said_in_one_line(tmp_path):
    script = (
        "import sys, taskconsole.embedded as e; e._candidates = lambda: iter(());"
        "from taskconsole.cli.root import call; sys.exit(call(['demo', '--no-console']))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )

    assert ended.returncode == 2
    assert ended.stderr.startswith("taskconsole: no redis-server found")
    assert ended.stderr.count("\n") == 1


@pytest.fixture
def on_a_terminal(monkeypatch, tmp_path):
    """Start `taskconsole` on a pseudo-terminal."""
    launcher = tmp_path / "launcher"
    launcher.write_text(f'#!/bin/sh\nshift 2\nexec "{sys.executable}" -m taskconsole "$@"\n')
    launcher.chmod(0o700)

    def start(*arguments, **options):
        monkeypatch.setattr(sys, "executable", str(launcher))
        try:
            return PtySession(*arguments, **options)
        finally:
            monkeypatch.undo()

    return start


@pytest.mark.pty
def test_the_console_shows_the_demo_and_q_ends_everything(on_a_terminal):
    with on_a_terminal("demo", size=(100, 30)) as session:
        session.until("reports", 30)
        directory = Path(re.search(rb"logs of the workers in (\S+)", session.output)[1].decode())
        children = psutil.Process(session.pid).children(recursive=True)
        assert len(children) == 4
        assert (directory / "redis.sock").exists()
        session.until(lambda: re.search(r"mail +\S+", session.text))
        session.press("q")

        assert session.end() == 0
    assert not directory.exists()
    assert not any(map(runs, children))


@pytest.mark.pty
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_to_the_console_ends_everything_too(on_a_terminal, number, code):
    with on_a_terminal("demo", size=(100, 30)) as session:
        session.until(lambda: re.search(r"reports +BUSY", session.text), 30)
        directory = Path(re.search(rb"logs of the workers in (\S+)", session.output)[1].decode())
        children = psutil.Process(session.pid).children(recursive=True)
        # A worker that does not end holds up the tidying up for longer than the console may take to leave.
        next(child for child in children if "billing,reports" in child.cmdline()).suspend()
        session.signal(number)

        assert session.end() == code
    assert not directory.exists()
    assert not any(map(runs, children))


@pytest.mark.pty
def test_the_console_in_the_demo_ends_by_itself(on_a_terminal):
    with on_a_terminal("demo", "--seconds", "4") as session:
        session.until("reports", 30)

        assert session.end(30) == 0


@pytest.mark.pty
def test_an_embedded_redis_lives_as_long_as_its_console(on_a_terminal):
    with on_a_terminal("--embedded", env={"TASKCONSOLE_URL": "redis://localhost:1"}) as session:
        session.until("task_queue", 30)
        socket = Path(re.search(rb"at unix://(\S+?)\?", session.output)[1].decode())
        assert socket.exists()
        session.press("q")

        assert session.end() == 0
    assert not socket.parent.exists()


@pytest.mark.pty
def test_without_a_redis_the_console_says_so_and_offers_one(on_a_terminal):
    with on_a_terminal("-u", "unix:///nowhere/redis.sock", size=(100, 30)) as session:
        session.until("--embedded", 30)
        assert "/nowhere/redis.sock" in session.text
        session.press("q")

        assert session.end() == 0


@pytest.mark.pty
def test_a_terminal_that_can_do_nothing_gets_the_status(on_a_terminal, store_url):
    with on_a_terminal("-u", store_url, env={"TERM": "dumb"}) as session:
        assert session.end() == 0
        assert "\x1b" not in session.output.decode()
        assert "task_queue" in session.output.decode()


def test_a_redis_that_goes_away_ends_the_plain_demo_in_one_line(demo):
    running = demo("--no-console")
    with contextlib.suppress(redis.ConnectionError):
        connect(running.url).shutdown(nosave=True)
    _, err = running.process.communicate(timeout=30)

    assert running.process.returncode == 4
    assert err.startswith(b"taskconsole: no answer from Redis")
    assert err.count(b"\n") == 1
    assert running.nothing_is_left()
