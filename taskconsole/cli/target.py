"""Which Redis a command talks to: flags, then a file, then the environment, then what the caller offers."""

from __future__ import annotations

import os
import stat
import sys
from typing import TYPE_CHECKING, Any, TypeVar

import click

from taskconsole.cli.output import say

if TYPE_CHECKING:
    from collections.abc import Callable

    from taskconsole.config import Settings

__all__ = ["Target", "secrets_of", "target_of", "target_options"]

F = TypeVar("F", bound="Callable[..., Any]")

MAX_URL_FILE = 4096
"""Bytes; a URL is never longer."""


class Target:
    """What the command line says about the server, collected while it is parsed."""

    def __init__(self) -> None:
        self.url_flag: str | None = None
        self.url_file: str | None = None
        self.url_read: str | None = None
        """What the file said."""
        self.prefix: str | None = None
        self._warned = False

    def given_url(self) -> str | None:
        """The URL of `--url`, `--url-file` or TASKCONSOLE_URL, checked; None when there is none of them.

        Raises:
            ConfigError: It names no Redis, or the file cannot be used.
        """
        from taskconsole.config import check_url
        from taskconsole.errors import ConfigError

        if self.url_flag is not None and self.url_file is not None:
            raise ConfigError("give --url or --url-file, not both")
        if self.url_flag is not None:
            check_url(self.url_flag)
            self._warn_about_password(self.url_flag)
            return self.url_flag
        if self.url_file is not None:
            self.url_read = _read_url(self.url_file)
            return check_url(self.url_read)
        from_environment = os.environ.get("TASKCONSOLE_URL")
        return check_url(from_environment) if from_environment else None

    def settings(self) -> Settings:
        """The settings for a command that has no App: the given URL, else REDIS_URL, else localhost.

        Raises:
            ConfigError: They cannot be used.
        """
        from taskconsole.config import Settings, check_url, url_from_environment

        return Settings(url=check_url(url_from_environment(self.given_url())), prefix=self.prefix or "")

    def _warn_about_password(self, url: str) -> None:
        if not self._warned and secrets_of(url):
            self._warned = True
            say("the password in --url shows in `ps`: put the URL into TASKCONSOLE_URL or --url-file (mode 0600)")


def secrets_of(url: str) -> set[str]:
    """The passwords in a URL, as written there and decoded."""
    from urllib.parse import parse_qs, unquote, urlsplit

    try:
        parts = urlsplit(url)
        written = {parts.password or "", *parse_qs(parts.query).get("password", [])}
    except ValueError:
        return set()
    return {secret for text in written for secret in (text, unquote(text)) if secret}


def _read_url(path: str) -> str:
    """The first line of a file that nobody else may read.

    Raises:
        ConfigError: Others may read it, or it cannot be read.
    """
    from taskconsole.errors import ConfigError

    try:
        with open(path, "rb") as file:  # noqa: PTH123 - the mode is asked of the open file, not of a name
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            content = file.read(MAX_URL_FILE)
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read --url-file: {getattr(error, 'strerror', None) or error}") from None
    if mode & 0o177:
        raise ConfigError(f"--url-file has mode {mode:04o}: others may read it; run chmod 600 on it")
    line = content.decode("utf-8", "replace").strip().partition("\n")[0].strip()
    if not line:
        raise ConfigError("--url-file is empty")
    return line


def target_of(context: click.Context) -> Target:
    """The target of this run, shared by the root command and its subcommand."""
    return context.ensure_object(Target)


def _keep(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    if value is not None:
        setattr(target_of(context), parameter.name or "", value)


def target_options(function: F) -> F:
    """Add the options about the server; they may stand before or after the command's name."""
    for declare in (
        click.option(
            "--prefix",
            metavar="TEXT",
            expose_value=False,
            callback=_keep,
            help="Put in front of every key.",
        ),
        click.option(
            "--url-file",
            "url_file",
            metavar="FILE",
            expose_value=False,
            callback=_keep,
            help="Read the URL from a file of mode 0600 or 0400.",
        ),
        click.option(
            "-u",
            "--url",
            "url_flag",
            metavar="URL",
            expose_value=False,
            callback=_keep,
            help="redis://, rediss:// or unix://; else TASKCONSOLE_URL, REDIS_URL, localhost.",
        ),
    ):
        function = declare(function)
    return function


def is_terminal() -> bool:
    """True when a full-screen program can be shown."""
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM", "") not in {"", "dumb"}
