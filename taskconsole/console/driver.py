"""The terminal's driver: writes only what changes, and knows when the terminal does not keep up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual.drivers.linux_driver import LinuxDriver

from taskconsole.console.frame import FrameDiff

if TYPE_CHECKING:
    from textual.app import App

__all__ = ["CalmDriver"]


class CalmDriver(LinuxDriver):
    """Textual's driver for POSIX terminals behind a `FrameDiff`."""

    def __init__(
        self, app: App[Any], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        self._frames = FrameDiff()

    def start_application_mode(self) -> None:
        """Take the terminal over, at the start and after a suspension."""
        self._frames.forget()
        super().start_application_mode()  # type: ignore[no-untyped-call]  # Textual leaves it out

    def resized(self, width: int, height: int) -> None:
        """The terminal's size is known, or another one."""
        self._frames.resize(width, height)

    def redraw(self) -> None:
        """Something else has written to the terminal: draw every cell again with the next frames."""
        self._frames.forget()

    def write(self, data: str) -> None:
        """Write what changes the terminal."""
        changes = self._frames.feed(data)
        if changes:
            super().write(changes)

    @property
    def behind(self) -> bool:
        """Frames are waiting because the terminal takes no more: a slow or stalled link."""
        writer = self._writer_thread
        # Textual's writer blocks the loop once 30 writes wait; nothing may be painted before that.
        return writer is not None and writer._queue.qsize() > 1  # noqa: SLF001 (no public way to ask)
