"""Percentiles of durations that were only counted."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskconsole.model.histogram import BUCKETS, percentile


def counted(durations):
    counts = [0] * BUCKETS
    for seconds in durations:
        counts[int(seconds * 1_000_000).bit_length()] += 1
    return counts


def test_without_durations_there_is_no_percentile():
    assert percentile([0] * BUCKETS, 0.95) is None
    assert percentile([-3, 0], 0.95) is None, "anybody may write any number"


def test_the_estimate_is_within_the_bucket_of_the_true_one():
    rng = random.Random(1)
    durations = [rng.expovariate(1 / 0.2) for _ in range(5_000)]
    true = sorted(durations)[int(len(durations) * 0.95)]
    assert percentile(counted(durations), 0.95) == pytest.approx(true, rel=0.3)


@given(st.lists(st.floats(0, 10_000), min_size=1), st.floats(0.01, 1))
def test_it_is_never_beyond_twice_the_longest(durations, share):
    estimate = percentile(counted(durations), share)
    assert 0 <= estimate <= max(2 * max(durations), 2e-6)
