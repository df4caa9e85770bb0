"""What is shown: readings of queues, tasks, workers and the server, as plain values.

All times are seconds since the epoch by the clock of Redis; durations are seconds.
`None` always means "not known", never zero.
"""

from __future__ import annotations

from dataclasses import dataclass

from taskconsole.model.reach import BY_ITSELF, Reach
from taskconsole.model.state import QueueState, State

__all__ = ["Overview", "Pause", "QueueStats", "ServerInfo", "TaskRow", "WorkerInfo"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Who paused a queue, when and why."""

    by: str
    at: float | None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStats:
    """One reading of one queue. Counts are numbers of tasks at the moment `Overview.at`."""

    name: str
    pending: int
    active: int
    delayed: int
    dead: int
    oldest: float | None = None
    """When the next task to run was enqueued; None when there is none or it carries no time (a bare payload)."""
    overdue: int = 0
    """Delayed tasks whose time has passed: more than a few means that nobody promotes."""
    late_schedules: int = 0
    """Schedules that nobody has fired though their time passed half a minute ago: nobody watches them."""
    paused: Pause | None = None
    workers: int = 0
    """Workers with a valid lease."""
    capacity: int = 0
    """How many tasks those workers run at the same time."""
    done_total: int = 0
    """Tasks finished well since the queue was first seen."""
    failed_total: int = 0
    """Attempts that ended in an error, retried ones included."""
    history: tuple[int, ...] = ()
    """Tasks finished per minute, oldest first, the running minute last."""
    in_rate: float | None = None
    """Tasks that arrived per second since the previous reading; None before there are two."""
    wait_p95: float | None = None
    """Seconds that 95 of 100 tasks waited at most before they began, of the last minute or two; an estimate."""
    run_p95: float | None = None
    """The same for how long they ran."""
    out_rate: float | None = None
    """Tasks that finished or died per second since the previous reading."""
    trouble: str = ""
    """Why the queue cannot be read or worked, e.g. a key of another type; empty when it can."""
    trouble_key: str = ""
    """The Redis key that holds something else; empty when it is not known which."""
    quiet: int = 0
    """Those of `workers` that claim nothing more."""
    last_lease: float | None = None
    """When the last lease ended, if none is valid; None when it is not known."""
    ailing: tuple[WorkerInfo, ...] = ()
    """Workers worth a closer look: they died with tasks in hand, stand still, or their clocks differ; at most 20."""
    poison: tuple[TaskRow, ...] = ()
    """Tasks that more than one worker died with, as far as a cheap look shows them; without their payloads."""
    overdue_since: float | None = None
    """When the first overdue task was due; read only when several are."""
    late_schedule: str = ""
    """The late schedule that was due first."""
    late_since: float | None = None
    """When that one was due."""
    dead_dropped: int = 0
    """Dead tasks that had to go because there were too many, or for their age, since the queue was first seen."""
    dead_cap: int = 0
    """The most dead tasks that are kept; 0 when there is no limit."""

    @property
    def total(self) -> int:
        """Tasks anywhere in this queue that are not finished."""
        return self.pending + self.active + self.delayed + self.dead

    @property
    def state(self) -> QueueState:
        """The word for this queue."""
        if self.trouble:
            return QueueState.BROKEN
        if self.paused is not None:
            return QueueState.PAUSED
        if self.workers == 0:
            return QueueState.NO_WORKERS if self.pending + self.active else QueueState.OK
        if self.pending and self.quiet >= self.workers:
            return QueueState.QUIET
        if self.pending and self.active >= self.capacity:
            return QueueState.SATURATED
        return QueueState.BUSY if self.pending + self.active else QueueState.OK


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerInfo:
    """The Redis at the other end."""

    address: str
    """host:port/db or the socket's path; never a password."""
    version: str = ""
    run_id: str = ""
    """Changes when the server restarts."""
    role: str = "master"
    used_memory: int = 0
    """Bytes."""
    max_memory: int = 0
    """Bytes; 0 means no limit."""
    eviction_policy: str = ""
    persistence: str = ""
    """In words: `aof everysec`, `rdb`, `none`."""
    loopback: bool = True
    """The server is on this machine."""
    unverified: bool = False
    """The link is encrypted, but whose certificate is at its other end is not looked at."""
    loading: bool = False
    """It reads its data from disk and answers little else."""
    loading_left: float | None = None
    """Seconds until it has, as it estimates itself."""
    read_only: bool = True
    """If it is a replica: it refuses writes."""
    master_link: str = ""
    """If it is a replica: whether it hears its primary, `up` or `down`."""
    save_failed: bool = False
    """The last snapshot could not be written."""
    last_save: float | None = None
    """When the last snapshot was written; before the first one, when the server started."""
    aof_failed: bool = False
    """The append-only file could not be written."""
    clients: int = 0
    """Connections."""
    max_clients: int = 0
    """The most there may be; 0 when it is not known."""
    replicas: int = 0
    """Servers that follow it."""
    wants_replicas: bool = False
    """A place where another one is to take over when this one dies: behind Sentinels, or in a cluster."""
    near_replicas: int | None = None
    """Those heard of lately; None where it takes writes without any (min-replicas-to-write is not set)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """Everything the first screen needs, read in one pipeline."""

    at: float
    """The moment of the reading by the server's clock."""
    server: ServerInfo
    queues: tuple[QueueStats, ...]
    rtt: float
    """Seconds the reading took, network included."""
    commands: int = 0
    """Redis commands this reading cost."""
    nodes: tuple[ServerInfo, ...] = ()
    """Each master of a cluster, of which `server` then is the sum; empty for a single server."""
    trouble: str = ""
    """Why the names of the queues cannot be read; empty when they can."""
    trouble_key: str = ""
    """The key that holds something else then."""
    reach: Reach = BY_ITSELF
    """What a command has to be told to meet this server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRow:
    """One task as a list shows it."""

    queue: str
    state: State
    name: str
    """The task's name, or the text of a bare payload (shortened)."""
    id: str | None = None
    at: float | None = None
    """Enqueued (pending, active), due (delayed), died (dead), finished (done)."""
    attempt: int = 1
    redelivered: int = 0
    args: str = ""
    """The arguments as JSON, shortened."""
    error: str = ""
    worker: str = ""
    size: int = 0
    """Bytes of the whole payload."""
    payload: bytes = b""
    """The payload itself; cut when it is longer than the window allows, then `size` is larger."""
    place: int = 0
    """Where it was seen: how many come before it in this order, of its own key."""
    public: bool = False
    """Its key is the public delayed set, not its queue's own."""
    failed_at: float | None = None
    """When its last attempt failed; None when it has not failed, or nobody noted when."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerInfo:
    """One worker process as seen from one queue."""

    id: str
    queue: str
    host: str = ""
    pid: int = 0
    version: str = ""
    started: float | None = None
    seen: float | None = None
    """Its last heartbeat."""
    lease_until: float | None = None
    concurrency: int = 0
    active: int = 0
    """Tasks of this queue in its hands."""
    rss: int = 0
    """Bytes."""
    done: int = 0
    failed: int = 0
    quiet: bool = False
    """It claims no more tasks and finishes what it has."""
    blocked: float = 0.0
    """Seconds its event loop has not moved: a handler holds it."""
    skew: float | None = None
    """Seconds its clock is ahead of Redis's, as it measured it; None when it did not say."""
    lease: float = 0.0
    """Seconds its lease runs without being renewed; 0 when it did not say."""
    tasks: tuple[str, ...] = ()
    """The names of the tasks it has handlers for, as many as it tells."""
    running: tuple[tuple[str, str, float], ...] = ()
    """(task id or empty, task name, seconds so far) of its longest-running tasks."""

    def alive(self, now: float) -> bool:
        """True while its lease is valid at `now` (seconds since the epoch, Redis clock)."""
        return self.lease_until is not None and self.lease_until > now
