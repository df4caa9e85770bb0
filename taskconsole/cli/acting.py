"""The commands that act on tasks and workers, in the words of the console: retry, move, purge, undo and others."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import click

from taskconsole.cli.operator import operator_name
from taskconsole.cli.output import as_json, say, write_json, write_line, write_table
from taskconsole.cli.reading import json_option, open_backend
from taskconsole.cli.target import target_of, target_options

if TYPE_CHECKING:
    from collections.abc import Callable

    from taskconsole.backends.base import Applied, Foreseen
    from taskconsole.backends.commands import Command, TaskCommand, Which
    from taskconsole.backends.native import NativeBackend
    from taskconsole.model.stats import TaskRow

__all__ = [
    "abort",
    "act_on_tasks",
    "move",
    "purge",
    "quiet",
    "retry",
    "run_now",
    "stop_worker",
    "undo",
    "undo_token",
    "which_options",
]

F = TypeVar("F", bound="Callable[..., Any]")

ANY = 2**62
"""More tasks than there are anywhere: to ask how many there would be."""

STATES = ("pending", "delayed", "dead")

yes_option = click.option("--yes", is_flag=True, help="Do not ask. Needed where nobody can be asked.")
dry_run_option = click.option("--dry-run", is_flag=True, help="Say what it would do, and do nothing.")


def which_options(state: str) -> Callable[[F], F]:
    """Which tasks: ids, or all of a state, or those of them that match."""

    def declare(function: F) -> F:
        for option in (
            json_option,
            dry_run_option,
            yes_option,
            click.option("--deep", is_flag=True, help="Look for pending tasks through the whole queue."),
            click.option("--all", "everything", is_flag=True, help="All tasks of that state."),
            click.option("--group", default="", metavar="KEY", help="A group of `failures --json` by its key."),
            click.option("--match", "text", default="", metavar="TEXT", help="All whose payload contains this."),
            click.option("--state", type=click.Choice(STATES), default=state, show_default=True),
            click.option("-q", "--queue", help="The default queue when left out."),
            click.argument("tasks", nargs=-1),
            target_options,
        ):
            function = option(function)
        return function

    return declare


@click.command(short_help="Put dead or delayed tasks back into their queue.")
@which_options("dead")
@click.pass_context
def retry(context: click.Context, /, **which: Any) -> int:
    """Put TASKS, ids of dead ones, back into their queue, behind those that wait there.

    Ends with 1 when there was nothing to do it to.
    """
    from taskconsole.backends.commands import RetryTasks

    return act_on_tasks(context, lambda found, _: RetryTasks(which=found, by=operator_name()), **which)


@click.command("run-now", short_help="Make tasks the next to run.")
@which_options("delayed")
@click.pass_context
def run_now(context: click.Context, /, **which: Any) -> int:
    """Make TASKS, ids of delayed ones, the next to run.

    Ends with 1 when there was nothing to do it to.
    """
    from taskconsole.backends.commands import RunTasks

    return act_on_tasks(context, lambda found, deep: RunTasks(which=found, by=operator_name(), deep=deep), **which)


@click.command(short_help="Put tasks into another queue.")
@which_options("pending")
@click.option("--to", required=True, metavar="QUEUE", help="The other queue.")
@click.pass_context
def move(context: click.Context, /, *, to: str, **which: Any) -> int:
    """Put TASKS, ids of pending ones, into another queue, in the same state.

    Ends with 1 when there was nothing to do it to.
    """
    from taskconsole.backends.commands import MoveTasks

    return act_on_tasks(
        context, lambda found, deep: MoveTasks(which=found, to=to, by=operator_name(), deep=deep), **which
    )


def act_on_tasks(
    context: click.Context,
    make: Callable[[Which, bool], TaskCommand],
    *,
    tasks: tuple[str, ...],
    queue: str | None,
    state: str,
    text: str,
    group: str,
    everything: bool,
    deep: bool,
    yes: bool,
    dry_run: bool,
    wants_json: bool,
) -> int:
    """Find the tasks, say what would be done or ask, do it, and say how to take it back."""
    from taskconsole.backends.commands import Matching
    from taskconsole.errors import ConfigError
    from taskconsole.model.state import State
    from taskconsole.store.keys import DEFAULT_QUEUE

    name = DEFAULT_QUEUE if queue is None else queue
    if [bool(tasks), bool(text or group), everything].count(True) != 1:
        raise ConfigError("name tasks by their ids, or give one of --match, --group and --all")
    with open_backend(target_of(context), writes=not dry_run) as backend:
        if tasks:
            rows = tuple(row for task in tasks for row in _found(backend, task, name, State(state)))
            if not rows:
                say(f"no {state} task of {name} is called {', '.join(tasks)[:200]}")
                if wants_json:
                    write_json({"done": 0, "changed": False})
                return 1
            command = make(rows, deep)
        else:
            matching = Matching(queue=name, state=State(state), text=text, group=group, agreed=ANY)
            command = make(matching, deep)
        foreseen = backend.foresee(command)
        if isinstance(command.which, Matching):
            command = replace(command, which=replace(command.which, agreed=foreseen.count))
        if dry_run:
            return _only_say(foreseen, wants_json=wants_json)
        if not tasks:
            _confirm(foreseen, yes=yes)
        return _told(backend.apply(command, _progress()), wants_json=wants_json)


def _found(backend: NativeBackend, task: str, queue: str, state: Any) -> list[TaskRow]:
    """The task with that id, or with exactly that payload."""
    from taskconsole.model.search import Search

    rows: list[TaskRow] = []

    def report(progress: Any) -> bool:
        rows.extend(progress.found)
        return not rows

    backend.search(Search(text=task, queue=queue, states=(state,), exact=True, most=1), report)
    return rows[:1]


@click.command(short_help="Take all tasks of one state away.")
@target_options
@click.argument("queue")
@click.option("--state", type=click.Choice(STATES), default="pending", show_default=True)
@yes_option
@dry_run_option
@json_option
@click.pass_context
def purge(context: click.Context, /, *, queue: str, state: str, yes: bool, dry_run: bool, wants_json: bool) -> int:
    """Take all tasks of QUEUE in one state away, in one step however many; `undo` brings them back for ten minutes."""
    from taskconsole.backends.commands import Purge
    from taskconsole.model.state import State

    with open_backend(target_of(context), writes=not dry_run) as backend:
        command = Purge(queue=queue, state=State(state), agreed=None, by=operator_name())
        foreseen = backend.foresee(command)
        if dry_run:
            return _only_say(foreseen, wants_json=wants_json)
        _confirm(foreseen, yes=yes)
        return _told(backend.apply(replace(command, agreed=foreseen.count)), wants_json=wants_json)


@click.command(short_help="Take an action back, or list those that can be.")
@target_options
@click.argument("token", required=False)
@dry_run_option
@json_option
@click.pass_context
def undo(context: click.Context, /, *, token: str | None, dry_run: bool, wants_json: bool) -> int:
    """Take back the action with this TOKEN as far as its tasks have not moved on; without one, list the actions.

    Ends with 1 when nothing was taken back.
    """
    from taskconsole.backends.commands import Undo

    with open_backend(target_of(context), writes=token is not None and not dry_run) as backend:
        if token is None:
            found = backend.undoables()
            if wants_json:
                write_json([{**as_json(action), "token": action.token} for action in found])
            elif found:
                now = backend.now()
                rows = [(a.token, a.what, f"{max(0, a.until - now):.0f} s") for a in found]
                write_table(("TOKEN", "WHAT", "FOR"), rows, right=(2,))
            else:
                say("there is nothing to undo")
            return 0
        done = backend.undoable(token)
        if done is None:
            say(f"nothing can be undone with {token[:80]!r}: it is too late, or there was no such action")
            if wants_json:
                write_json({"done": 0, "changed": False})
            return 1
        command = Undo(done=done, by=operator_name())
        if dry_run:
            return _only_say(backend.foresee(command), wants_json=wants_json)
        return _told(backend.apply(command, _progress()), wants_json=wants_json)


@click.command(short_help="Have a worker claim no more.")
@target_options
@click.argument("worker")
@dry_run_option
@json_option
@click.pass_context
def quiet(context: click.Context, /, *, worker: str, dry_run: bool, wants_json: bool) -> int:
    """Have WORKER claim no more tasks and finish what it has. Ends with 1 when there is no such worker."""
    from taskconsole.backends.commands import SignalWorker

    command = SignalWorker(worker=worker, wanted="quiet", by=operator_name())
    return _simply(context, command, yes=True, dry_run=dry_run, wants_json=wants_json)


@click.command("stop-worker", short_help="Have a worker end.")
@target_options
@click.argument("worker")
@yes_option
@dry_run_option
@json_option
@click.pass_context
def stop_worker(context: click.Context, /, *, worker: str, yes: bool, dry_run: bool, wants_json: bool) -> int:
    """Have WORKER finish what it runs, give back the rest and end. Ends with 1 when there is no such worker."""
    from taskconsole.backends.commands import SignalWorker

    command = SignalWorker(worker=worker, wanted="stop", by=operator_name())
    return _simply(context, command, yes=yes, dry_run=dry_run, wants_json=wants_json)


@click.command(short_help="End a running task.")
@target_options
@click.argument("task")
@click.option("-q", "--queue", help="The default queue when left out.")
@yes_option
@dry_run_option
@json_option
@click.pass_context
def abort(
    context: click.Context, /, *, task: str, queue: str | None, yes: bool, dry_run: bool, wants_json: bool
) -> int:
    """Have the worker that runs TASK, an id, end it; it is buried. Ends with 1 when nobody has it in hand."""
    from taskconsole.backends.commands import AbortTask
    from taskconsole.model.state import State
    from taskconsole.store.keys import DEFAULT_QUEUE

    name = DEFAULT_QUEUE if queue is None else queue
    with open_backend(target_of(context), writes=not dry_run) as backend:
        rows = _found(backend, task, name, State.ACTIVE)
    if not rows:
        say(f"no worker of {name} has {task[:80]!r} in hand")
        return 1
    command = AbortTask(row=rows[0], by=operator_name())
    return _simply(context, command, yes=yes, dry_run=dry_run, wants_json=wants_json)


def _simply(context: click.Context, command: Command, *, yes: bool, dry_run: bool, wants_json: bool) -> int:
    with open_backend(target_of(context), writes=not dry_run) as backend:
        foreseen = backend.foresee(command)
        if dry_run:
            return _only_say(foreseen, wants_json=wants_json)
        _confirm(foreseen, yes=yes)
        return _told(backend.apply(command), wants_json=wants_json)


def _only_say(foreseen: Foreseen, *, wants_json: bool) -> int:
    if wants_json:
        write_json(as_json(foreseen))
    else:
        for text in (f"would {foreseen.text}", foreseen.cost, foreseen.warning):
            if text:
                write_line(text)
        if not foreseen.undoable:
            write_line("it cannot be undone")
    return 0


def _confirm(foreseen: Foreseen, *, yes: bool) -> None:
    """Ask, with no as the answer of whoever just presses Enter.

    Raises:
        ConfigError: There is nobody to ask, and no --yes.
        Abort: The answer is no.
    """
    from taskconsole.errors import ConfigError

    if yes:
        return
    if not sys.stdin.isatty():
        raise ConfigError(f"this would {foreseen.text}: give --yes to have it done without a question")
    for text in (foreseen.cost, foreseen.warning):
        if text:
            say(text)
    click.confirm(f"{foreseen.text}?", default=False, abort=True, err=True)


def _progress() -> Callable[[int], bool] | None:
    """How far it has come, on one line of a terminal."""
    if not sys.stderr.isatty():
        return None

    def report(done: int) -> bool:
        sys.stderr.write(f"\r{done:,} … ")
        sys.stderr.flush()
        return True

    return report


def _told(applied: Applied, *, wants_json: bool) -> int:
    if wants_json:
        said = {name: getattr(applied, name) for name in ("changed", "done", "missed", "now")}
        write_json({**said, "undo": undo_token(applied), "until": None if applied.undo is None else applied.undo.until})
    say(applied.text)
    say_undo(applied)
    return 0 if applied.changed else 1


def undo_token(applied: Applied) -> str | None:
    """What `taskconsole undo` takes; None when nothing can be taken back."""
    return None if applied.undo is None else applied.undo.token


def say_undo(applied: Applied) -> None:
    """How to take it back."""
    if applied.undo is not None:
        line = target_of(click.get_current_context()).typed(f"taskconsole undo {applied.undo.token}")
        say(f"{line} takes it back, for ten minutes")
