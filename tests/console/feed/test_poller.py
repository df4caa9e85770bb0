"""Readings, one after another, without a thread."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskconsole.console.feed.link import Phase
from taskconsole.console.feed.poller import BLURRED, FOCUSED, Poller, backoff
from taskconsole.errors import AccessDenied, ConfigError, ServerTooOld, StoreUnavailable
from tests.console.fake_backend import FakeBackend, queue


class Watched(Poller):
    def __init__(self, connect):
        self.links, self.gaps = [], []
        super().__init__(connect, self.links.append, self.gaps.append)


@pytest.fixture
def backend():
    return FakeBackend([queue("mail", pending=3)])


@pytest.fixture
def poller(backend):
    return Watched(lambda: backend)


def test_a_reading_is_live(poller, backend):
    assert poller.run_once() == FOCUSED
    (link,) = poller.links
    assert (link.phase, link.overview.queues[0].pending, link.can) == (Phase.LIVE, 3, backend.can)
    assert link.stale_for(link.read_at + 1) is None
    assert link.words(link.read_at) == "LIVE 1s"


def test_nobody_looking_means_few_readings(poller):
    poller.focused = False
    assert poller.run_once() == BLURRED


def test_a_slow_link_is_read_less_often(poller, backend, monkeypatch):
    reading = backend.overview()
    monkeypatch.setattr(backend, "overview", lambda: type(reading)(at=1.0, server=reading.server, queues=(), rtt=0.6))
    assert poller.run_once() == pytest.approx(2.4)
    assert poller.links[-1].words(poller.links[-1].read_at) == "LIVE 2s slow link"


def test_rates_come_from_two_readings(poller, backend):
    backend.clock = lambda: 100.0
    poller.run_once()
    backend.clock = lambda: 102.0
    backend.queues = [queue("mail", pending=1, done_total=8)]
    poller.run_once()
    assert poller.links[-1].overview.queues[0].out_rate == 4.0


@given(st.integers(1, 1000), st.floats(0, 1))
def test_the_back_off_grows_to_ten_seconds(failures, jitter):
    delay = backoff(failures, lambda: jitter)
    assert 1 / 3 - 1e-9 <= delay <= 10.0
    assert backoff(failures, lambda: 0.0) <= backoff(failures + 1, lambda: 0.0)


def test_the_back_off_step_by_step():
    assert [backoff(n, lambda: 0.0) for n in (1, 2, 3, 4, 5, 6, 60)] == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
    assert backoff(5, lambda: 1.0) == pytest.approx(8 * 2 / 3)


def test_a_lost_connection_keeps_the_figures_and_counts_the_retries(poller, backend):
    poller.run_once()
    backend.failure = StoreUnavailable("timed out after 2.0s")
    delays = [poller.run_once() for _ in range(4)]
    assert delays == sorted(delays)
    link = poller.links[-1]
    assert (link.phase, link.failures, link.error) == (Phase.DISCONNECTED, 4, "timed out after 2.0s")
    assert link.overview.queues[0].pending == 3
    assert link.since == poller.links[1].since
    assert link.stale_for(link.read_at + 7) == 7
    assert "retry 4 in" in link.words(link.since)
    assert link.words(link.retry_at + 1).endswith("now")
    backend.failure = None
    assert poller.run_once() == FOCUSED
    assert (poller.links[-1].phase, poller.links[-1].failures, poller.links[-1].error) == (Phase.LIVE, 0, "")


@pytest.mark.parametrize("error", [AccessDenied("NOPERM INFO"), ServerTooOld("5.0"), ConfigError("bad URL")])
def test_what_cannot_get_better_is_not_tried_again(poller, backend, error):
    backend.failure = error
    assert math.isinf(poller.run_once())
    assert (poller.links[-1].phase, poller.links[-1].error) == (Phase.DENIED, str(error))
    assert "ctrl+r" in poller.links[-1].words(0.0)


def test_no_server_at_the_start():
    attempts = []

    def connect():
        attempts.append(1)
        if len(attempts) < 3:
            raise StoreUnavailable("connection refused")
        return FakeBackend()

    poller = Watched(connect)
    poller.run_once()
    poller.run_once()
    assert (poller.backend, poller.links[-1].phase, poller.links[-1].overview) == (
        None,
        Phase.DISCONNECTED,
        None,
    )
    poller.run_once()
    assert poller.links[-1].phase is Phase.LIVE


def test_an_unforeseen_error_shows_its_type_and_not_its_text(poller, backend):
    backend.failure = KeyError("redis://:hunter2@host")
    poller.run_once()
    assert poller.links[-1].phase is Phase.DISCONNECTED
    assert "KeyError" in poller.links[-1].error
    assert "hunter2" not in poller.links[-1].error


def test_another_server_is_noticed(poller, backend):
    poller.run_once()
    poller.run_once()
    assert poller.gaps == []
    backend.run_id = "b" * 40
    poller.run_once()
    assert len(poller.gaps) == 1
    assert "restart or failover" in poller.gaps[0]
    poller.run_once()
    assert len(poller.gaps) == 1


def test_a_reading_that_does_not_come_makes_the_last_one_stale(poller):
    poller.run_once()
    link = poller.links[-1]
    assert link.stale_for(link.read_at + 4.4) is None
    assert link.stale_for(link.read_at + 5) == 5
    assert link.words(link.read_at + 5) == "STALE 5s"


def test_the_server_clock_goes_on_between_readings(poller, backend):
    backend.clock = lambda: 1000.0
    poller.run_once()
    link = poller.links[-1]
    assert link.server_now(link.read_at + 3) == pytest.approx(1003.0)
