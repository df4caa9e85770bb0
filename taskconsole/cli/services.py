"""`worker` and `scheduler`: the processes that do the work, without a screen."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import click

from taskconsole.cli.apps import load_app
from taskconsole.cli.parameters import SECONDS, Seconds
from taskconsole.cli.target import target_of, target_options

if TYPE_CHECKING:
    from taskconsole.app import App
    from taskconsole.cli.target import Target
    from taskconsole.config import Settings
    from taskconsole.registry import Registry
    from taskconsole.worker.options import QueuePlan, WorkerOptions

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
@click.option(
    "--grace", type=SECONDS, default=25.0, show_default=True, help="Seconds a stop waits for running tasks."
)
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
    The URL is that of --url or --url-file, else TASKCONSOLE_URL, else the App's own.
    """
    from taskconsole.errors import ConfigError
    from taskconsole.worker.options import WorkerOptions, parse_queues

    if app_path is None:
        raise ConfigError("a worker needs -A module:app, the App whose tasks it runs, e.g. -A myapp.tasks:app")
    plan = parse_queues(queues) if queues is not None else None
    app = _bound(app_path, target_of(context), show_traceback=show_traceback)
    _set_up_logging(as_json=log_json, level=log_level)
    if processes > 1:
        return _supervise(context, target_of(context), app, processes=processes, grace=grace)
    options = WorkerOptions(
        queues=plan or queues_of(app), concurrency=concurrency, lease=lease, grace=grace, burst=burst
    )
    return _run(
        _Plan(registry=app.registry, settings=app.settings, options=options, app=app, loop=loop), tether=tether
    )


@click.command(short_help="Promote and reclaim tasks, without running any.")
@target_options
@click.option("-A", "--app", "app_path", metavar="MODULE:APP", help="The App with the tasks; optional here.")
@click.option(
    "-q", "--queues", metavar="NAMES", help="Else every queue the App names, or all that Redis knows at the start."
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
    """Move what is due and take back what dead workers held, without running tasks.

    Every worker does the same besides its tasks; a scheduler keeps it going where no worker is up.
    """
    from taskconsole.registry import Registry
    from taskconsole.worker.options import WorkerOptions, parse_queues

    plan = parse_queues(queues) if queues is not None else None
    target = target_of(context)
    app = _bound(app_path, target, show_traceback=show_traceback) if app_path is not None else None
    settings = target.settings() if app is None else app.settings
    _set_up_logging(as_json=log_json, level=log_level)
    if plan is None:
        plan = known_queues(settings) if app is None else queues_of(app)
    options = WorkerOptions(queues=plan, lease=lease, execute=False)
    registry = Registry() if app is None else app.registry
    return _run(_Plan(registry=registry, settings=settings, options=options, loop=loop))


for _declare in _log_options:
    worker = _declare(worker)
    scheduler = _declare(scheduler)


def _bound(path: str, target: Target, *, show_traceback: bool) -> App:
    """The App, talking to the Redis of the command line if that names one."""
    from taskconsole.client import Client

    url = target.given_url()
    if url is not None:
        # Also for what is imported now, and for the child processes of `process=True` tasks.
        os.environ["TASKCONSOLE_URL"] = url
    app = load_app(path, show_traceback=show_traceback)
    settings = replace(
        app.settings,
        url=app.settings.url if url is None else url,
        prefix=app.settings.prefix if target.prefix is None else target.prefix,
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

    from taskconsole.errors import ConfigError
    from taskconsole.store.call import command
    from taskconsole.store.keys import DEFAULT_QUEUE, Namespace, check_queue_name
    from taskconsole.store.wire import Wire
    from taskconsole.worker.options import QueuePlan

    with contextlib.closing(Wire(settings)) as wire:
        members = wire.run(command("SMEMBERS", Namespace(settings.prefix).queues, parse=list))
    names = {DEFAULT_QUEUE}
    for member in members:
        with contextlib.suppress(ConfigError, UnicodeDecodeError):
            names.add(check_queue_name(member.decode()))
    return QueuePlan(tuple(sorted(names)))


def _set_up_logging(*, as_json: bool, level: str) -> None:
    import logging

    from taskconsole.worker.logs import set_up_logging

    set_up_logging(as_json=as_json, level=getattr(logging, level.upper()))


def _run(plan: _Plan, *, tether: int | None = None) -> int:
    from taskconsole.worker.runtime import Worker, run_worker

    app = plan.app
    if tether is not None:
        from taskconsole.worker.supervisor import follow

        follow(tether)
    run_worker(
        lambda: Worker(
            plan.registry,
            settings=plan.settings,
            options=plan.options,
            lifespan=(lambda: app.lifespan(app)) if app is not None and app.lifespan is not None else None,  # type: ignore[misc]
        ),
        loop=plan.loop,
    )
    return 0


def _supervise(context: click.Context, target: Target, app: App, *, processes: int, grace: float) -> int:
    from taskconsole.worker.supervisor import Supervisor

    raise NotImplementedError
