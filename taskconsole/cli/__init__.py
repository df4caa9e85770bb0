"""The command line: the composition root. Everything heavy is imported inside the functions that need it."""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run the command line and end the process."""
    from taskconsole.cli.root import run

    run()
