"""placeholder"""
from __future__ import annotations

import argparse
import sys


def run() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("-u", "--url")
    parser.add_argument("--headless")
    parser.add_argument("-A", "--app")
    parser.add_argument("-q", "--queues", default="task_queue")
    parser.add_argument("-c", type=int, default=100)
    parser.add_argument("--loop", default="auto")
    parser.add_argument("--lease", type=float, default=15.0)
    parser.add_argument("--burst", action="store_true")
    o = parser.parse_args()
    import importlib
    import os

    if o.url:
        os.environ["TASKCONSOLE_URL"] = o.url
    sys.path.insert(0, os.getcwd())
    mod, _, name = o.app.partition(":")
    app = getattr(importlib.import_module(mod), name)
    from taskconsole.worker.logs import set_up_logging
    from taskconsole.worker.options import WorkerOptions, parse_queues
    from taskconsole.worker.runtime import Worker, run_worker

    set_up_logging(as_json=False)
    run_worker(
        lambda: Worker(
            app.registry,
            settings=app.settings,
            options=WorkerOptions(queues=parse_queues(o.queues), concurrency=o.c, burst=o.burst, lease=o.lease),
            lifespan=(lambda: app.lifespan(app)) if app.lifespan else None,
        ),
        loop=o.loop,
    )
