"""`worker` and `scheduler`: the processes that do the work, without a screen."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import click

from taskconsole.cli.apps import load_app
from taskconsole.cli.parameters import SECONDS, Seconds
from taskconsole.cli.target import target_of, target_options

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    from taskconsole.app import App
    from taskconsole.cli.target import Target
    from taskconsole.config import Settings
    from taskconsole.registry import Registry
    from taskconsole.worker.options import QueuePlan, WorkerOptions
    from taskconsole.worker.runtime import Worker
    from taskconsole.worker.supervisor import Tether

    Lifespan = Callable[[], AbstractAsyncContextManager[object]]

__all__ = ["scheduler", "worker"]

LEVELS = ("debug", "info", "warning", "error")

_log_options = (
    click.option("--log-json", is_flag=True, help="Log one JSON object a line."),
    click.option("--log-level", type=click.Choice(LEVELS), default="info", show_default=True),
    click.option("--traceback", "show_traceback", is_flag=True, help="Show why -A cannot be imported."),
    click.option(
        "--loop",
        type=click.Choice(("auto", "uvloop", "asyncio")),
        default="auto",
        show_default=True,
        help="Event loop; auto takes uvloop where it is installed.",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """What a process is to run."""

    registry: Registry
    settings: Settings
    options: WorkerOptions
    app: App | None = None
    loop: str = "auto"


@click.command(short_help="Run tasks until told to stop.")
@target_options
@click.option("-A", "--app", "app_path", metavar="MODULE:APP", help="Where the App with the tasks is.")
@click.option(
    "-q",
    "--queues",
    metavar="NAMES",
    help="mail,default (in strict order) or critical:6,low:1 (by weight); else every queue the App names, evenly.",
)
@click.option(
    "-c",
    "--concurrency",
    type=click.IntRange(1, 100_000),
    default=100,
    show_default=True,
    help="Tasks at the same time.",
)
@click.option(
    "--processes", type=click.IntRange(1, 1024), default=1, show_default=True, help="Worker processes to keep."
)
@click.option(
    "--lease",
    type=Seconds(minimum=0.5, maximum=86_400),
    default=15.0,
    show_default=True,
    help="Seconds of silence after which a worker is taken for dead.",
)
@click.option("--grace", type=SECONDS, default=25.0, show_default=True, help="Seconds a stop waits for running tasks.")
@click.option("--burst", is_flag=True, help="End when the queues are empty.")
@click.option("--tether", type=int, hidden=True, help="Stop when this descriptor is closed at its other end.")
@click.pass_context
def worker(
    context: click.Context,
    /,
    *,
    app_path: str | None,
    queues: str | None,
    concurrency: int,
    processes: int,
    lease: float,
    grace: float,
    burst: bool,
    tether: int | None,
    log_json: bool,
    log_level: str,
    show_traceback: bool,
    loop: str,
) -> int:
    """Run the tasks of some queues until SIGTERM or Ctrl-C; a second one ends it at once.

    Without -q every queue that the App's tasks name is served, the default queue always among them.
    The URL is that of --url, --url-file or -C, else TASKCONSOLE_URL, else the App's own.
    """
    from taskconsole.errors import ConfigError
    from taskconsole.worker.options import WorkerOptions, parse_queues

    if app_path is None:
        raise ConfigError("a worker needs -A module:app, the App whose tasks it runs, e.g. -A myapp.tasks:app")
    target_of(context).refuse_if_read_only(named=True)
    plan = parse_queues(queues) if queues is not None else None
    _set_up_logging(as_json=log_json, level=log_level)
    if processes > 1:
        # The children load the App; here its modules would only take memory.
        return _supervise(context, processes=processes, grace=grace)
    app = _bound(app_path, target_of(context), show_traceback=show_traceback)
    options = WorkerOptions(
        queues=plan or queues_of(app), concurrency=concurrency, lease=lease, grace=grace, burst=burst
    )
    _run(_Plan(registry=app.registry, settings=app.settings, options=options, app=app, loop=loop), tether=tether)
    return 0


@click.command(short_help="Fire schedules, promote and reclaim, without running tasks.")
@target_options
@click.option("-A", "--app", "app_path", metavar="MODULE:APP", help="The App with the tasks; optional here.")
@click.option(
    "-q", "--queues", metavar="NAMES", help="Else every queue the App names; without an App all that Redis knows."
)
@click.option(
    "--lease", type=Seconds(minimum=0.5, maximum=86_400), default=15.0, show_default=True, help="As the workers'."
)
@click.pass_context
def scheduler(
    context: click.Context,
    /,
    *,
    app_path: str | None,
    queues: str | None,
    lease: float,
    log_json: bool,
    log_level: str,
    show_traceback: bool,
    loop: str,
) -> int:
    """Fire schedules, move what is due and take back what dead workers held, without running tasks.

    Every worker does the same besides its tasks; a scheduler keeps it going where no worker is up.
    """
    from taskconsole.registry import Registry
    from taskconsole.worker.options import WorkerOptions, parse_queues

    plan = parse_queues(queues) if queues is not None else None
    target = target_of(context)
    target.refuse_if_read_only(named=app_path is not None)
    _set_up_logging(as_json=log_json, level=log_level)
    app = _bound(app_path, target, show_traceback=show_traceback) if app_path is not None else None
    settings = target.settings() if app is None else app.settings
    registry = Registry() if app is None else app.registry
    follow = plan is None and app is None
    while True:
        serves = plan or (known_queues(settings) if app is None else queues_of(app))
        options = WorkerOptions(queues=serves, lease=lease, execute=False, follow=follow)
        # Queues come up while it runs; it begins again with all of them, which takes no time: it holds no task.
        if not _run(_Plan(registry=registry, settings=settings, options=options, loop=loop)).outgrown:
            return 0


for _declare in _log_options:
    worker = _declare(worker)
    scheduler = _declare(scheduler)


def _bound(path: str, target: Target, *, show_traceback: bool) -> App:
    """The App, talking to the Redis of the command line if that names one."""
    from taskconsole.client import Client

    url, prefix = target.given_url(), target.given_prefix()
    if url is not None:
        # Also for what is imported now, and for the child processes of `process=True` tasks.
        os.environ["TASKCONSOLE_URL"] = url
    app = load_app(path, show_traceback=show_traceback)
    settings = replace(
        app.settings,
        url=app.settings.url if url is None else url,
        prefix=app.settings.prefix if prefix is None else prefix,
    )
    if settings != app.settings:
        app.settings, app.client = settings, Client(settings)
    return app


def queues_of(app: App) -> QueuePlan:
    """Every queue the App's tasks name, and the default one, all with the same share."""
    from taskconsole.store.keys import DEFAULT_QUEUE
    from taskconsole.worker.options import QueuePlan

    named = {handler.queue for handler in app.registry.handlers.values()} - {DEFAULT_QUEUE}
    names = (DEFAULT_QUEUE, *sorted(named))
    # Nobody asked for an order, and a strict one would starve the last.
    return QueuePlan(names, (1,) * len(names))


def known_queues(settings: Settings) -> QueuePlan:
    """Every queue that this Redis has heard of, and the default one.

    Raises:
        StoreUnavailable: No answer.
        AccessDenied: Redis does not let us.
    """
    import contextlib

    from taskconsole.store.keys import DEFAULT_QUEUE, Namespace
    from taskconsole.store.opening import open_wire
    from taskconsole.store.reading import ReadingStore
    from taskconsole.worker.options import QueuePlan

    with contextlib.closing(open_wire(settings)) as wire:
        known = wire.run(ReadingStore(Namespace(settings.prefix)).usable_queues())
    return QueuePlan(tuple(sorted({DEFAULT_QUEUE, *known})))


def _set_up_logging(*, as_json: bool, level: str) -> None:
    import logging

    from taskconsole.worker.logs import set_up_logging

    set_up_logging(as_json=as_json, level=getattr(logging, level.upper()))


def _run(plan: _Plan, *, tether: int | None = None) -> Worker:
    from taskconsole.worker.runtime import Worker, run_worker

    lifespan = _lifespan(plan.app)
    if tether is not None:
        from taskconsole.worker.supervisor import Tether

        link = Tether(tether)
        link.follow()
        lifespan = _announced(lifespan, link)
    return run_worker(
        lambda: Worker(plan.registry, settings=plan.settings, options=plan.options, lifespan=lifespan),
        loop=plan.loop,
    )


def _lifespan(app: App | None) -> Lifespan | None:
    given = None if app is None else app.lifespan
    if app is None or given is None:
        return None
    return lambda: given(app)


def _announced(lifespan: Lifespan | None, link: Tether) -> Lifespan:
    """The same lifespan, saying when it has been entered: settings, Redis and the App are all right then."""
    import contextlib

    @contextlib.asynccontextmanager
    async def announced() -> AsyncIterator[None]:
        async with lifespan() if lifespan is not None else contextlib.nullcontext():
            link.say_up()
            yield

    return announced


def _supervise(context: click.Context, *, processes: int, grace: float) -> int:
    """Run several children with this command's own options, the URL in their environment instead of in `ps`."""
    from taskconsole.worker.supervisor import Supervisor

    target = target_of(context)
    url, prefix = target.given_url(), target.given_prefix()
    environment = os.environ if url is None else {**os.environ, "TASKCONSOLE_URL": url}
    command = [sys.executable, "-m", "taskconsole", "worker", *_repeated(context)]
    if prefix is not None:
        command += ["--prefix", prefix]
    supervisor = Supervisor(
        lambda tether: [*command, "--tether", str(tether)], count=processes, grace=grace, environment=environment
    )
    return supervisor.run()


def _repeated(context: click.Context) -> list[str]:
    """This command's options as they would be typed again, all but the number of processes."""
    words: list[str] = []
    for parameter in context.command.params:
        value = context.params.get(parameter.name or "")
        if parameter.name in {"processes", "tether"} or value is None or value is False:
            continue
        words += [parameter.opts[-1]] if value is True else [parameter.opts[-1], str(value)]
    return words
