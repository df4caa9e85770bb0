"""What `config.toml` says, and which keys the console has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from taskconsole.cli.output import as_json, say, write_json, write_line, write_table
from taskconsole.cli.reading import json_option
from taskconsole.cli.target import target_of, target_options

if TYPE_CHECKING:
    from taskconsole.console.actions import Action
    from taskconsole.settings_file import NamedContext, SettingsFile

__all__ = ["contexts", "keys"]


@click.command(short_help="The servers config.toml has names for.")
@target_options
@json_option
@click.pass_context
def contexts(context: click.Context, /, *, wants_json: bool) -> int:
    """List the contexts of config.toml, for -C; passwords are not printed.

    The file is $TASKCONSOLE_CONFIG, else taskconsole/config.toml below $XDG_CONFIG_HOME or ~/.config.
    """
    import os

    from taskconsole.settings_file import settings_path

    target = target_of(context)
    target.named_context()
    file = target.file()
    if wants_json:
        write_json({"path": file.path and str(file.path), "contexts": [_as_json(c, file) for c in _sorted(file)]})
        return 0
    if not file.contexts:
        say(f"no contexts: {settings_path(os.environ) or 'config.toml'} names none")
        return 0
    write_table(
        ["context", "server", "prefix", "queues", "notes"],
        [
            [c.name, c.address, c.prefix or None, ", ".join(c.queues) or None, ", ".join(_notes(c, file)) or None]
            for c in _sorted(file)
        ],
    )
    return 0


def _sorted(file: SettingsFile) -> list[NamedContext]:
    return [file.contexts[name] for name in sorted(file.contexts)]


def _notes(context: NamedContext, file: SettingsFile) -> list[str]:
    notes = {"default": context is file.default, "read-only": context.read_only, "protected": context.protected}
    return [note for note, applies in notes.items() if applies]


def _as_json(context: NamedContext, file: SettingsFile) -> dict[str, object]:
    # Field by field: the URL may hold a password.
    return {
        "name": context.name,
        "address": None if context.url_file is not None else context.address,
        "url_file": context.url_file and str(context.url_file),
        "prefix": context.prefix,
        "queues": as_json(context.queues),
        "read_only": context.read_only,
        "protected": context.protected,
        "colour": context.colour or None,
        "default": context is file.default,
    }


@click.command(short_help="The keys of the console.")
@target_options
@json_option
@click.pass_context
def keys(context: click.Context, /, *, wants_json: bool) -> int:
    """Print the console's keys, and which of them config.toml has changed; --json has the ids for its [keys]."""
    from taskconsole.console.actions import key_table
    from taskconsole.console.keymap import check_keymap

    file = target_of(context).file()
    actions = _every_action()
    changed = check_keymap(file.keys, [(action.id, action.key) for action in actions])
    if wants_json:
        write_json(
            [
                {
                    "id": action.id,
                    "keys": changed.get(action.id, action.key).split(","),
                    "default": action.key.split(","),
                    "what": action.tooltip,
                }
                for action in actions
            ]
        )
        return 0
    for line in key_table().splitlines():
        write_line(line)
    if changed:
        write_line()
        was = {action.id: action.key for action in actions}
        write_table(["changed", "keys", "instead of"], [[name, key, was[name]] for name, key in changed.items()])
    return 0


def _every_action() -> list[Action]:
    """All groups that the console's actions are in."""
    from taskconsole.console import actions

    found: dict[str, Action] = {}
    for name in actions.__all__:
        group = getattr(actions, name)
        if isinstance(group, tuple):
            found |= {action.id: action for action in group if isinstance(action, actions.Action)}
    return list(found.values())
