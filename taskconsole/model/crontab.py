"""The text of a cron expression: what may be written, what is refused, and what deserves a warning.

Five fields as in crontab(5), or six with the seconds first. Where cron implementations disagree about a text, it is
either refused with the text to write instead, or taken in one stated sense with a warning. Which moments match is
no concern of this module.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from taskconsole.errors import ScheduleError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Expression", "Field", "Item", "parse"]

MAX_LENGTH = 256
"""Characters of an expression; the cost of a longer one grows with its length."""

MACROS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}


@dataclass(frozen=True, slots=True)
class Field:
    """One of the columns: its cycle is `low` to `high`, its names stand for the numbers from `low` on."""

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()

    @property
    def largest(self) -> int:
        """The largest number that may be written; Sunday is 7 as well as 0."""
        return 7 if self is WEEKDAY else self.high

    def show(self, value: int) -> str:
        """`value` as one reads it best."""
        return self.names[(value - self.low) % len(self.names)].upper() if self.names else str(value)

    def value(self, text: str) -> int:
        """The number that `text` stands for; ScheduleError when it stands for none."""
        if text in self.names:
            return self.names.index(text) + self.low
        if text.isdecimal() and self.low <= int(text) <= self.largest:
            return int(text)
        named = f" or {self.names[0].upper()}-{self.names[-1].upper()}" if self.names else ""
        raise ScheduleError(f"{self.name} {text!r}: write {self.low}-{self.largest}{named}")


SECOND = Field("second", 0, 59)
MINUTE = Field("minute", 0, 59)
HOUR = Field("hour", 0, 23)
DAY = Field("day of month", 1, 31)
MONTH = Field("month", 1, 12, ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"))
WEEKDAY = Field("day of week", 0, 6, ("sun", "mon", "tue", "wed", "thu", "fri", "sat"))

FIELDS = (SECOND, MINUTE, HOUR, DAY, MONTH, WEEKDAY)

DAYS_OF_MONTH = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
"""The most days each month can have."""


@dataclass(frozen=True, slots=True)
class Item:
    """One part of a field, between commas: `low` to `high` in steps; `low` above `high` wraps around."""

    field: Field
    text: str
    low: int
    high: int
    step: int = 1
    special: str = ""
    """`l` (last day), `15w`, `l5` (last Friday), `1#2`, as the library for matching wants it; no numbers then."""

    @property
    def is_star(self) -> bool:
        """It starts with `*`, in the sense of crontab(5)."""
        return self.text[0] in "*?"

    @property
    def is_open(self) -> bool:
        """It is `N/step`, a start and a step without an end."""
        return "/" in self.text and "-" not in self.text and not self.is_star

    @property
    def values(self) -> list[int]:
        """Every number it stands for, in the order of the clock."""
        if self.special:
            return []
        if self.low > self.high:
            return [*range(self.low, self.field.high + 1), *range(self.field.low, self.high + 1)]
        return list(range(self.low, self.high + 1, self.step))

    @property
    def plain(self) -> str:
        """The same in the one spelling that every reader takes in the same sense."""
        if self.special:
            return self.special
        if self.low + self.step > self.high >= self.low:
            return str(self.low)
        span = "*" if self.is_star else f"{self.low}-{self.high}"
        return span if self.step == 1 else f"{span}/{self.step}"


Column = tuple[Item, ...]
"""The parts of one field."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A cron expression that was read. `text` is as written, with single spaces."""

    text: str
    columns: tuple[Column, ...]
    """Of `FIELDS`, without the seconds when there are five."""

    @property
    def plain(self) -> str:
        """The fields in the one spelling that every reader takes in the same sense."""
        return " ".join(_plain(column) for column in self.columns)

    @property
    def follows_clock(self) -> bool:
        """It fires by the wall clock alone where the clock is changed.

        crontab(5) as Debian has it: a job with `*` at the start of its hour or minute, here of its second too. Any
        other is meant to run at its time once, which takes care where that time is skipped or comes twice.
        """
        return any(column[0].is_star for column in self.columns[:-3])

    @property
    def warnings(self) -> tuple[str, ...]:
        """What one may not expect of it, a sentence each."""
        return tuple(self._warnings())

    def _warnings(self) -> Iterator[str]:
        if len(self.columns) == len(FIELDS):
            yield "six fields: the first one is seconds"
        for column in self.columns:
            for item in column:
                yield from _step_warnings(item)
                yield from _wrap_warnings(item)
        yield from self._day_warnings()

    def _day_warnings(self) -> Iterator[str]:
        days, months, weekdays = self.columns[-3:]
        if not _is_every(days) and not _is_every(weekdays):
            yield from _either_warnings(days, weekdays)
        allowed = [month for item in months for month in item.values]
        for item in days:
            day = item.low
            if item.values == [day] and any(DAYS_OF_MONTH[month - 1] < day for month in allowed):
                yield f"day of month {day}: months without a day {day} are skipped; L is the last day of every month"
            elif day == DAYS_OF_MONTH[1] and item.values == [day] and 2 in allowed:
                yield "day of month 29: February has one in leap years only; L is the last day of every month"
        for item in weekdays:
            if item.special.endswith("#5"):
                yield f"day of week {item.text}: months without a fifth {item.field.show(item.low)} are skipped"


def _plain(column: Column) -> str:
    if _is_every(column):
        return "*"
    if len(column) == 1:
        return column[0].plain
    # Not every reader takes a step in a list.
    return ",".join(",".join(map(str, item.values)) if item.step > 1 else item.plain for item in column)


def _is_every(column: Column) -> bool:
    return any(item.plain == "*" for item in column)


def _either_warnings(days: Column, weekdays: Column) -> Iterator[str]:
    stars = [item.text for item in (days[0], weekdays[0]) if item.is_star]
    if stars:
        yield (
            f"day of month and day of week are both set: it runs when either matches, "
            f"where Debian's cron would want both because of {stars[0]}"
        )
    else:
        yield "day of month and day of week are both set: it runs when either matches"


def _step_warnings(item: Item) -> Iterator[str]:
    if item.special or "/" not in item.text:
        return
    name, values = f"{item.field.name} {item.text}", item.values
    if item.is_open:
        yield _open_step(item, name, values)
    elif len(values) == 1:
        value = item.field.show(values[0])
        yield f"{name}: the step is longer than the range, which leaves only {value}: write {value}"
    whole = item.field.high - item.field.low + 1
    if item.low == item.field.low and item.high == item.field.high and len(values) > 1:
        if item.field is DAY and item.step > 1:
            yield f"{name}: runs on {_listed(item, values)} and then again on day 1 of the next month"
        elif whole % item.step:
            word = {"month": "in", "day of week": "on"}.get(item.field.name, "at")
            yield f"{name}: runs {word} {_listed(item, values)} and then again after {_rest(item, values)}"


def _open_step(item: Item, name: str, values: list[int]) -> str:
    if item.field is WEEKDAY and (7 - item.low) % item.step == 0 and item.low:
        return f"{name}: {_listed(item, values)} here, and SUN too where cron counts to 7: write the days out"
    if len(values) == 1:
        value = item.field.show(values[0])
        return f"{name}: only {value}, though croniter before version 7 took it for more: write {value}"
    return f"{name}: {_listed(item, values)} here, and an error to some crons: write {item.plain}"


def _rest(item: Item, values: list[int]) -> str:
    left = item.field.high - values[-1] + 1
    unit = "day" if item.field is WEEKDAY else item.field.name
    return f"{left} {unit}" if left == 1 else f"{left} {unit}s"


def _listed(item: Item, values: list[int]) -> str:
    shown = [item.field.show(value) for value in values]
    return ", ".join(shown if len(shown) <= 4 else [*shown[:2], "…", shown[-1]])


def _wrap_warnings(item: Item) -> Iterator[str]:
    if not item.special and item.low > item.high:
        field = item.field
        ends = [field.show(value) for value in (field.high, field.low)]
        yield (
            f"{field.name} {item.text}: wraps around, past {ends[0]} to {ends[1]}, which other crons refuse: "
            f"write {field.show(item.low)}-{ends[0]},{ends[1]}-{field.show(item.high)}"
        )


def parse(expression: object) -> Expression:
    """Read a cron expression.

    Raises:
        ScheduleError: It is refused; one line that says what to write instead.
    """
    if not isinstance(expression, str):
        raise ScheduleError(f"a cron expression is text such as '15 3 * * *', not {type(expression).__name__}")
    if len(expression) > MAX_LENGTH:
        raise ScheduleError(
            f"a cron expression of {len(expression):,} characters: {MAX_LENGTH} at most, "
            "write ranges and steps or several schedules"
        )
    # The spaces of cron only: a no-break space is part of a field, and refused there.
    words = re.findall(r"[^ \t\n\r\f\v]+", expression)
    text = " ".join(words)
    try:
        return Expression(text, _columns(words))
    except ScheduleError as error:
        raise ScheduleError(f"cron {text!r}: {error}" if text else str(error)) from None


def _columns(words: list[str]) -> tuple[Column, ...]:
    if not words:
        raise ScheduleError("an empty cron expression: write five fields such as '15 3 * * *'")
    if strange := next((word for word in words if not word.isascii()), None):
        raise ScheduleError(f"{strange!r}: write plain digits, letters and * / , - # ?")
    words = [word.lower() for word in words]
    if words[0].startswith("@"):
        words = _macro(words)
    if len(words) not in (len(FIELDS) - 1, len(FIELDS)):
        raise ScheduleError(_wrong_count(words))
    columns = tuple(_column(field, word) for field, word in zip(FIELDS[-len(words) :], words, strict=True))
    _check_dates(columns[-3], columns[-2])
    _check_days(columns[-3], columns[-1])
    return columns


def _macro(words: list[str]) -> list[str]:
    name = words[0]
    if name == "@every":
        raise ScheduleError("an interval is not a cron expression: write every = '5m' or Every('5m')")
    if name == "@reboot":
        raise ScheduleError("no machine starts here: enqueue the task where the program starts")
    if name not in MACROS or len(words) > 1:
        raise ScheduleError(f"write one of {', '.join(MACROS)}, or five fields")
    return MACROS[name].split()


def _wrong_count(words: list[str]) -> str:
    if len(words) == len(FIELDS) + 1:
        return "seven fields: years are not taken, write five fields, or six with the seconds first, or At for one date"
    return (
        f"{len(words)} field{'s' * (len(words) != 1)}: write five (minute, hour, day of month, month, day of week), "
        "or six with the seconds first; for an interval write every = '5m' or Every('5m')"
    )


def _column(field: Field, word: str) -> Column:
    column = tuple(_item(field, text) for text in word.split(","))
    if len(column) > 1:
        if any(item.special.endswith("w") for item in column):
            raise ScheduleError(f"{field.name} {word!r}: W cannot be in a list, write several schedules")
        if "?" in word:
            raise ScheduleError(f"{field.name} {word!r}: ? stands alone, write * or the list without it")
        if field is WEEKDAY and len({bool(item.special) for item in column}) > 1:
            raise ScheduleError(
                f"{field.name} {word!r}: # and L cannot be in a list with plain days, write several schedules"
            )
    return column


def _check_dates(days: Column, months: Column) -> None:
    # Also with a day of week beside it, which would run on that alone.
    longest = max(DAYS_OF_MONTH[month - 1] for item in months for month in item.values)
    if all(not item.special and min(item.values) > longest for item in days):
        raise ScheduleError("no such date: write a day that the month has, or L for its last")


def _check_days(days: Column, weekdays: Column) -> None:
    # The library for matching takes # and W as an "and" where every other pair of days is an "or".
    special = next((item for item in weekdays if item.special), None)
    if special and not _is_every(days):
        raise ScheduleError(
            f"day of week {special.text!r} together with a day of month: "
            "write * for the day of month, or several schedules"
        )
    if days[0].special.endswith("w") and not _is_every(weekdays):
        raise ScheduleError(
            f"day of month {days[0].text!r} together with a day of week: "
            "write * for the day of week, or several schedules"
        )


_PART = re.compile(r"(\*|[a-z0-9]+)(?:-([a-z0-9]+))?(?:/([0-9]+))?")


def _item(field: Field, text: str) -> Item:
    """One part of a field."""
    if field is DAY and (item := _special_day(text)):
        return item
    if field is WEEKDAY and (item := _special_weekday(text)):
        return item
    if text == "?" and field in (DAY, WEEKDAY):
        return Item(field, text, field.low, field.high)
    _refuse_hashed(field, text)
    match = _PART.fullmatch(text)
    if match is None or (match[1] == "*" and match[2]):
        raise ScheduleError(
            f"{field.name} {text!r}: write *, {field.low}, {field.low}-{field.high}, "
            f"{field.low},{field.high} or */2 (numbers are {field.low}-{field.largest})"
        )
    step = int(match[3] or 1)
    if step < 1:
        raise ScheduleError(f"{field.name} {text!r}: write a step of 1 or more")
    if match[1] == "*":
        return Item(field, text, field.low, field.high, step)
    low = field.value(match[1])
    if match[2]:
        return _range(field, text, low, field.value(match[2]), step)
    if field is WEEKDAY:
        low %= 7
    return Item(field, text, low, field.high if match[3] else low, step)


def _range(field: Field, text: str, low: int, high: int, step: int) -> Item:
    if low == high or (field is WEEKDAY and (low, high) == (7, 0)):
        raise ScheduleError(
            f"{field.name} {text!r}: a range of equal ends, write {text.partition('-')[0]} for the one or * for all"
        )
    if field is WEEKDAY and (low, high) == (0, 7):
        high = field.high
    elif field is WEEKDAY:
        low %= 7
    if low > high and step > 1:
        raise ScheduleError(f"{field.name} {text!r}: a step in a range that wraps around, write the values out")
    return Item(field, text, low, high, step)


def _special_day(text: str) -> Item | None:
    """`L`, `15W` and `W15`."""
    if text == "l":
        return Item(DAY, text, DAY.high, DAY.high, special=text)
    if text in {"lw", "wl"}:
        raise ScheduleError(f"day of month {text.upper()!r}: write L for the last day, or 1L-5L as the day of week")
    if re.fullmatch(r"l-.*", text):
        raise ScheduleError(f"day of month {text.upper()!r}: days before the last are not taken, write L or a number")
    match = re.fullmatch(r"([0-9]+)w|w([0-9]+)", text)
    if match is None:
        return None
    day = DAY.value(match[1] or match[2])
    if day > 28:
        raise ScheduleError(f"day of month {text.upper()!r}: not every month has it, write 1W-28W or L")
    return Item(DAY, text, day, day, special=f"{day}w")


def _special_weekday(text: str) -> Item | None:
    """`5L` and `L5`, the last Friday; `FRI#2`, the second."""
    if text == "l":
        raise ScheduleError("day of week 'L': write 6 for Saturday, 6L for the last one of a month")
    if match := re.fullmatch(r"l([0-9]+)|([0-9]+|[a-z]{3})l", text):
        day = WEEKDAY.value(match[1] or match[2]) % 7
        return Item(WEEKDAY, text, day, day, special=f"l{day}")
    if "#" in text:
        match = re.fullmatch(r"([0-9]+|[a-z]{3})#([1-5])", text)
        if match is None:
            raise ScheduleError(f"day of week {text!r}: write MON#1 to MON#5, one day and which one of its month")
        day = WEEKDAY.value(match[1]) % 7
        return Item(WEEKDAY, text, day, day, special=f"{day}#{match[2]}")
    return None


def _refuse_hashed(field: Field, text: str) -> None:
    if re.match(r"[hr](?![a-z])", text):
        what = "a number drawn from a name" if text[0] == "h" else "a random number"
        raise ScheduleError(f"{field.name} {text.upper()!r}: {what} is not taken, write the number itself")
