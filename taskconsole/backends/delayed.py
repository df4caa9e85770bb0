"""Plain delayed tasks, one at a time: find it by its id or its exact payload, give it another time, delete it.

They lie in the delayed set of their queue; those of the default queue also in the public one. Both hold whole
payloads, so an exact payload is found at once, while an id is looked for by walking the set: in short steps, each
a few milliseconds of Redis, and up to a budget. Beyond it the answer is not "absent" but "unknown".
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from taskconsole.backends.base import Applied
from taskconsole.backends.commands import Delete, Reschedule
from taskconsole.backends.rows import moment_text, operator_event, task_row
from taskconsole.backends.undoing import undoable
from taskconsole.errors import ConfigError, PayloadError, StoreError
from taskconsole.model.event import EventKind
from taskconsole.model.firing import RunRecord, encode_record
from taskconsole.model.state import State
from taskconsole.model.task import Envelope, decode
from taskconsole.store.carrying import CarryStore, Move
from taskconsole.store.keys import DEFAULT_QUEUE, check_queue_name
from taskconsole.store.operations import OperationStore
from taskconsole.store.reading import ReadingStore, Seen
from taskconsole.store.schedules import ScheduleStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from taskconsole.store.call import Call
    from taskconsole.store.keys import Namespace
    from taskconsole.store.operations import DelayedShelf

__all__ = ["DelayedTasks", "adopted", "check_due", "patterns"]

T = TypeVar("T")

BUDGET = 2_000_000
"""Members that one search looks at, at most."""

FIRST_STEP, SHORTEST_STEP, LONGEST_STEP = 50, 10, 10_000
"""Members in one call."""

BUSY = 0.004
"""Seconds that one call may keep Redis busy; the steps become shorter when it took longer."""

SHOWN = 100
"""Characters of a name or id in a line for the operator."""

KEY_TEXT = 64
"""Characters of an id that Redis looks for; the rest is compared here."""


@dataclass(frozen=True, slots=True)
class _Found:
    payload: bytes
    due: float
    shelf: DelayedShelf


class DelayedTasks:
    """Finds delayed tasks and acts on them.

    Args:
        names: The key names to use.
        ask: Carries out calls in one round trip, repeats them if the replies are lost, raises a refusal.
        spread: The public set and its queue lie on different nodes.
    """

    def __init__(self, names: Namespace, ask: Callable[[list[Call[Any]]], list[Any]], *, spread: bool = False) -> None:
        self._names, self._ask, self._spread = names, ask, spread
        self._carrying = CarryStore(names)
        self._reading, self._operations = ReadingStore(names), OperationStore(names)
        self._schedules = ScheduleStore(names)

    def apply(self, command: Reschedule | Delete, token: str) -> Applied:
        """Carry out a command, once however often it is repeated with its token.

        Raises:
            ConfigError: A queue or a time that cannot be.
            PayloadError: An id that cannot be.
            StoreError: The search ended before the set did: whether the task is there is unknown.
        """
        queue = check_queue_name(command.queue)
        if isinstance(command, Reschedule):
            command = replace(command, due=check_due(command.due))
        if isinstance(command.task, bytes):
            now, found = self._look_up(queue, command.task)
        else:
            now, found = self._search(queue, _check_id(command.task))
        said = "" if found is None else self._act(command, found, now, token)
        if said:
            return Applied(text=said, undo=undoable(said, queue, token, now))
        return Applied(
            text=f"{_shown(command.task)} is not delayed on {queue}: it runs, has run, was deleted, or never was there",
            changed=False,
        )

    def _act(self, command: Reschedule | Delete, found: _Found, now: float, token: str) -> str:
        """What was done, in words; nothing when the task went away meanwhile."""
        queue, by = command.queue, command.by
        if self._spread and found.shelf == "public":
            if not adopted(self._ask, self._carrying, Move.of(token, queue), [found.payload]):
                return ""
            found = replace(found, shelf="delayed")
        row = task_row(queue, State.DELAYED, Seen(found.payload, len(found.payload), found.due))
        name = f"{row.name[:SHOWN]} ({row.id[:SHOWN]})" if row.id else row.name[:SHOWN]
        match command:
            case Reschedule(due=due):
                when = f"in {float(due):g} s" if due.startswith("+") else moment_text(float(due))
                event = operator_event(EventKind.RESCHEDULED, queue, now, by, f"due {when}", row, undo=token)
                call = self._operations.reschedule(
                    queue, [found.payload], due, token=token, event=event, shelf=found.shelf
                )
                moved = self._one(call)
                if moved.before is None:
                    return ""
                when = f"due {moment_text(moved.due)} instead of {moment_text(moved.before)}"
                return f"rescheduled {name} on {queue}: {when}"
            case Delete():
                was = f"it was due {moment_text(found.due)}"
                event = operator_event(EventKind.DELETED, queue, now, by, was, row, undo=token)
                if not self._one(
                    self._operations.take(queue, found.shelf, [found.payload], token=token, event=event)
                ).count:
                    return ""
                self._end_run(queue, found.payload, now, by)
                return f"deleted {name} from {queue}: {was}"

    def _end_run(self, queue: str, payload: bytes, now: float, by: str) -> None:
        """Let a schedule go on whose task has just been deleted; else its scheduler finds out half a minute later."""
        envelope = decode(payload)
        if isinstance(envelope, Envelope) and envelope.schedule and envelope.id:
            record = RunRecord(outcome="deleted", at=round(now, 3), id=envelope.id, text=f"by {by}"[:SHOWN])
            self._one(self._schedules.end_run(queue, envelope.schedule, envelope.id, encode_record(record)))

    # -- finding

    def _sets(self, queue: str) -> list[tuple[DelayedShelf, str]]:
        own: list[tuple[DelayedShelf, str]] = [("delayed", self._names.of(queue).delayed)]
        return [*own, ("public", self._names.public_delayed)] if queue == DEFAULT_QUEUE else own

    def _look_up(self, queue: str, payload: bytes) -> tuple[float, _Found | None]:
        """Now, and the task with exactly this payload."""
        sets = self._sets(queue)
        now, *dues = self._ask([self._reading.time(), *(self._reading.score(key, payload) for _, key in sets)])
        for (shelf, _), due in zip(sets, dues, strict=True):
            if due is not None:
                return now, _Found(payload, due, shelf)
        return now, None

    def _search(self, queue: str, task_id: str) -> tuple[float, _Found | None]:
        """Now, and the first task found to have this id."""
        read, looked, step, now = self._reading, 0, FIRST_STEP, 0.0
        for shelf, key in self._sets(queue):
            for pattern in patterns(task_id):
                cursor = -1
                while cursor != 0:
                    if looked >= BUDGET:
                        raise StoreError(
                            f"looked at {looked:,} delayed tasks of {queue} without finding {_shown(task_id)}: "
                            "it may be there all the same; give its exact payload"
                        )
                    # The two looks at the clock say how long Redis was busy, however slow the link is.
                    began, (cursor, seen), now = self._ask(
                        [read.time(), read.walk(key, max(0, cursor), pattern, step), read.time()]
                    )
                    for payload, due in seen:
                        if _has_id(payload, task_id):
                            return now, _Found(payload, due, shelf)
                    looked += step
                    step = min(LONGEST_STEP, 2 * step) if now - began < BUSY else max(SHORTEST_STEP, step // 4)
        return now, None

    def _one(self, call: Call[T]) -> T:
        answer: T = self._ask([call])[0]
        return answer


def adopted(
    ask: Callable[[list[Call[Any]]], list[Any]], carrying: CarryStore, move: Move, payloads: list[bytes]
) -> frozenset[bytes]:
    """Take tasks from the public set into their queue's own, where an action and its note are one step.

    Returns those that were there.
    """
    luggage = ask([carrying.depart(move, payloads, only_due=False)])[0]
    if luggage:
        ask([carrying.deliver(move, luggage, move.queue)])
        ask([*carrying.arrive(move)])
    return frozenset(payload for _, payload in luggage)


_PLAIN = re.compile(r"""[^"\\/<>&'+=`\x00-\x1f\x7f-\U0010ffff]+""")
"""What every JSON writer leaves as it is."""


def patterns(task_id: str) -> list[str]:
    """Glob patterns for Redis; each payload with that id fits at least one of them, others may."""
    run = max(_PLAIN.findall(task_id), key=len, default="")
    if run == task_id and len(run) <= KEY_TEXT:
        return [f'*"{_glob(run)}"*']
    if run:
        return [f"*{_glob(run[:KEY_TEXT])}*"]
    spelled = [json.dumps(task_id[:KEY_TEXT], ensure_ascii=ascii_only)[:-1] for ascii_only in (False, True)]
    return [f"*{_glob(text)}*" for text in dict.fromkeys(spelled)]


def _glob(text: str) -> str:
    return re.sub(r"[*?\[\]\\]", r"\\\g<0>", text)


def _has_id(payload: bytes, task_id: str) -> bool:
    envelope = decode(payload)
    return isinstance(envelope, Envelope) and envelope.id == task_id


def _check_id(task_id: str) -> str:
    if not task_id:
        raise PayloadError("the id of the task is empty")
    try:
        task_id.encode()
    except UnicodeEncodeError:
        raise PayloadError("the id of the task holds a lone surrogate, which is not text") from None
    return task_id


def check_due(due: str) -> str:
    """`due` as Redis reads it."""
    try:
        seconds = float(due)
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds):
        raise ConfigError(f"due {due[:40]!r}: seconds since the epoch, or +seconds from now")
    return f"+{seconds:.6f}" if due.startswith("+") else f"{seconds:.6f}"


def _shown(task: str | bytes) -> str:
    text = repr(task)
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
