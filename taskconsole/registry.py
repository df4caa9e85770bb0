"""Which function runs which task, and how. Only what is registered here ever runs."""

from __future__ import annotations

import inspect
import typing
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from taskconsole.errors import ConfigError
from taskconsole.model.context import Context
from taskconsole.model.outcome import Backoff
from taskconsole.model.signature import Parameter, ParameterKind, Signature

if TYPE_CHECKING:
    from collections.abc import Callable

    from taskconsole.model.definition import Definition

__all__ = ["DeclaredSchedule", "Handler", "Kind", "Registry", "make_handler"]

DEFAULT_RETRIES = 3
DEFAULT_TIMEOUT = 300.0
DEFAULT_MAX_REDELIVERIES = 3


class Kind(Enum):
    """Where a handler runs."""

    ASYNC = "async"
    THREAD = "thread"
    PROCESS = "process"


@dataclass(frozen=True, slots=True, kw_only=True)
class Handler:
    """A function registered under a task's name."""

    name: str
    function: Callable[..., Any]
    queue: str
    kind: Kind
    max_attempts: int = DEFAULT_RETRIES + 1
    backoff: Backoff = field(default_factory=Backoff)
    timeout: float | None = DEFAULT_TIMEOUT
    """Seconds one attempt may take; None for no limit."""
    max_redeliveries: int = DEFAULT_MAX_REDELIVERIES
    """How many workers may die with the task in their hands before it is buried."""
    context_parameter: str | None = None
    """The parameter that wants a Context."""
    signature: inspect.Signature
    plain_arity: int = -1
    """How many positional arguments fit without a closer look; -1 when only a closer look can tell."""
    awaitable: bool = field(init=False)
    """It runs on the loop, and wants nothing but what the payload brings: a worker just awaits it."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "awaitable", self.kind is Kind.ASYNC and self.context_parameter is None)

    def misfit(self, args: list[Any] | tuple[Any, ...], kwargs: dict[str, Any]) -> str | None:
        """Why these arguments do not fit the function; None when they do."""
        if self.context_parameter is not None:
            kwargs = {**kwargs, self.context_parameter: None}
        try:
            if self.context_parameter is None or not self._context_is_positional():
                self.signature.bind(*args, **kwargs)
            else:
                kwargs.pop(self.context_parameter)
                self.signature.bind(None, *args, **kwargs)
        except TypeError as error:
            return f"arguments do not fit {self.name}{self._plain_signature()}: {error}{self._context_hint(str(error))}"
        return None

    def _context_hint(self, trouble: str) -> str:
        """What to write where a Context was meant: it is known by its annotation alone."""
        for name, parameter in self.signature.parameters.items():
            bare = parameter.annotation is inspect.Parameter.empty
            if bare and name in {"context", "ctx"} and trouble.endswith(f"argument: {name!r}"):
                return f"; for the worker to fill it in write {name}: Context"
        return ""

    def told(self) -> Signature:
        """The parameters that a caller gives, for those who enqueue by hand."""
        given = (p for name, p in self.signature.parameters.items() if name != self.context_parameter)
        return Signature(task=self.name, parameters=tuple(map(_told, given)))

    def _plain_signature(self) -> inspect.Signature:
        """The parameters a caller gives, without annotations: those may be strings of any length."""
        given = [
            p.replace(annotation=inspect.Parameter.empty)
            for name, p in self.signature.parameters.items()
            if name != self.context_parameter
        ]
        return inspect.Signature(given)

    def _context_is_positional(self) -> bool:
        first = next(iter(self.signature.parameters), None)
        return first == self.context_parameter

    def arguments(self, args: list[Any], kwargs: dict[str, Any], context: Context) -> tuple[list[Any], dict[str, Any]]:
        """The arguments to call the function with, the context put where it is wanted."""
        if self.context_parameter is None:
            return args, kwargs
        if self._context_is_positional():
            return [context, *args], kwargs
        return args, {**kwargs, self.context_parameter: context}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredSchedule:
    """A schedule that the app's code declares."""

    name: str
    queue: str
    """Where it lives, and where its tasks go."""
    definition: Definition


class Registry:
    """Names to handlers, and the schedules that code declares."""

    def __init__(self) -> None:
        self.handlers: dict[str, Handler] = {}
        self.schedules: dict[tuple[str, str], DeclaredSchedule] = {}
        """By queue and name."""
        self.fallback: Handler | None = None

    def add(self, handler: Handler) -> None:
        """Register a handler.

        Raises:
            ConfigError: Its name is taken by another function.
        """
        known = self.handlers.get(handler.name)
        if known is not None and known.function is not handler.function:
            raise ConfigError(f"two tasks are called {handler.name!r}: give one a name=")
        self.handlers[handler.name] = handler

    def add_schedule(self, schedule: DeclaredSchedule) -> None:
        """Declare a schedule.

        Raises:
            ConfigError: Its queue has another of that name.
        """
        key = (schedule.queue, schedule.name)
        if key in self.schedules:
            raise ConfigError(f"queue {schedule.queue!r} has two schedules called {schedule.name!r}: give one a name=")
        self.schedules[key] = schedule


def make_handler(
    function: Callable[..., Any],
    *,
    name: str | None,
    queue: str,
    retries: int = DEFAULT_RETRIES,
    backoff: Backoff | float | None = None,
    timeout: float | None = DEFAULT_TIMEOUT,
    max_redeliveries: int = DEFAULT_MAX_REDELIVERIES,
    process: bool = False,
) -> Handler:
    """Check the options of `@app.task` and build the handler.

    Raises:
        ConfigError: An option is out of range, or the function cannot be a handler.
    """
    shown: str = name or getattr(function, "__name__", "") or repr(function)
    if not callable(function):
        raise ConfigError(f"{function!r} is not a function")
    if not isinstance(retries, int) or not isinstance(max_redeliveries, int):
        raise ConfigError(f"task {shown!r}: retries and max_redeliveries are whole numbers, such as retries=5")
    if timeout is not None and not isinstance(timeout, int | float):
        raise ConfigError(f"task {shown!r}: timeout={timeout!r}: seconds, such as timeout=30, or None")
    if retries < 0 or max_redeliveries < 1:
        raise ConfigError(f"task {shown!r}: retries is 0 or more, max_redeliveries 1 or more")
    if timeout is not None and not timeout > 0:
        raise ConfigError(f"task {shown!r}: timeout is above 0 seconds, or None")
    is_async = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004 - an object whose call is async
    )
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ConfigError(f"task {shown!r} is a generator: calling it would run nothing")
    if process and is_async:
        raise ConfigError(f"task {shown!r}: process=True is for a plain function")
    if isinstance(backoff, int | float):
        backoff = Backoff(base=float(backoff))
    signature = inspect.signature(function)
    context_parameter = _context_parameter(function, signature)
    return Handler(
        name=shown,
        function=function,
        queue=queue,
        kind=Kind.ASYNC if is_async else Kind.PROCESS if process else Kind.THREAD,
        max_attempts=retries + 1,
        backoff=backoff or Backoff(),
        timeout=timeout,
        max_redeliveries=max_redeliveries,
        context_parameter=context_parameter,
        signature=signature,
        plain_arity=_plain_arity(signature, context_parameter),
    )


_KINDS = {
    inspect.Parameter.POSITIONAL_ONLY: ParameterKind.POSITION,
    inspect.Parameter.POSITIONAL_OR_KEYWORD: ParameterKind.EITHER,
    inspect.Parameter.KEYWORD_ONLY: ParameterKind.KEYWORD,
    inspect.Parameter.VAR_POSITIONAL: ParameterKind.SEVERAL,
    inspect.Parameter.VAR_KEYWORD: ParameterKind.MORE,
}


def _told(parameter: inspect.Parameter) -> Parameter:
    annotation = parameter.annotation
    if annotation is inspect.Parameter.empty:
        text = ""
    elif isinstance(annotation, str):
        text = annotation
    else:
        try:
            text = inspect.formatannotation(annotation)
        except Exception:  # noqa: BLE001 - anybody's __repr__; a worker starts without it
            text = ""
    optional = parameter.default is not inspect.Parameter.empty
    return Parameter(name=parameter.name, kind=_KINDS[parameter.kind], optional=optional, annotation=text)


def _plain_arity(signature: inspect.Signature, context_parameter: str | None) -> int:
    kinds = {p.kind for p in signature.parameters.values()}
    if context_parameter is not None or kinds - {inspect.Parameter.POSITIONAL_OR_KEYWORD}:
        return -1
    return len(signature.parameters)


def _context_parameter(function: Callable[..., Any], signature: inspect.Signature) -> str | None:
    try:
        hints = typing.get_type_hints(function)
    except (NameError, TypeError, AttributeError):
        # A hint that cannot be resolved (under TYPE_CHECKING, say) is compared by its text instead.
        hints = {}
    for name, parameter in signature.parameters.items():
        hint = hints.get(name, parameter.annotation)
        if hint is Context or (isinstance(hint, str) and hint in {"Context", "taskconsole.Context"}):
            return name
    return None
