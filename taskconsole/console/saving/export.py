"""Rows as CSV or JSON, and files whose names strangers had a part in.

A spreadsheet runs a cell that begins like a formula; a name from Redis may be a path. Neither gets so far.
"""

from __future__ import annotations

import csv
import io
import json
import math
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from taskconsole.console.saving.private_files import write_new
from taskconsole.model.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["ExportError", "Kind", "csv_text", "destination", "export", "file_name", "json_lines", "save"]

MAX_NAME = 100
"""Bytes of a file's name before its number and suffix."""

MAX_NUMBER = 1000
"""Files of one name."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001 - spreadsheets take them too
_DEVICES = frozenset({"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))})


class ExportError(Exception):
    """Nothing was exported; the text is one line that says why."""


class Kind(StrEnum):
    """What can be exported, and the suffix of its file."""

    CSV = "csv"
    JSON = "json"
    SVG = "svg"


def export(
    kind: Kind,
    headings: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    name: str,
    directory: Path | None = None,
) -> Path:
    """Save rows as CSV or JSON (a picture is not made of rows); returns the file's path.

    Raises:
        ExportError: It cannot be written.
    """
    assert kind is not Kind.SVG
    text = csv_text(headings, rows) if kind is Kind.CSV else json_lines(headings, rows)
    return save(name, kind, text, directory)


def csv_text(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    r"""Rows for people and spreadsheets: one line each, control characters as escapes like `\n`.

    A text that a spreadsheet would take for a formula gets a `'` in front; numbers stay as they are. None is empty.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([_cell(heading) for heading in headings])
    writer.writerows([_cell(value) for value in row] for row in rows)
    return out.getvalue()


def json_lines(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Rows for programs: an object per line with the headings as names, in ASCII; values are exact.

    Bytes become text, those that are not UTF-8 escapes; what is no number in JSON becomes null.
    """
    return "".join(
        json.dumps(dict(zip(headings, map(_plain, row), strict=True)), ensure_ascii=True, allow_nan=False, default=str)
        + "\n"
        for row in rows
    )


def save(name: str, suffix: str, data: str | bytes, directory: Path | None = None) -> Path:
    """Write a new file in `directory` (else the current one) that only its owner may read; returns its path.

    Whatever `name` is, the file is in that directory; when there is one of that name, it gets a number.

    Raises:
        ExportError: It cannot be written.
    """
    place = Path.cwd() if directory is None else directory
    content = data.encode("utf-8", "backslashreplace") if isinstance(data, str) else data
    try:
        for number in range(1, MAX_NUMBER + 1):
            chosen = file_name(name, suffix, number)
            try:
                write_new(place, chosen, content)
            except FileExistsError:
                continue
            return place / chosen
    except (OSError, ValueError) as error:
        # A directory with a null byte is a ValueError.
        reason = getattr(error, "strerror", None) or error
        raise ExportError(f"cannot write {printable(place / chosen, 300)}: {reason}") from error
    raise ExportError(f"there are {MAX_NUMBER} files like {chosen} already")


def file_name(name: str, suffix: str, number: int = 1) -> str:
    """`name` as the name of a file on any system: letters, digits, dots, dashes; `reports-2.csv` for the second."""
    kept = "".join(c if c.isalnum() or c in "._-" else "_" for c in name[: 2 * MAX_NAME])
    # No hidden file, and none that looks like an option.
    kept = kept.encode()[:MAX_NAME].decode("utf-8", "ignore").strip(".-")
    if not kept.strip("_"):
        kept = "export"
    if kept.split(".")[0].lower() in _DEVICES:
        kept = f"_{kept}"
    return f"{kept}.{suffix}" if number == 1 else f"{kept}-{number}.{suffix}"


def destination(typed: str, fallback: str) -> tuple[Path, str]:
    """The directory and the name for what an operator typed: a directory, a file or a path; empty: `fallback` here.

    What an operator types is his own choice; `fallback` may hold what strangers wrote.
    """
    path = Path(typed)
    if typed.startswith("~"):
        try:
            path = path.expanduser()
        except RuntimeError as error:
            raise ExportError(f"cannot tell where {printable(typed, 100)} is") from error
    try:
        is_directory = not typed or path.is_dir()
    except (OSError, ValueError) as error:
        raise ExportError(f"cannot use {printable(typed, 100)} as a file") from error
    if is_directory:
        return path, fallback
    # The suffix comes with the kind.
    return path.parent, path.stem if path.suffix.lower() in {f".{kind}" for kind in Kind} else path.name


def _cell(value: Any) -> Any:
    plain = _plain(value)
    if plain is None or (isinstance(plain, int | float) and not isinstance(plain, bool)):
        return plain
    text = plain if isinstance(plain, str) else json.dumps(plain, default=str)
    shown = printable(text)
    return f"'{shown}" if text.startswith(_FORMULA) or text.lstrip().startswith(_FORMULA) else shown


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
