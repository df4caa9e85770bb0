"""Which columns there are at which width, and what they say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from taskconsole.console.columns.events import EVENTS, EVENTS_WIDE, event_line
from taskconsole.console.columns.queues import QUEUES, QueueRow
from taskconsole.console.text.format import ASCII, UNICODE
from taskconsole.console.text.lines import Tone, plain
from taskconsole.console.text.table import fit, heading, row_line
from taskconsole.model.event import Event, EventKind
from taskconsole.model.stats import Pause
from tests.console.fake_backend import queue, usual_queues
from tests.console.hostile_texts import HOSTILE

NOW = 1_790_000_000.0


def headings(width):
    return plain(heading(fit(QUEUES, width))).split()


def test_eighty_columns_show_what_an_operator_needs():
    assert headings(80) == [
        "QUEUE",
        "STATE",
        "PENDING",
        "ACTIVE",
        "DELAYED",
        "DEAD",
        "OLDEST",
        "IN/s",
        "OUT/s",
    ]


def test_wide_terminals_show_more():
    assert headings(100)[9:] == ["SLOTS", "OVERDUE"]
    wide = ["SLOTS", "OVERDUE", "WORKERS", "DRAIN", "ETA", "WAIT", "p95", "RUN", "p95", "TREND", "5m"]
    assert headings(160)[9:] == wide
    assert headings(190)[9:] == [*wide, "DONE/MIN"]


def test_narrow_terminals_drop_columns_in_the_declared_order():
    gone = [c for c in QUEUES if c.drop and c.since == 0]
    for width in range(79, 34, -1):
        shown = {p.column.heading for p in fit(QUEUES, width)}
        missing = [c for c in gone if c.heading not in shown]
        assert missing == [c for c in gone if c.drop >= min((m.drop for m in missing), default=99)]
    assert headings(40) == ["QUEUE", "STATE", "PENDING"]


@given(st.integers(38, 240))
def test_no_row_is_wider_than_the_terminal(width):
    placed = fit(QUEUES, width)
    for stats in usual_queues(NOW):
        line = plain(row_line(placed, QueueRow(stats=stats, growth=0.5), NOW, "> "))
        assert cell_len(line) <= width
        assert cell_len(line) == cell_len(plain(heading(placed))) + 1


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_fit_and_are_harmless(text):
    placed = fit(QUEUES, 80)
    line = plain(row_line(placed, QueueRow(stats=queue(text)), NOW, "  "))
    assert line.isprintable()
    assert cell_len(line) <= 80
    event = Event(kind=EventKind.MESSAGE, at=NOW, queue=text, task=text, id=text, worker=text, by=text, text=text)
    line = plain(event_line(fit(EVENTS, 80, margin=1), event, 80, UNICODE))
    assert line.isprintable()
    assert cell_len(line) <= 81


def text_of(stats, *, growth=None, stale=False, width=190, glyphs=UNICODE):
    placed = fit(QUEUES, width)
    row = QueueRow(stats=stats, growth=growth, stale=stale, trend=(380, 390, 402), glyphs=glyphs)
    return {p.column.heading.strip(): p.column.text(row, NOW, p.width) for p in placed}


def test_figures_of_a_queue():
    reports = usual_queues(NOW)[3]
    assert text_of(reports, growth=-2.0) == {
        "QUEUE": "reports",
        "STATE": "SATURATED",
        "PENDING": "402",
        "ACTIVE": "16",
        "DELAYED": "88",
        "DEAD": "9",
        "OLDEST": "1m10s",
        "IN/s": "3.1",
        "OUT/s": "2.9",
        "": "v",
        "SLOTS": "16",
        "OVERDUE": "0",
        "WORKERS": "2",
        "DRAIN ETA": "3m21s",
        "WAIT p95": "~58s",
        "RUN p95": "~31s",
        "TREND 5m": " " * 18 + "███",
        "DONE/MIN": " ████",
    }
    assert text_of(usual_queues(NOW)[1], glyphs=ASCII)["DONE/MIN"] == " :-+#+*"


def test_old_figures_claim_neither_state_nor_rate():
    stale = text_of(usual_queues(NOW)[3], growth=1.0, stale=True)
    assert (stale["STATE"], stale["IN/s"], stale["OUT/s"], stale[""]) == ("?", "?", "?", " ")
    assert stale["PENDING"] == "402"


def test_what_is_not_known_is_not_zero():
    broken = text_of(queue("x", trouble="WRONGTYPE"))
    assert (broken["PENDING"], broken["ACTIVE"], broken["DEAD"], broken["IN/s"]) == ("?", "?", "?", "?")
    bare = text_of(queue("x", pending=3, workers=1, capacity=4))
    assert (bare["OLDEST"], bare["IN/s"]) == ("?", "?")


@pytest.mark.parametrize(("growth", "mark"), [(None, " "), (1.0, "^"), (-1.0, "v"), (0.0, "="), (0.001, "=")])
def test_the_trend_mark(growth, mark):
    assert text_of(queue("x", pending=10), growth=growth)[""] == mark


def test_the_state_has_a_tone_and_zeros_step_back():
    row = QueueRow(stats=queue("x", pending=5, paused=Pause(by="ana", at=None)))
    tones = {c.heading: c.tone(row) for c in QUEUES}
    assert (tones["STATE"], tones["PENDING"], tones["ACTIVE"]) == (Tone.WARN, Tone.PLAIN, Tone.QUIET)


def event(**values):
    return Event(**{"kind": EventKind.DONE, "at": NOW, "queue": "mail", **values})


def event_text(values, width=80):
    columns = EVENTS if width < 120 else EVENTS_WIDE
    return plain(event_line(fit(columns, width, margin=1), event(**values), width, UNICODE)).rstrip()


def test_an_event_of_a_task():
    died = {
        "kind": EventKind.DIED,
        "task": "send",
        "id": "8f2c91aa77",
        "attempt": 3,
        "ms": 1200.0,
        "text": "KeyError",
    }
    assert event_text(died) == " 14:13:20 mail       DIED        send             2c91aa77 try 3  1.2s  KeyErr…"
    assert event_text(died, 160).endswith("2c91aa77 try 3  1.2s  KeyError")
    assert " 14:13:20.000 mail" in event_text(died, 160)


def test_an_event_of_many_tasks_says_how_many():
    assert " 1,200 tasks send" in event_text({"n": 1200, "task": "send"})


def test_what_is_about_no_task_has_the_whole_line():
    gap = {"kind": EventKind.GAP, "queue": "", "text": "events between 13:30:00 and 13:33:20 were not seen"}
    assert event_text(gap) == " 14:13:20 -          GAP         events between 13:30:00 and 13:33:20 were not …"


def test_two_tasks_of_one_producer_can_be_told_apart():
    column = next(c for c in EVENTS if c.heading == "ID")
    shown = {column.text(Event(kind=EventKind.DONE, at=NOW, id=f"096f0d99aa11-{n:x}"), NOW, 8) for n in range(100)}
    assert 100 == len(shown)
