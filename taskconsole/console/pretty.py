"""Payloads as people read them: JSON laid out, everything else as text or bytes; secrets masked. Pure.

What comes out is safe for a terminal, whatever went in.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from taskconsole.console.text.safe import safe
from taskconsole.model.secrecy import DEEPEST, concealed_text, masked

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["pretty"]

LONGEST = 20_000
"""Characters of one text inside; lines of one value at most."""

MOST_LINES = 5_000


def pretty(payload: bytes, secrets: Sequence[str] = ()) -> list[str]:
    """The lines of a payload.

    Args:
        payload: The bytes as they lie in Redis.
        secrets: Globs; the values of arguments whose names fit one are masked.
    """
    try:
        value = json.loads(payload, parse_constant=_constant)
    except (ValueError, RecursionError):
        # Not JSON, a number of thousands of digits, or brackets without end.
        text = concealed_text(payload.decode("utf-8", "backslashreplace"), secrets)
        return [safe(line, LONGEST) for line in text.split("\n")[:MOST_LINES]]
    lines: list[str] = []
    _lay_out(masked(value, secrets), "", "", lines, 0)
    if len(lines) > MOST_LINES:
        lines[MOST_LINES:] = [f"… {len(lines) - MOST_LINES:,} lines more"]
    return lines


def _constant(name: str) -> str:
    """NaN and its like are not JSON, but people write them."""
    return name


def _lay_out(value: Any, head: str, tail: str, lines: list[str], depth: int) -> None:
    """Append `head`, the value and `tail`, over as many lines as its shape asks for."""
    indent = "  " * depth
    if len(lines) > MOST_LINES:
        return
    if isinstance(value, dict) and value and depth < DEEPEST:
        lines.append(f"{indent}{head}{{")
        last = len(value) - 1
        for i, (name, inner) in enumerate(value.items()):
            _lay_out(inner, f"{_text(name)}: ", "" if i == last else ",", lines, depth + 1)
        lines.append(f"{indent}}}{tail}")
    elif isinstance(value, list) and depth < DEEPEST and any(isinstance(inner, dict | list) for inner in value):
        lines.append(f"{indent}{head}[")
        last = len(value) - 1
        for i, inner in enumerate(value):
            _lay_out(inner, "", "" if i == last else ",", lines, depth + 1)
        lines.append(f"{indent}]{tail}")
    else:
        lines.append(f"{indent}{head}{_flat(value)}{tail}")


def _flat(value: Any) -> str:
    if isinstance(value, str):
        return _text(value)
    try:
        return safe(json.dumps(value, ensure_ascii=False), LONGEST)
    except (ValueError, RecursionError):
        return "?"


def _text(value: str) -> str:
    """A text in quotes; `safe` makes visible what JSON would not escape."""
    return safe(json.dumps(value, ensure_ascii=False), LONGEST)
