"""Definitions that are remembered: each is read once, and what is remembered has an end."""

from __future__ import annotations

import tracemalloc

import pytest

from taskconsole import ScheduleError
from taskconsole.model.definition import MAX_DEFINITION
from taskconsole.worker import definitions as definitions_module
from taskconsole.worker.definitions import Definitions


@pytest.fixture
def read(monkeypatch):
    """What was read and not remembered."""
    found = []

    def decode(raw):
        found.append(raw)
        return real(raw)

    real = definitions_module.decode_definition
    monkeypatch.setattr(definitions_module, "decode_definition", decode)
    return found


def long(n: int) -> bytes:
    return b'{"every":1,"task":"t%d","args":["%s"]}' % (n, b"x" * 60_000)


def test_a_definition_is_read_once_and_so_is_what_is_none(read):
    known = Definitions()
    raw = b'{"every":5,"task":"t"}'
    assert known.read("a", raw) is known.read("b", bytes(bytearray(raw)))
    messages = set()
    for _ in range(2):
        with pytest.raises(ScheduleError) as refused:
            known.read("a", b"{")
        messages.add(str(refused.value))
    assert (read, len(messages)) == ([raw, b"{"], 1)


def test_what_is_remembered_has_an_end(read, monkeypatch):
    monkeypatch.setattr(definitions_module, "KEPT_BYTES", 1_000_000)
    known = Definitions()
    tracemalloc.start()
    try:
        for n in range(200):
            known.read("a", long(n))
            with pytest.raises(ScheduleError):
                known.read("a", b"{" + long(n))
        read.clear()
        assert tracemalloc.get_traced_memory()[0] < 2_000_000
    finally:
        tracemalloc.stop()
    known.read("a", long(199))
    assert read == []


def test_what_is_too_long_is_refused_and_not_remembered():
    known = Definitions()
    tracemalloc.start()
    try:
        for n in range(50):
            with pytest.raises(ScheduleError, match="more than"):
                known.read("a", b"%d" % n + b"x" * MAX_DEFINITION)
        assert tracemalloc.get_traced_memory()[0] < 200_000
    finally:
        tracemalloc.stop()
