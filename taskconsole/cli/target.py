"""Which Redis a command talks to: flags, then the environment, then `config.toml`, then what the caller offers."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, TypeVar

import click

from taskconsole.cli.output import say

if TYPE_CHECKING:
    from collections.abc import Callable

    from taskconsole.config import Settings
    from taskconsole.model.reach import Reach
    from taskconsole.settings_file import NamedContext, SettingsFile

__all__ = ["Target", "reach_by", "secrets_of", "target_of", "target_options"]

F = TypeVar("F", bound="Callable[..., Any]")


class Target:
    """What the command line says about the server, collected while it is parsed."""

    def __init__(self) -> None:
        self.url_flag: str | None = None
        self.url_file: str | None = None
        self.url_read: str | None = None
        """What the file said, or the context."""
        self.context_name: str | None = None
        self.prefix: str | None = None
        self.start = ""
        """Where the console begins, as its `:` line has it."""
        self._file: SettingsFile | None = None
        self._warned = False

    def file(self) -> SettingsFile:
        """What `config.toml` says, read once.

        Raises:
            ConfigError: It cannot be used.
        """
        if self._file is None:
            from taskconsole.settings_file import read_settings_file

            self._file = found = read_settings_file(os.environ)
            if found.mode & 0o044 and any(secrets_of(context.url) for context in found.contexts.values()):
                say(f"{found.path} holds a password and has mode {found.mode:04o}: run chmod 600 on it")
        return self._file

    def named_context(self) -> NamedContext | None:
        """The context of `-C`; None without it.

        Raises:
            ConfigError: There is none of that name.
        """
        return None if self.context_name is None else self.file().context(self.context_name)

    def context(self) -> NamedContext | None:
        """The context of `-C`, else the file's own choice where nothing names a server; None when there is neither.

        Raises:
            ConfigError: There is none of that name, or the file cannot be used.
        """
        if self.context_name is not None:
            return self.named_context()
        given = self.url_flag or self.url_file or os.environ.get("TASKCONSOLE_URL")
        return None if given else self.file().default

    def given_url(self) -> str | None:
        """The URL of `--url`, `--url-file`, `-C` or TASKCONSOLE_URL, checked; None when there is none of them.

        The file's own choice is not among them: an App that says where its Redis is must not meet another
        one because of a file in the operator's home.

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
            from taskconsole.settings_file import read_url_file

            self.url_read = read_url_file(self.url_file, "--url-file")
            return check_url(self.url_read)
        named = self.named_context()
        if named is not None:
            self.url_read = named.read_url()
            return self.url_read
        from_environment = os.environ.get("TASKCONSOLE_URL")
        return check_url(from_environment) if from_environment else None

    def given_prefix(self) -> str | None:
        """The prefix of `--prefix` or `-C`; None when there is none of them.

        Raises:
            ConfigError: There is no such context.
        """
        if self.prefix is not None:
            return self.prefix
        named = self.named_context()
        return (named.prefix or None) if named is not None else None

    def settings(self, *, writes: bool = False) -> Settings:
        """The settings for a command that has no App: the given URL, the file's own choice, REDIS_URL, localhost.

        Raises:
            ConfigError: They cannot be used, or the command writes and the context is read-only.
        """
        from taskconsole.config import Settings, check_url, url_from_environment

        if writes:
            self.refuse_if_read_only()
        url, context = self.given_url(), self.context()
        if url is None and context is not None:
            url = self.url_read = context.read_url()
        prefix = self.prefix if self.prefix is not None or context is None else context.prefix
        return Settings(url=check_url(url_from_environment(url)), prefix=prefix or "")

    def reach(self, url: str) -> Reach:
        """What the next command has to be told to meet the Redis at `url`, which is this one's."""
        return reach_by(url, *self._own_words())

    def typed(self, line: str) -> str:
        """A command of ours as the next shell has to have it, to meet the same Redis."""
        from taskconsole.model.reach import Reach

        return Reach(ours=self._own_words()).typed(line)

    def _own_words(self) -> tuple[str, ...]:
        """What was said about the server; the environment and `config.toml` say the same to the next command."""
        from taskconsole.redis_url import RedisUrl

        words: list[str] = []
        if self.url_flag is not None:
            words += ["-u", RedisUrl.parse(self.url_flag).public]
        elif self.url_file is not None:
            words += ["--url-file", self.url_file]
        elif self.context_name is not None:
            words += ["-C", self.context_name]
        if self.prefix is not None:
            words += ["--prefix", self.prefix]
        return tuple(words)

    def refuse_if_read_only(self, *, named: bool = False) -> None:
        """Let a command that writes go no further in a context that is only looked at.

        Args:
            named: Only the context of `-C` counts: the command has an App, which brings its own server.

        Raises:
            ConfigError: It is read-only, or cannot be used.
        """
        from taskconsole.errors import ConfigError

        context = self.named_context() if named else self.context()
        if context is not None and context.read_only:
            raise ConfigError(f"context {context.name!r} is read-only: {self.file().path} says so")

    def queues(self) -> tuple[str, ...]:
        """Queues the context wants looked at.

        Raises:
            ConfigError: There is no such context, or the file cannot be used.
        """
        context = self.context()
        return () if context is None else context.queues

    def _warn_about_password(self, url: str) -> None:
        if not self._warned and secrets_of(url):
            self._warned = True
            say("the password in --url shows in `ps`: put the URL into TASKCONSOLE_URL or --url-file (mode 0600)")


def reach_by(url: str, *words: str) -> Reach:
    """What commands have to be told to meet the Redis at `url`: ours these words, redis-cli its place."""
    from taskconsole.model.reach import Reach
    from taskconsole.redis_url import RedisUrl

    return Reach(ours=words, redis_cli=RedisUrl.parse(url).redis_cli)


def secrets_of(url: str) -> set[str]:
    """The passwords in a URL, as written there and decoded."""
    from taskconsole.redis_url import secrets_in

    return secrets_in(url)


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
            "-C",
            "--context",
            "context_name",
            metavar="NAME",
            expose_value=False,
            callback=_keep,
            help="A server by its name in config.toml; `taskconsole contexts` lists them.",
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
            help="redis[s]://, redis[s]+sentinel://, redis[s]+cluster://, unix://; "
            "else -C, TASKCONSOLE_URL, config.toml, REDIS_URL, localhost.",
        ),
    ):
        function = declare(function)
    return function


def is_terminal() -> bool:
    """True when a full-screen program can be shown."""
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM", "") not in {"", "dumb"}
