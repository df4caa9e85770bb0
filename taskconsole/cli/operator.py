"""Who acts, as others will read it."""

from __future__ import annotations

import getpass
import os
import socket

from taskconsole.model.printable import printable

__all__ = ["operator_name"]


def operator_name() -> str:
    """`user@host`, on one line whatever the environment says."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        # No name for this user id, as in many containers.
        user = str(os.getuid())
    return printable(f"{user}@{socket.gethostname()}", 200)
