"""The console as users start it: `taskconsole` on a real Redis, in a pseudo-terminal, with all it costs."""

from __future__ import annotations

import psutil
from textual.keys import _character_to_key

from tests.console.pty_session import PtySession

KEYS = {
    **{_character_to_key(character): character for character in map(chr, range(0x20, 0x7F))},
    "enter": "\r",
    "escape": "\x1b",
    "tab": "\t",
    "shift+tab": "\x1b[Z",
    "backspace": "\x7f",
    "up": "\x1b[A",
    "down": "\x1b[B",
    "right": "\x1b[C",
    "left": "\x1b[D",
    "home": "\x1b[H",
    "end": "\x1b[F",
    "pageup": "\x1b[5~",
    "pagedown": "\x1b[6~",
    "ctrl+backslash": "\x1c",
}
"""What a terminal sends for the keys that Textual names in words."""


def bytes_of(key):
    """What a terminal sends for a key as Textual names it."""
    if key in KEYS:
        return KEYS[key]
    prefix, _, letter = key.partition("+")
    assert (prefix, len(letter)) == ("ctrl", 1), f"what does a terminal send for {key}?"
    return chr(ord(letter) & 0x1F)


class LiveConsole(PtySession):
    """`taskconsole` on the Redis of `url`, which goes by the environment: it may hold a password."""

    def __init__(self, url, *arguments, size=(80, 24), home=None, env=None):
        homes = {} if home is None else {"HOME": str(home), "XDG_STATE_HOME": str(home)}
        own = {"TASKCONSOLE_URL": url, "XDG_STATE_HOME": "/dev/null", "PAGER": "cat", "TMUX": "", **homes}
        super().__init__(*arguments, module="taskconsole", size=size, env={**own, **(env or {})})

    def go(self, command):
        """Type a command on the `:` line and let it be shown."""
        self.press(f":{command}\r")
        return self.settle()

    def rest(self):
        """Let what was asked for come in."""
        self.settle(0.25, 3)

    def answers(self, word):
        """Wait until it says that there is no such command."""
        self.until(f"no command '{word}'", 60)

    @property
    def cpu(self):
        """Seconds of processor it has used so far."""
        times = psutil.Process(self.pid).cpu_times()
        return times.user + times.system

    @property
    def rss(self):
        """Bytes of memory it holds."""
        return psutil.Process(self.pid).memory_info().rss
