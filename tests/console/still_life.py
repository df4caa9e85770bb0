"""A backend in which nothing moves, not even the clock: what it shows is the same whenever it is looked at."""

from __future__ import annotations

import json
from dataclasses import replace

from taskconsole.console.place import Place
from taskconsole.model.definition import Definition, Pause
from taskconsole.model.failure import FailureGroup, Failures
from taskconsole.model.firing import RunRecord
from taskconsole.model.schedule import Cron, Every
from taskconsole.model.schedule_info import ScheduleInfo
from taskconsole.model.server import KeyUse, ServerClient, ServerDetail, SlowCommand
from taskconsole.model.state import State
from taskconsole.model.stats import TaskRow, WorkerInfo
from tests.console.fake_backend import FakeBackend, usual_events

NOW = 1_795_867_200.0
"""A noon in November 2026."""

PLACES = {
    "queues": Place(),
    "tasks": Place(view="tasks", queue="reports", state=State.DEAD),
    "delayed": Place(view="delayed"),
    "schedules": Place(view="schedules"),
    "workers": Place(view="workers"),
    "failures": Place(view="failures"),
    "events": Place(view="events"),
    "redis": Place(view="redis"),
}
"""The eight views, each where it has something to show."""

TRACEBACK = """Traceback (most recent call last):
  File "shop/reports.py", line 88, in render
    return client.post(url, timeout=30)
  File "httpx/_client.py", line 468, in post
    raise ReadTimeout(message)
TimeoutError: read timed out"""


class StillLife(FakeBackend):
    """Every view has something to show."""

    def __init__(self):
        super().__init__(clock=lambda: NOW)
        self.task_counts = {("reports", State.DEAD): 9, ("", State.DELAYED): 1_204, ("emails", State.PENDING): 12_001}
        self.schedule_infos = list(_schedules())
        self.worker_infos = list(_workers())
        self.failures_found = self._failures()
        self.server_detail = _server()
        self.publish(*usual_events(NOW))

    @property
    def commands(self):
        """None at all: the header would show what they cost a second."""
        return 0

    @commands.setter
    def commands(self, _value):
        pass

    def task_at(self, queue, state, i):
        name = ("build_pdf", "send_digest", "export_csv")[i % 3]
        fields = {"task": name, "id": f"77a0{0xE3 - 11 * i % 200:02x}", "args": [881 - i, "q3"]}
        fields["enqueued_at"] = NOW - 400 - 40 * i
        failed = state is State.DEAD
        if failed:
            fields["attempt"] = 2
            fields["errors"] = [
                {
                    "attempt": n,
                    "at": NOW - 300 + 100 * n - 40 * i,
                    "ms": 30_000.0,
                    "worker": f"worker-{n}",
                    "error": "TimeoutError: read timed out",
                    "traceback": TRACEBACK,
                }
                for n in (1, 2)
            ]
        payload = json.dumps(fields).encode()
        return TaskRow(
            queue=queue,
            state=state,
            name=name,
            id=fields["id"],
            at=NOW - 100 - 40 * i,
            attempt=2 if failed else 1,
            args=f'{881 - i}, "q3"',
            error="failed 2 times, last: TimeoutError: read timed out" if failed else "",
            size=len(payload),
            payload=payload,
            place=i,
        )

    def delayed(self, *, offset=0, limit=50):
        rows, total = super().delayed(offset=offset, limit=limit)
        return [replace(row, at=NOW - 41 + 17 * (offset + n)) for n, row in enumerate(rows)], total

    def _failures(self):
        sample = self.task_at("reports", State.DEAD, 0)
        groups = (
            FailureGroup(
                queue="reports",
                task="build_pdf",
                exception="TimeoutError",
                message="read timed out after <n> s",
                dead=9,
                retrying=3,
                first=NOW - 900,
                last=NOW - 100,
                sample=sample,
            ),
            FailureGroup(
                queue="emails",
                task="send_digest",
                exception="KeyError",
                message="'tenant'",
                dead=2,
                first=NOW - 7_000,
                last=NOW - 4_000,
            ),
        )
        return Failures(groups=groups, looked=12, total=12)


def _schedules():
    runs = tuple(
        RunRecord(outcome="done", at=NOW - 60 * n, id=f"x@{n}", ms=300.0 + n, worker="worker-1") for n in range(1, 4)
    )
    yield _schedule("rollup", "default", Every(60), next_at=NOW + 4, runs=runs, fires=812)
    yield _schedule("digest", "emails", Every(300), next_at=NOW - 41)
    yield _schedule("nightly_bill", "billing", Cron("15 3 * * *", "Europe/Berlin"), next_at=NOW + 54_900)
    pause = Pause(by="ana@ops1", at=NOW - 545, reason="bank is down")
    yield _schedule("poll the bank", "billing", Every(30), next_at=None, paused=pause)


def _schedule(name, queue, schedule, *, paused=None, **more):
    definition = Definition(schedule=schedule, task=name.split()[0], paused=paused)
    return ScheduleInfo(name=name, queue=queue, definition=definition, raw=b"{}", **more)


def _workers():
    def worker(name, queue, **more):
        known = {"host": "web-7", "pid": 812, "version": "0.2.0", "started": NOW - 9_000, "rss": 42_700_000}
        known |= {"seen": NOW - 2, "lease_until": NOW + 13, "concurrency": 8, **more}
        return WorkerInfo(id=name, queue=queue, **known)

    yield worker("worker-1", "default", active=2, running=(("8f2c91", "send_sms", 0.4), ("8f2c92", "sync_user", 62.0)))
    yield worker("worker-1", "billing")
    yield worker("worker-3", "reports", active=8, running=(("77a0e3", "build_pdf", 29.0),), done=8_812, failed=9)
    yield worker("worker-4", "webhooks")
    yield worker("mail-2", "emails", seen=NOW - 842, lease_until=NOW - 827)


def _server():
    info = {
        "redis_version": "7.2.4",
        "role": "master",
        "uptime_in_seconds": "1240000",
        "aof_enabled": "0",
        "rdb_last_bgsave_status": "ok",
        "rdb_last_save_time": str(int(NOW - 300)),
        "used_memory_human": "1.24G",
        "maxmemory_policy": "allkeys-lru",
        "evicted_keys": "12001",
        "instantaneous_ops_per_sec": "3450",
        "connected_clients": "30",
    }
    return ServerDetail(
        at=NOW,
        info=info,
        slow=(SlowCommand(at=NOW - 90, ms=436.1, command="KEYS *"),),
        clients=(ServerClient(address="10.0.0.1:5", name="taskconsole", command="hmget", idle=3, memory=17_100),),
        connected=30,
        keys=(KeyUse(what="pending", queue="emails", elements=12_001, bytes=1_240_000),),
    )
