"""Looking for tasks: `task` shows one in full, `find` looks for a text in all of them."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import click

from taskconsole.cli.curtain import curtain_of, reveal_option
from taskconsole.cli.output import as_json, say, write_json, write_line
from taskconsole.cli.reading import STATES, json_option, open_backend
from taskconsole.cli.target import target_of, target_options

if TYPE_CHECKING:
    from taskconsole.model.detail import Attempt, TaskDetail
    from taskconsole.model.search import Progress
    from taskconsole.model.stats import TaskRow

__all__ = ["find", "task"]

NARRATE = 2.0
"""Seconds between two lines about how far a search has come."""


@click.command(short_help="One task in full.")
@target_options
@click.argument("queue")
@click.argument("state", type=click.Choice(STATES), metavar="STATE")
@click.argument("task_id", metavar="ID")
@reveal_option
@json_option
@click.pass_context
def task(context: click.Context, /, *, queue: str, state: str, task_id: str, reveal: bool, wants_json: bool) -> int:
    """Show the task of QUEUE that is in STATE and has this ID, or whose whole payload is the text ID.

    What has happened to it, how its attempts ended, and the first 64 KB of its payload. Ends with 1 when there is none.
    STATE is pending, delayed, active, done or dead.
    """
    from taskconsole.model.search import Search
    from taskconsole.model.state import State

    shown, curtain = _Shown(), curtain_of(context, reveal=reveal)
    with open_backend(target_of(context), queue) as backend:
        backend.search(Search(text=task_id, queue=queue, states=(State(state),), exact=True), shown.narrate)
        detail = backend.task(shown.rows[0]) if shown.rows else None
    if detail is None:
        moved = "it has just moved on" if shown.rows else f"looked at {shown.looked:,} of {shown.total:,}"
        say(f"no {state} task of {queue} is called {task_id}: {moved}")
        return 1
    detail = curtain.before(detail)
    curtain.tell()
    if wants_json:
        write_json(as_json(detail))
    else:
        _print_task(detail)
    return 0


class _Shown:
    """What a search has found so far, and how far it has come."""

    def __init__(self) -> None:
        self.rows: list[TaskRow] = []
        self.looked = self.total = 0
        self._said = time.monotonic()

    def narrate(self, progress: Progress) -> bool:
        """Keep what was found; say now and then how far it is."""
        self.rows += progress.found
        self.looked, self.total = progress.looked, progress.total
        for refusal in progress.refused:
            say(f"not looked at: {refusal}")
        if not progress.done and time.monotonic() - self._said >= NARRATE:
            self._said = time.monotonic()
            say(self.so_far())
        return True

    def so_far(self) -> str:
        """`looked at 20,000 of 1,000,000 tasks, found 3`."""
        return f"looked at {self.looked:,} of {self.total:,} tasks, found {len(self.rows):,}"


def _print_task(detail: TaskDetail) -> None:
    row = detail.row
    write_line(f"{row.name} ({row.id})" if row.id else row.name)
    write_line(
        f"  {row.state} on {row.queue}, {row.place:,} before it" + (f", held by {row.worker}" * bool(row.worker))
    )
    write_line(f"  attempt {row.attempt}, taken back from dead workers {row.redelivered} times, {row.size:,} bytes")
    if detail.running is not None:
        write_line(f"  running for {_span(detail.running)}")
    for moment in detail.timeline:
        write_line(f"  {_utc(moment.at)}  {moment.what}" + (f"  {moment.text}" if moment.text else ""))
    for attempt in detail.attempts:
        _print_attempt(attempt)
    cut = "" if row.size <= len(detail.payload) else f", the first {len(detail.payload):,} of {row.size:,} bytes"
    write_line(f"payload{cut}:")
    write_line(detail.payload.decode("utf-8", "backslashreplace"))


def _print_attempt(attempt: Attempt) -> None:
    words = [f"attempt {attempt.number}" if attempt.number else "an attempt"]
    words += [f"ended {_utc(attempt.at)}"] if attempt.at is not None else []
    words += [f"after {attempt.seconds:.3g} s"] if attempt.seconds is not None else []
    words += [f"on {attempt.worker}"] if attempt.worker else []
    write_line(f"{' '.join(words)}: {attempt.error}")
    for line in attempt.traceback.splitlines():
        write_line(f"    {line}")


@click.command(short_help="Look for a text in all tasks.")
@target_options
@click.argument("text")
@click.option("-q", "--queue", metavar="QUEUE", help="Only this queue.")
@click.option("--state", type=click.Choice(STATES), help="Only this state; else all but done.")
@click.option("--exact", is_flag=True, help="TEXT is the whole id, or a whole bare payload; the first one ends it.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=500, show_default=True, help="Stop after so many.")
@reveal_option
@json_option
@click.pass_context
def find(
    context: click.Context,
    /,
    *,
    text: str,
    queue: str | None,
    state: str | None,
    exact: bool,
    limit: int,
    reveal: bool,
    wants_json: bool,
) -> int:
    """Look for TEXT in the payloads of tasks, whatever the case of ASCII letters; it is no pattern.

    At most 10,000 tasks a second are looked at, inside Redis, so that nobody else waits for it. Tasks are shown as they
    are found, with --json one object a line; Ctrl-C ends it. Ends with 1 when nothing was found.
    """
    from taskconsole.model.search import Search
    from taskconsole.model.state import State

    search = Search(text=text, queue=queue, states=(State(state),) if state else (), exact=exact, most=limit)
    shown, curtain = _Shown(), curtain_of(context, reveal=reveal)

    def report(progress: Progress) -> bool:
        going_on = shown.narrate(progress)
        for row in curtain.before_all(progress.found):
            if wants_json:
                write_json(as_json(row))
            else:
                write_line(_found_line(row))
        sys.stdout.flush()
        return going_on

    with open_backend(target_of(context), *([queue] if queue else [])) as backend:
        try:
            backend.search(search, report)
        except KeyboardInterrupt:
            say(f"stopped: {shown.so_far()}")
            return 130
    curtain.tell()
    say(shown.so_far())
    return 0 if shown.rows else 1


def _found_line(row: TaskRow) -> str:
    """`mail pending 12 send_mail 5f…-1 "ada", 7 ValueError: …`; not yet printable."""
    parts = [row.queue, str(row.state), str(row.place), row.name, row.id or "-", row.args, row.error]
    return "  ".join(part for part in parts if part)


def _utc(at: float) -> str:
    from taskconsole.backends.rows import moment_text

    return moment_text(at)


def _span(seconds: float) -> str:
    from taskconsole.model.verdict import span

    return span(seconds)
