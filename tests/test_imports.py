"""Nobody pays for what he does not use: what each command loads, and how soon it answers."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys

import pytest

from tests.servers import ROOT, wait_until

SCREEN = {"textual", "rich"}
WIRE = {"redis", "hiredis", "msgspec", "asyncio"}
CRON = {"croniter", "cron_descriptor"}

LOOK = """\
import sys
from taskconsole.cli.root import call
code = call(sys.argv[1:])
print(code, *sorted(name for name in sys.modules if "." not in name), file=sys.stderr)
"""


def loaded_by(*arguments, url=""):
    """The top-level packages that a command has loaded when it ends."""
    ended = subprocess.run(
        [sys.executable, "-c", LOOK, *arguments],
        env={**os.environ, "TASKCONSOLE_URL": url},
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=True,
        text=True,
    )
    code, *names = ended.stderr.splitlines()[-1].split()
    assert code == "0", ended.stderr
    return set(names)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--version"],
        ["--help"],
        ["worker", "--help"],
        ["enqueue", "--help"],
        ["demo", "--help"],
        ["schedules", "--help"],
        ["schedules", "add", "--help"],
    ],
    ids=" ".join,
)
def test_a_question_about_the_program_loads_neither_redis_nor_a_screen(arguments):
    assert not loaded_by(*arguments) & (SCREEN | WIRE | CRON)


def test_a_preview_of_a_schedule_loads_no_redis():
    loaded = loaded_by("schedules", "preview", "15 3 * * *")

    assert not loaded & (SCREEN | {"redis", "hiredis", "asyncio"})
    assert loaded >= CRON


@pytest.mark.parametrize(
    "arguments",
    [["status", "--json"], ["doctor"], ["events"], ["enqueue", "x"], ["schedules"], []],
    ids=" ".join,
)
def test_commands_load_no_screen(store_url, arguments):
    if arguments == ["doctor"]:
        arguments = ["queues"]  # the doctor of an unsaved Redis does not end with 0
    loaded = loaded_by(*arguments, url=store_url)

    assert not loaded & (SCREEN | CRON)
    assert "redis" in loaded


def test_a_worker_loads_no_screen(store_url, raw):
    raw.lpush("bills", json.dumps({"task": "follow_up", "args": ["mark"]}))
    subprocess.run(
        [sys.executable, "-m", "taskconsole", "worker", "-A", "tests.cli.program:app", "--burst"],
        env={**os.environ, "TASKCONSOLE_URL": store_url, "MARK_URL": store_url},
        cwd=ROOT,
        capture_output=True,
        timeout=60,
        check=True,
    )

    loaded = set(json.loads(wait_until(lambda: raw.lindex("mark", 0))))
    assert "taskconsole" in loaded
    assert not loaded & (SCREEN | CRON)


def test_an_app_loads_no_cron_before_it_has_a_schedule():
    script = "import sys, taskconsole.app; print(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, check=True, text=True)

    assert not set(said.stdout.split()) & (SCREEN | CRON)


def test_importing_the_package_loads_nothing_of_it():
    script = "import sys; import taskconsole; print(*[n for n in sys.modules if n.startswith('taskconsole.')])"
    said = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, check=True, text=True)

    assert said.stdout.strip() == ""


def test_the_version_is_there_at_once():
    def once():
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "taskconsole", "--version"], cwd=ROOT, capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    # Processor time, and the best of some: the rest of a test run must not count.
    assert min(once() for _ in range(7)) < 0.15
