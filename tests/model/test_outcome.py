"""Back-off and verdicts."""

from __future__ import annotations

import asyncio
import datetime as dt
import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from taskconsole.model.outcome import Backoff, Bury, Retry, RetryAfter, describe, judge

attempts = st.integers(1, 10**6)
backoffs = st.builds(
    Backoff,
    base=st.floats(0.001, 100),
    factor=st.floats(1, 10),
    cap=st.floats(0, 10_000),
    jitter=st.booleans(),
)


@given(backoffs, attempts)
@example(Backoff(), 10**18)
def test_a_wait_is_never_negative_and_never_above_its_ceiling_and_cap(backoff, attempt):
    assert 0 <= backoff.delay(attempt) <= backoff.ceiling(attempt) <= backoff.cap


@given(backoffs, st.integers(1, 100))
def test_a_later_attempt_never_has_a_lower_ceiling(backoff, attempt):
    assert backoff.ceiling(attempt) <= backoff.ceiling(attempt + 1)


@pytest.mark.parametrize("attempt", [-(10**9), -1, 0])
def test_an_attempt_number_that_a_stranger_wrote_does_no_harm(attempt):
    assert 0 <= Backoff().delay(attempt) <= 2


def test_waits_double_up_to_the_cap():
    backoff = Backoff(base=3, cap=20, jitter=False)
    assert [backoff.delay(n) for n in (1, 2, 3, 4, 5)] == [3, 6, 12, 20, 20]


def test_jitter_spreads_the_waits_over_the_whole_range():
    waits = [Backoff(base=100).delay(1) for _ in range(500)]
    assert min(waits) < 10
    assert max(waits) > 90


@given(attempts, attempts, backoffs)
def test_an_attempt_is_retried_as_long_as_one_is_left(attempt, limit, backoff):
    verdict = judge(ValueError("no"), attempt=attempt, max_attempts=limit, backoff=backoff)
    if attempt < limit:
        assert isinstance(verdict, RetryAfter)
        assert (verdict.attempt, verdict.reason) == (attempt + 1, "ValueError: no")
        assert verdict.delay <= backoff.ceiling(attempt)
    else:
        assert isinstance(verdict, Bury)
        assert "ValueError: no" in verdict.reason


def test_the_only_attempt_is_not_called_the_last_of_many():
    assert judge(ValueError("no"), attempt=1, max_attempts=1, backoff=Backoff()) == Bury("ValueError: no")


def test_a_retry_waits_as_long_as_it_asks_for():
    verdict = judge(Retry("soon", delay=7), attempt=1, max_attempts=3, backoff=Backoff())
    assert verdict == RetryAfter(7, 2, "Retry: soon")
    now = judge(Retry(delay=0), attempt=1, max_attempts=3, backoff=Backoff(base=50, jitter=False))
    assert now.delay == 0
    unsaid = judge(Retry(), attempt=1, max_attempts=3, backoff=Backoff(base=50, jitter=False))
    assert unsaid.delay == 50


class Odd(Backoff):
    def __init__(self, gives: object) -> None:
        self.__dict__["gives"] = gives

    def delay(self, _attempt: int) -> object:
        return self.gives


@pytest.mark.parametrize("delay", [None, "5", math.nan, dt.timedelta(seconds=5)])
def test_a_back_off_that_gives_no_seconds_is_an_error(delay):
    with pytest.raises(TypeError, match="back-off of"):
        judge(ValueError("no"), attempt=1, max_attempts=2, backoff=Odd(delay))


def test_a_retry_uses_up_an_attempt():
    assert isinstance(judge(Retry(delay=7), attempt=3, max_attempts=3, backoff=Backoff()), Bury)


@pytest.mark.parametrize("delay", [-1, float("nan"), -0.001])
def test_a_retry_into_the_past_is_refused(delay):
    with pytest.raises(ValueError, match="delay"):
        Retry(delay=delay)


class Unprintable(Exception):
    def __str__(self):
        raise RuntimeError


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("bad thing"), "ValueError: bad thing"),
        (ValueError("first\nsecond"), "ValueError: first"),
        (ValueError("\n\n  first"), "ValueError: first"),
        (ValueError(""), "ValueError"),
        (KeyError("k"), "KeyError: 'k'"),
        (asyncio.CancelledError(), "CancelledError"),
        (Unprintable(), "Unprintable: (its text cannot be read)"),
    ],
)
def test_an_error_is_described_in_one_line(error, said):
    assert describe(error) == said


@given(st.text())
def test_a_description_is_bounded_and_one_line(message):
    said = describe(ValueError(message))
    assert len(said) <= 500
    assert len(said.splitlines()) <= 1
