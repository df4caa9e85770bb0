"""Searching: pieces of lists and sorted sets looked through inside Redis, so that only what fits travels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from taskconsole.store.call import Call, command
from taskconsole.store.reading import PREVIEW, Seen

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["MAX_DETAIL", "MAX_NEEDLE", "Kind", "Look", "look_for_head", "look_for_text", "rank"]

MAX_DETAIL = 65_536
"""Bytes of a payload that a task in full brings."""

MAX_NEEDLE = 200
"""Bytes; what is looked for is compared again and again, so its length is part of what a look costs."""

MAX_BYTES = 1_048_576
"""Bytes of payloads after which one look ends: some milliseconds of Redis."""

MAX_FOUND = 100
"""Payloads that one look brings."""

Kind = Literal["list", "zset"]


@dataclass(frozen=True, slots=True)
class Look:
    """What one look has found.

    A place counts from the right end of a list; in a sorted set it is the rank by ascending score.
    """

    next: int | None
    """The place to go on from, downwards; None when the piece has been looked through."""
    total: int
    """Elements of the key."""
    average: int
    """Bytes of a payload on average, as far as they were looked at."""
    found: tuple[tuple[int, Seen], ...]
    """Places and payloads, the highest place first."""


def look_for_text(
    key: str,
    kind: Kind,
    first: int,
    last: int,
    needles: Sequence[bytes],
    cut: int = PREVIEW,
    average: int = 0,
    most: int = MAX_FOUND,
) -> Call[Look]:
    """Payloads with one of the needles in their first megabyte, from place `first` down to `last`.

    They come cut after `cut` bytes. The `average` of the look before makes it faster.
    A needle is in lower case and has at most 200 bytes; letters that are not ASCII must agree in their case. Every
    payload has the empty one. At most `most` are found.
    """
    assert all(len(needle) <= MAX_NEEDLE for needle in needles)
    return _look(key, kind, first, last, cut, "", average, needles, most)


def look_for_head(key: str, kind: Kind, first: int, last: int, head: bytes, size: int, cut: int) -> Call[Look]:
    """Payloads of `size` bytes that begin with `head`, cut after `cut` bytes."""
    # What lies around it is most likely of its size.
    return _look(key, kind, first, last, cut, size, max(1, size), [head])


def rank(key: str, member: bytes) -> Call[int | None]:
    """How many members of a sorted set come before this one; None when it is not there."""
    return command("ZRANK", key, member, parse=lambda r: None if r is None else int(r))


def _look(
    key: str,
    kind: Kind,
    first: int,
    last: int,
    cut: int,
    size: int | str,
    average: int,
    needles: Sequence[bytes],
    most: int = MAX_FOUND,
) -> Call[Look]:
    return Call.of("search", (key,), (kind, first, last, cut, MAX_BYTES, most, size, average, *needles), _read)


def _read(reply: Any) -> Look:
    after = int(reply[0])
    found = tuple(
        (int(reply[i]), Seen(bytes(reply[i + 1]), int(reply[i + 2]), float(reply[i + 3]) if reply[i + 3] else None))
        for i in range(3, len(reply), 4)
    )
    return Look(None if after < 0 else after, int(reply[1]), int(reply[2]), found)
