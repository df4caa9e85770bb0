"""One reading in words."""

from __future__ import annotations

import pytest

from taskconsole.console.verdict import Level, drain_eta, explain, verdicts, worker_command
from taskconsole.model.stats import Overview, Pause, ServerInfo
from tests.console.fake_backend import queue, usual_queues
from tests.console.hostile_texts import HOSTILE

NOW = 1_790_000_000.0


def judge(*queues):
    return verdicts(Overview(at=NOW, server=ServerInfo(address="x"), queues=queues, rtt=0.001))


def test_the_worst_comes_first_with_its_evidence():
    assert [(v.level, v.text) for v in judge(*usual_queues(NOW))] == [
        (Level.CRIT, "emails: NO WORKERS, 12,001 pending, oldest 14m"),
        (Level.WARN, "emails: 4 delayed tasks overdue and not promoted"),
        (Level.WARN, "reports: SATURATED 16/16, 402 pending, oldest 1m10s"),
        (Level.NOTE, "billing: PAUSED by ana@ops1 9m05s ago, 120 pending"),
    ]


def test_a_queue_without_workers_comes_with_the_command_that_mends_it():
    assert judge(queue("mail", pending=1))[0].fix == "taskconsole --headless worker -A yourapp:app -q mail"


def test_all_is_well():
    assert judge(queue("mail", pending=3, active=1, workers=1, capacity=4), queue("idle", delayed=9)) == []


def test_a_broken_queue_is_critical():
    (verdict,) = judge(queue("mail", trouble="key 'mail' holds a string, not a list"))
    assert (verdict.level, verdict.text) == (
        Level.CRIT,
        "mail: BROKEN, key 'mail' holds a string, not a list",
    )


def test_one_task_a_moment_late_is_no_verdict():
    assert judge(queue("mail", delayed=9, overdue=2, workers=1)) == []
    assert judge(queue("mail", delayed=9, overdue=3, workers=1))[0].level is Level.WARN
    (verdict,) = judge(queue("mail", delayed=9, overdue=1))
    assert verdict.text == "mail: 1 delayed task overdue and not promoted"
    assert verdict.fix == worker_command("mail")


def test_a_name_cannot_smuggle_a_command_into_a_shell():
    assert worker_command("q; rm -rf ~") == "taskconsole --headless worker -A yourapp:app -q 'q; rm -rf ~'"
    assert worker_command("q\x1b[2J").endswith(" -q ...")


@pytest.mark.parametrize("text", HOSTILE)
def test_verdicts_are_safe(text):
    broken = queue(text, trouble=text)
    paused = queue(text + "2", pending=1, paused=Pause(by=text, at=NOW, reason=text))
    for verdict in judge(broken, paused, queue(text + "3", pending=1)):
        assert verdict.text.isprintable()
        assert verdict.fix.isprintable()
    for stats in (broken, paused):
        assert all(part.isprintable() for part in explain(stats, NOW, None, read_only=False))


def test_what_to_do_next():
    billing, default, emails, reports, webhooks = usual_queues(NOW)
    assert explain(billing, NOW, 0.0, read_only=False) == (
        "paused by ana@ops1 9m05s ago: bank is down",
        "p resumes it",
    )
    assert "may write" in explain(billing, NOW, 0.0, read_only=True)[1]
    assert explain(emails, NOW, 1.0, read_only=False)[1].startswith("start one: taskconsole --headless worker")
    assert explain(reports, NOW, 1.0, read_only=False)[0] == "all 16 slots of 2 workers are taken"
    assert explain(default, NOW, -1.0, read_only=False) == ("15 of 32 slots at work", "empty: 5s")
    assert explain(webhooks, NOW, None, read_only=False) == ("1 worker waits for tasks", "nothing to do")


def test_when_a_queue_will_be_empty():
    served = queue("q", pending=100, workers=1)
    assert drain_eta(served, -2.0) == "50s"
    assert drain_eta(served, -1000.0) == "<1s"
    assert drain_eta(served, 1.0) == "growing"
    assert drain_eta(served, 0.0) == "steady"
    assert drain_eta(served, None) == "?"
    assert drain_eta(queue("q", pending=100), -2.0) == "never"
    assert drain_eta(queue("q"), 0.0) == "-"
    assert drain_eta(queue("q", pending=1, workers=1, paused=Pause(by="x", at=None)), -1.0) == "paused"
