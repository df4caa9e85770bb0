"""`--record` and `replay`, as programs."""

from __future__ import annotations

import json
import signal
import stat

import pytest

from taskconsole.backends.recording.reader import Recording
from tests.backends.recording.tape import BEGAN, Tape
from tests.console.hostile_texts import HOSTILE
from tests.console.pty_session import PtySession


@pytest.fixture
def tape(tmp_path):
    tape = Tape(tmp_path / "tape.ndjson")
    tape.after(1).overview()
    tape.after(60).overview()
    return tape


def test_a_summary_where_there_is_no_terminal(program, tape):
    ran = program("replay", str(tape.path))

    assert (ran.code, ran.err) == (0, "")
    assert ran.lines[0] == "recorded  2026-09-21 14:13:20Z to 2026-09-21 14:14:21Z, 1m01s"
    assert ran.lines[1] == "server    127.0.0.1:6379/0"
    assert ran.lines[2] == "queues    billing, default, emails, reports, webhooks"
    assert ran.lines[3] == "holds     2 readings, 0 answers, 0 events"
    assert any("to the end  critical  emails: NO WORKERS" in line for line in ran.lines)


def test_a_summary_as_json(program, tape):
    tape.path.write_bytes(tape.path.read_bytes() + b"garbage\n{")
    ran = program("replay", str(tape.path), "--json")

    assert (ran.code, ran.err) == (0, "")
    assert (ran.json["began"], ran.json["ended"], ran.json["seconds"]) == (BEGAN, BEGAN + 61, 61.0)
    assert (ran.json["readings"], ran.json["unreadable"], ran.json["incomplete"]) == (2, 1, True)
    assert {"emails", "billing"} <= {spell["queue"] for spell in ran.json["spells"]}
    assert "lines cannot be read" in ran.json["flaws"]


def test_what_cannot_be_read_is_narrated(program, tape):
    tape.path.write_bytes(tape.path.read_bytes() + b"\x1b[2J\n")
    ran = program("replay", str(tape.path))

    assert ran.code == 0
    assert ran.err.startswith("taskconsole: 1 lines cannot be read and are left out: ")


def test_what_is_no_recording_ends_with_one_line(program, tmp_path):
    (tmp_path / "x").write_bytes(b"\x1b[2J")
    for name, said in (("x", "x is no recording of taskconsole --record"), ("none", "none: No such file or directory")):
        ran = program("replay", name)
        assert (ran.code, ran.out, ran.err) == (2, "", f"taskconsole: {said}\n")


def test_hostile_names_in_a_summary_are_printable(program, tmp_path):
    tape = Tape(tmp_path / "x")
    tape.scripted.queues = [type(q)(**{**fields(q), "name": t}) for q in tape.scripted.queues[:1] for t in HOSTILE]
    tape.recorder.connected("x", HOSTILE[0])
    tape.after(1).overview()
    ran = program("replay", "x")

    assert ran.code == 0
    assert all(line.isprintable() for line in ran.lines)


def fields(value):
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


@pytest.mark.parametrize("arguments", [["--record", "x"], ["demo", "--record", "x"]], ids=" ".join)
def test_without_a_terminal_nothing_is_recorded(program, tmp_path, arguments):
    ran = program(*arguments)

    assert ran.code == 2
    assert "needs a terminal" in ran.err
    assert not (tmp_path / "x").exists()


def test_a_command_has_nothing_to_record(program):
    ran = program("--record", "x", "status")

    assert ran.code == 2
    assert "--record is for the console" in ran.err


@pytest.mark.pty
def test_a_console_records_and_the_recording_is_replayed(store_url, raw, tmp_path):
    raw.sadd("taskconsole:queues", "mail")
    raw.lpush("mail", '{"task":"send_mail","id":"id-1"}')
    path = tmp_path / "tape.ndjson"
    environment = {"TASKCONSOLE_URL": store_url, "XDG_STATE_HOME": str(tmp_path)}
    with PtySession("--record", str(path), env=environment, module="taskconsole") as session:
        session.until("REC")
        session.until("NO WORKERS")
        session.press("2")
        session.until("id-1")
        session.press("1q")
        assert session.end() == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads(path.read_bytes().splitlines()[0])["taskconsole"] == "recording"

    with PtySession("--record", str(path), env=environment, module="taskconsole") as session:
        assert session.end() == 2
        assert b"there is such a file; it is not written over" in session.output

    killed = tmp_path / "killed.ndjson"
    with PtySession("--record", str(killed), env=environment, module="taskconsole") as session:
        session.until("REC")
        session.until("NO WORKERS")
        session.signal(signal.SIGKILL)
        session.end()
    about = Recording(killed).about()
    assert about.readings >= 1
    assert not about.flaws()

    # The server is not asked for.
    environment["TASKCONSOLE_URL"] = "redis://127.0.0.1:1"
    with PtySession("replay", str(path), env=environment, module="taskconsole") as session:
        session.until("REPLAY")
        session.until("NO WORKERS")
        session.press("$")
        session.until("ended")
        session.press("q")
        assert session.end() == 0
        assert session.stray == ""
