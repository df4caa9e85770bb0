"""What the command line writes: data to stdout, narration to stderr, tables, JSON."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

from taskconsole.model.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["as_json", "say", "write_json", "write_line", "write_table"]

CELL = 80
"""Characters of one cell; a name of a megabyte is not a name."""

LINE = 500
"""Characters of one line of narration; an error may quote what somebody else wrote."""

GAP = "  "


def say(text: object) -> None:
    """One line of narration on stderr."""
    print(f"taskconsole: {printable(text, LINE)}", file=sys.stderr, flush=True)


def write_line(text: object = "") -> None:
    """One line of data on stdout."""
    sys.stdout.write(f"{_encodable(printable(text))}\n")


def write_json(value: Any) -> None:
    """A value as one line of ASCII JSON on stdout."""
    sys.stdout.write(json.dumps(value, ensure_ascii=True, allow_nan=False, default=str) + "\n")


def as_json(value: Any) -> Any:
    """A value of ours as what JSON can carry; bytes as text, other bytes escaped, no number that is none."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: as_json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    return value


def write_table(headings: Sequence[str], rows: Iterable[Sequence[object]], *, right: Iterable[int] = ()) -> None:
    """Rows under headings in aligned columns; `right` names the columns of numbers."""
    cells = [[printable(heading) for heading in headings]]
    cells += [[printable("-" if cell is None else cell, CELL) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(headings))]
    numbers = frozenset(right)
    for row in cells:
        padded = [
            text.rjust(width) if i in numbers else text.ljust(width)
            for i, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        write_line(GAP.join(padded).rstrip())


def _encodable(text: str) -> str:
    """`text` with what the terminal's encoding lacks escaped: a name never makes the program fail."""
    encoding = sys.stdout.encoding or "ascii"
    return text.encode(encoding, "backslashreplace").decode(encoding)
