"""Running one handler somewhere else than on the loop: in a thread, or in a process of its own."""

from __future__ import annotations

import asyncio
import contextvars
import ctypes
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from taskconsole.registry import Handler
    from taskconsole.worker.processes import ProcessPool

__all__ = ["Elsewhere", "TimedOut"]


class TimedOut(Exception):
    """A handler took longer than its timeout."""

    def __init__(self, seconds: float = 0.0) -> None:
        super().__init__(
            f"took longer than its timeout of {seconds:g} s" if seconds else "took longer than its timeout"
        )


class ThreadRun:
    """One call in a thread, which can be interrupted from the loop."""

    __slots__ = ("_interrupted", "_lock", "_thread")

    def __init__(self) -> None:
        self._thread: int | None = None
        self._interrupted = False
        self._lock = threading.Lock()

    def __call__(self, function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]) -> Any:
        with self._lock:
            if self._interrupted:
                raise TimedOut
            self._thread = threading.get_ident()
        try:
            # A context of its own: what one task sets in context variables is not seen by the next in this thread.
            return contextvars.Context().run(function, *args, **kwargs)
        except StopIteration as error:
            # asyncio cannot carry this one: the future would never be done.
            raise RuntimeError(f"the handler raised StopIteration({error.value!r})") from error
        finally:
            with self._lock:
                self._thread = None

    def interrupt(self) -> None:
        """Raise TimedOut in the handler at its next bytecode; a call that is blocked in C goes on until it returns."""
        with self._lock:
            self._interrupted = True
            if self._thread is not None:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread), ctypes.py_object(TimedOut))


class Elsewhere:
    """Threads and processes for handlers that would block the loop.

    Args:
        threads: How many at the same time.
        processes: How many at the same time; started when first needed.
    """

    def __init__(self, threads: int, processes: int) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="taskconsole-handler")
        self._most_processes = processes
        self._closed = False
        self._processes: ProcessPool | None = None

    async def in_thread(self, handler: Handler, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Run a `def` handler in a thread; cancelling interrupts it and waits until it has let go."""
        run = ThreadRun()
        call = self._threads.submit(run, handler.function, args, kwargs)
        future = asyncio.wrap_future(call)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            if call.cancel():
                raise
        run.interrupt()
        while not future.done():
            try:
                await asyncio.wait([future])
            except asyncio.CancelledError:
                # An abort after a timeout, say. The thread goes on whatever we do; only when it has ended is its slot
                # really free.
                if self._closed:
                    raise
        if future.exception() is None:
            return future.result()
        raise asyncio.CancelledError

    async def in_process(self, handler: Handler, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Run a `process=True` handler in a child; cancelling kills the child."""
        if self._processes is None:
            # Most workers have no such handler and need not carry the machinery.
            from taskconsole.worker.processes import ProcessPool  # noqa: PLC0415

            self._processes = ProcessPool(self._most_processes)
        return await self._processes.run(handler.function, args, kwargs)

    def close(self) -> None:
        """Let go of threads and processes; running threads can't be stopped, they end with the process."""
        self._closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)
        if self._processes is not None:
            self._processes.close()
