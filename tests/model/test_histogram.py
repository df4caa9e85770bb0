"""Percentiles of durations that were only counted."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskconsole.model.histogram import BUCKETS, bucket, percentile


def counted(durations):
    counts = [0] * BUCKETS
    for seconds in durations:
        counts[int(seconds * 1_000_000).bit_length()] += 1
    return counts


@given(st.floats(-1, 2e9))
def test_a_duration_lies_within_its_bucket(seconds):
    index, bottom, top = bucket(seconds)
    assert 0 <= index < BUCKETS
    assert bottom <= seconds < top
    assert bucket((max(bottom, 0.0) + min(top, 3e9)) / 2)[0] == index


@pytest.mark.parametrize(("seconds", "index"), [(0.0, 0), (0.99e-6, 0), (1e-6, 1), (3.9e-6, 2), (1.0, 20), (1e300, 43)])
def test_buckets_double(seconds, index):
    assert bucket(seconds)[0] == index


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
