"""Supervisor: keeps several worker processes of one kind running.

Each child runs the ordinary worker command in a process group of its own, so that Ctrl-C in a terminal reaches
it once, through us. Between us and each child there is a socket pair, the tether: the child says over it that
it is up, and sees it close when we are gone, even by SIGKILL; then it stops as after SIGTERM. That works on
every system and needs nothing of the kernel.

One child starts first. What is wrong with the settings shows there, once, and the others start when it is up,
or after a moment if that takes long.
"""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import signal
import socket
import subprocess
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import FrameType

__all__ = ["Supervisor", "Tether"]

log = logging.getLogger(__name__)

HEAD_START = 2.0
"""Seconds the first child has for itself; longer only delays the others."""

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
"""Seconds before a child that died is started again; doubles with each death."""

PROVEN = 60.0
"""Seconds after which a child's earlier deaths are forgotten."""

PATIENCE = 15.0
"""Seconds beyond the grace period after which a child that was told to stop is killed."""

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Tether:
    """A child's end of the socket pair.

    Args:
        descriptor: The inherited socket, as named on the command line.
    """

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=descriptor)
        # What handlers start must not hold it, or our end would look alive to nobody's use.
        self._socket.set_inheritable(False)

    def follow(self) -> None:
        """From now on, stop this process in order when the supervisor is gone."""
        threading.Thread(target=self._wait, name="taskconsole-tether", daemon=True).start()

    def say_up(self) -> None:
        """Tell the supervisor that this process has begun to work."""
        with contextlib.suppress(OSError):
            self._socket.send(b".")

    def _wait(self) -> None:
        with contextlib.suppress(OSError):
            while self._socket.recv(1):
                pass
        log.warning("the supervisor is gone: stopping")
        os.kill(os.getpid(), signal.SIGTERM)


@dataclass(slots=True)
class _Seat:
    """The place of one child, whichever process is in it."""

    number: int
    process: subprocess.Popen[bytes] | None = None
    tether: socket.socket | None = None
    up: bool = False
    started: float = 0.0
    deaths: int = 0
    start_at: float | None = 0.0
    """When to start it (monotonic); None when it is not to be started."""


class Supervisor:
    """Runs `count` children until all have ended.

    A child that ends with 0 has been told to, by an operator or by burst mode, and is not replaced; one that
    dies is, after a pause. When the first one ends with an error before any was up, nothing more is tried.
    SIGTERM, SIGINT and SIGHUP are passed on, each as often as it comes but SIGHUP once at most.

    Args:
        command: Makes a child's command line from the number of its tether.
        count: How many children.
        grace: Seconds a child may take to stop.
        environment: The children's environment; ours when None.
    """

    def __init__(
        self,
        command: Callable[[int], Sequence[str]],
        *,
        count: int,
        grace: float,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._command, self._grace, self._environment = command, grace, environment
        self._seats = [_Seat(number) for number in range(1, count + 1)]
        self._ever_up = False
        self._stopping_since: float | None = None
        self._worst = 0
        self._selector = selectors.DefaultSelector()

    @property
    def pids(self) -> list[int]:
        """Of the children that run."""
        return [seat.process.pid for seat in self._seats if seat.process is not None]

    def run(self) -> int:
        """Start the children and wait until all have ended; returns the worst exit code. For the main thread."""
        log.info("supervisor up", extra={"pid": os.getpid(), "processes": len(self._seats)})
        for seat in self._seats[1:]:
            seat.start_at = time.monotonic() + HEAD_START
        with _signals(self._selector) as arrived, self._selector:
            while self._occupied():
                self._start_due()
                self._selector_turn()
                for number in arrived():
                    self._pass_on(number)
                self._reap()
                self._kill_late()
        log.info("supervisor down", extra={"pid": os.getpid(), "exit": self._worst})
        return self._worst

    def _occupied(self) -> bool:
        return any(seat.process is not None or seat.start_at is not None for seat in self._seats)

    def _selector_turn(self) -> None:
        """Wait for a signal, a word from a child, or the next moment at which something is due."""
        due = [seat.start_at for seat in self._seats if seat.start_at is not None]
        if self._stopping_since is not None:
            due.append(self._stopping_since + self._grace + PATIENCE)
        timeout = max(0.0, min(due) - time.monotonic()) if due else None
        for key, _ in self._selector.select(timeout):
            if isinstance(key.data, _Seat):
                self._hear(key.data)

    def _hear(self, seat: _Seat) -> None:
        assert seat.tether is not None
        try:
            word = seat.tether.recv(16)
        except OSError:
            word = b""
        if not word:
            # It is ending; its exit code comes with SIGCHLD.
            self._selector.unregister(seat.tether)
            return
        seat.up = self._ever_up = True
        for other in self._seats:
            if other.process is None and other.start_at is not None and not other.deaths:
                other.start_at = 0.0

    # -- starting

    def _start_due(self) -> None:
        now = time.monotonic()
        for seat in self._seats:
            if seat.process is None and seat.start_at is not None and seat.start_at <= now:
                seat.start_at = None
                try:
                    self._start(seat)
                except OSError as error:
                    log.error("cannot start a process", extra={"child": seat.number, "error": str(error)})  # noqa: TRY400 - the cause is in the line
                    self._start_later(seat)

    def _start(self, seat: _Seat) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                seat.process = subprocess.Popen(  # noqa: S603 - our own command line, no shell
                    list(self._command(theirs.fileno())),
                    stdin=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    env=self._environment,
                    start_new_session=True,
                )
            except BaseException:
                ours.close()
                raise
        seat.tether, seat.up, seat.started = ours, False, time.monotonic()
        self._selector.register(ours, selectors.EVENT_READ, seat)

    def _start_later(self, seat: _Seat) -> float:
        pause: float = min(FIRST_PAUSE * 2**seat.deaths, LONGEST_PAUSE)
        seat.deaths = min(seat.deaths + 1, 30)
        seat.start_at = time.monotonic() + pause
        return pause

    # -- ending

    def _reap(self) -> None:
        for seat in self._seats:
            if seat.process is None:
                continue
            code = seat.process.poll()
            if code is None:
                continue
            pid, seat.process = seat.process.pid, None
            self._let_go(seat)
            self._judge(seat, pid, code)

    def _let_go(self, seat: _Seat) -> None:
        if seat.tether is not None:
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(seat.tether)
            seat.tether.close()
            seat.tether = None

    def _judge(self, seat: _Seat, pid: int, code: int) -> None:
        if self._stopping_since is not None:
            # A child that is told to stop before it can listen ends by the signal itself: as wished.
            early = not seat.up and -code in SIGNALS
            self._worst = max(self._worst, 0 if early else _exit_code(code))
        elif code == 0:
            log.info("process ended", extra={"pid": pid, "child": seat.number})
        elif code > 0 and not self._ever_up:
            # A setting, a refusal, no Redis, a lifespan that fails: it has said so, and again would be the same.
            log.error("giving up: a process could not start", extra={"pid": pid, "exit": code})
            self._worst = code
            self._stop(signal.SIGTERM)
        else:
            if time.monotonic() - seat.started > PROVEN:
                seat.deaths = 0
            pause = self._start_later(seat)
            log.warning("process died", extra={"pid": pid, "exit": _in_words(code), "restart_in": f"{pause:g}s"})

    def _pass_on(self, number: signal.Signals) -> None:
        if number == signal.SIGCHLD or (number == signal.SIGHUP and self._stopping_since is not None):
            # Whose terminal goes away hears of it twice, from the kernel and from the shell: nobody is in a hurry.
            return
        if self._stopping_since is None:
            log.info("stopping", extra={"signal": number.name, "processes": len(self.pids)})
        self._stop(number)

    def _stop(self, number: signal.Signals) -> None:
        self._stopping_since = time.monotonic() if self._stopping_since is None else self._stopping_since
        for seat in self._seats:
            seat.start_at = None
            if seat.process is not None:
                # A worker knows no SIGHUP; for it both mean the same.
                seat.process.send_signal(signal.SIGTERM if number == signal.SIGHUP else number)

    def _kill_late(self) -> None:
        if self._stopping_since is None or time.monotonic() < self._stopping_since + self._grace + PATIENCE:
            return
        for seat in self._seats:
            if seat.process is not None:
                log.warning("process does not end: killing it", extra={"pid": seat.process.pid})
                seat.process.kill()
                seat.process.wait()


@contextlib.contextmanager
def _signals(selector: selectors.BaseSelector) -> Iterator[Callable[[], list[signal.Signals]]]:
    """Inside, signals wake the selector; calling what this yields returns those that have come."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)

    def ignore(_number: int, _frame: FrameType | None) -> None:
        """What counts is the byte that Python writes to the socket."""

    # A SIGHUP ignored from outside (nohup) stays ignored.
    watched = [
        n for n in (*SIGNALS, signal.SIGCHLD) if n == signal.SIGCHLD or signal.getsignal(n) is not signal.SIG_IGN
    ]
    before = {number: signal.signal(number, ignore) for number in watched}
    woken_before = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    selector.register(ours, selectors.EVENT_READ)

    def arrived() -> list[signal.Signals]:
        try:
            return [signal.Signals(number) for number in ours.recv(4096)]
        except BlockingIOError:
            return []

    try:
        yield arrived
    finally:
        signal.set_wakeup_fd(woken_before)
        for number, handler in before.items():
            signal.signal(number, handler)
        ours.close()
        theirs.close()


def _exit_code(code: int) -> int:
    """As a shell says it: 128 and the signal's number for a child that a signal ended."""
    return 128 - code if code < 0 else code


def _in_words(code: int) -> str:
    try:
        return signal.Signals(-code).name if code < 0 else str(code)
    except ValueError:
        return f"signal {-code}"
