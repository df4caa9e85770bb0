"""A few child processes, each running one function call at a time.

`concurrent.futures.ProcessPoolExecutor` is not enough here: one child that dies breaks the whole pool, and a
call that hangs can't be killed. A child is started with `spawn` and imports the handler's own module; what it is
to call comes from the registry, never from a task.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess

__all__ = ["ChildDied", "ProcessPool", "RemoteError"]


class ChildDied(Exception):
    """The child process ended in the middle of a call."""

    def __init__(self, exit_code: int | None) -> None:
        if exit_code is not None and exit_code < 0:
            try:
                how = signal.Signals(-exit_code).name
            except ValueError:
                how = f"signal {-exit_code}"
        else:
            how = f"exit code {exit_code}"
        super().__init__(f"the handler's process died ({how})")


class RemoteError(Exception):
    """An exception in the child that could not be sent as itself."""

    def __init__(self, kind: str, text: str, trace: str) -> None:
        self.kind, self.remote_traceback = kind, trace
        super().__init__(f"{kind}: {text}" if text else kind)


def _serve(connection: Connection, path: list[str]) -> None:
    """Answer calls until the parent goes away."""
    # Signals to the whole group are the parent's to handle. Not ignored but caught: what is ignored would stay
    # ignored in the programs that a handler starts.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
    sys.path[:] = path
    threading.Thread(target=_end_with_parent, name="taskconsole-parent", daemon=True).start()
    while True:
        try:
            module, qualname, args, kwargs = connection.recv()
        except EOFError:
            return
        try:
            _find(module, qualname)(*args, **kwargs)
            # What it returned is nobody's business, and may be something that can't be sent.
            connection.send((True, None))
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is the outcome of the task
            connection.send((False, (type(error).__name__, str(error), traceback.format_exc(limit=-20))))


def _end_with_parent() -> None:
    """End this process when the worker is gone, in the middle of a call, too: others run its task then."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _find(module: str, qualname: str) -> Callable[..., Any]:
    __import__(module)
    found: Any = sys.modules[module]
    for part in qualname.split("."):
        found = getattr(found, part)
    # Under the function's own name stands the registered task; calling that runs the function.
    return found  # type: ignore[no-any-return]


class _Child:
    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process: SpawnProcess = context.Process(
            target=_serve, args=(theirs, list(sys.path)), daemon=True, name="taskconsole handler"
        )
        self.process.start()
        theirs.close()

    def ask(self, request: tuple[Any, ...]) -> tuple[bool, Any]:
        try:
            self.connection.send(request)
            return self.connection.recv()  # type: ignore[no-any-return]
        except (EOFError, OSError, pickle.UnpicklingError):
            self.process.join(5)
            raise ChildDied(self.process.exitcode) from None

    def kill(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()


class ProcessPool:
    """At most `size` children; a child is reused until it dies or is killed."""

    def __init__(self, size: int) -> None:
        self._idle: list[_Child] = []
        self._busy: set[_Child] = set()
        self._room = asyncio.Semaphore(size)
        self._threads = ThreadPoolExecutor(size, thread_name_prefix="taskconsole-process")

    async def run(self, function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Call `function` in a child; if this is cancelled the child is killed.

        Raises:
            ChildDied: It exited, was killed or crashed.
            RemoteError: The function raised.
        """
        async with self._room:
            child = self._take_idle()
            if child is None:
                child = await asyncio.to_thread(_Child)
            self._busy.add(child)
            try:
                answer = await self._ask(child, (function.__module__, function.__qualname__, args, kwargs))
            except BaseException:
                child.kill()
                raise
            else:
                self._idle.append(child)
            finally:
                self._busy.discard(child)
        good, value = answer
        if good:
            return value
        raise RemoteError(*value)

    def _take_idle(self) -> _Child | None:
        while self._idle:
            child = self._idle.pop()
            if child.process.is_alive():
                return child
            child.kill()
        return None

    async def _ask(self, child: _Child, request: tuple[Any, ...]) -> tuple[bool, Any]:
        # In a thread: a pipe holds little, the child takes its time to import, and both ends block.
        return await asyncio.get_running_loop().run_in_executor(self._threads, child.ask, request)

    def close(self) -> None:
        """Kill every child."""
        for child in [*self._idle, *self._busy]:
            child.kill()
        self._idle.clear()
        self._busy.clear()
        self._threads.shutdown(wait=False)
