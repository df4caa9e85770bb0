"""One reading in words."""

from __future__ import annotations

import pytest

from taskconsole.console.text.explain import drain_eta, explain, worker_command
from taskconsole.model.stats import Pause
from tests.console.fake_backend import queue, usual_queues
from tests.console.hostile_texts import HOSTILE

NOW = 1_790_000_000.0


def test_a_name_cannot_smuggle_a_command_into_a_shell():
    assert worker_command("q; rm -rf ~") == "taskconsole --headless worker -A yourapp:app -q 'q; rm -rf ~'"
    assert worker_command("q\x1b[2J").endswith(r" -q $'q\x1b[2J'")


@pytest.mark.parametrize("text", HOSTILE)
def test_explanations_are_safe(text):
    broken = queue(text, trouble=text)
    paused = queue(text, pending=1, paused=Pause(by=text, at=NOW, reason=text))
    for stats in (broken, paused, queue(text, pending=1)):
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
