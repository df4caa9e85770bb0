"""What operators have workers do: claim no more, end, end one task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from taskconsole.backends.base import Applied
from taskconsole.backends.lookup import Lookup
from taskconsole.backends.rows import name_of, operator_event
from taskconsole.errors import ConfigError
from taskconsole.model.event import EventKind
from taskconsole.model.state import State
from taskconsole.store.reading import ReadingStore
from taskconsole.store.workers import WorkerStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from taskconsole.backends.commands import AbortTask, SignalWorker
    from taskconsole.store.call import Call
    from taskconsole.store.keys import Namespace

__all__ = ["WorkerDesk"]

MOST = 512_000_000
"""Bytes of a payload: more than Redis holds in one."""


class WorkerDesk:
    """Tells workers what operators want.

    Args:
        names: The key names to use.
        ask: Carries out calls in one round trip, repeats them if the replies are lost, raises a refusal.
    """

    def __init__(self, names: Namespace, ask: Callable[[list[Call[Any]]], list[Any]]) -> None:
        self._names, self._ask = names, ask
        self._reading, self._workers = ReadingStore(names), WorkerStore(names)
        self._lookup = Lookup(names, ask)

    def signal(self, command: SignalWorker) -> Applied:
        """Have a worker claim no more, or end; one that works on several queues is told at each."""
        kind = EventKind.QUIETED if command.wanted == "quiet" else EventKind.STOPPED
        now, queues = self._ask([self._reading.time(), self._reading.usable_queues()])
        calls: list[Call[Any]] = []
        for queue in queues:
            event = operator_event(kind, queue, round(now, 3), command.by, command.worker)
            calls.append(self._workers.signal(queue, command.worker, command.wanted, event=event))
        told = [queue for queue, heard in zip(queues, self._ask(calls) if calls else [], strict=True) if heard]
        if not told:
            return Applied(text=f"no worker is called {command.worker}: it has ended, or died", changed=False, done=0)
        now, *leases = self._ask([self._reading.time(), *(self._reading.leases(self._names.of(q)) for q in told)])
        if all(ends.get(command.worker, 0.0) < now for ends in leases):
            return Applied(text=f"{command.worker} does not renew its lease: it has died, or stands still; it was told")
        what = "claim no more" if command.wanted == "quiet" else "end"
        return Applied(text=f"told {command.worker} to {what}: it hears it at once, or with its next heartbeat (5 s)")

    def abort(self, command: AbortTask, token: str) -> Applied:
        """Have a worker end one of its tasks.

        Raises:
            ConfigError: It is not an active one.
        """
        row = command.row
        if row.state is not State.ACTIVE:
            raise ConfigError(f"{name_of(row)} is {row.state}: only what runs can be aborted")
        found = self._lookup.find(row, min(row.size, MOST))
        if found is None:
            return Applied(text=f"{name_of(row)} is not in a worker's hands any more", changed=False, done=0, missed=1)
        worker, payload = found[0].worker, found[2].payload
        now = self._ask([self._reading.time()])[0]
        event = operator_event(EventKind.ABORTED, row.queue, round(now, 3), command.by, f"on {worker}", row)
        call = self._workers.abort(row.queue, worker, payload, token=token, by=command.by, event=event)
        told = self._ask([call])[0]
        if told < 0:
            return Applied(text=f"{worker} has gone: {name_of(row)} goes back to {row.queue}", changed=False, done=0)
        if told == 0:
            return Applied(text=f"{name_of(row)} is not in a worker's hands any more", changed=False, done=0, missed=1)
        lease = self._ask([self._reading.leases(self._names.of(row.queue))])[0].get(worker, 0.0)
        if lease < now:
            return Applied(text=f"{worker} does not renew its lease: it has died, or stands still; it was told")
        return Applied(
            text=f"told {worker} to abort {name_of(row)}: it hears it at once, or with its next heartbeat (5 s), "
            "and buries it"
        )
