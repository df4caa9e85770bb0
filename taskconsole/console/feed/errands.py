"""Having commands foreseen and carried out, one after another, in a thread of its own.

What goes on for long lets others in between its pieces: who pauses a queue must not wait for 100,000 tasks.

Here, and nowhere else, is decided whether anything may be written: a key that should not be there writes nothing.
"""

from __future__ import annotations

import time
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass
from queue import Empty, Full, Queue
from threading import Lock as Mutex
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from taskconsole.backends.commands import AbortTask, PauseQueue, ResumeQueue, SignalWorker
from taskconsole.console.feed.lock import Lock
from taskconsole.errors import StoreNotReady, StoreUnavailable, TaskconsoleError

if TYPE_CHECKING:
    from collections.abc import Callable

    from taskconsole.backends.base import Applied, Backend, Foreseen
    from taskconsole.backends.commands import Command
    from taskconsole.model.signature import Signature

__all__ = ["Errands", "Refused"]

T = TypeVar("T")

MAX_WAITING = 8
"""Errands that may wait for the one under way."""

LOOK = 0.5
"""Seconds between two looks whether it is over."""

TOO_MANY = "too many commands are waiting: nothing was sent"
NOT_CONNECTED = "not connected: nothing was sent"
OVER = "the console is leaving: nothing was sent"


@dataclass(frozen=True, slots=True)
class Refused:
    """It was not done, or nobody knows."""

    text: str
    """Why, for the operator; not yet made safe."""


@dataclass(frozen=True)
class _Errand(Generic[T]):
    run: Callable[[Backend], T]
    future: Future[T | Refused]
    writes: bool
    quick: bool
    """It is done in a moment: it may be done between two pieces of what goes on for long."""


class Errands:
    """Its methods may be called from any thread; `run` belongs into one of its own.

    Args:
        live: The backend while it can be asked, else None.
        ended: Called after each command that was carried out or refused.
        clock: For the lock.
    """

    def __init__(
        self,
        live: Callable[[], Backend | None],
        ended: Callable[[], object],
        *,
        lock: Lock | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._live = live
        self._ended = ended
        self._clock = clock
        self._waiting: Queue[_Errand[Any]] = Queue(MAX_WAITING)
        self._later: deque[_Errand[Any]] = deque()
        """Those that were looked at while one went on for long, and have to wait for its end."""
        self._mutex = Mutex()
        self._lock = lock or Lock()
        self._stopped = False

    @property
    def lock(self) -> Lock:
        """Whether anything may be written."""
        return self._lock

    def change_lock(self, change: Callable[[Lock], Lock]) -> None:
        """Another lock; one that is read-only stays so, whatever is wanted."""
        with self._mutex:
            wanted = change(self._lock)
            if wanted.read_only or not self._lock.read_only:
                self._lock = wanted

    def foresee(self, command: Command) -> Future[Foreseen | Refused]:
        """What a command would do; nothing is written."""
        return self._submit(lambda backend: backend.foresee(command), writes=False, quick=_is_quick(command))

    def signatures(self) -> Future[list[Signature] | Refused]:
        """The tasks that live workers have handlers for, as far as they tell."""
        return self._submit(lambda backend: backend.signatures(), writes=False, quick=True)

    def apply(self, command: Command, report: Callable[[int], bool] = lambda _done: True) -> Future[Applied | Refused]:
        """Have a command carried out; `report` is called in the thread, see `Backend.apply`."""

        def carry_out(backend: Backend) -> Applied:
            def goes_on(done: int) -> bool:
                self._let_in()
                return report(done) and not self._stopped

            return backend.apply(command, goes_on)

        return self._submit(carry_out, writes=True, quick=_is_quick(command))

    def stop(self) -> None:
        """End `run`; a command that goes on for long ends after its present piece, the others are refused."""
        self._stopped = True

    def run(self) -> None:
        """Until stopped."""
        while not self._stopped:
            try:
                errand = self._later.popleft() if self._later else self._waiting.get(timeout=LOOK)
            except Empty:
                continue
            self._do(errand)
        self._look_at_all()
        for errand in self._later:
            if errand.future.set_running_or_notify_cancel():
                errand.future.set_result(Refused(OVER))

    def _do(self, errand: _Errand[Any]) -> None:
        if errand.future.set_running_or_notify_cancel():
            errand.future.set_result(self._carry_out(errand))
        if errand.writes:
            # What changed is seen because the next reading says so; let that be now.
            self._ended()

    def _let_in(self) -> None:
        """Between two pieces of what goes on for long: do what is done in a moment."""
        self._look_at_all()
        for errand in [errand for errand in self._later if errand.quick and not self._stopped]:
            self._later.remove(errand)
            self._do(errand)

    def _look_at_all(self) -> None:
        while True:
            try:
                self._later.append(self._waiting.get_nowait())
            except Empty:
                return

    def _submit(self, run: Callable[[Backend], T], *, writes: bool, quick: bool) -> Future[T | Refused]:
        errand = _Errand(run, Future[T | Refused](), writes, quick)
        if len(self._later) >= MAX_WAITING:
            errand.future.set_result(Refused(TOO_MANY))
            return errand.future
        try:
            self._waiting.put_nowait(errand)
        except Full:
            errand.future.set_result(Refused(TOO_MANY))
        return errand.future

    def _carry_out(self, errand: _Errand[T]) -> T | Refused:
        refusal = self._lock.refusal(self._clock()) if errand.writes else ""
        backend = self._live()
        if refusal or backend is None:
            return Refused(refusal or NOT_CONNECTED)
        try:
            return errand.run(backend)
        except StoreNotReady as error:
            return Refused(f"{'not done: ' if errand.writes else ''}{error}")
        except StoreUnavailable as error:
            # The reason first: the line may be cut.
            unknown = "; whether it was done is not known, look before you do it again" if errand.writes else ""
            return Refused(f"{error}{unknown}")
        except TaskconsoleError as error:
            return Refused(f"refused: {error}")
        except Exception as error:  # noqa: BLE001 (a thread's traceback would land on the screen)
            return Refused(f"failed: unexpected {type(error).__name__} in the backend")


def _is_quick(command: Command) -> bool:
    """It is done in one call, and what it is for cannot wait."""
    return isinstance(command, PauseQueue | ResumeQueue | SignalWorker | AbortTask)
