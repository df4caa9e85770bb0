"""Handlers that run in processes of their own: they are imported there, so they stand in a module."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

from taskconsole import App
from taskconsole.app import RegisteredTask


def write_pid(path: str) -> None:
    Path(path).write_text(str(os.getpid()))


def exit_at_once() -> None:
    os._exit(7)


def hang(path: str) -> None:
    Path(path).write_text(str(os.getpid()))
    while True:
        time.sleep(1)


def raise_here() -> None:
    raise ValueError("from afar")


def return_a_lock() -> Any:
    return threading.Lock()


def in_processes(app: App) -> list[RegisteredTask[..., Any]]:
    """Register all of them with `app`."""
    functions = (write_pid, exit_at_once, hang, raise_here, return_a_lock)
    return [app.task(process=True)(function) for function in functions]
