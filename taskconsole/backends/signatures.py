"""What live workers tell of their tasks: names, and parameters unless they are older than that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from taskconsole.model.signature import Signature, decode_signatures
from taskconsole.store.reading import ReadingStore

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from taskconsole.store.call import Call
    from taskconsole.store.keys import Namespace

__all__ = ["signatures"]

MOST = 100
"""Workers of one queue that are asked: many of them run the same code."""


def signatures(names: Namespace, queues: Sequence[str], ask: Callable[[list[Call[Any]]], list[Any]]) -> list[Signature]:
    """Each task once for every way in which a worker has it, by name.

    Args:
        names: The key names to use.
        queues: Those whose workers are asked.
        ask: Carries out calls in one round trip; raises a refusal.
    """
    store = ReadingStore(names)
    keys = [names.of(queue) for queue in queues]
    now, *leases = ask([store.time(), *(store.leases(k) for k in keys)])
    alive = [
        (k, wid)
        for k, ends in zip(keys, leases, strict=True)
        for wid in [wid for wid, until in ends.items() if until > now][:MOST]
    ]
    found = ask([store.worker_fields(k, wid, "tasks", "signatures") for k, wid in alive])
    return sorted({signature for fields in found for signature in _told(fields)}, key=str)


def _told(fields: dict[str, bytes]) -> list[Signature]:
    told = decode_signatures(fields.get("signatures", b""))
    listed = [name for name in fields.get("tasks", b"").decode("utf-8", "replace").split(",") if name]
    return [told.get(name, Signature(task=name)) for name in {*listed, *told}]
