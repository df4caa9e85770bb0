"""Rates and trends from consecutive readings."""

from __future__ import annotations

import pytest

from taskconsole.console.feed.rates import POINTS, Rates, Trails
from taskconsole.model.stats import Overview, ServerInfo
from tests.console.fake_backend import queue


def reading(at, *queues, run_id="a"):
    return Overview(at=at, server=ServerInfo(address="x", run_id=run_id), queues=queues, rtt=0.001)


def rates_of(readings):
    rates = Rates()
    return [(q.in_rate, q.out_rate) for r in readings for q in rates.apply(r).queues]


def test_one_reading_makes_no_rate():
    assert rates_of([reading(1.0, queue("q", pending=5))]) == [(None, None)]


def test_arrived_is_what_is_there_and_what_has_gone():
    assert rates_of(
        [
            reading(1.0, queue("q", pending=5, done_total=10)),
            reading(2.0, queue("q", pending=7, done_total=14, dead=1)),
        ]
    )[-1] == (7.0, 5.0)


def test_a_rate_is_of_the_last_seconds_only():
    readings = [reading(float(t), queue("q", done_total=min(t, 10) * 100)) for t in range(30)]
    assert rates_of(readings)[8] == pytest.approx((100.0, 100.0))
    assert rates_of(readings)[-1] == (0.0, 0.0)


def test_what_the_backend_says_stands():
    assert rates_of([reading(t, queue("q", done_total=9, in_rate=1.5, out_rate=2.5)) for t in (1.0, 2.0)])[-1] == (
        1.5,
        2.5,
    )


def test_a_restart_makes_no_rate():
    before, after = queue("q", done_total=1000), queue("q", done_total=1050)
    assert rates_of([reading(1.0, before), reading(2.0, after, run_id="b")])[-1] == (None, None)
    assert rates_of([reading(1.0, after), reading(2.0, before)])[-1] == (None, None)


def test_a_purge_is_not_a_negative_arrival():
    assert rates_of([reading(1.0, queue("q", pending=500)), reading(2.0, queue("q"))])[-1] == (0.0, 0.0)


def test_an_unreadable_queue_has_no_rate():
    assert rates_of([reading(t, queue("q", trouble="x")) for t in (1.0, 2.0)])[-1] == (None, None)


def test_growth_is_measured_over_a_minute():
    trails = Trails()
    for t in range(0, 200, 2):
        trails.record(reading(float(t), queue("q", pending=t * 3)))
    assert trails.growth("q", 198.0, 594) == pytest.approx(3.0, rel=0.05)
    assert trails.growth("unknown", 198.0, 594) is None


def test_a_trail_is_bounded_and_forgets_queues_that_are_gone():
    trails = Trails()
    for t in range(0, POINTS * 4, 1):
        trails.record(reading(float(t), queue("q", pending=t)))
    assert len(trails.points("q")) == POINTS
    trails.record(reading(1e4, queue("other")))
    assert trails.points("q") == ()
    trails.record(reading(2e4, queue("other"), run_id="b"))
    assert trails.points("other") == (0,)


def test_a_trend_is_the_most_of_each_part_of_the_last_minutes():
    trails, start = Trails(), 1_500_000_000.0
    for second, pending in [(0, 1), (3, 9), (14, 2), (18, 4), (290, 7), (301, 3)]:
        trails.record(reading(start + second, queue("q", pending=pending)))
    assert trails.trend("q", start + 299) == (9, 4, 7)
    assert trails.trend("q", start + 301) == (4, 7, 3), "what was before has moved out to the left"
