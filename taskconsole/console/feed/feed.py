"""The feed: the threads that talk to Redis, so that the loop that draws never does.

One polls the overview, one asks what the view on the screen wants to know, one listens, one acts. They hand over
through bounded places and one short list of commands; they never wait for the console. An action never waits behind a
reading.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from taskconsole.backends.base import Can
from taskconsole.console.feed.errands import Errands
from taskconsole.console.feed.handover import Handover
from taskconsole.console.feed.link import Link, Phase
from taskconsole.console.feed.looker import Looker
from taskconsole.console.feed.poller import FOCUSED, Poller, backoff
from taskconsole.console.text.format import clock
from taskconsole.errors import AccessDenied, StoreUnavailable, TaskconsoleError
from taskconsole.model.event import Event, EventKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.message import Message

    from taskconsole.backends.base import Backend
    from taskconsole.console.feed.lock import Lock
    from taskconsole.console.feed.queries import Query

__all__ = ["Feed"]


class Feed(Handover):
    """Everything the console reads and does.

    Args:
        connect: Makes the backend; called in the polling thread, again and again until it succeeds.
        tell: Hands a message to the console from any thread, without waiting (`App.post_message`).
        interval: Seconds between two readings while somebody looks.
        heard: Given every event, those of our own included, by the thread that listens.
        lock: Whether anything may be written.
        clock: For the lock.
    """

    def __init__(
        self,
        connect: Callable[[], Backend],
        tell: Callable[[Message], object],
        *,
        interval: float = FOCUSED,
        heard: Callable[[list[Event]], object] = lambda _events: None,
        lock: Lock | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(tell, heard)
        self._poller = Poller(connect, self._publish, self._gap)
        self._poller.wished = interval
        self._looker = Looker(self._live_now, self.publish_answer)
        self.errands = Errands(self._live_now, self.wake, lock=lock, clock=clock)
        self._stopping = threading.Event()
        self._wake = threading.Condition()
        self._woken = False
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start the threads; the first reading is under way when this returns."""
        for name, run in (
            ("poll", self._poll),
            ("look", self._looker.run),
            ("listen", self._listen),
            ("act", self.errands.run),
        ):
            thread = threading.Thread(target=run, name=f"taskconsole-{name}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self, wait: float = 0.0) -> None:
        """Stop all threads and wait up to `wait` seconds; one inside a call to Redis ends after it."""
        self._stopping.set()
        self._looker.stop()
        self.errands.stop()
        self.wake()
        deadline = time.monotonic() + wait
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def wake(self) -> None:
        """Read now: ends any pause, also the one after a refused password."""
        with self._wake:
            self._woken = True
            self._wake.notify_all()
        self._looker.nudge()

    def watch(self, query: Query | None) -> None:
        """Ask this from now on, for the view that is on the screen."""
        self.drop_answer(query)
        self._looker.watch(query)

    @property
    def interval(self) -> float:
        """The wished seconds between two readings."""
        return self._poller.wished

    def set_interval(self, seconds: float) -> None:
        """Read the overview so often."""
        self._poller.wished = seconds
        self.wake()

    def set_focused(self, focused: bool) -> None:
        """Read often while somebody looks, seldom while not."""
        self._poller.focused = self._looker.focused = focused
        if focused:
            self.wake()

    def _publish(self, link: Link) -> None:
        overview = link.overview
        if overview is not None:
            self.errands.change_lock(lambda lock: lock.found(loopback=overview.server.loopback))
        came_back = self.publish(link)
        with self._wake:
            # The listening thread waits for a live link.
            self._wake.notify_all()
        if came_back:
            self._looker.nudge()

    def _live_now(self) -> Backend | None:
        return self._poller.backend if self._link.phase is Phase.LIVE else None

    def _gap(self, text: str) -> None:
        self.put([Event(kind=EventKind.GAP, at=self._now(), text=text)])

    def _now(self) -> float:
        """By the server's clock as far as it is known, else by ours."""
        return self._link.server_now(time.monotonic()) or time.time()

    def _pause(self, seconds: float) -> None:
        """Wait for `seconds`, a wake-up or the end; for ever when infinite."""
        with self._wake:
            self._wake.wait_for(
                lambda: self._woken or self._stopping.is_set(), None if seconds == float("inf") else seconds
            )
            self._woken = False

    def _poll(self) -> None:
        while not self._stopping.is_set():
            self._pause(self._poller.run_once())
        self._poller.close()

    def _live_backend(self, lost: float = 0.0) -> Backend | None:
        """The backend, once a reading has succeeded after `lost`; None when the console ends first."""

        def live() -> bool:
            return self._link.phase is Phase.LIVE and self._link.read_at > lost

        with self._wake:
            self._wake.wait_for(lambda: self._stopping.is_set() or live())
        return None if self._stopping.is_set() else self._poller.backend

    def _listen(self) -> None:
        failures = 0
        while (backend := self._live_backend()) is not None:
            if Can.EVENTS not in backend.can:
                return
            heard = self._inbox.arrived
            lost_at = self._listen_once(backend)
            if lost_at is None:
                return
            failures = 0 if self._inbox.arrived > heard else failures + 1
            # The poller may not have noticed yet that the server is gone.
            lost = time.monotonic()
            if self._stopping.wait(backoff(failures)) or self._live_backend(lost) is None:
                return
            if failures <= 1:
                self._gap_since(lost_at)

    def _listen_once(self, backend: Backend) -> float | None:
        """Listen until the connection is lost and return that moment; None when it is over for good."""
        try:
            backend.listen(self.put, self._stopping.is_set)
        except StoreUnavailable:
            return self._now()
        except AccessDenied as error:
            self._gap(f"no events: {error}")
            return None
        except TaskconsoleError as error:
            self._gap(f"events interrupted: {error}")
            return self._now()
        except Exception as error:  # noqa: BLE001 (a thread's traceback would land on the screen)
            self._gap(f"events stopped: unexpected {type(error).__name__} in the backend")
            return None
        return None if self._stopping.is_set() else self._now()

    def _gap_since(self, lost_at: float) -> None:
        self._gap(f"events {clock(lost_at)} to {clock(self._now())} were not seen")
