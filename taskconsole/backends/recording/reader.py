"""Reads a recording, whoever wrote it: once through to know where what stands, then line by line as it is wanted."""

from __future__ import annotations

import json
import os
import stat
from bisect import bisect_right
from typing import TYPE_CHECKING, Any

from taskconsole import errors
from taskconsole.backends.recording.index import Entry, Kind, Run, Times, Track, Where
from taskconsole.backends.recording.lines import ANSWERS, MAX_LINE, VERSION
from taskconsole.errors import RecordingError, StoreError, TaskconsoleError
from taskconsole.model.delta import applied
from taskconsole.model.portable import Unreadable, from_plain
from taskconsole.model.printable import printable
from taskconsole.model.recording import About, Connection, Mark, MarkKind, Spell

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BufferedReader
    from pathlib import Path

__all__ = ["Recording"]

YEARS = 10 * 366 * 86_400.0
"""Seconds; no recording is as long."""

NAMED = 8
"""Lines that cannot be read and are named by their numbers."""

FAILURES = frozenset({"died", "retried", "reclaimed", "fenced", "worker down"})
"""Events that mean that something went wrong."""

_ERRORS: dict[str, type[TaskconsoleError]] = {
    name: getattr(errors, name)
    for name in ("AccessDenied", "ConfigError", "ServerTooOld", "StoreFull", "StoreNotReady", "StoreUnavailable")
}


class Recording:
    """A file and what is known of it. A line that cannot be read costs what it says, and is counted.

    Args:
        path: The file; it may still be written.

    Raises:
        RecordingError: It is no recording, or one of a version that is not known yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.tracks: dict[str, Track] = {}
        """By their questions, as JSON."""
        self.runs: list[Run] = []
        """Searches."""
        self.events: list[tuple[float, Where]] = []
        self.marks: list[Mark] = []
        self.servers: list[tuple[float, str]] = []
        """Addresses, and since when."""
        self._links: list[tuple[float, Connection]] = []
        self._streams: dict[int, tuple[Track, int]] = {}
        self._searches: dict[int, Run] = {}
        self._overview: Any = None
        self._spells: dict[tuple[str, str, str], Spell] = {}
        self._past: list[Spell] = []
        self._queues: set[str] = set()
        self._counts = {"answers": 0, "events": 0, "unkept": 0, "unreadable": 0, "unknown": 0, "outages": 0}
        self._where: list[int] = []
        self._incomplete = False
        self._size = 0
        self._program = ""
        self.end = 0.0
        """The last position."""
        self.times = Times(0.0)
        try:
            self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            try:
                self._load()
            except BaseException:
                os.close(self._file)
                raise
        except OSError as error:
            raise RecordingError(f"{printable(path, 300)}: {error.strerror or error}") from None

    def close(self) -> None:
        """Let go of the file. Safe to repeat."""
        if self._file >= 0:
            file, self._file = self._file, -1
            os.close(file)

    # -- what is asked of it

    @property
    def overviews(self) -> Track:
        """The readings."""
        return self.tracks.setdefault('["overview"]', Track(("overview",)))

    def address(self, position: float) -> str:
        """The server that was looked at."""
        i = bisect_right(self.servers, position, key=_moment_of)
        return self.servers[i - 1][1] if i else ""

    def connection(self, position: float) -> Connection:
        """How it stood with the connection."""
        i = bisect_right(self._links, position, key=_moment_of)
        return self._links[i - 1][1] if i else Connection()

    def value(self, track: Track, index: int) -> Any:
        """The answer that an entry of a track gives, or the newest before it that was none of the same.

        Raises:
            Unreadable: It cannot be put together.
        """
        at, known = track.value
        if at != index:
            known = from_plain(ANSWERS[track.of[0]], self._plain(track, index))
            track.value = (index, known)
        return known

    def error(self, entry: Entry) -> TaskconsoleError:
        """Why there was no answer."""
        return _error_of(self.line(entry.where).get("error"))

    def line(self, where: Where) -> dict[str, Any]:
        """A line as it stands there.

        Raises:
            Unreadable: It does not, any more.
        """
        try:
            return _object(os.pread(self._file, where.length, where.offset))
        except OSError as error:
            raise Unreadable(str(error.strerror)) from error

    def about(self) -> About:
        """All of it."""
        return About(
            began=self.times.clock(0.0),
            ended=self.times.clock(self.end),
            seconds=self.end,
            program=self._program,
            addresses=tuple(dict.fromkeys(address for _, address in self.servers)),
            queues=tuple(sorted(self._queues)),
            readings=sum(entry.kind is not Kind.END for entry in self.overviews.entries),
            spells=(*self._past, *self._spells.values()),
            size=self._size,
            where=tuple(self._where),
            incomplete=self._incomplete,
            **self._counts,
        )

    def _plain(self, track: Track, index: int) -> Any:
        basis = track.basis(index)
        if basis is None:
            raise Unreadable("its beginning is missing")
        at, found = track.plain
        for i in range(basis, index + 1):
            entry = track.entries[i]
            if i == at or entry.kind in {Kind.SAME, Kind.ERROR, Kind.END}:
                continue
            line = self.line(entry.where)
            try:
                found = line["full"] if entry.kind is Kind.FULL else applied(found, line["change"])
            except (KeyError, ValueError, RecursionError) as error:
                raise Unreadable(f"its {entry.kind.name.lower()} value is none") from error
        track.plain = (index, found)
        return found

    # -- reading it through

    def _load(self) -> None:
        if not stat.S_ISREG(os.fstat(self._file).st_mode):
            raise RecordingError(f"{printable(self._path, 300)} is not a file")
        with open(self._file, "rb", closefd=False) as opened:
            lines = _lines(opened)
            where, raw = next(lines, (Where(0, 0), b""))
            self._take_header(raw)
            for number, (where, raw) in enumerate(lines, 2):
                self._size = where.offset + where.length
                try:
                    self._take(_object(raw), where)
                except (AttributeError, IndexError, KeyError, TypeError, ValueError, RecursionError):
                    if not raw.endswith(b"\n") and raw:
                        self._incomplete = True
                        continue
                    self._counts["unreadable"] += 1
                    if len(self._where) < NAMED:
                        self._where.append(number)
        self._streams.clear()
        self._searches.clear()
        self._overview = None

    def _take_header(self, raw: bytes) -> None:
        name = printable(self._path, 300)
        try:
            header = _object(raw)
        except Unreadable:
            header = {}
        if header.get("taskconsole") != "recording":
            raise RecordingError(f"{name} is no recording of taskconsole --record")
        version = header.get("version")
        if type(version) is not int or version > VERSION:
            raise RecordingError(
                f"{name} is a recording of version {printable(version, 20)}; this taskconsole reads up to {VERSION}: "
                "install a newer one"
            )
        began = header.get("at")
        self.times = Times(float(began) if isinstance(began, int | float) and abs(began) < 1e12 else 0.0)
        self._program = str(header.get("program", ""))[:40]
        self._size = len(raw)

    def _take(self, line: dict[str, Any], where: Where) -> None:
        t = line["t"]
        if isinstance(t, bool) or not isinstance(t, int | float) or not self.end <= t <= YEARS:
            raise Unreadable("a time that goes back, or is none")
        t = float(t)
        if "stream" in line:
            self._take_answer(line, t, where)
        elif "search" in line:
            self._take_piece(line, t, where)
        elif "events" in line:
            self._take_events(line, t, where)
        elif "link" in line:
            self._take_link(line["link"], t)
        elif "verdicts" in line:
            self._take_verdicts(line["verdicts"], t)
        elif "server" in line:
            self._take_server(line["server"], t)
        elif "unwritten" not in line:
            self._counts["unknown"] += 1
        self.end = t

    def _take_answer(self, line: dict[str, Any], t: float, where: Where) -> None:
        stream, n = line["stream"], line["n"]
        kind = next((kind for name, kind in _KINDS if name in line), None)
        if kind is None:
            raise Unreadable("an answer that says nothing")
        if "of" in line:
            track = self._track(line["of"])
        else:
            track, last = self._streams[stream]
            if n != last + 1 or kind is Kind.FULL:
                # A line is missing: what follows is said of a value that nobody knows, until there is a full one.
                del self._streams[stream]
                raise Unreadable("a line before it is missing")
        self._streams[stream] = (track, n)
        if track is self.overviews:
            try:
                self._take_reading(line, kind, t)
            except BaseException:
                del self._streams[stream]
                raise
        else:
            self._counts["answers"] += 1
        track.add(Entry(t, kind, where))

    def _take_reading(self, line: dict[str, Any], kind: Kind, t: float) -> None:
        if kind is Kind.FULL:
            self._overview = line["full"]
        elif kind is Kind.CHANGE:
            self._overview = applied(self._overview, line["change"])
        at = self._overview["at"]
        if isinstance(at, bool) or not abs(at) < 1e12:
            raise Unreadable("a reading of no time")
        self.times.add(t, float(at))
        for queue in self._overview.get("queues", ()):
            if type(queue["name"]) is str:
                self._queues.add(queue["name"])

    def _take_piece(self, line: dict[str, Any], t: float, where: Where) -> None:
        search, n = line["search"], line["n"]
        if "of" in line:
            run = self._searches[search] = Run(json.dumps(line["of"][1], sort_keys=True), t)
            self.runs.append(run)
            return
        run = self._searches[search]
        if n != run.n + 1:
            del self._searches[search]
            raise Unreadable("a line before it is missing")
        run.n = n
        run.pieces.append((t, where))

    def _take_events(self, line: dict[str, Any], t: float, where: Where) -> None:
        kinds = [(event["kind"], event) for event in line["events"]]
        lost = line.get("lost", 0)
        self._counts["events"] += len(kinds)
        self._counts["unkept"] += lost if type(lost) is int and 0 < lost < 2**53 else 0
        self.events.append((t, where))
        failed = next((event for kind, event in kinds if kind in FAILURES), None)
        if failed is not None:
            words = (str(failed.get(name) or "")[:200] for name in ("kind", "queue", "task", "text"))
            text = " ".join(word for word in words if word)
            self.marks.append(Mark(position=t, kind=MarkKind.FAILURE, text=text))

    def _take_link(self, link: Any, t: float) -> None:
        before = self._links[-1][1] if self._links else Connection()
        if not link:
            self._links.append((t, Connection()))
            self.marks.append(Mark(position=t, kind=MarkKind.LINK, text="connected again", bad=False))
            return
        error = _error_of(link)
        if not before.failures:
            self._counts["outages"] += 1
            self.marks.append(Mark(position=t, kind=MarkKind.LINK, text=f"connection lost: {error}"))
        since = before.since if before.failures else t
        self._links.append((t, Connection(since=since, failures=before.failures + 1, error=error)))

    def _take_verdicts(self, verdicts: dict[str, Any], t: float) -> None:
        at = self.times.clock(t)
        for plain in verdicts.get("went", ()):
            spell = self._spells.pop(_key_of(plain), None)
            if spell is not None:
                self._past.append(_ended(spell, at))
                self.marks.append(Mark(position=t, kind=MarkKind.VERDICT, text=f"no longer: {spell.text}", bad=False))
        for plain in verdicts.get("came", ()):
            rule, queue, level = key = _key_of(plain)
            text = str(plain.get("text", ""))[:1000]
            self._spells[key] = Spell(rule=rule, queue=queue, level=level, text=text, came=at)
            self.marks.append(Mark(position=t, kind=MarkKind.VERDICT, text=text))

    def _take_server(self, server: dict[str, Any], t: float) -> None:
        self.servers.append((t, str(server["address"])[:300]))
        self._past += [_ended(spell, self.times.clock(t)) for spell in self._spells.values()]
        self._spells.clear()
        self._streams.clear()
        for track in self.tracks.values():
            track.add(Entry(t, Kind.END, Where(0, 0)))

    def _track(self, of: Any) -> Track:
        if type(of) is not list or not of or of[0] not in ANSWERS:
            raise Unreadable("an answer to a question that is none")
        key = json.dumps(of)
        if key not in self.tracks:
            self.tracks[key] = Track(tuple(of))
        return self.tracks[key]


_KINDS = (("full", Kind.FULL), ("change", Kind.CHANGE), ("same", Kind.SAME), ("error", Kind.ERROR))


def _lines(file: BufferedReader) -> Iterator[tuple[Where, bytes]]:
    """Every line and where it is; of one that is too long nothing but its end."""
    offset = 0
    while raw := file.readline(MAX_LINE):
        length = len(raw)
        if length == MAX_LINE and not raw.endswith(b"\n"):
            raw = b"\n"
            while (more := file.readline(MAX_LINE)) and not more.endswith(b"\n"):
                length += len(more)
            length += len(more)
        yield Where(offset, length), raw
        offset += length


def _object(raw: bytes) -> dict[str, Any]:
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise Unreadable("it is no JSON") from error
    if type(found) is not dict:
        raise Unreadable("it is no object")
    return found


def _error_of(words: Any) -> TaskconsoleError:
    if type(words) is not dict:
        return StoreError("an error that cannot be read")
    return _ERRORS.get(str(words.get("type")), StoreError)(printable(words.get("text", ""), 1000))


def _key_of(plain: dict[str, Any]) -> tuple[str, str, str]:
    return str(plain["rule"])[:200], str(plain["queue"]), str(plain["level"])[:20]


def _moment_of(entry: tuple[float, Any]) -> float:
    return entry[0]


def _ended(spell: Spell, at: float) -> Spell:
    return Spell(rule=spell.rule, queue=spell.queue, level=spell.level, text=spell.text, came=spell.came, went=at)
