"""What the console asks of Redis: bounded in every view, whatever lies there, and counted truly."""

from __future__ import annotations

import re
import threading
import time
from contextlib import closing

import psutil
import pytest

from taskconsole.backends.native import NativeBackend
from taskconsole.config import Settings
from taskconsole.model.state import State
from tests.console.fake_backend import FakeBackend
from tests.console.screens import running, text_of, until_shown
from tests.proofs.live import LiveConsole
from tests.proofs.tour import ESCAPE, Tour
from tests.servers import PrivateServer, given_url

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(given_url() is not None, reason="needs a server of its own"),
]

MILLION = 1_000_000

NEVER = {"keys", "lrem", "lpos", "sort", "flushall", "flushdb", "zunionstore", "config|get"}
"""Commands that no look may cost."""

MOST = 1_001
"""Elements that one command may ask for."""


@pytest.fixture(scope="module")
def server():
    with PrivateServer() as server:
        with closing(server.client()) as client:
            client.eval(FILL, 0, MILLION)
            client.sadd("taskconsole:queues", "mail")
        yield server


FILL = """
local batch = {}
for i = 1, ARGV[1] do
  batch[#batch + 1] = '{"task":"send_' .. i % 7 .. '","id":"' .. i .. '","args":[' .. i .. '],"enqueued_at":1790000000}'
  if #batch == 1000 then
    redis.call('LPUSH', 'mail', unpack(batch))
    if i <= 20000 then
      redis.call('LPUSH', '{mail}:done', unpack(batch))
      for n, payload in ipairs(batch) do
        redis.call('ZADD', '{mail}:delayed', 1990000000 + i + n, payload)
        redis.call('ZADD', '{mail}:dead', 1790000000 + i + n, payload)
        redis.call('XADD', '{mail}:log', '*', 'e', '{"event":"died","queue":"mail"}')
      end
    end
    batch = {}
  end
end
"""


def test_a_million_tasks_open_at_once(server):
    """The read behind the view, and what is on the screen; the limit of 150 ms is for the read on any machine."""
    backend = NativeBackend(Settings(url=server.url))
    backend.overview()
    took = []
    for _ in range(9):
        began = time.perf_counter()
        rows, total = backend.tasks("mail", State.PENDING, offset=0, limit=100)
        took.append(time.perf_counter() - began)
        assert (len(rows), total) == (100, MILLION)
    backend.close()
    with LiveConsole(server.url) as console:
        console.until("mail")
        began = time.perf_counter()
        console.press("2")
        console.until("1,000,000")
        console.until("send_1")
        shown = time.perf_counter() - began
    print(f"a queue of 1 M tasks: read in {min(took) * 1000:.1f} ms, on the screen {shown * 1000:.0f} ms after the key")
    assert min(took) < 0.15
    assert shown < 5


async def test_ten_million_rows_take_no_more_memory_than_ten_thousand():
    memory = psutil.Process().memory_info
    used = {}
    for rows in (10_000, 10_000_000):
        backend = FakeBackend()
        backend.task_counts = {("emails", State.PENDING): rows}
        async with running(backend) as pilot:
            await pilot.press("2")
            await until_shown(pilot.app, "1 of 10")
            before = memory().rss
            for key in ("G", "g", *["pagedown"] * 20, "G", *["pageup"] * 20):
                await pilot.press(key)
            await until_shown(pilot.app, "of 10")
            assert "send_" in text_of(pilot.app)
            used[rows] = memory().rss - before
    print(f"moving through rows: {', '.join(f'{n:,}: {b / 1e6:+.1f} MB' for n, b in used.items())}")
    assert used[10_000_000] < used[10_000] + 20_000_000


class Listening:
    """Every command that arrives, as MONITOR shows it."""

    def __init__(self, server):
        self._client = server.client(socket_timeout=30)
        self.seen = []
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._monitor = self._client.monitor()
        self._monitor.__enter__()
        self._thread.start()
        return self

    def _run(self):
        for command in self._monitor.listen():
            if b"end of the tour" in command["command"].encode():
                return
            self.seen.append((command["client_type"], command["command"].split(" ")))

    def __exit__(self, *_):
        with closing(self._client):
            self._thread.join(30)


def unbounded(words):
    """Why a command asks for too much; empty when it does not."""
    name, rest = words[0].upper(), words[1:]
    if name in {"LRANGE", "ZRANGE", "ZREVRANGE"} and len(rest) >= 3 and "BYSCORE" not in " ".join(rest).upper():
        first, last = int(rest[1]), int(rest[2])
        if (first < 0) != (last < 0) or last - first >= MOST:
            return "a range without a bound"
    if name in {"ZRANGEBYSCORE", "ZREVRANGEBYSCORE"} and "LIMIT" not in " ".join(rest).upper():
        return "scores without LIMIT"
    if name == "XREVRANGE" and "COUNT" not in " ".join(rest).upper():
        return "a stream without COUNT"
    if name in {"SMEMBERS", "HGETALL", "HVALS", "HKEYS"} and not re.search(
        r"taskconsole:queues|:stats|:worker:|:code|:running", rest[0]
    ):
        return "a whole set or hash"
    return ""


@pytest.mark.pty
def test_a_full_tour_asks_for_nothing_without_a_bound(server, tmp_path):
    with closing(server.client()) as raw, LiveConsole(server.url, home=tmp_path) as console:
        console.until("LIVE")
        raw.config_resetstat()
        with Listening(server) as listening:
            tour = Tour(console, "mail")
            for view in tour.views:
                tour.open(view)
                console.press(f"GgG/9\r{ESCAPE}y\x1b[6~\x1b[6~")
                tour.ask(3 * ESCAPE)
            raw.echo("end of the tour")
        stats = raw.info("commandstats")
    counts = {name.removeprefix("cmdstat_"): stat["calls"] for name, stat in stats.items()}
    print("commands of a tour:", ", ".join(f"{n} {c}" for n, c in sorted(counts.items(), key=lambda x: -x[1])[:12]))
    assert counts.get("lrange", 0) + counts.get("evalsha", 0) + counts.get("eval", 0) > 0, "nothing was looked at"
    assert {name for name in counts if name.lower() in NEVER} == set()
    blamed = {(why, " ".join(words)[:200]) for _, words in listening.seen if (why := unbounded(words))}
    assert blamed == set()


@pytest.mark.pty
def test_the_cost_that_is_shown_is_what_redis_counts(server, tmp_path):
    with closing(server.client()) as raw, LiveConsole(server.url, size=(160, 45), home=tmp_path) as console:
        console.until("cmd/s", 60)
        console.for_seconds(2)
        raw.config_resetstat()
        began = time.monotonic()
        shown = []
        while time.monotonic() - began < 6:
            console.for_seconds(0.5)
            shown.append(int(re.search(r"([\d,]+) cmd/s", console.text)[1].replace(",", "")))
        seconds = time.monotonic() - began
        stats = raw.info("commandstats")
        own = sum(
            stat["calls"] for name, stat in stats.items() if name.split("|")[0].removeprefix("cmdstat_") not in OTHERS
        )
    counted, said = own / seconds, sum(shown) / len(shown)
    print(f"the header says {said:.1f} cmd/s, Redis counts {counted:.1f}")
    assert said == pytest.approx(counted, rel=0.25, abs=2)


OTHERS = {"config", "info", "monitor"}
"""What the test asked itself, or what is asked so seldom that it depends on the moment."""
