"""The real console over a scripted backend, for tests that look at it through a pseudo-terminal."""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from dataclasses import replace

from taskconsole.console.acting.hands import Hands
from taskconsole.console.app import run_console
from taskconsole.console.place import Place
from taskconsole.errors import StoreUnavailable
from taskconsole.model.event import Event, EventKind
from taskconsole.model.state import State
from taskconsole.model.stats import Pause
from tests.console.fake_backend import FakeBackend, queue
from tests.console.hostile_texts import HOSTILE


class Live(FakeBackend):
    """Twenty queues whose figures all move at every reading."""

    def __init__(self, *, share=1.0):
        rng = self.rng = random.Random(7)
        now = time.time()
        super().__init__(
            [
                queue(
                    f"queue_{n:02d}",
                    pending=rng.randrange(5_000),
                    active=8,
                    delayed=rng.randrange(900),
                    dead=rng.randrange(20),
                    oldest=now - rng.randrange(600),
                    capacity=16,
                    workers=2,
                    done_total=1,
                    history=tuple(rng.randrange(90) for _ in range(30)),
                )
                for n in range(20)
            ]
        )
        self.share = share

    def overview(self):
        rng = self.rng
        self.queues = [
            replace(
                q,
                pending=max(0, q.pending + rng.randrange(-9, 10)),
                active=rng.randrange(4, 17),
                done_total=q.done_total + rng.randrange(9),
            )
            if rng.random() < self.share
            else q
            for q in self.queues
        ]
        return super().overview()


def hostile():
    names = [f"{n}{text}" for n, text in enumerate(HOSTILE)]
    backend = FakeBackend(
        [
            queue(
                name,
                pending=n,
                workers=1,
                capacity=4,
                paused=Pause(by=text, at=time.time(), reason=text) if n % 2 else None,
                trouble=text if n % 5 == 0 else "",
            )
            for n, (name, text) in enumerate(zip(names, HOSTILE, strict=True))
        ]
    )
    backend.publish(
        *(Event(kind=EventKind.MESSAGE, at=time.time(), queue=t, task=t, id=t, worker=t, by=t, text=t) for t in HOSTILE)
    )
    return backend


def events(backend, per_second):
    def publish():
        n = 0
        while True:
            n += 1
            kind = EventKind.DIED if n % 20 == 0 else EventKind.DONE
            backend.publish(
                Event(
                    kind=kind,
                    at=time.time(),
                    queue=f"queue_{n % 20:02d}",
                    task="send_mail",
                    id=f"{n:08x}",
                    ms=n % 90,
                    worker="w-1",
                )
            )
            time.sleep(1 / per_second)

    threading.Thread(target=publish, daemon=True).start()


class Refused:
    def __call__(self):
        raise StoreUnavailable("connection refused by 127.0.0.1:6379")


def main():
    what = sys.argv[1]
    if what == "usual":
        backend = FakeBackend()
    elif what == "hostile":
        backend = hostile()
    elif what == "refused":
        return run_console(Refused(), address="127.0.0.1:6379/0", offer="taskconsole demo   starts an embedded server")
    elif what == "acting":
        return acting()
    elif what == "crash":
        return crash()
    else:
        backend = Live(share={"calm": 0.2, "still": 0.0}.get(what, 1.0))
        if len(sys.argv) > 2:
            events(backend, float(sys.argv[2]))
    return run_console(lambda: backend, address=backend.address)


def acting():
    """Delayed tasks to do something to; what was done is told at the end."""
    backend = FakeBackend([queue("mail", delayed=5, workers=1), queue("other", workers=1)])
    backend.task_counts = {("mail", State.DELAYED): 5}
    start = Place(view="tasks", queue="mail", state=State.DELAYED)
    code = run_console(lambda: backend, address=backend.address, start=start)
    print(f"applied: {[type(command).__name__ for command in backend.applied]}")
    return code


def crash():
    async def broken(self, *_):
        told = json.dumps({"password": f"hunter{1 + 1}"})
        raise RuntimeError(f"broken \x1b]0;PWNED\x07 on purpose: {told}")

    Hands.act = broken
    return run_console(FakeBackend, address="127.0.0.1:6379/0")


if __name__ == "__main__":
    raise SystemExit(main())
