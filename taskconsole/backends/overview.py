"""The reading behind the first screen and the doctor: every queue and its workers in a few round trips.

Three pipelines, however many queues there are: the time and the names of the queues, the facts of each queue, the
facts of each worker. Where those look wrong a fourth has a closer look, so that a verdict can name the worker, the
task or the schedule. What it costs, in commands: 2, and 2 as long as nobody has registered the default queue; 9 for a
queue (2 more for the default queue); 2 for a worker; INFO once in 10 s. The finished tasks of a queue's past minutes
are read once a minute, the running one is followed by the counters. How long tasks waited and ran is read once in 5 s,
2 commands for a queue, for twenty queues at a time.
"""

from __future__ import annotations

import math
import time
from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from taskconsole.backends.rows import (
    WORKER_FIELDS,
    cluster_info,
    enqueued_at,
    integer,
    number,
    pause_note,
    server_info,
    task_row,
    worker_info,
)
from taskconsole.errors import StoreError, StoreNotReady, TaskconsoleError, WrongType
from taskconsole.model.histogram import percentile
from taskconsole.model.queue_rules import DEATHS, OVERDUE, POISON_LATELY
from taskconsole.model.reach import BY_ITSELF
from taskconsole.model.state import State
from taskconsole.model.stats import Overview, QueueStats
from taskconsole.store.keys import DEFAULT_QUEUE
from taskconsole.store.reading import ReadingStore
from taskconsole.store.tasks import DEAD_CAP
from taskconsole.store.wire import check_version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from taskconsole.config import Settings
    from taskconsole.model.reach import Reach
    from taskconsole.model.stats import ServerInfo, TaskRow
    from taskconsole.store.call import Call, Place
    from taskconsole.store.keys import Keys, Namespace

__all__ = ["OverviewReader"]

HISTORY = 30
"""Minutes of finished tasks behind a trend."""

INFO_EVERY = 10.0
"""Seconds between two looks at INFO."""

TIMES_EVERY, TIMES_AT_ONCE = 5.0, 20
"""Seconds between two looks at how long the tasks of a queue waited and ran, and queues that are looked at together."""

LATE = 1.0
"""Seconds after its time a delayed task counts as overdue."""

UNFIRED = 30.0
"""The same for a schedule: catching up after an outage takes its time."""

NOTICED_SKEW = 1.0
"""Seconds of a worker's clock that are worth a closer look; what is told is decided by the rules."""

AILING, SUSPECTING, WINDOW = 20, 5, 20
"""At most, in a closer look at a queue: ailing workers, workers that run suspects, tasks of each place."""

LOAD_FIELDS = ("concurrency", "quiet", "blocked", "skew", "lease", "suspects")


@dataclass(frozen=True, slots=True)
class _Load:
    """One worker of one queue, in short."""

    id: str
    until: float
    active: int
    fields: dict[str, bytes]

    @property
    def ails(self) -> bool:
        """Worth a closer look, apart from what it runs."""
        blocked, skew = number(self.fields.get("blocked")), number(self.fields.get("skew"))
        return (blocked or 0.0) > 0 or abs(skew or 0.0) >= NOTICED_SKEW


@dataclass(slots=True)
class _Draft:
    """What is known of one queue while it is being read; a refused call's answer is its error."""

    name: str
    keys: Keys
    facts: dict[str, Any] = field(default_factory=dict)
    loads: list[_Load] = field(default_factory=list)
    closer: dict[tuple[str, str], Any] = field(default_factory=dict)

    def fact(self, name: str) -> Any:
        """An answer, None when it was refused or not asked for."""
        answer = self.facts.get(name)
        return None if isinstance(answer, Exception) else answer

    def look(self, what: str, which: str = "") -> Any:
        """An answer of the closer look, None when it was refused or not asked for."""
        answer = self.closer.get((what, which))
        return None if isinstance(answer, Exception) else answer

    @property
    def refusal(self) -> StoreError | None:
        """Why it could not be read."""
        return next((fact for fact in self.facts.values() if isinstance(fact, StoreError)), None)

    @property
    def counters(self) -> dict[str, int]:
        """The sums; empty when they cannot be read."""
        return self.fact("counters") or {}


@dataclass(slots=True)
class _Minutes:
    """Finished tasks of a queue, minute by minute."""

    minute: int
    """The running one when they were last counted."""
    done: int
    """All that were finished then."""
    counts: deque[int]


@dataclass(frozen=True, slots=True)
class _Times:
    """How long the tasks of a queue waited and ran lately: what 95 of 100 stay below."""

    read_at: float = -math.inf
    """By the monotonic clock."""
    wait: float | None = None
    run: float | None = None


class OverviewReader:
    """Reads overviews, one after another, and remembers what does not change between them.

    Args:
        names: The key names to use.
        settings: Where Redis is, for the header.
        run_all: Carries out calls in one round trip; a refused one yields its error.
        extra: Queues to show even when nobody has registered them.
        nodes: Tells the nodes of a cluster; none of a single server.
        reach: What a suggested command has to be told to meet this Redis.
    """

    def __init__(
        self,
        names: Namespace,
        settings: Settings,
        run_all: Callable[[list[Call[Any]]], list[Any]],
        extra: Iterable[str],
        nodes: Callable[[], Sequence[Place]] = tuple,
        reach: Reach | None = None,
    ) -> None:
        self._names, self._settings, self._run_all = names, settings, run_all
        self._extra = frozenset(extra)
        self._reading = ReadingStore(names)
        self._tell_nodes, self._reach = nodes, reach or BY_ITSELF
        self._nodes: tuple[ServerInfo, ...] = ()
        self._server: ServerInfo | None = None
        self._server_read = 0.0
        self._registered = False
        """The default queue is among the registered ones."""
        self._minutes: dict[str, _Minutes] = {}
        self._times: dict[str, _Times] = {}
        self._cost = 0

    def read(self) -> Overview:
        """One reading.

        Raises:
            StoreNotReady: Redis answers, but cannot say what it holds just now.
            StoreError: It refuses.
        """
        self._cost = 0
        server = self.greet()
        if server.loading:
            raise StoreNotReady(f"Redis at {server.address} is loading its data from disk")
        began = time.monotonic()
        r, default = self._reading, self._names.of(DEFAULT_QUEUE)
        calls: list[Call[Any]] = [r.time(), r.queues()]
        if not self._registered:
            calls += [r.kind(default.queue), r.kind(self._names.public_delayed)]
        now, known, *kinds = self._all(calls)
        rtt = time.monotonic() - began
        trouble = ""
        if isinstance(known, WrongType):
            kind = self._all([r.kind(self._names.queues)])[0]
            known, trouble = [], f"key {self._names.queues!r} holds a {kind}, not a set: rename or delete it"
        for answer in (now, known, *kinds):
            if isinstance(answer, TaskconsoleError):
                raise answer
        queues = self._queues(self._shown(known, kinds), now)
        return Overview(
            at=now,
            server=server,
            queues=tuple(queues),
            rtt=rtt,
            commands=self._cost,
            nodes=self._nodes,
            trouble=trouble,
            trouble_key=self._names.queues if trouble else "",
            reach=self._reach,
        )

    def server_alone(self) -> Overview:
        """The server without its queues: what can be said while it is loading, or out of touch with its primary.

        Raises:
            StoreError: It refuses even that.
        """
        self._cost, self._server = 0, None
        server = self.greet()
        began = time.monotonic()
        now = self._all([self._reading.time()])[0]
        if isinstance(now, TaskconsoleError):
            raise now
        return Overview(
            at=now,
            server=server,
            queues=(),
            rtt=time.monotonic() - began,
            commands=self._cost,
            nodes=self._nodes,
            reach=self._reach,
        )

    def greet(self) -> ServerInfo:
        """What the server says of itself, at most 10 s old.

        Raises:
            ServerTooOld: It is older than what the scripts need.
            StoreError: It refuses.
        """
        server = self._server
        if server is not None and not server.loading and time.monotonic() - self._server_read < INFO_EVERY:
            return server
        settings, nodes = self._settings, self._tell_nodes()
        found: list[ServerInfo] = []
        for place, info in zip(
            nodes or (None,), self._all([self._reading.info(n) for n in nodes or (None,)]), strict=True
        ):
            if isinstance(info, TaskconsoleError):
                raise info
            address = settings.address if place is None else f"{place[0]}:{place[1]}"
            check_version("redis_version:" + info.get("redis_version", ""), address)
            found.append(server_info(info, settings.url, address))
        self._nodes = tuple(found) if nodes else ()
        self._server = cluster_info(found, settings.address) if nodes else found[0]
        self._server_read = time.monotonic()
        return self._server

    def wrong_type(self, name: str) -> WrongType | None:
        """The key of a queue that holds something else; one round trip."""
        k = self._names.of(name)
        wanted = {
            k.queue: "list",
            k.delayed: "zset",
            k.next: "zset",
            k.dead: "zset",
            k.paused: "string",
            k.stats: "hash",
            k.workers: "zset",
        }
        if name == DEFAULT_QUEUE:
            wanted[self._names.public_delayed] = "zset"
        kinds = self._all([self._reading.kind(key) for key in wanted])
        for (key, want), kind in zip(wanted.items(), kinds, strict=True):
            if isinstance(kind, str) and kind not in {want, "none"}:
                return WrongType(key, kind, want)
        return None

    # -- one after the other

    def _shown(self, known: list[str], kinds: list[str]) -> list[str]:
        """The registered queues and ours; the default queue as soon as there is something in it, or nothing else."""
        self._registered = DEFAULT_QUEUE in known
        names = set(known) | self._extra
        if not names or any(kind != "none" for kind in kinds):
            names.add(DEFAULT_QUEUE)
        return sorted(names)

    def _queues(self, names: list[str], now: float) -> list[QueueStats]:
        for gone in self._minutes.keys() - set(names):
            del self._minutes[gone]
        self._times = {name: self._times.get(name, _Times()) for name in names}
        drafts = [_Draft(name, self._names.of(name)) for name in names]
        timed = self._to_be_timed()
        self._fill([(d.facts, what, call) for d in drafts for what, call in self._facts(d.keys, now, timed)])
        self._load(drafts)
        readable = [d for d in drafts if d.refusal is None]
        self._fill([(d.closer, what, call) for d in readable for what, call in self._closer(d, now)])
        return [self._stats(draft, now) for draft in drafts]

    def _fill(self, asked: list[tuple[dict[Any, Any], Any, Call[Any]]]) -> None:
        """Put the answer to each call where it belongs, all in one round trip."""
        answers = self._all([call for _, _, call in asked])
        for (place, what, _), answer in zip(asked, answers, strict=True):
            place[what] = answer

    def _to_be_timed(self) -> set[str]:
        """The queues at whose times to look now: those not looked at for longest."""
        before = time.monotonic() - TIMES_EVERY
        due = [name for name, times in self._times.items() if times.read_at <= before]
        return set(sorted(due, key=lambda name: self._times[name].read_at)[:TIMES_AT_ONCE])

    def _facts(self, k: Keys, now: float, timed: set[str]) -> list[tuple[str, Call[Any]]]:
        r = self._reading
        calls: list[tuple[str, Call[Any]]] = [
            ("pending", r.length(k.queue)),
            ("delayed", r.size(k.delayed)),
            ("overdue", r.overdue(k.delayed, now - LATE)),
            ("dead", r.size(k.dead)),
            ("paused", r.paused(k)),
            ("counters", r.counters(k)),
            ("leases", r.leases(k)),
            ("head", r.next_to_run(k)),
            ("unfired", r.overdue(k.next, now - UNFIRED)),
        ]
        calls += [(f"minute {m}", r.done_in_minute(k, m)) for m in self._uncounted(k.name, int(now // 60))]
        if k.name in timed:
            # The running minute alone would say nothing in its first seconds.
            calls += [(f"times {i}", r.times_in_minute(k, int(now // 60) - i)) for i in (0, 1)]
        if k.name == DEFAULT_QUEUE:
            public = self._names.public_delayed
            calls += [("public", r.size(public)), ("public overdue", r.overdue(public, now - LATE))]
        return calls

    def _load(self, drafts: list[_Draft]) -> None:
        """The workers of every queue."""
        pairs = [(d, wid, until) for d in drafts for wid, until in (d.fact("leases") or {}).items()]
        calls: list[Call[Any]] = []
        for draft, wid, _ in pairs:
            calls += [
                self._reading.length(draft.keys.processing(wid)),
                self._reading.worker_fields(draft.keys, wid, *LOAD_FIELDS),
            ]
        answers = self._all(calls)
        for i, (draft, wid, until) in enumerate(pairs):
            held, fields = answers[2 * i], answers[2 * i + 1]
            active = held if isinstance(held, int) else 0
            draft.loads.append(_Load(wid, until, active, fields if isinstance(fields, dict) else {}))

    def _closer(self, draft: _Draft, now: float) -> list[tuple[tuple[str, str], Call[Any]]]:
        """What to ask of a queue that looks wrong; nothing of one that does not."""
        r, k = self._reading, draft.keys
        calls: list[tuple[tuple[str, str], Call[Any]]] = []
        if (draft.fact("overdue") or 0) >= OVERDUE:
            calls.append((("delayed", ""), r.window(k.delayed, 0, 0, "zset")))
        if (draft.fact("public overdue") or 0) >= OVERDUE:
            calls.append((("public", ""), r.window(self._names.public_delayed, 0, 0, "zset")))
        if draft.fact("unfired"):
            calls.append((("next", ""), r.window(k.next, 0, 0, "zset")))
        if now - draft.counters.get("poisoned_at", 0) < POISON_LATELY:
            calls.append((("dead", ""), r.window(k.dead, 0, WINDOW - 1, "zset reversed")))
        calls += [
            (("worker", load.id), r.worker_fields(k, load.id, *WORKER_FIELDS)) for load in _ailing(draft.loads, now)
        ]
        suspecting = [load for load in draft.loads if load.until > now and load.fields.get("suspects")]
        calls += [
            (("held", load.id), r.window(k.processing(load.id), 0, WINDOW - 1, "list"))
            for load in suspecting[:SUSPECTING]
        ]
        return calls

    # -- putting it together

    def _stats(self, draft: _Draft, now: float) -> QueueStats:
        counters = draft.counters
        alive = [load for load in draft.loads if load.until > now]
        ended = [load.until for load in draft.loads if math.isfinite(load.until)]
        trouble, key = self._trouble(draft)
        late = draft.look("next")
        times = self._timed(draft)
        overdue = [seen[0].score for what in ("delayed", "public") if (seen := draft.look(what))]
        return QueueStats(
            name=draft.name,
            pending=max(0, (draft.fact("pending") or 0) - counters.get("tombstones", 0)),
            active=sum(load.active for load in draft.loads),
            delayed=(draft.fact("delayed") or 0) + (draft.fact("public") or 0),
            dead=draft.fact("dead") or 0,
            oldest=enqueued_at(draft.fact("head")),
            overdue=(draft.fact("overdue") or 0) + (draft.fact("public overdue") or 0),
            late_schedules=draft.fact("unfired") or 0,
            paused=pause_note(draft.fact("paused")),
            workers=len(alive),
            capacity=sum(integer(load.fields.get("concurrency")) for load in alive),
            done_total=counters.get("done", 0),
            failed_total=counters.get("failed", 0),
            history=self._history(draft, now),
            wait_p95=times.wait,
            run_p95=times.run,
            trouble=trouble,
            trouble_key=key,
            quiet=sum(load.fields.get("quiet") == b"1" for load in alive),
            last_lease=max(ended, default=None) if not alive else None,
            ailing=tuple(
                worker_info(draft.name, load.id, load.until, draft.look("worker", load.id), load.active, now=now)
                for load in _ailing(draft.loads, now)
            ),
            poison=tuple(_poison(draft, now)),
            overdue_since=min((score for score in overdue if score is not None), default=None),
            late_schedule=late[0].payload.decode("utf-8", "backslashreplace") if late else "",
            late_since=late[0].score if late else None,
            dead_dropped=counters.get("dead_dropped", 0),
            dead_cap=DEAD_CAP,
        )

    def _timed(self, draft: _Draft) -> _Times:
        """How long its tasks waited and ran, as it was read last."""
        read = [times for i in (0, 1) if (times := draft.fact(f"times {i}")) is not None]
        if read:
            waits, runs = ([sum(bucket) for bucket in zip(*counts, strict=True)] for counts in zip(*read, strict=True))
            self._times[draft.name] = _Times(time.monotonic(), percentile(waits, 0.95), percentile(runs, 0.95))
        return self._times[draft.name]

    def _trouble(self, draft: _Draft) -> tuple[str, str]:
        """Why a queue could not be read, and the key that is to blame."""
        refusal = draft.refusal
        if refusal is None:
            return "", ""
        wrong = self.wrong_type(draft.name)
        return (str(refusal), "") if wrong is None else (str(wrong), wrong.key)

    def _uncounted(self, name: str, minute: int) -> list[int]:
        """The minutes of a queue to be read: past ones no longer change, the running one is followed."""
        known = self._minutes.get(name)
        if known is None:
            return list(range(minute - HISTORY + 1, minute + 1))
        return [] if known.minute == minute else list(range(max(known.minute, minute - HISTORY + 1), minute + 1))

    def _history(self, draft: _Draft, now: float) -> tuple[int, ...]:
        """Finished tasks per minute, the running minute last."""
        minute, done = int(now // 60), draft.counters.get("done", 0)
        known = self._minutes.get(draft.name)
        if known is None or known.minute != minute:
            known = self._counted(draft, known, minute)
        elif known.counts:
            known.counts[-1] += max(0, done - known.done)
        known.minute, known.done = minute, done
        return tuple(known.counts)

    def _counted(self, draft: _Draft, known: _Minutes | None, minute: int) -> _Minutes:
        read = [draft.fact(f"minute {m}") or 0 for m in self._uncounted(draft.name, minute)]
        if known is None:
            known = self._minutes[draft.name] = _Minutes(minute, 0, deque(maxlen=HISTORY))
        elif known.counts and minute - known.minute < HISTORY:
            known.counts.pop()  # it was the running minute then
        known.counts.extend(read)
        return known

    def _all(self, calls: list[Call[Any]]) -> list[Any]:
        """As `run_all`; an answer that means "not now" is raised: it must not be taken for zero."""
        self._cost += len(calls)
        answers = self._run_all(calls)
        for answer in answers:
            if isinstance(answer, StoreNotReady):
                raise answer
        return answers


def _ailing(loads: list[_Load], now: float) -> list[_Load]:
    """Those to be told of: the dead with tasks in hand first, then the living that ail."""
    dead = sorted((load for load in loads if load.until <= now and load.active), key=lambda load: load.until)
    return [*dead, *(load for load in loads if load.until > now and load.ails)][:AILING]


def _poison(draft: _Draft, now: float) -> list[TaskRow]:
    """Tasks that workers died with: the next to run, active ones of workers that run suspects, newly buried ones."""
    head, name = draft.fact("head"), draft.name
    found = [] if head is None else [task_row(name, State.PENDING, head)]
    for load in draft.loads:
        found += [task_row(name, State.ACTIVE, seen, worker=load.id) for seen in draft.look("held", load.id) or ()]
    found = [row for row in found if row.redelivered >= DEATHS]
    buried_at = draft.counters.get("poisoned_at", 0)
    for seen in draft.look("dead") or ():
        row = task_row(name, State.DEAD, seen)
        if row.at is None or not abs(now - row.at) < POISON_LATELY:
            continue
        # A task may say that it is to be buried after the first death; the time tells those.
        if row.redelivered >= DEATHS or (row.redelivered and int(row.at) == buried_at):
            found.append(row)
    return [replace(row, payload=b"") for row in found]
