"""`events`: what has happened, and what happens."""

from __future__ import annotations

import random
import select
import sys
import time
from typing import TYPE_CHECKING

import click

from taskconsole.cli.curtain import curtain_of, reveal_option
from taskconsole.cli.output import as_json, say, write_json, write_line
from taskconsole.cli.reading import json_option, open_backend
from taskconsole.cli.target import target_of, target_options

if TYPE_CHECKING:
    from collections.abc import Callable

    from taskconsole.backends.native import NativeBackend
    from taskconsole.model.event import Event

__all__ = ["event_line", "events"]

FAILURES = frozenset({"retried", "died", "reclaimed", "fenced", "gap"})
"""Kinds that mean something went wrong."""


@click.command(short_help="What happened, or happens now.")
@target_options
@click.option("-f", "--follow", is_flag=True, help="Show events as they come, until Ctrl-C.")
@click.option("-q", "--queue", "names", multiple=True, metavar="QUEUE", help="Only this queue; may be repeated.")
@click.option("--failures", is_flag=True, help="Only what went wrong.")
@click.option(
    "-n",
    "--limit",
    "--history",
    "limit",
    type=click.IntRange(1, 1000),
    help="How many of the log; 50, or with --follow none, unless said.",
)
@reveal_option
@json_option
@click.pass_context
def events(
    context: click.Context,
    /,
    *,
    follow: bool,
    names: tuple[str, ...],
    failures: bool,
    limit: int | None,
    reveal: bool,
    wants_json: bool,
) -> int:
    """Show the newest events of the log, oldest first: failures, deaths, operators, workers.

    With --follow everything that is published, also what others publish on a queue's channel; with a number of the
    log first. With --json one object a line.
    """

    def wanted(event: Event) -> bool:
        return (not names or event.queue in names) and (not failures or event.kind in FAILURES)

    curtain = curtain_of(context, reveal=reveal)

    def show(event: Event) -> None:
        event = curtain.before(event)
        if wants_json:
            write_json(as_json(event))
        else:
            write_line(event_line(event))

    if limit is None:
        limit = 0 if follow else 50
    with open_backend(target_of(context), *names) as backend:
        found = _logged(backend, names, wanted, limit, depth=1000 if failures else limit)
        for event in found:
            show(event)
        if follow:
            sys.stdout.flush()
            _follow(backend, wanted, show)
        elif found:
            curtain.tell()
        else:
            say("no events in the log")
    return 0


def _logged(
    backend: NativeBackend, names: tuple[str, ...], wanted: Callable[[Event], bool], limit: int, *, depth: int
) -> list[Event]:
    """The newest `limit` events of the log that are wanted; with a filter they lie among more of the others."""
    if not limit:
        return []
    found = [event for name in names or [None] for event in backend.history(name, depth) if wanted(event)]
    return sorted(found, key=lambda event: event.at)[-limit:]


def _follow(backend: NativeBackend, wanted: Callable[[Event], bool], show: Callable[[Event], None]) -> None:
    """Show events until nobody reads them; a lost connection is said and made again.

    Raises:
        AccessDenied: Redis does not let us.
    """
    from taskconsole.errors import StoreUnavailable

    gone = _reader_gone()

    def take(arrived: list[Event]) -> None:
        for event in filter(wanted, arrived):
            show(event)
        sys.stdout.flush()

    # Which channels there are comes with a reading; with no Redis at the start this fails, as it should.
    backend.overview()
    pause = 0.2
    while not gone():
        try:
            backend.listen(take, gone)
        except StoreUnavailable as error:
            say(f"{error}; events may be missing from here")
        else:
            return
        time.sleep(pause * random.uniform(0.5, 1.0))
        pause = min(2 * pause, 5.0)


def _reader_gone() -> Callable[[], bool]:
    """Tells whether the other end of a pipe on stdout is closed, without writing to it."""
    try:
        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)
    except (AttributeError, OSError, ValueError):
        return lambda: False
    return lambda: any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def event_line(event: Event) -> str:
    """`2030-01-31 12:00:00.250Z mail died send_mail 5f…-1 …`; not yet printable."""
    try:
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(event.at)) + f".{int(event.at * 1000) % 1000:03d}Z"
    except (OverflowError, ValueError, OSError):
        # A stranger's message may name any number as its time.
        when = "?"
    parts = [when, event.queue, str(event.kind)]
    parts += [f"{event.n:,} tasks"] if event.n > 1 else []
    parts += [part for part in (event.task, event.id) if part]
    parts += [f"attempt {event.attempt}"] if event.attempt > 1 else []
    parts += [f"{event.ms:,.1f} ms"] if event.ms is not None else []
    parts += [f"worker {event.worker}"] if event.worker else []
    parts += [f"by {event.by}"] if event.by else []
    parts += [event.text] if event.text else []
    return " ".join(parts)
