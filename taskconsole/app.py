"""App: what a user of the library touches.

It names tasks and puts them into Redis; it knows no worker and no console.
"""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass, replace
from functools import update_wrapper
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, overload

import msgspec

from taskconsole.client import Client, Parcel
from taskconsole.config import Settings, check_url, url_from_environment
from taskconsole.errors import ConfigError
from taskconsole.model.context import Context  # noqa: TC001 - resolved at run time by get_type_hints
from taskconsole.model.task import Envelope, check_arguments, check_size, encode
from taskconsole.registry import (
    DEFAULT_MAX_REDELIVERIES,
    DEFAULT_RETRIES,
    DEFAULT_TIMEOUT,
    Handler,
    Registry,
    make_handler,
)
from taskconsole.store.keys import DEFAULT_QUEUE, check_queue_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractAsyncContextManager

    from taskconsole.model.outcome import Backoff

__all__ = ["App", "RegisteredTask", "TaskRef"]

P = ParamSpec("P")
R = TypeVar("R")

RunAfter = dt.datetime | dt.timedelta | float
"""A moment (aware), or a while from now (timedelta, or seconds)."""


class TaskRef(msgspec.Struct, frozen=True):
    """A task that was accepted."""

    id: str
    task: str
    queue: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Options:
    queue: str
    due: str | None = None
    next_to_run: bool = False


class RegisteredTask(Generic[P, R]):
    """A function and the name under which it can be enqueued. Calling it runs the function here and now."""

    def __init__(self, app: App, handler: Handler, options: _Options) -> None:
        self.app, self.handler, self._options = app, handler, options
        self.name = handler.name
        update_wrapper(self, handler.function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the function itself, without Redis."""
        return self.handler.function(*args, **kwargs)  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return f"<task {self.name!r} on queue {self._options.queue!r}>"

    def using(
        self,
        *,
        run_after: RunAfter | None = None,
        queue_name: str | None = None,
        priority: int | None = None,
    ) -> RegisteredTask[P, R]:
        """The same task with other options.

        Args:
            run_after: Not before this moment: an aware datetime, or a timedelta or seconds from now.
            queue_name: Another queue than the task's own.
            priority: Above 0 puts it next to run; 0 or less (the default) behind the others.

        Raises:
            ConfigError: A negative or NaN delay, a naive datetime, a queue name that cannot be.
        """
        options = self._options
        if queue_name is not None:
            options = replace(options, queue=check_queue_name(queue_name))
        if run_after is not None:
            options = replace(options, due=_due(run_after))
        if priority is not None:
            options = replace(options, next_to_run=priority > 0)
        return RegisteredTask(self.app, self.handler, options)

    def call(self, *args: P.args, **kwargs: P.kwargs) -> Parcel:
        """The task with these arguments, not yet enqueued.

        Raises:
            TypeError: The arguments do not fit the function, or JSON cannot carry one of them.
            PayloadError: They are too large.
        """
        name, options, client, handler = self.name, self._options, self.app.client, self.handler
        if kwargs or len(args) != handler.plain_arity:
            misfit = handler.misfit(args, kwargs)
            if misfit is not None:
                raise TypeError(misfit)
        check_arguments(name, args, kwargs)
        task_id = client.new_id()
        payload = encode(Envelope(name, task_id, args, kwargs, None, client.now()))  # type: ignore[arg-type]
        if len(payload) > 65_536:
            check_size(payload, name, client.settings.max_payload)
        return Parcel(options.queue, options.due, options.next_to_run, payload, task_id, name)

    def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> TaskRef:
        """Put the task into its queue; blocks until Redis has it.

        Raises:
            TypeError: The arguments do not fit the function, or JSON cannot carry one of them.
            PayloadError: They are too large.
            StoreUnavailable: No answer; the task may or may not have arrived.
            StoreError: Redis refused, e.g. StoreFull; nothing was written.
        """
        parcel = self.call(*args, **kwargs)
        self.app.client.send((parcel,))
        return TaskRef(parcel.id, parcel.task, parcel.queue)

    async def aenqueue(self, *args: P.args, **kwargs: P.kwargs) -> TaskRef:
        """As `enqueue`, for asyncio; concurrent calls share round trips."""
        parcel = self.call(*args, **kwargs)
        await self.app.client.post(parcel)
        return TaskRef(parcel.id, parcel.task, parcel.queue)


class TaskDecorator(Protocol):
    """What `@app.task(…)` gives: turns a function into a task; a leading Context parameter is filled by the worker."""

    @overload
    def __call__(self, function: Callable[Concatenate[Context, P], R], /) -> RegisteredTask[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> RegisteredTask[P, R]: ...


class App:
    """The tasks of one program, and the Redis they go to.

    Args:
        url: `redis://`, `rediss://` or `unix://`; else TASKCONSOLE_URL, REDIS_URL, localhost.
        prefix: Put in front of every key.
        lifespan: Called with the app, gives an async context manager that a worker process
            enters before its first task and leaves after its last.
        settings: Everything at once, instead of `url` and `prefix`.

    Nothing is connected until the first task is enqueued.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        prefix: str = "",
        lifespan: Callable[[App], AbstractAsyncContextManager[Any]] | None = None,
        settings: Settings | None = None,
    ) -> None:
        self.settings = settings or Settings(url=check_url(url_from_environment(url)), prefix=prefix)
        self.registry = Registry()
        self.lifespan = lifespan
        self.client = Client(self.settings)

    @overload
    def task(self, function: Callable[Concatenate[Context, P], R]) -> RegisteredTask[P, R]: ...
    @overload
    def task(self, function: Callable[P, R]) -> RegisteredTask[P, R]: ...
    @overload
    def task(
        self,
        *,
        name: str | None = ...,
        queue: str = ...,
        retries: int = ...,
        backoff: Backoff | float | None = ...,
        timeout: float | None = ...,
        max_redeliveries: int = ...,
        process: bool = ...,
    ) -> TaskDecorator: ...
    def task(
        self,
        function: Callable[..., Any] | None = None,
        *,
        name: str | None = None,
        queue: str = DEFAULT_QUEUE,
        retries: int = DEFAULT_RETRIES,
        backoff: Backoff | float | None = None,
        timeout: float | None = DEFAULT_TIMEOUT,
        max_redeliveries: int = DEFAULT_MAX_REDELIVERIES,
        process: bool = False,
    ) -> Any:
        """Register a function as a task, with or without options.

        Args:
            function: `async def` runs on the worker's event loop, `def` in a thread.
            name: How it is enqueued; the function's own name by default.
            queue: Where it goes unless `using` says otherwise.
            retries: Further attempts after the first one failed.
            backoff: A Backoff, or the first ceiling in seconds (2 by default, doubling, full jitter).
            timeout: Seconds one attempt may take; None for no limit.
            max_redeliveries: How many workers may die with it in their hands before it is buried.
            process: Run it in a process of its own, for code that blocks or crashes.

        Raises:
            ConfigError: An option is out of range, or the name is taken.
        """
        check_queue_name(queue)

        def register(function: Callable[..., Any]) -> RegisteredTask[..., Any]:
            handler = make_handler(
                function,
                name=name,
                queue=queue,
                retries=retries,
                backoff=backoff,
                timeout=timeout,
                max_redeliveries=max_redeliveries,
                process=process,
            )
            self.registry.add(handler)
            return RegisteredTask(self, handler, _Options(queue=queue))

        return register if function is None else register(function)

    def fallback(self, function: Callable[..., R]) -> Callable[..., R]:
        """Register the handler for bare payloads that name no task; it gets the text."""
        self.registry.fallback = make_handler(function, name="fallback", queue=DEFAULT_QUEUE)
        return function

    def enqueue_many(self, calls: Iterable[Parcel]) -> int:
        """Enqueue many tasks, a thousand in a round trip; returns how many. Raises as `RegisteredTask.enqueue`."""
        return self.client.send(calls)

    async def aenqueue_many(self, calls: Iterable[Parcel]) -> int:
        """As `enqueue_many`, for asyncio."""
        return await self.client.asend(calls)

    def close(self) -> None:
        """Drop the blocking connection."""
        self.client.close()

    async def aclose(self) -> None:
        """Drop all connections of this event loop."""
        await self.client.aclose()


def _due(run_after: RunAfter) -> str:
    if isinstance(run_after, dt.datetime):
        if run_after.tzinfo is None:
            raise ConfigError(f"run_after={run_after!r} has no time zone: pass an aware datetime")
        return f"{run_after.timestamp():.6f}"
    seconds = run_after.total_seconds() if isinstance(run_after, dt.timedelta) else run_after
    if not seconds >= 0 or math.isinf(seconds):
        raise ConfigError(f"run_after={run_after!r}: seconds from now, 0 or more")
    return f"+{seconds:.6f}"
