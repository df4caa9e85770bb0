from collections import Counter

import pytest

from taskconsole.client import Client
from taskconsole.config import Settings
from taskconsole.demo import tasks, traffic
from taskconsole.demo.traffic import BACKLOG, BARE, PAUSE_AFTER, RATES, Traffic
from taskconsole.model.task import Envelope, decode


class Clock:
    """A clock that moves when told to."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def producer(store_url, monkeypatch, clock):
    settings = Settings(url=store_url)
    monkeypatch.setattr(tasks.app, "settings", settings)
    monkeypatch.setattr(tasks.app, "client", Client(settings))
    made = Traffic(clock=clock)
    yield made
    made.close()


def run(producer, clock, seconds, step=1.0):
    total = 0
    for _ in range(int(seconds / step)):
        clock.now += step
        total += producer.run_once()
    return total


def waiting(raw, queue):
    return raw.llen(queue) + raw.zcard(f"{{{queue}}}:delayed")


def test_no_backlog_grows_beyond_its_bound_when_nobody_works(producer, clock, raw):
    run(producer, clock, 1500)

    assert {queue: waiting(raw, queue) for queue in tasks.QUEUES} == dict.fromkeys(tasks.QUEUES, BACKLOG)


def test_the_rate_is_about_what_it_says(producer, clock):
    seconds = 12
    total = run(producer, clock, seconds, step=0.1)

    assert 0.7 < total / (seconds * sum(RATES.values())) < 1.3


def test_a_pause_in_the_producer_is_not_made_up_for(producer, clock):
    clock.now += 3600
    producer.run_once()
    # The newsletter is due by then, nothing else of that hour.
    assert producer.run_once() == 0
    clock.now += 1
    assert producer.run_once() < 3 * sum(RATES.values())


def test_there_is_something_of_everything(producer, clock, raw, monkeypatch):
    monkeypatch.setattr(traffic, "BACKLOG", 5000)
    run(producer, clock, 200)

    payloads = [payload for queue in tasks.QUEUES for payload in raw.lrange(queue, 0, -1)]
    envelopes = [decode(payload) for payload in payloads]
    assert all(isinstance(envelope, Envelope) for envelope in envelopes)
    names = Counter(envelope.task for envelope in envelopes)
    assert {"send_mail", "sync_user", "build_report", "charge_card", "deliver_webhook", BARE} <= set(names)
    assert set(names) - set(tasks.app.registry.handlers) <= set(traffic.UNKNOWN)
    assert raw.zcard("{mail}:delayed") > 0
    assert any(envelope.task == "charge_card" and envelope.args[1] % 100 == tasks.STOLEN for envelope in envelopes)


def test_the_webhooks_are_paused_once_and_stay_resumed(producer, clock, raw):
    run(producer, clock, PAUSE_AFTER - 1)
    assert not raw.exists("{webhooks}:paused")
    run(producer, clock, 2)
    assert b"partner" in raw.get("{webhooks}:paused")

    raw.delete("{webhooks}:paused")
    run(producer, clock, 60)
    assert not raw.exists("{webhooks}:paused")
