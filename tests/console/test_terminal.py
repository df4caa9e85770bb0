"""What only a terminal shows: bytes, escapes, signals, restoration."""

from __future__ import annotations

import re
import signal
import termios
import time

import pytest

from tests.console.hostile_texts import HOSTILE
from tests.console.pty_session import PtySession
from tests.servers import FULL

pytestmark = pytest.mark.pty

SECONDS = 20 if FULL else 5
"""Over which bytes are counted."""

RESTORED = [b"\x1b[?1049l", b"\x1b[?25h", b"\x1b[?1004l", b"\x1b[?2004l"]


def restored(session):
    """The terminal is as it was: main screen, cursor, no focus reports, no bracketed paste, cooked input."""
    assert [code for code in RESTORED if code not in session.output] == []
    assert termios.tcgetattr(session.fd)[3] & (termios.ICANON | termios.ECHO) == termios.ICANON | termios.ECHO


def test_the_first_reading_is_shown_quickly():
    with PtySession("usual") as session:
        session.until("NO WORKERS")
        # The budget is 0.6 s; the rest is for a busy machine.
        assert time.monotonic() - session.started < 5


@pytest.mark.parametrize("size", [(80, 24), (160, 45)])
def test_nothing_hostile_reaches_the_terminal(size):
    with PtySession("hostile", size=size) as session:
        session.until("message")
        for _ in HOSTILE:
            session.press("j")
        session.until("28 of 28")
        # Together they would be a paste.
        session.press("g")
        session.for_seconds(0.1)
        session.press("e")
        session.until("enqueue a task")
        session.press("\x1b")
        session.until("e enqueue")
        session.for_seconds(0.3)
        session.press("j")
        session.for_seconds(0.1)
        session.press("p")
        session.until("resumed")
        session.press("q")
        assert session.end() == 0
        assert session.stray == ""
        for sequence in (b"\x1b]52;", b"\x1b]0;", b"\x1b]8;", b"\x1b[2J", b"\x1b[6n", b"\x1bP", b"\xc2\x9b"):
            assert sequence not in session.output


def test_twenty_live_queues_cost_a_kilobyte_per_second():
    with PtySession("all") as session:
        session.until("queue_05")
        session.for_seconds(2)
        spent = len(session.for_seconds(SECONDS))
        assert spent > SECONDS * 100, "nothing moved: this test measures nothing"
        assert spent / SECONDS <= 1000


@pytest.mark.parametrize(("per_second", "env"), [("10", {}), ("500", {"SSH_CONNECTION": "1 2 3 4"})])
def test_events_do_not_break_the_budget(per_second, env):
    with PtySession("all", per_second, env=env) as session:
        session.until("queue_05")
        session.until("done")
        session.for_seconds(2)
        assert len(session.for_seconds(SECONDS)) / SECONDS <= 1000


@pytest.mark.parametrize("ssh", [{}, {"SSH_CONNECTION": "1 2 3 4"}])
def test_a_key_costs_two_kilobytes_at_most(ssh):
    with PtySession("still", env=ssh) as session:
        session.until("queue_05")
        session.for_seconds(2.5)
        keys = "jk\x04Gg\t\tex\x1b?\x1b"
        for n, key in enumerate(keys):
            before = session.text
            bytes_before = len(session.output)
            session.press(key)
            session.until(lambda before=before: session.text != before)
            session.for_seconds(0.3)
            spent = len(session.output) - bytes_before
            # Back from the help nearly every cell is drawn, and here each colour takes four times the bytes.
            back = n and keys[n - 1] == "?"
            limit = 2300 if back and not ssh else 2000
            assert spent <= limit, (key, spent)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_restores_the_terminal(number, code):
    with PtySession("usual") as session:
        session.until("NO WORKERS")
        assert termios.tcgetattr(session.fd)[3] & termios.ICANON == 0
        session.signal(number)
        assert session.end() == code
        restored(session)


def test_q_restores_the_terminal():
    with PtySession("usual") as session:
        session.until("NO WORKERS")
        session.press("q")
        assert session.end() == 0
        restored(session)


def test_a_terminal_that_takes_nothing_does_not_keep_a_signalled_program():
    with PtySession("all", "500") as session:
        session.until("queue_05")
        # From here on nobody reads; the buffers fill, the writer blocks.
        session.press("?\x1b" * 400)
        time.sleep(2)
        session.signal(signal.SIGTERM)
        deadline = time.monotonic() + 15
        while not session.has_ended():
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_a_stalled_terminal_gets_the_newest_picture_and_not_the_backlog():
    with PtySession("all", "500") as session:
        session.until("queue_05")
        # Nobody reads while keys are pressed and figures move.
        for _ in range(100):
            session.press("?\x1b")
            time.sleep(0.05)
        session.press("?")
        stalled_at = len(session.output)
        session.until("Mark all rows")
        session.press("\x1b")
        session.until("e enqueue")
        session.for_seconds(1.5)
        assert len(session.output) - stalled_at < 150_000
        session.until("Z ")
        clock = re.search(r"(\d\d):(\d\d):(\d\d)Z", session.text)
        shown = int(clock[1]) * 3600 + int(clock[2]) * 60 + int(clock[3])
        assert abs(time.time() % 86_400 - shown) < 4, "the picture is old"


def test_a_crash_shows_where_and_no_secrets():
    with PtySession("crash") as session:
        session.until("NO WORKERS")
        session.press("p")
        assert session.end() == 1
        restored(session)
        report = session.output[session.output.rindex(b"\x1b[?1049l") :].decode()
        assert "taskconsole: internal error: RuntimeError" in report
        assert "broken ␛]0;PWNED␇ on purpose" in report
        assert "in broken" in report
        assert "hunter2" not in report
        assert session.stray == ""


def test_colours_are_the_terminals_own_over_ssh_and_none_if_so_wished():
    with PtySession("usual", env={"SSH_CONNECTION": "1 2 3 4"}) as session:
        session.until("NO WORKERS")
        assert not re.search(rb"[34]8;[25];", session.output)
    with PtySession("usual", env={"NO_COLOR": "1"}) as session:
        session.until("NO WORKERS")
        colours = set(re.findall(rb"38;2;(\d+);(\d+);(\d+)", session.output))
        assert all(r == g == b for r, g, b in colours)


def test_what_is_drawn_is_what_the_emulator_shows():
    with PtySession("refused") as session:
        session.until("DISCONNECTED")
        session.until("taskconsole demo   starts an embedded server")
        assert "connection refused by 127.0.0.1:6379" in session.text


def test_ctrl_r_draws_everything_again():
    with PtySession("still") as session:
        session.until("queue_05")
        session.for_seconds(1)
        before = len(session.output)
        session.press("\x12")
        session.until(lambda: session.output.count(b"QUEUE", before) == 1)


def test_what_is_typed_ahead_goes_where_it_was_meant_to():
    with PtySession("usual") as session:
        session.until("NO WORKERS")
        # In one burst each, as over a slow line. To the table most of these letters are keys that do something.
        session.press(":delayed\r")
        session.until("nothing is delayed")
        session.press("1/rep\r:tasks/emails/dead\r:doctor\r")
        session.until("evidence")
        session.press("1")
        session.until("filter rep: 1 of 5")
        # The rest of that picture may still be on its way.
        session.until(lambda: "emails" not in session.text.partition("filter rep")[2])


def test_a_dialog_costs_two_kilobytes_at_most():
    with PtySession("acting") as session:
        session.until("id-00000000"[-12:])
        session.for_seconds(2.5)
        dialogs = [("d", "y/N"), ("P", "only mail"), ("s", "now"), ("M", "to queue"), ("c", "z cannot take that back")]
        for key, shown in dialogs:
            for press, wanted in ((key, shown), ("\x1b", "enter open")):
                before = len(session.output)
                session.press(press)
                session.until(wanted)
                session.for_seconds(0.3)
                spent = len(session.output) - before
                assert spent <= 2000, (press, shown, spent)


def test_a_paste_into_the_real_program_presses_nothing():
    with PtySession("acting") as session:
        session.until("id-00000000"[-12:])
        session.for_seconds(1)
        # As terminals mark it, and as those send it that do not: there Enter opens a task, as harmless keys may.
        session.press("\x1b[200~d\ny\nD\nrx\x1b[201~")
        session.press("d\ry\rDrx")
        session.until("keys came in a burst")
        session.for_seconds(1)
        assert "y/N" not in session.text
        # The program tells what was applied when it ends.
        session.press("d")
        session.until("y/N")
        session.for_seconds(0.5)
        session.press("y")
        session.until("DeleteTasks done")
        session.for_seconds(1)
        session.press("\x03")
        assert session.end() == 0
        assert b"applied: ['DeleteTasks']" in session.output
