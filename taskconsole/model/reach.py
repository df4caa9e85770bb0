"""How a command that is pasted into a shell meets the Redis it was suggested for. Pure.

A remedy that names no server goes to whichever one that shell knows of, which may be another. What is needed is
kept as words and quoted here, so that a recording from anybody cannot slip a command of its own in between.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from taskconsole.model.phrase import quoted

__all__ = ["BY_ITSELF", "Reach"]

_PROGRAM = re.compile(r"(?:^|(?<=; ))(?:taskconsole (?:--headless )?[a-z][a-z-]*|redis-cli)(?= |$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What our command and redis-cli have to be told; nothing where they find the server by themselves."""

    ours: tuple[str, ...] = ()
    redis_cli: tuple[str, ...] = ()

    def typed(self, line: str) -> str:
        """The same commands with the server named; anything else is left as it is.

        One of ours by itself is told at its end, so that a narrow screen cuts off the server and not the task.
        """
        if line.startswith("taskconsole ") and not any(mark in line for mark in ("; ", " -- ")):
            return " ".join([line, *map(quoted, self.ours)])
        return _PROGRAM.sub(self._told, line)

    def _told(self, found: re.Match[str]) -> str:
        program = found[0]
        words = self.redis_cli if program == "redis-cli" else self.ours
        return " ".join([program, *map(quoted, words)])


BY_ITSELF = Reach()
"""Nothing has to be said: the environment leads there, or it is this machine's own."""
