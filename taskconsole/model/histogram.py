"""Durations counted in buckets that double, and what can be said of them. Pure.

Workers count how long each task waited and ran; whoever looks adds the counts of several minutes and reads a
percentile off them. It is an estimate: a bucket knows how many durations fell into it, not where.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["BUCKETS", "bucket", "percentile"]

BUCKETS = 44
"""Bucket i counts durations below 2**i microseconds and not below half of that."""


def bucket(seconds: float) -> tuple[int, float, float]:
    """Where a duration is counted, and that bucket's bounds: the next one most likely falls between them, too."""
    index = min(int(min(max(seconds, 0.0), 1e9) * 1_000_000).bit_length(), BUCKETS - 1)
    bottom = 2.0 ** (index - 1) / 1_000_000 if index else float("-inf")
    top = 2.0**index / 1_000_000 if index < BUCKETS - 1 else float("inf")
    return index, bottom, top


def percentile(counts: Sequence[int], share: float) -> float | None:
    """Seconds that `share` of the durations stay below, as if each bucket were filled evenly; None without any."""
    counts = [max(0, n) for n in counts]
    wanted = sum(counts) * share
    if not wanted:
        return None
    for bucket, n in enumerate(counts):
        if n >= wanted:
            top = 2.0**bucket / 1_000_000
            bottom = top / 2 if bucket else 0.0
            return bottom + (top - bottom) * wanted / n
        wanted -= n
    return None
