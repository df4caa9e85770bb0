"""The operator's own keys: checked against the actions before Textual gets them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from textual.keys import ASCII_KEY_NAMES, Keys, _character_to_key

from taskconsole.errors import ConfigError
from taskconsole.model.nearest import did_you_mean
from taskconsole.model.printable import printable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

__all__ = ["EVERYWHERE", "check_keymap"]

EVERYWHERE = ("app", "view", "table", "mark", "wide", "move", "events", "replay")
"""Groups of actions that are there besides those of any screen: an id is `group.action`."""

TOGETHER = frozenset({"queues", "tasks", "task", "matching"})
"""Groups that are there together while the tasks of a queue are shown."""

MAX_KEYS = 10
"""For one action."""

_MODIFIERS = ("ctrl", "shift", "alt", "super", "hyper", "meta")
_NAMED = frozenset(
    key.value for key in Keys if re.fullmatch(r"[a-z0-9_]+", key.value) and key.value not in {"return", "ignore"}
) | {"space", "minus", "plus", "slash", "underscore"}
_SIGNS = frozenset(_character_to_key(char) for char in map(chr, range(33, 127)) if not char.isalnum()) | frozenset(
    ASCII_KEY_NAMES.values()
)
# Terminals send the same for both, so the one on the left never arrives.
_SAME = {
    "ctrl+i": "tab",
    "ctrl+m": "enter",
    "ctrl+h": "backspace",
    "ctrl+left_square_bracket": "escape",
    "return": "enter",
    "esc": "escape",
    "pgup": "pageup",
    "pgdn": "pagedown",
    "del": "delete",
    "ins": "insert",
}


def check_keymap(
    keys: Mapping[str, str], actions: Iterable[tuple[str, str]], *, everywhere: Collection[str] = EVERYWHERE
) -> dict[str, str]:
    """The keymap for `App.set_keymap`, with signs by Textual's names: `{"app.help": "f1,question_mark"}`.

    Two actions clash when they have a key in common and can be there at once, which those of one group can, and
    those of the groups in `everywhere` with all, and those of the groups in TOGETHER. Actions that share a key by
    default may go on to share it.

    Args:
        keys: Ids of actions to keys, several separated by commas, as the operator wrote them.
        actions: Every action's id and default keys.
        everywhere: Groups whose actions are there on every screen.

    Raises:
        ConfigError: There is no such action or key, or two actions clash; one line.
    """
    defaults = {name: _names(default) for name, default in actions}
    changed = {name: _checked(name, typed, defaults) for name, typed in keys.items()}
    now = {**defaults, **changed}
    for name in changed:
        for other, others in now.items():
            common = [key for key in now[name] if key in others]
            if name != other and common and _meet(name, other, everywhere) and not _shared(name, other, defaults):
                raise ConfigError(f"[keys] {name}: {common[0]!r} is the key of {other} too; give one of them another")
    return {name: ",".join(found) for name, found in changed.items()}


def _checked(name: str, typed: str, defaults: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    shown = printable(name, 60)
    if name not in defaults:
        advice = did_you_mean(name, defaults) or "; `taskconsole keys` lists the ids"
        raise ConfigError(f"[keys] {shown}: there is no such action{advice}")
    found = tuple(dict.fromkeys(_key(shown, part.strip()) for part in _parts(typed)))
    if len(found) > MAX_KEYS:
        raise ConfigError(f"[keys] {shown}: {MAX_KEYS} keys at most")
    return found


def _parts(typed: str) -> list[str]:
    # A comma alone is the key of that name, as nothing else can be meant.
    return ["comma"] if typed.strip() == "," else typed.split(",")


def _names(default: str) -> tuple[str, ...]:
    return tuple(_character_to_key(key.strip()) if len(key.strip()) == 1 else key.strip() for key in default.split(","))


def _key(shown: str, typed: str) -> str:
    """One key as Textual names it."""
    if len(typed) == 1 and typed.isprintable() and not typed.isspace():
        return _character_to_key(typed)
    *modifiers, last = typed.split("+") if not typed.endswith("++") else [*typed[:-2].split("+"), "plus"]
    # In the order and the case in which Textual writes them.
    modifiers = sorted(modifier.lower() for modifier in modifiers)
    last = last.lower() if len(last) > 1 or "ctrl" in modifiers else last
    last = _character_to_key(last) if len(last) == 1 else last
    key = "+".join([*modifiers, last])
    if key in _SAME:
        raise ConfigError(f"[keys] {shown}: '{printable(typed, 30)}' arrives as {_SAME[key]!r}; write that")
    if modifiers == ["shift"] and len(last) == 1:
        raise ConfigError(f"[keys] {shown}: write {last.upper()!r} for '{printable(typed, 30)}'")
    known = last in _NAMED or last in _SIGNS or (modifiers and len(last) == 1 and last.isprintable())
    if (
        not known
        or not typed.isprintable()
        or not set(modifiers) <= set(_MODIFIERS)
        or len(set(modifiers)) < len(modifiers)
    ):
        advice = did_you_mean(key, _NAMED | _SIGNS) if not modifiers else ""
        raise ConfigError(
            f"[keys] {shown}: there is no key '{printable(typed, 30)}'"
            + (advice or "; keys are like x, X, ctrl+x, f1, space, pagedown, question_mark")
        )
    return key


def _meet(one: str, other: str, everywhere: Collection[str]) -> bool:
    groups = {one.partition(".")[0], other.partition(".")[0]}
    return len(groups) == 1 or groups <= TOGETHER or bool(groups & set(everywhere))


def _shared(one: str, other: str, defaults: Mapping[str, tuple[str, ...]]) -> bool:
    return bool(set(defaults[one]) & set(defaults[other]))
