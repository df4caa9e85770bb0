"""Taking back what was done to a schedule, if nothing has been done to it since: it becomes what it was.

What it has made stays made, and none of its instants comes twice; what would have been made meanwhile has passed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from taskconsole.backends.base import Applied
from taskconsole.backends.schedules import ATTEMPTS, Change, next_words
from taskconsole.errors import Changed, ScheduleError
from taskconsole.model.definition import decode_definition
from taskconsole.model.event import EventKind
from taskconsole.model.firing import go_on, place
from taskconsole.model.removal import decode_removal
from taskconsole.store.keys import check_queue_name
from taskconsole.store.schedules import UNDO, ScheduleStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from taskconsole.backends.commands import Undo
    from taskconsole.backends.schedules import ScheduleDesk, Seen
    from taskconsole.store.call import Call
    from taskconsole.store.keys import Namespace
    from taskconsole.store.schedules import ScheduleNote

__all__ = ["ScheduleUndoing"]


class ScheduleUndoing:
    """Takes changes of schedules back.

    Args:
        names: The key names to use.
        ask: Carries out calls in one round trip, repeats them if the replies are lost, raises a refusal.
        desk: Writes them.
    """

    def __init__(self, names: Namespace, ask: Callable[[list[Call[Any]]], list[Any]], desk: ScheduleDesk) -> None:
        self._store, self._ask, self._desk = ScheduleStore(names), ask, desk

    def apply(self, command: Undo) -> Applied | None:
        """Undo the action, if it was a change of a schedule and can still be taken back; None for any other.

        Raises:
            Changed: It moves faster than it can be changed.
        """
        if len(command.done.tokens) != 1:
            return None
        ((queue, token),) = command.done.tokens
        queue = check_queue_name(queue)
        for _ in range(ATTEMPTS):
            note: ScheduleNote | None = self._ask([self._store.note(queue, token)])[0]
            if note is None:
                return None
            seen = self._desk.look(note.name, queue)
            if seen.raw != note.after:
                moved = f"the schedule {note.name} has changed since ({command.done.what})"
                return Applied(text=f"nothing undone: {moved}", changed=False)
            change = Change(
                kind=EventKind.UNDONE,
                what=UNDO,
                by=command.by,
                token=token,
                reason=f"the {note.what} is undone",
            )
            applied = self._back(seen, note, change) if note.before else self._away(seen, note, change)
            if applied is not None:
                return applied
        raise Changed(f"a schedule of {queue} changed again and again meanwhile: nothing was undone, try once more")

    def _away(self, seen: Seen, note: ScheduleNote, change: Change) -> Applied | None:
        """There was none before."""
        text = f"undone the {note.what} of the schedule {note.name}: there is none; tasks that it has made stay"
        return self._desk.take_out(seen, change, text)

    def _back(self, seen: Seen, note: ScheduleNote, change: Change) -> Applied | None:
        """What it was, from where it has come to."""
        try:
            definition = decode_definition(note.before)
        except ScheduleError as error:
            text = f"nothing undone: what the schedule {note.name} was before cannot be read ({error})"
            return Applied(text=text, changed=False)
        past, unfinished = (seen.at, b"") if seen.raw else self._desk.past(seen, definition)
        code = seen.code or decode_removal(self._desk.removal_note(seen)).code.encode()
        if seen.score is None:
            # It was paused, over or away: what has passed meanwhile has passed.
            past = go_on(definition, past, seen.now)
        after, then = place(note.name, definition, past, seen.now)
        text = f"undone the {note.what} of the schedule {note.name}: {next_words(definition, then)}"
        return self._desk.put(seen, definition, after, then, change, text, code=code, unfinished=unfinished)
