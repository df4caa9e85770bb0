"""Whatever is pressed: what is left of the frames makes the same picture as all that Textual has painted."""

from __future__ import annotations

import fcntl
import json
import random
import re
import signal
import struct
import termios

import pyte
import pytest

from tests.console.emulated import seen
from tests.console.pty_session import PtySession
from tests.servers import FULL

pytestmark = pytest.mark.pty

KEYS = [*"jkgGv ?opwlhyYm12345678123:/][", "\t", "\r", "\x04", "\x15", "\x12", "\x1b[27u", "\x1b[27u"]
"""All but q, which ends it at last; ctrl+r draws every cell again."""

SIZES = [(80, 24), (100, 30), (72, 20), (50, 12)]

ASKED = re.compile(r"\x1b\[[<>=?][\d;]*[u$]p?|\x1b\][^\x1b\x07]*(?:\x1b\\|\x07)")


class Painted:
    """An emulator that is shown all that Textual has painted."""

    def __init__(self, path, size):
        self.screen = pyte.Screen(*size)
        self._stream = pyte.Stream(self.screen)
        self._path, self._read = path, 0

    def shows(self, other):
        """Catch up; is the other picture the same?"""
        with self._path.open("rb") as file:
            file.seek(self._read)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._read += len(line)
                self._take(json.loads(line))
        return seen(other) == seen(self.screen)

    def _take(self, told):
        if isinstance(told, list):
            self.screen.resize(told[1], told[0])
        else:
            self._stream.feed(ASKED.sub("", told))


def resize(session, size):
    width, height = size
    session.screen.resize(height, width)
    fcntl.ioctl(session.fd, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
    session.signal(signal.SIGWINCH)
    session.for_seconds(0.3)


@pytest.mark.parametrize("where", ["over ssh", "here"] if FULL else ["over ssh"])
def test_after_any_keys_the_terminal_shows_all_that_was_painted(where, tmp_path):
    env = {"SSH_CONNECTION": "1 2 3 4"} if where == "over ssh" else {}
    for seed in range(20 if FULL else 1):
        copy = tmp_path / f"painted-{seed}"
        with PtySession("calm", "5", env={**env, "TWICE": str(copy)}, module="tests.console.twice_program") as session:
            session.until("queue_05")
            wander(session, Painted(copy, SIZES[0]), random.Random(seed))


def wander(session, painted, dice):
    for _ in range(12 if FULL else 3):
        for key in dice.choices(KEYS, k=6):
            session.press(key)
            session.for_seconds(0.05)
        if dice.random() < 0.4:
            resize(session, dice.choice(SIZES))
        # The clock moves on meanwhile; at rest they are the same.
        session.until(lambda: painted.shows(session.screen), seconds=10)
