"""Schedules as operators see and change them. A change is read, decided and written if nothing has moved meanwhile."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from taskconsole.backends.base import Applied
from taskconsole.backends.commands import (
    AddSchedule,
    EditSchedule,
    PauseSchedule,
    RemoveSchedule,
    RestoreSchedule,
    ResumeSchedule,
    TriggerSchedule,
)
from taskconsole.backends.rows import moment_text, operator_event
from taskconsole.backends.undoing import undoable
from taskconsole.errors import Changed, ScheduleError, StoreError
from taskconsole.model.definition import (
    Overlap,
    Owner,
    check_schedule_name,
    decode_definition,
    encode_definition,
    with_changes,
)
from taskconsole.model.event import EventKind
from taskconsole.model.firing import (
    Position,
    decode_position,
    decode_record,
    decode_running,
    encode_position,
    go_on,
    place,
    replace_position,
)
from taskconsole.model.removal import Removal, decode_removal, encode_removal, past_of, unfinished_of
from taskconsole.model.schedule_info import ScheduleInfo
from taskconsole.model.stats import Pause
from taskconsole.model.task import Envelope, check_size, encode
from taskconsole.store.keys import DEFAULT_QUEUE, check_queue_name
from taskconsole.store.schedules import BUFFERED, UNDO, ScheduleStore, Trail
from taskconsole.store.wire import all_or_raise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from taskconsole.backends.commands import ScheduleCommand
    from taskconsole.model.definition import Definition
    from taskconsole.store.call import Call
    from taskconsole.store.keys import Namespace

__all__ = ["Ask", "Change", "ScheduleDesk", "Seen", "next_words"]

ATTEMPTS = 10
"""How often a change is decided again because something moved: a schedule may fire ten times a second."""

MAX_SCHEDULES = 20_000
"""Read for one list."""

LISTED = 5
"""Last runs of each schedule in a list."""

CHUNK = 500


class Ask(Protocol):
    """Carries out calls in one round trip, and repeats them if the replies are lost."""

    def __call__(self, calls: list[Call[Any]], /) -> list[Any]:
        """The answers, in order; a refused one yields its `StoreError` in its place."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A schedule as it stands, for a change."""

    queue: str
    name: str
    raw: bytes
    position: bytes
    score: float | None
    code: bytes
    now: float

    @property
    def at(self) -> Position:
        """Where it stands."""
        return decode_position(self.position) or Position()

    @property
    def seen(self) -> tuple[bytes, bytes]:
        """What must not have changed."""
        return self.raw, self.position


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What is told of a change of a schedule, and noted so that it can be taken back."""

    kind: EventKind
    what: str
    """In a word, as undoing it names it; `UNDO` for a change that takes back the action of that token."""
    by: str
    token: str
    reason: str = ""

    @property
    def trail(self) -> Trail:
        """What Redis is to note."""
        return Trail(self._piece, self.what)

    @property
    def _piece(self) -> str:
        return self.token if self.what == UNDO else f"{self.token}.0"

    def event(self, seen: Seen) -> bytes:
        """What others hear."""
        said = f"schedule {seen.name}" + (f": {self.reason}" if self.reason else "")
        undo = "" if self.what == UNDO else self._piece
        return operator_event(self.kind, seen.queue, round(seen.now, 3), self.by, said, undo=undo)

    def applied(self, seen: Seen, text: str) -> Applied:
        """It was done: how it is taken back."""
        back = None if self.what == UNDO else undoable(text, seen.queue, self._piece, seen.now)
        return Applied(text=text, undo=back)


class ScheduleDesk:
    """Reads schedules, and carries out what operators want of them.

    Args:
        names: The key names to use.
        ask: For reading and changing; each of our calls may be repeated.
        queues: The call for the known queues' names.
        time: The call for the time.
        max_payload: Bytes; a task that is larger is refused.
    """

    def __init__(
        self, names: Namespace, ask: Ask, *, queues: Call[list[str]], time: Call[float], max_payload: int
    ) -> None:
        self._store, self._answers, self._queues, self._time = ScheduleStore(names), ask, queues, time
        self._max_payload = max_payload

    def _ask(self, calls: list[Call[Any]]) -> list[Any]:
        """The answers; the first refusal is raised."""
        return all_or_raise(self._answers(calls))

    # -- reading

    def every(self, queue: str | None = None) -> list[ScheduleInfo]:
        """Every schedule of a queue, or of all queues, the next to fire first; at most 20,000.

        When all are asked for, a queue that cannot be read is one of them, with no name, and its trouble.
        """
        found: list[ScheduleInfo] = []
        now, known = self._ask([self._time, self._queues])
        if queue is not None:
            found = self._of_queue(check_queue_name(queue), now, MAX_SCHEDULES)
        else:
            for name in _with_default(known):
                try:
                    found += self._of_queue(name, now, MAX_SCHEDULES - len(found))
                except StoreError as error:
                    found.append(ScheduleInfo(name="", queue=name, definition=None, raw=b"", trouble=str(error)))
        return sorted(found, key=lambda info: (info.next_at is None, info.next_at or 0.0, info.queue, info.name))

    def get(self, name: str, queue: str | None = None) -> ScheduleInfo:
        """One schedule with its last runs.

        Raises:
            ScheduleError: There is none of that name, or several queues have one.
        """
        where = self._where(name, queue)
        s = self._store
        now, raw, runs = self._answers([self._time, s.definitions(where, [name]), s.runs(where, name)])
        all_or_raise([now, raw])
        if not raw[0]:
            raise ScheduleError(f"no schedule is called {name!r}")
        (info,) = self._read(where, [(name, raw[0])], now)
        return info if isinstance(runs, StoreError) else replace(info, runs=_records(runs))

    def watched(self, queue: str) -> bool:
        """True when somebody fires the schedules of this queue."""
        return bool(self._ask([self._store.ticker(check_queue_name(queue))])[0])

    def _of_queue(self, queue: str, now: float, most: int) -> list[ScheduleInfo]:
        cursor, found = 0, dict[str, ScheduleInfo]()
        while len(found) < most:
            cursor, page = self._ask([self._store.page(queue, cursor)])[0]
            for start in range(0, len(page), CHUNK):
                found |= {info.name: info for info in self._read(queue, page[start : start + CHUNK], now)}
            if cursor == 0:
                break
        return list(found.values())[:most]

    def _read(self, queue: str, page: Sequence[tuple[str, bytes]], now: float) -> list[ScheduleInfo]:
        # A name that is no text cannot be asked for; such a field is not ours.
        page = [(name, raw) for name, raw in page if _is_text(name)]
        if not page:
            return []
        names = [name for name, _ in page]
        s = self._store
        positions, times, code, running, buffered, digests = self._ask(
            [
                s.positions(queue, names),
                s.times(queue, names),
                s.code(queue, names),
                s.running(queue, names),
                s.buffered(queue, names),
                s.manifests(queue, now),
            ]
        )
        *runs, declared = self._ask_declared(queue, names, digests)
        return [
            _info(queue, name, raw, *facts)
            for (name, raw), *facts in zip(page, positions, times, code, running, buffered, runs, declared, strict=True)
        ]

    def _ask_declared(self, queue: str, names: list[str], digests: list[str]) -> list[Any]:
        """The last runs of each, or why that cannot be read, and then whether a live app declares them."""
        s = self._store
        answers = self._answers(
            [
                *(s.runs(queue, name, LISTED) for name in names),
                *(s.registered(queue, digest, names) for digest in digests),
            ]
        )
        votes = all_or_raise(answers[len(names) :])
        return [*answers[: len(names)], [any(vote[i] for vote in votes) for i in range(len(names))]]

    def _where(self, name: str, queue: str | None) -> str:
        """The queue of a schedule."""
        check_schedule_name(name)
        if queue is not None:
            return check_queue_name(queue)
        known = _with_default(self._ask([self._queues])[0])
        found = self._answers([self._store.definitions(each, [name]) for each in known])
        having = [each for each, answer in zip(known, found, strict=True) if isinstance(answer, list) and answer[0]]
        if len(having) > 1:
            raise ScheduleError(f"several queues have a schedule called {name!r}: name one of {', '.join(having)}")
        if not having:
            unread = [each for each, answer in zip(known, found, strict=True) if isinstance(answer, StoreError)]
            but = f" on a queue that can be read; {', '.join(unread)} cannot" if unread else ""
            raise ScheduleError(f"no schedule is called {name!r}{but}")
        return having[0]

    # -- changing

    def apply(self, command: ScheduleCommand, token: str) -> Applied:
        """Carry out a command, once however often it is repeated with its token.

        Raises:
            ScheduleError: What is asked for cannot be, or there is no such schedule.
            Changed: It moves faster than it can be changed.
        """
        for _ in range(ATTEMPTS):
            applied = self._try(command, token)
            if applied is not None:
                return applied
        raise Changed(f"schedule {command.name!r} changed again and again meanwhile: nothing was done, try once more")

    def _try(self, command: ScheduleCommand, token: str) -> Applied | None:  # noqa: PLR0911 - one for each command
        """One attempt; None when something moved meanwhile."""
        match command:
            case AddSchedule():
                return self._add(command, token)
            case EditSchedule():
                return self._edit(command, token)
            case PauseSchedule():
                return self._pause(command, token)
            case ResumeSchedule():
                return self._resume(command, token)
            case TriggerSchedule():
                return self._trigger(command, token)
            case RemoveSchedule():
                return self._remove(command, token)
            case RestoreSchedule():
                return self._restore(command, token)

    def look(self, name: str, queue: str | None) -> Seen:
        """A schedule as it stands, also one that does not."""
        where = self._where(name, queue)
        s = self._store
        now, raw, position, score, code = self._ask(
            [
                self._time,
                *(read(where, [name]) for read in (s.definitions, s.positions, s.times, s.code)),
            ]
        )
        return Seen(where, name, raw[0], position[0], score[0], code[0], now)

    def _existing(self, name: str, queue: str | None) -> tuple[Seen, Definition]:
        seen = self.look(name, queue)
        if not seen.raw:
            raise ScheduleError(f"no schedule is called {name!r} on queue {seen.queue!r}")
        return seen, decode_definition(seen.raw)

    def _add(self, command: AddSchedule, token: str) -> Applied | None:
        seen = self.look(command.name, command.queue)
        definition = command.definition
        self._check_task(seen, definition)
        if seen.raw and not command.replace:
            raise ScheduleError(f"queue {seen.queue!r} has a schedule called {seen.name!r}: edit it, or replace it")
        # The past of a schedule that was removed still counts: none of its instants comes twice.
        past, unfinished = self.past(seen, definition)
        after, then = place(seen.name, definition, past, seen.now)
        text = f"added {seen.name} on {seen.queue}: {definition.schedule.describe()}, {next_words(definition, then)}"
        change = Change(kind=EventKind.SCHEDULE_ADDED, what="add", by=command.by, token=token)
        return self.put(seen, definition, after, then, change, text, unfinished=unfinished)

    def past(self, seen: Seen, definition: Definition) -> tuple[Position, bytes]:
        """What has been decided of it, also before it was removed; the tasks that it then had and must not overlap."""
        if seen.raw or seen.position:
            return replace_position(seen.at, instant=None), b""
        note = self.removal_note(seen)
        return past_of(note), b"" if definition.overlap is Overlap.ALLOW else unfinished_of(note)

    def removal_note(self, seen: Seen) -> bytes:
        """What is kept of it from before it was removed; empty for nothing."""
        note: bytes = self._ask([self._store.removed(seen.queue, seen.name)])[0]
        return note

    def _edit(self, command: EditSchedule, token: str) -> Applied | None:
        seen = self.look(command.name, command.queue)
        if not seen.raw:
            raise ScheduleError(f"no schedule is called {command.name!r} on queue {seen.queue!r}")
        definition = decode_definition(with_changes(seen.raw, command.changes))
        self._check_task(seen, definition)
        raw = encode_definition(definition)
        if raw == seen.raw:
            return Applied(text=f"{seen.name} on {seen.queue} is so already", changed=False)
        start = seen.at
        if seen.score is None:
            # It was paused or over: what has passed meanwhile has passed.
            start = go_on(definition, start, seen.now)
        after, then = place(seen.name, definition, start, seen.now)
        same = start.trigger == after.trigger and (start.instant, start.time) == (after.instant, after.time)
        text = f"edited {seen.name} on {seen.queue}: {definition.schedule.describe()}, {next_words(definition, then)}"
        # A time that somebody has set by hand stays as well.
        time = "=" if same and then is not None and seen.score is not None else then
        change = Change(kind=EventKind.SCHEDULE_EDITED, what="edit", by=command.by, token=token)
        return self.put(seen, definition, after, time, change, text)

    def _check_task(self, seen: Seen, definition: Definition) -> None:
        """Refuse arguments that make a task too large."""
        sample = Envelope(definition.task, seen.name, list(definition.args), definition.kwargs, schedule=seen.name)
        check_size(encode(sample), definition.task, self._max_payload)

    def _pause(self, command: PauseSchedule, token: str) -> Applied | None:
        seen, definition = self._existing(command.name, command.queue)
        if definition.paused is not None:
            text = f"{seen.name} on {seen.queue} was paused already by {definition.paused.by}"
            return Applied(text=text, changed=False)
        pause = Pause(by=command.by, at=round(seen.now, 3), reason=command.reason)
        text = f"paused {seen.name} on {seen.queue}: it makes no tasks; those it has made go on"
        change = Change(kind=EventKind.SCHEDULE_PAUSED, what="pause", by=command.by, token=token, reason=command.reason)
        return self.put(seen, replace(definition, paused=pause), seen.at, None, change, text)

    def _resume(self, command: ResumeSchedule, token: str) -> Applied | None:
        seen, definition = self._existing(command.name, command.queue)
        if definition.paused is None:
            return Applied(text=f"{seen.name} on {seen.queue} was not paused", changed=False)
        definition = replace(definition, paused=None)
        start = seen.at if command.catch_up else go_on(definition, seen.at, seen.now)
        after, then = place(seen.name, definition, start, seen.now)
        text = f"resumed {seen.name} on {seen.queue}: {next_words(definition, then)}"
        change = Change(kind=EventKind.SCHEDULE_RESUMED, what="resume", by=command.by, token=token)
        return self.put(seen, definition, after, then, change, text)

    def put(
        self,
        seen: Seen,
        definition: Definition,
        position: Position,
        time: float | str | None,
        change: Change,
        text: str,
        *,
        code: bytes = b"",
        unfinished: bytes = b"",
    ) -> Applied | None:
        """Write a schedule if it is still as it was seen, say so, and note how to take that back; None when it is not.

        The arguments are those of `ScheduleStore.put`; `text` tells the operator.
        """
        call = self._store.put(
            seen.queue,
            seen.name,
            seen=seen.seen,
            definition=encode_definition(definition),
            position=encode_position(position),
            time=time,
            code=code,
            unfinished=unfinished,
            event=change.event(seen),
            trail=change.trail,
        )
        return change.applied(seen, text) if self._ask([call])[0] else None

    def take_out(self, seen: Seen, change: Change, text: str) -> Applied | None:
        """Take a schedule away if it is still as it was seen; None when it is not."""
        removal = Removal(
            by=change.by,
            at=round(seen.now, 3),
            definition=seen.raw.decode("utf-8", "replace"),
            code=seen.code.decode("utf-8", "replace"),
        )
        note, event = encode_removal(removal), change.event(seen)
        call = self._store.remove(seen.queue, seen.name, seen=seen.raw, note=note, event=event, trail=change.trail)
        answer = self._ask([call])[0]
        dropped = "; the task that waited for the end of another will not be made" if answer == BUFFERED else ""
        return change.applied(seen, text + dropped) if answer else None

    def _trigger(self, command: TriggerSchedule, token: str) -> Applied:
        seen, definition = self._existing(command.name, command.queue)
        task_id = f"{seen.name}!{token}"
        envelope = Envelope(
            definition.task,
            task_id,
            list(definition.args),
            definition.kwargs,
            enqueued_at=round(seen.now, 3),
            schedule=seen.name,
            scheduled_at=round(seen.now, 3),
        )
        payload = check_size(encode(envelope), definition.task, self._max_payload)
        text = f"schedule {seen.name}"
        event = operator_event(EventKind.TRIGGERED, seen.queue, round(seen.now, 3), command.by, text)
        call = self._store.trigger(seen.queue, seen.name, task_id, payload, token=token, event=event)
        if not self._ask([call])[0]:
            raise ScheduleError(f"no schedule is called {seen.name!r} on queue {seen.queue!r}")
        return Applied(text=f"triggered {seen.name}: enqueued {definition.task} ({task_id}) on {seen.queue}")

    def _remove(self, command: RemoveSchedule, token: str) -> Applied | None:
        seen = self.look(command.name, command.queue)
        if not seen.raw:
            raise ScheduleError(f"no schedule is called {command.name!r} on queue {seen.queue!r}")
        hint = ", the code that declares it does not" if seen.code else ""
        text = f"removed {seen.name} from {seen.queue}: `restore` brings it back, within 30 days{hint}"
        change = Change(kind=EventKind.SCHEDULE_REMOVED, what="removal", by=command.by, token=token)
        return self.take_out(seen, change, text)

    def _restore(self, command: RestoreSchedule, token: str) -> Applied | None:
        """What code declares, or what stood there before it was removed."""
        queue = command.queue if command.queue is not None else self._removed_from(command.name)
        seen = self.look(command.name, queue)
        was = decode_removal(self.removal_note(seen))
        # What was removed comes back as it was; what stands there becomes what the code says.
        code = seen.code or was.code.encode()
        raw = code if seen.raw else was.definition.encode()
        if not raw:
            raise ScheduleError(f"nothing is known that {seen.name!r} could be restored to")
        definition = decode_definition(raw)
        # What code declares may have been written by others than us, with other spaces.
        if seen.raw in {raw, encode_definition(definition)}:
            return Applied(text=f"{seen.name} on {seen.queue} is as the code declares it", changed=False)
        past, unfinished = (seen.at, b"") if seen.raw else self.past(seen, definition)
        if past.trigger == definition.trigger and seen.score is None:
            past = go_on(definition, past, seen.now)
        after, then = place(seen.name, definition, past, seen.now)
        change = Change(kind=EventKind.SCHEDULE_ADDED, what="restoring", by=command.by, token=token, reason="restored")
        text = f"restored {seen.name} on {seen.queue}: {next_words(definition, then)}"
        return self.put(seen, definition, after, then, change, text, code=code, unfinished=unfinished)

    def _removed_from(self, name: str) -> str | None:
        check_schedule_name(name)
        known = _with_default(self._ask([self._queues])[0])
        notes = self._answers([self._store.removed(queue, name) for queue in known])
        having = [queue for queue, note in zip(known, notes, strict=True) if note and isinstance(note, bytes)]
        standing = self._answers([self._store.definitions(queue, [name]) for queue in known]) if having else []
        having += [queue for queue, found in zip(known, standing, strict=False) if isinstance(found, list) and found[0]]
        if len(having) > 1:
            raise ScheduleError(f"{name!r} may be restored on several queues: name one of {', '.join(having)}")
        # Else it stands somewhere, and is to become what the code says.
        return having[0] if having else None


def _with_default(known: list[str]) -> list[str]:
    """The queues to look at: anybody may write a schedule for the default queue, which nobody may have used yet."""
    return sorted({*known, DEFAULT_QUEUE})


def _info(
    queue: str,
    name: str,
    raw: bytes,
    position: bytes,
    score: float | None,
    code: bytes,
    running: bytes,
    buffered: bytes,
    runs: list[bytes] | StoreError,
    declared: bool,
) -> ScheduleInfo:
    definition, trouble = None, ""
    if isinstance(runs, StoreError):
        trouble, runs = f"how its last tasks ended cannot be read: {runs}", []
    try:
        # Nobody fires what has a name that none can have.
        check_schedule_name(name)
        definition = decode_definition(raw)
    except ScheduleError as error:
        trouble = str(error)
    at = decode_position(position) or Position()
    return ScheduleInfo(
        name=name,
        queue=queue,
        definition=definition,
        raw=raw,
        trouble=trouble,
        next_at=score,
        instant=at.instant,
        last=at.last,
        fires=at.fires,
        running=_unfinished(running),
        buffered=bool(buffered),
        runs=_records(runs),
        orphan=definition is not None and definition.owner is Owner.CODE and not declared,
        changed=bool(code) and code != raw,
    )


def _records(raws: Sequence[bytes]) -> tuple[Any, ...]:
    return tuple(record for record in map(decode_record, raws) if record is not None)


def _unfinished(raw: bytes) -> tuple[tuple[str, float], ...]:
    return tuple(sorted(decode_running(raw).items(), key=lambda pair: pair[1]))


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def next_words(definition: Definition, time: float | str | None) -> str:
    """When it comes next."""
    if definition.paused is not None:
        return "paused"
    if not isinstance(time, float):
        return "there is no next time" if time is None else "its next time stays"
    return f"next {moment_text(time)}"
