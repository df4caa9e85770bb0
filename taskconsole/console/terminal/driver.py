"""The terminal's driver: writes only what changes, and only as fast as the terminal takes it."""

from __future__ import annotations

import asyncio
import curses
from typing import TYPE_CHECKING, Any

from textual.drivers.linux_driver import LinuxDriver

from taskconsole.console.terminal.frame import FrameDiff

if TYPE_CHECKING:
    from textual.app import App

__all__ = ["CalmDriver"]

PLAIN = "\x1b[m"

GATHER = 0.02
"""Seconds in which frames become one: fewer than anybody sees, more than Textual needs for the next."""


class CalmDriver(LinuxDriver):
    """Textual's driver for POSIX terminals behind a `FrameDiff`."""

    def __init__(
        self, app: App[Any], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        self._frames = FrameDiff(colours_erase=_colours_erase())
        self._due: asyncio.TimerHandle | None = None

    def start_application_mode(self) -> None:
        """Take the terminal over, at the start and after a suspension."""
        self._frames.forget()
        super().start_application_mode()  # type: ignore[no-untyped-call]  # Textual leaves it out

    def stop_application_mode(self) -> None:
        """Give the terminal back; what was painted last is of no use any more."""
        if self._due is not None:
            self._due.cancel()
            self._due = None
        # Frames leave the terminal in the style of what they have drawn last.
        super().write(PLAIN)
        super().stop_application_mode()

    def resized(self, width: int, height: int) -> None:
        """The terminal's size is known, or another one."""
        self._frames.resize(width, height)

    def redraw(self) -> None:
        """Something else has written to the terminal: draw every cell again with the next frames."""
        self._frames.forget()

    def pass_on(self, data: str) -> None:
        """Write a sequence that changes nothing on the screen, such as one for the clipboard."""
        super().write(data)

    def write(self, data: str) -> None:
        """Paint a frame, which is written a moment later together with what follows; other things at once."""
        if not self._frames.take(data):
            super().write(data)
        elif self._due is None:
            # A new screen is painted blank first and then again with what is on it.
            self._due = asyncio.get_running_loop().call_later(GATHER, self.catch_up)

    def catch_up(self) -> None:
        """Write what has been painted, if the terminal takes it.

        Textual's writer blocks the loop once 30 writes wait; nothing is written before it comes to that.
        Whatever was painted in the meantime becomes one frame.
        """
        if self._due is not None:
            self._due.cancel()
            self._due = None
        changes = "" if self.behind else self._frames.changes()
        if changes:
            super().write(changes)

    @property
    def behind(self) -> bool:
        """Frames are waiting because the terminal takes no more: a slow or stalled link."""
        writer = self._writer_thread
        return writer is not None and writer._queue.qsize() > 1  # noqa: SLF001 (no public way to ask)


def _colours_erase() -> bool:
    """What this terminal erases has the background that is set, as far as its description says so."""
    try:
        curses.setupterm()
    except curses.error:
        return False
    return curses.tigetflag("bce") == 1
