"""Finding the App that `-A module:attribute` names."""

from __future__ import annotations

import os
import sys
import traceback
from importlib import import_module
from typing import TYPE_CHECKING, Any

from taskconsole.errors import ConfigError

if TYPE_CHECKING:
    from taskconsole.app import App

__all__ = ["load_app"]

DEFAULT_ATTRIBUTE = "app"


def load_app(path: str, *, show_traceback: bool = False) -> App:
    """The App at `module:attribute`, or at `module:app` when only a module is named.

    The current directory comes first on the path, as with `python -m`.

    Raises:
        ConfigError: It cannot be imported, is not there or is not an App; one line.
    """
    module_name, _, attribute = path.partition(":")
    if not all(part.isidentifier() for part in module_name.split(".")):
        raise ConfigError(f"-A {path!r}: expected module:attribute, e.g. -A {_as_module(module_name)}:app")
    directory = os.getcwd()  # noqa: PTH109 - sys.path holds strings
    if sys.path[:1] != [directory]:
        sys.path.insert(0, directory)
    try:
        found: Any = import_module(module_name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - a module may do anything while it is imported, exit included
        if show_traceback:
            traceback.print_exc()
        instead = "" if show_traceback else _instead(module_name, error)
        raise ConfigError(f"cannot import {module_name!r}: {_in_words(error)}{instead}") from None
    for name in (attribute or DEFAULT_ATTRIBUTE).split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            raise ConfigError(f"-A {path!r}: {module_name!r} has no attribute {attribute or name!r}") from None
    return _checked(found, path)


def _checked(found: Any, path: str) -> App:
    from taskconsole.app import App

    if not isinstance(found, App):
        raise ConfigError(f"-A {path!r} is a {type(found).__name__}, not a taskconsole.App")
    return found


def _as_module(path: str) -> str:
    """A path of a file as the module that it is; an example where it cannot be one."""
    name = path.removeprefix("./").removesuffix(".py").replace("/", ".")
    return name if all(part.isidentifier() for part in name.split(".")) else "myapp.tasks"


def _instead(module_name: str, error: BaseException) -> str:
    """What may help against an import that fails."""
    if not isinstance(error, ModuleNotFoundError):
        return "; --traceback shows where"
    if module_name.endswith(".py"):
        return f"; a module is named without .py: -A {_as_module(module_name)}:app"
    if error.name == module_name.partition(".")[0]:
        return f"; it was looked for in {os.getcwd()}, where you are, and among what is installed"  # noqa: PTH109
    return ""


def _in_words(error: BaseException) -> str:
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
