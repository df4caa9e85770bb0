"""Writes a recording: what has changed, when it has changed, and no more than so many bytes a second."""

from __future__ import annotations

import json
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from taskconsole import __version__
from taskconsole.backends.recording.allowance import Allowance
from taskconsole.backends.recording.lines import STILL, VERSION, Question
from taskconsole.errors import TaskconsoleError
from taskconsole.model.delta import SAME, difference
from taskconsole.model.event import Event, EventKind
from taskconsole.model.portable import to_plain
from taskconsole.model.verdict import Level, Verdict, judge

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from taskconsole.model.search import Progress, Search
    from taskconsole.model.stats import Overview

__all__ = ["RATE", "Recorder", "Sink"]

RATE = 8 * 1024
"""Bytes a second, in the long run, for each of readings, answers, events, and events that tell of trouble."""

SAVED = 1024 * 1024
"""Bytes that each may be ahead of that."""

FULL_EVERY = 120
"""Lines of a stream after which its value is written as a whole: what a damaged line costs at most."""

MAX_STREAMS = 32
"""Questions whose last answers are remembered; one that was forgotten begins with a full value."""

LONGEST = 512
"""Characters of an error."""

MAX_SIZE = 2 * 1024**3
"""Bytes of a file: a disk that is full of recordings helps nobody."""

TROUBLES = frozenset(
    {
        EventKind.DIED,
        EventKind.RETRIED,
        EventKind.RECLAIMED,
        EventKind.FENCED,
        EventKind.MISSED,
        EventKind.WORKER_UP,
        EventKind.WORKER_DOWN,
        EventKind.GAP,
    }
)
"""Events that have room of their own; those of operators have, too."""


class Sink(Protocol):
    """Where lines go."""

    def write(self, line: bytes, /) -> object:
        """Append a line, all of it, so that it outlives this process."""

    def close(self) -> None:
        """No more comes."""


@dataclass(slots=True)
class _Stream:
    """One question and its last answer, as it stands in the file."""

    id: int
    n: int = -1
    last: Any = SAME
    """SAME: there is none."""
    at: float = 0.0
    since_full: int = 0
    failed: str = ""


class Recorder:
    """Told of everything by whoever reads; safe to call from several threads.

    A file that cannot be written ends the recording and nothing else: `trouble` says why.

    Args:
        sink: Where to write.
        tell: Told, once, when the recording ends before its time; may be set later.
        clock: Seconds by a clock that never goes back.
        time_of_day: Seconds since the epoch by this machine's clock.
    """

    def __init__(
        self,
        sink: Sink,
        *,
        tell: Callable[[str], object] = lambda _text: None,
        clock: Callable[[], float] = time.monotonic,
        time_of_day: Callable[[], float] = time.time,
    ) -> None:
        self._sink = sink
        self.tell = tell
        self._clock = clock
        self._began = clock()
        self._lock = threading.Lock()
        self._streams: OrderedDict[str, _Stream] = OrderedDict()
        self._searches: dict[int, int] = {}
        self._ids = 0
        self._down = False
        self._verdicts: dict[tuple[str, str, str], Verdict] = {}
        self._unkept = 0
        self._readings, self._answers = Allowance(RATE, SAVED), Allowance(RATE, SAVED)
        self._events, self._troubles = Allowance(RATE, SAVED), Allowance(RATE, SAVED)
        self.trouble = ""
        """Why the recording has ended; empty while it goes on."""
        self.size = 0
        """Bytes written."""
        self._write({"taskconsole": "recording", "version": VERSION, "at": time_of_day(), "program": __version__})

    def close(self) -> None:
        """The end of the recording."""
        with self._lock:
            self.trouble = self.trouble or "it was closed"
            self._sink.close()

    # -- what it is told

    def connected(self, name: str, address: str) -> None:
        """Another backend from now on: nothing that was known is true of it."""
        with self._lock:
            self._streams.clear()
            self._verdicts.clear()
            self._write({"t": self._now(), "server": {"name": name, "address": address}})

    def overview(self, overview: Overview) -> None:
        """A reading has succeeded."""
        with self._lock:
            if self._down:
                self._down = False
                self._write({"t": self._now(), "link": {}})
            self._judge(overview)
            self._put(("overview",), overview, self._readings)

    def lost(self, error: Exception) -> None:
        """A reading, or an attempt to connect, has failed."""
        with self._lock:
            self._down = True
            self._write({"t": self._now(), "link": _in_words(error)})

    def answer(self, question: Question, value: Any) -> None:
        """A question was answered."""
        with self._lock:
            self._put(question, value, self._answers)

    def refused(self, question: Question, error: Exception) -> None:
        """A question was not."""
        with self._lock:
            stream, words, now = self._stream(question), _in_words(error), self._now()
            text = f"{words['type']} {words['text']}"
            if not (stream.failed == text and now - stream.at < STILL):
                stream.failed, stream.at, stream.n = text, now, stream.n + 1
                of = {} if stream.n else {"of": list(question)}
                self._write({"t": now, "stream": stream.id, "n": stream.n, **of, "error": words})

    def searching(self, search: Search) -> int:
        """A search begins; its number."""
        with self._lock:
            self._ids += 1
            self._searches[self._ids] = -1
            self._piece(self._ids, {"of": ["search", to_plain(search)]})
            return self._ids

    def found(self, search: int, progress: Progress) -> None:
        """It has come so far; the last time with `done`."""
        with self._lock:
            self._piece(search, {"piece": to_plain(progress)})
            if progress.done:
                self._searches.pop(search, None)

    def heard(self, events: Sequence[Event]) -> None:
        """Events have arrived."""
        with self._lock:
            now = self._now()
            routine, troubles = self._events.allows(now), self._troubles.allows(now)
            kept = [event for event in events if (troubles if _tells_of_trouble(event) else routine)]
            self._unkept += len(events) - len(kept)
            if kept:
                lost = {"lost": self._unkept} if self._unkept else {}
                self._unkept = 0
                size = self._write({"t": now, "events": [to_plain(event) for event in kept], **lost})
                share = sum(map(_tells_of_trouble, kept)) / len(kept)
                self._troubles.spend(size * share)
                self._events.spend(size * (1 - share))

    # -- what it makes of that

    def _now(self) -> float:
        return round(self._clock() - self._began, 3)

    def _stream(self, question: Question) -> _Stream:
        key = json.dumps(question)
        stream = self._streams.get(key)
        if stream is None:
            self._ids += 1
            stream = self._streams[key] = _Stream(self._ids)
            if len(self._streams) > MAX_STREAMS:
                self._streams.popitem(last=False)
        self._streams.move_to_end(key)
        return stream

    def _put(self, question: Question, value: Any, allowance: Allowance) -> None:
        """Write what is new in an answer; nothing when too much has been written of late: the next one tells more."""
        now = self._now()
        if not allowance.allows(now):
            return
        stream = self._stream(question)
        try:
            plain = to_plain(value)
            change = SAME if stream.last is SAME else difference(stream.last, plain)
        except (TaskconsoleError, TypeError, RecursionError) as error:
            # Arguments of a schedule may be nested as deep as anybody likes.
            allowance.spend(self._write({"t": now, "unwritten": list(question), "why": type(error).__name__}))
            return
        if stream.last is SAME or stream.since_full >= FULL_EVERY:
            stream.since_full = 0
            body: dict[str, Any] = {"of": list(question), "full": plain}
        elif change is not SAME:
            body = {"change": change}
        elif stream.failed or now - stream.at >= STILL:
            body = {"same": True}
        else:
            return
        stream.n, stream.last, stream.at, stream.failed = stream.n + 1, plain, now, ""
        stream.since_full += 1
        allowance.spend(self._write({"t": now, "stream": stream.id, "n": stream.n, **body}))

    def _piece(self, search: int, body: dict[str, Any]) -> None:
        now = self._now()
        # One that is left out is missed by its number.
        n = self._searches[search] = self._searches[search] + 1
        if self._answers.allows(now):
            self._answers.spend(self._write({"t": now, "search": search, "n": n, **body}))

    def _judge(self, overview: Overview) -> None:
        """What came and what went since the last reading; a note is no news."""
        now = self._now()
        if not self._readings.allows(now):
            return
        found = {(v.rule, v.queue, str(v.level)): v for v in judge(overview) if v.level is not Level.NOTE}
        came = [_of_verdict(v) for key, v in found.items() if key not in self._verdicts]
        went = [_of_verdict(v) for key, v in self._verdicts.items() if key not in found]
        self._verdicts = found
        if came or went:
            parts = {name: part for name, part in (("came", came), ("went", went)) if part}
            self._readings.spend(self._write({"t": now, "verdicts": parts}))

    def _write(self, line: dict[str, Any]) -> int:
        """Append a line; the bytes it took."""
        if self.trouble:
            return 0
        data = json.dumps(line, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode("ascii") + b"\n"
        try:
            self._sink.write(data)
        except OSError as error:
            self._end(error.strerror or type(error).__name__)
        self.size += len(data)
        if self.size >= MAX_SIZE:
            self._end(f"it has {MAX_SIZE:,} bytes")
        return len(data)

    def _end(self, why: str) -> None:
        self.trouble = why
        self.tell(f"the recording has ended: {why}")


def _tells_of_trouble(event: Event) -> bool:
    return event.kind in TROUBLES or bool(event.by)


def _of_verdict(verdict: Verdict) -> dict[str, str]:
    return {
        "rule": verdict.rule,
        "queue": verdict.queue,
        "level": str(verdict.level),
        "text": verdict.text[:LONGEST],
    }


def _in_words(error: Exception) -> dict[str, str]:
    """An error as a line has it; the text of an unforeseen one may hold anything, also a password."""
    known = isinstance(error, TaskconsoleError)
    text = str(error)[:LONGEST] if known else f"unexpected {type(error).__name__} in the backend"
    return {"type": type(error).__name__, "text": text}
