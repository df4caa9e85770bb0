r"""Copying to the clipboard of the machine the operator sits at, and saying truly where a text has gone.

Over SSH the only way there is through the terminal: OSC 52, `ESC ] 52 ; c ; base64 BEL`. Inside tmux (3.3a, as
measured) a plain OSC 52 never gets through with the default settings, and `tmux load-buffer -w -` always does.
"""

from __future__ import annotations

import base64
import subprocess
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from taskconsole.console.saving.private_files import write_over
from taskconsole.model.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["FILE", "MAX_BYTES", "Copied", "CopyError", "How", "copy", "osc52"]

FILE = "taskconsole-clip.txt"
"""In the home directory: where a text goes that can go nowhere else."""

MAX_BYTES = 65_536
"""Of UTF-8. Terminals ignore longer sequences, without a word."""

PATIENCE = 2.0
"""Seconds tmux may take; milliseconds are usual."""

SCREEN_CHUNK = 250
"""Characters screen passes on at once; its oldest versions hold 256."""


class CopyError(Exception):
    """The text is nowhere; one line says why."""


class How(StrEnum):
    """The way a text has gone."""

    TMUX = "tmux"
    TERMINAL = "terminal"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class Copied:
    """What became of a copy."""

    how: How
    where: str
    """For the operator, after `copied to `: which clipboard, or the path of the file."""


def copy(
    text: str,
    *,
    environ: Mapping[str, str],
    write: Callable[[str], None] | None,
    run: Callable[..., Any] = subprocess.run,
) -> Copied:
    """Copy a text exactly, through tmux, else through the terminal, else into a file. May take two seconds.

    Args:
        text: Anything; what is no UTF-8 becomes escapes. A file takes it from 64 kB on.
        environ: Of the process: TMUX, STY, TERM, HOME and PATH count.
        write: Writes to the terminal without a change of the screen; None when there is none, or it must not be used.
        run: As subprocess.run.

    Raises:
        CopyError: No way was open.
    """
    data = text.encode("utf-8", "backslashreplace")
    if len(data) <= MAX_BYTES:
        # What is written to the terminal inside tmux ends there: no use to try it when tmux does not help.
        inside = bool(environ.get("TMUX"))
        copied = _through_tmux(data, environ, run) if inside else _through_terminal(data, environ, write)
        if copied is not None:
            return copied
    return _into_file(data, environ)


def osc52(data: bytes, *, screen: bool = False) -> str:
    """The sequence that makes a terminal put `data` on its clipboard; wrapped in pieces when GNU screen is between."""
    sequence = f"\x1b]52;c;{base64.b64encode(data).decode('ascii')}\x07"
    if not screen:
        return sequence
    pieces = (sequence[i : i + SCREEN_CHUNK] for i in range(0, len(sequence), SCREEN_CHUNK))
    return "".join(f"\x1bP{piece}\x1b\\" for piece in pieces)


def _through_tmux(data: bytes, environ: Mapping[str, str], run: Callable[..., Any]) -> Copied | None:
    places = {
        ("-w",): "tmux's buffer, and your terminal's clipboard if it takes OSC 52",
        # Before tmux 3.2.
        (): "tmux's buffer: paste with its prefix and ]",
    }
    for options, where in places.items():
        try:
            ended = run(
                ["tmux", "load-buffer", *options, "-"],
                input=data,
                timeout=PATIENCE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=dict(environ),
                check=False,
            )
        except (OSError, subprocess.SubprocessError):
            # No tmux on the path, or its server hangs.
            return None
        if ended.returncode == 0:
            return Copied(How.TMUX, where)
    return None


def _through_terminal(data: bytes, environ: Mapping[str, str], write: Callable[[str], None] | None) -> Copied | None:
    if write is None or environ.get("TERM", "") in {"", "dumb", "linux"}:
        return None
    try:
        write(osc52(data, screen=bool(environ.get("STY"))))
    except OSError:
        return None
    # Nothing answers: whether it was taken cannot be known.
    if environ.get("TERM", "").startswith("tmux") or (not environ.get("STY") and "screen" in environ.get("TERM", "")):
        return Copied(How.TERMINAL, "your terminal's clipboard, if the tmux around this has set-clipboard on")
    return Copied(How.TERMINAL, "your terminal's clipboard, if it takes OSC 52")


def _into_file(data: bytes, environ: Mapping[str, str]) -> Copied:
    home = environ.get("HOME", "")
    if not home.startswith("/"):
        raise CopyError("nothing copied: no clipboard in reach, and no HOME for a file")
    path = Path(home) / FILE
    try:
        write_over(path, data)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CopyError(f"nothing copied: cannot write {printable(path, 200)}: {printable(reason, 200)}") from error
    return Copied(How.FILE, printable(path, 300))
