"""The note about a removed schedule: what is read back, and what becomes of notes that nobody wrote."""

from __future__ import annotations

import pytest

from taskconsole.model.firing import Position, encode_position
from taskconsole.model.removal import Removal, decode_removal, encode_removal, past_of, unfinished_of


def test_a_note_tells_what_was_removed_and_what_was_decided():
    removal = Removal(by="ada", at=5.5, definition='{"every":"1h","note":"a\\nb"}', code="{}")
    position = Position(trigger="abc", instant=9.0, time=9.5, last=8.0, fires=3)
    note = encode_removal(removal) + b"\n" + encode_position(position) + b'\n{"s@1":1.5}'
    assert decode_removal(note) == removal
    assert past_of(note) == Position(last=8.0, fires=3)
    assert unfinished_of(note) == b'{"s@1":1.5}'


@pytest.mark.parametrize(
    "note",
    [
        b"",
        b"\n",
        b"\n\n",
        b"{",
        b'{"by":5}\n[]\n[]',
        b"\xff\n\xff\n\xff",
        b'{}\n{"last":1e300,"fires":1}\n{"a":"b"}',
        b"[" * 9_000,
    ],
    ids=ascii,
)
def test_garbage_is_no_note(note):
    assert decode_removal(note) == Removal()
    assert past_of(note) == Position()
    assert unfinished_of(note) == b""
