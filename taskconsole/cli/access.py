"""`doctor --acl`: who may do what in Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from taskconsole.cli.output import say, write_json, write_line

if TYPE_CHECKING:
    from taskconsole.config import Settings

__all__ = ["print_acl"]


def print_acl(settings: Settings, *, wants_json: bool) -> None:
    """Print the users for a Redis and a prefix, as lines for its ACL file.

    Raises:
        ConfigError: No rule can be written for this prefix.
    """
    from taskconsole.store.acl import PASSWORD, acl_users

    users = acl_users(settings.url, settings.prefix)
    if wants_json:
        write_json({"users": [{"name": user.name, "about": user.about, "rules": user.rules} for user in users]})
        return
    for user in users:
        write_line(user.line)
    for user in users:
        say(f"{user.name}: for {user.about}")
    say(f"put your own passwords in the place of {PASSWORD}; in redis-cli write ACL SETUSER instead of user")
    if not settings.prefix:
        say("without --prefix every key may be a queue, so every key is theirs")
