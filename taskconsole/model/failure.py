"""Failures that are alike, as one group: the exception, the message without what differs, and the task. Pure values."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from taskconsole.model.state import State

if TYPE_CHECKING:
    from collections.abc import Iterable

    from taskconsole.model.stats import TaskRow

__all__ = ["FailureGroup", "Failures", "group_of", "grouped", "normalised", "parted"]

LONGEST = 500
"""Characters of a message that are looked at; our workers keep no more."""

SHOWN = 200
"""Characters of a normalised message."""

NOT_SAID = "no reason given"


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureGroup:
    """Tasks of one queue that failed for one reason."""

    queue: str
    task: str
    exception: str
    """The class of the exception, or the reason in words."""
    message: str
    """Normalised: numbers, ids, addresses and quoted values are placeholders."""
    dead: int = 0
    """Of those looked at, tasks that are dead."""
    retrying: int = 0
    """Of those looked at, tasks that wait for another attempt."""
    first: float | None = None
    """The oldest of them, seconds since the epoch."""
    last: float | None = None
    sample: TaskRow | None = None
    """The newest of them."""

    @property
    def count(self) -> int:
        """All of them."""
        return self.dead + self.retrying

    @property
    def key(self) -> str:
        """What makes them alike, within their queue; fit to be typed."""
        return _key(self.task, self.exception, self.message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failures:
    """What a bounded look at the failed tasks of every queue has found."""

    groups: tuple[FailureGroup, ...]
    """The largest first."""
    looked: int
    """Dead tasks that were looked at, the newest of each queue; of those that are delayed, the soonest are."""
    total: int
    """Dead tasks there are; with more than were looked at, the counts of groups are lower bounds."""


def grouped(rows: Iterable[TaskRow]) -> tuple[FailureGroup, ...]:
    """Failed tasks, dead or delayed for another attempt, in groups: the largest first, then the one seen last.

    Delayed tasks that carry no error have not failed; they are left out.
    """
    tallies: dict[tuple[str, str, str, str], _Tally] = {}
    for row in rows:
        dead = row.state is State.DEAD
        if not dead and not row.error:
            continue
        key = row.queue, row.name, *parted(row.error)
        tally = tallies.get(key)
        if tally is None:
            tally = tallies[key] = _Tally(row)
        tally.add(row, dead=dead)
    groups = [tally.group(*key) for key, tally in tallies.items()]
    return tuple(sorted(groups, key=lambda g: (-g.count, -(g.last or 0.0), g.queue, g.task, g.exception, g.message)))


def group_of(row: TaskRow) -> str:
    """The `key` of the group that a failed task belongs to."""
    return _key(row.name, *parted(row.error))


def _key(task: str, exception: str, message: str) -> str:
    return f"{task} | {exception} | {message}"


class _Tally:
    """A group while it is being counted."""

    __slots__ = ("dead", "first", "last", "retrying", "sample")

    def __init__(self, row: TaskRow) -> None:
        self.dead = self.retrying = 0
        self.first: float | None = None
        self.last: float | None = None
        self.sample = row

    def add(self, row: TaskRow, *, dead: bool) -> None:
        """One more."""
        if dead:
            self.dead += 1
        else:
            self.retrying += 1
        at = row.failed_at
        if at is None:
            return
        if self.first is None or at < self.first:
            self.first = at
        if self.last is None or at > self.last:
            self.last, self.sample = at, row

    def group(self, queue: str, task: str, exception: str, message: str) -> FailureGroup:
        """All that were added."""
        return FailureGroup(
            queue=queue,
            task=task,
            exception=exception,
            message=message,
            dead=self.dead,
            retrying=self.retrying,
            first=self.first,
            last=self.last,
            sample=self.sample,
        )


_TRIED = re.compile(r"failed \d++ times, last: ", re.ASCII)
_CLASS = re.compile(r"(?:[^\W\d]\w*+\.)*+[^\W\d]\w*+")


def parted(error: str) -> tuple[str, str]:
    """The class of the exception and the normalised message of `TimeoutError: read timed out`.

    A reason in words stays words, what follows a colon is its message: `("unknown task", "")`. What says how often a
    task failed is left out, so that a task that died is alike to one that will be tried again.
    """
    return _parted(error[:LONGEST])


@lru_cache(maxsize=8_192)
def _parted(error: str) -> tuple[str, str]:
    tried = _TRIED.match(error)
    text = error[tried.end() :] if tried else error
    before, colon, message = text.partition(": ")
    before = before.strip()
    if not before:
        return (NOT_SAID, "") if not message.strip() else (NOT_SAID, _normalised(message))
    if _CLASS.fullmatch(before):
        return before, _normalised(message)
    # `at 10:30: …` or `'a: b' is …`: a colon within a quoted value parts nothing.
    if colon and before.count("'") % 2 == 0 and before.count('"') % 2 == 0:
        return _normalised(before), _normalised(message)
    return _normalised(text), ""


def normalised(message: str) -> str:
    """A message without what differs from one failure to the next, at most 200 characters on one line.

    Quoted values become `<text>`, times `<time>`, addresses `<address>`, UUIDs and long random words `<id>`, numbers
    and hexadecimal ids `<n>` (whether an id has a letter in it is chance). Only the first 500 characters are looked
    at, in time linear in their number.
    """
    return _normalised(message[:LONGEST])


def _quoted(opens: str, closes: str) -> str:
    # Without its end (the message was cut) it goes on to the end: so no text is looked at twice. An apostrophe
    # before a letter ends nothing: 'don't know'.
    apostrophe = rf"|{closes}(?=\w)" if opens == closes else ""
    return rf"(?<!\w)(?:[bBrRuUfF]{{1,2}})?+{opens}(?:\\.?|[^{closes}\\]{apostrophe})*+(?:{closes}|\Z)"


# Linear: what repeats is possessive, and begins where a run of such characters begins, so that it is tried once.
_DIFFERING = {
    "text": [
        _quoted("'", "'"),
        _quoted('"', '"'),
        _quoted("`", "`"),
        _quoted("\N{LEFT DOUBLE QUOTATION MARK}", "\N{RIGHT DOUBLE QUOTATION MARK}"),
    ],
    "time": [
        r"(?<!\d)\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d++)?+)?+(?: ?Z| UTC|[+-]\d\d:?\d\d)?+)?+",
        r"(?<![\d:])\d\d:\d\d:\d\d(?:[.,]\d++)?+(?![\d:])",
    ],
    "address": [
        r"(?<!\w)0[xX][0-9a-fA-F]++",
        r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?!\.?\d)(?::\d{1,5})?+",
        r"(?<![\w:])(?:[0-9a-fA-F]{0,4}:){2,7}[0-9a-fA-F]{0,4}(?![\w:])",
        r"(?<![\w.+-])[\w.+-]++@[\w-]++(?:\.[\w-]++)*+",
    ],
    "id": [
        r"(?<![A-Za-z0-9])[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}(?![A-Za-z0-9])",
        # Long, with a digit, and not hexadecimal all through; or so long that it is no word.
        (
            r"(?<![A-Za-z0-9_+-])(?![0-9a-fA-F]++(?![A-Za-z0-9+/_=-]))(?=[A-Za-z_+-]*+[0-9])"
            r"[A-Za-z0-9_+-]{20,}+[A-Za-z0-9+/_=-]*+"
        ),
        r"(?<![A-Za-z])[A-Za-z]{40,}+[A-Za-z0-9+/_=-]*+",
    ],
    "n": [
        r"(?<![A-Za-z0-9])(?=[a-fA-F]*+[0-9])[0-9a-fA-F]{6,}+(?![A-Za-z0-9])",
        r"(?:(?<!\w)[-+])?+\d++(?:[.,]\d++)*+(?:[eE][-+]?+\d++)?+",
    ],
    "space": [r"\s++"],
}
_DIFFERS = re.compile("|".join(f"(?P<{name}>{'|'.join(ways)})" for name, ways in _DIFFERING.items()), re.DOTALL)


def _placeholder(found: re.Match[str]) -> str:
    return " " if found.lastgroup == "space" else f"<{found.lastgroup}>"


def _normalised(message: str) -> str:
    text = _DIFFERS.sub(_placeholder, message).strip()
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
