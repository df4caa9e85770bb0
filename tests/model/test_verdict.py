import math
import re
import subprocess
from dataclasses import replace

import pytest

from taskconsole.model.state import QueueState, State
from taskconsole.model.stats import Overview, Pause, QueueStats, ServerInfo, TaskRow, WorkerInfo
from taskconsole.model.verdict import RULES, Level, judge, quoted, span
from tests.console.hostile_texts import HOSTILE

NOW = 1_790_000_000.0


def overview(*queues, rtt=0.001, **server):
    fields = {"address": "here:6379/0", "version": "7.0.15", "persistence": "aof"} | server
    return Overview(at=NOW, server=ServerInfo(**fields), queues=queues, rtt=rtt)


def queue(name="mail", **fields):
    return QueueStats(**({"name": name, "pending": 0, "active": 0, "delayed": 0, "dead": 0} | fields))


def worker(wid="w-1", queue="mail", *, left=60.0, **fields):
    return WorkerInfo(
        **({"id": wid, "queue": queue, "host": "web-7", "lease_until": NOW + left, "lease": 15.0} | fields)
    )


def task(state=State.PENDING, **fields):
    return TaskRow(**({"queue": "mail", "state": state, "name": "send", "id": "7", "redelivered": 2} | fields))


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


def test_no_workers_since_the_last_lease_when_that_is_known():
    (verdict,) = judge(overview(queue(pending=3, oldest=NOW - 840, last_lease=NOW - 60)))

    assert verdict.since == NOW - 60
    assert verdict.evidence == "0 workers with a valid lease, the last one ended 1m00s ago, oldest 14m00s"


@pytest.mark.parametrize(("pending", "level"), [(3, Level.CRITICAL), (0, Level.NOTE)])
def test_quiet_workers_claim_nothing(pending, level):
    held = queue(pending=pending, workers=2, capacity=8, quiet=2, oldest=NOW - 5 if pending else None)
    (verdict,) = judge(overview(held))

    assert (verdict.level, verdict.rule) == (level, "quiet")
    assert verdict.text.startswith(f"mail: QUIET, {pending} pending")
    assert verdict.evidence.startswith("2 workers, 2 of them quiet")
    assert held.state is (QueueState.QUIET if pending else QueueState.OK)
    assert rules(queue(pending=pending, workers=2, capacity=8, quiet=1)) == []


@pytest.mark.parametrize(
    ("ended", "lease", "active", "lost"),
    [
        (30.0, 15.0, 1, False),
        (30.1, 15.0, 1, True),
        (30.1, 0.0, 1, True),
        (30.1, 1.0, 1, True),
        (120.0, 60.0, 1, False),
        (120.1, 60.0, 1, True),
        (999.0, 15.0, 0, False),
    ],
)
def test_tasks_are_lost_when_nobody_reclaims_for_two_leases(ended, lease, active, lost):
    held = worker(left=-ended, lease=lease, active=active)
    found = rules(queue(active=active, workers=1, capacity=4, ailing=(held,)))

    assert found == ([(Level.CRITICAL, "lost tasks")] if lost else [])


def test_lost_tasks_name_the_workers_and_are_told_beside_what_else_is_wrong():
    gone = tuple(worker(f"w-{n}", left=-100.0 - n, active=2) for n in range(5))
    lost, *others = judge(overview(queue(pending=4, active=10, ailing=gone)))

    assert [v.rule for v in others] == ["lost tasks"]
    assert lost.rule == "no workers"
    (lost,) = others
    assert lost.text == "mail: LOST TASKS, 10 in the hands of 5 dead workers for 1m44s"
    assert lost.evidence.startswith("w-0 on web-7 holds 2; w-1 on web-7 holds 2; w-2 on web-7 holds 2; and 2 more; ")
    assert lost.since == NOW - 104
    assert lost.fix == "taskconsole --headless scheduler -q mail"
    assert rules(queue(active=2, ailing=gone[:1])) == [(Level.CRITICAL, "lost tasks")]
    assert rules(queue(active=3, ailing=gone[:1])) == [(Level.CRITICAL, "no workers"), (Level.CRITICAL, "lost tasks")]
    paused = queue(active=2, paused=Pause(by="a", at=None), ailing=gone[:1])
    assert rules(paused) == [(Level.CRITICAL, "lost tasks"), (Level.NOTE, "paused")]


@pytest.mark.parametrize(
    ("row", "evidence", "since"),
    [
        (task(), "2 workers died with send (7), it runs next", None),
        (task(State.ACTIVE, worker="w-3", id=None), "2 workers died with send, w-3 has it now", None),
        (task(State.DEAD, at=NOW - 65, redelivered=3), "3 workers died with send (7), buried 1m05s ago", NOW - 65),
    ],
)
def test_poison_names_the_task(row, evidence, since):
    (verdict,) = judge(overview(queue(workers=1, capacity=1, poison=(row,))))

    assert (verdict.level, verdict.rule, verdict.evidence, verdict.since) == (
        Level.WARNING,
        "poison",
        evidence,
        since,
    )
    assert verdict.fix == f"taskconsole tasks mail {row.state}"


def test_several_poisoned_tasks_are_one_verdict():
    (verdict,) = judge(overview(queue(workers=1, capacity=1, poison=tuple(task(id=str(n)) for n in range(5)))))

    assert verdict.text == "mail: POISON, workers died running send (0) and 4 more"
    assert verdict.evidence.count("died with") == 3
    assert verdict.evidence.endswith("; and 2 more")


@pytest.mark.parametrize(("blocked", "told"), [(10.0, False), (10.1, True), (math.nan, False)])
def test_a_loop_that_stands_still(blocked, told):
    found = judge(overview(queue(workers=1, capacity=1, ailing=(worker(blocked=blocked),))))

    assert [v.rule for v in found] == (["stalled worker"] if told else [])


def test_a_stalled_process_is_told_once_the_worst_first():
    running = (("1", "resize", 34.0), ("", "thumb", 3.0))
    one = queue("mail", ailing=(worker(blocked=33.0, running=running), worker("w-2", blocked=11.0)))
    two = queue("bills", ailing=(worker(queue="bills", blocked=33.0, running=running),))
    (verdict,) = judge(overview(one, two))

    assert verdict.text == ("mail: STALLED WORKER, the event loop of w-1 on web-7 and 1 more has stood still for 33s")
    assert verdict.evidence.startswith("it runs resize 34s, thumb 3s; ")
    assert (verdict.queue, verdict.since) == ("mail", NOW - 33)


def test_what_a_dead_worker_last_said_of_itself_is_no_news():
    assert rules(queue(ailing=(worker(left=-1, blocked=99.0, skew=99.0),))) == []


@pytest.mark.parametrize(
    ("skew", "level", "words"),
    [
        (None, None, ""),
        (1.9, None, ""),
        (2.0, Level.NOTE, "2s ahead of"),
        (-59.9, Level.NOTE, "59s behind"),
        (-60.0, Level.WARNING, "1m00s behind"),
        (math.nan, None, ""),
    ],
)
def test_a_workers_clock(skew, level, words):
    found = judge(overview(queue(workers=1, capacity=1, ailing=(worker(skew=skew),))))

    assert [(v.level, v.rule) for v in found] == ([(level, "clock skew")] if level else [])
    assert all(f"the clock of w-1 on web-7 is {words} Redis's" in v.text for v in found)


@pytest.mark.parametrize(
    ("pending", "arriving", "leaving", "told"),
    [
        (101, 12.1, 10.0, True),
        (101, 12.0, 10.0, False),
        (100, 99.0, 10.0, False),
        (101, 0.0, 0.0, False),
        (101, None, 10.0, False),
        (101, 99.0, None, False),
    ],
)
def test_a_backlog_that_never_ends_is_a_note(pending, arriving, leaving, told):
    busy = {"pending": pending, "active": 1, "workers": 1, "capacity": 2, "in_rate": arriving, "out_rate": leaving}

    assert rules(queue(**busy)) == ([(Level.NOTE, "growing")] if told else [])
    full = queue(**busy | {"active": 2, "oldest": NOW - 60})
    assert rules(full) == [(Level.WARNING, "saturated")], "which says it already"
    assert "growing" not in {rule for _, rule in rules(queue(**busy, paused=Pause(by="a", at=None)))}


def test_dead_tasks_are_dropped_at_the_cap_only():
    fields = {"dead_dropped": 7, "dead_cap": 100}

    assert rules(queue(dead=100, **fields)) == [(Level.WARNING, "dead dropped")]
    assert rules(queue(dead=99, **fields)) == [(Level.NOTE, "dead tasks")], "the others were too old"
    assert rules(queue(dead=100, dead_cap=100)) == [(Level.NOTE, "dead tasks")]
    assert rules(queue(dead=100, dead_dropped=7)) == [(Level.NOTE, "dead tasks")]


def test_what_is_late_says_since_when():
    overdue, late = (
        judge(overview(queue(delayed=9, workers=1, capacity=1, **fields)))[0]
        for fields in (
            {"overdue": 3, "overdue_since": NOW - 50},
            {"late_schedules": 1, "late_since": NOW - 90, "late_schedule": "nightly"},
        )
    )

    assert (overdue.since, late.since) == (NOW - 50, NOW - 90)
    assert "the first is nightly" in late.evidence
    assert late.text == "mail: SCHEDULER DOWN, 1 schedule past the time"


@pytest.mark.parametrize("odd", [math.inf, -math.inf, math.nan])
def test_a_moment_that_is_none_is_left_out(odd):
    found = judge(
        overview(
            queue("a", pending=1, oldest=odd, last_lease=odd),
            queue("b", workers=1, overdue=3, overdue_since=odd, late_schedules=1, late_since=odd),
            queue("c", pending=9, workers=1, active=1, capacity=1, oldest=odd, poison=(task(State.DEAD, at=odd),)),
            queue("d", pending=1, paused=Pause(by="x", at=odd)),
            queue("e", ailing=(worker(left=60, blocked=math.inf, skew=math.inf),), workers=1),
        )
    )

    assert {"no workers", "overdue", "scheduler down", "poison", "paused", "stalled worker"} <= {v.rule for v in found}
    assert all(v.since is None for v in found)


def test_names_of_queues_that_cannot_be_read():
    reading = Overview(
        at=NOW, server=ServerInfo(address="x"), queues=(), rtt=0.0, trouble="it holds a string", trouble_key="p:q"
    )
    (verdict,) = judge(reading)

    assert (verdict.level, verdict.rule, verdict.evidence) == (Level.CRITICAL, "broken", "it holds a string")
    assert verdict.fix == "redis-cli RENAMENX p:q p:q:set-aside"


def test_each_node_of_a_cluster_is_judged_and_named():
    well = ServerInfo(address="a:1", persistence="aof", wants_replicas=True, replicas=1, near_replicas=1)
    sick = ServerInfo(address="b:2", persistence="aof", wants_replicas=True)
    reading = Overview(at=NOW, server=sick, nodes=(well, sick, replace(sick, address="c:3")), queues=(), rtt=0.0)

    (verdict,) = judge(reading)
    assert verdict.rule == "no replica"
    assert verdict.evidence == "b:2: connected_slaves:0; c:3: connected_slaves:0"


def test_each_verdict_is_by_a_rule_of_the_table_and_has_its_word_in_capitals():
    server = {
        "loading": True, "role": "slave", "aof_failed": True, "eviction_policy": "allkeys-lru", "max_memory": 100,
        "used_memory": 99, "clients": 99, "max_clients": 100, "persistence": "rdb", "rtt": 1.0, "unverified": True,
    }  # fmt: skip
    late = {"overdue": 9, "late_schedules": 2}
    sick = (worker(blocked=99.0, skew=99.0), worker("w-2", left=-99, active=1))
    found = judge(
        overview(
            queue("a", pending=1, **late, poison=(task(),), ailing=sick),
            queue("b", pending=9, active=1, workers=1, capacity=1, oldest=NOW - 99, dead=5, dead_dropped=1, dead_cap=5),
            queue("c", pending=900, workers=1, capacity=1, in_rate=9.0, out_rate=1.0, dead=1),
            queue("d", pending=1, workers=1, quiet=1),
            queue("e", paused=Pause(by="x", at=None)),
            queue("f", trouble="odd"),
            **server,
        ),
        local_time=NOW + 99,
    )
    for replicas in (0, 1):
        found += judge(overview(wants_replicas=True, replicas=replicas))

    assert {v.rule for v in found} == {rule.name for rule in RULES}
    levels = {rule.name: rule.levels for rule in RULES}
    for verdict in found:
        assert verdict.level in levels[verdict.rule]
        assert re.match(rf"([a-z]+: )?{verdict.rule.upper()}\b", verdict.text), verdict.text
        assert verdict.fix or verdict.rule == "slow link"
    assert len({rule.name for rule in RULES}) == len(RULES)


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
    for key, aside in (("mail", "{mail}:set-aside"), ("{mail}:dead", "{mail}:dead:set-aside")):
        (verdict,) = judge(overview(queue(trouble="it holds a string", trouble_key=key)))
        assert verdict.fix == f"redis-cli RENAMENX {quoted(key)} {quoted(aside)}"


def test_dead_tasks_are_a_note():
    assert rules(queue(dead=1)) == [(Level.NOTE, "dead tasks")]


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        ({"persistence": "none seen"}, [(Level.WARNING, "persistence")]),
        ({"persistence": "rdb"}, [(Level.NOTE, "persistence")]),
        ({"persistence": "aof everysec"}, []),
        ({"persistence": ""}, []),
        ({"unverified": True}, [(Level.WARNING, "tls not verified")]),
        ({"wants_replicas": True}, [(Level.WARNING, "no replica")]),
        ({"wants_replicas": True, "replicas": 1}, [(Level.NOTE, "failover")]),
        ({"wants_replicas": True, "replicas": 1, "near_replicas": 1}, []),
        ({"replicas": 1, "near_replicas": 0}, [(Level.CRITICAL, "no replica")]),
        ({"near_replicas": 0, "role": "slave"}, [(Level.CRITICAL, "replica")]),
        ({"replicas": 1}, []),
        ({"role": "slave"}, [(Level.CRITICAL, "replica")]),
        ({"eviction_policy": "allkeys-lru"}, []),
        ({"eviction_policy": "allkeys-lru", "max_memory": 100}, [(Level.CRITICAL, "eviction")]),
        ({"eviction_policy": "volatile-ttl", "max_memory": 100}, [(Level.WARNING, "eviction")]),
        ({"eviction_policy": "noeviction", "max_memory": 100, "used_memory": 84}, []),
        ({"max_memory": 100, "used_memory": 85}, [(Level.WARNING, "memory")]),
        ({"max_memory": 100, "used_memory": 97}, [(Level.CRITICAL, "memory")]),
        ({"used_memory": 10**12}, []),
        ({"loading": True}, [(Level.CRITICAL, "loading")]),
        ({"aof_failed": True, "save_failed": True}, [(Level.CRITICAL, "disk")]),
        ({"save_failed": True, "last_save": NOW}, [(Level.CRITICAL, "disk")]),
        ({"clients": 84, "max_clients": 100}, []),
        ({"clients": 85, "max_clients": 100}, [(Level.WARNING, "clients")]),
        ({"clients": 97, "max_clients": 100}, [(Level.CRITICAL, "clients")]),
        ({"clients": 10**6}, []),
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
            queue(text, trouble=text, trouble_key=text),
            queue(
                text,
                workers=1,
                late_schedules=1,
                late_schedule=text,
                poison=(task(name=text, id=text, worker=text, state=State.ACTIVE),),
                ailing=(
                    worker(text, text, host=text, blocked=99.0, skew=99.0, running=((text, text, 5.0),)),
                    worker(text, text, host=text, left=-99.0, active=3),
                ),
            ),
            eviction_policy=text,
            max_memory=1,
            role="slave",
            master_link=text,
            persistence=f"none {text}",
        ),
    )

    assert len(found) == 13
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
    assert [span(s) for s in (math.inf, -math.inf, math.nan)] == ["?"] * 3
    assert [span(s) for s in (-5, 4.9, 65, 12_000, 1_051_200)] == ["0s", "4s", "1m05s", "3h20m", "12d04h"]
