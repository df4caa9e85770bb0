"""Cron schedules against an oracle, a brute-force scanner, and the clock changes of the world."""

from __future__ import annotations

import csv
import pickle
import subprocess
import sys
import threading
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import cache
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import croniter
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskconsole.errors import ScheduleError
from taskconsole.model.cron import Cron

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def naive(*numbers):
    return datetime(*numbers)  # noqa: DTZ001 - as a caller may write it


def chain(schedule, moment, count):
    fires = []
    while len(fires) < count and (moment := schedule.next_after(moment)) is not None:
        fires.append(moment)
    return fires


# The oracle was made with nine other cron implementations and a brute-force scanner; `agreeing` names them.


def oracle():
    rules = defaultdict(list)
    with Path(__file__).with_name("cron_oracle.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            rules[row["rule"]].append(row)
    return rules


ORACLE = oracle()


def test_the_oracle_is_whole():
    assert sum(map(len, ORACLE.values())) == 1077


@pytest.mark.parametrize("rule", ORACLE)
def test_every_row_of_the_oracle_agrees(rule):
    wrong = []
    for row in ORACLE[rule]:
        schedule = Cron(row["expression"], row["timezone"])
        wanted = [datetime.fromisoformat(row[f"fire{i}"]) for i in range(1, 6)]
        found = chain(schedule, datetime.fromisoformat(row["start"]), 5)
        if [moment.isoformat() for moment in wanted] != [moment.isoformat() for moment in found]:
            wrong.append(f"{row['expression']} in {row['timezone']} after {row['start']}: {wanted} != {found}")
    assert wrong == []


# A scanner that knows nothing of the code under test: crontab(5) for what matches, cron(8) of Debian for clock changes.

NAMES = [
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    ["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
]
LIMITS = [(0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 7)]


def numbers(text, low, high):
    for names, first in zip(NAMES, (1, 0), strict=True):
        for i, name in enumerate(names):
            text = text.lower().replace(name, str(i + first))
    found = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, _, last = (f"{low}-{high}" if span == "*" else span).partition("-")
        found.update(range(int(first), int(last or first) + 1, int(step or 1)))
    return found


class Scanner:
    def __init__(self, expression):
        fields = expression.split()
        self.step = MINUTE if len(fields) == 5 else timedelta(seconds=1)
        fields = ["0"] * (6 - len(fields)) + fields
        self.sets = [numbers(field, *limits) for field, limits in zip(fields, LIMITS, strict=True)]
        self.either = "*" not in (fields[3], fields[5])  # where Debian would take "*/2" for a "*" too
        self.wildcard = any(field[0] == "*" for field in fields[:3])

    def matches(self, wall):
        seconds, minutes, hours, days, months, weekdays = self.sets
        if wall.second not in seconds or wall.minute not in minutes or wall.hour not in hours:
            return False
        day = wall.day in days
        weekday = wall.isoweekday() in weekdays or (wall.isoweekday() == 7 and 0 in weekdays)
        return wall.month in months and (day or weekday if self.either else day and weekday)

    def fires(self, zone, start, end):
        """Every fire after `start` and up to `end`."""
        for local, skipped in ticks(zone, start, end, self.step):
            if self.wildcard:
                fires = self.matches(local)
            else:
                fires = (not local.fold and self.matches(local)) or any(self.matches(wall) for wall in skipped)
            if fires:
                yield local


@cache
def ticks(zone, start, end, step):
    """The clock at every step after `start`, with the readings that it skipped just before."""
    found = []
    last = start.astimezone(zone)
    moment = start
    while moment < end:
        moment += step
        local = moment.astimezone(zone)
        skipped = []
        if local.utcoffset() > last.utcoffset():
            wall = last.replace(tzinfo=None) + step
            while wall < local.replace(tzinfo=None):
                skipped.append(wall)
                wall += step
        found.append((local, skipped))
        last = local
    return found


ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Chatham", "Asia/Beirut", "Africa/Cairo"]
ZONES += ["Antarctica/Troll", "America/St_Johns", "America/Havana", "Europe/Dublin", "Africa/Casablanca", "UTC"]


def changes(name):
    """Days of 2023-2027 on which the offset changes, and some on which it does not."""
    zone = ZoneInfo(name)
    days = [datetime(2023, 1, 1, tzinfo=UTC) + n * DAY for n in range(5 * 365)]
    offsets = [day.astimezone(zone).utcoffset() for day in days]
    changed = [day for (day, now), (_, later) in pairwise(zip(days, offsets, strict=True)) if now != later]
    return [(name, day) for day in [*changed, *days[40 :: 5 * 73]]]


PLACES = [place for name in ZONES for place in changes(name)] + [("Pacific/Apia", datetime(2011, 12, 29, tzinfo=UTC))]

minutes = st.sampled_from(["*", "*/15", "*/30", "0", "30", "59", "15,45", "0-59", "10-50/20", "0,1,2,30", "*/7"])
hours = st.sampled_from(["*", "*/2", "*/3", "2", "1", "0", "3", "23", "2,3", "0-4", "1-23/2", "2,14", "0,1,2,3"])
days_of_month = st.sampled_from(["*", "*", "*", "*", "1-15", "*/2", "29", "25-31", "7,8,9"])
months = st.sampled_from(["*", "*", "*", "mar,oct", "3-11", "*/2"])
weekdays = st.sampled_from(["*", "*", "*", "0", "7", "sun", "mon-fri", "6,7", "sat"])
crons = st.tuples(minutes, hours, days_of_month, months, weekdays).map(" ".join)


def assert_same_fires(expression, zone, begin, start, end, count):
    """The first `count` after `start`, by the scanner from `begin` to `end`."""
    wanted = [fire for fire in Scanner(expression).fires(zone, begin, end) if fire.astimezone(UTC) > start][:count]
    asked = min(len(wanted) + 1, count)
    found = [fire for fire in chain(Cron(expression, zone.key), start, asked) if fire.astimezone(UTC) <= end]
    assert [fire.isoformat() for fire in wanted] == [fire.isoformat() for fire in found]


@settings(max_examples=600, deadline=None)
@given(crons, st.sampled_from(PLACES), st.integers(0, 36 * 60 * 60))
def test_no_fire_is_missed_and_none_is_invented(expression, place, seconds):
    name, day = place
    zone, end = ZoneInfo(name), day + 2 * DAY
    start = day + timedelta(seconds=seconds)

    assert_same_fires(expression, zone, day, start, end, 12)


seconds_fields = st.sampled_from(["*", "*/20", "0", "30", "0,59", "0-59/7"])
CHANGES_BY_SECOND = [
    ("Europe/Berlin", datetime(2026, 3, 29, 0, 30, tzinfo=UTC)),
    ("Europe/Berlin", datetime(2026, 10, 24, 23, 45, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 4, 4, 14, 15, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 10, 3, 15, 15, tzinfo=UTC)),
]


@settings(max_examples=100, deadline=None)
@given(seconds_fields, minutes, hours, st.sampled_from(CHANGES_BY_SECOND), st.integers(0, 7000))
def test_with_seconds_no_fire_is_missed_and_none_is_invented(second, minute, hour, place, seconds):
    expression = f"{second} {minute} {hour} * * *"
    name, begin = place
    zone, end = ZoneInfo(name), begin + timedelta(hours=2, minutes=30)
    start = begin + timedelta(seconds=seconds, microseconds=1)

    assert_same_fires(expression, zone, begin, start, end, 20)


@settings(max_examples=200, deadline=None)
@given(
    crons,
    st.sampled_from([*ZONES, "Pacific/Apia", "Africa/Monrovia", "Pacific/Kwajalein", "Asia/Gaza"]),
    st.datetimes(naive(1970, 1, 2), naive(2200, 1, 1), timezones=st.just(UTC)),
)
def test_each_fire_is_later_than_the_one_before(expression, name, moment):
    found = chain(Cron(expression, name), moment, 15)

    assert len(found) == 15
    assert all(before < after for before, after in pairwise([moment, *(fire.astimezone(UTC) for fire in found)]))
    assert all(str(fire.tzinfo) == name for fire in found)


def fires(expression, zone, start, count):
    return [fire.isoformat() for fire in chain(Cron(expression, zone), datetime.fromisoformat(start), count)]


@pytest.mark.parametrize(
    ("expression", "zone", "start", "wanted"),
    [
        # A yearly time in the hour that comes twice, asked in winter: the first of the two, not the one in winter time.
        ("30 2 25 10 *", "Europe/Berlin", "2026-01-10T00:00:00+01:00", ["2026-10-25T02:30:00+02:00"]),
        # Asked in the first of the two hours, with nothing left in it and nothing for a year after.
        (
            "*/20 2 25 10 *",
            "Europe/Berlin",
            "2026-10-25T02:40:00+02:00",
            [
                "2026-10-25T02:00:00+01:00",
                "2026-10-25T02:20:00+01:00",
                "2026-10-25T02:40:00+01:00",
                "2027-10-25T02:00:00+02:00",
            ],
        ),
        # Asked in the second of the two.
        ("45 2 * * *", "Europe/Berlin", "2026-10-25T02:10:00+01:00", ["2026-10-26T02:45:00+01:00"]),
        ("0-59 2 * * *", "Europe/Berlin", "2026-10-25T02:59:00+02:00", ["2026-10-26T02:00:00+01:00"]),
        ("0-59 2-3 * * *", "Europe/Berlin", "2026-10-25T02:59:00+02:00", ["2026-10-25T03:00:00+01:00"]),
        # Any number of skipped times, and one at the change itself, are one run.
        (
            "0,30 2,3 * * *",
            "Europe/Berlin",
            "2026-03-29T00:00:00+01:00",
            ["2026-03-29T03:00:00+02:00", "2026-03-29T03:30:00+02:00", "2026-03-30T02:00:00+02:00"],
        ),
        # Half an hour, two hours, three quarters past the hour, at midnight.
        ("10 2 * * *", "Australia/Lord_Howe", "2026-10-03T20:00:00+10:30", ["2026-10-04T02:30:00+11:00"]),
        ("40 1 * * *", "Australia/Lord_Howe", "2026-04-04T20:00:00+11:00", ["2026-04-05T01:40:00+11:00"]),
        ("40 * * * *", "Australia/Lord_Howe", "2026-04-05T01:40:00+11:00", ["2026-04-05T01:40:00+10:30"]),
        ("30 1 * * *", "Antarctica/Troll", "2026-03-28T12:00:00+00:00", ["2026-03-29T03:00:00+02:00"]),
        ("30 2 * * *", "Antarctica/Troll", "2026-10-24T12:00:00+02:00", ["2026-10-25T02:30:00+02:00"]),
        ("50 2 * * *", "Pacific/Chatham", "2026-09-26T12:00:00+12:45", ["2026-09-27T03:45:00+13:45"]),
        ("0 0 * * *", "Asia/Beirut", "2026-03-28T12:00:00+02:00", ["2026-03-29T01:00:00+03:00"]),
        ("*/30 0 * * *", "Asia/Beirut", "2026-03-28T12:00:00+02:00", ["2026-03-30T00:00:00+03:00"]),
        # A day that was left out.
        (
            "30 2 * * *",
            "Pacific/Apia",
            "2011-12-29T12:00:00-10:00",
            ["2011-12-31T00:00:00+14:00", "2011-12-31T02:30:00+14:00"],
        ),
        ("30 * * * *", "Pacific/Apia", "2011-12-29T23:30:00-10:00", ["2011-12-31T00:30:00+14:00"]),
        # A change that is not at a whole minute.
        ("30 0 * * *", "Africa/Monrovia", "1972-01-06T12:00:00-00:44:30", ["1972-01-07T00:44:30+00:00"]),
        ("* * * * *", "Africa/Monrovia", "1972-01-06T23:59:00-00:44:30", ["1972-01-07T00:45:00+00:00"]),
        # Years without a match.
        ("0 0 29 2 *", "UTC", "2096-03-01T00:00:00+00:00", ["2104-02-29T00:00:00+00:00"]),
        ("0 0 * 2 MON#5", "UTC", "2072-03-01T00:00:00+00:00", ["2112-02-29T00:00:00+00:00"]),
        # Seconds, and between two of them.
        ("*/10 * * * * *", "UTC", "2026-01-01T00:00:09.999999+00:00", ["2026-01-01T00:00:10+00:00"]),
        ("*/10 * * * * *", "UTC", "2026-01-01T00:00:10.000001+00:00", ["2026-01-01T00:00:20+00:00"]),
        ("* * * * *", "UTC", "2026-01-01T00:00:59.999999+00:00", ["2026-01-01T00:01:00+00:00"]),
        ("* * * * *", "UTC", "2026-01-01T00:01:00+00:00", ["2026-01-01T00:02:00+00:00"]),
        # Letters.
        ("0 0 L * *", "UTC", "2026-02-01T00:00:00+00:00", ["2026-02-28T00:00:00+00:00", "2026-03-31T00:00:00+00:00"]),
        ("0 0 * * 5L", "UTC", "2026-02-01T00:00:00+00:00", ["2026-02-27T00:00:00+00:00", "2026-03-27T00:00:00+00:00"]),
        ("0 0 * * L7", "UTC", "2026-02-01T00:00:00+00:00", ["2026-02-22T00:00:00+00:00"]),
        ("0 0 15W * *", "UTC", "2026-02-01T00:00:00+00:00", ["2026-02-16T00:00:00+00:00", "2026-03-16T00:00:00+00:00"]),
        ("0 0 1W * *", "UTC", "2026-07-15T00:00:00+00:00", ["2026-08-03T00:00:00+00:00"]),
        ("0 0 * * 2#2", "UTC", "2026-02-01T00:00:00+00:00", ["2026-02-10T00:00:00+00:00"]),
        ("0 0 * * fri-mon", "UTC", "2026-02-03T00:00:00+00:00", ["2026-02-06T00:00:00+00:00"]),
        ("0 0 13 * 5", "UTC", "2026-02-07T00:00:00+00:00", ["2026-02-13T00:00:00+00:00", "2026-02-20T00:00:00+00:00"]),
    ],
)
def test_a_moment_of_note(expression, zone, start, wanted):
    assert wanted == fires(expression, zone, start, len(wanted))


def test_a_moment_in_another_zone_is_the_same_moment():
    schedule = Cron("30 2 * * *", "Europe/Berlin")
    utc = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)

    assert schedule.next_after(utc) == schedule.next_after(utc.astimezone(ZoneInfo("Asia/Tokyo")))
    assert schedule.next_after(utc - MINUTE).astimezone(UTC) == utc


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Pacific/Kiritimati", "Pacific/Pago_Pago"])
@pytest.mark.parametrize("expression", ["* * * * *", "0 0 29 2 *", "0 0 * * MON#5", "59 59 23 31 12 *"])
@pytest.mark.parametrize("offset", [-23, -5, 0, 5, 23])
def test_the_end_of_all_dates_is_the_end_of_a_schedule(zone, expression, offset):
    there = timezone(timedelta(hours=offset))

    schedule = Cron(expression, zone)
    assert schedule.next_after(datetime.max.replace(tzinfo=UTC)) is None
    for reading in (naive(1970, 1, 1), naive(2200, 12, 31), naive(9999, 12, 31, 23, 59, 59), naive(1, 1, 1)):
        moment = reading.replace(tzinfo=there)
        fire = schedule.next_after(moment)
        assert fire is None or fire > moment
        assert fire is not None or moment.year not in {1970, 2200}


class BadZone(tzinfo):
    def utcoffset(self, moment):
        raise RuntimeError("no idea")


@pytest.mark.parametrize(
    ("moment", "advice"),
    [
        (naive(2026, 1, 1), "a moment without a time zone (2026-01-01 00:00:00): write tzinfo=UTC or a ZoneInfo"),
        (datetime(2026, 1, 1, tzinfo=tzinfo()), "a moment's time zone fails (NotImplementedError): write tzinfo=UTC"),
        (datetime(2026, 1, 1, tzinfo=BadZone()), "a moment's time zone fails (RuntimeError)"),
        (None, "a moment is a datetime with a time zone, not NoneType"),
        (1767225600.0, "a moment is a datetime with a time zone, not float"),
        (naive(2026, 1, 1).date(), "not date"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_moment_without_a_zone_is_refused(moment, advice):
    with pytest.raises(ScheduleError) as caught:
        Cron("* * * * *").next_after(moment)
    assert advice in str(caught.value)


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("Europe/Berln", "unknown time zone 'Europe/Berln': write 'Europe/Berlin'?"),
        ("europe/berlin", "write 'Europe/Berlin'?"),
        ("Qqqq", "unknown time zone 'Qqqq': write a name such as 'UTC' or 'Europe/Berlin'"),
        ("Europe", "unknown time zone 'Europe'"),
        ("", "time zone '': write a name such as 'UTC' or 'Europe/Berlin'"),
        ("../../etc/passwd", "time zone '../../etc/passwd': write a name"),
        ("/etc/localtime", "write a name such as"),
        ("Europe/../Europe/Berlin", "write a name such as"),
        ("Europe/Berlin\n", "write a name such as"),
        ("Europe/Berlin\0", "write a name such as"),
        ("localtime", "time zone 'localtime': write a name"),
        ("posixrules", "write a name such as"),
        ("right/Europe/Berlin", "write a name such as"),
        ("posix/UTC", "write a name such as"),
        ("\udcff", "write a name such as"),
        ("A" * 1_000_000, "write a name such as"),
        (None, "a time zone is a name such as 'Europe/Berlin', not NoneType"),
        (UTC, "not timezone"),
        (5, "not int"),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_a_zone_that_is_none_is_refused(name, advice):
    with pytest.raises(ScheduleError) as caught:
        Cron("* * * * *", name)
    message = str(caught.value)
    assert advice in message
    assert len(message) < 200
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize(
    ("expression", "description"),
    [
        ("15 3 * * *", "At 03:15"),
        ("*/5 * * * *", "Every 5 minutes"),
        ("0 9 * * mon-fri", "At 09:00, Monday through Friday"),
        ("30 8,20 * * *", "At 08:30 and 20:30"),
        ("0 30 14 * * *", "At 14:30"),
        ("*/10 * * * * *", "Every 10 seconds"),
        ("@hourly", "Every hour"),
        ("@weekly", "At 00:00, only on Sunday"),
        ("@yearly", "At 00:00, on day 1 of the month, only in January"),
        ("0 0 L * *", "At 00:00, on the last day of the month"),
        ("0 12 * * 5L", "At 12:00, on the last Friday of the month"),
        ("0 12 * * L5", "At 12:00, on the last Friday of the month"),
        ("0 0 15W * *", "At 00:00, on the weekday nearest day 15 of the month"),
        ("0 9 * * MON#2", "At 09:00, on the second Monday of the month"),
        ("0 0 ? * 7", "At 00:00, only on Sunday"),
        ("0 0 13 * 5", "At 00:00, on day 13 of the month, or on Friday"),
        ("0 0 */1 * mon", "At 00:00, only on Monday"),
        ("*/100 * * * *", "Every hour"),
        ("59/15 * * * *", "At 59 minutes past the hour"),
        ("0 0 * * 4/3", "At 00:00, only on Thursday"),
        ("0 0 * * mon#1,wed#3", "Cron 0 0 * * mon#1,wed#3"),
    ],
)
def test_a_schedule_says_in_english_what_it_does(expression, description):
    assert f"{description} (Europe/Berlin)" == Cron(expression, "Europe/Berlin").describe()


@settings(max_examples=200, deadline=None)
@given(crons)
def test_every_schedule_says_what_it_does(expression):
    assert Cron(expression).describe().endswith(" (UTC)")


def test_a_schedule_is_a_value():
    schedule = Cron(" 0  3 * * * ", "Europe/Berlin")

    assert schedule == Cron("0 3 * * *", "Europe/Berlin")
    assert hash(schedule) == hash(Cron("0 3 * * *", "Europe/Berlin"))
    assert schedule != Cron("0 3 * * *")
    assert schedule != Cron("0 4 * * *", "Europe/Berlin")
    assert repr(schedule) == "Cron(expression='0 3 * * *', tz='Europe/Berlin')"
    assert replace(schedule, tz="UTC") == Cron("0 3 * * *")
    assert pickle.loads(pickle.dumps(schedule)) == schedule
    with pytest.raises(AttributeError):
        schedule.tz = "UTC"


def test_what_the_library_refuses_is_refused(monkeypatch):
    def refuse(*args, **options):
        raise croniter.CroniterBadCronError("not in my version")

    monkeypatch.setattr(croniter, "croniter", refuse)
    with pytest.raises(ScheduleError, match="the installed croniter refuses it, write it more simply"):
        Cron("0 0 15W * *")


def test_threads_may_share_a_schedule():
    schedule = Cron("*/7 3 * * mon#2", "Europe/Berlin")
    starts = [datetime(2020 + n, 1, 1, tzinfo=UTC) for n in range(8)]
    alone = [chain(schedule, start, 100) for start in starts]
    together = {}

    def ask(start):
        together[start] = chain(schedule, start, 100)

    threads = [threading.Thread(target=ask, args=(start,)) for start in starts]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)

    assert alone == [together[start] for start in starts]


def test_a_process_without_cron_schedules_does_not_pay_for_their_libraries():
    program = """
import sys
from taskconsole.model.schedule import At, Every
from datetime import UTC, datetime
Every("5m").next_after(datetime.now(UTC))
print(sorted({"croniter", "cron_descriptor", "dateutil", "zoneinfo", "difflib"} & set(sys.modules)))
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert found.stdout == "[]\n"
