"""The operator's `config.toml`: named servers, keys, the look of the console.

    context = "dev"                      # used when the command line and TASKCONSOLE_URL name no server

    [contexts.dev]
    url = "redis://localhost:6379/0"

    [contexts.prod]
    url_file = "prod.url"                # mode 0600; relative to this file
    prefix = "shop:"
    queues = ["mail", "bills"]           # shown even while Redis has not heard of them
    read_only = true
    protected = true                     # the console asks for its name before it writes
    colour = "red"

    [keys]
    "queues.pause" = "p,f2"              # `taskconsole keys` prints the ids

    [console]
    theme = "ansi-dark"
    ascii = false
    mouse = false
    time = "utc"                         # or "local"
    interval = 1.0

    [secrets]
    patterns = ["password", "*token*"]   # keys in payloads whose values are masked; `*` and `?` as in file names

What is unknown or wrong is an error of one line; a misspelt `read_only` must not leave a server writable.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from taskconsole.config import check_url, public_address
from taskconsole.errors import ConfigError
from taskconsole.model.nearest import did_you_mean
from taskconsole.model.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

__all__ = [
    "COLOURS",
    "ConsoleSettings",
    "NamedContext",
    "SettingsFile",
    "read_settings_file",
    "read_url_file",
    "settings_path",
]

COLOURS = ("red", "green", "yellow", "blue", "magenta", "cyan", "white")
"""What a context may be marked with: what every terminal has."""

MAX_FILE = 262_144
MAX_URL_FILE = 4096
"""Bytes; a URL is never longer."""

MAX_PATTERNS = 100
MAX_NAME = 60
"""Characters of a context's name, which stands in the header."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedContext:
    """One server as the file describes it."""

    name: str
    url: str = field(default="", repr=False)
    """May hold a password, so never print it: see `address`; empty when it is in a file of its own."""
    url_file: Path | None = None
    prefix: str = ""
    queues: tuple[str, ...] = ()
    """Looked at even when Redis has never heard of them."""
    read_only: bool = False
    protected: bool = False
    """Writing takes the typing of its name."""
    colour: str = ""
    """One of COLOURS, or empty."""

    @property
    def address(self) -> str:
        """The server's place without user and password; of a URL in a file only where the file is."""
        return f"(in {self.url_file})" if self.url_file is not None else public_address(self.url)

    def read_url(self) -> str:
        """The URL, checked.

        Raises:
            ConfigError: Its file cannot be used, or names no Redis.
        """
        if self.url_file is None:
            return self.url
        what = f"url_file of context {self.name!r}"
        url = read_url_file(self.url_file, what)
        try:
            return check_url(url)
        except ConfigError as error:
            raise ConfigError(f"{what}: {error}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleSettings:
    """How the console is to be; the command line may say otherwise."""

    theme: str = ""
    """A name of the console's; empty for what suits the terminal."""
    ascii: bool = False
    mouse: bool = False
    local_time: bool = False
    """The operator's time zone instead of UTC."""
    interval: float = 1.0
    """Seconds between readings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsFile:
    """All that `config.toml` says."""

    path: Path | None = None
    """None when there is no such file."""
    contexts: Mapping[str, NamedContext] = field(default_factory=dict)
    default: NamedContext | None = None
    """The context for when none is named."""
    keys: Mapping[str, str] = field(default_factory=dict)
    """Ids of actions to keys; the console checks them."""
    console: ConsoleSettings = ConsoleSettings()
    secret_patterns: tuple[str, ...] = ()
    mode: int = 0
    """Who may read and write the file."""

    def context(self, name: str) -> NamedContext:
        """The context of that name.

        Raises:
            ConfigError: There is none.
        """
        found = self.contexts.get(name)
        if found is not None:
            return found
        if self.path is None:
            raise ConfigError(f"no context '{printable(name, MAX_NAME)}': there is no config.toml")
        hint = did_you_mean(name, self.contexts) or f"; there are: {', '.join(self.contexts) or 'none'}"
        raise ConfigError(f"no context '{printable(name, MAX_NAME)}' in {self.path}{hint}")


def settings_path(environ: Mapping[str, str]) -> Path | None:
    """Where the file is: TASKCONSOLE_CONFIG, else below XDG_CONFIG_HOME, else ~/.config; None for nowhere."""
    if environ.get("TASKCONSOLE_CONFIG"):
        return Path(environ["TASKCONSOLE_CONFIG"])
    configs, home = environ.get("XDG_CONFIG_HOME", ""), environ.get("HOME", "")
    if configs.startswith("/"):
        return Path(configs) / "taskconsole" / "config.toml"
    return Path(home) / ".config" / "taskconsole" / "config.toml" if home.startswith("/") else None


def read_settings_file(environ: Mapping[str, str]) -> SettingsFile:
    """What the file says; that of a file which is not there, unless TASKCONSOLE_CONFIG names it, is all defaults.

    Raises:
        ConfigError: It cannot be read, or something in it cannot be meant; names the file and the key, no value.
    """
    path = settings_path(environ)
    if path is None:
        return SettingsFile()
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            content = file.read(MAX_FILE + 1)
    except FileNotFoundError:
        if environ.get("TASKCONSOLE_CONFIG"):
            raise ConfigError(f"TASKCONSOLE_CONFIG: there is no file {path}") from None
        return SettingsFile()
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
    return replace(_read(_Table(path, "", _parsed(path, content)), path), mode=mode)


def read_url_file(path: str | Path, what: str) -> str:
    """The first line of a file that nobody else may read; not yet checked to be a URL.

    Args:
        path: The file; it may be a pipe.
        what: Names it in errors, e.g. `--url-file`.

    Raises:
        ConfigError: Others may read it, or it cannot be read.
    """
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - the mode is asked of the open file, not of a name
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            content = file.read(MAX_URL_FILE)
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read {what}: {getattr(error, 'strerror', None) or error}") from None
    if mode & 0o177:
        raise ConfigError(f"{what} has mode {mode:04o}: others may read it; run chmod 600 on it")
    line = content.decode("utf-8", "replace").strip().partition("\n")[0].strip()
    if not line:
        raise ConfigError(f"{what} is empty")
    return line


def _parsed(path: Path, content: bytes) -> dict[str, Any]:
    import tomllib  # noqa: PLC0415 - most runs have no such file

    if len(content) > MAX_FILE:
        raise ConfigError(f"{path}: longer than {MAX_FILE} bytes")
    try:
        return tomllib.loads(content.decode())
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 at byte {error.start}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: {printable(error, 200)}") from None
    except (RecursionError, ValueError):
        # Brackets nested beyond reason, a number of thousands of digits.
        raise ConfigError(f"{path}: cannot be read as TOML") from None


def _read(top: _Table, path: Path) -> SettingsFile:
    contexts = {table.key: _context(table, path) for table in top.table("contexts").tables()}
    default = top.text("context")
    keys = top.table("keys")
    console = top.table("console")
    secrets = top.table("secrets")
    found = SettingsFile(
        path=path,
        contexts=contexts,
        keys=keys.all_texts(),
        console=_console(console),
        secret_patterns=secrets.texts("patterns"),
    )
    if len(found.secret_patterns) > MAX_PATTERNS or not all(found.secret_patterns):
        secrets.refuse("patterns", f"{MAX_PATTERNS} texts at most, none of them empty")
    secrets.end()
    top.end()
    if not default:
        return found
    if default not in contexts:
        top.refuse("context", f"there is no such table in [contexts]{did_you_mean(default, contexts)}")
    return replace(found, default=contexts[default])


def _context(table: _Table, path: Path) -> NamedContext:
    name = table.key
    if not name or len(name) > MAX_NAME or not name.isprintable() or name.startswith("-"):
        raise ConfigError(f"{path}: {table.name}: a context has a printable name of 1 to {MAX_NAME} characters")
    url, url_file = table.text("url"), table.text("url_file")
    context = NamedContext(
        name=name,
        url=url,
        url_file=path.parent / _expanded(table, url_file) if url_file else None,
        prefix=table.text("prefix"),
        queues=table.texts("queues"),
        read_only=table.flag("read_only"),
        protected=table.flag("protected"),
        colour=table.one_of("colour", COLOURS),
    )
    table.end()
    if bool(url) == bool(url_file):
        table.refuse("url", "give either url or url_file")
    if url:
        try:
            check_url(url)
        except ConfigError as error:
            table.refuse("url", str(error))
    return context


def _expanded(table: _Table, typed: str) -> Path:
    try:
        return Path(typed).expanduser()
    except RuntimeError:
        table.refuse("url_file", "cannot tell where that home directory is")


def _console(table: _Table) -> ConsoleSettings:
    found = ConsoleSettings(
        theme=table.text("theme"),
        ascii=table.flag("ascii"),
        mouse=table.flag("mouse"),
        local_time=table.one_of("time", ("utc", "local")) == "local",
        interval=table.number("interval", default=1.0, least=0.2, most=3600.0),
    )
    table.end()
    return found


class _Table:
    """A table of the file, out of which each value is taken with what it must be."""

    def __init__(self, path: Path, name: str, values: dict[str, Any]) -> None:
        self._path, self.name, self._values = path, name, values
        self.key = ""
        """Its own key in the table around it."""
        self._taken: set[str] = set()

    def refuse(self, key: str, wanted: str) -> NoReturn:
        """Say what is wrong with a value, without the value: it may be a secret in the wrong place."""
        raise ConfigError(f"{self._path}: {self._full(key)}: {wanted}")

    def end(self) -> None:
        """Refuse keys that nothing was taken from."""
        for key in self._values.keys() - self._taken:
            raise ConfigError(f"{self._path}: unknown key {self._full(key)}{did_you_mean(key, sorted(self._taken))}")

    def text(self, key: str) -> str:
        return str(self._take(key, "", lambda v: isinstance(v, str) and v.isprintable(), "must be text on one line"))

    def flag(self, key: str) -> bool:
        return bool(self._take(key, False, lambda v: isinstance(v, bool), "must be true or false"))

    def number(self, key: str, *, default: float, least: float, most: float) -> float:
        def fits(value: Any) -> bool:
            # NaN, which compares as false, is refused too.
            return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most

        return float(self._take(key, default, fits, f"must be a number from {least:g} to {most:g}"))

    def texts(self, key: str) -> tuple[str, ...]:
        def fits(value: Any) -> bool:
            return isinstance(value, list) and all(isinstance(item, str) and item.isprintable() for item in value)

        return tuple(self._take(key, [], fits, "must be a list of texts"))

    def one_of(self, key: str, allowed: Collection[str]) -> str:
        found = self.text(key)
        if found and found not in allowed:
            self.refuse(key, f"must be one of {', '.join(allowed)}")
        return found

    def all_texts(self) -> dict[str, str]:
        return {key: self.text(key) for key in self._values}

    def table(self, key: str) -> _Table:
        values: dict[str, Any] = self._take(key, {}, lambda v: isinstance(v, dict), "must be a table")
        table = _Table(self._path, self._full(key), values)
        table.key = key
        return table

    def tables(self) -> Iterator[_Table]:
        return (self.table(key) for key in self._values)

    def _take(self, key: str, default: Any, fits: Callable[[Any], bool], wanted: str) -> Any:
        self._taken.add(key)
        if key not in self._values:
            return default
        if not fits(self._values[key]):
            self.refuse(key, wanted)
        return self._values[key]

    def _full(self, key: str) -> str:
        shown = printable(key, MAX_NAME)
        return f"{self.name}.{shown}" if self.name else shown
