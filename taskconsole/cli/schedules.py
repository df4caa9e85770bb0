"""`schedules`: what is to run when, and the changes that an operator makes to it."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import click

from taskconsole.cli.acting import say_undo, undo_token
from taskconsole.cli.curtain import curtain_of, refuse_masked, reveal_option
from taskconsole.cli.operating import json_object, json_value
from taskconsole.cli.operator import operator_name
from taskconsole.cli.output import say, write_json, write_line
from taskconsole.cli.reading import json_option, open_backend
from taskconsole.cli.target import is_terminal, target_of, target_options
from taskconsole.model.phrase import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from taskconsole.backends.base import Applied
    from taskconsole.backends.commands import ScheduleCommand
    from taskconsole.backends.native import NativeBackend
    from taskconsole.model.definition import Definition
    from taskconsole.model.schedule import Schedule
    from taskconsole.model.schedule_info import ScheduleInfo

__all__ = ["schedules"]

F = TypeVar("F", bound="Callable[..., Any]")

CATCH_UPS = ("none", "one", "all")
OVERLAPS = ("allow", "skip", "buffer_one")

EXIT_CODES = """\b
Ends with 0 also when it was so already (JSON: "changed": false), with 1 when
remove was answered with no, with 2 when there is no schedule of that name,
when several queues have one, or when what is asked for cannot be.

Moments are ISO 8601; one without an offset is in --tz.
"""

queue_option = click.option("-q", "--queue", help="Needed when several queues have a schedule of that name.")


def _choices(function: F) -> F:
    """Add what `add` and `edit` share: when, how often, and what becomes of instants that cannot be."""
    for declare in (
        click.option("--overlap", type=click.Choice(OVERLAPS), help="When the task before is not finished."),
        click.option("--window", metavar="SPAN", help="Later than this, a fire is missed: 1d."),
        click.option("--catch-up", type=click.Choice(CATCH_UPS), help="Of what passed with nobody there."),
        click.option("--jitter", metavar="SPAN", help="Put each fire off by up to so long: 30s."),
        click.option("--max-runs", type=int, metavar="N", help="Over after so many tasks."),
        click.option("--end", metavar="ISO", help="No fire after this moment."),
        click.option("--start", metavar="ISO", help="No fire before this moment."),
        click.option("--kwargs", "kwargs_json", metavar="JSON", help="Keyword arguments, a JSON object."),
        click.option("--at", "at_text", metavar="ISO", help="Once, at this moment."),
        click.option("--anchor", metavar="ISO", help="With --every: one of its moments; else the epoch."),
        click.option("--every", metavar="SPAN", help="At an interval: 90s, 5m, 1h30m, 2d."),
        click.option("--tz", metavar="ZONE", help="The zone of --cron and of moments without an offset; else UTC."),
        click.option("--cron", metavar="EXPR", help="'15 3 * * *'; six fields begin with the seconds."),
    ):
        function = declare(function)
    return function


@click.group(
    invoke_without_command=True,
    short_help="What is to run when; add, change, pause, trigger.",
    epilog=EXIT_CODES,
)
@target_options
@click.option("-q", "--queue", help="Of this queue only.")
@reveal_option
@json_option
@click.pass_context
def schedules(context: click.Context, /, *, queue: str | None, reveal: bool, wants_json: bool) -> int:
    """Show every schedule, or do something to one. Without a command: list."""
    if context.invoked_subcommand is not None:
        if queue is not None or wants_json or reveal:
            raise click.UsageError("put -q, --reveal and --json behind the command's name")
        return 0
    return _list(context, queue, reveal=reveal, wants_json=wants_json)


@schedules.command("list", short_help="Every schedule, the next to fire first.")
@target_options
@click.option("-q", "--queue", help="Of this queue only.")
@reveal_option
@json_option
@click.pass_context
def list_(context: click.Context, /, *, queue: str | None, reveal: bool, wants_json: bool) -> int:
    """Show every schedule, one line each, the next to fire first."""
    return _list(context, queue, reveal=reveal, wants_json=wants_json)


def _list(context: click.Context, queue: str | None, *, reveal: bool, wants_json: bool) -> int:
    from taskconsole.cli.schedule_text import as_fields, print_list, state_word

    curtain = curtain_of(context, reveal=reveal)
    with open_backend(target_of(context)) as backend:
        now = _now(backend)
        infos = backend.schedules(queue)
        if wants_json:
            infos = curtain.before_all(infos)
            curtain.tell()
            write_json([as_fields(info, now) for info in infos])
            return 0
        unread, infos = [info for info in infos if not info.name], [info for info in infos if info.name]
        left_out = print_list(infos, now, _width())
        for info in unread:
            say(f"the schedules of {info.queue} cannot be read: {info.trouble}")
        _warn_unwatched(backend, {info.queue for info in infos if state_word(info, now) in {"LATE", "NEW"}})
    if not infos and not unread:
        say("no schedules" if queue is None else f"no schedules on {queue}")
    elif left_out:
        say(f"no room for {', '.join(left_out)}: `schedules show` and --json have everything")
    return 0


@schedules.command(short_help="Everything about one.")
@target_options
@click.argument("name")
@queue_option
@reveal_option
@json_option
@click.pass_context
def show(context: click.Context, /, *, name: str, queue: str | None, reveal: bool, wants_json: bool) -> int:
    """Show everything about the schedule NAME: its definition, its next fires, how its last tasks ended."""
    from taskconsole.cli.schedule_text import as_fields, print_one

    curtain = curtain_of(context, reveal=reveal)
    with open_backend(target_of(context)) as backend:
        info = curtain.before(backend.desk.get(name, queue))
        now = _now(backend)
        watched = backend.desk.watched(info.queue)
    curtain.tell()
    if wants_json:
        write_json({**as_fields(info, now), **_ahead(info, now, 5), "watched": watched})
    else:
        print_one(info, now)
    if not watched:
        _say_unwatched(info.queue)
    return 0


@schedules.command(short_help="Bring one into being.")
@target_options
@click.argument("name")
@click.argument("args", nargs=-1)
@click.option("--task", required=True, metavar="TASK", help="The name of the task it makes.")
@_choices
@click.option("-q", "--queue", help="Where its tasks go; the default queue when left out.")
@click.option("--paused", is_flag=True, help="It makes no tasks before it is resumed.")
@click.option("--replace", "replaces", is_flag=True, help="Put it in the place of one of that name.")
@json_option
@click.pass_context
def add(
    context: click.Context,
    /,
    *,
    name: str,
    queue: str | None,
    paused: bool,
    replaces: bool,
    wants_json: bool,
    **given: Any,
) -> int:
    """Bring the schedule NAME into being; ARGS, each a JSON value, are the arguments of its task.

    taskconsole schedules add bill --task nightly_bill --cron '15 3 * * *' --tz Europe/Berlin '"ada@example.com"' 3
    """
    from taskconsole.backends.commands import AddSchedule
    from taskconsole.model.definition import check_schedule_name
    from taskconsole.model.stats import Pause
    from taskconsole.store.keys import DEFAULT_QUEUE, check_queue_name

    check_schedule_name(name)
    where = check_queue_name(DEFAULT_QUEUE if queue is None else queue)
    definition = _definition(**given)
    refuse_masked(context, list(definition.args), definition.kwargs)
    by = operator_name()
    with open_backend(target_of(context), writes=True) as backend:
        if paused:
            definition = replace(definition, paused=Pause(by=by, at=round(_now(backend), 3), reason=""))
        command = AddSchedule(name=name, queue=where, definition=definition, by=by, replace=replaces)
        _apply_and_show(backend, command, where, wants_json=wants_json)
    return 0


def _definition(
    *,
    args: tuple[str, ...],
    kwargs_json: str | None,
    task: str,
    cron: str | None,
    every: str | None,
    at_text: str | None,
    anchor: str | None,
    tz: str | None,
    **options: Any,
) -> Definition:
    """The definition that `add` is given.

    Raises:
        ScheduleError: It cannot be.
        PayloadError: The arguments are not JSON.
    """
    from taskconsole.model.definition import Owner, moment_of
    from taskconsole.schedules import ScheduleOptions, build_definition

    zone = _zone(tz)
    schedule = _schedule(cron, every, at_text, anchor, zone)
    known = ScheduleOptions(**{name: value for name, value in options.items() if value is not None})  # type: ignore[typeddict-item]  # click has seen to the names
    if options["start"] is not None:
        known["start"] = moment_of(options["start"], "--start", zone)
    if options["end"] is not None:
        known["end"] = moment_of(options["end"], "--end", zone)
    known["args"] = [json_value(text, f"argument {i}") for i, text in enumerate(args, 1)]
    known["kwargs"] = json_object(kwargs_json)
    return build_definition(schedule, task, known, owner=Owner.OPERATOR)


def _schedule(cron: str | None, every: str | None, at_text: str | None, anchor: str | None, tz: str) -> Schedule:
    """When.

    Raises:
        ConfigError: None is given, or several.
        ScheduleError: What is given cannot be read.
    """
    from taskconsole.model.definition import moment_of
    from taskconsole.model.schedule import At, Cron, Every

    _check_when(cron, every, at_text, anchor)
    if cron is not None:
        return Cron(cron, tz)
    if every is not None:
        return Every(every, None if anchor is None else moment_of(anchor, "--anchor", tz))
    return At(moment_of(at_text, "--at", tz))


def _check_when(cron: str | None, every: str | None, at_text: str | None, anchor: str | None) -> None:
    from taskconsole.errors import ConfigError

    if [cron, every, at_text].count(None) != 2:
        raise ConfigError("give one of --cron, --every and --at")
    if anchor is not None and every is None:
        raise ConfigError("--anchor goes with --every")


def _zone(tz: str | None) -> str:
    """The name of a zone that there is; UTC by default.

    Raises:
        ScheduleError: There is no such zone.
    """
    from taskconsole.model.schedule import Cron

    return "UTC" if tz is None else Cron("@daily", tz).tz


@schedules.command(short_help="Change some of it.")
@target_options
@click.argument("name")
@click.option("--task", metavar="TASK", help="The name of the task it makes.")
@click.option("--args", "args_json", metavar="JSON", help="The arguments of its task, a JSON array.")
@_choices
@click.option("--no-start", is_flag=True, help="From any time on.")
@click.option("--no-end", is_flag=True, help="For ever.")
@click.option("--no-max-runs", is_flag=True, help="However often.")
@queue_option
@json_option
@click.pass_context
def edit(
    context: click.Context, /, *, name: str, queue: str | None, tz: str | None, wants_json: bool, **given: Any
) -> int:
    """Change what is given of the schedule NAME; all else stays.

    A moment without an offset is in --tz, else in the schedule's own zone.
    """
    from taskconsole.backends.commands import EditSchedule
    from taskconsole.errors import ConfigError

    changes = _changes(given)
    if tz is not None:
        changes["tz"] = _zone(tz)
    if not changes:
        raise ConfigError("nothing to change: give an option, see --help")
    refuse_masked(context, changes.get("args"), changes.get("kwargs"))
    with open_backend(target_of(context), writes=True) as backend:
        info = backend.desk.get(name, queue)
        _check_applicable(info, changes)
        command = EditSchedule(name=name, queue=info.queue, changes=changes, by=operator_name())
        _apply_and_show(backend, command, info.queue, wants_json=wants_json)
    return 0


_NO = {"no_start": "start", "no_end": "end", "no_max_runs": "max_runs"}
"""The flags that take a field out."""


def _changes(given: dict[str, Any]) -> dict[str, object]:
    """The options by the names of the fields in the JSON.

    Raises:
        ConfigError: They contradict each other.
        PayloadError: The arguments are not JSON.
    """
    from taskconsole.errors import ConfigError, PayloadError

    removed = [field for flag, field in _NO.items() if given.pop(flag)]
    args_json, kwargs_json = given.pop("args_json"), given.pop("kwargs_json")
    given["at"] = given.pop("at_text")
    for field in removed:
        if given[field] is not None:
            option = field.replace("_", "-")
            raise ConfigError(f"give --{option} or --no-{option}, not both")
    if any(given[name] is not None for name in ("cron", "every", "at")):
        _check_when(given["cron"], given["every"], given["at"], given["anchor"])
    changes: dict[str, object] = {name: value for name, value in given.items() if value is not None}
    changes |= dict.fromkeys(removed)
    if args_json is not None:
        changes["args"] = json_value(args_json, "--args")
        if not isinstance(changes["args"], list):
            raise PayloadError("--args is not a JSON array")
    if kwargs_json is not None:
        changes["kwargs"] = json_object(kwargs_json)
    return changes


def _check_applicable(info: ScheduleInfo, changes: dict[str, object]) -> None:
    """Refuse what would change nothing because of what the schedule is.

    Raises:
        ConfigError: Such a change is among them.
    """
    from taskconsole.errors import ConfigError
    from taskconsole.model.schedule import Cron, Every

    if info.definition is None or {"cron", "every", "at"} & changes.keys():
        return
    schedule = info.definition.schedule
    if "anchor" in changes and not isinstance(schedule, Every):
        raise ConfigError(f"{info.name} has no interval that --anchor could be for: give --every too")
    if changes.keys() == {"tz"} and not isinstance(schedule, Cron):
        raise ConfigError(f"{info.name} has no cron expression that --tz could be for")


@schedules.command(short_help="Let one make no tasks.")
@target_options
@click.argument("name")
@click.option("--reason", default="", help="What others will read.")
@queue_option
@json_option
@click.pass_context
def pause(context: click.Context, /, *, name: str, reason: str, queue: str | None, wants_json: bool) -> int:
    """Let the schedule NAME make no tasks; those it has made go on, and its place is kept."""
    from taskconsole.backends.commands import PauseSchedule

    return _act(
        context,
        lambda where: PauseSchedule(name=name, queue=where, by=operator_name(), reason=reason),
        name,
        queue,
        wants_json=wants_json,
    )


@schedules.command(short_help="Let one make tasks again.")
@target_options
@click.argument("name")
@click.option("--catch-up", is_flag=True, help="Treat what passed during the pause as missed, by its own rule.")
@queue_option
@json_option
@click.pass_context
def resume(context: click.Context, /, *, name: str, catch_up: bool, queue: str | None, wants_json: bool) -> int:
    """Let the schedule NAME make tasks again; what passed during the pause has passed."""
    from taskconsole.backends.commands import ResumeSchedule

    return _act(
        context,
        lambda where: ResumeSchedule(name=name, queue=where, by=operator_name(), catch_up=catch_up),
        name,
        queue,
        wants_json=wants_json,
    )


@schedules.command(short_help="Make one task of it now.")
@target_options
@click.argument("name")
@queue_option
@json_option
@click.pass_context
def trigger(context: click.Context, /, *, name: str, queue: str | None, wants_json: bool) -> int:
    """Make one task of the schedule NAME now, also when it is paused; its regular fires are not touched.

    It cannot be undone: a worker may have begun at once.
    """
    from taskconsole.backends.commands import TriggerSchedule

    return _act(
        context,
        lambda where: TriggerSchedule(name=name, queue=where, by=operator_name()),
        name,
        queue,
        wants_json=wants_json,
    )


@schedules.command(short_help="Take one away.")
@target_options
@click.argument("name")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@queue_option
@json_option
@click.pass_context
def remove(context: click.Context, /, *, name: str, yes: bool, queue: str | None, wants_json: bool) -> int:
    """Take the schedule NAME away; tasks that it has made stay. `restore` brings it back, within 30 days."""
    from taskconsole.backends.commands import RemoveSchedule
    from taskconsole.errors import ConfigError

    if not yes and not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise ConfigError("remove asks first, and there is no terminal to ask on: give --yes")
    with open_backend(target_of(context), writes=True) as backend:
        info = backend.desk.get(name, queue)
        if not yes and not _confirmed(_question(info)):
            say("nothing was removed")
            return 1
        applied = backend.apply(RemoveSchedule(name=name, queue=info.queue, by=operator_name()))
    _say_applied(applied, name, info.queue, wants_json=wants_json)
    return 0


def _question(info: ScheduleInfo) -> str:
    definition = info.definition
    what = info.trouble if definition is None else f"{definition.schedule.describe()}, task {definition.task}"
    return f"remove {info.name} from {info.queue} ({what})?"


def _confirmed(question: str) -> bool:
    from taskconsole.model.printable import printable

    sys.stderr.write(f"{printable(question, 300)} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


@schedules.command(short_help="Back to what the code declares, or to what was removed.")
@target_options
@click.argument("name")
@queue_option
@json_option
@click.pass_context
def restore(context: click.Context, /, *, name: str, queue: str | None, wants_json: bool) -> int:
    """Make the schedule NAME what the app's code declares, or bring back what was removed."""
    from taskconsole.backends.commands import RestoreSchedule

    with open_backend(target_of(context), writes=True) as backend:
        applied = backend.apply(RestoreSchedule(name=name, queue=queue, by=operator_name()))
        where = backend.desk.get(name, queue).queue
    _say_applied(applied, name, where, wants_json=wants_json)
    return 0


@schedules.command(short_help="When an expression would fire; needs no Redis.")
@click.argument("expression", metavar="[EXPR]", required=False)
@click.option("--every", metavar="SPAN", help="Instead of EXPR, an interval: 90s, 5m, 1h30m, 2d.")
@click.option("--anchor", metavar="ISO", help="With --every: one of its moments; else the epoch.")
@click.option("--tz", metavar="ZONE", help="The zone of EXPR and of moments without an offset; else UTC.")
@click.option("--from", "from_text", metavar="ISO", help="Fires after this moment; else after now.")
@click.option("-n", "count", type=click.IntRange(1, 1000), default=5, show_default=True, help="How many.")
@json_option
def preview(
    *,
    expression: str | None,
    every: str | None,
    anchor: str | None,
    tz: str | None,
    from_text: str | None,
    count: int,
    wants_json: bool,
) -> int:
    """Say in English what the cron expression EXPR means, what is odd about it, and when it would fire.

    Changes of the clock are marked: a fire that is moved because its time does not exist, or that comes once or
    twice because its time comes twice.
    """
    import datetime as dt
    from zoneinfo import ZoneInfo

    from taskconsole.cli import schedule_text as shown
    from taskconsole.errors import ConfigError
    from taskconsole.model.definition import moment_of
    from taskconsole.model.schedule import preview as fires_after

    if (expression is None) == (every is None):
        raise ConfigError("give a cron expression ('15 3 * * *', quoted) or --every")
    zone = _zone(tz)
    schedule = _schedule(expression, every, None, anchor, zone)
    start = dt.datetime.now(dt.UTC) if from_text is None else moment_of(from_text, "--from", zone)
    fires, local = fires_after(schedule, start, count), ZoneInfo(zone) if every is not None else None
    warnings = shown.warnings_of(schedule)
    if wants_json:
        write_json(
            {
                "expression": expression if every is None else every,
                "tz": zone,
                "text": shown.english(schedule),
                "warnings": warnings,
                "fires": shown.fires_as_json(fires, local),
                "tzdata": shown.tzdata_version(),
            }
        )
        return 0
    write_line(schedule.describe())
    for warning in warnings:
        write_line(f"warning: {warning}")
    shown.print_fires(fires, "no fires", local)
    return 0


# -- what they share


def _now(backend: NativeBackend) -> float:
    """The time by the clock of Redis; fails if Redis is too old."""
    return backend.overview().at


def _width() -> int | None:
    """Columns of the terminal; None when there is none."""
    from shutil import get_terminal_size

    return get_terminal_size().columns if is_terminal() else None


def _act(
    context: click.Context,
    command: Callable[[str], ScheduleCommand],
    name: str,
    queue: str | None,
    *,
    wants_json: bool,
) -> int:
    with open_backend(target_of(context), writes=True) as backend:
        where = backend.desk.get(name, queue).queue
        applied = backend.apply(command(where))
    _say_applied(applied, name, where, wants_json=wants_json)
    return 0


def _say_applied(applied: Applied, name: str, queue: str, *, wants_json: bool) -> None:
    if wants_json:
        write_json(
            {
                "name": name,
                "queue": queue,
                "changed": applied.changed,
                "text": applied.text,
                "undo": undo_token(applied),
            }
        )
    say(applied.text)
    say_undo(applied)


def _apply_and_show(backend: NativeBackend, command: ScheduleCommand, queue: str, *, wants_json: bool) -> None:
    """Carry it out, then say what was done, what is odd about it, and when it fires."""
    from taskconsole.cli.schedule_text import print_fires, put_off, upcoming, warnings_of
    from taskconsole.model.schedule import At

    applied = backend.apply(command)
    info = backend.desk.get(command.name, queue)
    now, watched = _now(backend), backend.desk.watched(queue)
    if wants_json:
        write_json(
            {
                "name": command.name,
                "queue": queue,
                "changed": applied.changed,
                "text": applied.text,
                "undo": undo_token(applied),
                **_ahead(info, now, 3),
                "watched": watched,
            }
        )
    else:
        write_line(applied.text)
    if (definition := info.definition) is not None:
        if not wants_json:
            print_fires(upcoming(definition, now, 3, fires=info.fires), "no further fires")
        if definition.jitter:
            say(put_off(definition))
        for warning in warnings_of(definition.schedule):
            say(f"warning: {warning}")
        if isinstance(definition.schedule, At) and info.next_at is not None and info.next_at <= now:
            say("warning: this moment has passed: it is fired at once if it is within the window, else missed")
    say_undo(applied)
    if not watched:
        _say_unwatched(queue)


def _ahead(info: ScheduleInfo, now: float, count: int) -> dict[str, Any]:
    """What is odd about it and when it fires, as JSON."""
    from taskconsole.cli.schedule_text import fires_as_json, upcoming, warnings_of

    definition = info.definition
    if definition is None:
        return {"warnings": [], "fires": []}
    return {
        "warnings": warnings_of(definition.schedule),
        "fires": fires_as_json(upcoming(definition, now, count, fires=info.fires)),
    }


def _warn_unwatched(backend: NativeBackend, queues: Iterable[str]) -> None:
    for queue in sorted(queues):
        if not backend.desk.watched(queue):
            _say_unwatched(queue)


def _say_unwatched(queue: str) -> None:
    line = target_of(click.get_current_context()).typed(f"taskconsole --headless scheduler -q {quoted(queue)}")
    say(f"nobody fires the schedules of {queue}: start a worker for it, or `{line}`")
