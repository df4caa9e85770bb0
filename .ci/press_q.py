"""Run a command in a pseudo-terminal, wait until its console shows live figures, press q, and expect it to end well.

    python3 .ci/press_q.py 'COMMAND'

Needs nothing but Python: it is used where nothing else is installed yet.
"""

from __future__ import annotations

import os
import pty
import re
import select
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

INSTALL = 600.0
"""Seconds for what the command does before the console comes."""

MOVING = re.compile(rb"LIVE.*QUEUE.*STATE", re.DOTALL)
"""The header of a console that reads, and the table of queues."""

END = 30.0
"""Seconds from q to the end."""


def main(command: str) -> int:
    """Exit status: 0 when it was seen to work, else 1."""
    child, terminal = pty.fork()
    if child == 0:
        os.environ.update(TERM="xterm-256color", LINES="24", COLUMNS="80")
        os.execvp("bash", ["bash", "-c", f"stty rows 24 cols 80; {command}"])
    shown = read_until(terminal, INSTALL, lambda text: MOVING.search(text) is not None)
    if MOVING.search(shown) is None:
        print(f"no console in {INSTALL:g} s; the last it wrote:\n{shown[-2000:]!r}")
        return 1
    os.write(terminal, b"q")
    began = time.monotonic()
    process = os.pidfd_open(child)
    read_until(terminal, END, lambda _: False)
    # A process that ends has closed its terminal a little before it can be waited for.
    if not select.select([process], [], [], max(1.0, began + END - time.monotonic()))[0]:
        print(f"it has not ended {END:g} s after q")
        return 1
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    print(f"the console showed live queues and ended {time.monotonic() - began:.1f} s after q with {code}")
    return 0 if code == 0 else 1


def read_until(terminal: int, seconds: float, enough: Callable[[bytes], bool]) -> bytes:
    """What the program writes until it is enough, it ends, or the time is over."""
    text, until = b"", time.monotonic() + seconds
    while not enough(text) and (left := until - time.monotonic()) > 0:
        if not select.select([terminal], [], [], left)[0]:
            break
        try:
            text += os.read(terminal, 65_536)
        except OSError:
            # The other end of a pseudo-terminal is closed: the program has ended.
            break
    return text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
