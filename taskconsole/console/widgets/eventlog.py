"""The last ten thousand events, newest first, of which only what is seen is ever drawn."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, ClassVar

from taskconsole.console.actions import LOG, MOTIONS, bindings
from taskconsole.console.columns.events import EVENTS, EVENTS_WIDE, event_line, event_tone
from taskconsole.console.text.filtering import Filter
from taskconsole.console.text.format import UNICODE, Glyphs, count
from taskconsole.console.text.lines import Line, Tone, rule
from taskconsole.console.text.safe import safe
from taskconsole.console.text.table import Column, Placed, fit
from taskconsole.console.widgets.painted import Painted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.binding import BindingType

    from taskconsole.model.event import Event

__all__ = ["EventLog"]

RING = 10_000
READABLE = 50
"""Events per second above which only a sample is shown; nobody reads more."""


class EventLog(Painted, can_focus=True):
    """A title line that says how much is shown, then events.

    It follows the newest until the operator scrolls; then it holds still while events come in.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(MOTIONS), *bindings(LOG)]

    def __init__(
        self,
        *,
        glyphs: Glyphs = UNICODE,
        id: str | None = None,  # noqa: A002 (Textual's name for it)
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self._glyphs = glyphs
        self._placed: list[Placed[Event]] = []
        self._ring: deque[Event] = deque(maxlen=RING)
        self._kept: deque[Event] = deque(maxlen=RING)
        self.filter = Filter.parse("")
        self.only_failures = False
        self._top = 0
        self._sampled = 1
        self._per_second = 0.0
        self.follow = True
        self.total = 0
        """Events that arrived, shown or not."""

    def add(self, events: Sequence[Event], lost: int, seconds: float) -> None:
        """Take in what arrived during the last `seconds`, oldest first, and `lost` more that nobody kept."""
        arrived = len(events) + lost
        self.total += arrived
        self._per_second = arrived / max(seconds, 0.001)
        room = max(1, round(READABLE * max(seconds, 1.0)))
        self._sampled = -(-arrived // room)
        shown = _sample(events, -(-len(events) // room))
        self._ring.extendleft(shown)
        passing = [event for event in shown if self._passes(event)]
        self._kept.extendleft(passing)
        if not self.follow:
            self._top = min(self._top + len(passing), self._last_top)
        self.repaint()

    def add_history(self, events: Sequence[Event]) -> None:
        """Take in what was before, oldest first: below what has come, without what has come already."""
        known = set(map(_same, self._ring))
        older = [event for event in reversed(events) if _same(event) not in known]
        room = RING - len(self._ring)
        self._ring.extend(older[: max(0, room)])
        self._choose()

    def start_over(self, events: Sequence[Event]) -> None:
        """Show these, oldest first, and no others."""
        self._ring.clear()
        self._per_second, self._sampled, self._top = 0.0, 1, 0
        self.add_history(events)

    def set_filter(self, text: str) -> None:
        """Show only events that pass, of those that are kept and those that come."""
        self.filter = Filter.parse(text)
        self._choose()

    @property
    def shown(self) -> Sequence[Event]:
        """Those that are kept and pass, newest first."""
        return self._kept

    @property
    def first(self) -> Event | None:
        """The one at the top of what is seen."""
        return self._kept[self._top] if self._top < len(self._kept) else None

    def _passes(self, event: Event) -> bool:
        if self.only_failures and event_tone(event) not in (Tone.BAD, Tone.WARN):
            return False
        return self.filter.accepts(event.kind, event.queue, event.task, event.id, event.worker, event.by, event.text)

    def _choose(self) -> None:
        self._kept = deque(filter(self._passes, self._ring), maxlen=RING)
        self._top = max(0, min(self._top, self._last_top))
        self.repaint()

    def quiet(self) -> None:
        """Nothing has arrived for a while."""
        if self._per_second:
            self._per_second, self._sampled = 0.0, 1
            self.repaint()

    def draw(self, y: int) -> Line:
        """The title, then events from the top on."""
        if y == 0:
            return rule(self._title(), self.size.width, self._glyphs)
        index = self._top + y - 1
        if index >= len(self._kept):
            return ()
        return event_line(self._placed, self._kept[index], self.size.width, self._glyphs)

    def _title(self) -> str:
        marks = ["> events" if self.has_focus else "events"]
        if self._sampled > 1:
            marks.append(f"{count(round(self._per_second))}/s, showing 1 in {count(self._sampled)}")
        if self.only_failures:
            marks.append("failures only (F shows all)")
        if self.filter:
            marks.append(f"filter {safe(self.filter.text, 40)}: {count(len(self._kept))} of {count(len(self._ring))}")
        if not self.follow:
            marks.append(f"held {count(self._top)} back (f follows)" if self._top else "held (f follows)")
        return ", ".join(marks)

    def resized(self) -> None:
        """Choose the columns for the new width."""
        self._placed = fit(_for_width(self.size.width), self.size.width, margin=1)
        self._top = min(self._top, self._last_top)

    def watch_has_focus(self, has_focus: bool) -> None:
        """Show where the keys go."""
        super().watch_has_focus(has_focus)
        self.repaint()

    def action_follow(self) -> None:
        """Follow the newest event, or hold still."""
        self.follow = not self.follow
        if self.follow:
            self._top = 0
        self.repaint()

    def action_failures_only(self) -> None:
        """Only failures and what else is wrong, or everything."""
        self.only_failures = not self.only_failures
        self._choose()

    def action_move(self, by: int) -> None:
        """Scroll by lines; scrolling holds still."""
        self._look_at(self._top + by)

    def action_half_page(self, direction: int) -> None:
        """Scroll by half of what is seen."""
        self._look_at(self._top + direction * max(1, self._window // 2))

    def action_page(self, direction: int) -> None:
        """Scroll by what is seen."""
        self._look_at(self._top + direction * max(1, self._window))

    def action_end(self, direction: int) -> None:
        """To the newest event, which is followed from then on, or to the oldest."""
        self._look_at(0 if direction < 0 else self._last_top)
        if direction < 0:
            self.follow = True
            self.repaint()

    def _look_at(self, top: int) -> None:
        self._top = max(0, min(top, self._last_top))
        self.follow = False
        self.repaint()

    @property
    def _window(self) -> int:
        return max(0, self.size.height - 1)

    @property
    def _last_top(self) -> int:
        return max(0, len(self._kept) - self._window)


def _same(event: Event) -> tuple[object, ...]:
    """What an event has in common with itself when it is heard live and read from the log."""
    return event.kind, round(event.at, 2), event.queue, event.id


def _for_width(width: int) -> Sequence[Column[Event]]:
    """Wide terminals show milliseconds; on narrow ones they cost more than they tell."""
    return EVENTS if width < 120 else EVENTS_WIDE


def _sample(events: Sequence[Event], keep_one_in: int) -> Sequence[Event]:
    """One event in so many, and every one that tells of trouble, up to the same number again."""
    if keep_one_in <= 1:
        return events
    room = len(events) // keep_one_in + 1
    trouble = [e for e in events if event_tone(e) in (Tone.BAD, Tone.WARN)][-room:]
    kept = {id(e) for e in (*events[::keep_one_in], *trouble)}
    return [e for e in events if id(e) in kept]
