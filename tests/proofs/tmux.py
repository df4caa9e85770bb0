"""The console in tmux, the terminal that most operators have around it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tests.servers import ROOT

TMUX = shutil.which("tmux")

POLL = 0.05
"""Seconds between two looks: each starts a process."""


class InTmux:
    """`taskconsole` under an interactive shell, in a tmux server of its own; a context manager.

    Args:
        url: Of the Redis.
        size: Columns and lines.
        home: For the shell and the console.
    """

    def __init__(self, url, *, size, home):
        self._server = f"taskconsole-test-{os.getpid()}"
        self._size = size
        self._home = home
        self._url = url

    def __enter__(self):
        width, height = map(str, self._size)
        own = {
            "TASKCONSOLE_URL": self._url,
            "HOME": self._home,
            "XDG_STATE_HOME": self._home,
            "PAGER": "cat",
            "PROMPT_COMMAND": "",
        }
        environment = [word for name, value in own.items() for word in ("-e", f"{name}={value}")]
        self._tmux("-f", "/dev/null", "new-session", "-d", "-x", width, "-y", height, *environment, "bash --norc -i")
        self.start()
        return self

    def __exit__(self, *_):
        subprocess.run([TMUX, "-L", self._server, "kill-server"], check=False, capture_output=True)

    def _tmux(self, *arguments):
        environment = {name: value for name, value in os.environ.items() if name not in {"TMUX", "NO_COLOR"}}
        ended = subprocess.run(
            [TMUX, "-L", self._server, *arguments], check=True, capture_output=True, cwd=ROOT, env=environment
        )
        return ended.stdout.decode()

    def start(self):
        """Type the command; the shell tells when it has ended."""
        self.press(f"{shlex.quote(sys.executable)} -m taskconsole; printf '\\nended with %s\\n' $?\r")

    def press(self, keys):
        """Exactly these bytes, as if typed."""
        data = [f"{byte:02x}" for byte in keys.encode()]
        for at in range(0, len(data), 500):
            self._tmux("send-keys", "-H", *data[at : at + 500])

    @property
    def text(self):
        """What is on the screen."""
        return self._tmux("capture-pane", "-p")

    def until(self, wanted, seconds=60, *, alive=True):
        """Wait for a text on the screen; the console must not have ended before, unless it may."""
        deadline = time.monotonic() + seconds
        while wanted not in (text := self.text):
            assert not (alive and re.search(r"ended with \d", text)), f"it has ended\n{text}"
            assert time.monotonic() < deadline, f"not within {seconds} s: {wanted}\n{text}"
            time.sleep(POLL)

    def rest(self):
        """Let what was asked for come in: until two pictures are the same but for the clock."""
        before = ""
        for _ in range(10):
            picture = self.text.partition("\n")[2]
            if picture == before:
                return
            before = picture
            time.sleep(2 * POLL)

    def answers(self, word):
        """Wait until it says that there is no such command."""
        self.until(f"no command '{word}'")

    def resize(self, width, height):
        """Another size."""
        self._tmux("resize-window", "-x", str(width), "-y", str(height))


def logs_of(home):
    """Whatever the console has written below its home, for a look at what should not be there."""
    return "\n".join(path.read_text(errors="replace") for path in Path(home).rglob("*") if path.is_file())
