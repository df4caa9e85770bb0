"""What an app's start does about its schedules: `python -m benchmarks.register`, in a process of its own.

Prints one line of JSON, in seconds: `declare` for the code that declares them (BENCH_SCHEDULES says which),
`register` for putting them into Redis with the first time of each, `again` for finding them all there. The
registrar is the one in every worker; its connection is made before.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import time

from benchmarks.produce import loop_factory
from taskconsole.app import App
from taskconsole.store.call import command
from taskconsole.store.keys import Namespace
from taskconsole.store.schedules import ScheduleStore
from taskconsole.store.wire import AsyncWire
from taskconsole.worker.registrar import Registrar
from taskconsole.worker.server_clock import ServerClock


async def register(app: App) -> dict[str, float]:
    """Register everything twice."""
    wire = AsyncWire(app.settings)
    await wire.run(command("PING", parse=bool))
    registrar = Registrar(
        list(app.registry.schedules.values()),
        store=ScheduleStore(Namespace(app.settings.prefix)),
        wire=wire,
        clock=ServerClock(),
    )
    took = {}
    for name in ("register", "again"):
        before = time.perf_counter()
        written = await registrar.run_once("bench")
        took[name] = time.perf_counter() - before
        assert written == (len(app.registry.schedules) if name == "register" else 0), written
    await wire.close()
    return took


def main() -> None:
    """Declare, register, say how long that took."""
    before = time.perf_counter()
    app: App = importlib.import_module("benchmarks.scheduled_app").app
    took = {"declare": time.perf_counter() - before}
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        took |= runner.run(register(app))
    print(json.dumps(took))


if __name__ == "__main__":
    main()
