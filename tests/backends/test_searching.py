"""Searching all tasks of all queues: what is found, what it costs, and how it is ended."""

from __future__ import annotations

import itertools
import json
import time

import pytest

from taskconsole.backends import searching
from taskconsole.backends.native import NativeBackend
from taskconsole.backends.searching import needles
from taskconsole.config import Settings
from taskconsole.errors import AccessDenied, ConfigError, StoreUnavailable
from taskconsole.model.search import Progress, Search
from taskconsole.model.state import State
from taskconsole.store.keys import TOMBSTONE
from tests.console.hostile_texts import HOSTILE
from tests.faultproxy import FaultProxy


@pytest.fixture(autouse=True)
def _hurried(monkeypatch):
    monkeypatch.setattr(searching, "PAUSE", 0.0)


@pytest.fixture
def backend(store_url):
    backend = NativeBackend(Settings(url=store_url))
    yield backend
    backend.close()


def envelope(task_id, *args, **fields):
    return json.dumps({"task": "send", "id": task_id, "args": args, **fields}).encode()


def run(backend, text, **options):
    """All reports of a search."""
    reports: list[Progress] = []
    backend.search(Search(text=text, **options), lambda progress: reports.append(progress) or True)
    assert [report.done for report in reports] == [False] * (len(reports) - 1) + [True]
    return reports


def rows(reports):
    return [row for report in reports for row in report.found]


def found(backend, text, **options):
    return [(row.queue, str(row.state), row.id) for row in rows(run(backend, text, **options))]


@pytest.fixture
def tasks(raw):
    """A task of ada's in every state, on two queues, among others."""
    now = raw.time()[0]
    raw.sadd("taskconsole:queues", "mail", "bills")
    for queue in ("mail", "bills"):
        raw.zadd(f"{{{queue}}}:workers", {"w": (now + 60) * 1000})
        for who in ("bob", "ada", "eve"):

            def payload(state, queue=queue, who=who):
                return envelope(f"{queue}-{state}-{who}", f"{who}@example.com")

            raw.lpush(queue, payload("pending"))
            raw.zadd(f"{{{queue}}}:delayed", {payload("delayed"): now + 90})
            raw.rpush(f"{{{queue}}}:processing:w", payload("active"))
            raw.zadd(f"{{{queue}}}:dead", {payload("dead"): now - 90})
            raw.lpush(f"{{{queue}}}:done", payload("done"))
    raw.zadd("delayed_tasks", {envelope("public-ada", "ada@example.com"): now + 5})


def test_a_text_is_found_in_every_state_of_every_queue_but_done(backend, tasks):
    assert found(backend, "ADA@example") == [
        ("bills", "dead", "bills-dead-ada"),
        ("mail", "dead", "mail-dead-ada"),
        ("bills", "delayed", "bills-delayed-ada"),
        ("mail", "delayed", "mail-delayed-ada"),
        ("task_queue", "delayed", "public-ada"),
        ("bills", "pending", "bills-pending-ada"),
        ("mail", "pending", "mail-pending-ada"),
        ("bills", "active", "bills-active-ada"),
        ("mail", "active", "mail-active-ada"),
    ]


def test_one_queue_and_some_states(backend, tasks):
    assert found(backend, "ada@", queue="mail", states=(State.PENDING, State.DONE)) == [
        ("mail", "pending", "mail-pending-ada"),
        ("mail", "done", "mail-done-ada"),
    ]
    assert found(backend, "ada@", queue="nobody") == []


def test_what_was_found_can_be_opened_and_is_what_a_list_shows(backend, tasks):
    for row in rows(run(backend, "ada@", states=tuple(State))):
        listed, _ = backend.tasks(row.queue, row.state)
        assert [row.payload] == [each.payload for each in listed if each.id == row.id]
        detail = backend.task(row)
        assert detail is not None
        assert (detail.row.id, detail.row.place, detail.row.worker) == (row.id, row.place, row.worker)


def test_places_count_from_the_front_of_each_order(backend, tasks):
    places = {str(row.state): row.place for row in rows(run(backend, "mail-", queue="mail", states=tuple(State)))}
    fronts = {
        str(row.state): row.id
        for row in rows(run(backend, "mail-", queue="mail", states=tuple(State)))
        if row.place == 0
    }
    assert set(places) == set(fronts)
    for state, task_id in fronts.items():
        assert backend.tasks("mail", State(state), limit=1)[0][0].id == task_id


def test_an_id_is_found_exactly_and_ends_the_search(backend, raw, monkeypatch):
    monkeypatch.setattr(searching, "CHUNK", 10)
    raw.lpush("task_queue", *[envelope(f"id-{n}", "id-5") for n in range(100)])
    (row,) = rows(run(backend, "id-5", exact=True))
    assert (row.id, row.place) == ("id-5", 5)
    (row,) = rows(reports := run(backend, "id-95", exact=True))
    assert row.place == 95
    assert reports[-1].looked < 20, "it was among the first that were looked at"
    assert rows(run(backend, "id", exact=True)) == []
    assert rows(run(backend, "ID-5", exact=True)) == []


def test_a_bare_payload_is_its_own_id(backend, raw):
    raw.lpush("task_queue", "task1", "task11")
    assert [row.payload for row in rows(run(backend, "task1", exact=True))] == [b"task1"]


def test_an_id_is_read_up_to_64_kb_and_in_giants_from_their_beginning(backend, raw):
    raw.lpush("task_queue", envelope("big", "x" * 90_000), envelope("small", '"id": "bigger"', "x" * 90_000))
    raw.lpush("task_queue", json.dumps({"task": "t" * 50_000, "id": "late"}))
    (row,) = rows(run(backend, "big", exact=True))
    assert (row.id, len(row.payload)) == ("big", 4096)
    assert rows(run(backend, "bigger", exact=True)) == []
    assert [row.id for row in rows(run(backend, "late", exact=True))] == ["late"]


TEXTS = [text[:30] for text in HOSTILE if text] + ["a/b", 'say "hi"', "%d+(.-)[^x]*$", "\\", "a\x00b", "*", "Ä"]


@pytest.mark.parametrize("text", TEXTS, ids=ascii)
def test_any_text_is_a_text_and_no_pattern_however_json_spells_it(backend, raw, text):
    fields = {"task": "t", "args": [f"before {text} after"]}
    raw.lpush("task_queue", json.dumps(fields), json.dumps(fields).replace("/", "\\/"), '{"task":"t","args":[0]}')
    spellings = 2
    if "\ud800" not in text:
        raw.lpush("task_queue", json.dumps(fields, ensure_ascii=False), f"before {text} after")
        spellings = 4
    assert len(rows(run(backend, text))) == spellings


@pytest.mark.parametrize("text", [text for text in TEXTS if "\ud800" not in text], ids=ascii)
def test_any_text_may_be_an_id(backend, raw, text):
    for ascii_only in (True, False):
        raw.delete("task_queue")
        raw.lpush("task_queue", json.dumps({"task": "t", "id": text}, ensure_ascii=ascii_only), envelope(text + "x"))
        assert [row.id for row in rows(run(backend, text, exact=True))] == [text]


@pytest.mark.parametrize("needle", ["%d+(.-)[^x]*$", "^", "*", "."])
def test_what_looks_like_a_pattern_does_not_fit_everything(backend, raw, needle):
    raw.lpush("task_queue", "plain")
    assert rows(run(backend, needle)) == []


def test_bytes_that_are_no_text_are_found_by_what_a_command_line_makes_of_them(backend, raw):
    raw.lpush("task_queue", b"ab\xff\xfecd", b"abcd")
    assert [row.payload for row in rows(run(backend, b"\xff\xfe".decode("utf-8", "surrogateescape")))] == [
        b"ab\xff\xfecd"
    ]


def test_needles_are_in_lower_case_and_neither_empty_nor_endless():
    assert needles("Ab") == [b"ab"]
    assert needles("é/") == [b"\xc3\xa9/", b"\\u00e9/", b"\\u00e9\\/"]
    for text in ("", "x" * 201, "é" * 34):
        with pytest.raises(ConfigError):
            needles(text)


def test_big_payloads_are_looked_through_in_redis_and_do_not_travel(backend, raw):
    raw.lpush("task_queue", *[b"x" * 300_000 + b"needle%d" % n for n in range(30)])
    before = raw.info("stats")["total_net_output_bytes"]
    reports = run(backend, "needle7")
    travelled = raw.info("stats")["total_net_output_bytes"] - before
    assert [row.size for row in rows(reports)] == [300_007]
    assert travelled < 50_000
    assert (reports[-1].looked, reports[-1].total) == (30, 30)
    assert len(reports) > 5, "about a megabyte at a time"


def test_one_look_ends_after_a_megabyte(backend, raw):
    raw.lpush("task_queue", *[b"x" * 100_000] * 200)
    run(backend, "nothing")
    calls = raw.info("commandstats")
    assert calls["cmdstat_lrange"]["calls"] >= 12


def test_a_few_giants_among_small_ones_do_not_make_it_crawl(backend, raw):
    for n in range(2_000):
        raw.lpush("task_queue", b"x" * 400_000 if n % 100 == 50 else b"small")
    raw.config_resetstat()
    reports = run(backend, "nothing")
    assert (len(reports) < 40, raw.info("commandstats")["cmdstat_lrange"]["calls"] < 300) == (True, True)


def test_after_a_giant_the_rest_is_not_read_one_by_one(backend, raw):
    raw.rpush("task_queue", b"x" * 1_048_000, *["small"] * 2_000)
    raw.config_resetstat()
    assert run(backend, "nothing")[-1].looked == 2_001
    assert raw.info("commandstats")["cmdstat_lrange"]["calls"] < 60


def test_tombstones_are_never_found(backend, raw):
    raw.lpush("task_queue", TOMBSTONE, "taskconsole")
    assert [row.payload for row in rows(run(backend, "taskconsole"))] == [b"taskconsole"]


def test_enough_is_enough(backend, raw, monkeypatch):
    monkeypatch.setattr(searching, "CHUNK", 50)
    raw.lpush("task_queue", *[envelope(f"{n}") for n in range(500)])
    reports = run(backend, "send", most=70)
    assert len(rows(reports)) == 70
    assert reports[-1].looked < 150
    assert len({row.id for row in rows(run(backend, "send"))}) == 500


def test_more_than_one_look_may_bring_is_brought_by_the_next(backend, raw):
    raw.lpush("task_queue", *[envelope(f"{n}") for n in range(700)])
    assert [row.place for row in rows(run(backend, "send", most=1000))] == list(reversed(range(700)))


def test_progress_adds_up(backend, tasks, raw):
    raw.lpush("mail", *[envelope(f"{n}") for n in range(2_345)])
    reports = run(backend, "ada@")
    assert {report.total for report in reports} == {2_345 + 2 * 4 * 3 + 1}
    assert reports[-1].looked == reports[-1].total
    assert [report.looked for report in reports] == sorted(report.looked for report in reports)


def test_nothing_to_look_at_is_reported_once(backend):
    (report,) = run(backend, "x")
    assert (report.looked, report.total, report.found, report.done) == (0, 0, (), True)


def test_it_ends_when_it_is_told_to(backend, raw):
    raw.lpush("task_queue", *[envelope(f"{n}") for n in range(5_000)])
    reports: list[Progress] = []
    backend.search(Search(text="x"), lambda progress: bool(reports.append(progress)))
    assert len(reports) == 1
    assert not reports[0].done


def test_at_most_a_thousand_at_a_time_and_ten_times_a_second(backend, raw, monkeypatch):
    monkeypatch.setattr(searching, "PAUSE", 0.1)
    monkeypatch.setattr(searching, "BUSY", 10.0)
    raw.lpush("task_queue", *["x"] * 5_500)
    stamps: list[tuple[float, int]] = []
    backend.search(Search(text="y"), lambda p: stamps.append((time.monotonic(), p.looked)) or True)
    steps = [b[1] - a[1] for a, b in itertools.pairwise(stamps)]
    assert max(steps) == 1_000
    assert len(stamps) >= 6
    assert stamps[-1][0] - stamps[0][0] >= 0.09 * (len(stamps) - 1)


def test_a_slow_server_is_asked_for_less_at_once(backend, raw, monkeypatch):
    monkeypatch.setattr(searching, "BUSY", 0.0)
    raw.lpush("task_queue", *["x"] * 500)
    looked = [report.looked for report in run(backend, "y")]
    assert looked[:4] == [100, 120, 140, 160]
    assert looked[4] - looked[3] == searching.SHORTEST


def test_many_small_queues_share_their_round_trips(backend, raw):
    raw.sadd("taskconsole:queues", *[f"q{n}" for n in range(100)])
    for n in range(100):
        raw.lpush(f"q{n}", f"needle{n}")
    reports = run(backend, "needle")
    assert len(rows(reports)) == 100
    assert len(reports) <= 12


def test_a_queue_that_drains_meanwhile_hides_nothing_that_is_still_there(backend, raw, monkeypatch):
    monkeypatch.setattr(searching, "CHUNK", 100)
    raw.lpush("task_queue", *[envelope(f"{n}") for n in range(1_000)])
    seen: set[str | None] = set()

    def report(progress):
        seen.update(row.id for row in progress.found)
        raw.rpop("task_queue", 30)
        raw.lpush("task_queue", *["new"] * 200)
        return True

    backend.search(Search(text="send", most=5_000), report)
    left = {str(json.loads(p)["id"]) for p in raw.lrange("task_queue", 0, -1) if p != b"new"}
    assert left <= seen


def test_a_key_that_cannot_be_read_is_named_and_the_others_are_searched(backend, tasks, raw):
    raw.delete("mail", "{mail}:workers")
    raw.set("mail", "oops")
    raw.set("{mail}:workers", "oops")
    reports = run(backend, "ada@")
    assert sum(len(report.refused) for report in reports) == 2
    refused = " ".join(text for report in reports for text in report.refused)
    assert "pending tasks of mail" in refused
    assert "active tasks of mail" in refused
    assert ("bills", "pending", "bills-pending-ada") in [(r.queue, str(r.state), r.id) for r in rows(reports)]


def test_names_that_no_queue_can_have_are_passed_over(backend, raw):
    raw.sadd("taskconsole:queues", "a{b}", b"\xff", "", "ok")
    raw.lpush("ok", "needle")
    assert found(backend, "needle") == [("ok", "pending", None)]
    with pytest.raises(ConfigError):
        run(backend, "needle", queue="a{b}")


def test_it_uses_its_own_connection_and_no_command_that_walks(backend, tasks, raw):
    backend.overview()
    raw.config_resetstat()
    backend.search(Search(text="ada@"), lambda _: backend.overview() is not None)
    used = {name.removeprefix("cmdstat_") for name in raw.info("commandstats")}
    assert not used & {"keys", "scan", "zscan", "hscan", "sscan", "hgetall", "lpos", "lindex"}
    # Named connections: for looking something up, and for reading, which has been there before.
    assert len([c for c in raw.client_list() if c["name"] == "taskconsole"]) == 2


def test_without_the_right_to_look_that_is_said(make_server):
    server = make_server(settings={"user": "blind on nopass ~* +@connection +smembers +llen +zcard +zrevrange"})
    with server.client() as client:
        client.lpush("task_queue", "x")
    backend = NativeBackend(Settings(url=server.url.replace("unix://", "unix://blind:x@")))
    with pytest.raises(AccessDenied):
        run(backend, "x")
    backend.close()


def test_a_lost_connection_ends_it_and_the_next_search_heals(store_url, raw):
    raw.lpush("task_queue", "x")
    with FaultProxy(store_url) as proxy:
        backend = NativeBackend(Settings(url=proxy.url, timeout=1.0))
        assert len(rows(run(backend, "x"))) == 1
        proxy.drop_replies(1)
        with pytest.raises(StoreUnavailable):
            run(backend, "x")
        assert len(rows(run(backend, "x"))) == 1
        backend.close()
