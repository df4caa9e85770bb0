"""Whether anything may be written: locked, open for a while, read-only for good."""

from __future__ import annotations

import pytest

from taskconsole.console.feed.lock import UNLOCKED_FOR, Lock, Writes


def test_it_is_locked_until_the_server_is_known_to_be_on_this_machine():
    lock = Lock()
    assert lock.state(0) is Writes.LOCKED
    assert lock.found(loopback=True).state(1e9) is Writes.OPEN
    assert lock.found(loopback=False).state(0) is Writes.LOCKED


def test_unlocking_lasts_fifteen_minutes_and_says_how_long_still():
    lock = Lock().found(loopback=False).opened(100.0)
    assert (lock.state(100.0), lock.words(100.0)) == (Writes.OPEN, "[RW 15m]")
    assert lock.words(100.0 + UNLOCKED_FOR - 1) == "[RW 1m]"
    assert lock.state(100.0 + UNLOCKED_FOR) is Writes.LOCKED
    assert lock.refusal(100.0) == ""
    assert "U unlocks" in lock.refusal(100.0 + UNLOCKED_FOR)


def test_the_first_answer_decides_and_later_ones_undo_no_key():
    shut = Lock().found(loopback=True).shut()
    assert shut.found(loopback=True).state(0) is Writes.LOCKED
    opened = Lock().opened(0.0)
    assert opened.found(loopback=False).state(1.0) is Writes.OPEN


def test_a_protected_context_is_locked_wherever_it_is():
    assert Lock(name="prod").found(loopback=True).state(0) is Writes.LOCKED


@pytest.mark.parametrize("change", [lambda x: x.opened(0.0), lambda x: x.found(loopback=True), lambda x: x.shut()])
def test_read_only_is_for_good(change):
    lock = change(Lock(read_only=True))
    assert (lock.state(1.0), lock.words(1.0)) == (Writes.READ_ONLY, "[READ-ONLY]")
    assert "read-only" in lock.refusal(1.0)
