"""Schedulers are told wrong times, and the clock of Redis jumps; no instant gets two tasks, none an early one.

Nobody works the queue: afterwards every payload in it is read, and compared with what was due.
"""

from __future__ import annotations

import datetime as dt
import math
import time
from collections import defaultdict

import pytest

from taskconsole.model.firing import CAP
from tests.faults.conftest import only_full
from tests.faults.schedulers import (
    QUEUE,
    Lateness,
    MovedClock,
    all_decided,
    all_placed,
    beat,
    each_second,
    fires,
    now,
    seconds_between,
    server_with_clock,
    tally,
    wait_for_moment,
    within,
    write,
)
from tests.servers import wait_until

HOURS = 3600.0


@pytest.mark.timeout(240)
def test_f25_a_jumping_clock_of_redis_makes_nothing_twice(make_server, start, tmp_path, monkeypatch):
    """An hour forward, then two back: there is nothing to fire until the clock has come to the last instant again."""
    clock = MovedClock(tmp_path)
    server = server_with_clock(make_server, clock, monkeypatch)
    clock.move(0)
    with server.client() as client:
        definitions = each_second(15, prefix="all-", catch_up="all") | each_second(15, prefix="one-", catch_up="one")
        write(client, definitions)
        schedulers = [start(server.url) for _ in range(2)]
        all_placed(client, len(definitions))
        began = now(client)
        wait_for_moment(client, began + 3)

        clock.move(HOURS)
        jumped = now(client)
        assert jumped > began + HOURS
        all_decided(client, jumped)
        recovery = now(client) - jumped
        wait_for_moment(client, math.ceil(now(client)) + 3)

        all_decided(client, now(client) - 1)
        clock.move(-HOURS)
        back = now(client)
        assert back < began
        made = client.llen(QUEUE)
        before = [scheduler.usage()[0] for scheduler in schedulers]
        wait_for_moment(client, back + 14)  # long enough for every look at the clock
        busy = max(s.usage()[0] - b for s, b in zip(schedulers, before, strict=True)) / 14
        assert client.llen(QUEUE) == made, "something was fired before its time"

        clock.move(HOURS)
        again = math.ceil(now(client))
        wait_until(lambda: client.llen(QUEUE) > made, 20, "they go on")
        resumed = now(client) - again
        last = math.ceil(now(client)) + 2.0
        wait_for_moment(client, last)
        all_decided(client, last)
        found = within(fires(client), 0, last)

        instants = defaultdict(list)
        for fire in found:
            instants[fire.name].append(fire.instant)
        for name, ours in instants.items():
            assert ours == sorted(set(ours)), f"{name}: something was made twice"
            assert ours[-1] == last
            # The jump is a gap of an hour for everybody: a hundred of it, or one.
            assert len([i for i in ours if began + 60 < i <= jumped]) in ({CAP, CAP - 1} if "all" in name else {0, 1})
        assert len(instants) == len(definitions)
        made_in_all = tally("F-25 clock of Redis +1 h, -2 h, +2 h", found, instants)
        print(
            f"F-25 fired again {recovery:.1f} s after the jump, {resumed:.1f} s after it had caught up; "
            f"{busy:.0%} of a core while there was nothing to do"
        )
        assert made_in_all.double == 0
        assert min(fire.at - fire.instant for fire in found) > -0.01
        assert busy < 0.5
        assert all(scheduler.running for scheduler in schedulers)


WRONG_CLOCK = """\
import time
_real, _real_ns = time.time, time.time_ns
time.time = lambda: _real() + {offset}
time.time_ns = lambda: _real_ns() + {offset} * 10**9
"""


@pytest.mark.parametrize("how", ["patched", "libfaketime"])
def test_f25_a_scheduler_with_a_wrong_clock_fires_by_the_time_of_redis(raw, start, tmp_path, how):
    """One is an hour ahead, one three hours behind: what counts is what Redis says."""
    definitions = each_second(20, catch_up="none")
    write(raw, definitions)
    for offset in (3600, -3 * 3600):
        place = tmp_path / f"clock{offset}"
        place.mkdir()
        if how == "patched":
            (place / "sitecustomize.py").write_text(WRONG_CLOCK.format(offset=offset))
            environment = {"PYTHONPATH": str(place)}
        else:
            clock = MovedClock(place)
            clock.move(offset)
            environment = clock.environment()
        start(environment=environment)
    all_placed(raw, len(definitions))
    first = math.ceil(now(raw)) + 1.0
    wait_for_moment(raw, first + 6)
    all_decided(raw, first + 6)
    found = fires(raw)
    assert all(abs(fire.at - now(raw)) < 60 for fire in found)
    lateness = Lateness()
    lateness.look(raw, list(definitions))
    found = within(found, first, first + 6)
    made = tally(f"F-25 schedulers +1 h and -3 h ({how})", found, seconds_between(definitions, first, first + 6))
    assert (made.missing, made.double, made.strangers) == (0, 0, 0)
    assert lateness.of(found)[0] >= 0, "something was fired before its time"


# 03:00 in Berlin becomes 02:00, and half a year later 02:00 becomes 03:00: what fires in that night, in UTC.
NIGHTS = {
    "the hour that comes twice": (
        ("2026-10-24 23:50", "2026-10-25 03:05"),
        {
            "30 2 * * *": ["00:30"],
            "0 3 * * *": ["02:00"],
            "*/30 * * * *": ["00:00", "00:30", "01:00", "01:30", "02:00", "02:30", "03:00"],
        },
    ),
    "the hour that is left out": (
        ("2027-03-28 00:10", "2027-03-28 03:05"),
        {
            "30 2 * * *": ["01:00"],
            "0 3 * * *": ["01:00"],
            "*/30 * * * *": ["00:30", "01:00", "01:30", "02:00", "02:30", "03:00"],
        },
    ),
}


@only_full
@pytest.mark.parametrize("night", NIGHTS)
def test_f26_a_night_in_which_the_clocks_are_changed(make_server, start, tmp_path, monkeypatch, night):
    """The clock of Redis goes through it in steps of ten minutes; 15 zones by the oracle: tests/model/test_cron.py."""
    (first, last), wanted = NIGHTS[night]
    moment, end = (dt.datetime.fromisoformat(f"{text}+00:00").timestamp() for text in (first, last))
    clock = MovedClock(tmp_path)
    server = server_with_clock(make_server, clock, monkeypatch)
    clock.move(moment - time.time())
    with server.client() as client:
        definitions = {text: beat(cron=text, tz="Europe/Berlin", catch_up="all") for text in wanted}
        write(client, definitions)
        start(server.url)
        all_placed(client, len(definitions))
        while moment < end:
            moment = min(moment + 600, end)
            clock.move(moment - time.time())
            all_decided(client, moment)
        fired: dict[str, list[str]] = {text: [] for text in wanted}
        for fire in fires(client):
            fired[fire.name].append(dt.datetime.fromtimestamp(fire.instant, dt.UTC).strftime("%H:%M"))
    print(f"F-26 {night}: {sum(map(len, fired.values()))} made of {sum(map(len, wanted.values()))}")
    assert fired == wanted
