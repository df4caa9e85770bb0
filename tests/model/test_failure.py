"""Failures that are alike: the exception, the message without what differs, the groups."""

import string
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskconsole.model import failure
from taskconsole.model.failure import LONGEST, SHOWN, group_of, grouped, normalised, parted
from taskconsole.model.state import State
from taskconsole.model.stats import TaskRow


@pytest.mark.parametrize(
    ("error", "exception", "message"),
    [
        ("TimeoutError: read timed out", "TimeoutError", "read timed out"),
        ("failed 12 times, last: TimeoutError: read timed out", "TimeoutError", "read timed out"),
        ("failed 3 times, last: ValueError", "ValueError", ""),
        ("redis.exceptions.ConnectionError: Error 111", "redis.exceptions.ConnectionError", "Error <n>"),
        ("timeout: timed out", "timeout", "timed out"),
        ("ValueError", "ValueError", ""),
        ("Ошибка: 5", "Ошибка", "<n>"),
        ("unknown task", "unknown task", ""),
        ("payload of 5,000 bytes is not an envelope", "payload of <n> bytes is not an envelope", ""),
        ("bad envelope: Object missing required field `task`", "bad envelope", "Object missing required field <text>"),
        ("'a: b' is not in list", "<text> is not in list", ""),
        (": oops", "no reason given", "oops"),
        ("", "no reason given", ""),
        (" \n", "no reason given", ""),
    ],
)
def test_an_error_is_a_class_and_a_message_or_words(error, exception, message):
    assert parted(error) == (exception, message)


@pytest.mark.parametrize(
    ("message", "wanted"),
    [
        ("row 17 of 1,234.5 took -3.5e-7s", "row <n> of <n> took <n>s"),
        ("worker-3 and table_17", "worker-<n> and table_<n>"),
        ("[1, 2, 3]", "[<n>, <n>, <n>]"),
        ("id 77a0e3 or 770013", "id <n> or <n>"),
        ("deadbeef is a word as long as no digit is in it", "deadbeef is a word as long as no digit is in it"),
        ("order 3f2b8c1e-1111-2222-3333-444455556666 gone", "order <id> gone"),
        ("<Session object at 0x7f00aAbB>", "<Session object at <address>>"),
        ("10.0.4.7:6379 and 192.168.0.1 refused", "<address> and <address> refused"),
        ("version 1.2.3.4.5", "version <n>"),
        ("connect to fe80::1 or ::1", "connect to <address> or <address>"),
        ("std::vector<int>", "std::vector<int>"),
        ("mail to ada.b+c@mail.example.com failed", "mail to <address> failed"),
        ("at 2026-01-02T03:04:05.123+01:00.", "at <time>."),
        ("at 2026-01-02 03:04:05,123 UTC", "at <time>"),
        ("on 2026-01-02 from 03:04:05 on", "on <time> from <time> on"),
        ("No module named 'foo.bar'", "No module named <text>"),
        ('key="va\\"lue" and `x` and b\'y\'', "key=<text> and <text> and <text>"),
        ("can't open 'it isn't there', really", "can't open <text>, really"),
        ("cut in a 'quoted value with 12", "cut in a <text>"),
        ("\N{LEFT DOUBLE QUOTATION MARK}x\N{RIGHT DOUBLE QUOTATION MARK} y", "<text> y"),
        ("token eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0 bad", "token <id>.<id> bad"),
        ("blob YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXoxMjM0NTY3ODkw+/ab== bad", "blob <id> bad"),
        ("sha " + "0a" * 32, "sha <n>"),
        ("abc" * 15 + " end", "<id> end"),
        ("/var/lib/app/releases/20240101/reports/pdf.py:88", "/var/lib/app/releases/<n>/reports/pdf.py:<n>"),
        ("two\n\tlines", "two lines"),
        ("\u0661\u0662 \u6f22\u5b57", "<n> \u6f22\u5b57"),
    ],
)
def test_what_differs_becomes_a_placeholder(message, wanted):
    assert normalised(message) == wanted


@given(st.text(max_size=2_000))
def test_any_text_comes_out_bounded_and_on_one_line(text):
    found = normalised(text)
    assert len(found) <= SHOWN
    assert not set(found) & set("\n\r\t\v\f\u2028")
    assert normalised(text[:LONGEST]) == found, "what lies beyond is not looked at"


@given(
    st.integers(min_value=0),
    st.uuids(),
    st.ip_addresses(v=4),
    st.integers(0, 4_000_000_000),
    st.text(string.ascii_letters + " ", max_size=30),
)
def test_messages_that_differ_only_in_values_are_alike(number, uuid, address, moment, text):
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(moment))
    assert (
        normalised(f"user {number} ({uuid}) from {address} at {when} said '{text}'")
        == "user <n> (<id>) from <address> at <time> said <text>"
    )


BAD = [
    "'",
    "' ",
    "'a ",
    "'\\",
    "\"`'",
    "0",
    "a0",
    "a-",
    "a_",
    "1.",
    "1:",
    "1e",
    "0x",
    "a@",
    "a.",
    "f:",
    "-",
    "A" * 39 + " ",
]


@pytest.mark.parametrize("bad", BAD)
def test_no_text_makes_it_slow(bad):
    """A hundred times the length that is ever looked at: milliseconds if it is linear, many seconds if it is not."""
    text = (bad * 50_000)[:50_000]
    began = time.perf_counter()
    failure._normalised(text)
    assert time.perf_counter() - began < 1.0


def test_the_length_is_bounded_before_anything_is_looked_for(monkeypatch):
    lengths = []
    monkeypatch.setattr(failure, "_normalised", lambda text: lengths.append(len(text)) or text)
    normalised("x" * 1_000_000)
    parted("E: " + "y" * 1_000_000)
    assert lengths == [LONGEST, LONGEST - 3]


def row(task="t", error="E: 1", state=State.DEAD, at=5.0, queue="q"):
    return TaskRow(queue=queue, state=state, name=task, error=error, failed_at=at)


def test_groups_are_counted_dated_and_sorted():
    rows = [
        row(at=5.0, error="E: 1"),
        row(at=9.0, error="failed 5 times, last: E: 2"),
        row(at=7.0, error="E: 3", state=State.DELAYED),
        row(at=None, error="E: 4"),
        row(at=1.0, queue="p"),
        row(at=2.0, task="u"),
        row(at=3.0, error="F: 1"),
    ]
    largest, *others = grouped(rows)

    assert (largest.queue, largest.task, largest.exception, largest.message) == ("q", "t", "E", "<n>")
    assert (largest.count, largest.dead, largest.retrying) == (4, 3, 1)
    assert (largest.first, largest.last, largest.sample) == (5.0, 9.0, rows[1])
    assert [(g.queue, g.task, g.exception) for g in others] == [("q", "t", "F"), ("q", "u", "E"), ("p", "t", "E")]


def test_a_delayed_task_without_an_error_has_not_failed_but_a_dead_one_has():
    (group,) = grouped([row(error="", state=State.DELAYED), row(error="", at=None)])

    assert (group.dead, group.retrying, group.exception) == (1, 0, "no reason given")
    assert (group.first, group.last) == (None, None)
    assert group.sample is not None, "even when nobody knows when it failed"


def test_a_task_finds_its_own_group_by_what_the_group_is_called():
    rows = [
        TaskRow(queue="mail", state=State.DEAD, name=name, error=error)
        for name, error in (
            ("send", "KeyError: 5"),
            ("send", "KeyError: 7"),
            ("send", "ValueError"),
            ("x", "KeyError: 5"),
        )
    ]
    groups = {group.key: group for group in grouped(rows)}
    assert [groups[group_of(row)].count for row in rows] == [2, 2, 1, 1]
    assert "send | KeyError | <n>" in groups
