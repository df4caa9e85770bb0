"""Definitions that have been read before: reading one again costs a look into a dictionary."""

from __future__ import annotations

import hashlib

from taskconsole.errors import ScheduleError
from taskconsole.model.definition import MAX_DEFINITION, Definition, check_schedule_name, decode_definition

__all__ = ["Definitions"]

KEPT = 20_000
"""Definitions remembered; a cron expression takes longer to read than to be asked for its next instant."""

KEPT_BYTES = 16 * 2**20
"""Bytes of all that is remembered, as it stood in Redis: twenty thousand of the longest would be a gigabyte."""


class Definitions:
    """Turns the bytes of a definition into what they mean."""

    def __init__(self) -> None:
        self._known: dict[bytes, Definition | str] = {}
        """Under the digest of the bytes; text is the reason why they are none."""
        self._bytes = 0

    def read(self, name: str, raw: bytes) -> Definition:
        """The definition in `raw`.

        Raises:
            ScheduleError: It is none, or `name` cannot be a schedule's.
        """
        check_schedule_name(name)
        if len(raw) > MAX_DEFINITION:
            return decode_definition(raw)  # which refuses it without a look
        digest = hashlib.blake2b(raw, digest_size=16).digest()
        found = self._known.get(digest)
        if found is None:
            found = self._keep(digest, raw)
        if isinstance(found, str):
            raise ScheduleError(found)
        return found

    def _keep(self, digest: bytes, raw: bytes) -> Definition | str:
        found: Definition | str
        try:
            found = decode_definition(raw)
        except ScheduleError as error:
            found = str(error)
        self._bytes += len(raw)
        if len(self._known) >= KEPT or self._bytes > KEPT_BYTES:
            self._known.clear()
            self._bytes = len(raw)
        self._known[digest] = found
        return found
