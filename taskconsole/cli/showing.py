"""The console, and the demo in which it has something to show."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import click

from taskconsole.cli.output import say, write_line
from taskconsole.cli.parameters import Seconds
from taskconsole.cli.reading import print_status
from taskconsole.cli.target import is_terminal, reach_by
from taskconsole.model.phrase import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from taskconsole.backends.base import Backend
    from taskconsole.backends.recording.recorder import Recorder
    from taskconsole.cli.crew import ChildWorker
    from taskconsole.config import Settings
    from taskconsole.console.context import Context
    from taskconsole.model.reach import Reach
    from taskconsole.settings_file import NamedContext

__all__ = ["Look", "demo", "show", "show_embedded"]

OFFER = "taskconsole --embedded starts a Redis of its own; taskconsole demo shows everything at work"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How the console is to be."""

    read_only: bool = False
    ascii_only: bool = False
    mouse: bool = False
    start: str = ""
    """The place to begin at, e.g. `:tasks/mail/dead`."""
    theme: str = ""
    interval: float = 1.0
    keys: Mapping[str, str] = field(default_factory=dict)
    patterns: tuple[str, ...] = ()
    """Names of arguments that are not shown, besides the usual ones."""
    contexts: tuple[NamedContext, ...] = ()
    context: str = ""
    protected: bool = False
    """That context takes the typing of its name before anything is written."""
    app: str = ""
    """The App whose worker the console offers to start, as `-A`."""
    record: str = ""
    """The file to write down in what is shown; empty for none."""


@contextlib.contextmanager
def _no_collecting() -> Iterator[None]:
    """Collect no garbage meanwhile: it takes a tenth of the time that imports take, and finds next to nothing.

    What is there at the end stays: it is not looked at again.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def show(settings: Settings, look: Look, *, reach: Reach, offer: str = OFFER, queues: tuple[str, ...] = ()) -> int:
    """The console; one reading in plain text where there is no terminal for it.

    `queues` are looked at even when Redis has never heard of them; `reach` is what suggested commands are told.

    Raises:
        StoreUnavailable: No terminal, and no Redis. With a terminal the console says so itself.
    """
    if not is_terminal():
        return _print_once(settings, look, queues)
    with _no_collecting():
        from taskconsole.backends.native import NativeBackend
        from taskconsole.cli.crew import starter
        from taskconsole.console.actions import GROUPS
        from taskconsole.console.app import run_console
        from taskconsole.console.crew import Crew
        from taskconsole.console.keymap import check_keymap
        from taskconsole.console.look import Look as ConsoleLook
        from taskconsole.console.typed.history import history_path

    # A setting that cannot be used is said here, in one line, and not on the screen again and again.
    NativeBackend(settings, queues).close()
    keymap = check_keymap(look.keys, ((a.id, a.key) for group in GROUPS.values() for a in group))
    start = None
    if look.start:
        from taskconsole.console.starting import start_at

        start = start_at(look.start)
    with _recorder(look.record) as recorder:
        taped = _taped(recorder)
        return run_console(
            taped(lambda: NativeBackend(settings, queues, read_only=look.read_only, reach=reach)),
            address=settings.address,
            read_only=look.read_only,
            ascii_only=look.ascii_only,
            mouse=look.mouse,
            offer=offer,
            start=start,
            theme=look.theme,
            interval=look.interval,
            keymap=keymap,
            masked=(*ConsoleLook().masked, *look.patterns),
            contexts=[_context_of(named, taped, read_only=look.read_only) for named in look.contexts],
            context=look.context,
            protected=look.protected,
            crew=Crew(starter(settings), look.app),
            history=history_path(os.environ),
            recorder=recorder,
            later=("taskconsole.backends",),
        )


def _print_once(settings: Settings, look: Look, queues: tuple[str, ...]) -> int:
    """One reading in plain text.

    Raises:
        ConfigError: It was to be recorded.
    """
    from taskconsole.backends.native import NativeBackend
    from taskconsole.errors import ConfigError

    if look.record:
        raise ConfigError("--record writes down what the console shows: it needs a terminal")
    with contextlib.closing(NativeBackend(settings, queues)) as backend:
        print_status(backend.overview())
    return 0


def _taped(recorder: Recorder | None) -> Callable[[Callable[[], Backend]], Callable[[], Backend]]:
    """Makes connecting what is written down, if anything is."""

    def taped(connect: Callable[[], Backend]) -> Callable[[], Backend]:
        from taskconsole.backends.recording.backend import recorded

        return connect if recorder is None else recorded(connect, recorder)

    return taped


def _context_of(
    named: NamedContext, taped: Callable[[Callable[[], Backend]], Callable[[], Backend]], *, read_only: bool
) -> Context:
    """A server that the console can change to; its URL is read when it does."""
    from taskconsole.backends.native import NativeBackend
    from taskconsole.cli.crew import starter
    from taskconsole.config import Settings
    from taskconsole.console.context import Context

    def settings_now() -> Settings:
        return Settings(url=named.read_url(), prefix=named.prefix)

    def connect() -> Backend:
        settings = settings_now()
        reach = reach_by(settings.url, "-C", named.name)
        return NativeBackend(settings, named.queues, read_only=read_only or named.read_only, reach=reach)

    def start_worker(app: str, queue: str, tell: Callable[[str], object]) -> ChildWorker:
        return starter(settings_now())(app, queue, tell)

    return Context(
        name=named.name,
        connect=taped(connect),
        address=named.address,
        read_only=named.read_only,
        protected=named.protected,
        start_worker=start_worker,
    )


@contextlib.contextmanager
def _recorder(path: str) -> Iterator[Recorder | None]:
    """What writes everything down in a new file, until the end; None without a path.

    Raises:
        RecordingError: There is such a file, or it cannot be made.
    """
    if not path:
        yield None
        return
    from pathlib import Path

    from taskconsole.backends.recording.recorder import Recorder
    from taskconsole.console.saving.private_files import NewFile
    from taskconsole.errors import RecordingError

    try:
        file = NewFile(Path(path))
    except FileExistsError:
        raise RecordingError(f"--record {path}: there is such a file; it is not written over") from None
    except (OSError, ValueError) as error:
        raise RecordingError(f"--record {path}: {getattr(error, 'strerror', None) or error}") from None
    recorder = Recorder(file)
    try:
        yield recorder
    finally:
        ended = f"; it had ended before: {recorder.trouble}" if recorder.trouble else ""
        recorder.close()
        say("what a recording holds of payloads is not masked: mind who gets it")
        say(f"recorded {recorder.size / 1e6:.1f} MB: taskconsole replay {quoted(path)}{ended}")


def show_embedded(prefix: str, look: Look) -> int:
    """The console over a Redis that lives as long as it does."""
    from taskconsole.config import Settings
    from taskconsole.demo.stage import Leave, ignore_signals, leaving_in_order
    from taskconsole.embedded import EmbeddedRedis

    try:
        with leaving_in_order(), EmbeddedRedis() as server:
            try:
                say(f"a Redis for this session at {server.url}")
                reach = reach_by(server.url, "-u", server.url, *(["--prefix", prefix] if prefix else []))
                return show(Settings(url=server.url, prefix=prefix), look, reach=reach, offer="")
            finally:
                # The console's event loop has put the signals back to what kills us.
                ignore_signals()
    except Leave as leave:
        return leave.code


@click.command(short_help="Everything at once: Redis, tasks, workers, console.")
@click.option("--no-console", is_flag=True, help="Print the status every second instead.")
@click.option("--seconds", type=Seconds(minimum=0.1), help="End by itself after so long.")
@click.option("--speed", type=Seconds(minimum=0.1, maximum=100), default=1.0, show_default=True, help="More traffic.")
@click.option("--ascii", "ascii_only", is_flag=True, help="Draw with ASCII alone.")
@click.option("--record", default="", metavar="FILE", help="Write down what is shown, for `taskconsole replay FILE`.")
def demo(*, no_console: bool, seconds: float | None, speed: float, ascii_only: bool, record: str) -> int:
    """Start a private Redis, a sample App with believable traffic, two workers and the console.

    Nothing is left when it ends: no process, no file, and no port was ever open.
    """
    from taskconsole.demo.stage import Leave, Stage, ignore_signals, leaving_in_order
    from taskconsole.errors import ConfigError

    if record and (no_console or not is_terminal()):
        raise ConfigError("--record writes down what the console shows: it needs a terminal and the console")
    try:
        with leaving_in_order(), Stage(speed=speed) as stage:
            try:
                look = Look(ascii_only=ascii_only, record=record)
                return _play(stage.url, stage.directory, seconds, look, plain=no_console)
            finally:
                ignore_signals()
    except Leave as leave:
        return leave.code


def _play(url: str, directory: object, seconds: float | None, look: Look, *, plain: bool) -> int:
    from taskconsole.config import Settings

    settings = replace(Settings(), url=url)
    say(f"Redis at {url}; logs of the workers in {directory}")
    if plain or not is_terminal():
        _print_every_second(settings, seconds)
        return 0
    over = threading.Event()
    if seconds is not None:
        _end_after(seconds, over)
    code = show(settings, replace(look, app="taskconsole.demo.tasks:app"), reach=reach_by(url, "-u", url), offer="")
    return 0 if over.is_set() else code


def _end_after(seconds: float, over: threading.Event) -> None:
    """Leave the console as a signal would."""

    def end() -> None:
        over.set()
        os.kill(os.getpid(), signal.SIGTERM)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()


def _print_every_second(settings: Settings, seconds: float | None) -> None:
    from taskconsole.backends.native import NativeBackend

    began = time.monotonic()
    backend = NativeBackend(settings)
    try:
        while True:
            print_status(backend.overview())
            write_line()
            sys.stdout.flush()
            left = 1.0 if seconds is None else began + seconds - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(1.0, left))
    finally:
        backend.close()
