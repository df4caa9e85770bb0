"""Where a URL leads decides what kind of wire it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from taskconsole.store.cluster import AsyncClusterWire, ClusterWire
from taskconsole.store.events import ClusterListener, Listener
from taskconsole.store.wire import AsyncWire, Wire

if TYPE_CHECKING:
    from taskconsole.config import Settings
    from taskconsole.store.trace import Trace

__all__ = ["open_async_wire", "open_listener", "open_wire"]


def open_wire(
    settings: Settings, *, timeout: float | None = None, trace: Trace | None = None, acting: bool = False
) -> Wire:
    """A blocking wire; its arguments are those of `Wire`."""
    kind = ClusterWire if settings.spread else Wire
    return kind(settings, timeout=timeout, trace=trace, acting=acting)


def open_async_wire(settings: Settings) -> AsyncWire:
    """A wire for asyncio."""
    return AsyncClusterWire(settings) if settings.spread else AsyncWire(settings)


def open_listener(settings: Settings) -> Listener:
    """A blocking subscriber."""
    return ClusterListener(settings) if settings.spread else Listener(settings)
