"""The commands that change something: enqueue, reschedule, delete, pause, resume."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import click

from taskconsole.cli.acting import act_on_tasks, say_undo, undo_token, which_options
from taskconsole.cli.curtain import refuse_masked
from taskconsole.cli.operator import operator_name
from taskconsole.cli.output import say, write_json, write_line
from taskconsole.cli.parameters import SECONDS
from taskconsole.cli.reading import json_option, open_backend
from taskconsole.cli.target import target_of, target_options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from taskconsole.cli.target import Target
    from taskconsole.client import Client, Parcel

__all__ = ["delete", "enqueue", "json_object", "json_value", "pause", "reschedule", "resume"]

F = TypeVar("F", bound="Callable[..., Any]")

RETRY_FOR = 1.0
"""Seconds to go on trying: somebody waits at a terminal."""


@click.command(short_help="Enqueue a task, one or many times.")
@target_options
@click.argument("task")
@click.argument("args", nargs=-1)
@click.option("--kwargs", "kwargs_json", metavar="JSON", help="Keyword arguments, a JSON object.")
@click.option("-q", "--queue", help="The default queue when left out.")
@click.option("--delay", type=SECONDS, help="Seconds from now.")
@click.option("--at", "at_text", metavar="ISO", help="A moment, e.g. 2030-01-31T12:00:00Z; local time without a zone.")
@click.option("--bare", is_flag=True, help="Push TASK as it is, as redis-cli would.")
@click.option("--count", type=click.IntRange(1, 10_000_000), default=1, show_default=True, help="How many times.")
@json_option
@click.pass_context
def enqueue(
    context: click.Context,
    /,
    *,
    task: str,
    args: tuple[str, ...],
    kwargs_json: str | None,
    queue: str | None,
    delay: float | None,
    at_text: str | None,
    bare: bool,
    count: int,
    wants_json: bool,
) -> int:
    """Enqueue TASK with ARGS, each a JSON value: taskconsole enqueue send_mail '"ada@example.com"' 3.

    Put -- before arguments that begin with a dash.
    """
    from taskconsole.client import Client
    from taskconsole.errors import ConfigError
    from taskconsole.store.keys import DEFAULT_QUEUE, check_queue_name

    name = check_queue_name(DEFAULT_QUEUE if queue is None else queue)
    if bare and (args or kwargs_json is not None):
        raise ConfigError("--bare pushes the task's name alone: it takes no arguments")
    due = _due(delay, at_text)
    if bare and due is not None and count > 1:
        raise ConfigError("--bare --count with a delay: equal members of a sorted set are one task")
    positional = tuple(json_value(text, f"argument {i}") for i, text in enumerate(args, 1))
    keyword = json_object(kwargs_json)
    refuse_masked(context, list(positional), keyword, *([_json_of(task)] if bare else []))
    client = Client(replace(target_of(context).settings(writes=True), retry_for=RETRY_FOR))
    try:
        parcels = _Parcels(client, name, due)
        sent = client.send(parcels.bare(task, count) if bare else parcels.full(task, positional, keyword, count))
    finally:
        client.close()
    if wants_json:
        write_json({"queue": name, "task": task, "enqueued": sent, "first_id": parcels.first_id, "due": due})
    else:
        named = f" {parcels.first_id}" if parcels.first_id and sent == 1 else ""
        write_line(f"enqueued {sent:,} {task}{named} on {name}" + (f", due {_due_in_words(due)}" if due else ""))
    return 0


def _json_of(text: str) -> Any:
    """What a bare payload carries; None when it is no JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


class _Parcels:
    """What to send, made one by one so that a million of them take no memory."""

    def __init__(self, client: Client, queue: str, due: str | None) -> None:
        self._client, self._queue, self._due = client, queue, due
        self.first_id: str | None = None

    def bare(self, text: str, count: int) -> Iterator[Parcel]:
        """The text itself, as often as wanted; bytes that are no UTF-8 go through as they were typed."""
        from taskconsole.client import Parcel
        from taskconsole.errors import PayloadError
        from taskconsole.model.printable import printable
        from taskconsole.model.task import check_size

        payload = check_size(os.fsencode(text), text, self._client.settings.max_payload)
        if not payload:
            raise PayloadError("the task has no name")
        for _ in range(count):
            yield Parcel(self._queue, self._due, next_to_run=False, payload=payload, task=printable(text, 100))

    def full(self, task: str, args: tuple[Any, ...], kwargs: dict[str, Any], count: int) -> Iterator[Parcel]:
        """An envelope with an id of its own, as often as wanted.

        Raises:
            PayloadError: The arguments cannot be carried, or are too large.
        """
        from taskconsole.client import Parcel
        from taskconsole.errors import PayloadError
        from taskconsole.model.task import Envelope, check_arguments, check_size, encode

        if not task.strip():
            raise PayloadError("the task has no name")
        client = self._client
        try:
            check_arguments(task, args, kwargs)
            for _ in range(count):
                task_id = client.new_id()
                payload = encode(Envelope(task, task_id, list(args), kwargs, None, client.now()))
                check_size(payload, task, client.settings.max_payload)
                self.first_id = self.first_id or task_id
                yield Parcel(self._queue, self._due, next_to_run=False, payload=payload, id=task_id, task=task)
        except (TypeError, OverflowError, RecursionError) as error:
            raise PayloadError(f"{error}") from None


def _due(delay: float | None, at_text: str | None) -> str | None:
    from taskconsole.errors import ConfigError

    if delay is not None and at_text is not None:
        raise ConfigError("give --delay or --at, not both")
    if delay is not None:
        return f"+{delay:.6f}" if delay else None
    if at_text is None:
        return None
    try:
        moment = dt.datetime.fromisoformat(at_text)
        return f"{moment.astimezone().timestamp():.6f}"
    except (ValueError, OverflowError, OSError):
        raise ConfigError(f"--at {at_text[:60]!r}: expected a moment like 2030-01-31T12:00:00Z") from None


def _due_in_words(due: str) -> str:
    if due.startswith("+"):
        return f"in {float(due):g} s"
    return dt.datetime.fromtimestamp(float(due), dt.UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def json_value(text: str, what: str) -> Any:
    """The JSON value in `text`.

    Raises:
        PayloadError: There is none.
    """
    from taskconsole.errors import PayloadError

    try:
        return json.loads(text, parse_constant=_no_constant)
    except RecursionError:
        raise PayloadError(f"{what} is nested too deeply") from None
    except ValueError as error:
        why = str(error) or "not JSON"
        raise PayloadError(f"""{what} is not JSON: {text[:60]!r} ({why}); text is quoted: '"text"'""") from None


def _no_constant(name: str) -> object:
    raise ValueError(f"JSON has no {name}")


def json_object(text: str | None) -> dict[str, Any]:
    """The keyword arguments in `text`; none when there is no text.

    Raises:
        PayloadError: It is no JSON object.
    """
    from taskconsole.errors import PayloadError

    value = {} if text is None else json_value(text, "--kwargs")
    if not isinstance(value, dict):
        raise PayloadError("--kwargs is not a JSON object")
    return value


payload_option = click.option("--payload", "is_payload", is_flag=True, help="TASKS is the exact text of a payload.")


@click.command(short_help="Give delayed tasks another time.")
@which_options("delayed")
@payload_option
@click.option("--delay", type=SECONDS, help="Seconds from now.")
@click.option("--at", "at_text", metavar="ISO", help="A moment, e.g. 2030-01-31T12:00:00Z; local time without a zone.")
@click.option("--now", is_flag=True, help="At once.")
@click.pass_context
def reschedule(
    context: click.Context,
    /,
    *,
    is_payload: bool,
    delay: float | None,
    at_text: str | None,
    now: bool,
    **which: Any,
) -> int:
    """Have TASKS, ids of delayed ones, run at another time.

    Ends with 1 when there was nothing to do it to.
    """
    from taskconsole.backends.commands import Reschedule, RescheduleTasks
    from taskconsole.errors import ConfigError

    if [delay is not None, at_text is not None, now].count(True) != 1:
        raise ConfigError("give one of --delay, --at and --now")
    due, by = _due(delay, at_text) or "+0", operator_name()
    task = _single(is_payload=is_payload, **which)
    if task is None:
        return act_on_tasks(context, lambda found, _: RescheduleTasks(which=found, due=due, by=by), **which)
    command = Reschedule(queue=_queue(which["queue"]), task=_which(task, is_payload=is_payload), due=due, by=by)
    return _on_task(context, command, task, wants_json=which["wants_json"])


@click.command(short_help="Delete tasks.")
@which_options("delayed")
@payload_option
@click.pass_context
def delete(context: click.Context, /, *, is_payload: bool, **which: Any) -> int:
    """Delete TASKS, ids of delayed ones unless --state says otherwise.

    Ends with 1 when there was nothing to do it to.
    """
    from taskconsole.backends.commands import Delete, DeleteTasks

    task, by = _single(is_payload=is_payload, **which), operator_name()
    if task is None:
        return act_on_tasks(context, lambda found, deep: DeleteTasks(which=found, by=by, deep=deep), **which)
    command = Delete(queue=_queue(which["queue"]), task=_which(task, is_payload=is_payload), by=by)
    return _on_task(context, command, task, wants_json=which["wants_json"])


def _single(
    *,
    tasks: tuple[str, ...],
    state: str,
    text: str,
    group: str,
    everything: bool,
    dry_run: bool,
    is_payload: bool,
    **_: Any,
) -> str | None:
    """The one delayed task that is named; None when more is wanted.

    Raises:
        ConfigError: A payload is to be that of several tasks.
    """
    from taskconsole.errors import ConfigError

    alone = len(tasks) == 1 and state == "delayed" and not (text or group or everything or dry_run)
    if is_payload and not alone:
        raise ConfigError("--payload names one delayed task")
    return tasks[0] if alone else None


def _queue(name: str | None) -> str:
    from taskconsole.store.keys import DEFAULT_QUEUE

    return DEFAULT_QUEUE if name is None else name


def _which(task: str, *, is_payload: bool) -> str | bytes:
    """The id, or the payload with bytes that are no UTF-8 as they were typed."""
    from taskconsole.errors import PayloadError

    try:
        return os.fsencode(task) if is_payload else task
    except UnicodeEncodeError:
        raise PayloadError("the payload holds a lone surrogate, which is not text") from None


def _on_task(context: click.Context, command: Any, task: str, *, wants_json: bool) -> int:
    with open_backend(target_of(context), writes=True) as backend:
        applied = backend.apply(command)
    if wants_json:
        said = {"queue": command.queue, "task": task, "changed": applied.changed}
        write_json({**said, "undo": undo_token(applied)})
    elsewhere = "" if applied.changed or context.params.get("queue") else "; another queue is named with -q"
    say(f"{applied.text}{elsewhere}")
    say_undo(applied)
    return 0 if applied.changed else 1


@click.command(short_help="Stop workers from claiming a queue's tasks.")
@target_options
@click.argument("queue")
@click.option("--reason", default="", help="What others will read.")
@json_option
@click.pass_context
def pause(context: click.Context, /, *, queue: str, reason: str, wants_json: bool) -> int:
    """Have workers claim no more tasks of QUEUE; what they have goes on."""
    from taskconsole.backends.commands import PauseQueue

    code = _apply(context, PauseQueue(queue=queue, by=operator_name(), reason=reason), wants_json=wants_json)
    from taskconsole.errors import TaskconsoleError

    # The pause is done, whatever comes of this look.
    with contextlib.suppress(TaskconsoleError):
        _say_if_unused(target_of(context), queue)
    return code


def _say_if_unused(target: Target, queue: str) -> None:
    """A slip in a name pauses a queue that nobody uses, and the one that was meant goes on."""
    with open_backend(target, queue) as backend:
        queues = backend.overview().queues
    found = next((stats for stats in queues if stats.name == queue), None)
    if found is None or found.trouble or found.pending or found.active or found.delayed or found.dead:
        return
    if not found.workers and not found.done_total:
        line = target.typed("taskconsole queues")
        say(f"{queue} has no task, no worker and no past: `{line}` tells the queues there are")


@click.command(short_help="Let workers claim a queue's tasks again.")
@target_options
@click.argument("queue")
@json_option
@click.pass_context
def resume(context: click.Context, /, *, queue: str, wants_json: bool) -> int:
    """Let workers claim the tasks of QUEUE again."""
    from taskconsole.backends.commands import ResumeQueue

    return _apply(context, ResumeQueue(queue=queue, by=operator_name()), wants_json=wants_json)


def _apply(context: click.Context, command: Any, *, wants_json: bool) -> int:
    with open_backend(target_of(context), writes=True) as backend:
        applied = backend.apply(command)
    if wants_json:
        write_json({"queue": command.queue, "changed": applied.changed, "undo": undo_token(applied)})
    say(applied.text)
    say_undo(applied)
    return 0
