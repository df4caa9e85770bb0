"""The demo's producer: a bounded stream of tasks, as web servers and cron would make it.

`python -m taskconsole.demo.traffic --tether FD --directory DIR` is started by the demo. When the demo is gone
without a word, killed by SIGKILL say, this process is the one that tidies up: it removes DIR and ends.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import shutil
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from taskconsole.demo.tasks import (
    BILLING,
    DEFAULT,
    MAIL,
    REPORTS,
    STOLEN,
    WEBHOOKS,
    app,
    build_report,
    charge_card,
    deliver_webhook,
    send_mail,
    send_reminder,
    sync_user,
)
from taskconsole.errors import TaskconsoleError
from taskconsole.store.call import command
from taskconsole.store.keys import Namespace
from taskconsole.store.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from taskconsole.client import Parcel

__all__ = ["Traffic"]

TURN = 0.1
"""Seconds between two portions."""

BACKLOG = 400
"""Pending tasks in one queue beyond which nothing is added to it: the demo may run for days."""

BURST_EVERY, BURST = 60.0, 250
"""Seconds between newsletters, and how many mails one is."""

PAUSE_AFTER = 40.0
"""Seconds until the webhooks are paused; resuming them is left to whoever plays operator."""

BARE = "task1"
UNKNOWN = ("import_from_php", "nightly cleanup", "legacy:reindex")

RATES: dict[str, float] = {
    "mail": 8.0,
    "sync": 10.0,
    "report": 0.7,
    "charge": 2.0,
    "webhook": 3.0,
    "reminder": 0.5,
    "bare": 1.0,
    "unknown": 0.03,
}
"""Tasks per second of each kind."""


class Traffic:
    """Adds one portion of tasks after another.

    Args:
        speed: How many times the usual rates.
        clock: Seconds, monotonic.
    """

    def __init__(self, *, speed: float = 1.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._speed, self._clock = speed, clock
        self._wire = Wire(app.settings)
        self._names = Namespace(app.settings.prefix)
        self._began = self._last = clock()
        self._owed = dict.fromkeys(RATES, 0.0)
        self._next_burst = self._began + BURST_EVERY / 4
        self._paused = False
        self._order = 1000

    def run_once(self) -> int:
        """Add what is due by now to every queue that has room; returns how many tasks.

        Raises:
            TaskconsoleError: Redis did not take them.
        """
        now = self._clock()
        seconds, self._last = min(now - self._last, 1.0), now
        room = self._room()
        calls: list[Parcel] = []
        bare: list[str] = []
        for kind, rate in RATES.items():
            self._owed[kind] += rate * self._speed * seconds * random.uniform(0.5, 1.5)
            while self._owed[kind] >= 1.0:
                self._owed[kind] -= 1.0
                self._make(kind, room, calls, bare)
        if now >= self._next_burst:
            self._next_burst = now + BURST_EVERY
            calls += [send_mail.call(_somebody(), "newsletter") for _ in range(min(BURST, room[MAIL]))]
        app.enqueue_many(calls)
        if bare:
            self._wire.run(command("LPUSH", self._names.of(DEFAULT).queue, *bare, parse=int))
        if not self._paused and now - self._began >= PAUSE_AFTER:
            self._pause()
        return len(calls) + len(bare)

    def _room(self) -> dict[str, int]:
        """How many more tasks each queue may get."""
        calls = []
        for queue in (MAIL, REPORTS, DEFAULT, BILLING, WEBHOOKS):
            keys = self._names.of(queue)
            calls += [command("LLEN", keys.queue, parse=int), command("ZCARD", keys.delayed, parse=int)]
        answers = self._wire.run_all(calls)
        found: dict[str, int] = {}
        for i, queue in enumerate((MAIL, REPORTS, DEFAULT, BILLING, WEBHOOKS)):
            waiting = [answer if isinstance(answer, int) else BACKLOG for answer in answers[2 * i : 2 * i + 2]]
            found[queue] = BACKLOG - sum(waiting)
        return found

    def _make(self, kind: str, room: dict[str, int], calls: list[Parcel], bare: list[str]) -> None:
        """One task of a kind, unless its queue is full."""
        self._order += 1
        queue = _QUEUE_OF[kind]
        if room[queue] <= 0:
            return
        room[queue] -= 1
        match kind:
            case "mail":
                calls.append(send_mail.call(_somebody(), random.choice(("welcome", "your order", "reset"))))
            case "sync":
                calls.append(sync_user.call(random.randrange(100_000)))
            case "report":
                calls.append(build_report.call(f"2026-{random.randrange(1, 13):02d}", random.randrange(50_000)))
            case "charge":
                cents = random.randrange(1, 400) * 100 + (STOLEN if random.random() < 0.03 else 99)
                calls.append(charge_card.call(self._order, cents))
            case "webhook":
                calls.append(deliver_webhook.call(self._order, random.choice(("order.paid", "order.sent"))))
            case "reminder":
                calls.append(send_reminder.using(run_after=random.uniform(5, 60)).call(_somebody()))
            case _:
                bare.append(BARE if kind == "bare" else random.choice(UNKNOWN))

    def _pause(self) -> None:
        from taskconsole.backends.commands import PauseQueue  # noqa: PLC0415 - once in a run
        from taskconsole.backends.native import NativeBackend  # noqa: PLC0415

        self._paused = True
        backend = NativeBackend(app.settings)
        try:
            backend.apply(PauseQueue(queue=WEBHOOKS, by="demo", reason="the partner is down for maintenance"))
        finally:
            backend.close()

    def close(self) -> None:
        """Let go of the connections."""
        self._wire.close()
        app.close()


_QUEUE_OF = {
    "mail": MAIL,
    "sync": DEFAULT,
    "report": REPORTS,
    "charge": BILLING,
    "webhook": WEBHOOKS,
    "reminder": MAIL,
    "bare": DEFAULT,
    "unknown": DEFAULT,
}


def _somebody() -> str:
    return f"{random.choice(('ada', 'grace', 'edsger', 'barbara', 'alan'))}{random.randrange(1000)}@example.com"


def main(arguments: list[str] | None = None) -> None:
    """Add tasks until told to stop, or until the demo is gone."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--tether", type=int, required=True)
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--speed", type=float, default=1.0)
    options = parser.parse_args(arguments)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    tether = socket.socket(fileno=options.tether)
    threading.Thread(target=_tidy_up, args=(tether, options.directory), daemon=True).start()
    traffic = Traffic(speed=options.speed)
    try:
        while not stopping.wait(TURN):
            try:
                traffic.run_once()
            except TaskconsoleError as error:
                print(error, file=sys.stderr, flush=True)  # noqa: T201 - its log
                stopping.wait(1.0)
    finally:
        traffic.close()


def _tidy_up(tether: socket.socket, directory: Path) -> None:
    """Wait until the other end of the tether closes; whoever held it can remove nothing any more."""
    tether.recv(1)
    # Where the kernel does not end Redis together with the demo, we do.
    with contextlib.suppress(TaskconsoleError):
        Wire(app.settings).run(command("SHUTDOWN", "NOSAVE", parse=str))
    shutil.rmtree(directory, ignore_errors=True)
    signal.raise_signal(signal.SIGTERM)


if __name__ == "__main__":
    main()
