"""The screen around the views: where we are, what is wrong, one view, what was done last, and which keys work.

It owns the way from view to view; what a view shows is its own business. What the first figures do not need is
imported in functions, so that they need not wait for it (see `later`).
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, TypeVar

from textual import on
from textual.containers import Container
from textual.events import Click
from textual.geometry import Size
from textual.screen import Screen

from taskconsole.console import actions, header
from taskconsole.console.feed.link import Link, Phase
from taskconsole.console.feed.lock import Writes
from taskconsole.console.messages import Ask, Change, Go, Pace, Saving, Say
from taskconsole.console.place import ROOTS, Place
from taskconsole.console.text.format import clock
from taskconsole.console.text.lines import Line, Tone, at_most, cell, join
from taskconsole.console.text.safe import safe
from taskconsole.console.views.catalogue import make_view
from taskconsole.console.widgets.lines import Lines
from taskconsole.console.widgets.prompt import Prompt
from taskconsole.model.secrecy import concealed
from taskconsole.model.verdict import Verdict, judge

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from textual import events
    from textual.app import ComposeResult
    from textual.binding import BindingType
    from textual.screen import ModalScreen

    from taskconsole.console.acting.hands import Hands
    from taskconsole.console.feed.errands import Errands
    from taskconsole.console.feed.queries import Answer, Query
    from taskconsole.console.look import Look
    from taskconsole.console.terminal.keystrokes import Keystrokes
    from taskconsole.console.typed.history import History
    from taskconsole.console.views.view import View
    from taskconsole.model.event import Event
    from taskconsole.model.signature import Signature

__all__ = ["Desk", "is_tiny"]

T = TypeVar("T")

IN_A_TABLE = frozenset({"dead tasks"})
"""Rules whose whole news is a figure that a table shows anyway."""


LEAST = Size(60, 15)
"""What is smaller shows one line."""


def is_tiny(size: Size) -> bool:
    """Whether a terminal of that size shows one line only."""
    return size.width < LEAST.width or size.height < LEAST.height


class Desk(Screen[None]):
    """Shows links, answers and events as it is given them; asks by `watch`, acts by its hands.

    Args:
        look: How the console is to be.
        address: Where we are connected to, or try to be.
        start: The place to begin at.
        errands: Foresees and carries out commands.
        keys: Tells whether a key was meant.
        watch: Has a question asked elsewhere, again and again, until there is another.
        history: The commands that were typed before.
        clock: For the lock.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        *actions.bindings(actions.VIEWS),
        *actions.bindings(actions.EVERYWHERE),
    ]

    def __init__(
        self,
        look: Look,
        *,
        address: str,
        start: Place,
        errands: Errands,
        keys: Keystrokes,
        watch: Callable[[Query | None], None],
        history: History,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self.look = look
        self._address = address
        self._keys = keys
        self._clock = clock
        self._errands = errands
        self._hands: Hands | None = None
        self._watch = watch
        self._history = history
        self._masked = look.masked
        """What is not shown, unless somebody wants it shown."""
        self._asking = False
        self._offers: list[str] = []
        self._link = Link()
        self._found: list[Verdict] = []
        self._status: Line = ()
        self._trail: list[Place] = []
        """The places one has come through, the present one excluded."""
        self._last: Place | None = None
        self._start = start
        self._views: dict[str, View] = {}
        self.view: View = self._first_view()
        """The one that is shown."""
        self.header_line = Lines(id="header")
        self.tabs = Lines(id="tabs")
        self.verdict_lines = Lines(id="verdict")
        self.body = Container(id="body")
        self.status = Lines(id="status")
        self.footer = Lines(id="footer")
        self.prompt = Prompt(id="prompt")
        self.summary = Lines(id="summary")

    def compose(self) -> ComposeResult:
        """Top to bottom."""
        yield self.header_line
        yield self.tabs
        yield self.verdict_lines
        yield self.body
        yield self.status
        yield self.footer
        yield self.prompt
        yield self.summary

    async def on_mount(self) -> None:
        """Open the first place; the age of what is shown moves on even when nothing arrives."""
        await self._show(self._start)
        self.set_interval(1.0, self.tick)

    # -- what it is told

    def show_link(self, link: Link) -> None:
        """A newer snapshot."""
        offered = self._link.can, self._link.phase
        self._link = link
        if link.overview is not None and link.phase is Phase.LIVE:
            self._found = [v for v in judge(link.overview) if v.rule not in IN_A_TABLE]
        if (link.can, link.phase) != offered:
            self.refresh_bindings()
        self.paint()
        self.view.show_link(link)

    def show_answer(self, answer: Answer) -> None:
        """A newer answer to the question of the view."""
        self.view.show_answer(answer)

    def show_events(self, arrived: list[Event], lost: int, seconds: float) -> None:
        """Events, for every view that keeps them."""
        shown = [concealed(event, self.look.masked) for event in arrived]
        for view in self._views.values():
            view.show_events(shown, lost, seconds)

    def show_status(self, text: str, *, ok: bool = True, tail: str = "") -> None:
        """Say what became of an action, with the time, until the next one; of what is too long, the `tail` stays."""
        at = clock(self._link.server_now(time.monotonic()) or time.time())
        tone, room = Tone.PLAIN if ok else Tone.BAD, max(0, self.size.width - 12)
        self._status = (
            (f" {at}Z  ", Tone.QUIET),
            (cell(at_most(safe(text, 400), room - len(tail), self.look.glyphs) + tail, room), tone),
        )
        self.status.show(self._status)

    # -- drawing

    def paint(self) -> None:
        """Show what surrounds the view; what has not changed is not written."""
        link, now, width = self._link, time.monotonic(), self.size.width
        self.header_line.show(header.header(link, self._address, width, now, self.look, self.lock_words))
        self.tabs.show(header.tabs(self.view.place, self.view.crumbs, width))
        self.verdict_lines.show(
            header.verdict_line(link, self._found, width, now),
            header.fix_line(link, self._found, self.look.offer, width),
        )
        self.summary.show(header.summary(link, self._found, width, now))
        self.footer.show(header.footer(self.offered(), width))

    def tick(self) -> None:
        """Once a second; a live screen is painted by its readings alone. What locks itself hides the secrets."""
        if self.look.masked != self._masked and self.is_locked:
            self.show_secrets(shown=False)
        if self._link.phase is not Phase.LIVE or self._link.stale_for(time.monotonic()) is not None:
            self.paint()
            self.view.show_link(self._link)

    def offered(self) -> list[actions.Action]:
        """The actions that work here and now, those of the view first."""
        rows = [actions.GROUPS[name][0] for name in ("marks", "columns") if name in self.view.GROUPS]
        return [a for a in (*self.view.ACTIONS, *rows) if self.view.allowed(a)] + [
            a for a in actions.EVERYWHERE if self.view.allowed(a)
        ]

    def on_resize(self, event: events.Resize) -> None:
        """Arrange for the size: one line, or all of it."""
        before, tiny = self.has_class("-tiny"), is_tiny(event.size)
        self.set_class(tiny, "-tiny")
        if tiny and self.prompt.is_open:
            # What cannot be seen must not be typed either.
            self.prompt.action_cancel()
        elif before and not tiny:
            self.call_after_refresh(self._give_keys)
        self.paint()

    # -- going from view to view

    async def go(self, place: Place) -> None:
        """Open a place; Escape comes back from it."""
        if place == self.view.place:
            return
        self._last = self.view.place
        if place.view in ROOTS and not place.queue:
            self._trail.clear()
        else:
            self._trail.append(self.view.place)
        await self._show(place)

    async def _show(self, place: Place) -> None:
        view = self.view_called(place.view)
        if not view.is_mounted:
            await self.body.mount(view)
        for other in self._views.values():
            other.set_class(other is view, "-shown")
        self.view = view
        view.open(place)
        self._watch(view.question)
        view.show_link(self._link)
        self.paint()
        self.refresh_bindings()
        self._give_keys()

    def view_called(self, name: str) -> View:
        """The view of that name, made when it is first wanted."""
        if name not in self._views:
            self._views[name] = make_view(name, self.look)
        return self._views[name]

    def _first_view(self) -> View:
        """The queues; the events are there from the beginning, too, to miss none."""
        self.view_called("events")
        return self.view_called("queues")

    def _give_keys(self) -> None:
        """The view's first widget that takes keys gets them."""
        first = next((w for w in self.view.query("*") if w.can_focus and w.display), None)
        if first is not None and not self.prompt.is_open:
            first.focus()

    async def start_over(self, look: Look, address: str, errands: Errands) -> None:
        """Another server: nothing that was shown is true of it, nothing that was done can be undone there."""
        self.workers.cancel_group(self, "hands")
        self._errands, self._hands = errands, None
        self.look, self._address, self._link, self._found = look, address, Link(), []
        self._masked = look.masked
        for view in self._views.values():
            if view.is_mounted:
                await view.remove()
        self._views.clear()
        self._trail.clear()
        self._last = None
        self._first_view()
        await self._show(Place())

    async def do(self, action: actions.Action) -> None:
        """Carry out an action as its key would."""
        chain = [*(self.focused.ancestors_with_self if self.focused is not None else (self,)), self.app]
        name = action.name.partition("(")[0].removeprefix("app.").removeprefix("screen.")
        for node in chain:
            if hasattr(node, f"action_{name}"):
                await self.app.run_action(action.name, node)
                return

    # -- what views ask for

    async def on_go(self, message: Go) -> None:
        """Open another view."""
        await self.go(message.place)

    def on_ask(self, message: Ask) -> None:
        """The view has another question."""
        message.stop()
        self._watch(self.view.question)

    def on_say(self, message: Say) -> None:
        """The view has something to say."""
        self.show_status(message.text, ok=message.ok)

    # -- the stage on which something is done

    @property
    def is_free(self) -> bool:
        """Nothing else is asked or typed."""
        return self.is_current and not self._asking and not self.prompt.is_open

    @property
    def now(self) -> float:
        """Seconds since the epoch, by Redis as far as it is known."""
        return self._link.server_now(time.monotonic()) or time.time()

    @property
    def queues(self) -> Sequence[str]:
        """The names of the queues there are."""
        return [] if self._link.overview is None else [queue.name for queue in self._link.overview.queues]

    async def signatures(self) -> Sequence[Signature]:
        """The tasks there are, as far as is known."""
        return await self.hands.flow.signatures()

    def hear(self, text: str) -> None:
        """Something has happened elsewhere; from any thread."""
        self.app.post_message(Say(text, ok=False))

    def show_secrets(self, *, shown: bool) -> None:
        """Show arguments that are named like secrets, or not."""
        self.look = replace(self.look, masked=() if shown else self._masked)
        for view in self._views.values():
            view.look_so(self.look)
        self._watch(None)
        self._watch(self.view.question)

    async def ask(self, dialog: ModalScreen[T]) -> T | None:
        """Show a dialog and wait for what is answered; None also when another is there."""
        if self._asking:
            return None
        # The app takes a moment before the dialog has the keys; another one must not come in between.
        self._asking = True
        try:
            return await self.app.push_screen_wait(dialog)
        finally:
            self._asking = False

    @property
    def hands(self) -> Hands:
        """What carries out keys that change something; there once the first is pressed."""
        from taskconsole.console.acting.hands import Hands

        if self._hands is None:
            self._hands = Hands(self, self._errands, self._keys, clock=self._clock)
        return self._hands

    @property
    def is_locked(self) -> bool:
        """Nothing may be written now."""
        return self._errands.lock.state(self._clock()) is not Writes.OPEN

    @property
    def lock_words(self) -> str:
        """The word for the header."""
        return self._errands.lock.words(self._clock())

    def action_act(self, verb: str) -> None:
        """Have something done to what is selected."""
        view = self.view
        action = next(action for action in view.ACTIONS if action.verb == verb)

        async def act(pressed: int) -> None:
            if await self.hands.act(action, view.aim, pressed):
                view.acted()

        self._have_done(act)

    def action_undo(self) -> None:
        """Take the last action back."""
        self._have_done(self.hands.undo)

    def action_undo_list(self) -> None:
        """Choose what to take back."""
        self._have_done(self.hands.undo_list)

    def action_reveal(self) -> None:
        """Show secrets, or hide them."""
        self._have_done(self.hands.toggle_secrets)

    def action_lock(self) -> None:
        """Unlock for a while, or lock."""
        self._have_done(self.hands.toggle_lock)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What the view's own actions are, and what may be written at all, decide about the keys."""
        offered = (*self.view.ACTIONS, *actions.EVERYWHERE)
        if action == "act":
            return any(a.verb == parameters[0] and self.view.allowed(a) for a in offered)
        wanted = next((a for a in offered if a.name == action), None)
        return wanted is None or self.view.allowed(wanted)

    def _have_done(self, deed: Callable[[int], Coroutine[object, object, None]]) -> None:
        """In a worker, so that questions can be asked; it knows which key it was."""

        async def run() -> None:
            await deed(pressed)
            self.paint()

        pressed = self._keys.count
        self.run_worker(run(), name="hands", group="hands")

    # -- actions

    async def action_open(self, name: str) -> None:
        """Open one of the views."""
        queue = self.view.place.queue if name == "tasks" else ""
        await self.go(Place(view=name, queue=queue))

    @on(Click, "#tabs")
    async def _tab_clicked(self, event: Click) -> None:
        """A click on the name of a view opens it."""
        name = header.tab_at(self.tabs.lines[0], event.x) if self.tabs.lines else None
        if name is not None:
            await self.action_open(name)

    async def action_back(self) -> None:
        """End what goes on for long; clear the filter, then the marks; then leave the view."""
        if not (self._hands and self._hands.flow.end_running()) and not self.view.clear():
            await self._leave_view()

    async def action_last(self) -> None:
        """The view before this one, wherever it was."""
        if self._last is not None:
            before, self._last = self._last, self.view.place
            await self._show(before)

    async def action_leave(self) -> None:
        """Leave the view; at the first one, the console."""
        if not await self._leave_view():
            await self.app.run_action("app.exit_console")

    async def _leave_view(self) -> bool:
        """Go back to where one came from; False when one has not come from anywhere."""
        if self._trail:
            self._last = self.view.place
            await self._show(self._trail.pop())
            return True
        return False

    def action_filter(self) -> None:
        """Type a filter."""
        self.add_class("-typing")
        self.prompt.begin("/", self.view.filter_text)

    def action_command(self) -> None:
        """Type a command."""
        self.add_class("-typing")
        self.prompt.begin(":")

    def action_next(self, direction: int) -> None:
        """The next or the previous match."""
        self.view.seek(direction)

    def action_find(self) -> None:
        """Type what to search for."""
        self.add_class("-typing")
        self.prompt.begin(":", "find ")

    def action_pace(self) -> None:
        """Read more seldom, and after the most seldom often again."""
        self.app.post_message(Pace())

    # -- the line one types on

    def _stop_typing(self) -> None:
        self.prompt.end()
        self.remove_class("-typing")
        self.status.show(self._status)
        self._give_keys()

    @on(Prompt.Typed)
    def _typed(self, message: Prompt.Typed) -> None:
        if message.sign == "/":
            self.view.set_filter(message.text)

    @on(Prompt.Accepted)
    async def _accepted(self, message: Prompt.Accepted) -> None:
        self._stop_typing()
        if message.sign == ":":
            await self.obey(message.text)

    @on(Prompt.Completing)
    def _completing(self, message: Prompt.Completing) -> None:
        """Tab: what the command may become, one after another."""
        from taskconsole.console.typed.commandline import Names, complete

        if self.prompt.sign != ":":
            return
        if message.text not in self._offers:
            queues = () if self._link.overview is None else self._link.overview.queues
            names = Names(queues=[queue.name for queue in queues], contexts=self.look.contexts)
            self._offers = complete(message.text, names)
        if self._offers:
            at = self._offers.index(message.text) + 1 if message.text in self._offers else 0
            self.prompt.replace(self._offers[at % len(self._offers)])
            self.status.show(join([(safe(offer, 80), Tone.QUIET) for offer in self._offers], self.size.width))

    @on(Prompt.Recalling)
    def _recalling(self, message: Prompt.Recalling) -> None:
        """Up and down: commands that were typed before."""
        if self.prompt.sign == ":":
            leaf = self._history.older if message.step < 0 else self._history.newer
            self.prompt.replace(leaf(message.text))

    @on(Prompt.Cancelled)
    def _cancelled(self, message: Prompt.Cancelled) -> None:
        if message.sign == "/":
            self.view.set_filter("")
        self._stop_typing()

    async def obey(self, text: str) -> None:
        """Carry out a typed command."""
        from taskconsole.console.starting import place_of
        from taskconsole.console.typed.commandline import CommandError, Export, Help, Quit, UseContext, parse

        try:
            command = parse(text)
        except CommandError as error:
            self.show_status(str(error), ok=False)
            return
        self._history.add(text)
        place = place_of(command)
        if place is not None:
            await self.go(place)
        match command:
            case Export():
                self.app.post_message(Saving(command.kind, command.file or ""))
            case UseContext():
                self.app.post_message(Change(command.name))
            case Help():
                await self.run_action("app.help")
            case Quit():
                await self.run_action("app.exit_console")
