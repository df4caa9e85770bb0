"""What lies in a worker's list in Redis, in its order, as long as that is certain.

Tasks that end in the order in which they were claimed are the first of the list: then their number says it all, and
Redis need neither be sent them once more nor look for each. That is right only while the list is known exactly, so
whatever is in doubt makes it unknown until it is read again; nor does Redis believe it without two checks of its own
(`step.lua`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Hands"]


class Hands:
    """One processing list, oldest claim first; new, it is empty."""

    __slots__ = ("_payloads", "version")

    def __init__(self) -> None:
        self._payloads: list[bytes] | None = []
        self.version = 0
        """Changes whenever something is added at the end."""

    @property
    def known(self) -> bool:
        """False when something may be there, or lie in another order, that we have not heard of."""
        return self._payloads is not None

    def __len__(self) -> int:
        return len(self._payloads or ())

    def forget(self) -> None:
        """It is in doubt."""
        self._payloads = None

    def read(self, payloads: Sequence[bytes]) -> None:
        """It is so, as Redis says."""
        self._payloads = list(payloads)
        self.version += 1

    def claimed(self, payloads: Sequence[bytes]) -> None:
        """A step has added these."""
        self.version += 1
        if self._payloads is not None:
            self._payloads += payloads

    def came(self, payload: bytes, since: int) -> None:
        """A blocking move that began at the version `since` has added one, before or after whatever came meanwhile."""
        if since != self.version:
            self._payloads = None
        else:
            self.claimed([payload])

    def released(self, payloads: Sequence[bytes]) -> None:
        """These have left it, of equal ones the oldest."""
        known = self._payloads
        if known is None:
            return
        if known[: len(payloads)] == payloads:
            del known[: len(payloads)]
            return
        try:
            for payload in payloads:
                known.remove(payload)
        except ValueError:
            self._payloads = None

    def leading(self, payloads: Sequence[bytes]) -> int:
        """How many of these, from the first on, are the oldest of the list, in its order."""
        known = self._payloads
        if not known:
            return 0
        if known[: len(payloads)] == payloads:
            return len(payloads)
        pairs = zip(known, payloads, strict=False)
        return next((i for i, (one, other) in enumerate(pairs) if one != other), min(len(known), len(payloads)))
