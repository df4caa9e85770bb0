"""A worker beside the console: a child process that is kept running, and ends with whoever started it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from taskconsole.config import Settings

__all__ = ["ChildWorker", "starter"]

GRACE = 20.0
"""Seconds that what runs may take once the worker is to end."""

FIRST_PAUSE, LAST_PAUSE = 1.0, 30.0
"""Seconds before a worker that has died is started again: doubling."""

MAX_LOG = 4_000_000
"""Bytes after which the log begins anew."""

LINES, TAIL = 500, 64_000
"""Lines of a log that are shown, and bytes that are read for them."""

FINAL = (0, 2)
"""Exit codes after which starting it again is of no use: it was told to end, or cannot be started like this."""


def starter(settings: Settings) -> Callable[[str, str, Callable[[str], object]], ChildWorker]:
    """Starts workers of one Redis."""

    def start(app: str, queue: str, tell: Callable[[str], object]) -> ChildWorker:
        return ChildWorker(settings, app, queue, tell)

    return start


class ChildWorker:
    """`taskconsole --headless worker -A APP -q QUEUE`, started again when it dies.

    It holds one end of a socket pair whose other end is ours: when we are gone without a word, it ends in order.

    Args:
        settings: Where Redis is; the URL goes through the environment, which `ps` does not show.
        app: As `-A`.
        queue: As `-q`.
        tell: Called, from any thread, when it has ended unasked.
    """

    def __init__(self, settings: Settings, app: str, queue: str, tell: Callable[[str], object]) -> None:
        self.app, self.queue = app, queue
        self._settings, self._tell = settings, tell
        handle, name = tempfile.mkstemp(prefix="taskconsole-worker-", suffix=".log")
        os.close(handle)
        self._log = Path(name)
        self._child: subprocess.Popen[bytes] | None = None
        self._tether: socket.socket | None = None
        self._ending = threading.Event()
        self._state = "starting"
        self._start()
        self._keeper = threading.Thread(target=self._keep, name="taskconsole-crew", daemon=True)
        self._keeper.start()

    @property
    def state(self) -> str:
        """In words."""
        return self._state

    @property
    def alive(self) -> bool:
        """It runs, or will be started again."""
        return self._keeper.is_alive()

    @property
    def pid(self) -> int:
        """Of the present process."""
        assert self._child is not None
        return self._child.pid

    def drain(self) -> None:
        """As SIGTERM: once to finish what runs, twice to give it back."""
        self._ending.set()
        if self._child is not None and self._child.poll() is None:
            self._state = f"draining, pid {self.pid}"
            self._child.terminate()

    def close(self, wait: float) -> None:
        """Drain, wait, end it by force if it must be; its log goes with it."""
        if not self._ending.is_set():
            self.drain()
        self._keeper.join(wait)
        if self._keeper.is_alive() and self._child is not None:
            self._child.kill()
            self._keeper.join(5)
        if self._tether is not None:
            self._tether.close()
        self._log.unlink(missing_ok=True)

    def log(self) -> list[str]:
        """The last lines that it has written."""
        try:
            with self._log.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                if size > MAX_LOG:
                    # It appends: what it writes next comes to the new beginning.
                    os.truncate(self._log, 0)
                file.seek(max(0, size - TAIL))
                text = file.read(TAIL)
        except OSError as error:
            return [f"its log cannot be read: {error.strerror}"]
        return list(deque(text.decode("utf-8", "backslashreplace").splitlines(), LINES))

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs, self._log.open("ab") as log:
            self._child = subprocess.Popen(  # noqa: S603 - our own command line, no shell
                [sys.executable, "-m", "taskconsole", "--headless", "worker", *self._arguments(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[theirs.fileno()],
                env={**os.environ, "TASKCONSOLE_URL": self._settings.url},
                # Ctrl-C in the terminal, and a terminal that is gone, are for the console alone.
                start_new_session=True,
            )
        before, self._tether = self._tether, ours
        if before is not None:
            before.close()
        self._state = f"running, pid {self._child.pid}"

    def _arguments(self, tether: int) -> list[str]:
        prefix = ["--prefix", self._settings.prefix] if self._settings.prefix else []
        return [*prefix, "-A", self.app, "-q", self.queue, "--grace", f"{GRACE:g}", "--tether", str(tether)]

    def _keep(self) -> None:
        pause = FIRST_PAUSE
        while True:
            assert self._child is not None
            code = self._child.wait()
            if self._ending.is_set() or code in FINAL:
                self._state = "ended" if self._ending.is_set() or code == 0 else f"could not start (exit code {code})"
                if not self._ending.is_set():
                    self._tell(f"the worker for {self.queue} here {self._state}: {self._last_words()}")
                return
            self._state = f"died (exit code {code}), starts again in {pause:g} s"
            self._tell(f"the worker for {self.queue} here {self._state}")
            if self._ending.wait(pause):
                self._state = "ended"
                return
            pause = min(LAST_PAUSE, pause * 2)
            self._start()

    def _last_words(self) -> str:
        lines = self.log()
        return lines[-1] if lines else "it said nothing"
