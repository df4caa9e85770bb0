"""What the answers of Redis teach about its clock."""

from __future__ import annotations

import pytest

from taskconsole.worker.server_clock import DRIFT, ServerClock


@pytest.fixture
def clock() -> ServerClock:
    """It knows that Redis is 1,000 seconds ahead of monotonic time, to a tenth of a millisecond."""
    made = ServerClock()
    made.set(1_100.0, 99.9999, 100.0001)
    assert made.offset == pytest.approx(1_000)
    return made


def test_the_first_answer_counts_however_slow_it_was():
    clock = ServerClock()
    clock.set(1_100.0, 98.0, 102.0)
    assert (clock.offset, clock.resets) == (1_000, 0)


def test_a_slow_answer_does_not_spoil_what_a_quick_one_has_told(clock):
    clock.set(1_101.0, 100.996, 101.0)
    assert clock.offset == pytest.approx(1_000)


def test_a_quicker_answer_is_believed(clock):
    clock.set(1_101.00003, 100.99995, 101.00005)
    assert clock.offset == pytest.approx(1_000.00003, abs=1e-9)
    assert clock.resets == 0


def test_a_slow_answer_is_believed_when_the_quick_one_is_old(clock):
    later = 100 + 0.002 / DRIFT
    clock.set(later + 1_000.001, later - 0.002, later + 0.002)
    assert clock.offset == pytest.approx(1_000.001)


@pytest.mark.parametrize("step", [-3600.0, -0.01, 0.01, 3600.0])
def test_a_clock_that_was_set_is_followed_at_once_even_by_a_slow_answer(clock, step):
    clock.set(1_101.0 + step, 100.998, 101.002)
    assert clock.offset == pytest.approx(1_000 + step)
    assert clock.resets == 1


def test_an_answer_that_was_rounded_down_means_the_middle_and_says_less(clock):
    fresh = ServerClock()
    fresh.set(1_100.0, 99.9999, 100.0001, grain=0.001)
    assert fresh.offset == pytest.approx(1_000.0005)
    clock.set(1_101.0, 100.9999, 101.0001, grain=0.001)
    assert clock.offset == pytest.approx(1_000)
