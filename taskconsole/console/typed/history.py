"""The lines typed after `:`, kept for the next time."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from taskconsole.console.saving.private_files import add_line, read_start, write_over

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["History", "history_path"]

MOST = 500
"""Lines."""

LONGEST = 1000
"""Characters of a line that is kept."""

# A line that names a secret is forgotten: rather one too many.
_SECRET = re.compile(r"(?:password|passwd|passphrase|secret|token|api_?key)\s*[=:]", re.IGNORECASE)


def history_path(environ: Mapping[str, str]) -> Path | None:
    """Where the history is: below XDG_STATE_HOME, else ~/.local/state; None when there is no such place."""
    state, home = environ.get("XDG_STATE_HOME", ""), environ.get("HOME", "")
    if state.startswith("/"):
        return Path(state) / "taskconsole" / "history"
    return Path(home) / ".local" / "state" / "taskconsole" / "history" if home.startswith("/") else None


class History:
    """Lines, oldest first, and a place among them while the operator leafs through.

    A file that cannot be used costs the memory of other sessions, nothing else: see `trouble`.

    Args:
        path: The file, which several consoles may share; None to keep nothing.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._lines: list[str] = []
        self._at = 0
        self._typed = ""
        self.trouble = ""
        """Why the file is not used, if it is not."""
        self._load()

    @property
    def lines(self) -> tuple[str, ...]:
        """Oldest first, all printable."""
        return tuple(self._lines)

    def add(self, line: str) -> None:
        """Keep a line, unless it is empty, the same as the last, or holds a secret; leafing starts anew."""
        line = line.strip()
        if _is_kept(line) and self._lines[-1:] != [line]:
            self._lines.append(line)
            del self._lines[:-MOST]
            self._write(line)
        self._at, self._typed = len(self._lines), ""

    def older(self, shown: str) -> str:
        """The line before the one that is shown; at the oldest it stays."""
        if self._at == len(self._lines):
            self._typed = shown
        if not self._lines:
            return shown
        self._at = max(0, self._at - 1)
        return self._lines[self._at]

    def newer(self, shown: str) -> str:
        """The line after the one that is shown; after the newest comes what had been typed."""
        if self._at == len(self._lines):
            return shown
        self._at += 1
        return self._typed if self._at == len(self._lines) else self._lines[self._at]

    def _load(self) -> None:
        if self._path is None:
            return
        try:
            content = read_start(self._path, 4 * MOST * LONGEST)
        except FileNotFoundError:
            return
        except (OSError, ValueError) as error:
            self._give_up(error)
            return
        lines = [line for line in content.decode("utf-8", "replace").split("\n") if _is_kept(line)]
        self._lines = lines[-MOST:]
        self._at = len(self._lines)
        if content.count(b"\n") > 2 * MOST:
            # Not at every line: what another console adds meanwhile would be lost.
            self._compact()

    def _compact(self) -> None:
        assert self._path is not None
        try:
            write_over(self._path, "".join(f"{line}\n" for line in self._lines).encode())
        except OSError as error:
            self._give_up(error)

    def _write(self, line: str) -> None:
        if self._path is None or self.trouble:
            return
        try:
            add_line(self._path, line.encode())
        except (OSError, ValueError) as error:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        self.trouble = str(getattr(error, "strerror", None) or error)


def _is_kept(line: str) -> bool:
    """True for a line that means something and gives nothing away."""
    _, is_url, rest = line.partition("://")
    return (
        bool(line)
        and len(line) <= LONGEST
        and line.isprintable()
        and not (is_url and "@" in rest)
        and (_SECRET.search(line) is None)
    )
