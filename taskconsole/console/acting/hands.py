"""What the operator's keys have done: from an action and what is selected to an order for the flow.

Keys that were pasted or held mean nothing here, a locked console says so before it asks anything, and what an
action needs to be told is asked first.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from taskconsole.backends.commands import AddSchedule, Command, EditSchedule, Enqueue
from taskconsole.console.acting.flow import Flow, Stage
from taskconsole.console.acting.forms import DETAILS, WHOLE
from taskconsole.console.acting.orders import NoOrder, order
from taskconsole.console.acting.questions import Question
from taskconsole.console.dialogs.hire import HireForm
from taskconsole.console.dialogs.undos import UndoList
from taskconsole.console.feed.lock import Lock, Writes
from taskconsole.console.place import Place
from taskconsole.console.text.safe import safe

if TYPE_CHECKING:
    from collections.abc import Callable

    from taskconsole.console.acting.undos import Taken
    from taskconsole.console.actions import Action
    from taskconsole.console.aim import Aim
    from taskconsole.console.feed.errands import Errands
    from taskconsole.console.terminal.keystrokes import Keystrokes

__all__ = ["Hands"]

NOTHING = "nothing to undo: nothing was done here, or it is too late"


class Hands:
    """Its coroutines belong into workers of the screen, one for each key that was pressed.

    Args:
        stage: Where questions are asked and answers are shown.
        errands: Foresees and carries out; keeps the lock.
        keys: Tells whether a key was meant.
        clock: For the lock.
    """

    def __init__(
        self, stage: Stage, errands: Errands, keys: Keystrokes, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stage, self._errands, self._keys, self._clock = stage, errands, keys, clock
        self.flow = Flow(stage, errands, keys)

    @property
    def lock(self) -> Lock:
        """Whether anything may be written."""
        return self._errands.lock

    async def act(self, action: Action, aim: Aim, pressed: int) -> bool:
        """Carry out one of `screen.act`'s actions; True when something was done."""
        if not await self._may(pressed):
            return False
        try:
            if action.verb == "hire":
                return await self._hire(aim)
            if action.verb in WHOLE:
                return await self._by_form(action.verb, aim)
            return await self._by_order(action.verb, aim)
        except NoOrder as error:
            self._stage.show_status(str(error), ok=False)
            return False

    async def _hire(self, aim: Aim) -> bool:
        """Start a worker for the queue beside the console; show what it says when there is one."""
        if not aim.queue:
            raise NoOrder("no queue is selected")
        crew = self._stage.look.crew
        if crew.of(aim.queue) is None:
            app = await self._stage.ask(HireForm(aim.queue, crew.app, glyphs=self._stage.look.glyphs))
            if app is None or not await self.flow.meant(self._keys.count, repeats=False):
                return False
            hired = crew.hire(app.strip(), aim.queue, self._stage.hear)
            self._stage.show_status(f"a worker for {aim.queue} here is {hired.state}; W shows its log")
        else:
            await self._stage.go(Place(view="crew"))
        return False

    async def undo(self, pressed: int) -> None:
        """Take the last action back."""
        possible = await self._undoable(pressed)
        if possible:
            await self.flow.take_back(possible[0])

    async def undo_list(self, pressed: int) -> None:
        """Choose what to take back."""
        possible = await self._undoable(pressed)
        if possible:
            chosen = await self._stage.ask(UndoList(possible, self._stage.now, glyphs=self._stage.look.glyphs))
            if chosen is not None:
                await self.flow.take_back(possible[chosen])

    async def toggle_lock(self, pressed: int) -> None:
        """Unlock for a while; a protected context takes the typing of its name. Or lock."""
        if not await self.flow.meant(pressed):
            return
        match self.lock.state(self._clock()):
            case Writes.READ_ONLY:
                self._stage.show_status("this console was started read-only: it stays so", ok=False)
            case Writes.OPEN:
                self._errands.change_lock(Lock.shut)
                self._stage.show_status("locked: nothing is written from here")
            case Writes.LOCKED:
                await self._unlock()

    async def toggle_secrets(self, pressed: int) -> None:
        """Show what is masked, as long as something may be written; or hide it."""
        if not self._stage.look.masked:
            self._stage.show_secrets(shown=False)
            self._stage.show_status("secrets are hidden")
        elif await self._may(pressed):
            self._stage.show_secrets(shown=True)
            self._stage.show_status("secrets are shown until this console is locked; R hides them", ok=False)

    async def _unlock(self) -> None:
        name = self.lock.name
        if name:
            asked = Question(text=f"let this console write to {safe(name, 60)} for 15 minutes?", typed=name)
            if not await self.flow.agrees(asked):
                return
        now = self._clock()
        self._errands.change_lock(lambda lock: lock.opened(now))
        self._stage.show_status("unlocked for 15 minutes; U locks")

    async def _may(self, pressed: int) -> bool:
        """Whether the key was meant and something may be written; says so when not."""
        if not await self.flow.meant(pressed):
            return False
        refusal = self.lock.refusal(self._clock())
        if refusal:
            self._stage.show_status(refusal, ok=False)
        # A second key press that came before the dialog of the first could take it does nothing.
        return not refusal and self._stage.is_free

    async def _undoable(self, pressed: int) -> list[Taken]:
        """What can be taken back; says so when nothing can."""
        if not await self._may(pressed):
            return []
        possible = self.flow.undos.possible(self._stage.now)
        if not possible:
            self._stage.show_status(NOTHING, ok=False)
        return possible

    async def _by_order(self, verb: str, aim: Aim) -> bool:
        operator = self._stage.look.operator
        # What it cannot be done to is refused before anything is typed.
        wanted = order(verb, aim, operator)
        if verb in DETAILS:
            given = await DETAILS[verb](self._stage, aim)
            if given is None:
                return False
            wanted = order(verb, aim, operator, given)
        applied = await self.flow.obey(wanted)
        return applied is not None and applied.changed

    async def _by_form(self, verb: str, aim: Aim) -> bool:
        """Actions whose form is the question."""
        command = await WHOLE[verb](self._stage, aim)
        if command is None or not await self.flow.meant(self._keys.count, repeats=False):
            return False
        return await self.flow.commit(command, _doing(command)) is not None


def _doing(command: Command) -> str:
    """What is under way; not yet made safe."""
    match command:
        case Enqueue():
            return f"enqueueing {command.task} on {command.queue}"
        case AddSchedule():
            return f"adding {command.name}"
        case EditSchedule():
            return f"changing {command.name}"
    return "doing it"
