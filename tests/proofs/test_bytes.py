"""What goes over the line: bytes a second, bytes a key, and how long a key takes over 64 kbit/s."""

from __future__ import annotations

import os
import time

import pytest

from tests.console.pty_session import PtySession
from tests.proofs.live import LiveConsole, bytes_of
from tests.proofs.tour import ESCAPE, LENDING, Tour, offered

FULL = os.environ.get("TASKCONSOLE_TEST_FULL") == "1"

pytestmark = [pytest.mark.pty, pytest.mark.timeout(600)]

SSH = {"SSH_CONNECTION": "1 2 3 4"}

RATE = 8_000
"""Bytes a second of a line of 64 kbit/s."""


class SlowLine(PtySession):
    """Takes no more bytes a second than the line does."""

    def __init__(self, *arguments, **options):
        self._from, self._taken = time.monotonic(), 0
        super().__init__(*arguments, **options)

    def read(self, seconds):
        """As always, but a piece at a time and late."""
        owed = self._taken / RATE - (time.monotonic() - self._from)
        if owed > 0:
            time.sleep(owed)
        elif owed < -0.05:
            # What the line did not carry in time it cannot carry later.
            self._from, self._taken = time.monotonic(), 0
        before = len(self.output)
        going_on = super().read(min(seconds, 0.05))
        self._taken += len(self.output) - before
        return going_on


def test_a_key_after_a_minute_of_refreshing_shows_at_once_on_a_slow_line():
    with SlowLine("all", "50", env=SSH) as session:
        session.until("queue_05")
        session.for_seconds(60 if FULL else 6)
        session.press("j")
        session.for_seconds(0.5)
        took = []
        for key, mark in (("g", "1 of 20"), ("j", "2 of 20"), ("k", "2 of 20"), ("G", "20 of 20"), ("g", "1 of 20")):
            began = time.monotonic()
            session.press(key)
            session.until(mark)
            took.append(time.monotonic() - began)
            session.for_seconds(0.5)
    took.sort()
    print(f"a key over 64 kbit/s: median {took[2] * 1000:.0f} ms, worst {took[-1] * 1000:.0f} ms")
    # The budget is 0.3 s; the rest is for a busy machine.
    assert took[2] < (0.3 if FULL else 1.5)


def test_what_a_second_and_a_key_cost(store_url, raw, tmp_path):
    """With 20 queues; the byte counts do not depend on how busy the machine is."""
    for n in range(20):
        raw.sadd("taskconsole:queues", f"q{n:02d}")
        raw.lpush(f"q{n:02d}", *[b'{"task":"send_%d","id":"%d"}' % (i % 5, i) for i in range(200)])
    with LiveConsole(store_url, env=SSH, home=tmp_path) as console:
        console.until("q05")
        console.press("+\x1b[27u" * 3)  # reading every 10 s: what comes is for the key
        console.settle(0.5)
        spent = {}
        tour = Tour(console, "q03")
        for view in tour.views if FULL else ("queues", "task"):
            tour.open(view)
            for action in offered(view):
                for key in action.key.split(",") if action.id not in LENDING else ():
                    console.settle(0.15)
                    console.press(bytes_of(key))
                    cost = len(console.settle(0.2))
                    spent[view, action.id] = max(cost, spent.get((view, action.id), 0))
                    console.press(ESCAPE)
    dear = {what: cost for what, cost in spent.items() if cost > 2_000}
    costs = sorted(spent.values())
    print(
        f"bytes a key, {len(costs)} keys: median {costs[len(costs) // 2]}, 95 % up to {costs[len(costs) * 95 // 100]};"
        f" above 2 KB: {', '.join(f'{view} {action} {cost}' for (view, action), cost in dear.items())}"
    )
    assert len(costs) > 25
    assert costs[len(costs) * 95 // 100] <= 1_500
    # More than the worst seen: a second's figures may come with the answer to a key.
    assert costs[-1] <= 2_500
