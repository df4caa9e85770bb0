"""The way of an action from the key to the answer: form, foresight, question, command, answer.

One straight line a command; what is agreed to is what is carried out, or it is asked again. Whether anything may be
written is decided elsewhere (`errands`), once more, right before it is.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from taskconsole.console.acting.orders import agreed, at_any_cost
from taskconsole.console.acting.questions import again, question
from taskconsole.console.acting.undos import Undos
from taskconsole.console.dialogs.confirm import Confirm
from taskconsole.console.dialogs.typed import Typed
from taskconsole.console.feed.errands import Refused
from taskconsole.console.text.format import clock, count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.screen import ModalScreen

    from taskconsole.backends.base import Applied, Foreseen
    from taskconsole.backends.commands import Command
    from taskconsole.console.acting.orders import Order
    from taskconsole.console.acting.questions import Question
    from taskconsole.console.acting.undos import Taken
    from taskconsole.console.feed.errands import Errands
    from taskconsole.console.look import Look
    from taskconsole.console.place import Place
    from taskconsole.console.terminal.keystrokes import Keystrokes
    from taskconsole.model.signature import Signature

__all__ = ["Flow", "Stage"]

T = TypeVar("T")

SPEAK = 0.5
"""Seconds between two words about a command that goes on for long."""

LATE = "something else was opened meanwhile: nothing was done, press the key again"


class Stage(Protocol):
    """The screen on which it happens."""

    look: Look
    """How the console is to be."""

    @property
    def is_free(self) -> bool:
        """Nothing else is asked or typed."""

    @property
    def now(self) -> float:
        """Seconds since the epoch, by Redis as far as it is known."""

    @property
    def queues(self) -> Sequence[str]:
        """The names of the queues there are."""

    async def signatures(self) -> Sequence[Signature]:
        """The tasks there are and their parameters, as far as is known."""

    async def ask(self, dialog: ModalScreen[T]) -> T | None:
        """Show a dialog and wait for what is answered."""

    async def go(self, place: Place) -> None:
        """Open another view."""

    def hear(self, text: str) -> None:
        """Something has happened elsewhere; from any thread."""

    def show_secrets(self, *, shown: bool) -> None:
        """Show arguments that are named like secrets, or not."""

    def show_status(self, text: str, *, ok: bool = True, tail: str = "") -> None:
        """Say something on the line of the last action; of what is too long, the `tail` stays."""


@dataclass(slots=True)
class _Progress:
    """Of one command, written by the thread that carries it out."""

    done: int = 0
    ended: bool = False

    def report(self, done: int) -> bool:
        """So many are done; False when it is to end."""
        self.done = done
        return not self.ended


class Flow:
    """Its coroutines belong into workers of the screen, one for each key that was pressed.

    Args:
        stage: Where questions are asked and answers are shown.
        errands: Foresees and carries out.
        keys: Tells whether a key was meant.
    """

    def __init__(self, stage: Stage, errands: Errands, keys: Keystrokes) -> None:
        self._stage, self._errands, self._keys = stage, errands, keys
        self.undos = Undos()
        self._under_way: list[_Progress] = []

    async def meant(self, pressed: int, *, repeats: bool = True) -> bool:
        """Whether the key that was the `pressed`-th was pressed by somebody who meant it; says why when not."""
        await asyncio.sleep(self._keys.burst)
        doubt = self._keys.doubt(pressed, repeats=repeats)
        if doubt:
            self._stage.show_status(doubt, ok=False)
        return not doubt

    async def obey(self, order: Order) -> Applied | None:
        """Foresee, ask, carry out, answer. None when it was not done."""
        foreseen = await self._foresee(order.command)
        if foreseen is None:
            return None
        if foreseen.count == 0 and not foreseen.cost:
            self._stage.show_status(f"nothing to do: {foreseen.text}", ok=False)
            return None
        asked = question(order, foreseen)
        if asked is not None and not await self.agrees(asked):
            return None
        command, number = agreed(order.command, foreseen.count), foreseen.count
        if foreseen.cost:
            command = at_any_cost(command)
        while True:
            applied = await self.commit(command, order.doing, number)
            if applied is None or applied.now is None:
                return applied
            if not await self.agrees(again(order, foreseen, number, applied.now)):
                return None
            command, number = agreed(command, applied.now), applied.now

    async def commit(self, command: Command, doing: str, number: int = 1) -> Applied | None:
        """Have a command carried out and say what became of it; None when it was refused."""
        progress = _Progress()
        self._under_way.append(progress)
        self._stage.show_status(f"{doing} …")
        try:
            result = await self._followed(command, doing, number, progress)
        finally:
            self._under_way.remove(progress)
        if isinstance(result, Refused):
            self._stage.show_status(result.text, ok=False)
            return None
        if result.now is None:
            taken = self.undos.note(command, result, self._stage.look.operator, self._stage.now)
            self._stage.show_status(result.text, ok=result.changed and not result.missed, tail=_how_to_undo(taken))
        return result

    async def take_back(self, taken: Taken) -> None:
        """Undo one action."""
        if await self.commit(taken.undo, f"undoing: {taken.what}") is not None:
            self.undos.forget(taken)

    async def signatures(self) -> Sequence[Signature]:
        """The tasks that live workers have handlers for; none when that takes long."""
        asked = asyncio.wrap_future(self._errands.signatures())
        try:
            found = await asyncio.wait_for(asked, SPEAK)
        except TimeoutError:
            return ()
        return () if isinstance(found, Refused) else found

    def end_running(self) -> bool:
        """End what is under way after its present piece; False when nothing is."""
        for progress in self._under_way:
            progress.ended = True
        if self._under_way:
            self._stage.show_status("ending after the present piece; what is done stays done")
        return bool(self._under_way)

    async def agrees(self, asked: Question) -> bool:
        """Ask; says so when it is not done."""
        if not self._stage.is_free:
            # A question that comes late must not take the keys of whatever is being typed.
            self._stage.show_status(
                "something else was opened meanwhile: nothing was done, press the key again", ok=False
            )
            return False
        glyphs = self._stage.look.glyphs
        answer: str | bool | None
        if asked.typed:
            answer = await self._stage.ask(Typed(asked, glyphs=glyphs))
        else:
            answer = await self._stage.ask(Confirm(asked, glyphs=glyphs, seen=self._keys.seen))
        if answer and await self.meant(self._keys.count, repeats=False):
            return True
        if not answer:
            self._stage.show_status("nothing was done")
        return False

    async def _foresee(self, command: Command) -> Foreseen | None:
        foreseen = await asyncio.wrap_future(self._errands.foresee(command))
        if isinstance(foreseen, Refused):
            self._stage.show_status(foreseen.text, ok=False)
            return None
        return foreseen

    async def _followed(self, command: Command, doing: str, number: int, progress: _Progress) -> Applied | Refused:
        future = asyncio.wrap_future(self._errands.apply(command, progress.report))
        shown = 0
        while not (await asyncio.wait({future}, timeout=SPEAK))[0]:
            if progress.done != shown and not progress.ended:
                shown = progress.done
                of = f" of {count(number)}" if number > 1 else ""
                self._stage.show_status(f"{doing}: {count(shown)}{of}   esc ends it")
        return await future


def _how_to_undo(taken: Taken | None) -> str:
    if taken is None:
        return ""
    return f"   z undoes it until {clock(taken.until)}Z"
