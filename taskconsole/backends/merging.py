"""The beginning of several ordered sources as one, reading little more of each than belongs to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Entry", "ReadOn", "Want", "merged"]

Item = TypeVar("Item")

LEAST = 8
"""Entries of a source that are read at a time, at least."""


class Entry(NamedTuple, Generic[Item]):
    """One entry; they compare by their order in all sources together."""

    key: tuple[float, ...]
    source: int
    """Equal keys come in the order of the sources."""
    place: int
    """How many come before it in its own source."""
    item: Item


class Want(NamedTuple, Generic[Item]):
    """What is to be read next of one source."""

    source: int
    place: int
    """So many of it have been read."""
    last: Item | None
    """The last of those; None at the beginning."""
    most: int
    """At most so many more."""


class ReadOn(Protocol[Item]):
    """Reads on in several sources, best in one round trip."""

    def __call__(self, wants: Sequence[Want[Item]], /) -> Sequence[Sequence[tuple[tuple[float, ...], Item]]]:
        """For each want the entries that follow, each with its key; fewer than wanted means the source ends there."""


def merged(sources: int, depth: int, read: ReadOn[Item]) -> list[Entry[Item]]:
    """The first `depth` entries of all sources in order; each source has its keys in ascending order.

    It reads about `depth` + 8 x `sources` entries when the sources are alike. Where one has nearly all that come
    first, its pieces double, so that the round trips grow with the logarithm, and at most about twice `depth` more
    is read.
    """
    found: list[list[Entry[Item]]] = [[] for _ in range(sources)]
    steps = [-(-depth // max(1, sources)) + LEAST] * sources
    reading = list(range(sources)) if depth > 0 else []
    opened = set(reading)
    first: list[Entry[Item]] = []
    while reading:
        wants = [
            Want(i, len(found[i]), found[i][-1].item if found[i] else None, min(steps[i], depth - len(found[i])))
            for i in reading
        ]
        for want, more in zip(wants, read(wants), strict=True):
            i = want.source
            found[i] += [Entry(key, i, want.place + n, item) for n, (key, item) in enumerate(more[: want.most])]
            steps[i] *= 2
            if len(more) < want.most or len(found[i]) >= depth:
                opened.discard(i)
        first = sorted((entry for entries in found for entry in entries), key=_order)[:depth]
        # Beyond the last that was read of a source there may be more that belongs before the last of the first.
        reading = [i for i in sorted(opened) if len(first) < depth or _order(found[i][-1]) < _order(first[-1])]
    return first


def _order(entry: Entry[Any]) -> tuple[tuple[float, ...], int, int]:
    return entry.key, entry.source, entry.place
