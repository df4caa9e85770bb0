"""What was sent to Redis lately, for whoever wants to know what a console does: bounded, and without any payload."""

from __future__ import annotations

import time
from collections import deque
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from taskconsole.model.printable import printable
from taskconsole.model.trace import Issued
from taskconsole.store.call import script

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from taskconsole.store.call import Call

__all__ = ["Trace"]

ACTS, READS = 500, 1000
"""Commands that are remembered of each kind; so that what was done is not pushed out by what was read."""

MOST_KEYS, LONGEST = 8, 200
"""Keys that are named of one command, and characters of each."""

WORDS = frozenset({"CLIENT", "CONFIG", "MEMORY", "OBJECT", "PUBSUB", "SCRIPT", "SLOWLOG", "XINFO", "ACL"})
"""Commands whose second word says which."""

KEYLESS = frozenset({"INFO", "TIME", "SCAN", "DBSIZE", "LATENCY", *(WORDS - {"MEMORY", "OBJECT", "XINFO"})})
"""Commands whose arguments are no keys."""

NO_ANSWER = "no answer"


class Trace:
    """Remembers what several connections send; each has an `around` of its own. Any thread may ask."""

    def __init__(self) -> None:
        self._acts: deque[Issued] = deque(maxlen=ACTS)
        self._reads: deque[Issued] = deque(maxlen=READS)
        self._count = 0

    def around(
        self, exchange: Callable[[Sequence[Call[Any]]], list[Any]], *, acting: bool
    ) -> Callable[[Sequence[Call[Any]]], list[Any]]:
        """The same exchange, remembered."""

        def remembered(calls: Sequence[Call[Any]]) -> list[Any]:
            at, began = time.time(), time.monotonic()
            replies: list[Any] | None = None
            try:
                replies = exchange(calls)
            finally:
                took = time.monotonic() - began
                for i, call in enumerate(calls):
                    answer = NO_ANSWER if replies is None else _refusal(replies[i])
                    self._note(call, at, took, len(calls), answer, acting=acting)
            return replies

        return remembered

    def newest(self) -> tuple[Issued, ...]:
        """What was done, then what was read; each the newest first."""
        return (*reversed(list(self._acts)), *reversed(list(self._reads)))

    def _note(self, call: Call[Any], at: float, took: float, together: int, answer: str, *, acting: bool) -> None:
        self._count += 1
        name, keys = _name_and_keys(call)
        issued = Issued(
            number=self._count,
            at=at,
            name=name,
            keys=keys,
            size=sum(len(arg) if isinstance(arg, bytes | str) else 8 for arg in call.args),
            took=took,
            together=together,
            acting=acting,
            answer=answer,
        )
        (self._acts if acting else self._reads).append(issued)


def _name_and_keys(call: Call[Any]) -> tuple[str, tuple[str, ...]]:
    """What a command is called, and its keys; none of its other arguments."""
    word, *rest = call.args
    if word == "EVALSHA":
        name = f"{_names().get(str(rest[0]), 'script')}.lua"
        number = int(rest[1])
        return name, tuple(printable(key, LONGEST) for key in rest[2 : 2 + min(number, MOST_KEYS)])
    name = str(word)
    if name in WORDS and rest:
        name, rest = f"{name} {printable(rest[0], 20)}", rest[1:]
    if str(word) in KEYLESS or not rest:
        return name, ()
    return name, (printable(rest[0], LONGEST),)


@cache
def _names() -> dict[str, str]:
    """The names of our transitions, by their SHA."""
    files = (resources.files("taskconsole.store") / "lua").iterdir()
    names = (file.name.removesuffix(".lua") for file in files if file.name.endswith(".lua"))
    return {script(name).sha: name for name in names}


def _refusal(reply: object) -> str:
    """The first word of an error, which says its kind; the rest may quote anything."""
    if not isinstance(reply, Exception):
        return ""
    return printable(str(reply).partition(" ")[0] or type(reply).__name__, 40)
