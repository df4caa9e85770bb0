"""Schedules in Redis: definitions, where each has come, and the transitions that make their tasks.

The trust boundary is the queue: a task says itself which schedule it is of and which id it has, ids can be foreseen,
and a retry is another payload than the task that was made, so nothing in it proves its origin. Whoever can write to a
queue can end the run of any of its schedules, and so let two of its tasks run at once in spite of `overlap`; but such
a writer could enqueue the second task as well. Of the schedules of another queue nobody can end a run.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from taskconsole.model.definition import MAX_DEFINITION
from taskconsole.store.call import Call, command
from taskconsole.store.keys import SCHEDULES
from taskconsole.store.operations import KEEP_TRASH
from taskconsole.store.tasks import LOG_CAP, RUNS_CAP

if TYPE_CHECKING:
    from collections.abc import Sequence

    from taskconsole.store.keys import Keys, Namespace

__all__ = [
    "BUFFERED",
    "UNDO",
    "Agenda",
    "Attendance",
    "Due",
    "Fired",
    "Made",
    "ScheduleNote",
    "ScheduleStore",
    "Trail",
]

KEEP_REMOVED = 30 * 86_400
"""Seconds the note about a removed schedule is kept; code that still registers it does not bring it back so long."""

KEEP_TICKER = 30
"""Seconds after its last look that a watcher of schedules is taken for gone."""

KEEP_SWEEPER = 15
"""Seconds after which another may look after the definitions."""

KEEP_MANIFEST = 900
"""Seconds a manifest is good for after an app has last confirmed it."""

BUFFERED = 2
"""The answer to a removal with which a task went that waited for the end of another."""

UNDO = "undo"
"""What a trail is called that takes back the action of its token."""

PAGE = 500
"""Schedules read in one go."""

ENOUGH = MAX_DEFINITION + 1
"""Bytes of a definition that are read: somebody may have put a film there."""


@dataclass(frozen=True, slots=True)
class Attendance:
    """The answer to somebody who watches a queue's schedules; seconds since the epoch, by Redis."""

    next_due: float | None
    now: float
    wait: float
    """0: the caller looks after definitions and what is late. Else seconds until that may have become free."""


@dataclass(frozen=True, slots=True)
class Due:
    """One schedule whose time has come, all as it stands in Redis."""

    name: str
    score: bytes
    definition: bytes
    """Empty when there is none any more."""
    position: bytes
    """Empty when nobody has computed one."""


@dataclass(frozen=True, slots=True)
class Agenda:
    """The schedules of a stretch of time; seconds since the epoch, by Redis."""

    now: float
    next_due: float | None
    """The first time beyond the stretch."""
    count: int
    """How many the stretch holds."""
    due: list[Due]
    """Those asked for, the earliest first."""


@dataclass(frozen=True, slots=True)
class Made:
    """One task to make."""

    id: str
    payload: bytes
    skipped: bytes
    """What to note (JSON) if it is not made because an earlier one is not finished."""


@dataclass(frozen=True, slots=True)
class Fired:
    """The answer to a fire."""

    done: bool
    """False: something has moved on meanwhile, or its time has not come; nothing was done."""
    made: int = 0
    skipped: int = 0
    buffered: int = 0
    early: bool = False
    next_due: float | None = field(default=None, compare=False)
    """When the first schedule of the queue is due after this (seconds since the epoch); None when none is, or early."""


@dataclass(frozen=True, slots=True)
class Trail:
    """What an operator's change leaves behind, so that it can be taken back."""

    token: str
    what: str
    """`edit`, `pause`, `remove` …; `UNDO` when the change takes back the action of that token."""


@dataclass(frozen=True, slots=True)
class ScheduleNote:
    """What a change has left behind."""

    name: str
    what: str
    """`edit`, `pause`, `remove` …"""
    before: bytes
    """The definition until then; empty when there was none."""
    after: bytes
    """The definition since; empty when it was taken away."""


class ScheduleStore:
    """Builds the calls about schedules.

    Args:
        names: The key names to use.
    """

    def __init__(self, names: Namespace) -> None:
        self.names = names

    # -- the ticker's

    def attend(self, queue: str, who: str) -> Call[Attendance]:
        """Say that `who` watches this queue's schedules, and hear when the next is due."""
        k = self.names.of(queue)
        return Call.of(
            "attend",
            (k.next, k.ticker, k.sweeper),
            (who, KEEP_TICKER, KEEP_SWEEPER),
            lambda r: Attendance(float(r[0]) if r[0] else None, float(r[2]), int(r[1]) / 1000),
        )

    def due(self, queue: str, least: float | None, most: float, *, limit: int, skip: int = 0) -> Call[Agenda]:
        """Schedules whose time lies after `least` (None: however late) and not after `most`.

        At most `limit` of them, the earliest first, without the first `skip`.
        """
        k = self.names.of(queue)
        low = "-inf" if least is None else f"({least:.6f}"
        return Call.of("due", (k.next, k.schedules, k.positions), (low, f"{most:.6f}", limit, ENOUGH, skip), _due)

    def fire(
        self,
        queue: str,
        due: Due,
        *,
        tasks: Sequence[Made],
        overlap: str,
        time: float | None,
        position: bytes,
        event: bytes,
        keep_event: bool,
        missed: tuple[bytes, bytes, int] | None = None,
        spare: float | None = None,
    ) -> Call[Fired]:
        """Make the tasks of a schedule, if it is still as it was read.

        `time` is when it comes next (seconds since the epoch; None for never), `position` where it stands then (empty
        to forget it), `event` what to publish when tasks are made, and to log if `keep_event`, `missed` what to note,
        the event and how many, when some instants get no task, `spare` the time when one is skipped and it is not over.
        """
        k = self.names.of(queue)
        flat = [part for task in tasks for part in (task.id, task.payload, task.skipped)]
        note, missed_event, number = missed or (b"", b"", 0)
        return Call.of(
            "fire",
            (k.next, k.schedules, k.positions, k.running, k.buffered, k.queue, k.runs(due.name), k.log, k.stats),
            (
                *(due.name, due.score, due.definition, due.position),
                *("" if time is None else f"{time:.6f}", position, overlap, k.channel, LOG_CAP if keep_event else 0),
                *(event, note, missed_event, number, RUNS_CAP, "" if spare is None else f"{spare:.6f}", *flat),
            ),
            _fired,
        )

    def unset(self, queue: str, name: str) -> Call[int]:
        """Take a schedule off the agenda, whatever it is called."""
        return command("ZREM", self.names.of(queue).next, name.encode("utf-8", "surrogateescape"), parse=int)

    def give_up_sweeping(self, queue: str, who: str) -> Call[int]:
        """Let another look after the definitions; 0 when that was not, or is no longer, the business of `who`."""
        return Call.of("give_up_sweeping", (self.names.of(queue).sweeper,), (who,), int)

    def end_run(self, queue: str, schedule: str, task_id: str, record: bytes) -> Call[bool]:
        """Note that a schedule's task is over when no worker could; lets a buffered one go. False: it was before."""
        k = self.names.of(queue)
        return Call.of(
            "end_run", (k.running, k.buffered, k.queue, k.runs(schedule)), (schedule, task_id, record, RUNS_CAP), bool
        )

    def forget_running(self, queue: str, schedule: str, seen: bytes) -> Call[int]:
        """Take away the unfinished tasks of a schedule if they still stand as `seen`, which nobody can read."""
        return Call.of("forget_running", (self.names.of(queue).running,), (schedule, seen), int)

    def running(self, queue: str, schedules: Sequence[str]) -> Call[list[bytes]]:
        """The unfinished tasks of these schedules (JSON: id to since when); empty for none."""
        return command("HMGET", self.names.of(queue).running, *schedules, parse=_texts)

    def running_page(self, queue: str, cursor: int) -> Call[tuple[int, list[tuple[str, bytes]]]]:
        """Some names with their unfinished tasks from `cursor` on, as `page`."""
        return command("HSCAN", self.names.of(queue).running, cursor, "COUNT", PAGE, parse=_page)

    # -- writing definitions

    def put(
        self,
        queue: str,
        name: str,
        *,
        seen: tuple[bytes, bytes],
        definition: bytes,
        position: bytes,
        time: float | str | None,
        code: bytes = b"",
        revive: bool = True,
        event: bytes = b"",
        unfinished: bytes = b"",
        trail: Trail | None = None,
    ) -> Call[int]:
        """Write a schedule if its definition is still as in `seen`: definition and position (empty bytes for none).

        `time` is when it is due (seconds since the epoch; None for never, `"="` to leave that), `code` what code
        registers (empty to leave what is known of it); `revive` writes it also when an operator has removed it;
        `unfinished` are its tasks from before a removal (JSON). One that takes an action back is done only while that
        can be.

        When it has been fired since it was seen, position and time stay as they stand, or, if the trigger changes,
        what has been decided stays decided.

        Returns 1 written, 2 it was so already, 0 something has moved on, -1 removed by an operator.
        """
        k = self.names.of(queue)
        score = "" if time is None else time if isinstance(time, str) else f"{time:.6f}"
        return Call.of(
            "put_schedule",
            (k.schedules, k.next, k.positions, k.code, k.removed(name), k.log, k.running, *_note_key(k, trail)),
            (
                *(name, seen[0], definition, seen[1], position, score, code, "1" if revive else "0"),
                *(LOG_CAP, k.channel, event, k.wake, unfinished, trail.what if trail else "", KEEP_TRASH),
            ),
            int,
        )

    def remove(
        self, queue: str, name: str, *, seen: bytes, note: bytes, event: bytes, trail: Trail | None = None
    ) -> Call[int]:
        """Take a schedule away if its definition is still as `seen` (empty for none); its tasks stay.

        `note` is one line; where the schedule stands is added to it.

        Returns 1 removed, BUFFERED removed with a task that waited for the end of another, 0 something has moved on.
        """
        k = self.names.of(queue)
        return Call.of(
            "remove_schedule",
            (
                *(k.schedules, k.next, k.positions, k.code, k.removed(name), k.log),
                *(k.running, k.buffered, k.runs(name), *_note_key(k, trail)),
            ),
            (name, seen, note, KEEP_REMOVED, LOG_CAP, k.channel, event, trail.what if trail else "", KEEP_TRASH),
            int,
        )

    def trigger(self, queue: str, name: str, task_id: str, payload: bytes, *, token: str, event: bytes) -> Call[bool]:
        """Make one task of a schedule now; False when there is no such schedule. Safe to repeat with the token."""
        k = self.names.of(queue)
        return Call.of(
            "trigger_schedule",
            (k.schedules, k.running, k.queue, k.trash_note(token), k.log, k.stats),
            (name, task_id, payload, KEEP_TRASH, LOG_CAP, k.channel, event),
            bool,
        )

    def note(self, queue: str, token: str) -> Call[ScheduleNote | None]:
        """What an operator's change has left behind; None when it is too late, or it was another action."""
        fields = ("op", "to", "state", "before", "after")
        return command("HMGET", self.names.of(queue).trash_note(token), *fields, parse=_note)

    def manifest(self, queue: str, digest: str, names: Sequence[str] = ()) -> Call[int]:
        """Confirm what an app registers (`names` a thousand at a time); 0 when Redis has not been told the names."""
        k = self.names.of(queue)
        return Call.of("manifest", (k.manifests, k.manifest(digest)), (digest, KEEP_MANIFEST, *names), int)

    def sweep_now(self, queue: str) -> Call[int]:
        """Have whoever looks after the definitions do it now."""
        return command("PUBLISH", self.names.of(queue).wake, SCHEDULES, parse=int)

    # -- reading

    def count(self, queue: str) -> Call[int]:
        """How many schedules a queue has."""
        return command("HLEN", self.names.of(queue).schedules, parse=int)

    def late(self, queue: str, before: float) -> Call[int]:
        """How many of them should have been fired before a moment (seconds since the epoch)."""
        return command("ZCOUNT", self.names.of(queue).next, "-inf", f"({before:.6f}", parse=int)

    def page(self, queue: str, cursor: int) -> Call[tuple[int, list[tuple[str, bytes]]]]:
        """Some names and definitions from `cursor` on; 0 begins, and a returned 0 ends. May repeat a name.

        What is too long for a definition is cut: one byte too long is enough to see that.
        """
        return Call.of("page", (self.names.of(queue).schedules,), (cursor, PAGE, ENOUGH), _page)

    def definitions(self, queue: str, names: Sequence[str]) -> Call[list[bytes]]:
        """The definitions of these schedules; empty for none."""
        return command("HMGET", self.names.of(queue).schedules, *names, parse=_texts)

    def positions(self, queue: str, names: Sequence[str]) -> Call[list[bytes]]:
        """Where these schedules stand (JSON); empty for none."""
        return command("HMGET", self.names.of(queue).positions, *names, parse=_texts)

    def code(self, queue: str, names: Sequence[str]) -> Call[list[bytes]]:
        """What code has registered for these; empty for none."""
        return command("HMGET", self.names.of(queue).code, *names, parse=_texts)

    def buffered(self, queue: str, names: Sequence[str]) -> Call[list[bytes]]:
        """The payloads that wait for the end of another; empty for none."""
        return command("HMGET", self.names.of(queue).buffered, *names, parse=_texts)

    def times(self, queue: str, names: Sequence[str]) -> Call[list[float | None]]:
        """When these schedules are due; None for never."""
        return command(
            "ZMSCORE",
            self.names.of(queue).next,
            *names,
            parse=lambda r: [None if score is None else float(score) for score in r],
        )

    def positions_count(self, queue: str) -> Call[int]:
        """How many schedules have a position."""
        return command("HLEN", self.names.of(queue).positions, parse=int)

    def positions_page(self, queue: str, cursor: int) -> Call[tuple[int, list[tuple[str, bytes]]]]:
        """Some names and positions from `cursor` on, as `page`."""
        return command("HSCAN", self.names.of(queue).positions, cursor, "COUNT", PAGE, parse=_page)

    def runs(self, queue: str, name: str, count: int = RUNS_CAP) -> Call[list[bytes]]:
        """How the last tasks of a schedule ended (JSON), newest first."""
        return command("LRANGE", self.names.of(queue).runs(name), 0, count - 1, parse=list)

    def removed(self, queue: str, name: str) -> Call[bytes]:
        """The note about a removed schedule (`model.removal`); empty for none."""
        return command("GET", self.names.of(queue).removed(name), parse=lambda r: bytes(r or b""))

    def ticker(self, queue: str) -> Call[str]:
        """Who watches a queue's schedules; empty for nobody."""
        return command("GET", self.names.of(queue).ticker, parse=lambda r: (r or b"").decode("utf-8", "replace"))

    def manifests(self, queue: str, now: float) -> Call[list[str]]:
        """The digests of what live apps register."""
        return command(
            "ZRANGEBYSCORE",
            self.names.of(queue).manifests,
            f"{now:.0f}",
            "+inf",
            "LIMIT",
            0,
            20,
            parse=lambda r: [digest.decode("ascii", "replace") for digest in r],
        )

    def registered(self, queue: str, digest: str, names: Sequence[str]) -> Call[list[bool]]:
        """Which of these schedules a manifest names."""
        return command(
            "SMISMEMBER", self.names.of(queue).manifest(digest), *names, parse=lambda r: [bool(v) for v in r]
        )


def _due(reply: Any) -> Agenda:
    found = [
        Due(reply[i].decode("utf-8", "surrogateescape"), bytes(reply[i + 1]), bytes(reply[i + 2]), bytes(reply[i + 3]))
        for i in range(3, len(reply), 4)
    ]
    return Agenda(float(reply[0]), float(reply[1]) if reply[1] else None, int(reply[2]), found)


def _fired(reply: Any) -> Fired:
    if reply[0] == b"early":
        return Fired(False, early=True)
    least = float(reply[-1]) if reply[-1] else None
    if reply[0] == b"fired":
        return Fired(True, int(reply[1]), int(reply[2]), int(reply[3]), next_due=least)
    return Fired(False, next_due=least)


def _texts(reply: Any) -> list[bytes]:
    return [bytes(value or b"") for value in reply]


def _page(reply: Any) -> tuple[int, list[tuple[str, bytes]]]:
    cursor, flat = reply
    pairs = flat.items() if isinstance(flat, dict) else zip(flat[::2], flat[1::2], strict=True)
    return int(cursor), [(bytes(n).decode("utf-8", "surrogateescape"), bytes(d)) for n, d in pairs]


def _note_key(keys: Keys, trail: Trail | None) -> tuple[str, ...]:
    return () if trail is None else (keys.trash_note(trail.token),)


def _note(reply: Any) -> ScheduleNote | None:
    op, name, what, before, after = (b"" if field is None else bytes(field) for field in reply)
    return ScheduleNote(name.decode(), what.decode(), before, after) if op == b"schedule" else None
