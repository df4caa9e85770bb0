"""The one place where text from outside becomes text that is safe on one line of a terminal or a log."""

from __future__ import annotations

import codecs

__all__ = ["printable"]

# Looked up now: Python opens a file for it, which may be impossible when there is an error to tell of.
_escape = codecs.lookup("unicode_escape").encode


def printable(text: object, limit: int | None = None) -> str:
    r"""`text` with everything escaped that could start a new line or reach a terminal as a command.

    What Python does not call printable becomes an escape like `\n`, `\x1b` or `\u202e`: control characters,
    line separators, direction marks, lone surrogates. The result can be encoded as UTF-8, and is itself
    printable. Longer than `limit` characters, it ends in `…`.
    """
    try:
        plain = str(text)
    except RecursionError:
        plain = f"({type(text).__name__}, nested too deeply to be shown)"
    if limit is not None and len(plain) > limit:
        # An escape is never cut in two: the cut comes first, and once more after escaping made it longer.
        plain = plain[: limit + 1]
    if not plain.isprintable():
        plain = "".join(c if c.isprintable() else _escape(c)[0].decode("ascii") for c in plain)
    if limit is not None and len(plain) > limit:
        plain = plain[: max(0, limit - 1)] + "…"
    return plain
