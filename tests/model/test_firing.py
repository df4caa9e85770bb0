"""What is to happen when a schedule's time has come: no instant twice, none lost in silence, and no drift."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from taskconsole.model.definition import CatchUp, Definition, decode_definition, encode_definition, with_changes
from taskconsole.model.firing import (
    CAP,
    ON_TIME,
    Position,
    RunRecord,
    decode_position,
    decode_record,
    encode_position,
    encode_record,
    go_on,
    place,
    plan,
    run_id,
    time_of,
)
from taskconsole.model.schedule import At, Cron, Every
from taskconsole.model.stats import Pause

T0 = 1_790_000_000.0
"""Monday, 21 September 2026, 14:13:20 UTC."""

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
PAUSE = Pause(by="ada", at=T0)


def moment(seconds):
    return datetime.fromtimestamp(seconds, UTC)


def every(interval, **options):
    return Definition(schedule=Every(interval), task="t", **options)


def cron(expression, tz="UTC", **options):
    return Definition(schedule=Cron(expression, tz), task="t", **options)


def at(seconds, **options):
    return Definition(schedule=At(moment(seconds)), task="t", **options)


class Life:
    """A schedule as Redis has it: positions go through their JSON and times through a score.

    Args:
        definition: What it does.
        now: When it was put there; None to begin without a position.
        name: What it is called.
    """

    def __init__(self, definition, now=T0, name="n"):
        self.definition, self.name = definition, name
        self.made, self.by_hand = [], []
        self.missed, self.vague = 0, False
        self.position, self.time = Position(), None
        self._put(*place(name, definition, None, now))

    def _put(self, position, time):
        self.position = decode_position(encode_position(position))
        assert position == self.position
        self.time = None if time is None else float(f"{time:.6f}")

    def tick(self, now):
        """As a ticker does; returns what was decided."""
        decided = []
        while self.time is not None and self.time <= now:
            before = self.position.last
            firing = plan(self.name, self.definition, self.position, self.time, now)
            (self.by_hand if firing.by_hand else self.made).extend(firing.instants)
            self.missed += firing.missed
            self.vague = self.vague or firing.at_least
            assert firing.missed >= 0
            assert not firing.at_least or firing.missed
            self._put(firing.position, firing.time)
            assert before is None or self.position.last >= before, "last went back"
            decided.append(firing)
            assert len(decided) < 20, "it never ends"
        return decided

    def edit(self, now, **changes):
        """As an operator does."""
        self.definition = replace(self.definition, **changes)
        start = self.position if self.time is not None else go_on(self.definition, self.position, now)
        self._put(*place(self.name, self.definition, start, now))

    def pause(self):
        self.definition, self.time = replace(self.definition, paused=PAUSE), None

    def resume(self, now, *, catch_up=False):
        self.definition = replace(self.definition, paused=None)
        start = self.position if catch_up else go_on(self.definition, self.position, now)
        self._put(*place(self.name, self.definition, start, now))

    def until(self, now, lateness=lambda: 0.0):
        """Tick whenever something is due, so late, until a moment."""
        while self.time is not None and self.time <= now:
            self.tick(self.time + lateness())


def instants(definition, first, last):
    """All instants from one moment to another, counted by the schedule itself."""
    found, seen = [], moment(first) - timedelta(microseconds=1)
    while (following := definition.schedule.next_after(seen)) is not None and following.timestamp() <= last:
        found.append(following.timestamp())
        seen = following
    start = -1e18 if definition.start is None else definition.start.timestamp()
    end = 1e18 if definition.end is None else definition.end.timestamp()
    return [instant for instant in found if start <= instant <= end]


def is_grid(definition, instant):
    return instants(definition, instant, instant) == [instant]


# -- properties

schedules = st.one_of(
    st.builds(
        Every, st.sampled_from([0.1, 0.5, 1 / 3, 1, 7, 60, 3600, 86_400]), st.sampled_from([None, moment(T0 + 17.25)])
    ),
    st.builds(
        Cron,
        st.sampled_from(["* * * * *", "*/7 * * * * *", "15 3 * * *", "30 2 * * *", "0 0 1 * *"]),
        st.sampled_from(["UTC", "Europe/Berlin", "America/New_York"]),
    ),
    st.builds(lambda s: At(moment(T0 + s)), st.sampled_from([-2 * DAY, -HOUR, -1.0, 0.0, 0.25, 30.0, 5000.0])),
)
offsets = st.none() | st.sampled_from([0.0, 1.0, 100.0, 7000.0])
rules = st.sampled_from(CatchUp)
gaps = st.lists(st.sampled_from([0.01, 0.3, 1.0, 4.0, 20.0, 700.0, 9000.0, 2 * DAY, 40 * DAY]), min_size=1, max_size=12)


@st.composite
def definitions(draw, *, jitter=True):
    start, end = draw(offsets), draw(offsets)
    assume(start is None or end is None or start <= end)
    return Definition(
        schedule=draw(schedules),
        task="t",
        start=None if start is None else moment(T0 + start),
        end=None if end is None else moment(T0 + end),
        max_runs=draw(st.none() | st.sampled_from([1, 2, 5, 150])),
        jitter=draw(st.sampled_from([0.0, 0.0, 0.2, 30.0, 1800.0])) if jitter else 0.0,
        catch_up=draw(rules),
        window=draw(st.sampled_from([0.0, 10.0, HOUR, DAY])),
    )


@given(definition=definitions(), gaps=gaps, shares=st.lists(st.floats(0, 1), min_size=12, max_size=12))
@settings(max_examples=300, deadline=None)
def test_whenever_it_is_looked_at_no_instant_comes_twice_and_none_is_lost_in_silence(definition, gaps, shares):
    life, now = Life(definition), T0
    for gap, share in zip(gaps, shares, strict=False):
        now += gap * (0.5 + share)
        life.tick(now)
        # The clock of another ticker is behind: nothing comes again.
        life.tick(now - gap)
    made = life.made
    assert made == sorted(set(made))
    assert all(is_grid(definition, instant) for instant in made)
    assert all(time_of("n", definition, instant) <= now for instant in made)
    assert len(made) == life.position.fires <= (definition.max_runs or 10**9)
    assert life.time is None or life.time > now
    if life.position.last is None:
        assert not made
        assert not life.missed
    elif not life.vague and len(made) != definition.max_runs:
        first = min(T0, life.position.last)
        passed = [
            i for i in instants(definition, first, life.position.last) if i > T0 or isinstance(definition.schedule, At)
        ]
        assert len(passed) == len(made) + life.missed
    elif life.vague:
        assert life.missed > 0


@given(definition=definitions(), seed=st.integers(0, 2**32))
@settings(max_examples=200, deadline=None)
def test_nobody_notices_a_ticker_that_is_late_by_seconds(definition, seed):
    # Whatever the rules for longer gaps say.
    late = random.Random(seed)
    life = Life(replace(definition, max_runs=None))
    assume(life.time is not None and T0 - life.time < 0.5)
    horizon = T0 + min(100 * (life.time - T0 + 1.0), 60 * DAY)
    while life.time is not None and life.time <= horizon and len(life.made) < 400:
        life.tick(max(T0, life.time) + late.uniform(0, ON_TIME - 0.5))
    assert life.missed == 0
    if life.made:
        assert life.made == instants(definition, life.made[0], life.made[-1])
        assert life.made[0] == Life(replace(definition, max_runs=None)).position.instant


@given(definition=definitions(jitter=False), gaps=gaps, jitter=st.sampled_from([0.2, 30.0, 1800.0]))
@settings(max_examples=100, deadline=None)
def test_jitter_puts_instants_off_and_changes_none(definition, gaps, jitter):
    definition = replace(definition, catch_up=CatchUp.ALL, window=3660 * DAY, max_runs=None)
    assume(not isinstance(definition.schedule, Every) or definition.schedule.seconds >= 60)
    plain, shaken = Life(definition), Life(replace(definition, jitter=jitter))
    now = T0
    for gap in gaps[:4]:
        now += min(gap, HOUR)
        plain.tick(now)
        shaken.tick(now)
    shaken.tick(now + jitter)
    plain.tick(now)
    missing = [i for i in plain.made if i not in shaken.made]
    assert not missing or plain.vague or shaken.vague or plain.missed
    assert all(is_grid(definition, instant) for instant in shaken.made)


# -- gaps

RATES = [every(1), every(0.1), every(60), cron("* * * * * *"), cron("*/5 * * * *", "Europe/Berlin")]


@pytest.mark.parametrize("definition", RATES, ids=lambda d: d.schedule.describe())
@pytest.mark.parametrize("gap", [3 * HOUR, 20 * HOUR])
def test_one_task_stands_for_all_that_was_missed(definition, gap):
    life = Life(definition)
    now = T0 + gap + 0.05
    (firing,) = life.tick(now)
    assert firing.instants == (instants(definition, now - 3 * HOUR, now)[-1],)
    assert "one task stands for all" in firing.why
    passed = int(gap / 0.1)
    assert 0 < firing.missed <= passed
    assert life.time > now


@pytest.mark.parametrize("definition", RATES, ids=lambda d: d.schedule.describe())
def test_with_none_only_what_is_in_time_is_made(definition):
    life = Life(replace(definition, catch_up=CatchUp.NONE))
    newest = instants(definition, T0 + 2 * HOUR, T0 + 3 * HOUR)[-1]
    (firing,) = life.tick(newest + 0.05)
    assert firing.instants == (newest,)
    assert firing.missed
    late = Life(cron("*/5 * * * *", catch_up=CatchUp.NONE))
    (firing,) = late.tick(newest + 60)
    assert firing.instants == ()
    assert "catch_up is none" in firing.why
    assert firing.time > newest + 60


@pytest.mark.parametrize("definition", RATES, ids=lambda d: d.schedule.describe())
def test_with_all_the_newest_hundred_within_the_window_are_made(definition):
    definition = replace(definition, catch_up=CatchUp.ALL)
    distance = definition.schedule.seconds if isinstance(definition.schedule, Every) else 300.0
    now = T0 + 20 * HOUR + 0.05
    (firing,) = Life(definition).tick(now)
    assert list(firing.instants) == instants(definition, now - 150 * distance, now)[-CAP:]
    assert "at most 100" in firing.why
    narrow = replace(definition, window=7.0)
    (firing,) = Life(narrow).tick(now)
    assert list(firing.instants) == instants(definition, now - 7.0, now)[-CAP:]
    assert firing.missed > 0


def test_with_one_nothing_is_made_when_even_the_newest_is_too_late():
    life = Life(cron("0 3 * * *", window=HOUR))
    three = life.time
    assert [f.instants for f in life.tick(three + 2 * DAY + HOUR + 1)] == [()]
    assert life.missed == 3
    assert life.time == three + 3 * DAY
    life = Life(cron("0 3 * * *", window=HOUR))
    assert [f.instants for f in life.tick(three + 2 * DAY + HOUR)] == [(three + 2 * DAY,)]
    assert life.missed == 2


def test_what_was_not_made_is_told_however_much_it_is():
    for rule in CatchUp:
        for gap in (30, 3 * HOUR, 20 * DAY):
            life = Life(every(1, catch_up=rule))
            life.tick(T0 + gap + 0.5)
            assert life.missed > 0 or (rule is CatchUp.ALL and gap <= 100), (rule, gap)
            assert life.missed + len(life.made) <= gap


def test_ten_thousand_schedules_after_three_hours_without_anybody():
    kinds = [every(60), cron("*/15 * * * *"), every(4 * HOUR, start=moment(T0)), cron("0 3 * * *"), every(1)]
    now = T0 + 3 * HOUR + 0.5
    made = Counter()
    begun = time.perf_counter()
    for number in range(10_000):
        kind, rule = number % len(kinds), list(CatchUp)[number % 3]
        life = Life(replace(kinds[kind], catch_up=rule), name=f"s{number}")
        life.tick(now)
        made[kind, str(rule)] += len(life.made)
    took = time.perf_counter() - begun
    each = Counter((n % len(kinds), str(list(CatchUp)[n % 3])) for n in range(10_000))
    for kind in range(len(kinds)):
        due = len(instants(kinds[kind], T0 + 0.001, now))
        assert made[kind, "one"] == each[kind, "one"] * min(due, 1)
        assert made[kind, "all"] == each[kind, "all"] * min(due, CAP)
        in_time = len(instants(kinds[kind], now - ON_TIME, now)[-1:])
        assert made[kind, "none"] == each[kind, "none"] * in_time
    assert took < 60, took


@pytest.mark.parametrize(("rule", "most"), [(CatchUp.NONE, 0.1), (CatchUp.ONE, 0.1), (CatchUp.ALL, 0.3)], ids=str)
@pytest.mark.parametrize(
    "definition",
    [cron("* * * * * *", "Europe/Berlin"), every(0.01), cron("* * * * * *", jitter=DAY)],
    ids=["cron", "every", "jitter"],
)
def test_catching_up_with_three_days_of_seconds_costs_little(definition, rule, most):
    definition = replace(definition, catch_up=rule)
    position, due = place("n", definition, None, T0)
    took = []
    for _ in range(3):
        begun = time.process_time()
        plan("n", definition, position, due, T0 + 3 * DAY)
        took.append(time.process_time() - begun)
    print(f"{definition.schedule.describe()}, jitter {definition.jitter:g}, {rule}: {min(took) * 1000:.1f} ms")
    assert min(took) < most


# -- no drift


def test_ten_thousand_fires_of_a_tenth_of_a_second_do_not_drift():
    late = random.Random(3)
    life = Life(every(0.1))
    now = life.time
    while len(life.made) < 10_000:
        now = max(now, life.time + late.choice([0.0, 0.001, 0.03, 0.09, 0.4, 3.0]) * late.random())
        life.tick(now)
    assert life.missed == 0
    first = life.made[0]
    assert all(abs(instant - first - k * 0.1) < 1e-5 for k, instant in enumerate(life.made))
    assert all(instant == round(round(instant * 10) / 10, 6) for instant in life.made)


def test_a_third_of_a_second_does_not_drift():
    life = Life(every(1 / 3))
    life.until(T0 + 100)
    assert len(life.made) == 300
    assert all(abs(i * 3 - round(i * 3)) < 1e-4 for i in life.made)


# -- jitter


@given(name=st.text(max_size=20), instant=st.floats(1e9, 3e9), jitter=st.floats(1e-3, DAY))
@settings(max_examples=300, deadline=None)
def test_jitter_is_the_same_for_everybody_and_within_its_bounds(name, instant, jitter):
    definition = every(60, jitter=jitter)
    found = time_of(name, definition, instant)
    assert found == time_of(name, every(5, jitter=jitter, catch_up=CatchUp.ALL), instant)
    assert instant - 1e-6 <= found <= instant + jitter + 1e-6
    assert time_of(name, every(60), instant) == instant


def test_jitter_spreads_over_all_of_its_stretch():
    definition = every(60, jitter=10.0)
    for offsets in (
        [time_of("n", definition, T0 + 60 * k) - T0 - 60 * k for k in range(2000)],
        [time_of(f"n{k}", definition, T0) - T0 for k in range(2000)],
    ):
        assert all(0 <= offset < 10 for offset in offsets)
        assert all(150 < count < 250 for count in Counter(int(offset) for offset in offsets).values())
        assert len(Counter(int(offset) for offset in offsets)) == 10


# -- pause


@pytest.mark.parametrize(
    "definition", [every(60), cron("*/5 * * * *", "Europe/Berlin"), every(7)], ids=["60", "5m", "7"]
)
def test_after_a_pause_it_goes_on_on_the_same_grid_and_what_passed_has_passed(definition):
    life = Life(definition)
    life.until(T0 + HOUR)
    before = list(life.made)
    life.pause()
    assert life.tick(T0 + 2 * HOUR) == []
    life.resume(T0 + 3 * HOUR + 1)
    assert life.time > T0 + 3 * HOUR + 1
    life.until(T0 + 4 * HOUR)
    assert life.made == before + instants(definition, T0 + 3 * HOUR + 1.001, T0 + 4 * HOUR)
    assert life.missed == 0


def test_a_pause_between_two_instants_changes_nothing():
    life = Life(every(60))
    life.until(T0 + 200)
    due = life.time
    life.pause()
    life.resume(due - 1)
    assert life.time == due
    life.until(T0 + 400)
    assert life.made == instants(every(60), T0 + 0.001, T0 + 400)


@pytest.mark.parametrize(("rule", "made"), [(CatchUp.NONE, 0), (CatchUp.ONE, 1), (CatchUp.ALL, 60)])
def test_after_a_pause_one_may_ask_for_what_passed(rule, made):
    definition = every(60, catch_up=rule)
    life = Life(definition)
    life.until(T0 + 1.0)
    life.pause()
    now = T0 + HOUR + 30
    life.resume(now, catch_up=True)
    life.tick(now)
    assert len(life.made) == made
    assert life.made + [0] * life.missed == life.made + [0] * (60 - made) or life.vague


def test_a_date_that_passed_during_a_pause_is_decided_by_the_rules():
    for late, made, missed in ((HOUR, 1, 0), (DAY, 1, 0), (DAY + 1, 0, 1)):
        life = Life(at(T0 + 10))
        life.pause()
        life.resume(T0 + 10 + late)
        life.tick(T0 + 10 + late)
        assert (made, missed, None) == (len(life.made), life.missed, life.time)


def test_a_pause_while_jitter_still_holds_the_task_back_loses_nothing():
    definition = every(HOUR, jitter=1800.0)
    life = Life(definition)
    instant, due = life.position.instant, life.time
    assert due - instant > 60, "pick another name"
    life.pause()
    life.resume(instant + 1)
    assert due == life.time
    life.tick(due)
    assert [instant] == life.made


@given(
    definition=definitions(), steps=st.lists(st.tuples(st.sampled_from("tprc"), st.floats(0, 3 * HOUR)), max_size=15)
)
@settings(max_examples=200, deadline=None)
def test_pauses_never_bring_an_instant_back(definition, steps):
    life, now = Life(definition), T0
    for step, gap in steps:
        now += gap
        if step == "t":
            life.tick(now)
        elif step == "p":
            life.pause()
        elif life.definition.paused is not None:
            life.resume(now, catch_up=step == "c")
            life.tick(now)
    assert life.made == sorted(set(life.made))
    assert all(is_grid(definition, instant) for instant in life.made)


# -- edits


def test_what_is_edited_while_due_is_made_once_as_edited():
    life = Life(every(60))
    due = life.time
    life.edit(due + 1, args=(1,))
    assert due == life.time
    (firing,) = life.tick(due + 2)
    assert (due,) == firing.instants
    assert life.time == due + 60


def test_another_trigger_voids_the_instant_that_was_due():
    life = Life(every(60))
    due = life.time
    life.edit(due + 1, schedule=Every(3600))
    assert life.time > due + 1
    assert life.tick(due + 2) == []
    assert is_grid(life.definition, life.time)


def test_a_trigger_that_was_edited_behind_our_back_voids_the_instant_too():
    life = Life(every(60))
    due = life.time
    life.definition = every(3600)
    (firing,) = life.tick(due + 1)
    assert (firing.instants, firing.missed) == ((), 0)
    assert life.time == instants(life.definition, due, due + 3600)[0]


def test_nothing_at_or_before_the_last_instant_comes_again():
    life = Life(cron("0 12 * * *", "UTC"))
    noon = life.time
    life.tick(noon)
    # The clocks of two machines differ: the edit comes from one whose time is before the fire.
    for schedule in (
        Every(60),
        Cron("0 12 * * *", "Etc/GMT"),
        Cron("* * * * *"),
        At(moment(noon)),
        At(moment(noon - 60)),
    ):
        life.edit(noon - 300, schedule=schedule)
        assert life.time is None or life.time > noon
        assert life.position.last == noon


@given(
    definition=definitions(),
    edits=st.lists(st.tuples(st.floats(-100, 3 * HOUR), st.none() | schedules), max_size=10),
)
@settings(max_examples=200, deadline=None)
def test_edits_never_bring_an_instant_back(definition, edits):
    life, now = Life(definition), T0
    for gap, schedule in edits:
        now += gap
        if schedule is None:
            life.edit(now, args=(gap,))
        else:
            life.edit(now, schedule=schedule)
        life.tick(now + 30)
    assert life.made == sorted(set(life.made))


def test_in_another_zone_the_clock_of_that_zone_counts():
    life = Life(cron("0 3 * * *", "UTC"))
    raw = encode_definition(life.definition)
    changed = decode_definition(with_changes(raw, {"tz": "America/New_York"}))
    life.edit(T0, schedule=changed.schedule)
    assert moment(life.time).astimezone(ZoneInfo("America/New_York")).hour == 3
    life.tick(life.time)
    # Three in the morning has been in Berlin, and comes again tomorrow.
    life.edit(life.made[-1] + 1, schedule=Cron("0 3 * * *", "Europe/Berlin"))
    assert life.time - life.made[-1] < DAY
    assert moment(life.time).astimezone(ZoneInfo("Europe/Berlin")).hour == 3


# -- a time set by hand


@pytest.mark.parametrize("behind", [None, -MINUTE, -DAY, -0.01])
def test_a_time_set_by_hand_makes_one_task_now_and_the_instants_go_on(behind):
    life = Life(every(HOUR))
    due = life.time
    now = T0 + 10
    life.time = 0.0 if behind is None else now + behind
    (firing,) = life.tick(now)
    assert (firing.by_hand, firing.instants, firing.missed) == (True, (now,), 0)
    assert (due, 0) == (life.time, life.position.fires)
    life.until(due + 3 * HOUR)
    assert life.made == [due + k * HOUR for k in range(4)]
    assert life.by_hand == [now]


def test_a_time_put_off_by_hand_makes_one_task_then_which_stands_for_the_instants_it_passed():
    life = Life(every(HOUR))
    due = life.time
    life.time = due + 90 * MINUTE
    assert life.tick(due + HOUR) == []
    (firing,) = life.tick(due + 90 * MINUTE)
    assert (firing.by_hand, firing.instants, firing.missed) == (True, (due + 90 * MINUTE,), 0)
    assert life.time == due + 2 * HOUR


@pytest.mark.parametrize("jitter", [0.0, 60.0])
def test_a_date_that_was_put_off_by_hand_comes_once(jitter):
    life = Life(at(T0 + HOUR, jitter=jitter))
    life.time = T0 + 2 * HOUR
    (firing,) = life.tick(T0 + 2 * HOUR)
    assert (firing.by_hand, firing.instants) == (True, (T0 + 2 * HOUR,))
    assert (life.time, life.position.last) == (None, T0 + HOUR)


def test_a_time_set_by_hand_counts_neither_for_max_runs_nor_for_the_end():
    life = Life(every(HOUR, max_runs=1))
    life.until(T0 + DAY)
    assert (len(life.made), life.time) == (1, None)
    life.time = 0.0
    (firing,) = life.tick(T0 + DAY)
    assert (firing.by_hand, len(firing.instants)) == (True, 1)
    assert life.time is None


def test_a_schedule_that_is_paused_makes_no_task_even_by_hand():
    life = Life(every(HOUR))
    life.pause()
    life.time = 0.0
    (firing,) = life.tick(T0 + 1)
    assert (firing.instants, firing.missed, life.time) == ((), 0, None)


def test_a_schedule_without_a_position_was_written_and_timed_by_hand():
    for position in (None, Position(), Position(last=T0 - 100)):
        firing = plan("n", every(HOUR), position, T0 - 5, T0)
        assert (firing.by_hand, firing.instants) == (True, (T0,))
        assert firing.time == place("n", every(HOUR), position, T0)[1]


# -- dates


@pytest.mark.parametrize(
    ("late", "rule", "made", "missed"),
    [
        (-10, CatchUp.ONE, 0, 0),
        (0, CatchUp.NONE, 1, 0),
        (4.9, CatchUp.NONE, 1, 0),
        (5.1, CatchUp.NONE, 0, 1),
        (5.1, CatchUp.ONE, 1, 0),
        (HOUR, CatchUp.ALL, 1, 0),
        (DAY, CatchUp.ONE, 1, 0),
        (DAY + 1, CatchUp.ONE, 0, 1),
        (DAY + 1, CatchUp.ALL, 0, 1),
    ],
)
def test_a_date_in_the_past_is_made_once_inside_the_window_else_missed(late, rule, made, missed):
    life = Life(at(T0 - late, catch_up=rule))
    assert life.time == T0 - late
    life.tick(T0)
    life.tick(T0 + 1)
    assert (made, missed) == (len(life.made), life.missed)
    assert (life.time is None) == (late >= 0)
    # Whoever places it again does not bring it back.
    life.edit(T0 + 2, args=(1,))
    life.tick(T0 + 3)
    assert made == len(life.made)


# -- bounds


@pytest.mark.parametrize("lateness", [0.0, 0.55, 4.0, 300.0])
@pytest.mark.parametrize("rule", CatchUp)
def test_exactly_max_runs_are_made_and_what_comes_after_is_not_missed(lateness, rule):
    life = Life(every(0.1, max_runs=7, catch_up=rule))
    while life.time is not None and life.time < T0 + HOUR:
        life.tick(life.time + lateness)
    assert 7 == life.position.fires == len(life.made)
    assert life.time is None
    if lateness <= ON_TIME:
        assert life.missed == 0
        assert life.made == instants(life.definition, life.made[0], life.made[0] + 0.65)


def test_more_runs_granted_later_go_on_without_a_burst():
    life = Life(every(60, max_runs=1))
    life.until(T0 + DAY)
    life.edit(T0 + DAY, max_runs=3)
    life.until(T0 + 2 * DAY)
    assert len(life.made) == 3
    assert life.made[1] > T0 + DAY


@pytest.mark.parametrize("offset", [0.0, 0.000001, 0.25])
def test_an_instant_at_the_start_or_the_end_counts(offset):
    first = instants(every(60), T0, T0 + 60)[0]
    definition = every(60, start=moment(first + 60), end=moment(first + 180))
    life = Life(definition)
    life.until(T0 + DAY)
    assert life.made == [first + 60, first + 120, first + 180]
    life = Life(replace(definition, start=moment(first + 60 + offset), end=moment(first + 180 - offset)))
    life.until(T0 + DAY)
    assert life.made == [first + 60, first + 120, first + 180][bool(offset) : 3 - bool(offset)]


def test_the_end_counts_also_for_what_is_caught_up_with():
    first = instants(every(60), T0, T0 + 60)[0]
    life = Life(every(60, end=moment(first + 120), catch_up=CatchUp.ALL))
    life.tick(T0 + HOUR)
    assert (life.made, life.time, life.missed) == ([first, first + 60, first + 120], None, 0)
    life = Life(every(0.1, end=moment(first + 600), catch_up=CatchUp.ONE))
    life.tick(T0 + HOUR)
    assert (life.made, life.time) == ([first + 600], None)


@pytest.mark.parametrize(
    ("start", "end", "made"), [(10, None, 1), (11, None, 0), (None, 10, 1), (None, 9, 0), (10, 10, 1)]
)
def test_a_date_keeps_to_start_and_end(start, end, made):
    life = Life(
        at(
            T0 + 10,
            start=None if start is None else moment(T0 + start),
            end=None if end is None else moment(T0 + end),
        )
    )
    life.tick(T0 + HOUR)
    assert (made, 0, None) == (len(life.made), life.missed, life.time)


def test_a_clock_that_goes_backwards_brings_nothing_back():
    life = Life(every(60))
    life.until(T0 + HOUR)
    made, due = list(life.made), life.time
    for now in (T0 + HOUR - 120, T0, T0 - DAY):
        assert life.tick(now) == []
        life.edit(now, args=(now,))
        life.edit(now, schedule=Every(30))
        life.edit(now, schedule=Every(60))
        assert life.time == due
    life.until(T0 + 2 * HOUR)
    assert life.made == instants(every(60), T0 + 0.001, T0 + 2 * HOUR)
    assert life.made[: len(made)] == made


# -- ids, positions and records


def test_an_id_names_the_schedule_and_the_instant():
    assert run_id("nightly bill", T0) == "nightly bill@20260921T141320Z"
    assert run_id("n", T0 + 0.1) == "n@20260921T141320.1Z"
    assert run_id("n", T0 + 0.000001) == "n@20260921T141320.000001Z"


def test_no_two_instants_share_an_id():
    life = Life(every(0.01))
    life.until(T0 + 20)
    assert len({run_id("n", instant) for instant in life.made}) == len(life.made) == 2000


@pytest.mark.parametrize(
    "raw",
    [
        None,
        b"",
        b"null",
        b"[]",
        b"{",
        b"\xff",
        b'"text"',
        b'{"instant":"soon"}',
        b'{"instant":true}',
        b'{"instant":1e300}',
        b'{"instant":-1e300,"time":0}',
        b'{"last":1e18}',
        b'{"time":1e999}',
        b'{"fires":1.5}',
        b'{"fires":' + b"9" * 30 + b"}",
        b'{"trigger":5}',
        b"[" * 100_000,
    ],
    ids=lambda raw: repr(raw)[:30],
)
def test_a_position_that_nobody_of_us_wrote_is_none(raw):
    assert decode_position(raw) is None


@pytest.mark.parametrize(
    "definition",
    [
        at(253_402_257_600.0),
        at(253_402_300_799.0, jitter=DAY),
        cron("* * * * *", "Pacific/Kiritimati", jitter=60.0),
        every(3600),
        every(3600, jitter=DAY),
    ],
    ids=["at noon", "in the last second", "east", "hourly", "put off"],
)
def test_a_place_on_the_last_day_of_all_is_read_back_and_fired(definition):
    position, time = place("s", definition, None, 253_402_250_000.0)
    assert decode_position(encode_position(position)) == position
    firing = plan("s", definition, position, time, time + 1)
    assert firing.instants[0] == position.instant
    assert run_id("s", position.instant).startswith("s@9999")
    # However late somebody comes, the end of all dates is none of theirs.
    assert plan("s", definition, position, time, 253_402_400_000.0).position.last is not None


@given(raw=st.binary(max_size=40) | st.dictionaries(
    st.sampled_from(["trigger", "instant", "time", "last", "fires", "x"]),
    st.none() | st.floats(allow_nan=False) | st.integers() | st.text(max_size=3),
).map(lambda fields: json.dumps(fields).encode()))  # fmt: skip
@settings(max_examples=400, deadline=None)
def test_whatever_stands_for_a_position_a_plan_can_be_made(raw):
    position = decode_position(raw)
    for definition in (every(HOUR), at(T0 + 5), cron("0 3 * * *", jitter=5.0)):
        for score in (0.0, T0, (position or Position()).time or 1.0):
            firing = plan("n", definition, position, score, T0)
            assert all(run_id("n", instant) for instant in firing.instants)
            encode_position(firing.position)


records = st.builds(
    RunRecord,
    outcome=st.sampled_from(["done", "dead", "deleted", "gone", "skipped", "missed"]),
    at=st.floats(0, 2e9),
    id=st.text(st.characters(exclude_categories=["Cs"])),
    instant=st.none() | st.floats(0, 2e9),
    n=st.integers(1, 10**9),
    ms=st.none() | st.floats(0, 1e9),
    attempt=st.integers(1, 100),
    worker=st.just("w"),
    text=st.text(st.characters(exclude_categories=["Cs"])),
)


@given(record=records)
@settings(max_examples=100, deadline=None)
def test_a_record_that_is_written_is_what_is_read(record):
    assert record == decode_record(encode_record(record))


@pytest.mark.parametrize(
    "raw", [b"", b"{}", b"[]", b"\xff", b'{"outcome":5,"at":1}', b'{"outcome":"done"}', b"[" * 100_000]
)
def test_a_record_that_nobody_of_us_wrote_is_none(raw):
    assert decode_record(raw) is None
