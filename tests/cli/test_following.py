import json
import subprocess
import sys

import pytest

from tests.servers import ROOT, PrivateServer, wait_until


@pytest.fixture
def log(raw):
    """A log of two queues."""
    raw.sadd("taskconsole:queues", "mail", "bills")
    for n, (queue, kind) in enumerate(
        [("mail", "paused"), ("bills", "died"), ("mail", "retried"), ("mail", "resumed")]
    ):
        event = {"event": kind, "queue": queue, "n": 1, "at": 1_790_000_000 + n, "task": f"t{n}", "by": "ada"}
        raw.xadd(f"{{{queue}}}:log", {"event": json.dumps(event)}, id=f"{event['at']}000-0")


def kinds(ran):
    return [json.loads(line)["kind"] for line in ran.lines]


def test_the_log_of_all_queues_in_order(cli, log):
    assert cli("events").lines[1] == "2026-09-21 14:13:21.000Z bills died t1 by ada"
    assert kinds(cli("events", "--json")) == ["paused", "died", "retried", "resumed"]


def test_some_of_the_log(cli, log):
    assert kinds(cli("events", "--json", "-q", "mail")) == ["paused", "retried", "resumed"]
    assert kinds(cli("events", "--json", "--failures")) == ["died", "retried"]
    assert kinds(cli("events", "--json", "--failures", "-q", "mail", "-q", "bills", "--limit", "1")) == ["retried"]


def test_the_newest_of_the_log(cli, log):
    for option in ("-n", "--limit", "--history"):
        assert kinds(cli("events", "--json", option, "2")) == ["retried", "resumed"]
    assert cli("events", "--history", "0").code == 2


def test_an_empty_log_is_said(cli):
    assert cli("events") == (0, "", "taskconsole: no events in the log\n")


class Following:
    """`events --follow` as a process."""

    def __init__(self, url, *arguments):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "taskconsole", "-u", url, "events", "--follow", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=ROOT,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()

    def line(self):
        return self.process.stdout.readline().decode()


def test_following_shows_what_is_published_by_anybody(store_url, raw):
    with Following(store_url) as following:
        wait_until(lambda: raw.publish("task_queue_channel", b"hello\x1b[2J\nworld \xff"))

        assert following.line().endswith("Z task_queue message hello\\x1b[2J\\nworld \\xff\n")


def test_following_some_queues_shows_only_those_even_when_nobody_knows_them(store_url, raw):
    with Following(store_url, "-q", "mail", "--json") as following:
        wait_until(lambda: raw.publish("mail_channel", json.dumps({"event": "done", "queue": "mail", "at": 5, "n": 3})))
        event = json.loads(following.line())

        assert (event["kind"], event["queue"], event["n"]) == ("done", "mail", 3)
        assert raw.publish("task_queue_channel", "other") == 0


def test_following_begins_with_as_much_of_the_log_as_is_wanted(store_url, raw, log):
    with Following(store_url, "--json", "--history", "2") as following:
        assert [json.loads(following.line())["kind"] for _ in range(2)] == ["retried", "resumed"]
        wait_until(lambda: raw.publish("mail_channel", "now"))
        assert json.loads(following.line())["text"] == "now"


def test_following_goes_on_when_redis_comes_back():
    with PrivateServer() as server, Following(server.url) as following:
        with server.client() as client:
            wait_until(lambda: client.publish("task_queue_channel", "before"))
        assert "before" in following.line()
        server.kill()
        server.restart()
        with server.client() as client:
            wait_until(lambda: client.publish("task_queue_channel", "after"))
        assert "after" in following.line()
        following.process.kill()
        said = following.process.stderr.read().decode()
        assert "events may be missing" in said
        assert "Traceback" not in said


def test_following_ends_when_nobody_reads_it_any_more(store_url, raw):
    with Following(store_url) as following:
        wait_until(lambda: raw.publish("task_queue_channel", "first"))
        assert "first" in following.line()
        following.process.stdout.close()

        assert following.process.wait(10) == 0
        assert following.process.stderr.read() == b""
