"""A backend that answers out of a recording, as of a position in it."""

from __future__ import annotations

import contextlib
import json
from bisect import bisect_right
from typing import TYPE_CHECKING, Any

from taskconsole.backends.base import Can
from taskconsole.backends.recording.index import Entry, Kind, Run, Track
from taskconsole.backends.recording.lines import HOLDS, Page, Question, task_question, tasks_question
from taskconsole.errors import NotRecorded, StoreError
from taskconsole.model.event import Event
from taskconsole.model.phrase import hour
from taskconsole.model.portable import Unreadable, from_plain, to_plain
from taskconsole.model.search import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from taskconsole.backends.base import Applied, Foreseen
    from taskconsole.backends.commands import Command
    from taskconsole.backends.recording.reader import Recording
    from taskconsole.model.detail import TaskDetail
    from taskconsole.model.failure import Failures
    from taskconsole.model.recording import About, Connection, Mark, MarkKind
    from taskconsole.model.schedule_info import ScheduleInfo
    from taskconsole.model.search import Search
    from taskconsole.model.server import ServerDetail
    from taskconsole.model.signature import Signature
    from taskconsole.model.state import State
    from taskconsole.model.stats import Overview, TaskRow, WorkerInfo
    from taskconsole.model.trace import Issued

__all__ = ["ReplayBackend"]

FOREVER = float("inf")


class ReplayBackend:
    """What the recorded console was told, at `position`; what it did not ask then raises `NotRecorded`.

    For one thread at a time.
    """

    name = "recording"
    commands = 0

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self.can = Can.EVENTS | Can.SCHEDULES
        self.address = ""
        """The server that was looked at."""
        self.position = 0.0

    def issued(self) -> tuple[Issued, ...]:
        """A recording sends nothing."""
        return ()

    # -- what a recording knows besides

    @property
    def position(self) -> float:
        """Seconds since the recording began."""
        return self._position

    @position.setter
    def position(self, position: float) -> None:
        self._position = position
        self.address = self._recording.address(position)

    @property
    def end(self) -> float:
        """The last position."""
        return self._recording.end

    @property
    def marks(self) -> list[Mark]:
        """What one may want to jump to, in order."""
        return self._recording.marks

    def about(self) -> About:
        """The recording as a whole."""
        return self._recording.about()

    def clock(self, position: float) -> float:
        """What time it was by the clock of Redis."""
        return self._recording.times.clock(position)

    def moment(self, at: float) -> float:
        """The position at which it was that time."""
        return self._recording.times.position(at)

    def connection(self) -> Connection:
        """How it stood with the connection."""
        return self._recording.connection(self.position)

    def readings(self, since: float, until: float, spacing: float = 0.0) -> list[tuple[float, Overview]]:
        """The readings after `since` and up to `until`, each with its position, at least `spacing` apart."""
        track = self._recording.overviews
        found: list[tuple[float, Overview]] = []
        for index in range(track.at(since) + 1, track.at(until) + 1):
            entry = track.entries[index]
            if entry.kind is Kind.END or (found and entry.t - found[-1][0] < spacing):
                continue
            # One that cannot be read is missing, and the others are not.
            with contextlib.suppress(NotRecorded):
                found.append((entry.t, self._value(track, index)))
        return found

    def events(self, since: float, until: float, most: int) -> tuple[list[Event], int]:
        """The newest events that arrived after `since` and up to `until`, oldest first; how many more there were."""
        first, last = (bisect_right(self._recording.events, t, key=lambda entry: entry[0]) for t in (since, until))
        found: list[Event] = []
        lost = 0
        for _, where in reversed(self._recording.events[first:last]):
            line = self._recording.line(where)
            unkept = line.get("lost", 0)
            lost += unkept if type(unkept) is int and 0 < unkept < 2**53 else 0
            plain = line.get("events", [])
            if len(found) >= most:
                lost += len(plain)
            else:
                found += [event for one in reversed(plain) if (event := _event(one)) is not None]
        return found[::-1], lost

    def next_mark(self, direction: int, kinds: Collection[MarkKind]) -> Mark | None:
        """The nearest mark after the position, or before it."""
        marks = self.marks if direction > 0 else self.marks[::-1]
        return next(
            (m for m in marks if m.kind in kinds and (m.position - self.position) * direction > 0.001),
            None,
        )

    def close(self) -> None:
        """Let go of the file."""
        self._recording.close()

    # -- what a backend is asked

    def overview(self) -> Overview:
        """The newest reading; what kept the console from reading is raised again."""
        lost = self.connection().error
        if lost is not None:
            raise lost
        found = self.last_overview()
        if found is None:
            raise self._not_recorded(self._recording.overviews)
        return found[1]

    def last_overview(self) -> tuple[float, Overview] | None:
        """The newest reading, however old, and its position."""
        track = self._recording.overviews
        index = track.at(self.position)
        if index < 0 or track.entries[index].kind is Kind.END:
            return None
        return track.entries[index].t, self._value(track, index)

    def tasks(self, queue: str, state: State, *, offset: int = 0, limit: int = 50) -> tuple[list[TaskRow], int]:
        """A window of a queue's tasks: that of then, or what a window of then holds of it."""
        return self._page(tasks_question(queue, state, offset, limit), offset, limit)

    def delayed(self, *, offset: int = 0, limit: int = 50) -> tuple[list[TaskRow], int]:
        """A window of the delayed tasks of all queues."""
        return self._page(("delayed", offset, limit), offset, limit)

    def task(self, row: TaskRow) -> TaskDetail | None:
        """One task in full."""
        found: TaskDetail | None = self._answer(task_question(row))
        return found

    def search(self, search: Search, report: Callable[[Progress], bool]) -> None:
        """What the newest search for the same had found by then."""
        key = json.dumps(to_plain(search), sort_keys=True)
        run = next((r for r in reversed(self._recording.runs) if r.t <= self.position and r.key == key), None)
        if run is None:
            raise self._not_recorded(None)
        for progress in self._pieces(run):
            if not report(progress):
                return

    def schedules(self, queue: str | None = None) -> list[ScheduleInfo]:
        """Every schedule."""
        return list(self._answer(("schedules", queue)))

    def schedule(self, name: str, queue: str) -> ScheduleInfo | None:
        """One schedule with its last runs."""
        found: ScheduleInfo | None = self._answer(("schedule", name, queue))
        return found

    def workers(self) -> list[WorkerInfo]:
        """Every worker."""
        return list(self._answer(("workers",)))

    def signatures(self) -> list[Signature]:
        """None: nothing is enqueued here."""
        return []

    def failures(self) -> Failures:
        """Failed tasks in groups."""
        found: Failures = self._answer(("failures",))
        return found

    def history(self, queue: str | None = None, count: int = 100) -> list[Event]:
        """What the log had kept when it was read, once."""
        return list(self._answer(("history", queue, count), holds=FOREVER))

    def server(self) -> ServerDetail:
        """The server in detail."""
        found: ServerDetail = self._answer(("server",))
        return found

    def listen(self, on_events: Callable[[list[Event]], None], stopped: Callable[[], bool]) -> None:
        """Events come by `events`."""
        raise NotImplementedError

    def foresee(self, command: Command) -> Foreseen:  # noqa: ARG002 - the seam's signature
        """Nothing is to be foreseen."""
        raise StoreError("a recording cannot be changed")

    def apply(self, command: Command, report: Callable[[int], bool] | None = None) -> Applied:  # noqa: ARG002
        """Nothing can be done."""
        raise StoreError("a recording cannot be changed")

    # -- how it is found

    def _answer(self, question: Question, holds: float = HOLDS) -> Any:
        track = self._recording.tracks.get(json.dumps(list(question)))
        index = self._standing(track, holds)
        if track is None or index is None:
            raise self._not_recorded(track)
        return self._value(track, index)

    def _standing(self, track: Track | None, holds: float = HOLDS) -> int | None:
        """The entry that stands at the position; None when none does."""
        if track is None:
            return None
        index = track.at(self.position)
        if index < 0:
            return None
        entry: Entry = track.entries[index]
        return None if entry.kind is Kind.END or self.position - entry.t > holds else index

    def _value(self, track: Track, index: int) -> Any:
        entry = track.entries[index]
        if entry.kind is Kind.ERROR:
            raise self._recording.error(entry)
        try:
            return self._recording.value(track, index)
        except Unreadable:
            raise NotRecorded(f"what was recorded at {hour(self.clock(entry.t))} cannot be read") from None

    def _page(self, question: Question, offset: int, limit: int) -> tuple[list[TaskRow], int]:
        exact = self._recording.tracks.get(json.dumps(list(question)))
        if self._standing(exact) is not None:
            page: Page = self._answer(question)
            return list(page.rows), page.total
        for track in self._recording.tracks.values():
            index = self._standing(track) if track.of[:-2] == question[:-2] else None
            if index is not None and type(track.of[-2]) is int and track.of[-2] <= offset:
                page = self._value(track, index)
                rows = page.rows[offset - track.of[-2] :][:limit]
                if rows or track.of[-2] == offset:
                    return list(rows), page.total
        raise self._not_recorded(exact)

    def _pieces(self, run: Run) -> list[Progress]:
        try:
            return [
                from_plain(Progress, self._recording.line(where)["piece"])
                for t, where in run.pieces
                if t <= self.position
            ]
        except (Unreadable, KeyError):
            raise NotRecorded(f"what was found at {hour(self.clock(run.t))} cannot be read") from None

    def _not_recorded(self, track: Track | None) -> NotRecorded:
        nearest = None if track is None else track.nearest(self.position)
        text = f"not recorded at {hour(self.clock(self.position))}"
        if nearest is not None:
            text += f"; the nearest is of {hour(self.clock(nearest))}"
        return NotRecorded(text, nearest)


def _event(plain: Any) -> Event | None:
    try:
        found: Event = from_plain(Event, plain)
    except Unreadable:
        # One of a kind that is not known yet, say.
        return None
    return found
