"""App: what a user of the library touches.

It names tasks and puts them into Redis; it knows no worker and no console.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import math
import os
from dataclasses import dataclass, replace
from functools import update_wrapper
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, Unpack, overload

import msgspec

from taskconsole.backends.commands import Delete, Reschedule
from taskconsole.client import Client, Parcel
from taskconsole.config import Settings, check_url, url_from_environment
from taskconsole.errors import ConfigError, ScheduleError
from taskconsole.model.context import Context  # noqa: TC001 - resolved at run time by get_type_hints
from taskconsole.model.definition import Owner, check_schedule_name
from taskconsole.model.schedule import At, Cron, Every
from taskconsole.model.task import Envelope, check_arguments, check_size, encode
from taskconsole.registry import (
    DEFAULT_MAX_REDELIVERIES,
    DEFAULT_RETRIES,
    DEFAULT_TIMEOUT,
    DeclaredSchedule,
    Handler,
    Registry,
    make_handler,
)
from taskconsole.schedules import ScheduleOptions, Schedules, build_definition, process_name
from taskconsole.store.keys import DEFAULT_QUEUE, check_queue_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractAsyncContextManager

    from taskconsole.backends.native import NativeBackend
    from taskconsole.model.outcome import Backoff
    from taskconsole.model.schedule import Schedule

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

    @property
    def queue(self) -> str:
        """Where it goes unless `using` says otherwise."""
        return self._options.queue

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
            if not isinstance(priority, int):
                raise ConfigError(f"priority={priority!r}: a whole number; above 0 is next to run")
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


class ScheduleDecorator(Protocol):
    """What `@app.cron(…)`, `@app.every(…)` and `@app.at(…)` give: put it above `@app.task`."""

    def __call__(self, task: RegisteredTask[P, R], /) -> RegisteredTask[P, R]: ...


class TaskDecorator(Protocol):
    """What `@app.task(…)` gives: turns a function into a task; a leading Context parameter is filled by the worker."""

    @overload
    def __call__(self, function: Callable[Concatenate[Context, P], R], /) -> RegisteredTask[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> RegisteredTask[P, R]: ...


class App:
    """The tasks of one program, and the Redis they go to.

    Args:
        url: As in the README; else TASKCONSOLE_URL, REDIS_URL, localhost.
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
        self._backends: dict[int, NativeBackend] = {}
        self.schedules = Schedules(self._backend)
        """The schedules in Redis, to be read and changed while everything runs."""

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

    def cron(
        self, expression: str, *, tz: str = "UTC", name: str | None = None, **options: Unpack[ScheduleOptions]
    ) -> ScheduleDecorator:
        """Make the task by a cron expression: `@app.cron("15 3 * * *", tz="Europe/Berlin")` above `@app.task`.

        Five fields, six with seconds first, or `@daily` and the like; see `Cron`. A worker or scheduler that has
        this app registers it at its start, and leaves alone what an operator has changed or paused since.

        Args:
            expression: When, on the wall clock of `tz`.
            tz: The name of a time zone.
            name: Unique in the task's queue; the task's own name by default.
            **options: See `ScheduleOptions`.

        Raises:
            ScheduleError: What is asked for cannot be; the message says what to write instead.
            ConfigError: The queue has another schedule of that name.
        """
        return self._scheduled(lambda: Cron(expression, tz), name, options)

    def every(
        self,
        interval: dt.timedelta | float | str,
        *,
        anchor: dt.datetime | None = None,
        name: str | None = None,
        **options: Unpack[ScheduleOptions],
    ) -> ScheduleDecorator:
        """Make the task at a fixed interval: seconds, a timedelta or text like `5m`; else as `cron`.

        Args:
            interval: The distance of two instants.
            anchor: One of the instants (aware); by default the epoch, so that `5m` means :00, :05, :10.
            name: As in `cron`.
            **options: As in `cron`.
        """
        return self._scheduled(lambda: Every(interval, anchor), name, options)

    def at(
        self, moment: dt.datetime, *, name: str | None = None, **options: Unpack[ScheduleOptions]
    ) -> ScheduleDecorator:
        """Make the task once, at a moment (aware); else as `cron`."""
        return self._scheduled(lambda: At(moment), name, options)

    def _scheduled(self, make: Callable[[], Schedule], name: str | None, options: ScheduleOptions) -> ScheduleDecorator:
        schedule = make()

        def declare(task: RegisteredTask[P, R], /) -> RegisteredTask[P, R]:
            if not isinstance(task, RegisteredTask):
                raise ScheduleError("put @app.cron, @app.every and @app.at above @app.task: they schedule a task")
            definition = build_definition(schedule, task.name, options, owner=Owner.CODE)
            misfit = task.handler.misfit(list(definition.args), definition.kwargs)
            if misfit is not None:
                raise ScheduleError(f"{misfit}; give the schedule args= and kwargs=")
            self.registry.add_schedule(
                DeclaredSchedule(
                    name=check_schedule_name(task.name if name is None else name),
                    queue=task.queue,
                    definition=definition,
                )
            )
            return task

        return declare

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

    def reschedule(self, task: TaskRef | str | bytes, run_after: RunAfter, *, queue_name: str | None = None) -> bool:
        """Give a delayed task another time; False when it is not (or no longer) delayed.

        Blocks until Redis has done it.

        Args:
            task: What `enqueue` returned, its id, or the exact bytes of its payload. A payload is found at once;
                for an id the delayed tasks of the queue are looked through, seconds for a million.
            run_after: Not before this moment, as in `using`. A moment that has passed means at once.
            queue_name: Where it waits; by default the queue that `task` names, else the default queue. The
                default queue's tasks are looked for in the public set `delayed_tasks` too.

        Raises:
            ConfigError: A negative or NaN delay, a naive datetime, a queue name that cannot be.
            PayloadError: An id that is empty or cannot be text.
            StoreUnavailable: No answer; it may or may not have been done.
            StoreError: Redis refused; or the search for the id ended at two million tasks, and it may still be there.
        """
        found, queue = _which(task, queue_name)
        command = Reschedule(queue=queue, task=found, due=_due(run_after), by=process_name())
        return self._backend().apply(command).changed

    async def areschedule(
        self, task: TaskRef | str | bytes, run_after: RunAfter, *, queue_name: str | None = None
    ) -> bool:
        """As `reschedule`, for asyncio, in a thread; when cancelled, it may still be done."""
        return await asyncio.to_thread(self.reschedule, task, run_after, queue_name=queue_name)

    def delete(self, task: TaskRef | str | bytes, *, queue_name: str | None = None) -> bool:
        """Delete a delayed task; False when it is not (or no longer) delayed.

        Arguments and errors are those of `reschedule`.
        """
        found, queue = _which(task, queue_name)
        return self._backend().apply(Delete(queue=queue, task=found, by=process_name())).changed

    async def adelete(self, task: TaskRef | str | bytes, *, queue_name: str | None = None) -> bool:
        """As `delete`, for asyncio, in a thread; when cancelled, it may still be done."""
        return await asyncio.to_thread(self.delete, task, queue_name=queue_name)

    def _backend(self) -> NativeBackend:
        """The operator's way to the same Redis; a child of fork makes its own, as it may have inherited a held lock."""
        from taskconsole.backends.native import NativeBackend  # noqa: PLC0415 - most programs only enqueue

        pid = os.getpid()
        if pid not in self._backends:
            self._backends = {pid: NativeBackend(self.settings)}
        return self._backends[pid]

    def close(self) -> None:
        """Drop the blocking connections."""
        self.client.close()
        self._close_backends()

    def _close_backends(self) -> None:
        for backend in self._backends.values():
            backend.close()

    async def aclose(self) -> None:
        """Drop all connections of this event loop."""
        await self.client.aclose()
        self._close_backends()


def _due(run_after: RunAfter) -> str:
    if isinstance(run_after, dt.datetime):
        if run_after.tzinfo is None:
            raise ConfigError(f"run_after={run_after!r} has no time zone: write datetime.now(UTC) or replace(tzinfo=…)")
        return f"{run_after.timestamp():.6f}"
    seconds = run_after.total_seconds() if isinstance(run_after, dt.timedelta) else run_after
    if not isinstance(seconds, int | float):
        raise ConfigError(f"run_after={run_after!r}: write timedelta(minutes=5), seconds, or an aware datetime")
    if not seconds >= 0 or math.isinf(seconds):
        raise ConfigError(f"run_after={run_after!r}: seconds from now, 0 or more")
    return f"+{seconds:.6f}"


def _which(task: TaskRef | str | bytes, queue_name: str | None) -> tuple[str | bytes, str]:
    """An id or a payload, and the queue to look in."""
    if isinstance(task, TaskRef):
        return task.id, task.queue if queue_name is None else queue_name
    if not isinstance(task, str | bytes):
        raise TypeError(f"a TaskRef, an id (str) or a payload (bytes) is needed, not a {type(task).__qualname__}")
    return task, DEFAULT_QUEUE if queue_name is None else queue_name
