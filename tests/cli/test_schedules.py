import io
import json
import subprocess
import sys
import time

import pytest

from taskconsole.cli.root import call
from tests.cli.fake_server import redis_of_version
from tests.console.hostile_texts import HOSTILE

PLACE = "{task_queue}:"


def definition(raw, name, queue="task_queue"):
    found = raw.hget(f"{{{queue}}}:schedules", name)
    return json.loads(found) if found else None


def add(cli, name="bill", *more):
    return cli("schedules", "add", name, "--task", "t", "--cron", "15 3 * * *", "--tz", "Europe/Berlin", *more)


def test_a_schedule_is_added_with_all_that_it_may_have(cli, raw):
    options = ("--kwargs", '{"a": 1}', "--max-runs", "3", "--jitter", "30s", "--catch-up", "all", "--window", "2h")
    ran = cli("schedules", "add", "poll", "--task", "t", "--every", "5m", '"x"', *options, "--overlap", "skip")

    assert ran.code == 0, ran.err
    expected = {"every": "5m", "task": "t", "args": ["x"], "kwargs": {"a": 1}, "max_runs": 3, "jitter": 30.0}
    expected |= {"catch_up": "all", "window": 7200.0, "overlap": "skip", "owner": "operator"}
    assert definition(raw, "poll") == expected
    assert raw.zscore(PLACE + "next", "poll")
    assert "nobody" in ran.err.lower() or "no " in ran.err.lower()  # nothing fires it here


def test_a_name_is_taken_once_unless_it_is_to_be_replaced(cli, raw):
    add(cli)
    again = add(cli)
    assert (again.code, again.out) == (2, "")
    assert add(cli, "bill", "--replace").code == 0


def test_the_list_shows_what_is_next_and_whose_it_is(cli, raw):
    add(cli)
    text = cli("schedules")
    assert text.code == 0
    assert all(word in text.out for word in ("bill", "ON", "Europe/Berlin", "03:15"))
    (row,) = cli("schedules", "list", "--json").json
    assert (row["name"], row["queue"], row["state"]) == ("bill", "task_queue", "ON")


def test_all_about_one_is_shown_with_the_next_fires(cli, raw):
    add(cli)
    raw.lpush(PLACE + "runs:bill", '{"outcome":"done","at":1790000000,"id":"bill@x","ms":12.5}')
    shown = cli("schedules", "show", "bill")
    assert shown.code == 0
    assert all(word in shown.out for word in ("bill", "03:15", "done", "+0"))
    assert cli("schedules", "show", "bill", "--json").json["name"] == "bill"


def test_an_edit_changes_what_is_given_and_nothing_else(cli, raw):
    add(cli, "bill", "--max-runs", "3")
    before = definition(raw, "bill")
    assert cli("schedules", "edit", "bill", "--cron", "0 4 * * *", "--no-max-runs").code == 0
    after = definition(raw, "bill")
    assert after["cron"] == "0 4 * * *"
    assert "max_runs" not in after
    assert {**before, "cron": ""}.keys() - {"max_runs"} == after.keys()
    same = cli("schedules", "edit", "bill", "--cron", "0 4 * * *", "--json")
    assert (same.code, same.json["changed"]) == (0, False)


def test_a_pause_says_who_and_why_and_a_resume_ends_it(cli, raw):
    add(cli)
    at = raw.zscore(PLACE + "next", "bill")
    assert cli("schedules", "pause", "bill", "--reason", "audit").code == 0
    assert definition(raw, "bill")["paused"]["reason"] == "audit"
    assert raw.zscore(PLACE + "next", "bill") is None
    assert "PAUSED" in cli("schedules").out
    assert cli("schedules", "pause", "bill", "--json").json["changed"] is False
    assert cli("schedules", "resume", "bill").code == 0
    assert raw.zscore(PLACE + "next", "bill") == at


def test_a_trigger_makes_one_task_now(cli, raw):
    add(cli, "bill", '"ada"')
    at = raw.zscore(PLACE + "next", "bill")
    assert cli("schedules", "trigger", "bill").code == 0
    (payload,) = raw.lrange("task_queue", 0, -1)
    body = json.loads(payload)
    assert (body["task"], body["args"], body["schedule"]) == ("t", ["ada"], "bill")
    assert raw.zscore(PLACE + "next", "bill") == at


def test_a_removal_wants_a_yes_and_can_be_taken_back(cli, raw):
    add(cli)
    before = definition(raw, "bill")
    refused = cli("schedules", "remove", "bill")
    assert (refused.code, refused.out) == (2, "")
    assert cli("schedules", "remove", "bill", "--yes").code == 0
    assert definition(raw, "bill") is None
    assert cli("schedules", "restore", "bill").code == 0
    assert definition(raw, "bill") == before


def test_what_was_written_by_hand_is_listed_though_nobody_has_looked_at_it(cli, raw):
    raw.hset(PLACE + "schedules", "good", '{"every":"5m","task":"t"}')
    raw.hset(PLACE + "schedules", "bad", "{")
    raw.hset(PLACE + "schedules", "evil\x1b[31m", '{"every":"5m","task":"\\u001b]0;x\\u0007"}')
    ran = cli("schedules")
    assert ran.code == 0
    assert "BROKEN" in ran.out
    assert "no JSON object" in ran.out
    assert "\x1b" not in ran.out + ran.err
    assert {"good", "bad", "evil\x1b[31m"} == {row["name"] for row in cli("schedules", "--json").json}


@pytest.mark.parametrize(
    "arguments",
    [
        ("add", "x", "--task", "t", "--cron", "0 0 31 2 *"),
        ("add", "x", "--task", "t", "--cron", "1-1 * * * *"),
        ("add", "x", "--task", "t", "--cron", "* * * * *", "--tz", "Mars/Olympus"),
        ("add", "x", "--task", "t", "--every", "0"),
        ("add", "x", "--task", "t", "--at", "soon"),
        ("add", "x", "--task", "t"),
        ("add", "x", "--task", "t", "--every", "5m", "--cron", "* * * * *"),
        ("add", "", "--task", "t", "--every", "5m"),
        ("add", "x", "--task", "t", "--every", "5m", "{"),
        ("show", "nothing"),
        ("edit", "nothing", "--every", "5m"),
        ("pause", "nothing"),
        ("trigger", "nothing"),
        ("restore", "nothing"),
        ("preview", "* * * *"),
        ("preview", "* * * * *", "--from", "then"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_is_refused_in_one_line(cli, raw, arguments):
    ran = cli("schedules", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert len(ran.err.strip().splitlines()) == 1
    assert "Traceback" not in ran.err
    assert not raw.exists(PLACE + "schedules")


def test_a_name_on_two_queues_wants_the_queue(cli, raw):
    add(cli, "bill", "-q", "a")
    add(cli, "bill", "-q", "b")
    ran = cli("schedules", "pause", "bill")
    assert ran.code == 2
    assert "a, b" in ran.err
    assert cli("schedules", "pause", "bill", "-q", "b").code == 0
    assert "paused" in definition(raw, "bill", "b")
    assert "paused" not in definition(raw, "bill", "a")


def test_a_queue_that_cannot_be_read_is_said_and_hides_no_other(cli, raw):
    add(cli, "bill", "-q", "b")
    raw.sadd("taskconsole:queues", "a")
    raw.set("{a}:schedules", "no hash")
    listed = cli("schedules")
    assert (listed.code, "bill" in listed.out) == (0, True)
    assert "the schedules of a cannot be read" in listed.err
    rows = cli("schedules", "--json").json
    assert {(row["queue"], row["name"], bool(row["trouble"])) for row in rows} == {
        ("a", "", True),
        ("b", "bill", False),
    }
    # A name is looked for where it can be.
    assert cli("schedules", "pause", "bill").code == 0
    unknown = cli("schedules", "pause", "nobody")
    assert (unknown.code, "a cannot" in unknown.err) == (2, True)


def test_runs_that_cannot_be_read_hide_nothing_else(cli, raw):
    add(cli)
    raw.set(PLACE + "runs:bill", "no list")
    (row,) = cli("schedules", "--json").json
    assert (row["state"], row["runs"], "cannot be read" in row["trouble"]) == ("ON", [], True)
    shown = cli("schedules", "show", "bill")
    assert (shown.code, "cannot be read" in shown.out) == (0, True)


def test_a_preview_needs_no_redis_and_marks_what_the_clock_change_does(program):
    ran = program(
        *("schedules", "preview", "30 2 * * *", "--tz", "Europe/Berlin", "--from", "2027-03-27", "-n", "3", "--json"),
        TASKCONSOLE_URL="redis://127.0.0.1:1/0",
    )
    assert ran.code == 0, ran.err
    fires = ran.json["fires"]
    assert [fire["at"] for fire in fires] == [
        "2027-03-27T02:30:00+01:00",
        "2027-03-28T03:00:00+02:00",
        "2027-03-29T02:30:00+02:00",
    ]
    assert [bool(fire["mark"]) for fire in fires] == [False, True, False]
    text = program("schedules", "preview", "--every", "90s", "--from", "2027-01-01T00:00:00Z", "-n", "2")
    assert text.code == 0
    assert "00:01:30" in text.out


def test_without_a_redis_it_says_so(program):
    ran = program("schedules", TASKCONSOLE_URL="redis://127.0.0.1:1/0")
    assert (ran.code, ran.out) == (4, "")


def test_nobody_pays_for_cron_who_does_not_use_it():
    look = "import sys, taskconsole.cli.root, taskconsole.app, taskconsole.worker.runtime, taskconsole.cli.schedules\n"
    look += "print([m for m in ('croniter', 'cron_descriptor', 'textual') if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", look], text=True) == "[]\n"


COMMANDS = [
    [],
    ["list"],
    ["show", "x"],
    ["add", "x", "--task", "t", "--every", "5m"],
    ["edit", "x", "--every", "5m"],
    ["pause", "x"],
    ["resume", "x"],
    ["trigger", "x"],
    ["remove", "x", "--yes"],
    ["restore", "x"],
]
"""Every command that needs a Redis."""


def is_one_line(err):
    return err.startswith("taskconsole: ") and err.count("\n") == 1


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("as_json", [[], ["--json"]], ids=["text", "json"])
def test_no_redis_is_one_line_and_exit_code_4(cli, command, as_json):
    ran = cli("-u", "unix:///nowhere/redis.sock", "schedules", *command, *as_json)

    assert (ran.code, ran.out) == (4, "")
    assert is_one_line(ran.err)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_wrong_password_is_one_line_and_exit_code_3(cli, make_server, command):
    url = make_server(password="right").url.replace("right", "S3cr3tP4ss")

    ran = cli("schedules", *command, "-u", url)

    assert (ran.code, ran.out) == (3, "")
    assert "S3cr3tP4ss" not in ran.err.replace("the password in --url", "")


def test_a_redis_that_is_too_old_is_said(cli):
    with redis_of_version("5.0.14") as url:
        ran = cli("-u", url, "schedules")

    assert (ran.code, ran.out) == (1, "")
    assert "6.2" in ran.err


@pytest.mark.parametrize("key", ["schedules", "next", "positions", "running", "runs:x", "ticker", "removed:x"])
def test_a_key_of_another_type_is_one_clear_line(cli, raw, key):
    if key != "schedules":
        raw.hset(PLACE + "schedules", "x", '{"every":"5m","task":"t"}')
    raw.sadd(PLACE + key, "something else")

    for command in COMMANDS:
        ran = cli("schedules", *command)
        assert ran.code in {0, 1, 2}, (command, ran)
        assert "internal error" not in ran.err
        assert ran.code == 0 or is_one_line(ran.err), (command, ran.err)


@pytest.mark.parametrize("text", [text for text in HOSTILE if "\ud800" not in text])
def test_hostile_texts_start_no_line_and_send_no_control(cli, raw, text):
    now = time.time()
    body = {"every": "5m", "task": text, "args": [text], "kwargs": {text: text}, text: text}
    body["paused"] = {"by": text, "reason": text}
    run = {"outcome": text, "at": now, "id": text, "worker": text, "text": text}
    raw.sadd("taskconsole:queues", text, "mail")
    raw.hset("{mail}:schedules", mapping={text: json.dumps(body), "x": json.dumps(body), "y": text})
    raw.hset("{mail}:running", "x", json.dumps({text: now}))
    raw.lpush("{mail}:runs:x", json.dumps(run), text)

    for command, lines in ((["list"], 4), (["show", "x"], 30), (["show", "y"], 6), (["show", text], None)):
        ran = cli("schedules", *command)

        assert all(line.isprintable() for line in ran.out.split("\n")), command
        assert all(line.isprintable() for line in ran.err.split("\n")), command
        assert lines is None or (ran.code == 0 and ran.out.count("\n") <= lines), (command, ran)
        assert cli("schedules", *command, "--json").out.isascii()


@pytest.mark.parametrize("score", ["inf", "-inf", "1e300", "-1e300", "0"])
def test_a_next_time_that_is_none_breaks_nothing(cli, raw, score):
    raw.hset(PLACE + "schedules", "x", '{"every":"5m","task":"t"}')
    raw.zadd(PLACE + "next", {"x": float(score)})

    for command in (["list"], ["show", "x"]):
        assert cli("schedules", *command).code == 0
        assert cli("schedules", *command, "--json").code == 0


@pytest.mark.parametrize(
    "body",
    [
        '{"every":5,"task":"t","note":' + "[" * 900 + "]" * 900 + "}",
        json.dumps({"every": 5, "task": "t", "note": "x" * 65_400}),
        '{"every":5,"task":"t","start":"0001-01-01T00:00:00+05:00","end":"9999-12-31T23:59:59-05:00"}',
        '{"every":5,"task":"t","start":"9999-12-31T23:59:59-05:00"}',
        '{"every":5,"task":"t","args":[99999999999999999999999999]}',
    ],
    ids=["deep", "long", "from year 1", "in year 9999", "large number"],
)
def test_a_definition_at_the_edge_is_shown(cli, raw, body):
    raw.hset(PLACE + "schedules", "x", body)

    for command in (["list"], ["show", "x"]):
        assert cli("schedules", *command).code == 0
        assert cli("schedules", *command, "--json").code == 0


def test_what_nobody_has_looked_at_is_new_and_not_over(cli, raw):
    raw.hset(
        PLACE + "schedules",
        mapping={
            "grid": '{"every":"5m","task":"t"}',
            "undecided": '{"at":"2020-01-01","task":"t"}',
            "over": '{"at":"2020-01-01","end":"2019-01-01","task":"t"}',
        },
    )

    ran = cli("schedules", "list", "--json")

    assert {row["name"]: row["state"] for row in ran.json} == {"grid": "NEW", "undecided": "NEW", "over": "OVER"}
    assert "nobody fires the schedules of task_queue" in cli("schedules").err
    assert "not planned yet: nobody has looked at it" in cli("schedules", "show", "grid").out


def test_a_name_that_none_can_have_is_broken_because_nobody_fires_it(cli, raw):
    raw.hset(PLACE + "schedules", "x" * 201, '{"every":"5m","task":"t"}')

    (row,) = cli("schedules", "--json").json

    assert (row["state"], row["trouble"]) == ("BROKEN", "schedule name of 201 characters: at most 200")


def plant(raw):
    """Schedules of every kind on a queue with a long name."""
    now, queue = time.time(), "billing-and-invoices"
    raw.sadd("taskconsole:queues", queue)
    body = {"cron": "*/7 9-17 * * mon-fri", "tz": "America/Argentina/Buenos_Aires", "task": "billing.tasks.nightly"}
    pause = {"paused": {"by": "ada@host", "at": now, "reason": "the partner is down again"}}
    names = {"nightly-bill-of-everybody-in-the-south": body, "paused": {**body, **pause}, "x" * 150: body}
    raw.hset(f"{{{queue}}}:schedules", mapping={name: json.dumps(fields) for name, fields in names.items()})
    raw.hset(f"{{{queue}}}:schedules", "broken", "{")
    raw.zadd(f"{{{queue}}}:next", {"nightly-bill-of-everybody-in-the-south": now + 9 * 86_400, "x" * 150: now + 10**8})
    for name in names:
        raw.lpush(f"{{{queue}}}:runs:{name}", json.dumps({"outcome": "missed", "at": now - 9000, "n": 12_345}))
        raw.hset(f"{{{queue}}}:running", name, json.dumps({"a": now, "b": now}))


@pytest.mark.parametrize("columns", [80, 100, 132])
def test_a_terminal_is_never_too_narrow_for_the_list(cli, raw, monkeypatch, columns):
    plant(raw)
    monkeypatch.setattr("taskconsole.cli.schedules.is_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", str(columns))

    ran = cli("schedules")

    assert max(len(line) for line in ran.lines) <= columns
    assert ran.lines[0].split()[:4] == ["NAME", "QUEUE", "STATE", "SCHEDULE"]
    assert "NEXT" in ran.lines[0]
    assert len(ran.lines) == 5
    assert "no room for" in ran.err


def test_what_goes_into_a_pipe_is_whole(cli, raw):
    plant(raw)

    ran = cli("schedules")

    assert "paused by ada@host: the partner is down again; running 2" in ran.out
    assert "America/Argentina/Buenos_Aires" in ran.out
    assert "missed 12,345 2h30m ago" in ran.out
    assert ran.err == ""


def test_one_is_shown_with_everything_that_is_known_of_it(cli, raw):
    add(cli, "bill", "1", "--jitter", "30s", "--max-runs", "4", "--end", "2100-01-01", "-q", "mail")
    now = time.time()
    raw.hset("{mail}:running", "bill", json.dumps({"bill@1": now - 65}))
    raw.hset("{mail}:buffered", "bill", "{}")
    raw.lpush("{mail}:runs:bill", json.dumps({"outcome": "dead", "at": now, "ms": 12.5, "attempt": 3, "text": "boom"}))
    raw.set("{mail}:ticker", "w-1", ex=30)

    ran = cli("schedules", "show", "bill")

    assert (ran.code, ran.err) == (0, "")
    facts = {line[2:12].strip(): line[13:] for line in ran.lines[1:] if line.startswith("  ")}
    assert (facts["cron"], facts["zone"], facts["args"]) == ("15 3 * * *", "Europe/Berlin", "[1]")
    assert facts["end"] == "2100-01-01 00:00:00+01:00"
    assert facts["jitter"] == "each fire is put off by up to 30s"
    assert (facts["fires"], facts["owner"]) == ("0 so far of 4", "operator")
    assert facts["running"].startswith("bill@1, for 1m0")
    assert "for the instant" in facts["next"]
    assert "buffered" in facts
    assert "boom" in ran.lines[-1]
    assert "12 ms" in ran.lines[-1]
    assert sum("03:15:00+0" in line for line in ran.lines) == 4  # --max-runs
    found = cli("schedules", "show", "bill", "--json").json
    assert (found["watched"], found["fired"], len(found["fires"])) == (True, 0, 4)
    assert found["running"][0]["id"] == "bill@1"
    assert found["runs"][0]["text"] == "boom"
    raw.delete("{mail}:ticker")
    assert "nobody fires the schedules of mail" in cli("schedules", "show", "bill").err


def test_what_an_operator_has_changed_of_the_codes_is_said(cli, raw):
    code = '{"every":"5m","task":"t","owner":"code"}'
    raw.hset(PLACE + "schedules", "x", code.replace("5m", "6m"))
    raw.hset(PLACE + "code", "x", code)

    assert "changed by an operator" in cli("schedules").out
    assert "no live app declares it; an operator has changed it" in cli("schedules", "show", "x").out
    assert cli("schedules", "restore", "x").code == 0
    assert definition(raw, "x")["every"] == "5m"
    again = cli("schedules", "restore", "x", "--json")
    assert (again.code, again.json["changed"]) == (0, False)


@pytest.mark.parametrize(
    ("given", "stands"),
    [
        (["2026-12-31 23:59"], "2026-12-31T23:59:00+00:00"),
        (["2026-12-31 23:59", "--tz", "Europe/Berlin"], "2026-12-31T23:59:00+01:00"),
        (["2026-12-31T23:59:00-05:00", "--tz", "Europe/Berlin"], "2026-12-31T23:59:00-05:00"),
    ],
)
def test_a_moment_without_an_offset_is_in_the_zone_that_is_given(cli, raw, given, stands):
    ran = cli("schedules", "add", "x", "--task", "t", "--at", *given, "--json")

    assert definition(raw, "x")["at"] == stands
    assert ran.json["name"] == "x"


def test_an_edit_takes_a_moment_in_the_schedules_own_zone(cli, raw):
    add(cli)

    assert cli("schedules", "edit", "bill", "--end", "2100-01-01", "--start", "2026-07-01T00:00Z").code == 0
    assert definition(raw, "bill")["end"] == "2100-01-01T00:00:00+01:00"
    assert definition(raw, "bill")["start"] == "2026-07-01T00:00:00+00:00"
    assert cli("schedules", "edit", "bill", "--tz", "Asia/Tokyo", "--no-end", "--no-start").code == 0
    assert (definition(raw, "bill")["tz"], definition(raw, "bill").keys() & {"start", "end"}) == ("Asia/Tokyo", set())


def test_an_edit_changes_when_and_what(cli, raw):
    add(cli, "bill", "1", "--kwargs", '{"a": 1}')
    cli("schedules", "edit", "bill", "--every", "90s", "--anchor", "2026-01-01", "--task", "u", "--args", "[2, 3]")
    found = definition(raw, "bill")

    # Without another zone, the anchor is in the one that the schedule had.
    assert (found["every"], found["anchor"]) == ("1m30s", "2026-01-01T00:00:00+01:00")
    assert (found["task"], found["args"], found["kwargs"]) == ("u", [2, 3], {"a": 1})
    assert "cron" not in found
    cli("schedules", "edit", "bill", "--kwargs", "{}", "--args", "[]", "--overlap", "buffer_one", "--window", "5m")
    found = definition(raw, "bill")
    assert not found.keys() & {"args", "kwargs"}
    assert (found["overlap"], found["window"]) == ("buffer_one", 300.0)


def test_a_broken_definition_can_be_mended_or_removed(cli, raw):
    raw.hset(PLACE + "schedules", mapping={"cron": '{"cron":"61 * * * *","task":"t"}', "text": "{"})

    assert cli("schedules", "edit", "cron", "--cron", "1 * * * *").code == 0
    assert definition(raw, "cron")["cron"] == "1 * * * *"
    refused = cli("schedules", "edit", "text", "--cron", "1 * * * *")
    assert refused.code == 2
    assert is_one_line(refused.err)
    assert cli("schedules", "remove", "text", "--yes").code == 0
    assert raw.hkeys(PLACE + "schedules") == [b"cron"]


def test_one_that_is_added_paused_waits_for_its_resume(cli, raw):
    ran = add(cli, "bill", "--paused", "--json")

    assert ran.json["text"].endswith("paused")
    assert "@" in definition(raw, "bill")["paused"]["by"]
    assert raw.zscore(PLACE + "next", "bill") is None
    assert cli("schedules", "resume", "bill", "--catch-up").code == 0
    assert raw.zscore(PLACE + "next", "bill")


def test_what_is_odd_about_a_schedule_is_said_when_it_is_added(cli):
    odd = cli("schedules", "add", "x", "--task", "t", "--cron", "0 0 31 * mon")
    past = cli("schedules", "add", "y", "--task", "t", "--at", "2020-01-01")

    assert "warning: day of month 31" in odd.err
    assert odd.out.count("+00:00") == 3
    assert "this moment has passed" in past.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["edit", "bill"], "nothing to change"),
        (["edit", "bill", "--end", "2100-01-01", "--no-end"], "--end or --no-end, not both"),
        (["edit", "bill", "--every", "5m", "--at", "2100-01-01"], "one of --cron, --every and --at"),
        (["edit", "bill", "--cron", "* * * * *", "--anchor", "2026-01-01"], "--anchor goes with --every"),
        (["edit", "bill", "--anchor", "2026-01-01"], "no interval"),
        (["edit", "bill", "--args", "{}"], "--args is not a JSON array"),
        (["edit", "bill", "--args", "["], "--args is not JSON"),
        (["edit", "bill", "--kwargs", "[]"], "--kwargs is not a JSON object"),
        (["edit", "bill", "--max-runs", "0"], "max_runs"),
        (["edit", "bill", "--jitter", "2d"], "jitter"),
        (["edit", "bill", "--task", " "], "task"),
        (["edit", "bill", "--tz", "Europe/Berln"], "'Europe/Berlin'?"),
        (["edit", "bill", "--end", "2000-01-01", "--start", "2001-01-01"], "end is before start"),
        (["add", "x", "--task", "t", "--every", "5m", "--overlap", "never"], "'never' is not one of"),
        (["add", "x", "--task", "\udcff", "--every", "5m"], "surrogate"),
        (["add", "x", "--task", "t", "--every", "5m", "1e999"], "inf"),
        (["add", "x", "--task", "t", "--every", "5m", "-q", "{"], "brace"),
        (["add", "x", "--every", "5m"], "--task"),
        (["add", "\udcff", "--task", "t", "--every", "5m"], "control character"),
        (["pause", "bill", "--reason", "\udcff"], "surrogate"),
        (["-q", "mail", "show", "bill"], "behind the command's name"),
        (["nonsense"], "nonsense"),
        (["preview"], "or --every"),
        (["preview", "* * * * *", "--every", "5m"], "or --every"),
        (["preview", "* * * * *", "-n", "1001"], "range"),
        (["preview", "--every", "5m", "--tz", "../../etc/passwd"], "time zone"),
    ],
    ids=ascii,
)
def test_what_cannot_be_meant_changes_nothing(cli, raw, arguments, said):
    add(cli)
    before = raw.hgetall(PLACE + "schedules")

    ran = cli("schedules", *arguments)

    assert (ran.code, ran.out) == (2, "")
    assert is_one_line(ran.err)
    assert said in ran.err
    assert raw.hgetall(PLACE + "schedules") == before


@pytest.mark.parametrize(("typed", "code"), [("y\n", 0), ("YES\n", 0), ("n\n", 1), ("\n", 1), ("", 1)])
def test_a_removal_is_asked_about_on_a_terminal(cli, raw, monkeypatch, capsys, typed, code):
    add(cli)
    capsys.readouterr()
    answer = io.StringIO(typed)
    answer.isatty = lambda: True
    monkeypatch.setattr("sys.stdin", answer)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)

    assert call(["schedules", "remove", "bill"]) == code
    assert "remove bill from task_queue (At 03:15 (Europe/Berlin), task t)? [y/N] " in capsys.readouterr().err
    assert raw.hexists(PLACE + "schedules", "bill") is (code == 1)


def test_what_was_removed_from_two_queues_wants_the_queue(cli):
    for queue in ("a", "b"):
        add(cli, "bill", "-q", queue)
        cli("schedules", "remove", "bill", "--yes", "-q", queue)

    ran = cli("schedules", "restore", "bill")

    assert (ran.code, ran.err) == (
        2,
        "taskconsole: 'bill' may be restored on several queues: name one of a, b\n",
    )
    assert cli("schedules", "restore", "bill", "-q", "a").code == 0


def test_every_change_tells_json_what_it_did(cli):
    add(cli, "bill", "-q", "mail")

    for command in ("pause", "resume", "trigger", "remove", "restore"):
        more = ["--yes"] if command == "remove" else []
        # Also which queue it was, when that was not said.
        told = cli("schedules", command, "bill", "--json", *more).json
        assert (told["name"], told["queue"], told["changed"]) == ("bill", "mail", True)
        assert told["text"]


def test_a_preview_shows_the_hour_that_comes_twice(cli):
    span = ["--tz", "Europe/Berlin", "--from", "2026-10-25", "-n", "4"]

    once = cli("-u", "unix:///nowhere", "schedules", "preview", "30 2 * * *", *span)
    clock = cli("-u", "unix:///nowhere", "schedules", "preview", "*/30 2 * * *", *span, "--json")

    assert once.lines[:3] == [
        "At 02:30 (Europe/Berlin)",
        "DAY  LOCAL TIME                 UTC",
        "Sun  2026-10-25 02:30:00+02:00  2026-10-25 00:30:00Z  once: 02:30 comes twice",
    ]
    assert [(fire["utc"][11:16], fire["mark"]) for fire in clock.json["fires"]] == [
        ("00:00", ""),
        ("00:30", ""),
        ("01:00", "second 02:00"),
        ("01:30", "second 02:30"),
    ]
    assert clock.json["expression"] == "*/30 2 * * *"
    assert clock.json["tz"] == "Europe/Berlin"
    assert "tzdata" in clock.json


def test_a_preview_of_an_interval_is_on_the_clock_of_the_zone(cli):
    ran = cli("schedules", "preview", "--every", "90m", "--tz", "Europe/Berlin", "--from", "2026-10-25", "--json")

    assert [fire["at"][11:] for fire in ran.json["fires"]][:3] == [
        "00:30:00+02:00",
        "02:00:00+02:00",
        "02:30:00+01:00",
    ]


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:00-05:00", "9999-12-31T23:57:00", "0001-01-01T00:00:00Z"])
@pytest.mark.parametrize("tz", ["Asia/Tokyo", "America/New_York"])
def test_a_preview_at_the_end_of_all_dates_ends(cli, moment, tz):
    assert cli("schedules", "preview", "* * * * *", "--from", moment, "--tz", tz).code == 0
    assert cli("schedules", "preview", "--every", "5m", "--from", moment, "--tz", tz, "--json").code == 0


@pytest.mark.parametrize(
    "command",
    [
        ["add", "bill", "--task", "u", "--every", "5m", "--replace"],
        ["add", "new", "--task", "u", "--every", "5m"],
        ["edit", "bill", "--task", "u"],
        ["pause", "bill"],
        ["remove", "bill", "--yes"],
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_what_is_done_to_a_schedule_is_taken_back_with_the_token_that_was_told(cli, raw, command):
    add(cli)
    before = raw.hgetall(PLACE + "schedules")
    ran = cli("schedules", *command, "--json")
    token = ran.json["undo"]
    assert f"taskconsole undo {token} takes it back, for ten minutes" in ran.err
    assert raw.hgetall(PLACE + "schedules") != before
    assert token in cli("undo").out
    assert cli("undo", token).code == 0
    assert raw.hgetall(PLACE + "schedules") == before
    assert cli("undo", token).code == 1


def test_what_was_changed_since_is_not_taken_back_and_that_is_said(cli, raw):
    add(cli)
    token = cli("schedules", "pause", "bill", "--json").json["undo"]
    cli("schedules", "edit", "bill", "--task", "u")
    ran = cli("undo", token)
    assert ran.code == 1
    assert "the schedule bill has changed since" in ran.err


def test_a_trigger_says_that_it_cannot_be_undone(cli):
    add(cli)
    ran = cli("schedules", "trigger", "bill", "--json")
    assert (ran.code, ran.json["undo"]) == (0, None)
    assert "It cannot be undone" in cli("schedules", "trigger", "--help").out
