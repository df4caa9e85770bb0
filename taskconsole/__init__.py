"""Task queues on plain Redis lists, and the console that shows them.

The public names load when they are first used, so that `import taskconsole` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from taskconsole.app import App, RegisteredTask, TaskRef
    from taskconsole.errors import (
        AccessDenied,
        ConfigError,
        PayloadError,
        ScheduleError,
        StoreError,
        StoreFull,
        StoreUnavailable,
        TaskconsoleError,
    )
    from taskconsole.model.context import Context
    from taskconsole.model.outcome import Backoff, Retry
    from taskconsole.model.schedule import At, Cron, Every

__version__ = "0.1.0"

__all__ = [
    "AccessDenied",
    "App",
    "At",
    "Backoff",
    "ConfigError",
    "Context",
    "Cron",
    "Every",
    "PayloadError",
    "RegisteredTask",
    "Retry",
    "ScheduleError",
    "StoreError",
    "StoreFull",
    "StoreUnavailable",
    "TaskRef",
    "TaskconsoleError",
]

_HOME = {
    "App": "taskconsole.app",
    "RegisteredTask": "taskconsole.app",
    "TaskRef": "taskconsole.app",
    "Context": "taskconsole.model.context",
    "Backoff": "taskconsole.model.outcome",
    "Retry": "taskconsole.model.outcome",
    "At": "taskconsole.model.schedule",
    "Cron": "taskconsole.model.schedule",
    "Every": "taskconsole.model.schedule",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOME.get(name, "taskconsole.errors")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
