"""Cron expressions: what is taken, what is refused with which advice, what is warned about."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from taskconsole.errors import ConfigError, ScheduleError
from taskconsole.model.cron import Cron
from taskconsole.model.crontab import FIELDS, MAX_LENGTH, WEEKDAY, parse

REFUSED = [
    # Not an expression at all.
    (None, "text such as '15 3 * * *', not NoneType"),
    (b"* * * * *", "not bytes"),
    (5, "not int"),
    (["*"] * 5, "not list"),
    ("", "an empty cron expression: write five fields"),
    (" \t\n", "an empty cron expression: write five fields"),
    ("1," * 200_000, f"400,000 characters: {MAX_LENGTH} at most, write ranges and steps"),
    ("* * * *", "4 fields: write five (minute, hour, day of month, month, day of week), or six"),
    ("5m", "1 field: write five (minute, hour, day of month, month, day of week), or six"),
    ("every 5 minutes", "for an interval write every = '5m' or Every('5m')"),
    ("0 0 0 1 1 * 2030", "seven fields: years are not taken, write five fields"),
    ("* * * * * * * *", "8 fields: write five"),
    ("@reboot", "enqueue the task where the program starts"),
    ("@every 5m", "write every = '5m' or Every('5m')"),
    ("@fortnightly", "write one of @hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually, or five fields"),
    ("@daily 5", "write one of @hourly"),
    # One field.
    ("60 * * * *", "minute '60': write 0-59"),
    ("-1 * * * *", "minute '-1': write *, 0, 0-59, 0,59 or */2"),
    ("* 24 * * *", "hour '24': write 0-23"),
    ("* * 0 * *", "day of month '0': write 1-31"),
    ("* * 32 * *", "day of month '32': write 1-31"),
    ("* * * 13 *", "month '13': write 1-12 or JAN-DEC"),
    ("* * * january *", "month 'january': write 1-12 or JAN-DEC"),
    ("* * * * 8", "day of week '8': write 0-7 or SUN-SAT"),
    ("60 * * * * *", "second '60': write 0-59"),
    ("9" * 200 + " * * * *", "write 0-59"),
    ("*/0 * * * *", "minute '*/0': write a step of 1 or more"),
    ("*/x * * * *", "minute '*/x': write *"),
    ("*-5 * * * *", "minute '*-5': write *"),
    ("1,,2 * * * *", "minute '': write *"),
    ("? * * * *", "minute '?': write *"),
    ("* * ?,5 * *", "day of month '?,5': ? stands alone, write *"),
    ("٣ * * * *", "write plain digits, letters and"),
    ("*\u00a0* * * * *", "write plain digits, letters and"),
    ("* * * * MON!", "day of week 'mon!': write *"),
    # What other crons take in different senses.
    ("1-1 * * * *", "minute '1-1': a range of equal ends, write 1 for the one or * for all"),
    ("* * * jan-jan *", "month 'jan-jan': a range of equal ends, write jan for the one or * for all"),
    ("* * * * 7-0", "day of week '7-0': a range of equal ends, write 7 for the one or * for all"),
    ("* * * * 7-7", "a range of equal ends"),
    ("* * * * 0-sun", "a range of equal ends"),
    ("* 22-2/2 * * *", "hour '22-2/2': a step in a range that wraps around, write the values out"),
    ("0 0 31 2 *", "no such date: write a day that the month has, or L for its last"),
    ("0 0 30,31 feb *", "no such date"),
    ("0 0 31 4,6 mon", "no such date"),
    ("0 0 31 9 */2", "no such date"),
    ("H * * * *", "minute 'H': a number drawn from a name is not taken, write the number itself"),
    ("* h(0-5)/2 * * *", "hour 'H(0-5)/2': a number drawn from a name is not taken"),
    ("* * * * R", "day of week 'R': a random number is not taken, write the number itself"),
    ("0 0 1 * MON#1", "day of week 'mon#1' together with a day of month: write * for the day of month"),
    ("0 0 L * 5L", "day of week '5l' together with a day of month"),
    ("0 0 * * MON#1,TUE", "# and L cannot be in a list with plain days, write several schedules"),
    ("0 0 * * MON#6", "day of week 'mon#6': write MON#1 to MON#5"),
    ("0 0 * * MON#0", "write MON#1 to MON#5"),
    ("0 0 * * MON-FRI#1", "write MON#1 to MON#5"),
    ("0 0 * * 8#1", "day of week '8': write 0-7"),
    ("0 0 * * 9L", "day of week '9': write 0-7"),
    ("0 0 * * L", "day of week 'L': write 6 for Saturday, 6L for the last one of a month"),
    ("0 0 LW * *", "day of month 'LW': write L for the last day"),
    ("0 0 L-3 * *", "day of month 'L-3': days before the last are not taken, write L or a number"),
    ("0 0 5-L * *", "day of month 'l': write 1-31"),
    ("0 0 30W * *", "day of month '30W': not every month has it, write 1W-28W or L"),
    ("0 0 W29 * *", "day of month 'W29': not every month has it"),
    ("0 0 32W * *", "day of month '32': write 1-31"),
    ("0 0 15W,20 * *", "day of month '15w,20': W cannot be in a list, write several schedules"),
    ("0 0 15W * MON", "day of month '15w' together with a day of week: write * for the day of week"),
]


@pytest.mark.parametrize(("expression", "advice"), REFUSED, ids=lambda value: str(value)[:24])
def test_a_refusal_says_in_one_line_what_to_write_instead(expression, advice):
    with pytest.raises(ScheduleError) as caught:
        Cron(expression)

    message = str(caught.value)
    assert advice in message
    assert len(message.splitlines()) == 1
    assert len(message) < 600
    assert isinstance(caught.value, ConfigError)
    assert isinstance(caught.value, ValueError)


def test_a_refusal_names_the_expression():
    with pytest.raises(ScheduleError, match=r"^cron '61 \* \* \* \*': minute '61': write 0-59$"):
        parse(" 61  * * * * ")


def test_the_longest_expression_is_taken():
    text = "10" + ",1" * ((MAX_LENGTH - 10) // 2) + " * * * *"

    assert len(text) == MAX_LENGTH
    assert parse(text).text == text
    with pytest.raises(ScheduleError, match="257 characters"):
        parse(text + " ")


TAKEN = [
    ("*/5 * * * *", "*/5 * * * *"),
    ("  0\t0   * *\n* ", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
    (" @DAILY ", "0 0 * * *"),
    ("@Midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("5 4 3 2 1 0", "5 4 3 2 1 0"),
    ("0 0 * JAN,Feb Mon-FRI", "0 0 * 1,2 1-5"),
    ("0 0 ? * ?", "0 0 * * *"),
    ("0 0 L * *", "0 0 l * *"),
    ("0 0 1,L * *", "0 0 1,l * *"),
    ("0 0 31,L feb *", "0 0 31,l 2 *"),
    ("0 0 29 2 *", "0 0 29 2 *"),
    ("0 0 31 2,3 *", "0 0 31 2,3 *"),
    ("0 0 15W * *", "0 0 15w * *"),
    ("0 0 W15 * *", "0 0 15w * *"),
    ("0 0 28W * *", "0 0 28w * *"),
    ("0 0 * * 5L", "0 0 * * l5"),
    ("0 0 * * L5", "0 0 * * l5"),
    ("0 0 * * friL", "0 0 * * l5"),
    ("0 0 * * 7L", "0 0 * * l0"),
    ("0 0 * * MON#5", "0 0 * * 1#5"),
    ("0 0 * * 7#1,3#3", "0 0 * * 0#1,3#3"),
    ("0 0 * * 7", "0 0 * * 0"),
    ("0 0 * * 0-7", "0 0 * * 0-6"),
    ("0 0 * * 5-7", "0 0 * * 5-7"),
    ("0 0 * * 7-2", "0 0 * * 0-2"),
    ("0 0 * * 7/2", "0 0 * * 0-6/2"),
    ("0 22-2 * * fri-mon", "0 22-2 * * 5-1"),
    ("*/60 */24 */31 */12 */7", "0 0 1 1 0"),
    ("59/15 * * * *", "59 * * * *"),
    ("50/15 * * * *", "50 * * * *"),
    ("44/15 * * * *", "44-59/15 * * * *"),
    ("10-50/15 * * * *", "10-50/15 * * * *"),
    ("10-12/15 * * * *", "10 * * * *"),
    ("*/1 0 */1 * MON", "* 0 * * 1"),
    ("5,* * * * *", "* * * * *"),
    ("*/20,5 * * * *", "0,20,40,5 * * * *"),
    ("10-11,22-1 * * * *", "10-11,22-1 * * * *"),
]


@pytest.mark.parametrize(("expression", "plain"), TAKEN)
def test_an_expression_is_read_in_one_sense(expression, plain):
    assert plain == parse(expression).plain


@pytest.mark.parametrize(
    ("expression", "follows"),
    [
        ("* 2 * * *", True),
        ("*/30 2 * * *", True),
        ("30 * * * *", True),
        ("30 */2 * * *", True),
        ("@hourly", True),
        ("* 30 2 * * *", True),
        ("*/10 30 2 * * *", True),
        ("30 2 * * *", False),
        ("0-59 0-23 * * *", False),
        ("0/5 2 * * *", False),
        ("5,* 2 * * *", False),
        ("0 30 2 * * *", False),
        ("@daily", False),
    ],
)
def test_a_star_at_the_start_of_the_time_of_day_follows_the_clock(expression, follows):
    assert follows == parse(expression).follows_clock


EITHER = "day of month and day of week are both set: it runs when either matches"

WARNED = [
    ("*/7 * * * *", ["minute */7: runs at 0, 7, …, 56 and then again after 4 minutes"]),
    ("*/45 * * * *", ["minute */45: runs at 0, 45 and then again after 15 minutes"]),
    ("0 */5 * * *", ["hour */5: runs at 0, 5, …, 20 and then again after 4 hours"]),
    ("0 */23 * * *", ["hour */23: runs at 0, 23 and then again after 1 hour"]),
    ("0 0 1 */5 *", ["month */5: runs in JAN, JUN, NOV and then again after 2 months"]),
    ("0 0 * * */2", ["day of week */2: runs on SUN, TUE, THU, SAT and then again after 1 day"]),
    ("0 0 */10 * *", ["day of month */10: runs on 1, 11, 21, 31 and then again on day 1 of the next month"]),
    ("*/60 * * * *", ["minute */60: the step is longer than the range, which leaves only 0: write 0"]),
    ("*/100 * * * *", ["minute */100: the step is longer than the range, which leaves only 0: write 0"]),
    ("5-9/7 * * * *", ["minute 5-9/7: the step is longer than the range, which leaves only 5: write 5"]),
    ("10/15 * * * *", ["minute 10/15: 10, 25, 40, 55 here, and an error to some crons: write 10-59/15"]),
    ("59/15 * * * *", ["minute 59/15: only 59, though croniter before version 7 took it for more: write 59"]),
    ("0 0 * * 6/1", ["day of week 6/1: SAT here, and SUN too where cron counts to 7: write the days out"]),
    ("0 0 * * 4/3", ["day of week 4/3: THU here, and SUN too where cron counts to 7: write the days out"]),
    ("0 0 * * 1/4", ["day of week 1/4: MON, FRI here, and an error to some crons: write 1-6/4"]),
    (
        "0 0 13 * 5",
        [EITHER],
    ),
    (
        "0 0 */2 * MON",
        [
            "day of month */2: runs on 1, 3, …, 31 and then again on day 1 of the next month",
            f"{EITHER}, where Debian's cron would want both because of */2",
        ],
    ),
    (
        "0 0 13 * */6",
        [
            "day of week */6: runs on SUN, SAT and then again after 1 day",
            f"{EITHER}, where Debian's cron would want both because of */6",
        ],
    ),
    (
        "0 22-2 * * *",
        ["hour 22-2: wraps around, past 23 to 0, which other crons refuse: write 22-23,0-2"],
    ),
    (
        "0 0 * * fri-mon",
        ["day of week fri-mon: wraps around, past SAT to SUN, which other crons refuse: write FRI-SAT,SUN-MON"],
    ),
    (
        "0 0 31 * *",
        ["day of month 31: months without a day 31 are skipped; L is the last day of every month"],
    ),
    (
        "0 0 1,30 * *",
        ["day of month 30: months without a day 30 are skipped; L is the last day of every month"],
    ),
    (
        "0 0 29 * *",
        ["day of month 29: February has one in leap years only; L is the last day of every month"],
    ),
    ("0 0 * * MON#5", ["day of week mon#5: months without a fifth MON are skipped"]),
    ("0 30 2 * * *", ["six fields: the first one is seconds"]),
    ("30 2 * * *", []),
    ("*/5 */6 * * *", []),
    ("0 0 31 1,3,12 *", []),
    ("0 0 30 4 *", []),
    ("0 0 29 1 *", []),
    ("0 0 1-31 * *", []),
    ("0 0 */1 * MON", []),
    ("0 0 ? * MON", []),
    ("0 0 * * 5-7", []),
    ("0 0 * * MON#4", []),
    ("@yearly", []),
]


@pytest.mark.parametrize(("expression", "warnings"), WARNED)
def test_what_one_may_not_expect_is_said(expression, warnings):
    assert tuple(warnings) == Cron(expression).warnings


def test_no_number_of_a_field_differs_from_the_librarys():
    """`Item.values` is for warnings; the library decides what matches."""
    for expression, _ in [*TAKEN, *WARNED]:
        parsed = parse(expression)
        expanded = Cron(expression)._matcher.expanded
        if len(parsed.columns) == len(FIELDS):
            expanded = [expanded[-1], *expanded[:-1]]
        for column, found in zip(parsed.columns, expanded, strict=True):
            field = column[0].field
            if any(item.special for item in column):
                continue
            ours = {value % 7 if field is WEEKDAY else value for item in column for value in item.values}
            theirs = set(range(field.low, field.high + 1)) if "*" in found else set(found)
            assert ours == theirs, (expression, field.name)


cronish = st.text("0123456789*/,-#?LWHRlw @", max_size=12)
word = st.sampled_from(
    [
        "*",
        "?",
        "L",
        "5",
        "0",
        "31",
        "59",
        "7",
        "*/2",
        "1-5",
        "22-2",
        "5L",
        "L5",
        "15W",
        "W",
        "LW",
        "30W",
        "MON",
        "sun",
        "jan-dec",
        "fri-mon",
        "MON#1",
        "3#5",
        "#",
        "0-7",
        "1/3",
        "*/100",
        "H",
        "R",
        "H/5",
        "L-3",
        "1,2,3",
        "@daily",
        "-",
    ]
)
expressions = (
    st.text(max_size=40)
    | cronish
    | st.lists(cronish, min_size=4, max_size=8).map(" ".join)
    | st.lists(word, min_size=5, max_size=6).map(" ".join)
    | st.lists(st.lists(word, min_size=1, max_size=3).map(",".join), min_size=5, max_size=6).map(" ".join)
)


def use(expression):
    try:
        schedule = Cron(expression)
    except ScheduleError:
        return
    assert all(len(warning.splitlines()) == 1 for warning in schedule.warnings)


@settings(max_examples=500, deadline=None)
@given(st.lists(expressions, min_size=20, max_size=20))
def test_no_text_raises_anything_but_a_refusal(texts):
    for text in texts:
        use(text)


@settings(deadline=None)
@given(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.binary(max_size=20)
    | st.lists(st.text(max_size=3), max_size=6)
    | st.dictionaries(st.text(max_size=3), st.integers(), max_size=2)
)
@example(object())
@example(str)
def test_no_object_raises_anything_but_a_refusal(value):
    with pytest.raises(ScheduleError):
        Cron(value)
    with pytest.raises(ScheduleError):
        Cron("* * * * *", value)
