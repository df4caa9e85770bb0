"""A backend without Redis: readings as scripted, failures on demand, every call counted."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

from taskconsole.backends.base import Applied, Can, Foreseen
from taskconsole.backends.commands import (
    AbortTask,
    Command,
    Enqueue,
    PauseQueue,
    Purge,
    ResumeQueue,
    SignalWorker,
    TriggerSchedule,
    Undo,
    Undoable,
)
from taskconsole.errors import StoreUnavailable
from taskconsole.model.event import Event, EventKind
from taskconsole.model.failure import Failures
from taskconsole.model.server import ServerDetail
from taskconsole.model.state import State
from taskconsole.model.stats import Overview, Pause, QueueStats, ServerInfo, TaskRow

ALL = ~Can.READ


def queue(name, **figures):
    values = {"pending": 0, "active": 0, "delayed": 0, "dead": 0, **figures}
    return QueueStats(name=name, **values)


def usual_queues(now):
    """Five queues, one in each state an operator meets."""
    return [
        queue(
            "billing",
            pending=120,
            oldest=now - 540,
            capacity=4,
            workers=1,
            paused=Pause(by="ana@ops1", at=now - 545, reason="bank is down"),
            in_rate=0.2,
            out_rate=0.0,
        ),
        queue(
            "default",
            pending=5,
            active=15,
            delayed=806,
            dead=1,
            oldest=now - 0.4,
            capacity=32,
            workers=2,
            in_rate=41.0,
            out_rate=41.2,
            history=(3, 5, 8, 13, 9, 11),
        ),
        queue(
            "emails",
            pending=12_001,
            delayed=310,
            dead=2,
            oldest=now - 842,
            in_rate=9.8,
            out_rate=0.0,
            overdue=4,
        ),
        queue(
            "reports",
            pending=402,
            active=16,
            delayed=88,
            dead=9,
            oldest=now - 70,
            capacity=16,
            workers=2,
            in_rate=3.1,
            out_rate=2.9,
            wait_p95=58.2,
            run_p95=31.0,
            history=(60, 58, 61, 55),
        ),
        queue("webhooks", capacity=8, workers=1, in_rate=1.1, out_rate=1.1, history=(70, 66)),
    ]


def usual_events(now):
    """A few of each tone, oldest first."""
    rows = [
        (EventKind.WORKER_DOWN, "emails", "", {"worker": "mail-2", "text": "quit"}),
        (EventKind.DONE, "default", "sync_user", {"ms": 41.0, "worker": "w-2"}),
        (EventKind.ENQUEUED, "emails", "send_mail", {}),
        (EventKind.GAP, "", "", {"text": "events 03:12:40 to 03:12:43 were not seen"}),
        (EventKind.DONE, "default", "sync_user", {"ms": 38.0, "worker": "w-1"}),
        (
            EventKind.RETRIED,
            "reports",
            "build_pdf",
            {"attempt": 2, "ms": 30_000.0, "text": "TimeoutError: read timed out"},
        ),
        (EventKind.DIED, "reports", "build_pdf", {"attempt": 5, "text": "KeyError: 'tenant'"}),
        (EventKind.DONE, "default", "send_sms", {"ms": 12.0, "worker": "w-1"}),
    ]
    return [
        Event(
            kind=kind,
            at=now - len(rows) + n,
            queue=queue,
            task=task,
            id=f"{n * 2_654_435_761 % 2**32:08x}" if task else "",
            **more,
        )
        for n, (kind, queue, task, more) in enumerate(rows)
    ]


class FakeBackend:
    """Implements taskconsole.backends.base.Backend."""

    name = "fake"
    address = "127.0.0.1:6379/0"

    def __init__(self, queues=None, *, can=ALL, clock=time.time):
        self.can = can
        self.clock = clock
        self.queues = usual_queues(clock()) if queues is None else list(queues)
        self.run_id = "a" * 40
        self.failure = None
        self.listen_failure = None
        self.gate = threading.Event()
        self.gate.set()
        self.readings = 0
        self.listens = 0
        self.applied = []
        self.apply_failure = None
        self.apply_gate = threading.Event()
        self.apply_gate.set()
        self.answers = []
        self.signatures_found = []
        self.foreseen = {}
        self.foresights = []
        self.foresee_failure = None
        self.loopback = True
        self.sent = []
        self.closed = False
        self.commands = 0
        self.worker_infos = []
        self.schedule_infos = []
        self.failures_found = Failures(groups=(), looked=0, total=0)
        self.server_detail = ServerDetail(at=clock())
        self.logged = []
        self.task_counts = {}
        self.asked = []
        self.details = {}
        self.progresses = []
        self.reported = 0
        self.look_failure = None
        self._published = []
        self._lock = threading.Condition()

    def issued(self):
        return tuple(self.sent)

    def overview(self):
        self.gate.wait(20)
        self.readings += 1
        self.commands += 7
        if self.failure is not None:
            raise self.failure
        server = ServerInfo(
            address=self.address,
            version="7.2.4",
            run_id=self.run_id,
            used_memory=1_240_000,
            persistence="aof everysec",
            loopback=self.loopback,
        )
        return Overview(at=self.clock(), server=server, queues=tuple(self.queues), rtt=0.0008, commands=7)

    def tasks(self, queue, state, *, offset=0, limit=50):
        self.asked.append((queue, state, offset, limit))
        self.commands += 2
        if self.look_failure is not None:
            raise self.look_failure
        total = self.task_counts.get((queue, state), 0)
        rows = [self.task_at(queue, state, i) for i in range(offset, min(offset + limit, total))]
        return rows, total

    def task_at(self, queue, state, i):
        """The i-th task of a list, made when it is wanted: lists may have millions."""
        payload = b'{"task":"send_%d","id":"id-%08d"}' % (i % 3, i)
        return TaskRow(
            queue=queue,
            state=state,
            name=f"send_{i % 3}",
            id=f"id-{i:08d}",
            at=self.clock() - 60,
            args=f'"{i}@example.com"',
            error="TimeoutError: read timed out" if state is State.DEAD else "",
            size=len(payload),
            payload=payload,
            place=i,
        )

    def task(self, row):
        if self.look_failure is not None:
            raise self.look_failure
        return self.details.get(row.id)

    def delayed(self, *, offset=0, limit=50):
        total = self.task_counts.get(("", State.DELAYED), 0)
        rows = [self.task_at("mail", State.DELAYED, i) for i in range(offset, min(offset + limit, total))]
        return [replace(row, at=self.clock() - 5 + 10 * i) for i, row in enumerate(rows, offset)], total

    def search(self, search, report):
        for progress in self.progresses:
            self.gate.wait(20)
            self.reported += 1
            if not report(progress):
                return

    def workers(self):
        return self._seen(self.worker_infos)

    def signatures(self):
        return self._seen(self.signatures_found)

    def schedules(self, queue=None):
        return [info for info in self._seen(self.schedule_infos) if queue in {None, info.queue}]

    def schedule(self, name, queue):
        return next((info for info in self.schedules(queue) if info.name == name), None)

    def failures(self):
        return self._seen(self.failures_found)

    def server(self):
        return self._seen(self.server_detail)

    def history(self, queue=None, count=100):
        return self._seen(self.logged)[-count:]

    def _seen(self, value):
        if self.look_failure is not None:
            raise self.look_failure
        return value

    def publish(self, *events):
        with self._lock:
            self._published.extend(events)
            self._lock.notify_all()

    def break_listening(self, error=None):
        with self._lock:
            self.listen_failure = error or StoreUnavailable("subscription lost")
            self._lock.notify_all()

    def listen(self, on_events, stopped):
        self.listens += 1
        while not stopped():
            with self._lock:
                self._lock.wait_for(lambda: self._published or self.listen_failure or stopped(), 0.2)
                events, self._published = self._published, []
                failure, self.listen_failure = self.listen_failure, None
            if events:
                on_events(events)
            if failure is not None:
                raise failure

    def foresee(self, command: Command):
        """As scripted in `foreseen` by the kind of command, else in plain words."""
        self.foresights.append(command)
        if self.foresee_failure is not None:
            raise self.foresee_failure
        if type(command) in self.foreseen:
            return self.foreseen[type(command)]
        which = getattr(command, "which", ())
        number = len(which) if isinstance(which, tuple) and which else getattr(which, "agreed", 1)
        if isinstance(command, Purge):
            number = command.agreed
        undoable = not isinstance(command, SignalWorker | AbortTask | TriggerSchedule)
        return Foreseen(text=f"{type(command).__name__} {number}", count=number, undoable=undoable)

    def apply(self, command: Command, report=None):
        """Notes it and answers as scripted in `answers`, one after another, else in plain words.

        An answer is an `Applied`, an error, or a function of command and report that makes one.
        """
        self.apply_gate.wait(20)
        if self.apply_failure is not None:
            raise self.apply_failure
        self.applied.append(command)
        if self.answers:
            answer = self.answers.pop(0)
            answer = answer(command, report) if callable(answer) else answer
            if isinstance(answer, Exception):
                raise answer
            return answer
        if isinstance(command, Enqueue):
            return Applied(text=f"enqueued {command.task} on {command.queue}")
        if isinstance(command, PauseQueue | ResumeQueue):
            return self._pause(command)
        number = self.foresee(command).count
        undone = isinstance(command, Undo | SignalWorker | AbortTask | TriggerSchedule)
        undo = None if undone else self._undo(command)
        return Applied(text=f"{type(command).__name__} done", done=number, undo=undo)

    def _undo(self, command):
        tokens = (("mail", f"token-{len(self.applied)}"),)
        return Undoable(what=type(command).__name__, tokens=tokens, until=self.clock() + 600)

    def _pause(self, command):
        paused = Pause(by=command.by, at=self.clock()) if isinstance(command, PauseQueue) else None
        self.queues = [replace(q, paused=paused) if q.name == command.queue else q for q in self.queues]
        word = "paused" if paused else "resumed"
        return Applied(text=f"{word} {command.queue}", undo=self._undo(command))

    def close(self):
        self.closed = True
