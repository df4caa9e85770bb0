"""What operators have done to tasks: found piece by piece, done piece by piece, told in one line.

Each piece carries a token of its own, `<action>.<n>`: repeated with it, it is done once, and with it it is undone.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from taskconsole.backends.base import Applied
from taskconsole.backends.commands import (
    DeleteTasks,
    Matching,
    MoveTasks,
    Purge,
    RescheduleTasks,
    RetryTasks,
    RunTasks,
    Undoable,
)
from taskconsole.backends.delayed import adopted, check_due
from taskconsole.backends.lookup import Lookup
from taskconsole.backends.moving import Mover
from taskconsole.backends.pieces import AROUND, MOST, Held, Matches, Piece, Timed, pieces_of_rows
from taskconsole.backends.rows import before, moment_text, name_of, operator_event
from taskconsole.backends.shelves import shelves
from taskconsole.errors import ConfigError, StoreError, StoreUnavailable
from taskconsole.model.event import MAX_NAMED, EventKind
from taskconsole.model.firing import RunRecord, encode_record
from taskconsole.model.state import State
from taskconsole.model.task import Envelope, decode, restored
from taskconsole.store.call import command as redis_command
from taskconsole.store.carrying import CarryStore, Move
from taskconsole.store.keys import Namespace, check_queue_name
from taskconsole.store.operations import KEEP_TRASH, OperationStore, Rescheduled, Taken
from taskconsole.store.reading import ReadingStore
from taskconsole.store.schedules import ScheduleStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from taskconsole.backends.commands import TaskCommand
    from taskconsole.backends.shelves import Shelf
    from taskconsole.model.stats import TaskRow
    from taskconsole.store.call import Call

__all__ = ["TaskDesk", "fits"]

KINDS = {
    DeleteTasks: EventKind.DELETED,
    RetryTasks: EventKind.REQUEUED,
    RunTasks: EventKind.REQUEUED,
    RescheduleTasks: EventKind.RESCHEDULED,
    MoveTasks: EventKind.MOVED,
}

DEEP = 1_400
"""Places of a queue that one call looks through."""

STOPPED = "it was stopped: what was done is kept, and the same again goes on"


@dataclass(slots=True)
class _Tally:
    """What has come of an action so far."""

    token: str
    done: int = 0
    tokens: list[tuple[str, str]] = field(default_factory=list)
    """Of the pieces that were done and can be undone."""
    pieces: int = 0
    missed: list[TaskRow] = field(default_factory=list)
    """Rows that were not where they had been seen."""
    left: int = 0
    """Rows that it did not come to, because it ended early."""
    first: TaskRow | None = None
    """The first task it was done to."""
    due: float | None = None
    """The time that tasks have been given."""
    broken: str = ""
    """Why it has ended early."""

    def next_token(self) -> str:
        """The token of the next piece."""
        self.pieces += 1
        return f"{self.token}.{self.pieces - 1}"

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Once something has been done, an error ends the action early: what was done is told, and can be undone."""
        try:
            yield
        except (StoreUnavailable, StoreError) as error:
            if not self.done:
                raise
            self.broken = f"{error}: what was done before is kept"


class TaskDesk:
    """Acts on tasks.

    Args:
        names: The key names to use.
        ask: Carries out calls in one round trip, repeats them if the replies are lost, raises a refusal.
        spread: The public delayed set and its queue lie on different nodes.
    """

    def __init__(self, names: Namespace, ask: Callable[[list[Call[Any]]], list[Any]], *, spread: bool = False) -> None:
        self._names, self._ask, self._spread = names, ask, spread
        self._carrying = CarryStore(names)
        self._reading, self._operations = ReadingStore(names), OperationStore(names)
        self._schedules = ScheduleStore(names)
        self._lookup = Lookup(names, ask)
        self._timed = Timed(ask, self._reading.time())
        self._mover = Mover(names, self._timed, spread=spread)

    # -- the commands

    def apply(self, command: TaskCommand, token: str, report: Callable[[int], bool] | None) -> Applied:
        """Carry out a command, once however often a call of it is repeated.

        Raises:
            ConfigError: A queue or a time that cannot be.
            StoreUnavailable: No answer before anything was done, as far as is known.
        """
        if isinstance(command, RescheduleTasks):
            command = replace(command, due=check_due(command.due))
        if isinstance(command, MoveTasks):
            self._mover.check(command)
        if isinstance(command.which, Matching):
            return self._apply_to_matching(command, command.which, token, report)
        return self._apply_to_rows(command, command.which, token, report)

    def purge(self, command: Purge, token: str) -> Applied:
        """Empty a state of a queue; the same work whatever is in it."""
        queue = check_queue_name(command.queue)
        if command.state not in {State.PENDING, State.DELAYED, State.DEAD}:
            raise ConfigError(f"{command.state} tasks cannot be purged")
        found = shelves(self._names, queue, command.state)
        # The public set of a cluster lies on another node than its queue's trash.
        far = [shelf for shelf in found if self._spread and shelf.public]
        near = [shelf for shelf in found if shelf not in far]
        now, *sizes = self._ask([self._reading.time(), *(shelf.size() for shelf in (*near, *far))])
        left = [
            f"{n:,} in {s.key}, on another node, are left" for s, n in zip(far, sizes[len(near) :], strict=True) if n
        ]
        tally, agreed = _Tally(token), command.agreed
        with tally.kept():
            for shelf, others in zip(near, _others(sizes[: len(near)]), strict=True):
                at_most = None if agreed is None else max(0, agreed - others - tally.done)
                more = self._purge(command, shelf, tally, now, at_most)
                if more is not None and not tally.done:
                    return _more(queue, command.state, agreed, more + others)
                if more is not None:
                    tally.broken = f"{more:,} in {shelf.key} are left: with them it is more than agreed"
        if not tally.done:
            said = f"{queue} has no {'other ' * bool(left)}{command.state} tasks"
            return Applied(text="; ".join([said, *left]), changed=False, done=0)
        said = f"purged {tally.done:,} {command.state} task{_s(tally.done)} of {queue}"
        return self._finished(tally, "; ".join(filter(None, (said, tally.broken, *left))), now)

    def _purge(self, command: Purge, shelf: Shelf, tally: _Tally, now: float, at_most: int | None) -> int | None:
        """Empty one key; how many there are in it when they are too many, and nothing was done."""
        token, text = tally.next_token(), f"all {command.state} tasks"
        event = operator_event(EventKind.PURGED, shelf.queue, round(now, 3), command.by, text, undo=token)
        which: Any = "pending" if shelf.kind == "list" else shelf.set
        call = self._operations.purge(shelf.queue, which, token=token, event=event, at_most=at_most)
        try:
            done, n = self._ask([call])[0]
        except StoreUnavailable:
            # Whether this key was emptied is unknown: if it was, undoing takes it back, too.
            tally.tokens.append((shelf.queue, token))
            raise
        if not done:
            return int(n)
        if n:
            tally.tokens.append((shelf.queue, token))
        tally.done += n
        return None

    # -- all that match

    def _apply_to_matching(
        self, command: TaskCommand, which: Matching, token: str, report: Callable[[int], bool] | None
    ) -> Applied:
        misfit = fits(command, which.state)
        if misfit:
            raise ConfigError(misfit)
        if isinstance(command, DeleteTasks) and not which.text and not which.group:
            return self.purge(Purge(queue=which.queue, state=which.state, agreed=which.agreed, by=command.by), token)
        tally = _Tally(token)

        def goes_on() -> bool:
            if report is not None and not report(tally.done):
                tally.broken = STOPPED
            return not tally.broken

        matches = self.matches(command, which, goes_on)
        if which.text or which.group:
            # Matches cannot be counted within a script: that none but as many as were agreed to are touched can.
            there = matches.count()
            if there > which.agreed:
                return _more(which.queue, which.state, which.agreed, there, matching=True)
            matches = self.matches(command, which, goes_on)
        with tally.kept():
            more = self._go_through(command, which, matches, tally, goes_on)
            if more is not None:
                return _more(which.queue, which.state, which.agreed, more)
        return self._told(command, tally, matches.began, which.queue, skipped=matches.skipped)

    def _go_through(
        self,
        command: TaskCommand,
        which: Matching,
        matches: Matches,
        tally: _Tally,
        goes_on: Callable[[], bool],
    ) -> int | None:
        """Do it piece by piece; how many there are when they are more than was agreed to, and nothing was done."""
        pace = _Pace()
        for found in matches:
            room = which.agreed - tally.done
            if room <= 0:
                break
            piece = Piece(found.shelf, found.tasks[:room])
            # Only the first script can tell how many there were when it began; it is told by the others' number, too.
            counted = tally.done == 0 and not which.text and not which.group
            limit = which.agreed - (matches.total - matches.sizes[piece.shelf.key]) if counted else None
            self._timed.longest = 0.0
            with pace:
                flags = self._do(command, piece, tally, matches.began, None if limit is None else max(0, limit))
            if isinstance(flags, int):
                return flags + which.agreed - (limit or 0)
            run = isinstance(command, RunTasks) and piece.shelf.kind == "list"
            due = tally.due if isinstance(command, RescheduleTasks) else None
            matches.taken(piece, flags, due=due, run=run, busy=self._timed.longest)
            if not goes_on():
                break
        return None

    def matches(self, command: TaskCommand, which: Matching, goes_on: Callable[[], bool] = lambda: True) -> Matches:
        """The tasks that a command is to be done to, looked for from now on."""
        return Matches(self._names, self._ask, which, in_order=isinstance(command, MoveTasks), goes_on=goes_on)

    # -- rows

    def _apply_to_rows(
        self, command: TaskCommand, rows: Sequence[TaskRow], token: str, report: Callable[[int], bool] | None
    ) -> Applied:
        if not rows:
            raise ConfigError("no tasks are named")
        tally = _Tally(token)
        fitting = [row for row in rows if not fits(command, row.state)]
        now = self._ask([self._reading.time()])[0]
        with tally.kept():
            self._do_rows(command, fitting, tally, now, report)
            # What was not where it had been seen may have moved on towards the end of its queue.
            if not tally.broken:
                self._do_rows(command, self._moved_on(tally), tally, now, report)
            if getattr(command, "deep", False) and not tally.broken:
                self._look_deep(command, tally, now, report)
        return self._told(command, tally, now, rows[0].queue, unfit=[row for row in rows if fits(command, row.state)])

    def _do_rows(
        self,
        command: TaskCommand,
        rows: Sequence[TaskRow],
        tally: _Tally,
        now: float,
        report: Callable[[int], bool] | None,
    ) -> None:
        """Do it to rows where they were seen, piece by piece."""
        waiting = {id(row): row for row in rows}
        try:
            for piece in pieces_of_rows(self._names, rows, self._lookup):
                self._do(command, piece, tally, now, None)
                for task in piece.tasks:
                    waiting.pop(id(task.row), None)
                if report is not None and not report(tally.done) and waiting:
                    tally.broken = STOPPED
                    tally.left += len(waiting)
                    return
        except (StoreUnavailable, StoreError):
            tally.left += len(waiting)
            raise
        tally.missed += waiting.values()

    def _moved_on(self, tally: _Tally) -> list[TaskRow]:
        """Rows that were missed and are found farther on, each with its new place."""
        found: list[TaskRow] = []
        missed: list[TaskRow] = []
        for row in tally.missed:
            there = self._lookup.find(row, 0) if row.state is State.PENDING else None
            if there is None:
                missed.append(row)
            else:
                found.append(replace(row, place=there[1]))
        tally.missed = missed
        return found

    def _look_deep(self, command: TaskCommand, tally: _Tally, now: float, report: Callable[[int], bool] | None) -> None:
        """Look for missed rows through the whole of their queues, a piece at a time."""
        for queue in dict.fromkeys(row.queue for row in tally.missed if row.state is State.PENDING):
            shelf = shelves(self._names, queue, State.PENDING)[0]
            wanted = [r for r in tally.missed if r.queue == queue and r.state is State.PENDING][:MOST]
            tally.missed = [r for r in tally.missed if all(r is not w for w in wanted)]
            left, near, pace = self._ask([shelf.size()])[0], 0, _Pace()
            while wanted and left > 0:
                whole = [r for r in wanted if r.size <= len(r.payload)]
                held = tuple(Held(row.payload, None, near + DEEP // 2, row) for row in whole)
                before_it = tally.done
                with pace:
                    self._do(command, Piece(shelf, held), tally, now, None, span=(near, near + DEEP))
                wanted, tally.missed = (
                    [r for r in tally.missed if any(r is w for w in wanted)],
                    [r for r in tally.missed if all(r is not w for w in wanted)],
                )
                near, left = near + DEEP - AROUND - (tally.done - before_it), left - DEEP + AROUND
                if report is not None and not report(tally.done):
                    break
            tally.missed += wanted

    # -- one piece

    def _do(
        self,
        command: TaskCommand,
        piece: Piece,
        tally: _Tally,
        now: float,
        at_most: int | None,
        span: tuple[int, int] | None = None,
    ) -> tuple[bool, ...] | int:
        """Do it to one piece and note what came of it; a number: nothing done, there are so many of them."""
        token = tally.next_token()
        try:
            answer = self._send(command, piece, token, now, at_most, span)
        except StoreUnavailable:
            # Whether this piece was done is unknown: if it was, undoing takes it back, too.
            tally.tokens.append((piece.shelf.queue, token))
            raise
        if answer.more is not None:
            return answer.more
        if isinstance(answer, Rescheduled):
            tally.due = answer.due
        took = [task for task, done in zip(piece.tasks, answer.done, strict=True) if done]
        if took:
            tally.done += len(took)
            if tally.first is None:
                tally.first = Piece(piece.shelf, tuple(took)).rows(1)[0]
            if not (isinstance(command, RunTasks) and piece.shelf.kind == "list"):
                tally.tokens.append((piece.shelf.queue, token))
        tally.missed += [
            task.row for task, done in zip(piece.tasks, answer.done, strict=True) if not done and task.row is not None
        ]
        if took and isinstance(command, DeleteTasks | MoveTasks):
            self._end_runs(command, piece.shelf.queue, took, now)
        return answer.done

    def _send(
        self,
        command: TaskCommand,
        piece: Piece,
        token: str,
        now: float,
        at_most: int | None,
        span: tuple[int, int] | None,
    ) -> Taken | Rescheduled:
        if self._spread and piece.shelf.public:
            adopted(self._ask, self._carrying, Move.of(token, piece.shelf.queue), piece.payloads)
            own = shelves(self._names, piece.shelf.queue, State.DELAYED)[0]
            piece, at_most = Piece(own, piece.tasks), None
        shelf, queue, n = piece.shelf, piece.shelf.queue, len(piece.tasks)
        rows = piece.rows(MAX_NAMED)
        undo = "" if isinstance(command, RunTasks) and shelf.kind == "list" else token
        text = _event_text(command, piece, rows)
        event = operator_event(KINDS[type(command)], queue, round(now, 3), command.by, text, *rows, n=n, undo=undo)
        with_it: dict[str, Any] = {"token": token, "event": event, "at_most": at_most}
        operations = self._operations
        call: Call[Any]
        match command:
            case MoveTasks(to=to):
                return self._mover.move(piece, span or (piece.span if shelf.kind == "list" else (0, 0)), to,
                                        by=command.by, now=now, rows=rows, **with_it)  # fmt: skip
            case DeleteTasks() if shelf.kind == "list":
                call = operations.take_pending(queue, span or piece.span, piece.payloads, **with_it)
            case DeleteTasks():
                call = operations.take(queue, shelf.set, piece.payloads, **with_it)
            case RunTasks() if shelf.kind == "list":
                call = operations.take_pending(queue, span or piece.span, piece.payloads, run=True, **with_it)
            case RescheduleTasks(due=due):
                which = shelf.set
                assert which != "dead"
                call = operations.reschedule(queue, piece.payloads, due, shelf=which, **with_it)
            case _:
                restore = restored if shelf.state is State.DEAD else bytes
                pairs = [(payload, restore(payload)) for payload in piece.payloads]
                last = isinstance(command, RetryTasks)
                call = operations.requeue(queue, shelf.set, pairs, next_to_run=not last, **with_it)
        answer: Taken | Rescheduled = self._timed([call])[0]
        return answer

    def _end_runs(self, command: TaskCommand, queue: str, took: Iterable[Held], now: float) -> None:
        """Let schedules go on whose tasks have just gone; else their scheduler finds out half a minute later."""
        gone = "deleted" if isinstance(command, DeleteTasks) else "moved"
        ends: list[Call[Any]] = []
        for task in took:
            envelope = decode(task.payload) if b'"schedule"' in task.payload else None
            if isinstance(envelope, Envelope) and envelope.schedule and envelope.id:
                record = RunRecord(outcome=gone, at=round(now, 3), id=envelope.id, text=f"by {command.by}"[:100])
                ends.append(self._schedules.end_run(queue, envelope.schedule, envelope.id, encode_record(record)))
        if ends:
            self._ask(ends)

    # -- telling

    def _told(
        self,
        command: TaskCommand,
        tally: _Tally,
        now: float,
        queue: str,
        *,
        unfit: Sequence[TaskRow] = (),
        skipped: int = 0,
    ) -> Applied:
        parts: list[str] = []
        if tally.done:
            parts.append(_done_text(command, tally))
        if tally.missed and not tally.broken:
            with tally.kept():
                parts += self._why_missed(tally.missed)
        elif tally.missed:
            parts.append(f"{len(tally.missed):,} had gone or changed meanwhile")
        if tally.left:
            parts.append(f"{tally.left:,} left as they were")
        parts += [
            f"{f'{len(rows):,} tasks' if len(rows) > 1 else name_of(rows[0])} left alone: {why}"
            for why, rows in _grouped(command, unfit).items()
        ]
        if skipped:
            parts.append(f"{skipped:,} left alone: payloads of more than a megabyte")
        if tally.broken:
            parts.append(tally.broken)
        missed = len(tally.missed) + len(unfit) + skipped + tally.left
        if not tally.done:
            said = "; ".join(parts) or f"there is no such task on {queue}"
            return Applied(text=said, changed=False, done=0, missed=missed)
        return replace(self._finished(tally, "; ".join(parts), now), missed=missed)

    def _finished(self, tally: _Tally, said: str, now: float) -> Applied:
        undo = None
        if tally.tokens:
            undo = Undoable(what=said, tokens=tuple(tally.tokens), until=now + KEEP_TRASH)
        return Applied(text=said, done=tally.done, undo=undo)

    def _why_missed(self, rows: Sequence[TaskRow]) -> list[str]:
        """Where tasks are that were not where they had been seen, as far as a look at the workers' hands tells."""
        reasons: dict[str, list[TaskRow]] = {}
        for row in rows:
            reasons.setdefault(self._why(row), []).append(row)
        return [
            f"{name_of(found[0])} {why}" if len(found) == 1 else f"{len(found):,} tasks: each {why}"
            for why, found in reasons.items()
        ]

    def _why(self, row: TaskRow) -> str:
        k = self._names.of(row.queue)
        workers = list(self._ask([self._reading.leases(k)])[0])
        if row.size <= len(row.payload):
            held = self._ask([
                redis_command("LPOS", k.processing(worker), row.payload, parse=lambda r: r is not None)
                for worker in workers
            ]) if workers else []  # fmt: skip
            for worker, has_it in zip(workers, held, strict=True):
                if has_it:
                    return f"is in the hands of {worker}: it runs, or is about to"
        length = self._ask([self._reading.length(k.queue)])[0] if row.state is State.PENDING else 0
        if length > 2 * AROUND:
            return f"was not near where it was seen among {length:,}: it has gone, or moved; look deep to be sure"
        return "has gone or changed meanwhile"


class _Pace:
    """Leaves Redis to others for as long as it has been busy with us."""

    def __enter__(self) -> None:
        self._began = time.monotonic()

    def __exit__(self, *_: object) -> None:
        time.sleep(min(0.05, (time.monotonic() - self._began) / 2))


# -- words


def fits(command: TaskCommand, state: State) -> str:
    """Why this cannot be done to tasks in that state; empty when it can."""
    if state is State.ACTIVE:
        return "in a worker's hands, which alone can end it"
    if state is State.DONE:
        return "finished"
    match command:
        case RetryTasks() if state is State.PENDING:
            return "pending already"
        case RescheduleTasks() if state is not State.DELAYED:
            return f"{state}, and only delayed tasks have a time"
    return ""


def _grouped(command: TaskCommand, rows: Iterable[TaskRow]) -> dict[str, list[TaskRow]]:
    found: dict[str, list[TaskRow]] = {}
    for row in rows:
        why = fits(command, row.state)
        if row.state is State.ACTIVE and row.worker:
            why = f"in the hands of {row.worker}, which alone can end it"
        found.setdefault(why, []).append(row)
    return found


def _event_text(command: TaskCommand, piece: Piece, rows: Sequence[TaskRow]) -> str:
    """What the log is to keep of it: the new value, and of a single task the old one."""
    old = f"; {before(rows[0])}" if len(piece.tasks) == 1 else ""
    match command:
        case RescheduleTasks(due=due):
            return f"due {_when(due)}{old}"
        case MoveTasks(to=to):
            return f"to {to}{old}"
        case RunTasks():
            return f"to run next{old}"
        case _:
            return old.removeprefix("; ") or f"{piece.shelf.state}"


def _done_text(command: TaskCommand, tally: _Tally) -> str:
    assert tally.first is not None
    queue, n = tally.first.queue, tally.done
    one = n == 1
    what = name_of(tally.first) if one else f"{n:,} {tally.first.state} tasks"
    old = f": {before(tally.first)}" if one and tally.first.state is not State.PENDING else ""
    match command:
        case DeleteTasks():
            return f"deleted {what} from {queue}{old}"
        case RetryTasks():
            return f"put {what} back into {queue}, behind the others{old}"
        case RunTasks():
            return f"{what} of {queue}: next to run{old}"
        case RescheduleTasks():
            return f"rescheduled {what} on {queue}: due {moment_text(tally.due or 0.0)}{old.replace(':', ',', 1)}"
        case MoveTasks(to=to):
            return f"moved {what} from {queue} to {to}{old}"


def _when(due: str) -> str:
    return f"in {float(due):g} s" if due.startswith("+") else moment_text(float(due))


def _more(queue: str, state: State, agreed: int | None, now: int, *, matching: bool = False) -> Applied:
    what = f"{state} tasks of {queue}" + (" that match" if matching else "")
    return Applied(
        text=f"nothing done: there were {agreed or 0:,} {what}, now there are {now:,}", changed=False, done=0, now=now
    )


def _others(sizes: Sequence[int]) -> list[int]:
    """For each key how many the ones after it have."""
    return [sum(sizes[i + 1 :]) for i in range(len(sizes))]


def _s(n: int) -> str:
    return "" if n == 1 else "s"
