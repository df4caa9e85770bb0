"""What somebody may have meant who wrote a word that is not known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from taskconsole.model.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["did_you_mean"]

LONGEST = 100
"""Characters of a word that is compared; comparing costs their square."""

MOST_KNOWN = 2000
"""Words it is compared with, at most."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`: did you mean 'queues'?`, fit for the end of a message, or an empty string when nothing is near."""
    from difflib import get_close_matches  # noqa: PLC0415 - for a mistake only
    from itertools import islice  # noqa: PLC0415 - the same

    if len(word) > LONGEST:
        return ""
    by_lower = {name.lower(): name for name in islice(known, MOST_KNOWN) if len(name) <= LONGEST}
    close = get_close_matches(word.lower(), by_lower, 1)
    return f": did you mean '{printable(by_lower[close[0]])}'?" if close else ""
