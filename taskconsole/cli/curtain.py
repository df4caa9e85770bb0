"""What is printed of arguments that are named like secrets: nothing, unless `--reveal` is given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

from taskconsole.cli.output import say
from taskconsole.cli.target import target_of

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Curtain", "curtain_of", "refuse_masked", "reveal_option", "secret_patterns"]

T = TypeVar("T")

reveal_option = click.option(
    "--reveal", is_flag=True, help="Print arguments that are named like secrets, too; else *** stands for them."
)


class Curtain:
    """Hides secrets in whatever is printed, and says so once at the end."""

    def __init__(self, secrets: tuple[str, ...]) -> None:
        self._secrets, self._hides = secrets, False

    def before(self, value: T) -> T:
        """The value as it may be printed."""
        from taskconsole.model.secrecy import disclosable

        shown: T = disclosable(value, self._secrets)
        self._hides = self._hides or shown != value
        return shown

    def before_all(self, values: Iterable[T]) -> list[T]:
        """Each of them as it may be printed."""
        return [self.before(value) for value in values]

    def tell(self) -> None:
        """Narrate that something was hidden."""
        if self._hides:
            say("*** stands for arguments that are named like secrets; --reveal prints them")


def secret_patterns(context: click.Context) -> tuple[str, ...]:
    """Globs of the names whose values are hidden: the usual ones, and those of config.toml.

    Raises:
        ConfigError: The file cannot be used: what it wants hidden is not known, so nothing may be printed.
    """
    from taskconsole.model.secrecy import USUAL

    return (*USUAL, *target_of(context).file().secret_patterns)


def curtain_of(context: click.Context, *, reveal: bool) -> Curtain:
    """What stands between this command and its output.

    Raises:
        ConfigError: config.toml cannot be used.
    """
    return Curtain(() if reveal else secret_patterns(context))


def refuse_masked(context: click.Context, *values: Any) -> None:
    """Let no *** be written in the place of a secret: the values were copied from where secrets are hidden.

    Raises:
        PayloadError: One of them holds it.
        ConfigError: config.toml cannot be used.
    """
    from taskconsole.errors import PayloadError
    from taskconsole.model.secrecy import MASK, holds_mask

    patterns = secret_patterns(context)
    if any(holds_mask(value, patterns) for value in values):
        raise PayloadError(f"{MASK} stands in the place of a secret: copy it from what --reveal prints")
