"""The thread that reads a recording for the console, as of a position that moves on by itself or is moved."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from taskconsole.backends.base import Backend
from taskconsole.console.feed.errands import Errands
from taskconsole.console.feed.handover import Handover
from taskconsole.console.feed.link import Phase
from taskconsole.console.feed.lock import Lock
from taskconsole.console.feed.queries import Answer
from taskconsole.console.feed.rates import POINTS, SPACING, WINDOW, Rates
from taskconsole.console.messages import Say
from taskconsole.console.replay.link import ReplayLink
from taskconsole.console.replay.player import Player
from taskconsole.errors import AccessDenied, ConfigError, NotRecorded, ServerTooOld, TaskconsoleError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from textual.message import Message

    from taskconsole.console.feed.queries import Query
    from taskconsole.model.event import Event
    from taskconsole.model.recording import About, Connection, Mark, MarkKind
    from taskconsole.model.stats import Overview

__all__ = ["ReplayFeed", "Replayed"]

TICK = 1.0
"""Seconds between two moments that are shown, as between two readings of a live console."""

FAST_TICK = 0.5
"""The same when time passes faster than it did."""

EVENTS = 1000
"""Of those before the moment one has gone to."""

UNTAKEN = 200
"""Readings that wait to be taken, at most."""

INTERVAL = 10.0
"""Seconds between two readings, at most, of a console that nobody looked at: later than twice that is stale."""


class Replayed(Backend, Protocol):
    """A backend whose answers are those of a moment."""

    position: float

    @property
    def end(self) -> float:
        """The last position."""

    @property
    def marks(self) -> list[Mark]:
        """What one may want to jump to, in order."""

    def about(self) -> About:
        """The recording as a whole."""

    def clock(self, position: float) -> float:
        """What time it was."""

    def moment(self, at: float) -> float:
        """The position at which it was that time."""

    def connection(self) -> Connection:
        """How it stood with the connection."""

    def last_overview(self) -> tuple[float, Overview] | None:
        """The newest reading and its position."""

    def readings(self, since: float, until: float, spacing: float = 0.0) -> list[tuple[float, Overview]]:
        """The readings after `since` and up to `until`, each with its position."""

    def events(self, since: float, until: float, most: int) -> tuple[list[Event], int]:
        """The newest events of between, oldest first; how many more there were."""

    def next_mark(self, direction: int, kinds: Collection[MarkKind]) -> Mark | None:
        """The nearest mark after the position, or before it."""


class ReplayFeed(Handover):
    """Everything the console is shown of a recording.

    Args:
        backend: The recording; used by one thread alone once this is started.
        tell: Hands a message to the console from any thread, without waiting.
    """

    def __init__(self, backend: Replayed, tell: Callable[[Message], object]) -> None:
        super().__init__(tell)
        self.errands = Errands(lambda: None, lambda: None, lock=Lock(read_only=True))
        self._backend = backend
        self._player = Player(backend.end)
        self._wake = threading.Condition()
        self._stopped = False
        self._moves: deque[Callable[[], None]] = deque()
        self._query: Query | None = None
        self._said: tuple[object, ...] = ()
        self._rates = Rates()
        self._reading: tuple[float, Overview] | None = None
        self._shown = 0.0
        self._past: list[Event] | None = None
        self._readings: deque[Overview] = deque(maxlen=UNTAKEN)
        self._lost = 0
        self._thread = threading.Thread(target=self._run, name="taskconsole-replay", daemon=True)

    # -- what the console does

    def start(self) -> None:
        """Begin to play."""
        self._thread.start()

    def stop(self, wait: float = 0.0) -> None:
        """End the thread."""
        with self._wake:
            self._stopped = True
            self._wake.notify_all()
        self._thread.join(wait)

    def wake(self) -> None:
        """Show the moment once more."""
        self._do(lambda: None)

    def watch(self, query: Query | None) -> None:
        """Answer this from now on."""
        self.drop_answer(query)

        def ask() -> None:
            self._query, self._said = query, ()

        self._do(ask)

    @property
    def interval(self) -> float:
        """Seconds between two moments."""
        return TICK

    @property
    def speed(self) -> float:
        """Of playing."""
        return self._player.speed

    def play(self) -> None:
        """Play, or hold still."""
        self._do(self._player.play)

    def by(self, seconds: float) -> None:
        """On, or back."""
        self._do(lambda: self._player.go(self._player.position + seconds))

    def go(self, position: float) -> None:
        """To a position; infinite for the end."""
        self._do(lambda: self._player.go(position))

    def change_speed(self, direction: int) -> None:
        """Faster, or slower."""
        self._do(lambda: self._player.change_speed(direction))

    def seek(self, direction: int, kinds: Collection[MarkKind]) -> None:
        """To the next mark, or to the one before; says what it is."""
        self._do(lambda: self._seek(direction, kinds))

    def to_answer(self) -> None:
        """To the nearest moment at which what is asked now was answered."""
        self._do(self._to_answer)

    def take_passed(self) -> tuple[list[Event] | None, list[Overview]]:
        """What is between the last snapshot and the next, to be taken first.

        The events before the moment one has leapt to, None when one has not; and readings, the newest left out.
        """
        with self._lock:
            past, readings = self._past, list(self._readings)
            self._past = None
            self._readings.clear()
            return past, readings

    def take_events(self) -> tuple[list[Event], int]:
        """The events that have arrived, and how many there were besides."""
        with self._lock:
            lost, self._lost = self._lost, 0
        events, more = super().take_events()
        return events, more + lost

    # -- what the thread does

    def _do(self, move: Callable[[], None]) -> None:
        with self._wake:
            self._moves.append(move)
            self._wake.notify_all()

    def _run(self) -> None:
        last = time.monotonic()
        while (moves := self._next_moves()) is not None:
            now = time.monotonic()
            self._player.advance(now - last)
            last = now
            try:
                for move in moves:
                    move()
                self._show()
            except Exception as error:  # noqa: BLE001 (a thread's traceback would land on the screen)
                self._tell(Say(f"unexpected {type(error).__name__} in the recording", ok=False))

    def _next_moves(self) -> list[Callable[[], None]] | None:
        """What to do when something is to be done, or time has passed; None at the end."""
        with self._wake:
            tick = TICK if self._player.speed <= 1 else FAST_TICK
            waits = tick if self._player.playing and not self._player.leapt else 0.0 if self._player.leapt else None
            self._wake.wait_for(lambda: self._stopped or self._moves, waits)
            moves = list(self._moves)
            self._moves.clear()
            return None if self._stopped else moves

    def _seek(self, direction: int, kinds: Collection[MarkKind]) -> None:
        self._backend.position = self._player.position
        mark = self._backend.next_mark(direction, kinds)
        if mark is None:
            self._tell(Say(f"none {'after' if direction > 0 else 'before'} this", ok=False))
            return
        self._player.go(mark.position)
        self._tell(Say(mark.text))

    def _to_answer(self) -> None:
        self._backend.position = self._player.position
        try:
            if self._query is not None:
                self._query.read(self._backend, lambda _part: True)
        except NotRecorded as missing:
            if missing.nearest is None:
                self._tell(Say("what this view shows was never recorded", ok=False))
            else:
                self._player.go(missing.nearest)
        except TaskconsoleError:
            return  # It was asked for, and refused: that is what is shown.

    def _show(self) -> None:
        """The moment, what led to it, and what is asked about it."""
        backend, player = self._backend, self._player
        backend.position = player.position
        leapt, player.leapt = player.leapt, False
        if leapt:
            self._leap(player.position)
        else:
            self._pass(self._shown, player.position)
        self._shown = player.position
        self.publish(self._link_now())
        self._answer_now()

    def _leap(self, position: float) -> None:
        """What a console would know that had been there for a while."""
        self._rates, self._said = Rates(), ()
        recent = position - 2 * WINDOW
        before = self._backend.readings(position - SPACING * POINTS, recent, SPACING)
        readings = [*before, *((t, self._rates.apply(o)) for t, o in self._backend.readings(recent, position))]
        past, _ = self._backend.events(-1.0, position, EVENTS)
        self._reading = readings[-1] if readings else self._backend.last_overview()
        super().take_events()
        with self._lock:
            self._past, self._lost = past, 0
            self._readings.clear()
            self._readings.extend(overview for _, overview in readings[:-1])

    def _pass(self, since: float, until: float) -> None:
        """What has come since the last moment."""
        readings = [(t, self._rates.apply(overview)) for t, overview in self._backend.readings(since, until)]
        events, lost = self._backend.events(since, until, EVENTS)
        with self._lock:
            self._readings.extend(overview for _, overview in readings[:-1])
            self._lost += lost
        if readings:
            self._reading = readings[-1]
        elif self._backend.last_overview() is None:
            # Another server was looked at.
            self._reading = None
        self.put(events)

    def _link_now(self) -> ReplayLink:
        player, lost = self._player, self._backend.connection()
        link = ReplayLink(
            position=player.position,
            end=player.end,
            now=self._backend.clock(player.position),
            playing=player.playing,
            speed=player.speed,
            interval=INTERVAL,
            can=self._backend.can,
        )
        if self._reading is not None:
            at, overview = self._reading
            link = replace(link, phase=Phase.LIVE, overview=overview, read_at=at, rtt=overview.rtt)
        if lost.error is not None:
            denied = isinstance(lost.error, AccessDenied | ServerTooOld | ConfigError)
            phase = Phase.DENIED if denied else Phase.DISCONNECTED
            link = replace(link, phase=phase, error=str(lost.error), since=lost.since, failures=lost.failures)
        return link

    def _answer_now(self) -> None:
        query = self._query
        if query is None:
            return
        value, error = None, ""
        try:
            value = query.read(self._backend, lambda _part: True)
        except TaskconsoleError as refusal:
            error = str(refusal)
        if (query, value, error) != self._said:
            self._said = (query, value, error)
            self.publish_answer(Answer(query=query, value=value, error=error, at=time.monotonic(), void=True))
