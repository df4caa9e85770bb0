"""Keeping the leases, from a thread of its own with a connection of its own: no handler can hold it up."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from taskconsole.errors import LeaseLost, StoreUnavailable, TaskconsoleError
from taskconsole.store.opening import open_wire
from taskconsole.store.workers import Pulse
from taskconsole.worker.logs import RateLimit

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

    from taskconsole.config import Settings
    from taskconsole.store.workers import Abort, WorkerStore
    from taskconsole.worker.lane import Lane
    from taskconsole.worker.options import WorkerOptions
    from taskconsole.worker.pool import Pool
    from taskconsole.worker.server_clock import ServerClock

__all__ = ["Heartbeat"]

log = logging.getLogger(__name__)

TOP = 10
"""How many running tasks a worker names."""

FULL_EVERY = 3
"""Every so many beats the worker's hash is written even when nothing changed."""

BLOCKED = 1.0
"""Seconds without a turn of the loop that are worth telling."""


class Heartbeat:
    """Renews the leases of all lanes every third of a lease.

    Args:
        on_command: Called in the loop's thread with what an operator wants: `quiet` or `stop`.
        on_abort: Called in the loop's thread with a lane and a task of it that an operator wants to end; once.
        on_lost: Called in the loop's thread with a lane whose lease was reclaimed.
    """

    def __init__(
        self,
        lanes: Sequence[Lane],
        pool: Pool,
        *,
        settings: Settings,
        options: WorkerOptions,
        workers: WorkerStore,
        clock: ServerClock,
        loop: asyncio.AbstractEventLoop,
        on_command: Callable[[str], None],
        on_abort: Callable[[Lane, Abort], None],
        on_lost: Callable[[Lane], None],
    ) -> None:
        self._lanes, self._pool, self._options, self._workers = lanes, pool, options, workers
        self._clock, self._loop, self._on_command, self._on_lost = clock, loop, on_command, on_lost
        self._on_abort = on_abort
        self._aborted: deque[str] = deque(maxlen=1_000)
        self._interval = options.lease / 3
        # An answer that takes longer than this is no use: the lease would be over.
        self._wire = open_wire(settings, timeout=max(0.5, min(settings.patience, options.lease / 4)))
        self._stop = threading.Event()
        self._again = threading.Event()
        self._thread = threading.Thread(target=self._run, name="taskconsole-heartbeat", daemon=True)
        self._complain = RateLimit(10)
        self._beats = 0
        self._said: dict[Lane, str] = {}
        self._turned = time.monotonic()
        self.quiet = False

    def start(self) -> None:
        """Begin; the lanes have just been registered, so the leases are good."""
        self._pool.good_until = time.monotonic() + self._usable
        self._thread.start()

    def stop(self) -> None:
        """End, and wait for the thread."""
        self._stop.set()
        self._again.set()
        if self._thread.is_alive():
            self._thread.join(2.0)
        self._wire.close()

    def soon(self) -> None:
        """Beat now: somebody wants to listen, or something has changed."""
        self._again.set()

    @property
    def _usable(self) -> float:
        """How long after a renewal work may be started: a little less than the lease."""
        return self._options.lease - min(2.0, self._options.lease * 0.15)

    def _run(self) -> None:
        while not self._stop.is_set():
            pause = self._interval if self._beat_whatever() else min(1.0, self._interval)
            began = time.monotonic()
            self._again.wait(pause)
            self._again.clear()
            overslept = time.monotonic() - began - pause
            if overslept > BLOCKED:
                # Nobody had a turn, so nobody is to blame for the loop having had none.
                self._turned = time.monotonic()
                log.warning("this process was stopped", extra={"seconds": round(overslept, 1)})

    def _beat_whatever(self) -> bool:
        """Renew once; nothing that can go wrong may end this thread, or the worker would do nothing for ever."""
        try:
            return self.beat()
        except Exception:
            if self._complain("flaw"):
                log.exception("heartbeat failed")
            return False

    def beat(self) -> bool:
        """Renew once; False when a lease could not be renewed."""
        self._beats += 1
        self._look_at_loop()
        sent = time.monotonic()
        lanes = list(self._lanes)
        ids = [lane.worker_id for lane in lanes]
        calls = [
            self._workers.heartbeat(lane.queue, worker_id, lease_ms=self._options.lease_ms, fields=self._news(lane))
            for lane, worker_id in zip(lanes, ids, strict=True)
        ]
        try:
            answers = self._wire.run_all(calls)
        except TaskconsoleError as error:
            if self._complain("unavailable"):
                log.warning("heartbeat failed", extra={"reason": str(error)})
            self._said.clear()
            return False
        heard = [self._heard(lane, answer, sent) for lane, answer in zip(lanes, answers, strict=True)]
        # A lane whose lease was not renewed has nothing in hand any more; the others go on.
        if not any(isinstance(answer, StoreUnavailable) for answer in answers):
            self._pool.renewed(sent + self._usable)
        return all(heard)

    def _heard(self, lane: Lane, answer: Any, sent: float) -> bool:
        if isinstance(answer, Pulse):
            self._clock.set(answer.now, sent, time.monotonic(), grain=0.001)
            lane.sums.listen(answer.listeners > 0)
            if answer.command:
                self._call(self._on_command, answer.command)
            for abort in answer.aborts:
                # They are told with every beat for a while.
                if abort.token not in self._aborted:
                    self._aborted.append(abort.token)
                    self._call(self._on_abort, lane, abort)
            return True
        self._said.pop(lane, None)
        if not isinstance(answer, StoreUnavailable):
            self._call(self._on_lost, lane)
        if not isinstance(answer, LeaseLost) and self._complain("refused"):
            log.warning("heartbeat refused", extra={"queue": lane.queue, "reason": str(answer)})
        return False

    def _news(self, lane: Lane) -> dict[str, str | int | float]:
        """The fields to write; none while they would say the same again."""
        running = self._running(lane)
        told = json.dumps([[i, n] for i, n, _ in running])
        fields: dict[str, str | int | float] = {
            "quiet": int(self.quiet),
            "active": len(running),
            "running": json.dumps(running[:TOP]),
            "blocked": round(self._blocked(), 1),
        }
        said = f"{told}{fields['quiet']}{fields['blocked']}"
        if self._said.get(lane) == said and not running and self._beats % FULL_EVERY:
            return {}
        self._said[lane] = said
        fields["done"] = lane.sums.total_done + lane.sums.done
        fields["failed"] = lane.sums.total_failed + lane.sums.failed
        fields["rss"] = resident_memory()
        fields["seen"] = round(self._clock.now(), 3)
        fields["skew"] = round(self._clock.skew, 1)
        return fields

    def _running(self, lane: Lane) -> list[tuple[str, str, float]]:
        """(id, name, start by Redis) of this lane's running tasks, longest first."""
        offset = self._clock.offset
        found = [
            (envelope.id or "", envelope.task[:200], round(slot.started + offset, 3))
            for slot in list(self._pool.slots)
            if (item := slot.item) is not None and item[0] is lane and (envelope := slot.envelope) is not None
        ]
        return sorted(found, key=lambda task: task[2])

    def _look_at_loop(self) -> None:
        self._call(self._turn)
        blocked = self._blocked()
        if blocked > 2 * self._interval and self._complain("blocked"):
            running = {envelope.task for slot in list(self._pool.slots) if (envelope := slot.envelope) is not None}
            names = ", ".join(sorted(running)[:3])
            log.warning("a handler blocks the event loop", extra={"seconds": round(blocked, 1), "running": names})

    def _turn(self) -> None:
        self._turned = time.monotonic()

    def _blocked(self) -> float:
        """Seconds the loop has not had a turn beyond the time between two looks."""
        silent = time.monotonic() - self._turned - self._interval
        return silent if silent > BLOCKED else 0.0

    def _call(self, function: Callable[..., None], *args: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *args)
        except RuntimeError:
            # The loop has been closed: the process is ending and nobody needs this call any more.
            self._stop.set()


def resident_memory() -> int:
    """Bytes of memory this process holds; 0 where the system does not say."""
    try:
        with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 - opened every few seconds, for ever
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0
