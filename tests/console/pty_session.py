"""The real program in a pseudo-terminal: what it writes, what it shows, how it leaves."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time
from pathlib import Path

import pyte
from wcwidth import wcwidth

ROOT = Path(__file__).parents[2]

# Everything Textual and our driver may send, and nothing else.
GRAMMAR = re.compile(
    r"""
      \x1b\[(?:(?:\d+(?:;\d+)?)?H|\d*[BCD])  # move
    | \r?(?:\x1bD){1,2}\x08{0,3}        # to the next row or the one after it, back to where it begins or to what is there
    | \x1b\[[\d;]*m                      # colours
    | \x1b\[\?(?:1049|25|1004|2004|7|2026|2048|1000|1002|1003|1006|1015|1016)[hl]  # modes
    | \x1b\[\?(?:2026|2048)\$p           # does the terminal know these modes?
    | \x1b\[[<>=]\d*(?:;\d+)?u           # keyboard protocol
    | \x1b\]22;[a-z]*(?:\x1b\\|\x07)              # shape of the mouse pointer
    | \x1b\[\d\ q                        # shape of the cursor
    | \x1b\[(?:K|\d+X)                  # erase to the end of the line, or so many cells
    | \r?\n
    | [^\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]+  # text
    """,
    re.VERBOSE,
)


class PtySession:
    """A program on a terminal of its own; reads all it writes, answers what a terminal answers."""

    def __init__(self, *arguments, size=(80, 24), env=None, module="tests.console.console_program"):
        width, height = size
        self.screen = pyte.Screen(width, height)
        self._stream = pyte.ByteStream(self.screen)
        self.output = b""
        self.started = time.monotonic()
        environment = {
            **{k: v for k, v in os.environ.items() if k not in {"SSH_CONNECTION", "NO_COLOR"}},
            "TERM": "xterm-256color",
            "COLORTERM": "truecolor",
            "LANG": "C.UTF-8",
            "PYTHONWARNINGS": "default",
            **(env or {}),
        }
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(ROOT)
            # The size must stand before the program asks for it.
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
            os.execve(
                sys.executable,
                [sys.executable, "-m", module, *arguments],
                environment,
            )
        self.attributes = termios.tcgetattr(self.fd)
        self.status = None

    def read(self, seconds):
        """Take in what is written within `seconds`, up to a chunk; False at the end of the program."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.fd, 65_536)
        except OSError:
            return False
        self.output += data
        # The emulator knows neither of these and would show them.
        self._stream.feed(re.sub(rb"\x1b\[[<>=?][\d;]*[u$]p?|\x1b\][^\x1b\x07]*(?:\x1b\\|\x07)", b"", data))
        if b"\x1b[?2026$p" in data:
            os.write(self.fd, b"\x1b[?2026;2$y")
        return bool(data)

    def until(self, condition, seconds=20):
        """Read until `condition()`; a text means that it is on the screen."""
        wanted = (lambda: condition in self.text) if isinstance(condition, str) else condition
        deadline = time.monotonic() + seconds
        while not wanted():
            assert time.monotonic() < deadline, f"not within {seconds} s: {condition}\n{self.text}"
            if not self.read(0.05) and not wanted():
                raise AssertionError(f"the program has ended\n{self.text}\n{self.output[-2000:]!r}")

    def for_seconds(self, seconds):
        """Read for so long and return the bytes that came."""
        before = len(self.output)
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.read(left)
        return self.output[before:]

    def settle(self, quiet=0.12, seconds=5):
        """Read until nothing has come for `quiet` seconds, or for `seconds` at most; return the bytes that came."""
        before, began, last = len(self.output), time.monotonic(), time.monotonic()
        while time.monotonic() < min(last + quiet, began + seconds):
            had = len(self.output)
            self.read(max(0.0, last + quiet - time.monotonic()))
            if len(self.output) > had:
                last = time.monotonic()
        return self.output[before:]

    def press(self, keys):
        os.write(self.fd, keys.encode())

    def signal(self, number):
        os.kill(self.pid, number)

    def end(self, seconds=20):
        """Wait for the program to end by itself and return its exit code."""
        deadline = time.monotonic() + seconds
        while self.status is None:
            assert time.monotonic() < deadline, f"still running\n{self.text}"
            with contextlib.suppress(OSError):
                self.read(0.05)
            self.has_ended()
        while select.select([self.fd], [], [], 0)[0] and self.read(0):
            continue
        return os.waitstatus_to_exitcode(self.status)

    def has_ended(self):
        """True once the program is no more; does not read what it writes."""
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.status = status if pid else None
        return self.status is not None

    def is_full(self, seconds=0.3):
        """True when it has written all it could and nobody has read it."""
        before = self._unread()
        return before > 2_000 and not select.select([], [], [], seconds)[0] and self._unread() == before

    def _unread(self):
        return int.from_bytes(fcntl.ioctl(self.fd, termios.FIONREAD, bytes(4)), sys.byteorder)

    @property
    def text(self):
        return "\n".join(self._line(self.screen.buffer[y]) for y in range(self.screen.lines))

    def _line(self, cells):
        """A line of the picture; unlike `display` of the emulator it can show half of a wide character that is left."""
        texts = [cells[x].data for x in range(self.screen.columns)]
        return "".join(text or ("" if x and wcwidth(texts[x - 1][:1]) == 2 else " ") for x, text in enumerate(texts))

    @property
    def stray(self):
        """The first characters that are not of our making; empty when there are none."""
        text, position = self.output.decode(), 0
        while position < len(text):
            match = GRAMMAR.match(text, position)
            if match is None:
                return text[position : position + 40]
            position = match.end()
        return ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.status is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)
