"""What is kept of a schedule that was removed, so that it can be restored and none of its instants comes twice.

Three lines in Redis: who removed what (JSON), where it stood, and which of its tasks were not finished. The last two
are what stood there when it was removed (JSON; either may be empty).
"""

from __future__ import annotations

import msgspec

from taskconsole.model.firing import Position, decode_position, decode_running, replace_position

__all__ = ["Removal", "decode_removal", "encode_removal", "past_of", "unfinished_of"]


class Removal(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Who removed a schedule, when, and what it was."""

    by: str = ""
    at: float = 0.0
    """Seconds since the epoch."""
    reason: str = ""
    definition: str = ""
    """The definition to restore (JSON); empty when nobody knows it any more."""
    code: str = ""
    """What code declared (JSON); empty for what operators have made."""


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Removal).decode


def encode_removal(removal: Removal) -> bytes:
    """The first line; the transition adds the others."""
    return _encode(removal)


def decode_removal(note: bytes) -> Removal:
    """Who removed what; all empty when there is no note, or none that we wrote."""
    try:
        return _decode(_line(note, 0))
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return Removal()


def past_of(note: bytes) -> Position:
    """What has been decided, without a next instant: that is to be computed."""
    found = decode_position(_line(note, 1)) or Position()
    return replace_position(found, trigger="", instant=None, time=None)


def unfinished_of(note: bytes) -> bytes:
    """Its tasks that were not finished, as they stand in Redis; empty for none."""
    found = decode_running(_line(note, 2))
    return _encode(found) if found else b""


def _line(note: bytes, number: int) -> bytes:
    lines = note.split(b"\n", 2)
    return lines[number] if number < len(lines) else b""
