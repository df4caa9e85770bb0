"""Files the console writes for its operator: nobody else may read them, and no symbolic link is followed.

All raise OSError, and take any name: a link, a pipe or a device in the place of a file is refused.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["NewFile", "add_line", "read_start", "write_new", "write_over"]

MODE = 0o600
# Opening a pipe must not wait for its other end.
_SAFELY = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


def write_new(directory: Path, name: str, data: bytes) -> None:
    """Make `name`, which must not exist, in a directory; nothing is left of it when it cannot be written whole.

    Raises:
        FileExistsError: Something of that name is there, be it a dangling link.
    """
    where = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _SAFELY, MODE, dir_fd=where)
        try:
            _write_and_close(file, data)
        except BaseException:
            os.unlink(name, dir_fd=where)
            raise
    finally:
        os.close(where)


def write_over(path: Path, data: bytes) -> None:
    """Make the file, or replace what is in it."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | _SAFELY, MODE)
    try:
        _check(file, path)
        os.ftruncate(file, 0)
    except BaseException:
        os.close(file)
        raise
    _write_and_close(file, data)


def add_line(path: Path, line: bytes) -> None:
    """Put a line at the end; several processes may do so at once. Makes the file and its directory."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | _SAFELY, MODE)
    try:
        _check(file, path)
    except BaseException:
        os.close(file)
        raise
    _write_and_close(file, line + b"\n")


class NewFile:
    """A file that must not exist and grows line by line; each is out of our hands when `write` returns.

    Raises:
        FileExistsError: Something of that name is there, be it a dangling link.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | _SAFELY, MODE)

    def write(self, line: bytes) -> None:
        """Append all of it."""
        while line:
            line = line[os.write(self._file, line) :]

    def close(self) -> None:
        """No more comes."""
        os.close(self._file)


def read_start(path: Path, most: int) -> bytes:
    """The first `most` bytes of a file.

    Raises:
        FileNotFoundError: There is none.
    """
    file = os.open(path, os.O_RDONLY | _SAFELY)
    with os.fdopen(file, "rb") as opened:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise OSError(f"{path} is not a file")
        return opened.read(most)


def _check(file: int, path: Path) -> None:
    """Refuse what is not a plain file; take away what others may do with one."""
    if not stat.S_ISREG(os.fstat(file).st_mode):
        raise OSError(f"{path} is not a file")
    os.fchmod(file, MODE)


def _write_and_close(file: int, data: bytes) -> None:
    with os.fdopen(file, "wb") as opened:
        opened.write(data)
