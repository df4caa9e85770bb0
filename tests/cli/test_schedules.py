import json
import subprocess
import sys

import pytest

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
