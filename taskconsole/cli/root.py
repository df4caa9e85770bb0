"""The root command: options for all, the subcommands, and what every error becomes."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from taskconsole import __version__
from taskconsole.cli.output import say
from taskconsole.cli.target import Target, secrets_of, target_of, target_options
from taskconsole.errors import TaskconsoleError
from taskconsole.model.printable import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["call", "root", "run"]

SERVICES = ("worker", "scheduler")

COMMANDS = {
    "demo": "showing",
    "replay": "replaying",
    "status": "reading",
    "doctor": "reading",
    "queues": "reading",
    "tasks": "reading",
    "task": "looking",
    "find": "looking",
    "delayed": "reading",
    "failures": "reading",
    "workers": "reading",
    "schedules": "schedules",
    "events": "following",
    "redis": "server",
    "contexts": "settings",
    "keys": "settings",
    "enqueue": "operating",
    "reschedule": "operating",
    "delete": "operating",
    "retry": "acting",
    "run-now": "acting",
    "move": "acting",
    "purge": "acting",
    "undo": "acting",
    "abort": "acting",
    "quiet": "acting",
    "stop-worker": "acting",
    "pause": "operating",
    "resume": "operating",
    "worker": "services",
    "scheduler": "services",
}
"""The module of each command; none is imported before its command is used."""

EXIT_CODES = """\b
Exit codes:
  0    fine
  1    something failed; doctor: warnings
  2    wrong usage, setting, URL or -A; doctor: something critical
  3    access denied: wrong password, or an ACL forbids it
  4    no Redis in reach
  130  interrupted

Passwords belong in TASKCONSOLE_URL or --url-file: `ps` shows a command line to everybody.
"""


class Root(click.Group):
    """A group that loads a command's module when it is wanted, and reads `--headless worker …` as `worker …`."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The names, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """The command of that name, or None."""
        module = COMMANDS.get(cmd_name)
        if module is None:
            return None
        found = getattr(import_module(f"taskconsole.cli.{module}"), cmd_name.replace("-", "_"))
        assert isinstance(found, click.Command)
        return found

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse, with `--headless NAME` in the place of a command's name, and `:mail/dead` as a place to start at."""
        rest = _without_headless(args)
        places = [word for word in rest if word.startswith(":")]
        if len(places) == 1 and rest[-1] is places[0] and not _value_is_missing(rest[:-1]):
            target_of(ctx).start = rest.pop()
        return super().parse_args(ctx, rest)


TAKE_VALUES = frozenset({"-A", "--app", "-u", "--url", "--url-file", "-C", "--context", "--prefix", "--record"})


def _value_is_missing(arguments: Sequence[str]) -> bool:
    """What comes next belongs to the last option, or to a command."""
    at = 0
    while at < len(arguments):
        if not arguments[at].startswith("-"):
            return True
        at += 2 if arguments[at] in TAKE_VALUES else 1
    return at > len(arguments)


def _without_headless(args: Sequence[str]) -> list[str]:
    """`--headless worker` before any command becomes `worker`; anything else is left for click to judge."""
    rest = list(args)
    i = 0
    while i < len(rest) and rest[i].startswith("-") and rest[i] != "--":
        option, joined, value = rest[i].partition("=")
        if option == "--headless" and joined and value in SERVICES:
            return [*rest[:i], value, *rest[i + 1 :]]
        if option == "--headless" and rest[i + 1 : i + 2] and rest[i + 1] in SERVICES:
            return [*rest[:i], *rest[i + 1 :]]
        # These take a value, which may look like anything.
        i += 2 if rest[i] in TAKE_VALUES else 1
    return rest


@click.group(
    cls=Root,
    invoke_without_command=True,
    epilog=EXIT_CODES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@target_options
@click.option("--embedded", is_flag=True, help="Start a Redis of our own for this session and show it.")
@click.option("--read-only", is_flag=True, help="Console: nothing that writes has a key.")
@click.option("-A", "--app", "app_path", metavar="MODULE:APP", help="Console: the App whose workers W starts.")
@click.option("--ascii", "ascii_only", is_flag=True, help="Console: draw with ASCII alone.")
@click.option("--mouse", is_flag=True, help="Console: take mouse clicks.")
@click.option(
    "--record",
    default="",
    metavar="FILE",
    help="Console: write down what is shown, payloads with their secrets too, for `taskconsole replay FILE`.",
)
@click.option(
    "--headless",
    type=click.Choice(SERVICES),
    expose_value=False,
    help="Without a screen: followed by the options of that command.",
)
@click.version_option(__version__, message="%(prog)s %(version)s")
@click.pass_context
def root(
    context: click.Context,
    /,
    *,
    embedded: bool,
    read_only: bool,
    app_path: str | None,
    ascii_only: bool,
    mouse: bool,
    record: str,
) -> int:
    """Task queues on plain Redis lists. Without a command: the console.

    `taskconsole :tasks/mail/dead` starts there. Where there is no terminal to draw on, the console prints `status`
    instead.
    """
    if context.invoked_subcommand is not None:
        if record:
            raise click.UsageError("--record is for the console; or `taskconsole demo --record FILE`")
        if embedded:
            raise click.UsageError("--embedded is for the console; `taskconsole demo` starts everything")
        return 0
    from taskconsole.cli.showing import Look, show, show_embedded

    target = target_of(context)
    file = target.file()
    wished, named = file.console, target.context()
    look = Look(
        start=target.start,
        theme=wished.theme,
        interval=wished.interval,
        keys=file.keys,
        patterns=file.secret_patterns,
        contexts=tuple(file.contexts.values()),
        context="" if named is None or embedded else named.name,
        app=app_path or "",
        protected=named is not None and named.protected and not embedded,
        read_only=read_only or (named is not None and named.read_only and not embedded),
        ascii_only=ascii_only or wished.ascii,
        mouse=mouse or wished.mouse,
        record=record,
    )
    if embedded:
        return show_embedded(target.prefix or "", look)
    settings = target.settings()
    return show(settings, look, queues=target.queues(), reach=target.reach(settings.url))


def call(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; every expected failure is one line on stderr."""
    target = Target()
    try:
        returned: Any = root.main(
            None if arguments is None else list(arguments), prog_name="taskconsole", obj=target, standalone_mode=False
        )
        sys.stdout.flush()
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the edge of the program
        return _ended_by(error, target)
    return returned if isinstance(returned, int) else 0


def run() -> None:
    """Run the command line and end the process with its exit code."""
    sys.exit(call())


def _ended_by(error: BaseException, target: Target) -> int:
    """Say what ended the command, in one line if it was to be expected; returns the exit code."""
    match error:
        case TaskconsoleError():
            _say_safely(str(error), target)
            return error.exit_code
        case click.ClickException():
            _say_safely(" ".join(error.format_message().split()), target)
            return error.exit_code
        case click.Abort() | KeyboardInterrupt():
            return 130
        case OSError(errno=errno.EPIPE):
            _close_stdout()
        case OSError():
            _close_stdout()
            _say_safely(str(error), target)
        case _:
            _report(error, target)
    return 1


def _say_safely(text: str, target: Target) -> None:
    with contextlib.suppress(OSError):
        say(_without_secrets(text, target))


def _report(error: BaseException, target: Target) -> None:
    """A bug of ours: where it happened, as far as that is fit to be shown."""
    import traceback

    from taskconsole.model.secrecy import USUAL, concealed_text

    with contextlib.suppress(OSError):
        for line in _without_secrets("".join(traceback.format_exception(error)), target).splitlines():
            print(printable(concealed_text(line, USUAL)), file=sys.stderr)
        say("internal error: please report the lines above")


def _without_secrets(text: str, target: Target) -> str:
    for url in (target.url_flag, target.url_read, os.environ.get("TASKCONSOLE_URL"), os.environ.get("REDIS_URL")):
        for secret in secrets_of(url or ""):
            text = text.replace(secret, "***")
    return text


def _close_stdout() -> None:
    """What could not be written must not fail once more at the end: let the interpreter's last flush go nowhere."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
