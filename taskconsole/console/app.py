"""The console as a program: screens above, feed below, the terminal around them.

What the first figures do not need is imported in functions, so that they need not wait for it (see `later`).
"""

from __future__ import annotations

import getpass
import os
import signal
import socket
import sys
import threading
import time
import traceback
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from rich.text import Text
from textual import events
from textual.app import App
from textual.screen import ModalScreen

from taskconsole.console import actions
from taskconsole.console.crew import Crew
from taskconsole.console.desk import Desk, is_tiny
from taskconsole.console.feed.feed import Feed
from taskconsole.console.feed.link import Phase
from taskconsole.console.feed.lock import Lock
from taskconsole.console.later import import_one_by_one
from taskconsole.console.look import Look
from taskconsole.console.messages import RecordingEnded
from taskconsole.console.place import Place
from taskconsole.console.terminal.driver import CalmDriver
from taskconsole.console.terminal.keystrokes import Keystrokes
from taskconsole.console.terminal.turnstile import Turnstile
from taskconsole.console.text.format import ASCII, LEAN, UNICODE, key_name
from taskconsole.console.text.safe import safe
from taskconsole.console.typed.history import History
from taskconsole.model.secrecy import USUAL, concealed_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from textual.binding import BindingType

    from taskconsole.backends.base import Backend
    from taskconsole.console.context import Context
    from taskconsole.console.feed.handover import Handover
    from taskconsole.console.feed.queries import Query
    from taskconsole.console.messages import Change, Saving, Say
    from taskconsole.console.views.queues import QueuesView
    from taskconsole.model.event import Event

__all__ = ["Console", "run_app", "run_console"]

PACES = (1.0, 2.0, 5.0, 10.0)
"""Seconds between two readings that one can choose from."""

FLUSH = 1.5
"""Least seconds between two paints of the event log: scrolling costs a whole pane."""

ENDING = (signal.SIGTERM, signal.SIGHUP)
"""Signals on which the console leaves in order."""

CATCH_UP = 0.25
"""Seconds between two looks whether a terminal that was behind takes bytes again."""

AFTERWARDS = 0.005
"""Seconds between two imports of what the first figures did not need."""

LAST_WAIT = 25.0
"""Seconds that workers beside a console that was left may take to end."""

LAST_RESORT = 3.0
"""Seconds a signalled console may take to leave in order, before it leaves without."""


class Recorder(Protocol):
    """Writes down what the console is told."""

    tell: Callable[[str], object]
    """Told, from any thread, when it has to end before its time."""

    def heard(self, events: list[Event], /) -> None:
        """Events have arrived."""


class Console(App[int]):
    """Shows one task system at a time; talks to it only through a feed.

    Args:
        connect: Makes the backend; called in the feed's thread until it succeeds.
        address: Where it connects to, for the header; never a password.
        read_only: Nothing that writes has a key.
        ascii_only: Draw with ASCII alone.
        offer: A line shown while no server is in reach, e.g. how to start one.
        start: The place to begin at.
        contexts: The servers one can change to; the one that is connected to first may be among them.
        context: The name of that one.
        protected: That one takes the typing of its name before anything is written.
        keymap: Keys by the ids of actions, in place of their own.
        masked: Parts of the names of arguments that are not to be shown.
        theme: One of Textual's; by default the terminal's own colours over SSH, else a dark one.
        interval: Seconds between two readings.
        history: A file for the commands that are typed; None keeps them for this run only.
        handle_signals: End in order on SIGTERM and SIGHUP; for the main thread only.
        recorder: Hears every event; it is the caller who has the rest recorded, by way of `connect`.
        crew: The workers that this console runs.
        later: Packages that the backend imports late; they are imported once there is time.
        keys: Tells whether a key was meant.
        clock: For the lock.
    """

    ENABLE_COMMAND_PALETTE = False
    CSS_PATH = "desk.tcss"
    """Here and not at the desk: Textual loads the styles of a default screen with those of the app."""
    DESK: ClassVar[type[Desk]] = Desk
    """The screen around the views."""
    BINDINGS: ClassVar[list[BindingType]] = []

    def __init__(
        self,
        connect: Callable[[], Backend],
        *,
        address: str,
        read_only: bool = False,
        ascii_only: bool = False,
        offer: str = "",
        start: Place | None = None,
        contexts: Sequence[Context] = (),
        context: str = "",
        protected: bool = False,
        keymap: Mapping[str, str] | None = None,
        masked: Sequence[str] | None = None,
        theme: str = "",
        interval: float = 1.0,
        history: Path | None = None,
        handle_signals: bool = False,
        recorder: Recorder | None = None,
        crew: Crew | None = None,
        later: Sequence[str] = (),
        keys: Keystrokes | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(driver_class=CalmDriver)
        # The values are those of Textual; there is no motion at any time.
        self.animation_level = "none"
        far = "SSH_CONNECTION" in os.environ
        self.theme = theme or ("ansi-dark" if far else "textual-dark")
        self._contexts = {one.name: one for one in contexts}
        self._read_only = read_only
        self.ascii_only = ascii_only
        """Whatever is painted is drawn with ASCII alone."""
        self._handle_signals = handle_signals
        self.last_resort: threading.Timer | None = None
        """Ends the process when leaving by a signal takes too long."""
        self._flushed_at = 0.0
        self._flush_due = False
        self._starting, self._later = True, later
        self._turnstile = Turnstile(self, self._take)
        look = Look(
            operator=_operator(),
            read_only=read_only,
            glyphs=ASCII if ascii_only else LEAN if far else UNICODE,
            offer=offer,
            contexts=tuple(self._contexts),
            context=context,
            crew=crew or Crew(None),
        )
        self.look = look if masked is None else replace(look, masked=tuple(masked))
        self._recorder = recorder
        if recorder is not None:
            self.look = replace(self.look, recording=True)
            recorder.tell = lambda why: self.post_message(RecordingEnded(why))
        self._keys, self._clock = keys or Keystrokes(), clock
        self.feed = self.make_feed(connect, interval, Lock(read_only=read_only, name=context if protected else ""))
        self.desk = self.DESK(
            self.look,
            address=address,
            start=start or Place(),
            errands=self.feed.errands,
            keys=self._keys,
            watch=self._watch,
            history=History(history),
            clock=clock,
        )
        if keymap:
            self.set_keymap(dict(keymap))

    def get_default_screen(self) -> Desk:
        """The desk: as the screen of a mode it would be mounted before it is the app's screen on Python 3.12."""
        return self.desk

    def make_feed(self, connect: Callable[[], Backend], interval: float, lock: Lock) -> Handover:
        """Where everything that is shown comes from."""
        heard = (lambda _events: None) if self._recorder is None else self._recorder.heard
        return Feed(connect, self.post_message, interval=interval, heard=heard, lock=lock, clock=self._clock)

    def _watch(self, query: Query | None) -> None:
        self.feed.watch(query)

    async def on_event(self, event: events.Event) -> None:
        """Note every key by when it arrived, not by when there is time for it; what is typed waits for its turn."""
        if isinstance(event, events.Key) and not event.is_forwarded:
            self._keys.note(event.key, event.time)
        if Turnstile.is_for(event):
            # Asked when it is typed and when its turn comes: the size may have changed in between.
            if self._is_seen(event):
                await self._turnstile.enter(event)
        else:
            await super().on_event(event)

    async def _take(self, event: events.Event) -> None:
        """The turn of a key or a paste has come."""
        if self._is_seen(event):
            await super().on_event(event)

    def _is_seen(self, event: events.Event) -> bool:
        """One sees what it does; in a terminal that is too small for that, few keys do anything.

        The help is shown there as well, and a dialog can be left.
        """
        if not is_tiny(self.size):
            return True
        if not isinstance(event, events.Key):
            return False
        if isinstance(self.screen, Desk):
            bound = self.screen.active_bindings.get(event.key)
            return bound is not None and bound.binding.id in {action.id for action in actions.UNSEEN}
        return event.key == "escape" or not isinstance(self.screen, ModalScreen)

    def on_load(self) -> None:
        """Connect while the terminal is being set up."""
        self.feed.start()

    def on_mount(self) -> None:
        """Leave in order when asked to by a signal; keep up with a terminal that was behind."""
        if self._handle_signals:
            for number in ENDING:
                signal.signal(number, self._leave_by_signal)
        if isinstance(self._driver, CalmDriver):
            self.set_interval(CATCH_UP, self._driver.catch_up)

    def on_unmount(self) -> None:
        """End the threads; one that waits for Redis ends by itself."""
        self.feed.stop()

    def on_resize(self, event: events.Resize) -> None:
        """What the terminal shows after a resize is its own business."""
        if isinstance(self._driver, CalmDriver):
            self._driver.resized(*event.size)

    def on_app_focus(self) -> None:
        """Somebody looks."""
        self.feed.set_focused(True)

    def on_app_blur(self) -> None:
        """Nobody looks."""
        self.feed.set_focused(False)

    def on_link_changed(self) -> None:
        """Show the newest snapshot; after the first figures, or when there are none, there is time for the rest."""
        link = self.feed.take_link()
        self.desk.show_link(link)
        if self._starting and link.phase is not Phase.CONNECTING:
            self._starting = False
            self._import_next(import_one_by_one(self._later))

    def _import_next(self, rest: Iterator[str]) -> None:
        """One module, and then another: no key waits for more than one."""
        if next(rest, ""):
            self.set_timer(AFTERWARDS, lambda: self._import_next(rest))

    def on_answer_changed(self) -> None:
        """Show what the view has asked for."""
        answer = self.feed.take_answer()
        if answer is not None:
            self.desk.show_answer(answer)

    def on_events_waiting(self) -> None:
        """Paint events now, or when the last paint is long enough ago."""
        if not self._flush_due:
            self._flush_due = True
            self.set_timer(max(0.01, self._flushed_at + FLUSH - time.monotonic()), self._paint_events)

    def on_recording_ended(self, message: RecordingEnded) -> None:
        """Say why, and that it is so."""
        self.look = self.desk.look = replace(self.look, recording=False)
        self.desk.show_status(message.why, ok=False)

    def action_refresh_now(self) -> None:
        """Read, or try to connect, now; and draw every cell again."""
        self.feed.wake()
        if isinstance(self._driver, CalmDriver):
            self._driver.redraw()
        self.screen.refresh(layout=True)

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups of `actions.GROUPS` that are there now, in the order of the help."""
        return (*self.desk.view.GROUPS, "everywhere", "views")

    def action_help(self) -> None:
        """The keys of this view."""
        from taskconsole.console.dialogs.help import HelpScreen

        if isinstance(self.screen, Desk):
            groups = [(name, self.desk.view.allowed_of(actions.GROUPS[name])) for name in self.groups]
            self.push_screen(HelpScreen(groups, glyphs=self.look.glyphs))

    def action_palette(self) -> None:
        """Every action that has a key here, by its name."""
        from taskconsole.console.dialogs.chooser import Chooser, Option

        if not isinstance(self.screen, Desk):
            return
        view = self.desk.view
        found = [a for name in self.groups for a in actions.GROUPS[name] if a.id != "app.palette" and view.allowed(a)]
        options = [
            Option(action.label, action.tooltip, key_name(action.key_text, self.look.glyphs)) for action in found
        ]

        async def carry_out(index: int | None) -> None:
            if index is not None:
                await self.desk.do(found[index])

        self.push_screen(Chooser("actions", options, glyphs=self.look.glyphs), carry_out)

    def action_copy(self) -> None:
        """Copy the id or name of what is selected."""
        self._copy(*self.desk.view.copied())

    def action_copy_menu(self) -> None:
        """Choose what to copy."""
        from taskconsole.console.dialogs.chooser import Chooser, Option
        from taskconsole.console.spelled import command_lines

        if not isinstance(self.screen, Desk):
            return
        text, what = self.desk.view.copied()
        found = [(what, text)] if text else []
        found += self.desk.view.copies()
        found += command_lines(self.desk.view.ACTIONS, self.desk.view.aim, self.look.operator, self.desk.view.reach)
        options = [Option(name, text[:400]) for name, text in found]

        def copy(index: int | None) -> None:
            if index is not None:
                self._copy(found[index][1], found[index][0])

        self.push_screen(Chooser("copy", options, glyphs=self.look.glyphs), copy)

    def action_exit_console(self) -> None:
        """Leave the console, from wherever one is; workers beside it finish what they run, or on a second key end."""
        words = self.look.crew.drain()
        if not words:
            self.exit(0)
        else:
            self.desk.show_status(words, ok=False)
            self.set_interval(0.2, self._exit_when_alone)

    def _exit_when_alone(self) -> None:
        if not self.look.crew.alive:
            self.exit(0)

    @property
    def queues(self) -> QueuesView:
        """The first view."""
        from taskconsole.console.views.queues import QueuesView

        view = self.desk.view_called("queues")
        assert isinstance(view, QueuesView)
        return view

    def on_say(self, message: Say) -> None:
        """A thread has something to say."""
        self.desk.show_status(message.text, ok=message.ok)

    def on_saving(self, message: Saving) -> None:
        """Save what the view shows."""
        from taskconsole.console.saving.export import ExportError, Kind, destination, export, save

        view = self.desk.view
        name = "-".join(part for part in (view.NAME, *view.crumbs) if part)
        try:
            directory, name = destination(message.file, name)
            if message.kind is Kind.SVG:
                path = save(name, "svg", self.export_screenshot(title="Taskconsole"), directory)
            else:
                headings, rows = view.exported()
                if not headings:
                    self.desk.show_status("this view is no table: :export svg saves a picture of it", ok=False)
                    return
                path = export(message.kind, headings, rows, name=name, directory=directory)
        except ExportError as error:
            self.desk.show_status(str(error), ok=False)
        else:
            self.desk.show_status(f"saved as {path}")

    def on_pace(self) -> None:
        """Read more seldom, and after the most seldom often again."""
        slower = next((pace for pace in PACES if pace > self.feed.interval), PACES[0])
        self.feed.set_interval(slower)
        self.desk.show_status(f"reading every {slower:g} s")

    async def on_change(self, message: Change) -> None:
        """Look at another server."""
        from taskconsole.console.dialogs.chooser import Chooser, Option
        from taskconsole.model.nearest import did_you_mean

        if not self._contexts:
            self.desk.show_status("no contexts: [contexts.NAME] in config.toml makes one", ok=False)
        elif message.name is None:
            names = list(self._contexts)
            options = [Option(name, self._contexts[name].address) for name in names]

            async def chosen(index: int | None) -> None:
                if index is not None:
                    await self._change(self._contexts[names[index]])

            self.push_screen(Chooser("servers", options, glyphs=self.look.glyphs), chosen)
        elif message.name not in self._contexts:
            hint = did_you_mean(message.name, self._contexts) or f"; there are {', '.join(self._contexts)}"
            self.desk.show_status(f"no context {message.name}{hint}", ok=False)
        else:
            await self._change(self._contexts[message.name])

    async def _change(self, context: Context) -> None:
        before = self.feed
        self.look = replace(self.look, context=context.name, read_only=self._read_only or context.read_only)
        lock = Lock(read_only=self.look.read_only, name=context.name if context.protected else "")
        self.feed = self.make_feed(context.connect, before.interval, lock)
        # Its threads end by themselves; what they still say is about a feed that nobody asks any more.
        before.stop()
        self.look.crew.start = context.start_worker
        await self.desk.start_over(self.look, context.address, self.feed.errands)
        self.feed.start()

    def _copy(self, text: str, what: str) -> None:
        from taskconsole.console.terminal.copying import start_copying

        if not text:
            self.desk.show_status("nothing is selected", ok=False)
            return
        driver, loop = self._driver, self._loop
        write: Callable[[str], None] | None = None
        if isinstance(driver, CalmDriver) and loop is not None:

            def write(sequence: str) -> None:
                loop.call_soon_threadsafe(driver.pass_on, sequence)

        start_copying(text, what, write=write, tell=self.post_message)

    def _paint_events(self) -> None:
        self._flush_due = False
        now = time.monotonic()
        seconds, self._flushed_at = now - self._flushed_at, now
        self.desk.show_events(*self.feed.take_events(), min(seconds, 60.0) * self.feed.speed)

    def _leave_by_signal(self, number: int, _frame: object) -> None:
        # A terminal that takes no bytes, or is gone, must not keep the process. This runs even while the
        # loop is blocked, which a handler of the loop itself would not.
        self.last_resort = threading.Timer(LAST_RESORT, os._exit, (128 + number,))
        self.last_resort.daemon = True
        self.last_resort.start()
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._leave_with, 128 + number)

    def _leave_with(self, code: int) -> None:
        self.exit(code, return_code=code)

    def _fatal_error(self) -> None:
        """Textual's own report shows local variables; they may hold passwords."""
        self._exit_renderables.append(_crash_report(sys.exc_info()[1], self.look.masked or USUAL))
        self._close_messages_no_wait()


def run_console(connect: Callable[[], Backend], *, address: str, mouse: bool = False, **options: Any) -> int:
    """Run the console until it is left; returns the exit code (143 after SIGTERM, 129 after SIGHUP).

    The caller makes sure that there is a terminal. `options` are those of `Console`.
    """
    return run_app(lambda **more: Console(connect, address=address, **options, **more), mouse=mouse)


def run_app(make: Callable[..., Console], *, mouse: bool) -> int:
    """Run what `make(handle_signals=…)` makes, in order and with the signals put back; returns the exit code."""
    in_main_thread = threading.current_thread() is threading.main_thread()
    app = make(handle_signals=in_main_thread)
    before = {number: signal.getsignal(number) for number in ENDING}
    try:
        app.run(mouse=mouse)
    finally:
        if app.last_resort is not None:
            # It has left; what is to be put in order may take longer.
            app.last_resort.cancel()
        app.look.crew.close(LAST_WAIT)
        if in_main_thread:
            for number, handler in before.items():
                signal.signal(number, handler)
    return app.return_code or 0


def _operator() -> str:
    """Who acts, as others will read it: user@host."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        # No name for this user id, as in many containers.
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def _crash_report(error: BaseException | None, secrets: Sequence[str] = USUAL) -> Text:
    """One line, then where it happened: no local variables, no secrets, nothing a terminal acts upon."""
    lines = [f"taskconsole: internal error: {type(error).__name__}; please report this"]
    if error is not None:
        lines += "".join(traceback.format_exception(error)).splitlines()
    return Text("\n".join(safe(concealed_text(line, secrets), 500) for line in lines))
