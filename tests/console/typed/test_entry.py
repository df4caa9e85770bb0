"""What is typed into the enqueue form."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskconsole.backends.commands import Enqueue
from taskconsole.console.typed.entry import Entry, EntryError, parse


def entry(**values):
    return Entry(**{"queue": "mail", "task": "send", **values})


def test_all_fields():
    typed = entry(args='["ada", 1]', kwargs='{"n": null}', delay="5m")
    assert parse(typed) == Enqueue(queue="mail", task="send", args=("ada", 1), kwargs={"n": None}, delay=300.0)


def test_empty_fields_are_left_out():
    assert parse(entry(args=" ", kwargs="{}")) == Enqueue(queue="mail", task="send")


def test_a_bare_payload_keeps_its_text():
    assert parse(entry(task=" task1 ", bare=True)) == Enqueue(queue="mail", task=" task1 ", bare=True)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"queue": ""}, "queue: needs a name"),
        ({"task": "  "}, "task: needs a name"),
        ({"args": "[1,"}, "args: Expecting value at column 4"),
        ({"args": "{}"}, "args: must be a JSON array"),
        ({"kwargs": "[]"}, "kwargs: must be a JSON object"),
        ({"kwargs": "3"}, "kwargs: must be a JSON object"),
        ({"args": "[NaN]"}, "args: cannot be read as JSON"),
        ({"args": "[" * 100_000}, "args: cannot be read as JSON"),
        ({"args": "[" + "9" * 5000 + "]"}, "args: cannot be read as JSON"),
        ({"delay": "soon"}, "delay: seconds, or like 90s"),
        ({"delay": "-5"}, "delay: seconds, or like 90s"),
        ({"delay": "400d"}, "delay: a year at most"),
        ({"delay": "9" * 400}, "delay: a year at most"),
        ({"bare": True, "args": "[1]"}, "bare payload: takes neither"),
    ],
)
def test_a_mistake_is_named_in_one_line(values, message):
    with pytest.raises(EntryError) as caught:
        parse(entry(**values))
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("", 0.0), ("90", 90.0), ("1.5m", 90.0), ("2h", 7200.0), (" 1d ", 86_400.0), ("3 s", 3.0)],
)
def test_a_delay(text, seconds):
    assert parse(entry(delay=text)).delay == seconds


@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=10))
def test_anything_typed_is_a_command_or_a_mistake(args, kwargs, delay):
    try:
        parse(entry(args=args, kwargs=kwargs, delay=delay))
    except EntryError as error:
        message = str(error)
    else:
        message = "fine"
    assert message.isprintable()
