"""The server in detail: one bounded look at each of its sides, and in words what it does not let us see."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Protocol

from taskconsole.backends.rows import integer
from taskconsole.errors import AccessDenied, StoreError, WrongType
from taskconsole.model.phrase import size
from taskconsole.model.server import KeyUse, ServerClient, ServerDetail, SlowCommand
from taskconsole.store.keys import DEFAULT_QUEUE
from taskconsole.store.reading import ReadingStore
from taskconsole.store.server import client_list, entries, fields, memory_use, slow_log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from taskconsole.store.call import Call, Place
    from taskconsole.store.keys import Keys, Namespace
    from taskconsole.store.server import SlowEntry

__all__ = ["ServerLook", "shortened"]

SLOW = 10
"""Entries of the slow log."""

MAX_QUEUES = 50
"""Queues whose keys are measured."""

SUMMED = (
    "used_memory", "maxmemory", "connected_clients", "blocked_clients", "maxclients", "instantaneous_ops_per_sec",
    "rejected_connections", "evicted_keys", "expired_keys", "connected_slaves",
)  # fmt: skip
"""Fields of INFO that are added up over the nodes of a cluster."""

MANY_CLIENTS = 5_000
"""Connections; a longer list is not asked for: Redis writes all of it at once."""

MAX_COMMAND = 120
"""Characters of a command."""

MAX_ARGUMENT = 48


class AskAll(Protocol):
    """Carries out calls in one round trip; a refusal is the answer to its call."""

    def __call__(self, calls: list[Call[Any]], /) -> list[Any]:
        """The answers, in order."""


class ServerLook:
    """Looks at the server.

    Args:
        names: The key names to use.
        ask: For reading.
        client_name: What our own connections are called.
        queues: Queues to measure even when nobody has registered them.
        nodes: Tells the nodes of a cluster; none of a single server.
    """

    def __init__(
        self,
        names: Namespace,
        ask: AskAll,
        client_name: str,
        queues: Iterable[str] = (),
        nodes: Callable[[], Sequence[Place]] = tuple,
    ) -> None:
        self._names, self._ask, self._client_name, self._extra = names, ask, client_name, frozenset(queues)
        self._reading, self._nodes = ReadingStore(names), nodes

    def read(self) -> ServerDetail:
        """One look. What is refused is named in it.

        Raises:
            StoreUnavailable: No answer.
        """
        refused: list[str] = []
        nodes: Sequence[Place | None] = self._nodes() or (None,)
        now, known = self._ask([self._reading.time(), self._reading.usable_queues()])
        infos = self._ask([self._reading.info(node) for node in nodes])
        slow_logs = self._ask([slow_log(SLOW, node) for node in nodes])
        now = _granted(now, "TIME", refused, time.time())
        info = summed([_granted(info, "INFO", refused, {}) for info in infos])
        logs = [_granted(log, "SLOWLOG", refused, None) for log in slow_logs]
        slow = None if None in logs else sorted((entry for log in logs for entry in log), key=_age)[:SLOW]
        known = _granted(known, "SMEMBERS", refused, [])
        connected = integer(info.get("connected_clients"))
        return ServerDetail(
            at=now,
            info=info,
            slow=None if slow is None else tuple(_slow(entry) for entry in slow),
            clients=self._clients(connected, nodes, refused),
            connected=connected,
            keys=self._keys(sorted({*known, *self._extra, DEFAULT_QUEUE}), refused),
            refused=tuple(dict.fromkeys(refused)),
        )

    def _clients(
        self, connected: int, nodes: Sequence[Place | None], refused: list[str]
    ) -> tuple[ServerClient, ...] | None:
        if connected > MANY_CLIENTS:
            refused.append(f"CLIENT LIST: not asked for, {connected:,} connections are too many to list")
            return None
        answers = self._ask([client_list(self._client_name, node) for node in nodes])
        lists = [_granted(answer, "CLIENT LIST", refused, None) for answer in answers]
        return None if None in lists else tuple(_client(each) for listed in lists for each in listed)

    def _keys(self, queues: list[str], refused: list[str]) -> tuple[KeyUse, ...]:
        if len(queues) > MAX_QUEUES:
            refused.append(f"MEMORY USAGE: asked for {MAX_QUEUES} of {len(queues):,} queues only")
        classes = [
            (queue, what, key, count)
            for queue in queues[:MAX_QUEUES]
            for what, key, count in self._classes(self._names.of(queue), queue)
        ]
        calls: list[Call[Any]] = []
        for _, _, key, count in classes:
            calls += [count, memory_use(key)]
        answers = self._ask(calls)
        found: list[KeyUse] = []
        for i, (queue, what, _, count) in enumerate(classes):
            name = str(count.args[0])
            if isinstance(answers[2 * i], WrongType):
                refused.append(f"{name}: the {what} tasks of {queue} are in a key of another type")
            elements = _granted(answers[2 * i], name, refused, 0)
            size = _granted(answers[2 * i + 1], "MEMORY USAGE", refused, None)
            if elements:
                found.append(KeyUse(what=what, queue=queue, elements=elements, bytes=size))
        return tuple(found)

    def _classes(self, k: Keys, queue: str) -> list[tuple[str, str, Call[int]]]:
        r = self._reading
        found = [
            ("pending", k.queue, r.length(k.queue)),
            ("delayed", k.delayed, r.size(k.delayed)),
            ("dead", k.dead, r.size(k.dead)),
            ("done", k.done, r.length(k.done)),
            ("log", k.log, entries(k.log)),
            ("schedules", k.schedules, fields(k.schedules)),
        ]
        if queue == DEFAULT_QUEUE:
            public = self._names.public_delayed
            found.append(("delayed, public", public, r.size(public)))
        return found


def summed(infos: Sequence[dict[str, str]]) -> dict[str, str]:
    """What INFO says of the nodes of a cluster, taken together: the first one's, with what can be added up."""
    found = dict(infos[0])
    if len(infos) > 1:
        found |= {name: str(sum(integer(info.get(name)) for info in infos)) for name in SUMMED if name in found}
        # What Redis has written in words is of one node only.
        for name in ("used_memory", "maxmemory"):
            if int(found.get(name, 0)):
                found[f"{name}_human"] = size(int(found[name]))
    return found


def _age(entry: SlowEntry) -> int:
    return -entry.at


def _granted(answer: Any, name: str, refused: list[str], otherwise: Any) -> Any:
    """The answer, or `otherwise` with the reason noted.

    Raises:
        StoreUnavailable: It was none.
    """
    if not isinstance(answer, Exception):
        return answer
    if isinstance(answer, AccessDenied):
        refused.append(f"{name}: an ACL forbids it")
    elif not isinstance(answer, StoreError):
        raise answer
    elif not isinstance(answer, WrongType):
        refused.append(f"{name}: {answer}")
    return otherwise


def _client(listed: dict[str, str]) -> ServerClient:
    return ServerClient(
        address=listed.get("addr", ""),
        name=listed.get("name", ""),
        age=integer(listed.get("age")),
        idle=integer(listed.get("idle")),
        command=listed.get("cmd", ""),
        memory=integer(listed.get("tot-mem")),
    )


def _slow(entry: SlowEntry) -> SlowCommand:
    return SlowCommand(at=float(entry.at), ms=entry.micros / 1000, command=shortened(entry.args), client=entry.client)


def shortened(args: tuple[bytes, ...]) -> str:
    """A command as it may be shown: its name, what it is about, and numbers; never a payload or a password.

    The first argument is a key, a script's digest or a subcommand. After it only the bounds of a range are sure to be
    harmless. A script's text is left out, but not the key that it works on.
    """
    name, *rest = (arg.decode("utf-8", "backslashreplace") for arg in args or (b"?",))
    name = name.upper()[:MAX_ARGUMENT]
    shown: list[str] = []
    if name not in {"AUTH", "HELLO"} and rest:
        first = "…" if name == "EVAL" else rest[0]
        shown.append(first if len(first) <= MAX_ARGUMENT else first[: MAX_ARGUMENT - 1] + "…")
        keyed = name in {"EVAL", "EVALSHA"} and len(rest) > 2 and rest[1].isdigit() and rest[1] != "0"
        if keyed:
            shown += [part[:MAX_ARGUMENT] for part in rest[1:3]]
        elif name.endswith(_WITH_BOUNDS):
            shown += _numbers(rest[1:])
    left = ["…"] if len(shown) < len(rest) else []
    return " ".join([name, *shown, *left])[:MAX_COMMAND]


_WITH_BOUNDS = ("RANGE", "RANGEBYSCORE", "TRIM", "INDEX", "SLOWLOG")


def _numbers(args: list[str]) -> list[str]:
    """Those at the beginning that are numbers of a usual length, three at most."""
    found: list[str] = []
    for arg in args[:3]:
        if len(arg) > 20 or not arg.lstrip("-").replace(".", "", 1).isdigit():
            break
        found.append(arg)
    return found
