import subprocess

import pytest

from taskconsole.model.stats import Overview, Pause, QueueStats, ServerInfo
from taskconsole.model.verdict import Level, judge, quoted, span
from tests.console.hostile_texts import HOSTILE

NOW = 1_790_000_000.0


def overview(*queues, rtt=0.001, **server):
    fields = {"address": "here:6379/0", "version": "7.0.15", "persistence": "aof"} | server
    return Overview(at=NOW, server=ServerInfo(**fields), queues=queues, rtt=rtt)


def queue(name="mail", **fields):
    return QueueStats(**({"name": name, "pending": 0, "active": 0, "delayed": 0, "dead": 0} | fields))


def rules(*queues, local_time=None, **server):
    return [(v.level, v.rule) for v in judge(overview(*queues, **server), local_time=local_time)]


def test_all_is_well():
    busy = queue(pending=3, active=2, delayed=9, workers=1, capacity=4, overdue=2)

    assert judge(overview(busy, queue("idle")), local_time=NOW) == []


def test_tasks_without_workers_are_critical_and_say_since_when():
    (verdict,) = judge(overview(queue(pending=1204, active=2, oldest=NOW - 840)))

    assert (verdict.level, verdict.rule, verdict.queue) == (Level.CRITICAL, "no workers", "mail")
    assert "1,204 pending" in verdict.text
    assert "2 in the hands of a worker that died" in verdict.text
    assert verdict.since == NOW - 840
    assert "14m00s" in verdict.evidence
    assert verdict.fix == "taskconsole --headless worker -A yourapp:app -q mail"


def test_a_pause_says_who_when_and_why_and_hides_the_missing_workers():
    pause = Pause(by="ada@host", at=NOW - 65, reason="partner\nis down")
    (verdict,) = judge(overview(queue(pending=5, paused=pause)))

    assert (verdict.level, verdict.rule, verdict.since) == (Level.WARNING, "paused", NOW - 65)
    assert verdict.evidence == "paused by ada@host 1m05s ago: partner\\nis down"
    assert verdict.fix == "taskconsole resume mail"


def test_a_pause_of_an_empty_queue_is_worth_a_note():
    assert rules(queue(paused=Pause(by="?", at=None))) == [(Level.NOTE, "paused")]


@pytest.mark.parametrize(
    ("pending", "oldest", "expected"),
    [
        (5, NOW - 9, []),
        (5, NOW - 11, [(Level.WARNING, "saturated")]),
        (39, None, []),
        (40, None, [(Level.WARNING, "saturated")]),
    ],
)
def test_taken_slots_are_trouble_when_tasks_wait_for_long(pending, oldest, expected):
    assert rules(queue(pending=pending, active=4, capacity=4, workers=1, oldest=oldest)) == expected


@pytest.mark.parametrize(("workers", "level"), [(0, Level.CRITICAL), (1, Level.WARNING)])
def test_overdue_delayed_tasks_need_a_promoter(workers, level):
    assert rules(queue(delayed=9, overdue=2, workers=workers, capacity=1)) == []
    (verdict,) = judge(overview(queue(delayed=9, overdue=3, workers=workers, capacity=1)))

    assert (verdict.level, verdict.rule) == (level, "overdue")
    assert verdict.fix == "taskconsole --headless scheduler -q mail"


def test_a_broken_queue_says_only_that():
    (verdict,) = judge(overview(queue(trouble="key 'mail' holds a string", pending=9, dead=4, overdue=9)))

    assert (verdict.level, verdict.rule) == (Level.CRITICAL, "broken")
    assert verdict.evidence == "key 'mail' holds a string"
    assert verdict.fix == "redis-cli TYPE mail"


def test_dead_tasks_are_a_note():
    assert rules(queue(dead=1)) == [(Level.NOTE, "dead tasks")]


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        ({"persistence": "none seen"}, [(Level.WARNING, "persistence")]),
        ({"persistence": "rdb"}, [(Level.NOTE, "persistence")]),
        ({"persistence": "aof everysec"}, []),
        ({"persistence": ""}, []),
        ({"role": "slave"}, [(Level.CRITICAL, "replica")]),
        ({"eviction_policy": "allkeys-lru"}, []),
        ({"eviction_policy": "allkeys-lru", "max_memory": 100}, [(Level.CRITICAL, "eviction")]),
        ({"eviction_policy": "volatile-ttl", "max_memory": 100}, [(Level.WARNING, "eviction")]),
        ({"eviction_policy": "noeviction", "max_memory": 100, "used_memory": 84}, []),
        ({"max_memory": 100, "used_memory": 85}, [(Level.WARNING, "memory")]),
        ({"max_memory": 100, "used_memory": 97}, [(Level.CRITICAL, "memory")]),
        ({"used_memory": 10**12}, []),
        ({"rtt": 0.24}, []),
        ({"rtt": 0.25}, [(Level.NOTE, "slow link")]),
    ],
)
def test_the_server_itself(server, expected):
    assert rules(**server) == expected


@pytest.mark.parametrize(
    ("skew", "rtt", "expected"),
    [
        (1.9, 0.001, []),
        (2.1, 0.2, []),
        (-2.1, 0.001, [(Level.NOTE, "clock skew")]),
        (61, 0.001, [(Level.WARNING, "clock skew")]),
    ],
)
def test_clocks_that_differ_more_than_the_reading_took(skew, rtt, expected):
    assert rules(rtt=rtt, local_time=NOW + skew) == expected


def test_the_worst_comes_first_then_the_longest_queue():
    found = judge(
        overview(
            queue("noted", dead=1),
            queue("short", pending=1),
            queue("long", pending=9),
            queue("held", pending=99, paused=Pause(by="a", at=None)),
            persistence="none",
        )
    )

    assert [v.queue for v in found] == ["long", "short", "held", "", "noted"]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_of_a_verdict_can_reach_a_terminal_as_a_command(text):
    found = judge(
        overview(
            queue(text, pending=9, overdue=9, delayed=9, dead=1),
            queue(text, paused=Pause(by=text, at=NOW, reason=text)),
            queue(text, trouble=text),
        )
    )

    assert len(found) == 5
    assert all(part.isprintable() for v in found for part in (v.text, v.evidence, v.fix))


@pytest.mark.parametrize(
    "name", [h for h in HOSTILE if "\0" not in h and "\ud800" not in h] + ["it's\n\\x", "-q", "$(id)"]
)
def test_a_fix_names_the_queue_that_is_meant(name):
    said = subprocess.run(
        ["bash", "-c", f"printf %s {quoted(name)}"], capture_output=True, check=True, env={"LC_ALL": "C.UTF-8"}
    )

    assert said.stdout.decode() == name


def test_a_name_like_an_option_is_no_option():
    (verdict,) = judge(overview(queue("-q", paused=Pause(by="a", at=None))))

    assert verdict.fix == "taskconsole resume -- -q"


def test_spans():
    assert [span(s) for s in (-5, 4.9, 65, 12_000, 1_051_200)] == ["0s", "4s", "1m05s", "3h20m", "12d04h"]
