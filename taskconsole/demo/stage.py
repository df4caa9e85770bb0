"""The demo's processes: started together, ended together, whatever ends them."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Self

from taskconsole.demo.tasks import BILLING, QUEUES, REPORTS
from taskconsole.embedded import EmbeddedRedis

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from types import FrameType

__all__ = ["Leave", "Stage", "leaving_in_order"]

GRACE = 1.0
"""Seconds the workers' tasks may take to end: nobody wants to wait for a report of the demo."""

PATIENCE = 6.0
"""Seconds a child may take to end before it is killed."""

SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


class Leave(BaseException):
    """A signal asked us to end."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.code = 128 + number


@contextlib.contextmanager
def leaving_in_order() -> Iterator[None]:
    """Inside, SIGTERM, SIGHUP and SIGINT raise Leave in the main thread, so that every `with` block is left.

    The first one only: another cannot interrupt the tidying up. For the main thread; elsewhere it does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(number: int, _frame: FrameType | None) -> None:
        ignore_signals()
        raise Leave(number)

    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, leave)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def ignore_signals() -> None:
    """From now on nothing interrupts the tidying up; it takes a few seconds at most."""
    if threading.current_thread() is threading.main_thread():
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)


class Stage:
    """A private Redis, a producer and two workers; a context manager.

    Each child holds one end of a socket pair whose other end is ours: when we are gone without a word, the
    workers stop in order and the producer removes the directory.

    Args:
        speed: How many times the usual traffic.
    """

    def __init__(self, *, speed: float = 1.0) -> None:
        self._speed = speed
        self._redis = EmbeddedRedis(append_only=True)
        self._children: list[tuple[subprocess.Popen[bytes], socket.socket]] = []

    @property
    def url(self) -> str:
        """Of the private Redis."""
        return self._redis.url

    @property
    def directory(self) -> Path:
        """The private directory: socket and logs."""
        return self._redis.directory

    @property
    def pids(self) -> list[int]:
        """Of every process we started and that may still run: Redis, the producer, the workers."""
        return [self._redis.pid, *(child.pid for child, _ in self._children)]

    def __enter__(self) -> Self:
        self._redis.start()
        try:
            traffic = (
                "-m",
                "taskconsole.demo.traffic",
                "--directory",
                str(self.directory),
                "--speed",
                str(self._speed),
            )
            self._start("traffic", traffic)
            self._start("worker-1", self._worker(",".join(QUEUES), concurrency=16))
            self._start("worker-2", self._worker(f"{BILLING},{REPORTS}", concurrency=4))
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @staticmethod
    def _worker(queues: str, *, concurrency: int) -> Sequence[str]:
        return (
            *("-m", "taskconsole", "--headless", "worker", "-A", "taskconsole.demo.tasks:app"),
            *("-q", queues, "-c", str(concurrency), "--grace", f"{GRACE:g}"),
        )

    def _start(self, name: str, arguments: Sequence[str]) -> None:
        ours, theirs = socket.socketpair()
        with theirs, (self.directory / f"{name}.log").open("ab") as log:
            child = subprocess.Popen(  # noqa: S603 - our own command line, no shell
                [sys.executable, *arguments, "--tether", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[theirs.fileno()],
                env={**os.environ, "TASKCONSOLE_URL": self.url},
                # Ctrl-C in the terminal is for us alone.
                start_new_session=True,
            )
        self._children.append((child, ours))

    def close(self) -> None:
        """End the children, then Redis, and remove the directory. Safe to repeat."""
        ignored = {}
        if threading.current_thread() is threading.main_thread():
            ignored = {number: signal.getsignal(number) for number in SIGNALS}
            ignore_signals()
        try:
            traffic, workers = self._children[:1], self._children[1:]
            self._children = []
            _end(workers)
            # Last, because it is the one that tidies up should something end us before we are through.
            _end(traffic)
        finally:
            self._redis.stop()
            for number, handler in ignored.items():
                signal.signal(number, handler)


def _end(children: Sequence[tuple[subprocess.Popen[bytes], socket.socket]]) -> None:
    """Stop child processes in order, by force those that take too long."""
    for child, _ in children:
        child.terminate()
    for child, tether in children:
        try:
            child.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        tether.close()
