"""Taking actions back, as far as the tasks have not moved on.

What an action took away lies in the trash, and what it changed is remembered, for ten minutes; one script brings back
at most some hundred tasks. Those that were put into a queue are looked for there, from the end at which they were put,
a piece at a time: those that a worker has claimed since are not found, and are left to it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from taskconsole.backends.base import Applied
from taskconsole.backends.commands import Undoable
from taskconsole.backends.moving import Mover
from taskconsole.backends.pieces import AROUND, Held
from taskconsole.backends.rows import operator_event
from taskconsole.backends.shelves import shelves
from taskconsole.errors import StoreError, StoreUnavailable
from taskconsole.model.event import EventKind
from taskconsole.model.state import State
from taskconsole.model.task import restored
from taskconsole.store.keys import Namespace, check_queue_name
from taskconsole.store.operations import KEEP_TRASH, Former, OperationStore

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from taskconsole.backends.commands import Undo
    from taskconsole.model.event import Event
    from taskconsole.store.call import Call
    from taskconsole.store.operations import Note, Taken, Undone

__all__ = ["Undoing", "undoable"]

LOOKED = 1_000
"""Places of a queue that one call looks through."""

NOTES = 100
"""Notes that are asked for at once."""

NOT_UNDOABLE = frozenset({"undone", "run", "arrive", "back"})

DEEPEST = 2_000_000
"""Places of a queue that are looked through for tasks that were put there, at most."""


def undoable(what: str, queue: str, token: str, now: float) -> Undoable:
    """What takes back an action of one piece that was done just now."""
    return Undoable(what=what, tokens=((queue, token),), until=now + KEEP_TRASH)


class _Walk:
    """One way through a queue for all pieces of an action: what was put later lies nearer to the end."""

    def __init__(self) -> None:
        self.queue = ""
        self.at = 0
        """Places already looked through, from the end at which the tasks were put."""


class Undoing:
    """Takes actions back.

    Args:
        names: The key names to use.
        ask: Carries out calls in one round trip, repeats them if the replies are lost, raises a refusal.
        spread: The public delayed set and its queue lie on different nodes.
    """

    def __init__(self, names: Namespace, ask: Callable[[list[Call[Any]]], list[Any]], *, spread: bool = False) -> None:
        self._names, self._ask, self._spread = names, ask, spread
        self._operations, self._mover = OperationStore(names), Mover(names, ask, spread=spread)

    def apply(self, command: Undo, token: str, report: Callable[[int], bool] | None, *, now: float) -> Applied:
        """Undo every piece, the last one first; each is undone once."""
        back = missed = 0
        answers: set[str] = set()
        walk = _Walk()
        broken = ""
        pieces = list(reversed(command.done.tokens))
        for number, (queue, piece) in enumerate(pieces):
            try:
                what, some, gone = self._piece(
                    check_queue_name(queue), piece, command.by, f"{token}.{number}", now, walk
                )
            except (StoreUnavailable, StoreError) as error:
                if not number:
                    raise
                broken = f"; {error}: undo again for the rest"
                break
            answers.add(what)
            back, missed = back + some, missed + gone
            if report is not None and not report(back):
                broken = "; it was stopped: undo again for the rest" if number + 1 < len(pieces) else ""
                break
        return Applied(
            text=_told(command.done.what, answers, back, missed) + broken,
            changed=bool(answers - {"", "undone", "changed"}) and (back > 0 or bool(answers & {"pause", "resume"})),
            done=back,
            missed=missed,
        )

    def _piece(self, queue: str, token: str, by: str, own_token: str, now: float, walk: _Walk) -> tuple[str, int, int]:
        """What it was (or why not), how many tasks are back, and how many have moved on."""
        note: Note | None = self._ask([self._operations.note(queue, token)])[0]
        if note is None:
            return "", 0, 0
        # A call that was given up may still be on its way to let them arrive: what is brought back must not do so.
        if note.op == "move" and self._ask([self._operations.call_off(note.to, token)])[0]:
            # Whoever moved them did not come to say so.
            self._ask([self._operations.moved(queue, token)])
            return self._fetch_back(queue, token, note, by, own_token, now)
        if note.op == "moved":
            return self._fetch_back(queue, token, note, by, own_token, now)
        if note.op == "requeue":
            return self._unqueue(queue, token, note, by, own_token, now, walk)
        event = operator_event(EventKind.UNDONE, queue, round(now, 3), by, note.op)
        back = missed = step = 0
        while True:
            call = self._operations.undo(
                queue, token, own_token=f"{own_token}.{step}", event=event, spread=self._spread
            )
            undone: Undone = self._ask([call])[0]
            step += 1
            back, missed = back + undone.back, missed + undone.missed
            if not undone.left:
                return undone.what, back, missed

    # -- what can be undone

    def find(self, action: str, queues: Sequence[str], *, now: float) -> Undoable | None:
        """What takes back the action of that name, as far as its notes are still there; None when none is."""
        tokens: list[tuple[int, str, str]] = []
        ops: list[str] = []
        until = 0.0
        for queue in queues:
            number = 0
            while True:
                names = [f"{action}.{n}" for n in range(number, number + NOTES)]
                notes = self._ask([self._operations.note(queue, name) for name in names])
                there = [(n, note) for n, note in enumerate(notes, number) if note and note.op not in NOT_UNDOABLE]
                if not any(notes):
                    break
                tokens += [(n, queue, f"{action}.{n}") for n, _ in there]
                ops += [f"{_words(note)} on {queue}" for _, note in there]
                number += NOTES
        if not tokens:
            return None
        tokens.sort()
        left = self._ask([self._operations.note_left(tokens[0][1], tokens[0][2])])[0]
        until = now + (left if left >= 0 else KEEP_TRASH)
        what = ", ".join(dict.fromkeys(ops))
        return Undoable(what=what, tokens=tuple((queue, token) for _, queue, token in tokens), until=until)

    def listed(self, events: Sequence[Event], queues: Sequence[str], *, now: float) -> list[Undoable]:
        """What can be undone of what these events tell, the newest first, each in the words of its event."""
        found: dict[str, Undoable] = {}
        for event in reversed(events):
            action = event.undo.rpartition(".")[0]
            if not action or action in found or now - event.at > KEEP_TRASH:
                continue
            undoable_ = self.find(action, [event.queue] if event.queue in queues else queues, now=now)
            if undoable_ is not None:
                what = f"{event.kind} on {event.queue} by {event.by}" + (f": {event.text}" if event.text else "")
                found[action] = replace(undoable_, what=what)
        return list(found.values())

    # -- out of a queue again

    def _unqueue(
        self, queue: str, token: str, note: Note, by: str, own_token: str, now: float, walk: _Walk
    ) -> tuple[str, int, int]:
        """Put retried tasks back where they were, those of them that still wait."""
        former: list[tuple[bytes, float]] = self._ask([self._operations.former(queue, token)])[0]
        restore = restored if note.state == "dead" else bytes
        wanted = [Former(restore(payload), payload, score) for payload, score in former]
        state: Any = note.state
        back, step = 0, 0

        def take(span: tuple[int, int], event: bytes) -> Call[Taken]:
            return self._operations.put_back(queue, span, state, wanted, token=f"{own_token}.{step}", event=event)

        if walk.queue != queue:
            walk.queue, walk.at = queue, 0
        while wanted:
            event = operator_event(EventKind.UNDONE, queue, round(now, 3), by, "requeue", n=len(wanted))
            span = self._span(queue, walk, from_right=note.next_to_run)
            if span is None:
                break
            taken: Taken = self._ask([take(span, event)])[0]
            step += 1
            back += taken.count
            wanted = [former for former, done in zip(wanted, taken.done, strict=True) if not done]
            if wanted:
                walk.at += max(1, LOOKED - AROUND - taken.count)
        self._ask([self._operations.undo(queue, token, looked=True, spread=self._spread)])
        return "requeue", back, len(wanted)

    def _span(self, queue: str, walk: _Walk, *, from_right: bool) -> tuple[int, int] | None:
        """The piece of the queue to look at next; None when there is none left."""
        length = self._ask([shelves(self._names, queue, State.PENDING)[0].size()])[0]
        if walk.at >= min(length, DEEPEST):
            return None
        if from_right:
            return walk.at, walk.at + LOOKED
        return max(0, length - 1 - walk.at - LOOKED), length - 1 - walk.at

    # -- back from another queue

    def _fetch_back(
        self, queue: str, token: str, note: Note, by: str, own_token: str, now: float
    ) -> tuple[str, int, int]:
        """Move tasks that were moved away the other way, those of them that are still where they arrived."""
        back, step = 0, 0
        if note.state == "pending":
            payloads: list[bytes] = self._ask([self._operations.former_pending(queue, token)])[0]
            walk, wanted = _Walk(), [Held(payload, None, 0) for payload in payloads]
        else:
            former: list[tuple[bytes, float]] = self._ask([self._operations.former(queue, token)])[0]
            walk, wanted = _Walk(), [Held(payload, score, 0) for payload, score in former]
        source = shelves(self._names, note.to, State.DELAYED if note.state == "public" else State(note.state))[0]
        while wanted:
            piece_token = f"{own_token}.{step}"
            event = operator_event(EventKind.MOVED, note.to, round(now, 3), by, f"back to {queue}", n=len(wanted))
            step += 1
            with_it: dict[str, Any] = {"token": piece_token, "event": event, "to": queue}
            asked = [task.payload for task in wanted]
            if source.kind == "list":
                span = self._span(note.to, walk, from_right=False)
                if span is None:
                    break
                call = self._operations.take_pending(note.to, span, asked, **with_it)
            else:
                call = self._operations.take(note.to, source.set, asked, **with_it)
            taken: Taken = self._ask([call])[0]
            took = [task for task, done in zip(wanted, taken.done, strict=True) if done]
            if took:
                self._mover.arrive(source, took, queue, token=piece_token, by=by, now=now, next_to_run=True)
            back += len(took)
            wanted = [task for task, done in zip(wanted, taken.done, strict=True) if not done]
            if source.kind == "zset":
                break
            walk.at += max(1, LOOKED - AROUND - taken.count)
        self._ask([self._operations.undo(queue, token, looked=True, spread=self._spread)])
        return "move", back, len(wanted)


_WHAT = {
    "delete": "deletion",
    "purge": "purge",
    "move": "move",
    "moved": "move",
    "requeue": "retry",
    "reschedule": "reschedule",
    "pause": "pause",
    "resume": "resume",
}


def _words(note: Note) -> str:
    if note.op == "schedule":
        return f"{note.state} of the schedule {note.to}"
    return _WHAT.get(note.op, note.op)


def _told(what: str, answers: set[str], back: int, missed: int) -> str:
    moved_on = f"; {missed:,} had moved on and were left alone" if missed else ""
    done = sorted(_WHAT[answer] for answer in answers if answer in _WHAT)
    if back or answers & {"pause", "resume"}:
        tasks = "" if answers & {"pause", "resume"} else f": {back:,} task{'' if back == 1 else 's'} back"
        return f"undone the {' and the '.join(dict.fromkeys(done))}{tasks}{moved_on}"
    if "run" in answers:
        return "what was put at the front of its queue cannot be taken back"
    if missed or "changed" in answers:
        return f"nothing undone: it has moved on since ({what})"
    if answers == {"undone"}:
        return "undone before"
    return f"too late: nothing is left to undo of it ({what})"
